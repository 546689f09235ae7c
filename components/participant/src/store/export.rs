//! What is stored about a participant, in the form of an export. Not the password's hash.

use serde::Serialize;
use service::clock::{self, Millis};
use service::database::{Connection, DatabaseError, query, query_one};
use service::parameters;

/// What [`super::participants::Participant`] does not show of an account.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hidden {
    /// When the account last got a token.
    #[serde(serialize_with = "clock::timestamp")]
    pub active_at: Millis,
    /// Counts the changes of the contact details.
    pub contact_version: i64,
}

/// A request that is open, by its lock.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OpenRequest {
    pub event_id: i64,
    pub request_id: String,
}

/// A press that the messenger has not confirmed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OnTheWay {
    pub request_id: String,
    pub event_id: i64,
    pub agency_id: i64,
    #[serde(serialize_with = "clock::timestamp")]
    pub pressed_at: Millis,
    #[serde(serialize_with = "clock::optional_timestamp")]
    pub received_at: Option<Millis>,
    pub client_id: Option<String>,
    pub kind: Option<String>,
    pub description: String,
    pub lat: Option<f64>,
    pub lng: Option<f64>,
    pub accuracy: Option<f64>,
    #[serde(serialize_with = "clock::optional_timestamp")]
    pub position_at: Option<Millis>,
}

/// A guest has signed in to an account.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HandOver {
    pub guest_id: i64,
    pub account_id: i64,
}

/// A press whose key is kept.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeptPress {
    pub request_id: String,
    pub event_id: i64,
    pub client_id: Option<String>,
    #[serde(serialize_with = "clock::timestamp")]
    pub pressed_at: Millis,
    #[serde(serialize_with = "clock::timestamp")]
    pub received_at: Millis,
    #[serde(serialize_with = "clock::optional_timestamp")]
    pub ended_at: Option<Millis>,
}

/// The rest of an account.
pub(crate) fn hidden(connection: &Connection, participant_id: i64) -> Result<Option<Hidden>, DatabaseError> {
    query_one(
        connection,
        "SELECT active_at, contact_version FROM participants WHERE id = ?1",
        parameters![participant_id],
        |row| {
            Ok(Hidden {
                active_at: row.get(0)?,
                contact_version: row.get(1)?,
            })
        },
    )
}

/// The open requests, by event.
pub(crate) fn open_requests(
    connection: &Connection,
    participant_id: i64,
) -> Result<Vec<OpenRequest>, DatabaseError> {
    query(
        connection,
        "SELECT event_id, request_id FROM locks WHERE participant_id = ?1 ORDER BY event_id, request_id",
        parameters![participant_id],
        |row| {
            Ok(OpenRequest {
                event_id: row.get(0)?,
                request_id: row.get(1)?,
            })
        },
    )
}

/// The presses that the messenger has not confirmed. There are no more than open requests.
pub(crate) fn on_the_way(
    connection: &Connection,
    participant_id: i64,
) -> Result<Vec<OnTheWay>, DatabaseError> {
    query(
        connection,
        "SELECT request_id, event_id, agency_id, pressed_at, received_at, client_id, kind, description, lat, lng,
                accuracy, position_at
         FROM outbox WHERE participant_id = ?1 ORDER BY request_id",
        parameters![participant_id],
        |row| {
            Ok(OnTheWay {
                request_id: row.get(0)?,
                event_id: row.get(1)?,
                agency_id: row.get(2)?,
                pressed_at: row.get(3)?,
                received_at: row.get(4)?,
                client_id: row.get(5)?,
                kind: row.get(6)?,
                description: row.get(7)?,
                lat: row.get(8)?,
                lng: row.get(9)?,
                accuracy: row.get(10)?,
                position_at: row.get(11)?,
            })
        },
    )
}

/// The hand-overs that the messenger does not know.
pub(crate) fn hand_overs(
    connection: &Connection,
    participant_id: i64,
) -> Result<Vec<HandOver>, DatabaseError> {
    query(
        connection,
        "SELECT guest_id, account_id FROM hand_overs WHERE guest_id = ?1 OR account_id = ?1 ORDER BY guest_id",
        parameters![participant_id],
        |row| {
            Ok(HandOver {
                guest_id: row.get(0)?,
                account_id: row.get(1)?,
            })
        },
    )
}

/// The presses whose request ids come after one.
pub(crate) fn presses(
    connection: &Connection,
    participant_id: i64,
    after: &str,
    limit: i64,
) -> Result<Vec<KeptPress>, DatabaseError> {
    query(
        connection,
        "SELECT request_id, event_id, client_id, pressed_at, received_at, ended_at FROM presses
         WHERE participant_id = ?1 AND request_id > ?2 ORDER BY request_id LIMIT ?3",
        parameters![participant_id, after, limit],
        |row| {
            Ok(KeptPress {
                request_id: row.get(0)?,
                event_id: row.get(1)?,
                client_id: row.get(2)?,
                pressed_at: row.get(3)?,
                received_at: row.get(4)?,
                ended_at: row.get(5)?,
            })
        },
    )
}
