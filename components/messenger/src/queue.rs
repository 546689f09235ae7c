//! The queue, as the participant service fills it and asks about it.

use http::StatusCode;
use service::clock;
use service::database::transaction;
use service::door::{Answer, Request};
use service::internal::{HelpRequest, HelpRequests, Positions};

use crate::error::Error;
use crate::store::queue::{self, Arrival};
use crate::{access, ids, json, store};

/// `POST /internal/requests`: stores presses; once it has answered they are in their queues.
pub(crate) fn enqueue(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let HelpRequests { requests } =
        serde_json::from_slice(&request.body).map_err(|error| Error::BadRequest(error.to_string()))?;
    let arrivals = requests.into_iter().map(arrival).collect::<Result<Vec<_>, _>>()?;
    let connection = store::open()?;
    transaction(&connection, |connection| {
        Ok::<_, Error>(queue::enqueue(connection, &arrivals)?)
    })?;
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

/// `GET /internal/positions?ids=...`: how many wait before each request.
pub(crate) fn positions(request: &Request) -> Result<Answer, Error> {
    access::admit_service(request)?;
    let ids: Vec<&str> = request
        .query("ids")
        .unwrap_or_default()
        .split(',')
        .filter(|id| !id.is_empty())
        .collect();
    let positions = queue::positions(&store::open()?, &ids)?;
    Ok(json(StatusCode::OK, &Positions { positions }))
}
