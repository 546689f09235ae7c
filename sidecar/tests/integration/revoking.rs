//! Sockets of users who may not be here any more.

use relay_protocol::{Realm, RevocationCursor, Revocations, User};
use serde_json::json;

use crate::support::{ALICE, BOB, Client, Messenger, Redis, Sidecar};

fn of(user: User) -> Revocations {
    Revocations {
        users: vec![user],
        ..Revocations::default()
    }
}

#[tokio::test]
async fn all_sockets_of_a_user_end_when_the_credentials_are_void() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let (mut desk, mut phone, mut bob) = (sidecar.alice().await, sidecar.alice().await, sidecar.bob().await);
    messenger.void(ALICE);
    messenger.revoke(of(ALICE)).await;
    desk.is_dropped().await;
    phone.is_dropped().await;
    bob.say("still here").await;
    bob.hears("still here").await;
    let mut again = Client::connect(&sidecar).await;
    again.authorize(ALICE).await;
    again.is_dropped().await;
}

#[tokio::test]
async fn who_is_doubted_without_reason_stays() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    messenger.employ(ALICE, 4);
    let (mut alice, mut bob) = (sidecar.alice().await, sidecar.bob().await);
    let asked = messenger.authentications().len();
    for (revocations, concerned) in [
        (of(ALICE), 1),
        (of(BOB), 1),
        (
            Revocations {
                agencies: vec![4],
                ..Revocations::default()
            },
            1,
        ),
        (
            Revocations {
                agencies: vec![5],
                ..Revocations::default()
            },
            0,
        ),
        (
            Revocations {
                unknown: vec![Realm::Organizer, Realm::Participant],
                ..Revocations::default()
            },
            2,
        ),
    ] {
        let before: usize = messenger.authentications().iter().sum();
        messenger.revoke(revocations).await;
        let asked_again = async {
            while messenger.authentications().iter().sum::<usize>() < before + concerned {
                tokio::task::yield_now().await;
            }
        };
        crate::support::soon(asked_again).await;
    }
    assert!(messenger.authentications().len() > asked);
    alice.say("here").await;
    for client in [&mut alice, &mut bob] {
        client.hears("here").await;
    }
}

/// Nobody knows whether they may still see and say something.
#[tokio::test]
async fn nothing_goes_either_way_until_a_doubt_is_settled() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let (mut alice, mut bob) = (sidecar.alice().await, sidecar.bob().await);
    messenger.void(ALICE);
    messenger.hang(ALICE.realm);
    let calls = messenger.calls();
    messenger.revoke(of(ALICE)).await;
    messenger.called(calls + 1).await;
    alice.say("from alice").await;
    for text in ["one", "two"] {
        bob.say(text).await;
        bob.hears(text).await;
    }
    messenger.recover();
    alice.is_dropped().await;
    bob.say("three").await;
    bob.hears("three").await;
}

#[tokio::test]
async fn who_works_for_another_agency_now_has_to_come_again() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    messenger.employ(ALICE, 4);
    let mut alice = sidecar.alice().await;
    messenger.employ(ALICE, 5);
    messenger.revoke(of(ALICE)).await;
    alice.is_dropped().await;
    sidecar.alice().await;
}

/// The doubt comes after the first check and before the connection is among those that can be doubted.
#[tokio::test]
async fn a_sign_out_does_not_miss_a_socket_that_is_just_being_opened() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut alice = Client::connect(&sidecar).await;
    messenger.hold();
    let calls = messenger.calls();
    alice.authorize(ALICE).await;
    messenger.called(calls + 1).await;
    messenger.void(ALICE);
    messenger.revoke(of(ALICE)).await;
    // Another answer shows that the one before has been dealt with.
    messenger.revoke(Revocations::default()).await;
    messenger.go_on();
    alice.is_dropped().await;
}

/// While Redis hangs a session waits to be opened, and can be doubted meanwhile.
#[tokio::test]
async fn who_is_doubted_without_reason_while_the_session_opens_stays() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    redis.signal("STOP");
    let mut alice = Client::connect(&sidecar).await;
    alice.authorize(ALICE).await;
    messenger.called(1).await;
    messenger.revoke(of(ALICE)).await;
    messenger.called(2).await;
    redis.signal("CONT");
    alice.ask("get_chats", json!("")).await;
    assert_eq!(alice.next().await["payload"]["type"], "getChats");
}

#[tokio::test]
async fn reading_goes_on_where_it_ended() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let _sidecar = Sidecar::start(&messenger, &redis).await;
    let next = RevocationCursor {
        organizer: Some(7),
        participant: Some(9),
    };
    messenger
        .revoke(Revocations {
            next,
            ..Revocations::default()
        })
        .await;
    messenger
        .revoke(Revocations {
            next,
            ..Revocations::default()
        })
        .await;
    let cursors = messenger.cursors();
    assert_eq!(cursors.first(), Some(&RevocationCursor::default()));
    assert_eq!(cursors.last(), Some(&next));
    assert_eq!(json!(next), json!({"organizer": 7, "participant": 9}));
}
