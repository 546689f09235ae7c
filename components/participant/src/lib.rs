//! The participant service: sign-up, event search, and the press for help with its one-open-request lock.
//!
//! Contract 4. Routes are below; events come from the organizer service (`directory`), requests go to the messenger
//! (`desk`), and every question to the database is a function in `store`.

mod access;
mod answer;
mod body;
mod canary;
mod contacts;
mod error;
mod events;
mod export;
/// Not part of a release build. `cargo fuzz` compiles with `fuzzing`.
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod hand_overs;
mod help;
mod outbox;
mod profile;
mod retention;
mod services;
mod session;
mod store;
mod tokens;

mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "participant" });
}

use service::door::{self, Answer, Readers, Request};
use service::log;
use spin_sdk::http::{IncomingRequest, ResponseOutparam};

use crate::bindings::mayday::platform::trace;
use crate::error::Error;

/// Where the service is mounted in `spin.toml`.
const MOUNT: &str = "participant";

/// The service for client authors, in OpenAPI.
const DOCUMENT: &str = include_str!("../openapi.json");

/// No body a client sends comes near it; lists made by our own services have their own bounds.
const BODY_LIMIT: usize = 64 * 1024;
const SERVICE_BODY_LIMIT: usize = 4 * 1024 * 1024;

/// Contract 2.9.
const CORS_METHODS: &str = "GET, PATCH, POST, OPTIONS";

#[expect(unsafe_code, reason = "the SDK generates the function that the host calls")]
mod entry {
    use super::{IncomingRequest, ResponseOutparam};

    #[spin_sdk::http_component]
    async fn entry(incoming: IncomingRequest, out: ResponseOutparam) {
        super::handle(incoming).await.send(out).await;
    }
}

async fn handle(incoming: IncomingRequest) -> Answer {
    let readers = Readers::of(&incoming);
    let answer = door::serve(
        incoming,
        MOUNT,
        body_limit,
        route,
        Error::into_answer,
        Some(|| Ok(store::open()?)),
    )
    .await;
    // Contract 2.9.
    answer
        .for_api()
        .for_readers(readers)
        .with_default("access-control-allow-methods", CORS_METHODS)
        .with("access-control-allow-headers", "Content-Type,Authorization")
        .with("access-control-expose-headers", "Retry-After,Link")
}

fn body_limit(path: &[String]) -> usize {
    if path.first().is_some_and(|first| first == "internal") {
        SERVICE_BODY_LIMIT
    } else {
        BODY_LIMIT
    }
}

service::routes! {
    /// Every route of the service (contract 4). Below `internal` is what our own services call; they alone may also
    /// list users and release a lock of `chat-requests`.
    fn routed(request: &Request) -> Result<Answer, Error> {
        "GET" ["openapi.json"] => Ok(Answer::document(DOCUMENT)),

        "POST" ["auth", "guest"] => session::make_guest(request),
        "POST" ["auth", "sign-up"] => session::sign_up(request),
        "POST" ["auth", "sign-in"] => session::sign_in(request),
        "POST" ["auth", "sign-out"] => session::sign_out(request),
        "GET" ["profile"] => profile::show_profile(request),
        "PATCH" ["profile"] => profile::edit_profile(request),
        "DELETE" ["profile"] => profile::delete_profile(request),
        "GET" ["profile", "export"] => export::export(request),
        "PATCH" ["profile", "change-password"] => profile::change_password(request),
        "GET" ["users"] => services::list_users(request),

        "GET" ["events"] => events::list_events(request),
        "GET" ["events", id] => events::show_event(request, id),

        "GET" ["chat-requests"] => help::has_pressed(request),
        "POST" ["chat-requests"] => help::press(request),
        "GET" ["chat-requests", "mine"] => help::list_mine(request),
        "PATCH" ["chat-requests", "mine", event_id] => help::amend(request, event_id),
        "DELETE" ["chat-requests", "mine", event_id] => help::cancel(request, event_id),
        "DELETE" ["chat-requests"] => services::release_lock(request),

        "POST" ["internal", "principals"] => services::judge_tokens(request),
        "GET" ["internal", "revocations"] => services::list_revocations(request),
        "POST" ["internal", "releases"] => services::release_locks(request),
        "GET" ["internal", "undelivered"] => services::count_undelivered(request),
        "POST" ["internal", "tick"] => services::tick(request),
        "POST" ["internal", "canary"] => canary::set_up_participant(request),
    }
}

fn route(request: &Request) -> Result<Answer, Error> {
    if let Some(trace) = log::trace() {
        // The dependency that calls other services has a log of its own.
        trace::begin(MOUNT, &trace.to_string());
    }
    routed(request).unwrap_or_else(|methods| Ok(door::unrouted(request, &methods, CORS_METHODS)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_documented_and_nothing_else() {
        api_documents::compare_routes(MOUNT, ROUTES).unwrap();
    }
}
