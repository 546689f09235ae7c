-- The latest run of the canary, one row. The release before this one works with it: it does not know the table.
create table canary (
    id integer primary key check (id = 1),
    checked_at integer not null,
    -- Null if the run has walked the whole path.
    failed_step text,
    -- When the first of the failed runs ended, while runs fail.
    failing_since integer,
    -- A JSON list: how long each step took.
    steps text not null
);
