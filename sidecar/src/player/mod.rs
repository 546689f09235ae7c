//! Plays updates: shows each to its recipients' local connections, in the order of the log (ARCHITECTURE.md, "One
//! log").
//!
//! A sidecar has one cursor, the last update it has played. It ignores an update up to the cursor, and keeps an early
//! one until those before it have arrived. An update names its predecessor by the time of its commit, so the sidecar
//! does not mistake the next update of a restored log for the next one of its own. Every connection sees every update
//! once, in order.
//!
//! Nothing here touches a socket or the network.

mod queues;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use sidecar_api::update::{Entry, Frame, Update, entries, read_updates};
use sidecar_api::{Attendance, Cursor, Outcome, Principal, Protocol, Queue, Realm, Revocations, User};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::error;

use crate::connection::frames::{CloseReason, resync_frame};
use crate::connection::handle::Handle;
use crate::player::queues::Queues;

/// The most connections of one user; beyond it the oldest is closed. A phone on a bad network leaves dead connections
/// behind that are not detected at once.
const MAX_CONNECTIONS_PER_USER: usize = 64;

/// The most bytes of early updates that are kept. What does not fit comes with an exchange.
const MAX_EARLY_BYTES: usize = 16 * 1024 * 1024;

/// The most bytes of played updates that are kept, for connections that were authenticated before those were played.
const MAX_RECENT_BYTES: usize = 32 * 1024 * 1024;

/// An organizer who sends nothing for this long counts as gone, although the socket may still be open: TCP does not
/// notice a network that drops packets. The ping interval lets two pongs get lost.
const PRESENCE_TIMEOUT: Duration = Duration::from_secs(25);

/// The updates of the log as this sidecar plays them, and the connections it plays them to.
#[derive(Debug)]
pub(crate) struct Player {
    state: Mutex<State>,
    /// Notified when an update has come before its predecessors.
    gap: Notify,
    /// Notified when the first connection joins, and when an organizer comes or goes.
    presence_changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The last update that was played; absent before the first exchange.
    cursor: Option<Cursor>,
    /// Updates that wait for those before them, by id.
    early: Buffer<BTreeMap<i64, Early>>,
    /// The last played updates, each with its predecessor.
    recent: Buffer<VecDeque<(Cursor, Arc<str>)>>,
    /// An exchange with questions is under way. Its answers show the state at some update. Until that update is known
    /// the player plays no later one, because an answer could bring back what a later update removed.
    held: bool,
    members: HashMap<User, Vec<Member>>,
    connections: usize,
    queues: Queues,
    /// Agencies whose queues have changed since the messenger last sent them, each with the last update that changed
    /// it.
    stale_queues: BTreeMap<i64, i64>,
    revocations_seen: u64,
}

#[derive(Debug, Default)]
struct Buffer<Updates> {
    updates: Updates,
    bytes: usize,
}

/// An update that waits for those before it.
#[derive(Debug)]
struct Early {
    previous: Cursor,
    cursor: Cursor,
    body: Arc<str>,
}

/// A connection whose client is authenticated.
#[derive(Debug)]
struct Member {
    principal: Principal,
    protocol: Protocol,
    /// Updates up to this one precede the connection. Their effects are in the answers to its questions.
    after: Cursor,
    handle: Arc<Handle>,
}

/// The player's state before a client is authenticated, checked when its connection joins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    revocations_seen: u64,
}

/// What an exchange asks for: the updates after the cursor, and queues.
#[derive(Debug)]
pub(crate) struct ExchangeStart {
    pub(crate) cursor: Option<Cursor>,
    /// The agencies whose queues the exchange asks for.
    pub(crate) queues: Vec<i64>,
}

