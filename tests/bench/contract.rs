//! The contract's load test (6.3), written from its description, as large as the machine can carry: statuses are
//! strict, the organizer never reads, each try of a participant reads one frame, and the first failure ends it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_tungstenite::tungstenite::Message;

use crate::builds::Build;
use crate::figures::{machine, milliseconds};
use crate::load::Connection;
use crate::seed;
use crate::socket;
use crate::system::{System, Usage};

/// How often a participant asks for its chats.
const TRIES: usize = 10;

/// How often figures are shown.
const INTERVAL: Duration = Duration::from_secs(5);

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The time between two `start_chat` of the organizer
    #[arg(long, value_name = "MS", default_value_t = 10)]
    sci: u64,

    /// The time between two participants
    #[arg(long, value_name = "MS", default_value_t = 20)]
    cpi: u64,

    /// The time between two frames of one participant
    #[arg(long, value_name = "MS", default_value_t = 100)]
    smi: u64,

    /// How long the test lasts if nothing fails
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,
}

/// Counters of the whole test.
#[derive(Default)]
struct Counters {
    participants: AtomicU64,
    chats: AtomicU64,
    sent: AtomicU64,
    /// Messages that came back to their senders: stored and delivered.
    echoed: AtomicU64,
    errors: AtomicU64,
}

/// The counters at one time.
#[derive(Clone, Copy)]
struct Standing {
    participants: u64,
    chats: u64,
    sent: u64,
    echoed: u64,
    errors: u64,
    at: Instant,
    usage: Usage,
}

/// Runs the load test and prints its figures.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let system = System::start(&Build::this()?, 1).await?;
    let address = system.address()?;
    let sidecar = *system.sidecars()?.first().context("no sidecar")?;
    let agency = system.agency().await?;
    let event_id = seed::events(address, &agency, 1).await?;
    println!("{}", machine());
    println!(
        "sci {}, cpi {}, smi {}, cheap hashing\n\n{}",
        options.sci, options.cpi, options.smi, HEADER
    );
    let counters = Arc::new(Counters::default());
    let mut workers: JoinSet<Result<Infallible>> = JoinSet::new();
    workers.spawn(start_chats(sidecar, agency.support.token, options.sci));
    let [cpi, smi] = [options.cpi, options.smi].map(Duration::from_millis);
    let mut signing_up = Box::pin(sign_up(address, event_id, cpi, Arc::clone(&counters)));
    let start = Instant::now();
    let end = start + Duration::from_secs(options.seconds.into());
    let mut before = counters.standing(system.usage()?);
    let mut next_row = start + INTERVAL;
    let outcome = loop {
        tokio::select! {
            Some(ended) = workers.join_next() => break ended?.map(|never| match never {}),
            signed_up = &mut signing_up => match signed_up {
                Ok(token) => {
                    workers.spawn(talk(sidecar, token, smi, Arc::clone(&counters)));
                    signing_up.set(sign_up(address, event_id, cpi, Arc::clone(&counters)));
                }
                Err(error) => break Err(error),
            },
            () = sleep_until(next_row) => {
                let now = counters.standing(system.usage()?);
                println!("{}", row(start, &before, &now));
                (before, next_row) = (now, next_row + INTERVAL);
            }
            () = sleep_until(end) => break Ok(()),
        }
    };
    let last = counters.standing(system.usage()?);
    workers.shutdown().await;
    println!("{}", row(start, &before, &last));
    match outcome {
        Ok(()) => println!("\nnothing failed in {} s", options.seconds),
        Err(error) => println!("\nthe first failure: {error:#}"),
    }
    println!(
        "{} chats, {} messages sent, {} of them back; {} error frames",
        last.chats, last.sent, last.echoed, last.errors
    );
    Ok(())
}

/// Sends `start_chat` again and again, and never reads, not even pings.
async fn start_chats(sidecar: SocketAddr, token: String, sci: u64) -> Result<Infallible> {
    let mut stream = socket::dial(sidecar, &token).await?;
    let start_chat = json!({"type": "start_chat", "payload": ""});
    loop {
        sleep(Duration::from_millis(sci)).await;
        socket::send(&mut stream, &start_chat)
            .await
            .context("the organizer's socket")?;
    }
}

/// Signs the next participant up and presses. Statuses and types are those of the contract's test.
async fn sign_up(
    address: SocketAddr,
    event_id: i64,
    cpi: Duration,
    counters: Arc<Counters>,
) -> Result<String> {
    sleep(cpi).await;
    let number = counters.participants.load(Ordering::Relaxed);
    let mut connection = Connection::open(address).await?;
    let call = seed::sign_up_call(&format!("load{number}@example.org"));
    let signed_up = connection.send(&call).await?;
    let participant = seed::Person::of_answer(&serde_json::from_slice(&signed_up)?)?;
    connection.send(&seed::press_call(&participant, event_id)).await?;
    counters.participants.fetch_add(1, Ordering::Relaxed);
    Ok(participant.token)
}

