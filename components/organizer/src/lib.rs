//! The organizer service: agencies, their users and events, administration, and the record of every change.
//!
//! Contract 1 to 3. Routes are below, who may call them is decided in `access`, what a body may hold in `form`, and
//! every question to the database is a function in `store`.

mod access;
mod admin;
mod agency;
mod changelogs;
mod error;
mod events;
mod form;
mod services;
mod session;
mod store;
mod tokens;
mod users;

use http::StatusCode;
use service::door::{self, Answer, Request};
use spin_sdk::http::{IncomingRequest, Response};

use crate::error::Error;

/// Where the service is mounted in `spin.toml`.
const MOUNT: &str = "organizer";

/// Contract 3.2. Service routes carry lists made by our own services, which have their own bounds.
const BODY_LIMIT: usize = 100 * 1024;
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
        .with("access-control-allow-credentials", "true")
        .into_response()
}

fn body_limit(path: &[String]) -> usize {
    if path.first().is_some_and(|first| first == "api") {
        SERVICE_BODY_LIMIT
    } else {
        BODY_LIMIT
    }
}

/// Every route of the service (contract 3.4).
fn route(request: &Request) -> Result<Answer, Error> {
    let method = request.method.as_str();
    match (method, request.segments().as_slice()) {
        ("OPTIONS", _) => Ok(preflight(request)),

        ("POST", ["auth", "sign-in"]) => session::sign_in(request),
        ("GET", ["profile"]) => session::show_profile(request),

        ("POST", ["agency"]) => agency::register_agency(request),
        ("GET", ["agency"]) => agency::show_agency(request),

        ("GET", ["agency", "users"]) => users::list_users(request),
        ("GET", ["agency", "users", id]) => users::show_user(request, id),
        ("POST", ["agency", "users"]) => users::create_user(request),

        ("GET", ["agency", "events"]) => events::list_events(request),
        ("GET", ["agency", "events", id]) => events::show_event(request, id),
        ("POST", ["agency", "events"]) => events::create_event(request),

        ("GET", ["agency", "changelogs"]) => changelogs::list_changelogs(request),
        ("GET", ["admin", "changelogs"]) => changelogs::list_admin_changelogs(request),

        ("GET", ["admin", "agencies"]) => admin::list_agencies(request),
        ("GET", ["admin", "agencies", id]) => admin::show_agency(request, id),
        ("PATCH", ["admin", "agencies", id, "verify"]) => admin::verify_agency(request, id),

        ("GET", ["api", "events"]) => services::find_events(request),
        ("GET", ["api", "events", id]) => services::show_event(request, id),
        ("POST", ["api", "principals"]) => services::judge_tokens(request),

        _ => Err(Error::UnknownRoute {
            method: method.to_owned(),
            path: format!("/{}", request.path.join("/")),
        }),
    }
}

/// Contract 2.9: 204, and whatever headers the browser asks for.
fn preflight(request: &Request) -> Answer {
    let answer = Answer::empty(StatusCode::NO_CONTENT)
        .with("access-control-allow-methods", "GET,HEAD,PUT,PATCH,POST,DELETE");
    match request.header("access-control-request-headers") {
        Some(headers) => answer
            .with("access-control-allow-headers", headers)
            .with("vary", "Access-Control-Request-Headers"),
        None => answer,
    }
}

/// JSON as this service writes it (contract 0).
fn json(status: StatusCode, body: &impl serde::Serialize) -> Answer {
    Answer::json(status, "application/json; charset=utf-8", body)
}
