-- The plan of an event's venue, an image for the map. It is a part of its event, and is deleted with it, also by the
-- release before this one.
create table event_plans (
    event_id integer primary key references events (id) on delete cascade,
    -- A data URL.
    image text not null,
    -- Of the image itself.
    sha256 text not null,
    -- Where its edges are, in degrees.
    north real not null,
    south real not null,
    east real not null,
    west real not null
);
