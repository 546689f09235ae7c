//! One part is down, and the others keep their promises:
//!
//! - **messenger**: everything but chat works. Presses are stored, and delivered when the messenger is back:
//!   [`help_is_pressed_while_the_messenger_is_down`], `participant::a_press_outlives_a_messenger_that_is_down`.
//! - **participant**: chats go on and are closed at once. The lock is released later:
//!   [`chats_go_on_and_end_while_the_participant_service_is_down`],
//!   `messenger::a_chat_is_closed_although_the_participant_service_is_down`.
//! - **organizer**: open sockets go on, lists of events are 503 with `Retry-After`, a press for a known event is taken:
//!   [`open_sockets_go_on_while_the_organizer_service_is_down`],
//!   `participant::while_the_organizer_service_is_down_events_are_not_to_be_had`.
//! - **Redis**: REST works, messages are stored, acknowledged, and shown on every sidecar:
//!   [`messages_are_acknowledged_without_redis`], `faults::chats_go_on_without_redis`.
//! - **a sidecar**: its clients resume at another one. Messages it had stored are shown there:
//!   [`clients_of_a_killed_sidecar_resume_at_another`], [`messages_stored_by_a_killed_sidecar_are_shown_at_the_others`].
//! - **a host**: the others serve its requests, also those of its sidecars:
//!   [`a_host_that_hangs_leaves_its_requests_to_the_others`], [`the_lock_of_a_dead_host_only_delays_messages`],
//!   `faults::messages_survive_a_killed_host`.
//! - **a database server**: its service is as good as down, and commits nothing twice:
//!   [`a_database_server_that_hangs_holds_up_its_service_only`], [`a_press_survives_killed_database_servers`],
//!   `faults::messages_survive_a_killed_database_server`.
//! - **dispatcher**: while the rest is well, users see no difference. What has to be retried waits, and the age of the
//!   last tick says so: all tests with [`Apart`], which has none; `faults::rows_of_an_outbox_are_delivered_at_a_tick`,
//!   `messenger::exchange::the_status_tells_how_old_the_last_tick_is`.
//!
//! A service may also hang: [`a_hanging_service_does_not_delay_calls_to_the_other`].

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::apart::Apart;
use crate::support::components::{MESSENGER_KEY, PARTICIPANT_KEY};
use crate::support::door::Door;
use crate::support::people::{self, Agency, Person};
use crate::support::socket::Socket;
use crate::support::system::System;

/// A chat between support and a participant.
struct Chat {
    id: String,
    support: Socket,
    participant: Socket,
}

