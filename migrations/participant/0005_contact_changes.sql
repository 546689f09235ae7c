-- Counts the changes of how to reach a participant: of two versions the messenger keeps the newer, in whatever order it hears of them.
alter table participants add column contact_version integer not null default 0;

-- Participants of whom the messenger has not heard the latest: how to reach who has open requests now, and who is gone. Triggers note it, so that no
-- change can forget to.
alter table farewells rename to contact_changes;

drop index farewells_by_due_at;

create index contact_changes_by_due_at on contact_changes (due_at);

-- What is noted while an older version is being told must not be struck out with it.
alter table contact_changes add column version integer not null default 0;

create trigger change_contact after update of phone_number on participants
when new.phone_number <> old.phone_number
begin
    update participants set contact_version = old.contact_version + 1 where id = new.id;
    insert into contact_changes (participant_id, version, due_at)
    select new.id, old.contact_version + 1, 0 where exists (select 1 from locks where participant_id = new.id)
    on conflict (participant_id) do update set version = excluded.version, attempts = 0, due_at = 0;
end;

create trigger lose_contact after delete on participants
begin
    insert into contact_changes (participant_id, version, due_at) values (old.id, old.contact_version + 1, 0)
    on conflict (participant_id) do update set version = excluded.version, attempts = 0, due_at = 0;
end;
