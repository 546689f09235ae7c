//! What must hold at the end, each rule a function from what people saw and what is on record to the cases that break it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use super::database::{Chat, Record};
use super::history::{
    CancelAnswer, History, Message, Millis, Position, Press, PressAnswer, Protocol, Side, User,
};

/// What the messenger makes of a description.
const DESCRIPTION: &str = "Problem description: ";

/// A position is pushed within a second; a busy machine gets as much again.
const POSITION_IS_NEWS: Millis = 2_000;

/// A case that breaks a rule.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Violation {
    pub(crate) rule: &'static str,
    pub(crate) case: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(text, "{}: {}", self.rule, self.case)
    }
}

/// Collects the cases that break one rule.
struct Cases {
    rule: &'static str,
    found: Vec<Violation>,
}

impl Cases {
    fn of(rule: &'static str) -> Cases {
        Cases {
            rule,
            found: Vec::new(),
        }
    }

    fn add(&mut self, case: String) {
        self.found.push(Violation {
            rule: self.rule,
            case,
        });
    }
}

/// Every rule at once.
pub(crate) fn all(history: &History, record: &Record) -> Vec<Violation> {
    let rules = [
        databases_are_whole(record),
        messages_are_numbered(record),
        acknowledged_messages_are_stored_once(history, record),
        what_is_stored_was_sent(history, record),
        everybody_has_read_the_record(history, record),
        what_was_shown_is_on_record(history, record),
        contract_clients_saw_nothing_twice(history),
        messages_came_in_order(history, record),
        senders_are_heard_in_order(history, record),
        nobody_is_refused_in_an_own_chat(history, record),
        what_is_closed_stays_closed(history, record),
        presses_are_kept(history, record),
        locks_are_those_of_open_requests(record),
        who_is_being_helped_can_be_reached(record),
        chats_have_one_organizer(history, record),
        first_come_first_served(history, record),
        positions_were_right(history, record).0,
        nothing_odd_was_seen(history),
    ];
    rules.into_iter().flatten().collect()
}

fn databases_are_whole(record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("databases are whole");
    for line in &record.damage {
        cases.add(line.clone());
    }
    cases.found
}

/// Messages of a chat are numbered from 1 without gaps, and their ids are unique.
fn messages_are_numbered(record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("messages are numbered without gaps");
    let mut ids = HashSet::new();
    for (chat_id, messages) in &record.messages {
        let numbers: Vec<i64> = messages.iter().map(|stored| stored.message.seq).collect();
        if numbers.iter().zip(1..).any(|(number, place)| *number != place) {
            cases.add(format!("chat {chat_id} has the numbers {numbers:?}"));
        }
        for stored in messages {
            if !ids.insert(&stored.message.id) {
                cases.add(format!("the id of {:?} is not its own", stored.message));
            }
        }
    }
    cases.found
}

/// What `message_saved` has promised is there, once, and as it was sent.
fn acknowledged_messages_are_stored_once(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("acknowledged messages are stored once");
    let stored = by_content(record);
    for log in &history.clients {
        for sent in &log.sent {
            let Some(saved) = &sent.saved else { continue };
            let found = stored.get(sent.content.as_str()).map_or(&[][..], Vec::as_slice);
            let is_as_promised = |message: &Message| {
                message.chat_id == sent.chat_id
                    && message.author == log.user
                    && message.seq == saved.seq
                    && message.id == saved.id
            };
            match found {
                [message] if is_as_promised(message) => {}
                _ => cases.add(format!("{sent:?} of {} is stored as {found:?}", log.name)),
            }
        }
    }
    cases.found
}

/// Nothing is on record that nobody has said, and nothing more often than it was said: with a client's own id once.
fn what_is_stored_was_sent(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("what is stored was sent");
    let mut sent = HashMap::new();
    for log in &history.clients {
        for said in &log.sent {
            sent.insert(said.content.as_str(), (log.user, said));
        }
    }
    for (content, found) in by_content(record) {
        let Some((author, said)) = sent.get(content) else {
            // Descriptions are for `presses_are_kept`.
            if !content.starts_with(DESCRIPTION) {
                cases.add(format!("nobody has said {found:?}"));
            }
            continue;
        };
        let is_theirs = |message: &&Message| message.author == *author && message.chat_id == said.chat_id;
        if !found.iter().all(is_theirs) {
            cases.add(format!("{said:?} is stored elsewhere, as {found:?}"));
        }
        // A client of the contract sends everything once.
        if found.len() > 1 {
            cases.add(format!("{said:?} is stored {} times: {found:?}", found.len()));
        }
    }
    cases.found
}

/// Each client has, after its last catch-up, all messages of its chats in their order, and knows all chats that are open to it.
fn everybody_has_read_the_record(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("everybody has read the record");
    for log in &history.clients {
        for (chat_id, read) in &log.read_at_the_end {
            if let Some(difference) = difference(read, record, chat_id, true) {
                cases.add(format!("{} has read chat {chat_id} and {difference}", log.name));
            }
        }
        for chat_id in log.unread_at_the_end() {
            cases.add(format!("{} could not read chat {chat_id}", log.name));
        }
    }
    cases.found.extend(everybody_is_up_to_date(history, record));
    cases.found
}

