//! What a client's frame means and what follows from it (contract 5.2 to 5.5). Nothing here touches a socket, a clock or
//! the network: a [`Session`] is told what happened and says what to do.

use std::collections::VecDeque;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use relay_protocol::{Principal, Realm, Request};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tokio::time::Instant;

/// A frame may be this long; the contract's longest message fits several times. A longer one is answered with an error.
pub const MAX_FRAME_BYTES: usize = 16 * 1024;

/// So many frames are kept while the first one is being checked. Clients send two or three; what exceeds this stays in the
/// socket until there is room.
const MAX_KEPT_FRAMES: usize = 32;

/// What to do about something that happened, in the order given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Ask the messenger who sends this `Authorization`, then call [`Session::accepted`] or drop the connection.
    Authorize(String),
    /// Ask the messenger to carry this out.
    Ask(Request),
    /// Tell the client that its frame, or its silence, is not right.
    Complain(Complaint),
    /// Drop the connection without a close frame, after what was said before has been written.
    Drop,
}

/// What the sidecar itself has to say against a frame. The texts are the contract's catalogue (5.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Complaint {
    #[error("malformed message")]
    Malformed,
    #[error("invalid message type")]
    InvalidType,
    #[error("invalid message payload")]
    InvalidPayload,
    #[error("message too large")]
    TooLarge,
    #[error("timeout")]
    Timeout,
}

/// How long a session waits for its client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// From the upgrade until the first frame has been sent and checked.
    pub(crate) authorization: Duration,
    /// From one JSON object to the next.
    pub(crate) idle: Duration,
}

/// One connection's side of the conversation.
#[derive(Debug)]
pub(crate) struct Session {
    state: State,
    patience: Patience,
    deadline: Instant,
}

#[derive(Debug)]
enum State {
    /// The first frame has not come.
    Silent,
    /// The first frame is being checked, or what must precede the first answer is being prepared.
    Opening {
        kept: VecDeque<Kept>,
    },
    Open(Principal),
    /// Dropped; whatever else happens has no effect.
    Over,
}

/// A frame that waits for the session to open. Of one that is too long only that is remembered.
#[derive(Debug)]
enum Kept {
    Frame(Bytes),
    TooLarge,
}

impl Session {
    pub(crate) fn new(patience: Patience, now: Instant) -> Session {
        Session {
            state: State::Silent,
            patience,
            deadline: now + patience.authorization,
        }
    }

    /// Whether another frame may be read. If not, it stays in the socket, and the client's writes will wait in the end.
    pub(crate) fn wants_frames(&self) -> bool {
        match &self.state {
            State::Silent | State::Open(_) => true,
            State::Opening { kept } => kept.len() < MAX_KEPT_FRAMES,
            State::Over => false,
        }
    }

    /// A text or binary frame has come.
    pub(crate) fn frame(&mut self, frame: Bytes, now: Instant) -> Option<Step> {
        match &mut self.state {
            State::Silent => Some(self.first_frame(&frame)),
            State::Opening { kept } => {
                kept.push_back(if frame.len() > MAX_FRAME_BYTES {
                    Kept::TooLarge
                } else {
                    Kept::Frame(frame)
                });
                None
            }
            State::Open(principal) => {
                let step = decide(&frame, principal.user.realm);
                if is_valid(&step) {
                    self.deadline = now + self.patience.idle;
                }
                Some(step)
            }
            State::Over => None,
        }
    }

    /// The first frame is good. The session opens with [`Session::open`], and is not hurried any more.
    pub(crate) fn accepted(&mut self, now: Instant) {
        self.deadline = now + self.patience.idle;
    }

    /// Everything is ready for the first answer: what the frames kept so far ask for.
    pub(crate) fn open(&mut self, principal: Principal) -> Vec<Step> {
        let State::Opening { kept } = std::mem::replace(&mut self.state, State::Open(principal)) else {
            self.state = State::Over;
            return Vec::new();
        };
        kept.into_iter()
            .map(|kept| match kept {
                Kept::Frame(frame) => decide(&frame, principal.user.realm),
                Kept::TooLarge => Step::Complain(Complaint::TooLarge),
            })
            .collect()
    }

