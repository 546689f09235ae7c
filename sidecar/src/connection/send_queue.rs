//! The frames that wait to be written to one socket.
//!
//! The queue is bounded. A client that reads, however late, loses nothing in a burst. A client that reads nothing loses
//! the oldest frames, and if it speaks protocol 2 it gets one `resync` when it reads again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Utf8Bytes};
use sidecar_api::Protocol;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use crate::connection::frames::resync_frame;
use crate::metrics::{DroppedBecause, FramesDropped};

/// A client that has read nothing for this long counts as one that does not read.
const READS_NOTHING_AFTER: Duration = Duration::from_secs(5);

/// The limit of a queue whose client does not read.
const MAX_BYTES_UNREAD: usize = 1024 * 1024;

/// The limit of any queue.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// While all queues together hold more than this, each has the limit of a client that does not read.
const MAX_BYTES_TOGETHER: usize = 512 * 1024 * 1024;

/// What a queued frame costs besides its text.
const FRAME_OVERHEAD: usize = 64;

/// With this many unsent pongs the sidecar stops reading the socket. Pongs wait in the WebSocket's own buffer, which a
/// client that sends pings and never reads would fill without bound.
const MAX_UNSENT_PONGS: usize = 16;

/// The bytes in all send queues of a sidecar.
#[derive(Debug, Default)]
pub(crate) struct Budget(AtomicUsize);

/// The queue of one connection. Any task may push; the connection's task takes.
#[derive(Debug)]
pub(crate) struct SendQueue {
    state: Mutex<State>,
    /// There is a frame to take, or there are pongs to flush.
    filled: Notify,
    pongs_sent: Notify,
    budget: Arc<Budget>,
    drops: FramesDropped,
}

#[derive(Debug)]
struct State {
    frames: VecDeque<Queued>,
    /// The cost of the frames that may be dropped.
    bytes: usize,
    dropped: u64,
    /// When a frame was last written, or the queue last began to fill.
    read_at: Instant,
    protocol: Protocol,
    /// The connection is being re-authenticated, so nothing is written.
    held: bool,
    /// Frames were dropped, and the client has not got a `resync` for it yet.
    missed: bool,
    unsent_pongs: usize,
    end: Option<End>,
}

#[derive(Debug)]
struct Queued {
    frame: Utf8Bytes,
    /// The answer to a question holds one of the connection's few permits for unread answers. It is never dropped.
    permit: Option<OwnedSemaphorePermit>,
}

impl Queued {
    fn cost(&self) -> usize {
        match self.permit {
            Some(_) => 0,
            None => self.frame.len() + FRAME_OVERHEAD,
        }
    }
}

/// How a connection ends after the frames in its queue.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// The sidecar drops the TCP connection, as the contract requires.
    Drop,
    /// The sidecar begins the closing handshake.
    Close(CloseFrame),
}

/// The next thing for the connection's task to write.
#[derive(Debug)]
pub(crate) enum Work {
    Write(Utf8Bytes),
    End(End),
}

impl SendQueue {
    pub(crate) fn new(budget: Arc<Budget>, drops: FramesDropped) -> SendQueue {
        SendQueue {
            state: Mutex::new(State {
                frames: VecDeque::new(),
                bytes: 0,
                dropped: 0,
                read_at: Instant::now(),
                protocol: Protocol::Contract,
                held: false,
                missed: false,
                unsent_pongs: 0,
                end: None,
            }),
            filled: Notify::new(),
            pongs_sent: Notify::new(),
            budget,
            drops,
        }
    }

    /// Adds a frame, unless the queue has ended. Drops the oldest frames if there is no room.
    pub(crate) fn push(&self, frame: Utf8Bytes) {
        self.add(Queued { frame, permit: None });
    }

    /// Adds the answer to a question, and returns the permit when the answer has been written.
    pub(crate) fn answer(&self, frame: Utf8Bytes, permit: OwnedSemaphorePermit) {
        self.add(Queued {
            frame,
            permit: Some(permit),
        });
    }

    fn add(&self, queued: Queued) {
        let mut state = self.state.lock().expect("no panic while locked");
        if state.end.is_some() {
            return;
        }
        let now = Instant::now();
        if state.frames.is_empty() {
            state.read_at = now;
        }
        self.budget.add(queued.cost());
        state.bytes += queued.cost();
        state.frames.push_back(queued);
        let (limit, reason) = if now >= state.read_at + READS_NOTHING_AFTER {
            (MAX_BYTES_UNREAD, DroppedBecause::reads_nothing)
        } else if self.budget.is_exceeded() {
            (MAX_BYTES_UNREAD, DroppedBecause::all_queues_full)
        } else {
            (MAX_BYTES, DroppedBecause::queue_full)
        };
        while state.bytes > limit && state.frames.len() > 1 {
            let Some(cost) = state.drop_oldest() else {
                break;
            };
            self.budget.subtract(cost);
            self.drops.add(reason, 1);
        }
        drop(state);
        self.filled.notify_one();
    }

