//! The restore drill of docs/operations.md: the databases are copied while people chat, and the system is started anew
//! on the copy. One sidecar runs on. A guest is in the messenger's copy, but not in the older one of the participant's
//! database, where a request is still open that is not open in the messenger's.

use std::fs;
use std::path::Path;

use local_servers::Server;
use mayday_tests::chaos::{Link, Listens, Place};
use mayday_tests::databases::Database;
use mayday_tests::programs::workspace;
use mayday_tests::settings::SERVICES;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::watch;
use uuid::Uuid;

use crate::support::apart::start_sidecar;
use crate::support::people::{self, ORGANIZER_PASSWORD, PARTICIPANT_PASSWORD, Person};
use crate::support::socket::Socket;
use crate::support::system::System;

/// So many messages are acknowledged before the copy begins.
const BEFORE: usize = 30;

/// The close code of a socket whose token is not valid any more (PROTOCOL.md).
const SIGNED_OUT: u16 = 4501;

async fn run(script: &str, arguments: [&Path; 2]) {
    let script = workspace().join("deploy/backup").join(script);
    let output = Command::new("sh").arg(&script).args(arguments).output().await;
    let output = output.expect("sh is there");
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
    let (runs_on, _) = start_sidecar(hosts, &messenger_key(&system), &redis).await;
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
