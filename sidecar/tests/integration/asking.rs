//! Commands of clients, and the exchanges that carry them.

use std::collections::HashSet;
use std::time::Duration;

use mayday_sidecar::{MAX_FRAME_BYTES, Timings};
use serde_json::json;
use sidecar_api::{Exchange, Request};

use crate::support::{Client, Fault, Messenger, Redis, Sidecar, no_chats};

/// Keeps one message under way without an answer, and queues twenty more behind it.
async fn gather_twenty(messenger: &Messenger, bob: &mut Client) {
    messenger.hold();
    bob.say("first").await;
    messenger.called(messenger.calls() + 1).await;
    for number in 0..20 {
        bob.say(&number.to_string()).await;
    }
    bob.has_been_read().await;
}

async fn hears_all(client: &mut Client) {
    client.hears("first").await;
    for number in 0..20 {
        client.hears(&number.to_string()).await;
    }
}

#[tokio::test]
async fn commands_queued_during_an_exchange_form_the_next_one() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let (mut alice, mut bob) = (sidecar.alice().await, sidecar.bob().await);
    let before = messenger.exchanges().len();
    gather_twenty(&messenger, &mut bob).await;
    messenger.resume();
    for client in [&mut alice, &mut bob] {
        hears_all(client).await;
    }
    let sizes: Vec<_> = messenger.requests()[before..].iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 20]);
}

/// Contract 5.3: a connection's answers keep their order, whether the messenger or the sidecar makes them.
#[tokio::test]
async fn a_refusal_waits_for_the_answers_before_it() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut bob = sidecar.bob().await;
    messenger.hold();
    let calls = messenger.calls();
    bob.say("first").await;
    bob.send("junk").await;
    bob.say("second").await;
    messenger.called(calls + 1).await;
    messenger.resume();
    bob.hears("first").await;
    bob.is_told("malformed message").await;
    bob.hears("second").await;
}

#[tokio::test]
async fn an_exchange_whose_answer_was_lost_is_sent_again_unchanged() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let (mut alice, mut bob) = (sidecar.alice().await, sidecar.bob().await);
    let before = messenger.exchanges().len();
    messenger.fail([Fault::AnswerLost, Fault::Status(500), Fault::Status(503)]);
    bob.say("help").await;
    alice.hears("help").await;
    bob.hears("help").await;
    bob.say("thanks").await;
    alice.hears("thanks").await;
    bob.hears("thanks").await;
    let exchanges = &messenger.exchanges()[before..];
    assert_eq!(exchanges.len(), 5);
    assert!(exchanges[..4].iter().all(|exchange| *exchange == exchanges[0]));
}

/// Where nobody listens: only root could.
const NOWHERE: &str = "http://127.0.0.1:1";

#[tokio::test]
async fn an_exchange_goes_to_the_next_host_unchanged() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let other = messenger.another_host().await;
    let hosts = [NOWHERE, &messenger.origin, &other.origin];
    let sidecar = Sidecar::with_hosts(&hosts, &redis).await;
    let (mut alice, mut bob) = (sidecar.alice().await, sidecar.bob().await);
    bob.say("here").await;
    alice.hears("here").await;
    bob.hears("here").await;
    let before = messenger.exchanges().len();

    // One of them hangs, whichever the sidecar calls now.
    let calls = [&messenger, &other].map(Messenger::calls);
    messenger.hold();
    bob.say("help").await;
    alice.hears("help").await;
    bob.hears("help").await;
    messenger.resume();
    other.hold();
    alice.say("coming").await;
    alice.hears("coming").await;
    bob.hears("coming").await;

    let exchanges = &messenger.exchanges()[before..];
    let numbers: HashSet<i64> = exchanges
        .iter()
        .map(|exchange| serde_json::from_slice::<Exchange>(exchange).unwrap().number)
        .collect();
    assert_eq!(
        numbers.len(),
        2,
        "two exchanges with commands, however often they were sent"
    );
    assert!(messenger.calls() > calls[0] && other.calls() > calls[1]);
}

