//! Releasing the locks of closed requests at the participant service: at once, and otherwise again and again.

use http::StatusCode;
use service::clock::{self, Millis};
use service::database::transaction;
use service::door::{Answer, Request};
use service::retry;
use spin_sdk::sqlite3::Connection;

use crate::bindings::mayday::platform::roster::{self, ClosedRequest};
use crate::error::Error;
use crate::store::outbox::{self, Release};
use crate::{access, news, store};

/// While a release is being tried by whoever closed the chat, others leave it alone; this is longer than a try may take.
const FIRST_RETRY: Millis = 5_000;

/// How many releases one round takes along.
const ROUND: i64 = 500;

/// Notes that a lock is to be released. To be called in the transaction of the closing.
pub(crate) fn remember(connection: &Connection, release: &Release) -> Result<(), Error> {
    Ok(outbox::add(connection, release, clock::now() + FIRST_RETRY)?)
}

/// Releases the locks of chats that have just been closed, so that their participants can ask again by the time they see
/// `closed_chat`. When the participant service cannot be asked the closing stands all the same, and the release comes later. Whoever closes a chat after
/// that does not wait for it again, but leaves it to the tick.
pub(crate) fn release_closed(connection: &Connection, releases: Vec<Release>) -> Result<(), Error> {
    if releases.is_empty() {
        return Ok(());
    }
    if outbox::has_failed(connection)? {
        let ids: Vec<_> = releases.iter().map(|release| &release.request_id).collect();
        return Ok(outbox::make_due(connection, &ids, clock::now())?);
    }
    release(connection, releases)
}

fn release(connection: &Connection, releases: Vec<Release>) -> Result<(), Error> {
    if releases.is_empty() {
        return Ok(());
    }
    let closed_request = |release: &Release| ClosedRequest {
        request_id: release.request_id.clone(),
        participant_id: release.participant_id,
        event_id: release.event_id,
    };
    match roster::release_locks(&releases.iter().map(closed_request).collect::<Vec<_>>()) {
        Ok(()) => {
            let ids: Vec<_> = releases.into_iter().map(|release| release.request_id).collect();
            outbox::done(connection, &ids)?;
        }
        Err(error) => {
            eprintln!(
                "{} locks wait in the outbox to be released: {error:?}",
                releases.len()
            );
            let now = clock::now();
            transaction(connection, |connection| {
                for release in &releases {
                    let due_at = now + retry::pause(release.attempts);
                    outbox::postpone(connection, &release.request_id, due_at)?;
                }
                Ok::<_, Error>(())
            })?;
        }
    }
    Ok(())
}

/// `POST /internal/tick`: the dispatcher's knock; releases what is due, and gives back to the queue what nobody looks after.
pub(crate) fn tick(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let connection = store::open()?;
    news::tidy(&connection)?;
    let due = outbox::due(&connection, clock::now(), ROUND)?;
    release(&connection, due)?;
    Ok(Answer::empty(StatusCode::OK))
}
