//! The queues of the agencies as this sidecar knows them, and what that means to those here: participants see their place in it, organizers how many
//! wait and for how long.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::ws::Utf8Bytes;
use relay_protocol::{Principal, Queue, Realm, User};

use crate::hub::Hub;
use crate::own_frames::{queue_position_frame, queue_status_frame};

/// All queues in which somebody waits.
#[derive(Debug, Default)]
pub(crate) struct Queues(Mutex<HashMap<i64, Queue>>);

/// A participant's place in a queue.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Place {
    participant_id: i64,
    event_id: i64,
    /// 1 is the next.
    position: usize,
    /// Seconds, -1 when unknown.
    estimate: i64,
}

impl Place {
    fn frame(&self) -> Utf8Bytes {
        queue_position_frame(self.event_id, self.position, self.estimate)
    }
}

impl Queues {
    /// A queue has changed. Those are told for whom that makes a difference.
    pub(crate) fn update(&self, queue: Queue, hub: &Hub) {
        let now: Vec<Place> = places(&queue).collect();
        let agency_id = queue.agency_id;
        let before = {
            let mut queues = self.0.lock().expect("no panic while locked");
            if queue.waiting.is_empty() {
                queues.remove(&agency_id)
            } else {
                queues.insert(agency_id, queue.clone())
            }
        };
        let known: HashMap<(i64, i64), Place> = before
            .iter()
            .flat_map(places)
            .map(|place| ((place.participant_id, place.event_id), place))
            .collect();
        for place in &now {
            if known.get(&(place.participant_id, place.event_id)) != Some(place) {
                let participant = User {
                    realm: Realm::Participant,
                    id: place.participant_id,
                };
                hub.tell_user(participant, || place.frame());
            }
        }
        // An estimate that has aged concerns only those who wait.
        let waited = before.map(|before| before.waiting).unwrap_or_default();
        if waited != queue.waiting {
            let is_colleague = |principal: &Principal| principal.agency_id == Some(agency_id);
            hub.tell(is_colleague, || status_frame(&queue));
        }
    }

    /// What somebody who has just come is to know.
    pub(crate) fn greet(&self, principal: &Principal, mut tell: impl FnMut(Utf8Bytes)) {
        let queues = self.0.lock().expect("no panic while locked");
        match (principal.user.realm, principal.agency_id) {
            (Realm::Organizer, Some(agency_id)) => {
                tell(queues.get(&agency_id).map_or_else(nobody_waits, status_frame));
            }
            (Realm::Organizer, None) => {}
            (Realm::Participant, _) => queues
                .values()
                .flat_map(places)
                .filter(|place| place.participant_id == principal.user.id)
                .for_each(|place| tell(place.frame())),
        }
    }

    /// These are all queues there are: others that were known are empty by now.
    pub(crate) fn keep_only(&self, queues: &[Queue], hub: &Hub) {
        let known: Vec<i64> = self
            .0
            .lock()
            .expect("no panic while locked")
            .keys()
            .copied()
            .collect();
        for agency_id in known {
            if !queues.iter().any(|queue| queue.agency_id == agency_id) {
                let empty = Queue {
                    agency_id,
                    waiting: Vec::new(),
                    estimate: None,
                };
                self.update(empty, hub);
            }
        }
    }
}

fn places(queue: &Queue) -> impl Iterator<Item = Place> {
    let estimate = queue.estimate.map_or(-1, i64::from);
    queue
        .waiting
        .iter()
        .zip(1..)
        .map(move |(waiting, position)| Place {
            participant_id: waiting.participant_id,
            event_id: waiting.event_id,
            position,
            estimate,
        })
}

fn status_frame(queue: &Queue) -> Utf8Bytes {
    let oldest = queue.waiting.iter().map(|waiting| waiting.pressed_at).min();
    let wait = oldest.map_or(0, |pressed_at| (epoch_millis() - pressed_at).max(0) / 1000);
    queue_status_frame(queue.waiting.len(), wait)
}

