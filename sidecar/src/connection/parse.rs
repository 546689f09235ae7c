//! Parses what a client sends (contract 5.2, 5.4, PROTOCOL.md).

use std::ops::RangeInclusive;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use sidecar_api::{Protocol, Realm, Request};
use uuid::Uuid;

use crate::connection::frames::Refusal;

/// The longest frame. The contract's longest message fits several times. The sidecar answers a longer frame with an
/// error.
pub const MAX_FRAME_BYTES: usize = 16 * 1024;

/// The largest `limit` of a history request.
const MAX_HISTORY: i64 = 1000;

/// A client's first frame.
pub(crate) struct FirstFrame {
    /// Not validated yet: the messenger does that.
    pub(crate) authorization: Option<String>,
    /// The protocol that the client speaks. A client of a later protocol also speaks ours.
    pub(crate) protocol: Protocol,
}

/// Parses a first frame; `None` if it is not an object.
pub(crate) fn parse_first_frame(frame: &[u8]) -> Option<FirstFrame> {
    if frame.len() > MAX_FRAME_BYTES {
        return None;
    }
    let members = Members::parse(std::str::from_utf8(frame).ok()?)?;
    let authorization = members
        .0
        .iter()
        .rev()
        .find(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        .and_then(|(_, value)| serde_json::from_str(value.get()).ok());
    let version = members
        .get("protocol")
        .and_then(|version| serde_json::from_str::<u32>(version).ok());
    let protocol = match version {
        Some(2..) => Protocol::Two,
        Some(0..=1) | None => Protocol::Contract,
    };
    Some(FirstFrame {
        authorization,
        protocol,
    })
}

/// Parses a frame after the first.
pub(crate) fn parse_frame(frame: &[u8], realm: Realm, protocol: Protocol) -> Result<Request, Refusal> {
    if frame.len() > MAX_FRAME_BYTES {
        return Err(Refusal::TooLarge.about(client_id(frame, protocol)));
    }
    request(frame, realm, protocol).map_err(|refusal| refusal.about(client_id(frame, protocol)))
}

/// The client id in a `send_message` frame, even if the rest of the frame is invalid.
fn client_id(frame: &[u8], protocol: Protocol) -> Option<String> {
    if protocol == Protocol::Contract {
        return None;
    }
    let frame = lenient_json::mend(frame);
    let members = Members::parse(std::str::from_utf8(&frame).ok()?)?;
    let is_message = members.get("type") == Some(r#""send_message""#);
    let payload = Payload::parse(members.get("payload").filter(|_| is_message)).ok()?;
    payload.uuid("clientId").ok()?
}

/// The request in a frame (contract 5.4). Members that protocol 2 adds are ignored for clients of the contract.
fn request(frame: &[u8], realm: Realm, protocol: Protocol) -> Result<Request, Refusal> {
    let frame = lenient_json::mend(frame);
    let text = std::str::from_utf8(&frame).map_err(|_| Refusal::Malformed)?;
    let members = Members::parse(text).ok_or(Refusal::Malformed)?;
    let kind = members
        .get("type")
        .and_then(|kind| serde_json::from_str::<String>(kind).ok());
    let payload = members.get("payload");
    match (kind.as_deref(), realm, protocol) {
        (Some("get_chats"), _, _) => Ok(Request::GetChats),
        (Some("get_chat_history"), _, _) => get_chat_history(&Payload::parse(payload)?, protocol),
        (Some("send_message"), _, _) => send_message(&Payload::parse(payload)?, realm, protocol),
        (Some("start_chat"), Realm::Organizer, Protocol::Contract) => Ok(Request::StartChat { wait: None }),
        (Some("start_chat"), Realm::Organizer, Protocol::Two) => start_chat(payload),
        (Some("close_chat"), Realm::Organizer, _) => Ok(Request::CloseChat {
            chat_id: Payload::parse(payload)?.text("chatId")?,
        }),
        (Some("transfer_chat"), Realm::Organizer, Protocol::Two) => {
            let payload = Payload::parse(payload)?;
            Ok(Request::TransferChat {
                chat_id: payload.text("chatId")?,
                organizer_id: payload.id("organizerId")?,
            })
        }
        (Some("typing"), _, Protocol::Two) => Ok(Request::Typing {
            chat_id: Payload::parse(payload)?.text("chatId")?,
        }),
        (Some("read"), _, Protocol::Two) => {
            let payload = Payload::parse(payload)?;
            Ok(Request::Read {
                chat_id: payload.text("chatId")?,
                seq: payload.id("seq")?,
            })
        }
        _ => Err(Refusal::InvalidType),
    }
}

/// Clients of the contract send an empty text as payload. Any other payload of theirs is ignored.
fn start_chat(payload: Option<&str>) -> Result<Request, Refusal> {
    let wait = match Payload::parse(payload) {
        Ok(payload) => payload.field("wait")?,
        Err(_) => None,
    };
    Ok(Request::StartChat { wait })
}

fn get_chat_history(payload: &Payload<'_>, protocol: Protocol) -> Result<Request, Refusal> {
    let chat_id = payload.text("chatId")?;
    let (after_seq, limit) = match protocol {
        Protocol::Contract => (None, None),
        Protocol::Two => (
            payload.whole_number("afterSeq", 0..=i64::MAX)?,
            payload.whole_number("limit", 1..=MAX_HISTORY)?,
        ),
    };
    Ok(Request::GetChatHistory {
        chat_id,
        after_seq: after_seq.unwrap_or_default(),
        limit,
    })
}

fn send_message(payload: &Payload<'_>, realm: Realm, protocol: Protocol) -> Result<Request, Refusal> {
    let (lat, lng) = (payload.number("lat")?, payload.number("lng")?);
    let (lat, lng) = match realm {
        Realm::Participant => (lat, lng),
        // Only a participant's location is used. An organizer's must be well-formed and is dropped.
        Realm::Organizer => (None, None),
    };
    let client_id = match protocol {
        Protocol::Contract => None,
        Protocol::Two => payload.uuid("clientId")?,
    };
    Ok(Request::SendMessage {
        chat_id: payload.text("chatId")?,
        message: payload.text("message")?,
        client_id,
        lat,
        lng,
    })
}

/// The fields of a payload. `null` counts as an empty object.
struct Payload<'a>(Members<'a>);

impl<'a> Payload<'a> {
    fn parse(payload: Option<&'a str>) -> Result<Payload<'a>, Refusal> {
        match payload {
            None => Err(Refusal::InvalidPayload),
            Some("null") => Ok(Payload(Members(Vec::new()))),
            Some(text) => Members::parse(text).map(Payload).ok_or(Refusal::InvalidPayload),
        }
    }

    /// A text; empty if missing or `null`.
    fn text(&self, name: &str) -> Result<String, Refusal> {
        Ok(self.field(name)?.unwrap_or_default())
    }

    /// A number; `None` if missing or `null`.
    fn number(&self, name: &str) -> Result<Option<f64>, Refusal> {
        self.field(name)
    }

    /// A whole number within a range; `None` if missing or `null`.
    fn whole_number(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, Refusal> {
        let number: Option<i64> = self.field(name)?;
        match number {
            Some(number) if !range.contains(&number) => Err(Refusal::InvalidPayload),
            _ => Ok(number),
        }
    }

    /// A required whole number, at least 0.
    fn id(&self, name: &str) -> Result<i64, Refusal> {
        self.whole_number(name, 0..=i64::MAX)?
            .ok_or(Refusal::InvalidPayload)
    }

    /// A UUID in its usual form, unchanged; `None` if missing or `null`.
    fn uuid(&self, name: &str) -> Result<Option<String>, Refusal> {
        const USUAL_LENGTH: usize = 36;
        let text: Option<String> = self.field(name)?;
        match text {
            Some(text) if text.len() != USUAL_LENGTH || Uuid::try_parse(&text).is_err() => {
                Err(Refusal::InvalidPayload)
            }
            text => Ok(text),
        }
    }

    fn field<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Refusal> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => serde_json::from_str(value).map_err(|_| Refusal::InvalidPayload),
        }
    }
}

/// The members of a JSON object, with values unparsed, so that unused members may have any depth and size. The last of
/// several members with the same name counts, as in browsers.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Members<'a> {
    /// `None` unless the text is one JSON object.
    fn parse(text: &'a str) -> Option<Members<'a>> {
        serde_json::from_str(text).ok()
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().rev().find(|(member, _)| member == name)?;
        Some(value.get())
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(realm: Realm, frame: impl AsRef<[u8]>, expected: Result<Request, Refusal>) {
        assert_eq!(parse_frame(frame.as_ref(), realm, Protocol::Contract), expected);
    }

    fn message(chat_id: &str, message: &str, lat: Option<f64>, lng: Option<f64>) -> Result<Request, Refusal> {
        Ok(Request::SendMessage {
            chat_id: chat_id.into(),
            message: message.into(),
            client_id: None,
            lat,
            lng,
        })
    }

    #[test]
    fn frames_that_are_not_objects_are_malformed() {
        for frame in [
            "",
            " ",
            "\n",
            "x",
            "{",
            "null",
            "7",
            "\"get_chats\"",
            "[]",
            r#"[{"type":"get_chats"}]"#,
            "NaN",
            r#"{"type":"get_chats"}{}"#,
            r#"{"type":"get_chats",}"#,
            r#"{type:"get_chats"}"#,
            r#"{"type":"get_chats","payload":NaN}"#,
            "\u{feff}{}",
        ] {
            check(Realm::Participant, frame, Err(Refusal::Malformed));
        }
        check(Realm::Participant, b"\xff\xfe", Err(Refusal::Malformed));
        check(
            Realm::Participant,
            b"{\"type\":\"get_chats\xc3\"}",
            Err(Refusal::Malformed),
        );
    }

    #[test]
    fn frames_of_unknown_types_are_refused() {
        for frame in [
            "{}",
            r#"{"type":null}"#,
            r#"{"type":7}"#,
            r#"{"type":["get_chats"]}"#,
            r#"{"type":""}"#,
            r#"{"type":"GET_CHATS"}"#,
            r#"{"type":"user_message","payload":{}}"#,
            r#"{"type":"\ud800"}"#,
            r#"{"payload":{"chatId":"c"}}"#,
            r#"{"Authorization":"Bearer t"}"#,
            r#"{"type":"get_chats","type":"x"}"#,
        ] {
            check(Realm::Organizer, frame, Err(Refusal::InvalidType));
        }
        for frame in [
            r#"{"type":"start_chat","payload":""}"#,
            r#"{"type":"close_chat","payload":{"chatId":"c"}}"#,
            r#"{"type":"close_chat"}"#,
        ] {
            check(Realm::Participant, frame, Err(Refusal::InvalidType));
        }
    }

    #[test]
    fn requests_without_fields_accept_any_payload() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        for payload in [
            "",
            r#","payload":"""#,
            r#","payload":1e999"#,
            &format!(r#","payload":{deep}"#),
        ] {
            let frame = format!(r#"{{"type":"get_chats"{payload}}}"#);
            check(Realm::Participant, &frame, Ok(Request::GetChats));
            let frame = format!(r#"{{"type":"start_chat"{payload},"more":{{}}}}"#);
            check(Realm::Organizer, &frame, Ok(Request::StartChat { wait: None }));
        }
    }

    #[test]
    fn invalid_payloads_are_refused() {
        let deep = format!("{}{}", r#"{"chatId":"#.repeat(1000), "}".repeat(1000));
        for payload in [
            "",
            r#","payload":"""#,
            r#","payload":"{}""#,
            r#","payload":7"#,
            r#","payload":[]"#,
            r#","payload":true"#,
            r#","payload":{"chatId":7}"#,
            r#","payload":{"chatId":["c"]}"#,
            r#","payload":{"chatId":{}}"#,
            r#","payload":{"chatId":true}"#,
            r#","payload":{"chatId":"c","chatId":7}"#,
        ] {
            for kind in ["get_chat_history", "send_message", "close_chat"] {
                let frame = format!(r#"{{"type":"{kind}"{payload}}}"#);
                check(Realm::Organizer, &frame, Err(Refusal::InvalidPayload));
            }
        }
        for fields in [
            r#""message":7"#,
            r#""message":[]"#,
            r#""lat":"50""#,
            r#""lng":true"#,
            r#""lat":{}"#,
            r#""lat":1e999"#,
        ] {
            let frame = format!(r#"{{"type":"send_message","payload":{{"chatId":"c",{fields}}}}}"#);
            for realm in [Realm::Organizer, Realm::Participant] {
                check(realm, &frame, Err(Refusal::InvalidPayload));
            }
        }
        let frame = format!(r#"{{"type":"send_message","payload":{deep}}}"#);
        check(Realm::Participant, frame, Err(Refusal::Malformed));
    }

    #[test]
    fn valid_payloads_are_parsed() {
        let history = |chat_id: &str| {
            Ok(Request::GetChatHistory {
                chat_id: chat_id.into(),
                after_seq: 0,
                limit: None,
            })
        };
        for (payload, chat_id) in [
            (r#"{"chatId":"c"}"#, "c"),
            (r#"{"chatId":"x","chatId":"c","more":[1]}"#, "c"),
            (r#"{"chatId":null}"#, ""),
            (r#"{"chatid":"c"}"#, ""),
            (r#"{"chatId":"\ud800"}"#, "\u{fffd}"),
            ("{}", ""),
            ("null", ""),
            (" null ", ""),
        ] {
            let frame = format!(r#"{{"type":"get_chat_history","payload":{payload}}}"#);
            check(Realm::Participant, frame, history(chat_id));
        }
        for (fields, expected) in [
            (r#""chatId":"c","message":"hi""#, message("c", "hi", None, None)),
            (
                r#""chatId":"c","message":null,"lat":null"#,
                message("c", "", None, None),
            ),
            (
                r#""chatId":"c","message":"😀\u0000\"""#,
                message("c", "😀\0\"", None, None),
            ),
            // Half an emoji.
            (
                r#""chatId":"c","message":"help \ud83d""#,
                message("c", "help \u{fffd}", None, None),
            ),
            (
                r#""message":"hi","lat":0,"lng":-0.5"#,
                message("", "hi", Some(0.0), Some(-0.5)),
            ),
            (
                r#""chatId":"c","lat":50.061,"lng":1e2"#,
                message("c", "", Some(50.061), Some(100.0)),
            ),
        ] {
            let frame = format!(r#"{{"type":"send_message","payload":{{{fields}}}}}"#);
            check(Realm::Participant, frame, expected);
        }
    }

    #[test]
    fn an_organizers_location_is_dropped() {
        let frame = r#"{"type":"send_message","payload":{"chatId":"c","message":"hi","lat":1,"lng":2}}"#;
        check(Realm::Organizer, frame, message("c", "hi", None, None));
        check(
            Realm::Participant,
            frame,
            message("c", "hi", Some(1.0), Some(2.0)),
        );
    }

    #[test]
    fn a_frame_may_have_exactly_the_maximum_length() {
        let frame = |length: usize| {
            let head = r#"{"type":"get_chats","payload":""#;
            format!("{head}{}\"}}", "x".repeat(length - head.len() - 2))
        };
        check(Realm::Participant, frame(MAX_FRAME_BYTES), Ok(Request::GetChats));
        check(
            Realm::Participant,
            frame(MAX_FRAME_BYTES + 1),
            Err(Refusal::TooLarge),
        );
    }

    const CLIENT_ID: &str = "0198C0de-0000-7000-8000-00000000000f";

    #[test]
    fn members_of_protocol_2_are_parsed() {
        let history = |after_seq, limit| {
            Ok(Request::GetChatHistory {
                chat_id: "c".into(),
                after_seq,
                limit,
            })
        };
        let said = |client_id: Option<&str>| {
            Ok(Request::SendMessage {
                chat_id: "c".into(),
                message: "m".into(),
                client_id: client_id.map(str::to_owned),
                lat: None,
                lng: None,
            })
        };
        let with_id = format!(r#""chatId":"c","message":"m","clientId":"{CLIENT_ID}""#);
        for (kind, payload, expected) in [
            ("get_chat_history", r#""chatId":"c""#, history(0, None)),
            (
                "get_chat_history",
                r#""chatId":"c","afterSeq":7,"limit":1000"#,
                history(7, Some(1000)),
            ),
            (
                "get_chat_history",
                r#""chatId":"c","afterSeq":null,"limit":null"#,
                history(0, None),
            ),
            ("send_message", r#""chatId":"c","message":"m""#, said(None)),
            ("send_message", with_id.as_str(), said(Some(CLIENT_ID))),
            ("start_chat", "", Ok(Request::StartChat { wait: None })),
            (
                "start_chat",
                r#""wait":null"#,
                Ok(Request::StartChat { wait: None }),
            ),
            (
                "start_chat",
                r#""wait":true"#,
                Ok(Request::StartChat { wait: Some(true) }),
            ),
            (
                "start_chat",
                r#""wait":false"#,
                Ok(Request::StartChat { wait: Some(false) }),
            ),
            (
                "transfer_chat",
                r#""chatId":"c","organizerId":7"#,
                Ok(Request::TransferChat {
                    chat_id: "c".into(),
                    organizer_id: 7,
                }),
            ),
            (
                "typing",
                r#""chatId":"c""#,
                Ok(Request::Typing { chat_id: "c".into() }),
            ),
            (
                "read",
                r#""chatId":"c","seq":7"#,
                Ok(Request::Read {
                    chat_id: "c".into(),
                    seq: 7,
                }),
            ),
        ] {
            let frame = format!(r#"{{"type":"{kind}","payload":{{{payload}}}}}"#);
            let step = parse_frame(frame.as_bytes(), Realm::Organizer, Protocol::Two);
            assert_eq!(step, expected, "{frame}");
        }
        for (kind, field) in [
            ("get_chat_history", r#""afterSeq":-1"#),
            ("get_chat_history", r#""afterSeq":"7""#),
            ("get_chat_history", r#""afterSeq":1.5"#),
            ("get_chat_history", r#""limit":0"#),
            ("get_chat_history", r#""limit":1001"#),
            ("send_message", r#""clientId":7"#),
            ("send_message", r#""clientId":"""#),
            ("send_message", r#""clientId":"0198c0de000070008000000000000000""#),
            (
                "send_message",
                r#""clientId":"0198c0de-0000-7000-8000-00000000000g""#,
            ),
        ] {
            let frame = format!(r#"{{"type":"{kind}","payload":{{"chatId":"c",{field}}}}}"#);
            let invalid = Err(Refusal::InvalidPayload);
            let step = parse_frame(frame.as_bytes(), Realm::Organizer, Protocol::Two);
            assert_eq!(step, invalid, "{frame}");
            let Ok(_) = parse_frame(frame.as_bytes(), Realm::Organizer, Protocol::Contract) else {
                panic!("{kind} with {field} means nothing where protocol 2 is not spoken");
            };
        }
    }

    #[test]
    fn members_of_protocol_2_are_checked_and_unknown_to_contract_clients() {
        for (kind, payload) in [
            ("transfer_chat", r#"{"chatId":"c","organizerId":7}"#),
            ("typing", r#"{"chatId":"c"}"#),
            ("read", r#"{"chatId":"c","seq":7}"#),
        ] {
            let frame = format!(r#"{{"type":"{kind}","payload":{payload}}}"#);
            check(Realm::Organizer, frame, Err(Refusal::InvalidType));
        }
        let wait = r#"{"type":"start_chat","payload":{"wait":7}}"#;
        check(Realm::Organizer, wait, Ok(Request::StartChat { wait: None }));
        let invalid = |realm, frame: &str| match parse_frame(frame.as_bytes(), realm, Protocol::Two) {
            Err(refusal) => refusal,
            step => panic!("{frame}: {step:?}"),
        };
        for frame in [
            wait,
            r#"{"type":"transfer_chat","payload":{"chatId":"c"}}"#,
            r#"{"type":"transfer_chat","payload":{"chatId":"c","organizerId":"7"}}"#,
            r#"{"type":"read","payload":{"chatId":"c"}}"#,
            r#"{"type":"read","payload":{"chatId":"c","seq":-1}}"#,
            r#"{"type":"typing","payload":"c"}"#,
        ] {
            assert_eq!(
                invalid(Realm::Organizer, frame),
                Refusal::InvalidPayload,
                "{frame}"
            );
        }
        let transfer = r#"{"type":"transfer_chat","payload":{"chatId":"c","organizerId":7}}"#;
        assert_eq!(invalid(Realm::Participant, transfer), Refusal::InvalidType);
    }

    /// In protocol 2 an error names its message, even if the rest of the frame is invalid.
    #[test]
    fn a_refusal_names_its_message_even_if_the_frame_is_invalid() {
        let long = "m".repeat(MAX_FRAME_BYTES);
        for (message, refusal) in [
            ("7", Refusal::InvalidPayload),
            (&*format!("\"{long}\""), Refusal::TooLarge),
        ] {
            let fields = format!(r#""chatId":"c","message":{message},"clientId":"{CLIENT_ID}""#);
            let frame = format!(r#"{{"type":"send_message","payload":{{{fields}}}}}"#);
            let about = refusal.clone().about(Some(CLIENT_ID.to_owned()));
            assert_eq!(
                (about.code(), about.client_id()),
                (refusal.code(), Some(CLIENT_ID))
            );
            let said = parse_frame(frame.as_bytes(), Realm::Participant, Protocol::Two);
            assert_eq!(said, Err(about));
            check(Realm::Participant, frame, Err(refusal));
        }
    }
}
