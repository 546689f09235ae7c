//! Requests for help: the participant service delivers them, asks for their place in the queue, and cancels them.

use http::StatusCode;
use service::clock;
use service::database::{Connection, snapshot, transaction};
use service::door::{Answer, Request};
use service::internal::{
    Cancellation, Cancelled, ContactChanges, HelpRequest, HelpRequests, Standing, Standings,
};
use sidecar_api::update::Body;

use crate::error::Error;
use crate::store::contacts::Kept;
use crate::store::queue::{self, Arrival, Place};
use crate::store::{chats, contacts, updates};
use crate::{access, body, frames, ids, json, store};

/// `POST /internal/requests`: stores presses. After the answer they are in their queues.
pub(crate) fn enqueue(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let HelpRequests { requests } = body(request)?;
    let arrivals = requests.into_iter().map(arrival).collect::<Result<Vec<_>, _>>()?;
    queue::enqueue(&store::open()?, &arrivals)?;
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

/// `GET /internal/standings?ids=...`: where each request is.
pub(crate) fn list_standings(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let ids: Vec<&str> = request
        .query("ids")
        .unwrap_or_default()
        .split(',')
        .filter(|id| !id.is_empty())
        .collect();
    let standings = snapshot(&store::open()?, |connection| standings(connection, &ids))?;
    Ok(json(StatusCode::OK, &Standings { standings }))
}

fn standings(connection: &Connection, ids: &[&str]) -> Result<Vec<Option<Standing>>, Error> {
    let standing = |place| match place {
        Some(Place::Waiting { agency_id, ahead }) => Ok(Some(Standing::Waiting {
            ahead,
            estimate: queue::estimate(connection, agency_id)?,
        })),
        Some(Place::Active) => Ok(Some(Standing::Active)),
        None => Ok(None),
    };
    queue::places(connection, ids)?
        .into_iter()
        .map(standing)
        .collect()
}

/// `POST /internal/cancellations`: takes a request back, unless an organizer has it. The messenger also releases its
/// lock, since the participant service may die before it does.
pub(crate) fn cancel(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let Cancellation { request_id } = body(request)?;
    let connection = store::open()?;
    let cancelled = transaction(&connection, |connection| {
        // A re-queued chat is still open to its participant.
        let open = chats::waiting_again(connection, &request_id)?;
        let cancelled = queue::cancel(connection, &request_id)?;
        let mut update = Body::default();
        if let Some(chat) = open {
            frames::taken_back(&mut update, &chat)?;
        }
        updates::append(connection, &update)?;
        Ok::<_, Error>(cancelled)
    })?;
    Ok(json(StatusCode::OK, &Cancelled { cancelled }))
}

/// `POST /internal/contacts`: updates contact details, and forgets participants who have deleted their accounts.
pub(crate) fn update_contacts(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let ContactChanges { changes } = body(request)?;
    let (present, gone): (Vec<_>, Vec<_>) = changes.into_iter().partition(|change| change.contact.is_some());
    let gone: Vec<i64> = gone.iter().map(|change| change.participant_id).collect();
    transaction(&store::open()?, |connection| {
        contacts::update(connection, &present)?;
        for participant_id in &gone {
            forget_kept_texts(connection, *participant_id)?;
        }
        Ok::<_, Error>(contacts::forget(connection, &gone)?)
    })?;
    Ok(Answer::empty(StatusCode::OK))
}

/// Removes a participant's contact details from frames that are kept for a while.
fn forget_kept_texts(connection: &Connection, participant_id: i64) -> Result<(), Error> {
    if !contacts::was_shown_lately(connection, participant_id)? {
        return Ok(());
    }
    let mark = frames::contact_mark(participant_id);
    for kept in [Kept::Updates, Kept::Replies] {
        for (row, text) in contacts::kept_texts(connection, kept, &mark)? {
            let text = frames::without_contact(&text, participant_id)?;
            contacts::replace_kept_text(connection, kept, row, text)?;
        }
    }
    Ok(())
}
