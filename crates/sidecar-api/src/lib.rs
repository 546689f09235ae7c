//! The API between the sidecars and the messenger.
//!
//! A sidecar `POST`s JSON to the messenger with the messenger's service key:
//!
//! | path under the messenger | request | answer |
//! |---|---|---|
//! | `/internal/authenticate` | [`Authenticate`] | [`Authenticated`] |
//! | `/internal/exchange` | [`Exchange`] | an [`Outcome`] as one line of JSON, then updates as text ([`update`]) |
//! | `/internal/revocations` | [`RevokedSince`] | [`Revocations`] |
//!
//! **An exchange may be repeated.** A sidecar numbers its exchanges. A retry, because the answer was lost, keeps its
//! number: it changes nothing and is answered as before. An exchange that arrives after a later one is refused with
//! 409.

pub mod update;

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The two populations of users. Their ids overlap, so an id means nothing without its realm.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Realm {
    Organizer,
    Participant,
}

impl Realm {
    /// The name on the wire: the prefix of this realm's tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Realm::Organizer => "organizer",
            Realm::Participant => "participant",
        }
    }
}

/// One user of either population.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct User {
    pub realm: Realm,
    pub id: i64,
}

/// As logs name a user, such as `participant/7`.
impl Display for User {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.realm.as_str(), self.id)
    }
}

/// The user at a socket.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    #[serde(flatten)]
    pub user: User,
    /// The agency an organizer works for; participants have none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agency_id: Option<i64>,
    /// An organizer's role, 2 (owner) to 4 (support); participants have none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub role: Option<u8>,
    /// How many chats an organizer may have open at once, where the agency sets a limit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_open_chats: Option<u32>,
    /// How to address an organizer; empty for participants.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub name: String,
}

impl Principal {
    /// Whether this is the same user with the same rights. Limits and names may differ.
    pub fn has_rights_of(&self, other: &Principal) -> bool {
        (self.user, self.agency_id, self.role) == (other.user, other.agency_id, other.role)
    }
}

/// An update's place in the log.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// Ids grow by one with each update, in the order of commits.
    pub id: i64,
    /// When it was committed, in milliseconds since the Unix epoch. It distinguishes an update from one that got the
    /// same id after the database was restored from a copy.
    pub made_at: i64,
}

/// The `Authorization` values of first frames, as the clients sent them.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Authenticate {
    pub authorizations: Vec<String>,
}

/// One verdict per authorization, in the order asked.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Authenticated {
    pub verdicts: Vec<Verdict>,
    /// The end of the log before the users were looked up. A new connection is shown the updates after it.
    pub after: Cursor,
}

/// Whether a socket may stay.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "verdict")]
pub enum Verdict {
    Accepted {
        principal: Principal,
    },
    Rejected,
    /// The service that issued the token did not answer; ask again.
    Unavailable,
}

/// A sidecar's question for the revocations of a realm.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RevokedSince {
    /// Sidecars of the release before this one leave it out, and ask about both realms at once. Their messengers ignore
    /// it, and answer about both.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub realm: Option<Realm>,
    #[serde(flatten)]
    pub cursor: RevocationCursor,
}

/// How far a sidecar has read the revocations of each realm; absent until its service has answered once.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct RevocationCursor {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub organizer: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub participant: Option<i64>,
}

impl RevocationCursor {
    /// How far one realm has been read.
    pub fn of(&mut self, realm: Realm) -> &mut Option<i64> {
        match realm {
            Realm::Organizer => &mut self.organizer,
            Realm::Participant => &mut self.participant,
        }
    }
}

/// Users whose credentials may have been revoked. Their connections have to be authenticated again.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Revocations {
    /// Where to go on reading.
    pub next: RevocationCursor,
    pub users: Vec<User>,
    /// All users of these agencies.
    pub agencies: Vec<i64>,
    /// All users of these realms, because it is unknown which of them are concerned.
    pub unknown: Vec<Realm>,
    /// The realms whose services did not answer; ask again.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub unavailable: Vec<Realm>,
}

impl Revocations {
    /// Whether a user is concerned by realm or agency.
    pub fn affect_realm_or_agency_of(&self, principal: &Principal) -> bool {
        self.unknown.contains(&principal.user.realm)
            || principal
                .agency_id
                .is_some_and(|agency_id| self.agencies.contains(&agency_id))
    }

    /// Whether nobody is concerned.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.agencies.is_empty() && self.unknown.is_empty()
    }
}

/// The protocol that a client speaks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// The contract's frames and nothing else.
    #[default]
    Contract,
    /// What PROTOCOL.md adds to them.
    Two,
}

impl Protocol {
    fn is_contract(&self) -> bool {
        *self == Protocol::Contract
    }
}

