//! The restore drill of docs/operations.md: the databases are copied while people chat, and the system is started anew
//! on the copy.

use std::fs;
use std::path::Path;

use mayday_tests::databases::Database;
use mayday_tests::programs::workspace;
use mayday_tests::settings::SERVICES;
use serde_json::json;
use tokio::process::Command;
use tokio::sync::watch;
use uuid::Uuid;

use crate::support::people::{self, ORGANIZER_PASSWORD, PARTICIPANT_PASSWORD};
use crate::support::socket::Socket;
use crate::support::system::System;

/// So many messages are acknowledged before the copy begins.
const BEFORE: usize = 30;

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

#[tokio::test]
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

    let (acknowledged, mut counted) = watch::channel(0);
    let (stop, stopping) = watch::channel(false);
    let counting = tokio::spawn(count(participant, chat_id.clone(), acknowledged, stopping));
    counted
        .wait_for(|number| *number >= BEFORE)
        .await
        .expect("the participant goes on");
    let waiting = people::sign_up(&system.door, "waits@example.org").await;
    waiting.press_help(agency.event_id, "hurt").await.empty(200);
    let before = *counted.borrow();
    let copies = tempfile::tempdir().expect("a directory");
    let (copy, restored) = (copies.path().join("copy"), copies.path().join("restored"));
    let config = system.state_directory().join("runtime-config.toml");
    run("backup.sh", [&config, &copy]).await;
    let behind = *counted.borrow();
    counted
        .wait_for(|number| *number > behind)
        .await
        .expect("people chat on meanwhile");
    stop.send_replace(true);
    counting.await.expect("everything was acknowledged");

    let system = system
        .restarted(async |state| {
            run("restore.sh", [&copy, &restored]).await;
            for name in SERVICES {
                put_in_place(&restored.join(format!("{name}.db")), state, name);
            }
        })
        .await;

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
    support.expect_message().await;
    support.send("start_chat", "".into()).await;
    let taken = support.expect("new_chat").await;
    assert_eq!(
        taken["participantId"], waiting.id,
        "who pressed before the copy is in it"
    );
}
