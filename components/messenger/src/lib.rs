//! The messenger service: the queue of requests for help, the chats and their archives.
//!
//! Contract 5. Sockets live in the sidecars, which hand their frames over in batches (`commands`); the archives are REST
//! (`archive`); presses come from the participant service (`queue`). A request is a chat that waits, so every claim is one
//! statement, and all state is in SQLite, so any number of hosts and sidecars can serve the same chat.

mod access;
mod archive;
mod catch_up;
mod commands;
mod error;
mod frames;
mod ids;
mod news;
mod outbox;
mod queue;
mod sockets;
mod store;

mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "messenger" });
}

use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use service::door::{self, Answer, Request};
use spin_sdk::http::{IncomingRequest, Response};

use crate::error::Error;

/// Where the service is mounted in `spin.toml`.
const MOUNT: &str = "messenger";

/// Clients send no bodies here; batches made by our own services have their own bounds.
const BODY_LIMIT: usize = 64 * 1024;
const SERVICE_BODY_LIMIT: usize = 16 * 1024 * 1024;

#[expect(unsafe_code, reason = "the SDK generates the function that the host calls")]
mod entry {
    use super::{IncomingRequest, Response};

    #[spin_sdk::http_component]
    async fn entry(incoming: IncomingRequest) -> Response {
        super::handle(incoming).await
    }
}

async fn handle(incoming: IncomingRequest) -> Response {
    let answer = door::serve(incoming, MOUNT, body_limit, route, Error::into_answer).await;
    // Contract 2.9.
    answer
        .with("access-control-allow-origin", "*")
        .with("access-control-allow-methods", "GET, OPTIONS")
        .with("access-control-allow-headers", "Content-Type,Authorization")
        .with("access-control-expose-headers", "Retry-After")
        .into_response()
}

fn body_limit(path: &[String]) -> usize {
    if path.first().is_some_and(|first| first == "internal") {
        SERVICE_BODY_LIMIT
    } else {
        BODY_LIMIT
    }
}

/// Every route of the service (contract 5.1), and below the line what only our own services may call.
fn route(request: &Request) -> Result<Answer, Error> {
    let (method, handler): (&'static str, Handler) = match request.segments().as_slice() {
        ["agency", "chats"] => ("GET", archive::list_agency_chats),
        ["agency", "chats", _, "messages"] => ("GET", archive::list_agency_messages),
        ["participant", "chats"] => ("GET", archive::list_participant_chats),
        ["participant", "chats", _, "messages"] => ("GET", archive::list_participant_messages),

        ["internal", "authenticate"] => ("POST", sockets::authenticate),
        ["internal", "revocations"] => ("POST", sockets::list_revocations),
        ["internal", "commands"] => ("POST", sockets::carry_out),
        ["internal", "beat"] => ("POST", news::beat),
        ["internal", "missed"] => ("POST", catch_up::list_missed),
        ["internal", "requests"] => ("POST", queue::enqueue),
        ["internal", "standings"] => ("GET", queue::standings),
        ["internal", "cancellations"] => ("POST", queue::cancel),
        ["internal", "contacts"] => ("POST", queue::update_contacts),
        ["internal", "tick"] => ("POST", outbox::tick),
        ["internal", "ready"] => ("GET", sockets::ready),
        _ => return Err(Error::UnknownRoute),
    };
    if request.method == Method::OPTIONS {
        Ok(Answer::empty(StatusCode::OK))
    } else if request.method == method {
        handler(request)
    } else {
        Err(Error::WrongMethod { allow: method })
    }
}

type Handler = fn(&Request) -> Result<Answer, Error>;

/// What one of our own services sends.
fn body<Body: DeserializeOwned>(request: &Request) -> Result<Body, Error> {
    serde_json::from_slice(&request.body).map_err(|error| Error::BadRequest(error.to_string()))
}

/// JSON as this service writes it (contract 0).
fn json(status: StatusCode, body: &impl serde::Serialize) -> Answer {
    Answer::json(status, "application/json", body)
}
