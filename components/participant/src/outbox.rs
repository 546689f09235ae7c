//! Delivery of presses to the messenger's queue: at once, and otherwise again and again with growing pauses.

use service::clock::{self, Millis};
use service::internal::HelpRequest;
use service::retry;
use spin_sdk::sqlite3::Connection;

use crate::bindings::mayday::platform::desk;
use crate::error::Error;
use crate::store::requests::{self, Due};

/// While a press is being delivered by whoever took it, others leave it alone; this is longer than a delivery may take.
const FIRST_RETRY: Millis = 5_000;

/// How many presses one round takes along.
const ROUND: i64 = 200;

/// When a fresh press is due for a second try, in case the first is never heard of again.
pub(crate) fn first_retry(pressed_at: Millis) -> Millis {
    pressed_at + FIRST_RETRY
}

/// Delivers a fresh press, and when that works whatever else is due. Once the messenger has stored a request, its outbox row goes. A
/// messenger that cannot be reached is no error here: the rows stay for a later round.
pub(crate) fn deliver_press(connection: &Connection, press: HelpRequest) -> Result<(), Error> {
    if deliver(
        connection,
        vec![Due {
            request: press,
            attempts: 0,
        }],
    )? {
        deliver_due(connection)
    } else {
        Ok(())
    }
}

/// Delivers what is due.
pub(crate) fn deliver_due(connection: &Connection) -> Result<(), Error> {
    let due = requests::due(connection, clock::now(), ROUND)?;
    if !due.is_empty() {
        deliver(connection, due)?;
    }
    Ok(())
}

/// Whether the messenger has them now.
fn deliver(connection: &Connection, batch: Vec<Due>) -> Result<bool, Error> {
    let keys: Vec<(String, i64)> = batch
        .iter()
        .map(|due| (due.request.id.clone(), due.attempts))
        .collect();
    let batch: Vec<_> = batch.into_iter().map(|due| message(due.request)).collect();
    match desk::enqueue(&batch) {
        Ok(()) => {
            let ids: Vec<_> = keys.into_iter().map(|(id, _)| id).collect();
            requests::delivered(connection, &ids)?;
            Ok(true)
        }
        Err(error) => {
            eprintln!("{} requests for help wait in the outbox: {error:?}", keys.len());
            let now = clock::now();
            for (id, attempts) in keys {
                requests::postpone(connection, &id, now + retry::pause(attempts))?;
            }
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
        description: request.description,
        location: desk::Location {
            lat: request.lat,
            lng: request.lng,
        },
        email: request.email,
        phone_number: request.phone_number,
    }
}
