-- The latest run of the canary, one row. The release before this one works with it: it does not know the table, and the
-- index changes nothing.
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

-- The canary's ids are below 0, so that metrics can leave its releases out.
drop index lock_releases_failed;

create index lock_releases_failed on lock_releases (attempts, participant_id) where attempts > 0;
