//! What clients ask for, on its way to the messenger and back.
//!
//! Commands of all connections gather while one batch is under way, and the next batch takes what has gathered. Under load
//! batches grow by themselves, which is group commit. The order in which commands were read is kept.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use relay_protocol::{BatchOutcome, Command, Delivery, User};
use serde::Serialize;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, error, warn};

use crate::backoff::Backoff;
use crate::frame::{Frame, rendered};
use crate::hub::Hub;
use crate::messenger::{CallError, Messenger};
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::own_frames::error_frame;
use crate::protocol::Complaint;
use crate::relay::{Passed, Relay};

/// The largest batch. The messenger stores a hundred messages in a few milliseconds, and its time is bounded.
const MAX_BATCH: usize = 512;

/// The largest batch in bytes.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// At most this many commands wait for the messenger; whoever asks for more is told at once that it cannot be done.
const MAX_QUEUED: usize = 16 * 1024;

/// The same in bytes.
const MAX_QUEUED_BYTES: usize = 32 * 1024 * 1024;

/// From one batch to the next there is at least this time. A message that comes alone is sent at once; under load batches get larger, and what a batch costs
/// by itself, an instance and a transaction, is shared by more messages.
const BATCH_EVERY: Duration = Duration::from_millis(10);

/// How long one call may take before the batch is sent again.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// A batch is tried for at least this long, even if its oldest command has waited too long meanwhile.
const SHORTEST_TRIAL: Duration = Duration::from_secs(2);

/// What a command adds to its client's text when it is sent: ids, names of fields, punctuation.
const COMMAND_OVERHEAD: usize = 256;

/// A command whose client waits for the outcome.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) command: Command,
    /// When it was read.
    pub(crate) since: Instant,
    /// How long the client's frame was.
    pub(crate) bytes: usize,
    pub(crate) asker: Arc<Outbox>,
    /// The place that the answer takes until it has been read, if it may be long.
    pub(crate) asked: Option<OwnedSemaphorePermit>,
    /// One of the places the connection has for commands under way, given back when this is answered.
    pub(crate) _place: OwnedSemaphorePermit,
}

impl Pending {
    /// Answers without the messenger.
    pub(crate) fn fail(self) {
        let Command {
            protocol, request, ..
        } = self.command;
        self.asker
            .push(error_frame(&Complaint::Unavailable(request), protocol));
    }
}

/// Where connections put their commands.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    queue: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    pending: VecDeque<Pending>,
    bytes: usize,
}

impl Commands {
    /// Adds a command, or answers it at once if there is no room.
    pub(crate) fn push(&self, pending: Pending) {
        let mut queue = self.queue.lock().expect("no panic while locked");
        let bytes = queue.bytes + pending.cost();
        if queue.pending.len() >= MAX_QUEUED || bytes > MAX_QUEUED_BYTES {
            drop(queue);
            return pending.fail();
        }
        queue.bytes = bytes;
        queue.pending.push_back(pending);
        drop(queue);
        self.arrived.notify_one();
    }

    /// Waits for commands, and until it is time, and takes what fits into one batch.
    async fn next_batch(&self, not_before: Instant) -> Vec<Pending> {
        while self.is_empty() {
            self.arrived.notified().await;
        }
        sleep_until(not_before).await;
        self.queue.lock().expect("no panic while locked").take_batch()
    }

    /// These are to be asked again, before anything else.
    fn put_back(&self, pending: Vec<Pending>) {
        let mut queue = self.queue.lock().expect("no panic while locked");
        for pending in pending.into_iter().rev() {
            queue.bytes += pending.cost();
            queue.pending.push_front(pending);
        }
    }

    fn is_empty(&self) -> bool {
        self.queue
            .lock()
            .expect("no panic while locked")
            .pending
            .is_empty()
    }
}

impl Queue {
    fn take_batch(&mut self) -> Vec<Pending> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.pending.front() {
            bytes += next.cost();
            if batch.len() == MAX_BATCH || (bytes > MAX_BATCH_BYTES && !batch.is_empty()) {
                break;
            }
            self.bytes -= next.cost();
            batch.extend(self.pending.pop_front());
        }
        batch
    }
}

impl Pending {
    fn cost(&self) -> usize {
        self.bytes + COMMAND_OVERHEAD
    }
}

/// Carries commands to the messenger and hands out what they lead to.
#[derive(Debug)]
pub(crate) struct Carrier {
    pub(crate) commands: Arc<Commands>,
    pub(crate) messenger: Arc<Messenger>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) relay: Arc<Relay>,
    /// A command that is this old is answered with its error text.
    pub(crate) give_up_after: Duration,
    pub(crate) metrics: Arc<Metrics>,
    /// A refusal by the messenger has been logged and would only be repeated.
    pub(crate) refused: AtomicBool,
}

