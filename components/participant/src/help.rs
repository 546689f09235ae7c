//! The press for help and what becomes of it (contract 4.1): once it is acknowledged it is never lost, and never
//! queued twice.

use http::StatusCode;
use serde::Serialize;
use service::door::{Answer, Request};
use service::position::Position;
use uuid::Uuid;

use crate::bindings::mayday::platform::desk::{self, Standing};
use crate::body::Body;
use crate::error::Error;
use crate::store::requests::Press;
use crate::store::{self, requests};
use crate::{access, events, json, outbox};

/// Contract 4, in bytes.
const MAX_DESCRIPTION: usize = 2000;

/// `POST /chat-requests`: the lock and the outbox row are stored together. What comes after can fail without harm,
/// because the delivery is tried again.
pub(crate) fn press(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request)?;
    let body = Body::read(&request.body)?;
    let event_id = body.integer("eventId")?;
    let description = body.text("description")?;
    let position = Position::new(body.number("lat")?, body.number("lng")?);
    if description.len() > MAX_DESCRIPTION {
        return Err(Error::BadRequest(format!(
            "description must be at most {MAX_DESCRIPTION} characters"
        )));
    }
    let agency_id = events::agency_of(&connection, event_id)?;

    let request_id = Uuid::now_v7().to_string();
    let participant_id = caller.participant.id;
    let press = Press {
        participant_id,
        event_id,
        agency_id,
        description,
        // Nobody who needs help is refused for a bad position.
        position: position.unwrap_or_else(|error| {
            eprintln!(
                "request {request_id} of participant {participant_id} is stored without position: {error}"
            );
            None
        }),
    };
    if !requests::open(&connection, &request_id, &press, caller.issued_at())? {
        caller.is_still_welcome(&connection)?;
        return Err(Error::BadRequest("chat request already exists".to_owned()));
    }
    // The press is stored, so the next tick repeats what fails now.
    outbox::deliver_due(&connection)
        .unwrap_or_else(|error| eprintln!("a press waits in the outbox: {error}"));
    Ok(empty())
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
    let event_id = match request.query("eventId") {
        Some(id) => parse_event_id(id)?,
        None => Body::read(&request.body)?.integer("eventId")?,
    };
    events::agency_of(&connection, event_id)?;
    let result = requests::is_open(&connection, caller.participant.id, event_id)?;
    Ok(json(StatusCode::OK, &Pressed { result }))
}

/// An open request, as its participant sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OpenRequest {
    event_id: i64,
    /// `waiting` or `active`.
    state: &'static str,
    /// 1 is next. Null when the chat is open, and while the messenger has not got the request.
    position: Option<u32>,
    /// Estimated from the latest pickups; -1 when unknown.
    estimated_wait_seconds: i64,
}

/// `GET /chat-requests/mine`: the caller's open requests by ascending event id.
pub(crate) fn list_mine(request: &Request) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request)?;
    let locks = requests::of_participant(&connection, caller.participant.id)?;
    let ids: Vec<String> = locks.iter().map(|lock| lock.request_id.clone()).collect();
    let standings = if ids.is_empty() {
        Vec::new()
    } else {
        desk::standings(&ids).map_err(failure)?
    };
    let open = locks.iter().zip(standings).filter_map(|(lock, standing)| {
        let (state, position, estimate) = match standing {
            Some(Standing::Waiting(wait)) => ("waiting", Some(wait.ahead + 1), wait.estimate),
            Some(Standing::Active) => ("active", None, None),
            None if lock.is_on_its_way => ("waiting", None, None),
            // Closed; the lock is about to be released.
            None => return None,
        };
        Some(OpenRequest {
            event_id: lock.event_id,
            state,
            position,
            estimated_wait_seconds: estimate.map_or(-1, i64::from),
        })
    });
    Ok(json(StatusCode::OK, &open.collect::<Vec<_>>()))
}

/// `DELETE /chat-requests/mine/:eventId`: takes a request back that nobody has picked up yet.
pub(crate) fn cancel(request: &Request, event_id: &str) -> Result<Answer, Error> {
    let connection = store::open()?;
    let caller = access::admit(&connection, request)?;
    let event_id = parse_event_id(event_id)?;
    let locks = requests::of_participant(&connection, caller.participant.id)?;
    let lock = locks
        .into_iter()
        .find(|lock| lock.event_id == event_id)
        .ok_or(Error::RequestNotFound(event_id))?;
    if !desk::cancel(&lock.request_id).map_err(failure)? {
        return Err(Error::BadRequest("chat has already started".to_owned()));
    }
    caller.change(&connection, |connection, participant| {
        Ok(requests::withdraw(
            connection,
            participant.id,
            event_id,
            &lock.request_id,
        )?)
    })?;
    Ok(empty())
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
