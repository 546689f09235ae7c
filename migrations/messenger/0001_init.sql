-- Times are milliseconds since the Unix epoch. Compared times come from the database's own clock, because hosts' clocks
-- differ. Statements end with a semicolon and an empty line: see service::database.

-- A request for help is a chat that waits: waiting -> active -> ended. A chat whose organizer is gone for too long is
-- re-queued.
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
    -- When the present organizer got it.
    assigned_at integer,
    -- The same time, if the chat was given to a waiting organizer rather than in answer to `start_chat`.
    given_at integer,
    -- Whether it has gone back to the queue at least once.
    has_been_requeued integer not null default 0 check (has_been_requeued in (0, 1)),
    -- The `seq` up to which each side has reported to have read.
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

-- For the estimate of the wait from the latest pickups.
create index chats_started_of_agency on chats (agency_id, time_start) where time_start is not null;

-- For the search of chats whose organizer may be gone.
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
    -- When the sidecar read the frame. Shown to people and never compared.
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

-- Contact details of participants, as the participant service last sent them: the live side must not wait for another
-- service to get them. A row is deleted with its account.
create table contacts (
    participant_id integer primary key,
    email text not null,
    phone_number text not null,
    -- Counts the participant's changes, so that a late change does not undo a newer one.
    version integer not null
);

-- Requests that their participants have taken back. A press that arrives after its cancellation is not queued.
create table cancelled_requests (
    request_id text not null primary key,
    cancelled_at integer not null
) without rowid;

create index cancelled_requests_by_cancelled_at on cancelled_requests (cancelled_at);

-- Participants who have deleted their accounts. Their late presses are not queued.
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
    -- When to retry.
    due_at integer not null,
    -- Whether `closed_chat` has still to be shown to both sides. It is shown when the lock is released, or when the
    -- first try has failed.
    must_announce integer not null check (must_announce in (0, 1))
) without rowid;

create index lock_releases_by_due_at on lock_releases (due_at);

create index lock_releases_failed on lock_releases (attempts) where attempts > 0;

-- The log of everything that sockets are shown. Rows are deleted after ten minutes, oldest first and never the last
-- one, so ids have no gaps. SQLite has one writer, so the order of ids is the order of commits.
create table updates (
    id integer primary key,
    made_at integer not null default (cast(unixepoch('subsec') * 1000 as integer)),
    -- The text that sidecar_api::update describes.
    body text not null
);

-- Every cursor is the id of a row.
insert into updates (body) values ('');

-- Log which queues change. Triggers, so that no statement can omit it.
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

-- The last exchange of each sidecar that changed something. A retry is answered from here. Rows are deleted an hour
-- after the sidecar was last heard.
create table sidecars (
    name text not null primary key,
    number integer not null,
    -- The first update that the exchange has committed. `at_id` is the last one, whose state the replies show.
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
    -- Whether the sidecar listed them in its last report.
    is_here integer not null check (is_here in (0, 1)),
    -- When the sidecar last listed them, or first omitted them.
    seen_at integer not null,
    -- When their last frame or pong came.
    heard_at integer not null,
    primary key (organizer_id, sidecar)
) without rowid;

create index attendance_by_sidecar on attendance (sidecar) where is_here = 1;

create index attendance_by_seen_at on attendance (seen_at);

-- The time during which sidecars have reported attendance without a break. While no sidecar reports, no organizer
-- counts as gone.
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

-- Organizers whose chats were re-queued, until they are heard again and informed.
create table organizers_to_inform (
    organizer_id integer primary key,
    requeued_at integer not null
);

-- Requests arrive here, all of one delivery with one statement, which holds the write lock only while storing them. A
-- known request changes nothing. A request that was taken back, or whose participant is gone, is not queued, and its
-- lock is released.
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
