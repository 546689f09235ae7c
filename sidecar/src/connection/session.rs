//! Decides what to do about a client's frames and its silence (contract 5.2, 5.3, PROTOCOL.md). Nothing here touches a
//! socket, a clock or the network: a [`Session`] takes events and returns steps.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use sidecar_api::{Principal, Protocol, Request};
use tokio::time::Instant;

use crate::connection::frames::{CloseReason, Refusal};
use crate::connection::parse::{MAX_FRAME_BYTES, parse_first_frame, parse_frame};
use crate::connection::rate::{Rate, Verdict};

/// The most frames kept while the client is being authenticated. Clients send two or three. Further frames stay in the
/// socket.
pub(crate) const MAX_EARLY_FRAMES: usize = 32;

/// The shortest time between two typing notices of a client.
const TYPING_EVERY: Duration = Duration::from_secs(1);

/// What to do about an event, in the order given.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// Ask the messenger to authenticate this `Authorization`, then call [`Session::open`] or end the connection.
    Authenticate(String),
    /// Ask the messenger to carry this out.
    Command(Request),
    /// Answer with an error.
    Refuse(Refusal),
    /// End the connection after the queued frames have been written.
    End(CloseReason),
}

/// How long a session waits for its client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// From the upgrade until the client is authenticated.
    pub(crate) authorization: Duration,
    /// From one JSON object to the next.
    pub(crate) idle: Duration,
}

/// The protocol state of one connection.
#[derive(Debug)]
pub(crate) struct Session {
    state: State,
    protocol: Protocol,
    timeouts: Timeouts,
    deadline: Instant,
    /// How many frames the client may send.
    rate: Rate,
    /// When the client's typing was last passed on.
    typed: Option<Instant>,
}

#[derive(Debug)]
enum State {
    /// The first frame has not come.
    Silent,
    /// The client is being authenticated. Frames that arrive meanwhile are kept.
    Authenticating {
        early: VecDeque<Early>,
    },
    Open(Principal),
    /// The connection ends, and further events have no effect.
    Over,
}

/// A frame that came before the session opened. A frame that is too long is kept without its text.
#[derive(Debug)]
enum Early {
    Frame(Bytes),
    TooLarge,
}

impl Session {
    pub(crate) fn new(timeouts: Timeouts, now: Instant) -> Session {
        Session {
            state: State::Silent,
            protocol: Protocol::Contract,
            timeouts,
            deadline: now + timeouts.authorization,
            rate: Rate::new(now),
            typed: None,
        }
    }

    /// The protocol that the client announced.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether another frame may be read. If not, frames stay in the socket and TCP slows the client down.
    pub(crate) fn wants_frames(&self) -> bool {
        match &self.state {
            State::Silent | State::Open(_) => true,
            State::Authenticating { early } => early.len() < MAX_EARLY_FRAMES,
            State::Over => false,
        }
    }

    /// Handles a text or binary frame.
    pub(crate) fn frame(&mut self, frame: Bytes, now: Instant) -> Option<Step> {
        match &mut self.state {
            State::Silent => Some(self.first_frame(&frame)),
            State::Authenticating { early } => {
                early.push_back(if frame.len() > MAX_FRAME_BYTES {
                    Early::TooLarge
                } else {
                    Early::Frame(frame)
                });
                None
            }
            State::Open(principal) => {
                let step = step(parse_frame(&frame, principal.user.realm, self.protocol));
                if is_valid(&step) {
                    self.deadline = now + self.timeouts.idle;
                }
                let step = limited(step, &mut self.rate, now);
                if matches!(step, Step::Command(Request::Typing { .. })) {
                    if self.typed.is_some_and(|typed| now < typed + TYPING_EVERY) {
                        return None;
                    }
                    self.typed = Some(now);
                }
                Some(step)
            }
            State::Over => None,
        }
    }

    /// Opens the session of an authenticated client. Returns the steps for its early frames.
    pub(crate) fn open(&mut self, principal: &Principal, now: Instant) -> Vec<Step> {
        let State::Authenticating { early } =
            std::mem::replace(&mut self.state, State::Open(principal.clone()))
        else {
            self.state = State::Over;
            return Vec::new();
        };
        self.deadline = now + self.timeouts.idle;
        let follow = |early| match early {
            Early::Frame(frame) => step(parse_frame(&frame, principal.user.realm, self.protocol)),
            Early::TooLarge => Step::Refuse(Refusal::TooLarge),
        };
        early.into_iter().map(follow).collect()
    }

