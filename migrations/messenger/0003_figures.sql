-- What figures and pages of the archive need, and who is a guest. The release before this one works with it: triggers
-- keep what it does not know, and what it does not write has a default.

-- Presses that nobody took: taken back, or forgotten with their participants. Their chats are deleted, and the figures
-- need them. There is no personal data here.
create table withdrawn_presses (
    id integer primary key,
    agency_id integer not null,
    event_id integer not null,
    pressed_at integer not null,
    withdrawn_at integer not null default (cast(unixepoch('subsec') * 1000 as integer))
);

-- All columns, so that figures read only the index.
create index withdrawn_presses_of_agency on withdrawn_presses (agency_id, pressed_at, event_id, withdrawn_at);

create trigger press_withdrawn after delete on chats when old.time_start is null
begin
    insert into withdrawn_presses (agency_id, event_id, pressed_at)
    values (old.agency_id, old.event_id, old.pressed_at);
end;

-- For the figures: it holds all that they read of a chat.
create index chats_pressed_of_agency on chats (agency_id, pressed_at, event_id, time_start, time_end, organizer_id,
                                               organizer_name);

-- For pages of the archive of one event.
create index chats_ended_of_event on chats (agency_id, event_id, time_start) where state = 'ended';

-- Whether a device has made the account, to press help at once.
alter table contacts add column is_guest integer not null default 0 check (is_guest in (0, 1));

-- Contacts from before: their addresses tell.
update contacts set is_guest = 1 where email like 'guest-%@guest.invalid';

drop trigger arrival;

drop view arrivals;

create view arrivals (request_id, agency_id, event_id, participant_id, email, phone_number, contact_version, lat, lng,
                      pressed_at, chat_id, message_id, first_message, received_at, kind, accuracy, position_at, name,
                      is_guest) as
select null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null
where false;

-- As before, and with `is_guest`.
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
    insert into contacts (participant_id, email, phone_number, version, name, is_guest)
    select new.participant_id, new.email, new.phone_number, new.contact_version, coalesce(new.name, ''),
           coalesce(new.is_guest, 0)
    where exists (select 1 from chats where request_id = new.request_id)
      and new.participant_id not in (select guest_id from hand_overs)
      and new.participant_id not in (select participant_id from forgotten_participants)
    on conflict (participant_id) do update
    set email = excluded.email, phone_number = excluded.phone_number, version = excluded.version, name = excluded.name,
        is_guest = excluded.is_guest
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
