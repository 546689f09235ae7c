//! Answers as this service writes them (contract 0).

use http::StatusCode;
use serde::Serialize;
use service::door::Answer;

pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    Answer::json(status, "application/json", body)
}
