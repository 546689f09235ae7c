-- Since when the messenger has not been told of a change, so that an alarm can tell of it. Triggers note it, so that
-- rows of the release before have it as well. What waits already counts from now, and a newer change of the same
-- participant counts anew.

alter table contact_changes add column changed_at integer;

alter table hand_overs add column signed_in_at integer;

update contact_changes set changed_at = cast(unixepoch('subsec') * 1000 as integer);

update hand_overs set signed_in_at = cast(unixepoch('subsec') * 1000 as integer);

create trigger contact_change_waits after insert on contact_changes
begin
    update contact_changes set changed_at = cast(unixepoch('subsec') * 1000 as integer) where id = new.id;
end;

create trigger hand_over_waits after insert on hand_overs
begin
    update hand_overs set signed_in_at = cast(unixepoch('subsec') * 1000 as integer) where guest_id = new.guest_id;
end;
