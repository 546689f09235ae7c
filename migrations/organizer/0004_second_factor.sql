-- The second factor of a user: a secret that the user's authenticator app knows as well (RFC 6238). It is deleted with
-- the user, also by the release before this one.
create table second_factors (
    user_id integer primary key references users (id) on delete cascade,
    -- In base32. The service computes codes from it, so it cannot be a hash.
    secret text not null,
    -- When the user has shown a first code; null until then, and sign-ins ask for no code.
    time_confirmed integer,
    -- The time step of the newest code that was used: a code counts once.
    last_step integer not null default 0
);

-- What signs in without the app, each of them once.
create table recovery_codes (
    user_id integer not null references second_factors (user_id) on delete cascade,
    -- SHA-256 of 120 random bits.
    hash text not null,
    primary key (user_id, hash)
) without rowid;
