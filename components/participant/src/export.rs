//! `GET /profile/export`: all that is stored about the caller (docs/privacy.md says where), in parts of a bounded size.

use std::fmt;

use http::StatusCode;
use serde::Serialize;
use service::clock::{self, Millis};
use service::database::{self, Connection};
use service::door::{Answer, Request};

use crate::access::{self, Caller};
use crate::answer::json;
use crate::bindings::mayday::platform::desk::{self, StoredChat, StoredCursor, StoredMessage, StoredPart};
use crate::error::Error;
use crate::store;
use crate::store::export::{self, HandOver, Hidden, KeptPress, OnTheWay, OpenRequest};
use crate::store::participants::Participant;

/// The most presses in one part.
const MAX_PRESSES: i64 = 5000;

/// One part. Only the first has the account.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    #[serde(serialize_with = "clock::timestamp")]
    exported_at: Millis,
    #[serde(flatten)]
    account: Option<Account>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    presses: Vec<KeptPress>,
    /// With the first chats.
    #[serde(skip_serializing_if = "Option::is_none")]
    messenger: Option<Messenger>,
    chats: Vec<Chat>,
}

/// The account, and what is open.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    profile: Profile,
    open_requests: Vec<OpenRequest>,
    outbox: Vec<OnTheWay>,
    hand_overs: Vec<HandOver>,
}

#[derive(Serialize)]
struct Profile {
    #[serde(flatten)]
    participant: Participant,
    #[serde(flatten)]
    hidden: Option<Hidden>,
}

/// What the messenger knows of the person beside the chats.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Messenger {
    contact: Option<Contact>,
    /// The guests who have signed in to the account.
    guest_ids: Vec<i64>,
    /// The account that the guest has signed in to.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Contact {
    email: String,
    phone_number: String,
    name: String,
    guest: bool,
    version: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Chat {
    id: String,
    request_id: String,
    agency_id: i64,
    event_id: i64,
    state: String,
    kind: Option<String>,
    lat_start: Option<f64>,
    lng_start: Option<f64>,
    accuracy_start: Option<f64>,
    #[serde(serialize_with = "clock::optional_timestamp")]
    position_at_start: Option<Millis>,
    #[serde(serialize_with = "clock::timestamp")]
    pressed_at: Millis,
    #[serde(serialize_with = "clock::optional_timestamp")]
    received_at: Option<Millis>,
    organizer_id: Option<i64>,
    organizer_name: String,
    #[serde(serialize_with = "clock::optional_timestamp")]
    time_start: Option<Millis>,
    #[serde(serialize_with = "clock::optional_timestamp")]
    time_end: Option<Millis>,
    has_been_requeued: bool,
    read_by_participant: i64,
    /// Whether a deletion of the account leaves it: what somebody has taken stays in the agency's archive.
    kept_after_deletion: bool,
    messages: Vec<Message>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    seq: i64,
    id: String,
    author_id: i64,
    from_organizer: bool,
    is_system: bool,
    content: String,
    #[serde(serialize_with = "clock::timestamp")]
    time_sent: Millis,
    lat: Option<f64>,
    lng: Option<f64>,
    client_id: Option<String>,
}

/// Where a part begins: `presses.<request id>` or `chats.<arrival>.<number of a message>`.
pub(crate) enum Cursor {
    /// After this press.
    Presses(String),
    Chats(StoredCursor),
}

impl Cursor {
    pub(crate) fn parse(text: &str) -> Option<Cursor> {
        match text.split('.').collect::<Vec<_>>().as_slice() {
            ["presses", request_id] => Some(Cursor::Presses((*request_id).to_owned())),
            ["chats", arrival, seq] => Some(Cursor::Chats(StoredCursor {
                arrival: arrival.parse().ok()?,
                seq: seq.parse().ok()?,
            })),
            _ => None,
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cursor::Presses(request_id) => write!(f, "presses.{request_id}"),
            Cursor::Chats(StoredCursor { arrival, seq }) => write!(f, "chats.{arrival}.{seq}"),
        }
    }
}

/// Where the part begins that a query asks for.
pub(crate) fn read_cursor(request: &Request) -> Result<Option<Cursor>, Error> {
    let invalid = || Error::BadRequest("invalid `cursor` query parameter".to_owned());
    request
        .query("cursor")
        .map(|text| Cursor::parse(text).ok_or_else(invalid))
        .transpose()
}

