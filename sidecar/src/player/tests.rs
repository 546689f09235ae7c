use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use proptest::prelude::*;
use sidecar_api::Protocol;
use sidecar_api::update::{Body, write_update};

use super::*;
use crate::connection::send_queue::tests::taken;
use crate::connection::send_queue::{End, Work};
use crate::metrics::FramesDropped;

fn user(number: u8) -> User {
    let realm = if number.is_multiple_of(2) {
        Realm::Organizer
    } else {
        Realm::Participant
    };
    User {
        realm,
        id: i64::from(number / 2),
    }
}

fn principal(user: User) -> Principal {
    Principal {
        user,
        agency_id: (user.realm == Realm::Organizer).then_some(4),
        role: None,
        max_open_chats: None,
        name: String::new(),
    }
}

fn handle() -> Arc<Handle> {
    Arc::new(Handle::new(Arc::default(), FramesDropped::default()))
}

fn cursor(id: i64) -> Cursor {
    Cursor { id, made_at: 1 }
}

fn outcome(at: Cursor) -> Outcome {
    Outcome {
        at,
        starts_anew: false,
        replies: Vec::new(),
        committed: Vec::new(),
        queues: Vec::new(),
    }
}

/// The messenger's log. Ids begin with 1.
#[derive(Clone, Debug, Default)]
struct Log {
    updates: Vec<Logged>,
    /// How often the database was restored from a copy.
    restored: i64,
}

#[derive(Clone, Debug)]
struct Logged {
    made_at: i64,
    to: Vec<User>,
}

impl Log {
    fn end(&self) -> i64 {
        i64::try_from(self.updates.len()).unwrap()
    }

    fn update(&self, id: i64) -> &Logged {
        &self.updates[usize::try_from(id - 1).unwrap()]
    }

    fn cursor(&self, id: i64) -> Cursor {
        match id {
            0 => cursor(0),
            id => Cursor {
                id,
                made_at: self.update(id).made_at,
            },
        }
    }

    fn has(&self, cursor: Cursor) -> bool {
        cursor.id <= self.end() && self.cursor(cursor.id) == cursor
    }

    fn commit(&mut self, to: impl IntoIterator<Item = User>) {
        self.updates.push(Logged {
            made_at: self.restored + 1,
            to: to.into_iter().collect(),
        });
    }

    /// Restores the database from a copy that lacks the last updates.
    fn restore(&mut self, lacks: usize) {
        self.updates.truncate(self.updates.len().saturating_sub(lacks));
        self.restored += 1;
    }

    fn frame(&self, id: i64) -> String {
        format!("{id} made {}", self.update(id).made_at)
    }

    fn text(&self, ids: RangeInclusive<i64>) -> String {
        let mut text = String::new();
        for id in ids {
            let mut body = Body::default();
            body.deliver(&self.update(id).to, Frame::both(&self.frame(id)));
            let update = Update {
                cursor: self.cursor(id),
                previous_made_at: self.cursor(id - 1).made_at,
                body: body.as_str(),
            };
            write_update(&mut text, update);
        }
        text
    }

    /// The frames that a user is shown of the updates that were committed after this one, which may be lost.
    fn frames_after(&self, user: User, after: Cursor) -> Vec<String> {
        let is_later = |id: &i64| *id > after.id || self.update(*id).made_at > after.made_at;
        let first = (1..=self.end()).find(is_later);
        first.map_or_else(Vec::new, |first| self.frames(user, first..=self.end()))
    }

    /// The frames that a user is shown of the updates with these ids.
    fn frames(&self, user: User, ids: RangeInclusive<i64>) -> Vec<String> {
        ids.filter(|id| self.update(*id).to.contains(&user))
            .map(|id| format!("{}\n", self.frame(id)))
            .collect()
    }
}

/// The text of an update that follows the one with the id before it.
fn text(id: i64, body: &Body) -> String {
    let mut text = String::new();
    let update = Update {
        cursor: cursor(id),
        previous_made_at: cursor(id).made_at,
        body: body.as_str(),
    };
    write_update(&mut text, update);
    text
}

/// A player that has begun at the end of an empty log.
fn started() -> Player {
    let player = Player::new();
    let outcome = Outcome {
        starts_anew: true,
        ..outcome(cursor(0))
    };
    player.exchange_answered(&outcome, "", || {});
    player
}

fn join(player: &Player, user: User, after: i64, protocol: Protocol) -> Arc<Handle> {
    join_after(player, user, cursor(after), protocol)
}

