#!/bin/sh
# Makes three database files of a copy that backup.sh has made, fit to be put in place together:
#
#   restore.sh COPY DIRECTORY
#
# docs/operations.md says where each has to go. Needs sqlite3, 3.38 or later.
set -eu
umask 077
copy=$1
directory=$2
mkdir -p "$directory"
for name in participant messenger organizer; do
    file=$directory/$name.db
    if [ -e "$file" ]; then
        echo "$file is there already" >&2
        exit 1
    fi
    if [ -e "$copy/$name.sql" ]; then
        sqlite3 -bail "$file" <"$copy/$name.sql"
        # The services switch a database to its write-ahead log when they create or migrate it, not when they open it.
        sqlite3 "$file" 'PRAGMA journal_mode = WAL' >/dev/null
    else
        cp "$copy/$name.db" "$file"
    fi
    if [ "$(sqlite3 "$file" 'PRAGMA integrity_check; PRAGMA foreign_key_check')" != ok ]; then
        echo "$file is damaged" >&2
        exit 1
    fi
    chmod 600 "$file"
done
# The messenger's copy is a little younger, so the participant's follows it. Before sqlite3 3.42 the triggers that write
# `ended_at` and `changed_at` write null, since the function that they call does not know milliseconds.
released=$(sqlite3 "$directory/participant.db" "
    PRAGMA foreign_keys = ON;
    ATTACH '$directory/messenger.db' AS messenger;

    -- Accounts that were deleted in between.
    DELETE FROM outbox WHERE participant_id IN (SELECT participant_id FROM messenger.forgotten_participants);
    DELETE FROM participants WHERE id IN (SELECT participant_id FROM messenger.forgotten_participants);

    -- Guests who signed in to an account: as the participant service does it (store/hand_overs.rs). The messenger gives
    -- every press of theirs to the account, so they are signed out even if the account is not in the copy.
    CREATE TEMP TABLE signed_in AS
    SELECT guest_id, account_id FROM messenger.hand_overs WHERE account_id IN (SELECT id FROM participants);
    UPDATE locks SET participant_id = account_id FROM signed_in WHERE participant_id = guest_id;
    UPDATE outbox SET participant_id = account_id FROM signed_in WHERE participant_id = guest_id;
    UPDATE OR IGNORE presses SET participant_id = account_id FROM signed_in WHERE participant_id = guest_id;
    UPDATE presses SET participant_id = account_id, client_id = NULL FROM signed_in WHERE participant_id = guest_id;
    UPDATE participants
    SET phone_number = '', name = '', password_hash = '\$sha256\$', time_sign_out = strftime('%s', 'now') * 1000
    WHERE id IN (SELECT guest_id FROM messenger.hand_overs) AND password_hash <> '\$sha256\$';

    -- Phone numbers that were changed. The messenger would ignore the next change if its version were not newer.
    UPDATE participants SET phone_number = c.phone_number
    FROM messenger.contacts AS c WHERE c.participant_id = id AND c.version > contact_version;
    UPDATE participants SET contact_version = c.version
    FROM messenger.contacts AS c WHERE c.participant_id = id AND c.version > contact_version;

    UPDATE contact_changes SET changed_at = strftime('%s', 'now') * 1000 WHERE changed_at IS NULL;

    -- Presses that were delivered or taken back, and requests that were closed.
    DELETE FROM outbox WHERE request_id IN (SELECT request_id FROM messenger.chats)
       OR request_id IN (SELECT request_id FROM messenger.cancelled_requests);
    DELETE FROM locks
    WHERE request_id NOT IN (SELECT request_id FROM outbox)
      AND request_id NOT IN (SELECT request_id FROM messenger.chats WHERE state <> 'ended');
    SELECT changes();
    UPDATE presses SET ended_at = strftime('%s', 'now') * 1000
    WHERE ended_at IS NULL AND request_id NOT IN (SELECT request_id FROM locks);

    -- Presses that came in between.
    INSERT INTO presses (request_id, participant_id, event_id, pressed_at, received_at)
    SELECT request_id, participant_id, event_id, pressed_at, coalesce(received_at, pressed_at) FROM messenger.chats
    WHERE state <> 'ended' AND participant_id IN (SELECT id FROM participants)
      AND request_id NOT IN (SELECT request_id FROM presses);
    INSERT INTO locks (participant_id, event_id, request_id)
    SELECT participant_id, event_id, request_id FROM messenger.chats
    WHERE state <> 'ended' AND participant_id IN (SELECT id FROM participants)
      AND request_id NOT IN (SELECT request_id FROM locks);")
# Ids that were given after the copy are still in use: by the messenger's copy, by open sockets, in links to events. So
# new ones begin a random number of millions later; random, because the same copy may be restored twice. The gap in
# `revocations` makes sidecars authenticate everybody again who is connected.
for name in participant organizer; do
    sqlite3 -bail "$directory/$name.db" "
        INSERT INTO sqlite_sequence (name, seq)
        SELECT name, 0 FROM sqlite_schema
        WHERE sql LIKE '%autoincrement%' AND name NOT IN (SELECT name FROM sqlite_sequence);
        UPDATE sqlite_sequence SET seq = seq + 1000000 * (1 + abs(random() % 50));"
done
echo "restored to $directory; $released locks of closed requests were released"
