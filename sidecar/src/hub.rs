//! Who is connected to this sidecar, and what they are shown.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use relay_protocol::{Principal, Revocations, User};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::order::{Orders, Positioned};
use crate::outbox::Outbox;

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
        }
    }

    /// A connection shows, from now on, what its user is to see. Returns whether it is their first one here.
    pub(crate) fn join(&self, principal: Principal, outbox: Arc<Outbox>) -> bool {
        let mut people = self.people.lock().expect("no panic while locked");
        let presence = people.present.entry(principal.user).or_default();
        presence.connections.push(Connection { principal, outbox });
        presence.connections.len() == 1
    }

    /// A connection of `user` is over. Returns whether it was their last one here; with it goes what was seen so far.
    pub(crate) fn leave(&self, user: User, outbox: &Arc<Outbox>) -> bool {
        let mut people = self.people.lock().expect("no panic while locked");
        let Some(presence) = people.present.get_mut(&user) else {
            return false;
        };
        presence
            .connections
            .retain(|connection| !Arc::ptr_eq(&connection.outbox, outbox));
        let last = presence.connections.is_empty();
        if last {
            people.present.remove(&user);
        }
        last
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

    /// How often somebody has been doubted.
    pub(crate) fn doubts(&self) -> u64 {
        self.doubts.load(Ordering::Relaxed)
    }

    /// Shows a frame of a chat to every connection of `user`, when its turn has come.
    pub(crate) fn deliver(&self, user: User, chat_id: &str, position: i64, frame: Utf8Bytes) {
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
        let mut show = Vec::new();
        let due = presence
            .orders
            .accept(chat_id, Positioned { position, frame }, now, patience, &mut show);
        presence.show(&show);
        if due.is_some() {
            people.due.push_back((now + patience, user));
            drop(people);
            self.waiting.notify_one();
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

impl Presence {
    fn show(&self, frames: &[Utf8Bytes]) {
        for frame in frames {
            for connection in &self.connections {
                connection.outbox.push(frame.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Work;
    use relay_protocol::Realm;

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
        }
    }

    fn taken(outbox: &Outbox) -> Vec<String> {
        let mut frames = Vec::new();
        while let Some(Work::Write(frame)) = outbox.take() {
            frames.push(frame.as_str().to_owned());
        }
        frames
    }

    #[test]
    fn every_connection_of_a_user_is_shown_everything() {
        let hub = Hub::new(Duration::ZERO);
        let (desk, phone, other) = (Arc::default(), Arc::default(), Arc::default());
        assert!(hub.join(principal(ALICE), Arc::clone(&desk)));
        assert!(!hub.join(principal(ALICE), Arc::clone(&phone)));
        assert!(hub.join(principal(BOB), Arc::clone(&other)));
        hub.deliver(ALICE, "c", 1, "one".into());
        assert_eq!(
            (taken(&desk), taken(&phone), taken(&other)),
            (vec!["one".into()], vec!["one".into()], vec![])
        );
        assert!(!hub.leave(ALICE, &desk));
        hub.deliver(ALICE, "c", 2, "two".into());
        assert_eq!((taken(&desk), taken(&phone)), (vec![], vec!["two".into()]));
        assert!(hub.leave(ALICE, &phone));
        assert!(!hub.leave(ALICE, &phone));
        hub.deliver(ALICE, "c", 3, "three".into());
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
        hub.join(principal(ALICE), Arc::clone(&outbox));
        hub.deliver(ALICE, "c", 0, "0".into());
        hub.deliver(ALICE, "c", 2, "2".into());
        assert_eq!(taken(&outbox), ["0", "2"], "nothing waits while Redis is away");

        hub.set_relayed(true);
        hub.deliver(ALICE, "c", 4, "4".into());
        assert_eq!(taken(&outbox), [""; 0]);
        let start = Instant::now();
        outbox.filled().await;
        outbox.filled().await;
        assert_eq!(start.elapsed(), Duration::from_millis(250));
        assert_eq!(taken(&outbox), ["4"]);
        timer.abort();
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
        hub.join(principal(ALICE), Arc::clone(&alice));
        hub.join(principal(BOB), Arc::clone(&bob));
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
}
