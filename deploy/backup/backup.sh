#!/bin/sh
# Copies Mayday's three databases while they are in use:
#
#   backup.sh RUNTIME_CONFIG DIRECTORY
#
# The runtime configuration says where they are. A database file (type "spin") becomes DIRECTORY/NAME.db, a libSQL
# server's (type "libsql") DIRECTORY/NAME.sql, a text that `sqlite3 NAME.db < NAME.sql` makes a database file of.
# docs/operations.md says how to restore them. Needs sqlite3 for the former, and curl for the latter.
set -eu
# A copy has everything that the services know of people.
umask 077
config=$1
directory=$2

# A copy is complete, or it is not there.
mkdir -p "$directory"
partial=$(mktemp -d "$directory/partial.XXXXXX")
trap 'rm -rf "$partial"' EXIT

# The value of a key in the section of a database.
setting() {
    awk -F'"' -v section="[sqlite_database.$1]" -v key="$2" '
        /^\[/ { here = ($0 == section) }
        here && $0 ~ "^" key " *=" { print $2 }' "$config"
}

# `.backup` alone begins anew whenever somebody else commits. In a read transaction it copies one snapshot.
copy_file() {
    sqlite3 "file:$1?mode=ro" ".timeout 10000" "BEGIN; SELECT count(*) FROM sqlite_schema;" ".backup '$2'" >/dev/null
}

# A dump is one snapshot, but lacks the version of the schema. If that changes meanwhile, the copy has no use.
copy_server() {
    version=$(schema_version "$1" "$2")
    ask "$2" -o "$3" "$1/dump"
    if [ "$(tail -n 1 "$3")" != "COMMIT;" ] || [ "$(schema_version "$1" "$2")" != "$version" ]; then
        echo "$1: the dump is not complete, or the schema was changed meanwhile" >&2
        exit 1
    fi
    echo "PRAGMA user_version = $version;" >>"$3"
}

# A server takes every PRAGMA for a write, which a token for reading may not do. So this reads a table instead.
schema_version() {
    sql='SELECT user_version FROM pragma_user_version'
    ask "$2" -H 'content-type: application/json' -d \
        '{"requests":[{"type":"execute","stmt":{"sql":"'"$sql"'"}},{"type":"close"}]}' "$1/v2/pipeline" |
        sed -n 's/.*"rows":\[\[{"type":"integer","value":"\([0-9]*\)".*/\1/p' | grep .
}

# curl with a server's token, which comes through a pipe: others on the machine see command lines.
ask() {
    token=$1
    shift
    printf 'authorization: Bearer %s\n' "$token" | curl -sSf --retry 3 -H @- "$@"
}

# In this order: a press is in the participant's database before it is in the messenger's. If it is only in the older
# copy it is delivered again, and the other way round nothing is missing.
for name in participant messenger organizer; do
    case $(setting "$name" type) in
        spin)
            copy_file "$(setting "$name" path)" "$partial/$name.db"
            ;;
        libsql)
            url=$(setting "$name" url | sed 's#^libsql://#https://#; s#/*$##')
            copy_server "$url" "$(setting "$name" token)" "$partial/$name.sql"
            ;;
        *)
            echo "$config does not say where the database $name is" >&2
            exit 1
            ;;
    esac
done
mv "$partial"/* "$directory"
echo "copied to $directory"
