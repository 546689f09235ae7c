//! The canary: it walks the whole path of a request for help, as clients do, and reports how long each step took. It
//! notices a broken path also where every process is healthy.
//!
//! A run has an agency, an event, an organizer and a participant of its own, with ids below 0, which no list shows and
//! no figure counts. So runs do not disturb each other, and what a failed run leaves behind disturbs nobody. The
//! services delete it when later runs begin and end.

mod clients;
pub(crate) mod metrics;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use axum::Router;
use axum::routing::get;
use http::header;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use sidecar_api::{CanaryReport, CanaryStep};
use tokio::net::TcpListener;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};
use trace_context::{TraceContext, TraceId};
use tracing::{info, warn};
use uuid::Uuid;

use crate::canary::clients::{Http, Socket, text};
use crate::canary::metrics::LatestRun;
use crate::door;
use crate::metrics::{CONTENT_TYPE, PREFIX};
use crate::service::{Client, client};

/// Time limit for all steps of a run together, so that a run every 30 s shows within 35 s what has broken. A run takes
/// a few tenths of a second.
const RUN_TIME: Duration = Duration::from_millis(4500);

/// Time limit for closing the sockets of a run that has walked the whole path.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// Time limit for reporting a run. A report that comes late still names the step, after the age was red.
const REPORT_TIME: Duration = Duration::from_secs(4);

/// The steps, in order.
pub const STEPS: [&str; 10] = [
    "prepare_organizer",
    "sign_in_organizer",
    "prepare_participant",
    "sign_in_participant",
    "connect",
    "press",
    "take",
    "talk_to_participant",
    "talk_to_organizer",
    "close",
];

/// The settings of a canary.
#[derive(Clone, Debug)]
pub struct Config {
    /// The origin of the services, as scheme and authority: `http://127.0.0.1:3000`.
    pub app: String,
    /// The sockets, such as `ws://127.0.0.1:3001/connect`. A run takes one for the participant and one for the
    /// organizer, the next run the next ones.
    pub sockets: Vec<String>,
    /// The services' keys.
    pub organizer_key: String,
    pub participant_key: String,
    pub messenger_key: String,
}

/// A canary.
#[derive(Debug)]
pub struct Canary {
    config: Config,
    client: Client,
    latest: LatestRun,
    /// How many runs have come to the sockets.
    runs: AtomicUsize,
}

/// A run.
#[derive(Debug)]
pub struct Run {
    /// The steps up to the one that failed, and how long they took.
    pub steps: Vec<(&'static str, Duration)>,
    /// Why the last step failed.
    pub failure: Option<anyhow::Error>,
    trace: TraceContext,
    deadline: Instant,
}

impl Run {
    fn begin() -> Run {
        Run {
            steps: Vec::new(),
            failure: None,
            trace: TraceContext::begin(),
            deadline: Instant::now() + RUN_TIME,
        }
    }

    /// The step that failed.
    pub fn failed_step(&self) -> Option<&'static str> {
        let (name, _) = self.steps.last()?;
        self.failure.as_ref().map(|_| *name)
    }

    /// The id under which services and sidecars log what the run has asked of them.
    pub fn trace(&self) -> TraceId {
        self.trace.trace()
    }

    /// How long all steps took.
    pub fn took(&self) -> Duration {
        self.steps.iter().map(|(_, took)| took).sum()
    }

    async fn step<T>(&mut self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let name = STEPS[self.steps.len()];
        let start = Instant::now();
        let outcome = timeout_at(self.deadline, work).await;
        self.steps.push((name, start.elapsed()));
        outcome.unwrap_or_else(|_| bail!("the time of the run was up"))
    }

    fn report(&self) -> CanaryReport {
        let step = |(name, took): &(&str, Duration)| CanaryStep {
            name: (*name).to_owned(),
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        };
        CanaryReport {
            failed_step: self.failed_step().map(str::to_owned),
            steps: self.steps.iter().map(step).collect(),
        }
    }
}

impl Canary {
    /// A canary with these settings.
    pub fn new(config: Config) -> anyhow::Result<Canary> {
        ensure!(!config.sockets.is_empty(), "no socket is known");
        Ok(Canary {
            config,
            client: client(),
            latest: LatestRun::default(),
            runs: AtomicUsize::new(0),
        })
    }

