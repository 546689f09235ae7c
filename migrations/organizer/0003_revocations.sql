-- Whose credentials may not be valid any more, for those who keep sockets open. Triggers note it, so that no change can forget to.
-- One row has one of the two; rows older than an hour go with the next.
create table revocations (
    id integer primary key autoincrement,
    user_id integer,
    agency_id integer,
    revoked_at integer not null default (unixepoch())
);

create index revocations_by_time on revocations (revoked_at);

create trigger revoke_changed_user after update of time_sign_out, role, agency_id on users
when new.time_sign_out <> old.time_sign_out or new.role <> old.role or new.agency_id is not old.agency_id
begin
    delete from revocations where revoked_at < unixepoch() - 3600;
    insert into revocations (user_id) values (new.id);
end;

create trigger revoke_deleted_user after delete on users
begin
    delete from revocations where revoked_at < unixepoch() - 3600;
    insert into revocations (user_id) values (old.id);
end;

create trigger revoke_agency after update of approved on agencies
when old.approved and not new.approved
begin
    delete from revocations where revoked_at < unixepoch() - 3600;
    insert into revocations (agency_id) values (new.id);
end;
