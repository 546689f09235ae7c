//! The press for help and what becomes of it (contract 4.1): once it is acknowledged it is never lost, and never
//! queued twice.

use http::StatusCode;
use serde::Serialize;
use service::clock::{self, Millis};
use service::database::Connection;
use service::door::{Answer, Request};
use service::position::Position;
use uuid::Uuid;

use crate::access::Caller;
use crate::answer::json;
use crate::bindings::mayday::platform::desk::{self, Amended, Amendment, Location, Progress, Standing};
use crate::body::Body;
use crate::error::Error;
use crate::store::requests::{Details, Lock, Press, Stored, Times};
use crate::store::{self, known_events, requests};
use crate::{access, events, outbox};

/// Contract 4, in bytes.
const MAX_DESCRIPTION: usize = 2000;

/// What a press can be about.
const KINDS: [&str; 4] = ["medical", "lost", "threat", "other"];

/// `POST /chat-requests`: the lock and the outbox row are stored together. What comes after can fail without harm,
/// because the delivery is tried again. With a `clientId` the answer is the request, and the same press may come again.
pub(crate) fn press(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let token = access::token(request)?;
    let participant_id = token.participant_id;
    // Who may not press is told so, and not what is wrong with the press.
    let refusal = |error| access::admit(&connection, request).err().unwrap_or(error);
    let body = Body::read(&request.body).map_err(refusal)?;
    let request_id = Uuid::now_v7().to_string();
    let Said {
        event_id,
        description,
        position,
        details,
    } = read_press(&body, |dropped| {
        service::warn!(
            "request {request_id} of participant {participant_id} is stored without {dropped}: not valid"
        );
    })
    .map_err(refusal)?;
    let client_id = details.client_id.as_deref();
    let before = requests::before(&connection, participant_id, event_id, client_id)?;
    let caller = access::welcome(token, before.account)?;
    if let Some(stored) = before.same_press {
        return show_again(&connection, &caller, &stored);
    }
    let agency_id = events::agency_of(&connection, event_id, before.known_event.as_ref())?;
    let press = Press {
        participant_id,
        event_id,
        agency_id,
        description,
        position,
        details: &details,
    };
    let opened = requests::open(&connection, &request_id, &press, caller.participant.time_sign_out)?;
    let Some((stored, to_deliver)) = opened else {
        let before = requests::before(&connection, participant_id, event_id, client_id)?;
        let caller = access::welcome(token, before.account)?;
        // The same press may have come twice at the same moment.
        return match before.same_press {
            Some(stored) => show_again(&connection, &caller, &stored),
            None => Err(Error::BadRequest("chat request already exists".to_owned())),
        };
    };
    service::info!("request {request_id} for event {event_id} is stored");
    let round = to_deliver.map(outbox::deliver);
    let answer = match details.client_id {
        Some(_) => show_fresh(stored, details.kind, description),
        None => empty(),
    };
    Ok(match round {
        Some(round) => answer.followed_by(move || {
            outbox::go_on(&connection, round)
                .unwrap_or_else(|error| service::warn!("a press waits in the outbox: {error}"));
        }),
        None => answer,
    })
}

/// Answers a press that has just been stored.
fn show_fresh(stored: Stored, kind: Option<String>, description: &str) -> Answer {
    let fresh = RequestBody {
        event_id: stored.event_id,
        client_id: stored.client_id,
        state: "waiting",
        // To ask for it would make each press dearer. Sockets tell it, and `mine`.
        position: None,
        estimated_wait_seconds: UNKNOWN_WAIT,
        times: TimesBody {
            pressed_at: stored.pressed_at,
            received_at: stored.received_at,
        },
        chat_id: None,
        kind,
        description: description.to_owned(),
    };
    json(StatusCode::OK, &fresh)
}

