//! What can go wrong, by what a client can do about it, and the body it becomes (contract 2.5).

use http::StatusCode;
use service::credentials::CheckError;
use service::database::DatabaseError;
use service::door::{Answer, ErrorBody, ReadError};
use service::password::PasswordError;
use service::settings::SettingError;

use crate::json;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Input that breaks a rule; the text says which.
    #[error("{0}")]
    BadRequest(String),
    /// No credentials, or not good enough ones; the text says which.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// Too many wrong passwords; after so many seconds the next may be tried.
    #[error("too many failed attempts, try again later")]
    TooManyAttempts { retry_after: i64 },
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
    /// Another service is needed and cannot be asked right now.
    #[error("api error")]
    Unavailable,
    /// Another service said what it never should.
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

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Error::BadRequest(_) => StatusCode::BAD_REQUEST,
            Error::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Error::TooManyAttempts { .. } => StatusCode::TOO_MANY_REQUESTS,
            Error::EventNotFound(_) | Error::RequestNotFound(_) | Error::UnknownRoute => {
                StatusCode::NOT_FOUND
            }
            Error::WrongMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Error::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Error::Api(_) | Error::Database(_) | Error::Password(_) | Error::Setting(_) | Error::Token(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// What a client reads.
    fn message(&self) -> String {
        match self {
            Error::BadRequest(_)
            | Error::Unauthorized(_)
            | Error::TooManyAttempts { .. }
            | Error::EventNotFound(_)
            | Error::RequestNotFound(_)
            | Error::UnknownRoute
            | Error::WrongMethod { .. }
            | Error::TooLarge
            | Error::Unavailable => self.to_string(),
            Error::Api(_) => "api error".to_owned(),
            Error::Database(_) | Error::Password(_) | Error::Setting(_) | Error::Token(_) => {
                "database error".to_owned()
            }
        }
    }

    /// The answer a client gets; what it is not to see goes to the log instead.
    pub(crate) fn into_answer(self) -> Answer {
        let status = self.status();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            eprintln!("request failed: {self}");
        }
        let body = ErrorBody::new(status, self.message());
        match self {
            Error::UnknownRoute => Answer::text(status, &body.message),
            Error::WrongMethod { allow } => Answer::text(status, &body.message).with("allow", allow),
            Error::Unavailable => json(status, &body).with("retry-after", "1"),
            Error::TooManyAttempts { retry_after } => {
                json(status, &body).with("retry-after", retry_after.to_string())
            }
            _ => json(status, &body),
        }
    }
}
