-- A command that is sent again is recognized by what it has done.
create index chats_by_transferred_by on chats (transferred_by) where transferred_by is not null;

-- Forgotten after a while.
create index cancelled_requests_by_cancelled_at on cancelled_requests (cancelled_at);

-- Releases that wait for a service that does not answer.
create index outbox_failed on outbox (attempts) where attempts > 0;
