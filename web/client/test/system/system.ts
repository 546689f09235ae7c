import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  Account,
  MemoryStorage,
  OrganizerApi,
  OrganizerSession,
  PressQueue,
  Session,
  type SessionOptions,
  type SessionSnapshot,
  type Storage,
} from "../../src/index.js";
import { leak } from "../secrets.js";
import { WatchedSocket } from "../watch.js";

export { isDocumented } from "../documents.js";
export { Conversation, watchAnswer } from "../watch.js";

/** For what takes moments, on a machine that does much else. */
const PATIENCE_MS = 60_000;

interface Credentials {
  email: string;
  password: string;
}

/** What the ready file says. */
interface Ready {
  organizer: string;
  participant: string;
  messenger: string;
  ws: string[];
  superadmin: Credentials;
  demo: { agencyId: number; owner: Credentials; support: Credentials; participant: Credentials; events: number[] };
  pids: Record<string, number>;
}

/** A Mayday of its own: all processes, an empty database and the demo's agency. */
export class System {
  readonly #directory: string;
  readonly #process: ChildProcess;
  readonly #log: string[];
  readonly #readyFile: string;

  private constructor(directory: string, readyFile: string, process: ChildProcess, log: string[]) {
    this.#directory = directory;
    this.#readyFile = readyFile;
    this.#process = process;
    this.#log = log;
  }