    /// Takes the result of a re-authentication: the same user, whose limits or name may have changed.
    pub(crate) fn confirmed(&mut self, principal: Principal) {
        if let State::Open(known) = &mut self.state {
            *known = principal;
        }
    }

    /// The user at the socket, once the session is open.
    pub(crate) fn principal(&self) -> Option<&Principal> {
        match &self.state {
            State::Open(principal) => Some(principal),
            State::Silent | State::Authenticating { .. } | State::Over => None,
        }
    }

    /// When to call [`Session::deadline_passed`] if no frame comes before.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Handles a client that was silent for too long (contract 5.2 and 5.3).
    pub(crate) fn deadline_passed(&mut self) -> Vec<Step> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Silent | State::Authenticating { .. } => vec![Step::End(CloseReason::TryLater)],
            State::Open(_) => vec![Step::Refuse(Refusal::Timeout), Step::End(CloseReason::Idle)],
            State::Over => Vec::new(),
        }
    }

    fn first_frame(&mut self, frame: &[u8]) -> Step {
        let first = parse_first_frame(frame);
        if let Some(first) = &first {
            self.protocol = first.protocol;
        }
        match first.and_then(|first| first.authorization) {
            Some(authorization) => {
                self.state = State::Authenticating {
                    early: VecDeque::new(),
                };
                Step::Authenticate(authorization)
            }
            None => {
                self.state = State::Over;
                Step::End(CloseReason::BadToken)
            }
        }
    }
}

fn step(parsed: Result<Request, Refusal>) -> Step {
    match parsed {
        Ok(request) => Step::Command(request),
        Err(refusal) => Step::Refuse(refusal),
    }
}

/// Whether a frame restarts the contract's idle clock: any JSON object does, whatever its content.
fn is_valid(step: &Step) -> bool {
    match step {
        Step::Authenticate(_) | Step::Command(_) => true,
        Step::Refuse(refusal) => match refusal.kind() {
            Refusal::InvalidType | Refusal::InvalidPayload | Refusal::TooMany | Refusal::Unavailable(_) => {
                true
            }
            Refusal::Malformed | Refusal::TooLarge | Refusal::Timeout | Refusal::About { .. } => false,
        },
        Step::End(_) => false,
    }
}

