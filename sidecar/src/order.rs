//! In which order one user's frames are shown.
//!
//! Two sidecars may commit messages 1 and 2 of a chat and have their publications cross on the way to a third, so frames
//! do not always arrive in the order of their positions. A frame that comes before its predecessors waits for them a
//! moment; after that it is shown anyway. A predecessor that comes later still is shown when it comes: late is better than
//! lost. Only `new_chat` is not shown behind what closes the chat later, `closed_chat` or a transfer, since it would then seem open for ever. A frame that has been
//! shown is never shown again. Each chat is on its own: what one waits for delays no other.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use relay_protocol::{Place, Shown, Stage};
use tokio::time::Instant;

use crate::frame::Frame;

/// The order of so many chats is remembered for one user. A support worker has a handful of chats open; the rest ended.
const MAX_CHATS: usize = 256;

/// At most this many gaps are remembered in one chat. What was missed before the oldest of them is given up for good.
const MAX_GAPS: usize = 32;

/// At most this many frames of one chat wait for a missing one; with more, waiting ends.
const MAX_HELD: usize = 256;

/// The order of all chats of one user, as far as this sidecar has seen them.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    chats: HashMap<String, Order>,
    /// Counts frames, so that the chat that was quiet for longest can be told.
    clock: u64,
    /// What has waited for a frame is not shown right behind it.
    pausing: bool,
}

/// A frame and where it stands in its chat.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) position: i64,
    pub(crate) stage: Stage,
    pub(crate) frame: Frame,
}

impl Orders {
    /// A frame has come at `now` and may wait for its predecessors for `patience`. Appends to `show` what is to be shown
    /// now, in order, and returns when [`Orders::release_due`] is to be called if frames of this chat wait.
    pub(crate) fn accept(
        &mut self,
        chat_id: &str,
        arrived: Arrived,
        now: Instant,
        patience: Duration,
        show: &mut Vec<Frame>,
    ) -> Option<Instant> {
        self.clock += 1;
        let clock = self.clock;
        if let Some(order) = self.chats.get_mut(chat_id) {
            order.used = clock;
            order.accept(arrived, now + patience, show);
            if !self.pausing {
                order.release_consecutive(show);
            }
            if patience.is_zero() || order.held.len() > MAX_HELD {
                order.release_through(i64::MAX, show);
            }
            return order.earliest_due();
        }
        self.make_room(show);
        self.chats
            .insert(chat_id.to_owned(), Order::starting_with(&arrived, clock));
        show.push(arrived.frame);
        None
    }

    /// From now on what has waited for a frame is not shown right behind it, until [`Orders::go_on`].
    pub(crate) fn pause(&mut self) {
        self.pausing = true;
    }

    /// Appends to `show` what has been held back.
    pub(crate) fn go_on(&mut self, show: &mut Vec<Frame>) {
        self.pausing = false;
        for order in self.chats.values_mut() {
            order.release_consecutive(show);
        }
    }

    /// Whether a frame has been shown, as far as is remembered.
    pub(crate) fn has_shown(&self, place: &Place) -> bool {
        self.chats.get(&place.chat_id).is_some_and(|order| {
            place.position < order.next && !order.missing.iter().any(|gap| gap.contains(&place.position))
        })
    }

    /// What has been shown of each chat that is remembered and was not shown to be closed.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        let open = self.chats.iter().filter(|(_, order)| !order.is_closed());
        open.map(|(chat_id, order)| Shown {
            chat_id: chat_id.clone(),
            lacking: order.lacking(),
        })
        .collect()
    }

    /// Appends to `show` what has waited until `now`, chat by chat in order. Returns when to call again, if anything waits.
    pub(crate) fn release_due(&mut self, now: Instant, show: &mut Vec<Frame>) -> Option<Instant> {
        for order in self.chats.values_mut() {
            let due = order.held.iter().rev().find(|(_, held)| held.due <= now);
            if let Some(position) = due.map(|(position, _)| *position) {
                order.release_through(position, show);
            }
        }
        self.chats.values().filter_map(Order::earliest_due).min()
    }

    /// Forgets the chat that was quiet for longest if there are too many; what waits in it is shown first.
    fn make_room(&mut self, show: &mut Vec<Frame>) {
        if self.chats.len() < MAX_CHATS {
            return;
        }
        let quietest = self
            .chats
            .iter()
            .min_by_key(|(_, order)| order.used)
            .map(|(chat_id, _)| chat_id.clone());
        if let Some(mut order) = quietest.and_then(|chat_id| self.chats.remove(&chat_id)) {
            order.release_through(i64::MAX, show);
        }
    }
}

