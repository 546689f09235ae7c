//! The queue, through the messenger's routes for services.

use std::time::Duration;

use service::internal::{self, Cancellation, Cancelled, ContactChanges, HelpRequests, Standings};

use crate::Peers;
use crate::bindings::exports::mayday::platform::desk::{
    Contact, ContactChange, Error, Guest, HelpRequest, Standing, Wait,
};
use crate::owner::{MESSENGER, OwnerError};

/// The press is already stored in the participant's outbox, so its request need not wait long for the messenger.
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

    fn standings(ids: Vec<String>) -> Result<Vec<Option<Standing>>, Error> {
        let path = format!("/messenger/internal/standings?ids={}", ids.join(","));
        let answer: Standings = MESSENGER.get(&path, TIMEOUT).map_err(|error| failure(&error))?;
        let standing = |standing| match standing {
            internal::Standing::Waiting { ahead, estimate } => Standing::Waiting(Wait { ahead, estimate }),
            internal::Standing::Active => Standing::Active,
        };
        Ok(answer
            .standings
            .into_iter()
            .map(|found| found.map(standing))
            .collect())
    }

    fn cancel(id: String) -> Result<bool, Error> {
        let cancellation = Cancellation { request_id: id };
        let answer: Cancelled = MESSENGER
            .post("/messenger/internal/cancellations", &cancellation, TIMEOUT)
            .map_err(|error| failure(&error))?;
        Ok(answer.cancelled)
    }

    fn update_contacts(changes: Vec<ContactChange>) -> Result<(), Error> {
        let change = |change: ContactChange| internal::ContactChange {
            participant_id: change.participant_id,
            contact: change.contact.map(contact),
        };
        let changes = ContactChanges {
            changes: changes.into_iter().map(change).collect(),
        };
        MESSENGER
            .tell("/messenger/internal/contacts", &changes, TIMEOUT)
            .map_err(|error| failure(&error))
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
        contact: contact(request.contact),
    }
}

fn contact(contact: Contact) -> internal::Contact {
    internal::Contact {
        email: contact.email,
        phone_number: contact.phone_number,
        version: contact.version,
    }
}

fn failure(error: &OwnerError) -> Error {
    if error.is_unavailable() {
        Error::Unavailable(error.to_string())
    } else {
        Error::Other(error.to_string())
    }
}
