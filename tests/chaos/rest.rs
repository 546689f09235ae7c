//! REST requests over links that may be cut, and the accounts of a run. What a service answers must be as its document
//! says, whatever breaks.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_documents::check_answer;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::system::Trouble;
use crate::accounts::{PASSWORD, Person, id_of, new_user};
use crate::secrecy;
use crate::settings::{SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD};

/// Time limit for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub(crate) struct Rest {
    pub(crate) address: SocketAddr,
    /// Gets the answers that are not as documented.
    pub(crate) trouble: Trouble,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// The `message` of an error body.
    pub(crate) fn message(&self) -> String {
        let message = self.json().ok().map(|body| body["message"].clone());
        message
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }
}

impl Rest {
    /// Sends a request on a new connection. After an error the request may or may not have been carried out.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Result<Answer> {
        secrecy::note_credentials(token);
        secrecy::note_query(path);
        if let Some(body) = body {
            secrecy::note_sent(body);
        }
        let (head, body) = send(self.address, method, path, token, body).await?.into_parts();
        if let Ok(answered) = serde_json::from_slice(&body) {
            secrecy::note_answered(&answered);
        }
        let status = head.status.as_u16();
        if let Err(violation) = check_answer(method, path, status, &head.headers, &body) {
            self.trouble
                .lock()
                .expect("no panic while locked")
                .push(violation);
        }
        Ok(Answer { status, body })
    }

    /// Signs somebody up who does nothing else, to find out whether the participant service can write.
    pub(crate) async fn try_to_sign_up(&self) -> Result<Answer> {
        let email = format!("{:016x}@example.org", fastrand::u64(..));
        let body = json!({"email": email, "password": PASSWORD, "confirmPassword": PASSWORD});
        self.send("POST", "/participant/auth/sign-up", "", Some(&body))
            .await
    }

    async fn expect(
        &self,
        status: u16,
        method: &str,
        path: &str,
        token: &str,
        body: &Value,
    ) -> Result<Value> {
        let answer = self.send(method, path, token, Some(body)).await?;
        ensure!(
            answer.status == status,
            "{method} {path}: {} {}",
            answer.status,
            answer.message()
        );
        answer.json()
    }
}

/// Sends a request on a new connection, to a host or to a database server.
pub(crate) async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: &str,
    body: Option<&Value>,
) -> Result<Response<Bytes>> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, address.to_string())
        .header(CONTENT_TYPE, "application/json");
    if !token.is_empty() {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Full::new(Bytes::from(body)))?;
    let exchange = async {
        let stream = TcpStream::connect(address).await?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        connection.abort();
        anyhow::Ok(Response::from_parts(head, body))
    };
    timeout(PATIENCE, exchange).await.context("no answer in time")?
}

/// An agency with events and organizers.
pub(crate) struct Agency {
    pub(crate) id: i64,
    pub(crate) events: Vec<i64>,
    pub(crate) organizers: Vec<Person>,
}

/// Registers and approves an agency, and adds events and organizers.
pub(crate) async fn found_agency(
    rest: &Rest,
    name: &str,
    events: usize,
    organizers: usize,
) -> Result<Agency> {
    let email = |who: &str| format!("{who}@{name}.example.org");
    let registration = json!({
        "agency": {"name": name, "address": "Rynek 1, Kraków", "website": "https://example.org"},
        "owner": new_user(&email("owner")),
    });
    let agency = rest
        .expect(201, "POST", "/organizer/agency", "", &registration)
        .await?;
    let id = id_of(&agency)?;
    let superadmin = sign_in(rest, SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD).await?;
    let verify = format!("/organizer/admin/agencies/{id}/verify");
    rest.expect(
        200,
        "PATCH",
        &verify,
        &superadmin.token,
        &json!({"approved": true}),
    )
    .await?;
    let owner = sign_in(rest, &email("owner"), PASSWORD).await?;
    let mut agency = Agency {
        id,
        events: Vec::new(),
        organizers: Vec::new(),
    };
    for number in 1..=events {
        let event = json!({
            "name": format!("{name} {number}"), "description": "Loud", "address": "Błonia, Kraków",
            "lat": 50.06, "lng": 19.91,
            "timeStart": "2026-07-03T18:00", "timeEnd": "2026-07-03T23:00",
        });
        let event = rest
            .expect(201, "POST", "/organizer/agency/events", &owner.token, &event)
            .await?;
        agency.events.push(id_of(&event)?);
    }
    for number in 1..=organizers {
        let email = email(&format!("support{number}"));
        let mut support = new_user(&email);
        support["role"] = 4.into();
        rest.expect(201, "POST", "/organizer/agency/users", &owner.token, &support)
            .await?;
        agency.organizers.push(sign_in(rest, &email, PASSWORD).await?);
    }
    Ok(agency)
}

/// Signs a participant up.
pub(crate) async fn sign_up(rest: &Rest, email: &str) -> Result<Person> {
    let body = json!({"email": email, "password": PASSWORD, "confirmPassword": PASSWORD});
    let signed_up = rest
        .expect(201, "POST", "/participant/auth/sign-up", "", &body)
        .await?;
    Person::of_answer(&signed_up)
}

async fn sign_in(rest: &Rest, email: &str, password: &str) -> Result<Person> {
    let body = json!({"email": email, "password": password});
    let signed_in = rest
        .expect(200, "POST", "/organizer/auth/sign-in", "", &body)
        .await?;
    Person::of_answer(&signed_in)
}
