//! What can go wrong.

use service::door::{NoRoute, ReadError};
use service::settings::SettingError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is nothing at this address")]
    NotFound,
    /// The component was built without the pages.
    #[error("the pages are not built")]
    NotBuilt,
    #[error("this address can only be read")]
    WrongMethod { allow: String },
    #[error("the request is too large")]
    TooLarge,
    #[error("the request broke off")]
    Broken,
    #[error(transparent)]
    Setting(#[from] SettingError),
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Error {
        match error {
            ReadError::TooLarge => Error::TooLarge,
            ReadError::Broken => Error::Broken,
        }
    }
}

impl From<NoRoute> for Error {
    fn from(error: NoRoute) -> Error {
        match error {
            NoRoute::UnknownPath => Error::NotFound,
            NoRoute::WrongMethod { allow } => Error::WrongMethod { allow },
        }
    }
}
