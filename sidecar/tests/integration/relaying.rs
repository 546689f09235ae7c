//! Several sidecars, and Redis between them.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::json;

use crate::support::{ALICE, BOB, Client, Messenger, Redis, Sidecar, soon};

#[tokio::test]
async fn everybody_sees_everything_once_wherever_they_are() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let (left, right) = (
        Sidecar::start(&messenger, &redis).await,
        Sidecar::start(&messenger, &redis).await,
    );
    let mut bob = left.bob().await;
    let mut bobs_tablet = right.bob().await;
    let mut alice = right.alice().await;
    for round in 0..20 {
        bob.say(&format!("bob {round}")).await;
        for client in [&mut bob, &mut bobs_tablet, &mut alice] {
            client.hears(&format!("bob {round}")).await;
        }
        alice.say(&format!("alice {round}")).await;
        for client in [&mut bob, &mut bobs_tablet, &mut alice] {
            client.hears(&format!("alice {round}")).await;
        }
    }
}

#[tokio::test]
async fn a_burst_from_both_sides_is_seen_once_and_in_order() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let (left, right) = (
        Sidecar::start(&messenger, &redis).await,
        Sidecar::start(&messenger, &redis).await,
    );
    let (mut bob, mut alice) = (left.bob().await, right.alice().await);
    bob.say("begin").await;
    alice.hears("begin").await;
    bob.hears("begin").await;
    for _ in 0..100 {
        bob.say("b").await;
        alice.say("a").await;
    }
    let (mut seen_by_bob, mut seen_by_alice) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        seen_by_bob.push(bob.next().await);
        seen_by_alice.push(alice.next().await);
    }
    assert_eq!(seen_by_bob, seen_by_alice, "both see the same order");
    bob.say("end").await;
    alice.hears("end").await;
    bob.hears("end").await;
}

#[tokio::test]
async fn frames_that_cross_on_their_way_are_shown_in_order() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut alice = sidecar.alice().await;
    redis.publish(ALICE, "c", [0]).await;
    redis.publish(ALICE, "c", [3]).await;
    redis.publish(ALICE, "c", [2]).await;
    redis.publish(ALICE, "other", [7]).await;
    redis.publish(ALICE, "c", [1]).await;
    redis.publish(ALICE, "c", [1, 2, 3]).await;
    // What never comes is not waited for long, and is shown if it comes after all.
    redis.publish(ALICE, "c", [5]).await;
    for text in ["0", "7", "1", "2", "3", "5"] {
        alice.hears(text).await;
    }
    redis.publish(ALICE, "c", [4]).await;
    redis.publish(ALICE, "c", [6]).await;
    alice.hears("4").await;
    alice.hears("6").await;
}

#[tokio::test]
async fn what_is_late_is_not_shown_to_who_has_come_since() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut early = sidecar.alice().await;
    early.say("hello").await;
    early.hears("hello").await;
    let before = messenger.revision();
    let mut latecomer = sidecar.alice().await;
    // The first is something that the latecomer could have asked for.
    redis.publish_at(before, ALICE, "other", 0).await;
    redis
        .publish_at(messenger.revision() + 1, ALICE, "other", 1)
        .await;
    early.hears("0").await;
    early.hears("1").await;
    latecomer.hears("1").await;
}

/// A client of the contract cannot be told to look: what it has missed is asked for, and what it was shown all the same is not shown again.
#[tokio::test]
async fn who_knows_no_resync_is_brought_what_was_missed() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut alice = sidecar.alice().await;
    let _bob = Client::ready(&sidecar, BOB).await;
    redis.publish(ALICE, "c", [0, 1]).await;
    redis.publish(ALICE, "c", [3]).await;
    for text in ["0", "1", "3"] {
        alice.hears(text).await;
    }
    messenger.misses(ALICE, "c", 0..=4);
    redis.tell_all_to_resync().await;
    alice.hears("2").await;
    alice.hears("4").await;

    let asked: Vec<_> = messenger
        .listeners()
        .into_iter()
        .map(|asked| (asked.user, asked.chats))
        .collect();
    let [(ALICE, chats)] = asked.as_slice() else {
        panic!("protocol 2 looks for itself: {asked:?}");
    };
    assert_eq!(
        (chats[0].chat_id.as_str(), &*chats[0].lacking),
        ("c", &[(2, 2), (4, i64::MAX)][..])
    );
    redis.publish(ALICE, "c", [4, 5]).await;
    alice.hears("5").await;
}