    /// Who is at the socket, once it is open.
    pub(crate) fn principal(&self) -> Option<Principal> {
        match &self.state {
            State::Open(principal) => Some(*principal),
            State::Silent | State::Opening { .. } | State::Over => None,
        }
    }

    /// When [`Session::deadline_passed`] is to be called if nothing happens before.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The client was silent for too long (contract 5.2 and 5.3).
    pub(crate) fn deadline_passed(&mut self) -> Vec<Step> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Silent | State::Opening { .. } => vec![Step::Drop],
            State::Open(_) => vec![Step::Complain(Complaint::Timeout), Step::Drop],
            State::Over => Vec::new(),
        }
    }

    fn first_frame(&mut self, frame: &[u8]) -> Step {
        match authorization(frame) {
            Some(authorization) => {
                self.state = State::Opening {
                    kept: VecDeque::new(),
                };
                Step::Authorize(authorization)
            }
            None => {
                self.state = State::Over;
                Step::Drop
            }
        }
    }
}

/// A whole `error` frame.
pub(crate) fn error_frame(text: &str) -> Utf8Bytes {
    let frame = serde_json::json!({ "type": "error", "payload": { "message": text } });
    Utf8Bytes::from(format!("{frame}\n"))
}

/// A frame the messenger made, as it goes to clients: the contract ends each with a newline.
pub(crate) fn rendered(frame: &RawValue) -> Utf8Bytes {
    let text = frame.get();
    let mut line = String::with_capacity(text.len() + 1);
    line.push_str(text);
    line.push('\n');
    Utf8Bytes::from(line)
}

/// What the client is told when the messenger could not be asked in time (contract 5.4).
pub(crate) fn failure_text(request: &Request) -> &'static str {
    match request {
        Request::GetChats => "could not get chats",
        Request::GetChatHistory { .. } => "could not get messages",
        Request::SendMessage { .. } => "message could not be saved",
        Request::StartChat => "could not get chat from queue",
        Request::CloseChat { .. } => "internal server error",
    }
}

/// Whether a frame counts as life: the contract's clock restarts on any JSON object, whatever it asks for.
fn is_valid(step: &Step) -> bool {
    match step {
        Step::Authorize(_) | Step::Ask(_) => true,
        Step::Complain(complaint) => match complaint {
            Complaint::InvalidType | Complaint::InvalidPayload => true,
            Complaint::Malformed | Complaint::TooLarge | Complaint::Timeout => false,
        },
        Step::Drop => false,
    }
}

/// The `Authorization` value of a first frame. Whether it is any good is for the messenger to say.
fn authorization(frame: &[u8]) -> Option<String> {
    if frame.len() > MAX_FRAME_BYTES {
        return None;
    }
    let members = Members::parse(std::str::from_utf8(frame).ok()?)?;
    let (_, value) = members
        .0
        .iter()
        .rev()
        .find(|(name, _)| name.eq_ignore_ascii_case("authorization"))?;
    serde_json::from_str(value.get()).ok()
}

fn decide(frame: &[u8], realm: Realm) -> Step {
    if frame.len() > MAX_FRAME_BYTES {
        return Step::Complain(Complaint::TooLarge);
    }
    match request(frame, realm) {
        Ok(request) => Step::Ask(request),
        Err(complaint) => Step::Complain(complaint),
    }
}

/// What a frame asks for (contract 5.4).
fn request(frame: &[u8], realm: Realm) -> Result<Request, Complaint> {
    let text = std::str::from_utf8(frame).map_err(|_| Complaint::Malformed)?;
    let members = Members::parse(text).ok_or(Complaint::Malformed)?;
    let kind = members
        .get("type")
        .and_then(|kind| serde_json::from_str::<String>(kind).ok());
    let payload = members.get("payload");
    match (kind.as_deref(), realm) {
        (Some("get_chats"), _) => Ok(Request::GetChats),
        (Some("get_chat_history"), _) => {
            let payload = Payload::parse(payload)?;
            Ok(Request::GetChatHistory {
                chat_id: payload.text("chatId")?,
            })
        }
        (Some("send_message"), _) => send_message(&Payload::parse(payload)?, realm),
        (Some("start_chat"), Realm::Organizer) => Ok(Request::StartChat),
        (Some("close_chat"), Realm::Organizer) => {
            let payload = Payload::parse(payload)?;
            Ok(Request::CloseChat {
                chat_id: payload.text("chatId")?,
            })
        }
        _ => Err(Complaint::InvalidType),
    }
}

