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

/// Presses that the messenger was asked to store, and its answer.
pub(crate) struct Round {
    ids: Vec<String>,
    outcome: Result<(), desk::Error>,
}

/// Hands presses that this request has taken to the messenger.
fn hand_over(presses: Vec<HelpRequest>) -> Round {
    Round {
        ids: presses.iter().map(|press| press.id.clone()).collect(),
        outcome: desk::enqueue(&presses.into_iter().map(message).collect::<Vec<_>>()),
    }
}

/// Delivers a press that has just been stored. [`go_on`] has to follow.
pub(crate) fn deliver(press: HelpRequest) -> Round {
    hand_over(vec![press])
}

/// Notes what became of a press, and delivers those that have become due meanwhile, in rounds: when many press at the
/// same moment, few of them deliver the presses of all. To be called when the client has its answer. What fails is
/// repeated at a tick.
pub(crate) fn go_on(connection: &Connection, delivered: Round) -> Result<(), Error> {
    let started = Instant::now();
    let mut others_are_due = note(connection, delivered)?;
    while others_are_due && started.elapsed() < DELIVER_FOR {
        let Some(round) = deliver_round(connection)? else {
            break;
        };
        // Until their rows are gone, the delivery counts as under way.
        thread::sleep(GATHER_FOR);
        others_are_due = note(connection, round)?;
    }
    Ok(())
}

/// Delivers what is due: presses that could not be delivered before, and those whose delivery has broken off.
pub(crate) fn deliver_due(connection: &Connection) -> Result<(), Error> {
    match deliver_round(connection)? {
        Some(round) => note(connection, round).map(drop),
        None => Ok(()),
    }
}

/// Takes what is due, if anything is, and hands it to the messenger.
fn deliver_round(connection: &Connection) -> Result<Option<Round>, Error> {
    let due = requests::take_due(connection, ROUND)?;
    Ok((!due.is_empty()).then(|| hand_over(due)))
}

/// Notes what became of presses. Returns whether others have become due meanwhile. That the messenger cannot be reached
/// is no error here: the rows stay for a later round.
fn note(connection: &Connection, round: Round) -> Result<bool, Error> {
    let Round { ids, outcome } = round;
    let Err(error) = outcome else {
        return Ok(requests::delivered(connection, &ids)?);
    };
    requests::postpone(connection, &ids)?;
    notices::print(connection, "presses wait", notices::MINUTE, || {
        format!(
            "{} presses wait in the outbox, the messenger did not take them: {error:?}",
            ids.len()
        )
    })?;
    Ok(false)
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
