//! The errors, by what a client can do about them, and their bodies (contract 2.5).

use http::StatusCode;
use service::database::{DatabaseError, Failure};
use service::door::{Answer, ErrorBody, NoRoute, ReadError};
use service::settings::SettingError;

use crate::answer::json;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Invalid input; the text names the rule.
    #[error("{0}")]
    BadRequest(String),
    /// No valid credentials; the text says why.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// The organizer's account has to be completed first.
    #[error(
        "complete your account first: change the password or set up a second factor, as your profile says"
    )]
    Incomplete,
    /// Unknown, foreign or malformed: 400 in this API, not 404.
    #[error("chat not found")]
    ChatNotFound,
    /// A sidecar's exchange arrives after a later one of the same sidecar.
    #[error("a later exchange has been carried out")]
    Superseded,
    #[error("404 page not found")]
    UnknownRoute,
    #[error("Method Not Allowed")]
    WrongMethod { allow: String },
    #[error("request entity too large")]
    TooLarge,
    /// The service that issued a token cannot be asked right now.
    #[error("service unavailable")]
    Unavailable,
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("random numbers: {0}")]
    Random(getrandom::Error),
    #[error("frame: {0}")]
    Frame(serde_json::Error),
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
            Error::BadRequest(_) | Error::ChatNotFound => StatusCode::BAD_REQUEST,
            Error::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Error::Incomplete => StatusCode::FORBIDDEN,
            Error::Superseded => StatusCode::CONFLICT,
            Error::UnknownRoute => StatusCode::NOT_FOUND,
            Error::WrongMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Error::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Error::Database(_) if self.trouble().is_some() => StatusCode::SERVICE_UNAVAILABLE,
            Error::Database(_) | Error::Setting(_) | Error::Random(_) | Error::Frame(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// The answer a client gets. Internal details go to the log instead.
    pub(crate) fn into_answer(self) -> Answer {
        let status = self.status();
        if let Some(trouble) = self.trouble() {
            service::error!("request failed: {self}");
            return json(status, &ErrorBody::new(status, trouble.to_string()))
                .with("retry-after", trouble.retry_after().to_string());
        }
        let message = if status == StatusCode::INTERNAL_SERVER_ERROR {
            service::error!("request failed: {self}");
            "internal server error".to_owned()
        } else {
            self.to_string()
        };
        match self {
            Error::UnknownRoute => Answer::text(status, &message),
            Error::WrongMethod { allow } => Answer::text(status, &message).with("allow", allow),
            Error::Unavailable => json(status, &ErrorBody::new(status, message)).with("retry-after", "1"),
            _ => json(status, &ErrorBody::new(status, message)),
        }
    }
}
