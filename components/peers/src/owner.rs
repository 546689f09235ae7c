//! Calls to the service that owns the data.

use std::time::Duration;

use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use service::outbound::{Ask, AskError, ask};
use service::settings::{self, SettingError};

/// A service, by the variables with its origin and its key.
pub(crate) struct Owner {
    origin: &'static str,
    key: &'static str,
}

pub(crate) const ORGANIZER: Owner = Owner {
    origin: "organizer_url",
    key: "organizer_key",
};
pub(crate) const PARTICIPANT: Owner = Owner {
    origin: "participant_url",
    key: "participant_key",
};
pub(crate) const MESSENGER: Owner = Owner {
    origin: "messenger_url",
    key: "messenger_key",
};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnerError {
    #[error(transparent)]
    Unavailable(#[from] AskError),
    #[error("{path} answered {status}")]
    Refused { path: String, status: u16 },
    #[error("{path} answered what cannot be read: {source}")]
    Unreadable { path: String, source: serde_json::Error },
    #[error(transparent)]
    Setting(#[from] SettingError),
}

impl OwnerError {
    /// Whether a later try may succeed: the service was down, or failed to answer.
    pub(crate) fn is_unavailable(&self) -> bool {
        match self {
            OwnerError::Unavailable(_) => true,
            OwnerError::Refused { status, .. } => *status >= 500,
            OwnerError::Unreadable { .. } | OwnerError::Setting(_) => false,
        }
    }
}

impl Owner {
    /// Reads something.
    pub(crate) fn get<Answer: DeserializeOwned>(
        &self,
        path: &str,
        timeout: Duration,
    ) -> Result<Answer, OwnerError> {
        let body = self.ask(Method::GET, path, None, timeout)?;
        serde_json::from_slice(&body).map_err(|source| OwnerError::Unreadable {
            path: path.to_owned(),
            source,
        })
    }

    /// Sends something and reads the answer.
    pub(crate) fn post<Answer: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        timeout: Duration,
    ) -> Result<Answer, OwnerError> {
        let unreadable = |source| OwnerError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let body = serde_json::to_vec(body).map_err(unreadable)?;
        let answer = self.ask(Method::POST, path, Some(body), timeout)?;
        serde_json::from_slice(&answer).map_err(unreadable)
    }

    /// Sends something, and ignores the body of the answer.
    pub(crate) fn tell(
        &self,
        path: &str,
        body: &impl Serialize,
        timeout: Duration,
    ) -> Result<(), OwnerError> {
        let unreadable = |source| OwnerError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let body = serde_json::to_vec(body).map_err(unreadable)?;
        self.ask(Method::POST, path, Some(body), timeout).map(drop)
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        timeout: Duration,
    ) -> Result<Vec<u8>, OwnerError> {
        let origin = settings::text(self.origin)?;
        let key = settings::text(self.key)?;
        let answer = ask(&Ask {
            method,
            origin: &origin,
            path,
            key: &key,
            body,
            timeout,
        })?;
        if (200..300).contains(&answer.status) {
            Ok(answer.body)
        } else {
            Err(OwnerError::Refused {
                path: path.to_owned(),
                status: answer.status,
            })
        }
    }
}

/// `1,2,3`
pub(crate) fn comma_separated(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}
