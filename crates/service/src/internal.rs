//! The bodies of the services' calls to each other over HTTP, behind the service keys. `peers` writes the requests and
//! reads the answers; the owner of the data does the reverse.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;

/// `POST .../principals`: which users do these tokens speak for?
#[derive(Debug, Deserialize, Serialize)]
pub struct Tokens {
    pub tokens: Vec<String>,
}

/// One per token, in the order asked; null for a token that is not valid right now.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Principals {
    pub principals: Vec<Option<Principal>>,
    /// Where tokens are valid, but their users have to complete their accounts first. The principals are null there, so
    /// that a messenger of the release before refuses them, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<usize>,
}

/// A user, as other services need to know one.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    pub id: i64,
    /// Organizers only.
    pub role: Option<u8>,
    /// The agency an organizer acts for, if any.
    pub agency_id: Option<i64>,
    /// How many chats an organizer may have open at once, where the organizer's own agency sets a limit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_open_chats: Option<u32>,
    /// How to address the user.
    pub name: String,
}

/// `GET .../revocations?since=...`: whose tokens may have been revoked since.
#[derive(Debug, Deserialize, Serialize)]
pub struct Revocations {
    /// The last row that was read: where the next question starts.
    pub last: i64,
    pub users: Vec<i64>,
    /// Agencies all of whose users are concerned.
    pub agencies: Vec<i64>,
    /// If false, any user may be concerned.
    pub complete: bool,
}

/// `GET /organizer/api/colleagues?agencyId=...&ids=...`: which of these organizers work for the agency now.
#[derive(Debug, Deserialize, Serialize)]
pub struct Colleagues {
    pub ids: Vec<i64>,
}

/// `GET /organizer/api/deleted-agencies?ids=...`: which of these agencies were deleted.
#[derive(Debug, Deserialize, Serialize)]
pub struct DeletedAgencies {
    pub ids: Vec<i64>,
}

/// `POST /organizer/api/canary` and `POST /participant/internal/canary`: an account for one run of the canary.
#[derive(Debug, Serialize)]
pub struct CanaryAccount {
    /// Below 0. An organizer's agency and event have the same.
    pub id: i64,
    pub email: String,
    pub password: String,
}

/// `GET /participant/internal/undelivered`: what waits to be delivered to the messenger.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Undelivered {
    pub presses: i64,
    /// How long ago the oldest of them arrived; 0 for none.
    pub oldest_seconds: i64,
    /// Changes of contact details, deletions of accounts, and guests who have signed in. The release before sends none.
    #[serde(default)]
    pub changes: i64,
    /// How long ago the oldest of them was made; 0 for none.
    #[serde(default)]
    pub oldest_change_seconds: i64,
}

/// `POST /messenger/internal/requests`: put these presses into their queues.
#[derive(Debug, Deserialize, Serialize)]
pub struct HelpRequests {
    pub requests: Vec<HelpRequest>,
}

/// A press for help.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HelpRequest {
    /// Made at the press (a UUIDv7); one id is queued at most once.
    pub id: String,
    pub participant_id: i64,
    pub event_id: i64,
    pub agency_id: i64,
    /// The time that orders the queue.
    pub pressed_at: Millis,
    /// Null from the release before, where it is the same.
    #[serde(default)]
    pub received_at: Option<Millis>,
    pub kind: Option<String>,
    /// May be empty.
    pub description: String,
    /// Degrees.
    pub lat: Option<f64>,
    pub lng: Option<f64>,
    /// Of the position: metres, and when it was measured.
    pub accuracy: Option<f64>,
    pub position_at: Option<Millis>,
    pub contact: Contact,
}

/// A participant's contact details.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    pub email: String,
    /// May be empty.
    pub phone_number: String,
    /// What to call the participant; may be empty.
    #[serde(default)]
    pub name: String,
    /// Whether a device has made the account, to press help at once.
    #[serde(default)]
    pub is_guest: bool,
    /// Counts the participant's changes: of two versions the higher one is newer.
    pub version: i64,
}

/// `GET /messenger/internal/standings?ids=...`: one per id; null for a request that is closed or unknown.
#[derive(Debug, Deserialize, Serialize)]
pub struct Standings {
    pub standings: Vec<Option<Standing>>,
}

/// Where a request is, and what it says.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    #[serde(flatten)]
    pub progress: Progress,
    /// `None` before an organizer has had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// May be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// How far a request has come.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum Progress {
    #[serde(rename_all = "camelCase")]
    Waiting {
        /// How many requests stand before it.
        ahead: u32,
        /// Seconds from press to pickup; null when nobody was picked up lately.
        estimate: Option<u32>,
    },
    Active,
}

/// `POST /messenger/internal/cancellations`: this request's participant has taken it back.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cancellation {
    pub request_id: String,
}

