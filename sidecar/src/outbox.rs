//! What waits to be written to one socket. A client that does not read loses the oldest of it, never anybody else's time.

use std::collections::VecDeque;
use std::sync::Mutex;

use axum::extract::ws::{CloseFrame, Utf8Bytes};
use prometheus_client::metrics::counter::Counter;
use relay_protocol::Protocol;
use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::own_frames::resync_frame;

/// At most this many frames wait for one socket: several seconds of a busy chat.
const MAX_FRAMES: usize = 1024;

/// At most this many bytes wait for one socket, unless a single frame is longer.
const MAX_BYTES: usize = 1024 * 1024;

/// At most this many pings of the client may be unanswered before its socket is not read any further. The answers wait in the
/// WebSocket's own buffer, which a client that sends pings and never reads would fill without end.
const MAX_UNSENT_PONGS: usize = 16;

/// The queue of one connection. Anybody may push, one task takes.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
    /// Something is there for the task that writes.
    filled: Notify,
    /// The pongs have been written.
    pongs_sent: Notify,
    /// Whoever is at the socket has to be authorized again.
    doubted: Notify,
    /// There are too many connections of this user, and this one is to go.
    crowded_out: Notify,
    /// Counts what is lost because the client does not read.
    drops: Counter,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Waiting>,
    /// How long those are that may be lost.
    bytes: usize,
    dropped: u64,
    /// What the client understands.
    protocol: Protocol,
    welcome: Welcome,
    /// Nothing is written until it is known again who is at the socket.
    held: bool,
    /// Something was lost that the client has not been told of yet.
    missed: bool,
    unsent_pongs: usize,
    end: Option<End>,
}

#[derive(Debug)]
struct Waiting {
    frame: Utf8Bytes,
    /// One of the connection's few places for what it has asked for and not read yet. What has one is not lost.
    asked: Option<OwnedSemaphorePermit>,
}

/// What comes before anything else.
#[derive(Debug, Default)]
enum Welcome {
    /// Nothing, or it has been written.
    #[default]
    Done,
    /// A frame that is not there yet; nothing is written before.
    Awaited,
    /// This frame.
    First(Utf8Bytes),
}

/// How a connection ends once everything before has been written.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// The TCP connection is dropped, as the contract has it.
    Drop,
    /// The closing handshake begins.
    Close(CloseFrame),
}

/// What the task that writes is to do next.
#[derive(Debug)]
pub(crate) enum Work {
    Write(Utf8Bytes),
    End(End),
}

impl Outbox {
    /// An empty one, which counts its losses with others.
    pub(crate) fn new(drops: Counter) -> Outbox {
        Outbox {
            drops,
            ..Outbox::default()
        }
    }

    /// Adds a frame, at the cost of the oldest ones if there is no room. After the end nothing is added.
    pub(crate) fn push(&self, frame: Utf8Bytes) {
        let mut queue = self.queue.lock().expect("no panic while locked");
        if queue.end.is_some() {
            return;
        }
        queue.bytes += frame.len();
        queue.frames.push_back(Waiting { frame, asked: None });
        while queue.frames.len() > MAX_FRAMES || (queue.bytes > MAX_BYTES && queue.frames.len() > 1) {
            let Some(oldest) = queue.take_oldest_that_may_be_lost() else {
                break;
            };
            queue.bytes -= oldest.len();
            queue.dropped += 1;
            queue.missed = true;
            self.drops.inc();
        }
        drop(queue);
        self.filled.notify_one();
    }

    /// Adds what the client has asked for, and gives the place back when it has been written.
    pub(crate) fn answer(&self, frame: Utf8Bytes, asked: OwnedSemaphorePermit) {
        let mut queue = self.queue.lock().expect("no panic while locked");
        if queue.end.is_some() {
            return;
        }
        queue.frames.push_back(Waiting {
            frame,
            asked: Some(asked),
        });
        drop(queue);
        self.filled.notify_one();
    }

    /// What is there now is written, then the connection ends.
    pub(crate) fn finish(&self, end: End) {
        self.queue
            .lock()
            .expect("no panic while locked")
            .end
            .get_or_insert(end);
        self.filled.notify_one();
    }

    /// From now on the connection ends, and nothing of what waits is written any more.
    pub(crate) fn finish_at_once(&self, end: End) {
        {
            let mut queue = self.queue.lock().expect("no panic while locked");
            queue.welcome = Welcome::Done;
            queue.held = false;
            queue.frames.clear();
            queue.bytes = 0;
            queue.missed = false;
            queue.end = Some(end);
        }
        self.filled.notify_one();
    }

