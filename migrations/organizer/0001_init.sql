-- Ids grow and are never reused, hence AUTOINCREMENT. Times are milliseconds since the Unix epoch. Statements end with
-- a semicolon and an empty line: see service::database. Each list has an index. Like every index it ends with the row's
-- id, which orders the list.
--
-- No foreign key cascades: every removal has to be recorded, so the store removes rows explicitly, and an omitted row
-- makes the removal fail.

create table agencies (
    id integer primary key autoincrement,
    name text not null unique,
    address text not null,
    website text,
    approved integer not null default 0 check (approved in (0, 1)),
    -- How many chats each of the agency's organizers may have open at once; null for any number.
    max_open_chats integer check (max_open_chats between 1 and 1000)
);

create table users (
    id integer primary key autoincrement,
    -- Compared case-sensitively (contract 1.3), which is how SQLite compares.
    email text not null unique,
    password_hash text not null,
    first_name text not null,
    last_name text not null,
    phone_number text not null,
    time_created integer not null,
    -- Tokens issued before this moment are void.
    time_sign_out integer not null,
    role integer not null check (role between 0 and 4),
    -- For an administrator, the agency in preview.
    agency_id integer references agencies (id)
);

create index users_by_agency on users (agency_id);

create index administrators on users (id) where role <= 1;

create table events (
    id integer primary key autoincrement,
    name text not null unique,
    description text not null,
    address text not null,
    lat real not null,
    lng real not null,
    time_start integer not null,
    time_end integer not null,
    agency_id integer not null references agencies (id),
    -- Name, description and address in one text, case-folded by Unicode's rules, for the search. The service fills it
    -- in.
    search text not null default ''
);

create index events_by_agency on events (agency_id);

create table contacts (
    id integer primary key autoincrement,
    first_name text not null,
    last_name text not null,
    email text not null,
    phone_number text not null,
    additional_notes text not null,
    event_id integer not null references events (id),
    agency_id integer not null references agencies (id)
);

create index contacts_by_agency on contacts (agency_id);

create index contacts_by_event on contacts (event_id, agency_id);

create table issues (
    id integer primary key autoincrement,
    name text not null,
    description text not null,
    status text not null default 'to_do' check (status in ('to_do', 'in_progress', 'resolved', 'cancelled')),
    priority text not null check (priority in ('low', 'medium', 'high')),
    time_created integer not null,
    time_closed integer,
    author_id integer not null references users (id),
    event_id integer not null references events (id),
    agency_id integer not null references agencies (id)
);

create index issues_by_agency on issues (agency_id);

create index issues_by_event on issues (event_id, agency_id);

create index issues_by_author on issues (author_id);

create table comments (
    id integer primary key autoincrement,
    content text not null,
    time_created integer not null,
    author_id integer not null references users (id),
    issue_id integer not null references issues (id),
    agency_id integer not null references agencies (id)
);

create index comments_by_agency on comments (agency_id);

create index comments_by_issue on comments (issue_id, agency_id);

create index comments_by_author on comments (author_id);

-- The record of every change. It outlives the rows it is about, so it has no foreign keys. Its rows are chained by
-- hashes: see `chain` in the organizer's sources for the formula.
create table changelogs (
    id integer primary key autoincrement,
    entity_id integer not null,
    entity_class text not null,
    type text not null check (type in ('insert', 'update', 'delete')),
    changed_at integer not null,
    value_after text,
    user_id integer not null,
    agency_id integer,
    -- Whether the user who made the change is an administrator now, or was one when deleted.
    by_admin integer not null default 0 check (by_admin in (0, 1)),
    -- The value without personal data, which replaces it once its person is deleted; null where there is no personal
    -- data.
    blank_value text,
    -- Random, and removed with the personal data, so that nobody can guess the blanked value from the seal.
    salt text,
    -- SHA-256 of salt and value.
    seal text,
    hash text not null default ''
);

create index changelogs_by_agency on changelogs (agency_id);

create index changelogs_by_agency_and_user on changelogs (agency_id, user_id);

create index changelogs_by_user on changelogs (user_id);

create index changelogs_by_admins on changelogs (by_admin);

create index changelogs_by_entity on changelogs (entity_class, entity_id, type);

-- Where each chain of the record ends. Shows if rows were cut off at the end.
create table chains (
    -- 0 for changes by administrators outside of any agency.
    agency_id integer primary key,
    length integer not null,
    hash text not null
);

-- Users whose credentials may have been revoked, for the sidecars, which keep sockets open. Triggers insert the rows,
-- so that no statement can omit it. A row has a user or an agency; rows older than an hour are deleted with the next
-- insert.
create table revocations (
    id integer primary key autoincrement,
    user_id integer,
    agency_id integer,
    revoked_at integer not null default (unixepoch())
);

create index revocations_by_time on revocations (revoked_at);

create trigger revoke_changed_user after update of time_sign_out, role, agency_id on users
when new.time_sign_out <> old.time_sign_out or new.role <> old.role or new.agency_id is not old.agency_id
begin
    delete from revocations where revoked_at < unixepoch() - 3600;
    insert into revocations (user_id) values (new.id);
end;

create trigger revoke_deleted_user after delete on users
begin
    delete from revocations where revoked_at < unixepoch() - 3600;
    insert into revocations (user_id) values (old.id);
end;

create trigger revoke_agency after update of approved on agencies
when old.approved and not new.approved
begin
    delete from revocations where revoked_at < unixepoch() - 3600;
    insert into revocations (agency_id) values (new.id);
end;

-- Sidecars get the number when they authenticate a user, so they have to authenticate again.
create trigger revoke_agency_with_other_settings after update of max_open_chats on agencies
when new.max_open_chats is not old.max_open_chats
begin
    delete from revocations where revoked_at < unixepoch() - 3600;
    insert into revocations (agency_id) values (new.id);
end;

-- When a notice to the operator was last printed: see service::notices.
create table notices (
    name text primary key,
    printed_at integer not null
) without rowid;