/// Without having been asked to catch up, each client that is connected has everything of the chats that are open to it. One of protocol 2 has been
/// shown it, or been told that it lacks something; one of the contract has been shown what was said since it came.
pub(crate) fn everybody_is_up_to_date(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("everybody is up to date");
    for log in &history.clients {
        let open: BTreeSet<&String> = record.open_to(log.user).map(|chat| &chat.id).collect();
        let known: BTreeSet<&String> = log.open.iter().collect();
        if open != known {
            cases.add(format!(
                "{} knows the open chats {known:?}, and they are {open:?}",
                log.name
            ));
        }
        if log.protocol == Protocol::Contract {
            let of_open = log.seen.iter().filter(|(chat_id, _)| open.contains(chat_id));
            for (chat_id, seen) in of_open {
                let mut stored = record.messages_of(chat_id);
                // Whoever takes a chat over reads what came before in the history.
                if log.user.side == Side::Organizer
                    && let Some(note) = stored.iter().rposition(|stored| stored.is_system)
                {
                    stored = &stored[note + 1..];
                }
                let since_it_came = stored
                    .iter()
                    .skip_while(|stored| !seen.contains(&stored.message.id));
                for unseen in since_it_came.filter(|stored| !seen.contains(&stored.message.id)) {
                    cases.add(format!("{} was not shown {unseen:?}", log.name));
                }
            }
            continue;
        }
        let nothing = Vec::new();
        for chat_id in open {
            let shown = log.shown.get(chat_id).unwrap_or(&nothing);
            if let Some(difference) = difference(shown, record, chat_id, true) {
                cases.add(format!("{} is shown chat {chat_id} and {difference}", log.name));
            }
        }
    }
    cases.found
}

/// What a client was shown is on record in the same place, in all chats, also those it has left.
fn what_was_shown_is_on_record(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("what was shown is on record");
    for log in &history.clients {
        for (chat_id, shown) in &log.shown {
            if let Some(difference) = difference(shown, record, chat_id, false) {
                cases.add(format!("{} was shown chat {chat_id} and {difference}", log.name));
            }
        }
        for live in &log.live {
            let stored = record.messages_of(&live.chat_id);
            let known = stored.iter().find(|stored| stored.message.id == live.id);
            let is_right = known.is_some_and(|stored| live.seq.is_none_or(|seq| seq == stored.message.seq));
            if !is_right {
                cases.add(format!("{} was shown {live:?}, stored as {known:?}", log.name));
            }
        }
    }
    cases.found
}

/// Where a list of messages differs from a chat's record. One that need not be whole may end early.
fn difference(messages: &[Message], record: &Record, chat_id: &str, whole: bool) -> Option<String> {
    let stored = record.messages_of(chat_id);
    let different = messages
        .iter()
        .enumerate()
        .find(|(place, message)| stored.get(*place).map(|stored| &stored.message) != Some(message));
    if let Some((place, message)) = different {
        let stored = stored.get(place).map(|stored| &stored.message);
        return Some(format!("has {message:?} where there is {stored:?}"));
    }
    let lacks = &stored[messages.len()..];
    match lacks.first() {
        Some(first) if whole => Some(format!(
            "lacks {} messages from {:?} on",
            lacks.len(),
            first.message
        )),
        _ => None,
    }
}

/// A client of the contract drops nothing that it sees twice, so on one connection it sees every message once.
fn contract_clients_saw_nothing_twice(history: &History) -> Vec<Violation> {
    let mut cases = Cases::of("contract clients see nothing twice");
    for log in &history.clients {
        if log.protocol == Protocol::Two {
            continue;
        }
        let mut seen = HashSet::new();
        for live in &log.live {
            if !seen.insert((live.connection, &live.id)) {
                cases.add(format!("{} was shown {live:?} twice", log.name));
            }
        }
    }
    cases.found
}

/// On one connection messages come in their order while nothing is broken. In a storm what is late is shown late, rather than not at all.
fn messages_came_in_order(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("messages come in order");
    let numbers: HashMap<&str, i64> = record
        .messages
        .values()
        .flatten()
        .map(|stored| (stored.message.id.as_str(), stored.message.seq))
        .collect();
    for log in &history.clients {
        let mut last = BTreeMap::new();
        let mut seen = HashSet::new();
        // What is sent again is shown again.
        for live in log
            .live
            .iter()
            .filter(|live| seen.insert((live.connection, &live.id)))
        {
            let Some(&number) = numbers.get(live.id.as_str()) else {
                continue;
            };
            let before = last.insert((live.connection, &live.chat_id), number);
            if before.is_some_and(|before| before > number) && history.was_calm_at(live.at) {
                cases.add(format!(
                    "{} was shown {live:?}, number {number}, after {before:?}",
                    log.name
                ));
            }
        }
    }
    cases.found
}

/// What a client sends on one connection, once and without an error, is stored in the order it was sent.
fn senders_are_heard_in_order(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("senders are heard in order");
    let stored = by_content(record);
    for log in &history.clients {
        let mut last: BTreeMap<(&str, usize), &Message> = BTreeMap::new();
        for sent in &log.sent {
            let ([connection], false) = (sent.on.as_slice(), sent.failed) else {
                continue;
            };
            let Some([message]) = stored.get(sent.content.as_str()).map(Vec::as_slice) else {
                continue;
            };
            let before = last.insert((&sent.chat_id, *connection), message);
            if let Some(before) = before.filter(|before| before.seq > message.seq) {
                cases.add(format!("{} said {before:?} before {message:?}", log.name));
            }
        }
    }
    cases.found
}

/// Who may say something in a chat is not told otherwise: until it ends its participant may, and so may its organizer unless it has changed
/// hands.
fn nobody_is_refused_in_an_own_chat(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("nobody is refused in an own chat");
    for log in &history.clients {
        let open: BTreeSet<&str> = record
            .open_to(log.user)
            .filter(|chat| log.user.side == Side::Participant || !record.has_notes(&chat.id))
            .map(|chat| chat.id.as_str())
            .collect();
        let refused = log.sent.iter().filter(|sent| sent.refused);
        for sent in refused.filter(|sent| open.contains(sent.chat_id.as_str())) {
            cases.add(format!("{} was refused {sent:?}", log.name));
        }
    }
    cases.found
}