impl Player {
    pub(crate) fn new() -> Player {
        Player {
            state: Mutex::default(),
            gap: Notify::new(),
            presence_changed: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while locked")
    }

    /// Takes a ticket. Call it before the client is authenticated.
    pub(crate) fn ticket(&self) -> Ticket {
        let state = self.state();
        Ticket {
            revocations_seen: state.revocations_seen,
        }
    }

    /// Plays updates to a connection from now on, beginning with the update after `after`, at which the messenger
    /// looked its user up. Returns false if credentials were revoked since the ticket was taken: then the client has to
    /// be authenticated again.
    pub(crate) fn join(
        &self,
        ticket: Ticket,
        principal: Principal,
        after: Cursor,
        protocol: Protocol,
        handle: Arc<Handle>,
    ) -> bool {
        let mut state = self.state();
        let user = principal.user;
        let is_organizer = user.realm == Realm::Organizer;
        if is_organizer {
            handle.set_organizer();
        }
        if protocol == Protocol::Two {
            for frame in state.queues.initial_frames(&principal, Instant::now()) {
                handle.queue.push(frame);
            }
        }
        let mut member = Member {
            principal,
            protocol,
            after,
            handle,
        };
        state.catch_up(&mut member);
        let members = state.members.entry(user).or_default();
        let evicted = (members.len() >= MAX_CONNECTIONS_PER_USER).then(|| members.remove(0));
        members.push(member);
        let is_first_of_organizer = members.len() == 1 && is_organizer;
        match evicted {
            Some(oldest) => oldest.handle.end(CloseReason::TooManyConnections),
            None => state.connections += 1,
        }
        let is_first = state.connections == 1;
        let is_current = ticket.revocations_seen == state.revocations_seen;
        drop(state);
        if is_first || is_first_of_organizer {
            self.presence_changed.notify_one();
        }
        is_current
    }

    /// Removes a connection of `user`.
    pub(crate) fn leave(&self, user: User, handle: &Arc<Handle>) {
        let mut state = self.state();
        let Some(members) = state.members.get_mut(&user) else {
            return;
        };
        let before = members.len();
        members.retain(|member| !Arc::ptr_eq(&member.handle, handle));
        let left = before - members.len();
        let is_last = members.is_empty();
        if is_last {
            state.members.remove(&user);
        }
        state.connections -= left;
        drop(state);
        if is_last && user.realm == Realm::Organizer {
            self.presence_changed.notify_one();
        }
    }

    /// Takes the result of a re-authentication: the same user, whose limits or name may have changed.
    pub(crate) fn confirm(&self, principal: &Principal, handle: &Arc<Handle>) {
        let mut state = self.state();
        let members = state.members.get_mut(&principal.user).into_iter().flatten();
        for member in members.filter(|member| Arc::ptr_eq(&member.handle, handle)) {
            member.principal = principal.clone();
        }
    }

    /// Re-authenticates connections whose credentials may have been revoked.
    pub(crate) fn reauthenticate(&self, revocations: &Revocations) {
        if revocations.is_empty() {
            return;
        }
        let mut state = self.state();
        // A connection that joins after this sees from its ticket that credentials were revoked meanwhile.
        state.revocations_seen += 1;
        let named = revocations
            .users
            .iter()
            .filter_map(|user| state.members.get(user));
        named.flatten().for_each(|member| member.handle.reauthenticate());
        if revocations.agencies.is_empty() && revocations.unknown.is_empty() {
            return;
        }
        state
            .all()
            .filter(|member| revocations.affect_realm_or_agency_of(&member.principal))
            .for_each(|member| member.handle.reauthenticate());
    }

    /// The last update that was played; `None` before the first exchange.
    pub(crate) fn cursor(&self) -> Option<Cursor> {
        self.state().cursor
    }

    /// Whether anybody is connected.
    pub(crate) fn is_empty(&self) -> bool {
        self.state().connections == 0
    }

    /// All organizers who are here: those active within [`PRESENCE_TIMEOUT`].
    pub(crate) fn attendance(&self) -> Vec<Attendance> {
        let state = self.state();
        let organizers = state
            .members
            .iter()
            .filter(|(user, _)| user.realm == Realm::Organizer);
        let attendance = |(user, members): (&User, &Vec<Member>)| {
            let silent_for = members.iter().map(|member| member.handle.silent_for()).min()?;
            let principal = &members.last()?.principal;
            (silent_for < PRESENCE_TIMEOUT).then_some(Attendance {
                organizer_id: user.id,
                agency_id: principal.agency_id?,
                max_open_chats: principal.max_open_chats,
                silent_for: i64::try_from(silent_for.as_millis()).unwrap_or(i64::MAX),
            })
        };
        organizers.filter_map(attendance).collect()
    }

    /// Waits until presence has changed since the last call.
    pub(crate) async fn presence_changed(&self) {
        self.presence_changed.notified().await;
    }

    /// Begins an exchange. One with questions holds back other sidecars' updates until it is answered or abandoned.
    pub(crate) fn begin_exchange(&self, has_questions: bool) -> ExchangeStart {
        let mut state = self.state();
        state.held = has_questions;
        ExchangeStart {
            cursor: state.cursor,
            queues: state.stale_queues.keys().copied().collect(),
        }
    }

    /// Plays the updates of an answered exchange. Calls `answer` where the answers to questions belong: after the
    /// update whose state they show, before the next.
    pub(crate) fn exchange_answered(&self, outcome: &Outcome, updates: &str, answer: impl FnOnce()) {
        let mut state = self.state();
        if outcome.starts_anew {
            state.start_anew(outcome);
        }
        let mut answer = Some(answer);
        // The messenger has read the queues after this update.
        let mut last = outcome.at.id;
        for update in read_updates(updates) {
            let Ok(update) = update else {
                error!("could not parse the messenger's updates after {:?}", state.cursor);
                break;
            };
            if update.cursor.id > outcome.at.id || update.cursor.id == 0 {
                answer.take().into_iter().for_each(|answer| answer());
            }
            last = last.max(update.cursor.id);
            state.accept(update);
        }
        answer.into_iter().for_each(|answer| answer());
        for queue in &outcome.queues {
            // Another sidecar's later update may have been played meanwhile: then the queue is asked for again.
            let changed_by = state.stale_queues.get(&queue.agency_id);
            if changed_by.is_some_and(|changed_by| *changed_by <= last) {
                state.stale_queues.remove(&queue.agency_id);
            }
            state.update_queue(queue.clone());
        }
        state.held = false;
        state.play_early();
    }

    /// Ends an exchange without an answer.
    pub(crate) fn exchange_abandoned(&self) {
        let mut state = self.state();
        state.held = false;
        state.play_early();
    }

    /// Plays updates that another sidecar has published, and keeps early ones.
    pub(crate) fn receive(&self, updates: &str) {
        let mut state = self.state();
        for update in read_updates(updates) {
            let Ok(update) = update else {
                error!("could not parse a publication of another sidecar");
                break;
            };
            state.receive(update);
        }
        let has_gap = state.has_gap();
        drop(state);
        if has_gap {
            self.gap.notify_one();
        }
    }

    /// Waits until an update comes before its predecessors.
    pub(crate) async fn gap(&self) {
        self.gap.notified().await;
    }

    /// Whether an early update waits for its predecessors.
    pub(crate) fn has_gap(&self) -> bool {
        self.state().has_gap()
    }
}

impl State {
    fn all(&self) -> impl Iterator<Item = &Member> {
        self.members.values().flatten()
    }