    /// The client has said what it understands. Where protocol 2 is spoken [`Outbox::welcome`] comes before anything else.
    pub(crate) fn speak(&self, protocol: Protocol) {
        let mut queue = self.queue.lock().expect("no panic while locked");
        queue.protocol = protocol;
        queue.welcome = match protocol {
            Protocol::Contract => Welcome::Done,
            Protocol::Two => Welcome::Awaited,
        };
    }

    /// What the client is told first. What it has missed so far it finds when it asks for the first time.
    pub(crate) fn welcome(&self, frame: Utf8Bytes) {
        {
            let mut queue = self.queue.lock().expect("no panic while locked");
            queue.missed = false;
            queue.welcome = Welcome::First(frame);
        }
        self.filled.notify_one();
    }

    /// Frames may have been missed before they came here.
    pub(crate) fn miss(&self) {
        self.queue.lock().expect("no panic while locked").missed = true;
        self.filled.notify_one();
    }

    /// There are too many connections of this user, and this one is to go.
    pub(crate) fn crowd_out(&self) {
        self.crowded_out.notify_one();
    }

    /// Waits until there are too many connections.
    pub(crate) async fn crowded_out(&self) {
        self.crowded_out.notified().await;
    }

    /// Whoever is at the socket has to be authorized again, and is shown nothing until then.
    pub(crate) fn doubt(&self) {
        self.hold();
        self.doubted.notify_one();
    }

    /// Nothing is written until [`Outbox::release`].
    pub(crate) fn hold(&self) {
        self.queue.lock().expect("no panic while locked").held = true;
    }

    /// The client may see what waits.
    pub(crate) fn release(&self) {
        self.queue.lock().expect("no panic while locked").held = false;
        self.filled.notify_one();
    }

    /// Waits for a doubt since the last one.
    pub(crate) async fn doubted(&self) {
        self.doubted.notified().await;
    }

    /// Waits until [`Outbox::take`] has something or pongs are to be flushed.
    pub(crate) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// The next thing to do, if there is any.
    pub(crate) fn take(&self) -> Option<Work> {
        let mut queue = self.queue.lock().expect("no panic while locked");
        if queue.held {
            return None;
        }
        if matches!(queue.welcome, Welcome::Awaited) {
            return queue.end.clone().map(Work::End);
        }
        if let Welcome::First(frame) = std::mem::take(&mut queue.welcome) {
            return Some(Work::Write(frame));
        }
        // Before what is left: whoever asks for the history then misses nothing of it.
        if std::mem::take(&mut queue.missed) && queue.protocol == Protocol::Two {
            return Some(Work::Write(resync_frame()));
        }
        match queue.frames.pop_front() {
            Some(Waiting { frame, asked }) => {
                if asked.is_none() {
                    queue.bytes -= frame.len();
                }
                Some(Work::Write(frame))
            }
            None => queue.end.clone().map(Work::End),
        }
    }

    /// A ping has come, and its answer waits in the WebSocket's buffer.
    pub(crate) fn pinged(&self) {
        self.queue.lock().expect("no panic while locked").unsent_pongs += 1;
        self.filled.notify_one();
    }

    /// All that was given to the WebSocket has been written.
    pub(crate) fn flushed(&self) {
        self.queue.lock().expect("no panic while locked").unsent_pongs = 0;
        self.pongs_sent.notify_one();
    }

    /// Whether the client has sent more pings than it takes answers.
    pub(crate) fn owes_too_many_pongs(&self) -> bool {
        self.queue.lock().expect("no panic while locked").unsent_pongs >= MAX_UNSENT_PONGS
    }

    /// Waits until pongs have been written.
    pub(crate) async fn pongs_sent(&self) {
        self.pongs_sent.notified().await;
    }

    /// How many frames were lost because the client did not read.
    pub(crate) fn dropped(&self) -> u64 {
        self.queue.lock().expect("no panic while locked").dropped
    }
}

