//! Clients that do not read, do not answer, or do not speak.

use std::time::Duration;

use futures_util::SinkExt;
use mayday_sidecar::Timings;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Messenger, Redis, Sidecar};

#[tokio::test]
async fn a_client_that_never_reads_stays_is_read_and_delays_nobody() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let timings = Timings {
        ping: Duration::from_millis(20),
        ..Timings::default()
    };
    let sidecar = Sidecar::start_with(&messenger, &redis, timings).await;
    let (mut alice, mut bob) = (sidecar.alice().await, sidecar.bob().await);
    // Ten megabytes: more than the buffers of both ends of Alice's socket take.
    let long = "x".repeat(10_000);
    for _ in 0..50 {
        for _ in 0..20 {
            bob.say(&long).await;
        }
        for _ in 0..20 {
            bob.hears(&long).await;
        }
    }
    // The sidecar reads her frames although it cannot write to her.
    let calls = messenger.calls();
    alice.ask("start_chat", json!("")).await;
    messenger.called(calls + 1).await;
    alice.say("still here").await;
    bob.hears("still here").await;
    // When she reads again, the newest frame arrives.
    loop {
        let frame = alice.next().await;
        if frame["payload"]["content"] == "still here" {
            break;
        }
    }
}

#[tokio::test]
async fn a_client_that_pings_without_reading_does_not_fill_the_memory() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut bob = sidecar.bob().await;
    for _ in 0..1000 {
        bob.socket.feed(Message::Ping(vec![0; 100].into())).await.unwrap();
    }
    bob.ask("get_chats", json!("")).await;
    let mut pongs = 0;
    loop {
        match bob.next_message().await {
            Some(Ok(Message::Pong(payload))) if payload.len() == 100 => pongs += 1,
            Some(Ok(Message::Text(_))) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(pongs > 0);
}

#[tokio::test]
async fn a_client_that_is_silent_for_too_long_gets_an_error_and_is_dropped() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let timings = Timings {
        idle: Duration::from_secs(2),
        ..Timings::default()
    };
    let sidecar = Sidecar::start_with(&messenger, &redis, timings).await;
    let mut bob = sidecar.bob().await;
    // Neither of these restarts the idle clock; a frame that is an object does.
    bob.has_been_read().await;
    bob.send("junk").await;
    bob.is_told("malformed message").await;
    bob.is_told("timeout").await;
    bob.is_dropped().await;
}
