//! The service's readiness, size and load, and what has not reached it.

use http::StatusCode;
use service::door::{Answer, Request};
use sidecar_api::{Canary, Status, Undelivered};

use crate::answer::json;
use crate::bindings::mayday::platform::roster;
use crate::error::Error;
use crate::store::{canary, lock_releases, queue, sizes, ticks, updates};
use crate::{access, store};

/// `GET /internal/ready`: whether the database answers and has the schema.
pub(crate) fn ready(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    store::open()?.migrate()?;
    Ok(Answer::empty(StatusCode::OK))
}

/// `GET /internal/status`: the size of the database, what waits, how old the last tick is, and the latest run of the
/// canary, for the sidecars' metrics. Each number is read from an index that holds little else.
pub(crate) fn status(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let connection = store::open()?;
    let sizes = sizes::read(&connection).ok();
    let load = queue::load(&connection)?;
    let failed = lock_releases::failed(&connection)?;
    let status = Status {
        database_bytes: sizes.map(|sizes| sizes.database),
        wal_bytes: sizes.and_then(|sizes| sizes.log),
        log_rows: updates::count(&connection)?,
        log_end: updates::end(&connection)?.id,
        waiting: load.waiting,
        oldest_wait_seconds: load.oldest_wait_seconds,
        active_chats: load.active,
        lock_releases: failed.count,
        oldest_lock_release_seconds: failed.oldest_seconds,
        tick_age_seconds: ticks::age_seconds(&connection)?,
        canary: canary::latest(&connection)?.map(|run| Canary {
            age: run.age,
            report: run.report,
        }),
    };
    Ok(json(StatusCode::OK, &status))
}

/// `GET /internal/undelivered`: what the participant service could not deliver to this one, for the sidecars' metrics;
/// null while it does not answer. It needs no database of this service, without which presses wait.
pub(crate) fn count_undelivered(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    // No error is logged: sidecars ask all the time, and their metrics show that the number is not known.
    let undelivered = roster::count_undelivered().ok().map(|found| Undelivered {
        presses: found.presses,
        oldest_seconds: found.oldest_seconds,
        changes: found.changes,
        oldest_change_seconds: found.oldest_change_seconds,
    });
    Ok(json(StatusCode::OK, &undelivered))
}
