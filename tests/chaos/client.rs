//! A client, as on a phone or in a browser. It connects to any sidecar, sends messages, repeats those that are not
//! acknowledged, asks for messages that it lacks, disconnects and reconnects, and logs what it receives.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, bail};
use fastrand::Rng;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::conformance;
use super::history::{
    Connection, Given, Live, Log, Message, Position, Protocol, Resync, Saved, Sent, Side, Taken, User, now,
};
use super::rest::Rest;
use super::socket::{Incoming, Socket};

/// What all clients do at a time.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Phase {
    /// They do everything.
    Busy,
    /// They start nothing new and finish what they have started.
    Settling,
    /// They read every chat from its start.
    Reading,
    Over,
}

/// How a client uses its socket.
#[derive(Clone, Debug)]
pub(crate) enum Habit {
    /// A participant, who sends messages.
    Talks,
    /// An organizer, who starts chats, sends messages, closes chats and transfers them to colleagues.
    Supports { waits: bool, colleagues: Vec<i64> },
    /// A second device of somebody, which only reads.
    Reads,
}

/// What a client needs to start.
pub(crate) struct Setting {
    pub(crate) token: String,
    pub(crate) habit: Habit,
    pub(crate) sidecars: Vec<SocketAddr>,
    pub(crate) rest: Rest,
    pub(crate) seed: u64,
    pub(crate) phase: watch::Receiver<Phase>,
    /// How often the messenger's database was restored so far.
    pub(crate) restores: watch::Receiver<usize>,
}

/// The time between two actions of a client.
const TURN_MILLIS: std::ops::Range<u64> = 60..240;

/// How many chats a client reads over REST between two actions. It does not read its socket meanwhile, so it must not
/// take so long that the client counts as gone.
const PORTION: usize = 5;

/// A client reconnects when a question has had no answer for this long.
const SILENCE: Duration = Duration::from_secs(6);

/// Time limit for `ready`. A sidecar may take 20 s.
const OPENING: Duration = Duration::from_secs(25);

/// An organizer starts no further chat while it has this many.
const CHATS_AT_ONCE: usize = 2;

/// An organizer closes a chat after this time.
const CHAT_MILLIS: std::ops::Range<u64> = 1_500..6_000;

/// How many messages of a client may be unacknowledged.
const UNDER_WAY: usize = 5;

/// How many messages a client sends in one chat.
const SAYINGS: usize = 12;

/// Why a client leaves a connection.
enum Leaving {
    /// The connection ended, or answers nothing.
    Lost,
    /// The client reconnects after this time, perhaps to another sidecar.
    Away(Duration),
    Over,
}

pub(crate) struct Client {
    setting: Setting,
    log: Arc<Mutex<Log>>,
    user: User,
    protocol: Protocol,
    rng: Rng,
    /// Counts connections.
    connection: usize,
    /// Messages without acknowledgement, as indexes of `Log::sent`.
    unsaved: VecDeque<usize>,
    /// Those of them that were answered with an error and will be sent again.
    again: VecDeque<usize>,
    chats: BTreeMap<String, Talk>,
    /// For each unanswered `get_chats`, the chats that were on the screen when it was sent.
    asked: VecDeque<BTreeSet<String>>,
    /// When the oldest unanswered question was sent.
    unanswered_since: Option<Instant>,
    /// Since when it waits for the next request.
    waiting_since: Option<Instant>,
    /// Chats that were closed, as far as it knows since the last restore that it was told of.
    closed: BTreeSet<String>,
    /// How many restores it was told of.
    restores: usize,
    said: usize,
}

/// A chat on the screen.
#[derive(Debug)]
struct Talk {
    said: usize,
    close_at: Instant,
    closing_since: Option<Instant>,
    /// It is back in the queue.
    is_waiting: bool,
}

impl Client {
    pub(crate) fn new(setting: Setting, log: Arc<Mutex<Log>>) -> Client {
        let (user, protocol) = {
            let log = log.lock().expect("no panic while locked");
            (log.user, log.protocol)
        };
        Client {
            rng: Rng::with_seed(setting.seed),
            setting,
            log,
            user,
            protocol,
            connection: 0,
            unsaved: VecDeque::new(),
            again: VecDeque::new(),
            chats: BTreeMap::new(),
            asked: VecDeque::new(),
            unanswered_since: None,
            waiting_since: None,
            closed: BTreeSet::new(),
            restores: 0,
            said: 0,
        }
    }