fn send_message(payload: &Payload<'_>, realm: Realm) -> Result<Request, Complaint> {
    let (lat, lng) = (payload.number("lat")?, payload.number("lng")?);
    let (lat, lng) = match realm {
        Realm::Participant => (lat, lng),
        // Only where a participant is matters; an organizer's location must be well-formed and goes no further.
        Realm::Organizer => (None, None),
    };
    Ok(Request::SendMessage {
        chat_id: payload.text("chatId")?,
        message: payload.text("message")?,
        lat,
        lng,
    })
}

/// The fields of a payload. `null` has none of them, and so counts as an object whose fields are all missing.
struct Payload<'a>(Members<'a>);

impl<'a> Payload<'a> {
    fn parse(payload: Option<&'a str>) -> Result<Payload<'a>, Complaint> {
        match payload {
            None => Err(Complaint::InvalidPayload),
            Some("null") => Ok(Payload(Members(Vec::new()))),
            Some(text) => Members::parse(text).map(Payload).ok_or(Complaint::InvalidPayload),
        }
    }

    /// A text; missing and `null` count as empty.
    fn text(&self, name: &str) -> Result<String, Complaint> {
        Ok(self.field(name)?.unwrap_or_default())
    }

    /// A number; missing and `null` count as none.
    fn number(&self, name: &str) -> Result<Option<f64>, Complaint> {
        self.field(name)
    }

    fn field<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Complaint> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => serde_json::from_str(value).map_err(|_| Complaint::InvalidPayload),
        }
    }
}

