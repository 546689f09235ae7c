//! What follows from a client's frames, and from their absence (contract 5.2, 5.3, PROTOCOL.md). Nothing here touches a socket, a clock or
//! the network: a [`Session`] is told what happened and says what to do.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use relay_protocol::{Principal, Protocol, Request};
use tokio::time::Instant;

use crate::rate::{Rate, Verdict};
use crate::request::{introduction, understand};

/// A frame may be this long; the contract's longest message fits several times. A longer one is answered with an error.
pub const MAX_FRAME_BYTES: usize = 16 * 1024;

/// At most this many frames are kept while the first one is being checked. Clients send two or three; what exceeds this stays in the
/// socket until there is room.
pub(crate) const MAX_KEPT_FRAMES: usize = 32;

/// That somebody types is told so often, however often it is said.
const TYPING_AGAIN: Duration = Duration::from_secs(1);

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
    TooMany,
    #[error("timeout")]
    Timeout,
    /// The messenger could not be asked in time, or there is no room for more questions.
    #[error("{}", failure_text(.0))]
    Unavailable(Request),
    /// The same of a message that the client has given an id.
    #[error("{complaint}")]
    About {
        complaint: Box<Complaint>,
        client_id: String,
    },
}

impl Complaint {
    /// The same about a message, if it has an id.
    pub(crate) fn about(self, client_id: Option<String>) -> Complaint {
        match client_id {
            Some(client_id) => Complaint::About {
                complaint: Box::new(self),
                client_id,
            },
            None => self,
        }
    }

    /// What is wrong, whatever it is about.
    pub(crate) fn kind(&self) -> &Complaint {
        match self {
            Complaint::About { complaint, .. } => complaint.kind(),
            complaint => complaint,
        }
    }

    /// What it means to a program.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Complaint::Malformed => "malformed_message",
            Complaint::InvalidType => "invalid_type",
            Complaint::InvalidPayload => "invalid_payload",
            Complaint::TooLarge => "message_too_large",
            Complaint::TooMany => "rate_limited",
            Complaint::Timeout => "timeout",
            Complaint::Unavailable(_) => "unavailable",
            Complaint::About { complaint, .. } => complaint.code(),
        }
    }

    /// The client's own id of the message it is about.
    pub(crate) fn client_id(&self) -> Option<&str> {
        match self {
            Complaint::Unavailable(request) => request.client_id(),
            Complaint::About { client_id, .. } => Some(client_id),
            Complaint::Malformed
            | Complaint::InvalidType
            | Complaint::InvalidPayload
            | Complaint::TooLarge
            | Complaint::TooMany
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
                let step = understand(&frame, principal.user.realm, self.protocol);
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
            Kept::Frame(frame) => understand(&frame, principal.user.realm, self.protocol),
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
        let introduction = introduction(frame);
        if let Some(introduction) = &introduction {
            self.protocol = introduction.protocol;
        }
        match introduction.and_then(|introduction| introduction.authorization) {
            Some(authorization) => {
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
        Step::Complain(complaint) => match complaint.kind() {
            Complaint::InvalidType
            | Complaint::InvalidPayload
            | Complaint::TooMany
            | Complaint::Unavailable(_) => true,
            Complaint::Malformed | Complaint::TooLarge | Complaint::Timeout | Complaint::About { .. } => {
                false
            }
        },
        Step::End(_) => false,
    }
}

/// The step that follows, unless the client has sent too many frames lately.
fn limited(step: Step, rate: &mut Rate, now: Instant) -> Step {
    match (rate.spend(now), step) {
        (Verdict::Fine, step) => step,
        (Verdict::TooMany, Step::Ask(request)) => {
            Step::Complain(Complaint::TooMany.about(request.client_id().map(str::to_owned)))
        }
        (Verdict::TooMany, step) => step,
        (Verdict::Flood, _) => Step::End(Closing::Flood),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relay_protocol::{Realm, User};

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
    fn who_speaks_protocol_2_is_told_that_the_first_frame_is_no_good() {
        for frame in [r#"{"protocol":2}"#, r#"{"protocol":2,"Authorization":7}"#] {
            let now = Instant::now();
            let mut session = Session::new(PATIENCE, now);
            let step = session.frame(Bytes::copy_from_slice(frame.as_bytes()), now);
            assert_eq!(step, Some(Step::End(Closing::BadToken)));
            assert_eq!(session.protocol(), Protocol::Two);
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
        const CLIENT_ID: &str = "0198C0de-0000-7000-8000-00000000000f";
        let mut session = opened_with_protocol_2(Realm::Participant);
        let now = Instant::now();
        let frame = format!(
            r#"{{"type":"send_message","payload":{{"chatId":"c","message":"m","clientId":"{CLIENT_ID}"}}}}"#
        );
        let mut send = || session.frame(Bytes::from(frame.clone()), now).unwrap();
        let taken = (0..).take_while(|_| matches!(send(), Step::Ask(_))).count();
        assert!(taken > 1000, "{taken}");
        let client_id = Some(CLIENT_ID.to_owned());
        assert_eq!(send(), Step::Complain(Complaint::TooMany.about(client_id)));
        let refused = (0..)
            .take_while(
                |_| matches!(send(), Step::Complain(complaint) if *complaint.kind() == Complaint::TooMany),
            )
            .count();
        assert!(refused > 1000, "{refused}");
        assert_eq!(send(), Step::End(Closing::Flood));
    }
}
