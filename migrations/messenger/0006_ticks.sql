-- When the messenger was last ticked, one row. Before the first tick it is the time of the migration, so that an alarm
-- notices a dispatcher that has never run. The release before this one does not know the table.
create table ticks (
    id integer primary key check (id = 1),
    ticked_at integer not null
);

insert into ticks (id, ticked_at) values (1, cast(unixepoch('subsec') * 1000 as integer));
