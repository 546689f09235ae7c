//! Several sidecars, and Redis between them.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::json;

use sidecar_api::update::{entries, read_updates};

use crate::support::{BOB, Client, Messenger, Redis, Sidecar, soon};

#[tokio::test]
async fn clients_of_different_sidecars_see_every_message_once() {
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
async fn updates_that_cross_on_their_way_are_shown_in_order() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut alice = sidecar.alice().await;
    let updates: Vec<_> = (0..5)
        .map(|number| messenger.commit_message(&number.to_string()))
        .collect();
    for update in [&updates[3], &updates[1], &updates[0], &updates[1], &updates[2]] {
        redis.publish(update).await;
    }
    for number in 0..5 {
        alice.hears(&number.to_string()).await;
    }
    redis.publish(&updates.concat()).await;
    alice.say("and nothing twice").await;
    alice.hears("and nothing twice").await;
}

#[tokio::test]
async fn an_update_that_is_not_published_comes_with_an_exchange() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut alice = sidecar.alice().await;
    messenger.commit_message("never published");
    alice.hears("never published").await;
    messenger.commit_message("lost");
    let behind = messenger.commit_message("published");
    redis.publish(&behind).await;
    alice.hears("lost").await;
    alice.hears("published").await;
}

#[tokio::test]
async fn a_connection_is_not_shown_earlier_updates() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut early = sidecar.alice().await;
    let before = messenger.commit_message("before");
    let mut latecomer = sidecar.alice().await;
    redis.publish(&before).await;
    early.hears("before").await;
    messenger.commit_message("after");
    early.hears("after").await;
    latecomer.hears("after").await;
}

/// A database that was restored from a copy assigns ids again that the sidecar has played.
#[tokio::test]
async fn clients_resync_after_a_restore() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let (mut contract, mut two) = (sidecar.alice().await, Client::ready(&sidecar, BOB).await);
    for text in ["one", "two", "three"] {
        messenger.commit_message(text);
        contract.hears(text).await;
        two.hears(text).await;
    }
    messenger.restore(2);
    messenger.commit_message("another two");
    contract.is_dropped().await;
    assert_eq!(two.next().await, json!({ "type": "resync", "payload": {} }));
    messenger.commit_message("another three");
    two.hears("another three").await;
    let mut again = sidecar.alice().await;
    again.say("back").await;
    again.hears("back").await;
    two.hears("back").await;
}

/// A conversation between two sidecars while something happens to Redis: both see everything once, in order.
async fn talk(turns: usize, left: &mut Client, right: &mut Client, mut fault: impl AsyncFnMut(usize)) {
    for turn in 0..turns {
        fault(turn).await;
        left.say(&format!("left {turn}")).await;
        right.say(&format!("right {turn}")).await;
    }
    let (mut by_left, mut by_right) = (Vec::new(), Vec::new());
    for _ in 0..2 * turns {
        by_left.push(left.next().await["payload"]["content"].clone());
        by_right.push(right.next().await["payload"]["content"].clone());
    }
    assert_eq!(by_left, by_right);
    for side in ["left", "right"] {
        let own = by_left
            .iter()
            .filter(|text| text.as_str().unwrap().starts_with(side));
        let expected: Vec<_> = (0..turns).map(|turn| json!(format!("{side} {turn}"))).collect();
        assert!(own.eq(&expected), "{by_left:?}");
    }
}