/// A chat that somebody was told is closed has ended. Clients of the contract are told so too when somebody else takes over.
fn what_is_closed_stays_closed(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("what is closed stays closed");
    let ended: BTreeSet<&String> = record
        .chats
        .iter()
        .filter(|chat| chat.state == "ended")
        .map(|chat| &chat.id)
        .collect();
    for log in &history.clients {
        if log.protocol == Protocol::Contract {
            continue;
        }
        for chat_id in log.closed.iter().filter(|id| !ended.contains(id)) {
            cases.add(format!("{} was told that chat {chat_id} is closed", log.name));
        }
    }
    cases.found
}

/// Each press that was acknowledged is one request, which waits, is led or has ended, unless its participant took it back; and there is no
/// request that nobody pressed for.
fn presses_are_kept(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("presses are kept");
    let requests = requests(record);
    let mut pressed = HashSet::new();
    for press in &history.presses {
        pressed.insert(press.description.as_str());
        let found = requests.get(press.description.as_str()).map_or(0, BTreeSet::len);
        let accepted = press.count(PressAnswer::Accepted);
        let unclear = press.count(PressAnswer::Unclear);
        // There was no open request before, so one that exists is this one.
        let is_sure = accepted > 0 || press.count(PressAnswer::Exists) > 0;
        let least = usize::from(is_sure && !press.may_be_cancelled());
        if !(least..=accepted + unclear).contains(&found) {
            cases.add(format!("{press:?} has led to {found} requests"));
        }
        let is_taken_back = press
            .cancels
            .iter()
            .any(|cancel| cancel.answer == CancelAnswer::TakenBack);
        if is_taken_back && press.is_clear() {
            let still_open = chats_of(press, record).find(|chat| chat.state != "ended");
            if let Some(chat) = still_open {
                cases.add(format!("{press:?} was taken back and is {chat:?}"));
            }
        }
    }
    for (description, requests) in requests {
        if !pressed.contains(description) {
            cases.add(format!("nobody has pressed for {requests:?}, {description}"));
        }
    }
    cases.found
}

/// Once no outbox has anything left, locks are held by open requests and by nothing else.
fn locks_are_those_of_open_requests(record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("locks are those of open requests");
    if !record.undelivered.is_empty() || record.unreleased > 0 {
        cases.add(format!(
            "{} presses wait in an outbox, and {} releases",
            record.undelivered.len(),
            record.unreleased
        ));
        return cases.found;
    }
    let open = record.chats.iter().filter(|chat| chat.state != "ended");
    let open: BTreeSet<_> = open
        .map(|chat| (chat.participant_id, chat.event_id, chat.request_id.as_str()))
        .collect();
    let locks: BTreeSet<_> = record
        .locks
        .iter()
        .map(|lock| (lock.participant_id, lock.event_id, lock.request_id.as_str()))
        .collect();
    for lock in locks.difference(&open) {
        cases.add(format!("{lock:?} is locked for nothing"));
    }
    for request in open.difference(&locks) {
        cases.add(format!("{request:?} is open without a lock"));
    }
    cases.found
}

/// Once nothing is left to be told, the messenger knows the phone numbers of all who have open requests.
fn who_is_being_helped_can_be_reached(record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("who is being helped can be reached");
    if record.untold > 0 {
        cases.add(format!(
            "{} changes of contacts have not been told",
            record.untold
        ));
        return cases.found;
    }
    let open = record.chats.iter().filter(|chat| chat.state != "ended");
    let waiting: BTreeSet<i64> = open.map(|chat| chat.participant_id).collect();
    for id in waiting {
        let (known, current) = (record.known_phone_numbers.get(&id), record.phone_numbers.get(&id));
        if known != current {
            cases.add(format!(
                "participant {id} has the number {current:?}, and known is {known:?}"
            ));
        }
    }
    cases.found
}

/// A chat has one organizer at a time. Its log notes each change, in the name of who had it before: between two notes one organizer speaks,
/// and whoever was given the chat in between is that one.
fn chats_have_one_organizer(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("chats have one organizer");
    for chat in &record.chats {
        let messages = record.messages_of(&chat.id);
        let notes: Vec<&Message> = messages
            .iter()
            .filter(|stored| stored.is_system)
            .map(|stored| &stored.message)
            .collect();
        // Whose chat it was when a message got its number.
        let owner = |seq: i64| {
            let next_note = notes.iter().find(|note| note.seq >= seq);
            next_note.map_or(chat.organizer_id, |note| Some(note.author.id))
        };
        for stored in messages {
            let Message { author, seq, .. } = stored.message;
            if author.side == Side::Organizer && owner(seq) != Some(author.id) {
                let owner = owner(seq);
                cases.add(format!("{:?} was said in the chat of {owner:?}", stored.message));
            }
        }
        let given = history.clients.iter().flat_map(|log| &log.given);
        for given in given.filter(|given| given.chat_id == chat.id) {
            let Some(last_seq) = given.last_seq else { continue };
            if owner(last_seq + 1) != Some(given.organizer_id) {
                cases.add(format!(
                    "{given:?}, and it is the chat of {:?}",
                    owner(last_seq + 1)
                ));
            }
        }
    }
    cases.found
}