    /// Takes an update of another sidecar.
    fn receive(&mut self, update: Update<'_>) {
        if self.held && update.cursor.id != 0 {
            return self.early.insert(update);
        }
        self.accept(update);
        self.play_early();
    }

    /// Plays an update if it is the next, keeps it if it is early, and ignores it if it was played before.
    fn accept(&mut self, update: Update<'_>) {
        // The first exchange sets the cursor.
        let Some(cursor) = self.cursor else {
            return;
        };
        match update.cursor.id {
            0 => self.show(update.cursor, update.body),
            id if id <= cursor.id => {}
            _ if update.previous() == cursor => self.play(update.cursor, update.body, None),
            _ => self.early.insert(update),
        }
    }

    /// Plays early updates whose predecessors have been played. Keeps an update with the next id but another
    /// predecessor: it belongs to another state of the log, and the exchange that closes the gap tells which one is
    /// current.
    fn play_early(&mut self) {
        while !self.held
            && let Some(cursor) = self.cursor
            && let Some(first) = self.early.updates.first_entry()
            && (*first.key() <= cursor.id || first.get().previous == cursor)
        {
            let next = first.remove();
            self.early.bytes -= next.body.len();
            if next.cursor.id > cursor.id {
                let text = Arc::clone(&next.body);
                self.play(next.cursor, &text, Some(next.body));
            }
        }
    }

