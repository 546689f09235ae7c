//! Tells the messenger of changed contact details and deleted accounts: at once, and otherwise again with growing
//! pauses.

use service::database::Connection;
use service::notices;

use crate::bindings::mayday::platform::desk;
use crate::error::Error;
use crate::outbox;
use crate::store::contact_changes::{self, Change};

/// How many changes one round takes.
const ROUND: i64 = 500;

/// Sends the changes that are due: a new one, or one that could not be sent before. If the messenger cannot be reached,
/// that is no error here: the rows stay for a later round. Two instances may send the same change at once, which does
/// no harm.
pub(crate) fn tell_due(connection: &Connection) -> Result<(), Error> {
    let due = contact_changes::due(connection, ROUND)?;
    if due.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = due.iter().map(|change| change.id).collect();
    match desk::update_contacts(&due.into_iter().map(message).collect::<Vec<_>>()) {
        Ok(()) => contact_changes::done(connection, &ids)?,
        Err(error) => {
            contact_changes::postpone(connection, &ids)?;
            notices::print(connection, "contacts wait", notices::MINUTE, || {
                format!(
                    "{} changes of contacts wait, the messenger did not take them: {error:?}",
                    ids.len()
                )
            })?;
        }
    }
    Ok(())
}

fn message(change: Change) -> desk::ContactChange {
    desk::ContactChange {
        participant_id: change.participant_id,
        contact: change.contact.map(outbox::contact),
    }
}
