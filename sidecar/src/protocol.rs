//! What a client's frame means and what follows from it (contract 5.2 to 5.5, PROTOCOL.md). Nothing here touches a socket, a clock or
//! the network: a [`Session`] is told what happened and says what to do.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use relay_protocol::{Principal, Protocol, Realm, Request};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use tokio::time::Instant;
use uuid::Uuid;

use crate::rate::{Rate, Verdict};

/// A frame may be this long; the contract's longest message fits several times. A longer one is answered with an error.
pub const MAX_FRAME_BYTES: usize = 16 * 1024;

/// At most this many frames are kept while the first one is being checked. Clients send two or three; what exceeds this stays in the
/// socket until there is room.
pub(crate) const MAX_KEPT_FRAMES: usize = 32;

/// That somebody types is told so often, however often it is said.
const TYPING_AGAIN: Duration = Duration::from_secs(1);

/// At most this many messages of a history may be asked for by number.
const MAX_HISTORY: i64 = 1000;

/// What to do about something that happened, in the order given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Ask the messenger who sends this `Authorization`, then call [`Session::accepted`] or drop the connection.
    Authorize(String),
    /// Tell the client that it is in, if it speaks protocol 2.
    Welcome(Principal),
    /// Ask the messenger to carry this out.
    Ask(Request),
    /// Tell the client that its frame, or its silence, is not right.
    Complain(Complaint),
    /// End the connection, after what was said before has been written.
    End(Closing),
}

/// What the sidecar itself has to say against a frame. The texts are the contract's catalogue (5.5).
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum Complaint {
    #[error("malformed message")]
    Malformed,
    #[error("invalid message type")]
    InvalidType,
    #[error("invalid message payload")]
    InvalidPayload,
    #[error("message too large")]
    TooLarge,
    /// The request will not be carried out; it may be sent again.
    #[error("too many messages")]
    TooMany { client_id: Option<String> },
    #[error("timeout")]
    Timeout,
    /// The messenger could not be asked in time, or there is no room for more questions.
    #[error("{}", failure_text(.0))]
    Unavailable(Request),
}

impl Complaint {
    /// What it means to a program.
    fn code(&self) -> &'static str {
        match self {
            Complaint::Malformed => "malformed_message",
            Complaint::InvalidType => "invalid_type",
            Complaint::InvalidPayload => "invalid_payload",
            Complaint::TooLarge => "message_too_large",
            Complaint::TooMany { .. } => "rate_limited",
            Complaint::Timeout => "timeout",
            Complaint::Unavailable(_) => "unavailable",
        }
    }

    /// The client's own id of the message it is about.
    fn client_id(&self) -> Option<&str> {
        match self {
            Complaint::TooMany { client_id } => client_id.as_deref(),
            Complaint::Unavailable(request) => request.client_id(),
            Complaint::Malformed
            | Complaint::InvalidType
            | Complaint::InvalidPayload
            | Complaint::TooLarge
            | Complaint::Timeout => None,
        }
    }
}

/// Why a connection ends here. A client that speaks only the contract sees a dropped TCP connection, except at a restart.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Closing {
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
}

impl Closing {
    /// The code of the close frame, as published in PROTOCOL.md.
    pub(crate) fn code(self) -> u16 {
        match self {
            Closing::Flood => 1008,
            Closing::Restart => 1012,
            Closing::TryLater => 1013,
            Closing::Idle => 4000,
            Closing::Changed => 4001,
            Closing::BadToken => 4500,
            Closing::SignedOut => 4501,
            Closing::TooManyConnections => 4502,
        }
    }

