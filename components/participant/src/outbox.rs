//! Delivers presses to the messenger's queue: at once, and otherwise again with growing pauses.

use std::time::{Duration, Instant};

use service::database::Connection;
use service::internal::{Contact, HelpRequest};
use service::notices;

use crate::bindings::mayday::platform::desk;
use crate::error::Error;
use crate::store::requests;

/// How many presses one round takes.
const ROUND: i64 = 200;

/// How long one press goes on delivering those of others, while they keep coming. Its own client waits meanwhile. The
/// next press, or the tick, goes on from there.
const DELIVERS_FOR: Duration = Duration::from_millis(500);

/// Delivers a press that has just been stored, and in further rounds what has become due meanwhile: when many press at
/// the same moment, few of them deliver the presses of all.
pub(crate) fn deliver(connection: &Connection, press: HelpRequest) -> Result<(), Error> {
    let started = Instant::now();
    let mut due = vec![press];
    while deliver_round(connection, due)? && started.elapsed() < DELIVERS_FOR {
        due = requests::take_due(connection, ROUND)?;
    }
    Ok(())
}

/// Delivers what is due: presses that could not be delivered before, and those whose delivery has broken off.
pub(crate) fn deliver_due(connection: &Connection) -> Result<(), Error> {
    let due = requests::take_due(connection, ROUND)?;
    deliver_round(connection, due).map(drop)
}

/// Delivers presses that this request has taken. Returns whether others have become due. That the messenger cannot be
/// reached is no error here: the rows stay for a later round.
fn deliver_round(connection: &Connection, due: Vec<HelpRequest>) -> Result<bool, Error> {
    if due.is_empty() {
        return Ok(false);
    }
    let ids: Vec<_> = due.iter().map(|request| request.id.clone()).collect();
    let due: Vec<_> = due.into_iter().map(message).collect();
    let outcome = desk::enqueue(&due);
    requests::do_not_wait_for_the_disk(connection);
    match outcome {
        Ok(()) => Ok(requests::delivered(connection, &ids)?),
        Err(error) => {
            requests::postpone(connection, &ids)?;
            notices::print(connection, "presses wait", notices::MINUTE, || {
                format!(
                    "{} presses wait in the outbox, the messenger did not take them: {error:?}",
                    ids.len()
                )
            })?;
            Ok(false)
        }
    }
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
