//! The restore drill of docs/operations.md: the databases are copied while people chat, and the system is started anew
//! on the copy. One sidecar runs on. A guest is in the messenger's copy, but not in the older one of the participant's
//! database, where a request is still open that is not open in the messenger's. Other tests copy and restore databases
//! that no service uses, to see the scripts do their part.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use local_servers::Server;
use mayday_tests::chaos::{Link, Listens, Place};
use mayday_tests::databases::Database;
use mayday_tests::programs::workspace;
use mayday_tests::schema::{migrations, version};
use mayday_tests::settings::{SERVICES, libsql_database, runtime_config};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::apart::start_sidecar;
use crate::support::door::Door;
use crate::support::people::{self, ORGANIZER_PASSWORD, PARTICIPANT_PASSWORD, Person};
use crate::support::socket::Socket;
use crate::support::system::System;

/// So many messages are acknowledged before the copy begins.
const BEFORE: usize = 30;

/// The close code of a socket whose token is not valid any more (PROTOCOL.md).
const SIGNED_OUT: u16 = 4501;

/// Longer than a copy takes.
const DEADLINE: Duration = Duration::from_secs(60);

async fn run(script: &str, arguments: [&Path; 2]) {
    let script = workspace().join("deploy/backup").join(script);
    let mut command = Command::new("sh");
    // What most machines have.
    command.args(["-c", "umask 022; exec sh \"$@\"", "sh"]);
    command.arg(&script).args(arguments).kill_on_drop(true);
    let output = timeout(DEADLINE, command.output()).await;
    let output = output.expect("the script ends").expect("sh is there");
    assert!(
        output.status.success(),
        "{} failed, which needs sqlite3: {}",
        script.display(),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Says one number after the other until it is told to stop, and tells the last one that was acknowledged.
async fn count(
    mut socket: Socket,
    chat_id: String,
    acknowledged: watch::Sender<usize>,
    stop: watch::Receiver<bool>,
) {
    for number in 1.. {
        let message = json!({
            "chatId": chat_id, "message": number.to_string(), "clientId": Uuid::from_u128(number as u128).to_string(),
        });
        socket.send("send_message", message).await;
        socket.expect_passing("message_saved", &["user_message"]).await;
        acknowledged.send_replace(number);
        if *stop.borrow() {
            return;
        }
    }
}

/// Puts the file of a restored database where a host or a libSQL server looks for it, in the place of what is there.
fn put_in_place(restored: &Path, state: &Path, service: &str) {
    let database = Database::of_tests();
    let file = database.file(state, service);
    match database {
        Database::Files => {
            for suffix in ["-wal", "-shm"] {
                // There is none if it was closed well.
                let _ = fs::remove_file(state.join(format!("{service}.db{suffix}")));
            }
        }
        Database::Libsql => {
            fs::remove_dir_all(database.directory(state, service)).expect("a server was here");
            fs::create_dir_all(file.parent().expect("a directory")).expect("room");
        }
    }
    fs::rename(restored, file).expect("the same disk");
}

/// Whether a person's press is over, as the restored participant's database has it.
fn has_ended(restored: &Path, person: &Person) -> bool {
    let database = rusqlite::Connection::open(restored.join("participant.db")).expect("a database");
    let sql = "SELECT ended_at IS NOT NULL FROM presses WHERE participant_id = ?1";
    let ended = database.query_row(sql, [person.id], |row| row.get(0));
    ended.expect("a press")
}

/// Where the first host listens.
fn place(system: &System) -> Place {
    let origin = system.origin();
    let address = origin.strip_prefix("http://").expect("plain HTTP");
    Some(Listens::Tcp(address.parse().expect("an address")))
}

fn messenger_key(system: &System) -> String {
    let secrets = fs::read(system.state_directory().join("secrets.json")).expect("secrets");
    let secrets: Value = serde_json::from_slice(&secrets).expect("JSON");
    secrets["messengerKey"].as_str().expect("a key").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_copy_has_everything_that_was_acknowledged_before_it() {
    let system = System::start(1).await;
    let agency = system.agency("Fest").await;
    let person = people::sign_up(&system.door, "talks@example.org").await;
    person.press_help(agency.event_id, "lost").await.empty(200);
    let mut support = Socket::open_two("support", system.sidecar(0), &agency.support)
        .await
        .without_queues();
    let mut participant = Socket::open_two("participant", system.sidecar(0), &person)
        .await
        .without_queues();
    support.send("start_chat", "".into()).await;
    let chat = support.expect("new_chat").await["id"].clone();
    let chat_id = chat.as_str().expect("text").to_owned();
    participant.expect("new_chat").await;
    participant.expect("user_message").await;

    // A sidecar that runs on. That of the system is stopped with its Redis, so this one has its own.
    let (host, is_at) = watch::channel(place(&system));
    let link = Link::open("hosts", vec![is_at]).await.expect("a link");
    let redis = Server::redis().expect("a server");
    let hosts = vec![format!("http://{}", link.address)];
    let (runs_on, _) = start_sidecar(hosts, &messenger_key(&system), redis.url()).await;
    let mut stays = Socket::open_two("participant who stays", &runs_on, &person)
        .await
        .without_queues();
    stays.expect_nothing_yet().await;
    let mut leaves = Socket::open("support who is disconnected", &runs_on, &agency.support).await;
    leaves.expect_nothing_yet().await;

    let (acknowledged, mut counted) = watch::channel(0);
    let (stop, stopping) = watch::channel(false);
    let counting = tokio::spawn(count(participant, chat_id.clone(), acknowledged, stopping));
    counted
        .wait_for(|number| *number >= BEFORE)
        .await
        .expect("the participant goes on");
    let waiting = people::sign_up(&system.door, "waits@example.org").await;
    waiting.press_help(agency.event_id, "hurt").await.empty(200);
    let withdraws = people::sign_up(&system.door, "withdraws@example.org").await;
    let press = json!({"eventId": agency.event_id, "clientId": Uuid::from_u128(1).to_string()});
    withdraws
        .post("/participant/chat-requests", &press)
        .await
        .json(200);
    let before = *counted.borrow();
    let copies = tempfile::tempdir().expect("a directory");
    let [early, copy, restored] = ["early", "copy", "restored"].map(|name| copies.path().join(name));
    let config = system.state_directory().join("runtime-config.toml");
    run("backup.sh", [&config, &early]).await;
    withdraws
        .delete(&format!("/participant/chat-requests/mine/{}", agency.event_id))
        .await
        .empty(200);
    // This guest comes after the copy of the participant's database and presses before that of the messenger's.
    let between = people::guest(&system.door, "Ola", "+48555000222").await;
    let mut ends = Socket::open_two("guest who is not in the copy", &runs_on, &between).await;
    between.press_help(agency.event_id, "").await.empty(200);
    ends.expect("queue_position").await;
    run("backup.sh", [&config, &copy]).await;
    let older = match Database::of_tests() {
        Database::Files => "participant.db",
        Database::Libsql => "participant.sql",
    };
    fs::rename(early.join(older), copy.join(older)).expect("the same disk");
    let behind = *counted.borrow();
    counted
        .wait_for(|number| *number > behind)
        .await
        .expect("people chat on meanwhile");
    stop.send_replace(true);
    counting.await.expect("everything was acknowledged");
    // Its sidecar has read further than the copy.
    let last = counted.borrow().to_string();
    while leaves.expect_message().await != last {}

    host.send_replace(None);
    let system = system
        .restarted(async |state| {
            run("restore.sh", [&copy, &restored]).await;
            assert!(has_ended(&restored, &withdraws), "its lock was released");
            assert!(!has_ended(&restored, &waiting));
            for name in SERVICES {
                put_in_place(&restored.join(format!("{name}.db")), state, name);
            }
        })
        .await;
    host.send_replace(place(&system));

    stays.expect_passing("resync", &["user_message"]).await;
    assert_eq!(stays.chat_ids().await, [chat_id.as_str()]);
    assert_eq!(
        leaves.next().await,
        None,
        "it is disconnected without a close frame"
    );
    assert_eq!(ends.close_code().await, SIGNED_OUT);

    let support = people::sign_in(&system.door, &agency.support.email, ORGANIZER_PASSWORD).await;
    let person = people::sign_in_participant(&system.door, &person.email, PARTICIPANT_PASSWORD).await;
    let contents = person.archived_contents("participant", &chat_id).await;
    let numbers: Vec<usize> = contents
        .iter()
        .filter_map(|content| content.parse().ok())
        .collect();
    assert!(numbers.len() >= before, "{} of {before}", numbers.len());
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());

    let mut support = Socket::open_two("support again", system.sidecar(0), &support)
        .await
        .without_queues();
    let mut participant = Socket::open_two("participant again", system.sidecar(0), &person)
        .await
        .without_queues();
    participant.expect_nothing_yet().await;
    support.say(&chat_id, "still here").await;
    assert_eq!(participant.expect_message().await, "still here");
    assert_eq!(stays.expect_message().await, "still here");
    support.expect_message().await;
    support.send("start_chat", "".into()).await;
    let taken = support.expect("new_chat").await;
    assert_eq!(
        taken["participantId"], waiting.id,
        "who pressed before the copy is in it"
    );
    support.expect_message().await;

    // The next guest is somebody else.
    let guest = people::guest(&system.door, "Jan", "+48555000333").await;
    let mut new = Socket::open_two("new guest", system.sidecar(0), &guest).await;
    support.send("start_chat", "".into()).await;
    let taken = support.expect("new_chat").await;
    assert_eq!(taken["participantId"], between.id);
    assert_eq!(new.chat_ids().await, [] as [&str; 0]);
    guest.press_help(agency.event_id, "").await.empty(200);
    new.expect("queue_position").await;
    support.send("start_chat", "".into()).await;
    let taken = support.expect("new_chat").await;
    assert_eq!(
        (&taken["participantId"], &taken["participant"]["phoneNumber"]),
        (&json!(guest.id), &json!("+48555000333"))
    );
    let chat = new.expect_passing("new_chat", &["queue_position"]).await;
    assert_eq!(chat["id"], taken["id"]);
}

/// Databases as the services make them.
fn empty_databases(directory: &Path) {
    for service in SERVICES {
        let database = open(directory, service);
        database
            .execute_batch("PRAGMA journal_mode = WAL")
            .expect("a write-ahead log");
        for migration in migrations(service).expect("migrations") {
            database.execute_batch(&migration).expect("a migration");
        }
    }
}

fn open(directory: &Path, service: &str) -> Connection {
    let database = Connection::open(directory.join(format!("{service}.db"))).expect("a database");
    // No test survives a power failure.
    database
        .execute_batch("PRAGMA synchronous = OFF")
        .expect("a setting");
    database
}

/// The first column of each row, as text.
fn column(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(sql).expect("a question");
    let rows = statement.query_map((), |row| row.get(0)).expect("an answer");
    rows.collect::<Result<_, _>>().expect("rows of text")
}

/// Restores copies with this in them. Returns the participant's database, in a directory that has to be kept.
async fn restore(in_the_participants: &str, in_the_messengers: &str) -> (TempDir, Connection) {
    let directory = tempfile::tempdir().expect("a directory");
    let (copy, restored) = (directory.path().join("copy"), directory.path().join("restored"));
    fs::create_dir(&copy).expect("room");
    empty_databases(&copy);
    for (service, rows) in [
        ("participant", in_the_participants),
        ("messenger", in_the_messengers),
    ] {
        open(&copy, service).execute_batch(rows).expect("rows");
    }
    run("restore.sh", [&copy, &restored]).await;
    let database = open(&restored, "participant");
    (directory, database)
}

/// A participant, who has pressed.
const PRESSED: &str = "
    INSERT INTO participants (id, email, password_hash, phone_number, time_created, time_sign_out)
    VALUES (1, 'lost@example.org', 'hash', '+48555000111', 1, 1);
    INSERT INTO outbox (request_id, participant_id, event_id, agency_id, pressed_at, description, client_id, due_at)
    VALUES ('pressed', 1, 7, 3, 2, 'lost', 'key', 0);";

const LOCKS: &str = "SELECT request_id || ' of ' || participant_id FROM locks ORDER BY request_id";
const OUTBOX: &str = "SELECT request_id || ' of ' || participant_id FROM outbox ORDER BY request_id";
const PRESSES: &str = "SELECT request_id || ' of ' || participant_id || iif(ended_at > 0, ' has ended', '')
                       FROM presses ORDER BY request_id";

const NOTHING: [&str; 0] = [];

#[tokio::test]
async fn who_was_helped_between_the_copies_can_press_again() {
    let (_directory, database) = restore(
        PRESSED,
        "INSERT INTO chats (id, request_id, agency_id, event_id, participant_id, state, pressed_at, organizer_id,
                            time_start, time_end, assigned_at)
         VALUES ('chat', 'pressed', 3, 7, 1, 'ended', 2, 4, 5, 6, 5);",
    )
    .await;
    assert_eq!(column(&database, OUTBOX), NOTHING);
    assert_eq!(column(&database, LOCKS), NOTHING);
    assert_eq!(column(&database, PRESSES), ["pressed of 1 has ended"]);
}

#[tokio::test]
async fn an_account_that_was_deleted_between_the_copies_stays_deleted() {
    let (_directory, database) = restore(PRESSED, "INSERT INTO forgotten_participants VALUES (1);").await;
    for table in ["participants", "outbox", "locks", "presses"] {
        assert_eq!(
            column(&database, &format!("SELECT 'row' FROM {table}")),
            NOTHING,
            "{table}"
        );
    }
}

#[tokio::test]
async fn a_press_between_the_copies_is_the_only_one_of_its_participant() {
    let (_directory, database) = restore(
        PRESSED,
        "INSERT INTO chats (id, request_id, agency_id, event_id, participant_id, state, pressed_at)
         VALUES ('chat', 'between', 3, 8, 1, 'waiting', 3),
                ('chat of nobody', 'of nobody', 3, 8, 99, 'waiting', 3);",
    )
    .await;
    assert_eq!(column(&database, OUTBOX), ["pressed of 1"]);
    assert_eq!(column(&database, LOCKS), ["between of 1", "pressed of 1"]);
    assert_eq!(column(&database, PRESSES), ["between of 1", "pressed of 1"]);
}

#[tokio::test]
async fn a_guest_who_signed_in_between_the_copies_has_given_all_to_the_account() {
    let guests = "
        INSERT INTO participants (id, email, password_hash, phone_number, time_created, time_sign_out, is_guest)
        VALUES (5, 'guest-5@guest.invalid', '$sha256$00', '+48555000222', 1, 1, 1),
               (6, 'guest-6@guest.invalid', '$sha256$00', '+48555000333', 1, 1, 1);
        INSERT INTO outbox (request_id, participant_id, event_id, agency_id, pressed_at, description, client_id,
                            due_at)
        VALUES ('of the guest', 5, 8, 3, 2, '', 'key', 0);";
    let (_directory, database) = restore(
        &[PRESSED, guests].concat(),
        // The account of the second one is not in the participant's copy.
        "INSERT INTO hand_overs VALUES (5, 1), (6, 99);",
    )
    .await;
    assert_eq!(column(&database, OUTBOX), ["of the guest of 1", "pressed of 1"]);
    assert_eq!(column(&database, LOCKS), ["of the guest of 1", "pressed of 1"]);
    assert_eq!(column(&database, PRESSES), ["of the guest of 1", "pressed of 1"]);
    let signed_out = "SELECT id || phone_number || password_hash FROM participants
                      WHERE is_guest = 1 AND time_sign_out > 1 ORDER BY id";
    assert_eq!(column(&database, signed_out), ["5$sha256$", "6$sha256$"]);
}

#[tokio::test]
async fn the_team_is_told_of_a_phone_number_that_is_changed_after_a_restore() {
    let (_directory, database) = restore(
        PRESSED,
        "INSERT INTO contacts (participant_id, email, phone_number, version)
         VALUES (1, 'lost@example.org', '+48555000444', 3);",
    )
    .await;
    let version = "SELECT phone_number || ' ' || contact_version FROM participants";
    assert_eq!(column(&database, version), ["+48555000444 3"]);
    database
        .execute_batch("UPDATE participants SET phone_number = '+48555000555'")
        .expect("a change");
    assert_eq!(column(&database, version), ["+48555000555 4"]);
}

/// The shell's `.backup` begins anew with each commit of somebody else, unless it reads one snapshot.
#[tokio::test]
async fn a_database_that_is_never_at_rest_is_copied() {
    let directory = tempfile::tempdir().expect("a directory");
    empty_databases(directory.path());
    let database = open(directory.path(), "messenger");
    database
        .execute_batch(
            "CREATE TABLE filling AS
             WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 64)
             SELECT zeroblob(1 << 20) AS bytes FROM counted;
             PRAGMA user_version = 7",
        )
        .expect("64 MiB");
    let config = directory.path().join("runtime-config.toml");
    fs::write(&config, runtime_config(directory.path(), &SERVICES)).expect("room");
    let copy = directory.path().join("copy");

    let copying = Arc::new(());
    let is_copying = Arc::downgrade(&copying);
    let writing = thread::spawn(move || {
        while is_copying.strong_count() > 0 {
            database
                .execute_batch("UPDATE ticks SET ticked_at = ticked_at + 1")
                .expect("a commit");
        }
    });
    run("backup.sh", [&config, &copy]).await;
    drop(copying);
    writing.join().expect("nothing kept it from writing");

    let copied = open(&copy, "messenger");
    assert_eq!(column(&copied, "PRAGMA integrity_check"), ["ok"]);
    assert_eq!(column(&copied, "PRAGMA journal_mode"), ["wal"]);
    assert_eq!(version(&copied).expect("a version"), 7);
}