    /// Ends the connection after the frames in the queue have been written.
    pub(crate) fn finish(&self, end: End) {
        self.state
            .lock()
            .expect("no panic while locked")
            .end
            .get_or_insert(end);
        self.filled.notify_one();
    }

    /// Ends the connection without writing the frames in the queue.
    pub(crate) fn finish_at_once(&self, end: End) {
        let mut state = self.state.lock().expect("no panic while locked");
        self.budget.subtract(state.bytes);
        self.drops
            .add(DroppedBecause::connection_ended, state.frames.len());
        state.held = false;
        state.frames.clear();
        state.bytes = 0;
        state.missed = false;
        state.end = Some(end);
        drop(state);
        self.filled.notify_one();
    }

    /// Notes which protocol the client speaks.
    pub(crate) fn set_protocol(&self, protocol: Protocol) {
        self.state.lock().expect("no panic while locked").protocol = protocol;
    }

    /// Stops writing until [`SendQueue::release`].
    pub(crate) fn hold(&self) {
        self.state.lock().expect("no panic while locked").held = true;
    }

    /// Resumes writing.
    pub(crate) fn release(&self) {
        self.state.lock().expect("no panic while locked").held = false;
        self.filled.notify_one();
    }

    /// Waits until there is a frame to take, or there are pongs to flush.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// The next thing to do, if there is any.
    pub(crate) fn take(&self) -> Option<Work> {
        let mut state = self.state.lock().expect("no panic while locked");
        if state.held {
            return None;
        }
        // The `resync` precedes the remaining frames, so that the history the client then asks for covers the dropped
        // ones.
        if std::mem::take(&mut state.missed) && state.protocol == Protocol::Two {
            return Some(Work::Write(resync_frame()));
        }
        match state.frames.pop_front() {
            Some(queued) => {
                state.bytes -= queued.cost();
                self.budget.subtract(queued.cost());
                Some(Work::Write(queued.frame))
            }
            None => state.end.clone().map(Work::End),
        }
    }

    /// Notes that the last taken frame went to the socket, so the client reads.
    pub(crate) fn written(&self) {
        self.state.lock().expect("no panic while locked").read_at = Instant::now();
    }

    /// Notes a ping, whose pong waits in the WebSocket's buffer.
    pub(crate) fn pinged(&self) {
        self.state.lock().expect("no panic while locked").unsent_pongs += 1;
        self.filled.notify_one();
    }

    /// Notes that the WebSocket's buffer has been written.
    pub(crate) fn flushed(&self) {
        self.state.lock().expect("no panic while locked").unsent_pongs = 0;
        self.pongs_sent.notify_one();
    }

    /// Whether too many pongs wait because the client does not read them.
    pub(crate) fn has_too_many_unsent_pongs(&self) -> bool {
        self.state.lock().expect("no panic while locked").unsent_pongs >= MAX_UNSENT_PONGS
    }

    /// Waits until pongs have been written.
    pub(crate) async fn pongs_sent(&self) {
        self.pongs_sent.notified().await;
    }

    /// How many frames the queue has dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.state.lock().expect("no panic while locked").dropped
    }

    /// Wakes the task that writes to the socket.
    pub(crate) fn wake(&self) {
        self.filled.notify_one();
    }
}

impl State {
    /// Drops the oldest frame that may be dropped, and returns its cost.
    fn drop_oldest(&mut self) -> Option<usize> {
        let oldest = self.frames.iter().position(|queued| queued.permit.is_none())?;
        let cost = self.frames.remove(oldest)?.cost();
        self.bytes -= cost;
        self.dropped += 1;
        self.missed = true;
        Some(cost)
    }
}

impl Drop for SendQueue {
    fn drop(&mut self) {
        let state = self.state.get_mut().expect("no panic while locked");
        self.budget.subtract(state.bytes);
        self.drops
            .add(DroppedBecause::connection_ended, state.frames.len());
    }
}

