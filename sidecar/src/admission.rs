//! Who is at a new socket. A storm of reconnecting clients costs one call to the messenger per batch, one at a time.

use std::collections::VecDeque;
use std::time::Duration;

use relay_protocol::{Admission, Authenticated, Principal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::messenger::{CallError, Messenger};

/// The largest batch; a check is a signature and a look-up.
const MAX_BATCH: usize = 256;

/// The largest batch in bytes of `Authorization` values. A token fits in a browser's cookie, so this is rarely reached.
const MAX_BATCH_BYTES: usize = 512 * 1024;

/// So many new sockets wait in the queue; those beyond wait for room, no longer than any first frame may take.
const MAX_QUEUED: usize = 4096;

/// How long one call may take. A socket's whole time for authorization has room for several.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Where connections ask who their client is.
#[derive(Clone, Debug)]
pub(crate) struct Admissions(mpsc::Sender<Question>);

/// Who a client is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted {
    pub(crate) principal: Principal,
    /// What was there already when it was asked.
    pub(crate) revision: i64,
}

/// One socket's question. When nobody waits for the verdict any longer, it is not asked again.
#[derive(Debug)]
pub(crate) struct Question {
    authorization: String,
    verdict: oneshot::Sender<Option<Admitted>>,
}

impl Admissions {
    pub(crate) fn new() -> (Admissions, mpsc::Receiver<Question>) {
        let (sender, receiver) = mpsc::channel(MAX_QUEUED);
        (Admissions(sender), receiver)
    }

    /// Returns once it is known, however long that takes; `None` is a refusal.
    pub(crate) async fn ask(&self, authorization: String) -> Option<Admitted> {
        let (verdict, answer) = oneshot::channel();
        self.0
            .send(Question {
                authorization,
                verdict,
            })
            .await
            .ok()?;
        answer.await.ok()?
    }
}

/// Answers all questions. Runs until nobody can ask any more.
pub(crate) async fn answer_questions(mut questions: mpsc::Receiver<Question>, messenger: &Messenger) {
    let mut waiting = VecDeque::new();
    // Questions whose service could not be asked wait apart, so that they do not hold up those about the other service.
    let mut unavailable = VecDeque::new();
    let mut ask_again_at = Instant::now();
    let mut unavailable_backoff = Backoff::new();
    let mut outage = Outage::default();
    loop {
        if waiting.is_empty() {
            tokio::select! {
                question = questions.recv() => match question {
                    Some(question) => waiting.push_back(question),
                    None => return,
                },
                () = sleep_until(ask_again_at), if !unavailable.is_empty() => {}
            }
        }
        if ask_again_at <= Instant::now() {
            waiting.append(&mut unavailable);
        }
        while let Ok(question) = questions.try_recv() {
            waiting.push_back(question);
        }
        let batch = next_batch(&mut waiting);
        if batch.is_empty() {
            continue;
        }
        let authorizations = batch
            .iter()
            .map(|question| question.authorization.clone())
            .collect();
        match messenger
            .authenticate(authorizations, Instant::now() + CALL_TIMEOUT)
            .await
        {
            Ok(authenticated) => {
                outage.ended();
                let still_unavailable = give_verdicts(batch, authenticated);
                if still_unavailable.is_empty() {
                    unavailable_backoff = Backoff::new();
                } else {
                    unavailable.extend(still_unavailable);
                    ask_again_at = Instant::now() + unavailable_backoff.next_delay();
                }
            }
            Err(error) => {
                batch
                    .into_iter()
                    .rev()
                    .for_each(|question| waiting.push_front(question));
                sleep(outage.goes_on(&error)).await;
            }
        }
    }
}

/// Takes what fits into one call. Who has gone meanwhile is left out.
fn next_batch(waiting: &mut VecDeque<Question>) -> Vec<Question> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while let Some(question) = waiting.pop_front() {
        if question.verdict.is_closed() {
            continue;
        }
        bytes += question.authorization.len();
        if batch.len() == MAX_BATCH || (bytes > MAX_BATCH_BYTES && !batch.is_empty()) {
            waiting.push_front(question);
            break;
        }
        batch.push(question);
    }
    batch
}

/// Returns the questions that are to be asked again.
fn give_verdicts(batch: Vec<Question>, authenticated: Authenticated) -> Vec<Question> {
    let Authenticated { outcomes, revision } = authenticated;
    let mut unavailable = Vec::new();
    for (question, outcome) in batch.into_iter().zip(outcomes) {
        // A failed send means that the client has gone, and then there is nobody to tell.
        match outcome {
            Admission::Accepted { principal } => {
                let _ = question.verdict.send(Some(Admitted { principal, revision }));
            }
            Admission::Rejected => {
                let _ = question.verdict.send(None);
            }
            Admission::Unavailable => unavailable.push(question),
        }
    }
    unavailable
}

/// A time in which the messenger does not answer; logged when it begins and when it ends.
#[derive(Debug, Default)]
struct Outage(Option<Backoff>);

impl Outage {
    fn goes_on(&mut self, error: &CallError) -> Duration {
        self.0
            .get_or_insert_with(|| {
                warn!(%error, "clients cannot be authenticated: {error}");
                Backoff::new()
            })
            .next_delay()
    }

    fn ended(&mut self) {
        if self.0.take().is_some() {
            info!("clients are authenticated again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(length: usize) -> (Question, oneshot::Receiver<Option<Admitted>>) {
        let (verdict, answer) = oneshot::channel();
        (
            Question {
                authorization: "x".repeat(length),
                verdict,
            },
            answer,
        )
    }

    #[test]
    fn batches_are_bounded_and_keep_the_order() {
        let (questions, _answers): (VecDeque<_>, Vec<_>) = (0..MAX_BATCH + 1).map(|_| question(1)).unzip();
        let mut waiting = questions;
        assert_eq!(next_batch(&mut waiting).len(), MAX_BATCH);
        assert_eq!(next_batch(&mut waiting).len(), 1);

        let (questions, _answers): (VecDeque<_>, Vec<_>) = [MAX_BATCH_BYTES / 2, MAX_BATCH_BYTES, 1]
            .into_iter()
            .map(question)
            .unzip();
        let mut waiting = questions;
        let lengths =
            |batch: Vec<Question>| -> Vec<usize> { batch.iter().map(|q| q.authorization.len()).collect() };
        assert_eq!(lengths(next_batch(&mut waiting)), [MAX_BATCH_BYTES / 2]);
        assert_eq!(lengths(next_batch(&mut waiting)), [MAX_BATCH_BYTES]);
        assert_eq!(lengths(next_batch(&mut waiting)), [1]);
    }

    #[test]
    fn who_has_gone_is_not_asked_about() {
        let (gone, answer) = question(1);
        drop(answer);
        let (here, _answer) = question(2);
        let batch = next_batch(&mut VecDeque::from([gone, here]));
        assert_eq!(batch.len(), 1);
        assert_eq!(batch[0].authorization.len(), 2);
    }
}
