//! The commands of all connections on their way to the messenger.
//!
//! Connections take turns, so that one that sends a lot delays only itself. The commands of a connection keep their
//! order.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sidecar_api::Command;
use telemetry::Seldom;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;
use trace_context::{TraceContext, TraceId};
use tracing::warn;

use crate::connection::frames::{Refusal, error_frame};
use crate::connection::handle::Handle;
use crate::metrics::{Metrics, RefusedBecause};

/// The most commands in one exchange, which has a time limit. The messenger stores a hundred messages in a few
/// milliseconds.
const MAX_BATCH: usize = 512;

/// The most bytes of commands in one exchange.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// The most commands that wait for the messenger while it does not answer.
const MAX_QUEUED: usize = 16 * 1024;

/// The same in bytes.
const MAX_QUEUED_BYTES: usize = 32 * 1024 * 1024;

/// The messenger is overloaded if it answers, the oldest command has waited this long, and the next exchange will not
/// carry all commands: the last one has left some, or they are too many or too long. Further commands are refused at
/// once, so that their clients can retry. Where exchanges are slow but carry all that waits, a refusal helps nobody.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// The bytes of a command besides its client's text: ids, names of fields, punctuation.
const COMMAND_OVERHEAD: usize = 256;

/// A command whose client waits for the outcome.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) command: Command,
    /// The trace of its client's socket.
    pub(crate) trace: TraceId,
    /// When the frame was read.
    pub(crate) since: Instant,
    /// The size of the client's text.
    pub(crate) bytes: usize,
    pub(crate) handle: Arc<Handle>,
    /// For a question: the permit that its answer holds until the client has read it.
    pub(crate) unread: Option<OwnedSemaphorePermit>,
    /// One of the connection's permits for commands under way, returned when the answer is in its send queue.
    pub(crate) permit: OwnedSemaphorePermit,
}

impl Pending {
    fn cost(&self) -> usize {
        self.bytes + COMMAND_OVERHEAD
    }
}

/// The queue of commands for the messenger.
#[derive(Debug)]
pub(crate) struct Commands {
    queue: Mutex<Queue>,
    arrived: Notify,
    metrics: Arc<Metrics>,
    /// Logs refused commands.
    refusals: Seldom,
}

#[derive(Debug, Default)]
struct Queue {
    /// The connections with pending commands, in the order of their turns.
    turns: VecDeque<u64>,
    /// By connection.
    pending: HashMap<u64, VecDeque<Pending>>,
    count: usize,
    bytes: usize,
    is_overloaded: bool,
}

impl Commands {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Commands {
        Commands {
            queue: Mutex::default(),
            arrived: Notify::new(),
            metrics,
            refusals: Seldom::default(),
        }
    }

    /// Adds a command, or refuses it at once if it would wait for too long.
    pub(crate) fn push(&self, pending: Pending) {
        let mut queue = self.queue.lock().expect("no panic while locked");
        let because = if queue.count >= MAX_QUEUED || queue.bytes + pending.cost() > MAX_QUEUED_BYTES {
            Some(RefusedBecause::queue_full)
        } else if queue.is_overloaded && !pending.command.request.is_question() {
            Some(RefusedBecause::overloaded)
        } else {
            None
        };
        if let Some(because) = because {
            drop(queue);
            return self.refuse(pending, because, None);
        }
        queue.push_back(pending);
        drop(queue);
        self.arrived.notify_one();
    }

    /// Answers with an error: without asking the messenger, or because this exchange with it has failed. An exchange
    /// has a trace of its own, so the line in the log is what leads from a socket to what the messenger has logged.
    pub(crate) fn refuse(&self, pending: Pending, because: RefusedBecause, exchange: Option<TraceContext>) {
        self.metrics.refused(because);
        let Command {
            principal,
            protocol,
            request,
            ..
        } = pending.command;
        if let Some(left_out) = self.refusals.is_due() {
            let exchange = exchange.map(|exchange| tracing::field::display(exchange.trace()));
            warn!(
                traceId = %pending.trace,
                user = %principal.user,
                exchange,
                left_out,
                "refused a command: {because:?}"
            );
        }
        let refusal = Refusal::Unavailable(request);
        pending.handle.queue.push(error_frame(&refusal, protocol));
    }

    /// Waits until there are commands.
    pub(crate) async fn arrived(&self) {
        while self.queue.lock().expect("no panic while locked").count == 0 {
            self.arrived.notified().await;
        }
    }

