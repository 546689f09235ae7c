//! What the other services ask (contract 4), behind the service key.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use service::database::transaction;
use service::door::{Answer, Request};

use crate::error::Error;
use crate::store::{self, participants, requests};
use crate::{access, json, outbox};

/// `GET /users`: profiles by ids, from the contract's body or, since many proxies drop the body of a GET, from `?ids=1,2`.
pub(crate) fn list_users(request: &Request) -> Result<Answer, Error> {
    #[derive(Deserialize)]
    struct Ids {
        ids: Vec<i64>,
    }
    access::admit_service(request)?;
    let ids = match request.query("ids") {
        Some(list) => list
            .split(',')
            .filter(|id| !id.is_empty())
            .map(|id| id.parse().ok())
            .collect(),
        None => serde_json::from_slice(&request.body)
            .ok()
            .map(|Ids { ids }| ids)
            .filter(|ids| !ids.is_empty()),
    };
    let ids: Vec<i64> = ids.ok_or_else(|| Error::BadRequest("invalid request body".to_owned()))?;
    let connection = store::open()?;
    let found = participants::find_all(&connection, &ids)?;
    let by_id: BTreeMap<String, _> = found
        .into_iter()
        .map(|participant| (participant.id.to_string(), participant))
        .collect();
    Ok(json(StatusCode::OK, &by_id))
}

/// A request that has been dealt with. Whoever does not know its id, as the contract's callers do not, releases the lock whichever
/// request holds it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClosedRequest {
    participant_id: i64,
    event_id: i64,
    request_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ClosedRequests {
    Many { requests: Vec<ClosedRequest> },
    One(ClosedRequest),
}

/// `DELETE /chat-requests`: one lock, as in the contract, or `{"requests": [...]}`.
pub(crate) fn release_locks(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let closed: ClosedRequests =
        serde_json::from_slice(&request.body).map_err(|error| Error::BadRequest(error.to_string()))?;
    let closed = match closed {
        ClosedRequests::Many { requests } => requests,
        ClosedRequests::One(request) => vec![request],
    };
    let connection = store::open()?;
    transaction(&connection, |connection| {
        for request in &closed {
            let id = request.request_id.as_deref();
            requests::release(connection, request.participant_id, request.event_id, id)?;
        }
        Ok::<_, Error>(())
    })?;
    Ok(Answer::empty(StatusCode::OK).with("content-type", "application/json"))
}

#[derive(Deserialize)]
struct Tokens {
    tokens: Vec<String>,
}

#[derive(Serialize)]
struct Principals {
    /// One per token; null for a token that is not valid right now.
    principals: Vec<Option<Principal>>,
}

#[derive(Serialize)]
struct Principal {
    id: i64,
    name: String,
}

/// `POST /internal/principals`: judges a list of tokens, by the rules that `GET /profile` applies to one.
pub(crate) fn judge_tokens(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let Tokens { tokens } =
        serde_json::from_slice(&request.body).map_err(|error| Error::BadRequest(error.to_string()))?;
    let connection = store::open()?;
    let judge = |token: &String| {
        let caller = access::caller(&connection, token)?;
        Ok(caller.map(|participant| Principal {
            id: participant.id,
            name: participant.email,
        }))
    };
    let principals = tokens.iter().map(judge).collect::<Result<_, Error>>()?;
    Ok(json(StatusCode::OK, &Principals { principals }))
}

/// `POST /internal/tick`: the dispatcher's knock; delivers what waits in the outbox.
pub(crate) fn tick(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    outbox::deliver_due(&store::open()?)?;
    Ok(Answer::empty(StatusCode::OK))
}
