-- Requests arrive here, all that come together with one statement, which holds the write lock no longer than it takes to store them. One that is known
-- already changes nothing, and neither does one that has been taken back or whose participant is gone; what those lock is to be released.
create view arrivals (request_id, agency_id, event_id, participant_id, email, phone_number, lat, lng, pressed_at, chat_id, message_id, first_message, now) as
select null, null, null, null, null, null, null, null, null, null, null, null, null where false;

create trigger arrival instead of insert on arrivals
begin
    insert into chats (id, request_id, agency_id, event_id, participant_id, email, phone_number, lat_start, lng_start, state, pressed_at)
    select new.chat_id, new.request_id, new.agency_id, new.event_id, new.participant_id, new.email, new.phone_number, new.lat, new.lng, 'waiting', new.pressed_at
    where new.request_id not in (select request_id from cancelled_requests)
      and new.participant_id not in (select participant_id from forgotten_participants)
    on conflict (request_id) do nothing;
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