impl Carrier {
    /// Runs until dropped, one batch at a time.
    pub(crate) async fn carry(&self) {
        let mut not_before = Instant::now();
        let mut may_be_done = false;
        loop {
            let batch = self.give_up_old(self.commands.next_batch(not_before).await);
            if batch.is_empty() {
                continue;
            }
            let asked_at = Instant::now();
            not_before = asked_at + BATCH_EVERY;
            match self.carry_out(&batch).await {
                Ok(outcome) => {
                    self.metrics
                        .batch_answered(outcome.outcomes.len(), asked_at.elapsed());
                    let rest = self.hand_out(batch, outcome);
                    self.commands.put_back(rest);
                    if std::mem::take(&mut may_be_done) {
                        self.hub.resync();
                        self.relay.tell_all_to_resync();
                    }
                }
                Err(error) => {
                    self.log(&error, batch.len());
                    self.fail(batch);
                    // Its answer may have been lost, and then nobody has seen what came of it.
                    may_be_done = true;
                }
            }
        }
    }

    /// Answers what has waited too long behind earlier batches, and returns the rest.
    fn give_up_old(&self, batch: Vec<Pending>) -> Vec<Pending> {
        let now = Instant::now();
        let (old, rest) = batch
            .into_iter()
            .partition(|pending| now > pending.since + self.give_up_after);
        self.fail(old);
        rest
    }

    fn fail(&self, batch: Vec<Pending>) {
        self.metrics.commands_failed.inc_by(batch.len() as u64);
        batch.into_iter().for_each(Pending::fail);
    }

    /// Sends the batch until it is answered, or until its oldest command is too old. An answer may have been lost after
    /// everything was stored; the ids in the batch keep it from being stored again.
    async fn carry_out(&self, batch: &[Pending]) -> Result<BatchOutcome, CallError> {
        let body = body_of(batch);
        let now = Instant::now();
        let oldest = batch.iter().map(|pending| pending.since).min().unwrap_or(now);
        let give_up_at = (oldest + self.give_up_after).max(now + SHORTEST_TRIAL.min(self.give_up_after));
        let mut backoff = Backoff::new();
        loop {
            let deadline = give_up_at.min(Instant::now() + CALL_TIMEOUT);
            let error = match self
                .messenger
                .carry_out(body.clone(), batch.len(), deadline)
                .await
            {
                Ok(outcome) => return Ok(outcome),
                Err(error) => error,
            };
            let delay = backoff.next_delay();
            if !error.is_passing() || Instant::now() + delay >= give_up_at {
                return Err(error);
            }
            debug!(%error, "a batch of {} commands is sent again: {error}", batch.len());
            sleep(delay).await;
        }
    }

    /// Answers the askers and shows everybody what happened, in the order of the batch. Returns what the messenger has left for the next one.
    fn hand_out(&self, batch: Vec<Pending>, outcome: BatchOutcome) -> Vec<Pending> {
        self.refused.store(false, Ordering::Relaxed);
        let mut spread = Spread::new(&self.hub, &self.relay, outcome.revision);
        let lists = batch.iter().filter(|pending| pending.asked.is_some());
        let askers: HashSet<User> = lists.map(|pending| pending.command.principal.user).collect();
        self.hub.pause(askers.iter().copied());
        let mut batch = batch.into_iter();
        for (outcome, pending) in outcome.outcomes.iter().zip(&mut batch) {
            self.metrics.command_answered(pending.since.elapsed());
            if let Some(shown) = &outcome.shown {
                self.hub
                    .mark_seen(pending.command.principal.user, &pending.asker, shown);
            }
            match (&outcome.reply, pending.asked) {
                (Some(reply), Some(asked)) => pending.asker.answer(rendered(reply), asked),
                (Some(reply), None) => pending.asker.push(rendered(reply)),
                (None, _) => {}
            }
            for delivery in &outcome.deliveries {
                spread.show(delivery);
                spread.pass(delivery);
            }
        }
        self.hub.go_on(askers.into_iter());
        spread.publish();
        batch.collect()
    }

    fn log(&self, error: &CallError, commands: usize) {
        if error.is_passing() {
            warn!(%error, "{commands} commands were given up: {error}");
        } else if !self.refused.swap(true, Ordering::Relaxed) {
            error!(%error, "commands cannot be carried out: {error}");
        }
    }
}

/// Shows frames to whom they are for, here at once and then at other sidecars, with one publication for each user.
pub(crate) struct Spread<'a> {
    hub: &'a Hub,
    relay: &'a Relay,
    /// When that happened which has no revision of its own.
    revision: Option<i64>,
    elsewhere: HashMap<User, Vec<Passed<'a>>>,
}

