//! The queue, as the participant service fills it, asks about it and takes requests back.

use http::StatusCode;
use service::clock::{self, Millis};
use service::database::transaction;
use service::door::{Answer, Request};
use service::internal::{
    Cancellation, Cancelled, ContactChanges, HelpRequest, HelpRequests, Standing, Standings,
};

use crate::error::Error;
use crate::store::queue::{self, Arrival, Place};
use crate::store::{chats, contacts, news};
use crate::{access, body, frames, ids, json, store};

/// `POST /internal/requests`: stores presses; once it has answered they are in their queues.
pub(crate) fn enqueue(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let HelpRequests { requests } = body(request)?;
    let arrivals = requests.into_iter().map(arrival).collect::<Result<Vec<_>, _>>()?;
    queue::enqueue(&store::open()?, &arrivals, clock::now())?;
    Ok(Answer::empty(StatusCode::OK))
}

/// The prefix is shown to people (contract 5.6).
fn arrival(request: HelpRequest) -> Result<Arrival, Error> {
    let first_message = if request.description.is_empty() {
        String::new()
    } else {
        format!("Problem description: {}", request.description)
    };
    let now = clock::now();
    Ok(Arrival {
        request,
        chat_id: ids::new(now)?,
        message_id: ids::new(now)?,
        first_message,
    })
}

/// How far back pickups say something about the wait.
pub(crate) const LATELY: Millis = 10 * 60 * 1000;

/// `GET /internal/standings?ids=...`: where each request is.
pub(crate) fn standings(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let ids: Vec<&str> = request
        .query("ids")
        .unwrap_or_default()
        .split(',')
        .filter(|id| !id.is_empty())
        .collect();
    let connection = store::open()?;
    let since = clock::now() - LATELY;
    let mut standings = Vec::with_capacity(ids.len());
    for place in queue::places(&connection, &ids)? {
        standings.push(match place {
            Some(Place::Waiting { agency_id, ahead }) => Some(Standing::Waiting {
                ahead,
                estimate: queue::estimate(&connection, agency_id, since)?,
            }),
            Some(Place::Active) => Some(Standing::Active),
            None => None,
        });
    }
    Ok(json(StatusCode::OK, &Standings { standings }))
}

/// `POST /internal/cancellations`: takes a request back, unless an organizer has it. Its lock is released in any case, also when whoever
/// asks does not live to do so.
pub(crate) fn cancel(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let Cancellation { request_id } = body(request)?;
    let connection = store::open()?;
    let cancelled = transaction(&connection, |connection| {
        // One that waited again is open to its participant.
        let open = chats::waiting_again(connection, &request_id)?;
        let cancelled = queue::cancel(connection, &request_id, clock::now())?;
        if let Some(chat) = open {
            news::announce(connection, &[frames::taken_back(&chat)?])?;
        }
        Ok::<_, Error>(cancelled)
    })?;
    Ok(json(StatusCode::OK, &Cancelled { cancelled }))
}

/// `POST /internal/contacts`: notes how participants can be reached now, and forgets those who have deleted their accounts.
pub(crate) fn update_contacts(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let ContactChanges { changes } = body(request)?;
    let (present, gone): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| change.contact.is_some());
    let gone: Vec<i64> = gone.iter().map(|change| change.participant_id).collect();
    let connection = store::open()?;
    transaction(&connection, |connection| {
        contacts::update(connection, &present)?;
        Ok::<_, Error>(contacts::forget(connection, &gone, clock::now())?)
    })?;
    Ok(Answer::empty(StatusCode::OK))
}