#[tokio::test]
async fn copies_are_for_nobody_but_their_owner() {
    let directory = tempfile::tempdir().expect("a directory");
    empty_databases(directory.path());
    let config = directory.path().join("runtime-config.toml");
    fs::write(&config, runtime_config(directory.path(), &SERVICES)).expect("room");
    let [copy, restored] = ["copy", "restored"].map(|name| directory.path().join(name));
    run("backup.sh", [&config, &copy]).await;
    run("restore.sh", [&copy, &restored]).await;
    for made in [copy, restored] {
        let files = fs::read_dir(&made).expect("a directory");
        let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        assert_eq!(paths.len(), SERVICES.len(), "{paths:?}");
        paths.push(made);
        for path in paths {
            let mode = fs::metadata(&path).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} has the mode {mode:o}", path.display());
        }
    }
}

/// The tokens are those of the overlay `dev`, and so is the key by which the servers know them.
#[tokio::test]
async fn servers_are_copied_with_a_token_that_may_only_read() {
    let overlay = workspace().join("deploy/spinkube/overlays/dev");
    let token = |config: &str| {
        let config = fs::read_to_string(overlay.join(config)).expect("a file of the overlay");
        let (_, token) = config.split_once("token = \"").expect("a token");
        let (token, _) = token.split_once('"').expect("its end");
        token.to_owned()
    };
    let [writes, reads] = ["runtime-config.toml", "backup-config.toml"].map(token);
    let statements = json!({"statements": [
        "CREATE TABLE kept (number)", "INSERT INTO kept VALUES (4711)", "PRAGMA user_version = 7",
    ]});
    let servers = SERVICES.map(|_| Server::sqld_with_key(&overlay.join("libsql.pem")).expect("a server"));
    let mut settings = String::new();
    for (service, server) in SERVICES.iter().zip(&servers) {
        let door = Door::network(&server.url());
        for (token, status) in [(&reads, 403), (&writes, 200)] {
            let answer = door.send("POST", "/", Some(token), Some(&statements)).await;
            assert_eq!(answer.status, status, "{}", answer.text());
        }
        let database = libsql_database(service, &server.url());
        settings += &database.replace("token = \"\"", &format!("token = {reads:?}"));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let [config, copy] = ["runtime-config.toml", "copy"].map(|name| directory.path().join(name));
    fs::write(&config, settings).expect("room");

    run("backup.sh", [&config, &copy]).await;

    for service in SERVICES {
        let copied = fs::read_to_string(copy.join(format!("{service}.sql"))).expect("a copy");
        assert!(copied.contains("INSERT INTO kept VALUES(4711);"), "{copied}");
        assert!(copied.ends_with("PRAGMA user_version = 7;\n"), "{copied}");
    }
}
