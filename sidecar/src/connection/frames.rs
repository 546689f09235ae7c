//! The frames that the sidecar itself makes (contract 5.5, PROTOCOL.md), and why it refuses a frame or ends a
//! connection.

use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use sidecar_api::{Principal, Protocol, Request};
use uuid::Uuid;

/// Why the sidecar itself refuses a frame. The texts are the contract's catalogue (5.5).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("malformed message")]
    Malformed,
    #[error("invalid message type")]
    InvalidType,
    #[error("invalid message payload")]
    InvalidPayload,
    #[error("message too large")]
    TooLarge,
    /// The request was not carried out, and the client may send it again.
    #[error("too many messages")]
    TooMany,
    #[error("timeout")]
    Timeout,
    /// The messenger did not answer in time, or too many commands wait for it.
    #[error("{}", failure_text(.0))]
    Unavailable(Request),
    /// Any of the above, about a message that has a client id.
    #[error("{refusal}")]
    About {
        refusal: Box<Refusal>,
        client_id: String,
    },
}

impl Refusal {
    /// Adds the client id of the message, if it has one.
    pub(crate) fn about(self, client_id: Option<String>) -> Refusal {
        match client_id {
            Some(client_id) => Refusal::About {
                refusal: Box::new(self),
                client_id,
            },
            None => self,
        }
    }

    /// The refusal without its client id.
    pub(crate) fn kind(&self) -> &Refusal {
        match self {
            Refusal::About { refusal, .. } => refusal.kind(),
            refusal => refusal,
        }
    }

    /// The machine-readable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Refusal::Malformed => "malformed_message",
            Refusal::InvalidType => "invalid_type",
            Refusal::InvalidPayload => "invalid_payload",
            Refusal::TooLarge => "message_too_large",
            Refusal::TooMany => "rate_limited",
            Refusal::Timeout => "timeout",
            Refusal::Unavailable(_) => "unavailable",
            Refusal::About { refusal, .. } => refusal.code(),
        }
    }

    /// When to send the same frame again, if that may succeed.
    fn retry_after_seconds(&self) -> Option<u32> {
        match self.kind() {
            Refusal::Unavailable(_) | Refusal::TooMany => Some(1),
            _ => None,
        }
    }

    /// The client id of the refused message.
    pub(crate) fn client_id(&self) -> Option<&str> {
        match self {
            Refusal::Unavailable(request) => request.client_id(),
            Refusal::About { client_id, .. } => Some(client_id),
            Refusal::Malformed
            | Refusal::InvalidType
            | Refusal::InvalidPayload
            | Refusal::TooLarge
            | Refusal::TooMany
            | Refusal::Timeout => None,
        }
    }
}

/// Why a connection ends here. A client that speaks only the contract sees a dropped TCP connection, except at a
/// restart.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum CloseReason {
    #[error("far too many messages")]
    Flood,
    #[error("the server restarts")]
    Restart,
    #[error("try again later")]
    TryLater,
    #[error("no message for too long")]
    Idle,
    #[error("role or agency have changed")]
    Changed,
    #[error("the token is not valid")]
    BadToken,
    #[error("signed out")]
    SignedOut,
    #[error("too many connections")]
    TooManyConnections,
    /// The sidecar does not know which updates it has missed, and a client of the contract cannot be told to look.
    #[error("updates were missed")]
    MissedUpdates,
}

impl CloseReason {
    /// The code of the close frame, as published in PROTOCOL.md.
    pub(crate) fn code(self) -> u16 {
        match self {
            CloseReason::Flood => 1008,
            CloseReason::Restart | CloseReason::MissedUpdates => 1012,
            CloseReason::TryLater => 1013,
            CloseReason::Idle => 4000,
            CloseReason::Changed => 4001,
            CloseReason::BadToken => 4500,
            CloseReason::SignedOut => 4501,
            CloseReason::TooManyConnections => 4502,
        }
    }

