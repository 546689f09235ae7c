-- Times are milliseconds since the Unix epoch. Statements end with a semicolon and an empty line: see service::database.

-- A request for help is a chat that waits: waiting -> active -> ended.
create table chats (
    -- 24 hexadecimal digits.
    id text not null primary key,
    -- Made at the press; queueing a known one changes nothing.
    request_id text not null unique,
    agency_id integer not null,
    event_id integer not null,
    participant_id integer not null,
    -- How to reach the participant, as of the press: the live side must not wait for another service to know it.
    email text not null,
    phone_number text not null,
    lat_start real,
    lng_start real,
    state text not null check (state in ('waiting', 'active', 'ended')),
    pressed_at integer not null,
    organizer_id integer,
    time_start integer,
    time_end integer,
    -- The commands that started and closed the chat, so that a command that is sent again is answered as before.
    started_by text unique,
    closed_by text,
    check (state = 'waiting' or (organizer_id is not null and time_start is not null)),
    check (state <> 'ended' or time_end is not null)
) without rowid;

create index chats_waiting on chats (agency_id, pressed_at, id) where state = 'waiting';

create index chats_open_of_organizer on chats (organizer_id, time_start) where state = 'active';

create index chats_open_of_participant on chats (participant_id, time_start) where state = 'active';

create index chats_ended_of_agency on chats (agency_id, time_start) where state = 'ended';

create index chats_ended_of_participant on chats (participant_id, time_start) where state = 'ended';

-- A chat's messages, numbered from 1 without gaps. The description of the problem is number 1, if there is one.
create table messages (
    chat_id text not null references chats (id),
    seq integer not null,
    -- 24 hexadecimal digits.
    id text not null,
    author_id integer not null,
    from_organizer integer not null check (from_organizer in (0, 1)),
    content text not null,
    time_sent integer not null,
    lat real,
    lng real,
    -- The command that said it; null for a description. One command is stored once.
    command_id text,
    primary key (chat_id, seq)
) without rowid;

create unique index messages_by_command on messages (command_id) where command_id is not null;

-- Closed requests whose locks the participant service has not released yet. A row is written in the transaction of the closing.
create table outbox (
    request_id text not null primary key,
    participant_id integer not null,
    event_id integer not null,
    attempts integer not null default 0,
    -- When to try next.
    due_at integer not null
) without rowid;

create index outbox_by_due_at on outbox (due_at);

