//! Blanks the values of people in rows of the record that are older than the variable `retention_record_days` allows.
//! The rows stay, so that the chain holds: they still say that something was changed, when and by whom.

use std::collections::BTreeSet;

use http::StatusCode;
use service::clock::Millis;
use service::database::{Connection, transaction};
use service::door::{Answer, Request};
use service::settings;

use crate::access;
use crate::error::Error;
use crate::store::changelogs::{self, Blanking, Change};
use crate::store::{self, agencies};

/// How many rows one tick blanks.
const ROWS_AT_ONCE: i64 = 500;

/// `POST /api/tick`, from the dispatcher.
pub(crate) fn tick(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    if let Some(days) = settings::days("retention_record_days")? {
        let connection = store::open()?;
        blank(&connection, service::removals::limit(&connection, days)?)?;
    }
    Ok(Answer::empty(StatusCode::OK))
}

/// Blanks rows of before this time. The chain of each says so first, once for each time.
fn blank(connection: &Connection, changed_before: Millis) -> Result<(), Error> {
    let old = |connection: &Connection, limit| changelogs::list_old(connection, changed_before, limit);
    // Reading first spares the write lock.
    if old(connection, 1)?.is_empty() {
        return Ok(());
    }
    transaction(connection, |connection| {
        let rows = old(connection, ROWS_AT_ONCE)?;
        let chains: BTreeSet<_> = rows.iter().map(|(_, agency_id)| *agency_id).collect();
        for agency_id in chains {
            record(connection, agency_id, changed_before)?;
        }
        let ids: Vec<_> = rows.iter().map(|(id, _)| *id).collect();
        Ok(changelogs::blank(connection, &ids)?)
    })
}

fn record(connection: &Connection, agency_id: Option<i64>, blanked_before: Millis) -> Result<(), Error> {
    if changelogs::has_blanking(connection, agency_id, blanked_before)? {
        return Ok(());
    }
    // The record of an agency outlives it.
    let agency = match agency_id {
        Some(id) => agencies::find(connection, id)?,
        None => None,
    };
    let updated = Blanking {
        agency_id,
        agency: agency.as_ref(),
        blanked_before,
    };
    changelogs::record_automatic(connection, agency_id, Change::update(&updated)?)
}