/// Answers a press that was sent before. It has been stored, whatever else fails.
fn show_again(connection: &Connection, caller: &Caller, stored: &Stored) -> Result<Answer, Error> {
    let ended = |state| RequestBody {
        event_id: stored.event_id,
        client_id: stored.client_id.clone(),
        state,
        position: None,
        estimated_wait_seconds: UNKNOWN_WAIT,
        times: TimesBody {
            pressed_at: stored.pressed_at,
            received_at: stored.received_at,
        },
        chat_id: None,
        kind: None,
        description: String::new(),
    };
    if stored.has_ended {
        return Ok(json(StatusCode::OK, &ended("ended")));
    }
    let mut locks = requests::of_participant(connection, caller.participant.id)?;
    locks.retain(|lock| lock.request_id == stored.request_id);
    let body = match open_requests(locks) {
        Ok(open) => open.into_iter().next().unwrap_or_else(|| ended("ended")),
        Err(_) => ended("waiting"),
    };
    Ok(json(StatusCode::OK, &body))
}

/// What a press says.
pub(crate) struct Said<'a> {
    pub event_id: i64,
    pub description: &'a str,
    pub position: Option<Position>,
    pub details: Details,
}

/// Reads a press. Nobody who needs help is refused for what could have been left out: what is not valid is told to
/// `drop`.
pub(crate) fn read_press(body: &Body, drop: impl Fn(&str)) -> Result<Said<'_>, Error> {
    Ok(Said {
        event_id: body.integer("eventId")?,
        description: description(body)?,
        position: Position::new(body.number("lat")?, body.number("lng")?).unwrap_or_else(|_| {
            drop("position");
            None
        }),
        details: read_details(body, drop),
    })
}

fn description(body: &Body) -> Result<&str, Error> {
    let description = body.text("description")?;
    if description.len() > MAX_DESCRIPTION {
        return Err(Error::BadRequest(format!(
            "description must be at most {MAX_DESCRIPTION} characters"
        )));
    }
    Ok(description)
}

/// What a press says besides. Each that is not valid is told to `drop` and left out.
fn read_details(body: &Body, drop: impl Fn(&str)) -> Details {
    let text = |name: &str| body.text(name).ok().filter(|text| !text.is_empty());
    let valid = |name: &str, is_valid: bool| {
        if body.has(name) && !is_valid {
            drop(name);
        }
    };
    let client_id = text("clientId")
        .and_then(|id| Uuid::parse_str(id).ok())
        .map(|id| id.to_string());
    let time = |name: &str| text(name).and_then(clock::parse_rfc3339);
    let details = Details {
        client_id,
        pressed_at: time("pressedAt"),
        kind: text("kind")
            .filter(|kind| KINDS.contains(kind))
            .map(str::to_owned),
        accuracy: accuracy(body),
        position_at: time("positionAt"),
    };
    valid("clientId", details.client_id.is_some());
    valid("pressedAt", details.pressed_at.is_some());
    valid("kind", details.kind.is_some());
    valid("accuracy", details.accuracy.is_some());
    valid("positionAt", details.position_at.is_some());
    details
}

/// In metres.
fn accuracy(body: &Body) -> Option<f64> {
    let accuracy = body.number("accuracy").ok().flatten();
    accuracy.filter(|metres| metres.is_finite() && *metres >= 0.0)
}

/// `GET /chat-requests`: whether the caller has an open request for an event. The contract names the event in the body;
/// since many proxies drop the body of a GET, `?eventId=` does as well.
pub(crate) fn has_pressed(request: &Request) -> Result<Answer, Error> {
    #[derive(Serialize)]
    struct Pressed {
        result: bool,
    }
    let connection = store::open()?;
    let caller = access::admit(&connection, request)?;
    let event_id = read_event_id(request)?;
    let known = known_events::find(&connection, event_id)?;
    events::agency_of(&connection, event_id, known.as_ref())?;
    let result = requests::is_open(&connection, caller.participant.id, event_id)?;
    Ok(json(StatusCode::OK, &Pressed { result }))
}

