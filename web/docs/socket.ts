// Swagger UI reads no AsyncAPI, but both kinds of documents have the same schemas. So each frame is shown as the body
// of a request, which has no answer; docs.css hides its method and its path.

interface Reference {
  $ref: string;
}
interface Channel {
  title: string;
  summary: string;
  description: string;
}
interface Operation {
  summary: string;
  channel: Reference;
  messages: Reference[];
}
interface Message {
  name: string;
  title: string;
  summary: string;
  description?: string;
  payload: object;
  examples: { payload: object }[];
}
interface CloseCode {
  code: number;
  meaning: string;
  reconnect: string;
  channels: Reference[];
}
/** What is read of the sidecar's document. */
export interface AsyncApi {
  info: { title: string; version: string; description: string };
  operations: Record<string, Operation>;
  components: { schemas: object };
  "x-handshake-refusals": object;
  "x-close-codes": CloseCode[];
}

const HANDSHAKE = "Handshake";

/** The sidecar's document as one of OpenAPI. */
export function openApiOf(socket: AsyncApi) {
  const operations = Object.entries(socket.operations).map(([name, operation]) => ({
    ...{ name, tag: operation.summary.replace(/\.$/, ""), channel: resolve<Channel>(socket, operation.channel) },
    messages: operation.messages.map((message) => resolve<Message>(socket, message)),
  }));
  const handshake = {
    ...{ tags: [HANDSHAKE], operationId: "connect", summary: "GET /connect opens the socket" },
    responses: { 101: { description: "The socket is open." }, ...socket["x-handshake-refusals"] },
  };
  const frames = operations.flatMap(({ name, tag, messages }) =>
    messages.map((message) => [`/${name}/${message.name}`, { post: frame(`${name}.${message.name}`, tag, message) }]),
  );
  return {
    openapi: "3.1.0",
    info: { ...socket.info, description: `${socket.info.description}\n\n${closeCodes(socket)}` },
    tags: [
      { name: HANDSHAKE },
      ...operations.map(({ tag, channel: { summary, description } }) => ({
        name: tag,
        description: `${summary} ${description}`,
      })),
    ],
    paths: { "/connect": { get: handshake }, ...Object.fromEntries(frames) },
    components: { schemas: socket.components.schemas },
  };
}

function frame(operationId: string, tag: string, { title, summary, description, payload, examples }: Message) {
  return {
    // Swagger UI shows a summary as it is.
    ...{ operationId, tags: [tag], summary: `${title}: ${summary}`.replaceAll("`", ""), description },
    requestBody: {
      required: true,
      content: { "application/json": { schema: payload, example: examples[0]?.payload } },
    },
  };
}

function closeCodes(socket: AsyncApi): string {
  const rows = socket["x-close-codes"].map(({ code, meaning, reconnect, channels }) => {
    const titles = channels.map((channel) => resolve<Channel>(socket, channel).title);
    return `| ${code} | ${meaning} | ${reconnect} | ${titles.join(", ")} |`;
  });
  return ["## Close codes", "", "| code | meaning | connect again? | protocol |", "|---|---|---|---|", ...rows].join(
    "\n",
  );
}

/** What a reference leads to, through others if need be. */
function resolve<T>(socket: AsyncApi, reference: Reference): T {
  let found: unknown = reference;
  while (isReference(found)) {
    const steps = found.$ref.slice("#/".length).split("/");
    found = steps.reduce((place: unknown, step) => (place as Record<string, unknown> | undefined)?.[step], socket);
  }
  return found as T;
}

function isReference(value: unknown): value is Reference {
  return typeof value === "object" && value !== null && "$ref" in value;
}
