//! What clients get who say that they speak protocol 2 (PROTOCOL.md), and what the others do not get.

use std::time::Duration;

use mayday_sidecar::Timings;
use relay_protocol::{Attendance, Audience, Delivery, Queue, Revocations, User, Waiting};
use serde_json::json;
use serde_json::value::RawValue;

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

fn unasked(to: User, audience: Audience) -> Delivery {
    Delivery {
        to: vec![to],
        place: None,
        audience,
        frame: RawValue::from_string(r#"{"type":"unasked","payload":{}}"#.into()).unwrap(),
        more: None,
        instead: None,
        again: false,
        revision: None,
    }
}

#[tokio::test]
async fn news_is_shown_at_every_sidecar_also_without_redis() {
    let (mut redis, messenger) = (Redis::start().await, Messenger::start().await);
    let (left, right) = (
        Sidecar::start(&messenger, &redis).await,
        Sidecar::start(&messenger, &redis).await,
    );
    let mut here = Client::ready(&left, ALICE).await;
    let mut there = Client::ready(&right, ALICE).await;
    let mut old = right.alice().await;
    redis.kill();
    messenger.announce(
        vec![unasked(ALICE, Audience::Two), unasked(BOB, Audience::Two)],
        vec![],
    );
    messenger.announce(vec![unasked(ALICE, Audience::Everyone)], vec![]);
    let expected = json!({ "type": "unasked", "payload": {} });
    for client in [&mut here, &mut there] {
        assert_eq!(client.next().await, expected);
        assert_eq!(client.next().await, expected);
    }
    assert_eq!(old.next().await, expected);
    old.say("and no more").await;
    old.hears("and no more").await;
}

#[tokio::test]
async fn who_may_have_missed_news_is_told() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    messenger.announce(vec![], vec![]);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut alice = Client::ready(&sidecar, ALICE).await;
    messenger.announce(vec![unasked(ALICE, Audience::Two)], vec![]);
    assert_eq!(alice.next().await["type"], "unasked");
    messenger.forget_news();
    assert_eq!(alice.next().await["type"], "resync");
}

#[tokio::test]
async fn the_messenger_knows_which_organizers_are_here() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    messenger.employ(ALICE, 4);
    let here = [Attendance {
        organizer_id: ALICE.id,
        agency_id: 4,
        max_open_chats: None,
    }];
    let _bob = sidecar.bob().await;
    let desk = sidecar.alice().await;
    let phone = sidecar.alice().await;
    messenger.attended_by(&here).await;
    drop(desk);
    messenger.attended_by(&here).await;
    drop(phone);
    messenger.attended_by(&[]).await;
}

#[tokio::test]
async fn those_who_wait_and_those_who_are_waited_for_see_the_queue() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    messenger.employ(ALICE, 4);
    let mut alice = Client::ready(&sidecar, ALICE).await;
    let mut bob = Client::ready(&sidecar, BOB).await;
    let nobody = json!({ "waiting": 0, "oldestWaitSeconds": 0 });
    assert_eq!(
        alice.next().await,
        json!({ "type": "queue_status", "payload": nobody })
    );
    let queue = |participants: &[i64]| Queue {
        agency_id: 4,
        waiting: participants
            .iter()
            .map(|participant_id| Waiting {
                participant_id: *participant_id,
                event_id: 9,
                pressed_at: i64::MAX,
            })
            .collect(),
        estimate: Some(30),
    };
    messenger.announce(vec![], vec![queue(&[77, BOB.id])]);
    let place = |position: i64| json!({ "eventId": 9, "position": position, "estimatedWaitSeconds": 30 });
    assert_eq!(
        bob.next().await,
        json!({ "type": "queue_position", "payload": place(2) })
    );
    let status = json!({ "waiting": 2, "oldestWaitSeconds": 0 });
    assert_eq!(
        alice.next().await,
        json!({ "type": "queue_status", "payload": status })
    );
    messenger.announce(vec![], vec![queue(&[BOB.id])]);
    assert_eq!(
        bob.next().await,
        json!({ "type": "queue_position", "payload": place(1) })
    );
    let mut tablet = Client::ready(&sidecar, BOB).await;
    assert_eq!(
        tablet.next().await,
        json!({ "type": "queue_position", "payload": place(1) })
    );
}

/// A sidecar that ends in good order says so, and then nobody has to look whether something is missing. One that could not pass everything on does not.
#[tokio::test]
async fn a_sidecar_takes_leave_if_it_has_kept_nothing_to_itself() {
    let (mut redis, messenger) = (Redis::start().await, Messenger::start().await);
    let mut sidecar = Sidecar::start(&messenger, &redis).await;
    sidecar.becomes_ready().await;
    let mut bob = sidecar.bob().await;
    bob.say("hello").await;
    bob.hears("hello").await;
    sidecar.stop();
    (&mut sidecar.running).await.unwrap().unwrap();
    assert_eq!(messenger.farewells(), 1);

    let mut sidecar = Sidecar::start(&messenger, &redis).await;
    sidecar.becomes_ready().await;
    let mut bob = sidecar.bob().await;
    redis.kill();
    bob.say("is anybody there?").await;
    bob.hears("is anybody there?").await;
    sidecar.stop();
    (&mut sidecar.running).await.unwrap().unwrap();
    assert_eq!(messenger.farewells(), 1);
}
