-- How often something has changed that sockets are shown. A frame carries the count of its change, a socket that of its beginning; what came before
-- that is found by asking and is not shown to it, however late it arrives.
create table revision (
    id integer primary key check (id = 1),
    number integer not null
);

insert into revision (id, number) values (1, 0);

alter table news add column revision integer not null default 0;
