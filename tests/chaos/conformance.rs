//! The frames and close codes that a client may receive: those of the contract's tables (5.5) and of PROTOCOL.md.
//! Clients here make no mistakes, so errors about mistakes are not among them.

use serde_json::Value;

use super::history::{Protocol, Side};

/// The members that the payload of each type must have under protocol 2.
const FRAMES: [(&str, &[&str]); 16] = [
    ("ready", &["connectionId", "protocol", "principal"]),
    ("error", &["message", "code"]),
    ("info", &["message", "code"]),
    ("chats", &["chats"]),
    ("chat_history", &["chatId", "messages", "lastSeq"]),
    (
        "user_message",
        &[
            "id",
            "chatId",
            "authorId",
            "fromOrganizer",
            "content",
            "timeSent",
            "seq",
        ],
    ),
    (
        "new_chat",
        &[
            "id",
            "agencyId",
            "eventId",
            "organizerId",
            "participantId",
            "ended",
            "lastSeq",
        ],
    ),
    ("message_saved", &["clientId", "id", "chatId", "seq", "timeSent"]),
    ("closed_chat", &["chatId"]),
    ("chat_requeued", &["chatId", "organizerId"]),
    ("chat_transferred", &["chatId", "fromOrganizerId", "organizerId"]),
    ("queue_position", &["eventId", "position", "estimatedWaitSeconds"]),
    ("queue_status", &["waiting", "oldestWaitSeconds"]),
    ("typing", &["chatId", "authorId", "fromOrganizer"]),
    ("read", &["chatId", "seq", "fromOrganizer"]),
    ("resync", &[]),
];

/// The types of the contract, and those of protocol 2 that only one side gets.
const CONTRACT: [&str; 7] = [
    "error",
    "info",
    "chats",
    "chat_history",
    "user_message",
    "new_chat",
    "closed_chat",
];
const FOR_ORGANIZERS: [&str; 1] = ["queue_status"];
const FOR_PARTICIPANTS: [&str; 1] = ["queue_position"];

/// Members that protocol 2 adds. Contract clients must not get them.
const ADDED: [&str; 9] = [
    "code",
    "clientId",
    "seq",
    "system",
    "lastSeq",
    "readSeq",
    "ownReadSeq",
    "state",
    "protocol",
];

const INFOS: [&str; 3] = ["no_new_chats", "waiting", "not_waiting"];

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
    let kind = frame["type"].as_str().unwrap_or_default();
    let payload = &frame["payload"];
    let Some((_, members)) = FRAMES.iter().find(|(known, _)| *known == kind) else {
        return Some(format!("an unknown frame: {frame}"));
    };
    let is_wrong = match protocol {
        Protocol::Contract => {
            !CONTRACT.contains(&kind)
                || has_any(payload, &ADDED)
                || (kind == "error" && !is_text_of_error(&payload["message"]))
        }
        Protocol::Two => {
            let is_for_others = match side {
                Side::Organizer => FOR_PARTICIPANTS.contains(&kind),
                Side::Participant => FOR_ORGANIZERS.contains(&kind),
            };
            let lacks = |member: &&&str| payload.get(**member).is_none();
            is_for_others
                || members.iter().any(|member| lacks(&member))
                || (kind == "error" && !is_one_of(&payload["code"], &ERRORS))
                || (kind == "info" && !is_one_of(&payload["code"], &INFOS))
        }
    };
    is_wrong.then(|| format!("an unexpected frame: {frame}"))
}

/// The reason why a connection must not end like this, if there is one. Without a close frame a link or a process
/// broke, which is expected here.
pub(crate) fn close(code: Option<u16>) -> Option<String> {
    code.filter(|code| !CLOSE_CODES.contains(code))
        .map(|code| format!("closed with code {code}"))
}

/// Whether any of the names is a member of the payload or of an entry of its lists.
fn has_any(payload: &Value, names: &[&str]) -> bool {
    match payload {
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| names.contains(&name.as_str()) || has_any(value, names)),
        Value::Array(values) => values.iter().any(|value| has_any(value, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
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
        let chats = json!({"type": "chats", "payload": {"chats": [{"id": "1", "lastSeq": 3}]}});
        assert!(!is_fine(&chats, Protocol::Contract));
        let unknown = json!({"type": "surprise", "payload": {}});
        assert!(!is_fine(&unknown, Protocol::Two));
        let mistake = json!({
            "type": "error", "payload": {"message": "invalid message payload", "code": "invalid_payload"},
        });
        assert!(!is_fine(&mistake, Protocol::Two));
        let without_number =
            json!({"type": "message_saved", "payload": {"clientId": "1", "id": "2", "chatId": "3"}});
        assert!(!is_fine(&without_number, Protocol::Two));
        let for_organizers =
            json!({"type": "queue_status", "payload": {"waiting": 1, "oldestWaitSeconds": 2}});
        assert!(!is_fine(&for_organizers, Protocol::Two));
    }

    #[test]
    fn close_codes_for_mistakes_are_reported() {
        assert_eq!(close(None), None);
        assert_eq!(close(Some(1012)), None);
        assert!(close(Some(4500)).is_some());
        assert!(close(Some(1008)).is_some());
    }
}