/// `GET /profile/export`: the first part, or the one that the query's `cursor` names. A `Link` leads to the next one.
pub(crate) fn export(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request)?;
    let cursor = read_cursor(request)?;
    let participant_id = caller.participant.id;

    let mut part = Part {
        exported_at: database::now(&connection)?,
        account: match cursor {
            None => Some(account(&connection, &caller)?),
            Some(_) => None,
        },
        presses: Vec::new(),
        messenger: None,
        chats: Vec::new(),
    };
    let (presses_after, chats_after) = match cursor {
        None => (Some(String::new()), None),
        Some(Cursor::Presses(after)) => (Some(after), None),
        Some(Cursor::Chats(after)) => (None, Some(after)),
    };
    if let Some(after) = presses_after {
        // One more press shows whether there is a next part.
        part.presses = export::presses(&connection, participant_id, &after, MAX_PRESSES + 1)?;
        if i64::try_from(part.presses.len()).is_ok_and(|found| found > MAX_PRESSES) {
            part.presses.pop();
            let last = part.presses.last();
            let next = last.map(|press| Cursor::Presses(press.request_id.clone()));
            return Ok(answer(&part, next));
        }
    }
    let stored = desk::stored_about(participant_id, chats_after).map_err(|error| match error {
        desk::Error::Unavailable(reason) => Error::Unavailable(reason),
        desk::Error::Other(reason) => Error::Api(reason),
    })?;
    let next = stored.next.map(Cursor::Chats);
    let (messenger, chats) = split(stored);
    part.messenger = chats_after.is_none().then_some(messenger);
    part.chats = chats;
    Ok(answer(&part, next))
}

/// The link is relative to the request's URL, since only the client knows the prefix of our paths.
fn answer(part: &Part, next: Option<Cursor>) -> Answer {
    let answer = json(StatusCode::OK, part);
    match next {
        Some(cursor) => answer.with("link", format!("<?cursor={cursor}>; rel=\"next\"")),
        None => answer,
    }
}

fn account(connection: &Connection, caller: &Caller) -> Result<Account, Error> {
    let participant_id = caller.participant.id;
    Ok(Account {
        profile: Profile {
            participant: caller.participant.clone(),
            hidden: export::hidden(connection, participant_id)?,
        },
        open_requests: export::open_requests(connection, participant_id)?,
        outbox: export::on_the_way(connection, participant_id)?,
        hand_overs: export::hand_overs(connection, participant_id)?,
    })
}

fn split(stored: StoredPart) -> (Messenger, Vec<Chat>) {
    let messenger = Messenger {
        contact: stored.contact.map(|contact| Contact {
            email: contact.email,
            phone_number: contact.phone_number,
            name: contact.name,
            guest: contact.is_guest,
            version: contact.version,
        }),
        guest_ids: stored.guest_ids,
        account_id: stored.account_id,
    };
    (messenger, stored.chats.into_iter().map(chat).collect())
}

fn chat(chat: StoredChat) -> Chat {
    Chat {
        id: chat.id,
        request_id: chat.request_id,
        agency_id: chat.agency_id,
        event_id: chat.event_id,
        state: chat.state,
        kind: chat.kind,
        lat_start: chat.location.lat,
        lng_start: chat.location.lng,
        accuracy_start: chat.location.accuracy,
        position_at_start: chat.location.measured_at,
        pressed_at: chat.pressed_at,
        received_at: chat.received_at,
        organizer_id: chat.organizer_id,
        organizer_name: chat.organizer_name,
        time_start: chat.time_start,
        time_end: chat.time_end,
        has_been_requeued: chat.has_been_requeued,
        read_by_participant: chat.read_by_participant,
        kept_after_deletion: chat.time_start.is_some(),
        messages: chat.messages.into_iter().map(message).collect(),
    }
}

fn message(message: StoredMessage) -> Message {
    Message {
        seq: message.seq,
        id: message.id,
        author_id: message.author_id,
        from_organizer: message.from_organizer,
        is_system: message.is_system,
        content: message.content,
        time_sent: message.time_sent,
        lat: message.lat,
        lng: message.lng,
        client_id: message.client_id,
    }
}