pub(crate) fn read_event_id(request: &Request) -> Result<i64, Error> {
    match request.query("eventId") {
        Some(id) => parse_event_id(id),
        None => Body::read(&request.body)?.integer("eventId"),
    }
}

/// A wait that cannot be estimated.
const UNKNOWN_WAIT: i64 = -1;

/// A request, as its participant sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestBody {
    event_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// `waiting` or `active`; `ended` only for a press that was sent again.
    state: &'static str,
    /// 1 is next. Null when the chat is open, and while the messenger has not got the request.
    position: Option<u32>,
    /// Estimated from the latest pickups.
    estimated_wait_seconds: i64,
    #[serde(flatten)]
    times: TimesBody,
    /// Once an organizer has had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    chat_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TimesBody {
    #[serde(serialize_with = "clock::timestamp")]
    pressed_at: Millis,
    #[serde(serialize_with = "clock::timestamp")]
    received_at: Millis,
}

impl From<Times> for TimesBody {
    fn from(times: Times) -> TimesBody {
        TimesBody {
            pressed_at: times.pressed_at,
            received_at: times.received_at,
        }
    }
}

/// `GET /chat-requests/mine`: the caller's open requests by ascending event id.
pub(crate) fn list_mine(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request)?;
    let locks = requests::of_participant(&connection, caller.participant.id)?;
    Ok(json(StatusCode::OK, &open_requests(locks)?))
}

/// The requests that hold these locks, in the same order. One that is closed is left out: its lock is about to be
/// released.
fn open_requests(locks: Vec<Lock>) -> Result<Vec<RequestBody>, Error> {
    if locks.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<String> = locks.iter().map(|lock| lock.request_id.clone()).collect();
    let standings = desk::standings(&ids).map_err(failure)?;
    let open = locks.into_iter().zip(standings);
    Ok(open
        .filter_map(|(lock, standing)| open_request(lock, standing))
        .collect())
}

fn open_request(lock: Lock, standing: Option<Standing>) -> Option<RequestBody> {
    let times = lock.times.unwrap_or_else(|| times_by_id(&lock.request_id));
    let mut body = RequestBody {
        event_id: lock.event_id,
        client_id: lock.client_id,
        state: "waiting",
        position: None,
        estimated_wait_seconds: UNKNOWN_WAIT,
        times: times.into(),
        chat_id: None,
        kind: None,
        description: String::new(),
    };
    match (standing, lock.on_its_way) {
        (Some(standing), _) => {
            match standing.progress {
                Progress::Waiting(wait) => {
                    body.position = Some(wait.ahead + 1);
                    body.estimated_wait_seconds = wait.estimate.map_or(UNKNOWN_WAIT, i64::from);
                }
                Progress::Active => body.state = "active",
            }
            body.chat_id = standing.chat_id;
            body.kind = standing.kind;
            body.description = standing.description;
        }
        (None, Some(said)) => {
            body.kind = said.kind;
            body.description = said.description;
        }
        (None, None) => return None,
    }
    Some(body)
}

/// The release before kept no times, but its ids (UUIDv7) have the time of the press.
fn times_by_id(request_id: &str) -> Times {
    let timestamp = Uuid::parse_str(request_id).ok().and_then(|id| id.get_timestamp());
    let pressed_at = timestamp.map_or(0, |timestamp| {
        let (seconds, nanoseconds) = timestamp.to_unix();
        i64::try_from(seconds).unwrap_or_default() * 1000 + i64::from(nanoseconds / 1_000_000)
    });
    Times {
        pressed_at,
        received_at: pressed_at,
    }
}