    fn play(&mut self, cursor: Cursor, body: &str, kept: Option<Arc<str>>) {
        self.show(cursor, body);
        if let Some(previous) = self.cursor.replace(cursor) {
            self.recent.push(previous, kept.unwrap_or_else(|| body.into()));
        }
    }

    /// Shows the frames of an update to their recipients' connections.
    fn show(&mut self, cursor: Cursor, body: &str) {
        for entry in entries(body) {
            match entry {
                Ok(Entry::Queue(agency_id)) => {
                    self.stale_queues.insert(agency_id, cursor.id);
                }
                Ok(Entry::Delivery { to, frame }) => {
                    let lines = Lines::new(frame);
                    for user in to.iter() {
                        for member in self.members.get_mut(&user).into_iter().flatten() {
                            member.play(cursor, &lines);
                        }
                    }
                }
                Err(error) => {
                    let id = cursor.id;
                    error!(id, %error, "could not parse update {id}: {error}");
                    break;
                }
            }
        }
    }

    /// Shows a connection the updates that were played since it was authenticated.
    fn catch_up(&self, member: &mut Member) {
        let Some(cursor) = self.cursor else {
            return;
        };
        if member.is_of_another_log(cursor) {
            return member.resync();
        }
        if member.after.id > cursor.id {
            return;
        }
        let missing = usize::try_from(cursor.id - member.after.id).unwrap_or(usize::MAX);
        let Some(first) = self.recent.updates.len().checked_sub(missing) else {
            return member.resync();
        };
        let before_first = self
            .recent
            .updates
            .get(first)
            .map_or(cursor, |(previous, _)| *previous);
        if member.after != before_first {
            return member.resync();
        }
        for (_, body) in self.recent.updates.range(first..) {
            for entry in entries(body) {
                if let Ok(Entry::Delivery { to, frame }) = entry
                    && to.iter().any(|user| user == member.principal.user)
                {
                    member.show(&Lines::new(frame));
                }
            }
        }
    }

    /// Begins at another place of the log, or in a restored log. The updates before it are unknown here.
    fn start_anew(&mut self, outcome: &Outcome) {
        let before = self.cursor.replace(outcome.at);
        self.early = Buffer::default();
        self.recent = Buffer::default();
        for agency_id in self.queues.others(&outcome.queues) {
            self.update_queue(Queue {
                agency_id,
                waiting: Vec::new(),
                estimate: None,
            });
        }
        self.stale_queues.clear();
        for member in self.members.values_mut().flatten() {
            // A client that joined before the first exchange may be ahead of it.
            if before.is_some() || member.after.id < outcome.at.id || member.is_of_another_log(outcome.at) {
                member.resync();
            }
        }
    }

    fn has_gap(&self) -> bool {
        !self.held && !self.early.updates.is_empty()
    }