/// Nobody is taken while somebody of the same agency waits who was known to wait before and pressed earlier.
fn first_come_first_served(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("first come, first served");
    let first_seen = first_seen(history);
    for press in history.presses.iter().filter(|press| press.is_clear()) {
        let Some(chat) = chats_of(press, record).next() else {
            continue;
        };
        if record.has_notes(&chat.id) {
            continue;
        }
        let standings = press.standings.iter();
        let (Some(from), Some(until)) = (
            standings.clone().map(|standing| standing.answered_at).min(),
            standings.map(|standing| standing.asked_at).max(),
        ) else {
            continue;
        };
        // Whoever was taken entirely within the time in which this one waited for certain.
        let overtook = record.chats.iter().find(|other| {
            let begun = other.time_start;
            let seen = first_seen.get(other.id.as_str());
            other.agency_id == chat.agency_id
                && (other.pressed_at, other.arrival) > (chat.pressed_at, chat.arrival)
                && begun.is_some_and(|begun| begun > from)
                && seen.is_some_and(|seen| *seen < until)
        });
        if let Some(other) = overtook {
            cases.add(format!("{other:?} was taken before {chat:?}"));
        }
    }
    cases.found
}

/// When a chat was first seen to have been taken.
fn first_seen(history: &History) -> HashMap<&str, Millis> {
    let mut first = HashMap::new();
    for given in history.clients.iter().flat_map(|log| &log.given) {
        let at = first.entry(given.chat_id.as_str()).or_insert(given.at);
        *at = given.at.min(*at);
    }
    first
}

/// How many positions could be judged, and which were wrong by more than one change though nothing was broken.
pub(crate) fn positions_were_right(history: &History, record: &Record) -> (Vec<Violation>, usize) {
    let mut cases = Cases::of("positions were right");
    let mut judged = 0;
    let queue = Queue::of(history, record);
    for log in &history.clients {
        for position in &log.positions {
            let from = position.at - POSITION_IS_NEWS;
            let Some(chat) = waiting_at(position, log.user, history, record) else {
                continue;
            };
            if !history.was_calm_at(position.at) || record.has_notes(&chat.id) {
                continue;
            }
            judged += 1;
            let (least, most) = queue.bounds(chat, from, position.at);
            // One change may be under way.
            if position.position < least - 1 || position.position > most + 1 {
                cases.add(format!(
                    "{} was told {position:?}, and it was between {least} and {most} for {chat:?}",
                    log.name
                ));
            }
        }
    }
    (cases.found, judged)
}

/// Which chat a position is about, if that is clear.
fn waiting_at<'a>(
    position: &Position,
    user: User,
    history: &History,
    record: &'a Record,
) -> Option<&'a Chat> {
    let press = history
        .presses
        .iter()
        .filter(|press| {
            press.participant_id == user.id
                && press.event_id == position.event_id
                && press.first_sent_at() <= position.at
        })
        .max_by_key(|press| press.first_sent_at())?;
    chats_of(press, record).next().filter(|_| press.is_clear())
}

/// Who was in which agency's queue, and when: for certain, and perhaps.
struct Queue<'a>(Vec<Stay<'a>>);

struct Stay<'a> {
    agency_id: i64,
    pressed_at: Millis,
    /// None for a request that left nothing.
    chat: Option<&'a Chat>,
    certain: Option<(Millis, Millis)>,
    perhaps: (Millis, Millis),
}

