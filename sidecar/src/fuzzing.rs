//! Invariants of the frame parser that hold for any input. `cargo fuzz` looks for inputs that break them, and the tests
//! below run the corpus (`fuzz/corpus/frame`) and mutations of each of its inputs.
//!
//! Each line of the input is a frame; the first one is the client's first frame. So people can read and write inputs by
//! hand. Frames here cannot contain a line break, which JSON treats like any other white space.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use sidecar_api::{Principal, Protocol, Realm, Request, User};
use tokio::time::Instant;

use crate::connection::frames::{CloseReason, Refusal, error_frame};
use crate::connection::parse::MAX_FRAME_BYTES;
use crate::connection::session::{MAX_EARLY_FRAMES, Session, Step, Timeouts};

const TIMEOUTS: Timeouts = Timeouts {
    authorization: Duration::from_secs(20),
    idle: Duration::from_secs(30 * 60),
};

/// The time between two frames, long enough that no rate limit applies.
const APART: Duration = Duration::from_secs(1);

/// Runs the input through sessions of every kind, and panics if an invariant does not hold.
pub fn converse(input: &[u8]) {
    let mut frames = input.split(|byte| *byte == b'\n').map(Bytes::copy_from_slice);
    let first = frames.next().unwrap_or_default();
    let frames: Vec<Bytes> = frames.collect();
    for realm in [Realm::Organizer, Realm::Participant] {
        let Some(session) = introduce(&first) else {
            continue;
        };
        let one_by_one = send_one_by_one(session, realm, &frames);
        let session = introduce(&first).expect("the same first frame means the same");
        let ahead = send_ahead(session, realm, &frames);
        assert_eq!(
            one_by_one, ahead,
            "a frame means the same before and after the session opens"
        );
    }
}

/// Sends the first frame. Returns the session if the frame is valid.
fn introduce(first: &Bytes) -> Option<Session> {
    let now = Instant::now();
    let mut session = Session::new(TIMEOUTS, now);
    let value: Option<Value> = serde_json::from_slice(first).ok();
    match session.frame(first.clone(), now) {
        Some(Step::Authenticate(authorization)) => {
            assert!(first.len() <= MAX_FRAME_BYTES);
            if let Some(value) = value {
                let members = value.as_object().expect("a first frame is an object");
                let is_said = members.iter().any(|(name, value)| {
                    name.eq_ignore_ascii_case("authorization") && *value == authorization
                });
                assert!(is_said, "{authorization:?} is nowhere in {value}");
                let version = value["protocol"].as_u64();
                let knows_more = version.is_some_and(|version| (2..=u64::from(u32::MAX)).contains(&version));
                assert_eq!(session.protocol() == Protocol::Two, knows_more, "{value}");
            }
            assert_eq!(
                session.deadline(),
                now + TIMEOUTS.authorization,
                "authentication does not extend it"
            );
            Some(session)
        }
        step => {
            assert_eq!(step, Some(Step::End(CloseReason::BadToken)));
            assert_over(&mut session);
            None
        }
    }
}

/// Opens the session, then sends the frames.
fn send_one_by_one(mut session: Session, realm: Realm, frames: &[Bytes]) -> Vec<Step> {
    let mut now = Instant::now();
    let principal = principal(realm);
    assert_eq!(session.open(&principal, now), []);
    let steps = frames
        .iter()
        .map(|frame| {
            now += APART;
            send(&mut session, realm, frame, now)
        })
        .collect();
    let last = [Step::Refuse(Refusal::Timeout), Step::End(CloseReason::Idle)];
    assert_eq!(session.deadline_passed(), last);
    assert_over(&mut session);
    steps
}

/// Sends as many frames as are kept before the session opens, and the others afterwards.
fn send_ahead(mut session: Session, realm: Realm, frames: &[Bytes]) -> Vec<Step> {
    let mut now = Instant::now();
    let ahead = frames.len().min(MAX_EARLY_FRAMES);
    for frame in &frames[..ahead] {
        assert!(session.wants_frames());
        assert_eq!(session.frame(frame.clone(), now), None);
    }
    assert_eq!(session.wants_frames(), ahead < MAX_EARLY_FRAMES);
    let principal = principal(realm);
    let mut steps = session.open(&principal, now);
    for frame in &frames[ahead..] {
        now += APART;
        steps.push(send(&mut session, realm, frame, now));
    }
    steps
}

