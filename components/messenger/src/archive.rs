//! The archives (contract 5.1), and pages of an agency's (docs/organizer-api.md).

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroU32;

use http::StatusCode;
use serde::Deserialize;
use service::database::Connection;
use service::door::{Answer, Request};
use sidecar_api::{Protocol, Realm};

use crate::answer::json;
use crate::bindings::mayday::platform::roster;
use crate::error::Error;
use crate::frames::{ChatBody, Contact, LongChatBody, MessageBody};
use crate::search::Pattern;
use crate::store::chats::{self, Chat, Filter, State};
use crate::store::messages::{self, Message};
use crate::{access, body, ids, query, store};

/// The most bytes of messages in one answer, give or take a message. An instance has enough memory to serialize that
/// many.
const MAX_BYTES: i64 = 8 * 1024 * 1024;

/// The most chats in a page.
const MAX_LIMIT: i64 = 500;

/// The parameters with any of which the archive comes in pages. The link to the next page repeats all but the cursor.
pub(crate) const PAGE_PARAMETERS: [&str; 8] = [
    "eventId",
    "organizerId",
    "participantId",
    "from",
    "to",
    "q",
    "limit",
    "cursor",
];

/// `GET /agency/chats`: all of it, as the contract has it, or a page.
pub(crate) fn list_agency_chats(request: &Request) -> Result<Answer, Error> {
    let agency_id = access::admit_organizer(request)?;
    if PAGE_PARAMETERS.iter().any(|name| request.query(name).is_some()) {
        return list_page(request, agency_id, &read_filter(request)?, &PAGE_PARAMETERS);
    }
    let ended = chats::ended_of_agency(&store::open()?, agency_id)?;
    Ok(json(StatusCode::OK, &enriched(&ended)))
}

/// `POST /agency/chats/search`: a page, too. Its filters are in the body, since URLs end up in the logs of proxies and
/// in browsers' histories, and a search has people's words, names and addresses.
pub(crate) fn search_agency_chats(request: &Request) -> Result<Answer, Error> {
    let agency_id = access::admit_organizer(request)?;
    list_page(request, agency_id, &read_search(request)?, &["limit"])
}

/// A page, newest first, with a link to the next one if more chats follow, which repeats the parameters named. Its
/// chats have what protocol 2 adds.
fn list_page(request: &Request, agency_id: i64, filter: &Filter, repeated: &[&str]) -> Result<Answer, Error> {
    let limit = read_limit(request)?;
    let connection = store::open()?;
    let cursor = cursor(&connection, request, agency_id)?;
    // One more chat shows whether there is a next page.
    let mut page = chats::page_of_agency(&connection, agency_id, filter, cursor.as_deref(), limit + 1)?;
    let more = i64::try_from(page.len()).is_ok_and(|found| found > limit);
    if more {
        page.pop();
    }
    let bodies = enriched(&page).into_iter().zip(&page);
    let bodies: Vec<_> = bodies.map(|(body, chat)| LongChatBody::new(body, chat)).collect();
    let answer = json(StatusCode::OK, &bodies);
    Ok(match page.last() {
        Some(last) if more => answer.with("link", next(request, repeated, &last.id)),
        _ => answer,
    })
}

/// What chats to show, by the query.
pub(crate) fn read_filter(request: &Request) -> Result<Filter, Error> {
    Ok(Filter {
        event_id: query::number(request, "eventId", 1..)?,
        organizer_id: query::number(request, "organizerId", 1..)?,
        participant_id: query::number(request, "participantId", 1..)?,
        from: query::time(request.query("from"), "from")?,
        to: query::time(request.query("to"), "to")?,
        text: search_text(request.query("q"), || query::invalid("q"))?,
    })
}

/// The body of a search. A misspelt filter is refused, since without it the answer would be other people's chats.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Search {
    event_id: Option<NonZeroU32>,
    organizer_id: Option<NonZeroU32>,
    participant_id: Option<NonZeroU32>,
    from: Option<String>,
    to: Option<String>,
    q: Option<String>,
}

/// What chats to show, by the body.
pub(crate) fn read_search(request: &Request) -> Result<Filter, Error> {
    let search: Search = body::parse(request)?;
    let id = |id: Option<NonZeroU32>| id.map(|id| i64::from(id.get()));
    Ok(Filter {
        event_id: id(search.event_id),
        organizer_id: id(search.organizer_id),
        participant_id: id(search.participant_id),
        from: query::time(search.from.as_deref(), "from")?,
        to: query::time(search.to.as_deref(), "to")?,
        text: search_text(search.q.as_deref(), || {
            Error::BadRequest("invalid `q`".to_owned())
        })?,
    })
}

/// How many chats a page has.
pub(crate) fn read_limit(request: &Request) -> Result<i64, Error> {
    Ok(query::number(request, "limit", 1..=MAX_LIMIT)?.unwrap_or(MAX_LIMIT))
}