    /// As it is counted, whether or not the client knows close codes.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Closing::Flood => "flood",
            Closing::Restart => "restart",
            Closing::TryLater => "try_later",
            Closing::Idle => "idle",
            Closing::Changed => "changed",
            Closing::BadToken => "bad_token",
            Closing::SignedOut => "signed_out",
            Closing::TooManyConnections => "too_many_connections",
        }
    }
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
    protocol: Protocol,
    patience: Patience,
    deadline: Instant,
    /// How many frames the client may send.
    rate: Rate,
    /// When it said last that somebody is typing.
    typed: Option<Instant>,
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
            protocol: Protocol::Contract,
            patience,
            deadline: now + patience.authorization,
            rate: Rate::new(now),
            typed: None,
        }
    }

    /// What the client has said it understands.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
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
                let step = decide(&frame, principal.user.realm, self.protocol);
                if is_valid(&step) {
                    self.deadline = now + self.patience.idle;
                }
                let step = limited(step, &mut self.rate, now);
                if matches!(step, Step::Ask(Request::Typing { .. })) {
                    let is_old_news = self.typed.is_some_and(|typed| now < typed + TYPING_AGAIN);
                    if is_old_news {
                        return None;
                    }
                    self.typed = Some(now);
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
        let asked = kept.into_iter().map(|kept| match kept {
            Kept::Frame(frame) => decide(&frame, principal.user.realm, self.protocol),
            Kept::TooLarge => Step::Complain(Complaint::TooLarge),
        });
        std::iter::once(Step::Welcome(principal)).chain(asked).collect()
    }

    /// It is still the same user, whose limits may have changed.
    pub(crate) fn confirmed(&mut self, principal: Principal) {
        if let State::Open(known) = &mut self.state {
            *known = principal;
        }
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
            State::Silent | State::Opening { .. } => vec![Step::End(Closing::TryLater)],
            State::Open(_) => vec![Step::Complain(Complaint::Timeout), Step::End(Closing::Idle)],
            State::Over => Vec::new(),
        }
    }

    fn first_frame(&mut self, frame: &[u8]) -> Step {
        match introduction(frame) {
            Some((authorization, protocol)) => {
                self.protocol = protocol;
                self.state = State::Opening {
                    kept: VecDeque::new(),
                };
                Step::Authorize(authorization)
            }
            None => {
                self.state = State::Over;
                Step::End(Closing::BadToken)
            }
        }
    }
}

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

/// What the client is told when the messenger could not be asked in time (contract 5.4).
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

/// Whether a frame counts as life: the contract's clock restarts on any JSON object, whatever it asks for.
fn is_valid(step: &Step) -> bool {
    match step {
        Step::Authorize(_) | Step::Welcome(_) | Step::Ask(_) => true,
        Step::Complain(complaint) => match complaint {
            Complaint::InvalidType
            | Complaint::InvalidPayload
            | Complaint::TooMany { .. }
            | Complaint::Unavailable(_) => true,
            Complaint::Malformed | Complaint::TooLarge | Complaint::Timeout => false,
        },
        Step::End(_) => false,
    }
}

/// The step that follows, unless the client has sent too many frames lately.
fn limited(step: Step, rate: &mut Rate, now: Instant) -> Step {
    match (rate.spend(now), step) {
        (Verdict::Fine, step) => step,
        (Verdict::TooMany, Step::Ask(request)) => Step::Complain(Complaint::TooMany {
            client_id: request.client_id().map(str::to_owned),
        }),
        (Verdict::TooMany, step) => step,
        (Verdict::Flood, _) => Step::End(Closing::Flood),
    }
}

/// The `Authorization` value of a first frame, and what the client understands. Whether the former is any good is for the messenger to
/// say. A client that knows a later protocol than ours knows ours as well.
fn introduction(frame: &[u8]) -> Option<(String, Protocol)> {
    if frame.len() > MAX_FRAME_BYTES {
        return None;
    }
    let members = Members::parse(std::str::from_utf8(frame).ok()?)?;
    let (_, value) = members
        .0
        .iter()
        .rev()
        .find(|(name, _)| name.eq_ignore_ascii_case("authorization"))?;
    let authorization = serde_json::from_str(value.get()).ok()?;
    let version = members
        .get("protocol")
        .and_then(|version| serde_json::from_str::<u32>(version).ok());
    let protocol = match version {
        Some(2..) => Protocol::Two,
        Some(0..=1) | None => Protocol::Contract,
    };
    Some((authorization, protocol))
}

fn decide(frame: &[u8], realm: Realm, protocol: Protocol) -> Step {
    if frame.len() > MAX_FRAME_BYTES {
        return Step::Complain(Complaint::TooLarge);
    }
    match request(frame, realm, protocol) {
        Ok(request) => Step::Ask(request),
        Err(complaint) => Step::Complain(complaint),
    }
}

/// What a frame asks for (contract 5.4). What protocol 2 adds is ignored where it is not spoken.
fn request(frame: &[u8], realm: Realm, protocol: Protocol) -> Result<Request, Complaint> {
    let frame = lenient_json::mend(frame);
    let text = std::str::from_utf8(&frame).map_err(|_| Complaint::Malformed)?;
    let members = Members::parse(text).ok_or(Complaint::Malformed)?;
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
        _ => Err(Complaint::InvalidType),
    }
}