/// `PATCH /chat-requests/mine/:eventId`: adds what was not said at the press, until somebody picks the request up.
/// While the team does not have the request yet, nothing is promised: 503, and the client tries again.
pub(crate) fn amend(request: &Request, event_id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request)?;
    let event_id = parse_event_id(event_id)?;
    let amendment = read_amendment(&Body::read(&request.body)?, |dropped| {
        let participant_id = caller.participant.id;
        service::warn!("participant {participant_id} adds to a request without {dropped}: not valid");
    })?;
    let locks = locks_for(&connection, &caller, event_id)?;
    let mut amended = Vec::new();
    let mut refusal = Error::RequestNotFound(event_id);
    for lock in locks {
        match desk::amend(&lock.request_id, &amendment).map_err(failure)? {
            Amended::Amended => amended.push(lock),
            Amended::Started => refusal = already_started(),
            Amended::Unknown if lock.on_its_way.is_some() => {
                let reason = format!("request {} is still on its way", lock.request_id);
                return Err(Error::Unavailable(reason));
            }
            Amended::Unknown => {}
        }
    }
    if amended.is_empty() {
        return Err(refusal);
    }
    // Of two requests for one event, the account's own and a guest's, both are amended, and the older one is shown.
    match open_requests(amended)?.first() {
        Some(body) => Ok(json(StatusCode::OK, body)),
        None => Err(already_started()),
    }
}

/// Reads what is added to a request. A position that is not valid is told to `drop`, and left out.
pub(crate) fn read_amendment(body: &Body, drop: impl Fn(&str)) -> Result<Amendment, Error> {
    let kind = body.text("kind")?;
    if !kind.is_empty() && !KINDS.contains(&kind) {
        return Err(Error::BadRequest(format!(
            "kind must be one of the following values: {}",
            KINDS.join(", ")
        )));
    }
    let description = description(body)?;
    let position = Position::new(body.number("lat")?, body.number("lng")?).unwrap_or_else(|_| {
        drop("position");
        None
    });
    Ok(Amendment {
        kind: Some(kind.to_owned()).filter(|kind| !kind.is_empty()),
        description: body.has("description").then(|| description.to_owned()),
        location: position.map(|position| Location {
            lat: Some(position.lat),
            lng: Some(position.lng),
            accuracy: accuracy(body),
            measured_at: body
                .text("positionAt")
                .ok()
                .and_then(clock::parse_rfc3339)
                .map(|time| time.min(clock::now())),
        }),
    })
}

/// `DELETE /chat-requests/mine/:eventId`: takes a request back that nobody has picked up yet. Of two for one event, the
/// account's own and a guest's, one that has been picked up stays.
pub(crate) fn cancel(request: &Request, event_id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request)?;
    let event_id = parse_event_id(event_id)?;
    let mut has_cancelled = false;
    for lock in locks_for(&connection, &caller, event_id)? {
        if !desk::cancel(&lock.request_id).map_err(failure)? {
            continue;
        }
        has_cancelled = true;
        caller.change(&connection, |connection, participant| {
            Ok(requests::withdraw(
                connection,
                participant.id,
                event_id,
                &lock.request_id,
            )?)
        })?;
    }
    match has_cancelled {
        true => Ok(empty()),
        false => Err(already_started()),
    }
}

/// The locks that the caller's requests for an event hold: mostly one.
fn locks_for(connection: &Connection, caller: &Caller, event_id: i64) -> Result<Vec<Lock>, Error> {
    let mut locks = requests::of_participant(connection, caller.participant.id)?;
    locks.retain(|lock| lock.event_id == event_id);
    match locks.is_empty() {
        true => Err(Error::RequestNotFound(event_id)),
        false => Ok(locks),
    }
}

fn already_started() -> Error {
    Error::BadRequest("chat has already started".to_owned())
}

fn parse_event_id(text: &str) -> Result<i64, Error> {
    text.parse()
        .map_err(|_| Error::BadRequest("invalid `eventId` route parameter".to_owned()))
}

fn empty() -> Answer {
    Answer::empty(StatusCode::OK).with("content-type", "application/json")
}

fn failure(error: desk::Error) -> Error {
    match error {
        desk::Error::Unavailable(reason) => Error::Unavailable(reason),
        desk::Error::Other(reason) => Error::Api(reason),
    }
}