#[tokio::test]
async fn without_redis_sockets_stay_open_and_local_delivery_goes_on() {
    let (mut redis, messenger) = (Redis::start().await, Messenger::start().await);
    let (left, right) = (
        Sidecar::start(&messenger, &redis).await,
        Sidecar::start(&messenger, &redis).await,
    );
    let (mut bob, mut neighbour, mut alice) = (left.bob().await, left.alice().await, right.alice().await);
    redis.kill();
    left.becomes("redis: unavailable").await;
    assert!(left.get("/readyz").await.starts_with("HTTP/1.1 503"));
    assert!(left.get("/readyz").await.contains("messenger: ok"));
    bob.say("anybody there?").await;
    bob.hears("anybody there?").await;
    neighbour.hears("anybody there?").await;
    // Who comes while Redis is away is served at once, and hears others when it is back.
    let mut latecomer = left.alice().await;

    redis.restart().await;
    left.becomes_ready().await;
    right.becomes_ready().await;
    // Alice may get what was said meanwhile, if it was not too late when Redis came back.
    bob.say("now?").await;
    for client in [&mut bob, &mut neighbour, &mut latecomer] {
        client.hears("now?").await;
    }
    while alice.next().await["payload"]["content"] != "now?" {}
    alice.say("yes").await;
    for client in [&mut bob, &mut neighbour, &mut latecomer, &mut alice] {
        client.hears("yes").await;
    }
}

#[tokio::test]
async fn channels_are_left_with_the_last_connection() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let (mut phone, tablet) = (sidecar.bob().await, sidecar.bob().await);
    drop(tablet);
    redis.publish(BOB, "c", [1]).await;
    phone.hears("1").await;
    drop(phone);
    let mut connection = redis.client().get_multiplexed_async_connection().await.unwrap();
    let mut listeners = i64::MAX;
    while listeners > 0 {
        let answer: (String, i64) = redis::cmd("PUBSUB")
            .arg("NUMSUB")
            .arg(BOB.channel())
            .query_async(&mut connection)
            .await
            .unwrap();
        listeners = answer.1;
    }
    let mut phone = sidecar.bob().await;
    redis.publish(BOB, "c", [1]).await;
    phone.hears("1").await;
}

#[tokio::test]
async fn publications_nobody_understands_do_no_harm() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut alice = sidecar.alice().await;
    let mut connection = redis.client().get_multiplexed_async_connection().await.unwrap();
    for payload in [
        "",
        "junk",
        "[]",
        r#"{"from":1}"#,
        r#"{"from":"x","deliveries":[{"position":1}]}"#,
        "\u{0}",
    ] {
        let _: () = redis::cmd("PUBLISH")
            .arg(ALICE.channel())
            .arg(payload)
            .query_async(&mut connection)
            .await
            .unwrap();
    }
    redis.publish(ALICE, "c", [1]).await;
    alice.hears("1").await;
}

#[tokio::test]
async fn one_of_several_sidecars_ticks() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let mut pubsub = redis.client().get_async_pubsub().await.unwrap();
    pubsub.subscribe("mayday.tick").await.unwrap();
    let mut ticks = pubsub.on_message();
    let mut left = Sidecar::start(&messenger, &redis).await;
    soon(ticks.next()).await.unwrap();
    let first = Instant::now();
    let _right = Sidecar::start(&messenger, &redis).await;
    for _ in 0..2 {
        let tick = soon(ticks.next()).await.unwrap();
        assert_eq!(tick.get_payload::<String>().unwrap(), "tick");
    }
    assert!(
        first.elapsed() > Duration::from_millis(1500),
        "two ticks within {:?}",
        first.elapsed()
    );
    // When the one that ticks stops, the other goes on without waiting for the lease to end.
    left.stop();
    soon(&mut left.running).await.unwrap().unwrap();
    let stopped = Instant::now();
    soon(ticks.next()).await.unwrap();
    assert!(
        stopped.elapsed() < Duration::from_millis(2500),
        "no tick for {:?}",
        stopped.elapsed()
    );
}

#[tokio::test]
async fn one_publication_carries_a_users_share_of_a_batch() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut bob = sidecar.bob().await;
    let mut pubsub = redis.client().get_async_pubsub().await.unwrap();
    pubsub.subscribe(ALICE.channel()).await.unwrap();
    let mut heard = pubsub.on_message();
    messenger.hold();
    bob.say("first").await;
    messenger.called(messenger.calls() + 1).await;
    for text in ["one", "two", "three"] {
        bob.say(text).await;
    }
    bob.has_been_read().await;
    messenger.go_on();
    let mut publications = Vec::new();
    for _ in 0..2 {
        let payload: String = soon(heard.next()).await.unwrap().get_payload().unwrap();
        let publication: serde_json::Value = serde_json::from_str(&payload).unwrap();
        publications.push(publication["deliveries"].as_array().unwrap().clone());
    }
    assert_eq!(publications[0].len(), 1);
    let positions: Vec<_> = publications[1]
        .iter()
        .map(|delivery| delivery["place"]["position"].clone())
        .collect();
    assert_eq!(positions, [json!(2), json!(3), json!(4)]);
}
