//! The web component: serves the pages that `web/` has built. It knows no data: the pages use the same public APIs as
//! everybody else.
//!
//! `files` has the pages and chooses what of them to send, `policy` says what a browser may do with them, and
//! `config` tells them what differs from one installation to the next.

mod config;
mod error;
mod files;
mod policy;

use http::StatusCode;
use service::door::{self, Answer, Request};
use spin_sdk::http::{IncomingRequest, ResponseOutparam};

use crate::error::Error;
use crate::files::FILES;

/// The component is mounted at the root.
const MOUNT: &str = "";

/// The socket for client authors, in AsyncAPI: as the sidecar serves it, and whether or not the pages are built.
const DOCUMENT: &str = include_str!("../../../sidecar/asyncapi.json");

/// Nobody has to send anything here.
const BODY_LIMIT: usize = 1024;

#[expect(unsafe_code, reason = "the SDK generates the function that the host calls")]
mod entry {
    use super::{IncomingRequest, ResponseOutparam};

    #[spin_sdk::http_component]
    async fn entry(incoming: IncomingRequest, out: ResponseOutparam) {
        super::handle(incoming).await.send(out).await;
    }
}

async fn handle(incoming: IncomingRequest) -> Answer {
    policy::guard(door::serve(incoming, MOUNT, |_| BODY_LIMIT, route, refuse, None).await)
}

service::routes! {
    /// Every address that the other components leave over. Which event a help page is for, the page reads from its own
    /// address.
    fn routed(request: &Request) -> Result<Answer, Error> {
        "GET" [] => page(request, "index.html"),
        "GET" ["help"] | ["help", _] => page(request, "help.html"),
        "GET" ["console", ..] => page(request, "console.html"),
        "GET" ["docs"] | ["docs", "participant" | "organizer" | "messenger" | "socket"] => page(request, "docs.html"),
        "GET" ["asyncapi.json"] => Ok(document()),
        "GET" ["config.json"] => config::show(),
        "GET" [..] => file(request),
    }
}

fn route(request: &Request) -> Result<Answer, Error> {
    routed(request).unwrap_or_else(|methods| Err(door::no_route(&methods).into()))
}

/// Pages of any origin may read it.
fn document() -> Answer {
    Answer::document(DOCUMENT).with("access-control-allow-origin", "*")
}

fn page(request: &Request, name: &str) -> Result<Answer, Error> {
    if FILES.is_empty() {
        return Err(Error::NotBuilt);
    }
    files::show(request, name)
}

fn file(request: &Request) -> Result<Answer, Error> {
    files::show(request, &request.path.join("/"))
}

/// The answer a person gets who finds no page.
fn refuse(error: Error) -> Answer {
    let (status, title, text) = match &error {
        Error::NotFound => (
            StatusCode::NOT_FOUND,
            "There is nothing at this address",
            "<a href=\"/\">Go to the first page</a>",
        ),
        Error::NotBuilt => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The pages are not built",
            "Install Node 18 or later and npm, and run <code>cargo xtask build</code>. \
             Everything else of Mayday works without them.",
        ),
        Error::WrongMethod { .. } => (
            StatusCode::METHOD_NOT_ALLOWED,
            "This address can only be read",
            "",
        ),
        Error::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The request is too large", ""),
        Error::Broken => (StatusCode::BAD_REQUEST, "The request broke off", ""),
        Error::Setting(error) => {
            service::error!("request failed: {error}");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something is wrong on our side",
                "",
            )
        }
    };
    let trace = match service::log::trace_id().filter(|_| status.is_server_error()) {
        Some(trace) => format!("<p><small>{trace}</small></p>\n"),
        None => String::new(),
    };
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Mayday: {title}</title>\n\
         <h1>{title}</h1>\n<p>{text}</p>\n{trace}</html>\n"
    );
    let answer = Answer::written(status, "text/html; charset=utf-8", html.into_bytes())
        .with("cache-control", "no-store");
    match error {
        Error::WrongMethod { allow } => answer.with("allow", allow),
        _ => answer,
    }
}