    /// Takes as many commands as fit into one exchange.
    pub(crate) fn take_batch(&self) -> Vec<Pending> {
        self.queue.lock().expect("no panic while locked").take_batch()
    }

    /// Handles an answered exchange that did not carry out these commands: they precede all others of their
    /// connections.
    pub(crate) fn finish_batch(&self, not_carried_out: Vec<Pending>) {
        let mut queue = self.queue.lock().expect("no panic while locked");
        let is_all_carried_out = not_carried_out.is_empty();
        not_carried_out
            .into_iter()
            .rev()
            .for_each(|pending| queue.push_front(pending));
        let oldest = queue
            .pending
            .values()
            .filter_map(VecDeque::front)
            .map(|pending| pending.since)
            .min();
        let fits_next = is_all_carried_out && queue.count <= MAX_BATCH && queue.bytes <= MAX_BATCH_BYTES;
        queue.is_overloaded = !fits_next && oldest.is_some_and(|oldest| oldest.elapsed() > MAX_WAIT);
    }
}

impl Queue {
    fn push_back(&mut self, pending: Pending) {
        self.count += 1;
        self.bytes += pending.cost();
        let connection = pending.handle.id();
        let own = self.pending.entry(connection).or_default();
        if own.is_empty() {
            self.turns.push_back(connection);
        }
        own.push_back(pending);
    }

    fn push_front(&mut self, pending: Pending) {
        self.count += 1;
        self.bytes += pending.cost();
        let connection = pending.handle.id();
        let own = self.pending.entry(connection).or_default();
        if own.is_empty() {
            self.turns.push_front(connection);
        }
        own.push_front(pending);
    }

    /// Takes one command of each connection in turn. A command after a question of the same connection waits for the
    /// next exchange, because the messenger answers questions after all changes.
    fn take_batch(&mut self) -> Vec<Pending> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        let mut have_asked = HashSet::new();
        let mut waiting = Vec::new();
        while batch.len() < MAX_BATCH
            && let Some(connection) = self.turns.pop_front()
        {
            if have_asked.contains(&connection) {
                waiting.push(connection);
                continue;
            }
            let own = self
                .pending
                .get_mut(&connection)
                .expect("a connection with a turn has commands");
            let next = own.front().expect("a connection with a turn has commands");
            bytes += next.cost();
            if bytes > MAX_BATCH_BYTES && !batch.is_empty() {
                self.turns.push_front(connection);
                break;
            }
            if next.command.request.is_question() {
                have_asked.insert(connection);
            }
            self.count -= 1;
            self.bytes -= next.cost();
            batch.extend(own.pop_front());
            if own.is_empty() {
                self.pending.remove(&connection);
            } else {
                self.turns.push_back(connection);
            }
        }
        waiting
            .into_iter()
            .rev()
            .for_each(|connection| self.turns.push_front(connection));
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::send_queue::tests::taken;
    use crate::metrics::FramesDropped;
    use sidecar_api::{Principal, Protocol, Realm, Request, User};
    use tokio::sync::Semaphore;
    use tokio::time::advance;

    /// A client that sends numbered messages and asks questions.
    struct Client {
        handle: Arc<Handle>,
        permits: Arc<Semaphore>,
    }

    impl Client {
        fn new() -> Client {
            Client {
                handle: Arc::new(Handle::new(Arc::default(), FramesDropped::default())),
                permits: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            }
        }

        fn pending(&self, request: Request, bytes: usize) -> Pending {
            let user = User {
                realm: Realm::Participant,
                id: 1,
            };
            let principal = Principal {
                user,
                agency_id: None,
                role: None,
                max_open_chats: None,
                name: String::new(),
            };
            Pending {
                command: Command {
                    principal,
                    received_at: 0,
                    protocol: Protocol::Contract,
                    request,
                },
                trace: TraceContext::begin().trace(),
                since: Instant::now(),
                bytes,
                handle: Arc::clone(&self.handle),
                unread: None,
                permit: Arc::clone(&self.permits).try_acquire_owned().unwrap(),
            }
        }

        fn message(&self, text: &str) -> Pending {
            let request = Request::SendMessage {
                chat_id: "c".to_owned(),
                message: text.to_owned(),
                client_id: None,
                lat: None,
                lng: None,
            };
            self.pending(request, text.len())
        }

        fn question(&self) -> Pending {
            self.pending(Request::GetChats, 0)
        }
    }

    fn commands() -> Commands {
        Commands::new(Arc::new(Metrics::new()))
    }

