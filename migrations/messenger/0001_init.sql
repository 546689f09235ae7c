-- Times are milliseconds since the Unix epoch. Those that are compared with each other are read from the database's own
-- clock, so that hosts whose clocks differ agree. Statements end with a semicolon and an empty line: see
-- service::database.

-- A request for help is a chat that waits: waiting -> active -> ended. A chat whose organizer is gone for too long
-- waits again.
create table chats (
    -- Grows in the order of commits. Of two requests with the same time of press, the one that arrived first is first.
    arrival integer primary key,
    -- 24 hexadecimal digits.
    id text not null unique,
    -- Made at the press. Queueing a known one changes nothing.
    request_id text not null unique,
    agency_id integer not null,
    event_id integer not null,
    participant_id integer not null,
    lat_start real,
    lng_start real,
    state text not null check (state in ('waiting', 'active', 'ended')),
    -- By the clock of the participant service's database.
    pressed_at integer not null,
    organizer_id integer,
    -- When the first organizer got it.
    time_start integer,
    time_end integer,
    -- When the organizer of now got it.
    assigned_at integer,
    -- The same, if it was given to an organizer who waited for the next request and did not ask for it at that moment.
    given_at integer,
    -- Whether it has gone back to the queue at least once.
    has_been_requeued integer not null default 0 check (has_been_requeued in (0, 1)),
    -- The `seq` up to which each side says to have read.
    read_by_organizer integer not null default 0,
    read_by_participant integer not null default 0,
    check (state = 'waiting' or (organizer_id is not null and time_start is not null and assigned_at is not null)),
    check (state <> 'ended' or time_end is not null)
);

create index chats_waiting on chats (agency_id, pressed_at) where state = 'waiting';

create index chats_open_of_organizer on chats (organizer_id, time_start) where state = 'active';

create index chats_of_participant on chats (participant_id);

create index chats_ended_of_agency on chats (agency_id, time_start) where state = 'ended';

create index chats_ended_of_participant on chats (participant_id, time_start) where state = 'ended';

-- The latest pickups tell how long a request waits.
create index chats_started_of_agency on chats (agency_id, time_start) where time_start is not null;

-- Chats whose organizer may be gone.
create index chats_active_by_assigned_at on chats (assigned_at) where state = 'active';

create index chats_active_by_given_at on chats (given_at) where state = 'active' and given_at is not null;

-- A chat's messages, numbered from 1 without gaps. The description of the problem is number 1, if there is one.
create table messages (
    chat_id text not null references chats (id),
    seq integer not null,
    -- 24 hexadecimal digits.
    id text not null,
    author_id integer not null,
    from_organizer integer not null check (from_organizer in (0, 1)),
    content text not null,
    -- When the sidecar had read it. It is shown to people and never compared.
    time_sent integer not null,
    lat real,
    lng real,
    -- The client's idempotency key for this author in this chat, as the client wrote it. Clients of the contract have
    -- none.
    client_id text,
    -- Written by the service about the chat, in the name of its organizer.
    is_system integer not null default 0 check (is_system in (0, 1)),
    primary key (chat_id, seq)
) without rowid;

create unique index messages_by_client_id on messages (chat_id, author_id, from_organizer, lower(client_id))
where client_id is not null;

-- How to reach participants, as their service has said last: the live side must not wait for another service to know
-- it. A row goes when its account goes.
create table contacts (
    participant_id integer primary key,
    email text not null,
    phone_number text not null,
    -- Counts the participant's changes. What is heard late does not undo a newer one.
    version integer not null
);

-- Requests that their participants have taken back. One that arrives late, because its press was still on the way, is
-- not queued.
create table cancelled_requests (
    request_id text not null primary key,
    cancelled_at integer not null
) without rowid;

create index cancelled_requests_by_cancelled_at on cancelled_requests (cancelled_at);

-- Participants who have deleted their accounts. What arrives late from one is not queued.
create table forgotten_participants (
    participant_id integer primary key
);

-- Closed requests whose locks the participant service has not released yet: an outbox. A row is written in the
-- transaction that closes the request.
create table lock_releases (
    request_id text not null primary key,
    participant_id integer not null,
    event_id integer not null,
    attempts integer not null default 0,
    -- When to try next.
    due_at integer not null,
    -- Whether `closed_chat` is still to be shown to both sides. It is shown when the lock is released, or when the
    -- first try has failed.
    must_announce integer not null check (must_announce in (0, 1))
) without rowid;

create index lock_releases_by_due_at on lock_releases (due_at);

create index lock_releases_failed on lock_releases (attempts) where attempts > 0;

