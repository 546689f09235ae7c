-- What a press may say besides, and chats that change hands when a guest signs in to an account. The release before
-- this one works with it: it names the columns that it writes, and what it does not write has a default.

-- When the press arrived. `pressed_at` is the time that counts for the queue, which a phone may have claimed. Null
-- where the release before queued it; then they are the same.
alter table chats add column received_at integer;

-- `medical`, `lost`, `threat` or `other`, if the participant has said it. Message 1 says it in words.
alter table chats add column kind text;

-- Of the position at the press: metres, and when it was measured.
alter table chats add column accuracy_start real;

alter table chats add column position_at_start integer;

-- The name of the organizer who took the chat, for its participant. Empty while the chat waits, and after a transfer.
alter table chats add column organizer_name text not null default '';

-- What to call the participant; may be empty.
alter table contacts add column name text not null default '';

-- Guests who have signed in to an account. A press of theirs may still be on its way.
create table hand_overs (
    guest_id integer primary key,
    account_id integer not null
);

create index hand_overs_by_account on hand_overs (account_id);

drop trigger arrival;

drop view arrivals;

create view arrivals (request_id, agency_id, event_id, participant_id, email, phone_number, contact_version, lat, lng,
                      pressed_at, chat_id, message_id, first_message, received_at, kind, accuracy, position_at, name) as
select null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null
where false;

-- As before. The request of a guest who has signed in meanwhile is the account's, which can be reached otherwise than
-- the guest.
create trigger arrival instead of insert on arrivals
begin
    insert into chats (id, request_id, agency_id, event_id, participant_id, lat_start, lng_start, state, pressed_at,
                       received_at, kind, accuracy_start, position_at_start)
    select new.chat_id, new.request_id, new.agency_id, new.event_id, arrived.participant_id, new.lat, new.lng,
           'waiting', new.pressed_at, new.received_at, new.kind, new.accuracy, new.position_at
    from (select coalesce((select account_id from hand_overs where guest_id = new.participant_id), new.participant_id)
                 as participant_id) arrived
    where new.request_id not in (select request_id from cancelled_requests)
      and arrived.participant_id not in (select participant_id from forgotten_participants)
    on conflict (request_id) do nothing;
    insert into contacts (participant_id, email, phone_number, version, name)
    select new.participant_id, new.email, new.phone_number, new.contact_version, coalesce(new.name, '')
    where exists (select 1 from chats where request_id = new.request_id)
      and new.participant_id not in (select guest_id from hand_overs)
      and new.participant_id not in (select participant_id from forgotten_participants)
    on conflict (participant_id) do update
    set email = excluded.email, phone_number = excluded.phone_number, version = excluded.version, name = excluded.name
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
       or exists (select 1 from hand_overs h join forgotten_participants f on f.participant_id = h.account_id
                  where h.guest_id = new.participant_id)
    on conflict do nothing;
end;
