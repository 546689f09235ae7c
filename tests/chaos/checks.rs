//! The rules. Each is a function from the history and the databases to the cases that break it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use super::database::{Chat, Record};
use super::history::{
    CancelAnswer, History, Live, Log, Message, Millis, Position, Press, PressAnswer, Protocol, Restore, Side,
    User,
};
use super::schedule::MIGRATION;

/// How the messenger begins a description.
const DESCRIPTION: &str = "Problem description: ";

/// Time limit for a position to reach its participant: a second, and as much again on a busy machine.
const POSITION_IS_NEWS: Millis = 2_000;

/// Time limit after a restore for telling all clients that were connected before it to resync.
pub(crate) const TOLD_WITHIN: Duration = Duration::from_secs(8);

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

/// Applies all rules.
pub(crate) fn all(history: &History, record: &Record) -> Vec<Violation> {
    let rules = [
        databases_are_whole(record),
        databases_are_migrated_once(history, record),
        messages_are_numbered(record),
        acknowledged_messages_are_stored_once(history, record),
        acknowledgements_stay_true(history),
        known_chats_are_on_record(history, record),
        connections_that_outlive_a_restore_are_told(history),
        stored_messages_were_sent(history, record),
        clients_have_read_all_messages(history, record),
        shown_messages_are_stored(history, record),
        nothing_is_shown_twice(history),
        messages_came_in_order(history, record),
        no_message_is_left_out(history, record),
        senders_are_heard_in_order(history, record),
        parties_are_not_refused(history, record),
        closed_chats_stay_closed(history, record),
        presses_are_kept(history, record),
        locks_are_those_of_open_requests(history, record),
        contact_details_are_current(history, record),
        chats_have_one_organizer(history, record),
        first_come_first_served(history, record),
        positions_were_right(history, record).0,
        no_oddities_were_seen(history),
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

/// A database has the newest schema that its program knows, or the next one once that has come. The program leaves it.
fn databases_are_migrated_once(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("databases are migrated once");
    let has_come = history.faults.iter().any(|fault| fault.kind == MIGRATION);
    for (service, [version, newest]) in &record.versions {
        let expected = newest + i64::from(has_come);
        if *version != expected {
            cases.add(format!("{service} is at version {version}, not {expected}"));
        }
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

/// Whether a restore may have undone changes of a chat. The state that clients saw then differs from the database.
fn is_set_back(chat: &Chat, history: &History) -> bool {
    history.restores.iter().any(|restore| {
        chat.pressed_at <= restore.restored_at && chat.time_end.is_none_or(|end| end >= restore.copied_at)
    })
}

/// Whether a restore may have lost a press. It cannot if the request was in the queue before the copy.
fn may_be_lost(press: &Press, history: &History) -> bool {
    history.restores.iter().any(|restore| {
        let before = |at: Millis| at < restore.copied_at;
        let is_seen = press
            .standings
            .iter()
            .any(|standing| before(standing.answered_at));
        // A press is delivered at once when nothing is broken.
        let is_delivered = press.attempts.iter().any(|attempt| {
            attempt.answer == PressAnswer::Accepted
                && before(attempt.answered_at)
                && history.was_calm_at(attempt.answered_at)
        });
        press.first_sent_at() <= restore.restored_at && !is_seen && !is_delivered
    })
}

/// Every acknowledged message is stored once, as it was sent and acknowledged.
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
                [] if history.may_be_undone(saved.at) || history.may_be_lost(&saved.id) => {}
                _ => cases.add(format!("{sent:?} of {} is stored as {found:?}", log.name)),
            }
        }
    }
    cases.found
}

/// A repeated message gets the same acknowledgement as before.
fn acknowledgements_stay_true(history: &History) -> Vec<Violation> {
    let mut cases = Cases::of("acknowledgements stay true");
    for log in &history.clients {
        for [before, after] in &log.changed_saves {
            if !history.may_be_undone(before.at) && !history.may_be_lost(&before.id) {
                cases.add(format!("{} was told {before:?} and then {after:?}", log.name));
            }
        }
    }
    cases.found
}

/// Every chat that a client has seen is stored, and the client can read it.
fn known_chats_are_on_record(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("known chats are on record");
    let on_record: BTreeSet<&String> = record.chats.iter().map(|chat| &chat.id).collect();
    for log in &history.clients {
        for (chat_id, first_known_at) in &log.known {
            let is_lost = history.may_be_undone(*first_known_at) || history.may_be_lost(chat_id);
            if !on_record.contains(chat_id) && !is_lost {
                cases.add(format!("{} knew of chat {chat_id} at {first_known_at}", log.name));
            }
        }
        for (chat_id, answer) in &log.refused_at_the_end {
            if on_record.contains(chat_id) {
                cases.add(format!("{} was refused chat {chat_id}: {answer}", log.name));
            }
        }
    }
    cases.found
}

