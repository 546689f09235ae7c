//! Delivers presses to the messenger's queue: at once, and otherwise again with growing pauses.

use service::clock::Millis;
use service::database::Connection;
use service::internal::{Contact, HelpRequest};
use service::notices;

use crate::bindings::mayday::platform::desk;
use crate::error::Error;
use crate::store::requests;

/// While an instance delivers presses, others leave them alone; this is longer than a delivery may take.
const TAKEN_FOR: Millis = 5_000;

/// How many presses one round takes.
const ROUND: i64 = 200;

/// Delivers what is due: fresh presses, and those that could not be delivered before. When many press at the same
/// moment, the first delivers the presses of the others as well, and these find nothing left to do. That the messenger
/// cannot be reached is no error here: the rows stay for a later round.
pub(crate) fn deliver_due(connection: &Connection) -> Result<(), Error> {
    let due = requests::take_due(connection, ROUND, TAKEN_FOR)?;
    if due.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = due.iter().map(|request| request.id.clone()).collect();
    let due: Vec<_> = due.into_iter().map(message).collect();
    match desk::enqueue(&due) {
        Ok(()) => requests::delivered(connection, &ids)?,
        Err(error) => {
            requests::postpone(connection, &ids)?;
            notices::print(connection, "presses wait", notices::MINUTE, || {
                format!(
                    "{} presses wait in the outbox, the messenger did not take them: {error:?}",
                    ids.len()
                )
            })?;
        }
    }
    Ok(())
}

fn message(request: HelpRequest) -> desk::HelpRequest {
    desk::HelpRequest {
        id: request.id,
        participant_id: request.participant_id,
        event_id: request.event_id,
        agency_id: request.agency_id,
        pressed_at: request.pressed_at,
        received_at: request.received_at.unwrap_or(request.pressed_at),
        kind: request.kind,
        description: request.description,
        location: desk::Location {
            lat: request.lat,
            lng: request.lng,
            accuracy: request.accuracy,
            measured_at: request.position_at,
        },
        contact: contact(request.contact),
    }
}

pub(crate) fn contact(contact: Contact) -> desk::Contact {
    desk::Contact {
        email: contact.email,
        phone_number: contact.phone_number,
        name: contact.name,
        is_guest: contact.is_guest,
        version: contact.version,
    }
}
