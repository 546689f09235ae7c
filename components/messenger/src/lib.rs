//! The messenger service: the queue of requests for help, the chats and their archives.
//!
//! Contract 5. Sockets live in the sidecars, which bring the frames of clients and read the log of updates
//! (`exchange`). The archives are REST (`archive`). Presses come from the participant service (`requests`). A request
//! is a chat that waits, so taking one is a single statement. All state is in SQLite, so any number of hosts and
//! sidecars can serve the same chat.

mod access;
mod answer;
mod archive;
mod authentication;
mod body;
mod canary;
mod colleagues;
mod commands;
mod description;
mod error;
mod exchange;
mod frames;
/// Not part of a release build. `cargo fuzz` compiles with `fuzzing`.
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gone_agencies;
mod ids;
mod lock_releases;
mod notes;
mod query;
mod requests;
mod retention;
mod search;
mod statistics;
mod status;
mod store;
mod stored;
mod tick;

mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "messenger" });
}

use service::door::{self, Answer, Readers, Request};
use service::log;
use spin_sdk::http::{IncomingRequest, ResponseOutparam};

use crate::bindings::mayday::platform::trace;
use crate::error::Error;

/// Where the service is mounted in `spin.toml`.
const MOUNT: &str = "messenger";

/// The service for client authors, in OpenAPI.
const DOCUMENT: &str = include_str!("../openapi.json");

/// Clients send only searches; batches from our own services have their own bounds.
const BODY_LIMIT: usize = 64 * 1024;
const SERVICE_BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Contract 2.9. The answer to a preflight adds what its path has beyond them.
const CORS_METHODS: &str = "GET, OPTIONS";

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
        Some(store::open),
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
    /// Every route of the service (contract 5.1 and docs/organizer-api.md), and below the line those for our own
    /// services.
    fn routed(request: &Request) -> Result<Answer, Error> {
        "GET" ["openapi.json"] => Ok(Answer::document(DOCUMENT)),

        "GET" ["agency", "chats"] => archive::list_agency_chats(request),
        "POST" ["agency", "chats", "search"] => archive::search_agency_chats(request),
        "GET" ["agency", "chats", id] => archive::show_agency_chat(request, id),
        "GET" ["agency", "chats", id, "messages"] => archive::list_agency_messages(request, id),
        "GET" ["agency", "organizers"] => colleagues::list_colleagues(request),
        "GET" ["participant", "chats"] => archive::list_participant_chats(request),
        "GET" ["participant", "chats", id, "messages"] => archive::list_participant_messages(request, id),
        "GET" ["statistics"] => statistics::show_statistics(request),
        "GET" ["canary"] => canary::show(request),

        "POST" ["internal", "authenticate"] => authentication::authenticate(request),
        "POST" ["internal", "revocations"] => authentication::list_revocations(request),
        "POST" ["internal", "exchange"] => exchange::exchange(request),
        "POST" ["internal", "requests"] => requests::enqueue(request),
        "GET" ["internal", "standings"] => requests::list_standings(request),
        "POST" ["internal", "cancellations"] => requests::cancel(request),
        "POST" ["internal", "amendments"] => requests::amend(request),
        "POST" ["internal", "hand-overs"] => requests::hand_over(request),
        "POST" ["internal", "contacts"] => requests::update_contacts(request),
        "POST" ["internal", "stored"] => stored::show_stored(request),
        "POST" ["internal", "tick"] => tick::tick(request),
        "GET" ["internal", "ready"] => status::ready(request),
        "GET" ["internal", "status"] => status::status(request),
        "GET" ["internal", "undelivered"] => status::count_undelivered(request),
        "POST" ["internal", "canary"] => canary::record(request),
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
