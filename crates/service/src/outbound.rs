//! Asks another service over HTTP, with a time limit.
//!
//! The SDK's `send` has no timeouts, and the interfaces of `wit/` are called synchronously, so this speaks `wasi:http`
//! itself: one blocking call.

use std::time::Duration;

use http::Method;
use wasi::clocks::monotonic_clock;
use wasi::http::outgoing_handler;
use wasi::http::types::{Fields, IncomingResponse, OutgoingBody, OutgoingRequest, RequestOptions, Scheme};
use wasi::io::poll::{Pollable, poll};
use wasi::io::streams::StreamError;

use crate::log;

/// A request to another service of ours.
pub struct Ask<'a> {
    pub method: Method,
    /// The other service's origin, such as `http://messenger.spin.internal`, without a path.
    pub origin: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// The service key to show.
    pub key: &'a str,
    /// JSON, or nothing.
    pub body: Option<Vec<u8>>,
    /// How long to wait for the beginning of the answer, and between its bytes.
    pub timeout: Duration,
}

/// The other service's answer.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("{0} is not an origin such as http://127.0.0.1:3000")]
    Origin(String),
    #[error("{origin} does not answer: {reason}")]
    Unavailable { origin: String, reason: String },
}

/// The largest answer that is accepted. Answers of our services are far smaller.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// Asks, and waits for the whole answer.
pub fn ask(ask: &Ask) -> Result<Answer, AskError> {
    let unavailable = |reason: String| AskError::Unavailable {
        origin: ask.origin.to_owned(),
        reason,
    };
    let request = outgoing(ask)?;
    let options = RequestOptions::new();
    let nanos = u64::try_from(ask.timeout.as_nanos()).unwrap_or(u64::MAX);
    for set in [
        options.set_connect_timeout(Some(nanos)),
        options.set_first_byte_timeout(Some(nanos)),
        options.set_between_bytes_timeout(Some(nanos)),
    ] {
        set.map_err(|()| unavailable("it takes no timeouts".to_owned()))?;
    }
    let outgoing_body = request
        .body()
        .map_err(|()| unavailable("it takes no body".to_owned()))?;
    let pending =
        outgoing_handler::handle(request, Some(options)).map_err(|code| unavailable(code.to_string()))?;
    // A service may answer before it has read the whole body, so a failed write is ignored: the answer counts, or its
    // error, which says more.
    let _ = write(outgoing_body, ask.body.as_deref().unwrap_or_default());
    // A host applies these limits only to requests that leave its process. A service in the same process may hang, too,
    // when its database does.
    if !is_ready_within(nanos, &pending.subscribe()) {
        return Err(unavailable("it takes too long".to_owned()));
    }
    let response = pending
        .get()
        .ok_or_else(|| unavailable("nothing came".to_owned()))?;
    let response = response
        .map_err(|()| unavailable("the answer was taken".to_owned()))?
        .map_err(|code| unavailable(code.to_string()))?;
    Ok(Answer {
        status: response.status(),
        body: read(&response).map_err(unavailable)?,
    })
}

fn is_ready_within(nanos: u64, pollable: &Pollable) -> bool {
    let timer = monotonic_clock::subscribe_duration(nanos);
    poll(&[pollable, &timer]).contains(&0)
}

fn outgoing(ask: &Ask) -> Result<OutgoingRequest, AskError> {
    let wrong = || AskError::Origin(ask.origin.to_owned());
    let (scheme, authority) = ask
        .origin
        .trim_end_matches('/')
        .split_once("://")
        .ok_or_else(wrong)?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(wrong()),
    };
    let headers = Fields::new();
    let set = |name: &str, value: &str| headers.append(&name.to_owned(), &value.as_bytes().to_vec());
    set("authorization", &format!("Bearer {}", ask.key)).map_err(|_| wrong())?;
    if let Some(trace) = log::trace() {
        set(trace_context::HEADER, &trace.to_string()).map_err(|_| wrong())?;
    }
    if let Some(body) = &ask.body {
        set("content-type", "application/json").map_err(|_| wrong())?;
        set("content-length", &body.len().to_string()).map_err(|_| wrong())?;
    }
    let request = OutgoingRequest::new(headers);
    request.set_method(&method(&ask.method)).map_err(|()| wrong())?;
    request.set_scheme(Some(&scheme)).map_err(|()| wrong())?;
    request.set_authority(Some(authority)).map_err(|()| wrong())?;
    request
        .set_path_with_query(Some(ask.path))
        .map_err(|()| wrong())?;
    Ok(request)
}

fn method(method: &Method) -> wasi::http::types::Method {
    match *method {
        Method::GET => wasi::http::types::Method::Get,
        Method::POST => wasi::http::types::Method::Post,
        _ => wasi::http::types::Method::Other(method.to_string()),
    }
}

fn write(outgoing: OutgoingBody, body: &[u8]) -> Result<(), String> {
    /// The most bytes that one call of `blocking_write_and_flush` takes.
    const CHUNK: usize = 4096;
    let stream = outgoing.write().map_err(|()| "the body was taken".to_owned())?;
    for chunk in body.chunks(CHUNK) {
        stream
            .blocking_write_and_flush(chunk)
            .map_err(|error| error.to_string())?;
    }
    drop(stream);
    OutgoingBody::finish(outgoing, None).map_err(|code| code.to_string())
}

fn read(response: &IncomingResponse) -> Result<Vec<u8>, String> {
    const CHUNK: u64 = 64 * 1024;
    let incoming = response.consume().map_err(|()| "the body was taken".to_owned())?;
    let stream = incoming.stream().map_err(|()| "the body was taken".to_owned())?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(CHUNK) {
            Ok(chunk) => body.extend(chunk),
            Err(StreamError::Closed) => return Ok(body),
            Err(error) => return Err(error.to_string()),
        }
        if body.len() > MAX_ANSWER {
            return Err("the answer is too large".to_owned());
        }
    }
}
