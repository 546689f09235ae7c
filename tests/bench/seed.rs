//! Creates agencies, events and accounts over the API of the server that is measured.

use std::net::SocketAddr;

use anyhow::Result;
use http::StatusCode;
pub(crate) use mayday_tests::accounts::{PASSWORD, Person};
use mayday_tests::accounts::{id_of, new_user};
use mayday_tests::settings::{SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::load::{Call, Connection};
use crate::server::Server;

pub(crate) const OWNER_EMAIL: &str = "owner@example.org";

/// An approved agency with its owner, a support user, and the superadmin.
pub(crate) struct Agency {
    pub(crate) id: i64,
    pub(crate) owner: Person,
    pub(crate) support: Person,
    pub(crate) superadmin: Person,
}

/// Founds an agency.
pub(crate) async fn agency(server: &Server) -> Result<Agency> {
    agency_at(server.address, SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD).await
}

/// The same with another superadmin.
pub(crate) async fn agency_at(
    address: SocketAddr,
    superadmin_email: &str,
    superadmin_password: &str,
) -> Result<Agency> {
    let mut connection = Connection::open(address).await?;
    let registration = json!({
        "agency": {"name": "Fest", "address": "Rynek 1, Kraków", "website": "https://example.org"},
        "owner": new_user(OWNER_EMAIL),
    });
    let call = Call::post("/organizer/agency", "", &registration).anonymous();
    let agency = ask(&mut connection, &call).await?;
    let id = id_of(&agency)?;
    let superadmin = sign_in(&mut connection, superadmin_email, superadmin_password).await?;
    let path = format!("/organizer/admin/agencies/{id}/verify");
    let verify = Call::patch(&path, &superadmin.token, &json!({"approved": true}));
    connection.send(&verify).await?;

    let owner = sign_in(&mut connection, OWNER_EMAIL, PASSWORD).await?;
    let support = hire(&mut connection, &owner, "support@example.org").await?;
    Ok(Agency {
        id,
        owner,
        support,
        superadmin,
    })
}

/// More support users for an agency.
pub(crate) async fn support(address: SocketAddr, agency: &Agency, count: usize) -> Result<Vec<Person>> {
    let mut connection = Connection::open(address).await?;
    let mut people = Vec::new();
    for number in 0..count {
        people.push(
            hire(
                &mut connection,
                &agency.owner,
                &format!("support{number}@example.org"),
            )
            .await?,
        );
    }
    Ok(people)
}

async fn hire(connection: &mut Connection, owner: &Person, email: &str) -> Result<Person> {
    let mut support = new_user(email);
    support["role"] = 4.into();
    let add = Call::post("/organizer/agency/users", &owner.token, &support);
    connection.send(&add).await?;
    sign_in(connection, email, PASSWORD).await
}

/// Signs participants up, whose e-mails begin with `name`.
pub(crate) async fn participants(address: SocketAddr, name: &str, count: usize) -> Result<Vec<Person>> {
    const CONNECTIONS: usize = 8;
    let mut signing_up = JoinSet::new();
    for first in 0..CONNECTIONS {
        let name = name.to_owned();
        signing_up.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut people = Vec::new();
            for number in (first..count).step_by(CONNECTIONS) {
                let signed_up = ask(
                    &mut connection,
                    &sign_up_call(&format!("{name}{number}@example.org")),
                )
                .await?;
                people.push(Person::of_answer(&signed_up)?);
            }
            anyhow::Ok(people)
        });
    }
    let mut people = Vec::with_capacity(count);
    while let Some(signed_up) = signing_up.join_next().await {
        people.append(&mut signed_up??);
    }
    Ok(people)
}

/// `POST /auth/sign-up` (contract 2.3).
pub(crate) fn sign_up_call(email: &str) -> Call {
    let body = json!({"email": email, "password": "tiny horse!", "confirmPassword": "tiny horse!"});
    Call::post("/participant/auth/sign-up", "", &body).anonymous()
}

/// `POST /chat-requests` (contract 4).
pub(crate) fn press_call(participant: &Person, event_id: i64) -> Call {
    let body = json!({"eventId": event_id, "description": "Lost my friend", "lat": 50.06, "lng": 19.94});
    Call::post("/participant/chat-requests", &participant.token, &body).expecting(StatusCode::OK)
}

/// Creates events, and returns the id of the last one.
pub(crate) async fn events(address: SocketAddr, agency: &Agency, count: usize) -> Result<i64> {
    let mut connection = Connection::open(address).await?;
    let mut last = 0;
    for number in 1..=count {
        let event = json!({
            "name": format!("Night {number}"), "description": "Loud, and then louder", "address": "Błonia, Kraków",
            "lat": 50.06, "lng": 19.91, "timeStart": "2026-07-03T18:00", "timeEnd": "2026-07-03T23:00",
        });
        let call = Call::post("/organizer/agency/events", &agency.owner.token, &event);
        last = id_of(&ask(&mut connection, &call).await?)?;
    }
    Ok(last)
}

/// `POST /auth/sign-in` (contract 2.3).
pub(crate) fn sign_in_call(email: &str, password: &str) -> Call {
    let body = json!({"email": email, "password": password});
    Call::post("/organizer/auth/sign-in", "", &body)
        .anonymous()
        .expecting(StatusCode::OK)
}

async fn sign_in(connection: &mut Connection, email: &str, password: &str) -> Result<Person> {
    Person::of_answer(&ask(connection, &sign_in_call(email, password)).await?)
}

async fn ask(connection: &mut Connection, call: &Call) -> Result<Value> {
    Ok(serde_json::from_slice(&connection.send(call).await?)?)
}
