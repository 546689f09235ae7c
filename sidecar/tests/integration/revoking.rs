//! Sockets of users whose credentials may have been revoked.

use serde_json::json;
use sidecar_api::{Realm, RevocationCursor, Revocations, User};

use crate::support::{ALICE, BOB, Client, Messenger, Redis, Sidecar};

fn of(user: User) -> Revocations {
    Revocations {
        users: vec![user],
        ..Revocations::default()
    }
}

#[tokio::test]
async fn all_sockets_of_a_user_end_when_the_credentials_are_revoked() {
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
async fn a_connection_whose_credentials_are_still_valid_stays() {
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

#[tokio::test]
async fn a_connection_under_re_authentication_neither_receives_nor_sends() {
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
async fn a_change_of_agency_ends_the_connection() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    messenger.employ(ALICE, 4);
    let mut alice = sidecar.alice().await;
    messenger.employ(ALICE, 5);
    messenger.revoke(of(ALICE)).await;
    alice.is_dropped().await;
    sidecar.alice().await;
}

/// The revocation comes after the user was looked up and before the connection has joined.
#[tokio::test]
async fn a_sign_out_does_not_miss_a_connection_that_is_being_opened() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut alice = Client::connect(&sidecar).await;
    messenger.hold();
    let calls = messenger.calls();
    alice.authorize(ALICE).await;
    messenger.called(calls + 1).await;
    messenger.void(ALICE);
    messenger.revoke(of(ALICE)).await;
    // Another answer shows that the sidecar has handled the one before.
    messenger.revoke(Revocations::default()).await;
    messenger.resume();
    alice.is_dropped().await;
}

#[tokio::test]
async fn each_question_for_revocations_continues_at_the_last_cursor() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    // The sidecar watches for revocations only while somebody is connected.
    let _alice = sidecar.alice().await;
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
