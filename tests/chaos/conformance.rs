//! The frames and close codes that a client may receive: frames are those of `sidecar/asyncapi.json`. Clients here make
//! no mistakes, so errors about mistakes are not among them.

use api_documents::{check_close, check_frame};
use serde_json::Value;

use super::history::{Protocol, Side};

/// The types of protocol 2 that only one side gets.
const FOR_ORGANIZERS: &str = "queue_status";
const FOR_PARTICIPANTS: &str = "queue_position";

/// The codes of errors that are not the client's mistake.
const ERRORS: [&str; 2] = ["no_access", "unavailable"];

/// The same errors for contract clients: how their texts begin.
const ERROR_TEXTS: [&str; 6] = [
    "you have no access to chat ",
    "message could not be saved",
    "could not get messages",
    "could not get chats",
    "could not get chat from queue",
    "internal server error",
];

/// The codes for a restart of the server and for a failed authentication in time. Nobody here signs out or floods.
const CLOSE_CODES: [u16; 3] = [1001, 1012, 1013];

/// The reason why a frame must not come, if there is one.
pub(crate) fn frame(frame: &Value, protocol: Protocol, side: Side) -> Option<String> {
    if let Err(violation) = check_frame(api_documents::Side::Server, documented(protocol), frame) {
        return Some(violation);
    }
    let kind = frame["type"].as_str().unwrap_or_default();
    let payload = &frame["payload"];
    let is_for_others = match side {
        Side::Organizer => kind == FOR_PARTICIPANTS,
        Side::Participant => kind == FOR_ORGANIZERS,
    };
    let is_mistake = kind == "error"
        && match protocol {
            Protocol::Contract => !is_text_of_error(&payload["message"]),
            Protocol::Two => !is_one_of(&payload["code"], &ERRORS),
        };
    (is_for_others || is_mistake).then(|| format!("an unexpected frame: {frame}"))
}

/// The reason why a connection must not end like this, if there is one. Without a close frame a link or a process
/// broke, which is expected here.
pub(crate) fn close(code: Option<u16>, protocol: Protocol) -> Option<String> {
    let code = code?;
    if let Err(violation) = check_close(documented(protocol), code) {
        return Some(violation);
    }
    (!CLOSE_CODES.contains(&code)).then(|| format!("closed with code {code}"))
}

fn documented(protocol: Protocol) -> api_documents::Protocol {
    match protocol {
        Protocol::Contract => api_documents::Protocol::Contract,
        Protocol::Two => api_documents::Protocol::Two,
    }
}

fn is_one_of(value: &Value, names: &[&str]) -> bool {
    value.as_str().is_some_and(|text| names.contains(&text))
}

fn is_text_of_error(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    ERROR_TEXTS.iter().any(|known| text.starts_with(known))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_fine(value: &Value, protocol: Protocol) -> bool {
        frame(value, protocol, Side::Participant).is_none()
    }

    #[test]
    fn frames_of_the_tables_are_accepted() {
        let error = json!({
            "type": "error", "payload": {"message": "you have no access to chat 1", "code": "no_access"},
        });
        assert!(is_fine(&error, Protocol::Two));
        let error = json!({"type": "error", "payload": {"message": "you have no access to chat 1"}});
        assert!(is_fine(&error, Protocol::Contract));
        assert!(is_fine(&json!({"type": "resync", "payload": {}}), Protocol::Two));
    }

    #[test]
    fn other_frames_are_reported() {
        let resync = json!({"type": "resync", "payload": {}});
        assert!(!is_fine(&resync, Protocol::Contract));
        let mistake = json!({
            "type": "error", "payload": {"message": "invalid message payload", "code": "invalid_payload"},
        });
        assert!(!is_fine(&mistake, Protocol::Two));
        let for_organizers =
            json!({"type": "queue_status", "payload": {"waiting": 1, "oldestWaitSeconds": 2}});
        assert!(!is_fine(&for_organizers, Protocol::Two));
    }

    #[test]
    fn close_codes_for_mistakes_are_reported() {
        assert_eq!(close(None, Protocol::Contract), None);
        assert_eq!(close(Some(1012), Protocol::Contract), None);
        assert!(close(Some(4500), Protocol::Two).is_some());
        assert!(close(Some(1008), Protocol::Two).is_some());
        assert!(
            close(Some(1013), Protocol::Contract).is_some(),
            "it has no such code"
        );
    }
}