/// Polls for the chat, one frame a try, then sends messages, and discards what it receives.
async fn talk(
    sidecar: SocketAddr,
    token: String,
    smi: Duration,
    counters: Arc<Counters>,
) -> Result<Infallible> {
    let mut stream = socket::dial(sidecar, &token).await?;
    let (mut found, mut frames) = (None, Vec::new());
    while found.is_none() && frames.len() < TRIES {
        sleep(smi).await;
        socket::send(&mut stream, &json!({"type": "get_chats", "payload": ""})).await?;
        let frame = socket::next(&mut stream).await?;
        found = first_chat(&frame);
        frames.push(frame.to_string());
    }
    let chat_id =
        found.with_context(|| format!("no chat within {TRIES} tries, only {}", frames.join(" ")))?;
    counters.chats.fetch_add(1, Ordering::Relaxed);
    let payload = json!({"chatId": chat_id, "message": "We are by the north gate, behind the second stage"});
    let frame = Message::text(json!({"type": "send_message", "payload": payload}).to_string());
    let (mut sink, mut source) = stream.split();
    let talking = async {
        loop {
            sleep(smi).await;
            sink.send(frame.clone()).await.context("a participant's socket")?;
            counters.sent.fetch_add(1, Ordering::Relaxed);
        }
    };
    let listening = async {
        loop {
            let message = source.next().await.context("a participant's socket was closed")?;
            if let Message::Text(text) = message.context("a participant's socket")? {
                counters.hear(&text);
            }
        }
    };
    tokio::select! {
        failed = talking => failed,
        failed = listening => failed,
    }
}

fn first_chat(frame: &Value) -> Option<String> {
    let id = &frame["payload"]["chats"][0]["id"];
    (frame["type"] == "chats").then(|| id.as_str().map(str::to_owned))?
}

impl Counters {
    fn hear(&self, frame: &str) {
        if frame.starts_with(r#"{"type":"user_message""#) {
            self.echoed.fetch_add(1, Ordering::Relaxed);
        } else if frame.contains(r#""type":"error""#) {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn standing(&self, usage: Usage) -> Standing {
        let [participants, chats, sent, echoed, errors] = [
            &self.participants,
            &self.chats,
            &self.sent,
            &self.echoed,
            &self.errors,
        ]
        .map(|counter| counter.load(Ordering::Relaxed));
        Standing {
            participants,
            chats,
            sent,
            echoed,
            errors,
            at: Instant::now(),
            usage,
        }
    }
}

const HEADER: &str = concat!(
    "  time  participants     chats      sent    echoed  CPU ms/message                                       cores\n",
    "     s                               1/s       1/s      host  sidecar    redis  servers   client        others"
);

/// The figures between two times.
fn row(start: Instant, before: &Standing, now: &Standing) -> String {
    let seconds = (now.at - before.at).as_secs_f64();
    let echoed = now.echoed - before.echoed;
    let usage = now.usage.since(&before.usage);
    let per_message = |time| milliseconds(time) / echoed.max(1) as f64;
    format!(
        "{:>6.0} {:>13} {:>9} {:>9.0} {:>9.0} {:>9.3} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {:>13.2}",
        (now.at - start).as_secs_f64(),
        now.participants,
        now.chats,
        (now.sent - before.sent) as f64 / seconds,
        echoed as f64 / seconds,
        per_message(usage.host),
        per_message(usage.sidecars),
        per_message(usage.redis),
        per_message(usage.servers()),
        per_message(usage.client),
        usage.others().as_secs_f64() / seconds,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_is_found_in_chats_only() {
        let chats = json!({"type": "chats", "payload": {"chats": [{"id": "0a"}, {"id": "0b"}]}});
        let none = json!({"type": "chats", "payload": {"chats": []}});
        let other = json!({"type": "new_chat", "payload": {"id": "0a"}});

        assert_eq!(first_chat(&chats).as_deref(), Some("0a"));
        assert_eq!((first_chat(&none), first_chat(&other)), (None, None));
    }

    #[test]
    fn a_row_covers_the_time_between_two_counts() {
        let start = Instant::now();
        let counters = Counters::default();
        let before = Standing {
            at: start + Duration::from_secs(5),
            ..counters.standing(Usage::of_host(Duration::from_secs(1)))
        };
        counters.sent.fetch_add(1000, Ordering::Relaxed);
        (0..500).for_each(|_| counters.hear("{\"type\":\"user_message\",\"payload\":{}}\n"));
        counters.hear("{\"type\":\"error\",\"payload\":{\"message\":\"timeout\"}}\n");
        let now = Standing {
            at: start + Duration::from_secs(10),
            ..counters.standing(Usage::of_host(Duration::from_secs(2)))
        };

        let row = row(start, &before, &now);
        let figures: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(figures[..6], ["10", "0", "0", "200", "100", "2.000"]);
        assert_eq!(now.errors, 1);
    }
}