    /// Serves the latest run's metrics. Those of sidecars come from the messenger, so only these name the step if it is
    /// the messenger that is broken. Serves until dropped.
    pub async fn serve_metrics(&self, listener: TcpListener) {
        let mut registry = Registry::default();
        let latest = Box::new(self.latest.clone());
        registry
            .sub_registry_with_prefix(PREFIX)
            .register_collector(latest);
        let registry = Arc::new(registry);
        let show = async move || {
            let mut text = String::new();
            encode(&mut text, &registry).expect("writing to a string cannot fail");
            ([(header::CONTENT_TYPE, CONTENT_TYPE)], text)
        };
        let router = Router::new().route("/metrics", get(show));
        door::accept(listener, router, pending()).await;
    }

    fn http(&self, run: &Run) -> Http<'_> {
        Http {
            client: &self.client,
            origin: &self.config.app,
            trace: run.trace,
        }
    }

    /// Walks the path once.
    pub async fn walk(&self) -> Run {
        let mut run = Run::begin();
        run.failure = self.steps(&mut run).await.err();
        run
    }

    /// Reports a run to the messenger.
    pub async fn report(&self, run: &Run) {
        let report = json!(run.report());
        let key = &self.config.messenger_key;
        let http = self.http(run);
        let reported = http.post("/messenger/internal/canary", key, &report);
        let reported = timeout(REPORT_TIME, reported).await.context("no answer in time");
        if let Err(error) = reported.flatten() {
            warn!(traceId = %run.trace(), "the messenger did not take the canary's report: {error:#}");
        }
    }

    /// Walks the path again and again. Logs failures, and when they end.
    pub async fn walk_every(&self, pause: Duration) {
        let mut was_green = false;
        every(pause, async || {
            let run = self.walk().await;
            self.latest.ended(run.report());
            let trace = run.trace();
            match (&run.failure, run.failed_step()) {
                (Some(error), Some(step)) => {
                    warn!(traceId = %trace, "the canary is red: {step} failed: {error:#}");
                }
                _ if !was_green => {
                    let took = run.took().as_millis();
                    info!(traceId = %trace, "the canary is green after {took} ms");
                }
                _ => {}
            }
            was_green = run.failure.is_none();
            self.report(&run).await;
        })
        .await;
    }

    async fn steps(&self, run: &mut Run) -> anyhow::Result<()> {
        let (http, config) = (self.http(run), &self.config);
        let nothing = json!({});
        let account = run
            .step(http.post("/organizer/api/canary", &config.organizer_key, &nothing))
            .await?;
        // Of the agency, its event, its organizer and the participant.
        let id = account["id"].clone();
        let organizer = run.step(http.sign_in("organizer", &account)).await?;
        let body = json!({"id": id});
        let account = run
            .step(http.post("/participant/internal/canary", &config.participant_key, &body))
            .await?;
        let participant = run.step(http.sign_in("participant", &account)).await?;

        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let (to_organizer, to_participant) = sockets_of(number, &config.sockets);
        let places = || format!("organizer at {to_organizer}, participant at {to_participant}");
        let sockets = async {
            tokio::try_join!(
                http.connect(to_organizer, &organizer),
                http.connect(to_participant, &participant)
            )
        };
        let (mut at_organizer, mut at_participant) = run.step(sockets).await.with_context(places)?;
        self.talk(run, &id, &participant, &mut at_organizer, &mut at_participant)
            .await
            .with_context(places)?;
        let closing = async { tokio::join!(at_organizer.close(), at_participant.close()) };
        let _ = timeout(CLOSE_TIME, closing).await;
        Ok(())
    }

    /// From the press to the end of the chat.
    async fn talk(
        &self,
        run: &mut Run,
        event_id: &Value,
        token: &str,
        organizer: &mut Socket,
        participant: &mut Socket,
    ) -> anyhow::Result<()> {
        let http = self.http(run);
        let press = json!({"eventId": event_id, "description": "A check by the canary"});
        run.step(http.post("/participant/chat-requests", token, &press))
            .await?;

        let take = async {
            // After its answer a press may take a moment to reach the queue.
            organizer.send("start_chat", json!({"wait": true})).await?;
            let chat = organizer.expect("new_chat", |_| true).await?;
            participant
                .expect("new_chat", |seen| seen["id"] == chat["id"])
                .await?;
            text(&chat, "id").map(str::to_owned)
        };
        let chat_id = run.step(take).await?;

        run.step(say(&chat_id, "from the organizer", organizer, participant))
            .await?;
        run.step(say(&chat_id, "from the participant", participant, organizer))
            .await?;

        let close = async {
            let closed = json!({"chatId": chat_id});
            organizer.send("close_chat", closed.clone()).await?;
            organizer.expect("closed_chat", |seen| *seen == closed).await?;
            participant.expect("closed_chat", |seen| *seen == closed).await?;
            let open = format!("/participant/chat-requests?eventId={event_id}");
            let open = http.get(&open, token).await?;
            ensure!(
                open["result"] == false,
                "the participant still has an open request"
            );
            Ok(())
        };
        run.step(close).await
    }
}

