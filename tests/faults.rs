//! The system's promises while something breaks.

use std::time::Duration;

use mayday_tests::chaos::{Events, Plan, Verdict, run};
use mayday_tests::databases::Database;
use rustix::process::Signal;
use tokio::time::{sleep, timeout};

use crate::support::DEADLINE;
use crate::support::people;
use crate::support::socket::Socket;
use crate::support::system::System;

/// A chat between support and a participant, both connected.
struct Pair {
    support: Socket,
    participant: Socket,
    chat_id: String,
}

async fn pair(system: &System, agency: &people::Agency) -> Pair {
    let person = people::sign_up(&system.door, "p@example.org").await;
    person.press_help(agency.event_id, "").await.empty(200);
    let mut support = Socket::open("support", system.sidecar(0), &agency.support).await;
    let mut participant = Socket::open(
        "participant",
        system.sidecar(system.sidecars().len() - 1),
        &person,
    )
    .await;
    participant.expect_nothing_yet().await;
    support.send("start_chat", "".into()).await;
    let chat_id = support.expect("new_chat").await["id"]
        .as_str()
        .expect("text")
        .to_owned();
    participant.expect("new_chat").await;
    Pair {
        support,
        participant,
        chat_id,
    }
}

/// The host is killed while messages are on their way, several times. Each message is stored and shown once, in order.
///
/// The host is killed again only after all messages were shown. On libSQL a killed host may leave a lock, which the
/// server holds for 5 s. Two of them, one after the other, are longer than the sidecar tries to send a message. A tick
/// that waits for the lock when the host is killed would get it next, so there are no ticks.
#[tokio::test]
async fn messages_survive_a_killed_host() {
    const MESSAGES: usize = 20;
    const KILLED_AFTER: usize = 10;
    let mut system = System::start(2).await;
    system.signal("dispatcher", Signal::STOP);
    let agency = system.agency("Fest").await;
    let Pair {
        mut support,
        mut participant,
        chat_id,
    } = pair(&system, &agency).await;
    let mut shown = Vec::new();
    for time in 0..3 {
        let contents: Vec<String> = (0..MESSAGES).map(|number| format!("{time}.{number}")).collect();
        for content in &contents[..KILLED_AFTER] {
            support.say(&chat_id, content).await;
        }
        system.kill_and_wait(system.first_host()).await;
        for content in &contents[KILLED_AFTER..] {
            support.say(&chat_id, content).await;
        }
        // The sidecar retries its exchange until the host is back, and the messenger stores it once.
        for content in &contents {
            assert_eq!(&support.expect_message().await, content);
            assert_eq!(&participant.expect_message().await, content);
        }
        shown.extend(contents);
    }
    assert_eq!(support.history(&chat_id).await, shown);
    // The dispatcher cannot end while it is stopped.
    system.signal("dispatcher", Signal::CONT);
}

/// A press is acknowledged only when it is stored, so it is in the queue after the host was killed.
#[tokio::test]
async fn presses_survive_a_killed_host() {
    let mut system = System::start(2).await;
    let agency = system.agency("Fest").await;
    let mut pressed = Vec::new();
    for number in 0..5 {
        let person = people::sign_up(&system.door, &format!("p{number}@example.org")).await;
        person.press_help(agency.event_id, "").await.empty(200);
        pressed.push(person.id);
    }
    system.kill_and_wait(system.first_host()).await;
    let mut support = Socket::open("support", system.sidecar(0), &agency.support).await;
    for id in pressed {
        support.send("start_chat", "".into()).await;
        assert_eq!(support.expect("new_chat").await["participantId"], id);
    }
}