/// Sends a frame over an open session, twice.
fn send(session: &mut Session, realm: Realm, frame: &Bytes, now: Instant) -> Step {
    assert!(session.wants_frames());
    let deadline = session.deadline();
    let step = session.frame(frame.clone(), now).expect("nothing was too soon");
    let is_life = match &step {
        Step::Command(request) => {
            assert!(frame.len() <= MAX_FRAME_BYTES);
            assert_allowed(request, realm, session.protocol());
            assert_meant(request, frame, realm);
            assert_told(request);
            true
        }
        Step::Refuse(refusal) => {
            assert_answerable(refusal, session.protocol());
            assert_deserved(refusal, frame);
            matches!(refusal, Refusal::InvalidType | Refusal::InvalidPayload)
        }
        Step::Authenticate(_) | Step::End(_) => panic!("{step:?} out of turn"),
    };
    let expected = if is_life { now + TIMEOUTS.idle } else { deadline };
    assert_eq!(
        session.deadline(),
        expected,
        "an object is life, and nothing else is"
    );
    let again = session.frame(frame.clone(), now);
    match &step {
        Step::Command(Request::Typing { .. }) => assert_eq!(again, None, "that somebody types is known"),
        step => assert_eq!(again.as_ref(), Some(step), "the same frame means the same"),
    }
    step
}

/// Checks that realm and protocol of the client permit the request.
fn assert_allowed(request: &Request, realm: Realm, protocol: Protocol) {
    let (for_participants, for_contract) = match request {
        Request::GetChats => (true, true),
        Request::GetChatHistory { after_seq, limit, .. } => {
            assert!(*after_seq >= 0 && limit.is_none_or(|limit| (1..=1000).contains(&limit)));
            (true, (*after_seq, *limit) == (0, None))
        }
        Request::SendMessage {
            client_id, lat, lng, ..
        } => {
            assert!(realm == Realm::Participant || (*lat, *lng) == (None, None));
            assert!(lat.is_none_or(f64::is_finite) && lng.is_none_or(f64::is_finite));
            (true, client_id.is_none())
        }
        Request::StartChat { wait } => (false, wait.is_none()),
        Request::CloseChat { .. } => (false, true),
        Request::TransferChat { .. } => (false, false),
        Request::Typing { .. } => (true, false),
        Request::Read { seq, .. } => {
            assert!(*seq >= 0);
            (true, false)
        }
    };
    assert!(
        for_participants || realm == Realm::Organizer,
        "{request:?} by a participant"
    );
    assert!(
        for_contract || protocol == Protocol::Two,
        "{request:?} by a client of the contract"
    );
}

