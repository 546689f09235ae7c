//! Participants, from the participant service's routes for services (contract 4).

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use service::internal;

use crate::Peers;
use crate::bindings::exports::mayday::platform::roster::{ClosedRequest, Error, Guest, Profile};
use crate::owner::{OwnerError, PARTICIPANT, comma_separated};

/// Somebody waits at a socket for these answers, and both have a fallback: kept contact details, and the outbox.
const TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProfileBody {
    id: i64,
    email: String,
    phone_number: String,
}

impl Guest for Peers {
    fn profiles(ids: Vec<i64>) -> Result<Vec<Profile>, Error> {
        let path = format!("/participant/users?ids={}", comma_separated(&ids));
        let bodies: HashMap<String, ProfileBody> =
            PARTICIPANT.get(&path, TIMEOUT).map_err(|error| failure(&error))?;
        let profile = |body: ProfileBody| Profile {
            id: body.id,
            email: body.email,
            phone_number: body.phone_number,
        };
        Ok(bodies.into_values().map(profile).collect())
    }

    fn release_locks(requests: Vec<ClosedRequest>) -> Result<(), Error> {
        let body = |request: ClosedRequest| internal::ClosedRequest {
            request_id: request.request_id,
            participant_id: request.participant_id,
            event_id: request.event_id,
        };
        let requests = internal::ClosedRequests {
            requests: requests.into_iter().map(body).collect(),
        };
        PARTICIPANT
            .tell("/participant/internal/releases", &requests, TIMEOUT)
            .map_err(|error| failure(&error))
    }
}

fn failure(error: &OwnerError) -> Error {
    eprintln!("the participant service did not answer: {error}");
    if error.is_unavailable() {
        Error::Unavailable
    } else {
        Error::Other(error.to_string())
    }
}
