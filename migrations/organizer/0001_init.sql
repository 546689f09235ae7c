-- Ids come in sequence and are never given out twice, hence AUTOINCREMENT. Times are milliseconds since the Unix epoch.
-- Statements end with a semicolon and an empty line: see service::database.

create table agencies (
    id integer primary key autoincrement,
    name text not null unique,
    address text not null,
    website text,
    approved integer not null default 0 check (approved in (0, 1))
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

create table events (
    id integer primary key autoincrement,
    name text not null unique,
    description text not null,
    address text not null,
    lat real not null,
    lng real not null,
    time_start integer not null,
    time_end integer not null,
    agency_id integer not null references agencies (id) on delete cascade
);

create index events_by_agency on events (agency_id);

-- The record outlives what it speaks of, so nothing here refers to other tables.
create table changelogs (
    id integer primary key autoincrement,
    entity_id integer not null,
    entity_class text not null,
    type text not null check (type in ('insert', 'update', 'delete')),
    changed_at integer not null,
    value_after text,
    user_id integer not null,
    agency_id integer
);

create index changelogs_by_agency on changelogs (agency_id);

create index changelogs_by_user on changelogs (user_id);

