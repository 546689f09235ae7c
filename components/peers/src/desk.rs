//! The queue, from the messenger's routes for services.

use std::time::Duration;

use service::internal::{self, HelpRequests, Positions};

use crate::Peers;
use crate::bindings::exports::mayday::platform::desk::{Error, Guest, HelpRequest};
use crate::owner::{MESSENGER, OwnerError};

/// A press is safe in the participant's outbox before the messenger is asked, so nobody has to wait long for it.
const TIMEOUT: Duration = Duration::from_secs(3);

impl Guest for Peers {
    fn enqueue(requests: Vec<HelpRequest>) -> Result<(), Error> {
        let requests = HelpRequests {
            requests: requests.into_iter().map(body).collect(),
        };
        MESSENGER
            .tell("/messenger/internal/requests", &requests, TIMEOUT)
            .map_err(|error| failure(&error))
    }

    fn positions(ids: Vec<String>) -> Result<Vec<Option<u32>>, Error> {
        let path = format!("/messenger/internal/positions?ids={}", ids.join(","));
        let answer: Positions = MESSENGER.get(&path, TIMEOUT).map_err(|error| failure(&error))?;
        Ok(answer.positions)
    }
}

fn body(request: HelpRequest) -> internal::HelpRequest {
    internal::HelpRequest {
        id: request.id,
        participant_id: request.participant_id,
        event_id: request.event_id,
        agency_id: request.agency_id,
        pressed_at: request.pressed_at,
        description: request.description,
        lat: request.location.lat,
        lng: request.location.lng,
        email: request.email,
        phone_number: request.phone_number,
    }
}

fn failure(error: &OwnerError) -> Error {
    eprintln!("the messenger did not answer: {error}");
    if error.is_unavailable() {
        Error::Unavailable
    } else {
        Error::Other(error.to_string())
    }
}
