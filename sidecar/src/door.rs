//! The HTTP side: upgrades, health, and accepting connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, FromRequestParts, RawQuery, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use listener::{Exchange, Limits, StrictTransport, client_address, open_file_limit, require_https};
use telemetry::Span;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use trace_context::TraceContext;
use tracing::warn;

use crate::connection::task::{self, Origin, Shared};
use crate::messenger::client::Messenger;
use crate::metrics::{self, ConnectionRefusedBecause};
use crate::redis::Redis;

/// The most WebSockets at once, fewer where the limit of open files is lower. Further clients get a 503.
const MAX_SOCKETS: usize = 65_536;

/// The most HTTP connections at once, or an eighth of the limit of open files. WebSockets do not count.
const MAX_HTTP_CONNECTIONS: usize = 4096;

/// Open files reserved for Redis, the messenger and everything else.
const OTHER_FILES: usize = 64;

/// Above this the WebSocket library gives up on a message; between the limit of a frame and this the client gets an
/// error and stays connected.
const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// Frames are short. The library allocates this much for each socket at once.
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// Frames are written together up to this size.
const WRITE_BUFFER_BYTES: usize = 32 * 1024;

/// The longest head of an HTTP request. A longer one is answered 431.
const HEAD_BYTES: usize = 32 * 1024;

/// Time limit for a request, from its head to the last byte of the response.
const EXCHANGE_TIME: Duration = Duration::from_secs(60);

/// Time limit for plain HTTP requests when the server stops.
const HTTP_DRAIN: Duration = Duration::from_secs(1);

/// What handlers share.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) connections: Arc<Shared>,
    /// One permit for each socket.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) messenger: Arc<Messenger>,
    pub(crate) redis: Arc<Redis>,
    /// The origins of pages from which browsers may connect; empty allows all.
    pub(crate) allowed_origins: Arc<[String]>,
    /// The header in which a proxy reports the client's address.
    pub(crate) client_address_header: Option<HeaderName>,
}

/// All routes.
pub(crate) fn router(app: App, strict_transport: StrictTransport) -> Router {
    Router::new()
        .route("/connect", any(connect))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(show_metrics))
        .route("/asyncapi.json", get(show_document))
        .fallback(async || (StatusCode::NOT_FOUND, "404 page not found"))
        .layer(from_fn_with_state(strict_transport, instruct_browsers))
        .with_state(app)
}

/// Browsers must not show an answer as a page or store it. An upgrade has no content. A browser that came by HTTPS has
/// to use HTTPS only.
async fn instruct_browsers(
    State(strict_transport): State<StrictTransport>,
    request: Request,
    next: Next,
) -> Response {
    let policy = strict_transport.policy_for(request.headers());
    let mut response = next.run(request).await;
    require_https(response.headers_mut(), policy);
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        listener::restrict_browsers(response.headers_mut());
    }
    response
}

/// How many HTTP connections may be open.
fn max_http_connections() -> usize {
    MAX_HTTP_CONNECTIONS.min(open_file_limit() / 8)
}

/// How many WebSockets may be open.
pub(crate) fn max_sockets() -> u32 {
    let sockets = open_file_limit().saturating_sub(max_http_connections() + OTHER_FILES);
    u32::try_from(sockets.min(MAX_SOCKETS)).expect("the maximum is a u32")
}

/// Accepts connections until `shutdown`.
pub(crate) async fn accept(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
    http.http1().max_buf_size(HEAD_BYTES);
    let limits = Limits {
        connections: max_http_connections(),
        exchange: EXCHANGE_TIME,
    };
    let service = TowerToHyperService::new(router);
    let answer = move |mut request: http::Request<Incoming>, client: SocketAddr, exchange: Exchange| {
        // No route here reads a body.
        exchange.received();
        request.extensions_mut().insert(client);
        let response = service.call(request);
        async move { response.await.unwrap_or_else(|never| match never {}) }
    };
    let connections = listener::serve(listener, limits, http, answer, shutdown).await;
    let _ = timeout(HTTP_DRAIN, connections.shutdown()).await;
}

/// Contract 5.2: `GET /connect`.
async fn connect(
    State(app): State<App>,
    Extension(peer): Extension<SocketAddr>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let span = Span::of_request(trace_of(&head.headers));
    let origin = Origin {
        address: client_address(app.client_address_header.as_ref(), &head.headers, peer),
        trace: span.context(),
    };
    let response = upgrade(app, head, origin).await;
    span.end(|| "GET /connect", Some(response.status().as_u16()));
    response
}

/// The trace context that a request brings.
fn trace_of(headers: &HeaderMap) -> Option<TraceContext> {
    let traces = headers.get_all(trace_context::HEADER).iter();
    TraceContext::read(traces.map(HeaderValue::as_bytes))
}

