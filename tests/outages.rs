//! One part is down, and the others keep their promises:
//!
//! - **messenger**: everything but chat works. Presses are stored, and delivered when the messenger is back:
//!   [`help_is_pressed_while_the_messenger_is_down`], `participant::a_press_survives_an_outage_of_the_messenger`. If its
//!   database is what fails, sidecars show how many wait: [`sidecars_show_how_many_presses_wait_for_the_messenger`].
//! - **participant**: chats go on and are closed at once. The lock is released later:
//!   [`chats_go_on_and_end_while_the_participant_service_is_down`],
//!   [`a_release_that_has_failed_holds_up_no_other_although_there_are_no_ticks`],
//!   `messenger::a_chat_is_closed_although_the_participant_service_is_down`.
//! - **organizer**: open sockets go on, lists of events are 503 with `Retry-After`, a press for a known event is taken:
//!   [`open_sockets_go_on_while_the_organizer_service_is_down`],
//!   `participant::events_are_503_while_the_organizer_service_is_down`,
//!   `participant::requests::a_press_for_a_known_event_is_accepted_while_the_organizer_service_is_down`.
//! - **Redis**: REST works, messages are stored, acknowledged, and shown on every sidecar:
//!   [`messages_are_acknowledged_without_redis`], `faults::chats_go_on_without_redis`.
//! - **a sidecar**: its clients resume at another one. Messages it had stored are shown there:
//!   [`clients_of_a_killed_sidecar_resume_at_another`], [`messages_stored_by_a_killed_sidecar_are_shown_at_the_others`].
//! - **a host**: the others serve its requests, also those of its sidecars: `faults::messages_survive_a_killed_host`,
//!   `machines::people_chat_and_press_while_hosts_are_killed_and_paused`,
//!   `machines::the_lock_of_a_dead_host_only_delays_messages`.
//! - **a database server**: its service is as good as down, and commits nothing twice:
//!   `machines::people_chat_and_press_while_database_servers_are_killed_and_paused`.
//! - **dispatcher**: while the rest is well, users see no difference. What has to be retried waits, and the age of the
//!   last tick says so: all tests with [`Apart`], which has none; `faults::rows_of_an_outbox_are_delivered_at_a_tick`,
//!   `messenger::exchange::the_status_tells_how_old_the_last_tick_is`.
//!
//! A service may also hang: [`a_hanging_service_does_not_delay_calls_to_the_other`],
//! [`a_hanging_service_does_not_delay_the_revocations_of_the_other`].

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::support::DEADLINE;
use crate::support::apart::Apart;
use crate::support::components::{MESSENGER_KEY, PARTICIPANT_KEY};
use crate::support::people::{self, Agency, Person};
use crate::support::socket::Socket;
use crate::support::system::System;

/// A chat between support and a participant.
pub(crate) struct Chat {
    pub(crate) id: String,
    pub(crate) support: Socket,
    pub(crate) participant: Socket,
}

impl Chat {
    pub(crate) async fn start(mut support: Socket, mut participant: Socket) -> Chat {
        participant.expect_nothing_yet().await;
        support.send("start_chat", "".into()).await;
        let id = support.expect("new_chat").await["id"].clone();
        participant.expect("new_chat").await;
        Chat {
            id: id.as_str().expect("text").to_owned(),
            support,
            participant,
        }
    }

    /// Each sends a message, and both receive both.
    pub(crate) async fn goes_on(&mut self) {
        self.participant.say(&self.id, "are you there?").await;
        self.support.say(&self.id, "I am").await;
        for socket in [&mut self.support, &mut self.participant] {
            let mut heard = [socket.expect_message().await, socket.expect_message().await];
            heard.sort();
            assert_eq!(heard, ["I am", "are you there?"]);
        }
    }
}

async fn people(apart: &mut Apart) -> (Agency, Person) {
    let agency = apart.agency("Fest").await;
    let person = people::sign_up(&apart.door("participant"), "p@example.org").await;
    (agency, person)
}

async fn chat(apart: &Apart, agency: &Agency, person: &Person) -> Chat {
    person.press_help(agency.event_id, "").await.empty(200);
    let support = Socket::open("support", &apart.ws[0], &agency.support).await;
    let participant = Socket::open("participant", &apart.ws[1], person).await;
    Chat::start(support, participant).await
}

