//! Who is connected to this sidecar, and what they are shown.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use relay_protocol::{Attendance, Listener, Place, Principal, Protocol, Realm, Revocations, User};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::frame::Frame;
use crate::order::{Arrived, Orders};
use crate::outbox::Outbox;

/// One user may hold so many connections here. A phone on a bad network leaves some behind that nobody has noticed yet; it is
/// those that go.
const MAX_CONNECTIONS_PER_USER: usize = 64;

/// All open connections of this sidecar, by user.
#[derive(Debug)]
pub(crate) struct Hub {
    people: Mutex<People>,
    /// How long a frame waits for what should precede it.
    patience: Duration,
    /// Whether frames of other sidecars can come at all. If not, nothing waits for them.
    relayed: AtomicBool,
    /// How often somebody has been doubted, whoever it was.
    doubts: AtomicU64,
    waiting: Notify,
    /// Somebody may have missed something who cannot be told.
    missed: Notify,
    /// An organizer has come, or the last connection of one has gone.
    attendance_changed: Notify,
}

#[derive(Debug, Default)]
struct People {
    present: HashMap<User, Presence>,
    /// When to look at whose held frames; the patience is the same for all, so this is in order of time.
    due: VecDeque<(Instant, User)>,
}

#[derive(Debug, Default)]
struct Presence {
    connections: Vec<Connection>,
    orders: Orders,
}

/// A connection, as far as it concerns those who have something for it.
#[derive(Debug)]
struct Connection {
    principal: Principal,
    protocol: Protocol,
    /// The revision at which it was accepted; what came before is not for it.
    since: i64,
    /// How far the histories that it was shown reach, by chat: what stands there is not shown to it once more, should it come late.
    seen: HashMap<String, i64>,
    outbox: Arc<Outbox>,
}

impl Hub {
    pub(crate) fn new(patience: Duration) -> Hub {
        Hub {
            people: Mutex::default(),
            patience,
            relayed: AtomicBool::new(false),
            doubts: AtomicU64::new(0),
            waiting: Notify::new(),
            missed: Notify::new(),
            attendance_changed: Notify::new(),
        }
    }

    /// A connection shows, from now on, what its user is to see. If there are too many the oldest one has to go: its client is the
    /// likeliest to be gone.
    pub(crate) fn join(&self, principal: Principal, since: i64, protocol: Protocol, outbox: Arc<Outbox>) {
        let mut people = self.people.lock().expect("no panic while locked");
        let presence = people.present.entry(principal.user).or_default();
        if presence.connections.len() >= MAX_CONNECTIONS_PER_USER {
            presence.connections.remove(0).outbox.crowd_out();
        }
        presence.connections.push(Connection {
            principal,
            protocol,
            since,
            seen: HashMap::new(),
            outbox,
        });
        let first = presence.connections.len() == 1;
        drop(people);
        if first && principal.user.realm == Realm::Organizer {
            self.attendance_changed.notify_one();
        }
    }

    /// A connection of `user` is over. With their last one here goes what was seen so far.
    pub(crate) fn leave(&self, user: User, outbox: &Arc<Outbox>) {
        let mut people = self.people.lock().expect("no panic while locked");
        let Some(presence) = people.present.get_mut(&user) else {
            return;
        };
        presence
            .connections
            .retain(|connection| !Arc::ptr_eq(&connection.outbox, outbox));
        let last = presence.connections.is_empty();
        if last {
            people.present.remove(&user);
        }
        drop(people);
        if last && user.realm == Realm::Organizer {
            self.attendance_changed.notify_one();
        }
    }

    /// A connection is shown a history that reaches up to `place`.
    pub(crate) fn mark_seen(&self, user: User, outbox: &Arc<Outbox>, place: &Place) {
        let mut people = self.people.lock().expect("no panic while locked");
        let connections = people
            .present
            .get_mut(&user)
            .map(|presence| &mut presence.connections);
        let asker = connections
            .into_iter()
            .flatten()
            .find(|connection| Arc::ptr_eq(&connection.outbox, outbox));
        if let Some(connection) = asker {
            connection.seen.insert(place.chat_id.clone(), place.position);
        }
    }