    fn names(batch: &[Pending]) -> Vec<&str> {
        batch
            .iter()
            .map(|pending| match &pending.command.request {
                Request::SendMessage { message, .. } => message.as_str(),
                _ => "?",
            })
            .collect()
    }

    #[test]
    fn connections_take_turns_and_keep_their_order() {
        let (commands, a, b) = (commands(), Client::new(), Client::new());
        for text in ["a1", "a2", "a3"] {
            commands.push(a.message(text));
        }
        commands.push(b.message("b1"));
        assert_eq!(names(&commands.take_batch()), ["a1", "b1", "a2", "a3"]);
        assert_eq!(commands.queue.lock().unwrap().bytes, 0);
        assert!(commands.take_batch().is_empty());
    }

    #[test]
    fn a_command_after_a_question_of_its_connection_waits() {
        let (commands, a, b) = (commands(), Client::new(), Client::new());
        commands.push(a.message("a1"));
        commands.push(a.question());
        commands.push(a.message("a2"));
        commands.push(b.message("b1"));
        commands.push(b.message("b2"));
        let first = commands.take_batch();
        assert_eq!(names(&first), ["a1", "b1", "?", "b2"]);
        assert_eq!(names(&commands.take_batch()), ["a2"]);
    }

    #[test]
    fn commands_that_an_exchange_leaves_are_in_the_next() {
        let (commands, a, b) = (commands(), Client::new(), Client::new());
        for text in ["a1", "a2"] {
            commands.push(a.message(text));
        }
        commands.push(b.message("b1"));
        let mut batch = commands.take_batch();
        commands.push(b.message("b2"));
        commands.finish_batch(batch.split_off(1));
        assert_eq!(names(&commands.take_batch()), ["a2", "b1", "b2"]);
    }

    #[test]
    fn batches_are_bounded() {
        let (commands, a) = (commands(), Client::new());
        for _ in 0..MAX_BATCH + 3 {
            commands.push(a.message("x"));
        }
        assert_eq!(commands.take_batch().len(), MAX_BATCH);
        assert_eq!(commands.take_batch().len(), 3);
        for _ in 0..3 {
            commands.push(a.pending(Request::GetChats, MAX_BATCH_BYTES / 2));
        }
        assert_eq!(commands.take_batch().len(), 1);
    }

    #[test]
    fn a_full_queue_refuses_at_once() {
        let (commands, a) = (commands(), Client::new());
        for _ in 0..MAX_QUEUED_BYTES / (MAX_BATCH_BYTES + COMMAND_OVERHEAD) {
            commands.push(a.pending(Request::GetChats, MAX_BATCH_BYTES));
        }
        let free = a.permits.available_permits();
        commands.push(a.pending(Request::GetChats, MAX_BATCH_BYTES));
        assert!(taken(&a.handle.queue)[0].contains("could not get chats"));
        assert_eq!(a.permits.available_permits(), free, "its permit is free again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_messenger_is_overloaded_only_by_what_one_exchange_does_not_carry() {
        const LARGE: usize = MAX_BATCH_BYTES / 16 - COMMAND_OVERHEAD;
        for (bytes, fitting) in [(1, MAX_BATCH), (LARGE, 16)] {
            let (commands, a) = (commands(), Client::new());
            let message = || a.message(&"x".repeat(bytes));
            for _ in 0..fitting {
                commands.push(message());
            }
            advance(MAX_WAIT * 2).await;
            commands.finish_batch(Vec::new());
            commands.push(message());
            assert!(taken(&a.handle.queue).is_empty(), "{fitting} fit");
            commands.finish_batch(Vec::new());
            commands.push(message());
            assert!(taken(&a.handle.queue)[0].contains("message could not be saved"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_overloaded_messenger_gets_questions_only() {
        let (commands, a) = (commands(), Client::new());
        commands.push(a.message("a1"));
        commands.push(a.message("a2"));
        advance(MAX_WAIT * 2).await;
        commands.push(a.message("while the messenger does not answer, commands wait"));
        let mut batch = commands.take_batch();
        commands.finish_batch(batch.split_off(1));
        commands.push(a.message("refused"));
        commands.push(a.question());
        assert!(taken(&a.handle.queue)[0].contains("message could not be saved"));
        assert_eq!(commands.take_batch().len(), 3);
        commands.finish_batch(Vec::new());
        commands.push(a.message("taken"));
        assert_eq!(names(&commands.take_batch()), ["taken"]);
        assert!(taken(&a.handle.queue).is_empty());
    }
}
