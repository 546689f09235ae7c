//! Calls to the internal routes of a service, over HTTP or HTTPS.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use https_connector::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use telemetry::Span;
use tokio::time::{Instant, timeout_at};
use trace_context::TraceContext;

/// Time limit for connecting to a service.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Unused connections are closed after this time, before the host does it.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest answer that is read. The messenger leaves what would make an answer far longer for another exchange.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Calls over HTTP or HTTPS.
pub(crate) type Client = legacy::Client<HttpsConnector, Full<Bytes>>;

/// A service, as the sidecar sees it: one of its hosts is called, and the next one when that fails.
#[derive(Debug)]
pub(crate) struct Service {
    client: Client,
    /// What comes before a route at each host, such as `http://127.0.0.1:3000/messenger/internal`.
    bases: Vec<String>,
    /// Counts the changes from one host to the next.
    changes: AtomicUsize,
    credentials: HeaderValue,
}

/// Why a call had no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("no connection: {0}")]
    Unreachable(String),
    #[error("no answer in time")]
    TimedOut,
    #[error("the answer was {0}")]
    Failed(StatusCode),
    #[error("the call was refused with {0}; are the keys the same?")]
    Refused(StatusCode),
    #[error("the answer was not understood: {0}")]
    NotUnderstood(String),
}

impl CallError {
    /// The status of the answer, if there was one.
    fn status(&self) -> Option<StatusCode> {
        match self {
            CallError::Failed(status) | CallError::Refused(status) => Some(*status),
            CallError::NotUnderstood(_) => Some(StatusCode::OK),
            CallError::Unreachable(_) | CallError::TimedOut => None,
        }
    }

    /// Whether the same call may succeed later. A refusal repeats until an operator corrects a setting.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            CallError::Unreachable(_) | CallError::TimedOut | CallError::Failed(_) => true,
            CallError::Refused(_) | CallError::NotUnderstood(_) => false,
        }
    }
}

impl Service {
    /// Each origin is a scheme and an authority without a path, such as `http://127.0.0.1:3000`; `name` is where the
    /// service is mounted there.
    pub(crate) fn new(origins: &[String], name: &str, key: &str) -> anyhow::Result<Service> {
        anyhow::ensure!(!origins.is_empty(), "no host of the service {name} is known");
        let mut credentials = HeaderValue::try_from(format!("Bearer {key}"))
            .map_err(|_| anyhow::anyhow!("the key of the service {name} cannot be sent in a header"))?;
        credentials.set_sensitive(true);
        Ok(Service {
            client: client(),
            bases: origins
                .iter()
                .map(|origin| format!("{}/{name}/internal", origin.trim_end_matches('/')))
                .collect(),
            changes: AtomicUsize::new(0),
            credentials,
        })
    }

    pub(crate) async fn post(
        &self,
        route: &str,
        body: Bytes,
        deadline: Instant,
        trace: TraceContext,
    ) -> Result<Bytes, CallError> {
        self.call(Method::POST, route, body, deadline, trace).await
    }

    pub(crate) async fn get(
        &self,
        route: &str,
        deadline: Instant,
        trace: TraceContext,
    ) -> Result<Bytes, CallError> {
        self.call(Method::GET, route, Bytes::new(), deadline, trace).await
    }

    async fn call(
        &self,
        method: Method,
        route: &str,
        body: Bytes,
        deadline: Instant,
        trace: TraceContext,
    ) -> Result<Bytes, CallError> {
        let changes = self.changes.load(Ordering::Relaxed);
        let base = &self.bases[changes % self.bases.len()];
        let span = Span::of_call(trace);
        let sent = self.send(method, format!("{base}/{route}"), body, span.context());
        let outcome = timeout_at(deadline, sent)
            .await
            .unwrap_or(Err(CallError::TimedOut));
        let status = outcome
            .as_ref()
            .map_or_else(CallError::status, |_| Some(StatusCode::OK));
        span.end(|| format!("call {route}"), status.map(|status| status.as_u16()));
        if outcome.as_ref().is_err_and(CallError::is_passing) {
            // Of several calls that fail at the same host, one changes it.
            let (current, next) = (changes, changes.wrapping_add(1));
            let _ = self
                .changes
                .compare_exchange(current, next, Ordering::Relaxed, Ordering::Relaxed);
        }
        outcome
    }

    async fn send(
        &self,
        method: Method,
        url: String,
        body: Bytes,
        trace: TraceContext,
    ) -> Result<Bytes, CallError> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::AUTHORIZATION, self.credentials.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(trace_context::HEADER, trace.to_string())
            .body(Full::new(body))
            .map_err(|error| CallError::Unreachable(error.to_string()))?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| CallError::Unreachable(with_causes(&error)))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
            .collect()
            .await;
        if !status.is_success() {
            return Err(failure(status));
        }
        match body {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(CallError::NotUnderstood(format!(
                "it is longer than {MAX_ANSWER_BYTES} bytes"
            ))),
            Err(error) => Err(CallError::Unreachable(format!("the answer broke off: {error}"))),
        }
    }
}

/// A client with its own connections.
pub(crate) fn client() -> Client {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    let connector = https_connector::by_tls_or_not(connector);
    legacy::Client::builder(TokioExecutor::new())
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_timer(TokioTimer::new())
        .build(connector)
}

fn failure(status: StatusCode) -> CallError {
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => CallError::Failed(status),
        _ if status.is_server_error() => CallError::Failed(status),
        _ => CallError::Refused(status),
    }
}

/// hyper's own text names only the step that failed; its sources hold the reason.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
