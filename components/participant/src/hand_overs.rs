//! Hand-overs: a guest who signs in to an account takes open requests and chats along. The service sends this to the
//! messenger at once, and retries with growing pauses.

use service::database::{self, Connection};
use service::notices;

use crate::access::Caller;
use crate::bindings::mayday::platform::desk;
use crate::error::Error;
use crate::outbox;
use crate::store::{hand_overs, participants};

/// How many one round takes. The messenger runs about eleven statements for each, and has three seconds for all.
const ROUND: i64 = 20;

/// Gives what a guest has open to an account, and signs the guest out. A guest whom another request has handed over,
/// signed up or signed out meanwhile counts as none, and keeps what is open. The guest's account stays for a while: a
/// press of it may still be on its way to the messenger, which forgets whose account is deleted.
pub(crate) fn begin(connection: &Connection, guest: &Caller, account_id: i64) -> Result<(), Error> {
    guest.change_guest(connection, |connection, participant| {
        hand_overs::add(connection, participant.id, account_id)?;
        let time = guest.time_of_sign_out(database::now(connection)?);
        Ok(participants::sign_out(connection, participant.id, time)?)
    })?;
    // It is stored, so the next tick repeats what fails now.
    tell_due(connection)
        .unwrap_or_else(|error| service::warn!("a hand-over of chats waits to be told: {error}"));
    Ok(())
}

/// Tells what is due. That the messenger cannot be reached is no error here: the rows stay for a later round. Two
/// instances may tell the same at once, which does no harm.
pub(crate) fn tell_due(connection: &Connection) -> Result<(), Error> {
    let due = hand_overs::due(connection, ROUND)?;
    if due.is_empty() {
        return Ok(());
    }
    let told: Vec<(i64, i64)> = due
        .iter()
        .map(|hand_over| (hand_over.guest_id, hand_over.account_id))
        .collect();
    let messages: Vec<_> = due
        .into_iter()
        .map(|hand_over| desk::GuestSignIn {
            guest_id: hand_over.guest_id,
            account_id: hand_over.account_id,
            contact: hand_over.contact.map(outbox::contact),
        })
        .collect();
    match desk::hand_over(&messages) {
        Ok(()) => hand_overs::done(connection, &told)?,
        Err(error) => {
            let guest_ids: Vec<i64> = told.iter().map(|(guest_id, _)| *guest_id).collect();
            hand_overs::postpone(connection, &guest_ids)?;
            notices::print(connection, "hand-overs wait", notices::MINUTE, || {
                format!(
                    "{} hand-overs of chats wait, the messenger did not take them: {error:?}",
                    guest_ids.len()
                )
            })?;
        }
    }
    Ok(())
}