/// A sidecar's call, several times a second: it sends commands and fetches updates.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    /// Identifies the sidecar for as long as it runs.
    pub sidecar: String,
    /// Grows with each exchange of the sidecar; an exchange that is sent again keeps it.
    pub number: i64,
    /// The last update that the sidecar has played. Absent when it has just started: then it begins at the end of the
    /// log.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cursor: Option<Cursor>,
    /// In the order in which they came. Messages are stored in this order; commands of other kinds are carried out
    /// before or after them, but never across a command that closes a chat or hands one over.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub commands: Vec<Command>,
    /// All organizers who are present at this sidecar; absent if the list was sent a moment ago. A sidecar that
    /// stops sends an empty list.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub present: Option<Vec<Attendance>>,
    /// The agencies whose queues the sidecar wants to know.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub queues: Vec<i64>,
}

/// The answer to an exchange. The updates after it have no gaps, and begin at the request's cursor, or at the end of
/// the log if the sidecar has to start anew. They reach at least up to `at`. After them come updates with id 0, which
/// are not in the log and are shown once.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The replies show the state right after this update. The sidecar shows them between it and the next.
    pub at: Cursor,
    /// The request's cursor is not in the log: it is older than the oldest update, or the database was restored from a
    /// copy. The sidecar starts anew at `at`, and does not know which updates its clients have missed.
    #[serde(skip_serializing_if = "is_false", default)]
    pub starts_anew: bool,
    /// One per command, in order: a frame for the asking connection, or null. If there are fewer than commands, the
    /// messenger has not carried out the rest, and the sidecar sends it again before anything else.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub replies: Vec<Option<Box<RawValue>>>,
    /// The updates that this exchange itself has committed: other sidecars do not have them yet.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub committed: Vec<i64>,
    /// The queues that were asked for, and all queues that are not empty if the sidecar starts anew.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub queues: Vec<Queue>,
}

impl Outcome {
    /// The answer's body: the outcome as a line, then the updates.
    pub fn write(&self, updates: &str) -> serde_json::Result<String> {
        let mut text = serde_json::to_string(self)?;
        text.reserve(1 + updates.len());
        text.push('\n');
        text.push_str(updates);
        Ok(text)
    }

    /// Reads such a body: the outcome, and the updates for [`update::read_updates`].
    pub fn read(text: &str) -> serde_json::Result<(Outcome, &str)> {
        let (outcome, updates) = text.split_once('\n').unwrap_or((text, ""));
        Ok((serde_json::from_str(outcome)?, updates))
    }
}

/// An organizer who is present at a sidecar.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attendance {
    pub organizer_id: i64,
    pub agency_id: i64,
    /// How many chats the organizer may have open; absent for no limit.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_open_chats: Option<u32>,
    /// Milliseconds since the last frame or pong on any of the organizer's connections.
    pub silent_for: i64,
}

/// What an operator watches of the messenger. Members that the release before this one lacks have a default.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Absent if the database did not tell it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub database_bytes: Option<i64>,
    /// The size of the write-ahead log; absent if the database did not tell it, as a server does not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub wal_bytes: Option<i64>,
    /// How many updates the log has.
    pub log_rows: i64,
    /// The last update.
    #[serde(default)]
    pub log_end: i64,
    /// How many requests wait, in all queues.
    #[serde(default)]
    pub waiting: i64,
    /// How long the oldest of them has waited, in seconds; 0 for none.
    #[serde(default)]
    pub oldest_wait_seconds: i64,
    /// How many chats are active: an organizer has them.
    #[serde(default)]
    pub active_chats: i64,
    /// How many locks of closed requests wait to be released, because that has failed.
    #[serde(default)]
    pub lock_releases: i64,
    /// How long ago the chat ended whose lock has waited longest, in seconds; 0 for none.
    #[serde(default)]
    pub oldest_lock_release_seconds: i64,
    /// How long ago the messenger was last ticked, in seconds; up to 30 s too much.
    #[serde(default)]
    pub tick_age_seconds: i64,
    /// The canary's latest run; absent where none runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub canary: Option<Canary>,
}

/// What the participant service could not deliver to the messenger yet.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Undelivered {
    pub presses: i64,
    /// How long ago the oldest of them arrived; 0 for none.
    pub oldest_seconds: i64,
    /// Changes of contact details, deletions of accounts, and guests who have signed in.
    #[serde(default)]
    pub changes: i64,
    /// How long ago the oldest of them was made; 0 for none.
    #[serde(default)]
    pub oldest_change_seconds: i64,
}

/// The canary's latest run.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    /// Milliseconds since the run.
    pub age: i64,
    #[serde(flatten)]
    pub report: CanaryReport,
}

/// A run of the canary: `POST /internal/canary`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CanaryReport {
    /// The step at which the run failed; absent if it walked the whole path.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed_step: Option<String>,
    /// All steps up to that one, in order.
    pub steps: Vec<CanaryStep>,
}

