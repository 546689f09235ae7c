//! Routes for the other services (contract 4), behind the service key.

use std::collections::BTreeMap;

use http::StatusCode;
use service::clock::Millis;
use service::door::{Answer, Request};
use service::internal::{ClosedRequests, Principal, Principals, Tokens};
use service::revocations;

use crate::answer::json;
use crate::body::Body;
use crate::error::Error;
use crate::store::participants::Participant;
use crate::store::{self, participants, requests, undelivered};
use crate::{access, contacts, hand_overs, outbox, retention};

/// `GET /users`: profiles by ids, from the contract's body or, since many proxies drop the body of a GET, from
/// `?ids=1,2`.
pub(crate) fn list_users(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let ids = read_ids(request)?;
    let connection = store::open()?;
    let found = participants::find_all(&connection, &ids)?;
    let by_id: BTreeMap<String, _> = found
        .into_iter()
        .map(|participant| (participant.id.to_string(), participant))
        .collect();
    Ok(json(StatusCode::OK, &by_id))
}

pub(crate) fn read_ids(request: &Request) -> Result<Vec<i64>, Error> {
    let ids = match request.query("ids") {
        Some(list) => list
            .split(',')
            .filter(|id| !id.is_empty())
            .map(|id| id.parse().ok())
            .collect(),
        None => Body::read(&request.body)
            .ok()
            .and_then(|body| body.integers("ids"))
            .filter(|ids| !ids.is_empty()),
    };
    ids.ok_or_else(|| Error::BadRequest("invalid request body".to_owned()))
}

/// `DELETE /chat-requests`: releases a lock, whichever request holds it.
pub(crate) fn release_lock(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let (participant_id, event_id) = read_lock(&Body::read(&request.body)?)?;
    requests::release(&store::open()?, participant_id, event_id, None)?;
    Ok(Answer::empty(StatusCode::OK).with("content-type", "application/json"))
}

/// Whose lock, and for which event.
pub(crate) fn read_lock(body: &Body) -> Result<(i64, i64), Error> {
    Ok((body.integer("participantId")?, body.integer("eventId")?))
}

/// `POST /internal/releases`: releases the locks that these requests hold, and no newer ones.
pub(crate) fn release_locks(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let closed: ClosedRequests =
        serde_json::from_slice(&request.body).map_err(|error| Error::BadRequest(error.to_string()))?;
    requests::release_all(&store::open()?, &closed.requests)?;
    Ok(Answer::empty(StatusCode::OK))
}

/// `POST /internal/principals`: authenticates a list of tokens, by the rules that `GET /profile` applies to one.
pub(crate) fn judge_tokens(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let Tokens { tokens } =
        serde_json::from_slice(&request.body).map_err(|error| Error::BadRequest(error.to_string()))?;
    let callers = access::callers(&store::open()?, &tokens)?;
    let judged = Principals {
        principals: callers.into_iter().map(|caller| caller.map(principal)).collect(),
        ..Principals::default()
    };
    Ok(json(StatusCode::OK, &judged))
}

/// `GET /internal/revocations?since=...`: whose tokens may have been revoked.
pub(crate) fn list_revocations(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let since = request.query("since").and_then(|since| since.parse().ok());
    let noted = revocations::since(&store::open()?, since)?;
    Ok(json(StatusCode::OK, &noted))
}

/// `GET /internal/undelivered`: how many presses and changes the messenger has not confirmed, and how old the oldest
/// are.
pub(crate) fn count_undelivered(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let undelivered = undelivered::count(&store::open()?)?;
    Ok(json(StatusCode::OK, &undelivered))
}

fn principal(participant: Participant) -> Principal {
    Principal {
        id: participant.id,
        role: None,
        agency_id: None,
        max_open_chats: None,
        name: participant.email,
    }
}

const DAY: Millis = 24 * 60 * 60 * 1000;

/// How long the key of a press that has ended is kept: no phone sends the press again after that.
const KEYS_KEPT: Millis = 30 * DAY;

/// `POST /internal/tick`, from the dispatcher: delivers what waits in the outbox, tells the messenger of chats that
/// have changed hands and of changed contacts, and removes what is old.
pub(crate) fn tick(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let connection = store::open()?;
    outbox::deliver_due(&connection)?;
    hand_overs::tell_due(&connection)?;
    // The messenger is told of guests who are removed.
    let is_more_to_remove = retention::remove(&connection);
    contacts::tell_due(&connection)?;
    requests::forget_ended(&connection, KEYS_KEPT)?;
    retention::report(&connection, is_more_to_remove?)?;
    Ok(Answer::empty(StatusCode::OK))
}
