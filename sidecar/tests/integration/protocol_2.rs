//! What clients of protocol 2 get (PROTOCOL.md), and clients of the contract do not.

use std::time::Duration;

use mayday_sidecar::Timings;
use serde_json::json;
use sidecar_api::update::{Body, Frame};
use sidecar_api::{Queue, Revocations, Waiting};

use crate::support::{ALICE, BOB, CHAT, Client, Messenger, Redis, Sidecar, message, no_chats};

#[tokio::test]
async fn only_protocol_2_sees_the_numbers_of_messages() {
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
    let contract = message("hello");
    let mut numbered = contract.clone();
    numbered["payload"]["seq"] = json!(1);
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
    assert_eq!(alice.next().await, no_chats());
    let error = json!({ "message": "invalid message type", "code": "invalid_type" });
    assert_eq!(alice.next().await, json!({ "type": "error", "payload": error }));
}

#[tokio::test]
async fn a_bad_token_has_its_close_code() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    messenger.void(ALICE);
    let mut alice = Client::connect(&sidecar).await;
    alice.introduce(ALICE, json!({ "protocol": 2 })).await;
    assert_eq!(alice.is_closed().await, 4500);
}

#[tokio::test]
async fn a_client_that_cannot_be_authenticated_in_time_may_try_later() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let timings = Timings {
        authorization: Duration::from_secs(1),
        ..Timings::default()
    };
    let sidecar = Sidecar::start_with(&messenger, &redis, timings).await;
    messenger.hold();
    let mut alice = Client::connect(&sidecar).await;
    alice.introduce(ALICE, json!({ "protocol": 2 })).await;
    assert_eq!(alice.is_closed().await, 1013);
    messenger.resume();
}

#[tokio::test]
async fn an_idle_client_gets_an_error_and_a_close_frame() {
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
async fn revocations_have_their_close_codes() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let (mut alice, mut bob) = (
        Client::ready(&sidecar, ALICE).await,
        Client::ready(&sidecar, BOB).await,
    );
    messenger.void(ALICE);
    messenger.employ(BOB, 4);
    for user in [ALICE, BOB] {
        let revocations = Revocations {
            users: vec![user],
            ..Revocations::default()
        };
        messenger.revoke(user.realm, revocations).await;
    }
    assert_eq!(alice.is_closed().await, 4501);
    assert_eq!(bob.is_closed().await, 4001);
}

#[tokio::test]
async fn updates_are_shown_at_every_sidecar_with_and_without_redis() {
    let (mut redis, messenger) = (Redis::start().await, Messenger::start().await);
    let (left, right) = (
        Sidecar::start(&messenger, &redis).await,
        Sidecar::start(&messenger, &redis).await,
    );
    let mut here = Client::ready(&left, ALICE).await;
    let mut there = Client::ready(&right, ALICE).await;
    let mut contract = right.alice().await;
    redis.kill();
    let frame = json!({ "type": "closed_chat", "payload": { "chatId": CHAT } });
    let mut body = Body::default();
    body.deliver(&[ALICE, BOB], Frame::two(&frame.to_string()));
    messenger.commit(&body);
    let mut body = Body::default();
    body.deliver(&[ALICE], Frame::both(&frame.to_string()));
    messenger.commit(&body);
    for client in [&mut here, &mut there] {
        assert_eq!(client.next().await, frame);
        assert_eq!(client.next().await, frame);
    }
    assert_eq!(contract.next().await, frame);
    contract.say("and no more").await;
    contract.hears("and no more").await;
}

#[tokio::test]
async fn the_sidecar_reports_which_organizers_are_here() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    messenger.employ(ALICE, 4);
    let here = [(ALICE.id, 4)];
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
async fn participants_see_their_position_and_organizers_the_queue() {
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
                waited: 0,
            })
            .collect(),
        estimate: Some(30),
    };
    messenger.set_queue(queue(&[77, BOB.id]));
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
    messenger.set_queue(queue(&[BOB.id]));
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

#[tokio::test]
async fn a_sidecar_that_ends_reports_no_organizers() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let mut sidecar = Sidecar::start(&messenger, &redis).await;
    messenger.employ(ALICE, 4);
    let _alice = sidecar.alice().await;
    messenger.attended_by(&[(ALICE.id, 4)]).await;
    sidecar.stop();
    messenger.attended_by(&[]).await;
    (&mut sidecar.running).await.unwrap().unwrap();
}
