//! Ends the requests that wait for an agency that was deleted. Nobody would ever take them, and while they wait, their
//! participants cannot press for the same event again. Requests for an agency that has lost its approval keep waiting,
//! because it may get the approval back.

use service::clock;
use service::database::{Connection, transaction};
use service::notices;
use sidecar_api::update::Body;

use crate::bindings::mayday::platform::identity;
use crate::error::Error;
use crate::store::{chats, queue, updates};
use crate::{frames, notes};

/// The most requests that end at once, so that the write lock is not held for long.
const AT_ONCE: i64 = 200;

/// The note to a participant whose chat was back in the queue.
const NOTE: &str = "Mayday: the team of this event is gone and cannot help you any more. Please ask other people near \
                    you, or call the emergency number.";

/// Asks the organizer service which of the agencies that people wait for were deleted, and ends the requests for them
/// as if they had been taken back. While it does not answer, they wait. Part of the tick, now and then.
pub(crate) fn end_requests(connection: &Connection) -> Result<(), Error> {
    let waited_for = queue::busy(connection)?;
    if waited_for.is_empty() {
        return Ok(());
    }
    let gone = match identity::deleted_agencies(&waited_for) {
        Ok(gone) => gone,
        Err(error) => {
            notices::print(connection, "agencies unknown", notices::MINUTE, || {
                format!("it is not known which agencies were deleted, retrying: {error:?}")
            })?;
            return Ok(());
        }
    };
    if gone.is_empty() {
        return Ok(());
    }
    let ended = transaction(connection, |connection| {
        let mut update = Body::default();
        let request_ids = queue::waiting_for(connection, &gone, AT_ONCE)?;
        for request_id in &request_ids {
            end(connection, request_id, &mut update)?;
        }
        updates::append(connection, &update)?;
        Ok::<_, Error>(request_ids)
    })?;
    service::info!(
        "requests have ended, their agencies are gone: {}",
        ended.join(", ")
    );
    Ok(())
}

fn end(connection: &Connection, request_id: &str, update: &mut Body) -> Result<(), Error> {
    // A re-queued chat is still open to its participant.
    if let Some(chat) = chats::waiting_again(connection, request_id)? {
        let note = notes::write(connection, &chat, NOTE.to_owned(), clock::now())?;
        frames::message(update, chat.parties(), &note)?;
        frames::cancelled(update, &chat)?;
    }
    queue::cancel(connection, request_id)?;
    Ok(())
}
