#!/bin/sh
# Makes three database files of a copy that backup.sh has made, fit to be put in place together:
#
#   restore.sh COPY DIRECTORY
#
# docs/operations.md says where each has to go. Needs sqlite3.
set -eu
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
# The messenger's copy is a little younger. A request that was closed in between has its lock only in the participant's,
# where it would keep the participant from pressing again. This ends its press as the trigger `release_ends_press` does,
# which is off: it takes the time from a function that sqlite3 before 3.42 does not have.
released=$(sqlite3 -bail "$directory/participant.db" '.dbconfig enable_trigger off' "
    ATTACH '$directory/messenger.db' AS messenger;
    DELETE FROM locks
    WHERE request_id NOT IN (SELECT request_id FROM outbox)
      AND request_id NOT IN (SELECT request_id FROM messenger.chats WHERE state <> 'ended')
      AND request_id NOT IN (SELECT request_id FROM messenger.lock_releases);
    SELECT changes();
    DELETE FROM presses WHERE client_id IS NULL AND request_id NOT IN (SELECT request_id FROM locks);
    UPDATE presses SET ended_at = strftime('%s', 'now') * 1000
    WHERE ended_at IS NULL AND request_id NOT IN (SELECT request_id FROM locks);")
# The number is the last line; the first one says that triggers are off.
released=${released##*[!0-9]}
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
