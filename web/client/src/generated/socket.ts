// Made from sidecar/asyncapi.json by scripts/types.mjs: `npm run types -w client`.

export type Id = number;

/** 24 hex digits. Opaque to clients. */
export type ObjectId = string;

/** UTC, always with three fractional digits. */
export type Time = string;

/** The number of a message in its chat, from 1 without gaps. */
export type Seq = number;

/** A UUID: the idempotency key of a message. */
export type ClientId = string;

/** What the request is about. */
export type Kind = "medical" | "lost" | "threat" | "other";

export interface Contact {
  id: Id;
  /** Empty when the account is gone. */
  email: string;
  /** May be empty. */
  phoneNumber: string;
  /** Only of a guest who has said it. */
  name?: string;
  /** Only of a guest: a device has made the account, so nobody reads mail at its `email`. */
  guest?: true;
}

/** `participant` only for organizers, and in `new_chat`; left out when the account is gone. */
export interface Chat {
  id: ObjectId;
  agencyId: Id;
  eventId: Id;
  /** The organizer who has it, or had it last. */
  organizerId: number;
  participantId: Id;
  /** 0 open, 1 closed. */
  ended: 0 | 1;
  /** Degrees: where help was pressed. Left out when it is not known. */
  latStart?: number;
  lngStart?: number;
  timeStart: Time;
  /** The zero time while the chat is open. */
  timeEnd: Time | "0001-01-01T00:00:00Z";
  participant?: Contact;
}

/** A chat in protocol 2, when it is asked for. */
export interface OpenChat {
  id: ObjectId;
  agencyId: Id;
  eventId: Id;
  /** The organizer who has it, or had it last. */
  organizerId: number;
  participantId: Id;
  /** 0 open, 1 closed. */
  ended: 0 | 1;
  /** Degrees: where help was pressed. Left out when it is not known. */
  latStart?: number;
  lngStart?: number;
  timeStart: Time;
  /** The zero time while the chat is open. */
  timeEnd: Time | "0001-01-01T00:00:00Z";
  participant?: Contact;
  /** `waiting` while the chat is back in the queue. */
  state: "active" | "waiting";
  /** The number of the last message. */
  lastSeq: number;
  /** How far the other side has read. */
  readSeq: number;
  /** How far the own side has read. */
  ownReadSeq: number;
  /** Who helps. */
  organizerName?: string;
  kind?: Kind;
  /** Of the position at the start, in metres. */
  accuracyStart?: number;
  positionAtStart?: Time;
}

/** A chat in protocol 2, when it begins. */
export interface NewChat {
  id: ObjectId;
  agencyId: Id;
  eventId: Id;
  /** The organizer who has it, or had it last. */
  organizerId: number;
  participantId: Id;
  /** 0 open, 1 closed. */
  ended: 0 | 1;
  /** Degrees: where help was pressed. Left out when it is not known. */
  latStart?: number;
  lngStart?: number;
  timeStart: Time;
  /** The zero time while the chat is open. */
  timeEnd: Time | "0001-01-01T00:00:00Z";
  participant?: Contact;
  /** The number of the last message. */
  lastSeq: number;
  /** Who helps. */
  organizerName?: string;
  kind?: Kind;
  /** Of the position at the start, in metres. */
  accuracyStart?: number;
  positionAtStart?: Time;
}

export interface Message {
  id: ObjectId;
  chatId: ObjectId;
  /** A user of the agency, or the participant: `fromOrganizer` says which. */
  authorId: number;
  /** 1 organizer, 0 participant. */
  fromOrganizer: 0 | 1;
  /** May be empty. */
  content: string;
  timeSent: Time;
  /** Degrees. Only of participants' messages. */
  lat?: number;
  lng?: number;
}

export interface NumberedMessage {
  id: ObjectId;
  chatId: ObjectId;
  /** A user of the agency, or the participant: `fromOrganizer` says which. */
  authorId: number;
  /** 1 organizer, 0 participant. */
  fromOrganizer: 0 | 1;
  /** May be empty. */
  content: string;
  timeSent: Time;
  /** Degrees. Only of participants' messages. */
  lat?: number;
  lng?: number;
  seq: Seq;
  clientId?: ClientId;
  /** Nobody wrote it: the service says what has happened. The text begins with `Mayday: `. */
  system?: true;
}

export interface Principal {
  realm: "organizer" | "participant";
  id: Id;
  /** Only of organizers. */
  agencyId?: number;
  /** Only of organizers: 2 owner, 3 manager, 4 support. */
  role?: 2 | 3 | 4;
  /** How many chats the organizer may have open, if the agency sets a limit. */
  maxOpenChats?: number;
  /** Only of organizers. */
  name?: string;
}