async fn upgrade(app: App, mut head: Parts, origin: Origin) -> Response {
    join_handshake_headers(&mut head.headers);
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut head, &()).await {
        Ok(upgrade) => upgrade,
        Err(WebSocketUpgradeRejection::InvalidWebSocketVersionHeader(_))
            if head.headers.contains_key(header::SEC_WEBSOCKET_VERSION) =>
        {
            return unknown_version();
        }
        Err(_) => return (StatusCode::BAD_REQUEST, "Bad Request").into_response(),
    };
    if !may_come_from(head.headers.get(header::ORIGIN), &app.allowed_origins) {
        refused(&app, &origin, ConnectionRefusedBecause::other_origin);
        return (StatusCode::FORBIDDEN, "origin not allowed\n").into_response();
    }
    let Ok(permit) = Arc::clone(&app.permits).try_acquire_owned() else {
        refused(&app, &origin, ConnectionRefusedBecause::no_socket);
        let text = format!("too many connections\n{}\n", origin.trace.trace());
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    bounded(upgrade, MAX_MESSAGE_BYTES).on_upgrade(move |socket| async move {
        task::serve(socket, app.connections, origin).await;
        drop(permit);
    })
}

/// Counts a refused handshake, and logs it.
fn refused(app: &App, origin: &Origin, because: ConnectionRefusedBecause) {
    app.connections.metrics.connection_refused(because);
    if let Some(left_out) = app.connections.refusals.is_due() {
        let Origin { address, trace } = origin;
        warn!(traceId = %trace.trace(), left_out, "refused a socket of {address}: {because:?}");
    }
}

/// Makes one line with one member of each list that the handshake looks for. These headers may be split over several
/// lines and hold other members as well (RFC 9110, 5.3), but axum reads the first line only.
fn join_handshake_headers(headers: &mut HeaderMap) {
    for (name, member) in [(header::CONNECTION, "upgrade"), (header::UPGRADE, "websocket")] {
        if has_member(headers, &name, member) {
            headers.insert(name, HeaderValue::from_static(member));
        } else {
            // axum would accept `Connection: no-upgrade` as an upgrade.
            headers.remove(name);
        }
    }
    if has_member(headers, &header::SEC_WEBSOCKET_VERSION, "13") {
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
}

/// Whether a list header has this member, on whichever line.
fn has_member(headers: &HeaderMap, name: &HeaderName, member: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .any(|found| found.trim_ascii().eq_ignore_ascii_case(member.as_bytes()))
}

/// RFC 6455, 4.4: the client learns which version it should speak. RFC 9110, 15.5.22 wants the other two headers.
fn unknown_version() -> Response {
    let headers = [
        (header::SEC_WEBSOCKET_VERSION, "13"),
        (header::UPGRADE, "websocket"),
        (header::CONNECTION, "upgrade"),
    ];
    (StatusCode::UPGRADE_REQUIRED, headers, "Upgrade Required").into_response()
}

/// Sets the bounds of every socket.
pub(crate) fn bounded(upgrade: WebSocketUpgrade, max_message_bytes: usize) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(max_message_bytes)
        .max_frame_size(max_message_bytes)
}

/// Whether a browser's page may connect. A client that sends no origin is not a browser.
fn may_come_from(origin: Option<&HeaderValue>, allowed: &[String]) -> bool {
    let Some(origin) = origin else {
        return true;
    };
    allowed.is_empty()
        || allowed
            .iter()
            .any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
}

/// The socket for client authors, in AsyncAPI. Pages of any origin may read it.
async fn show_document() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, include_str!("../asyncapi.json")).into_response()
}

/// The metrics, for Prometheus.
async fn show_metrics(State(app): State<App>) -> Response {
    let (status, undelivered) = tokio::join!(app.messenger.status(), app.messenger.undelivered());
    if let Some(status) = status {
        let cursor = app.connections.player.cursor();
        app.connections.metrics.set_messenger_status(&status, cursor);
    }
    app.connections.metrics.set_undelivered(undelivered);
    let content_type = [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)];
    (
        content_type,
        app.connections.metrics.render(app.connections.budget.bytes()),
    )
        .into_response()
}

/// Whether the sidecar and what it needs are ready. It serves clients without Redis as well, so a load balancer asks
/// `/readyz?exclude=redis`.
async fn ready(State(app): State<App>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let excludes_redis = query.is_some_and(|query| query.split('&').any(|pair| pair == "exclude=redis"));
    let trace = trace_of(&headers).unwrap_or_else(TraceContext::begin);
    let (redis, messenger) = tokio::join!(app.redis.is_ready(), app.messenger.is_ready(trace));
    let line = |name, ready| format!("{name}: {}\n", if ready { "ok" } else { "unavailable" });
    let text = line("redis", redis) + &line("messenger", messenger);
    if messenger && (redis || excludes_redis) {
        text.into_response()
    } else {
        let text = format!("{text}traceId: {}\n", trace.trace());
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_come_from_allowed_pages_and_others_from_anywhere() {
        let allowed = ["https://help.example.org".to_owned()];
        let may_come = |origin: Option<&'static str>, allowed: &[String]| {
            may_come_from(origin.map(HeaderValue::from_static).as_ref(), allowed)
        };
        assert!(may_come(None, &allowed));
        assert!(may_come(Some("https://help.example.org"), &allowed));
        assert!(may_come(Some("HTTPS://HELP.EXAMPLE.ORG"), &allowed));
        for other in [
            "https://example.org",
            "http://help.example.org",
            "https://help.example.org.evil.org",
            "null",
            "",
        ] {
            assert!(!may_come(Some(other), &allowed), "{other}");
            assert!(may_come(Some(other), &[]), "{other}");
        }
    }
}
