//! Removes closed chats that are older than the variable `retention_archive_days` allows, and reports it to the record
//! of their agencies: see [`service::removals`].

use std::collections::BTreeMap;

use service::clock::Millis;
use service::database::{Connection, transaction};
use service::settings;

use crate::bindings::mayday::platform::ledger;
use crate::error::Error;
use crate::store::removals;

/// The most chats, and messages of them, that one tick removes.
const CHATS_AT_ONCE: i64 = 100;
const MESSAGES_AT_ONCE: i64 = 1000;

/// Removes what is too old, and reports what was removed. Part of the tick.
pub(crate) fn apply(connection: &Connection) -> Result<(), Error> {
    let is_more_to_remove = match settings::days("retention_archive_days")? {
        Some(days) => remove(connection, service::removals::limit(connection, days)?)?,
        None => false,
    };
    service::removals::report(
        connection,
        is_more_to_remove,
        removals::COLUMNS,
        removals::decode,
        ledger::record_removals,
    )?;
    Ok(())
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
