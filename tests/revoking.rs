//! Sockets end when their users lose the right to them: with real processes, on every sidecar.

use serde_json::json;

use crate::organizer::complete;
use crate::organizer::second_factor::{turn_off, turn_on_with};
use crate::support::people::{self, ORGANIZER_PASSWORD, PARTICIPANT_PASSWORD, Person, sign_in};
use crate::support::socket::Socket;
use crate::support::system::System;

/// Opens sockets of one person at both sidecars, and checks that they work.
async fn sockets(system: &System, name: &'static str, person: &Person) -> [Socket; 2] {
    let mut sockets = [
        Socket::open(name, system.sidecar(0), person).await,
        Socket::open(name, system.sidecar(1), person).await,
    ];
    for socket in &mut sockets {
        socket.expect_nothing_yet().await;
    }
    sockets
}

async fn have_ended(sockets: [Socket; 2]) {
    for mut socket in sockets {
        assert_eq!(socket.next().await, None);
    }
}

#[tokio::test]
async fn a_participants_sockets_end_with_the_session_or_the_account() {
    let system = System::start(2).await;
    let person = people::sign_up(&system.door, "p@example.org").await;
    let other = people::sign_up(&system.door, "q@example.org").await;
    let mut others = sockets(&system, "other", &other).await;

    let open = sockets(&system, "participant", &person).await;
    person
        .post("/participant/auth/sign-out", &json!({}))
        .await
        .empty(200);
    have_ended(open).await;

    let new_password = "giant horse!";
    let person = people::sign_in_participant(&system.door, &person.email, PARTICIPANT_PASSWORD).await;
    let open = sockets(&system, "participant", &person).await;
    let body = json!({"oldPassword": PARTICIPANT_PASSWORD, "newPassword": new_password, "confirmNewPassword": new_password});
    person
        .patch("/participant/profile/change-password", &body)
        .await
        .json(200);
    have_ended(open).await;

    let person = people::sign_in_participant(&system.door, &person.email, new_password).await;
    let open = sockets(&system, "participant", &person).await;
    let body = json!({"password": new_password}).to_string();
    let deleted = system
        .door
        .send_raw("DELETE", "/participant/profile", Some(&person.token), body)
        .await;
    deleted.json(200);
    have_ended(open).await;

    for socket in &mut others {
        socket.expect_nothing_yet().await;
    }
}

#[tokio::test]
async fn an_organizers_sockets_end_with_the_session_the_role_the_account_or_the_approval() {
    let system = System::start(2).await;
    let agency = system.agency("Fest").await;
    let superadmin = system.superadmin().await;
    let mut owners = sockets(&system, "owner", &agency.owner).await;
    let support = format!("/organizer/agency/users/{}", agency.support.id);

    let open = sockets(&system, "support", &agency.support).await;
    agency
        .support
        .post("/organizer/auth/sign-out", &json!({}))
        .await
        .empty(200);
    have_ended(open).await;

    let person = sign_in(&system.door, &agency.support.email, ORGANIZER_PASSWORD).await;
    let open = sockets(&system, "support", &person).await;
    agency.owner.patch(&support, &json!({"role": 3})).await.json(200);
    have_ended(open).await;
    // A user with another role may connect again.
    let mut open = sockets(&system, "manager", &person).await;
    agency
        .owner
        .patch(&support, &json!({"firstName": "Ewa"}))
        .await
        .json(200);
    for socket in open.iter_mut().chain(&mut owners) {
        socket.expect_nothing_yet().await;
    }
    agency.owner.delete(&support).await.json(200);
    have_ended(open).await;

    let verify = format!("/organizer/admin/agencies/{}/verify", agency.id);
    superadmin
        .patch(&verify, &json!({"approved": false}))
        .await
        .json(200);
    have_ended(owners).await;
    superadmin
        .patch(&verify, &json!({"approved": true}))
        .await
        .json(200);
    let owners = sockets(&system, "owner", &agency.owner).await;
    agency.owner.delete("/organizer/agency").await.json(200);
    have_ended(owners).await;
}

/// Where accounts have to be complete.
#[tokio::test]
async fn an_incomplete_account_holds_no_socket_until_it_is_complete_and_none_afterwards() {
    let system = System::start_with(2, &["require_complete_accounts=true"]).await;
    let superadmin = complete::superadmin(&system.superadmin().await, system.superadmin_password()).await;
    let owner = complete::owner(&system.door, &superadmin, "Fest").await;
    for sidecar in 0..2 {
        let mut socket = Socket::open("incomplete", system.sidecar(sidecar), &owner).await;
        assert_eq!(socket.next().await, None);
    }
    let factor = turn_on_with(&owner, ORGANIZER_PASSWORD).await;
    let open = sockets(&system, "complete", &owner).await;
    turn_off(&owner, ORGANIZER_PASSWORD, &factor.recovery_codes[0])
        .await
        .json(200);
    have_ended(open).await;
}

/// While a service is down no socket ends. Revocations take effect when it is back.
#[tokio::test]
async fn a_host_that_comes_back_ends_sockets_of_signed_out_users() {
    let mut system = System::start(2).await;
    let staying = people::sign_up(&system.door, "q@example.org").await;
    let leaving = people::sign_up(&system.door, "p@example.org").await;
    let mut stay = sockets(&system, "staying", &staying).await;
    let leave = sockets(&system, "leaving", &leaving).await;
    let database = rusqlite::Connection::open(system.database("participant")).expect("a database");
    system.kill_and_wait(system.first_host()).await;
    database
        .execute(
            "UPDATE participants SET time_sign_out = time_sign_out + 1000000 WHERE id = ?1",
            [leaving.id],
        )
        .expect("a sign-out");
    have_ended(leave).await;
    for socket in &mut stay {
        socket.expect_nothing_yet().await;
    }
}