#[tokio::test]
async fn killed_redis_connections_lose_and_reorder_nothing() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let (left, right) = (
        Sidecar::start(&messenger, &redis).await,
        Sidecar::start(&messenger, &redis).await,
    );
    let (mut bob, mut alice) = (left.bob().await, right.alice().await);
    talk(60, &mut bob, &mut alice, async |turn| {
        if turn % 5 == 0 {
            for kind in ["normal", "pubsub"] {
                let _: i64 = redis
                    .run(
                        redis::cmd("CLIENT")
                            .arg("KILL")
                            .arg("TYPE")
                            .arg(kind)
                            .arg("SKIPME")
                            .arg("yes"),
                    )
                    .await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_closes_idle_connections_loses_and_reorders_nothing() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let (left, right) = (
        Sidecar::start(&messenger, &redis).await,
        Sidecar::start(&messenger, &redis).await,
    );
    let (mut bob, mut alice) = (left.bob().await, right.alice().await);
    let _: String = redis
        .run(redis::cmd("CONFIG").arg("SET").arg("timeout").arg(1))
        .await;
    talk(40, &mut bob, &mut alice, async |_| {}).await;
}

/// More turns than the 32 gaps that an earlier version tracked.
#[tokio::test]
async fn a_redis_that_hangs_or_restarts_loses_and_reorders_nothing() {
    let (mut redis, messenger) = (Redis::start().await, Messenger::start().await);
    let (left, right) = (
        Sidecar::start(&messenger, &redis).await,
        Sidecar::start(&messenger, &redis).await,
    );
    let (mut bob, mut alice) = (left.bob().await, right.alice().await);
    redis.signal("STOP");
    talk(50, &mut bob, &mut alice, async |_| {}).await;
    redis.signal("CONT");
    talk(10, &mut bob, &mut alice, async |_| {}).await;
    redis.kill();
    talk(50, &mut bob, &mut alice, async |_| {}).await;
    redis.restart().await;
    talk(10, &mut bob, &mut alice, async |_| {}).await;
}

#[tokio::test]
async fn clients_are_served_without_redis() {
    let (mut redis, messenger) = (Redis::start().await, Messenger::start().await);
    let (left, right) = (
        Sidecar::start(&messenger, &redis).await,
        Sidecar::start(&messenger, &redis).await,
    );
    let (mut bob, mut neighbour, mut alice) = (left.bob().await, left.alice().await, right.alice().await);
    redis.kill();
    left.becomes("redis: unavailable").await;
    let traced = "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
    let answer = left.get_with("/readyz", traced).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    let (_, text) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        text,
        "redis: unavailable\nmessenger: ok\ntraceId: 0af7651916cd43dd8448eb211c80319c\n"
    );
    assert!(
        left.get("/readyz?exclude=redis")
            .await
            .starts_with("HTTP/1.1 200")
    );
    bob.say("anybody there?").await;
    bob.hears("anybody there?").await;
    neighbour.hears("anybody there?").await;
    alice.hears("anybody there?").await;
    // A client that connects while Redis is down is served at once.
    let mut latecomer = left.alice().await;

    redis.restart().await;
    left.becomes_ready().await;
    right.becomes_ready().await;
    bob.say("now?").await;
    for client in [&mut bob, &mut neighbour, &mut latecomer, &mut alice] {
        client.hears("now?").await;
    }
    alice.say("yes").await;
    for client in [&mut bob, &mut neighbour, &mut latecomer, &mut alice] {
        client.hears("yes").await;
    }
}

#[tokio::test]
async fn malformed_publications_are_ignored() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut alice = sidecar.alice().await;
    for payload in [
        "",
        "junk",
        "x\njunk",
        "x\nupdate 1 2\n",
        "x\nupdate 1 2 9\nto both\n",
        "\u{0}",
    ] {
        redis.publish_text(payload).await;
    }
    let update = messenger.commit_message("sound");
    redis.publish(&update).await;
    alice.hears("sound").await;
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
    // When the ticking sidecar stops, it lets go of the lease, and the other one takes over.
    let owner = async || -> Option<String> { redis.run(redis::cmd("GET").arg("mayday.tick.lease")).await };
    let before = owner().await;
    assert!(before.is_some());
    left.stop();
    soon(&mut left.running).await.unwrap().unwrap();
    assert_ne!(owner().await, before, "nobody waits for the end of the lease");
    soon(ticks.next()).await.unwrap();
}

/// For hosts without a Redis trigger, and so without a dispatcher.
#[tokio::test]
async fn one_of_several_sidecars_calls_the_services_at_each_tick() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let mut left = Sidecar::ticking(&messenger, &redis).await;
    messenger.ticked(1).await;
    let first = Instant::now();
    let _right = Sidecar::ticking(&messenger, &redis).await;
    messenger.ticked(3).await;
    assert!(
        first.elapsed() > Duration::from_millis(1500),
        "two ticks within {:?}",
        first.elapsed()
    );
    left.stop();
    soon(&mut left.running).await.unwrap().unwrap();
    messenger.ticked(5).await;
}

#[tokio::test]
async fn an_exchange_is_published_once_for_all_sidecars() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut bob = sidecar.bob().await;
    let mut pubsub = redis.client().get_async_pubsub().await.unwrap();
    pubsub.subscribe("mayday.updates").await.unwrap();
    let mut heard = pubsub.on_message();
    messenger.hold();
    bob.say("first").await;
    messenger.called(messenger.calls() + 1).await;
    for text in ["one", "two", "three"] {
        bob.say(text).await;
    }
    bob.has_been_read().await;
    messenger.resume();
    let mut messages = Vec::new();
    for _ in 0..2 {
        let payload: String = soon(heard.next()).await.unwrap().get_payload().unwrap();
        let (_, updates) = payload.split_once('\n').unwrap();
        let updates: Vec<_> = read_updates(updates).map(Result::unwrap).collect();
        assert_eq!(updates.len(), 1);
        messages.push(entries(updates[0].body).count());
    }
    assert_eq!(messages, [1, 3]);
}
