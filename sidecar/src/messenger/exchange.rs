//! Exchanges with the messenger, one at a time. Each carries the commands that were queued meanwhile and returns the
//! new updates. Under load batches grow by themselves, which is group commit. Without commands an exchange is the beat,
//! which fetches updates of others.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use serde::Serialize;
use sidecar_api::update::{read_updates, write_update};
use sidecar_api::{Attendance, Command, Cursor, Outcome};
use telemetry::Span;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use trace_context::TraceContext;
use tracing::{debug, error_span, warn};

use crate::backoff::Backoff;
use crate::messenger::client::Messenger;
use crate::messenger::commands::{Commands, Pending};
use crate::metrics::{Metrics, RefusedBecause};
use crate::outage::Outage;
use crate::player::Player;
use crate::redis::Redis;
use crate::service::CallError;

/// The shortest time between two exchanges. A single message is sent at once. Under load more messages share the fixed
/// cost of an exchange, an instance and a transaction.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// The interval of exchanges without commands while somebody is connected, ...
const BEAT_EVERY: Duration = Duration::from_millis(250);

/// ... and while nobody is.
const IDLE_BEAT_EVERY: Duration = Duration::from_secs(3);

/// How long to wait for a missing update from another sidecar before asking the messenger for it.
const GAP_TIMEOUT: Duration = Duration::from_millis(20);

/// How often the messenger is told which organizers are here.
const ATTENDANCE_EVERY: Duration = Duration::from_secs(1);

/// Time limit for one call before the exchange is sent again. It may wait for the lock of a dead host, which a libSQL
/// server takes away after 5 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(7);

/// The shortest time to retry an exchange with commands, even if its oldest command has waited too long meanwhile.
const MIN_RETRY_TIME: Duration = Duration::from_secs(2);

/// Time limit for the last exchange.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// Carries commands to the messenger, and updates to the player.
#[derive(Debug)]
pub(crate) struct Exchanger {
    pub(crate) sidecar: String,
    pub(crate) commands: Arc<Commands>,
    pub(crate) messenger: Arc<Messenger>,
    pub(crate) player: Arc<Player>,
    pub(crate) redis: Arc<Redis>,
    pub(crate) metrics: Arc<Metrics>,
    /// The sidecar answers a command that is this old with an error.
    pub(crate) give_up_after: Duration,
}

/// A [`sidecar_api::Exchange`] that borrows its commands.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    sidecar: &'a str,
    number: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<Cursor>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    commands: Vec<&'a Command>,
    #[serde(skip_serializing_if = "Option::is_none")]
    present: Option<Cow<'a, [Attendance]>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queues: Vec<i64>,
}

impl Exchanger {
    /// Runs until dropped.
    pub(crate) async fn run(&self) {
        let mut number = 0;
        let mut last = None;
        let mut reported_at = None;
        let mut outage = Outage::new("exchange with the messenger");
        loop {
            let has_presence_changed = self.wait_until_due(last).await;
            let batch = self.commands.take_batch();
            let batch = self.refuse_expired(batch);
            let now = Instant::now();
            let is_due = reported_at.is_none_or(|reported_at| now >= reported_at + self.attendance_every());
            let present = (has_presence_changed || is_due).then(|| self.player.attendance());
            let has_reported = present.is_some();
            last = Some(now);
            number += 1;
            let span = Span::of_work();
            let trace = span.context();
            let answered = self.exchange(number, &batch, present, trace).await;
            span.end(|| "exchange", answered.is_ok().then_some(200));
            match answered {
                Ok((outcome, updates)) => {
                    outage.ended();
                    self.metrics
                        .exchange_answered(outcome.replies.len(), now.elapsed());
                    // What cannot be read of the answer is logged under the exchange's id.
                    let not_carried_out = error_span!("exchange", traceId = %trace.trace())
                        .in_scope(|| self.deliver(batch, outcome, &updates));
                    self.commands.finish_batch(not_carried_out);
                    if has_reported {
                        reported_at = Some(now);
                    }
                }
                Err(error) => {
                    self.player.exchange_abandoned();
                    let pause = outage.failed(&error, Some(trace));
                    let because = RefusedBecause::messenger_unavailable;
                    let is_beat = batch.is_empty();
                    batch
                        .into_iter()
                        .for_each(|pending| self.commands.refuse(pending, because, Some(trace)));
                    reported_at = None;
                    // An exchange with commands has waited between its retries already.
                    if is_beat {
                        let _ = timeout_at(Instant::now() + pause, self.commands.arrived()).await;
                    }
                }
            }
        }
    }

    /// Tells the messenger that this sidecar ends, so that it gives no chat to an organizer who waits here.
    pub(crate) async fn leave(&self) {
        let body = Body {
            sidecar: &self.sidecar,
            number: i64::MAX,
            cursor: None,
            commands: Vec::new(),
            present: Some(Cow::Borrowed(&[])),
            queues: Vec::new(),
        };
        let deadline = Instant::now() + LEAVE_TIMEOUT;
        let trace = TraceContext::begin();
        if let Err(error) = self.messenger.exchange(bytes(&body), deadline, trace).await {
            warn!(traceId = %trace.trace(), "could not tell the messenger that this sidecar ends: {error}");
        }
    }