impl Queue {
    fn take_oldest_that_may_be_lost(&mut self) -> Option<Utf8Bytes> {
        let oldest = self.frames.iter().position(|waiting| waiting.asked.is_none())?;
        self.frames.remove(oldest).map(|waiting| waiting.frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    fn taken(outbox: &Outbox) -> Vec<String> {
        let mut frames = Vec::new();
        while let Some(Work::Write(frame)) = outbox.take() {
            frames.push(frame.as_str().to_owned());
        }
        frames
    }

    #[test]
    fn the_oldest_frames_go_when_there_are_too_many() {
        let outbox = Outbox::default();
        for number in 0..MAX_FRAMES + 2 {
            outbox.push(Utf8Bytes::from(number.to_string()));
        }
        let frames = taken(&outbox);
        assert_eq!(frames.len(), MAX_FRAMES);
        assert_eq!(frames[0], "2");
        assert_eq!(outbox.dropped(), 2);
    }

    #[test]
    fn the_oldest_frames_go_when_they_are_too_long() {
        let outbox = Outbox::default();
        for letter in ["a", "b", "c"] {
            outbox.push(Utf8Bytes::from(letter.repeat(MAX_BYTES / 2)));
        }
        assert_eq!(outbox.dropped(), 1);
        outbox.push(Utf8Bytes::from("d".repeat(2 * MAX_BYTES)));
        assert_eq!(
            taken(&outbox),
            ["d".repeat(2 * MAX_BYTES)],
            "one frame is kept however long it is"
        );
        outbox.push(Utf8Bytes::from("e"));
        assert_eq!(taken(&outbox), ["e"]);
    }

    #[test]
    fn who_lost_something_is_told_once_before_the_rest() {
        let outbox = Outbox::default();
        outbox.speak(Protocol::Two);
        outbox.welcome("ready".into());
        assert_eq!(taken(&outbox), ["ready"]);
        for number in 0..MAX_FRAMES + 2 {
            outbox.push(Utf8Bytes::from(number.to_string()));
        }
        let frames = taken(&outbox);
        assert_eq!(frames.len(), MAX_FRAMES + 1);
        assert_eq!(frames[0], resync_frame().as_str());
        assert_eq!(frames[1], "2");
        outbox.miss();
        outbox.push("x".into());
        assert_eq!(taken(&outbox), [resync_frame().as_str(), "x"]);
    }

    #[test]
    fn the_welcome_comes_first() {
        let outbox = Outbox::default();
        outbox.speak(Protocol::Two);
        outbox.push("a".into());
        outbox.miss();
        assert_eq!(taken(&outbox), [""; 0]);
        outbox.welcome("ready".into());
        assert_eq!(taken(&outbox), ["ready", "a"]);

        let outbox = Outbox::default();
        outbox.speak(Protocol::Two);
        outbox.welcome("ready".into());
        outbox.miss();
        assert_eq!(taken(&outbox), ["ready", resync_frame().as_str()]);
    }

    #[test]
    fn what_was_asked_for_is_not_lost() {
        let places = Arc::new(Semaphore::new(1));
        let outbox = Outbox::default();
        outbox.push("0".into());
        let asked = Arc::clone(&places).try_acquire_owned().unwrap();
        outbox.answer(Utf8Bytes::from("h".repeat(2 * MAX_BYTES)), asked);
        for number in 1..=MAX_FRAMES {
            outbox.push(Utf8Bytes::from(number.to_string()));
        }
        assert_eq!(outbox.dropped(), 2);
        assert_eq!(places.available_permits(), 0);
        let frames = taken(&outbox);
        assert_eq!((frames[0].len(), frames[1].as_str()), (2 * MAX_BYTES, "2"));
        assert_eq!(places.available_permits(), 1);
    }

    #[test]
    fn who_is_doubted_is_shown_nothing_until_it_is_known() {
        let outbox = Outbox::default();
        outbox.push("a".into());
        outbox.doubt();
        outbox.push("b".into());
        assert!(outbox.take().is_none());
        outbox.release();
        assert_eq!(taken(&outbox), ["a", "b"]);
        outbox.push("c".into());
        outbox.doubt();
        outbox.finish_at_once(End::Drop);
        assert!(matches!(outbox.take(), Some(Work::End(End::Drop))));
    }

    #[test]
    fn what_waits_is_not_written_when_the_end_comes_at_once() {
        let outbox = Outbox::default();
        outbox.speak(Protocol::Two);
        outbox.push("a".into());
        outbox.miss();
        outbox.finish_at_once(End::Drop);
        assert!(matches!(outbox.take(), Some(Work::End(End::Drop))));
    }

    #[test]
    fn the_end_comes_after_what_was_there_and_before_anything_else() {
        let outbox = Outbox::default();
        outbox.push(Utf8Bytes::from("a"));
        outbox.finish(End::Drop);
        outbox.push(Utf8Bytes::from("b"));
        outbox.finish(End::Close(CloseFrame {
            code: 1012,
            reason: "".into(),
        }));
        assert_eq!(taken(&outbox), ["a"]);
        assert!(matches!(outbox.take(), Some(Work::End(End::Drop))));
    }

    #[test]
    fn a_client_that_pings_and_does_not_read_is_noticed() {
        let outbox = Outbox::default();
        for _ in 0..MAX_UNSENT_PONGS {
            assert!(!outbox.owes_too_many_pongs());
            outbox.pinged();
        }
        assert!(outbox.owes_too_many_pongs());
        outbox.flushed();
        assert!(!outbox.owes_too_many_pongs());
    }
}