/** For people. Clients of protocol 2 look at `code` instead. */
export type ErrorText =
  | "timeout"
  | "malformed message"
  | "message too large"
  | "too many messages"
  | "invalid message type"
  | "invalid message payload"
  | "message could not be saved"
  | "could not get messages"
  | "could not get chats"
  | "could not get chat from queue"
  | "chat could not be transferred"
  | "internal server error"
  | string;

/** The header of REST: `Bearer`, a space, and the token with its prefix. */
export type Authorization = string;

/** Says who the client is. It has no `type`, and no answer. */
export interface FirstFrame {
  Authorization: Authorization;
}

/** Says who the client is, and asks for protocol 2. The answer is `ready`, or a close frame. */
export interface FirstFrameOfProtocol2 {
  Authorization: Authorization;
  /** A client of a later protocol speaks this one as well. */
  protocol: number;
}

/** Asks for the own open chats. */
export interface GetChatsFrame {
  type: "get_chats";
  /** Ignored. Clients send an empty text. */
  payload?: unknown;
}

/** Asks for all messages of an open chat. */
export interface GetChatHistoryFrame {
  type: "get_chat_history";
  payload: {
    chatId: ObjectId;
  };
}

/** Asks for messages of an open chat, oldest first. */
export interface GetChatHistoryAfterFrame {
  type: "get_chat_history";
  payload: {
    chatId: ObjectId;
    /** Only messages after this number. */
    afterSeq?: number;
    /** The most messages in the answer. */
    limit?: number;
  };
}

/** Says something in an open chat. All connections of both sides see it as `user_message`. */
export interface SendMessageFrame {
  type: "send_message";
  payload: {
    chatId: ObjectId;
    /** The contract's longest message fits several times into a frame of 16 KiB. */
    message: string;
    /** Degrees. Of participants only, and only with `lng`. */
    lat?: number;
    /** Degrees. Of participants only, and only with `lat`. */
    lng?: number;
  };
}

/** The same. With a `clientId` the answer is `message_saved`, and the message may be sent again. */
export interface SendKeyedMessageFrame {
  type: "send_message";
  payload: {
    chatId: ObjectId;
    /** The contract's longest message fits several times into a frame of 16 KiB. */
    message: string;
    /** Degrees. Of participants only, and only with `lng`. */
    lat?: number;
    /** Degrees. Of participants only, and only with `lat`. */
    lng?: number;
    clientId?: ClientId;
  };
}

/** Organizers: takes the next request of the agency's queue. */
export interface StartChatFrame {
  type: "start_chat";
  /** Ignored. Clients send an empty text. */
  payload?: unknown;
}

/** Organizers: takes the next request. `wait` true waits for one, false stops waiting. */
export interface StartChatOrWaitFrame {
  type: "start_chat";
  /** Any other payload is a request without `wait`. */
  payload?: {
    wait?: boolean;
  };
}

/** Organizers: closes an own chat. */
export interface CloseChatFrame {
  type: "close_chat";
  payload: {
    chatId: ObjectId;
  };
}

/** Organizers: hands an own chat to a colleague of the same agency. */
export interface TransferChatFrame {
  type: "transfer_chat";
  payload: {
    chatId: ObjectId;
    organizerId: number;
  };
}

/** Says that the user is typing. Passed on at most once a second. */
export interface IsTypingFrame {
  type: "typing";
  payload: {
    chatId: ObjectId;
  };
}

/** Says how far the user has read. */
export interface HasReadFrame {
  type: "read";
  payload: {
    chatId: ObjectId;
    seq: number;
  };
}

/** An answer to `start_chat`, or why an organizer's chat is gone. */
export interface PlainInfoFrame {
  type: "info";
  payload: {
    message: "no new chats" | "Mayday: you lost the connection for too long, so your chat went back to the queue.";
  };
}

/** A frame was refused. To the asking connection only. */
export interface PlainErrorFrame {
  type: "error";
  payload: {
    message: ErrorText;
  };
}

/** The own open chats, newest first. */
export interface PlainChatsFrame {
  type: "chats";
  payload: {
    chats: Chat[];
  };
}

/** All messages of a chat, oldest first. */
export interface PlainHistoryFrame {
  type: "chat_history";
  payload: {
    chatId: ObjectId;
    messages: Message[];
  };
}

/** An organizer has taken a request. */
export interface PlainNewChatFrame {
  type: "new_chat";
  payload: Chat;
}

/** A message was stored. */
export interface PlainMessageFrame {
  type: "user_message";
  payload: Message;
}

/** A chat was closed, and is in the archive. It is the last frame of the chat. */
export interface ClosedChatFrame {
  type: "closed_chat";
  payload: {
    chatId: ObjectId;
  };
}

