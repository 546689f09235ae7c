//! Delivers presses to the messenger's queue: at once, and otherwise again with growing pauses.

use std::thread;
use std::time::{Duration, Instant};

use service::database::Connection;
use service::internal::{Contact, HelpRequest};
use service::notices;

use crate::bindings::mayday::platform::desk;
use crate::error::Error;
use crate::store::requests;

/// How many presses one round takes.
const ROUND: i64 = 200;

/// How long presses gather for the next round. Rounds without a pause would keep the locks of both databases busy, and
/// those who press would wait for them.
const GATHER_FOR: Duration = Duration::from_millis(20);

/// How long one press goes on delivering those of others, while they keep coming. The next press, or the tick, goes on
/// from there.
const DELIVER_FOR: Duration = Duration::from_secs(5);

/// Delivers a press that has just been stored. Returns whether others have become due meanwhile, for
/// [`deliver_others`].
pub(crate) fn deliver(connection: &Connection, press: HelpRequest) -> Result<bool, Error> {
    deliver_round(connection, vec![press], Duration::ZERO)
}

/// Delivers presses that have become due during a delivery, in rounds: when many press at the same moment, few of them
/// deliver the presses of all. To be called when the client has its answer.
pub(crate) fn deliver_others(connection: &Connection) -> Result<(), Error> {
    let started = Instant::now();
    while started.elapsed() < DELIVER_FOR {
        let due = requests::take_due(connection, ROUND)?;
        if !deliver_round(connection, due, GATHER_FOR)? {
            break;
        }
    }
    Ok(())
}

/// Delivers what is due: presses that could not be delivered before, and those whose delivery has broken off.
pub(crate) fn deliver_due(connection: &Connection) -> Result<(), Error> {
    let due = requests::take_due(connection, ROUND)?;
    deliver_round(connection, due, Duration::ZERO).map(drop)
}

/// Delivers presses that this request has taken. Returns whether others have become due until `pause` has passed. That
/// the messenger cannot be reached is no error here: the rows stay for a later round.
fn deliver_round(connection: &Connection, due: Vec<HelpRequest>, pause: Duration) -> Result<bool, Error> {
    if due.is_empty() {
        return Ok(false);
    }
    let ids: Vec<_> = due.iter().map(|request| request.id.clone()).collect();
    let due: Vec<_> = due.into_iter().map(message).collect();
    let outcome = desk::enqueue(&due);
    requests::do_not_wait_for_the_disk(connection);
    match outcome {
        Ok(()) => {
            // Until their rows are gone, the delivery counts as under way.
            thread::sleep(pause);
            Ok(requests::delivered(connection, &ids)?)
        }
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
