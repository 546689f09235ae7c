// Makes the types in src/generated/ from the documents that the services and the sidecar serve. With --check it only
// says whether they are up to date. (openapi-typescript does not read AsyncAPI, and wants the TypeScript of old.)
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const repository = path.join(root, "..", "..");
const generated = path.join(root, "src", "generated");
const DOCUMENTS = {
  organizer: "components/organizer/openapi.json",
  participant: "components/participant/openapi.json",
  messenger: "components/messenger/openapi.json",
  socket: "sidecar/asyncapi.json",
};
const WIDTH = 120;

function moduleOf(file) {
  const document = JSON.parse(readFileSync(path.join(repository, file), "utf8"));
  const schemas = Object.entries({ ...document.components.schemas, ...framesOf(document) });
  const types = schemas.map(([name, schema]) => declaration(name, schema));
  return `// Made from ${file} by scripts/types.mjs: \`npm run types -w client\`.\n\n${types.join("\n\n")}\n`;
}

/** A schema for each message of AsyncAPI, and one for each operation: any of its messages. */
function framesOf({ channels, operations = {}, components: { messages = {} } }) {
  const frame = (name) => (name.includes("Frame") ? name : `${name}Frame`);
  const frames = Object.entries(messages).map(([name, { summary: description, payload }]) => [
    frame(name),
    { ...payload, description },
  ]);
  const unions = Object.entries(operations).map(([name, { summary: description, messages }]) => {
    const anyOf = messages.map(({ $ref }) => {
      const [, , channel, , message] = $ref.split("/");
      const name = channels[channel].messages[message].$ref.split("/").at(-1);
      return { $ref: frame(name) };
    });
    return [name.replace(/^./, (first) => first.toUpperCase()), { description, anyOf }];
  });
  return Object.fromEntries([...frames, ...unions]);
}

function declaration(name, schema) {
  const comment = documentation(schema.description, "");
  if (schema.properties) return `${comment}export interface ${name} ${objectOf(schema, "")}`;
  return comment + line(`export type ${name} =`, typeOf(schema, ""), "");
}

/** A union that does not fit has a line for each of its members. */
function line(start, type, indent) {
  const whole = `${start} ${type};`;
  const members = type.split(" | ");
  if (whole.length <= WIDTH || members.length === 1 || type.includes("\n")) return whole;
  return `${start}\n${members.map((member) => `${indent}  | ${member}`).join("\n")};`;
}

function typeOf(schema, indent) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.anyOf) {
    // `true` is what a service takes and does not look at.
    const known = schema.anyOf.filter((one) => one !== true);
    return [...new Set(known.map((one) => typeOf(one, indent)))].join(" | ");
  }
  if (schema.properties) return objectOf(schema, indent);
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type }, indent)).join(" | ");
  if (schema.type === "array") {
    const items = typeOf(schema.items, indent);
    return items.includes(" | ") && !items.startsWith("{") ? `(${items})[]` : `${items}[]`;
  }
  return { integer: "number", object: "Record<string, never>" }[schema.type] ?? schema.type ?? "unknown";
}

function objectOf({ properties, required = [] }, indent) {
  const inner = `${indent}  `;
  if (Object.keys(properties).length === 0) return "Record<string, never>";
  const members = Object.entries(properties).map(([name, member]) => {
    const optional = required.includes(name) ? "" : "?";
    return documentation(member.description, inner) + line(`${inner}${name}${optional}:`, typeOf(member, inner), inner);
  });
  return `{\n${members.join("\n")}\n${indent}}`;
}

/** A comment, in lines of what fits. */
function documentation(description, indent) {
  if (!description) return "";
  const one = `${indent}/** ${description} */`;
  if (one.length <= WIDTH) return `${one}\n`;
  const lines = [""];
  for (const word of description.split(/\s+/)) {
    const last = lines.at(-1);
    if (`${indent} * ${last} ${word}`.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = last ? `${last} ${word}` : word;
  }
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}`).join("\n")}\n${indent} */\n`;
}

function read(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

mkdirSync(generated, { recursive: true });
for (const [name, file] of Object.entries(DOCUMENTS)) {
  const target = path.join(generated, `${name}.ts`);
  const text = moduleOf(file);
  if (read(target) === text) continue;
  if (!process.argv.includes("--check")) {
    writeFileSync(target, text);
    continue;
  }
  console.error(`src/generated/${name}.ts is not what ${file} says: npm run types -w client`);
  process.exitCode = 1;
}
