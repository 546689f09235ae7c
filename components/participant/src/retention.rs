//! Removes guests and copies of events that are older than the variables `retention_guest_days` and
//! `retention_known_event_days` allow, and reports it to the record of the administrators, since neither belongs to an
//! agency: see [`service::removals`].

use service::clock::Millis;
use service::database::{Connection, transaction};
use service::settings;

use crate::bindings::mayday::platform::ledger;
use crate::error::Error;
use crate::store::{known_events, participants, removals};

/// How many guests, and copies of events, one tick removes.
const GUESTS_AT_ONCE: i64 = 50;
const EVENTS_AT_ONCE: i64 = 500;

/// Removes what is too old. Returns whether there may be more. Part of the tick.
pub(crate) fn remove(connection: &Connection) -> Result<bool, Error> {
    let has_guests = match settings::days("retention_guest_days")? {
        Some(days) => remove_guests(connection, service::removals::limit(connection, days)?)?,
        None => false,
    };
    let has_events = match settings::days("retention_known_event_days")? {
        Some(days) => remove_events(connection, service::removals::limit(connection, days)?)?,
        None => false,
    };
    Ok(has_guests || has_events)
}

/// Reports what was removed. Part of the tick.
pub(crate) fn report(connection: &Connection, is_more_to_remove: bool) -> Result<(), Error> {
    service::removals::report(
        connection,
        is_more_to_remove,
        removals::COLUMNS,
        removals::decode,
        ledger::record_removals,
    )?;
    Ok(())
}

/// Deletes guests who have last signed in before a time. The messenger forgets them as it forgets everybody.
fn remove_guests(connection: &Connection, active_before: Millis) -> Result<bool, Error> {
    let idle = |connection: &Connection, limit| participants::idle_guests(connection, active_before, limit);
    // Reading first spares the write lock.
    if idle(connection, 1)?.is_empty() {
        return Ok(false);
    }
    transaction(connection, |connection| {
        let guests = idle(connection, GUESTS_AT_ONCE)?;
        for guest_id in &guests {
            participants::delete(connection, *guest_id)?;
        }
        removals::note(connection, active_before, guests.len(), 0)?;
        Ok(true)
    })
}

/// Deletes copies of events that were last confirmed before a time.
fn remove_events(connection: &Connection, verified_before: Millis) -> Result<bool, Error> {
    let old = |connection: &Connection, limit| known_events::old(connection, verified_before, limit);
    // Reading first spares the write lock.
    if old(connection, 1)?.is_empty() {
        return Ok(false);
    }
    transaction(connection, |connection| {
        let events = old(connection, EVENTS_AT_ONCE)?;
        known_events::remove(connection, &events)?;
        removals::note(connection, verified_before, 0, events.len())?;
        Ok(true)
    })
}
