//! The press for help (contract 4.1, design 5): once it is acknowledged it is never lost, and never queued twice.

use http::StatusCode;
use service::clock;
use service::database::transaction;
use service::door::{Answer, Request};
use service::internal::HelpRequest;
use uuid::Uuid;

use crate::body::Body;
use crate::error::Error;
use crate::store::{self, requests};
use crate::{access, events, outbox};

/// Contract 4, in bytes.
const MAX_DESCRIPTION: usize = 2000;

/// `POST /chat-requests`: the lock and the outbox row are one transaction; what comes after can fail without harm, because the
/// outbox is tried again.
pub(crate) fn press(request: &Request) -> Result<Answer, Error> {
    let pressed_at = clock::now();
    let connection = store::open()?;
    let participant = access::admit(&connection, request)?;
    let body = Body::read(&request.body)?;
    let event_id = body.integer("eventId")?;
    let description = body.text("description")?;
    let (lat, lng) = (body.degrees("lat", 90.0)?, body.degrees("lng", 180.0)?);
    if description.len() > MAX_DESCRIPTION {
        return Err(Error::BadRequest(format!(
            "description must be at most {MAX_DESCRIPTION} characters"
        )));
    }
    let event = events::find(event_id)?;

    let help = HelpRequest {
        id: Uuid::now_v7().to_string(),
        participant_id: participant.id,
        event_id,
        agency_id: event.agency_id,
        pressed_at,
        description: description.to_owned(),
        lat,
        lng,
        email: participant.email,
        phone_number: participant.phone_number,
    };
    let locked = transaction(&connection, |connection| {
        requests::open(connection, &help, outbox::first_retry(pressed_at))
    })?;
    if !locked {
        return Err(Error::BadRequest("chat request already exists".to_owned()));
    }
    outbox::deliver_press(&connection, help)?;
    Ok(Answer::empty(StatusCode::OK).with("content-type", "application/json"))
}