/// The members of a JSON object, values unread: what nobody asks for may be as deep or as large as it likes. Of members
/// with the same name the last one counts, as in the browsers that made the frame.
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
    use relay_protocol::User;

    const PATIENCE: Patience = Patience {
        authorization: Duration::from_secs(20),
        idle: Duration::from_secs(1800),
    };

    fn principal(realm: Realm) -> Principal {
        Principal {
            user: User { realm, id: 7 },
            agency_id: None,
            role: None,
        }
    }

    fn opened(realm: Realm, now: Instant) -> Session {
        let mut session = Session::new(PATIENCE, now);
        session.frame(Bytes::from_static(br#"{"Authorization":"Bearer t"}"#), now);
        session.accepted(now);
        assert_eq!(session.open(principal(realm)), []);
        session
    }

    #[track_caller]
    fn check(realm: Realm, frame: impl AsRef<[u8]>, expected: Step) {
        let now = Instant::now();
        let frame = Bytes::copy_from_slice(frame.as_ref());
        assert_eq!(opened(realm, now).frame(frame, now), Some(expected));
    }

    fn message(chat_id: &str, message: &str, lat: Option<f64>, lng: Option<f64>) -> Step {
        Step::Ask(Request::SendMessage {
            chat_id: chat_id.into(),
            message: message.into(),
            lat,
            lng,
        })
    }

    #[test]
    fn the_first_frame_is_recognized() {
        for frame in [
            r#"{"Authorization":"Bearer t"}"#,
            r#"{"authorization":"Bearer t"}"#,
            r#" {"x":[1,{}],"AUTHORIZATION":"Bearer t","protocol":2} "#,
            r#"{"Authorization":"old","authorization":"Bearer t"}"#,
            r#"{"Authorization":"Bearer t","type":"get_chats"}"#,
        ] {
            let now = Instant::now();
            let mut session = Session::new(PATIENCE, now);
            let step = session.frame(Bytes::from(frame), now);
            assert_eq!(step, Some(Step::Authorize("Bearer t".into())), "{frame}");
        }
    }

    #[test]
    fn any_other_first_frame_drops_the_connection() {
        let long = format!(r#"{{"Authorization":"Bearer {}"}}"#, "t".repeat(MAX_FRAME_BYTES));
        for frame in [
            "",
            "{",
            "null",
            "[]",
            "\"Bearer t\"",
            "{}",
            r#"{"type":"get_chats","payload":""}"#,
            long.as_str(),
            r#"{"Authorization":null}"#,
            r#"{"Authorization":7}"#,
            r#"{"Authorization":["Bearer t"]}"#,
            r#"{"Authorization":"\ud800"}"#,
            r#"{"Authorization":"Bearer t"} x"#,
        ] {
            let now = Instant::now();
            let mut session = Session::new(PATIENCE, now);
            assert_eq!(
                session.frame(Bytes::copy_from_slice(frame.as_bytes()), now),
                Some(Step::Drop),
                "{frame}"
            );
            assert!(!session.wants_frames());
            assert_eq!(
                session.frame(Bytes::from_static(br#"{"Authorization":"Bearer t"}"#), now),
                None
            );
        }
    }

    #[test]
    fn frames_that_come_early_are_kept_in_order() {
        let now = Instant::now();
        let mut session = Session::new(PATIENCE, now);
        session.frame(Bytes::from_static(br#"{"Authorization":"Bearer t"}"#), now);
        for early in [
            br#"{"type":"get_chats","payload":""}"#.to_vec(),
            b"junk".to_vec(),
            vec![b' '; MAX_FRAME_BYTES + 1],
            br#"{"type":"close_chat","payload":{"chatId":"c"}}"#.to_vec(),
        ] {
            assert_eq!(session.frame(Bytes::from(early), now), None);
        }
        assert_eq!(session.principal(), None);
        session.accepted(now);
        assert_eq!(
            session.open(principal(Realm::Organizer)),
            [
                Step::Ask(Request::GetChats),
                Step::Complain(Complaint::Malformed),
                Step::Complain(Complaint::TooLarge),
                Step::Ask(Request::CloseChat { chat_id: "c".into() }),
            ]
        );
        assert_eq!(session.principal(), Some(principal(Realm::Organizer)));
    }

    #[test]
    fn only_so_many_frames_are_kept() {
        let now = Instant::now();
        let mut session = Session::new(PATIENCE, now);
        session.frame(Bytes::from_static(br#"{"Authorization":"Bearer t"}"#), now);
        for _ in 0..MAX_KEPT_FRAMES {
            assert!(session.wants_frames());
            session.frame(Bytes::from_static(br#"{"type":"get_chats"}"#), now);
        }
        assert!(!session.wants_frames());
        assert_eq!(session.open(principal(Realm::Participant)).len(), MAX_KEPT_FRAMES);
        assert!(session.wants_frames());
    }

    #[test]
    fn malformed_frames() {
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
            r#"{"type":"get_chats","\ud800":1}"#,
            "\u{feff}{}",
        ] {
            check(Realm::Participant, frame, Step::Complain(Complaint::Malformed));
        }
        check(
            Realm::Participant,
            b"\xff\xfe",
            Step::Complain(Complaint::Malformed),
        );
        check(
            Realm::Participant,
            b"{\"type\":\"get_chats\xc3\"}",
            Step::Complain(Complaint::Malformed),
        );
    }

    #[test]
    fn invalid_types() {
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
            check(Realm::Organizer, frame, Step::Complain(Complaint::InvalidType));
        }
        for frame in [
            r#"{"type":"start_chat","payload":""}"#,
            r#"{"type":"close_chat","payload":{"chatId":"c"}}"#,
            r#"{"type":"close_chat"}"#,
        ] {
            check(Realm::Participant, frame, Step::Complain(Complaint::InvalidType));
        }
    }

    #[test]
    fn payloads_that_are_ignored() {
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        for payload in [
            "",
            r#","payload":"""#,
            r#","payload":1e999"#,
            &format!(r#","payload":{deep}"#),
        ] {
            let frame = format!(r#"{{"type":"get_chats"{payload}}}"#);
            check(Realm::Participant, &frame, Step::Ask(Request::GetChats));
            let frame = format!(r#"{{"type":"start_chat"{payload},"more":{{}}}}"#);
            check(Realm::Organizer, &frame, Step::Ask(Request::StartChat));
        }
    }

    #[test]
    fn invalid_payloads() {
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
            r#","payload":{"chatId":"\ud800"}"#,
            r#","payload":{"chatId":"c","chatId":7}"#,
        ] {
            for kind in ["get_chat_history", "send_message", "close_chat"] {
                let frame = format!(r#"{{"type":"{kind}"{payload}}}"#);
                check(
                    Realm::Organizer,
                    &frame,
                    Step::Complain(Complaint::InvalidPayload),
                );
            }
        }
        for fields in [
            r#""message":7"#,
            r#""message":[]"#,
            r#""lat":"50""#,
            r#""lng":true"#,
            r#""lat":{}"#,
            r#""lat":1e999"#,
            r#""message":"\udc00\ud800""#,
        ] {
            let frame = format!(r#"{{"type":"send_message","payload":{{"chatId":"c",{fields}}}}}"#);
            for realm in [Realm::Organizer, Realm::Participant] {
                check(realm, &frame, Step::Complain(Complaint::InvalidPayload));
            }
        }
        let frame = format!(r#"{{"type":"send_message","payload":{deep}}}"#);
        check(Realm::Participant, frame, Step::Complain(Complaint::Malformed));
    }

    #[test]
    fn payloads_that_are_understood() {
        let history = |chat_id: &str| {
            Step::Ask(Request::GetChatHistory {
                chat_id: chat_id.into(),
            })
        };
        for (payload, chat_id) in [
            (r#"{"chatId":"c"}"#, "c"),
            (r#"{"chatId":"x","chatId":"c","more":[1]}"#, "c"),
            (r#"{"chatId":null}"#, ""),
            (r#"{"chatid":"c"}"#, ""),
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
    fn an_organizers_location_goes_no_further() {
        let frame = r#"{"type":"send_message","payload":{"chatId":"c","message":"hi","lat":1,"lng":2}}"#;
        check(Realm::Organizer, frame, message("c", "hi", None, None));
        check(
            Realm::Participant,
            frame,
            message("c", "hi", Some(1.0), Some(2.0)),
        );
    }

    #[test]
    fn the_limit_of_a_frame_is_exact() {
        let frame = |length: usize| {
            let head = r#"{"type":"get_chats","payload":""#;
            format!("{head}{}\"}}", "x".repeat(length - head.len() - 2))
        };
        check(
            Realm::Participant,
            frame(MAX_FRAME_BYTES),
            Step::Ask(Request::GetChats),
        );
        check(
            Realm::Participant,
            frame(MAX_FRAME_BYTES + 1),
            Step::Complain(Complaint::TooLarge),
        );
    }

    #[test]
    fn silence_before_the_first_frame_drops_the_connection() {
        let now = Instant::now();
        let mut session = Session::new(PATIENCE, now);
        assert_eq!(session.deadline(), now + PATIENCE.authorization);
        session.frame(
            Bytes::from_static(br#"{"Authorization":"Bearer t"}"#),
            now + Duration::from_secs(1),
        );
        assert_eq!(
            session.deadline(),
            now + PATIENCE.authorization,
            "checking does not extend it"
        );
        assert_eq!(session.deadline_passed(), [Step::Drop]);
        assert_eq!(session.deadline_passed(), []);
    }

    #[test]
    fn only_a_json_object_restarts_the_idle_clock() {
        let now = Instant::now();
        let later = now + Duration::from_secs(60);
        for (frame, counts) in [
            (r#"{"type":"get_chats"}"#, true),
            (r#"{"type":"nonsense"}"#, true),
            (r#"{"type":"send_message"}"#, true),
            ("[]", false),
            ("", false),
        ] {
            let mut session = opened(Realm::Participant, now);
            session.frame(Bytes::copy_from_slice(frame.as_bytes()), later);
            let since = if counts { later } else { now };
            assert_eq!(session.deadline(), since + PATIENCE.idle, "{frame}");
        }
        let steps = opened(Realm::Participant, now).deadline_passed();
        assert_eq!(steps, [Step::Complain(Complaint::Timeout), Step::Drop]);
    }

    #[test]
    fn server_frames_end_with_a_newline() {
        let error = error_frame("you have no access to chat \"x\"");
        assert_eq!(
            error.as_str(),
            "{\"payload\":{\"message\":\"you have no access to chat \\\"x\\\"\"},\"type\":\"error\"}\n"
        );
        let raw = RawValue::from_string(r#"{"type":"info"}"#.into()).unwrap();
        assert_eq!(rendered(&raw).as_str(), "{\"type\":\"info\"}\n");
    }
}