    /// Waits until an organizer has come or gone since the last time.
    pub(crate) async fn attendance_changed(&self) {
        self.attendance_changed.notified().await;
    }

    /// All organizers who are here.
    pub(crate) fn organizers(&self) -> Vec<Attendance> {
        let people = self.people.lock().expect("no panic while locked");
        let principals = people
            .present
            .values()
            .filter_map(|presence| presence.connections.last())
            .map(|connection| connection.principal);
        principals
            .filter(|principal| principal.user.realm == Realm::Organizer)
            .filter_map(|principal| {
                Some(Attendance {
                    organizer_id: principal.user.id,
                    agency_id: principal.agency_id?,
                    max_open_chats: principal.max_open_chats,
                })
            })
            .collect()
    }

    /// Shows a frame that stands in no order to the connections that it is for, if somebody asks for it: `frame` is made only then.
    pub(crate) fn tell(&self, to: impl Fn(&Principal) -> bool, frame: impl Fn() -> Utf8Bytes) {
        let people = self.people.lock().expect("no panic while locked");
        let mut made = None;
        for connection in people.present.values().flat_map(|presence| &presence.connections) {
            if connection.protocol == Protocol::Two && to(&connection.principal) {
                connection.outbox.push(made.get_or_insert_with(&frame).clone());
            }
        }
    }

    /// The same for one user.
    pub(crate) fn tell_user(&self, user: User, frame: impl Fn() -> Utf8Bytes) {
        let people = self.people.lock().expect("no panic while locked");
        let Some(presence) = people.present.get(&user) else {
            return;
        };
        for connection in &presence.connections {
            if connection.protocol == Protocol::Two {
                connection.outbox.push(frame());
            }
        }
    }

    /// Has the connections authorized again that something revoked may concern.
    pub(crate) fn doubt(&self, revocations: &Revocations) {
        if revocations.is_empty() {
            return;
        }
        let people = self.people.lock().expect("no panic while locked");
        // Who joins after this sees that somebody was doubted while they were on their way.
        self.doubts.fetch_add(1, Ordering::Relaxed);
        let named = revocations
            .users
            .iter()
            .filter_map(|user| people.present.get(user));
        for connection in named.flat_map(|presence| &presence.connections) {
            connection.outbox.doubt();
        }
        if revocations.agencies.is_empty() && revocations.unknown.is_empty() {
            return;
        }
        let connections = people.present.values().flat_map(|presence| &presence.connections);
        for connection in connections.filter(|connection| revocations.concern_kind_of(&connection.principal))
        {
            connection.outbox.doubt();
        }
    }

    /// A connection's user was found to be who they were, perhaps with other limits.
    pub(crate) fn confirm(&self, principal: Principal, outbox: &Arc<Outbox>) {
        let mut people = self.people.lock().expect("no panic while locked");
        let presence = people.present.get_mut(&principal.user);
        let connections = presence
            .into_iter()
            .flat_map(|presence| &mut presence.connections);
        for connection in connections.filter(|connection| Arc::ptr_eq(&connection.outbox, outbox)) {
            connection.principal = principal;
        }
    }

    /// How often somebody has been doubted.
    pub(crate) fn doubts(&self) -> u64 {
        self.doubts.load(Ordering::Relaxed)
    }

