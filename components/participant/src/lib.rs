//! The participant service: sign-up, event search, and the press for help with its one-open-request lock.
//!
//! Contract 4. Routes are below; events come from the organizer service (`directory`), requests go to the messenger
//! (`desk`), and every question to the database is a function in `store`.

mod access;
mod body;
mod contacts;
mod error;
mod events;
mod help;
mod outbox;
mod profile;
mod services;
mod session;
mod store;
mod tokens;

mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "participant" });
}

use http::{Method, StatusCode};
use service::door::{self, Answer, Request};
use spin_sdk::http::{IncomingRequest, Response};

use crate::error::Error;

/// Where the service is mounted in `spin.toml`.
const MOUNT: &str = "participant";

/// No body a client sends comes near it; lists made by our own services have their own bounds.
const BODY_LIMIT: usize = 64 * 1024;
const SERVICE_BODY_LIMIT: usize = 4 * 1024 * 1024;

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
        .with_default("access-control-allow-methods", "GET, PATCH, POST, OPTIONS")
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

/// Every route of the service (contract 4), and below the line what only our own services may call, who may also release a lock.
fn route(request: &Request) -> Result<Answer, Error> {
    let handler: Handler = match request.segments().as_slice() {
        // The contract's list lacks DELETE, which nobody needed in a browser before.
        ["chat-requests", "mine", ..] if request.method == Method::OPTIONS => {
            return Ok(
                Answer::empty(StatusCode::OK).with("access-control-allow-methods", "GET, DELETE, OPTIONS")
            );
        }
        ["auth", "sign-up"] => pick(request, &[("POST", session::sign_up)])?,
        ["auth", "sign-in"] => pick(request, &[("POST", session::sign_in)])?,
        ["auth", "sign-out"] => pick(request, &[("POST", session::sign_out)])?,
        ["profile"] => pick(
            request,
            &[
                ("GET", profile::show_profile),
                ("PATCH", profile::edit_profile),
                ("DELETE", profile::delete_profile),
            ],
        )?,
        ["profile", "change-password"] => pick(request, &[("PATCH", profile::change_password)])?,
        ["events"] => pick(request, &[("GET", events::list_events)])?,
        ["events", _] => pick(request, &[("GET", events::show_event)])?,
        ["chat-requests"] => pick(
            request,
            &[
                ("GET", help::has_pressed),
                ("POST", help::press),
                ("DELETE", services::release_lock),
            ],
        )?,
        ["chat-requests", "mine"] => pick(request, &[("GET", help::list_mine)])?,
        ["chat-requests", "mine", _] => pick(request, &[("DELETE", help::cancel)])?,

        ["users"] => pick(request, &[("GET", services::list_users)])?,
        ["internal", "principals"] => pick(request, &[("POST", services::judge_tokens)])?,
        ["internal", "revocations"] => pick(request, &[("GET", services::list_revocations)])?,
        ["internal", "releases"] => pick(request, &[("POST", services::release_locks)])?,
        ["internal", "tick"] => pick(request, &[("POST", services::tick)])?,
        _ => return Err(Error::UnknownRoute),
    };
    handler(request)
}

type Handler = fn(&Request) -> Result<Answer, Error>;

/// The handler for the request's method. A browser's preflight is answered on every known path.
fn pick(request: &Request, methods: &[(&'static str, Handler)]) -> Result<Handler, Error> {
    if request.method == Method::OPTIONS {
        return Ok(|_| Ok(Answer::empty(StatusCode::OK)));
    }
    let found = methods
        .iter()
        .find(|(method, _)| *method == request.method.as_str());
    found
        .map(|(_, handler)| *handler)
        .ok_or_else(|| Error::WrongMethod {
            allow: methods
                .iter()
                .map(|(method, _)| *method)
                .collect::<Vec<_>>()
                .join(", "),
        })
}

/// JSON as this service writes it (contract 0).
fn json(status: StatusCode, body: &impl serde::Serialize) -> Answer {
    Answer::json(status, "application/json", body)
}
