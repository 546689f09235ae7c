-- With which revision sockets were shown it: what some of them have missed, while Redis was away, is found by that.
alter table messages add column revision integer not null default 0;

-- The same of the first new_chat, the latest one, and closed_chat.
alter table chats add column started_at_revision integer not null default 0;

alter table chats add column given_at_revision integer not null default 0;

alter table chats add column closed_at_revision integer not null default 0;

create index chats_closed_of_organizer on chats (organizer_id, closed_at_revision) where state = 'ended';
