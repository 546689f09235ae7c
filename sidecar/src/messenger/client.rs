//! Calls to the messenger.

use std::time::Duration;

use bytes::Bytes;
use sidecar_api::{
    Authenticate, Authenticated, Outcome, Realm, RevocationCursor, Revocations, RevokedSince, Status,
    Undelivered,
};
use tokio::time::Instant;
use trace_context::TraceContext;

use crate::service::{CallError, Service};

/// Time limit for what the messenger tells of itself and of presses.
const REPORT_TIMEOUT: Duration = Duration::from_secs(2);

/// The messenger, as the sidecar sees it.
#[derive(Debug)]
pub(crate) struct Messenger(Service);

impl Messenger {
    /// Each origin is a scheme and an authority without a path, such as `http://127.0.0.1:3000`.
    pub(crate) fn new(origins: &[String], key: &str) -> anyhow::Result<Messenger> {
        Ok(Messenger(Service::new(origins, "messenger", key)?))
    }

    /// Authenticates the senders of these `Authorization` values.
    pub(crate) async fn authenticate(
        &self,
        authorizations: Vec<String>,
        deadline: Instant,
        trace: TraceContext,
    ) -> Result<Authenticated, CallError> {
        let expected = authorizations.len();
        let body = serde_json::to_vec(&Authenticate { authorizations }).expect("strings are JSON");
        let answer = self.0.post("authenticate", body.into(), deadline, trace).await?;
        let authenticated: Authenticated = understood(&answer)?;
        if authenticated.verdicts.len() != expected {
            let verdicts = authenticated.verdicts.len();
            return Err(CallError::NotUnderstood(format!(
                "{verdicts} verdicts for {expected} clients"
            )));
        }
        Ok(authenticated)
    }

    /// Whose credentials may have been revoked in a realm since the cursor.
    pub(crate) async fn revoked_since(
        &self,
        realm: Realm,
        cursor: Option<i64>,
        deadline: Instant,
        trace: TraceContext,
    ) -> Result<Revocations, CallError> {
        let mut asked = RevokedSince {
            realm: Some(realm),
            cursor: RevocationCursor::default(),
        };
        *asked.cursor.of(realm) = cursor;
        let body = serde_json::to_vec(&asked).expect("numbers are JSON");
        understood(&self.0.post("revocations", body.into(), deadline, trace).await?)
    }

    /// Sends an exchange, already serialized so that a retry sends the same bytes. Returns the outcome and the updates
    /// after it.
    pub(crate) async fn exchange(
        &self,
        exchange: Bytes,
        deadline: Instant,
        trace: TraceContext,
    ) -> Result<(Outcome, String), CallError> {
        let answer = self.0.post("exchange", exchange, deadline, trace).await?;
        let not_understood = |error: &dyn std::fmt::Display| CallError::NotUnderstood(error.to_string());
        let text = std::str::from_utf8(&answer).map_err(|error| not_understood(&error))?;
        let (outcome, updates) = Outcome::read(text).map_err(|error| not_understood(&error))?;
        let updates = updates.to_owned();
        Ok((outcome, updates))
    }

    /// Whether the messenger can serve.
    pub(crate) async fn is_ready(&self, trace: TraceContext) -> bool {
        let deadline = Instant::now() + REPORT_TIMEOUT;
        self.0.get("ready", deadline, trace).await.is_ok()
    }

    /// The size of the messenger's database; `None` if the messenger does not answer soon.
    pub(crate) async fn status(&self) -> Option<Status> {
        let deadline = Instant::now() + REPORT_TIMEOUT;
        let answer = self.0.get("status", deadline, TraceContext::begin()).await;
        understood(&answer.ok()?).ok()
    }

    /// What the participant service could not deliver yet; `None` if there is no answer in time.
    pub(crate) async fn undelivered(&self) -> Option<Undelivered> {
        let deadline = Instant::now() + REPORT_TIMEOUT;
        let answer = self.0.get("undelivered", deadline, TraceContext::begin()).await;
        understood::<Option<Undelivered>>(&answer.ok()?).ok()?
    }

    /// Makes the messenger do what is due, where there is no dispatcher.
    pub(crate) async fn tick(&self, deadline: Instant, trace: TraceContext) -> Result<(), CallError> {
        self.0.post("tick", Bytes::new(), deadline, trace).await.map(drop)
    }
}

fn understood<T: serde::de::DeserializeOwned>(answer: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(answer).map_err(|error| CallError::NotUnderstood(error.to_string()))
}