/// The sockets of the organizer and of the participant in a run. All have their turn on either side.
fn sockets_of(run: usize, sockets: &[String]) -> (&String, &String) {
    let place = run % sockets.len();
    let before = place.checked_sub(1).unwrap_or(sockets.len() - 1);
    (&sockets[before], &sockets[place])
}

/// Begins a run at once, and then one after each pause, or when the run before has ended if that is later.
async fn every(pause: Duration, mut run: impl AsyncFnMut()) {
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        run().await;
    }
}

/// One side sends a message, and the other receives it.
async fn say(chat_id: &str, words: &str, from: &mut Socket, to: &mut Socket) -> anyhow::Result<()> {
    let client_id = Uuid::now_v7().to_string();
    let message = json!({"chatId": chat_id, "message": words, "clientId": client_id});
    from.send("send_message", message).await?;
    from.expect("message_saved", |saved| saved["clientId"] == *client_id)
        .await?;
    to.expect("user_message", |seen| seen["clientId"] == *client_id)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use tokio::time::sleep;

    use super::*;

    /// As operators run it.
    const EVERY: Duration = Duration::from_secs(30);

    /// A run that is almost too slow, and whose step `broken` hangs if that breaks before the step has ended.
    async fn walk(broken: usize, breaks_at: Instant) -> Run {
        let mut run = Run::begin();
        for step in 0..STEPS.len() {
            let work = async {
                sleep(Duration::from_millis(440)).await;
                if step == broken && Instant::now() >= breaks_at {
                    pending::<()>().await;
                }
                Ok(())
            };
            if let Err(error) = run.step(work).await {
                run.failure = Some(error);
                break;
            }
        }
        run
    }

    #[test]
    fn every_socket_has_its_turn_on_either_side() {
        for count in 1..=4 {
            let sockets: Vec<String> = (1..=count).map(|number| format!("ws://{number}")).collect();
            let pairs: Vec<_> = (0..count).map(|run| sockets_of(run, &sockets)).collect();
            assert_eq!(sockets_of(count, &sockets), pairs[0]);
            let all: BTreeSet<_> = sockets.iter().collect();
            let organizers: BTreeSet<_> = pairs.iter().map(|(organizer, _)| *organizer).collect();
            let participants: BTreeSet<_> = pairs.iter().map(|(_, participant)| *participant).collect();
            assert_eq!((&organizers, &participants), (&all, &all));
            let is_one = |(organizer, participant): &(&String, &String)| organizer == participant;
            assert!(count == 1 || !pairs.iter().any(is_one), "{pairs:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_breaks_at_any_moment_is_red_within_35_seconds() {
        for (broken, name) in STEPS.into_iter().enumerate() {
            for moment in (0..EVERY.as_secs() * 1000).step_by(250) {
                let breaks_at = Instant::now() + Duration::from_millis(moment);
                let mut red = None;
                let watch = every(EVERY, async || {
                    let run = walk(broken, breaks_at).await;
                    if let Some(step) = run.failed_step() {
                        red.get_or_insert((step, breaks_at.elapsed()));
                    }
                    // Closing the sockets and reporting the run hang as well.
                    sleep(CLOSE_TIME + REPORT_TIME).await;
                });
                // It goes on for ever.
                let _ = timeout(3 * EVERY, watch).await;
                let (step, after) = red.expect("a red run");
                assert_eq!(step, name);
                assert!(after < Duration::from_secs(35), "{name}: {after:?}");
            }
        }
    }
}
