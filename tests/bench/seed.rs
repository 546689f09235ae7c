//! An agency at work, made through the API of the server that is measured.

use anyhow::{Context, Result};
use http::StatusCode;
use serde_json::{Value, json};

use crate::load::{Call, Connection};
use crate::server::{SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD, Server};

pub(crate) const OWNER_EMAIL: &str = "owner@example.org";
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Somebody who is signed in.
pub(crate) struct Person {
    pub(crate) id: i64,
    pub(crate) token: String,
}

/// An approved agency with its owner, somebody at its desk, and the superadmin who approved it.
pub(crate) struct Agency {
    pub(crate) id: i64,
    pub(crate) owner: Person,
    pub(crate) support: Person,
    pub(crate) superadmin: Person,
}

/// Founds an agency.
pub(crate) async fn agency(server: &Server) -> Result<Agency> {
    let mut connection = Connection::open(server.address).await?;
    let registration = json!({
        "agency": {"name": "Fest", "address": "Rynek 1, Kraków", "website": "https://example.org"},
        "owner": new_user(OWNER_EMAIL),
    });
    let call = Call::post("/organizer/agency", "", &registration).anonymous();
    let agency = ask(&mut connection, &call).await?;
    let id = id(&agency)?;
    let superadmin = sign_in(&mut connection, SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD).await?;
    let path = format!("/organizer/admin/agencies/{id}/verify");
    let verify = Call::patch(&path, &superadmin.token, &json!({"approved": true}));
    connection.send(&verify).await?;

    let owner = sign_in(&mut connection, OWNER_EMAIL, PASSWORD).await?;
    let support_email = "support@example.org";
    let mut support = new_user(support_email);
    support["role"] = 4.into();
    let add = Call::post("/organizer/agency/users", &owner.token, &support);
    connection.send(&add).await?;
    Ok(Agency {
        id,
        owner,
        support: sign_in(&mut connection, support_email, PASSWORD).await?,
        superadmin,
    })
}

/// Gives an agency events, and tells the id of the last.
pub(crate) async fn events(server: &Server, agency: &Agency, count: usize) -> Result<i64> {
    let mut connection = Connection::open(server.address).await?;
    let mut last = 0;
    for number in 1..=count {
        let event = json!({
            "name": format!("Night {number}"), "description": "Loud, and then louder", "address": "Błonia, Kraków",
            "lat": 50.06, "lng": 19.91, "timeStart": "2026-07-03T18:00", "timeEnd": "2026-07-03T23:00",
        });
        let call = Call::post("/organizer/agency/events", &agency.owner.token, &event);
        last = id(&ask(&mut connection, &call).await?)?;
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
    let signed_in = ask(connection, &sign_in_call(email, password)).await?;
    let token = signed_in["token"].as_str().context("no token")?;
    Ok(Person {
        id: id(&signed_in["user"])?,
        token: token.to_owned(),
    })
}

async fn ask(connection: &mut Connection, call: &Call) -> Result<Value> {
    Ok(serde_json::from_slice(&connection.send(call).await?)?)
}

fn id(entity: &Value) -> Result<i64> {
    entity["id"]
        .as_i64()
        .with_context(|| format!("no id in {entity}"))
}

/// The fields of NewOwner (contract 3.3).
fn new_user(email: &str) -> Value {
    json!({
        "email": email, "password": PASSWORD, "confirmPassword": PASSWORD,
        "firstName": "Anna", "lastName": "Nowak", "phoneNumber": "+48123456789",
    })
}