impl Budget {
    fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    fn subtract(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn is_exceeded(&self) -> bool {
        self.0.load(Ordering::Relaxed) > MAX_BYTES_TOGETHER
    }

    /// The bytes in all queues, frame overheads included.
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use tokio::sync::Semaphore;
    use tokio::time::advance;

    fn queue() -> SendQueue {
        SendQueue::new(Arc::default(), FramesDropped::default())
    }

    /// Takes all frames.
    pub(crate) fn taken(queue: &SendQueue) -> Vec<String> {
        let mut frames = Vec::new();
        while let Some(Work::Write(frame)) = queue.take() {
            frames.push(frame.as_str().to_owned());
        }
        frames
    }

    /// Adds frames of 50 KB.
    fn fill(queue: &SendQueue, frames: usize) {
        let frame = Utf8Bytes::from("x".repeat(50_000));
        for _ in 0..frames {
            queue.push(frame.clone());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_late_loses_nothing_in_a_burst() {
        let queue = queue();
        fill(&queue, 100);
        advance(READS_NOTHING_AFTER - Duration::from_millis(1)).await;
        fill(&queue, 100);
        assert_eq!((taken(&queue).len(), queue.dropped()), (200, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_loses_the_oldest_frames() {
        let queue = queue();
        queue.set_protocol(Protocol::Two);
        fill(&queue, 100);
        advance(READS_NOTHING_AFTER).await;
        queue.push("last".into());
        let frames = taken(&queue);
        assert_eq!(
            frames[0],
            resync_frame().as_str(),
            "it is told once, before the rest"
        );
        assert_eq!(frames.len(), 1 + 20 + 1);
        assert_eq!(frames.last().unwrap(), "last");
        assert_eq!(queue.dropped(), 80);
        assert_eq!(queue.drops.count(DroppedBecause::reads_nothing), 80);
        assert_eq!(queue.budget.bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_a_little_keeps_its_frames() {
        let queue = queue();
        fill(&queue, 50);
        for _ in 0..4 {
            advance(READS_NOTHING_AFTER / 2).await;
            queue.take();
            queue.written();
        }
        fill(&queue, 50);
        assert_eq!(queue.dropped(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn every_queue_is_bounded() {
        let queue = queue();
        fill(&queue, MAX_BYTES / 50_000 + 10);
        assert!(queue.budget.bytes() <= MAX_BYTES);
        assert_eq!(queue.drops.count(DroppedBecause::queue_full), queue.dropped());
        let long = Utf8Bytes::from("x".repeat(2 * MAX_BYTES));
        queue.push(long.clone());
        assert_eq!(
            taken(&queue),
            [long.as_str()],
            "one frame is kept however long it is"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn all_queues_together_are_bounded() {
        let budget = Arc::new(Budget::default());
        let drops = FramesDropped::default();
        let queues: Vec<_> = (0..20)
            .map(|_| SendQueue::new(Arc::clone(&budget), drops.clone()))
            .collect();
        for queue in &queues {
            fill(queue, 700);
        }
        assert!(budget.bytes() <= MAX_BYTES_TOGETHER + queues.len() * MAX_BYTES_UNREAD);
        assert!(drops.count(DroppedBecause::all_queues_full) > 0);
        drop(queues);
        assert_eq!(budget.bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_never_dropped() {
        let permits = Arc::new(Semaphore::new(1));
        let queue = queue();
        queue.push("0".into());
        let permit = Arc::clone(&permits).try_acquire_owned().unwrap();
        queue.answer(Utf8Bytes::from("h".repeat(2 * MAX_BYTES)), permit);
        advance(READS_NOTHING_AFTER).await;
        fill(&queue, 21);
        assert_eq!(queue.dropped(), 2, "the first one, and one for the room");
        assert_eq!(permits.available_permits(), 0);
        assert_eq!(taken(&queue)[0].len(), 2 * MAX_BYTES);
        assert_eq!(permits.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn frames_unsent_when_a_connection_ends_are_counted() {
        let queue = queue();
        let drops = queue.drops.clone();
        fill(&queue, 3);
        queue.take();
        drop(queue);
        assert_eq!(drops.count(DroppedBecause::connection_ended), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_written_during_re_authentication() {
        let queue = queue();
        queue.push("a".into());
        queue.hold();
        queue.push("b".into());
        assert!(queue.take().is_none());
        queue.release();
        assert_eq!(taken(&queue), ["a", "b"]);
        queue.push("c".into());
        queue.hold();
        queue.finish_at_once(End::Drop);
        assert!(matches!(queue.take(), Some(Work::End(End::Drop))));
        assert_eq!(queue.drops.count(DroppedBecause::connection_ended), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_follows_earlier_frames_and_precedes_later_ones() {
        let queue = queue();
        queue.push("a".into());
        queue.finish(End::Drop);
        queue.push("b".into());
        queue.finish(End::Close(CloseFrame {
            code: 1012,
            reason: "".into(),
        }));
        assert_eq!(taken(&queue), ["a"]);
        assert!(matches!(queue.take(), Some(Work::End(End::Drop))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_pings_and_does_not_read_is_noticed() {
        let queue = queue();
        for _ in 0..MAX_UNSENT_PONGS {
            assert!(!queue.has_too_many_unsent_pongs());
            queue.pinged();
        }
        assert!(queue.has_too_many_unsent_pongs());
        queue.flushed();
        assert!(!queue.has_too_many_unsent_pongs());
    }
}