/// Checks the request against the frame as another JSON parser reads it. That parser refuses some objects that ours
/// accepts, such as those with deeply nested unused members.
fn assert_meant(request: &Request, frame: &[u8], realm: Realm) {
    let Ok(value) = serde_json::from_slice::<Value>(&lenient_json::mend(frame)) else {
        return;
    };
    let payload = &value["payload"];
    let text = |name: &str| payload[name].as_str().unwrap_or_default();
    let number = |name: &str| payload[name].as_i64();
    let kind = match request {
        Request::GetChats => "get_chats",
        Request::GetChatHistory {
            chat_id,
            after_seq,
            limit,
        } => {
            assert_eq!(chat_id, text("chatId"));
            assert!(*after_seq == 0 || number("afterSeq") == Some(*after_seq));
            assert!(limit.is_none() || number("limit") == *limit);
            "get_chat_history"
        }
        Request::SendMessage {
            chat_id,
            message,
            client_id,
            lat,
            lng,
        } => {
            assert_eq!(
                (chat_id.as_str(), message.as_str()),
                (text("chatId"), text("message"))
            );
            assert!(client_id.as_deref().is_none_or(|id| id == text("clientId")));
            if realm == Realm::Participant {
                assert_eq!((*lat, *lng), (payload["lat"].as_f64(), payload["lng"].as_f64()));
            }
            "send_message"
        }
        Request::StartChat { wait } => {
            assert!(wait.is_none() || payload["wait"].as_bool() == *wait);
            "start_chat"
        }
        Request::CloseChat { chat_id } => {
            assert_eq!(chat_id, text("chatId"));
            "close_chat"
        }
        Request::TransferChat {
            chat_id,
            organizer_id,
        } => {
            assert_eq!(chat_id, text("chatId"));
            assert_eq!(Some(*organizer_id), number("organizerId"));
            "transfer_chat"
        }
        Request::Typing { chat_id } => {
            assert_eq!(chat_id, text("chatId"));
            "typing"
        }
        Request::Read { chat_id, seq } => {
            assert_eq!((chat_id.as_str(), Some(*seq)), (text("chatId"), number("seq")));
            "read"
        }
    };
    assert_eq!(value["type"], kind);
}

/// Checks that the messenger reads the same request.
fn assert_told(request: &Request) {
    let told = serde_json::to_string(request).expect("a request is JSON");
    let heard: Request = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"));
    assert_eq!(&heard, request);
}

/// Checks that the error frame is valid and has only members of the client's protocol.
fn assert_answerable(refusal: &Refusal, protocol: Protocol) {
    let frame = error_frame(refusal, protocol);
    assert!(frame.ends_with('\n'));
    let frame: Value = serde_json::from_str(&frame).expect("an error is JSON");
    assert_eq!(frame["type"], "error");
    assert_eq!(frame["payload"]["message"], refusal.to_string());
    assert_eq!(frame["payload"]["code"].is_string(), protocol == Protocol::Two);
}

fn assert_deserved(refusal: &Refusal, frame: &[u8]) {
    let is_object =
        || serde_json::from_slice::<Value>(&lenient_json::mend(frame)).is_ok_and(|value| value.is_object());
    assert_eq!(
        *refusal.kind() == Refusal::TooLarge,
        frame.len() > MAX_FRAME_BYTES
    );
    match refusal.kind() {
        Refusal::TooLarge => {}
        Refusal::Malformed => assert!(!is_object(), "an object is not malformed"),
        Refusal::InvalidType | Refusal::InvalidPayload => assert!(std::str::from_utf8(frame).is_ok()),
        Refusal::TooMany | Refusal::Timeout | Refusal::Unavailable(_) | Refusal::About { .. } => {
            panic!("{refusal:?} is not about a frame")
        }
    }
}

/// Checks that further events have no effect.
fn assert_over(session: &mut Session) {
    assert!(!session.wants_frames());
    let frame = Bytes::from_static(br#"{"type":"get_chats"}"#);
    assert_eq!(session.frame(frame, Instant::now()), None);
    assert_eq!(session.principal(), None);
    assert_eq!(session.deadline_passed(), []);
}

fn principal(realm: Realm) -> Principal {
    Principal {
        user: User { realm, id: 7 },
        agency_id: (realm == Realm::Organizer).then_some(4),
        role: (realm == Realm::Organizer).then_some(4),
        max_open_chats: None,
        name: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use fuzz_corpus::Corpus;

    use super::*;

    /// How many mutations of each input are tried.
    const CHANGES: u64 = 300;

    /// Fragments that matter to the parser.
    const PARTS: &[&[u8]] = &[
        b"\n",
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"[[",
        b"null",
        b"-1",
        b"1e999",
        b"9223372036854775808",
        b",\"type\":\"send_message\"",
        b",\"payload\":{}",
    ];

    #[test]
    fn every_input_of_the_corpus_keeps_the_invariants() {
        Corpus::read("frame", PARTS).run(converse);
    }

    #[test]
    fn every_mutation_of_the_corpus_keeps_the_invariants() {
        Corpus::read("frame", PARTS).run_mutations(CHANGES, converse);
    }
}
