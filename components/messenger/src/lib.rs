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
mod commands;
mod description;
mod error;
mod exchange;
mod frames;
mod ids;
mod lock_releases;
mod notes;
mod query;
mod requests;
mod search;
mod statistics;
mod status;
mod store;
mod tick;

mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "messenger" });
}

use service::door::{self, Answer, Request};
use spin_sdk::http::{IncomingRequest, Response};

use crate::error::Error;

/// Where the service is mounted in `spin.toml`.
const MOUNT: &str = "messenger";

/// Clients send no bodies here; batches from our own services have their own bounds.
const BODY_LIMIT: usize = 64 * 1024;
const SERVICE_BODY_LIMIT: usize = 16 * 1024 * 1024;

/// Contract 2.9.
const CORS_METHODS: &str = "GET, OPTIONS";

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
        .for_api()
        .with("access-control-allow-origin", "*")
        .with_default("access-control-allow-methods", CORS_METHODS)
        .with("access-control-allow-headers", "Content-Type,Authorization")
        .with("access-control-expose-headers", "Retry-After,Link")
        .into_response()
}

fn body_limit(path: &[String]) -> usize {
    if path.first().is_some_and(|first| first == "internal") {
        SERVICE_BODY_LIMIT
    } else {
        BODY_LIMIT
    }
}

/// Every route of the service (contract 5.1 and docs/organizer-api.md), and below the line those for our own services.
fn route(request: &Request) -> Result<Answer, Error> {
    let routed = service::routes!(request,
        "GET" ["agency", "chats"] => archive::list_agency_chats(request),
        "GET" ["agency", "chats", id] => archive::show_agency_chat(request, id),
        "GET" ["agency", "chats", id, "messages"] => archive::list_agency_messages(request, id),
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
        "POST" ["internal", "tick"] => tick::tick(request),
        "GET" ["internal", "ready"] => status::ready(request),
        "GET" ["internal", "status"] => status::status(request),
        "POST" ["internal", "canary"] => canary::record(request),
    );
    routed.unwrap_or_else(|methods| Ok(door::unrouted(request, &methods, CORS_METHODS)?))
}
