//! Answers as this service writes them (contract 0).

use http::StatusCode;
use serde::Serialize;
use service::door::Answer;

/// The content type of JSON.
pub(crate) const JSON: &str = "application/json; charset=utf-8";

pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    Answer::json(status, JSON, body)
}
