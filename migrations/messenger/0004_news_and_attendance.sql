-- What happens without a sidecar having asked for it. Every sidecar reads it again and again; rows go after some minutes. One has
-- a frame to show (a relay_protocol::Delivery as JSON), or an agency whose queue has changed.
create table news (
    id integer primary key autoincrement,
    made_at integer not null default (unixepoch()),
    delivery text,
    agency_id integer
);

create index news_by_made_at on news (made_at);

create trigger news_of_arrival after insert on chats when new.state = 'waiting'
begin
    insert into news (agency_id) values (new.agency_id);
end;

create trigger news_of_change after update of state on chats when (old.state = 'waiting') <> (new.state = 'waiting')
begin
    insert into news (agency_id) values (new.agency_id);
end;

create trigger news_of_removal after delete on chats when old.state = 'waiting'
begin
    insert into news (agency_id) values (old.agency_id);
end;

-- Which organizers are, or were, at which sidecar.
create table attendance (
    organizer_id integer not null,
    sidecar text not null,
    agency_id integer not null,
    -- Whether they were still there when they were seen last.
    is_here integer not null check (is_here in (0, 1)),
    seen_at integer not null,
    primary key (organizer_id, sidecar)
) without rowid;

create index attendance_by_sidecar on attendance (sidecar) where is_here = 1;

create index attendance_by_seen_at on attendance (seen_at);

-- Since when it has been heard, without a break, who is there. Who is not heard while nobody is heard need not be gone.
create table hearing (
    id integer primary key check (id = 1),
    since integer not null,
    heard_at integer not null
);

-- Organizers who wait for the next request of their agency.
create table waiting_organizers (
    organizer_id integer primary key,
    agency_id integer not null,
    since integer not null,
    -- How many chats they may have open; null for no limit.
    max_open_chats integer
);

-- Chats whose organizer may be gone.
create index chats_active_by_assigned_at on chats (assigned_at) where state = 'active';
