-- Whether somebody else has chosen the password: a senior, or the operator that of the first superadmin. Users from
-- before count as having chosen theirs.
alter table users add column initial_password integer not null default 0 check (initial_password in (0, 1));

-- Where users must have a second factor, one without may hold no socket.
create trigger revoke_user_without_second_factor after delete on second_factors
when old.time_confirmed is not null
begin
    delete from revocations where revoked_at < unixepoch() - 3600;
    insert into revocations (user_id) values (old.user_id);
end;
