// Whether what the services and the sidecar send is what their documents promise, by the same rules as the crate
// api-documents, which the tests in Rust use.
import Ajv2020 from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import messenger from "../../../components/messenger/openapi.json";
import organizer from "../../../components/organizer/openapi.json";
import participant from "../../../components/participant/openapi.json";
import socket from "../../../sidecar/asyncapi.json";

export interface Answer {
  method: string;
  url: string;
  /** The body of the request, if it is a text. */
  sent?: string | undefined;
  status: number;
  /** By their names in small letters. */
  headers: Record<string, string>;
  /** Undefined where it is not known. */
  body: string | undefined;
}

/** Whose frame it is, and what the client has asked for in its first one. */
export type Side = "client" | "server";
export type Protocol = "contract" | "protocol2";

type Members<T> = Record<string, T>;
type Paths = Members<Members<{ responses: Members<Described> }>>;

/** The parts of the documents that are needed, with references in their places. */
interface Described {
  headers?: Members<{ required?: boolean; schema: { type?: string } }>;
  content?: Members<{ schema: object }>;
  "x-status"?: number;
  "x-empty-when"?: string;
}

interface Message {
  name: string;
  payload: object;
}

/** Headers that tell a client what to do next. An answer has one only where the document says so. */
const TELLING = ["allow", "link", "retry-after"];
/** With these any request can be refused: its body is read before anything else is looked at. */
const OF_BODIES = [408, 413];
/** The name of the only message without a type. */
const FIRST_FRAME = "authorization";

const ajv = new Ajv2020({ strict: false });
addFormats(ajv);
ajv.addFormat("idn-email", true);

/** A service by its document. */
class Service {
  readonly #file: string;
  readonly #paths: Paths;
  /** What no operation has of its own: an unknown path, a wrong method, a preflight, a body that cannot be read. */
  readonly #others: Described[];

  constructor(file: string, document: { paths: object; components: { responses: object } }) {
    this.#file = file;
    this.#paths = inlined(document, document.paths) as Paths;
    this.#others = Object.values(inlined(document, document.components.responses) as Members<Described>);
  }

  wrong(path: string[], answer: Answer): string | undefined {
    const { method, status } = answer;
    const isHead = method === "HEAD";
    const operation = this.#operation(isHead ? "get" : method.toLowerCase(), path);
    // Only a preflight succeeds without an operation.
    const isUnknown = !operation && status < 400 && method !== "OPTIONS";
    const other = this.#others.find((other) => !isUnknown && other["x-status"] === status);
    const described = operation
      ? (operation.responses[status] ?? (OF_BODIES.includes(status) ? other : undefined))
      : other;
    const wrong = described
      ? (wrongHeader(described, answer.headers) ?? wrongBody(described, answer, isHead))
      : `no such status; the body: ${answer.body?.slice(0, 300)}`;
    return wrong && `${new URL(answer.url).pathname} is answered ${status}, and not as ${this.#file} says: ${wrong}`;
  }

