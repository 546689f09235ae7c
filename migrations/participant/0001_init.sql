-- Ids come in sequence and are never given out twice, hence AUTOINCREMENT. Times are milliseconds since the Unix epoch.
-- Statements end with a semicolon and an empty line: see service::database.

create table participants (
    id integer primary key autoincrement,
    -- Compared case-sensitively (contract 1.4), which is how SQLite compares.
    email text not null unique,
    password_hash text not null,
    phone_number text not null default '',
    time_created integer not null,
    -- Tokens issued before this moment are void.
    time_sign_out integer not null
);

-- One open request per participant and event (contract 4.1). The request that holds the lock is named, so that a late
-- release of an older request does not free a newer one's lock.
create table locks (
    participant_id integer not null references participants (id) on delete cascade,
    event_id integer not null,
    request_id text not null,
    primary key (participant_id, event_id)
) without rowid;

-- Presses that the messenger has not confirmed yet. A row is written in the transaction of its lock, and goes when the messenger
-- has stored the request; so a press that was acknowledged is here or there, or for a moment in both.
create table outbox (
    request_id text not null primary key,
    participant_id integer not null,
    event_id integer not null,
    agency_id integer not null,
    pressed_at integer not null,
    description text not null,
    lat real,
    lng real,
    attempts integer not null default 0,
    -- When to try next.
    due_at integer not null
) without rowid;

create index outbox_by_due_at on outbox (due_at);

