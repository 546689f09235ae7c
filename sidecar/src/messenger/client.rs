//! HTTP calls to the messenger's internal routes.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use sidecar_api::{Authenticate, Authenticated, Outcome, RevocationCursor, Revocations, Status};
use tokio::time::{Instant, timeout, timeout_at};

/// A connection to the messenger is made in this time, or not at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Unused connections are closed after this time, before the host does it.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// The longest answer that is read. The messenger leaves what would make an answer far longer for another exchange.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Time limit for what the messenger tells of itself.
const REPORT_TIMEOUT: Duration = Duration::from_secs(2);

/// The messenger, as the sidecar sees it.
#[derive(Debug)]
pub(crate) struct Messenger {
    client: Client<HttpConnector, Full<Bytes>>,
    origin: String,
    credentials: HeaderValue,
}

/// Why a call had no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("the messenger could not be reached: {0}")]
    Unreachable(String),
    #[error("the messenger did not answer in time")]
    TimedOut,
    #[error("the messenger answered {0}")]
    Failed(StatusCode),
    #[error("the messenger refused the call with {0}; are the keys the same?")]
    Refused(StatusCode),
    #[error("the messenger's answer was not understood: {0}")]
    NotUnderstood(String),
}

impl CallError {
    /// Whether the same call may succeed later. A refusal will be repeated for ever: somebody must mend a setting.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            CallError::Unreachable(_) | CallError::TimedOut | CallError::Failed(_) => true,
            CallError::Refused(_) | CallError::NotUnderstood(_) => false,
        }
    }
}

impl Messenger {
    /// `origin` is a scheme and an authority without a path, such as `http://127.0.0.1:3000`.
    pub(crate) fn new(origin: &str, key: &str) -> anyhow::Result<Messenger> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .build(connector);
        let mut credentials = HeaderValue::try_from(format!("Bearer {key}"))
            .map_err(|_| anyhow::anyhow!("the messenger's key cannot be sent in a header"))?;
        credentials.set_sensitive(true);
        Ok(Messenger {
            client,
            origin: origin.trim_end_matches('/').to_owned(),
            credentials,
        })
    }

    /// Authenticates the senders of these `Authorization` values.
    pub(crate) async fn authenticate(
        &self,
        authorizations: Vec<String>,
        deadline: Instant,
    ) -> Result<Authenticated, CallError> {
        let expected = authorizations.len();
        let body = serde_json::to_vec(&Authenticate { authorizations }).expect("strings are JSON");
        let answer = self.post("authenticate", body.into(), deadline).await?;
        let authenticated: Authenticated = understood(&answer)?;
        if authenticated.verdicts.len() != expected {
            let verdicts = authenticated.verdicts.len();
            return Err(CallError::NotUnderstood(format!(
                "{verdicts} verdicts for {expected} clients"
            )));
        }
        Ok(authenticated)
    }

    /// Whose credentials may have been revoked since the cursor.
    pub(crate) async fn revoked_since(
        &self,
        cursor: RevocationCursor,
        deadline: Instant,
    ) -> Result<Revocations, CallError> {
        let body = serde_json::to_vec(&cursor).expect("numbers are JSON");
        understood(&self.post("revocations", body.into(), deadline).await?)
    }

    /// Sends an exchange, rendered before so that it can be sent again unchanged. Returns the outcome and the updates
    /// behind it.
    pub(crate) async fn exchange(
        &self,
        exchange: Bytes,
        deadline: Instant,
    ) -> Result<(Outcome, String), CallError> {
        let answer = self.post("exchange", exchange, deadline).await?;
        let not_understood = |error: &dyn std::fmt::Display| CallError::NotUnderstood(error.to_string());
        let text = std::str::from_utf8(&answer).map_err(|error| not_understood(&error))?;
        let (outcome, updates) = Outcome::read(text).map_err(|error| not_understood(&error))?;
        let updates = updates.to_owned();
        Ok((outcome, updates))
    }

    /// Whether the messenger can serve.
    pub(crate) async fn is_ready(&self) -> bool {
        timeout(REPORT_TIMEOUT, self.call(Method::GET, "ready", Bytes::new()))
            .await
            .is_ok_and(|answer| answer.is_ok())
    }

    /// How large the messenger's database is; nothing if it does not say so soon.
    pub(crate) async fn status(&self) -> Option<Status> {
        let answer = timeout(REPORT_TIMEOUT, self.call(Method::GET, "status", Bytes::new())).await;
        understood(&answer.ok()?.ok()?).ok()
    }

    async fn post(&self, route: &str, body: Bytes, deadline: Instant) -> Result<Bytes, CallError> {
        timeout_at(deadline, self.call(Method::POST, route, body))
            .await
            .unwrap_or(Err(CallError::TimedOut))
    }

    async fn call(&self, method: Method, route: &str, body: Bytes) -> Result<Bytes, CallError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/messenger/internal/{route}", self.origin))
            .header(header::AUTHORIZATION, self.credentials.clone())
            .header(header::CONTENT_TYPE, "application/json")
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

fn failure(status: StatusCode) -> CallError {
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => CallError::Failed(status),
        _ if status.is_server_error() => CallError::Failed(status),
        _ => CallError::Refused(status),
    }
}

fn understood<T: serde::de::DeserializeOwned>(answer: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(answer).map_err(|error| CallError::NotUnderstood(error.to_string()))
}

/// hyper's own text says only which step failed; the reason is in its sources.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