fn join_after(player: &Player, user: User, after: Cursor, protocol: Protocol) -> Arc<Handle> {
    let handle = handle();
    player.join(
        player.ticket(),
        principal(user),
        after,
        protocol,
        Arc::clone(&handle),
    );
    handle
}

/// Something that happens while a sidecar runs.
#[derive(Clone, Debug)]
enum Event {
    /// Another sidecar's exchange commits an update for these users.
    Commit(BTreeSet<u8>),
    /// `count` updates arrive over Redis, ending `before_end` updates before the end of the log. Updates that no event
    /// publishes are lost.
    Publish { count: u8, before_end: u8 },
    /// The same, from the log before it was last restored.
    PublishLate { count: u8, before_end: u8 },
    /// The messenger's database is restored from a copy that lacks this many updates.
    Restore { lacks: u8 },
    /// An exchange is sent, with a question of the oldest connection or without.
    Ask { question: bool },
    /// The exchange under way is carried out, and commits an update for these users, or none.
    CarryOut(Option<BTreeSet<u8>>),
    /// The answer to the exchange arrives, with updates that were committed since.
    Answer,
    /// The sidecar abandons the exchange.
    GiveUp,
    /// A client's first frame arrives.
    Authenticate(u8),
    /// The messenger looks up the users of all clients that have sent their first frame.
    LookUp,
    /// The oldest client that was looked up joins.
    Join,
}

fn event() -> impl Strategy<Value = Event> {
    let users = || prop::collection::btree_set(0u8..4, 0..3);
    prop_oneof![
        3 => users().prop_map(Event::Commit),
        4 => (1u8..4, 0u8..4).prop_map(|(count, before_end)| Event::Publish { count, before_end }),
        1 => (1u8..4, 0u8..4).prop_map(|(count, before_end)| Event::PublishLate { count, before_end }),
        1 => (0u8..4).prop_map(|lacks| Event::Restore { lacks }),
        3 => any::<bool>().prop_map(|question| Event::Ask { question }),
        3 => prop::option::of(users()).prop_map(Event::CarryOut),
        3 => Just(Event::Answer),
        1 => Just(Event::GiveUp),
        2 => (0u8..4).prop_map(Event::Authenticate),
        2 => Just(Event::LookUp),
        2 => Just(Event::Join),
    ]
}

/// An exchange under way.
struct UnderWay {
    asked_from: Cursor,
    /// The end of the log when it was carried out, if it was.
    at: Option<Cursor>,
    asker: Option<Arc<Handle>>,
}

struct Client {
    user: User,
    after: Cursor,
    handle: Arc<Handle>,
}

const ANSWER: &str = "answer at ";

struct Run {
    player: Player,
    log: Log,
    /// The log before it was last restored.
    lost_log: Log,
    under_way: Option<UnderWay>,
    silent: Vec<(User, Ticket)>,
    looked_up: VecDeque<(User, Ticket, Cursor)>,
    clients: Vec<Client>,
}

impl Run {
    fn new() -> Run {
        Run {
            player: started(),
            log: Log::default(),
            lost_log: Log::default(),
            under_way: None,
            silent: Vec::new(),
            looked_up: VecDeque::new(),
            clients: Vec::new(),
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Commit(users) => self.log.commit(users.into_iter().map(user)),
            Event::Publish { count, before_end } => {
                let last = self.log.end() - i64::from(before_end);
                let first = (last - i64::from(count) + 1).max(1);
                // Only this sidecar publishes the update of its exchange under way, after the answer.
                let own = self.under_way.as_ref().and_then(|under_way| under_way.at);
                if own.is_none_or(|own| !(first..=last).contains(&own.id)) {
                    self.player.receive(&self.log.text(first..=last));
                }
            }
            Event::PublishLate { count, before_end } => {
                let last = self.lost_log.end() - i64::from(before_end);
                let first = (last - i64::from(count) + 1).max(1);
                self.player.receive(&self.lost_log.text(first..=last));
            }
            // The host stops for the restore, and the sidecar sends an exchange under way again.
            Event::Restore { lacks } => {
                if let Some(under_way) = &mut self.under_way {
                    under_way.at = None;
                }
                self.lost_log = self.log.clone();
                self.log.restore(lacks.into());
            }
            Event::Ask { question } if self.under_way.is_none() => {
                let asker = self.clients.first().filter(|_| question);
                let begun = self.player.begin_exchange(asker.is_some());
                self.under_way = Some(UnderWay {
                    asked_from: begun.cursor.unwrap(),
                    at: None,
                    asker: asker.map(|client| Arc::clone(&client.handle)),
                });
            }
            Event::CarryOut(users) => {
                if let Some(under_way) = &mut self.under_way
                    && under_way.at.is_none()
                {
                    if let Some(users) = users {
                        self.log.commit(users.into_iter().map(user));
                    }
                    under_way.at = Some(self.log.cursor(self.log.end()));
                }
            }
            Event::Answer => self.answer(),
            Event::GiveUp => {
                if self.under_way.take().is_some() {
                    self.player.exchange_abandoned();
                }
            }
            Event::Authenticate(number) => self.silent.push((user(number), self.player.ticket())),
            Event::LookUp => {
                let end = self.log.cursor(self.log.end());
                let found = self.silent.drain(..).map(|(user, ticket)| (user, ticket, end));
                self.looked_up.extend(found);
            }
            Event::Join => {
                if let Some((user, ticket, after)) = self.looked_up.pop_front() {
                    let handle = handle();
                    self.player.join(
                        ticket,
                        principal(user),
                        after,
                        Protocol::Contract,
                        Arc::clone(&handle),
                    );
                    self.clients.push(Client { user, after, handle });
                }
            }
            Event::Ask { .. } => {}
        }
    }