    /// Waits until the next exchange is due; the first is due at once. Returns whether presence has changed.
    async fn wait_until_due(&self, last: Option<Instant>) -> bool {
        let Some(last) = last else {
            return false;
        };
        let every = if self.player.is_empty() {
            IDLE_BEAT_EVERY
        } else {
            BEAT_EVERY
        };
        let has_presence_changed = tokio::select! {
            () = self.commands.arrived() => false,
            () = self.player.presence_changed() => true,
            () = self.gap_persists() => false,
            () = sleep_until(last + every) => false,
        };
        sleep_until(last + MIN_INTERVAL).await;
        has_presence_changed
    }

    /// Waits until a gap has stayed open for [`GAP_TIMEOUT`].
    async fn gap_persists(&self) {
        loop {
            self.player.gap().await;
            sleep(GAP_TIMEOUT).await;
            if self.player.has_gap() {
                return;
            }
        }
    }

    fn attendance_every(&self) -> Duration {
        if self.player.is_empty() {
            IDLE_BEAT_EVERY
        } else {
            ATTENDANCE_EVERY
        }
    }

    /// Refuses commands that have waited too long behind earlier exchanges, and returns the rest.
    fn refuse_expired(&self, batch: Vec<Pending>) -> Vec<Pending> {
        let now = Instant::now();
        let (old, rest): (Vec<_>, _) = batch
            .into_iter()
            .partition(|pending| now > pending.since + self.give_up_after);
        for pending in old {
            self.commands
                .refuse(pending, RefusedBecause::messenger_unavailable, None);
        }
        rest
    }

