//! The agencies' queues as this sidecar knows them. Participants get their positions, organizers get how many requests
//! wait and for how long.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use sidecar_api::{Principal, Queue, Realm, User, Waiting};
use tokio::time::Instant;

use crate::connection::frames::{queue_position_frame, queue_status_frame};

/// All queues that are not empty, by agency.
#[derive(Debug, Default)]
pub(crate) struct Queues(HashMap<i64, Known>);

#[derive(Debug)]
struct Known {
    queue: Queue,
    reported_at: Instant,
}

/// The frames that a change of a queue leads to.
#[derive(Debug)]
pub(crate) struct Changes {
    /// The changed positions, each for its participant.
    pub(crate) positions: Vec<(User, Utf8Bytes)>,
    /// For the agency's organizers, if the set of waiting requests has changed.
    pub(crate) status: Option<Utf8Bytes>,
}

/// A participant's position in a queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Position {
    participant_id: i64,
    event_id: i64,
    /// 1 is the next.
    position: usize,
    /// Seconds, -1 when unknown.
    estimate: i64,
}

impl Position {
    fn frame(&self) -> Utf8Bytes {
        queue_position_frame(self.event_id, self.position, self.estimate)
    }
}

impl Queues {
    /// Takes the present state of a queue.
    pub(crate) fn update(&mut self, queue: Queue, now: Instant) -> Changes {
        let before = self.0.remove(&queue.agency_id).map(|known| known.queue);
        let known: HashMap<(i64, i64), Position> = before
            .iter()
            .flat_map(positions)
            .map(|position| ((position.participant_id, position.event_id), position))
            .collect();
        let is_new =
            |position: &Position| known.get(&(position.participant_id, position.event_id)) != Some(position);
        let changed = positions(&queue).filter(is_new).map(|position| {
            let participant = User {
                realm: Realm::Participant,
                id: position.participant_id,
            };
            (participant, position.frame())
        });
        let positions = changed.collect();
        // A new estimate alone concerns only the participants.
        let waited = before.map(|before| requests(&before.waiting)).unwrap_or_default();
        let status = (waited != requests(&queue.waiting)).then(|| status_frame(&queue, Duration::ZERO));
        if !queue.waiting.is_empty() {
            self.0.insert(
                queue.agency_id,
                Known {
                    queue,
                    reported_at: now,
                },
            );
        }
        Changes { positions, status }
    }

    /// The frames for a user whose connection opens.
    pub(crate) fn initial_frames(&self, principal: &Principal, now: Instant) -> Vec<Utf8Bytes> {
        match (principal.user.realm, principal.agency_id) {
            (Realm::Organizer, Some(agency_id)) => {
                let status = |known: &Known| status_frame(&known.queue, now - known.reported_at);
                vec![
                    self.0
                        .get(&agency_id)
                        .map_or_else(|| queue_status_frame(0, 0), status),
                ]
            }
            (Realm::Organizer, None) => Vec::new(),
            (Realm::Participant, _) => self
                .0
                .values()
                .flat_map(|known| positions(&known.queue))
                .filter(|position| position.participant_id == principal.user.id)
                .map(|position| position.frame())
                .collect(),
        }
    }

    /// The agencies of known queues that are not among `queues`.
    pub(crate) fn others(&self, queues: &[Queue]) -> Vec<i64> {
        let is_other = |agency_id: &i64| !queues.iter().any(|queue| queue.agency_id == *agency_id);
        self.0.keys().copied().filter(is_other).collect()
    }
}

/// A participant with two requests for an event is shown the position of the one that is further ahead.
fn positions(queue: &Queue) -> impl Iterator<Item = Position> {
    let mut seen = HashSet::new();
    let estimate = queue.estimate.map_or(-1, i64::from);
    queue
        .waiting
        .iter()
        .zip(1..)
        .map(move |(waiting, position)| Position {
            participant_id: waiting.participant_id,
            event_id: waiting.event_id,
            position,
            estimate,
        })
        .filter(move |position| seen.insert((position.participant_id, position.event_id)))
}