/// Every connection that existed before a restore is told to look again: under protocol 2 by `resync`, a contract
/// client by the end of the connection.
fn connections_that_outlive_a_restore_are_told(history: &History) -> Vec<Violation> {
    let mut cases = Cases::of("connections that outlive a restore are told");
    for restore in &history.restores {
        let deadline = restore.ended_at + TOLD_WITHIN.as_millis() as Millis;
        for log in &history.clients {
            for (number, connection) in (1..).zip(&log.connections) {
                let was_there = connection.served_at.is_some_and(|at| at < restore.began_at);
                let is_gone = connection.ended_at.is_some_and(|at| at <= deadline);
                let is_told = connection
                    .resyncs
                    .iter()
                    .any(|resync| (restore.began_at..=deadline).contains(&resync.at));
                if was_there && !is_gone && !is_told {
                    cases.add(format!("connection {number} of {}, {restore:?}", log.name));
                }
            }
        }
    }
    cases.found
}

/// Every stored message was sent, to this chat and by its author, and is stored once.
fn stored_messages_were_sent(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("stored messages were sent");
    let mut sent = HashMap::new();
    for log in &history.clients {
        for said in &log.sent {
            sent.insert(said.content.as_str(), (log.user, said));
        }
    }
    for (content, found) in by_content(record) {
        let Some((author, said)) = sent.get(content) else {
            // `presses_are_kept` checks descriptions.
            if !content.starts_with(DESCRIPTION) {
                cases.add(format!("nobody has said {found:?}"));
            }
            continue;
        };
        let is_theirs = |message: &&Message| message.author == *author && message.chat_id == said.chat_id;
        if !found.iter().all(is_theirs) {
            cases.add(format!("{said:?} is stored elsewhere, as {found:?}"));
        }
        // A contract client sends everything once.
        if found.len() > 1 {
            cases.add(format!("{said:?} is stored {} times: {found:?}", found.len()));
        }
    }
    cases.found
}

/// At the end each client has read all messages of all its chats in their order, and knows all of its open chats.
fn clients_have_read_all_messages(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("clients have read all messages");
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
    cases.found.extend(clients_are_up_to_date(history, record));
    cases.found
}

/// Each client has all messages of its open chats without having been asked to catch up. A client of protocol 2 was
/// shown them, or told that it lacks some. A contract client was shown what was sent since it connected.
pub(crate) fn clients_are_up_to_date(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("clients are up to date");
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
                // An organizer who takes a chat over reads earlier messages in the history.
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

/// Every message that a client was shown is stored with the same number, also in chats that it has left.
fn shown_messages_are_stored(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("shown messages are stored");
    for log in &history.clients {
        for (chat_id, shown) in &log.shown {
            if let Some(difference) = difference(shown, record, chat_id, false) {
                cases.add(format!("{} was shown chat {chat_id} and {difference}", log.name));
            }
        }
        for live in &log.live {
            let stored = record.messages_of(&live.chat_id);
            let known = stored.iter().find(|stored| stored.message.id == live.id);
            let is_right = match known {
                Some(stored) => live.seq.is_none_or(|seq| seq == stored.message.seq),
                None => history.may_be_undone(live.at) || history.may_be_lost(&live.id),
            };
            if !is_right {
                cases.add(format!("{} was shown {live:?}, stored as {known:?}", log.name));
            }
        }
    }
    cases.found
}

/// How a list of messages differs from what is stored of a chat. Unless it must be whole, it may end early.
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

/// A connection is shown every message once. A contract client would show its user a repeated message.
fn nothing_is_shown_twice(history: &History) -> Vec<Violation> {
    let mut cases = Cases::of("nothing is shown twice");
    for log in &history.clients {
        let mut seen = HashSet::new();
        for (place, live) in log.live.iter().enumerate() {
            let looked_again = resyncs_before(log, live.connection, place);
            if !seen.insert((live.connection, looked_again, &live.id)) {
                cases.add(format!("{} was shown {live:?} twice", log.name));
            }
        }
    }
    cases.found
}

/// How many `resync` a connection had got before a frame.
fn resyncs_before(log: &Log, connection: usize, place: usize) -> usize {
    let connection = connection
        .checked_sub(1)
        .and_then(|index| log.connections.get(index));
    let resyncs = connection.map_or(&[][..], |connection| &connection.resyncs);
    resyncs.iter().filter(|resync| resync.place <= place).count()
}

/// A stored message as it was shown: its index in `Log::live`, the frame, and its number.
type Shown<'a> = (usize, &'a Live, i64);

