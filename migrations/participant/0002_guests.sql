-- Guests, presses that a phone may send again, and requests that change hands. The release before this one works with
-- it: it names the columns that it writes, and what it does not write has a default.

-- A guest is an account that nobody signs in to by hand: a device made it to press help at once.
alter table participants add column is_guest integer not null default 0 check (is_guest in (0, 1));

-- What to call somebody; may be empty. Only guests are asked for it.
alter table participants add column name text not null default '';

-- When the account last got a token. A token lasts a day, so whoever does anything has one that is younger.
alter table participants add column active_at integer not null default 0;

create index guests_by_active_at on participants (active_at) where is_guest = 1;

-- The time of press that counts for the queue may be one that the phone has claimed; this is when the press arrived.
-- Null in rows of the release before, whose presses count from their arrival.
alter table outbox add column received_at integer;

alter table outbox add column client_id text;

alter table outbox add column kind text;

-- Of the position: metres, and when it was measured.
alter table outbox add column accuracy real;

alter table outbox add column position_at integer;

-- Presses that are open, and for a while those that were sent with a key of the client's: whichever request came of
-- one, the same key brings the same answer.
create table presses (
    request_id text not null primary key,
    participant_id integer not null references participants (id) on delete cascade,
    event_id integer not null,
    -- A UUID in lower case.
    client_id text,
    pressed_at integer not null,
    received_at integer not null,
    -- When the lock was released.
    ended_at integer
) without rowid;

-- Nulls are no duplicates of each other.
create unique index presses_by_client_id on presses (participant_id, client_id);

create index presses_by_ended_at on presses (ended_at) where ended_at is not null;

insert into presses (request_id, participant_id, event_id, pressed_at, received_at)
select request_id, participant_id, event_id, pressed_at, pressed_at from outbox
where (participant_id, event_id, request_id) in (select participant_id, event_id, request_id from locks);

-- A guest who signs in may have a request open for the same event as the account: then the account has both, each with
-- a lock of its own. One press still takes one lock at most.
create table locks_of_requests (
    participant_id integer not null references participants (id) on delete cascade,
    event_id integer not null,
    request_id text not null,
    primary key (participant_id, event_id, request_id)
) without rowid;

insert into locks_of_requests select participant_id, event_id, request_id from locks;

drop trigger press_takes_its_lock;

drop trigger change_contact;

drop table locks;

alter table locks_of_requests rename to locks;

-- A release names the request, whoever has it by then.
create unique index locks_by_request_id on locks (request_id);

create trigger press_takes_its_lock after insert on outbox
begin
    insert into locks (participant_id, event_id, request_id)
    values (new.participant_id, new.event_id, new.request_id);
    insert into presses (request_id, participant_id, event_id, client_id, pressed_at, received_at)
    values (new.request_id, new.participant_id, new.event_id, new.client_id, new.pressed_at,
            coalesce(new.received_at, new.pressed_at));
end;

-- What nobody can ask for again goes at once.
create trigger release_ends_press after delete on locks
begin
    delete from presses where request_id = old.request_id and client_id is null;
    update presses set ended_at = cast(unixepoch('subsec') * 1000 as integer) where request_id = old.request_id;
end;

-- A guest who signs up gets an e-mail.
create trigger change_contact after update of phone_number, email on participants
when new.phone_number <> old.phone_number or new.email <> old.email
begin
    update participants set contact_version = old.contact_version + 1 where id = new.id;
    insert or replace into contact_changes (participant_id)
    select new.id where exists (select 1 from locks where participant_id = new.id);
end;

-- Guests who have signed in to an account, until the messenger knows that their chats are the account's.
create table hand_overs (
    guest_id integer primary key,
    account_id integer not null,
    -- How often the messenger could not be told, and when to try next: see service::retry.
    attempts integer not null default 0,
    due_at integer not null default 0
);

create index hand_overs_by_due_at on hand_overs (due_at);
