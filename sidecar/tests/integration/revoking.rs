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

fn all_of(realms: &[Realm]) -> Revocations {
    Revocations {
        unknown: realms.to_vec(),
        ..Revocations::default()
    }
}

/// The end of the participants' revocations.
fn up_to(participant: i64) -> Revocations {
    Revocations {
        next: RevocationCursor {
            participant: Some(participant),
            ..RevocationCursor::default()
        },
        ..Revocations::default()
    }
}

/// The participant service does not answer.
fn unavailable() -> Revocations {
    Revocations {
        unavailable: vec![Realm::Participant],
        ..Revocations::default()
    }
}

#[tokio::test]
async fn all_sockets_of_a_user_end_when_the_credentials_are_revoked() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let (mut desk, mut phone, mut bob) = (sidecar.alice().await, sidecar.alice().await, sidecar.bob().await);
    messenger.void(ALICE);
    messenger.revoke(ALICE.realm, of(ALICE)).await;
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
    let authenticated = || messenger.authentications().iter().sum::<usize>();
    let mut expected = authenticated();
    for (realm, revocations, concerned) in [
        (ALICE.realm, of(ALICE), 1),
        (BOB.realm, of(BOB), 1),
        (
            Realm::Organizer,
            Revocations {
                agencies: vec![4],
                ..Revocations::default()
            },
            1,
        ),
        (
            Realm::Organizer,
            Revocations {
                agencies: vec![5],
                ..Revocations::default()
            },
            0,
        ),
        (Realm::Participant, all_of(&[Realm::Participant]), 1),
        // A messenger of the release before answers about both.
        (
            Realm::Organizer,
            all_of(&[Realm::Organizer, Realm::Participant]),
            1,
        ),
    ] {
        expected += concerned;
        messenger.revoke(realm, revocations).await;
        let asked_again = async {
            while authenticated() < expected {
                tokio::task::yield_now().await;
            }
        };
        crate::support::soon(asked_again).await;
    }
    // Another answer shows that the sidecar has handled the one before.
    messenger.revoke(Realm::Organizer, Revocations::default()).await;
    alice.say("here").await;
    for client in [&mut alice, &mut bob] {
        client.hears("here").await;
    }
    assert_eq!(authenticated(), expected, "nobody else was authenticated again");
}

#[tokio::test]
async fn a_connection_under_re_authentication_neither_receives_nor_sends() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let (mut alice, mut bob) = (sidecar.alice().await, sidecar.bob().await);
    messenger.void(ALICE);
    messenger.hang(ALICE.realm);
    let calls = messenger.calls();
    messenger.revoke(ALICE.realm, of(ALICE)).await;
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
    messenger.revoke(ALICE.realm, of(ALICE)).await;
    alice.is_dropped().await;
    sidecar.alice().await;
}

/// The revocation comes after the user was looked up and before the connection has joined.
#[tokio::test]
async fn a_sign_out_does_not_miss_a_connection_that_is_being_opened() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    // The sidecar watches for revocations while somebody is connected.
    let _bob = sidecar.bob().await;
    let mut alice = Client::connect(&sidecar).await;
    messenger.hold();
    let calls = messenger.calls();
    alice.authorize(ALICE).await;
    messenger.called(calls + 1).await;
    messenger.void(ALICE);
    messenger.revoke(ALICE.realm, of(ALICE)).await;
    // Another answer shows that the sidecar has handled the one before.
    messenger.revoke(ALICE.realm, Revocations::default()).await;
    messenger.resume();
    alice.is_dropped().await;
}

/// The same: frames that the client has sent before the first verdict wait for the second one.
#[tokio::test]
async fn early_frames_are_carried_out_only_if_the_credentials_are_still_valid() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut bob = sidecar.bob().await;
    for is_signed_out in [false, true] {
        let mut alice = Client::connect(&sidecar).await;
        messenger.hold();
        let calls = messenger.calls();
        alice.authorize(ALICE).await;
        messenger.called(calls + 1).await;
        alice.say("early").await;
        alice.has_been_read().await;
        if is_signed_out {
            messenger.void(ALICE);
        }
        messenger.revoke(ALICE.realm, of(ALICE)).await;
        // Another answer shows that the sidecar has handled the one before.
        messenger.revoke(ALICE.realm, Revocations::default()).await;
        messenger.resume();
        if is_signed_out {
            alice.is_dropped().await;
        } else {
            alice.hears("early").await;
            bob.hears("early").await;
        }
    }
    bob.say("late").await;
    bob.hears("late").await;
}

#[tokio::test]
async fn each_question_for_revocations_continues_at_the_last_cursor() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let _alice = sidecar.alice().await;
    for _ in 0..2 {
        messenger.revoke(Realm::Participant, up_to(9)).await;
    }
    let questions = messenger.questions(Realm::Participant);
    assert_eq!(json!(questions.first()), json!({"realm": "participant"}));
    assert_eq!(
        json!(questions.last()),
        json!({"realm": "participant", "participant": 9})
    );
}

/// Otherwise all participants who connect later would be authenticated again, and would wait if their service were down
/// just then.
#[tokio::test]
async fn a_sidecar_asks_a_service_that_did_not_answer_at_first_before_anybody_connects() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let first = Revocations {
        unknown: vec![Realm::Participant],
        ..up_to(9)
    };
    let answers = async {
        messenger.revoke(Realm::Participant, unavailable()).await;
        messenger.revoke(Realm::Participant, first).await;
    };
    let ((), sidecar) = tokio::join!(answers, Sidecar::start(&messenger, &redis));
    let question = json!({"realm": "participant"});
    assert_eq!(
        json!(messenger.questions(Realm::Participant)),
        json!([question, question])
    );
    drop(sidecar);
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_asked_again_from_the_same_cursor() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut bob = sidecar.bob().await;
    messenger.revoke(Realm::Participant, up_to(9)).await;
    for _ in 0..2 {
        messenger.revoke(Realm::Participant, unavailable()).await;
    }
    messenger.void(BOB);
    let sign_out = Revocations {
        users: vec![BOB],
        ..up_to(10)
    };
    messenger.revoke(Realm::Participant, sign_out).await;
    bob.is_dropped().await;
    let questions = messenger.questions(Realm::Participant);
    let from_there = questions
        .iter()
        .filter(|asked| asked.cursor.participant == Some(9));
    assert!(from_there.count() >= 3, "{questions:?}");
}

#[tokio::test]
async fn a_service_that_hangs_does_not_delay_the_revocations_of_the_other() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let (mut alice, mut bob) = (sidecar.alice().await, sidecar.bob().await);
    messenger.hold_revocations(Realm::Participant);
    let asked = messenger.questions(Realm::Participant).len();
    let is_asked = async {
        while messenger.questions(Realm::Participant).len() == asked {
            tokio::task::yield_now().await;
        }
    };
    crate::support::soon(is_asked).await;
    for user in [ALICE, BOB] {
        messenger.void(user);
    }
    messenger.revoke(ALICE.realm, of(ALICE)).await;
    alice.is_dropped().await;
    bob.say("still here").await;
    bob.hears("still here").await;
    messenger.recover();
    messenger.revoke(BOB.realm, of(BOB)).await;
    bob.is_dropped().await;
}