/// The contract's clients send an empty text as payload, and any other means as little.
fn start_chat(payload: Option<&str>) -> Result<Request, Complaint> {
    let wait = match Payload::parse(payload) {
        Ok(payload) => payload.field("wait")?,
        Err(_) => None,
    };
    Ok(Request::StartChat { wait })
}

fn get_chat_history(payload: &Payload<'_>, protocol: Protocol) -> Result<Request, Complaint> {
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

fn send_message(payload: &Payload<'_>, realm: Realm, protocol: Protocol) -> Result<Request, Complaint> {
    let (lat, lng) = (payload.number("lat")?, payload.number("lng")?);
    let (lat, lng) = match realm {
        Realm::Participant => (lat, lng),
        // Only where a participant is matters; an organizer's location must be well-formed and goes no further.
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

    /// A number without a fraction, within a range; missing and `null` count as none.
    fn whole_number(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, Complaint> {
        let number: Option<i64> = self.field(name)?;
        match number {
            Some(number) if !range.contains(&number) => Err(Complaint::InvalidPayload),
            _ => Ok(number),
        }
    }

    /// A number from 0 that must be there.
    fn id(&self, name: &str) -> Result<i64, Complaint> {
        self.whole_number(name, 0..=i64::MAX)?
            .ok_or(Complaint::InvalidPayload)
    }

    /// A UUID in its usual form, as it was written; missing and `null` count as none.
    fn uuid(&self, name: &str) -> Result<Option<String>, Complaint> {
        const USUAL_LENGTH: usize = 36;
        let text: Option<String> = self.field(name)?;
        match text {
            Some(text) if text.len() != USUAL_LENGTH || Uuid::try_parse(&text).is_err() => {
                Err(Complaint::InvalidPayload)
            }
            text => Ok(text),
        }
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
            max_open_chats: None,
        }
    }

    fn opened(realm: Realm, now: Instant) -> Session {
        let mut session = Session::new(PATIENCE, now);
        session.frame(Bytes::from_static(br#"{"Authorization":"Bearer t"}"#), now);
        session.accepted(now);
        assert_eq!(session.open(principal(realm)), [Step::Welcome(principal(realm))]);
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
            client_id: None,
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
                Some(Step::End(Closing::BadToken)),
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
                Step::Welcome(principal(Realm::Organizer)),
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
        assert_eq!(
            session.open(principal(Realm::Participant)).len(),
            MAX_KEPT_FRAMES + 1
        );
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
            check(
                Realm::Organizer,
                &frame,
                Step::Ask(Request::StartChat { wait: None }),
            );
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
        assert_eq!(session.deadline_passed(), [Step::End(Closing::TryLater)]);
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
        assert_eq!(
            steps,
            [Step::Complain(Complaint::Timeout), Step::End(Closing::Idle)]
        );
    }

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

    fn opened_with_protocol_2(realm: Realm) -> Session {
        let now = Instant::now();
        let mut session = Session::new(PATIENCE, now);
        session.frame(
            Bytes::from_static(br#"{"Authorization":"Bearer t","protocol":2}"#),
            now,
        );
        session.accepted(now);
        session.open(principal(realm));
        session
    }

    #[test]
    fn a_client_says_what_it_understands() {
        for (members, protocol) in [
            ("", Protocol::Contract),
            (r#","protocol":1"#, Protocol::Contract),
            (r#","protocol":"2""#, Protocol::Contract),
            (r#","protocol":2.5"#, Protocol::Contract),
            (r#","protocol":null"#, Protocol::Contract),
            (r#","protocol":2"#, Protocol::Two),
            (r#","protocol":3"#, Protocol::Two),
        ] {
            let now = Instant::now();
            let mut session = Session::new(PATIENCE, now);
            let frame = format!(r#"{{"Authorization":"Bearer t"{members}}}"#);
            session.frame(Bytes::from(frame), now);
            assert_eq!(session.protocol(), protocol, "{members}");
        }
    }

    const CLIENT_ID: &str = "0198C0de-0000-7000-8000-00000000000f";

    #[test]
    fn what_protocol_2_adds_to_requests() {
        let history = |after_seq, limit| {
            Step::Ask(Request::GetChatHistory {
                chat_id: "c".into(),
                after_seq,
                limit,
            })
        };
        let said = |client_id: Option<&str>| {
            Step::Ask(Request::SendMessage {
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
            ("start_chat", "", Step::Ask(Request::StartChat { wait: None })),
            (
                "start_chat",
                r#""wait":null"#,
                Step::Ask(Request::StartChat { wait: None }),
            ),
            (
                "start_chat",
                r#""wait":true"#,
                Step::Ask(Request::StartChat { wait: Some(true) }),
            ),
            (
                "start_chat",
                r#""wait":false"#,
                Step::Ask(Request::StartChat { wait: Some(false) }),
            ),
            (
                "transfer_chat",
                r#""chatId":"c","organizerId":7"#,
                Step::Ask(Request::TransferChat {
                    chat_id: "c".into(),
                    organizer_id: 7,
                }),
            ),
            (
                "typing",
                r#""chatId":"c""#,
                Step::Ask(Request::Typing { chat_id: "c".into() }),
            ),
            (
                "read",
                r#""chatId":"c","seq":7"#,
                Step::Ask(Request::Read {
                    chat_id: "c".into(),
                    seq: 7,
                }),
            ),
        ] {
            let frame = format!(r#"{{"type":"{kind}","payload":{{{payload}}}}}"#);
            let step =
                opened_with_protocol_2(Realm::Organizer).frame(Bytes::from(frame.clone()), Instant::now());
            assert_eq!(step, Some(expected), "{frame}");
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
            let invalid = Step::Complain(Complaint::InvalidPayload);
            let step =
                opened_with_protocol_2(Realm::Organizer).frame(Bytes::from(frame.clone()), Instant::now());
            assert_eq!(step, Some(invalid), "{frame}");
            let Some(Step::Ask(_)) =
                opened(Realm::Organizer, Instant::now()).frame(Bytes::from(frame), Instant::now())
            else {
                panic!("{kind} with {field} means nothing where protocol 2 is not spoken");
            };
        }
    }

    #[test]
    fn what_protocol_2_adds_is_unknown_to_others_and_checked() {
        for (kind, payload) in [
            ("transfer_chat", r#"{"chatId":"c","organizerId":7}"#),
            ("typing", r#"{"chatId":"c"}"#),
            ("read", r#"{"chatId":"c","seq":7}"#),
        ] {
            let frame = format!(r#"{{"type":"{kind}","payload":{payload}}}"#);
            check(Realm::Organizer, frame, Step::Complain(Complaint::InvalidType));
        }
        let wait = r#"{"type":"start_chat","payload":{"wait":7}}"#;
        check(
            Realm::Organizer,
            wait,
            Step::Ask(Request::StartChat { wait: None }),
        );
        let invalid = |realm, frame: &str| {
            let step =
                opened_with_protocol_2(realm).frame(Bytes::copy_from_slice(frame.as_bytes()), Instant::now());
            match step {
                Some(Step::Complain(complaint)) => complaint,
                step => panic!("{frame}: {step:?}"),
            }
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
                Complaint::InvalidPayload,
                "{frame}"
            );
        }
        let transfer = r#"{"type":"transfer_chat","payload":{"chatId":"c","organizerId":7}}"#;
        assert_eq!(invalid(Realm::Participant, transfer), Complaint::InvalidType);
    }

    #[test]
    fn that_somebody_types_is_told_once_in_a_second() {
        let mut session = opened_with_protocol_2(Realm::Participant);
        let now = Instant::now();
        let mut type_at = |millis| {
            let frame = Bytes::from_static(br#"{"type":"typing","payload":{"chatId":"c"}}"#);
            session
                .frame(frame, now + Duration::from_millis(millis))
                .is_some()
        };
        let told = [0, 10, 999, 1000, 1500, 2001].map(&mut type_at);
        assert_eq!(told, [true, false, false, true, false, true]);
    }

    #[test]
    fn who_sends_too_much_is_told_which_message_was_not_taken() {
        let mut session = opened_with_protocol_2(Realm::Participant);
        let now = Instant::now();
        let frame = format!(
            r#"{{"type":"send_message","payload":{{"chatId":"c","message":"m","clientId":"{CLIENT_ID}"}}}}"#
        );
        let mut send = || session.frame(Bytes::from(frame.clone()), now).unwrap();
        let taken = (0..).take_while(|_| matches!(send(), Step::Ask(_))).count();
        assert!(taken > 1000, "{taken}");
        let client_id = Some(CLIENT_ID.to_owned());
        assert_eq!(send(), Step::Complain(Complaint::TooMany { client_id }));
        let refused = (0..)
            .take_while(|_| matches!(send(), Step::Complain(Complaint::TooMany { .. })))
            .count();
        assert!(refused > 1000, "{refused}");
        assert_eq!(send(), Step::End(Closing::Flood));
    }
}