impl<'a> Queue<'a> {
    fn of(history: &History, record: &'a Record) -> Queue<'a> {
        let first_seen = first_seen(history);
        let presses: HashMap<&str, &Press> = history
            .presses
            .iter()
            .map(|press| (press.description.as_str(), press))
            .collect();
        let mut stays = Vec::new();
        for chat in &record.chats {
            let press = description_of(chat, record).and_then(|description| presses.get(description));
            let is_settled =
                !record.has_notes(&chat.id) && press.is_some_and(|press| press.cancels.is_empty());
            let seen = first_seen.get(chat.id.as_str()).copied();
            let accepted = press
                .filter(|press| press.is_clear())
                .map(|press| press.attempts[0].answered_at);
            stays.push(Stay {
                agency_id: chat.agency_id,
                pressed_at: chat.pressed_at,
                chat: Some(chat),
                certain: accepted
                    .filter(|_| is_settled)
                    .map(|accepted| (accepted, chat.time_start.unwrap_or(Millis::MAX))),
                perhaps: (
                    chat.pressed_at,
                    seen.filter(|_| is_settled).unwrap_or(Millis::MAX),
                ),
            });
        }
        let found = requests(record);
        for press in &history.presses {
            if found.contains_key(press.description.as_str()) {
                continue;
            }
            let end = press.cancels.iter().map(|cancel| cancel.answered_at).max();
            stays.push(Stay {
                agency_id: press.agency_id,
                pressed_at: press.first_sent_at(),
                chat: None,
                certain: None,
                perhaps: (press.first_sent_at(), end.unwrap_or(Millis::MAX)),
            });
        }
        Queue(stays)
    }

    /// Between which positions a chat was in some time.
    fn bounds(&self, chat: &Chat, from: Millis, until: Millis) -> (i64, i64) {
        let ahead = self.0.iter().filter(|stay| {
            stay.agency_id == chat.agency_id
                && match stay.chat {
                    Some(other) => (other.pressed_at, other.arrival) < (chat.pressed_at, chat.arrival),
                    None => stay.pressed_at <= chat.pressed_at,
                }
        });
        let (mut least, mut most) = (1, 1);
        for stay in ahead {
            let is_certain = stay
                .certain
                .is_some_and(|(begin, end)| begin < from && end > until);
            least += i64::from(is_certain);
            let (begin, end) = stay.perhaps;
            most += i64::from(begin <= until && end >= from);
        }
        (least, most)
    }
}

/// At rest, the last position that a waiting participant's clients were told is the one they have.
pub(crate) fn waiting_participants_know_their_positions(
    history: &History,
    record: &Record,
) -> Vec<Violation> {
    let mut cases = Cases::of("waiting participants know their positions");
    for chat in record.chats.iter().filter(|chat| chat.state == "waiting") {
        let position = record.position(chat) as i64;
        let clients = history.clients.iter().filter(|log| {
            log.protocol == Protocol::Two
                && log.user
                    == User {
                        side: Side::Participant,
                        id: chat.participant_id,
                    }
        });
        for log in clients {
            let told = log.positions.iter().rfind(|told| told.event_id == chat.event_id);
            if told.is_none_or(|told| told.position != position) {
                cases.add(format!("{} is at {position} and was told {told:?}", log.name));
            }
        }
    }
    cases.found
}

fn nothing_odd_was_seen(history: &History) -> Vec<Violation> {
    let mut cases = Cases::of("nothing odd was seen");
    for log in &history.clients {
        for oddity in &log.oddities {
            cases.add(format!("{} {oddity}", log.name));
        }
    }
    cases.found
}

/// What people have said; contents are unique unless something is stored twice.
fn by_content(record: &Record) -> HashMap<&str, Vec<&Message>> {
    let mut found: HashMap<&str, Vec<&Message>> = HashMap::new();
    let said = record
        .messages
        .values()
        .flatten()
        .filter(|stored| !stored.is_system);
    for stored in said {
        let content = stored.message.content.as_str();
        found.entry(content).or_default().push(&stored.message);
    }
    found
}

/// The ids of requests by description, in the queue or on their way to it.
fn requests(record: &Record) -> HashMap<&str, BTreeSet<&str>> {
    let mut found: HashMap<&str, BTreeSet<&str>> = HashMap::new();
    for chat in &record.chats {
        let description = description_of(chat, record).unwrap_or("no description");
        found
            .entry(description)
            .or_default()
            .insert(chat.request_id.as_str());
    }
    for press in &record.undelivered {
        found
            .entry(press.description.as_str())
            .or_default()
            .insert(press.request_id.as_str());
    }
    found
}

fn description_of<'a>(chat: &Chat, record: &'a Record) -> Option<&'a str> {
    let first = record.messages_of(&chat.id).first()?;
    first.message.content.strip_prefix(DESCRIPTION)
}

fn chats_of<'a>(press: &Press, record: &'a Record) -> impl Iterator<Item = &'a Chat> {
    let candidates = record
        .chats
        .iter()
        .filter(move |chat| chat.participant_id == press.participant_id && chat.event_id == press.event_id);
    candidates.filter(move |chat| description_of(chat, record) == Some(press.description.as_str()))
}

