-- What was removed because it was too old is recorded. The release before this one works with it: it does not know the
-- table, and what it removes is not recorded.

-- Guests and copies of events that were removed, by limit, until the organizer service has them in its record: an
-- outbox. A row is written in the transaction that removes them.
create table removals (
    id integer primary key,
    -- The guests had last signed in, and the events were last confirmed, before this.
    last_seen_before integer not null,
    guests integer not null,
    known_events integer not null,
    -- Identifies the report of the row, which does not change any more; null while the row grows.
    report_id text unique,
    -- How often the report has failed, and when to retry: see service::retry.
    attempts integer not null default 0,
    due_at integer not null default 0
);

create unique index removals_that_grow on removals (last_seen_before) where report_id is null;