/// How long the canary took for a step.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CanaryStep {
    pub name: String,
    pub milliseconds: u64,
}

/// An agency's queue.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    pub agency_id: i64,
    /// The next one first.
    pub waiting: Vec<Waiting>,
    /// Recent seconds from press to pickup; absent when there were no recent pickups.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub estimate: Option<u32>,
}

/// A request that waits.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    pub participant_id: i64,
    pub event_id: i64,
    /// Milliseconds since the press, when the answer was made.
    pub waited: i64,
}

/// One frame of one client, as the sidecar has parsed it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    pub principal: Principal,
    /// When the sidecar had read the frame, in milliseconds since the Unix epoch. It is shown to people and never
    /// compared.
    pub received_at: i64,
    /// The protocol of the client, and so of the reply.
    #[serde(skip_serializing_if = "Protocol::is_contract", default)]
    pub protocol: Protocol,
    pub request: Request,
}

/// What a client may ask for (contract 5.4 and PROTOCOL.md).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "type")]
pub enum Request {
    GetChats,
    GetChatHistory {
        chat_id: String,
        /// Only messages after this number.
        #[serde(skip_serializing_if = "is_zero", default)]
        after_seq: i64,
        /// The most messages; all if absent.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        limit: Option<i64>,
    },
    SendMessage {
        chat_id: String,
        message: String,
        /// The client's idempotency key (a UUID) for this message in this chat.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        client_id: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        lat: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none", default)]
        lng: Option<f64>,
    },
    StartChat {
        /// True: wait if the queue is empty. False: stop waiting. Absent: neither.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        wait: Option<bool>,
    },
    CloseChat {
        chat_id: String,
    },
    TransferChat {
        chat_id: String,
        /// The colleague who gets the chat.
        organizer_id: i64,
    },
    Typing {
        chat_id: String,
    },
    Read {
        chat_id: String,
        seq: i64,
    },
}

impl Request {
    /// Whether this is a question, which changes nothing. The messenger answers questions after all changes of their
    /// exchange.
    pub fn is_question(&self) -> bool {
        match self {
            Request::GetChats | Request::GetChatHistory { .. } => true,
            Request::SendMessage { .. }
            | Request::StartChat { .. }
            | Request::CloseChat { .. }
            | Request::TransferChat { .. }
            | Request::Typing { .. }
            | Request::Read { .. } => false,
        }
    }

    /// Whether a message has a position that is incomplete or not on Earth. The messenger stores the message without
    /// it.
    pub fn has_impossible_position(&self) -> bool {
        let Request::SendMessage { lat, lng, .. } = self else {
            return false;
        };
        match (lat, lng) {
            (None, None) => false,
            (Some(lat), Some(lng)) => !(-90.0..=90.0).contains(lat) || !(-180.0..=180.0).contains(lng),
            (Some(_), None) | (None, Some(_)) => true,
        }
    }

    /// The client's idempotency key. Only clients of protocol 2 have one.
    pub fn client_id(&self) -> Option<&str> {
        match self {
            Request::SendMessage { client_id, .. } => client_id.as_deref(),
            _ => None,
        }
    }
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::*;
    use crate::update::{Entry, entries, read_updates};