/// One chat of one user. Every position below `next` was shown or is in `missing`.
#[derive(Debug)]
struct Order {
    next: i64,
    /// What was not waited for any longer, in ascending order without overlap.
    missing: VecDeque<RangeInclusive<i64>>,
    /// What waits for `next`.
    held: BTreeMap<i64, Held>,
    /// Where it was shown last that the chat is closed, for good or for this user.
    closed_at: Option<i64>,
    used: u64,
}

#[derive(Debug)]
struct Held {
    stage: Stage,
    frame: Frame,
    due: Instant,
}

impl Order {
    /// The first frame seen is shown at once. What came before it may have been read from the history, or may still be on
    /// its way here, and in that case must not be taken for something already shown.
    fn starting_with(first: &Arrived, used: u64) -> Order {
        let mut order = Order {
            next: first.position.min(0),
            missing: VecDeque::new(),
            held: BTreeMap::new(),
            closed_at: (first.stage == Stage::Closes).then_some(first.position),
            used,
        };
        order.skip_to(first.position);
        order.next = first.position.saturating_add(1);
        order
    }

    fn accept(&mut self, arrived: Arrived, due: Instant, show: &mut Vec<Frame>) {
        let Arrived {
            position,
            stage,
            frame,
        } = arrived;
        if position >= self.next {
            // The same position again, while it waits, is the same frame again.
            self.held.entry(position).or_insert(Held { stage, frame, due });
            if position == self.next {
                self.release_next(show);
            }
        } else if self.was_missing(position) {
            let is_over =
                stage == Stage::Opens && self.closed_at.is_some_and(|closed_at| position < closed_at);
            if !is_over {
                show.push(frame);
            }
        }
    }

    /// Shows what waits up to and including `position`, and what follows it without a gap.
    fn release_through(&mut self, position: i64, show: &mut Vec<Frame>) {
        while let Some(entry) = self.held.first_entry() {
            let first = *entry.key();
            if first > position {
                break;
            }
            self.skip_to(first);
            self.release_consecutive(show);
        }
    }

    fn release_consecutive(&mut self, show: &mut Vec<Frame>) {
        while self.release_next(show) {}
    }

    fn release_next(&mut self, show: &mut Vec<Frame>) -> bool {
        let Some(held) = self.held.remove(&self.next) else {
            return false;
        };
        if held.stage == Stage::Closes {
            self.closed_at = Some(self.next);
        }
        show.push(held.frame);
        self.next = self.next.saturating_add(1);
        true
    }

    /// Stops waiting for everything before `position`.
    fn skip_to(&mut self, position: i64) {
        if position > self.next {
            self.missing.push_back(self.next..=position - 1);
            if self.missing.len() > MAX_GAPS {
                self.missing.pop_front();
            }
        }
        self.next = position;
    }

    /// Whether `position` was not waited for any longer; from now on it counts as shown.
    fn was_missing(&mut self, position: i64) -> bool {
        let Some(index) = self.missing.iter().position(|gap| gap.contains(&position)) else {
            return false;
        };
        let (start, end) = self
            .missing
            .remove(index)
            .expect("the index was just found")
            .into_inner();
        for gap in [position + 1..=end, start..=position - 1] {
            if !gap.is_empty() {
                self.missing.insert(index, gap);
            }
        }
        true
    }

    /// Whether the last that was shown closed the chat.
    fn is_closed(&self) -> bool {
        self.closed_at == Some(self.next - 1)
    }

    fn lacking(&self) -> Vec<(i64, i64)> {
        let missing = self.missing.iter().map(|gap| (*gap.start(), *gap.end()));
        missing.chain([(self.next, i64::MAX)]).collect()
    }