    /// Sends an exchange until it is answered, or until its oldest command is too old. If only the answer was lost, the
    /// exchange's number keeps the messenger from storing everything again.
    async fn exchange(
        &self,
        number: i64,
        batch: &[Pending],
        present: Option<Vec<Attendance>>,
        trace: TraceContext,
    ) -> Result<(Outcome, String), CallError> {
        let has_questions = batch.iter().any(|pending| pending.command.request.is_question());
        let begun = self.player.begin_exchange(has_questions);
        let body = bytes(&Body {
            sidecar: &self.sidecar,
            number,
            cursor: begun.cursor,
            commands: batch.iter().map(|pending| &pending.command).collect(),
            present: present.map(Cow::Owned),
            queues: begun.queues,
        });
        let now = Instant::now();
        let oldest = batch.iter().map(|pending| pending.since).min();
        let give_up_at = oldest
            .map(|oldest| (oldest + self.give_up_after).max(now + MIN_RETRY_TIME.min(self.give_up_after)));
        let mut backoff = Backoff::new();
        loop {
            let call_timeout = Instant::now() + CALL_TIMEOUT;
            let deadline = give_up_at.map_or(call_timeout, |give_up_at| give_up_at.min(call_timeout));
            let error = match self.messenger.exchange(body.clone(), deadline, trace).await {
                Ok((outcome, _)) if outcome.replies.len() > batch.len() => {
                    let (replies, commands) = (outcome.replies.len(), batch.len());
                    CallError::NotUnderstood(format!("{replies} replies to {commands} commands"))
                }
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let delay = backoff.next_delay();
            let is_last = give_up_at.is_none_or(|give_up_at| Instant::now() + delay >= give_up_at);
            if !error.is_passing() || is_last {
                return Err(error);
            }
            debug!(traceId = %trace.trace(), "retrying an exchange with {} commands: {error}", batch.len());
            sleep(delay).await;
        }
    }

    /// Delivers replies to their connections and plays the updates. Returns the commands that the messenger has not
    /// carried out. They are sent with the next exchange.
    fn deliver(&self, batch: Vec<Pending>, outcome: Outcome, updates: &str) -> Vec<Pending> {
        let mut batch = batch.into_iter();
        let mut answers = Vec::new();
        // A connection that ends waits for its permits, and a command may be answered by an update.
        let mut permits = Vec::new();
        for (reply, pending) in outcome.replies.iter().zip(&mut batch) {
            self.metrics.command_answered(pending.since.elapsed());
            permits.push(pending.permit);
            let Some(reply) = reply else {
                continue;
            };
            let line = Utf8Bytes::from(format!("{}\n", reply.get()));
            match pending.unread {
                Some(permit) => answers.push((pending.handle, line, permit)),
                None => pending.handle.queue.push(line),
            }
        }
        self.player.exchange_answered(&outcome, updates, || {
            for (handle, line, permit) in answers {
                handle.queue.answer(line, permit);
            }
        });
        drop(permits);
        self.publish(&outcome, updates);
        batch.collect()
    }

    /// Publishes the updates that this exchange has committed, and those that are not in the log.
    fn publish(&self, outcome: &Outcome, updates: &str) {
        let mut text = String::new();
        for update in read_updates(updates).map_while(Result::ok) {
            if update.cursor.id == 0 || outcome.committed.contains(&update.cursor.id) {
                write_update(&mut text, update);
            }
        }
        if !text.is_empty() {
            self.redis.publish(&text, &self.metrics);
        }
    }
}

fn bytes(body: &Body<'_>) -> Bytes {
    serde_json::to_vec(body).expect("commands are JSON").into()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Mutex;
    use std::task::{Context, Wake, Waker};

    use super::*;
    use crate::connection::handle::Handle;
    use crate::connection::send_queue::tests::taken;
    use crate::metrics::FramesDropped;
    use serde_json::value::RawValue;
    use sidecar_api::update::{Body as UpdateBody, Frame, Update};
    use sidecar_api::{Exchange, Principal, Protocol, Realm, Request, User};
    use tokio::sync::Semaphore;

    /// A connection that waits for its permits, and what it has been shown when they are back.
    struct Waiting {
        handle: Arc<Handle>,
        shown: Mutex<Vec<String>>,
    }

    impl Wake for Waiting {
        fn wake(self: Arc<Self>) {
            *self.shown.lock().unwrap() = taken(&self.handle.queue);
        }
    }

    fn outcome(id: i64, replies: Vec<Option<Box<RawValue>>>) -> Outcome {
        Outcome {
            at: Cursor { id, made_at: 1 },
            // The first exchange sets the player's cursor.
            starts_anew: id == 1,
            replies,
            committed: Vec::new(),
            queues: Vec::new(),
        }
    }

    /// Otherwise a connection that ends when its commands are answered could close before its client has the echo.
    #[tokio::test]
    async fn a_permit_is_returned_after_the_update_that_answers_its_command() {
        let (metrics, player) = (Arc::new(Metrics::new()), Arc::new(Player::new()));
        let nowhere = "http://127.0.0.1:1".to_owned();
        let exchanger = Exchanger {
            sidecar: "me".to_owned(),
            commands: Arc::new(Commands::new(Arc::clone(&metrics))),
            messenger: Arc::new(Messenger::new(&[nowhere], "key").unwrap()),
            player: Arc::clone(&player),
            redis: Arc::new(Redis::new("redis://127.0.0.1:1", "me", None).unwrap()),
            metrics,
            give_up_after: Duration::from_secs(10),
        };
        let handle = Arc::new(Handle::new(Arc::default(), FramesDropped::default()));
        let principal = Principal {
            user: User {
                realm: Realm::Participant,
                id: 1,
            },
            agency_id: None,
            role: None,
            max_open_chats: None,
            name: String::new(),
        };
        exchanger.deliver(Vec::new(), outcome(1, Vec::new()), "");
        let (ticket, after) = (player.ticket(), Cursor { id: 1, made_at: 1 });
        player.join(
            ticket,
            principal.clone(),
            after,
            Protocol::Contract,
            Arc::clone(&handle),
        );

        let permits = Arc::new(Semaphore::new(1));
        let permit = Arc::clone(&permits).try_acquire_owned().unwrap();
        let waiting = Arc::new(Waiting {
            handle: Arc::clone(&handle),
            shown: Mutex::default(),
        });
        let waker = Waker::from(Arc::clone(&waiting));
        let mut returned = pin!(permits.acquire());
        let poll = returned.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(poll.is_pending());

        let mut body = UpdateBody::default();
        body.deliver(&[principal.user], Frame::both("the echo"));
        let update = Update {
            cursor: Cursor { id: 2, made_at: 1 },
            previous_made_at: 1,
            body: body.as_str(),
        };
        let mut updates = String::new();
        write_update(&mut updates, update);
        let pending = Pending {
            command: Command {
                principal,
                received_at: 0,
                protocol: Protocol::Contract,
                request: Request::StartChat { wait: None },
            },
            trace: TraceContext::begin().trace(),
            since: Instant::now(),
            bytes: 0,
            handle,
            unread: None,
            permit,
        };
        let left = exchanger.deliver(vec![pending], outcome(2, vec![None]), &updates);
        assert!(left.is_empty());
        assert_eq!(*waiting.shown.lock().unwrap(), ["the echo\n"]);
    }

    /// Keeps [`Body`] and [`Exchange`] in step.
    #[test]
    fn the_body_is_an_exchange() {
        let body = Body {
            sidecar: "me",
            number: 7,
            cursor: Some(Cursor { id: 3, made_at: 5 }),
            commands: Vec::new(),
            present: Some(Cow::Borrowed(&[])),
            queues: vec![4],
        };
        let read: Exchange = serde_json::from_slice(&bytes(&body)).unwrap();
        assert_eq!((read.sidecar.as_str(), read.number), ("me", 7));
        assert_eq!(read.cursor, body.cursor);
        assert_eq!((read.present, read.queues), (Some(Vec::new()), vec![4]));
    }
}
