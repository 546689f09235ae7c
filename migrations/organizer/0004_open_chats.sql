-- How many chats each of the agency's organizers may have open at once; null for any number.
alter table agencies add column max_open_chats integer check (max_open_chats between 1 and 1000);

-- Those who keep sockets open know the number from when they asked who is there, so they have to ask again.
create trigger revoke_agency_with_other_settings after update of max_open_chats on agencies
when new.max_open_chats is not old.max_open_chats
begin
    delete from revocations where revoked_at < unixepoch() - 3600;
    insert into revocations (agency_id) values (new.id);
end;