/// While Redis hangs or is down, sockets stay open, and messages are stored and shown to local connections. When it is
/// back, delivery between sidecars resumes. Other sidecars may show messages of the outage late, but once and in order.
#[tokio::test]
async fn chats_go_on_without_redis() {
    let mut system = System::start(2).await;
    let agency = system.agency("Fest").await;
    let Pair {
        mut support,
        mut participant,
        chat_id,
    } = pair(&system, &agency).await;
    let mut support_elsewhere = Socket::open("support elsewhere", system.sidecar(1), &agency.support).await;
    support_elsewhere.expect_nothing_yet().await;

    system.signal("redis", Signal::STOP);
    support.say(&chat_id, "is anybody there?").await;
    for socket in [&mut support, &mut participant, &mut support_elsewhere] {
        assert_eq!(socket.expect_message().await, "is anybody there?");
    }
    participant.say(&chat_id, "I am").await;
    for socket in [&mut support, &mut participant, &mut support_elsewhere] {
        assert_eq!(socket.expect_message().await, "I am");
    }
    system.kill_and_wait("redis").await;
    system.sidecars_are_ready().await;

    support.say(&chat_id, "welcome back").await;
    for socket in [&mut support, &mut participant, &mut support_elsewhere] {
        assert_eq!(socket.expect_message().await, "welcome back");
    }
    participant.say(&chat_id, "thank you").await;
    for socket in [&mut support, &mut participant, &mut support_elsewhere] {
        assert_eq!(socket.expect_message().await, "thank you");
        assert_eq!(
            socket.history(&chat_id).await,
            ["is anybody there?", "I am", "welcome back", "thank you"]
        );
    }
}

/// The dispatcher ends with its connection to Redis and is started again. Then its tick delivers the rows of an outbox.
#[tokio::test]
async fn rows_of_an_outbox_are_delivered_at_a_tick() {
    let mut system = System::start(2).await;
    let agency = system.agency("Fest").await;
    let person = people::sign_up(&system.door, "p@example.org").await;
    system.kill_and_wait("dispatcher").await;
    let database = rusqlite::Connection::open(system.database("participant")).expect("a database");
    let waiting = "INSERT INTO outbox (request_id, participant_id, event_id, agency_id, pressed_at, description, due_at)
                   VALUES ('0198c0de-0000-7000-8000-000000000000', ?1, ?2, ?3, 0, 'waited', 0)";
    database
        .execute(waiting, (person.id, agency.event_id, agency.id))
        .expect("a row");

    let mut support = Socket::open("support", system.sidecar(0), &agency.support).await;
    let chat = loop {
        support.send("start_chat", "".into()).await;
        let frame = support.next().await.expect("an open socket");
        if frame["type"] == "new_chat" {
            break frame["payload"].clone();
        }
        assert_eq!(frame["payload"]["message"], "no new chats");
    };
    assert_eq!(chat["participantId"], person.id);
    assert_eq!(support.expect_message().await, "Problem description: waited");
    // The messenger has the press; the participant service notes that right after.
    let left = || {
        database
            .query_row("SELECT count(*) FROM outbox", (), |row| row.get::<_, i64>(0))
            .expect("a count")
    };
    let noted = async {
        while left() > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, noted).await.expect("the outbox is empty");
}

/// Everything breaks at random, and every promise holds: `cargo xtask chaos`, short.
#[tokio::test(flavor = "multi_thread")]
async fn promises_hold_in_a_short_storm() {
    let verdict = promises_hold(Events::Storms).await;
    // Where servers break as well, so short a storm may leave none to judge.
    if Database::of_tests() == Database::Files {
        assert!(verdict.count("positions judged") > 0, "{verdict}");
    }
}

/// Sidecars drain and hosts stop, one after the other, while people chat. In between the databases get the next schema
/// under hosts that do not know it.
#[tokio::test(flavor = "multi_thread")]
async fn promises_hold_during_a_rolling_update() {
    let verdict = promises_hold(Events::RollingUpdate).await;
    assert!(verdict.to_string().contains("1 faults: migration"), "{verdict}");
}

async fn promises_hold(events: Events) -> Verdict {
    let plan = Plan {
        seed: 7,
        events,
        duration: Duration::from_secs(20),
        hosts: 2,
        database: Database::of_tests(),
        sidecars: 2,
        agencies: 2,
        participants: 8,
        restores: 0,
        before: None,
        narrates: false,
    };
    let verdict = run(&plan).await.expect("a verdict");
    assert!(verdict.holds(), "{verdict}");
    // The promises would also hold if nothing happened, so the counts must not be 0.
    for counted in ["messages acknowledged", "presses accepted", "chats ended"] {
        assert!(verdict.count(counted) > 0, "{counted}: {verdict}");
    }
    verdict
}