/** The token is valid. The first frame. */
export interface ReadyFrame {
  type: "ready";
  payload: {
    connectionId: string;
    protocol: 2;
    principal: Principal;
  };
}

/** An answer to `start_chat`. */
export interface InfoFrame {
  type: "info";
  payload: {
    /** For people. */
    message: string;
    code: "no_new_chats" | "waiting" | "not_waiting";
  };
}

/** A frame was refused. To the asking connection only. */
export interface ErrorFrame {
  type: "error";
  payload: {
    message: ErrorText;
    code:
      | "malformed_message"
      | "invalid_type"
      | "invalid_payload"
      | "message_too_large"
      | "rate_limited"
      | "timeout"
      | "no_access"
      | "too_many_chats"
      | "unknown_colleague"
      | "unavailable";
    clientId?: ClientId;
    /** The same frame may succeed after it. */
    retryAfterSeconds?: number;
  };
}

/** The own open chats, newest first. */
export interface ChatsFrame {
  type: "chats";
  payload: {
    chats: OpenChat[];
  };
}

/** Messages of a chat, oldest first. If they end below `lastSeq`, there are more. */
export interface HistoryFrame {
  type: "chat_history";
  payload: {
    chatId: ObjectId;
    messages: NumberedMessage[];
    lastSeq: number;
  };
}

/** An organizer has taken a request, or a chat comes with a guest who has signed in. */
export interface NewChatFrame {
  type: "new_chat";
  payload: NewChat;
}

/** A message was stored. */
export interface UserMessageFrame {
  type: "user_message";
  payload: NumberedMessage;
}

/** The answer to a message with a `clientId`: it is stored. */
export interface MessageSavedFrame {
  type: "message_saved";
  payload: {
    clientId: ClientId;
    id: ObjectId;
    chatId: ObjectId;
    seq: Seq;
    timeSent: Time;
  };
}

/** The organizer was gone for too long; the chat waits again. */
export interface ChatRequeuedFrame {
  type: "chat_requeued";
  payload: {
    chatId: ObjectId;
    /** Who was gone. */
    organizerId: number;
  };
}

/** A colleague has taken the chat over. */
export interface ChatTransferredFrame {
  type: "chat_transferred";
  payload: {
    chatId: ObjectId;
    fromOrganizerId: Id;
    organizerId: Id;
  };
}

/** The place in the queue of a participant who waits. */
export interface QueuePositionFrame {
  type: "queue_position";
  payload: {
    eventId: Id;
    /** 1 is the next. */
    position: number;
    /** -1 when unknown. */
    estimatedWaitSeconds: number;
  };
}

/** The agency's queue, for its organizers. */
export interface QueueStatusFrame {
  type: "queue_status";
  payload: {
    /** How many requests wait. */
    waiting: number;
    /** 0 when nobody waits. */
    oldestWaitSeconds: number;
  };
}

/** The other side is typing. */
export interface TypingFrame {
  type: "typing";
  payload: {
    chatId: ObjectId;
    authorId: Id;
    fromOrganizer: 0 | 1;
  };
}

/** The other side has read so far. */
export interface ReadFrame {
  type: "read";
  payload: {
    chatId: ObjectId;
    seq: number;
    fromOrganizer: 0 | 1;
  };
}

/** The client may have missed frames: ask for chats, and for histories after the last `seq`. */
export interface ResyncFrame {
  type: "resync";
  payload: Record<string, never>;
}

/** What a client of the contract may send. */
export type ReceiveOfContract =
  | FirstFrame
  | GetChatsFrame
  | GetChatHistoryFrame
  | SendMessageFrame
  | StartChatFrame
  | CloseChatFrame;

/** What a client of the contract is sent. */
export type SendOfContract =
  | PlainInfoFrame
  | PlainErrorFrame
  | PlainChatsFrame
  | PlainHistoryFrame
  | PlainNewChatFrame
  | PlainMessageFrame
  | ClosedChatFrame;

/** What a client of protocol 2 may send. */
export type ReceiveOfProtocol2 =
  | FirstFrameOfProtocol2
  | GetChatsFrame
  | GetChatHistoryAfterFrame
  | SendKeyedMessageFrame
  | StartChatOrWaitFrame
  | CloseChatFrame
  | TransferChatFrame
  | IsTypingFrame
  | HasReadFrame;

/** What a client of protocol 2 is sent. */
export type SendOfProtocol2 =
  | ReadyFrame
  | InfoFrame
  | ErrorFrame
  | ChatsFrame
  | HistoryFrame
  | MessageSavedFrame
  | NewChatFrame
  | UserMessageFrame
  | ClosedChatFrame
  | ChatRequeuedFrame
  | ChatTransferredFrame
  | QueuePositionFrame
  | QueueStatusFrame
  | TypingFrame
  | ReadFrame
  | ResyncFrame;
