//! How the service is.

use http::StatusCode;
use serde::Serialize;
use service::door::{Answer, Request};
use service::maintenance;

use crate::error::Error;
use crate::store::updates;
use crate::{access, json, store};

/// `GET /internal/ready`: whether the database can be opened.
pub(crate) fn ready(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    store::open()?;
    Ok(Answer::empty(StatusCode::OK))
}

/// `GET /internal/status`: how large the database is, for the sidecars' metrics.
pub(crate) fn status(request: &Request) -> Result<Answer, Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        /// Absent where the database is a server, which does not tell.
        #[serde(skip_serializing_if = "Option::is_none")]
        database_bytes: Option<i64>,
        /// What the write-ahead log holds.
        #[serde(skip_serializing_if = "Option::is_none")]
        wal_bytes: Option<i64>,
        /// How many updates the log has.
        log_rows: i64,
    }
    access::admit_service(request)?;
    let connection = store::open()?;
    let sizes = maintenance::sizes(&connection).ok();
    let status = Status {
        database_bytes: sizes.map(|sizes| sizes.database),
        wal_bytes: sizes.map(|sizes| sizes.log),
        log_rows: updates::count(&connection)?,
    };
    Ok(json(StatusCode::OK, &status))
}
