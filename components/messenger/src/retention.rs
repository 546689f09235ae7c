//! Removes closed chats that are older than the variable `retention_archive_days` allows, and reports it to the record
//! of their agencies.
//!
//! A tick removes a little, so that nobody waits long for the write lock. What was removed is noted in the same
//! transaction, and reported when nothing is left to remove: once a day for an agency, however many ticks that took.

use std::collections::BTreeMap;

use service::clock::Millis;
use service::database::{Connection, transaction};
use service::{notices, settings};

use crate::bindings::mayday::platform::ledger;
use crate::error::Error;
use crate::store::removals;

/// The most chats, and messages of them, that one tick removes.
const CHATS_AT_ONCE: i64 = 100;
const MESSAGES_AT_ONCE: i64 = 1000;

/// How many reports one tick sends.
const REPORTS: i64 = 100;

/// Removes what is too old, and reports what was removed. Part of the tick.
pub(crate) fn apply(connection: &Connection) -> Result<(), Error> {
    let is_more_to_remove = match settings::days("retention_archive_days")? {
        Some(days) => remove(connection, removals::limit(connection, days)?)?,
        None => false,
    };
    if !is_more_to_remove && removals::grow(connection)? {
        removals::conclude(connection)?;
    }
    report(connection)
}

/// Removes chats that ended before a time, the oldest first. Returns whether it has found any.
fn remove(connection: &Connection, ended_before: Millis) -> Result<bool, Error> {
    // Reading first spares the write lock.
    if removals::old(connection, ended_before, 1)?.is_empty() {
        return Ok(false);
    }
    transaction(connection, |connection| {
        let mut room = MESSAGES_AT_ONCE;
        let mut removed: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        let mut ids = Vec::new();
        let old = removals::old(connection, ended_before, CHATS_AT_ONCE)?;
        for chat in &old {
            if room == 0 {
                break;
            }
            let (chats, messages) = removed.entry(chat.agency_id).or_default();
            if chat.messages > room {
                // A chat that is too long for one tick loses its last messages first.
                removals::remove_messages(connection, &chat.id, room)?;
                *messages += room;
                break;
            }
            room -= chat.messages;
            *chats += 1;
            *messages += chat.messages;
            ids.push(chat.id.as_str());
        }
        removals::remove(connection, &ids)?;
        for (agency_id, (chats, messages)) in removed {
            removals::note(connection, (agency_id, ended_before), chats, messages)?;
        }
        Ok::<_, Error>(true)
    })
}

/// Reports what is due. That the organizer service cannot be reached is no error here: the rows stay for a later tick.
fn report(connection: &Connection) -> Result<(), Error> {
    let due = removals::due(connection, REPORTS)?;
    if due.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = due.iter().map(|removal| removal.id.clone()).collect();
    let reports: Vec<_> = due
        .into_iter()
        .map(|removal| ledger::Removal {
            id: removal.id,
            agency_id: removal.agency_id,
            ended_before: removal.ended_before,
            chats: removal.chats,
            messages: removal.messages,
        })
        .collect();
    match ledger::record_removals(&reports) {
        Ok(()) => removals::done(connection, &ids)?,
        Err(error) => {
            removals::postpone(connection, &ids)?;
            notices::print(connection, "removals wait", notices::MINUTE, || {
                format!(
                    "{} removals of archives wait to be recorded, retrying: {error:?}",
                    ids.len()
                )
            })?;
        }
    }
    Ok(())
}
