//! The frames that the sidecar itself has to say (contract 5.5, PROTOCOL.md).

use axum::extract::ws::Utf8Bytes;
use relay_protocol::{Principal, Protocol};
use serde::Serialize;
use uuid::Uuid;

use crate::protocol::Complaint;

/// A whole `error` frame.
pub(crate) fn error_frame(complaint: &Complaint, protocol: Protocol) -> Utf8Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Text<'a> {
        message: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<&'a str>,
    }
    let knows_codes = protocol == Protocol::Two;
    frame(
        "error",
        &Text {
            message: complaint.to_string(),
            code: knows_codes.then(|| complaint.code()),
            client_id: complaint.client_id().filter(|_| knows_codes),
        },
    )
}

/// A whole `ready` frame: the answer to the first one, where protocol 2 is spoken.
pub(crate) fn ready_frame(connection_id: Uuid, principal: Principal) -> Utf8Bytes {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Ready {
        connection_id: Uuid,
        protocol: u8,
        principal: Principal,
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

/// A whole `queue_position` frame: where a participant stands, 1 is the next, and for how many seconds yet, -1 when unknown.
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

/// A whole `queue_status` frame: how many wait for an agency, and for how many seconds the first has.
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

/// A whole `resync` frame: others may have been missed.
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
    use relay_protocol::Request;

    #[test]
    fn server_frames_end_with_a_newline() {
        let complaint = Complaint::Unavailable(Request::SendMessage {
            chat_id: "c".into(),
            message: String::new(),
            client_id: Some("id".into()),
            lat: None,
            lng: None,
        });
        assert_eq!(
            error_frame(&complaint, Protocol::Contract).as_str(),
            "{\"type\":\"error\",\"payload\":{\"message\":\"message could not be saved\"}}\n"
        );
        assert_eq!(
            error_frame(&complaint, Protocol::Two).as_str(),
            "{\"type\":\"error\",\"payload\":{\"message\":\"message could not be saved\",\"code\":\"unavailable\",\"clientId\":\"id\"}}\n"
        );
        assert_eq!(resync_frame().as_str(), "{\"type\":\"resync\",\"payload\":{}}\n");
    }
}
