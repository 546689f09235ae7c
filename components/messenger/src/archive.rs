//! The archives (contract 5.1).

use std::collections::{BTreeSet, HashMap};

use http::StatusCode;
use relay_protocol::{Principal, Protocol, Realm};
use service::door::{Answer, Request};
use spin_sdk::sqlite3::Connection;

use crate::bindings::mayday::platform::roster;
use crate::error::Error;
use crate::frames::{ChatBody, Contact, MessageBody};
use crate::store::chats::{self, Chat};
use crate::store::{self, messages};
use crate::{access, ids, json};

/// `GET /agency/chats`
pub(crate) fn list_agency_chats(request: &Request) -> Result<Answer, Error> {
    let (_, agency_id) = admit_organizer(request)?;
    let ended = chats::ended_of_agency(&store::open()?, agency_id)?;
    Ok(json(StatusCode::OK, &enriched(&ended)))
}

/// `GET /participant/chats`
pub(crate) fn list_participant_chats(request: &Request) -> Result<Answer, Error> {
    let participant = access::admit(request, Realm::Participant)?;
    let ended = chats::ended_of_participant(&store::open()?, participant.user.id)?;
    Ok(json(StatusCode::OK, &enriched(&ended)))
}

/// `GET /agency/chats/:chatId/messages`: any chat of the agency, open or closed.
pub(crate) fn list_agency_messages(request: &Request) -> Result<Answer, Error> {
    let (_, agency_id) = admit_organizer(request)?;
    list_messages(request, |chat| chat.agency_id == agency_id)
}

/// `GET /participant/chats/:chatId/messages`: any chat of the participant's own, open or closed.
pub(crate) fn list_participant_messages(request: &Request) -> Result<Answer, Error> {
    let participant = access::admit(request, Realm::Participant)?;
    list_messages(request, |chat| chat.participant_id == participant.user.id)
}

fn admit_organizer(request: &Request) -> Result<(Principal, i64), Error> {
    let principal = access::admit(request, Realm::Organizer)?;
    let agency_id = principal.agency_id.ok_or(Error::Unauthorized("invalid role"))?;
    Ok((principal, agency_id))
}

fn list_messages(request: &Request, may_see: impl Fn(&Chat) -> bool) -> Result<Answer, Error> {
    let id = request
        .path
        .get(2)
        .filter(|id| ids::is_id(id))
        .ok_or(Error::ChatNotFound)?;
    let connection = store::open()?;
    find(&connection, id, may_see)?;
    let messages = messages::all(&connection, id)?;
    let bodies: Vec<_> = messages
        .iter()
        .map(|message| MessageBody::new(message, Protocol::Contract))
        .collect();
    Ok(json(StatusCode::OK, &bodies))
}

fn find(connection: &Connection, id: &str, may_see: impl Fn(&Chat) -> bool) -> Result<Chat, Error> {
    chats::find(connection, id)?
        .filter(may_see)
        .ok_or(Error::ChatNotFound)
}

/// Chats with their participants as they are now; when they cannot be asked for, as this service has heard of them last.
fn enriched(chats: &[Chat]) -> Vec<ChatBody> {
    let ids: BTreeSet<i64> = chats.iter().map(|chat| chat.participant_id).collect();
    let ids: Vec<i64> = ids.into_iter().collect();
    let current = if ids.is_empty() {
        Ok(Vec::new())
    } else {
        roster::profiles(&ids)
    };
    let contact = |profile: roster::Profile| {
        (
            profile.id,
            Contact {
                id: profile.id,
                email: profile.email,
                phone_number: profile.phone_number,
            },
        )
    };
    let current: Option<HashMap<i64, Contact>> = current
        .ok()
        .map(|profiles| profiles.into_iter().map(contact).collect());
    let participant = |chat: &Chat| match &current {
        Some(contacts) => contacts.get(&chat.participant_id).cloned(),
        None => Contact::kept(chat),
    };
    chats
        .iter()
        .map(|chat| ChatBody::new(chat, participant(chat)))
        .collect()
}
