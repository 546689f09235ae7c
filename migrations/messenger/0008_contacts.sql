-- How to reach participants, as their service has said last: the live side must not wait for another service to know it. A row goes when its
-- account goes.
create table contacts (
    participant_id integer primary key,
    email text not null,
    phone_number text not null,
    -- Counts the participant's changes; what is heard late does not undo a newer one.
    version integer not null
);

insert into contacts (participant_id, email, phone_number, version)
select participant_id, email, phone_number, 0
from (select participant_id, email, phone_number, max(pressed_at) from chats where email <> '' group by participant_id);

drop trigger arrival;

drop view arrivals;

alter table chats drop column email;

alter table chats drop column phone_number;

-- As before, and with a request comes how to reach its participant.
create view arrivals (request_id, agency_id, event_id, participant_id, email, phone_number, contact_version, lat, lng, pressed_at, chat_id, message_id, first_message, now) as
select null, null, null, null, null, null, null, null, null, null, null, null, null, null where false;

create trigger arrival instead of insert on arrivals
begin
    insert into chats (id, request_id, agency_id, event_id, participant_id, lat_start, lng_start, state, pressed_at)
    select new.chat_id, new.request_id, new.agency_id, new.event_id, new.participant_id, new.lat, new.lng, 'waiting', new.pressed_at
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
    insert into messages (chat_id, seq, position, id, author_id, from_organizer, content, time_sent)
    select id, 1, 1, new.message_id, participant_id, 0, new.first_message, pressed_at
    from chats where request_id = new.request_id and new.first_message <> ''
    on conflict (chat_id, seq) do nothing;
    insert into outbox (request_id, participant_id, event_id, due_at)
    select new.request_id, new.participant_id, new.event_id, new.now
    where new.request_id in (select request_id from cancelled_requests)
       or new.participant_id in (select participant_id from forgotten_participants)
    on conflict do nothing;
end;
