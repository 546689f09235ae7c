-- Events that the organizer service has vouched for, so that a press for one of them can be taken while it is down.
create table known_events (
    id integer primary key,
    agency_id integer not null,
    -- When it last said that the event is there and its agency approved.
    verified_at integer not null
);

-- Deleted accounts that the messenger has not forgotten yet. A row is written in the transaction of the deletion.
create table farewells (
    participant_id integer primary key,
    attempts integer not null default 0,
    -- When to try next.
    due_at integer not null
);

create index farewells_by_due_at on farewells (due_at);
