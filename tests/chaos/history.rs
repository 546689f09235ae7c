//! What the clients have seen and done. Clients add to it, and the checks read it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch, as in the databases. All processes share one clock.
pub(crate) type Millis = i64;

pub(crate) fn now() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(Millis::MAX)
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Side {
    Organizer,
    Participant,
}

/// A user. The two sides number their users independently.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct User {
    pub(crate) side: Side,
    pub(crate) id: i64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    Contract,
    Two,
}

/// Everything that is judged at the end, besides the databases.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) clients: Vec<Log>,
    pub(crate) presses: Vec<Press>,
    pub(crate) faults: Vec<Disturbance>,
    pub(crate) restores: Vec<Restore>,
}

/// How long after a fault the system may need to recover: processes retry connections with growing pauses.
const AFTER_A_FAULT: Millis = 4_000;

impl History {
    /// Whether nothing was broken at a moment and shortly before it.
    pub(crate) fn was_calm_at(&self, at: Millis) -> bool {
        self.faults
            .iter()
            .all(|fault| fault.began_at > at || fault.ended_at < at - AFTER_A_FAULT)
    }

    /// Whether a restore may have undone a message or a chat with this id. A client may see it later: what was on its
    /// way, or what a sidecar that does not know of the restore yet shows, before it tells the client to look again.
    pub(crate) fn may_be_lost(&self, id: &str) -> bool {
        let made_at = id
            .get(..12)
            .and_then(|time| Millis::from_str_radix(time, 16).ok());
        made_at.is_some_and(|at| self.may_be_undone(at))
    }

    /// Whether a restore may have undone what a client saw at a moment.
    pub(crate) fn may_be_undone(&self, at: Millis) -> bool {
        self.restores.iter().any(|restore| restore.undoes(at))
    }
}

/// The messenger's database was replaced by an older copy of it.
#[derive(Clone, Debug)]
pub(crate) struct Restore {
    /// When the copy was started. What was acknowledged before is in it.
    pub(crate) copied_at: Millis,
    /// When the hosts were asked to stop.
    pub(crate) began_at: Millis,
    /// When the copy was in place. What was acknowledged before, and after `copied_at`, may be lost.
    pub(crate) restored_at: Millis,
    /// When the hosts were up again.
    pub(crate) ended_at: Millis,
}

impl Restore {
    pub(crate) fn undoes(&self, at: Millis) -> bool {
        (self.copied_at..=self.restored_at).contains(&at)
    }

    pub(crate) fn disturbance(&self) -> Disturbance {
        Disturbance {
            kind: "restore",
            began_at: self.began_at,
            ended_at: self.ended_at,
        }
    }
}

/// One client's log.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) name: String,
    pub(crate) user: User,
    pub(crate) protocol: Protocol,
    pub(crate) sent: Vec<Sent>,
    /// Every `user_message` in the order it came.
    pub(crate) live: Vec<Live>,
    /// All connections. The first one has number 1.
    pub(crate) connections: Vec<Connection>,
    /// When the client first saw each chat.
    pub(crate) known: BTreeMap<String, Millis>,
    /// The messages that the client shows of each chat, from number 1 without gaps (protocol 2).
    pub(crate) shown: BTreeMap<String, Vec<Message>>,
    /// By chat, the ids of all messages that came over the current connection, live or in a history (contract).
    pub(crate) seen: BTreeMap<String, BTreeSet<String>>,
    /// The chats for which `closed_chat` came, and when it came last.
    pub(crate) closed: BTreeMap<String, Millis>,
    /// The chats that the client shows as open.
    pub(crate) open: BTreeSet<String>,
    /// What the client read of each chat at the end of the run.
    pub(crate) read_at_the_end: BTreeMap<String, Vec<Message>>,
    /// The chats that it could not read at the end because the answer was an error, with the answer.
    pub(crate) refused_at_the_end: BTreeMap<String, String>,
    /// Pairs of different acknowledgements of the same message, in their order.
    pub(crate) changed_saves: Vec<[Saved; 2]>,
    pub(crate) given: Vec<Given>,
    pub(crate) positions: Vec<Position>,
    /// What a client must never see, found while the run goes on.
    pub(crate) oddities: Vec<String>,
    pub(crate) tally: Tally,
    pub(crate) is_connected: bool,
    pub(crate) has_read_everything: bool,
}

/// A connection of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    /// When its first answer came.
    pub(crate) served_at: Option<Millis>,
    pub(crate) ended_at: Option<Millis>,
    pub(crate) resyncs: Vec<Resync>,
}

/// A `resync` frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resync {
    pub(crate) at: Millis,
    /// How many of `Log::live` came before it.
    pub(crate) place: usize,
}

/// How often something happened to a client.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connections: usize,
    pub(crate) resyncs: usize,
    pub(crate) gaps: usize,
    pub(crate) transfers: usize,
    pub(crate) requeues: usize,
}

impl Log {
    pub(crate) fn new(name: &str, user: User, protocol: Protocol) -> Log {
        Log {
            name: name.to_owned(),
            user,
            protocol,
            sent: Vec::new(),
            live: Vec::new(),
            connections: Vec::new(),
            known: BTreeMap::new(),
            shown: BTreeMap::new(),
            seen: BTreeMap::new(),
            closed: BTreeMap::new(),
            open: BTreeSet::new(),
            read_at_the_end: BTreeMap::new(),
            refused_at_the_end: BTreeMap::new(),
            changed_saves: Vec::new(),
            given: Vec::new(),
            positions: Vec::new(),
            oddities: Vec::new(),
            tally: Tally::default(),
            is_connected: false,
            has_read_everything: false,
        }
    }

