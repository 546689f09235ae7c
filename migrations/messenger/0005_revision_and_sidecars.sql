-- How often something has changed that sockets are shown. A frame carries the count of its change, a socket that of its beginning; what came before
-- that is found by asking and is not shown to it, however late it arrives.
create table revision (
    id integer primary key check (id = 1),
    number integer not null
);

insert into revision (id, number) values (1, 0);

alter table news add column revision integer not null default 0;

-- When each sidecar was heard last. Rows go when a sidecar says that it ends, or has not been heard for seconds.
create table sidecars (
    id text primary key,
    seen_at integer not null
) without rowid;

create index sidecars_by_seen_at on sidecars (seen_at);

-- A sidecar is not heard any more: what it has not passed on may have been missed everywhere.
alter table news add column sidecar_lost integer not null default 0 check (sidecar_lost in (0, 1));
