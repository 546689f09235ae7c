//! What sockets have missed while sidecars could not tell each other. Clients of protocol 2 are told to look; those of the contract cannot be,
//! so their sidecar asks for them.

use std::collections::HashMap;

use http::StatusCode;
use relay_protocol::{Audience, Delivery, Listener, Listeners, Missed, Realm};
use service::database::snapshot;
use service::door::{Answer, Request};
use spin_sdk::sqlite3::Connection;

use crate::commands::MAX_CHARACTERS;
use crate::error::Error;
use crate::store::{chats, messages};
use crate::{access, body, frames, json, store};

/// `POST /internal/missed`: the frames that these users were to be shown and, as far as their sidecar can tell, were not.
pub(crate) fn list_missed(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let Listeners { listeners } = body(request)?;
    let mut missed = Missed::default();
    let mut characters = 0;
    snapshot(&store::open()?, |connection| {
        for listener in &listeners {
            let deliveries = missed_by(connection, listener, &mut characters)?;
            let to_listener = |delivery| Delivery {
                to: vec![listener.user],
                ..delivery
            };
            missed.deliveries.extend(deliveries.into_iter().map(to_listener));
        }
        Ok::<_, Error>(())
    })?;
    Ok(json(StatusCode::OK, &missed))
}

fn missed_by(
    connection: &Connection,
    listener: &Listener,
    characters: &mut u32,
) -> Result<Vec<Delivery>, Error> {
    let Listener { user, since, chats } = listener;
    let mut known: HashMap<&str, &[(i64, i64)]> = chats
        .iter()
        .map(|chat| (chat.chat_id.as_str(), chat.lacking.as_slice()))
        .collect();
    let mut deliveries = Vec::new();
    for chat in chats::open_of(connection, *user)? {
        let lacking = known.remove(chat.id.as_str());
        let lacks = |position: i64| {
            lacking.is_none_or(|ranges| ranges.iter().any(|(from, to)| (*from..=*to).contains(&position)))
        };
        // Another organizer is no new chat to the participant.
        let (revision, position) = match user.realm {
            Realm::Organizer => (chat.given_at_revision, chat.new_chat_position),
            Realm::Participant => (chat.started_at_revision, 0),
        };
        if revision > *since && lacks(position) {
            deliveries.push(Delivery {
                revision: Some(revision),
                ..frames::new_chat(&chat, position)?
            });
        }
        let from = lacking
            .and_then(|ranges| ranges.first())
            .map_or(0, |(from, _)| *from);
        for message in messages::missed(connection, &chat, user.realm, *since, from)? {
            // What an answer has no room for is in the history.
            if lacks(message.position) && *characters < MAX_CHARACTERS {
                *characters += message.characters();
                deliveries.push(Delivery {
                    revision: Some(message.revision),
                    ..frames::user_message(&chat, &message)?
                });
            }
        }
    }
    for chat in chats::closed_of(connection, *user, *since)? {
        known.remove(chat.id.as_str());
        deliveries.push(Delivery {
            revision: Some(chat.closed_at_revision),
            ..frames::closed_chat(&chat, chat.next_position())?
        });
    }
    // What is left was shown to be open, and an organizer has lost it since.
    for (chat_id, lacking) in known {
        if let Some(chat) = chats::find(connection, chat_id)?
            && chat.has_left(*user)
        {
            let position = lacking.last().map_or(0, |(from, _)| *from);
            deliveries.push(Delivery {
                audience: Audience::Contract,
                ..frames::closed_chat(&chat, position)?
            });
        }
    }
    Ok(deliveries)
}