    fn note<T>(&self, note: impl FnOnce(&mut Log) -> T) -> T {
        note(&mut self.log.lock().expect("no panic while locked"))
    }

    fn phase(&self) -> Phase {
        *self.setting.phase.borrow()
    }

    /// Runs until the phase is `Over`.
    pub(crate) async fn live(mut self) {
        while self.phase() != Phase::Over {
            let sidecar = self.setting.sidecars[self.rng.usize(..self.setting.sidecars.len())];
            let leaving = match Socket::open(sidecar).await {
                Ok(socket) => self.connected(socket).await,
                Err(_) => Leaving::Lost,
            };
            self.note(|log| {
                log.is_connected = false;
                if let Some(connection) = log.connection() {
                    connection.ended_at.get_or_insert_with(now);
                }
            });
            match leaving {
                Leaving::Lost => {
                    let jitter = Duration::from_millis(self.rng.u64(50..500));
                    sleep(jitter).await;
                }
                Leaving::Away(time) => {
                    // A client that is away comes back as soon as the others settle.
                    let mut phase = self.setting.phase.clone();
                    let _ = timeout(time, phase.wait_for(|phase| *phase != Phase::Busy)).await;
                }
                Leaving::Over => return,
            }
        }
    }

    async fn connected(&mut self, mut socket: Socket) -> Leaving {
        self.connection += 1;
        self.note(|log| {
            log.tally.connections += 1;
            log.connections.push(Connection::default());
            log.seen.clear();
        });
        self.asked.clear();
        self.unanswered_since = None;
        self.waiting_since = None;
        self.again.clear();
        let Ok(()) = self.introduce(&mut socket).await else {
            return Leaving::Lost;
        };
        self.note(|log| log.is_connected = true);
        match self.converse(&mut socket).await {
            Ok(leaving) => {
                // Some send a close frame, others drop the connection.
                if self.rng.bool() {
                    socket.close().await;
                }
                leaving
            }
            Err(_) => Leaving::Lost,
        }
    }

    /// Sends the first frame, `get_chats`, and all unacknowledged messages.
    async fn introduce(&mut self, socket: &mut Socket) -> Result<()> {
        let authorization = format!("Bearer {}", self.setting.token);
        match self.protocol {
            Protocol::Contract => {
                socket.send(&json!({"Authorization": authorization})).await?;
            }
            Protocol::Two => {
                socket
                    .send(&json!({"Authorization": authorization, "protocol": 2}))
                    .await?;
                let Ok(first) = timeout(OPENING, socket.next()).await else {
                    bail!("not ready in time");
                };
                match first {
                    Incoming::Frame(frame) if frame["type"] == "ready" => {
                        self.conforms(&frame);
                        self.is_served();
                        let id = frame["payload"]["principal"]["id"].as_i64();
                        if id != Some(self.user.id) {
                            self.odd(format!("is somebody else: {frame}"));
                        }
                    }
                    other => {
                        self.ended(other);
                        bail!("no welcome");
                    }
                }
            }
        }
        self.ask_for_chats(socket).await?;
        for place in self.unsaved.clone() {
            self.transmit(socket, place).await?;
        }
        Ok(())
    }

    /// Notes that a connection has had its first answer, which shows the present state of the database.
    fn is_served(&mut self) {
        self.forgets_what_was_undone();
        self.note(|log| {
            if let Some(connection) = log.connection() {
                connection.served_at.get_or_insert_with(now);
            }
        });
    }

    /// Drops what was known from before a restore, as after loading the page again.
    fn forgets_what_was_undone(&mut self) {
        if *self.setting.restores.borrow() > self.restores {
            self.forgets();
        }
    }

    fn forgets(&mut self) {
        self.restores = *self.setting.restores.borrow();
        self.closed.clear();
        self.note(|log| log.shown.clear());
    }

