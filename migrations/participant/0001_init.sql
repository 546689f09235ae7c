-- Ids grow and are never reused, hence AUTOINCREMENT. Times are milliseconds since the Unix epoch, by the database's
-- clock. Statements end with a semicolon and an empty line: see service::database.

create table participants (
    id integer primary key autoincrement,
    -- Compared case-sensitively (contract 1.4), which is how SQLite compares.
    email text not null unique,
    password_hash text not null,
    phone_number text not null default '',
    time_created integer not null,
    -- Tokens issued before this moment are void.
    time_sign_out integer not null,
    -- Counts the changes of the contact details: the messenger keeps the newer of two versions, in whatever order they
    -- come.
    contact_version integer not null default 0
);

-- One open request per participant and event (contract 4.1). The lock names its request, so that a late release of an
-- older request does not free the lock of a newer one.
create table locks (
    participant_id integer not null references participants (id) on delete cascade,
    event_id integer not null,
    request_id text not null,
    primary key (participant_id, event_id)
) without rowid;

-- Presses that the messenger has not confirmed yet. A row is deleted when the messenger has stored the request, so an
-- acknowledged press is here or there, or for a moment in both.
create table outbox (
    request_id text not null primary key,
    participant_id integer not null,
    event_id integer not null,
    agency_id integer not null,
    pressed_at integer not null,
    description text not null,
    lat real,
    lng real,
    -- How often the delivery has failed, and when to retry: see service::retry.
    attempts integer not null default 0,
    due_at integer not null
) without rowid;

create index outbox_by_due_at on outbox (due_at);

-- A press is one statement, which holds the write lock only while storing the press: this trigger adds its lock.
create trigger press_takes_its_lock after insert on outbox
begin
    insert into locks (participant_id, event_id, request_id)
    values (new.participant_id, new.event_id, new.request_id);
end;

-- Events that the organizer service has verified, so that a press for one of them can be accepted while it is down.
create table known_events (
    id integer primary key,
    agency_id integer not null,
    -- When it last confirmed that the event exists and its agency is approved.
    verified_at integer not null
);

-- Participants whose latest contact details the messenger does not have: those with open requests, and deleted ones.
-- Triggers insert the rows, so that no change can forget to.
create table contact_changes (
    -- A newer change of the same participant replaces the row, so that the delivery of an older one does not confirm
    -- it.
    id integer primary key autoincrement,
    participant_id integer not null unique,
    -- How often the delivery has failed, and when to retry: see service::retry.
    attempts integer not null default 0,
    due_at integer not null default 0
);

create index contact_changes_by_due_at on contact_changes (due_at);

create trigger change_contact after update of phone_number on participants
when new.phone_number <> old.phone_number
begin
    update participants set contact_version = old.contact_version + 1 where id = new.id;
    insert or replace into contact_changes (participant_id)
    select new.id where exists (select 1 from locks where participant_id = new.id);
end;

create trigger lose_contact after delete on participants
begin
    insert or replace into contact_changes (participant_id) values (old.id);
end;

-- Users whose credentials may have been revoked, for the sidecars, which keep sockets open. Triggers insert the rows,
-- so that no change can forget to. Rows older than an hour are deleted with the next insert. Participants have no
-- agency; both services share the query that reads the column.
create table revocations (
    id integer primary key autoincrement,
    user_id integer,
    agency_id integer,
    revoked_at integer not null default (unixepoch())
);

create index revocations_by_time on revocations (revoked_at);

create trigger revoke_signed_out_participant after update of time_sign_out on participants
when new.time_sign_out <> old.time_sign_out
begin
    delete from revocations where revoked_at < unixepoch() - 3600;
    insert into revocations (user_id) values (new.id);
end;

create trigger revoke_deleted_participant after delete on participants
begin
    delete from revocations where revoked_at < unixepoch() - 3600;
    insert into revocations (user_id) values (old.id);
end;

-- When a notice to the operator was last printed: see service::notices.
create table notices (
    name text primary key,
    printed_at integer not null
) without rowid;