/// `GET /agency/chats/:chatId`: a closed chat, as in a page.
pub(crate) fn show_agency_chat(request: &Request, id: &str) -> Result<Answer, Error> {
    let agency_id = access::admit_organizer(request)?;
    if !ids::is_id(id) {
        return Err(Error::ChatNotFound);
    }
    let is_archived = |chat: &Chat| chat.agency_id == agency_id && chat.state == State::Ended;
    let chat = [find(&store::open()?, id, is_archived)?];
    let body = enriched(&chat).into_iter().next().ok_or(Error::ChatNotFound)?;
    let [chat] = &chat;
    Ok(json(StatusCode::OK, &LongChatBody::new(body, chat)))
}

/// What to search for, if anything.
fn search_text(text: Option<&str>, refusal: impl FnOnce() -> Error) -> Result<Option<Pattern>, Error> {
    text.filter(|text| !text.is_empty())
        .map(|text| Pattern::containing(text).ok_or_else(refusal))
        .transpose()
}

/// The last chat of the page before.
fn cursor(connection: &Connection, request: &Request, agency_id: i64) -> Result<Option<String>, Error> {
    let Some(cursor) = request.query("cursor") else {
        return Ok(None);
    };
    let is_archived = |chat: &Chat| chat.agency_id == agency_id && chat.state == State::Ended;
    let chat = chats::find(connection, cursor)?.filter(is_archived);
    chat.map(|chat| Some(chat.id))
        .ok_or_else(|| query::invalid("cursor"))
}

/// The link is relative to the request's URL, since only the client knows the prefix of our paths.
pub(crate) fn next(request: &Request, repeated: &[&str], cursor: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in repeated.iter().filter(|name| **name != "cursor") {
        if let Some(value) = request.query(name) {
            query.append_pair(name, value);
        }
    }
    query.append_pair("cursor", cursor);
    format!("<?{}>; rel=\"next\"", query.finish())
}

/// `GET /participant/chats`
pub(crate) fn list_participant_chats(request: &Request) -> Result<Answer, Error> {
    let participant = access::admit(request, Realm::Participant)?;
    let ended = chats::ended_of_participant(&store::open()?, participant.user.id)?;
    Ok(json(StatusCode::OK, &enriched(&ended)))
}

/// `GET /agency/chats/:chatId/messages`: any chat of the agency, open or closed.
pub(crate) fn list_agency_messages(request: &Request, id: &str) -> Result<Answer, Error> {
    let agency_id = access::admit_organizer(request)?;
    list_messages(request, id, |chat| chat.agency_id == agency_id)
}

/// `GET /participant/chats/:chatId/messages`: any chat of the participant's own, open or closed.
pub(crate) fn list_participant_messages(request: &Request, id: &str) -> Result<Answer, Error> {
    let participant = access::admit(request, Realm::Participant)?;
    list_messages(request, id, |chat| chat.participant_id == participant.user.id)
}

/// All messages, as the contract has it. Clients read a long chat in parts: with `afterSeq`, `limit` or both the answer
/// begins after a number, ends when it is full, and each message has its `seq`.
fn list_messages(request: &Request, id: &str, may_see: impl Fn(&Chat) -> bool) -> Result<Answer, Error> {
    if !ids::is_id(id) {
        return Err(Error::ChatNotFound);
    }
    let (after_seq, limit) = read_part(request)?;
    let connection = store::open()?;
    let chat = find(&connection, id, may_see)?;
    let first = after_seq.unwrap_or_default();
    let messages = messages::after(&connection, id, first, limit, MAX_BYTES)?;
    let in_parts = after_seq.is_some() || limit.is_some();
    if !in_parts && !are_all(&messages, chat.last_seq) {
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

/// Whether messages reach the last one. More may have been stored since that was read.
fn are_all(messages: &[Message], last_seq: i64) -> bool {
    messages.last().map_or(0, |message| message.seq) >= last_seq
}

/// After which message a part begins, and how many it has at most.
pub(crate) fn read_part(request: &Request) -> Result<(Option<i64>, Option<i64>), Error> {
    Ok((
        query::number(request, "afterSeq", 0..)?,
        query::number(request, "limit", 1..)?,
    ))
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
                is_guest: profile.is_guest,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stored_meanwhile_does_not_make_the_messages_a_part() {
        let message = |seq| Message {
            chat_id: String::new(),
            seq,
            id: String::new(),
            author_id: 1,
            from_organizer: false,
            content: String::new(),
            time_sent: 0,
            lat: None,
            lng: None,
            client_id: None,
            is_system: false,
        };
        let messages = [message(1), message(2)];
        for (last_seq, expected) in [(1, true), (2, true), (3, false)] {
            assert_eq!(are_all(&messages, last_seq), expected, "{last_seq}");
        }
        assert!(are_all(&[], 0));
    }
}
