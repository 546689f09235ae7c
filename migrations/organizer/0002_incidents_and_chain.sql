-- What agencies note of their events: contacts, issues, comments. The record becomes a chain of hashes. Lists get the indexes
-- they are read by: each of them ends, as every index does, with the id that its list is ordered by.
--
-- Nothing here is removed by a foreign key's cascade: what goes has to be on record, so the store removes it by name, and a
-- forgotten row makes the removal fail.

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

create index administrators on users (id) where role <= 1;

-- Name, description and address in one, with the case folded as Unicode does it, for the search. The service fills it in.
alter table events add column search text not null default '';

-- Where each chain of the record ends. Without this, rows cut off its end would not be missed.
create table chains (
    -- 0 for what administrators do outside of any agency.
    agency_id integer primary key,
    length integer not null,
    hash text not null
);

-- Whether the user who made the change is an administrator now, or was one when deleted.
alter table changelogs add column by_admin integer not null default 0;

-- The value without personal data, what it becomes once its person is deleted; null where there is no personal data.
alter table changelogs add column blank_value text;

-- Random, and gone with the personal data, so that what was blanked cannot be guessed from the seal.
alter table changelogs add column salt text;

-- SHA-256 of salt and value.
alter table changelogs add column seal text;

-- See `chain` in the organizer's sources for what is hashed.
alter table changelogs add column hash text not null default '';

create index changelogs_by_agency_and_user on changelogs (agency_id, user_id);

create index changelogs_by_admins on changelogs (by_admin);

create index changelogs_by_entity on changelogs (entity_class, entity_id, type);

-- Rows from before there was a chain. The service adds their seals and hashes.
update changelogs set by_admin = 1 where user_id in (select id from users where role <= 1);

update changelogs
set blank_value = json_set(value_after, '$.email', '', '$.firstName', '', '$.lastName', '', '$.phoneNumber', ''),
    salt = lower(hex(randomblob(16)))
where entity_class = 'User' and value_after is not null;