#[tokio::test]
async fn help_is_pressed_while_the_messenger_is_down() {
    let mut apart = Apart::start().await;
    let (agency, person) = people(&mut apart).await;
    let mut support = Socket::open("support", &apart.ws[0], &agency.support).await;
    support.expect_nothing_yet().await;

    apart.stop("messenger").await;
    person.press_help(agency.event_id, "Lost").await.empty(200);
    assert!(person.has_requested(agency.event_id).await);
    let events = person.get("/participant/events").await.json(200);
    assert_eq!(events.as_array().map(Vec::len), Some(1));
    let new_event = people::new_event("The day after");
    agency
        .owner
        .post("/organizer/agency/events", &new_event)
        .await
        .json(201);

    apart.start_again("messenger").await;
    apart.tick("participant", PARTICIPANT_KEY).await;
    support.send("start_chat", "".into()).await;
    let chat = support.expect("new_chat").await;
    assert_eq!(chat["participantId"], person.id);
    assert_eq!(support.expect_message().await, "Problem description: Lost");
}

#[tokio::test]
async fn sidecars_show_how_many_presses_wait_for_the_messenger() {
    let system = System::start(1).await;
    let agency = system.agency("Fest").await;
    let person = people::sign_up(&system.door, "p@example.org").await;
    system.sidecars_are_ready().await;
    let sidecar = system.sidecar_door(0);
    let metric = "mayday_sidecar_participant_undelivered_presses";
    let show = async |presses: u32| {
        let expected = format!("{metric} {presses}");
        let are_shown = async || {
            let shown = sidecar.send("GET", "/metrics", None, None).await.text();
            shown.lines().any(|line| line == expected)
        };
        let waiting = async {
            while !are_shown().await {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(DEADLINE, waiting).await.expect(&expected);
    };
    show(0).await;

    let database = rusqlite::Connection::open(system.database("messenger")).expect("a database");
    let version: i64 = database
        .query_row("PRAGMA user_version", (), |row| row.get(0))
        .expect("a version");
    // The messenger refuses a database that a much later release has migrated.
    let migrate = |version: i64| database.execute_batch(&format!("PRAGMA user_version = {version}"));
    migrate(99).expect("a version");
    person.press_help(agency.event_id, "Lost").await.empty(200);
    show(1).await;
    // The next tick at which it is due delivers it.
    migrate(version).expect("a version");
    show(0).await;
    let mut support = Socket::open("support", system.sidecar(0), &agency.support).await;
    support.send("start_chat", "".into()).await;
    assert_eq!(support.expect("new_chat").await["participantId"], person.id);
}

#[tokio::test]
async fn chats_go_on_and_end_while_the_participant_service_is_down() {
    let mut apart = Apart::start().await;
    let (agency, person) = people(&mut apart).await;
    let mut chat = chat(&apart, &agency, &person).await;

    apart.stop("participant").await;
    chat.goes_on().await;
    let close = json!({"chatId": chat.id});
    chat.support.send("close_chat", close.clone()).await;
    assert_eq!(chat.support.expect("closed_chat").await, close);
    assert_eq!(chat.participant.expect("closed_chat").await, close);

    apart.start_again("participant").await;
    assert!(person.has_requested(agency.event_id).await, "not released yet");
    apart.tick("messenger", MESSENGER_KEY).await;
    assert!(!person.has_requested(agency.event_id).await);
    person.press_help(agency.event_id, "").await.empty(200);
}

/// The participant service is back, and nothing retries the release that has failed.
#[tokio::test]
async fn a_release_that_has_failed_holds_up_no_other_although_there_are_no_ticks() {
    let mut apart = Apart::start().await;
    let (agency, person) = people(&mut apart).await;
    let other = people::sign_up(&apart.door("participant"), "q@example.org").await;
    let Chat {
        id: first,
        mut support,
        ..
    } = chat(&apart, &agency, &person).await;
    other.press_help(agency.event_id, "").await.empty(200);
    support.send("start_chat", "".into()).await;
    let second = support.expect("new_chat").await["id"].clone();

    apart.stop("participant").await;
    let close = json!({"chatId": first});
    support.send("close_chat", close.clone()).await;
    assert_eq!(support.expect("closed_chat").await, close);

    apart.start_again("participant").await;
    let close = json!({"chatId": second});
    support.send("close_chat", close.clone()).await;
    assert_eq!(support.expect("closed_chat").await, close);
    let released = async {
        while other.has_requested(agency.event_id).await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, released).await.expect("the lock is released");
    other.press_help(agency.event_id, "").await.empty(200);
}

/// A hanging service is worse than one that is down: its callers wait.
#[tokio::test]
async fn a_hanging_service_does_not_delay_calls_to_the_other() {
    let mut apart = Apart::start().await;
    let (agency, person) = people(&mut apart).await;
    let mut chat = chat(&apart, &agency, &person).await;

    apart.hang("participant").await;
    let mut unknown = Socket::open("participant", &apart.ws[0], &person).await;
    chat.goes_on().await;
    let mut colleague = Socket::open("colleague", &apart.ws[0], &agency.owner).await;
    colleague.expect_nothing_yet().await;
    let close = json!({"chatId": chat.id});
    chat.support.send("close_chat", close.clone()).await;
    assert_eq!(chat.support.expect("closed_chat").await, close);
    assert_eq!(chat.participant.expect("closed_chat").await, close);

    apart.start_again("participant").await;
    unknown.expect_nothing_yet().await;
    apart.tick("messenger", MESSENGER_KEY).await;
    assert!(!person.has_requested(agency.event_id).await);

    apart.hang("organizer").await;
    let mut unknown = Socket::open("colleague", &apart.ws[1], &agency.owner).await;
    let mut elsewhere = Socket::open("participant", &apart.ws[1], &person).await;
    elsewhere.expect_nothing_yet().await;
    person.press_help(agency.event_id, "").await.empty(200);
    chat.support.send("start_chat", "".into()).await;
    chat.support.expect("new_chat").await;
    apart.start_again("organizer").await;
    unknown.expect_nothing_yet().await;
}

#[tokio::test]
async fn a_hanging_service_does_not_delay_the_revocations_of_the_other() {
    let mut apart = Apart::start().await;
    let (agency, person) = people(&mut apart).await;
    let mut support = Socket::open("support", &apart.ws[0], &agency.support).await;
    let mut participant = Socket::open("participant", &apart.ws[0], &person).await;
    for socket in [&mut support, &mut participant] {
        socket.expect_nothing_yet().await;
    }

    apart.hang("participant").await;
    agency
        .support
        .post("/organizer/auth/sign-out", &json!({}))
        .await
        .empty(200);
    assert_eq!(support.next().await, None);
    participant.expect_nothing_yet().await;

    apart.start_again("participant").await;
    person
        .post("/participant/auth/sign-out", &json!({}))
        .await
        .empty(200);
    assert_eq!(participant.next().await, None);
}

#[tokio::test]
async fn open_sockets_go_on_while_the_organizer_service_is_down() {
    let mut apart = Apart::start().await;
    let (agency, person) = people(&mut apart).await;
    let mut chat = chat(&apart, &agency, &person).await;
    let close = json!({"chatId": chat.id});

    apart.stop("organizer").await;
    chat.goes_on().await;
    let reply = person.get("/participant/events").await;
    assert_eq!(reply.header("retry-after"), Some("1"));
    reply.error(503, "api error");
    chat.support.send("close_chat", close.clone()).await;
    assert_eq!(chat.support.expect("closed_chat").await, close);
    assert_eq!(chat.participant.expect("closed_chat").await, close);
    // The participant service knows the event from the first press.
    person.press_help(agency.event_id, "").await.empty(200);
    chat.support.send("start_chat", "".into()).await;
    chat.support.expect("new_chat").await;
}

/// A message with a client id.
pub(crate) fn under(client_id: &str, chat_id: &str, message: &str) -> Value {
    json!({"chatId": chat_id, "message": message, "clientId": client_id})
}

pub(crate) const FIRST: &str = "0198c0de-0000-7000-8000-000000000001";
const SECOND: &str = "0198c0de-0000-7000-8000-000000000002";

/// Connects each party to a sidecar of its own, under protocol 2.
pub(crate) async fn at_two_sidecars(system: &System) -> (Agency, Person, Chat) {
    let agency = system.agency("Fest").await;
    let person = people::sign_up(&system.door, "p@example.org").await;
    person.press_help(agency.event_id, "").await.empty(200);
    let mut support = Socket::open_two("support", system.sidecar(0), &agency.support)
        .await
        .without_queues();
    let participant = Socket::open_two("participant", system.sidecar(1), &person)
        .await
        .without_queues();
    support.expect_nothing_yet().await;
    let chat = Chat::start(support, participant).await;
    (agency, person, chat)
}

#[tokio::test]
async fn messages_are_acknowledged_without_redis() {
    let mut system = System::start(2).await;
    let (agency, person, mut chat) = at_two_sidecars(&system).await;
    let mut beside = Socket::open_two("support beside", system.sidecar(1), &agency.support)
        .await
        .without_queues();
    beside.expect_nothing_yet().await;

    system.signal("redis", Signal::STOP);
    let message = under(FIRST, &chat.id, "is anybody there?");
    chat.participant.send("send_message", message).await;
    let saved = chat.participant.expect("message_saved").await;
    assert_eq!((&saved["clientId"], &saved["seq"]), (&json!(FIRST), &json!(1)));
    // Every sidecar reads it from the log, and REST still works.
    assert_eq!(beside.expect_message().await, "is anybody there?");
    assert_eq!(chat.support.expect_message().await, "is anybody there?");
    assert_eq!(chat.participant.expect_message().await, "is anybody there?");
    assert!(person.has_requested(agency.event_id).await);

    system.kill_and_wait("redis").await;
    chat.support
        .send("send_message", under(SECOND, &chat.id, "we are here"))
        .await;
    assert_eq!(chat.participant.expect_message().await, "we are here");
}

#[tokio::test]
async fn clients_of_a_killed_sidecar_resume_at_another() {
    let system = System::start(2).await;
    let (agency, _, mut chat) = at_two_sidecars(&system).await;
    let first = under(FIRST, &chat.id, "one");
    chat.support.send("send_message", first.clone()).await;
    let saved = chat.support.expect("message_saved").await;
    assert_eq!(chat.support.expect_message().await, "one");
    assert_eq!(chat.participant.expect_message().await, "one");
    // This message may be stored or not; its sender gets no acknowledgement.
    chat.support
        .send("send_message", under(SECOND, &chat.id, "two"))
        .await;
    system.signal("sidecar-1", Signal::KILL);
    while chat.support.next().await.is_some() {}

    let mut support = Socket::open_two("support again", system.sidecar(1), &agency.support)
        .await
        .without_queues();
    assert_eq!(support.chat_ids().await, [chat.id.as_str()]);
    for (message, seq) in [(first, 1), (under(SECOND, &chat.id, "two"), 2)] {
        support.send("send_message", message).await;
        let again = support.expect_passing("message_saved", &["user_message"]).await;
        assert_eq!(again["seq"], seq);
        assert!(seq == 2 || again == saved, "{again}");
    }
    let all = [(1, "one".to_owned()), (2, "two".to_owned())];
    assert_eq!(support.messages_after(&chat.id, 0).await, all);
    assert_eq!(chat.participant.messages_after(&chat.id, 1).await, all[1..]);
}

/// The sidecar showed a message to its own clients, and was killed before it reached Redis.
#[tokio::test]
async fn messages_stored_by_a_killed_sidecar_are_shown_at_the_others() {
    let system = System::start(2).await;
    let (_, _, mut chat) = at_two_sidecars(&system).await;
    system.signal("redis", Signal::STOP);
    let message = under(FIRST, &chat.id, "stay where you are");
    chat.support.send("send_message", message).await;
    chat.support.expect("message_saved").await;
    system.signal("sidecar-1", Signal::KILL);

    assert_eq!(chat.participant.expect_message().await, "stay where you are");
    // Redis cannot end while it is stopped.
    system.signal("redis", Signal::CONT);
}

/// The same for clients of the contract, which do not know `resync`: they are shown what they missed, once.
#[tokio::test]
async fn clients_of_the_contract_are_shown_what_they_missed() {
    let mut system = System::start(2).await;
    let agency = system.agency("Fest").await;
    let person = people::sign_up(&system.door, "p@example.org").await;
    person.press_help(agency.event_id, "Lost").await.empty(200);
    let mut support = Socket::open("support", system.sidecar(0), &agency.support).await;
    let mut participant = Socket::open("participant", system.sidecar(1), &person).await;
    for socket in [&mut support, &mut participant] {
        socket.expect_nothing_yet().await;
    }
    system.signal("redis", Signal::STOP);
    support.send("start_chat", "".into()).await;
    let chat = support.expect("new_chat").await;
    let id = chat["id"].as_str().expect("text");
    assert_eq!(support.expect_message().await, "Problem description: Lost");
    support.say(id, "stay where you are").await;
    assert_eq!(support.expect_message().await, "stay where you are");
    system.kill_and_wait("sidecar-1").await;

    assert_eq!(participant.expect("new_chat").await, chat);
    assert_eq!(participant.expect_message().await, "Problem description: Lost");
    assert_eq!(participant.expect_message().await, "stay where you are");
    system.signal("redis", Signal::CONT);
    participant.say(id, "I do").await;
    assert_eq!(participant.expect_message().await, "I do");

    // Support reconnects, closes the chat without getting the answer, and is disconnected again.
    system.sidecars_are_ready().await;
    let mut support = Socket::open("support again", system.sidecar(0), &agency.support).await;
    assert_eq!(support.chat_ids().await, [id]);
    system.signal("redis", Signal::STOP);
    support.send("close_chat", json!({"chatId": id})).await;
    support.expect("closed_chat").await;
    system.kill_and_wait("sidecar-1").await;
    assert_eq!(participant.expect("closed_chat").await, json!({"chatId": id}));
    system.signal("redis", Signal::CONT);
    participant.expect_nothing_yet().await;
}