#[tokio::test]
async fn commands_that_the_messenger_leaves_come_first_in_the_next_exchange() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let (mut alice, mut bob) = (sidecar.alice().await, sidecar.bob().await);
    let before = messenger.exchanges().len();
    gather_twenty(&messenger, &mut bob).await;
    messenger.fail([Fault::LeavesRest(1), Fault::LeavesRest(5), Fault::LeavesRest(1)]);
    messenger.resume();
    for client in [&mut alice, &mut bob] {
        hears_all(client).await;
    }
    let sizes: Vec<_> = messenger.requests()[before..].iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 20, 15, 14]);
}

/// The messenger hung, but carried the command out: its update is in the log.
#[tokio::test]
async fn updates_of_an_abandoned_exchange_are_shown() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let timings = Timings {
        give_up: Duration::from_secs(1),
        ..Timings::default()
    };
    let here = Sidecar::start_with(&messenger, &redis, timings).await;
    let elsewhere = Sidecar::start(&messenger, &redis).await;
    let (mut bob, mut alice) = (here.bob().await, elsewhere.alice().await);
    messenger.fail([Fault::AnswerLost; 20]);
    bob.say("carried out").await;
    bob.is_told("message could not be saved").await;
    bob.hears("carried out").await;
    alice.hears("carried out").await;
    messenger.clear_faults();
    bob.say("then").await;
    bob.hears("then").await;
    alice.hears("then").await;
}

#[tokio::test]
async fn every_command_has_its_error_when_the_messenger_is_unreachable() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let timings = Timings {
        give_up: Duration::from_secs(1),
        ..Timings::default()
    };
    let sidecar = Sidecar::start_with(&messenger, &redis, timings).await;
    let mut alice = sidecar.alice().await;
    for (kind, error) in [
        ("send_message", "message could not be saved"),
        ("get_chats", "could not get chats"),
        ("get_chat_history", "could not get messages"),
        ("start_chat", "could not get chat from queue"),
        ("close_chat", "internal server error"),
    ] {
        messenger.fail([Fault::Status(503); 20]);
        alice.ask(kind, json!({})).await;
        alice.is_told(error).await;
    }
    messenger.clear_faults();
    alice.ask("get_chats", json!("")).await;
    assert_eq!(alice.next().await, no_chats());
}

#[tokio::test]
async fn an_exchange_that_the_messenger_refuses_is_not_retried() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut bob = sidecar.bob().await;
    let before = messenger.exchanges().len();
    messenger.fail([Fault::Status(401)]);
    bob.say("help").await;
    bob.is_told("message could not be saved").await;
    assert_eq!(messenger.exchanges().len(), before + 1);
}

#[tokio::test]
async fn refusals_go_to_the_asking_connection_alone() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let (mut phone, mut tablet) = (sidecar.bob().await, sidecar.bob().await);
    let before = messenger.exchanges().len();
    for (frame, error) in [
        ("", "malformed message"),
        ("[]", "malformed message"),
        ("{}", "invalid message type"),
        (r#"{"type":"start_chat","payload":""}"#, "invalid message type"),
        (r#"{"type":"send_message"}"#, "invalid message payload"),
    ] {
        phone.send(frame).await;
        phone.is_told(error).await;
    }
    assert_eq!(messenger.exchanges().len(), before);
    phone.say("help").await;
    phone.hears("help").await;
    tablet.hears("help").await;
}

#[tokio::test]
async fn a_frame_that_is_too_large_is_refused() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut bob = sidecar.bob().await;
    bob.say(&"x".repeat(MAX_FRAME_BYTES)).await;
    bob.is_told("message too large").await;
    bob.say(&"x".repeat(15 * MAX_FRAME_BYTES)).await;
    bob.is_told("message too large").await;
    let fits = "y".repeat(MAX_FRAME_BYTES - 100);
    bob.say(&fits).await;
    bob.hears(&fits).await;
    assert!(
        !messenger.requests().iter().flatten().any(
            |request| matches!(request, Request::SendMessage { message, .. } if message.starts_with('x'))
        )
    );
    bob.say(&"z".repeat(20 * MAX_FRAME_BYTES)).await;
    assert_eq!(bob.is_closed().await, 1009);
}

#[tokio::test]
async fn many_commands_of_one_connection_keep_their_order() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut bob = sidecar.bob().await;
    // Far more than a connection may have under way, so frames wait in the socket.
    for number in 0..500 {
        bob.say(&number.to_string()).await;
    }
    for number in 0..500 {
        bob.hears(&number.to_string()).await;
    }
}
