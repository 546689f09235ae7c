//! What clients get who say that they speak protocol 2 (PROTOCOL.md), and what the others do not get.

use std::time::Duration;

use mayday_sidecar::Timings;
use relay_protocol::Revocations;
use serde_json::json;

use crate::support::{ALICE, BOB, Client, Messenger, Redis, Sidecar};

#[tokio::test]
async fn messages_are_numbered_for_those_who_know_what_it_means() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let (left, right) = (
        Sidecar::start(&messenger, &redis).await,
        Sidecar::start(&messenger, &redis).await,
    );
    let mut bob = left.bob().await;
    let mut new = Client::ready(&left, ALICE).await;
    let mut new_elsewhere = Client::ready(&right, ALICE).await;
    let mut old_elsewhere = right.alice().await;
    bob.say("hello").await;
    let contract = json!({ "type": "user_message", "payload": { "content": "hello" } });
    let numbered = json!({ "type": "user_message", "payload": { "content": "hello", "seq": 1 } });
    assert_eq!(bob.next().await, contract);
    assert_eq!(old_elsewhere.next().await, contract);
    assert_eq!(new.next().await, numbered);
    assert_eq!(new_elsewhere.next().await, numbered);
}

#[tokio::test]
async fn ready_comes_before_the_answers_to_early_frames() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut alice = Client::connect(&sidecar).await;
    alice.introduce(ALICE, json!({ "protocol": 2 })).await;
    alice.ask("get_chats", json!("")).await;
    alice.ask("nonsense", json!("")).await;
    assert_eq!(alice.next().await["type"], "ready");
    assert_eq!(alice.next().await["payload"]["type"], "getChats");
    let error = json!({ "message": "invalid message type", "code": "invalid_type" });
    assert_eq!(alice.next().await, json!({ "type": "error", "payload": error }));
}

#[tokio::test]
async fn refusals_are_close_codes() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    messenger.void(ALICE);
    let mut alice = Client::connect(&sidecar).await;
    alice.introduce(ALICE, json!({ "protocol": 2 })).await;
    assert_eq!(alice.is_closed().await, 4500);
}

#[tokio::test]
async fn who_cannot_be_authorized_in_time_may_try_later() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let timings = Timings {
        authorization: Duration::from_millis(300),
        ..Timings::default()
    };
    let sidecar = Sidecar::start_with(&messenger, &redis, timings).await;
    messenger.hold();
    let mut alice = Client::connect(&sidecar).await;
    alice.introduce(ALICE, json!({ "protocol": 2 })).await;
    assert_eq!(alice.is_closed().await, 1013);
    messenger.go_on();
}

#[tokio::test]
async fn who_says_nothing_for_too_long_is_told_and_let_go() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let timings = Timings {
        idle: Duration::from_millis(300),
        ..Timings::default()
    };
    let sidecar = Sidecar::start_with(&messenger, &redis, timings).await;
    let mut alice = Client::ready(&sidecar, ALICE).await;
    let error = json!({ "message": "timeout", "code": "timeout" });
    assert_eq!(alice.next().await, json!({ "type": "error", "payload": error }));
    assert_eq!(alice.is_closed().await, 4000);
}

#[tokio::test]
async fn what_is_revoked_is_told_by_the_close_code() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let (mut alice, mut bob) = (
        Client::ready(&sidecar, ALICE).await,
        Client::ready(&sidecar, BOB).await,
    );
    messenger.void(ALICE);
    messenger.employ(BOB, 4);
    let revocations = Revocations {
        users: vec![ALICE, BOB],
        ..Revocations::default()
    };
    messenger.revoke(revocations).await;
    assert_eq!(alice.is_closed().await, 4501);
    assert_eq!(bob.is_closed().await, 4001);
}

#[tokio::test]
async fn when_redis_is_back_clients_are_told_to_ask_for_what_they_missed() {
    let (mut redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    sidecar.becomes_ready().await;
    let mut old = sidecar.bob().await;
    let mut new = Client::ready(&sidecar, ALICE).await;
    redis.kill();
    old.say("anybody?").await;
    old.hears("anybody?").await;
    new.hears("anybody?").await;
    redis.restart().await;
    assert_eq!(new.next().await, json!({ "type": "resync", "payload": {} }));
    old.say("back").await;
    old.hears("back").await;
    new.hears("back").await;
}