    /// Handles a received message. The client shows it if it is the next one of its chat. A known one is compared.
    pub(crate) fn take(&mut self, message: Message) -> Taken {
        let shown = self.shown.entry(message.chat_id.clone()).or_default();
        let next = shown.len() as i64 + 1;
        if message.seq == next {
            shown.push(message);
            return Taken::Shown;
        }
        if message.seq > next {
            return Taken::BehindAGap;
        }
        let known = usize::try_from(message.seq - 1)
            .ok()
            .and_then(|place| shown.get(place));
        if known != Some(&message) {
            self.oddities.push(format!(
                "was shown {known:?} and then {message:?} with the same number"
            ));
        }
        Taken::Known
    }

    /// The chats that the client has ever known and has not read at the end yet.
    pub(crate) fn unread_at_the_end(&self) -> Vec<String> {
        let is_done = |id: &&String| {
            self.read_at_the_end.contains_key(*id) || self.refused_at_the_end.contains_key(*id)
        };
        self.known.keys().filter(|id| !is_done(id)).cloned().collect()
    }

    /// The current connection.
    pub(crate) fn connection(&mut self) -> Option<&mut Connection> {
        self.connections.last_mut()
    }

    /// The number of the last message shown.
    pub(crate) fn last_shown(&self, chat_id: &str) -> i64 {
        self.shown.get(chat_id).map_or(0, |shown| shown.len() as i64)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Taken {
    Shown,
    Known,
    /// A message before it is missing.
    BehindAGap,
}

/// A message as a client or the database has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Message {
    pub(crate) chat_id: String,
    pub(crate) seq: i64,
    pub(crate) id: String,
    pub(crate) author: User,
    pub(crate) content: String,
}

/// A `user_message` as it came.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) connection: usize,
    pub(crate) chat_id: String,
    pub(crate) id: String,
    /// Contract clients get no numbers.
    pub(crate) seq: Option<i64>,
    pub(crate) at: Millis,
}

/// A message that a client has sent. Contents are unique.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) chat_id: String,
    pub(crate) content: String,
    pub(crate) client_id: Option<String>,
    /// The connection of each time it was sent.
    pub(crate) on: Vec<usize>,
    pub(crate) saved: Option<Saved>,
    /// It was answered with an error at least once.
    pub(crate) failed: bool,
    /// The last answer was an error after which the client gave up.
    pub(crate) refused: bool,
}

/// A `message_saved` frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Saved {
    pub(crate) id: String,
    pub(crate) seq: i64,
    pub(crate) at: Millis,
}

/// A `new_chat` frame, which says whose chat it is.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) chat_id: String,
    pub(crate) organizer_id: i64,
    /// The number of the last message before it. Contract clients get none.
    pub(crate) last_seq: Option<i64>,
    pub(crate) at: Millis,
}

/// A `queue_position` frame.
#[derive(Clone, Debug)]
pub(crate) struct Position {
    pub(crate) event_id: i64,
    pub(crate) position: i64,
    pub(crate) at: Millis,
}

/// A press for help, with all attempts until its outcome was clear. Descriptions are unique.
#[derive(Clone, Debug)]
pub(crate) struct Press {
    pub(crate) participant_id: i64,
    pub(crate) agency_id: i64,
    pub(crate) event_id: i64,
    pub(crate) description: String,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) cancels: Vec<Cancel>,
    /// When `GET /chat-requests/mine` showed the request in the queue.
    pub(crate) standings: Vec<Standing>,
    /// When the participant changed the phone number meanwhile.
    pub(crate) new_phone_numbers: Vec<Millis>,
}

#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) sent_at: Millis,
    pub(crate) answered_at: Millis,
    pub(crate) answer: PressAnswer,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PressAnswer {
    Accepted,
    /// There is an open request already, from an earlier attempt.
    Exists,
    /// No answer, or one that does not tell what happened.
    Unclear,
}

#[derive(Clone, Debug)]
pub(crate) struct Cancel {
    pub(crate) answered_at: Millis,
    pub(crate) answer: CancelAnswer,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CancelAnswer {
    TakenBack,
    TooLate,
    NotFound,
    Unclear,
}

/// At some moment between these two, the request was in the messenger's queue.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) asked_at: Millis,
    pub(crate) answered_at: Millis,
}

impl Press {
    pub(crate) fn count(&self, answer: PressAnswer) -> usize {
        self.attempts
            .iter()
            .filter(|attempt| attempt.answer == answer)
            .count()
    }

    /// Whether the first attempt was accepted, so that there is no second request.
    pub(crate) fn is_clear(&self) -> bool {
        self.attempts.len() == 1 && self.count(PressAnswer::Accepted) == 1
    }

    pub(crate) fn may_be_cancelled(&self) -> bool {
        self.cancels
            .iter()
            .any(|cancel| matches!(cancel.answer, CancelAnswer::TakenBack | CancelAnswer::Unclear))
    }

    pub(crate) fn first_sent_at(&self) -> Millis {
        self.attempts
            .first()
            .map_or(Millis::MAX, |attempt| attempt.sent_at)
    }
}

/// A fault, from its start until everything that it broke worked again.
#[derive(Clone, Debug)]
pub(crate) struct Disturbance {
    pub(crate) kind: &'static str,
    pub(crate) began_at: Millis,
    pub(crate) ended_at: Millis,
}
