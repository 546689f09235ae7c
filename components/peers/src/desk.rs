//! The queue, through the messenger's routes for services.

use std::time::Duration;

use service::internal::{
    self, AmendOutcome, Cancellation, Cancelled, ContactChanges, HandOvers, HelpRequests, Standings,
    StoredAbout,
};

use crate::Peers;
use crate::bindings::exports::mayday::platform::desk::{
    Amended, Amendment, Contact, ContactChange, Error, Guest, GuestSignIn, HelpRequest, Location, Progress,
    Standing, StoredChat, StoredCursor, StoredMessage, StoredPart, Wait,
};
use crate::owner::{MESSENGER, OwnerError};

/// The press is already stored in the participant's outbox, so its request need not wait long for the messenger.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Somebody waits for an export who is in no danger, and the messenger may have much to read.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

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
        let standing = |standing: internal::Standing| Standing {
            progress: match standing.progress {
                internal::Progress::Waiting { ahead, estimate } => {
                    Progress::Waiting(Wait { ahead, estimate })
                }
                internal::Progress::Active => Progress::Active,
            },
            chat_id: standing.chat_id,
            kind: standing.kind,
            description: standing.description,
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

    fn amend(id: String, amendment: Amendment) -> Result<Amended, Error> {
        let location = amendment.location;
        let amendment = internal::Amendment {
            request_id: id,
            kind: amendment.kind,
            description: amendment.description,
            lat: location.and_then(|location| location.lat),
            lng: location.and_then(|location| location.lng),
            accuracy: location.and_then(|location| location.accuracy),
            position_at: location.and_then(|location| location.measured_at),
        };
        let answer: internal::Amended = MESSENGER
            .post("/messenger/internal/amendments", &amendment, TIMEOUT)
            .map_err(|error| failure(&error))?;
        Ok(match answer.outcome {
            AmendOutcome::Amended => Amended::Amended,
            AmendOutcome::Started => Amended::Started,
            AmendOutcome::Unknown => Amended::Unknown,
        })
    }

    fn hand_over(sign_ins: Vec<GuestSignIn>) -> Result<(), Error> {
        let hand_over = |sign_in: GuestSignIn| internal::HandOver {
            guest_id: sign_in.guest_id,
            account_id: sign_in.account_id,
            contact: sign_in.contact.map(contact),
        };
        let hand_overs = HandOvers {
            hand_overs: sign_ins.into_iter().map(hand_over).collect(),
        };
        MESSENGER
            .tell("/messenger/internal/hand-overs", &hand_overs, TIMEOUT)
            .map_err(|error| failure(&error))
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

    fn stored_about(participant_id: i64, after: Option<StoredCursor>) -> Result<StoredPart, Error> {
        let about = StoredAbout {
            participant_id,
            after: after.map(|StoredCursor { arrival, seq }| internal::StoredCursor { arrival, seq }),
        };
        let part: internal::StoredPart = MESSENGER
            .post("/messenger/internal/stored", &about, EXPORT_TIMEOUT)
            .map_err(|error| failure(&error))?;
        Ok(StoredPart {
            contact: part.contact.map(|contact| Contact {
                email: contact.email,
                phone_number: contact.phone_number,
                name: contact.name,
                is_guest: contact.is_guest,
                version: contact.version,
            }),
            guest_ids: part.guest_ids,
            account_id: part.account_id,
            chats: part.chats.into_iter().map(stored_chat).collect(),
            next: part
                .next
                .map(|internal::StoredCursor { arrival, seq }| StoredCursor { arrival, seq }),
        })
    }
}

fn stored_chat(chat: internal::StoredChat) -> StoredChat {
    StoredChat {
        id: chat.id,
        request_id: chat.request_id,
        agency_id: chat.agency_id,
        event_id: chat.event_id,
        state: chat.state,
        kind: chat.kind,
        location: Location {
            lat: chat.lat,
            lng: chat.lng,
            accuracy: chat.accuracy,
            measured_at: chat.position_at,
        },
        pressed_at: chat.pressed_at,
        received_at: chat.received_at,
        organizer_id: chat.organizer_id,
        organizer_name: chat.organizer_name,
        time_start: chat.time_start,
        time_end: chat.time_end,
        has_been_requeued: chat.has_been_requeued,
        read_by_participant: chat.read_by_participant,
        messages: chat.messages.into_iter().map(stored_message).collect(),
    }
}

fn stored_message(message: internal::StoredMessage) -> StoredMessage {
    StoredMessage {
        seq: message.seq,
        id: message.id,
        author_id: message.author_id,
        from_organizer: message.from_organizer,
        is_system: message.is_system,
        content: message.content,
        time_sent: message.time_sent,
        lat: message.lat,
        lng: message.lng,
        client_id: message.client_id,
    }
}

fn body(request: HelpRequest) -> internal::HelpRequest {
    internal::HelpRequest {
        id: request.id,
        participant_id: request.participant_id,
        event_id: request.event_id,
        agency_id: request.agency_id,
        pressed_at: request.pressed_at,
        received_at: Some(request.received_at),
        kind: request.kind,
        description: request.description,
        lat: request.location.lat,
        lng: request.location.lng,
        accuracy: request.location.accuracy,
        position_at: request.location.measured_at,
        contact: contact(request.contact),
    }
}

fn contact(contact: Contact) -> internal::Contact {
    internal::Contact {
        email: contact.email,
        phone_number: contact.phone_number,
        name: contact.name,
        is_guest: contact.is_guest,
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
