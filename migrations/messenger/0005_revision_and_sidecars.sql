-- How often something has changed that sockets are shown. A frame carries the count of its change, a socket that of its beginning; what came before
-- that is found by asking and is not shown to it, however late it arrives.
create table revision (
    id integer primary key check (id = 1),
    number integer not null
);

insert into revision (id, number) values (1, 0);

alter table news add column revision integer not null default 0;

-- When each sidecar was heard last. Rows go when a sidecar says that it ends, or an hour after it was lost.
create table sidecars (
    id text primary key,
    seen_at integer not null,
    -- How long it may be silent, in milliseconds.
    patience integer not null,
    is_lost integer not null default 0 check (is_lost in (0, 1))
) without rowid;

-- A sidecar is not heard any more: what it has not passed on may have been missed everywhere.
alter table news add column sidecar_lost integer not null default 0 check (sidecar_lost in (0, 1));
