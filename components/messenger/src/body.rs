//! Bodies of searches, and of calls from our own services.

use serde::de::DeserializeOwned;
use service::door::Request;

use crate::error::Error;

/// Parses a body.
pub(crate) fn parse<Body: DeserializeOwned>(request: &Request) -> Result<Body, Error> {
    serde_json::from_slice(&request.body).map_err(|error| Error::BadRequest(error.to_string()))
}
