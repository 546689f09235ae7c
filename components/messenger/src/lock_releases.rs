//! Releases the locks of closed requests at the participant service, and retries until that succeeds.
//!
//! Both sides see `closed_chat` when the lock is released, so that the participant may press again then. If the first
//! try fails, or an earlier release has failed, they see it at once. In all cases the archive already has the chat
//! (contract 5.6).

use service::clock::Millis;
use service::database::{Connection, transaction};
use service::{notices, retry};
use sidecar_api::update::Body;

use crate::bindings::mayday::platform::roster::{self, ClosedRequest};
use crate::error::Error;
use crate::frames;
use crate::store::chats;
use crate::store::lock_releases::{self, Release};
use crate::store::updates;

/// While the exchange that closed a chat tries to release its lock, before its answer or after it, the tick leaves it
/// alone. This is longer than a try may take.
const FIRST_RETRY: Millis = 5_000;

/// The most releases in one call.
const MAX_BATCH: i64 = 500;

/// Adds a lock to release. Call it in the transaction that closes the chat.
pub(crate) fn enqueue(connection: &Connection, release: &Release) -> Result<(), Error> {
    Ok(lock_releases::add(connection, release, FIRST_RETRY)?)
}

/// What became of the chats that an exchange has closed.
pub(crate) struct Closed {
    /// The update that shows that they are closed.
    pub announced: Option<i64>,
    /// The locks to release after the answer.
    pub later: Vec<Release>,
}

/// Shows that chats are closed that have just been closed, and releases their locks before that. While a failed release
/// is pending, no exchange waits for another: [`release_later`] has to follow the answer.
pub(crate) fn release_closed(connection: &Connection, releases: Vec<Release>) -> Result<Closed, Error> {
    if releases.is_empty() || !lock_releases::has_failed(connection)? {
        return Ok(Closed {
            announced: release(connection, &releases)?,
            later: Vec::new(),
        });
    }
    let ids = request_ids(&releases);
    Ok(Closed {
        announced: transaction(connection, |connection| announce(connection, &ids))?,
        later: releases,
    })
}

/// Releases locks whose release no exchange has waited for, and what is due: without ticks, nobody else retries it. To
/// be called when the sidecar has its answer. What fails is repeated.
pub(crate) fn release_later(connection: &Connection, mut releases: Vec<Release>) -> Result<(), Error> {
    releases.extend(lock_releases::due(connection, MAX_BATCH)?);
    release(connection, &releases).map(drop)
}

/// Releases what is due. Part of the tick.
pub(crate) fn release_due(connection: &Connection) -> Result<(), Error> {
    let due = lock_releases::due(connection, MAX_BATCH)?;
    release(connection, &due).map(drop)
}

/// Releases locks and shows that their chats are closed. Returns the update that was written.
fn release(connection: &Connection, releases: &[Release]) -> Result<Option<i64>, Error> {
    if releases.is_empty() {
        return Ok(None);
    }
    let closed_request = |release: &Release| ClosedRequest {
        request_id: release.request_id.clone(),
        participant_id: release.participant_id,
        event_id: release.event_id,
    };
    let requests: Vec<ClosedRequest> = releases.iter().map(closed_request).collect();
    let outcome = roster::release_locks(&requests);
    let ids = request_ids(releases);
    transaction(connection, |connection| {
        let announced = announce(connection, &ids)?;
        match &outcome {
            Ok(()) => lock_releases::done(connection, &ids)?,
            Err(error) => {
                retry::postpone(connection, "lock_releases", "request_id", &ids)?;
                notices::print(connection, "locks wait", notices::MINUTE, || {
                    format!("{} locks could not be released, retrying: {error:?}", ids.len())
                })?;
            }
        }
        Ok(announced)
    })
}

fn request_ids(releases: &[Release]) -> Vec<String> {
    releases
        .iter()
        .map(|release| release.request_id.clone())
        .collect()
}

/// Shows `closed_chat` for the requests that are not announced yet.
fn announce(connection: &Connection, request_ids: &[String]) -> Result<Option<i64>, Error> {
    let mut body = Body::default();
    let taken = lock_releases::take_announcements(connection, request_ids)?;
    for chat in chats::of_requests(connection, &taken)? {
        frames::closed(&mut body, &chat)?;
    }
    Ok(updates::append(connection, &body)?)
}
