-- What makes a message be said only once: the command that said it, or the client's own id for it, with author and chat.
alter table messages rename column command_id to said_by;

drop index messages_by_command;

create unique index messages_by_said_by on messages (said_by) where said_by is not null;

-- The client's own id, for the client.
alter table messages add column client_id text;

-- Nobody wrote it: the log of what has happened to the chat.
alter table messages add column is_system integer not null default 0 check (is_system in (0, 1));

-- Where its frame stands among those of the chat: messages are numbered by seq, but other news are frames too.
alter table messages add column position integer not null default 0;

update messages set position = seq;

-- How many frames of the chat that have a position are not messages, new_chat at position 0 not counted.
alter table chats add column shifts integer not null default 0;

-- Where the latest new_chat stands.
alter table chats add column new_chat_position integer not null default 0;

-- When the organizer of now got it. time_start is when the first one did.
alter table chats add column assigned_at integer;

update chats set assigned_at = time_start;

-- The command that handed it over last.
alter table chats add column transferred_by text;

-- How far each side says to have read.
alter table chats add column read_by_organizer integer not null default 0;

alter table chats add column read_by_participant integer not null default 0;

-- A participant's open chats are also those that wait again, and nobody has many chats.
drop index chats_open_of_participant;