    fn earliest_due(&self) -> Option<Instant> {
        self.held.values().map(|held| held.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relay_protocol::Protocol;

    const PATIENCE: Duration = Duration::from_millis(250);

    /// One user who is shown frames named `chat:position`.
    struct Viewer {
        orders: Orders,
        now: Instant,
        due: Option<Instant>,
    }

    impl Viewer {
        fn new() -> Viewer {
            Viewer {
                orders: Orders::default(),
                now: Instant::now(),
                due: None,
            }
        }

        fn accept_with(&mut self, chat: &str, position: i64, patience: Duration) -> Vec<String> {
            self.accept_staged(chat, (position, Stage::Middle), patience)
        }

        fn accept_staged(
            &mut self,
            chat: &str,
            (position, stage): (i64, Stage),
            patience: Duration,
        ) -> Vec<String> {
            let frame = Frame::for_everyone(&format!("{chat}:{position}"));
            let mut show = Vec::new();
            self.due = self.orders.accept(
                chat,
                Arrived {
                    position,
                    stage,
                    frame,
                },
                self.now,
                patience,
                &mut show,
            );
            names(show)
        }

        fn accept(&mut self, chat: &str, position: i64) -> Vec<String> {
            self.accept_with(chat, position, PATIENCE)
        }

        fn wait(&mut self, time: Duration) -> Vec<String> {
            self.now += time;
            let mut show = Vec::new();
            self.due = self.orders.release_due(self.now, &mut show);
            names(show)
        }
    }

    fn names(show: Vec<Frame>) -> Vec<String> {
        show.iter()
            .filter_map(|frame| frame.seen_with(Protocol::Contract))
            .map(|frame| frame.as_str().to_owned())
            .collect()
    }

    /// Frames of one chat arrive in this order within the patience; the second list is what is shown for each arrival.
    #[track_caller]
    fn check(arrivals: &[i64], shown: &[&[i64]]) {
        let mut viewer = Viewer::new();
        for (position, expected) in arrivals.iter().zip(shown) {
            let expected: Vec<_> = expected.iter().map(|position| format!("c:{position}")).collect();
            assert_eq!(
                viewer.accept("c", *position),
                expected,
                "on arrival of {position} in {arrivals:?}"
            );
        }
    }

    #[test]
    fn arrivals_within_the_patience() {
        check(&[0, 1, 2, 3], &[&[0], &[1], &[2], &[3]]);
        check(&[0, 2, 1, 3], &[&[0], &[], &[1, 2], &[3]]);
        check(&[0, 3, 2, 1], &[&[0], &[], &[], &[1, 2, 3]]);
        check(&[0, 4, 2, 1, 3], &[&[0], &[], &[], &[1, 2], &[3, 4]]);
        check(&[7, 8, 9], &[&[7], &[8], &[9]]);
    }

    #[test]
    fn what_was_shown_or_waits_is_not_shown_again() {
        check(&[0, 0, 1, 0, 1], &[&[0], &[], &[1], &[], &[]]);
        check(&[0, 2, 2, 1, 2, 1], &[&[0], &[], &[], &[1, 2], &[], &[]]);
    }

    #[test]
    fn it_is_known_what_was_shown() {
        let mut viewer = Viewer::new();
        for position in [2, 3, 6] {
            viewer.accept("c", position);
        }
        let has_shown = |chat: &str, position| {
            viewer.orders.has_shown(&Place {
                chat_id: chat.to_owned(),
                position,
                stage: Stage::Middle,
            })
        };
        let shown = (0..8).filter(|position| has_shown("c", *position));
        assert_eq!(shown.collect::<Vec<_>>(), [2, 3]);
        assert!(!has_shown("d", 2));
    }

    #[test]
    fn what_is_older_than_the_first_frame_seen_is_shown_late_and_once() {
        check(&[5, 4, 4, 6, 2, 2, 3], &[&[5], &[4], &[], &[6], &[2], &[], &[3]]);
    }

    #[test]
    fn waiting_ends() {
        let mut viewer = Viewer::new();
        viewer.accept("c", 0);
        assert_eq!(viewer.accept("c", 2), [""; 0]);
        assert_eq!(viewer.due, Some(viewer.now + PATIENCE));
        assert_eq!(viewer.wait(PATIENCE - Duration::from_millis(1)), [""; 0]);
        assert_eq!(viewer.wait(Duration::from_millis(1)), ["c:2"]);
        assert_eq!(viewer.due, None);
        assert_eq!(viewer.accept("c", 3), ["c:3"]);
        assert_eq!(viewer.accept("c", 1), ["c:1"], "late is better than lost");
        assert_eq!(viewer.accept("c", 1), [""; 0]);
        assert_eq!(viewer.accept("c", 2), [""; 0]);
    }

    #[test]
    fn what_is_closed_is_not_opened_by_what_is_late() {
        for patience in [Duration::ZERO, PATIENCE] {
            let mut viewer = Viewer::new();
            let mut shown = viewer.accept_staged("c", (2, Stage::Middle), patience);
            shown.extend(viewer.accept_staged("c", (4, Stage::Closes), patience));
            shown.extend(viewer.wait(patience));
            assert_eq!(shown, ["c:2", "c:4"]);
            assert_eq!(viewer.accept_staged("c", (0, Stage::Opens), patience), [""; 0]);
            assert_eq!(viewer.accept_staged("c", (3, Stage::Middle), patience), ["c:3"]);

            assert_eq!(viewer.accept_staged("d", (1, Stage::Closes), patience), ["d:1"]);
            assert_eq!(viewer.accept_staged("d", (0, Stage::Opens), patience), [""; 0]);
        }
    }

    /// A chat that was handed over may come back.
    #[test]
    fn what_was_closed_is_opened_again_by_what_came_later() {
        for patience in [Duration::ZERO, PATIENCE] {
            let mut viewer = Viewer::new();
            let mut shown = viewer.accept_staged("c", (4, Stage::Closes), patience);
            shown.extend(viewer.accept_staged("c", (10, Stage::Middle), patience));
            shown.extend(viewer.wait(patience));
            assert_eq!(shown, ["c:4", "c:10"]);
            assert_eq!(viewer.accept_staged("c", (9, Stage::Opens), patience), ["c:9"]);
            assert_eq!(viewer.accept_staged("c", (0, Stage::Opens), patience), [""; 0]);
        }
    }

    #[test]
    fn what_precedes_a_frame_that_is_due_goes_first() {
        let mut viewer = Viewer::new();
        viewer.accept("c", 0);
        viewer.accept("c", 5);
        viewer.wait(Duration::from_millis(200));
        viewer.accept("c", 3);
        viewer.accept("c", 9);
        viewer.accept("c", 6);
        assert_eq!(viewer.wait(Duration::from_millis(50)), ["c:3", "c:5", "c:6"]);
        assert_eq!(viewer.due, Some(viewer.now + Duration::from_millis(200)));
        assert_eq!(viewer.accept("c", 4), ["c:4"]);
        assert_eq!(viewer.accept("c", 1), ["c:1"]);
        assert_eq!(viewer.wait(Duration::from_millis(200)), ["c:9"]);
        assert_eq!(viewer.accept("c", 2), ["c:2"]);
        assert_eq!(viewer.accept("c", 7), ["c:7"]);
        assert_eq!(viewer.accept("c", 8), ["c:8"]);
        assert_eq!(viewer.accept("c", 10), ["c:10"]);
    }

    #[test]
    fn chats_do_not_wait_for_each_other() {
        let mut viewer = Viewer::new();
        viewer.accept("a", 0);
        viewer.accept("b", 0);
        assert_eq!(viewer.accept("a", 2), [""; 0]);
        assert_eq!(viewer.accept("b", 1), ["b:1"]);
        assert_eq!(viewer.accept("a", 1), ["a:1", "a:2"]);
    }

    #[test]
    fn without_patience_nothing_waits() {
        let mut viewer = Viewer::new();
        viewer.accept("c", 0);
        assert_eq!(viewer.accept("c", 3), [""; 0]);
        assert_eq!(viewer.accept_with("c", 2, Duration::ZERO), ["c:2", "c:3"]);
        assert_eq!(viewer.due, None);
        assert_eq!(viewer.accept_with("c", 1, Duration::ZERO), ["c:1"]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut viewer = Viewer::new();
        viewer.accept("held", 0);
        viewer.accept("held", 2);
        for chat in 1..MAX_CHATS {
            viewer.accept(&format!("chat {chat}"), 0);
        }
        assert_eq!(viewer.accept("one more", 0), ["held:2", "one more:0"]);
        assert_eq!(viewer.orders.chats.len(), MAX_CHATS);

        let held = 2..2 + MAX_HELD as i64;
        assert!(
            held.clone()
                .all(|position| viewer.accept("one more", position).is_empty())
        );
        assert_eq!(viewer.accept("one more", held.end).len(), MAX_HELD + 1);

        for position in 0..10 * MAX_GAPS as i64 {
            viewer.accept_with("one more", 1000 + 2 * position, Duration::ZERO);
        }
        assert_eq!(viewer.orders.chats["one more"].missing.len(), MAX_GAPS);
    }

    #[test]
    fn absurd_positions_do_no_harm() {
        check(&[i64::MAX, i64::MIN, 0, 0], &[&[i64::MAX], &[], &[0], &[]]);
        check(
            &[i64::MIN, i64::MAX, i64::MIN + 1],
            &[&[i64::MIN], &[], &[i64::MIN + 1]],
        );
        let mut viewer = Viewer::new();
        viewer.accept("c", i64::MIN);
        viewer.accept("c", i64::MAX);
        assert_eq!(viewer.wait(PATIENCE), [format!("c:{}", i64::MAX)]);
    }
}
