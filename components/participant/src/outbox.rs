//! Delivery of presses to the messenger's queue: at once, and otherwise again and again with growing pauses.

use service::clock::{self, Millis};
use service::database::transaction;
use service::internal::{Contact, HelpRequest};
use service::retry;
use spin_sdk::sqlite3::Connection;

use crate::bindings::mayday::platform::desk;
use crate::error::Error;
use crate::store::requests::{self, Due};

/// While presses are being delivered by whoever took them, others leave them alone; this is longer than a delivery may take.
const TAKEN_FOR: Millis = 5_000;

/// How many presses one round takes along.
const ROUND: i64 = 200;

/// Delivers what is due, fresh presses and those that could not be delivered before. When many press at the same moment whoever comes first takes the
/// presses of the others along, and these find nothing left to do. A messenger that cannot be reached is no error here: the rows stay for
/// a later round.
pub(crate) fn deliver_due(connection: &Connection) -> Result<(), Error> {
    let now = clock::now();
    let due = requests::take_due(connection, now, ROUND, now + TAKEN_FOR)?;
    if due.is_empty() {
        return Ok(());
    }
    deliver(connection, due)
}

/// Once the messenger has stored requests, their outbox rows go.
fn deliver(connection: &Connection, batch: Vec<Due>) -> Result<(), Error> {
    let keys: Vec<(String, i64)> = batch
        .iter()
        .map(|due| (due.request.id.clone(), due.attempts))
        .collect();
    let batch: Vec<_> = batch.into_iter().map(|due| message(due.request)).collect();
    match desk::enqueue(&batch) {
        Ok(()) => {
            let ids: Vec<_> = keys.into_iter().map(|(id, _)| id).collect();
            requests::delivered(connection, &ids)?;
        }
        Err(error) => {
            eprintln!("{} requests for help wait in the outbox: {error:?}", keys.len());
            let now = clock::now();
            transaction(connection, |connection| {
                for (id, attempts) in &keys {
                    requests::postpone(connection, id, now + retry::pause(*attempts))?;
                }
                Ok::<_, Error>(())
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
        description: request.description,
        location: desk::Location {
            lat: request.lat,
            lng: request.lng,
        },
        contact: contact(request.contact),
    }
}

pub(crate) fn contact(contact: Contact) -> desk::Contact {
    desk::Contact {
        email: contact.email,
        phone_number: contact.phone_number,
        version: contact.version,
    }
}