/// Its answer: whether the request has left the queue.
#[derive(Debug, Deserialize, Serialize)]
pub struct Cancelled {
    pub cancelled: bool,
}

/// `POST /messenger/internal/amendments`: this request's participant has more to say. What is null stays as it is.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Amendment {
    pub request_id: String,
    pub kind: Option<String>,
    pub description: Option<String>,
    /// All of the position is replaced, if there is a new one.
    pub lat: Option<f64>,
    pub lng: Option<f64>,
    pub accuracy: Option<f64>,
    pub position_at: Option<Millis>,
}

/// Its answer.
#[derive(Debug, Deserialize, Serialize)]
pub struct Amended {
    pub outcome: AmendOutcome,
}

/// What came of an amendment.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum AmendOutcome {
    Amended,
    /// An organizer has, or had, the request.
    Started,
    /// There is no such request, or it has not arrived yet.
    Unknown,
}

/// `POST /messenger/internal/hand-overs`: these guests have signed in to accounts, which have their chats from now on.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HandOvers {
    pub hand_overs: Vec<HandOver>,
}

/// A guest has signed in to an account.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HandOver {
    pub guest_id: i64,
    pub account_id: i64,
    /// The account's; null when it is gone.
    pub contact: Option<Contact>,
}

/// `POST /messenger/internal/contacts`: the present contact details of these participants.
#[derive(Debug, Deserialize, Serialize)]
pub struct ContactChanges {
    pub changes: Vec<ContactChange>,
}

/// A participant's contact details have changed.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactChange {
    pub participant_id: i64,
    /// Null when the account is gone.
    pub contact: Option<Contact>,
}

/// `POST /messenger/internal/stored`: what is stored about this participant?
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredAbout {
    pub participant_id: i64,
    /// Null for the first part.
    pub after: Option<StoredCursor>,
}

/// Where a part begins: with the chat of that arrival, after the message of that number.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct StoredCursor {
    pub arrival: i64,
    pub seq: i64,
}

/// Its answer.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredPart {
    pub contact: Option<Contact>,
    /// The guests who have signed in to the account.
    pub guest_ids: Vec<i64>,
    /// The account that the guest has signed in to.
    pub account_id: Option<i64>,
    pub chats: Vec<StoredChat>,
    /// Where the next part begins; null when this is the last.
    pub next: Option<StoredCursor>,
}

/// A request or chat.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredChat {
    pub id: String,
    pub request_id: String,
    pub agency_id: i64,
    pub event_id: i64,
    pub state: String,
    pub kind: Option<String>,
    pub lat: Option<f64>,
    pub lng: Option<f64>,
    pub accuracy: Option<f64>,
    pub position_at: Option<Millis>,
    pub pressed_at: Millis,
    pub received_at: Option<Millis>,
    pub organizer_id: Option<i64>,
    pub organizer_name: String,
    pub time_start: Option<Millis>,
    pub time_end: Option<Millis>,
    pub has_been_requeued: bool,
    pub read_by_participant: i64,
    pub messages: Vec<StoredMessage>,
}

/// A message of a chat.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredMessage {
    pub seq: i64,
    pub id: String,
    pub author_id: i64,
    pub from_organizer: bool,
    pub is_system: bool,
    pub content: String,
    pub time_sent: Millis,
    pub lat: Option<f64>,
    pub lng: Option<f64>,
    pub client_id: Option<String>,
}

/// `POST /organizer/api/removals`: this was removed, so record it.
#[derive(Debug, Deserialize, Serialize)]
pub struct Removals {
    pub removals: Vec<Removal>,
}

/// What was removed because it was too old.
#[derive(Debug, Deserialize, Serialize)]
pub struct Removal {
    /// One id is recorded at most once.
    pub id: String,
    #[serde(flatten)]
    pub removed: Removed,
}

/// What was removed. An organizer service that does not know a kind refuses all removals of the call, and the caller
/// retries.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all_fields = "camelCase", untagged)]
pub enum Removed {
    /// Closed chats of an agency.
    Chats {
        agency_id: i64,
        ended_before: Millis,
        chats: i64,
        messages: i64,
    },
    /// Guests, and copies of events, which belong to no agency.
    Unseen {
        last_seen_before: Millis,
        guests: i64,
        known_events: i64,
    },
}

/// `POST /participant/internal/releases`: these requests are closed, so release their locks.
#[derive(Debug, Deserialize, Serialize)]
pub struct ClosedRequests {
    pub requests: Vec<ClosedRequest>,
}

/// A request that is closed. A lock that a newer request holds stays.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClosedRequest {
    pub participant_id: i64,
    pub event_id: i64,
    pub request_id: String,
}