/// The stored messages that each connection was shown of each chat.
fn shown_by_connection<'a>(log: &'a Log, record: &Record) -> BTreeMap<(usize, &'a str), Vec<Shown<'a>>> {
    let mut shown: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut seen = HashSet::new();
    for (place, live) in log.live.iter().enumerate() {
        // Another rule finds repetitions.
        if !seen.insert((live.connection, &live.id)) {
            continue;
        }
        let stored = record.messages_of(&live.chat_id).iter();
        let found = stored
            .map(|stored| &stored.message)
            .find(|message| message.id == live.id);
        if let Some(message) = found {
            let shown = shown.entry((live.connection, live.chat_id.as_str())).or_default();
            shown.push((place, live, message.seq));
        }
    }
    shown
}

/// A connection is shown the messages of a chat in their order, also while something is broken.
fn messages_came_in_order(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("messages come in order");
    for log in &history.clients {
        for shown in shown_by_connection(log, record).values() {
            for pair in shown.windows(2) {
                let [(_, _, before), (_, live, number)] = pair else {
                    continue;
                };
                if before > number {
                    cases.add(format!(
                        "{} was shown {live:?}, number {number}, after number {before}",
                        log.name
                    ));
                }
            }
        }
    }
    cases.found
}

/// A connection is shown every message between the first and the last one of a chat that it is shown. It may miss some
/// if it got `resync` in between, or if the chat was another organizer's meanwhile.
fn no_message_is_left_out(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("no message is left out");
    for log in &history.clients {
        for ((connection, chat_id), shown) in shown_by_connection(log, record) {
            let numbers: BTreeSet<i64> = shown.iter().map(|(_, _, number)| *number).collect();
            let stored = record.messages_of(chat_id);
            for pair in shown.windows(2) {
                let [(first, _, before), (second, live, number)] = pair else {
                    continue;
                };
                let between = |number: &i64, seq: i64| *before < seq && seq <= *number;
                let changed_hands = stored
                    .iter()
                    .any(|stored| stored.is_system && between(number, stored.message.seq));
                let looked_again =
                    resyncs_before(log, connection, *first) < resyncs_before(log, connection, *second);
                if looked_again || (changed_hands && log.user.side == Side::Organizer) {
                    continue;
                }
                // Not everybody is shown notes. Another rule finds late messages.
                let left_out = stored.iter().find(|stored| {
                    let seq = stored.message.seq;
                    !stored.is_system && between(number, seq) && !numbers.contains(&seq)
                });
                if let Some(left_out) = left_out {
                    cases.add(format!("{} was shown {live:?} without {left_out:?}", log.name));
                }
            }
        }
    }
    cases.found
}

/// Messages that a client sends once, on one connection and without an error, are stored in the order of sending.
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

/// The parties of an open chat are not refused: its participant, and its organizer unless it changed hands.
fn parties_are_not_refused(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("parties are not refused");
    for log in &history.clients {
        let open: BTreeSet<&str> = record
            .open_to(log.user)
            .filter(|chat| log.user.side == Side::Participant || !record.has_notes(&chat.id))
            .filter(|chat| !is_set_back(chat, history))
            .map(|chat| chat.id.as_str())
            .collect();
        let refused = log.sent.iter().filter(|sent| sent.refused);
        for sent in refused.filter(|sent| open.contains(sent.chat_id.as_str())) {
            cases.add(format!("{} was refused {sent:?}", log.name));
        }
    }
    cases.found
}

/// A chat has ended if a client of protocol 2 got `closed_chat` for it. Contract clients also get it for a transfer.
fn closed_chats_stay_closed(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("closed chats stay closed");
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
        let reopened = log.closed.iter().filter(|(id, _)| !ended.contains(id));
        // A client with a slow link may hear of the closing of a lost chat after the restore.
        let is_undone = |id: &str, at: Millis| history.may_be_undone(at) || history.may_be_lost(id);
        for (chat_id, _) in reopened.filter(|(id, at)| !is_undone(id, **at)) {
            cases.add(format!("{} was told that chat {chat_id} is closed", log.name));
        }
    }
    cases.found
}

