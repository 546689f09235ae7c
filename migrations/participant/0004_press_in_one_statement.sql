-- A press is one statement, which holds the write lock no longer than it takes to store it: the outbox row takes the lock of its request along.
create trigger press_takes_its_lock after insert on outbox
begin
    insert into locks (participant_id, event_id, request_id) values (new.participant_id, new.event_id, new.request_id);
end;