    /// The label in the metrics. It does not depend on whether the client knows close codes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            CloseReason::Flood => "flood",
            CloseReason::Restart => "restart",
            CloseReason::TryLater => "try_later",
            CloseReason::Idle => "idle",
            CloseReason::Changed => "changed",
            CloseReason::BadToken => "bad_token",
            CloseReason::SignedOut => "signed_out",
            CloseReason::TooManyConnections => "too_many_connections",
            CloseReason::MissedUpdates => "missed_updates",
        }
    }
}

/// The error text for a request that the messenger did not answer in time (contract 5.4).
fn failure_text(request: &Request) -> &'static str {
    match request {
        Request::GetChats => "could not get chats",
        Request::GetChatHistory { .. } => "could not get messages",
        Request::SendMessage { .. } => "message could not be saved",
        Request::StartChat { .. } => "could not get chat from queue",
        Request::CloseChat { .. } | Request::Typing { .. } | Request::Read { .. } => "internal server error",
        Request::TransferChat { .. } => "chat could not be transferred",
    }
}

/// An `error` frame.
pub(crate) fn error_frame(refusal: &Refusal, protocol: Protocol) -> Utf8Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Text<'a> {
        message: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_seconds: Option<u32>,
    }
    let knows_codes = protocol == Protocol::Two;
    frame(
        "error",
        &Text {
            message: refusal.to_string(),
            code: knows_codes.then(|| refusal.code()),
            client_id: refusal.client_id().filter(|_| knows_codes),
            retry_after_seconds: refusal.retry_after_seconds().filter(|_| knows_codes),
        },
    )
}

/// A `ready` frame: the answer to the first frame of a client of protocol 2.
pub(crate) fn ready_frame(connection_id: Uuid, principal: &Principal) -> Utf8Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Ready<'a> {
        connection_id: Uuid,
        protocol: u8,
        principal: &'a Principal,
    }
    frame(
        "ready",
        &Ready {
            connection_id,
            protocol: 2,
            principal,
        },
    )
}

/// A `queue_position` frame: a participant's position (1 is the next) and the expected wait (-1 when unknown).
pub(crate) fn queue_position_frame(event_id: i64, position: usize, estimated_wait_seconds: i64) -> Utf8Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct QueuePosition {
        event_id: i64,
        position: usize,
        estimated_wait_seconds: i64,
    }
    frame(
        "queue_position",
        &QueuePosition {
            event_id,
            position,
            estimated_wait_seconds,
        },
    )
}

/// A `queue_status` frame: how many requests of an agency wait, and how many seconds the oldest has waited.
pub(crate) fn queue_status_frame(waiting: usize, oldest_wait_seconds: i64) -> Utf8Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct QueueStatus {
        waiting: usize,
        oldest_wait_seconds: i64,
    }
    frame(
        "queue_status",
        &QueueStatus {
            waiting,
            oldest_wait_seconds,
        },
    )
}

/// A `resync` frame: the client may have missed frames.
pub(crate) fn resync_frame() -> Utf8Bytes {
    frame("resync", &serde_json::json!({}))
}

fn frame(kind: &'static str, payload: &impl Serialize) -> Utf8Bytes {
    #[derive(Serialize)]
    struct Frame<'a, Payload> {
        #[serde(rename = "type")]
        kind: &'static str,
        payload: &'a Payload,
    }
    let text = serde_json::to_string(&Frame { kind, payload }).expect("texts and numbers are JSON");
    Utf8Bytes::from(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_frames_end_with_a_newline() {
        let refusal = Refusal::Unavailable(Request::SendMessage {
            chat_id: "c".into(),
            message: String::new(),
            client_id: Some("id".into()),
            lat: None,
            lng: None,
        });
        assert_eq!(
            error_frame(&refusal, Protocol::Contract).as_str(),
            "{\"type\":\"error\",\"payload\":{\"message\":\"message could not be saved\"}}\n"
        );
        assert_eq!(
            error_frame(&refusal, Protocol::Two).as_str(),
            "{\"type\":\"error\",\"payload\":{\"message\":\"message could not be saved\",\"code\":\"unavailable\",\"clientId\":\"id\",\"retryAfterSeconds\":1}}\n"
        );
        assert_eq!(resync_frame().as_str(), "{\"type\":\"resync\",\"payload\":{}}\n");
    }
}
