//! Authenticates clients at the messenger, in batches: a storm of reconnecting clients costs one call per batch.

use std::collections::VecDeque;
use std::time::Duration;

use sidecar_api::{Authenticated, Cursor, Principal, Verdict};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};
use trace_context::TraceContext;

use crate::messenger::client::Messenger;
use crate::outage::Outage;

/// The largest batch. Each token costs a signature, and all together one look-up.
const MAX_BATCH: usize = 256;

/// The largest batch in bytes of `Authorization` values. A token fits in a browser's cookie, so this is rarely reached.
const MAX_BATCH_BYTES: usize = 512 * 1024;

/// The most clients in the queue of a lane. Others wait for room, until their time for authorization has passed.
const MAX_QUEUED: usize = 4096;

/// How long one call may take. The time that a client has for authorization has room for several.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Authenticates clients for their connections. Each service has a lane of its own, so that a slow one does not delay
/// the users of the other.
#[derive(Clone, Debug)]
pub(crate) struct Authenticator {
    organizers: mpsc::Sender<Attempt>,
    participants: mpsc::Sender<Attempt>,
}

/// A client that was authenticated.
#[derive(Clone, Debug)]
pub(crate) struct Identified {
    pub(crate) principal: Principal,
    /// The last update before the user was looked up.
    pub(crate) after: Cursor,
}

/// A client that waits for its verdict. The receiver is dropped when the client has gone.
#[derive(Debug)]
pub(crate) struct Attempt {
    authorization: String,
    trace: TraceContext,
    verdict: oneshot::Sender<Option<Identified>>,
}

impl Authenticator {
    /// Also returns the lanes, for [`serve_lane`].
    pub(crate) fn new() -> (Authenticator, [mpsc::Receiver<Attempt>; 2]) {
        let (organizers, about_organizers) = mpsc::channel(MAX_QUEUED);
        let (participants, about_participants) = mpsc::channel(MAX_QUEUED);
        let authenticator = Authenticator {
            organizers,
            participants,
        };
        (authenticator, [about_organizers, about_participants])
    }

    /// Returns once the client is authenticated, however long that takes; `None` is a refusal.
    pub(crate) async fn authenticate(
        &self,
        authorization: String,
        trace: TraceContext,
    ) -> Option<Identified> {
        // The prefix of a token names the service that issued it (contract 2.1). A token without one is refused by
        // either lane without asking a service.
        let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
        let lane = if token.starts_with("participant:") {
            &self.participants
        } else {
            &self.organizers
        };
        let (verdict, answer) = oneshot::channel();
        lane.send(Attempt {
            authorization,
            trace,
            verdict,
        })
        .await
        .ok()?;
        answer.await.ok()?
    }
}

/// Authenticates the clients of one lane until all senders are dropped.
pub(crate) async fn serve_lane(mut attempts: mpsc::Receiver<Attempt>, messenger: &Messenger) {
    let mut waiting = VecDeque::new();
    let mut outage = Outage::new("authentication of clients");
    loop {
        if waiting.is_empty() {
            match attempts.recv().await {
                Some(attempt) => waiting.push_back(attempt),
                None => return,
            }
        }
        while let Ok(attempt) = attempts.try_recv() {
            waiting.push_back(attempt);
        }
        let batch = next_batch(&mut waiting);
        let Some(first) = batch.first() else {
            continue;
        };
        // A call has one trace. Most batches have one client.
        let trace = first.trace;
        let authorizations = batch
            .iter()
            .map(|attempt| attempt.authorization.clone())
            .collect();
        let deadline = Instant::now() + CALL_TIMEOUT;
        let (unanswered, reason) = match messenger.authenticate(authorizations, deadline, trace).await {
            Ok(authenticated) => (
                give_verdicts(batch, authenticated),
                "the service that issued the tokens does not answer".to_owned(),
            ),
            Err(error) => (batch, error.to_string()),
        };
        if unanswered.is_empty() {
            outage.ended();
            continue;
        }
        unanswered
            .into_iter()
            .rev()
            .for_each(|attempt| waiting.push_front(attempt));
        sleep(outage.failed(&reason, Some(trace))).await;
    }
}

