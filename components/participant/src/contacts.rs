//! Telling the messenger how participants can be reached now, and who is gone: at once, and otherwise again and again with growing pauses.

use service::clock;
use service::retry;
use spin_sdk::sqlite3::Connection;

use crate::bindings::mayday::platform::desk;
use crate::error::Error;
use crate::outbox;
use crate::store::contact_changes::{self, Change};

/// How many changes one round takes along.
const ROUND: i64 = 500;

/// Tells what is due, a change just made or what could not be told before. A messenger that cannot be reached is no error here: the rows stay
/// for a later round. Two may tell of one change at once; that does no harm.
pub(crate) fn tell_due(connection: &Connection) -> Result<(), Error> {
    let due = contact_changes::due(connection, clock::now(), ROUND)?;
    if due.is_empty() {
        return Ok(());
    }
    match desk::update_contacts(&due.iter().map(message).collect::<Vec<_>>()) {
        Ok(()) => contact_changes::done(connection, &due)?,
        Err(error) => {
            eprintln!("{} changes of contacts wait to be told: {error:?}", due.len());
            let now = clock::now();
            for change in &due {
                contact_changes::postpone(connection, change, now + retry::pause(change.attempts))?;
            }
        }
    }
    Ok(())
}

fn message(change: &Change) -> desk::ContactChange {
    desk::ContactChange {
        participant_id: change.participant_id,
        contact: change.contact.clone().map(outbox::contact),
    }
}
