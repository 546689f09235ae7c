//! Participants, through the participant service's routes for services (contract 4).

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use service::internal;

use crate::Peers;
use crate::bindings::exports::mayday::platform::roster::{ClosedRequest, Error, Guest, Profile, Undelivered};
use crate::owner::{OwnerError, PARTICIPANT, comma_separated};

/// The caller can continue without an answer: it has the contact details of the press.
const PROFILES_TIMEOUT: Duration = Duration::from_secs(1);

/// At most this many ids go into one URL.
const PROFILES_AT_ONCE: usize = 500;

/// Every user of a sidecar waits for this, and the outbox retries.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// The sidecar that asks waits no longer than 2 s.
const UNDELIVERED_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProfileBody {
    id: i64,
    email: String,
    phone_number: String,
    /// Of guests who have said it.
    #[serde(default)]
    name: String,
    #[serde(default)]
    guest: bool,
}

impl Guest for Peers {
    fn profiles(ids: Vec<i64>) -> Result<Vec<Profile>, Error> {
        let profile = |body: ProfileBody| Profile {
            id: body.id,
            email: body.email,
            phone_number: body.phone_number,
            name: body.name,
            is_guest: body.guest,
        };
        let mut profiles = Vec::with_capacity(ids.len());
        for ids in ids.chunks(PROFILES_AT_ONCE) {
            let path = format!("/participant/users?ids={}", comma_separated(ids));
            let bodies: HashMap<String, ProfileBody> = PARTICIPANT
                .get(&path, PROFILES_TIMEOUT)
                .map_err(|error| failure(&error))?;
            profiles.extend(bodies.into_values().map(profile));
        }
        Ok(profiles)
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
            .tell("/participant/internal/releases", &requests, RELEASE_TIMEOUT)
            .map_err(|error| failure(&error))
    }

    fn count_undelivered() -> Result<Undelivered, Error> {
        let answer: internal::Undelivered = PARTICIPANT
            .get("/participant/internal/undelivered", UNDELIVERED_TIMEOUT)
            .map_err(|error| failure(&error))?;
        Ok(Undelivered {
            presses: answer.presses,
            oldest_seconds: answer.oldest_seconds,
            changes: answer.changes,
            oldest_change_seconds: answer.oldest_change_seconds,
        })
    }
}

fn failure(error: &OwnerError) -> Error {
    if error.is_unavailable() {
        Error::Unavailable(error.to_string())
    } else {
        Error::Other(error.to_string())
    }
}
