// Makes the pages for client authors from the documents that the services and the sidecar serve: plain HTML, without a
// script. /docs says what there is, and each document has a page below it.
import { readFile } from "node:fs/promises";
import path from "node:path";

const METHODS = ["get", "post", "put", "patch", "delete"];
/** The address of each page, the document below the repository, and where it is served. */
const DOCUMENTS = [
  { name: "participant", file: "components/participant/openapi.json", served: "/participant/openapi.json" },
  { name: "organizer", file: "components/organizer/openapi.json", served: "/organizer/openapi.json" },
  { name: "messenger", file: "components/messenger/openapi.json", served: "/messenger/openapi.json" },
  { name: "socket", file: "sidecar/asyncapi.json", served: "/asyncapi.json" },
];

/** All pages, each as its file below dist/ and its text. `style` is an element. */
export async function docsPages(repository, style) {
  const documents = await Promise.all(
    DOCUMENTS.map(async (entry) => ({ ...entry, document: await read(path.join(repository, entry.file)) })),
  );
  const pages = documents.map((entry) => ({
    file: `docs/${entry.name}.html`,
    html: frame(entry.document.info.title, style, entry.document.openapi ? service(entry) : socket(entry)),
  }));
  return [{ file: "docs.html", html: frame("Mayday for client authors", style, index(documents)) }, ...pages];
}

async function read(file) {
  return JSON.parse(await readFile(file, "utf8"));
}

function frame(title, style, content) {
  return `<!doctype html>
<html lang="en" dir="ltr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(title)}</title>
${style}
<link rel="icon" href="/icon.svg" type="image/svg+xml">
</head>
<body>
<nav aria-label="Documents"><ul>${[{ name: "", served: "/docs" }, ...DOCUMENTS].map(navigation).join("")}</ul></nav>
<main>
<h1>${text(title)}</h1>
${content}
</main>
</body>
</html>
`;
}

function navigation({ name }) {
  return `<li><a href="/docs${name && `/${name}`}">${name || "Overview"}</a></li>`;
}

function index(documents) {
  const row = ({ name, document, served }) => {
    const summary = document.info.summary ?? first(document.info.description);
    return `<h2><a href="/docs/${name}">${text(document.info.title)}</a></h2>
<p>${inline(summary)}</p><p class="faint">For programs: <a href="${served}">${served}</a></p>`;
  };
  return documents.map(row).join("\n");
}

function first(description) {
  return description.split("\n\n")[0];
}

