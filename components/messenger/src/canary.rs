//! What the canary has found (docs/operations.md). Its agencies have ids below 0.

use http::StatusCode;
use serde::Serialize;
use service::clock::{self, Millis};
use service::door::{Answer, Request};
use sidecar_api::CanaryReport;

use crate::answer::json;
use crate::error::Error;
use crate::store::canary;
use crate::{access, body, store};

/// `POST /internal/canary`: the canary reports a run.
pub(crate) fn record(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let report: CanaryReport = body::parse(request)?;
    canary::record(&store::open()?, &report)?;
    Ok(Answer::empty(StatusCode::OK))
}

/// The latest run, as support teams see it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LatestRun {
    #[serde(serialize_with = "clock::timestamp")]
    checked_at: Millis,
    /// By the database's clock. A client's may differ.
    age_seconds: i64,
    ok: bool,
    failed_step: Option<String>,
    #[serde(serialize_with = "clock::optional_timestamp")]
    failing_since: Option<Millis>,
}

/// `GET /canary`: whether the path from a press for help to the end of its chat worked when the canary last walked it.
/// 204 where no canary runs.
pub(crate) fn show(request: &Request) -> Result<Answer, Error> {
    access::admit_organizer(request)?;
    let Some(run) = canary::latest(&store::open()?)? else {
        return Ok(Answer::empty(StatusCode::NO_CONTENT));
    };
    let shown = LatestRun {
        checked_at: run.checked_at,
        age_seconds: run.age / 1000,
        ok: run.report.failed_step.is_none(),
        failed_step: run.report.failed_step,
        failing_since: run.failing_since,
    };
    Ok(json(StatusCode::OK, &shown))
}