/// Histories made by hand: a good one, in which no rule finds anything, and what is done to it so that one does.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::database::{Lock, Stored, Undelivered};
    use crate::chaos::history::{Attempt, Cancel, Disturbance, Given, Live, Log, Saved, Sent, Standing};

    const PARTICIPANT: User = User {
        side: Side::Participant,
        id: 1,
    };
    const ORGANIZER: User = User {
        side: Side::Organizer,
        id: 1,
    };
    const COLLEAGUE: User = User {
        side: Side::Organizer,
        id: 2,
    };
    const AGENCY: i64 = 4;
    const EVENT: i64 = 7;

    /// What happened, and what is on record.
    struct World {
        history: History,
        record: Record,
    }

    impl World {
        /// A participant pressed at 1000, was taken at 5000, and the two have talked; the chat is open.
        fn good() -> World {
            let mut world = World {
                history: History::default(),
                record: Record::default(),
            };
            world.press(PARTICIPANT.id, "help", 1_000);
            world.chat("c", "help", PARTICIPANT.id, 1_000, Some(5_000));
            for user in [PARTICIPANT, ORGANIZER] {
                let name = format!("{:?}", user.side);
                let mut log = Log::new(&name, user, Protocol::Two);
                log.open.insert("c".to_owned());
                log.given.push(given(ORGANIZER, 1, 5_010));
                world.history.clients.push(log);
            }
            for (seq, (author, content)) in
                [(ORGANIZER, "hello"), (PARTICIPANT, "hi"), (PARTICIPANT, "thanks")]
                    .into_iter()
                    .enumerate()
            {
                world.say("c", seq as i64 + 2, author, content);
            }
            let messages: Vec<Message> = world
                .record
                .messages_of("c")
                .iter()
                .map(|stored| stored.message.clone())
                .collect();
            for log in &mut world.history.clients {
                log.shown.insert("c".to_owned(), messages.clone());
                log.read_at_the_end.insert("c".to_owned(), messages.clone());
            }
            world
        }

        fn press(&mut self, participant_id: i64, description: &str, at: Millis) -> &mut Press {
            self.history.presses.push(Press {
                participant_id,
                agency_id: AGENCY,
                event_id: EVENT,
                description: description.to_owned(),
                attempts: vec![Attempt {
                    sent_at: at,
                    answered_at: at + 10,
                    answer: PressAnswer::Accepted,
                }],
                cancels: Vec::new(),
                standings: Vec::new(),
                new_phone_numbers: 0,
            });
            self.history.presses.last_mut().expect("it was just added")
        }

        fn chat(
            &mut self,
            id: &str,
            description: &str,
            participant_id: i64,
            pressed_at: Millis,
            time_start: Option<Millis>,
        ) {
            let request_id = format!("request of {id}");
            let phone_number = format!("number of {participant_id}");
            for numbers in [
                &mut self.record.phone_numbers,
                &mut self.record.known_phone_numbers,
            ] {
                numbers.insert(participant_id, phone_number.clone());
            }
            self.record.locks.push(Lock {
                participant_id,
                event_id: EVENT,
                request_id: request_id.clone(),
            });
            let arrival = self.record.chats.len().try_into().expect("a few");
            self.record.chats.push(Chat {
                id: id.to_owned(),
                request_id,
                agency_id: AGENCY,
                event_id: EVENT,
                participant_id,
                state: if time_start.is_some() { "active" } else { "waiting" }.to_owned(),
                pressed_at,
                organizer_id: time_start.map(|_| ORGANIZER.id),
                time_start,
                arrival,
            });
            let author = User {
                id: participant_id,
                ..PARTICIPANT
            };
            self.store(id, 1, author, &format!("{DESCRIPTION}{description}"));
        }

        fn store(&mut self, chat_id: &str, seq: i64, author: User, content: &str) {
            let message = Message {
                chat_id: chat_id.to_owned(),
                seq,
                id: format!("{chat_id}{seq}"),
                author,
                content: content.to_owned(),
            };
            let stored = Stored {
                message,
                is_system: false,
            };
            self.record
                .messages
                .entry(chat_id.to_owned())
                .or_default()
                .push(stored);
        }

        /// Sends, saves and shows a message.
        fn say(&mut self, chat_id: &str, seq: i64, author: User, content: &str) {
            self.store(chat_id, seq, author, content);
            for log in &mut self.history.clients {
                if log.user == author {
                    log.sent.push(Sent {
                        chat_id: chat_id.to_owned(),
                        content: content.to_owned(),
                        client_id: Some(format!("id of {content}")),
                        on: vec![1],
                        saved: Some(Saved {
                            id: format!("{chat_id}{seq}"),
                            seq,
                        }),
                        failed: false,
                        refused: false,
                    });
                }
                log.live.push(Live {
                    connection: 1,
                    chat_id: chat_id.to_owned(),
                    id: format!("{chat_id}{seq}"),
                    seq: Some(seq),
                    at: 10_000 + seq,
                });
            }
        }

        fn log(&mut self, user: User) -> &mut Log {
            let mut logs = self.history.clients.iter_mut();
            logs.find(|log| log.user == user)
                .expect("somebody of the good world")
        }

        fn stored(&mut self, chat_id: &str) -> &mut Vec<Stored> {
            self.record
                .messages
                .get_mut(chat_id)
                .expect("a chat with messages")
        }

        /// The rules that are broken.
        fn broken(&self) -> BTreeSet<&'static str> {
            let violations = all(&self.history, &self.record);
            violations.iter().map(|violation| violation.rule).collect()
        }

        #[track_caller]
        fn must_break(&self, rule: &str) {
            assert!(self.broken().contains(rule), "{:?}", self.broken());
        }

        #[track_caller]
        fn must_hold(&self) {
            let violations = all(&self.history, &self.record);
            assert_eq!(violations, []);
        }
    }

    fn given(to: User, last_seq: i64, at: Millis) -> Given {
        Given {
            chat_id: "c".to_owned(),
            organizer_id: to.id,
            last_seq: Some(last_seq),
            at,
        }
    }

    fn disturbance(began_at: Millis, ended_at: Millis) -> Disturbance {
        Disturbance {
            kind: "kill",
            began_at,
            ended_at,
        }
    }

    #[test]
    fn good_history_breaks_no_rule() {
        World::good().must_hold();
    }

    #[test]
    fn lost_message_is_found() {
        let mut world = World::good();
        world.stored("c").pop();
        world.must_break("acknowledged messages are stored once");
    }

    #[test]
    fn message_stored_twice_is_found() {
        let mut world = World::good();
        world.store("c", 5, PARTICIPANT, "thanks");
        world.must_break("acknowledged messages are stored once");
        world.must_break("what is stored was sent");
    }

    #[test]
    fn unacknowledged_message_may_be_stored_or_not_but_not_twice() {
        let mut world = World::good();
        let last = world.log(PARTICIPANT).sent.last_mut().expect("it said something");
        last.saved = None;
        world.must_hold();
        world.store("c", 5, PARTICIPANT, "thanks");
        world.must_break("what is stored was sent");
    }

    #[test]
    fn changed_content_is_found() {
        let mut world = World::good();
        world.stored("c")[3].message.content = "thank you".to_owned();
        world.must_break("acknowledged messages are stored once");
        world.must_break("what is stored was sent");
        world.must_break("what was shown is on record");
    }

    #[test]
    fn message_nobody_sent_is_found() {
        let mut world = World::good();
        world.store("c", 5, ORGANIZER, "buy now");
        world.must_break("what is stored was sent");
    }

    #[test]
    fn message_in_another_chat_is_found() {
        let mut world = World::good();
        world.press(3, "other", 2_000);
        world.chat("d", "other", 3, 2_000, None);
        world.must_hold();
        let mut stray = world.stored("c").pop().expect("a message");
        stray.message.chat_id = "d".to_owned();
        stray.message.seq = 2;
        world.stored("d").push(stray);
        world.must_break("what is stored was sent");
    }

    #[test]
    fn gap_in_the_numbers_is_found() {
        let mut world = World::good();
        world.stored("c")[3].message.seq = 5;
        world.must_break("messages are numbered without gaps");
    }

    #[test]
    fn message_missing_on_a_client_is_found() {
        let mut world = World::good();
        world
            .log(ORGANIZER)
            .read_at_the_end
            .values_mut()
            .for_each(|read| drop(read.pop()));
        world.must_break("everybody has read the record");

        let mut world = World::good();
        world
            .log(ORGANIZER)
            .shown
            .values_mut()
            .for_each(|shown| drop(shown.pop()));
        world.must_break("everybody is up to date");
    }

    #[test]
    fn chat_that_could_not_be_read_is_found() {
        let mut world = World::good();
        world.log(ORGANIZER).read_at_the_end.clear();
        world.must_break("everybody has read the record");
    }

    #[test]
    fn message_that_a_client_of_the_contract_was_not_shown_is_found() {
        let mut world = World::good();
        let log = world.log(PARTICIPANT);
        log.protocol = Protocol::Contract;
        log.seen
            .insert("c".to_owned(), ["c2", "c3", "c4"].map(str::to_owned).into());
        let is_broken = |world: &World| !everybody_is_up_to_date(&world.history, &world.record).is_empty();
        assert!(
            !is_broken(&world),
            "what was said before it came it has to ask for"
        );

        world
            .log(PARTICIPANT)
            .seen
            .insert("c".to_owned(), ["c2", "c4"].map(str::to_owned).into());
        assert!(is_broken(&world));

        world.log(PARTICIPANT).seen.clear();
        let organizer = world.log(ORGANIZER);
        organizer.protocol = Protocol::Contract;
        organizer
            .seen
            .insert("c".to_owned(), ["c2", "c4"].map(str::to_owned).into());
        assert!(is_broken(&world));
        world.stored("c")[2].is_system = true;
        assert!(!is_broken(&world), "the organizer was given the chat once more");
    }

    #[test]
    fn open_chat_that_a_client_does_not_know_is_found() {
        let mut world = World::good();
        world.log(PARTICIPANT).open.clear();
        world.must_break("everybody is up to date");
    }

    #[test]
    fn swap_on_a_client_is_found() {
        let mut world = World::good();
        world
            .log(ORGANIZER)
            .shown
            .values_mut()
            .for_each(|shown| shown.swap(1, 2));
        world.must_break("what was shown is on record");
    }

    #[test]
    fn frame_with_a_wrong_number_is_found() {
        let mut world = World::good();
        world.log(ORGANIZER).live[0].seq = Some(3);
        world.must_break("what was shown is on record");
    }

    #[test]
    fn same_number_for_two_messages_is_noted() {
        let mut world = World::good();
        let log = world.log(ORGANIZER);
        let mut other = log.shown["c"][2].clone();
        other.id = "another".to_owned();
        log.take(other);
        world.must_break("nothing odd was seen");
    }

    #[test]
    fn repetition_is_found_where_only_the_contract_is_known() {
        let mut world = World::good();
        let repeated = world.log(ORGANIZER).live[2].clone();
        world.log(ORGANIZER).live.push(repeated);
        world.must_hold();
        world.log(ORGANIZER).protocol = Protocol::Contract;
        world.must_break("contract clients see nothing twice");
    }

    #[test]
    fn swap_on_a_connection_is_found_in_calm_times() {
        let mut world = World::good();
        world.log(ORGANIZER).live.swap(0, 1);
        world.must_break("messages come in order");
        world.history.faults.push(disturbance(8_000, 9_000));
        world.must_hold();
    }

    #[test]
    fn swap_of_what_somebody_says_is_found() {
        let mut world = World::good();
        world.log(PARTICIPANT).sent.swap(0, 1);
        world.must_break("senders are heard in order");
    }

    #[test]
    fn what_was_sent_again_may_be_late() {
        let mut world = World::good();
        let sent = &mut world.log(PARTICIPANT).sent;
        sent.swap(0, 1);
        sent[0].on.push(2);
        world.must_hold();
    }

    #[test]
    fn refusal_in_an_own_chat_is_found() {
        let mut world = World::good();
        world.log(PARTICIPANT).sent[0].refused = true;
        world.must_break("nobody is refused in an own chat");
        world.record.chats[0].state = "ended".to_owned();
        assert!(nobody_is_refused_in_an_own_chat(&world.history, &world.record).is_empty());
    }

    #[test]
    fn closed_chat_that_is_open_is_found() {
        let mut world = World::good();
        world.log(PARTICIPANT).closed.insert("c".to_owned());
        world.must_break("what is closed stays closed");
        world.record.chats[0].state = "ended".to_owned();
        assert!(what_is_closed_stays_closed(&world.history, &world.record).is_empty());
    }

    #[test]
    fn lost_press_is_found() {
        let mut world = World::good();
        world.press(3, "lost", 2_000);
        world.must_break("presses are kept");
    }

    #[test]
    fn press_in_the_outbox_is_not_lost_but_not_at_rest() {
        let mut world = World::good();
        world.press(3, "late", 2_000);
        world.record.undelivered.push(Undelivered {
            request_id: "r".to_owned(),
            description: "late".to_owned(),
        });
        assert_eq!(
            world.broken(),
            BTreeSet::from(["locks are those of open requests"])
        );
    }

    #[test]
    fn press_queued_twice_is_found() {
        let mut world = World::good();
        world.chat("d", "help", PARTICIPANT.id, 1_500, None);
        world.must_break("presses are kept");
    }

    #[test]
    fn unclear_press_may_have_happened_but_one_that_exists_has() {
        let mut world = World::good();
        let press = world.press(3, "perhaps", 2_000);
        press.attempts[0].answer = PressAnswer::Unclear;
        world.must_hold();

        let press = world.history.presses.last_mut().expect("a press");
        press.attempts.push(Attempt {
            sent_at: 3_000,
            answered_at: 3_010,
            answer: PressAnswer::Exists,
        });
        world.must_break("presses are kept");
    }

    #[test]
    fn press_taken_back_that_still_waits_is_found() {
        let mut world = World::good();
        let press = world.press(3, "sorry", 2_000);
        press.cancels.push(Cancel {
            answered_at: 2_500,
            answer: CancelAnswer::TakenBack,
        });
        world.must_hold();
        world.chat("d", "sorry", 3, 2_000, None);
        world.must_break("presses are kept");
    }

    #[test]
    fn request_nobody_pressed_for_is_found() {
        let mut world = World::good();
        world.chat("d", "ghost", 3, 2_000, None);
        world.must_break("presses are kept");
    }

    #[test]
    fn lock_without_request_and_request_without_lock_are_found() {
        let mut world = World::good();
        let lock = world.record.locks.pop();
        world.must_break("locks are those of open requests");

        world.record.locks.extend(lock);
        world.record.chats[0].state = "ended".to_owned();
        world.must_break("locks are those of open requests");
    }

    #[test]
    fn phone_number_that_support_does_not_know_is_found() {
        const RULE: &str = "who is being helped can be reached";
        let mut world = World::good();
        world
            .record
            .phone_numbers
            .insert(PARTICIPANT.id, "another".to_owned());
        world.must_break(RULE);

        world.record.chats[0].state = "ended".to_owned();
        assert!(!world.broken().contains(RULE), "nobody calls any more");

        world.record.untold = 1;
        world.must_break(RULE);
    }

    #[test]
    fn two_organizers_in_one_chat_are_found() {
        let mut world = World::good();
        world.stored("c")[1].message.author = COLLEAGUE;
        world.must_break("chats have one organizer");

        let mut world = World::good();
        world.log(PARTICIPANT).given.push(given(COLLEAGUE, 1, 5_020));
        world.must_break("chats have one organizer");
    }

    #[test]
    fn chat_that_changed_hands_has_one_organizer_after_the_other() {
        let mut world = World::good();
        world.store("c", 5, ORGANIZER, "Mayday: a colleague takes over this chat.");
        world.stored("c")[4].is_system = true;
        world.record.chats[0].organizer_id = Some(COLLEAGUE.id);
        world.log(PARTICIPANT).given.push(given(COLLEAGUE, 5, 9_000));
        assert!(chats_have_one_organizer(&world.history, &world.record).is_empty());

        // The one who had it says something behind the note.
        world.store("c", 6, ORGANIZER, "one more thing");
        assert!(!chats_have_one_organizer(&world.history, &world.record).is_empty());
    }

    /// Two wait, and are known to wait; the later one is taken at 6000.
    fn two_in_the_queue() -> World {
        let mut world = World::good();
        world.press(3, "early", 2_000).standings = [(3_000, 3_010), (8_000, 8_010)]
            .map(|(asked_at, answered_at)| Standing {
                asked_at,
                answered_at,
            })
            .into();
        world.chat("d", "early", 3, 2_000, None);
        world.press(5, "late", 2_500);
        world.chat("e", "late", 5, 2_500, None);
        world
    }

    #[test]
    fn overtaking_is_found() {
        let mut world = two_in_the_queue();
        world.must_hold();
        let late = world.record.chats.last_mut().expect("a chat");
        late.state = "ended".to_owned();
        late.time_start = Some(6_000);
        world.record.locks.pop();
        let mut seen = given(ORGANIZER, 1, 6_010);
        seen.chat_id = "e".to_owned();
        world.log(PARTICIPANT).given.push(seen);
        assert_eq!(first_come_first_served(&world.history, &world.record).len(), 1);

        // It may have been taken after the earlier one had gone.
        world.record.chats[2].time_start = Some(8_020);
        world.log(PARTICIPANT).given[1].at = 8_030;
        assert!(first_come_first_served(&world.history, &world.record).is_empty());
    }

    fn told(world: &mut World, user: User, position: i64, at: Millis) {
        let mut log = Log::new("somebody who waits", user, Protocol::Two);
        log.positions.push(Position {
            event_id: EVENT,
            position,
            at,
        });
        world.history.clients.push(log);
    }

    #[test]
    fn wrong_position_is_found_in_calm_times() {
        let late = User { id: 5, ..PARTICIPANT };
        // From 5000 on the first one is gone, so it is the second.
        for (position, is_right) in [(1, true), (2, true), (3, true), (4, false), (0, false)] {
            let mut world = two_in_the_queue();
            told(&mut world, late, position, 20_000);
            let (violations, judged) = positions_were_right(&world.history, &world.record);
            assert_eq!((violations.is_empty(), judged), (is_right, 1), "{position}");

            world.history.faults.push(disturbance(10_000, 19_000));
            let (violations, judged) = positions_were_right(&world.history, &world.record);
            assert_eq!((violations.len(), judged), (0, 0));
        }
    }

    #[test]
    fn last_position_is_exact_at_rest() {
        let late = User { id: 5, ..PARTICIPANT };
        let mut world = two_in_the_queue();
        told(&mut world, late, 2, 20_000);
        assert!(waiting_participants_know_their_positions(&world.history, &world.record).is_empty());
        told(&mut world, late, 1, 20_000);
        assert_eq!(
            waiting_participants_know_their_positions(&world.history, &world.record).len(),
            1
        );
    }

    #[test]
    fn damage_and_oddities_are_told() {
        let mut world = World::good();
        world.record.damage.push("row 1 missing".to_owned());
        world.must_break("databases are whole");
        world.log(ORGANIZER).oddities.push("saw a frame".to_owned());
        world.must_break("nothing odd was seen");
    }
}