fn requests(waiting: &[Waiting]) -> Vec<(i64, i64)> {
    waiting
        .iter()
        .map(|waiting| (waiting.participant_id, waiting.event_id))
        .collect()
}

/// `since` is the age of the queue's state.
fn status_frame(queue: &Queue, since: Duration) -> Utf8Bytes {
    let longest = queue
        .waiting
        .iter()
        .map(|waiting| waiting.waited)
        .max()
        .unwrap_or_default();
    let since = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    queue_status_frame(queue.waiting.len(), longest.saturating_add(since).max(0) / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn principal(realm: Realm, id: i64) -> Principal {
        Principal {
            user: User { realm, id },
            agency_id: (realm == Realm::Organizer).then_some(4),
            role: None,
            max_open_chats: None,
            name: String::new(),
        }
    }

    fn queue(participants: &[i64]) -> Queue {
        let waiting = participants.iter().map(|participant_id| Waiting {
            participant_id: *participant_id,
            event_id: 9,
            waited: 60_500,
        });
        Queue {
            agency_id: 4,
            waiting: waiting.collect(),
            estimate: None,
        }
    }

    fn payload(frame: &Utf8Bytes) -> Value {
        let mut frame: Value = serde_json::from_str(frame).unwrap();
        frame["payload"].take()
    }

    /// The positions by participant, and the organizers' status.
    fn told(changes: &Changes) -> (Vec<(i64, Value)>, Option<Value>) {
        let positions = changes
            .positions
            .iter()
            .map(|(user, frame)| (user.id, payload(frame)));
        (positions.collect(), changes.status.as_ref().map(payload))
    }

    fn position(position: i64) -> Value {
        json!({ "eventId": 9, "position": position, "estimatedWaitSeconds": -1 })
    }

    fn status(waiting: i64, seconds: i64) -> Option<Value> {
        Some(json!({ "waiting": waiting, "oldestWaitSeconds": seconds }))
    }

    #[test]
    fn only_changes_are_sent() {
        let (mut queues, now) = (Queues::default(), Instant::now());
        let mut update = |participants: &[i64]| told(&queues.update(queue(participants), now));
        assert_eq!(
            update(&[1, 2]),
            (vec![(1, position(1)), (2, position(2))], status(2, 60))
        );
        assert_eq!(update(&[1, 2]), (vec![], None));
        assert_eq!(update(&[1, 2, 3]), (vec![(3, position(3))], status(3, 60)));
        assert_eq!(
            update(&[2, 3]),
            (vec![(2, position(1)), (3, position(2))], status(2, 60))
        );
        assert_eq!(update(&[]), (vec![], status(0, 0)));
        assert!(queues.0.is_empty());
    }

    #[test]
    fn of_two_requests_for_an_event_the_one_in_front_is_told() {
        let (mut queues, now) = (Queues::default(), Instant::now());
        let mut update = |participants: &[i64]| told(&queues.update(queue(participants), now)).0;
        assert_eq!(update(&[1, 2, 1]), [(1, position(1)), (2, position(2))]);
        assert_eq!(update(&[1, 2, 1, 3]), [(3, position(4))]);
        assert_eq!(
            update(&[2, 1, 3]),
            [(2, position(1)), (1, position(2)), (3, position(3))]
        );
    }

    #[test]
    fn a_new_connection_gets_the_present_state() {
        let (mut queues, now) = (Queues::default(), Instant::now());
        queues.update(queue(&[1, 2]), now);
        let later = now + Duration::from_secs(10);
        let initial = |queues: &Queues, realm, id| -> Vec<Value> {
            let frames = queues.initial_frames(&principal(realm, id), later);
            frames.iter().map(payload).collect()
        };
        assert_eq!(initial(&queues, Realm::Participant, 2), [position(2)]);
        assert_eq!(initial(&queues, Realm::Participant, 3), [Value::Null; 0]);
        assert_eq!(initial(&queues, Realm::Organizer, 2), [status(2, 70).unwrap()]);
        assert_eq!(queues.others(&[]), [4]);
        queues.update(queue(&[]), now);
        assert_eq!(initial(&queues, Realm::Organizer, 2), [status(0, 0).unwrap()]);
    }
}