    fn answer(&mut self) {
        let Some(UnderWay {
            asked_from,
            at: Some(at),
            asker,
        }) = self.under_way.take_if(|under_way| under_way.at.is_some())
        else {
            return;
        };
        let starts_anew = !self.log.has(asked_from);
        let from = if starts_anew { at } else { asked_from };
        let updates = self.log.text(from.id + 1..=self.log.end());
        let outcome = Outcome {
            starts_anew,
            ..outcome(at)
        };
        self.player.exchange_answered(&outcome, &updates, || {
            if let Some(asker) = &asker {
                asker.queue.push(format!("{ANSWER}{}", at.id).into());
            }
        });
    }

    /// Completes with exchanges without faults. After a restore the first may close a gap of the lost log; the second
    /// finds that the log is another one.
    fn finish(&mut self) {
        if self.under_way.take().is_some() {
            self.player.exchange_abandoned();
        }
        for _ in 0..2 {
            self.happen(Event::Ask { question: false });
            self.happen(Event::CarryOut(None));
            self.happen(Event::Answer);
        }
    }

    /// Checks that every connection was shown each update after its authentication once, in order, and each answer in
    /// its place, also if the log was restored since. A connection that ended for missed updates reconnects and asks.
    fn check(&self) {
        for client in &self.clients {
            if ended(&client.handle) == Some(CloseReason::MissedUpdates) {
                continue;
            }
            let shown = taken(&client.handle.queue);
            let (answers, frames): (Vec<_>, Vec<_>) =
                shown.iter().cloned().partition(|frame| frame.starts_with(ANSWER));
            assert_eq!(frames, self.log.frames_after(client.user, client.after));
            for answer in answers {
                let at: i64 = answer[ANSWER.len()..].parse().unwrap();
                let place = shown.iter().position(|frame| *frame == answer).unwrap();
                let id = |frame: &String| frame.split(' ').next()?.parse::<i64>().ok();
                assert!(
                    shown[..place].iter().filter_map(id).all(|id| id <= at),
                    "{shown:?}"
                );
                assert!(
                    shown[place..].iter().filter_map(id).all(|id| id > at),
                    "{shown:?}"
                );
            }
        }
    }
}

proptest! {
    /// Whatever is lost, doubled, late or restored, every connection is shown the same updates, in order, once.
    #[test]
    fn every_connection_is_shown_every_update_once_in_order(events in prop::collection::vec(event(), 0..200)) {
        let mut run = Run::new();
        for event in events {
            run.happen(event);
        }
        run.finish();
        run.check();
    }
}

#[test]
fn an_early_update_waits_for_those_before_it() {
    let (player, mut log) = (started(), Log::default());
    let alice = join(&player, user(0), 0, Protocol::Contract);
    (0..3).for_each(|_| log.commit([user(0)]));
    player.receive(&log.text(3..=3));
    player.receive(&log.text(2..=2));
    assert!(player.has_gap());
    assert!(taken(&alice.queue).is_empty());
    player.receive(&log.text(1..=1));
    assert!(!player.has_gap());
    assert_eq!(taken(&alice.queue), log.frames(user(0), 1..=3));
}