    async fn converse(&mut self, socket: &mut Socket) -> Result<Leaving> {
        let mut turn = Instant::now() + self.pause();
        let mut read_at = Instant::now();
        loop {
            tokio::select! {
                incoming = socket.next() => match incoming {
                    Incoming::Frame(frame) => self.receive(socket, &frame).await?,
                    other => {
                        self.ended(other);
                        return Ok(Leaving::Lost);
                    }
                },
                () = sleep_until(turn) => {
                    if self.unanswered_since.is_some_and(|since| since.elapsed() > SILENCE) {
                        return Ok(Leaving::Lost);
                    }
                    match self.phase() {
                        Phase::Busy => {
                            if let Some(time) = self.may_go() {
                                return Ok(Leaving::Away(time));
                            }
                            self.act(socket).await?;
                        }
                        Phase::Settling => self.finish(socket).await?,
                        Phase::Reading => {
                            self.finish(socket).await?;
                            if read_at <= Instant::now() {
                                let is_all = self.read_some(socket).await?;
                                read_at = Instant::now() + if is_all { SILENCE / 2 } else { Duration::ZERO };
                            }
                        }
                        Phase::Over => return Ok(Leaving::Over),
                    }
                    turn = Instant::now() + self.pause();
                }
            }
        }
    }

    fn pause(&mut self) -> Duration {
        Duration::from_millis(self.rng.u64(TURN_MILLIS))
    }

    /// Whether to disconnect, and for how long. A client that only reads never does, so it depends on `resync`.
    fn may_go(&mut self) -> Option<Duration> {
        if matches!(self.setting.habit, Habit::Reads) {
            return None;
        }
        let millis = match self.rng.u32(..1000) {
            0..12 => self.rng.u64(0..200),
            12..16 => self.rng.u64(500..3_000),
            // Long enough for the messenger to put an organizer's chats back into the queue.
            16 => self.rng.u64(5_000..9_000),
            _ => return None,
        };
        Some(Duration::from_millis(millis))
    }

    async fn act(&mut self, socket: &mut Socket) -> Result<()> {
        self.send_again(socket).await?;
        match self.setting.habit.clone() {
            Habit::Reads => {}
            Habit::Talks => self.talk(socket, 35).await?,
            Habit::Supports { waits, colleagues } => {
                self.talk(socket, 30).await?;
                self.close_due(socket).await?;
                self.hand_over(socket, &colleagues).await?;
                self.take_next(socket, waits).await?;
            }
        }
        if self.protocol == Protocol::Two && self.rng.u32(..100) < 4 {
            self.show_signs_of_life(socket).await?;
        }
        Ok(())
    }

    /// Starts nothing new, and finishes what it has started.
    async fn finish(&mut self, socket: &mut Socket) -> Result<()> {
        self.send_again(socket).await?;
        if self.waiting_since.take().is_some() {
            let stop = json!({"type": "start_chat", "payload": {"wait": false}});
            self.ask(socket, &stop).await?;
        }
        self.close_again(socket).await
    }

    async fn send_again(&mut self, socket: &mut Socket) -> Result<()> {
        while let Some(place) = self.again.pop_front() {
            self.transmit(socket, place).await?;
        }
        Ok(())
    }

    /// Sends a message in some of the chats.
    async fn talk(&mut self, socket: &mut Socket, percent: u32) -> Result<()> {
        let is_participant = self.user.side == Side::Participant;
        let may_say = |talk: &Talk| {
            talk.said < SAYINGS && talk.closing_since.is_none() && (is_participant || !talk.is_waiting)
        };
        let chats: Vec<String> = self
            .chats
            .iter()
            .filter(|(_, talk)| may_say(talk))
            .map(|(id, _)| id.clone())
            .collect();
        for chat_id in chats {
            if self.rng.u32(..100) < percent && self.unsaved.len() < UNDER_WAY {
                self.say(socket, chat_id).await?;
            }
        }
        Ok(())
    }

    async fn say(&mut self, socket: &mut Socket, chat_id: String) -> Result<()> {
        self.said += 1;
        if let Some(talk) = self.chats.get_mut(&chat_id) {
            talk.said += 1;
        }
        let client_id = (self.protocol == Protocol::Two)
            .then(|| uuid::Builder::from_random_bytes(self.rng.u128(..).to_ne_bytes()).into_uuid());
        let said = self.said;
        let has_client_id = client_id.is_some();
        let place = self.note(|log| {
            log.sent.push(Sent {
                chat_id,
                content: format!("{} says {said}", log.name),
                client_id: client_id.map(|id| id.to_string()),
                on: Vec::new(),
                saved: None,
                failed: false,
                refused: false,
            });
            log.sent.len() - 1
        });
        if has_client_id {
            self.unsaved.push_back(place);
        }
        self.transmit(socket, place).await
    }