    /// Takes an agency's queue, and shows it to the clients for whom it has changed.
    fn update_queue(&mut self, queue: Queue) {
        let agency_id = queue.agency_id;
        let changes = self.queues.update(queue, Instant::now());
        for (participant, frame) in changes.positions {
            let members = self.members.get(&participant).into_iter().flatten();
            for member in members.filter(|member| member.protocol == Protocol::Two) {
                member.handle.queue.push(frame.clone());
            }
        }
        if let Some(frame) = changes.status {
            let is_colleague = |member: &&Member| {
                member.protocol == Protocol::Two && member.principal.agency_id == Some(agency_id)
            };
            for member in self.all().filter(is_colleague) {
                member.handle.queue.push(frame.clone());
            }
        }
    }
}

impl Member {
    /// Whether the client was looked up in another log than the one with this update: an update up to the client's was
    /// committed later, because the database was restored from a copy.
    fn is_of_another_log(&self, update: Cursor) -> bool {
        update.id <= self.after.id && update.made_at > self.after.made_at
    }

    /// Shows the frame of an update that does not precede the connection.
    fn play(&mut self, update: Cursor, lines: &Lines<'_>) {
        if self.is_of_another_log(update) {
            self.resync();
        }
        if update.id == 0 || update.id > self.after.id {
            self.show(lines);
        }
    }

    fn show(&self, lines: &Lines<'_>) {
        if let Some(line) = lines.get(self.protocol) {
            self.handle.queue.push(line);
        }
    }

    /// Handles missed updates: a client of protocol 2 gets `resync`, one of the contract is disconnected, so that it
    /// comes back and asks.
    fn resync(&mut self) {
        self.after.id = 0;
        match self.protocol {
            Protocol::Contract => self.handle.end(CloseReason::MissedUpdates),
            Protocol::Two => self.handle.queue.push(resync_frame()),
        }
    }
}

/// A frame's lines, made for the first client that needs them and shared by all.
struct Lines<'a> {
    frame: Frame<'a>,
    contract: OnceCell<Option<Utf8Bytes>>,
    two: OnceCell<Option<Utf8Bytes>>,
}

impl<'a> Lines<'a> {
    fn new(frame: Frame<'a>) -> Lines<'a> {
        Lines {
            frame,
            contract: OnceCell::new(),
            two: OnceCell::new(),
        }
    }

    fn get(&self, protocol: Protocol) -> Option<Utf8Bytes> {
        let made = match protocol {
            // A frame that is the same for both is made once.
            Protocol::Two if !self.frame.is_same_for_both() => &self.two,
            Protocol::Two | Protocol::Contract => &self.contract,
        };
        made.get_or_init(|| self.frame.line_for(protocol).map(Utf8Bytes::from))
            .clone()
    }
}

impl Buffer<BTreeMap<i64, Early>> {
    /// Keeps an early update. When there is no room, drops the latest: it will come again with an exchange.
    fn insert(&mut self, update: Update<'_>) {
        let early = Early {
            previous: update.previous(),
            cursor: update.cursor,
            body: Arc::from(update.body),
        };
        self.bytes += update.body.len();
        if let Some(replaced) = self.updates.insert(update.cursor.id, early) {
            self.bytes -= replaced.body.len();
        }
        while self.bytes > MAX_EARLY_BYTES
            && let Some((_, latest)) = self.updates.pop_last()
        {
            self.bytes -= latest.body.len();
        }
    }
}

impl Buffer<VecDeque<(Cursor, Arc<str>)>> {
    fn push(&mut self, previous: Cursor, body: Arc<str>) {
        /// What an update costs besides its body.
        const OVERHEAD: usize = 64;
        self.bytes += body.len() + OVERHEAD;
        self.updates.push_back((previous, body));
        while self.bytes > MAX_RECENT_BYTES
            && let Some((_, oldest)) = self.updates.pop_front()
        {
            self.bytes -= oldest.len() + OVERHEAD;
        }
    }
}