/// Each accepted press is one request, unless its participant cancelled it. Each request was pressed for.
fn presses_are_kept(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("presses are kept");
    let requests = requests(record);
    let mut pressed = HashSet::new();
    for press in &history.presses {
        pressed.insert(press.description.as_str());
        let found = requests.get(press.description.as_str()).map_or(0, BTreeSet::len);
        let accepted = press.count(PressAnswer::Accepted);
        let unclear = press.count(PressAnswer::Unclear);
        // There was no open request before the press, so an existing one is its own.
        let is_sure = accepted > 0 || press.count(PressAnswer::Exists) > 0;
        let least = usize::from(is_sure && !press.may_be_cancelled() && !may_be_lost(press, history));
        if !(least..=accepted + unclear).contains(&found) {
            cases.add(format!("{press:?} has led to {found} requests"));
        }
        let is_taken_back = press
            .cancels
            .iter()
            .any(|cancel| cancel.answer == CancelAnswer::TakenBack);
        if is_taken_back && press.is_clear() {
            let still_open =
                chats_of(press, record).find(|chat| chat.state != "ended" && !is_set_back(chat, history));
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

/// When the outboxes are empty, each lock belongs to an open request, and each open request has its lock.
fn locks_are_those_of_open_requests(history: &History, record: &Record) -> Vec<Violation> {
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
    let (set_back, open): (Vec<&Chat>, Vec<&Chat>) = open.partition(|chat| is_set_back(chat, history));
    let lock_of = |chat: &Chat| (chat.participant_id, chat.event_id, chat.request_id.clone());
    let open: BTreeSet<_> = open.into_iter().map(lock_of).collect();
    // Its lock may have been released before the restore opened the chat again.
    let may_be_locked: BTreeSet<_> = set_back.into_iter().map(lock_of).collect();
    let locks: BTreeSet<_> = record
        .locks
        .iter()
        .map(|lock| (lock.participant_id, lock.event_id, lock.request_id.clone()))
        .collect();
    let is_lost = |lock: &&(i64, i64, String)| {
        let (participant_id, event_id, _) = lock;
        let mut presses = history
            .presses
            .iter()
            .filter(|press| press.participant_id == *participant_id && press.event_id == *event_id);
        presses.any(|press| may_be_lost(press, history))
    };
    let for_nothing = locks
        .difference(&open)
        .filter(|lock| !may_be_locked.contains(lock));
    for lock in for_nothing.filter(|lock| !is_lost(lock)) {
        cases.add(format!("{lock:?} is locked for nothing"));
    }
    for request in open.difference(&locks) {
        cases.add(format!("{request:?} is open without a lock"));
    }
    cases.found
}

/// When the outboxes are empty, the messenger knows the current phone numbers of all participants with open requests.
fn contact_details_are_current(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("contact details are current");
    if record.untold > 0 {
        cases.add(format!(
            "{} changes of contacts have not been told",
            record.untold
        ));
        return cases.found;
    }
    let open = record.chats.iter().filter(|chat| chat.state != "ended");
    let waiting: BTreeSet<i64> = open.map(|chat| chat.participant_id).collect();
    let has_old_number = |restore: &Restore, id: i64| {
        let theirs = history.presses.iter().filter(|press| press.participant_id == id);
        let changes = theirs.flat_map(|press| &press.new_phone_numbers);
        changes.max().is_some_and(|last| *last <= restore.restored_at)
    };
    // A restore loses a changed number until the next change.
    let waiting = waiting.into_iter().filter(|id| {
        !history
            .restores
            .iter()
            .any(|restore| has_old_number(restore, *id))
    });
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

/// A chat has one organizer at a time. A note in the name of the former organizer marks each change. Between two notes
/// only one organizer sends messages, and only that one gets `new_chat`.
fn chats_have_one_organizer(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("chats have one organizer");
    for chat in record.chats.iter().filter(|chat| !is_set_back(chat, history)) {
        let messages = record.messages_of(&chat.id);
        let notes: Vec<&Message> = messages
            .iter()
            .filter(|stored| stored.is_system)
            .map(|stored| &stored.message)
            .collect();
        // The organizer of the chat when a message got its number.
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

/// No chat is started while an earlier request of the same agency is known to wait.
fn first_come_first_served(history: &History, record: &Record) -> Vec<Violation> {
    let mut cases = Cases::of("first come, first served");
    let first_seen = first_seen(history);
    for press in history.presses.iter().filter(|press| press.is_clear()) {
        let Some(chat) = chats_of(press, record).next() else {
            continue;
        };
        if record.has_notes(&chat.id) || is_set_back(chat, history) {
            continue;
        }
        let standings = press.standings.iter();
        let (Some(from), Some(until)) = (
            standings.clone().map(|standing| standing.answered_at).min(),
            standings.map(|standing| standing.asked_at).max(),
        ) else {
            continue;
        };
        // A chat that was started within the time in which this request certainly waited.
        let overtook = record.chats.iter().find(|other| {
            let begun = other.time_start;
            let seen = first_seen.get(other.id.as_str());
            other.agency_id == chat.agency_id
                && !is_set_back(other, history)
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

/// When clients first saw that a chat was started.
fn first_seen(history: &History) -> HashMap<&str, Millis> {
    let mut first = HashMap::new();
    for given in history.clients.iter().flat_map(|log| &log.given) {
        let at = first.entry(given.chat_id.as_str()).or_insert(given.at);
        *at = given.at.min(*at);
    }
    first
}

/// Positions that came in calm times are right, up to one change. Also returns how many could be judged.
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
            // A restore may have brought back an earlier request for the event, which the position is about.
            let is_brought_back = |other: &Chat| {
                other.id != chat.id
                    && (other.participant_id, other.event_id) == (chat.participant_id, chat.event_id)
                    && other.time_end.is_none_or(|end| end >= from)
                    && is_set_back(other, history)
            };
            let is_clear = history.was_calm_at(position.at)
                && !record.chats.iter().any(is_brought_back)
                && !history.may_be_undone(position.at)
                && !record.has_notes(&chat.id);
            if !is_clear {
                continue;
            }
            judged += 1;
            let (least, most) = queue.bounds(chat, from, position.at);
            // One change may not have arrived yet.
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

/// The chat that a position is about, if that is clear.
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

/// How long a press that was accepted during a fault may wait in the outbox: its retries pause for 10 s at most, and the
/// next one may meet another fault.
const LONGEST_DELIVERY: Millis = 20_000;

/// When each request was in its agency's queue: for certain, and perhaps.
struct Queue<'a>(Vec<Stay<'a>>);

struct Stay<'a> {
    agency_id: i64,
    pressed_at: Millis,
    /// None for a request that is not stored.
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
            let is_settled = !record.has_notes(&chat.id)
                && !is_set_back(chat, history)
                && press.is_some_and(|press| press.cancels.is_empty());
            let seen = first_seen.get(chat.id.as_str()).copied();
            let accepted = press
                .filter(|press| press.is_clear())
                .map(|press| press.attempts[0].answered_at)
                .map(|at| match history.was_calm_at(at) {
                    true => at,
                    false => at + LONGEST_DELIVERY,
                });
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

    /// The least and the greatest position that a chat can have had in some time.
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

/// At rest, the last position that a waiting participant's client got is the current one.
pub(crate) fn waiting_participants_know_their_positions(
    history: &History,
    record: &Record,
) -> Vec<Violation> {
    let mut cases = Cases::of("waiting participants know their positions");
    let waiting = record.chats.iter().filter(|chat| chat.state == "waiting");
    let of_event = |chat: &Chat| (chat.participant_id, chat.event_id);
    for chat in waiting.clone() {
        // A restore may bring back a request of somebody who has pressed again meanwhile.
        let is_only_one = waiting
            .clone()
            .filter(|other| of_event(other) == of_event(chat))
            .count()
            == 1;
        if !is_only_one {
            continue;
        }
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

fn no_oddities_were_seen(history: &History) -> Vec<Violation> {
    let mut cases = Cases::of("no oddities were seen");
    for log in &history.clients {
        for oddity in &log.oddities {
            cases.add(format!("{} {oddity}", log.name));
        }
    }
    cases.found
}

/// The stored messages by content. Contents are unique unless a message is stored twice.
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

/// The ids of requests by description, in the queue or in the outbox.
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

/// Each test changes a good history, in which no rule is broken, so that one is.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::database::{Lock, Stored, Undelivered};
    use crate::chaos::history::{
        Attempt, Cancel, Connection, Disturbance, Given, Resync, Saved, Sent, Standing,
    };

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

    /// A history with the databases.
    struct World {
        history: History,
        record: Record,
    }

    impl World {
        /// A participant pressed at 1000, an organizer started the chat at 5000, both sent messages, the chat is open.
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
                log.connections.push(Connection {
                    served_at: Some(4_000),
                    ..Connection::default()
                });
                log.known.insert("c".to_owned(), 5_010);
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

        /// The participant service has a phone number that the messenger has not.
        fn has_another_phone_number(&mut self) {
            let numbers = &mut self.record.phone_numbers;
            numbers.insert(PARTICIPANT.id, "another".to_owned());
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
                new_phone_numbers: Vec::new(),
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
                time_end: None,
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
                            at: 10_000 + seq,
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
        world.must_break("stored messages were sent");
    }

    #[test]
    fn unacknowledged_message_may_be_stored_or_not_but_not_twice() {
        let mut world = World::good();
        let last = world.log(PARTICIPANT).sent.last_mut().expect("it said something");
        last.saved = None;
        world.must_hold();
        world.store("c", 5, PARTICIPANT, "thanks");
        world.must_break("stored messages were sent");
    }

    #[test]
    fn changed_content_is_found() {
        let mut world = World::good();
        world.stored("c")[3].message.content = "thank you".to_owned();
        world.must_break("acknowledged messages are stored once");
        world.must_break("stored messages were sent");
        world.must_break("shown messages are stored");
    }

    #[test]
    fn message_nobody_sent_is_found() {
        let mut world = World::good();
        world.store("c", 5, ORGANIZER, "buy now");
        world.must_break("stored messages were sent");
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
        world.must_break("stored messages were sent");
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
        world.must_break("clients have read all messages");

        let mut world = World::good();
        world
            .log(ORGANIZER)
            .shown
            .values_mut()
            .for_each(|shown| drop(shown.pop()));
        world.must_break("clients are up to date");
    }

    #[test]
    fn chat_that_could_not_be_read_is_found() {
        let mut world = World::good();
        world.log(ORGANIZER).read_at_the_end.clear();
        world.must_break("clients have read all messages");
    }

    #[test]
    fn message_that_a_client_of_the_contract_was_not_shown_is_found() {
        let mut world = World::good();
        let log = world.log(PARTICIPANT);
        log.protocol = Protocol::Contract;
        log.seen
            .insert("c".to_owned(), ["c2", "c3", "c4"].map(str::to_owned).into());
        let is_broken = |world: &World| !clients_are_up_to_date(&world.history, &world.record).is_empty();
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
        world.must_break("clients are up to date");
    }

    #[test]
    fn swap_on_a_client_is_found() {
        let mut world = World::good();
        world
            .log(ORGANIZER)
            .shown
            .values_mut()
            .for_each(|shown| shown.swap(1, 2));
        world.must_break("shown messages are stored");
    }

    #[test]
    fn frame_with_a_wrong_number_is_found() {
        let mut world = World::good();
        world.log(ORGANIZER).live[0].seq = Some(3);
        world.must_break("shown messages are stored");
    }

    #[test]
    fn two_messages_with_one_number_are_found() {
        let mut world = World::good();
        let log = world.log(ORGANIZER);
        let mut other = log.shown["c"][2].clone();
        other.id = "another".to_owned();
        log.take(other);
        world.must_break("no oddities were seen");
    }

    #[test]
    fn repetition_on_a_connection_is_found() {
        let mut world = World::good();
        let repeated = world.log(ORGANIZER).live[2].clone();
        world.log(ORGANIZER).live.push(repeated);
        world.must_break("nothing is shown twice");
        world.log(ORGANIZER).live[3].connection = 2;
        world.must_hold();
    }

    #[test]
    fn swap_on_a_connection_is_found_also_in_a_storm() {
        let mut world = World::good();
        world.log(ORGANIZER).live.swap(0, 1);
        world.must_break("messages come in order");
        world.history.faults.push(disturbance(8_000, 9_000));
        world.must_break("messages come in order");
    }

    #[test]
    fn message_left_out_on_a_connection_is_found() {
        for protocol in [Protocol::Contract, Protocol::Two] {
            let mut world = World::good();
            let log = world.log(ORGANIZER);
            log.protocol = protocol;
            log.seen
                .insert("c".to_owned(), ["c2", "c3", "c4"].map(str::to_owned).into());
            log.live.remove(1);
            world.must_break("no message is left out");
        }

        // A late message breaks another rule.
        let mut world = World::good();
        let log = world.log(ORGANIZER);
        let late = log.live.remove(1);
        log.live.push(late);
        assert!(no_message_is_left_out(&world.history, &world.record).is_empty());
    }

    #[test]
    fn connection_may_miss_messages_before_a_resync() {
        let mut world = World::good();
        let log = world.log(ORGANIZER);
        log.live.remove(1);
        log.connections[0].resyncs.push(Resync { at: 10_002, place: 1 });
        world.must_hold();
        world.log(ORGANIZER).connections[0].resyncs[0].place = 0;
        world.must_break("no message is left out");
    }

    #[test]
    fn organizer_may_miss_messages_while_a_colleague_has_the_chat() {
        let is_broken = |world: &World| !no_message_is_left_out(&world.history, &world.record).is_empty();
        let mut world = World::good();
        for user in [ORGANIZER, PARTICIPANT] {
            world.log(user).live.remove(1);
        }
        world.stored("c")[2].is_system = true;
        assert!(!is_broken(&world), "a note is not for everybody");

        // A colleague had the chat for a while.
        world.store("c", 5, PARTICIPANT, "are you there");
        world.log(ORGANIZER).live[1].id = "c5".to_owned();
        world.log(ORGANIZER).live[1].seq = Some(5);
        assert!(!is_broken(&world));
        let lost = world.log(ORGANIZER).live.clone();
        world.log(PARTICIPANT).live = lost;
        assert!(is_broken(&world), "its participant had it all the time");
    }

    #[test]
    fn messages_stored_in_another_order_than_sent_are_found() {
        let mut world = World::good();
        world.log(PARTICIPANT).sent.swap(0, 1);
        world.must_break("senders are heard in order");
    }

    #[test]
    fn repeated_message_may_be_stored_later() {
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
        world.must_break("parties are not refused");
        world.record.chats[0].state = "ended".to_owned();
        assert!(parties_are_not_refused(&world.history, &world.record).is_empty());
    }

    #[test]
    fn closed_chat_that_is_open_is_found() {
        let mut world = World::good();
        world.log(PARTICIPANT).closed.insert("c".to_owned(), 10_000);
        world.must_break("closed chats stay closed");
        world.record.chats[0].state = "ended".to_owned();
        assert!(closed_chats_stay_closed(&world.history, &world.record).is_empty());
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
        const RULE: &str = "contact details are current";
        let mut world = World::good();
        world.has_another_phone_number();
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

        // The former organizer sends a message after the note.
        world.store("c", 6, ORGANIZER, "one more thing");
        assert!(!chats_have_one_organizer(&world.history, &world.record).is_empty());
    }

    /// Two requests are known to wait.
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

        // It may have been started after the earlier one had gone.
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
        // The chat of the good world left the queue at 5000, so this one is the second.
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
    fn position_may_be_of_a_request_that_a_restore_brought_back() {
        let late = User { id: 5, ..PARTICIPANT };
        let mut world = two_in_the_queue();
        told(&mut world, late, 4, 20_000);
        world.chat("f", "brought back", late.id, 2_000, None);
        assert_eq!(positions_were_right(&world.history, &world.record).1, 1);

        world.history.restores.push(Restore {
            copied_at: 2_100,
            began_at: 2_200,
            restored_at: 2_300,
            ended_at: 2_400,
        });
        assert_eq!(
            positions_were_right(&world.history, &world.record),
            (Vec::new(), 0)
        );
        // It ended after the restore, long before the position came.
        let brought_back = world.record.chats.last_mut().expect("a chat");
        brought_back.time_end = Some(4_000);
        assert_eq!(positions_were_right(&world.history, &world.record).1, 1);
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

    /// A restore at 12000 from a copy made at `copied_at`.
    fn restored(world: &mut World, copied_at: Millis) {
        world.history.restores.push(Restore {
            copied_at,
            began_at: 11_000,
            restored_at: 12_000,
            ended_at: 13_000,
        });
        for log in &mut world.history.clients {
            log.connections[0].ended_at = Some(13_500);
        }
    }

    /// Removes the last message from everywhere but the logs of live frames and acknowledgements.
    fn forget_the_last_message(world: &mut World) {
        world.stored("c").pop();
        for log in &mut world.history.clients {
            for messages in log.shown.values_mut().chain(log.read_at_the_end.values_mut()) {
                messages.pop();
            }
        }
    }

    #[test]
    fn restore_may_lose_what_was_acknowledged_after_the_copy_only() {
        // The last message was acknowledged at 10004.
        for (copied_at, may_be_lost) in [(10_003, true), (10_004, true), (10_005, false)] {
            let mut world = World::good();
            restored(&mut world, copied_at);
            forget_the_last_message(&mut world);
            assert_eq!(
                world.broken().is_empty(),
                may_be_lost,
                "{copied_at}: {:?}",
                world.broken()
            );
        }
    }

    #[test]
    fn message_acknowledged_or_shown_after_a_restore_may_not_be_lost() {
        let mut world = World::good();
        restored(&mut world, 9_000);
        world.log(PARTICIPANT).sent[1].saved.as_mut().expect("saved").at = 12_001;
        world.must_hold();
        forget_the_last_message(&mut world);
        world.must_break("acknowledged messages are stored once");

        let mut world = World::good();
        restored(&mut world, 9_000);
        world.log(ORGANIZER).live[2].at = 12_001;
        forget_the_last_message(&mut world);
        world.must_break("shown messages are stored");
    }

    #[test]
    fn message_that_outlives_a_restore_is_stored_once_and_as_it_was_sent() {
        let mut world = World::good();
        restored(&mut world, 9_000);
        world.stored("c")[3].message.content = "thank you".to_owned();
        world.must_break("stored messages were sent");

        let mut world = World::good();
        restored(&mut world, 9_000);
        world.store("c", 5, PARTICIPANT, "thanks");
        world.must_break("acknowledged messages are stored once");
    }

    #[test]
    fn repeated_message_may_get_another_acknowledgement_after_a_restore() {
        let mut world = World::good();
        restored(&mut world, 9_000);
        let before = world.log(PARTICIPANT).sent[1].saved.clone().expect("saved");
        let after = Saved {
            id: "another".to_owned(),
            ..before.clone()
        };
        world.log(PARTICIPANT).changed_saves.push([before, after]);
        world.must_hold();
        world.history.restores.clear();
        world.must_break("acknowledgements stay true");
    }

    #[test]
    fn chat_that_is_gone_is_found_unless_a_restore_undid_it() {
        const RULE: &str = "known chats are on record";
        let mut world = World::good();
        world.log(ORGANIZER).known.insert("d".to_owned(), 10_000);
        world
            .log(ORGANIZER)
            .refused_at_the_end
            .insert("d".to_owned(), "404".to_owned());
        world.must_break(RULE);
        restored(&mut world, 9_000);
        world.must_hold();
        world.log(ORGANIZER).known.insert("d".to_owned(), 8_999);
        world.must_break(RULE);
        world.log(ORGANIZER).known.insert("d".to_owned(), 12_001);
        world.must_break(RULE);
    }

    #[test]
    fn chat_that_is_on_record_and_refused_is_found() {
        let mut world = World::good();
        world
            .log(ORGANIZER)
            .refused_at_the_end
            .insert("c".to_owned(), "404".to_owned());
        world.must_break("known chats are on record");
    }

    #[test]
    fn connection_that_outlives_a_restore_must_be_told() {
        const RULE: &str = "connections that outlive a restore are told";
        let mut world = World::good();
        restored(&mut world, 9_000);
        world.must_hold();

        world.log(ORGANIZER).connections[0].ended_at = None;
        world.must_break(RULE);
        world.log(ORGANIZER).connections[0]
            .resyncs
            .push(Resync { at: 13_100, place: 3 });
        world.must_hold();
        // One is too late, the other too early.
        for at in [21_001, 10_999] {
            world.log(ORGANIZER).connections[0].resyncs[0].at = at;
            world.must_break(RULE);
        }

        world.log(ORGANIZER).connections[0].resyncs.clear();
        world.log(ORGANIZER).connections[0].served_at = Some(11_500);
        world.must_hold();
    }

    #[test]
    fn message_may_be_shown_again_after_a_resync() {
        let mut world = World::good();
        let log = world.log(ORGANIZER);
        let again = log.live[2].clone();
        log.live.push(again);
        log.connections[0].resyncs.push(Resync { at: 10_004, place: 3 });
        world.must_hold();
    }

    #[test]
    fn press_that_reached_the_queue_before_the_copy_is_kept() {
        let mut world = World::good();
        world.press(3, "perhaps lost", 2_000);
        restored(&mut world, 1_500);
        world.record.locks.push(Lock {
            participant_id: 3,
            event_id: EVENT,
            request_id: "r".to_owned(),
        });
        world.must_hold();

        world.history.restores[0].copied_at = 2_500;
        assert_eq!(
            world.broken(),
            ["presses are kept", "locks are those of open requests"].into(),
            "it was accepted while nothing was broken"
        );
        world.history.faults.push(disturbance(1_900, 2_100));
        world.must_hold();
        let press = world.history.presses.last_mut().expect("a press");
        press.standings.push(Standing {
            asked_at: 2_200,
            answered_at: 2_300,
        });
        world.must_break("presses are kept");
    }

    #[test]
    fn chat_may_be_open_again_after_a_restore_but_not_without_one() {
        let mut world = World::good();
        world.log(PARTICIPANT).closed.insert("c".to_owned(), 10_500);
        world.record.locks.clear();
        assert_eq!(
            world.broken(),
            ["closed chats stay closed", "locks are those of open requests"].into()
        );
        restored(&mut world, 10_400);
        world.must_hold();
        world.log(PARTICIPANT).closed.insert("c".to_owned(), 10_399);
        world.must_break("closed chats stay closed");
    }

    #[test]
    fn rules_hold_for_a_chat_that_ended_before_the_copy() {
        let mut world = World::good();
        world.log(PARTICIPANT).given.push(given(COLLEAGUE, 1, 5_020));
        restored(&mut world, 10_400);
        world.must_hold();
        world.record.chats[0].state = "ended".to_owned();
        world.record.chats[0].time_end = Some(10_399);
        assert!(!chats_have_one_organizer(&world.history, &world.record).is_empty());
    }

    #[test]
    fn phone_number_may_be_an_old_one_after_a_restore_until_it_changes_again() {
        const RULE: &str = "contact details are current";
        let mut world = World::good();
        world.has_another_phone_number();
        world.history.presses[0].new_phone_numbers.push(10_500);
        restored(&mut world, 9_000);
        world.must_hold();
        world.history.presses[0].new_phone_numbers.push(12_001);
        world.must_break(RULE);
    }

    #[test]
    fn database_that_is_not_migrated_is_found() {
        const RULE: &str = "databases are migrated once";
        let mut world = World::good();
        world.record.versions.insert("messenger", [6, 6]);
        world.must_hold();
        world.history.faults.push(Disturbance {
            kind: MIGRATION,
            ..disturbance(8_000, 8_100)
        });
        world.must_break(RULE);
        world.record.versions.insert("messenger", [7, 6]);
        world.must_hold();

        world.history.faults.clear();
        world.must_break(RULE);
    }

    #[test]
    fn damage_and_oddities_are_found() {
        let mut world = World::good();
        world.record.damage.push("row 1 missing".to_owned());
        world.must_break("databases are whole");
        world.log(ORGANIZER).oddities.push("saw a frame".to_owned());
        world.must_break("no oddities were seen");
    }
}