    async fn transmit(&mut self, socket: &mut Socket, place: usize) -> Result<()> {
        let connection = self.connection;
        let sent = self.note(|log| {
            let sent = &mut log.sent[place];
            sent.on.push(connection);
            sent.clone()
        });
        let mut payload = json!({"chatId": sent.chat_id, "message": sent.content});
        if let Some(client_id) = sent.client_id {
            payload["clientId"] = client_id.into();
            self.unanswered_since.get_or_insert_with(Instant::now);
        }
        socket
            .send(&json!({"type": "send_message", "payload": payload}))
            .await
    }

    async fn close_due(&mut self, socket: &mut Socket) -> Result<()> {
        let now = Instant::now();
        for talk in self.chats.values_mut() {
            if talk.closing_since.is_none() && talk.close_at <= now {
                // Long ago, so that `close_again` sends it at once.
                talk.closing_since = now.checked_sub(SILENCE);
            }
        }
        self.close_again(socket).await
    }

    /// Sends `close_chat` again for each closing chat without an answer for 2 s.
    async fn close_again(&mut self, socket: &mut Socket) -> Result<()> {
        let now = Instant::now();
        let mut frames = Vec::new();
        for (chat_id, talk) in &mut self.chats {
            if talk
                .closing_since
                .is_some_and(|since| since + Duration::from_secs(2) <= now)
            {
                talk.closing_since = Some(now);
                frames.push(json!({"type": "close_chat", "payload": {"chatId": chat_id}}));
            }
        }
        for frame in frames {
            socket.send(&frame).await?;
        }
        Ok(())
    }

    async fn hand_over(&mut self, socket: &mut Socket, colleagues: &[i64]) -> Result<()> {
        if self.protocol == Protocol::Contract || colleagues.is_empty() || self.rng.u32(..100) >= 2 {
            return Ok(());
        }
        let colleague = colleagues[self.rng.usize(..colleagues.len())];
        let mine = self
            .chats
            .iter()
            .filter(|(_, talk)| talk.closing_since.is_none())
            .map(|(id, _)| id);
        let Some(chat_id) = mine.max() else {
            return Ok(());
        };
        let payload = json!({"chatId": chat_id, "organizerId": colleague});
        socket
            .send(&json!({"type": "transfer_chat", "payload": payload}))
            .await
    }

    async fn take_next(&mut self, socket: &mut Socket, waits: bool) -> Result<()> {
        if self.chats.len() >= CHATS_AT_ONCE {
            return Ok(());
        }
        if !waits {
            if self.rng.u32(..100) < 30 {
                self.ask(socket, &json!({"type": "start_chat", "payload": ""}))
                    .await?;
            }
            return Ok(());
        }
        // The sidecar that knew it may be gone. Asking again does no harm.
        let has_waited_long = |since: Instant| since.elapsed() > Duration::from_secs(10);
        if self.waiting_since.is_none_or(has_waited_long) {
            self.waiting_since = Some(Instant::now());
            let wait = json!({"type": "start_chat", "payload": {"wait": true}});
            self.ask(socket, &wait).await?;
        }
        Ok(())
    }

    async fn show_signs_of_life(&mut self, socket: &mut Socket) -> Result<()> {
        let Some(chat_id) = self.chats.keys().next_back() else {
            return Ok(());
        };
        let seq = self.note(|log| log.last_shown(chat_id));
        let frame = match self.rng.bool() {
            true => json!({"type": "typing", "payload": {"chatId": chat_id}}),
            false => json!({"type": "read", "payload": {"chatId": chat_id, "seq": seq}}),
        };
        socket.send(&frame).await
    }

    /// Sends a question to which an answer must come.
    async fn ask(&mut self, socket: &mut Socket, frame: &Value) -> Result<()> {
        self.unanswered_since.get_or_insert_with(Instant::now);
        socket.send(frame).await
    }

    async fn ask_for_chats(&mut self, socket: &mut Socket) -> Result<()> {
        self.asked.push_back(self.chats.keys().cloned().collect());
        self.ask(socket, &json!({"type": "get_chats", "payload": ""}))
            .await
    }

