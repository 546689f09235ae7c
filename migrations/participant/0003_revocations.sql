-- Whose credentials may not be valid any more, for those who keep sockets open. Triggers note it, so that no change can forget to.
-- Rows older than an hour go with the next. Participants have no agency; the column is there for what both services share.
create table revocations (
    id integer primary key autoincrement,
    user_id integer,
    agency_id integer,
    revoked_at integer not null default (unixepoch())
);

create index revocations_by_time on revocations (revoked_at);

create trigger revoke_signed_out_participant after update of time_sign_out on participants
when new.time_sign_out <> old.time_sign_out
begin
    delete from revocations where revoked_at < unixepoch() - 3600;
    insert into revocations (user_id) values (new.id);
end;

create trigger revoke_deleted_participant after delete on participants
begin
    delete from revocations where revoked_at < unixepoch() - 3600;
    insert into revocations (user_id) values (old.id);
end;