    /// Shows a frame to the connections of `user` that it is for, when its turn has come. One that is shown `again`, because its sender
    /// asked for it once more, is shown once more only to those who can tell that they have seen it.
    pub(crate) fn deliver(&self, user: User, place: Option<&Place>, frame: Frame, again: bool) {
        let now = Instant::now();
        let patience = if self.relayed.load(Ordering::Relaxed) {
            self.patience
        } else {
            Duration::ZERO
        };
        let mut people = self.people.lock().expect("no panic while locked");
        let Some(presence) = people.present.get_mut(&user) else {
            return;
        };
        let Some(place) = place else {
            return presence.show(&[frame]);
        };
        if again && presence.orders.has_shown(place) {
            return presence.show_once_more(&frame);
        }
        let arrived = Arrived {
            position: place.position,
            stage: place.stage,
            frame: frame.at(place),
        };
        let mut show = Vec::new();
        let due = presence
            .orders
            .accept(&place.chat_id, arrived, now, patience, &mut show);
        presence.show(&show);
        if due.is_some() {
            people.due.push_back((now + patience, user));
            drop(people);
            self.waiting.notify_one();
        }
    }

    /// What these users are shown next are a batch's answers and frames, in its order. What others have shown since waits for [`Hub::go_on`]: behind
    /// it a list of chats, asked for before, would bring back what was closed.
    pub(crate) fn pause(&self, users: impl Iterator<Item = User>) {
        let mut people = self.people.lock().expect("no panic while locked");
        for user in users {
            if let Some(presence) = people.present.get_mut(&user) {
                presence.orders.pause();
            }
        }
    }

    /// The batch has been shown.
    pub(crate) fn go_on(&self, users: impl Iterator<Item = User>) {
        let mut people = self.people.lock().expect("no panic while locked");
        for user in users {
            if let Some(presence) = people.present.get_mut(&user) {
                let mut show = Vec::new();
                presence.orders.go_on(&mut show);
                presence.show(&show);
            }
        }
    }

    /// Frames may have been missed: everybody is told who can do something about it, and for the others it is asked what they have missed.
    pub(crate) fn resync(&self) {
        let people = self.people.lock().expect("no panic while locked");
        for connection in people.present.values().flat_map(|presence| &presence.connections) {
            connection.outbox.miss();
        }
        drop(people);
        self.missed.notify_one();
    }

    /// Waits until frames may have been missed.
    pub(crate) async fn missed(&self) {
        self.missed.notified().await;
    }

    /// Who cannot be told to look, and what they have been shown.
    pub(crate) fn listeners(&self) -> Vec<Listener> {
        let people = self.people.lock().expect("no panic while locked");
        let listener = |(user, presence): (&User, &Presence)| {
            let connections = presence.connections.iter();
            let unaware = connections.filter(|connection| connection.protocol == Protocol::Contract);
            // After `forget_beginnings` nobody can tell what a connection has missed.
            let since = unaware.map(|connection| connection.since).min()?;
            (since != i64::MIN).then(|| Listener {
                user: *user,
                since,
                chats: presence.orders.shown(),
            })
        };
        people.present.iter().filter_map(listener).collect()
    }

    /// The messenger counts from an earlier revision on, since its database was brought back from a copy: no connection's beginning means anything
    /// any more.
    pub(crate) fn forget_beginnings(&self) {
        let mut people = self.people.lock().expect("no panic while locked");
        for presence in people.present.values_mut() {
            for connection in &mut presence.connections {
                connection.since = i64::MIN;
            }
        }
    }

    /// Frames of other sidecars can, or can not, come from now on.
    pub(crate) fn set_relayed(&self, relayed: bool) {
        self.relayed.store(relayed, Ordering::Relaxed);
    }

    /// Shows held frames when they are due. Runs until dropped.
    pub(crate) async fn release_held_frames(&self) {
        loop {
            match self.release_due(Instant::now()) {
                // A frame that comes meanwhile is due later, so this sleep need not be interrupted.
                Some(due) => sleep_until(due).await,
                None => self.waiting.notified().await,
            }
        }
    }

