//! The record of changes, through the organizer service's routes for services.

use std::time::Duration;

use service::internal;

use crate::Peers;
use crate::bindings::exports::mayday::platform::ledger::{Error, Guest, Removal, Removed};
use crate::owner::{ORGANIZER, OwnerError};

/// The outbox retries.
const TIMEOUT: Duration = Duration::from_secs(3);

impl Guest for Peers {
    fn record_removals(removals: Vec<Removal>) -> Result<(), Error> {
        let body = |removal: Removal| internal::Removal {
            id: removal.id,
            removed: match removal.removed {
                Removed::Chats(removed) => internal::Removed::Chats {
                    agency_id: removed.agency_id,
                    ended_before: removed.ended_before,
                    chats: removed.chats,
                    messages: removed.messages,
                },
                Removed::Unseen(removed) => internal::Removed::Unseen {
                    last_seen_before: removed.last_seen_before,
                    guests: removed.guests,
                    known_events: removed.known_events,
                },
            },
        };
        let removals = internal::Removals {
            removals: removals.into_iter().map(body).collect(),
        };
        ORGANIZER
            .tell("/organizer/api/removals", &removals, TIMEOUT)
            .map_err(|error| failure(&error))
    }
}

fn failure(error: &OwnerError) -> Error {
    if error.is_unavailable() {
        Error::Unavailable(error.to_string())
    } else {
        Error::Other(error.to_string())
    }
}