impl Chat {
    async fn start(mut support: Socket, mut participant: Socket) -> Chat {
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
    async fn goes_on(&mut self) {
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
    let support = Socket::open("support", &apart.ws, &agency.support).await;
    let participant = Socket::open("participant", &apart.ws, person).await;
    Chat::start(support, participant).await
}

#[tokio::test]
async fn help_is_pressed_while_the_messenger_is_down() {
    let mut apart = Apart::start().await;
    let (agency, person) = people(&mut apart).await;
    let mut support = Socket::open("support", &apart.ws, &agency.support).await;
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

/// A hanging service is worse than one that is down: its callers wait.
#[tokio::test]
async fn a_hanging_service_does_not_delay_calls_to_the_other() {
    let mut apart = Apart::start().await;
    let (agency, person) = people(&mut apart).await;
    let mut chat = chat(&apart, &agency, &person).await;

    apart.hang("participant").await;
    let mut unknown = Socket::open("participant", &apart.ws, &person).await;
    chat.goes_on().await;
    let mut colleague = Socket::open("colleague", &apart.ws, &agency.owner).await;
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
    let mut unknown = Socket::open("colleague", &apart.ws, &agency.owner).await;
    let mut elsewhere = Socket::open("participant", &apart.ws, &person).await;
    elsewhere.expect_nothing_yet().await;
    person.press_help(agency.event_id, "").await.empty(200);
    chat.support.send("start_chat", "".into()).await;
    chat.support.expect("new_chat").await;
    apart.start_again("organizer").await;
    unknown.expect_nothing_yet().await;
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
fn under(client_id: &str, chat_id: &str, message: &str) -> Value {
    json!({"chatId": chat_id, "message": message, "clientId": client_id})
}

const FIRST: &str = "0198c0de-0000-7000-8000-000000000001";
const SECOND: &str = "0198c0de-0000-7000-8000-000000000002";

/// Connects each party to a sidecar of its own, under protocol 2.
async fn at_two_sidecars(system: &System) -> (Agency, Person, Chat) {
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

/// Of two hosts on the same databases, the second serves everybody who comes to it while the first does not answer.
#[tokio::test]
async fn a_host_that_hangs_leaves_its_requests_to_the_others() {
    let system = System::large().await;
    let (agency, _, mut chat) = at_two_sidecars(&system).await;
    let door = system.host(1);

    system.signal("host-1", Signal::STOP);
    let other = people::sign_up(&door, "q@example.org").await;
    other.press_help(agency.event_id, "Lost too").await.empty(200);
    assert!(other.has_requested(agency.event_id).await);
    // The participant's sidecar calls the second host, and the support's the first, until it does not answer.
    let message = under(FIRST, &chat.id, "is anybody there?");
    chat.participant.send("send_message", message).await;
    chat.participant.expect("message_saved").await;
    assert_eq!(chat.participant.expect_message().await, "is anybody there?");
    let reply = under(SECOND, &chat.id, "I am");
    chat.support.send("send_message", reply).await;
    // The other press is in the log before the message, and only an exchange brings that to the support's sidecar. If
    // it is the one that carries the reply out, `message_saved` comes first.
    let mut frames = Vec::new();
    for _ in 0..3 {
        frames.push(chat.support.next().await.expect("an open socket"));
    }
    let saved = frames.iter().position(|frame| frame["type"] == "message_saved");
    frames.remove(saved.expect("the reply is saved"));
    let texts: Vec<_> = frames.iter().map(|frame| &frame["payload"]["content"]).collect();
    assert_eq!(texts, ["is anybody there?", "I am"]);
    assert_eq!(chat.participant.expect_message().await, "I am");
    // The first host goes on with the exchange that it was paused in, which changes nothing any more.
    system.signal("host-1", Signal::CONT);
    chat.participant.say(&chat.id, "good").await;
    assert_eq!(chat.support.expect_message().await, "good");
    assert_eq!(chat.participant.expect_message().await, "good");
    let all = [(1, "is anybody there?"), (2, "I am"), (3, "good")];
    let all = all.map(|(seq, text)| (seq, text.to_owned()));
    assert_eq!(chat.participant.messages_after(&chat.id, 0).await, all);
}

/// A host that dies in a transaction leaves its lock to the server, which takes it away after five seconds. Clients of
/// the contract wait that long, and get no error.
#[tokio::test]
async fn the_lock_of_a_dead_host_only_delays_messages() {
    let system = System::large().await;
    let agency = system.agency("Fest").await;
    let person = people::sign_up(&system.door, "p@example.org").await;
    person.press_help(agency.event_id, "").await.empty(200);
    let mut support = Socket::open("support", system.sidecar(0), &agency.support).await;
    support.expect_nothing_yet().await;
    let participant = Socket::open("participant", system.sidecar(1), &person).await;
    let mut chat = Chat::start(support, participant).await;

    // The beginning of a transaction whose host never goes on with it.
    let server = Door::network(&system.database_url("messenger"));
    let begin = json!({"requests": [{"type": "execute", "stmt": {"sql": "BEGIN IMMEDIATE"}}]});
    let begun = server
        .send("POST", "/v3/pipeline", None, Some(&begin))
        .await
        .json(200);
    assert_eq!(begun["results"][0]["type"], "ok", "{begun}");

    chat.goes_on().await;
}

/// A service is as good as down while its database is, and the others are not.
#[tokio::test]
async fn a_database_server_that_hangs_holds_up_its_service_only() {
    let system = System::large().await;
    let (agency, person, mut chat) = at_two_sidecars(&system).await;

    system.signal("messenger-db", Signal::STOP);
    let message = under(FIRST, &chat.id, "is anybody there?");
    chat.support.send("send_message", message).await;
    assert!(person.has_requested(agency.event_id).await);
    let event = people::new_event("The day after");
    agency
        .owner
        .post("/organizer/agency/events", &event)
        .await
        .json(201);
    system.signal("messenger-db", Signal::CONT);
    chat.support.expect("message_saved").await;
    assert_eq!(chat.support.expect_message().await, "is anybody there?");
    assert_eq!(chat.participant.expect_message().await, "is anybody there?");

    for database in ["organizer-db", "participant-db"] {
        system.signal(database, Signal::STOP);
    }
    chat.participant
        .send("send_message", under(SECOND, &chat.id, "I am"))
        .await;
    chat.participant.expect("message_saved").await;
    assert_eq!(chat.participant.expect_message().await, "I am");
    assert_eq!(chat.support.expect_message().await, "I am");
    for database in ["organizer-db", "participant-db"] {
        system.signal(database, Signal::CONT);
    }
    assert!(person.has_requested(agency.event_id).await);
}

/// A server that was killed comes back with what it had acknowledged.
#[tokio::test]
async fn a_press_survives_killed_database_servers() {
    let mut system = System::large().await;
    let agency = system.agency("Fest").await;
    let person = people::sign_up(&system.door, "p@example.org").await;
    person.press_help(agency.event_id, "Lost").await.empty(200);
    for database in ["organizer-db", "participant-db", "messenger-db"] {
        system.kill_and_wait(database).await;
    }
    let mut support = Socket::open("support", system.sidecar(1), &agency.support).await;
    support.expect_nothing_yet().await;
    support.send("start_chat", "".into()).await;
    assert_eq!(support.expect("new_chat").await["participantId"], person.id);
    assert_eq!(support.expect_message().await, "Problem description: Lost");
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
    let mut support = Socket::open("support again", system.sidecar(0), &agency.support).await;
    assert_eq!(support.chat_ids().await, [id]);
    system.sidecars_are_ready().await;
    system.signal("redis", Signal::STOP);
    support.send("close_chat", json!({"chatId": id})).await;
    support.expect("closed_chat").await;
    system.kill_and_wait("sidecar-1").await;
    assert_eq!(participant.expect("closed_chat").await, json!({"chatId": id}));
    system.signal("redis", Signal::CONT);
    participant.expect_nothing_yet().await;
}