    /// Returns when the next frame is due.
    fn release_due(&self, now: Instant) -> Option<Instant> {
        let mut people = self.people.lock().expect("no panic while locked");
        while let Some(&(due, user)) = people.due.front() {
            if due > now {
                return Some(due);
            }
            people.due.pop_front();
            if let Some(presence) = people.present.get_mut(&user) {
                let mut show = Vec::new();
                presence.orders.release_due(now, &mut show);
                presence.show(&show);
            }
        }
        None
    }
}

impl Connection {
    fn has_seen(&self, frame: &Frame) -> bool {
        frame.message().is_some_and(|place| {
            self.seen
                .get(&place.chat_id)
                .is_some_and(|seen| place.position <= *seen)
        })
    }
}

impl Presence {
    fn show(&self, frames: &[Frame]) {
        for frame in frames {
            for connection in &self.connections {
                if frame.is_news_since(connection.since)
                    && !connection.has_seen(frame)
                    && let Some(frame) = frame.seen_with(connection.protocol)
                {
                    connection.outbox.push(frame.clone());
                }
            }
        }
    }

    fn show_once_more(&self, frame: &Frame) {
        let knowing = self
            .connections
            .iter()
            .filter(|connection| connection.protocol == Protocol::Two);
        for connection in knowing {
            if let Some(frame) = frame.seen_with(connection.protocol) {
                connection.outbox.push(frame.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Work;
    use relay_protocol::{Audience, Stage};
    use serde_json::value::RawValue;

    const ALICE: User = User {
        realm: Realm::Organizer,
        id: 1,
    };
    const BOB: User = User {
        realm: Realm::Participant,
        id: 1,
    };

    fn principal(user: User) -> Principal {
        Principal {
            user,
            agency_id: (user.realm == Realm::Organizer).then_some(4),
            role: None,
            max_open_chats: None,
        }
    }

    fn place(position: i64) -> Place {
        Place {
            chat_id: "c".to_owned(),
            position,
            stage: Stage::Middle,
        }
    }

    fn taken(outbox: &Outbox) -> Vec<String> {
        let mut frames = Vec::new();
        while let Some(Work::Write(frame)) = outbox.take() {
            frames.push(frame.as_str().to_owned());
        }
        frames
    }

    /// An answer of a batch is older than what others have shown since, also where that has waited for a frame of this batch.
    #[test]
    fn what_waited_for_a_batch_is_shown_behind_its_answers() {
        let hub = Hub::new(Duration::from_secs(60));
        hub.set_relayed(true);
        let outbox = Arc::new(Outbox::default());
        hub.join(principal(ALICE), 0, Protocol::Contract, Arc::clone(&outbox));
        hub.deliver(ALICE, Some(&place(0)), Frame::for_everyone("0"), false);
        hub.deliver(
            ALICE,
            Some(&place(2)),
            Frame::for_everyone("closed elsewhere"),
            false,
        );
        hub.pause([ALICE].into_iter());
        hub.deliver(ALICE, Some(&place(1)), Frame::for_everyone("1"), false);
        outbox.push("chats".into());
        hub.go_on([ALICE].into_iter());
        assert_eq!(taken(&outbox), ["0", "1", "chats", "closed elsewhere"]);
        hub.deliver(ALICE, Some(&place(4)), Frame::for_everyone("4"), false);
        hub.deliver(ALICE, Some(&place(3)), Frame::for_everyone("3"), false);
        assert_eq!(taken(&outbox), ["3", "4"]);
    }

    #[test]
    fn every_connection_of_a_user_is_shown_everything() {
        let hub = Hub::new(Duration::ZERO);
        let (desk, phone, other) = (Arc::default(), Arc::default(), Arc::default());
        hub.join(principal(ALICE), 0, Protocol::Contract, Arc::clone(&desk));
        hub.join(principal(ALICE), 0, Protocol::Contract, Arc::clone(&phone));
        hub.join(principal(BOB), 0, Protocol::Contract, Arc::clone(&other));
        hub.deliver(ALICE, Some(&place(1)), Frame::for_everyone("one"), false);
        assert_eq!(
            (taken(&desk), taken(&phone), taken(&other)),
            (vec!["one".into()], vec!["one".into()], vec![])
        );
        hub.leave(ALICE, &desk);
        hub.deliver(ALICE, Some(&place(2)), Frame::for_everyone("two"), false);
        assert_eq!((taken(&desk), taken(&phone)), (vec![], vec!["two".into()]));
        hub.leave(ALICE, &phone);
        hub.leave(ALICE, &phone);
        hub.deliver(ALICE, Some(&place(3)), Frame::for_everyone("three"), false);
        assert_eq!(taken(&phone), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_waits_only_for_the_patience_and_only_while_others_can_send() {
        let hub = Arc::new(Hub::new(Duration::from_millis(250)));
        let timer = tokio::spawn({
            let hub = Arc::clone(&hub);
            async move { hub.release_held_frames().await }
        });
        let outbox = Arc::default();
        hub.join(principal(ALICE), 0, Protocol::Contract, Arc::clone(&outbox));
        hub.deliver(ALICE, Some(&place(0)), Frame::for_everyone("0"), false);
        hub.deliver(ALICE, Some(&place(2)), Frame::for_everyone("2"), false);
        assert_eq!(taken(&outbox), ["0", "2"], "nothing waits while Redis is away");

        hub.set_relayed(true);
        hub.deliver(ALICE, Some(&place(4)), Frame::for_everyone("4"), false);
        assert_eq!(taken(&outbox), [""; 0]);
        let start = Instant::now();
        outbox.filled().await;
        outbox.filled().await;
        assert_eq!(start.elapsed(), Duration::from_millis(250));
        assert_eq!(taken(&outbox), ["4"]);
        timer.abort();
    }

    /// Contract 6.1: clients do not look for what they have seen already.
    #[test]
    fn what_a_history_has_shown_is_not_shown_again() {
        let hub = Hub::new(Duration::ZERO);
        let (reader, other) = (Arc::default(), Arc::default());
        hub.join(principal(ALICE), 0, Protocol::Contract, Arc::clone(&reader));
        hub.join(principal(ALICE), 0, Protocol::Contract, Arc::clone(&other));
        hub.deliver(ALICE, Some(&place(1)), Frame::for_everyone("1"), false);
        hub.mark_seen(ALICE, &reader, &place(3));
        for position in 2..=4 {
            let frame = Frame::for_everyone(&position.to_string());
            hub.deliver(ALICE, Some(&place(position)), frame, false);
        }
        let elsewhere = Place {
            chat_id: "d".to_owned(),
            ..place(2)
        };
        hub.deliver(ALICE, Some(&elsewhere), Frame::for_everyone("d2"), false);
        assert_eq!(taken(&reader), ["1", "4", "d2"]);
        assert_eq!(taken(&other), ["1", "2", "3", "4", "d2"]);
    }

    #[test]
    fn once_more_is_for_those_who_can_tell() {
        let hub = Hub::new(Duration::ZERO);
        let (old, new) = (Arc::default(), Arc::default());
        hub.join(principal(ALICE), 0, Protocol::Contract, Arc::clone(&old));
        hub.join(principal(ALICE), 0, Protocol::Two, Arc::clone(&new));
        let show = |again| hub.deliver(ALICE, Some(&place(1)), Frame::for_everyone("m"), again);
        show(true);
        assert_eq!((taken(&old), taken(&new)), (vec!["m".into()], vec!["m".into()]));
        show(true);
        assert_eq!((taken(&old), taken(&new)), (vec![], vec!["m".into()]));
        show(false);
        assert_eq!((taken(&old), taken(&new)), (vec![], vec![]));
    }

    #[test]
    fn what_stands_in_no_order_is_shown_at_once() {
        let hub = Hub::new(Duration::from_secs(1));
        hub.set_relayed(true);
        let outbox = Arc::default();
        hub.join(principal(ALICE), 0, Protocol::Two, Arc::clone(&outbox));
        for text in ["a", "a"] {
            hub.deliver(ALICE, None, Frame::for_everyone(text), false);
        }
        assert_eq!(taken(&outbox), ["a", "a"]);
    }

    #[test]
    fn the_oldest_of_too_many_connections_goes() {
        use futures_util::FutureExt;
        let hub = Hub::new(Duration::ZERO);
        let outboxes: Vec<Arc<Outbox>> = (0..=MAX_CONNECTIONS_PER_USER).map(|_| Arc::default()).collect();
        for outbox in &outboxes {
            hub.join(principal(ALICE), 0, Protocol::Two, Arc::clone(outbox));
        }
        let gone = outboxes
            .iter()
            .map(|outbox| outbox.crowded_out().now_or_never().is_some());
        let gone: Vec<_> = gone.collect();
        assert!(gone[0] && !gone[1..].contains(&true));
        hub.deliver(ALICE, None, Frame::for_everyone("a"), false);
        assert!(outboxes[0].take().is_none() && outboxes[1].take().is_some());
    }

    /// Polled once: whether a doubt has come.
    fn is_doubted(outbox: &Outbox) -> bool {
        use futures_util::FutureExt;
        outbox.doubted().now_or_never().is_some()
    }

    #[test]
    fn those_are_doubted_whom_something_revoked_may_concern() {
        let hub = Hub::new(Duration::ZERO);
        let (alice, bob) = (Arc::default(), Arc::default());
        hub.join(principal(ALICE), 0, Protocol::Contract, Arc::clone(&alice));
        hub.join(principal(BOB), 0, Protocol::Contract, Arc::clone(&bob));
        let nobody = Revocations::default();
        let check = |revocations: Revocations, expected: [bool; 2]| {
            hub.doubt(&revocations);
            assert_eq!(
                [is_doubted(&alice), is_doubted(&bob)],
                expected,
                "{revocations:?}"
            );
        };
        check(nobody.clone(), [false, false]);
        assert_eq!(hub.doubts(), 0);
        check(
            Revocations {
                users: vec![ALICE],
                ..nobody.clone()
            },
            [true, false],
        );
        check(
            Revocations {
                users: vec![BOB],
                ..nobody.clone()
            },
            [false, true],
        );
        check(
            Revocations {
                agencies: vec![4],
                ..nobody.clone()
            },
            [true, false],
        );
        check(
            Revocations {
                agencies: vec![5],
                ..nobody.clone()
            },
            [false, false],
        );
        check(
            Revocations {
                unknown: vec![Realm::Participant],
                ..nobody
            },
            [false, true],
        );
        assert_eq!(hub.doubts(), 5);
    }

    #[test]
    fn what_was_there_before_a_connection_is_not_shown_to_it() {
        let hub = Hub::new(Duration::ZERO);
        let (old, new) = (Arc::default(), Arc::default());
        hub.join(principal(ALICE), 6, Protocol::Contract, Arc::clone(&old));
        hub.join(principal(ALICE), 7, Protocol::Contract, Arc::clone(&new));
        let show = |position, revision: i64| {
            let text = RawValue::from_string(revision.to_string()).unwrap();
            let frame = Frame::new(&text, None, None, Audience::Everyone, Some(revision));
            hub.deliver(ALICE, Some(&place(position)), frame, false);
        };
        show(3, 7);
        show(4, 8);
        assert_eq!(
            (taken(&old), taken(&new)),
            (vec!["7\n".into(), "8\n".into()], vec!["8\n".into()])
        );
        hub.forget_beginnings();
        show(5, 2);
        assert_eq!(
            (taken(&old), taken(&new)),
            (vec!["2\n".into()], vec!["2\n".into()])
        );
    }
}
