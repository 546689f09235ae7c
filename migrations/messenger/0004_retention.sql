-- Closed chats may be removed when they are old. The release before this one works with it: it does not know the table,
-- and the index changes nothing.

-- Finds the oldest closed chats.
create index chats_ended_by_time on chats (time_end) where state = 'ended';

-- Closed chats that were removed, by agency and limit, until the organizer service has them in its record: an outbox. A
-- row is written in the transaction that removes the chats.
create table removals (
    id integer primary key,
    agency_id integer not null,
    -- The chats had ended before this.
    ended_before integer not null,
    chats integer not null,
    messages integer not null,
    -- Identifies the report of the row, which does not change any more; null while the row grows.
    report_id text unique,
    -- How often the report has failed, and when to retry: see service::retry.
    attempts integer not null default 0,
    due_at integer not null default 0
);

create unique index removals_that_grow on removals (agency_id, ended_before) where report_id is null;