fn nobody_waits() -> Utf8Bytes {
    queue_status_frame(0, 0)
}

/// Milliseconds since the Unix epoch.
pub(crate) fn epoch_millis() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::{Outbox, Work};
    use relay_protocol::{Protocol, Waiting};
    use serde_json::{Value, json};
    use std::sync::Arc;
    use std::time::Duration;

    fn principal(realm: Realm, id: i64) -> Principal {
        Principal {
            user: User { realm, id },
            agency_id: (realm == Realm::Organizer).then_some(4),
            role: None,
            max_open_chats: None,
        }
    }

    fn queue(participants: &[i64]) -> Queue {
        let waiting = participants.iter().map(|participant_id| Waiting {
            participant_id: *participant_id,
            event_id: 9,
            pressed_at: epoch_millis() - 60_500,
        });
        Queue {
            agency_id: 4,
            waiting: waiting.collect(),
            estimate: None,
        }
    }

    fn told(outbox: &Outbox) -> Vec<Value> {
        let mut payloads = Vec::new();
        while let Some(Work::Write(frame)) = outbox.take() {
            let mut frame: Value = serde_json::from_str(&frame).unwrap();
            payloads.push(frame["payload"].take());
        }
        payloads
    }

    fn place(position: i64) -> Value {
        json!({ "eventId": 9, "position": position, "estimatedWaitSeconds": -1 })
    }

    #[test]
    fn those_are_told_for_whom_something_has_changed() {
        let (hub, queues) = (Hub::new(Duration::ZERO), Queues::default());
        let join = |principal, protocol| {
            let outbox: Arc<Outbox> = Arc::default();
            hub.join(principal, 0, protocol, Arc::clone(&outbox));
            outbox
        };
        let first = join(principal(Realm::Participant, 1), Protocol::Two);
        let second = join(principal(Realm::Participant, 2), Protocol::Two);
        let old = join(principal(Realm::Participant, 2), Protocol::Contract);
        let organizer = join(principal(Realm::Organizer, 1), Protocol::Two);

        queues.update(queue(&[1, 2]), &hub);
        assert_eq!((told(&first), told(&second)), (vec![place(1)], vec![place(2)]));
        assert_eq!(
            told(&organizer),
            [json!({ "waiting": 2, "oldestWaitSeconds": 60 })]
        );
        queues.update(queue(&[1, 2, 3]), &hub);
        assert_eq!((told(&first), told(&second)), (vec![], vec![]));
        assert_eq!(
            told(&organizer),
            [json!({ "waiting": 3, "oldestWaitSeconds": 60 })]
        );
        queues.update(queue(&[2, 3]), &hub);
        assert_eq!((told(&first), told(&second)), (vec![], vec![place(1)]));
        told(&organizer);
        queues.update(queue(&[]), &hub);
        assert_eq!(
            told(&organizer),
            [json!({ "waiting": 0, "oldestWaitSeconds": 0 })]
        );
        assert_eq!(told(&old), [Value::Null; 0]);
        assert!(queues.0.lock().unwrap().is_empty());
    }

    #[test]
    fn who_comes_is_told_how_things_stand() {
        let (hub, queues) = (Hub::new(Duration::ZERO), Queues::default());
        queues.update(queue(&[1, 2]), &hub);
        let greeted = |realm, id| {
            let outbox = Outbox::default();
            queues.greet(&principal(realm, id), |frame| outbox.push(frame));
            told(&outbox)
        };
        assert_eq!(greeted(Realm::Participant, 2), [place(2)]);
        assert_eq!(greeted(Realm::Participant, 3), [Value::Null; 0]);
        let status = json!({ "waiting": 2, "oldestWaitSeconds": 60 });
        assert_eq!(greeted(Realm::Organizer, 2), [status]);
        queues.keep_only(&[], &hub);
        let status = json!({ "waiting": 0, "oldestWaitSeconds": 0 });
        assert_eq!(greeted(Realm::Organizer, 2), [status]);
    }
}
