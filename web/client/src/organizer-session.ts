import { Session, type SessionError } from "./session.js";

/** The live connection of an organizer, who takes chats, closes them, and hands them over. */
export class OrganizerSession extends Session {
  /**
   * Takes the next request. If nobody waits: with `wait` it comes later, as `new_chat`, also over a new connection;
   * without, the answer is `none`.
   */
  async startChat(wait = false): Promise<"chat" | "waiting" | "none"> {
    const frame = { type: "start_chat", payload: wait ? { wait } : {} } as const;
    const answer = await this.ask(frame, ({ type, payload }) =>
      type === "info" ? payload.code === "waiting" || payload.code === "no_new_chats" : type === "new_chat",
    );
    if (answer.type !== "info") return "chat";
    return answer.payload.code === "waiting" ? "waiting" : "none";
  }

  /** Waits no more. */
  async stopWaiting(): Promise<void> {
    this.waitWanted = false;
    const frame = { type: "start_chat", payload: { wait: false } } as const;
    await this.ask(frame, ({ type, payload }) => type === "info" && payload.code === "not_waiting");
  }

  async closeChat(chatId: string): Promise<void> {
    await this.askAbout({ type: "close_chat", payload: { chatId } }, "closed_chat");
  }

  /** Hands a chat to a colleague. */
  async transferChat(chatId: string, organizerId: number): Promise<void> {
    await this.askAbout({ type: "transfer_chat", payload: { chatId, organizerId } }, "chat_transferred");
  }

  protected override onFirstChats(): void {
    this.#waitAgain();
  }

  #waitAgain(): void {
    if (!this.waitWanted || this.snapshot.waitingForChat) return;
    this.startChat(true).catch(({ retryAfterSeconds }: SessionError) => {
      if (retryAfterSeconds) this.timer(retryAfterSeconds * 1000, () => this.#waitAgain());
    });
  }
}