/// Another sidecar may know of the restored log before this one does.
#[test]
fn the_next_id_of_a_restored_log_is_not_the_next_update() {
    let (player, mut log) = (started(), Log::default());
    let alice = join(&player, user(0), 0, Protocol::Contract);
    (0..3).for_each(|_| log.commit([user(0)]));
    player.receive(&log.text(1..=3));
    let shown = log.frames(user(0), 1..=3);
    log.restore(1);
    (0..2).for_each(|_| log.commit([user(0)]));
    player.receive(&log.text(4..=4));
    assert!(player.has_gap(), "an exchange is asked at once");
    assert_eq!(taken(&alice.queue), shown);
    starts_anew(&player, 4);
    assert_eq!(ended(&alice), Some(CloseReason::MissedUpdates));
    assert!(!player.has_gap());
}

#[test]
fn each_protocol_sees_its_own_form() {
    let player = started();
    let contract = join(&player, user(1), 0, Protocol::Contract);
    let two = join(&player, user(1), 0, Protocol::Two);
    let mut body = Body::default();
    body.deliver(&[user(1)], Frame::extended(r#"{"payload":{"a":1,"b":2}}"#, 17));
    body.deliver(&[user(1)], Frame::two("{}"));
    player.receive(&text(1, &body));
    assert_eq!(taken(&contract.queue), ["{\"payload\":{\"a\":1}}\n"]);
    assert_eq!(taken(&two.queue), ["{\"payload\":{\"a\":1,\"b\":2}}\n", "{}\n"]);
}

#[test]
fn an_update_outside_the_log_is_shown_at_once() {
    let player = started();
    let bob = join(&player, user(1), 5, Protocol::Two);
    let mut body = Body::default();
    body.deliver(&[user(1)], Frame::two("typing"));
    player.receive(&text(0, &body));
    assert_eq!(taken(&bob.queue), ["typing\n"]);
}

fn starts_anew(player: &Player, at: i64) {
    let outcome = Outcome {
        starts_anew: true,
        ..outcome(cursor(at))
    };
    player.exchange_answered(&outcome, "", || {});
}

/// Whether a connection is to end, and why.
fn ended(handle: &Handle) -> Option<CloseReason> {
    futures_util::FutureExt::now_or_never(handle.ended())
}

#[test]
fn a_player_that_starts_anew_makes_its_clients_resync() {
    let (player, mut log) = (started(), Log::default());
    (0..9).for_each(|_| log.commit([user(1)]));
    player.receive(&log.text(1..=9));
    let contract = join(&player, user(1), 9, Protocol::Contract);
    let two = join(&player, user(1), 9, Protocol::Two);
    two.queue.set_protocol(Protocol::Two);

    starts_anew(&player, 3);
    assert_eq!(ended(&contract), Some(CloseReason::MissedUpdates));
    assert_eq!(ended(&two), None);
    assert!(matches!(two.queue.take(), Some(Work::Write(frame)) if frame.contains("resync")));
    player.receive(&log.text(4..=4));
    assert_eq!(
        taken(&two.queue),
        log.frames(user(1), 4..=4),
        "ids begin again before those that were played"
    );
}

#[test]
fn a_client_that_was_looked_up_in_a_lost_log_resyncs() {
    let (player, mut log) = (started(), Log::default());
    (0..4).for_each(|_| log.commit([]));
    let lost = log.cursor(3);
    log.restore(3);
    let contract = join_after(&player, user(1), lost, Protocol::Contract);
    let two = join_after(&player, user(1), lost, Protocol::Two);
    two.queue.set_protocol(Protocol::Two);
    log.commit([user(0)]);
    log.commit([user(1)]);
    player.receive(&log.text(1..=2));
    assert_eq!(ended(&contract), None, "it has missed nothing");
    player.receive(&log.text(3..=3));
    assert_eq!(ended(&contract), Some(CloseReason::MissedUpdates));
    let frames = taken(&two.queue);
    assert!(frames[0].contains("resync"), "{frames:?}");
    assert_eq!(frames[1..], log.frames(user(1), 3..=3));

    // Now that the sidecar has played an update with that id, it notices at once.
    log.commit([]);
    player.receive(&log.text(4..=4));
    let late = join_after(&player, user(1), lost, Protocol::Contract);
    assert_eq!(ended(&late), Some(CloseReason::MissedUpdates));
    let late = handle();
    late.queue.push(Utf8Bytes::from_static("ready\n"));
    player.join(
        player.ticket(),
        principal(user(1)),
        lost,
        Protocol::Two,
        Arc::clone(&late),
    );
    let frames = taken(&late.queue);
    assert_eq!(frames[0], "ready\n", "it is told behind what waits already");
    assert!(frames[1].contains("resync"), "{frames:?}");
}

#[test]
fn a_client_of_a_lost_log_that_joins_after_newer_updates_resyncs() {
    let (player, mut log) = (started(), Log::default());
    (0..4).for_each(|_| log.commit([]));
    let lost = log.cursor(3);
    log.restore(3);
    log.commit([user(1)]);
    player.receive(&log.text(1..=2));
    let late = join_after(&player, user(1), lost, Protocol::Contract);
    assert_eq!(ended(&late), Some(CloseReason::MissedUpdates));
}

#[test]
fn the_first_exchange_resyncs_only_clients_that_joined_before_its_end() {
    let player = Player::new();
    let before = join(&player, user(1), 2, Protocol::Contract);
    let after = join(&player, user(1), 7, Protocol::Contract);
    starts_anew(&player, 5);
    assert_eq!(ended(&before), Some(CloseReason::MissedUpdates));
    assert_eq!(ended(&after), None);
}

#[test]
fn the_oldest_connection_of_a_user_is_closed_at_the_limit() {
    let player = started();
    let handles: Vec<_> = (0..=MAX_CONNECTIONS_PER_USER)
        .map(|_| join(&player, user(1), 0, Protocol::Contract))
        .collect();
    assert_eq!(ended(&handles[0]), Some(CloseReason::TooManyConnections));
    assert!(handles[1..].iter().all(|handle| ended(handle).is_none()));
    player.leave(user(1), &handles[0]);
    handles[1..]
        .iter()
        .for_each(|handle| player.leave(user(1), handle));
    assert!(player.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_silent_organizer_counts_as_gone() {
    let player = started();
    let dark = join(&player, user(0), 0, Protocol::Contract);
    let second = join(&player, user(0), 0, Protocol::Two);
    join(&player, user(1), 0, Protocol::Contract);
    tokio::time::advance(PRESENCE_TIMEOUT - Duration::from_secs(1)).await;
    second.mark_active();
    tokio::time::advance(Duration::from_secs(2)).await;
    let attendance = player.attendance();
    assert_eq!((attendance.len(), attendance[0].silent_for), (1, 2000));
    player.leave(user(0), &second);
    assert_eq!(player.attendance(), [], "the other one is dark");
    dark.mark_active();
    assert_eq!(player.attendance().len(), 1);
}

#[test]
fn a_revocation_during_authentication_is_noticed() {
    let player = started();
    let ticket = player.ticket();
    let revocations = Revocations {
        users: vec![user(1)],
        ..Revocations::default()
    };
    player.reauthenticate(&revocations);
    let join = |ticket| {
        player.join(
            ticket,
            principal(user(1)),
            cursor(0),
            Protocol::Contract,
            handle(),
        )
    };
    assert!(!join(ticket));
    assert!(join(player.ticket()));
}

#[test]
fn a_queue_that_changes_while_an_answer_is_under_way_is_asked_for_again() {
    let player = started();
    let mut changed = Body::default();
    changed.queue_changed(4);
    let asked_for = || player.begin_exchange(false).queues;
    player.receive(&text(1, &changed));
    assert_eq!(asked_for(), [4]);
    player.receive(&text(2, &changed));
    let of_before = |at| Outcome {
        queues: vec![Queue {
            agency_id: 4,
            waiting: Vec::new(),
            estimate: None,
        }],
        ..outcome(cursor(at))
    };
    player.exchange_answered(&of_before(1), "", || {});
    assert_eq!(asked_for(), [4], "the second change is not in the answer");
    player.exchange_answered(&of_before(2), "", || {});
    assert_eq!(asked_for(), [0; 0]);
}

#[test]
fn a_connection_under_re_authentication_receives_nothing() {
    let (player, mut log) = (started(), Log::default());
    let (alice, bob) = (
        join(&player, user(0), 0, Protocol::Contract),
        join(&player, user(1), 0, Protocol::Contract),
    );
    player.reauthenticate(&Revocations {
        agencies: vec![4],
        ..Revocations::default()
    });
    log.commit([user(0), user(1)]);
    player.receive(&log.text(1..=1));
    assert!(alice.queue.take().is_none());
    assert_eq!(taken(&bob.queue), log.frames(user(1), 1..=1));
    alice.queue.finish_at_once(End::Drop);
}
