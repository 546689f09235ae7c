-- Requests that their participants have taken back. One that arrives late, because its press was still on the way, is not queued.
create table cancelled_requests (
    request_id text not null primary key,
    cancelled_at integer not null
) without rowid;

-- Participants who have deleted their accounts. What arrives late from one is not queued.
create table forgotten_participants (
    participant_id integer primary key
);

create index chats_by_participant on chats (participant_id);

-- The latest pickups tell how long a request waits.
create index chats_started_of_agency on chats (agency_id, time_start) where time_start is not null;
