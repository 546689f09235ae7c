//! The HTTP side: upgrades, health, and accepting connections.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::connection::{self, Shared};
use crate::messenger::Messenger;
use crate::metrics;
use crate::relay::Relay;

/// At most this many sockets at once; more are told to try later.
pub(crate) const MAX_CONNECTIONS: u32 = 65_536;

/// Above this the WebSocket library gives up on a message; between the limit of a frame and this the client gets an error
/// and stays connected.
const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// Frames are short. The library allocates this much for each socket at once.
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// Frames are written together up to this size.
const WRITE_BUFFER_BYTES: usize = 32 * 1024;

/// How long a client may take to send its request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long plain HTTP requests may take when the server stops.
const HTTP_DRAIN: Duration = Duration::from_secs(1);

/// After a failed accept, usually for want of file descriptors, others get time to give some back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What handlers share.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) connections: Arc<Shared>,
    /// One permit for each socket.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) messenger: Arc<Messenger>,
    pub(crate) relay: Arc<Relay>,
    /// From which pages browsers may connect; empty is from all.
    pub(crate) allowed_origins: Arc<[String]>,
}

/// All routes.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/connect", any(connect))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(show_metrics))
        .fallback(async || (StatusCode::NOT_FOUND, "404 page not found"))
        .with_state(app)
}

/// Accepts connections until `shutdown`.
pub(crate) async fn accept(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => serve_http(stream, router.clone(), &graceful),
                Err(error) => {
                    warn!(%error, "a connection could not be accepted: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let _ = timeout(HTTP_DRAIN, graceful.shutdown()).await;
}

fn serve_http(stream: TcpStream, router: Router, graceful: &GracefulShutdown) {
    // A frame is to leave when it is written. Where this cannot be set, it leaves a little later.
    let _ = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(router))
        .into_owned();
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            debug!(%error, "an HTTP connection failed: {error}");
        }
    });
}

/// Contract 5.2: `GET /connect`.
async fn connect(
    State(app): State<App>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(upgrade) = upgrade else {
        return (StatusCode::BAD_REQUEST, "Bad Request").into_response();
    };
    if !may_come_from(headers.get(header::ORIGIN), &app.allowed_origins) {
        return (StatusCode::FORBIDDEN, "origin not allowed\n").into_response();
    }
    let Ok(place) = Arc::clone(&app.places).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many connections\n").into_response();
    };
    bounded(upgrade, MAX_MESSAGE_BYTES).on_upgrade(move |socket| async move {
        connection::serve(socket, app.connections).await;
        drop(place);
    })
}

/// What every socket has in common.
pub(crate) fn bounded(upgrade: WebSocketUpgrade, max_message_bytes: usize) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(max_message_bytes)
        .max_frame_size(max_message_bytes)
}

/// Whether a browser's page may connect. Whoever sends no origin is no browser.
fn may_come_from(origin: Option<&HeaderValue>, allowed: &[String]) -> bool {
    let Some(origin) = origin else {
        return true;
    };
    allowed.is_empty()
        || allowed
            .iter()
            .any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
}

/// What the sidecar counts.
async fn show_metrics(State(app): State<App>) -> Response {
    let content_type = [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)];
    (content_type, app.connections.metrics.render()).into_response()
}

/// Whether a client that connects now would be served.
async fn ready(State(app): State<App>) -> Response {
    let (redis, messenger) = tokio::join!(app.relay.is_ready(), app.messenger.is_ready());
    let line = |name, ready| format!("{name}: {}\n", if ready { "ok" } else { "unavailable" });
    let status = if redis && messenger {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, line("redis", redis) + &line("messenger", messenger)).into_response()
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
