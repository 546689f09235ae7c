//! Parameters in the query strings of clients.

use std::ops::RangeBounds;

use service::clock::{self, Millis};
use service::door::Request;

use crate::error::Error;

/// A whole number within bounds, if the query has it.
pub(crate) fn number(
    request: &Request,
    name: &str,
    bounds: impl RangeBounds<i64>,
) -> Result<Option<i64>, Error> {
    let number = |text: &str| text.parse::<i64>().ok().filter(|number| bounds.contains(number));
    request
        .query(name)
        .map(|text| number(text).ok_or_else(|| invalid(name)))
        .transpose()
}

/// An RFC 3339 time, if there is one. An empty text is none, as in the search for events.
pub(crate) fn time(text: Option<&str>, name: &str) -> Result<Option<Millis>, Error> {
    text.filter(|text| !text.is_empty())
        .map(|text| {
            clock::parse_rfc3339(text).ok_or_else(|| {
                Error::BadRequest(format!(
                    "invalid format of `{name}` filter value; RFC3339 required"
                ))
            })
        })
        .transpose()
}

/// The refusal of a parameter.
pub(crate) fn invalid(name: &str) -> Error {
    Error::BadRequest(format!("invalid `{name}` query parameter"))
}
