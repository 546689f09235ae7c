//! The errors, by what a client can do about them, and their bodies (contract 2.5).

use http::StatusCode;
use service::credentials::CheckError;
use service::database::{DatabaseError, Failure};
use service::door::{Answer, ErrorBody, ReadError};
use service::password::PasswordError;
use service::settings::SettingError;

use crate::answer::json;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Invalid input, with a line for each broken rule.
    #[error("invalid input: {}", .0.join("; "))]
    Invalid(Vec<String>),
    /// A request that cannot be carried out; the text gives the reason.
    #[error("{0}")]
    BadRequest(String),
    /// No valid credentials.
    #[error("Forbidden resource")]
    Forbidden,
    /// The caller's account has to be completed first.
    #[error(
        "complete your account first: change the password or set up a second factor, as your profile says"
    )]
    Incomplete,
    /// Only the author may edit a comment.
    #[error("Only the author can update his comment")]
    NotTheAuthor,
    /// Too many wrong passwords; the next attempt may come after this many seconds.
    #[error("too many failed attempts, try again later")]
    TooManyAttempts { retry_after: i64 },
    /// Too many agencies register from one address; after this many seconds more may come.
    #[error("too many agencies from this address, try again later")]
    TooManyAgencies { retry_after: i64 },
    /// Valid credentials that do not permit this; the text gives the reason.
    #[error("{0}")]
    NotAllowed(&'static str),
    /// No service key at all.
    #[error("Unauthorized")]
    NoServiceKey,
    #[error("invalid api key")]
    WrongServiceKey,
    /// The resource does not exist for the caller.
    #[error("{0}")]
    NotFound(String),
    #[error("Cannot {method} {path}")]
    UnknownRoute { method: String, path: String },
    #[error("request entity too large")]
    TooLarge,
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("token: {0}")]
    Token(jsonwebtoken::errors::Error),
    #[error("record: {0}")]
    Record(serde_json::Error),
    #[error("random numbers: {0}")]
    Random(getrandom::Error),
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
            Error::Invalid(_) | Error::BadRequest(_) => StatusCode::BAD_REQUEST,
            Error::Forbidden | Error::Incomplete | Error::NotAllowed(_) => StatusCode::FORBIDDEN,
            Error::NoServiceKey | Error::WrongServiceKey | Error::NotTheAuthor => StatusCode::UNAUTHORIZED,
            Error::TooManyAttempts { .. } | Error::TooManyAgencies { .. } => StatusCode::TOO_MANY_REQUESTS,
            Error::NotFound(_) | Error::UnknownRoute { .. } => StatusCode::NOT_FOUND,
            Error::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Database(_) if self.trouble().is_some() => StatusCode::SERVICE_UNAVAILABLE,
            Error::Database(_)
            | Error::Password(_)
            | Error::Setting(_)
            | Error::Token(_)
            | Error::Record(_)
            | Error::Random(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The answer a client gets. Internal details go to the log instead.
    pub(crate) fn into_answer(self) -> Answer {
        let status = self.status();
        if status.is_server_error() {
            service::error!("request failed: {self}");
        }
        if let Some(trouble) = self.trouble() {
            return json(status, &ErrorBody::new(status, trouble.to_string()))
                .with("retry-after", trouble.retry_after().to_string());
        }
        match &self {
            Error::Invalid(lines) => json(status, &ErrorBody::new(status, lines)),
            Error::TooLarge | Error::NoServiceKey => json(status, &ErrorBody::bare(status, self.to_string())),
            Error::BadRequest(_)
            | Error::Forbidden
            | Error::Incomplete
            | Error::NotAllowed(_)
            | Error::NotTheAuthor
            | Error::WrongServiceKey
            | Error::NotFound(_)
            | Error::UnknownRoute { .. } => json(status, &ErrorBody::new(status, self.to_string())),
            Error::TooManyAttempts { retry_after } | Error::TooManyAgencies { retry_after } => {
                json(status, &ErrorBody::new(status, self.to_string()))
                    .with("retry-after", retry_after.to_string())
            }
            Error::Database(_)
            | Error::Password(_)
            | Error::Setting(_)
            | Error::Token(_)
            | Error::Record(_)
            | Error::Random(_) => json(status, &ErrorBody::bare(status, "Internal server error")),
        }
    }
}