    async fn ask_for_history(&mut self, socket: &mut Socket, chat_id: &str) -> Result<()> {
        let mut payload = json!({"chatId": chat_id});
        if self.protocol == Protocol::Two {
            payload["afterSeq"] = self.note(|log| log.last_shown(chat_id)).into();
            // Some clients read a history in parts.
            if self.rng.bool() {
                payload["limit"] = self.rng.i64(1..8).into();
            }
        }
        self.ask(socket, &json!({"type": "get_chat_history", "payload": payload}))
            .await
    }

    fn odd(&self, what: String) {
        self.note(|log| log.oddities.push(what));
    }

    fn conforms(&self, frame: &Value) {
        if let Some(oddity) = conformance::frame(frame, self.protocol, self.user.side) {
            self.odd(oddity);
        }
    }

    fn ended(&self, how: Incoming) {
        match how {
            Incoming::End(code) => {
                if let Some(oddity) = conformance::close(code, self.protocol) {
                    self.odd(oddity);
                }
            }
            Incoming::Frame(frame) => self.odd(format!("came before ready: {frame}")),
            Incoming::Nonsense(text) => self.odd(format!("no frame at all: {text}")),
        }
    }

    async fn receive(&mut self, socket: &mut Socket, frame: &Value) -> Result<()> {
        self.conforms(frame);
        let payload = &frame["payload"];
        let chat_id = payload["chatId"].as_str().unwrap_or_default();
        match frame["type"].as_str().unwrap_or_default() {
            "chats" => self.has_chats(socket, payload).await?,
            "chat_history" => self.has_history(socket, payload).await?,
            "user_message" => self.hears(socket, payload).await?,
            "new_chat" => self.has_new_chat(socket, payload).await?,
            "message_saved" => self.is_saved(payload),
            "closed_chat" => {
                self.closed.insert(chat_id.to_owned());
                self.note(|log| log.closed.insert(chat_id.to_owned(), now()));
                self.is_gone(chat_id);
            }
            "chat_requeued" => {
                self.note(|log| log.tally.requeues += 1);
                match self.user.side {
                    Side::Organizer => self.is_gone(chat_id),
                    Side::Participant => {
                        if let Some(talk) = self.chats.get_mut(chat_id) {
                            talk.is_waiting = true;
                        }
                    }
                }
            }
            "chat_transferred" => {
                self.note(|log| log.tally.transfers += 1);
                if self.user.side == Side::Organizer && payload["organizerId"] != self.user.id {
                    self.is_gone(chat_id);
                }
            }
            "queue_position" => {
                let numbers = payload["eventId"].as_i64().zip(payload["position"].as_i64());
                if let Some((event_id, position)) = numbers {
                    let at = now();
                    self.note(|log| {
                        log.positions.push(Position {
                            event_id,
                            position,
                            at,
                        });
                    });
                }
            }
            "error" => self.has_failed(socket, payload).await?,
            "info" => self.unanswered_since = None,
            "resync" => {
                self.note(|log| {
                    log.tally.resyncs += 1;
                    let (at, place) = (now(), log.live.len());
                    if let Some(connection) = log.connection() {
                        connection.resyncs.push(Resync { at, place });
                    }
                });
                // A sidecar that does not know of a restore yet may show undone updates after a client has connected.
                if self.restores > 0 {
                    self.forgets();
                } else {
                    self.forgets_what_was_undone();
                }
                self.ask_for_chats(socket).await?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn has_chats(&mut self, socket: &mut Socket, payload: &Value) -> Result<()> {
        self.unanswered_since = None;
        if self.protocol == Protocol::Contract {
            self.is_served();
        }
        let before = self.asked.pop_front().unwrap_or_default();
        let chats = payload["chats"].as_array().cloned().unwrap_or_default();
        let mut open = BTreeSet::new();
        for chat in &chats {
            let chat_id = chat["id"].as_str().unwrap_or_default();
            open.insert(chat_id.to_owned());
            self.is_open(chat_id, chat["state"] == "waiting");
            let last = chat["lastSeq"].as_i64();
            let is_behind = last.is_none_or(|last| last > self.note(|log| log.last_shown(chat_id)));
            if is_behind {
                self.ask_for_history(socket, chat_id).await?;
            }
        }
        for chat_id in before.difference(&open) {
            self.is_gone(chat_id);
        }
        Ok(())
    }

    fn is_open(&mut self, chat_id: &str, is_waiting: bool) {
        let close_at = Instant::now() + Duration::from_millis(self.rng.u64(CHAT_MILLIS));
        let talk = self.chats.entry(chat_id.to_owned()).or_insert(Talk {
            said: 0,
            close_at,
            closing_since: None,
            is_waiting,
        });
        talk.is_waiting = is_waiting;
        self.note(|log| {
            log.open.insert(chat_id.to_owned());
            log.known.entry(chat_id.to_owned()).or_insert_with(now);
            // A chat without messages is shown as well.
            log.shown.entry(chat_id.to_owned()).or_default();
        });
    }

    fn is_gone(&mut self, chat_id: &str) {
        self.chats.remove(chat_id);
        self.note(|log| log.open.remove(chat_id));
    }

    async fn has_history(&mut self, socket: &mut Socket, payload: &Value) -> Result<()> {
        self.unanswered_since = None;
        let chat_id = payload["chatId"].as_str().unwrap_or_default().to_owned();
        let messages = payload["messages"].as_array().cloned().unwrap_or_default();
        let messages: Vec<Message> = messages
            .iter()
            .enumerate()
            // A contract client gets the whole chat, in its order.
            .map(|(place, message)| message_of(message, place as i64 + 1))
            .collect();
        let is_whole = payload["lastSeq"]
            .as_i64()
            .is_none_or(|last| last == messages.len() as i64);
        if self.phase() == Phase::Reading && is_whole {
            self.note(|log| log.read_at_the_end.insert(chat_id.clone(), messages.clone()));
        }
        if self.protocol == Protocol::Contract {
            let ids = messages.into_iter().map(|message| message.id);
            self.note(|log| log.seen.entry(chat_id).or_default().extend(ids));
            return Ok(());
        }
        for message in messages {
            if self.note(|log| log.take(message.clone())) == Taken::BehindAGap {
                self.odd(format!("a history with a gap before {message:?}"));
            }
        }
        let shown = self.note(|log| log.last_shown(&chat_id));
        if payload["lastSeq"].as_i64().is_some_and(|last| last > shown) {
            self.ask_for_history(socket, &chat_id).await?;
        }
        Ok(())
    }

    async fn hears(&mut self, socket: &mut Socket, payload: &Value) -> Result<()> {
        let message = message_of(payload, 0);
        let chat_id = message.chat_id.clone();
        let live = Live {
            connection: self.connection,
            chat_id: chat_id.clone(),
            id: message.id.clone(),
            seq: payload["seq"].as_i64(),
            at: now(),
        };
        self.note(|log| {
            log.seen
                .entry(live.chat_id.clone())
                .or_default()
                .insert(live.id.clone());
            log.known.entry(live.chat_id.clone()).or_insert(live.at);
            log.live.push(live);
        });
        if self.protocol == Protocol::Two && self.note(|log| log.take(message)) == Taken::BehindAGap {
            self.note(|log| log.tally.gaps += 1);
            self.ask_for_history(socket, &chat_id).await?;
        }
        Ok(())
    }

    async fn has_new_chat(&mut self, socket: &mut Socket, payload: &Value) -> Result<()> {
        self.unanswered_since = None;
        let chat_id = payload["id"].as_str().unwrap_or_default();
        let organizer_id = payload["organizerId"].as_i64().unwrap_or_default();
        if self.user.side == Side::Organizer && organizer_id != self.user.id {
            self.odd(format!("was given somebody else's chat: {payload}"));
        }
        // A contract organizer gets `closed_chat` for a chat that is transferred, and may get the chat back.
        let may_come_back = self.protocol == Protocol::Contract && self.user.side == Side::Organizer;
        if !may_come_back && self.closed.contains(chat_id) {
            self.odd(format!("was given a chat after it was closed: {payload}"));
        }
        let last_seq = payload["lastSeq"].as_i64();
        let given = Given {
            chat_id: chat_id.to_owned(),
            organizer_id,
            last_seq,
            at: now(),
        };
        self.note(|log| log.given.push(given));
        self.waiting_since = None;
        self.is_open(chat_id, false);
        if last_seq.is_some_and(|last| last > self.note(|log| log.last_shown(chat_id))) {
            self.ask_for_history(socket, chat_id).await?;
        }
        Ok(())
    }

    fn is_saved(&mut self, payload: &Value) {
        self.unanswered_since = None;
        let client_id = payload["clientId"].as_str().unwrap_or_default();
        let saved = Saved {
            id: payload["id"].as_str().unwrap_or_default().to_owned(),
            seq: payload["seq"].as_i64().unwrap_or_default(),
            at: now(),
        };
        let Some(place) = self.place_of(client_id) else {
            return self.odd(format!("nobody has sent what was saved: {payload}"));
        };
        self.note(|log| match log.sent[place].saved.replace(saved.clone()) {
            Some(before) if (&before.id, before.seq) != (&saved.id, saved.seq) => {
                log.changed_saves.push([before, saved]);
            }
            Some(_) | None => {}
        });
        self.unsaved.retain(|unsaved| *unsaved != place);
        self.again.retain(|again| *again != place);
    }

    fn place_of(&self, client_id: &str) -> Option<usize> {
        self.note(|log| {
            log.sent
                .iter()
                .rposition(|sent| sent.client_id.as_deref() == Some(client_id))
        })
    }

    async fn has_failed(&mut self, socket: &mut Socket, payload: &Value) -> Result<()> {
        self.unanswered_since = None;
        let can_be_sent_again = payload["code"] == "unavailable";
        if let Some(place) = payload["clientId"].as_str().and_then(|id| self.place_of(id)) {
            self.note(|log| log.sent[place].failed = true);
            if !self.unsaved.contains(&place) {
                return Ok(());
            }
            if can_be_sent_again {
                self.again.push_back(place);
                return Ok(());
            }
            self.note(|log| log.sent[place].refused = true);
            self.unsaved.retain(|unsaved| *unsaved != place);
        }
        self.waiting_since = None;
        let message = payload["message"].as_str().unwrap_or_default();
        if message.starts_with("you have no access to chat ") {
            self.ask_for_chats(socket).await?;
        } else if payload["message"] == "could not get chats"
            || payload["message"] == "could not get messages"
        {
            // A new connection asks everything again.
            bail!("no answer");
        }
        Ok(())
    }

    /// Reads some of the chats that it has ever known and not read yet: open chats over the socket, all others over
    /// REST. Returns whether these were the last ones.
    async fn read_some(&mut self, socket: &mut Socket) -> Result<bool> {
        let mut unread = self.note(|log| log.unread_at_the_end());
        if unread.is_empty() {
            self.note(|log| log.has_read_everything = true);
            return Ok(true);
        }
        let mut is_all = unread.len() <= PORTION;
        unread.truncate(PORTION);
        let side = match self.user.side {
            Side::Organizer => "agency",
            Side::Participant => "participant",
        };
        for chat_id in unread {
            if self.chats.contains_key(&chat_id) {
                let question = json!({"type": "get_chat_history", "payload": {"chatId": chat_id}});
                self.ask(socket, &question).await?;
                continue;
            }
            let path = format!("/messenger/{side}/chats/{chat_id}/messages");
            let answer = self
                .setting
                .rest
                .send("GET", &path, &self.setting.token, None)
                .await?;
            if (400..500).contains(&answer.status) {
                let refusal = format!("{} {}", answer.status, answer.message());
                self.note(|log| log.refused_at_the_end.insert(chat_id, refusal));
                continue;
            }
            // As it says, it can be asked again.
            if answer.status == 503 {
                is_all = false;
                continue;
            }
            if answer.status != 200 {
                self.odd(format!("{path}: {} {}", answer.status, answer.message()));
                continue;
            }
            let messages = answer.json()?.as_array().cloned().unwrap_or_default();
            let messages = messages
                .iter()
                .enumerate()
                .map(|(place, message)| message_of(message, place as i64 + 1))
                .collect();
            self.note(|log| log.read_at_the_end.insert(chat_id, messages));
        }
        Ok(is_all)
    }
}

/// Decodes a message. `place` is its number if the frame has none.
fn message_of(message: &Value, place: i64) -> Message {
    let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
    let side = match message["fromOrganizer"].as_i64() {
        Some(1) => Side::Organizer,
        _ => Side::Participant,
    };
    Message {
        chat_id: text("chatId"),
        seq: message["seq"].as_i64().unwrap_or(place),
        id: text("id"),
        author: User {
            side,
            id: message["authorId"].as_i64().unwrap_or_default(),
        },
        content: text("content"),
    }
}
