//! The host's own refusals, which Spin does not have: no room, too slow, too large.
//!
//! They look like those of the services (contract 2.5), and the pages that may read the services' answers may read them
//! (contract 2.9); without that header a browser would report a network error. What Spin answers itself, such as an
//! empty 404 or 500, stays as it is, but for `Strict-Transport-Security` and the headers of `body::own_answer`. The
//! answers to a head that is no HTTP or is too long (400, 414, 431) stay as they are, too: hyper writes them, empty,
//! before there is a request, and lets nobody shape them.

use http::{
    HeaderValue, Response, StatusCode, Version,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CONNECTION, CONTENT_TYPE, RETRY_AFTER,
        VARY,
    },
};
use serde::Serialize;
use trace_context::TraceId;

use crate::body::{Body, Unreadable, own_answer};

/// There is no room: the client should try again soon. Spin has no such limit but that of its pool, where it answers
/// 500.
pub(crate) fn unavailable(trace: TraceId) -> Response<Body> {
    let mut response = refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many requests at once",
        trace,
    );
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Retry-After"),
    );
    response
}

/// The body could not be read. What is left of it may still come, so the connection cannot be used again.
pub(crate) fn unreadable(reason: &Unreadable, version: Version, trace: TraceId) -> Response<Body> {
    let mut response = match reason {
        Unreadable::TooLarge => refusal(StatusCode::PAYLOAD_TOO_LARGE, "request entity too large", trace),
        Unreadable::TooSlow => refusal(
            StatusCode::REQUEST_TIMEOUT,
            "the request took too long to arrive",
            trace,
        ),
        Unreadable::NoMemory => unavailable(trace),
        Unreadable::Broken(_) => refusal(StatusCode::BAD_REQUEST, "the request broke off", trace),
    };
    // HTTP/2 resets the stream instead, and allows no such header.
    if version < Version::HTTP_2 {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A refusal for pages of the allowed origins: `*`, or a list separated by commas, as the services have it
/// (`service::door::Readers`). `origin` is that of the page that has asked.
pub(crate) fn for_pages(
    mut refusal: Response<Body>,
    allowed: &str,
    origin: Option<HeaderValue>,
) -> Response<Body> {
    let headers = refusal.headers_mut();
    let mut allowed = allowed.split(',').map(str::trim);
    if allowed.clone().any(|allowed| allowed == "*") {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        return refusal;
    }
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin
        && allowed.any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
    {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    refusal
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorBody<'a> {
    status_code: u16,
    message: &'a str,
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
}

fn refusal(status: StatusCode, message: &str, trace: TraceId) -> Response<Body> {
    let body = ErrorBody {
        status_code: status.as_u16(),
        message,
        error: status.canonical_reason(),
        trace_id: status.is_server_error().then(|| trace.to_string()),
    };
    // Two texts and a number always have a JSON form.
    let mut response = own_answer(status, serde_json::to_vec(&body).unwrap_or_default());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