/// Takes as many attempts as fit into one call, and drops those whose clients have gone.
fn next_batch(waiting: &mut VecDeque<Attempt>) -> Vec<Attempt> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while let Some(attempt) = waiting.pop_front() {
        if attempt.verdict.is_closed() {
            continue;
        }
        bytes += attempt.authorization.len();
        if batch.len() == MAX_BATCH || (bytes > MAX_BATCH_BYTES && !batch.is_empty()) {
            waiting.push_front(attempt);
            break;
        }
        batch.push(attempt);
    }
    batch
}

/// Returns the attempts to repeat.
fn give_verdicts(batch: Vec<Attempt>, authenticated: Authenticated) -> Vec<Attempt> {
    let Authenticated { verdicts, after } = authenticated;
    let mut unavailable = Vec::new();
    for (attempt, verdict) in batch.into_iter().zip(verdicts) {
        // A failed send means that the client has gone.
        match verdict {
            Verdict::Accepted { principal } => {
                let _ = attempt.verdict.send(Some(Identified { principal, after }));
            }
            Verdict::Rejected => {
                let _ = attempt.verdict.send(None);
            }
            Verdict::Unavailable => unavailable.push(attempt),
        }
    }
    unavailable
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn attempt(length: usize) -> (Attempt, oneshot::Receiver<Option<Identified>>) {
        let (verdict, answer) = oneshot::channel();
        (
            Attempt {
                authorization: "x".repeat(length),
                trace: TraceContext::begin(),
                verdict,
            },
            answer,
        )
    }

    #[test]
    fn batches_are_bounded_and_keep_the_order() {
        let (attempts, _answers): (VecDeque<_>, Vec<_>) = (0..MAX_BATCH + 1).map(|_| attempt(1)).unzip();
        let mut waiting = attempts;
        assert_eq!(next_batch(&mut waiting).len(), MAX_BATCH);
        assert_eq!(next_batch(&mut waiting).len(), 1);

        let (attempts, _answers): (VecDeque<_>, Vec<_>) = [MAX_BATCH_BYTES / 2, MAX_BATCH_BYTES, 1]
            .into_iter()
            .map(attempt)
            .unzip();
        let mut waiting = attempts;
        let lengths = |batch: Vec<Attempt>| -> Vec<usize> {
            batch.iter().map(|attempt| attempt.authorization.len()).collect()
        };
        assert_eq!(lengths(next_batch(&mut waiting)), [MAX_BATCH_BYTES / 2]);
        assert_eq!(lengths(next_batch(&mut waiting)), [MAX_BATCH_BYTES]);
        assert_eq!(lengths(next_batch(&mut waiting)), [1]);
    }

    #[tokio::test]
    async fn the_prefix_of_a_token_chooses_its_lane() {
        let (authenticator, [mut organizers, mut participants]) = Authenticator::new();
        for (authorization, is_of_participant) in [
            ("Bearer participant:t", true),
            ("Bearer organizer:t", false),
            ("Bearer organizer:participant:t", false),
            ("Bearer t participant:t", false),
            ("participant:t", false),
        ] {
            // The attempt stays in its lane, and nobody gives a verdict.
            let asking = authenticator.authenticate(authorization.to_owned(), TraceContext::begin());
            assert!(asking.now_or_never().is_none());
            assert_eq!(
                participants.try_recv().is_ok(),
                is_of_participant,
                "{authorization}"
            );
            assert_eq!(
                organizers.try_recv().is_ok(),
                !is_of_participant,
                "{authorization}"
            );
        }
    }

    #[test]
    fn attempts_of_clients_that_have_gone_are_dropped() {
        let (gone, answer) = attempt(1);
        drop(answer);
        let (here, _answer) = attempt(2);
        let batch = next_batch(&mut VecDeque::from([gone, here]));
        assert_eq!(batch.len(), 1);
        assert_eq!(batch[0].authorization.len(), 2);
    }
}
