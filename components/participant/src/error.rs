//! What can go wrong, by what a client can do about it, and the body it becomes (contract 2.5).

use http::StatusCode;
use service::credentials::CheckError;
use service::database::{DatabaseError, Failure};
use service::door::{Answer, ErrorBody, NoRoute, ReadError};
use service::notices;
use service::password::PasswordError;
use service::settings::SettingError;

use crate::answer::json;
use crate::store;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Input that breaks a rule; the text says which.
    #[error("{0}")]
    BadRequest(String),
    /// No valid credentials; the text says which.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// Too many wrong passwords; after so many seconds the next may be tried.
    #[error("too many failed attempts, try again later")]
    TooManyAttempts { retry_after: i64 },
    /// Too many guests, or sign-ups, come from one address; after so many seconds there may be more.
    #[error("too many {newcomers} from this address, try again later")]
    TooManyNewcomers {
        newcomers: &'static str,
        retry_after: i64,
    },
    #[error("event with id {0} not found")]
    EventNotFound(i64),
    /// There is no open request of the caller's for this event.
    #[error("chat request for event with id {0} not found")]
    RequestNotFound(i64),
    #[error("404 page not found")]
    UnknownRoute,
    #[error("Method Not Allowed")]
    WrongMethod { allow: String },
    #[error("request entity too large")]
    TooLarge,
    /// Another service is needed and cannot be asked right now; why is for the log.
    #[error("api error")]
    Unavailable(String),
    /// Another service gave an answer that it never should.
    #[error("api error: {0}")]
    Api(String),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("token: {0}")]
    Token(jsonwebtoken::errors::Error),
}

impl From<CheckError> for Error {
    fn from(error: CheckError) -> Error {
        match error {
            CheckError::Throttled { retry_after } => Error::TooManyAttempts { retry_after },
            CheckError::Password(error) => error.into(),
            CheckError::Setting(error) => error.into(),
            CheckError::Database(error) => error.into(),
        }
    }
}

impl From<NoRoute> for Error {
    fn from(error: NoRoute) -> Error {
        match error {
            NoRoute::UnknownPath => Error::UnknownRoute,
            NoRoute::WrongMethod { allow } => Error::WrongMethod { allow },
        }
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Error {
        match error {
            ReadError::TooLarge => Error::TooLarge,
            ReadError::Broken => Error::BadRequest(error.to_string()),
        }
    }
}

impl Failure for Error {
    fn database(&self) -> Option<&DatabaseError> {
        match self {
            Error::Database(error) => Some(error),
            _ => None,
        }
    }
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Error::BadRequest(_) => StatusCode::BAD_REQUEST,
            Error::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Error::TooManyAttempts { .. } | Error::TooManyNewcomers { .. } => StatusCode::TOO_MANY_REQUESTS,
            Error::EventNotFound(_) | Error::RequestNotFound(_) | Error::UnknownRoute => {
                StatusCode::NOT_FOUND
            }
            Error::WrongMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Error::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Database(_) if self.trouble().is_some() => StatusCode::SERVICE_UNAVAILABLE,
            Error::Api(_) | Error::Database(_) | Error::Password(_) | Error::Setting(_) | Error::Token(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// What a client reads.
    fn message(&self) -> String {
        if let Some(trouble) = self.trouble() {
            return trouble.to_string();
        }
        match self {
            Error::BadRequest(_)
            | Error::Unauthorized(_)
            | Error::TooManyAttempts { .. }
            | Error::TooManyNewcomers { .. }
            | Error::EventNotFound(_)
            | Error::RequestNotFound(_)
            | Error::UnknownRoute
            | Error::WrongMethod { .. }
            | Error::TooLarge
            | Error::Unavailable(_) => self.to_string(),
            Error::Api(_) => "api error".to_owned(),
            Error::Database(_) | Error::Password(_) | Error::Setting(_) | Error::Token(_) => {
                "database error".to_owned()
            }
        }
    }

    /// The answer a client gets. Internal details go to the log instead.
    pub(crate) fn into_answer(self) -> Answer {
        let status = self.status();
        let trouble = self.trouble();
        if status == StatusCode::INTERNAL_SERVER_ERROR || trouble.is_some() {
            service::error!("request failed: {self}");
        }
        let body = ErrorBody::new(status, self.message());
        if let Some(trouble) = trouble {
            return json(status, &body).with("retry-after", trouble.retry_after().to_string());
        }
        match self {
            Error::UnknownRoute => Answer::text(status, &body.message),
            Error::WrongMethod { allow } => Answer::text(status, &body.message).with("allow", allow),
            Error::Unavailable(reason) => {
                log_unavailable(&reason);
                json(status, &body).with("retry-after", "1")
            }
            Error::TooManyAttempts { retry_after } | Error::TooManyNewcomers { retry_after, .. } => {
                json(status, &body).with("retry-after", retry_after.to_string())
            }
            _ => json(status, &body),
        }
    }
}

/// Tells the operator, once a minute, that another service does not answer.
fn log_unavailable(reason: &str) {
    let text = || format!("requests fail because another service does not answer: {reason}");
    let printed = store::open()
        .and_then(|connection| notices::print(&connection, "unavailable", notices::MINUTE, text));
    if let Err(error) = printed {
        service::warn!("{}; {error}", text());
    }
}