  /** The operation with the most fixed segments, where several match. */
  #operation(method: string, path: string[]) {
    const parameters = (segments: string[]) => segments.filter(isParameter).length;
    const [found] = Object.keys(this.#paths)
      .filter((template) => this.#paths[template]?.[method] && matches(segmentsOf(template), path))
      .sort((one, other) => parameters(segmentsOf(one)) - parameters(segmentsOf(other)));
    return found === undefined ? undefined : this.#paths[found]?.[method];
  }
}

const services: Members<Service> = {
  organizer: new Service("components/organizer/openapi.json", organizer),
  participant: new Service("components/participant/openapi.json", participant),
  messenger: new Service("components/messenger/openapi.json", messenger),
};
const operations = Object.values(socket.operations).map(({ action, channel, messages }) => ({
  ...{ action, channel: channel.$ref },
  messages: inlined(socket, messages) as Message[],
}));

/** Whether a document says how this address answers. */
export function isDocumented(url: string): boolean {
  const [mount = ""] = segmentsOf(new URL(url).pathname);
  return mount in services;
}

/** What is wrong with an answer; undefined if it is as the service's document says, or no document is about it. */
export function wrongAnswer(answer: Answer): string | undefined {
  const [mount = "", ...path] = segmentsOf(new URL(answer.url).pathname).map(decodeURIComponent);
  const wrong = services[mount]?.wrong(path, answer);
  return wrong && `${answer.method} ${wrong}`;
}

/** What is wrong with a frame; undefined if it is as the document of the socket says. */
export function wrongFrame(side: Side, protocol: Protocol, frame: { type?: string }): string | undefined {
  // The document is written from the server's view.
  const action = side === "server" ? "send" : "receive";
  const message = operations
    .filter((operation) => operation.action === action && operation.channel === `#/channels/${protocol}`)
    .flatMap(({ messages }) => messages)
    .find(({ name }) => name === (frame.type ?? FIRST_FRAME));
  const wrong = message ? breach(message.payload, frame) : "there is no such frame";
  const what = `a frame of the ${side} in ${protocol} is not as sidecar/asyncapi.json says`;
  return wrong && `${what}: ${wrong}; the frame: ${JSON.stringify(frame)}`;
}

/** What is wrong with the code of a close frame of the server; undefined if the document of the socket has it. */
export function wrongClose(protocol: Protocol, code: number): string | undefined {
  const described = socket["x-close-codes"].find((described) => described.code === code);
  const isKnown = described?.channels.some(({ $ref }) => $ref === `#/channels/${protocol}`);
  return isKnown ? undefined : `sidecar/asyncapi.json has no close code ${code} in ${protocol}`;
}

function segmentsOf(path: string): string[] {
  return path.split("/").filter(Boolean);
}

function isParameter(segment: string): boolean {
  return segment.startsWith("{");
}

function matches(template: string[], path: string[]): boolean {
  const isSame = (segment: string, index: number) => isParameter(segment) || segment === path[index];
  return template.length === path.length && template.every(isSame);
}

function wrongHeader({ headers = {} }: Described, answered: Record<string, string>): string | undefined {
  const described = Object.entries(headers).map(([name, header]) => ({ name: name.toLowerCase(), ...header }));
  const known = new Set(described.map(({ name }) => name));
  const stray = TELLING.find((name) => name in answered && !known.has(name));
  if (stray) return `there should be no header ${stray}`;
  for (const { name, required, schema } of described) {
    const value = answered[name];
    const wrong = value !== undefined && breach(schema, schema.type === "integer" ? Number(value) : value);
    if (wrong) return `header ${name}: ${wrong}`;
    if (required && value === undefined) return `it lacks the header ${name}`;
  }
  return undefined;
}

function wrongBody(described: Described, { headers, body }: Answer, isHead: boolean): string | undefined {
  const { content = {} } = described;
  if (body === undefined || (isHead && body === "")) return undefined;
  if (body === "") {
    return Object.keys(content).length === 0 || described["x-empty-when"] ? undefined : "it has no body";
  }
  const [type = ""] = (headers["content-type"] ?? "none").split(";");
  const schema = content[type.trim()]?.schema;
  if (!schema) return `it should not have a body of the media type ${type}; the body: ${body.slice(0, 300)}`;
  try {
    const wrong = breach(schema, type.endsWith("json") ? JSON.parse(body) : body);
    return wrong && `the body ${wrong}`;
  } catch (error) {
    return `the body: ${error}`;
  }
}

/** Where and how a value breaks a schema. */
function breach(schema: object, value: unknown): string | undefined {
  const validate = ajv.compile(schema);
  if (validate(value)) return undefined;
  const errors = validate.errors ?? [];
  const texts = errors.map(
    ({ instancePath, message, params }) => `at "${instancePath}" ${message} ${JSON.stringify(params)}`,
  );
  return texts.join("; ").slice(0, 1000);
}

/** A part of a document with every reference replaced by what it leads to. No type contains itself. */
function inlined(document: object, part: unknown): unknown {
  if (Array.isArray(part)) return part.map((item) => inlined(document, item));
  if (typeof part !== "object" || part === null) return part;
  const { $ref, ...own } = part as { $ref?: string };
  const members = Object.fromEntries(Object.entries(own).map(([name, member]) => [name, inlined(document, member)]));
  if ($ref === undefined) return members;
  const target = inlined(document, targetOf(document, $ref));
  // Both hold: what is referred to, and what stands beside it.
  return Object.keys(own).length === 0 ? target : { ...members, allOf: [target] };
}

function targetOf(document: object, reference: string): unknown {
  const step = (place: unknown, name: string) => (place as Members<unknown> | undefined)?.[name];
  const target = reference
    .split("/")
    .slice(1)
    .reduce(step, document as unknown);
  if (target === undefined) throw new Error(`${reference} leads nowhere`);
  return target;
}