impl<'a> Spread<'a> {
    pub(crate) fn new(hub: &'a Hub, relay: &'a Relay, revision: Option<i64>) -> Spread<'a> {
        Spread {
            hub,
            relay,
            revision,
            elsewhere: HashMap::new(),
        }
    }

    /// Shows a frame here.
    pub(crate) fn show(&self, delivery: &Delivery) {
        let revision = delivery.revision.or(self.revision);
        let frame = Frame::new(
            &delivery.frame,
            delivery.more.as_deref(),
            delivery.instead.as_deref(),
            delivery.audience,
            revision,
        );
        for user in &delivery.to {
            self.hub
                .deliver(*user, delivery.place.as_ref(), frame.clone(), delivery.again);
        }
    }

    /// A frame is to be shown elsewhere too.
    pub(crate) fn pass(&mut self, delivery: &'a Delivery) {
        for user in &delivery.to {
            self.elsewhere.entry(*user).or_default().push(Passed {
                place: delivery.place.as_ref().map(Cow::Borrowed),
                audience: delivery.audience,
                frame: &delivery.frame,
                more: delivery.more.as_deref(),
                instead: delivery.instead.as_deref(),
                again: delivery.again,
                revision: delivery.revision.or(self.revision),
            });
        }
    }

    pub(crate) fn publish(self) {
        for (user, passed) in self.elsewhere {
            self.relay.pass_on(user, passed);
        }
    }
}

/// A [`relay_protocol::CommandBatch`], written without moving the commands.
fn body_of(batch: &[Pending]) -> Bytes {
    #[derive(Serialize)]
    struct Body<'a> {
        commands: Vec<&'a Command>,
    }
    let commands = batch.iter().map(|pending| &pending.command).collect();
    serde_json::to_vec(&Body { commands })
        .expect("commands are JSON")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::Work;
    use relay_protocol::{CommandBatch, Principal, Protocol, Realm, Request};
    use tokio::sync::Semaphore;
    use uuid::Uuid;

    fn pending(places: &Arc<Semaphore>, bytes: usize) -> Pending {
        let user = User {
            realm: Realm::Participant,
            id: 1,
        };
        let principal = Principal {
            user,
            agency_id: None,
            role: None,
            max_open_chats: None,
        };
        let request = Request::GetChats;
        Pending {
            command: Command {
                id: Uuid::now_v7(),
                principal,
                received_at: 0,
                protocol: Protocol::Contract,
                request,
            },
            since: Instant::now(),
            bytes,
            asker: Arc::default(),
            asked: None,
            _place: Arc::clone(places).try_acquire_owned().unwrap(),
        }
    }

    #[test]
    fn batches_are_bounded_and_keep_the_order() {
        let places = Arc::new(Semaphore::new(MAX_QUEUED));
        let commands = Commands::default();
        let mut ids = Vec::new();
        for _ in 0..MAX_BATCH + 3 {
            let pending = pending(&places, 10);
            ids.push(pending.command.id);
            commands.push(pending);
        }
        let mut queue = commands.queue.lock().unwrap();
        let (first, second) = (queue.take_batch(), queue.take_batch());
        assert_eq!((first.len(), second.len()), (MAX_BATCH, 3));
        let taken: Vec<_> = first
            .iter()
            .chain(&second)
            .map(|pending| pending.command.id)
            .collect();
        assert_eq!(taken, ids);
        assert_eq!(queue.bytes, 0);

        drop(queue);
        (0..3).for_each(|_| commands.push(pending(&places, MAX_BATCH_BYTES / 2)));
        assert_eq!(commands.queue.lock().unwrap().take_batch().len(), 1);
    }

    #[test]
    fn a_full_queue_answers_at_once() {
        let places = Arc::new(Semaphore::new(MAX_QUEUED));
        let commands = Commands::default();
        for _ in 0..MAX_QUEUED_BYTES / (MAX_BATCH_BYTES + COMMAND_OVERHEAD) {
            commands.push(pending(&places, MAX_BATCH_BYTES));
        }
        let free = places.available_permits();
        let last = pending(&places, MAX_BATCH_BYTES);
        let asker = Arc::clone(&last.asker);
        commands.push(last);
        assert!(matches!(asker.take(), Some(Work::Write(frame)) if frame.contains("could not get chats")));
        assert_eq!(places.available_permits(), free, "its place is free again");
    }

    #[test]
    fn the_body_is_a_command_batch() {
        let places = Arc::new(Semaphore::new(2));
        let batch = [pending(&places, 1), pending(&places, 1)];
        let read: CommandBatch = serde_json::from_slice(&body_of(&batch)).unwrap();
        assert_eq!(read.commands.len(), 2);
        assert_eq!(read.commands[1].id, batch[1].command.id);
    }
}
