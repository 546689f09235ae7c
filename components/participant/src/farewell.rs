//! Telling the messenger to forget who has deleted their account: at once, and otherwise again and again with growing pauses.

use service::clock::{self, Millis};
use service::retry;
use spin_sdk::sqlite3::Connection;

use crate::bindings::mayday::platform::desk;
use crate::error::Error;
use crate::store::farewells::{self, Farewell};

/// While a farewell is being said by whoever deleted the account, others leave it alone; this is longer than that may take.
const FIRST_RETRY: Millis = 5_000;

/// How many farewells one round takes along.
const ROUND: i64 = 500;

/// Notes that a participant is to be forgotten. To be called in the transaction of the deletion.
pub(crate) fn remember(connection: &Connection, participant_id: i64) -> Result<(), Error> {
    Ok(farewells::add(
        connection,
        participant_id,
        clock::now() + FIRST_RETRY,
    )?)
}

/// Has a participant forgotten who has just gone. A messenger that cannot be reached is no error here: it is told later.
pub(crate) fn say(connection: &Connection, participant_id: i64) -> Result<(), Error> {
    say_all(
        connection,
        &[Farewell {
            participant_id,
            attempts: 0,
        }],
    )
}

/// Says what is due.
pub(crate) fn say_due(connection: &Connection) -> Result<(), Error> {
    say_all(connection, &farewells::due(connection, clock::now(), ROUND)?)
}

fn say_all(connection: &Connection, farewells: &[Farewell]) -> Result<(), Error> {
    if farewells.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = farewells.iter().map(|farewell| farewell.participant_id).collect();
    match desk::forget(&ids) {
        Ok(()) => farewells::done(connection, &ids)?,
        Err(error) => {
            eprintln!("{} participants wait to be forgotten: {error:?}", ids.len());
            let now = clock::now();
            for farewell in farewells {
                let due_at = now + retry::pause(farewell.attempts);
                farewells::postpone(connection, farewell.participant_id, due_at)?;
            }
        }
    }
    Ok(())
}
