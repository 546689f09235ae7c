//! What is stored about a participant: the messenger's part of an export (docs/privacy.md).

use http::StatusCode;
use service::database::{Connection, snapshot};
use service::door::{Answer, Request};
use service::internal::{StoredAbout, StoredCursor, StoredPart};

use crate::answer::json;
use crate::error::Error;
use crate::store::stored;
use crate::{access, body, store};

/// The most bytes of messages in one part, give or take a message. Two services have to hold it in several forms.
const MAX_BYTES: i64 = 2 * 1024 * 1024;

/// The most chats in one part.
const MAX_CHATS: i64 = 500;

/// `POST /internal/stored`
pub(crate) fn show_stored(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let StoredAbout {
        participant_id,
        after,
    } = body::parse(request)?;
    let part = snapshot(&store::open()?, |connection| {
        part(connection, participant_id, after)
    })?;
    Ok(json(StatusCode::OK, &part))
}

fn part(
    connection: &Connection,
    participant_id: i64,
    after: Option<StoredCursor>,
) -> Result<StoredPart, Error> {
    let start = after.unwrap_or(StoredCursor { arrival: 0, seq: 0 });
    // One more chat shows where the next part begins.
    let found = stored::chats(connection, participant_id, start.arrival, MAX_CHATS + 1)?;
    let mut chats = Vec::new();
    let mut room = MAX_BYTES;
    let mut next = None;
    for (number, (arrival, mut chat)) in (0..).zip(found) {
        if room <= 0 || number == MAX_CHATS {
            next = Some(StoredCursor { arrival, seq: 0 });
            break;
        }
        let seq = if arrival == start.arrival { start.seq } else { 0 };
        let (messages, size, are_last) = stored::messages_after(connection, &chat.id, seq, room)?;
        let reached = messages.last().map_or(seq, |message| message.seq);
        chat.messages = messages;
        chats.push(chat);
        room -= size;
        if !are_last {
            next = Some(StoredCursor {
                arrival,
                seq: reached,
            });
            break;
        }
    }
    Ok(StoredPart {
        contact: stored::contact(connection, participant_id)?,
        guest_ids: stored::guest_ids(connection, participant_id)?,
        account_id: stored::account_id(connection, participant_id)?,
        chats,
        next,
    })
}