-- The log of all that sockets are shown. Rows go after ten minutes, the oldest first and never the last one, so ids
-- have no gaps. SQLite has one writer, so the order of ids is the order of commits.
create table updates (
    id integer primary key,
    made_at integer not null default (cast(unixepoch('subsec') * 1000 as integer)),
    -- The text that sidecar_api::update describes.
    body text not null
);

-- Every cursor is the id of a row.
insert into updates (body) values ('');

-- Which queues change. As triggers, so that no statement can forget it.
create trigger queue_grows after insert on chats when new.state = 'waiting'
begin
    insert into updates (body) values ('queue ' || new.agency_id || char(10));
end;

create trigger queue_changes after update of state on chats when (old.state = 'waiting') <> (new.state = 'waiting')
begin
    insert into updates (body) values ('queue ' || new.agency_id || char(10));
end;

create trigger queue_shrinks after delete on chats when old.state = 'waiting'
begin
    insert into updates (body) values ('queue ' || old.agency_id || char(10));
end;

-- The last exchange of each sidecar that changed something. If it is sent again, it is answered from here. Rows go an
-- hour after the sidecar was last heard.
create table sidecars (
    name text not null primary key,
    number integer not null,
    -- The first update that the exchange has committed. The one at which its replies stand is the last.
    first_id integer not null,
    at_id integer not null,
    at_made_at integer not null,
    -- A JSON list.
    replies text not null,
    seen_at integer not null
);

-- Which organizers are, or were, at which sidecar.
create table attendance (
    organizer_id integer not null,
    sidecar text not null,
    agency_id integer not null,
    -- Whether the sidecar listed them when it last told who is there.
    is_here integer not null check (is_here in (0, 1)),
    -- When the sidecar listed them last, or no longer listed them.
    seen_at integer not null,
    -- When a frame or a pong of theirs last came.
    heard_at integer not null,
    primary key (organizer_id, sidecar)
) without rowid;

create index attendance_by_sidecar on attendance (sidecar) where is_here = 1;

create index attendance_by_seen_at on attendance (seen_at);

-- The time during which sidecars have told who is there, without a break. While no sidecar tells, nobody counts as
-- gone.
create table hearing (
    id integer primary key check (id = 1),
    since integer not null,
    heard_at integer not null
);

-- Organizers who wait for the next request of their agency.
create table waiting_organizers (
    organizer_id integer primary key,
    agency_id integer not null,
    since integer not null,
    -- How many chats they may have open; null for no limit.
    max_open_chats integer,
    -- How to address them; may be empty.
    name text not null
);

-- Organizers whose chats went back to the queue, until they are heard again and told so.
create table organizers_to_inform (
    organizer_id integer primary key,
    requeued_at integer not null
);

-- Requests arrive here, all that come together with one statement, which holds the write lock no longer than it takes
-- to store them. A known request changes nothing. One that has been taken back or whose participant is gone is not
-- queued, and its lock is released.
create view arrivals (request_id, agency_id, event_id, participant_id, email, phone_number, contact_version, lat, lng,
                      pressed_at, chat_id, message_id, first_message) as
select null, null, null, null, null, null, null, null, null, null, null, null, null where false;

create trigger arrival instead of insert on arrivals
begin
    insert into chats (id, request_id, agency_id, event_id, participant_id, lat_start, lng_start, state, pressed_at)
    select new.chat_id, new.request_id, new.agency_id, new.event_id, new.participant_id, new.lat, new.lng, 'waiting',
           new.pressed_at
    where new.request_id not in (select request_id from cancelled_requests)
      and new.participant_id not in (select participant_id from forgotten_participants)
    on conflict (request_id) do nothing;
    insert into contacts (participant_id, email, phone_number, version)
    select new.participant_id, new.email, new.phone_number, new.contact_version
    where exists (select 1 from chats where request_id = new.request_id)
      and new.participant_id not in (select participant_id from forgotten_participants)
    on conflict (participant_id) do update
    set email = excluded.email, phone_number = excluded.phone_number, version = excluded.version
    where excluded.version > version;
    -- The description of the problem.
    insert into messages (chat_id, seq, id, author_id, from_organizer, content, time_sent)
    select id, 1, new.message_id, participant_id, 0, new.first_message, pressed_at
    from chats where request_id = new.request_id and new.first_message <> ''
    on conflict (chat_id, seq) do nothing;
    insert into lock_releases (request_id, participant_id, event_id, due_at, must_announce)
    select new.request_id, new.participant_id, new.event_id, cast(unixepoch('subsec') * 1000 as integer), 0
    where new.request_id in (select request_id from cancelled_requests)
       or new.participant_id in (select participant_id from forgotten_participants)
    on conflict do nothing;
end;

-- When a notice to the operator was last printed: see service::notices.
create table notices (
    name text primary key,
    printed_at integer not null
) without rowid;