function service({ document, served }) {
  const operations = Object.entries(document.paths).flatMap(([place, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({
      method,
      place,
      ...item[method],
      parameters: [...(item.parameters ?? []), ...(item[method].parameters ?? [])],
    })),
  );
  const tags = document.tags.map(({ name, description }) => {
    const own = operations.filter((operation) => operation.tags.includes(name));
    return `<h2 id="${id("tag", name)}">${text(name)}</h2>\n<p>${inline(description)}</p>
${own.map((operation) => operationOf(document, operation)).join("\n")}`;
  });
  const others = Object.values(document.components.responses).filter((response) => response["x-status"]);
  const rest = others.map((response) => answer(document, `${response["x-status"]}`, response));
  return `${paragraphs(document.info.description)}
<p class="faint">For programs: <a href="${served}">${served}</a></p>
${tags.join("\n")}
<h2>Answers to any request</h2>
${rest.join("\n")}
${schemas(document)}`;
}

function operationOf(document, operation) {
  const { method, place, summary, description, parameters, requestBody, responses, security } = operation;
  const open = (security ?? document.security ?? []).some((scheme) => Object.keys(scheme).length === 0);
  const needed = (security ?? document.security ?? []).flatMap(Object.keys);
  const token = needed.length === 0 ? "No token." : `Token: ${needed.join(" or ")}${open ? ", if there is one" : ""}.`;
  const content = requestBody?.content["application/json"];
  const body = content
    ? `<h3>Body</h3>${requestBody.description ? `<p>${inline(requestBody.description)}</p>` : ""}
<p>${typeOf(content.schema)}${requestBody.required ? "" : " (may be left out)"}</p>
${members(content.schema)}${code(content.example)}`
    : "";
  return `<details id="${text(operation.operationId)}"><summary><code>${method.toUpperCase()} ${text(place)}</code>
${text(summary)}</summary>
<p>${description ? `${inline(description)} ` : ""}<span class="faint">${token}</span></p>
${parameters.length ? `<h3>Parameters</h3>${table(parameters.map((parameter) => parameterRow(document, parameter)))}` : ""}
${body}
<h3>Answers</h3>
${Object.entries(responses)
  .map(([status, response]) => answer(document, status, response))
  .join("\n")}
</details>`;
}

function parameterRow(document, reference) {
  const parameter = resolved(document, reference);
  const note = parameter.required ? "" : " (may be left out)";
  const example = parameter.example === undefined ? "" : ` Example: <code>${text(`${parameter.example}`)}</code>`;
  return [
    `<code>${text(parameter.name)}</code>`,
    `${parameter.in}, ${typeOf(parameter.schema)}${note}`,
    `${inline(parameter.description ?? "")}${example}`,
  ];
}

function answer(document, name, reference) {
  const response = resolved(document, reference);
  const empty = response["x-empty-when"] ? ` Empty when ${inline(response["x-empty-when"])}.` : "";
  const bodies = Object.entries(response.content ?? {}).map(
    ([mediaType, { schema, example }]) => `<p>${text(mediaType)}: ${typeOf(schema)}${empty}</p>${code(example)}`,
  );
  const headers = Object.entries(response.headers ?? {}).map(([header, reference]) => {
    const described = resolved(document, reference);
    return [`<code>${text(header)}</code>`, typeOf(described.schema), inline(described.description ?? "")];
  });
  const detail = `${bodies.join("")}${headers.length ? table(headers) : ""}`;
  return detail
    ? `<details><summary><strong>${text(name)}</strong> ${inline(response.description)}</summary>${detail}</details>`
    : `<p><strong>${text(name)}</strong> ${inline(response.description)}</p>`;
}

function socket({ document, served }) {
  const operations = Object.values(document.operations);
  const channels = Object.entries(document.channels).map(([name, channel]) => {
    const own = operations.filter((operation) => operation.channel.$ref === `#/channels/${name}`);
    return `<h2>${text(channel.title)}</h2><p>${inline(channel.summary)} ${inline(channel.description)}</p>
${own.map((operation) => `<h3>${text(operation.summary)}</h3>${operation.messages.map((message) => messageOf(document, message)).join("\n")}`).join("\n")}`;
  });
  const codes = document["x-close-codes"].map(({ code, meaning, reconnect, channels }) => [
    `${code}`,
    text(meaning),
    text(reconnect),
    channels.map((channel) => text(resolved(document, channel).title)).join(", "),
  ]);
  const refusals = Object.entries(document["x-handshake-refusals"]).map(([status, response]) =>
    answer(document, status, response),
  );
  return `${paragraphs(document.info.description)}
<p class="faint">For programs: <a href="${served}">${served}</a></p>
${channels.join("\n")}
<h2>Refused handshakes</h2>
${refusals.join("\n")}
<h2>Close codes</h2>
${table([["code", "meaning", "connect again?", "protocol"].map((name) => `<strong>${name}</strong>`), ...codes])}
${schemas(document)}`;
}

function messageOf(document, reference) {
  const message = resolved(document, reference);
  const payload = message.payload.properties.payload ?? message.payload;
  return `<details><summary><code>${text(message.title)}</code> ${inline(message.summary)}</summary>
${message.description ? `<p>${inline(message.description)}</p>` : ""}
<p>${typeOf(payload)}</p>${members(payload)}${code(message.examples[0].payload)}</details>`;
}

function schemas(document) {
  const all = Object.entries(document.components.schemas).map(([name, schema]) => {
    const description = schema.description ? `<p>${inline(schema.description)}</p>` : "";
    const type = schema.properties ? "" : `<p>${typeOf({ ...schema })}</p>`;
    return `<details id="${id("schema", name)}"><summary><code>${text(name)}</code></summary>
${description}${type}${members(schema)}${code(schema.examples?.[0])}</details>`;
  });
  return `<h2>Types</h2>\n${all.join("\n")}`;
}

function resolved(document, value) {
  if (!value.$ref) return value;
  const found = value.$ref
    .slice(2)
    .split("/")
    .reduce((place, key) => place?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], document);
  if (!found) throw new Error(`${value.$ref} leads nowhere`);
  return resolved(document, found);
}

/** A table of an object's members; nothing for other types. */
function members(schema) {
  if (!schema?.properties) return "";
  const rows = Object.entries(schema.properties).map(([name, member]) => {
    const note = schema.required?.includes(name) ? "" : " (may be left out)";
    return [
      `<code>${text(name)}</code>`,
      `${typeOf(member)}${note}`,
      inline(member.$ref ? "" : (member.description ?? "")),
    ];
  });
  return rows.length ? table(rows) : "";
}

function typeOf(schema) {
  if (schema === true || schema === undefined) return "anything";
  if (schema.$ref) {
    const name = schema.$ref.split("/").at(-1);
    return `<a href="#${id("schema", name)}">${text(name)}</a>`;
  }
  if (schema.const !== undefined) return `<code>${text(JSON.stringify(schema.const))}</code>`;
  if (schema.enum) return schema.enum.map((value) => `<code>${text(JSON.stringify(value))}</code>`).join(", ");
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  const types = [schema.type ?? "anything"].flat().join(" or ");
  const bounds = [
    schema.format,
    schema.minimum !== undefined && `at least ${schema.minimum}`,
    schema.maximum !== undefined && `at most ${schema.maximum}`,
    schema.minLength > 1 && `at least ${schema.minLength} characters`,
    schema.maxLength !== undefined && `at most ${schema.maxLength} characters`,
  ].filter(Boolean);
  return text([types, ...bounds].join(", "));
}

function table(rows) {
  return `<table>${rows.map((cells) => `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`).join("")}</table>`;
}

function code(example) {
  return example === undefined ? "" : `<pre tabindex="0">${text(JSON.stringify(example, null, 2))}</pre>`;
}

function id(kind, name) {
  return `${kind}-${name.replaceAll(/[^A-Za-z0-9]+/g, "-")}`;
}

function paragraphs(description) {
  return description
    .split("\n\n")
    .map((paragraph) => `<p>${inline(paragraph)}</p>`)
    .join("\n");
}

/** What descriptions have of Markdown: code and strong words. */
function inline(words) {
  return text(words)
    .replaceAll(/`([^`]+)`/g, "<code>$1</code>")
    .replaceAll(/\*\*([^*]+)\*\*/g, "<strong>$1</strong>");
}

function text(words) {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
