//! The archives (contract 5.1).

use std::collections::{BTreeSet, HashMap};

use http::StatusCode;
use service::database::Connection;
use service::door::{Answer, Request};
use sidecar_api::{Principal, Protocol, Realm};

use crate::answer::json;
use crate::bindings::mayday::platform::roster;
use crate::error::Error;
use crate::frames::{ChatBody, Contact, MessageBody};
use crate::store::chats::{self, Chat};
use crate::store::{self, messages};
use crate::{access, ids};

/// The most characters of messages in one answer, give or take a message. An instance has enough memory to serialize
/// that many.
const MAX_CHARACTERS: i64 = 8 * 1024 * 1024;

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
pub(crate) fn list_agency_messages(request: &Request, id: &str) -> Result<Answer, Error> {
    let (_, agency_id) = admit_organizer(request)?;
    list_messages(request, id, |chat| chat.agency_id == agency_id)
}

/// `GET /participant/chats/:chatId/messages`: any chat of the participant's own, open or closed.
pub(crate) fn list_participant_messages(request: &Request, id: &str) -> Result<Answer, Error> {
    let participant = access::admit(request, Realm::Participant)?;
    list_messages(request, id, |chat| chat.participant_id == participant.user.id)
}

fn admit_organizer(request: &Request) -> Result<(Principal, i64), Error> {
    let principal = access::admit(request, Realm::Organizer)?;
    let agency_id = principal.agency_id.ok_or(Error::Unauthorized("invalid role"))?;
    Ok((principal, agency_id))
}

/// All messages, as the contract has it. Clients read a long chat in parts: with `afterSeq`, `limit` or both the answer
/// begins after a number, ends when it is full, and each message has its `seq`.
fn list_messages(request: &Request, id: &str, may_see: impl Fn(&Chat) -> bool) -> Result<Answer, Error> {
    if !ids::is_id(id) {
        return Err(Error::ChatNotFound);
    }
    let (after_seq, limit) = (number(request, "afterSeq", 0)?, number(request, "limit", 1)?);
    let connection = store::open()?;
    let chat = find(&connection, id, may_see)?;
    let first = after_seq.unwrap_or_default();
    let messages = messages::after(&connection, id, first, limit, MAX_CHARACTERS)?;
    let in_parts = after_seq.is_some() || limit.is_some();
    let is_whole = messages.last().map_or(0, |message| message.seq) == chat.last_seq;
    if !in_parts && !is_whole {
        return Err(Error::BadRequest("could not get messages".to_owned()));
    }
    let form = if in_parts {
        Protocol::Two
    } else {
        Protocol::Contract
    };
    let bodies: Vec<_> = messages
        .iter()
        .map(|message| MessageBody::new(message, form))
        .collect();
    Ok(json(StatusCode::OK, &bodies))
}

/// A whole number in the query that is at least `least`, if the query has it.
fn number(request: &Request, name: &str, least: i64) -> Result<Option<i64>, Error> {
    let number = |text: &str| text.parse().ok().filter(|number| *number >= least);
    request
        .query(name)
        .map(|text| {
            number(text).ok_or_else(|| Error::BadRequest(format!("invalid `{name}` query parameter")))
        })
        .transpose()
}

fn find(connection: &Connection, id: &str, may_see: impl Fn(&Chat) -> bool) -> Result<Chat, Error> {
    chats::find(connection, id)?
        .filter(may_see)
        .ok_or(Error::ChatNotFound)
}

/// Chats with their participants' present contact details, or, if the participant service does not answer, the last
/// ones known here.
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
                name: Some(profile.name).filter(|name| !name.is_empty()),
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
