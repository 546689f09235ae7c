//! What happened, as those saw it to whom it happened. Clients only ever add to it, and the checks only read it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch, as in the databases: all processes have the same clock.
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

/// Ids of the two sides overlap.
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

/// All that is known at the end, but for the databases.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) clients: Vec<Log>,
    pub(crate) presses: Vec<Press>,
    pub(crate) faults: Vec<Disturbance>,
}

/// After a fault it takes a while until everything flows again: links are made anew with growing pauses.
const AFTER_A_FAULT: Millis = 4_000;

impl History {
    /// Whether nothing was broken at a moment and for a while before.
    pub(crate) fn was_calm_at(&self, at: Millis) -> bool {
        self.faults
            .iter()
            .all(|fault| fault.began_at > at || fault.ended_at < at - AFTER_A_FAULT)
    }
}

/// One client's log: a phone, a browser at a desk.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) name: String,
    pub(crate) user: User,
    pub(crate) protocol: Protocol,
    pub(crate) sent: Vec<Sent>,
    /// Every `user_message` in the order it came.
    pub(crate) live: Vec<Live>,
    /// What the client shows of each chat, from number 1 without gaps (protocol 2).
    pub(crate) shown: BTreeMap<String, Vec<Message>>,
    /// By chat, the ids of all messages that came over the connection of now, live or in a history (contract).
    pub(crate) seen: BTreeMap<String, BTreeSet<String>>,
    /// The chats it was told are closed.
    pub(crate) closed: BTreeSet<String>,
    /// The chats it has on its screen as open.
    pub(crate) open: BTreeSet<String>,
    /// What it read of each chat at the end, all of it at once.
    pub(crate) read_at_the_end: BTreeMap<String, Vec<Message>>,
    pub(crate) given: Vec<Given>,
    pub(crate) positions: Vec<Position>,
    /// What must not be seen, whatever the checks say.
    pub(crate) oddities: Vec<String>,
    pub(crate) tally: Tally,
    pub(crate) is_connected: bool,
    pub(crate) has_read_everything: bool,
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
            shown: BTreeMap::new(),
            seen: BTreeMap::new(),
            closed: BTreeSet::new(),
            open: BTreeSet::new(),
            read_at_the_end: BTreeMap::new(),
            given: Vec::new(),
            positions: Vec::new(),
            oddities: Vec::new(),
            tally: Tally::default(),
            is_connected: false,
            has_read_everything: false,
        }
    }

    /// Takes in a message that the client has received; what comes next in its chat is shown, and everything else is only compared.
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

    /// The chats it has known and has not read whole yet.
    pub(crate) fn unread_at_the_end(&self) -> Vec<String> {
        let given = self.given.iter().map(|given| &given.chat_id);
        let known: BTreeSet<&String> = given.chain(self.shown.keys()).collect();
        known
            .into_iter()
            .filter(|id| !self.read_at_the_end.contains_key(*id))
            .cloned()
            .collect()
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
    /// Something before it is missing.
    BehindAGap,
}

/// A message as a client, or the database, has it.
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
    /// Clients of the contract see no numbers.
    pub(crate) seq: Option<i64>,
    pub(crate) at: Millis,
}

/// Something a client wanted to say. Contents are unique.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) chat_id: String,
    pub(crate) content: String,
    pub(crate) client_id: Option<String>,
    /// On which connections it was sent, once for each time.
    pub(crate) on: Vec<usize>,
    pub(crate) saved: Option<Saved>,
    /// It was answered with an error at least once.
    pub(crate) failed: bool,
    /// The last answer was that there is no access to the chat.
    pub(crate) refused: bool,
}

/// What `message_saved` says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Saved {
    pub(crate) id: String,
    pub(crate) seq: i64,
}

/// A `new_chat` frame: whose chat it is from then on.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) chat_id: String,
    pub(crate) organizer_id: i64,
    /// What had been said before; clients of the contract are not told.
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

/// Somebody's wish for help: pressed until it was clear what came of it. Descriptions are unique.
#[derive(Clone, Debug)]
pub(crate) struct Press {
    pub(crate) participant_id: i64,
    pub(crate) agency_id: i64,
    pub(crate) event_id: i64,
    pub(crate) description: String,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) cancels: Vec<Cancel>,
    /// What `GET /chat-requests/mine` said meanwhile.
    pub(crate) standings: Vec<Standing>,
    /// How often the participant got another phone number meanwhile.
    pub(crate) new_phone_numbers: usize,
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
    /// There is an open request already: an earlier attempt's.
    Exists,
    /// No answer, or one that says nothing about what happened.
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

/// Asked between two moments, a request was waiting in the messenger's queue.
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

    /// Accepted at once, so that it cannot have left a second request behind.
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

/// A fault, from its beginning until what it concerned was at work again.
#[derive(Clone, Debug)]
pub(crate) struct Disturbance {
    pub(crate) kind: &'static str,
    pub(crate) began_at: Millis,
    pub(crate) ended_at: Millis,
}