/// The step, or a refusal if the client has sent too many frames.
fn limited(step: Step, rate: &mut Rate, now: Instant) -> Step {
    match (rate.spend(now), step) {
        (Verdict::Allowed, step) => step,
        (Verdict::TooMany, Step::Command(request)) => {
            Step::Refuse(Refusal::TooMany.about(request.client_id().map(str::to_owned)))
        }
        (Verdict::TooMany, step) => step,
        (Verdict::Flood, _) => Step::End(CloseReason::Flood),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sidecar_api::{Realm, User};

    const TIMEOUTS: Timeouts = Timeouts {
        authorization: Duration::from_secs(20),
        idle: Duration::from_secs(1800),
    };

    fn principal(realm: Realm) -> Principal {
        Principal {
            user: User { realm, id: 7 },
            agency_id: None,
            role: None,
            max_open_chats: None,
            name: String::new(),
        }
    }

    fn opened(realm: Realm, now: Instant) -> Session {
        let mut session = Session::new(TIMEOUTS, now);
        session.frame(Bytes::from_static(br#"{"Authorization":"Bearer t"}"#), now);
        assert_eq!(session.open(&principal(realm), now), []);
        session
    }

    #[test]
    fn the_first_frame_authenticates() {
        for frame in [
            r#"{"Authorization":"Bearer t"}"#,
            r#"{"authorization":"Bearer t"}"#,
            r#" {"x":[1,{}],"AUTHORIZATION":"Bearer t","protocol":2} "#,
            r#"{"Authorization":"old","authorization":"Bearer t"}"#,
            r#"{"Authorization":"Bearer t","type":"get_chats"}"#,
        ] {
            let now = Instant::now();
            let mut session = Session::new(TIMEOUTS, now);
            let step = session.frame(Bytes::from(frame), now);
            assert_eq!(step, Some(Step::Authenticate("Bearer t".into())), "{frame}");
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
            let mut session = Session::new(TIMEOUTS, now);
            assert_eq!(
                session.frame(Bytes::copy_from_slice(frame.as_bytes()), now),
                Some(Step::End(CloseReason::BadToken)),
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
    fn a_bad_first_frame_may_still_announce_protocol_2() {
        for frame in [r#"{"protocol":2}"#, r#"{"protocol":2,"Authorization":7}"#] {
            let now = Instant::now();
            let mut session = Session::new(TIMEOUTS, now);
            let step = session.frame(Bytes::copy_from_slice(frame.as_bytes()), now);
            assert_eq!(step, Some(Step::End(CloseReason::BadToken)));
            assert_eq!(session.protocol(), Protocol::Two);
        }
    }

    #[test]
    fn early_frames_are_kept_in_order() {
        let now = Instant::now();
        let mut session = Session::new(TIMEOUTS, now);
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
        assert_eq!(
            session.open(&principal(Realm::Organizer), now),
            [
                Step::Command(Request::GetChats),
                Step::Refuse(Refusal::Malformed),
                Step::Refuse(Refusal::TooLarge),
                Step::Command(Request::CloseChat { chat_id: "c".into() }),
            ]
        );
        assert_eq!(session.principal(), Some(&principal(Realm::Organizer)));
    }

    #[test]
    fn the_number_of_early_frames_is_bounded() {
        let now = Instant::now();
        let mut session = Session::new(TIMEOUTS, now);
        session.frame(Bytes::from_static(br#"{"Authorization":"Bearer t"}"#), now);
        for _ in 0..MAX_EARLY_FRAMES {
            assert!(session.wants_frames());
            session.frame(Bytes::from_static(br#"{"type":"get_chats"}"#), now);
        }
        assert!(!session.wants_frames());
        assert_eq!(
            session.open(&principal(Realm::Participant), now).len(),
            MAX_EARLY_FRAMES
        );
        assert!(session.wants_frames());
    }

    #[test]
    fn silence_before_the_first_frame_drops_the_connection() {
        let now = Instant::now();
        let mut session = Session::new(TIMEOUTS, now);
        assert_eq!(session.deadline(), now + TIMEOUTS.authorization);
        session.frame(
            Bytes::from_static(br#"{"Authorization":"Bearer t"}"#),
            now + Duration::from_secs(1),
        );
        assert_eq!(
            session.deadline(),
            now + TIMEOUTS.authorization,
            "authentication does not extend it"
        );
        assert_eq!(session.deadline_passed(), [Step::End(CloseReason::TryLater)]);
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
            assert_eq!(session.deadline(), since + TIMEOUTS.idle, "{frame}");
        }
        let steps = opened(Realm::Participant, now).deadline_passed();
        assert_eq!(
            steps,
            [Step::Refuse(Refusal::Timeout), Step::End(CloseReason::Idle)]
        );
    }

    fn opened_with_protocol_2(realm: Realm) -> Session {
        let now = Instant::now();
        let mut session = Session::new(TIMEOUTS, now);
        session.frame(
            Bytes::from_static(br#"{"Authorization":"Bearer t","protocol":2}"#),
            now,
        );
        session.open(&principal(realm), now);
        session
    }

    #[test]
    fn the_first_frame_chooses_the_protocol() {
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
            let mut session = Session::new(TIMEOUTS, now);
            let frame = format!(r#"{{"Authorization":"Bearer t"{members}}}"#);
            session.frame(Bytes::from(frame), now);
            assert_eq!(session.protocol(), protocol, "{members}");
        }
    }

    #[test]
    fn typing_is_passed_on_once_a_second() {
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
    fn a_rate_limit_refusal_names_the_message() {
        const CLIENT_ID: &str = "0198C0de-0000-7000-8000-00000000000f";
        let mut session = opened_with_protocol_2(Realm::Participant);
        let now = Instant::now();
        let frame = format!(
            r#"{{"type":"send_message","payload":{{"chatId":"c","message":"m","clientId":"{CLIENT_ID}"}}}}"#
        );
        let mut send = || session.frame(Bytes::from(frame.clone()), now).unwrap();
        let taken = (0..).take_while(|_| matches!(send(), Step::Command(_))).count();
        assert!(taken > 1000, "{taken}");
        let client_id = Some(CLIENT_ID.to_owned());
        assert_eq!(send(), Step::Refuse(Refusal::TooMany.about(client_id)));
        let refused = (0..)
            .take_while(|_| matches!(send(), Step::Refuse(refusal) if *refusal.kind() == Refusal::TooMany))
            .count();
        assert!(refused > 1000, "{refused}");
        assert_eq!(send(), Step::End(CloseReason::Flood));
    }
}