  static async up(...options: string[]): Promise<System> {
    const xtask = process.env.MAYDAY_XTASK;
    assert(
      xtask,
      "The system tests need a system. Build it with `cargo xtask build`, and set MAYDAY_XTASK to the path of the program " +
        "`xtask` in target/debug. `npm run test:unit` runs the tests that need none.",
    );
    const directory = mkdtempSync(path.join(tmpdir(), "mayday-client-"));
    const readyFile = path.join(directory, "ready.json");
    const state = path.join(directory, "state");
    const args = ["up", "--no-build", "--free-ports", "--state-dir", state, "--ready-file", readyFile, ...options];
    const env = { ...process.env, MAYDAY_UP_CANARY: "false" };
    const child = spawn(xtask, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    const log: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => log.push(text));
    }
    const system = new System(directory, readyFile, child, log);
    try {
      await system.#untilReady();
      assert.notEqual(readdirSync(path.join(state, "logs")).length, 0, "no log was found");
    } catch (error) {
      await system.down();
      throw error;
    }
    return system;
  }

  /** Stops everything, and looks for secrets in all logs. */
  async down(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, "exit");
      this.#process.kill("SIGTERM");
      await ended;
    }
    const found = leak(this.#logged());
    rmSync(this.#directory, { recursive: true, force: true });
    if (found) assert.fail(found);
  }

  /** The lines of all processes and components. What `up` itself shows has passwords, and names no process. */
  #logged(): string[] {
    const shown = this.#log.join("").split("\n");
    const logs = path.join(this.#directory, "state", "logs");
    const names = existsSync(logs) ? readdirSync(logs) : [];
    const files = names.map((name) => readFileSync(path.join(logs, name), "utf8"));
    return [...shown.filter((line) => line.includes(" | ")), ...files.flatMap((text) => text.split("\n"))];
  }

  get ready(): Ready {
    return JSON.parse(readFileSync(this.#readyFile, "utf8"));
  }

  get event(): number {
    const [event] = this.ready.demo.events;
    assert(event);
    return event;
  }

  socket(sidecar = 0): string {
    return `${this.ready.ws[sidecar]}/connect`;
  }

  /** Kills a process at once. `up` starts it again. */
  kill(name: string): void {
    const pid = this.ready.pids[name];
    assert(pid, `${name} does not run`);
    process.kill(pid, "SIGKILL");
  }

  organizerApi(token?: string): OrganizerApi {
    return new OrganizerApi({
      baseUrl: this.ready.organizer,
      ...(token && { credentials: { token: () => token } }),
    });
  }

  /** The ready file is written at one stroke. */
  async #untilReady(): Promise<void> {
    const watcher = watch(this.#directory);
    const timer = setTimeout(() => watcher.emit("error", new Error("it is not ready in time")), 5 * PATIENCE_MS);
    this.#process.once("exit", (code) => watcher.emit("error", new Error(`it has ended with ${code}`)));
    try {
      const isThere = () => {
        try {
          return Boolean(this.ready);
        } catch {
          return false;
        }
      };
      while (!isThere()) await once(watcher, "change");
    } catch (error) {
      throw new Error(`The system did not start: ${error}\n${this.#log.join("")}`);
    } finally {
      clearTimeout(timer);
      watcher.close();
      this.#process.removeAllListeners("exit");
    }
  }
}

/** Resolves with the first snapshot that `isWanted`. */
export function until<Snapshot>(
  source: { readonly snapshot: Snapshot; subscribe(listener: (snapshot: Snapshot) => void): () => void },
  what: string,
  isWanted: (snapshot: Snapshot) => boolean,
): Promise<Snapshot> {
  return new Promise((resolve, reject) => {
    if (isWanted(source.snapshot)) return resolve(source.snapshot);
    const timer = setTimeout(() => {
      unsubscribe();
      reject(new Error(`not in time: ${what}; now ${JSON.stringify(source.snapshot)}`));
    }, PATIENCE_MS);
    const unsubscribe = source.subscribe((snapshot) => {
      if (!isWanted(snapshot)) return;
      clearTimeout(timer);
      unsubscribe();
      resolve(snapshot);
    });
  });
}

/** A network that a test can cut, and that can lose the answers to calls. */
export class Network {
  isOn = true;
  losesAnswers = false;
  /** How many calls have reached the service, by method and path. */
  readonly reached: string[] = [];
  readonly #sockets = new Set<WatchedSocket>();

  readonly fetch = async (url: string, init?: RequestInit): Promise<Response> => {
    if (!this.isOn) throw new TypeError("there is no network");
    const response = await fetch(url, init);
    this.reached.push(`${init?.method ?? "GET"} ${new URL(url).pathname}`);
    if (this.losesAnswers) throw new TypeError("the answer was lost");
    return response;
  };

  get WebSocket() {
    const network = this;
    return class extends WatchedSocket {
      constructor(url: string) {
        // Nothing listens on port 9 of this machine.
        super(network.isOn ? url : "ws://127.0.0.1:9/");
        network.#sockets.add(this);
        this.once("close", () => network.#sockets.delete(this));
      }
    };
  }

  cut(): void {
    this.isOn = false;
    for (const socket of this.#sockets) socket.terminate();
  }
}

/** A participant's device: what a page has. */
export class Device {
  readonly network = new Network();
  readonly storage: Storage;
  readonly account: Account;
  readonly queue: PressQueue;
  readonly #system: System;
  readonly #sessions: Session[] = [];

  constructor(system: System, storage: Storage = new MemoryStorage()) {
    this.#system = system;
    this.storage = storage;
    const { fetch } = this.network;
    this.account = new Account({ participantUrl: system.ready.participant, storage, fetch });
    this.queue = new PressQueue({ account: this.account, storage });
  }

  async session(options: Partial<SessionOptions> = {}): Promise<Session> {
    const { id } = await this.account.ensure();
    const session = new Session({
      ...{ url: this.#system.socket(), credentials: this.account, storage: this.storage, owner: `participant:${id}` },
      WebSocket: this.network.WebSocket,
      ...options,
    });
    this.#sessions.push(session);
    this.queue.follow(session);
    await session.start();
    return session;
  }

  /** The page is closed. What is stored stays. */
  close(): void {
    this.queue.stop();
    for (const session of this.#sessions) session.stop();
  }

  press(eventId = this.#system.event) {
    return this.queue.snapshot.presses.find((press) => press.eventId === eventId);
  }

  untilStep(step: string): Promise<unknown> {
    return until(this.queue, `the press is ${step}`, () => this.press()?.step === step);
  }
}

/** An organizer of the demo's agency who is live. */
export async function organizer(system: System, options: Partial<SessionOptions> = {}): Promise<OrganizerSession> {
  const { user, token } = await system.organizerApi().signIn(system.ready.demo.support);
  const session = new OrganizerSession({
    ...{ url: system.socket(), credentials: { token: () => token }, storage: new MemoryStorage() },
    owner: `organizer:${user.id}`,
    WebSocket: WatchedSocket,
    ...options,
  });
  await session.start();
  await until(session, "the organizer is live", ({ synced }) => synced);
  return session;
}

/** Takes the next request of the queue, as soon as there is one. */
export async function takeChat(session: OrganizerSession): Promise<string> {
  const before = new Set(session.snapshot.chats.map(({ id }) => id));
  const isNew = ({ id }: { id: string }) => !before.has(id);
  await session.startChat(true);
  const { chats } = await until(session, "there is a new chat", (snapshot) => snapshot.chats.some(isNew));
  const chat = chats.find(isNew);
  assert(chat);
  return chat.id;
}

export function contents(snapshot: SessionSnapshot, chatId: string, mine?: boolean): string[] {
  const chat = snapshot.chats.find(({ id }) => id === chatId);
  const messages = (chat?.messages ?? []).filter((message) => !message.system);
  return messages.filter((message) => mine === undefined || message.mine === mine).map(({ content }) => content);
}

export function untilMessages(session: Session, chatId: string, mine: boolean, wanted: string[]): Promise<unknown> {
  const text = JSON.stringify(wanted);
  return until(session, `the messages are ${text}`, (now) => {
    const chat = now.chats.find(({ id }) => id === chatId);
    const settled = chat?.messages.every(({ state }) => state === "saved" || state === "read");
    return Boolean(settled) && JSON.stringify(contents(now, chatId, mine)) === text;
  });
}