    fn read<T: DeserializeOwned>(body: &str) -> T {
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// While a release replaces the one before it, sidecars and messengers of both talk to each other. These bodies
    /// have what all releases write: a member that comes later is not added here, so it needs a default.
    #[test]
    fn a_release_reads_what_the_one_before_it_writes() {
        let exchange: Exchange = read(
            r#"{"sidecar":"019a","number":7,"cursor":{"id":16,"madeAt":1777629600093},"commands":[
                {"principal":{"realm":"participant","id":31},"receivedAt":1777629600100,
                    "request":{"type":"getChats"}},
                {"principal":{"realm":"participant","id":31},"receivedAt":1777629600101,"protocol":"two",
                    "request":{"type":"getChatHistory","chatId":"c"}},
                {"principal":{"realm":"participant","id":31},"receivedAt":1777629600102,
                    "request":{"type":"sendMessage","chatId":"c","message":"Hello"}},
                {"principal":{"realm":"organizer","id":12,"agencyId":4,"role":4},"receivedAt":1777629600103,
                    "request":{"type":"startChat"}},
                {"principal":{"realm":"organizer","id":12,"agencyId":4,"role":4},"receivedAt":1777629600104,
                    "request":{"type":"closeChat","chatId":"c"}},
                {"principal":{"realm":"organizer","id":12,"agencyId":4,"role":4},"receivedAt":1777629600105,
                    "request":{"type":"transferChat","chatId":"c","organizerId":13}},
                {"principal":{"realm":"organizer","id":12,"agencyId":4,"role":4},"receivedAt":1777629600106,
                    "request":{"type":"typing","chatId":"c"}},
                {"principal":{"realm":"organizer","id":12,"agencyId":4,"role":4},"receivedAt":1777629600107,
                    "request":{"type":"read","chatId":"c","seq":3}}
            ],"present":[{"organizerId":12,"agencyId":4,"silentFor":30}],"queues":[4]}"#,
        );
        let protocols = [exchange.commands[0].protocol, exchange.commands[1].protocol];
        assert_eq!(protocols, [Protocol::Contract, Protocol::Two]);
        assert_eq!(exchange.commands.len(), 8);
        // The release after it may write more.
        let beat: Exchange = read(r#"{"sidecar":"019a","number":8,"isNew":true}"#);
        assert!(beat.cursor.is_none() && beat.commands.is_empty() && beat.present.is_none());

        let answer = concat!(
            r#"{"at":{"id":17,"madeAt":1777629600120},"replies":[null,{"type":"chats"}],"committed":[17],"#,
            r#""queues":[{"agencyId":4,"waiting":[{"participantId":31,"eventId":2,"waited":900}]}]}"#,
            "\nupdate 17 1777629600120 1777629600093 69\n",
            "queue 4\n",
            "to 23 o12 p31\n",
            r#"{"type":"t","payload":{"seq":1}}"#,
            "\nto two p31\n{}\n",
            "update 0 1777629600121 0 15\n",
            "to both o12\n{}\n",
        );
        let (outcome, updates) = Outcome::read(answer).unwrap();
        assert_eq!((outcome.starts_anew, outcome.replies.len()), (false, 2));
        assert_eq!(
            (outcome.queues[0].agency_id, outcome.queues[0].estimate),
            (4, None)
        );
        let updates: Vec<_> = read_updates(updates).map(Result::unwrap).collect();
        let ids: Vec<_> = updates.iter().map(|update| update.cursor.id).collect();
        assert_eq!(ids, [17, 0]);
        let entries: Vec<_> = entries(updates[0].body).map(Result::unwrap).collect();
        let [
            Entry::Queue(4),
            Entry::Delivery { to, frame },
            Entry::Delivery { .. },
        ] = entries[..]
        else {
            panic!("{entries:?}");
        };
        assert_eq!(to.iter().count(), 2);
        let line = frame.line_for(Protocol::Contract);
        assert_eq!(line.as_deref(), Some("{\"type\":\"t\",\"payload\":{}}\n"));

        let asked: Authenticate = read(r#"{"authorizations":["Bearer participant:x"]}"#);
        assert_eq!(asked.authorizations.len(), 1);
        let authenticated: Authenticated = read(
            r#"{"verdicts":[{"verdict":"accepted","principal":{"realm":"participant","id":31}},
                {"verdict":"rejected"},{"verdict":"unavailable"}],"after":{"id":16,"madeAt":1777629600093}}"#,
        );
        assert_eq!(
            authenticated.verdicts[1..],
            [Verdict::Rejected, Verdict::Unavailable]
        );

        assert_eq!(read::<RevocationCursor>("{}"), RevocationCursor::default());
        let revocations: Revocations = read(
            r#"{"next":{"organizer":5,"participant":6},"users":[{"realm":"organizer","id":12}],"agencies":[4],
                "unknown":["participant"]}"#,
        );
        let next = RevocationCursor {
            organizer: Some(5),
            participant: Some(6),
        };
        assert_eq!(revocations.next, next);
        assert!(!revocations.is_empty() && revocations.unavailable.is_empty());

        let status: Status = read(r#"{"logRows":17}"#);
        assert_eq!(
            (status.log_rows, status.tick_age_seconds, status.canary),
            (17, 0, None)
        );
        read::<Undelivered>(r#"{"presses":1,"oldestSeconds":61}"#);
        read::<CanaryReport>(r#"{"steps":[{"name":"press","milliseconds":13}]}"#);
    }

    #[test]
    fn an_outcome_is_read_as_it_was_written() {
        let outcome = Outcome {
            at: Cursor { id: 3, made_at: 5 },
            starts_anew: false,
            replies: vec![
                None,
                Some(RawValue::from_string("{\"type\":\"t\"}".to_owned()).unwrap()),
            ],
            committed: vec![3],
            queues: Vec::new(),
        };
        let text = outcome.write("update 3 5 0\n").unwrap();
        let (read, updates) = Outcome::read(&text).unwrap();
        assert_eq!(read.at, outcome.at);
        assert!(read.replies[0].is_none());
        assert_eq!(read.replies[1].as_ref().unwrap().get(), "{\"type\":\"t\"}");
        assert_eq!((read.committed, updates), (vec![3], "update 3 5 0\n"));
    }
}
