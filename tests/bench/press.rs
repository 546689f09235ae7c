//! The cost and latency of a press for help, and checks that every acknowledged press is in the queue exactly once.
//!
//! Each press is by another participant. The load is open, as in [`crate::chat`].

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use http::StatusCode;
use rusqlite::Connection as Database;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::builds::{Builds, Figure, ratios};
use crate::figures::{Latencies, machine, milliseconds};
use crate::load::{Call, Connection};
use crate::seed::{self, Person};
use crate::system::{System, Usage};

/// Time limit for the outbox to deliver presses that were not delivered at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many presses warm the system up.
const WARM_UP: usize = 50;

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many presses a second are offered; several, one after the other
    #[arg(
        long = "rate",
        value_name = "N",
        value_delimiter = ',',
        default_values_t = [100, 250, 500],
        value_parser = clap::value_parser!(u32).range(1..=10_000),
    )]
    rates: Vec<u32>,

    /// How long each rate is kept up
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=120))]
    seconds: u16,

    /// How many presses come at the same moment
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    burst: u32,

    #[command(flatten)]
    builds: Builds,
}

/// A system with an event to press for.
struct Stage {
    name: &'static str,
    system: System,
    event_id: i64,
}

/// Measures all rates and prints the results.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let mut stages = Vec::new();
    for build in options.builds.all()? {
        let system = System::start(&build, 1).await?;
        let agency = system.agency().await?;
        let event_id = seed::events(system.address()?, &agency, 1).await?;
        stages.push(Stage {
            name: build.name,
            system,
            event_id,
        });
    }
    println!("{}", machine());
    println!(
        "{} s a rate, {} at the same moment; latencies from when it was time to press\n",
        options.seconds, options.burst
    );
    println!("{}", Step::HEADER);
    let mut gone_wrong = Vec::new();
    for &rate in &options.rates {
        let mut rounds = Vec::new();
        for round in 0..options.builds.rounds {
            let mut steps = Vec::new();
            for stage in &stages {
                let (step, queue) = measure(stage, rate, round, options).await?;
                println!("{:<5} {}  {queue}", stage.name, step.row());
                gone_wrong.extend(queue.complaint(rate));
                steps.push(step);
            }
            rounds.push(steps);
        }
        if let Some(ratios) = ratios(&rounds, &Step::FIGURES) {
            println!("      {ratios}");
        }
    }
    ensure!(gone_wrong.is_empty(), "{}", gone_wrong.join("\n"));
    Ok(())
}

/// Presses at a rate, after a warm-up, and reads the queue afterwards.
async fn measure(stage: &Stage, rate: u32, round: u16, options: &Options) -> Result<(Step, Queue)> {
    let Stage { system, event_id, .. } = stage;
    let address = system.address()?;
    let warm_up = seed::participants(address, &format!("early{rate}-{round}-"), WARM_UP).await?;
    press(system, &warm_up, *event_id, rate, options.burst).await?;
    let count = rate as usize * usize::from(options.seconds);
    let participants = seed::participants(address, &format!("press{rate}-{round}-"), count).await?;
    let step = press(system, &participants, *event_id, rate, options.burst).await?;
    let queue = Queue::of(system, &step.acknowledged).await?;
    Ok((step, queue))
}

/// The results of one rate.
struct Step {
    rate: u32,
    /// The ids of the participants whose presses were answered 200.
    acknowledged: Vec<i64>,
    refused: Vec<(StatusCode, u64)>,
    failed: u64,
    latencies: Latencies,
    elapsed: Duration,
    usage: Usage,
}

/// Sends each participant's press at its scheduled time.
async fn press(
    system: &System,
    participants: &[Person],
    event_id: i64,
    rate: u32,
    burst: u32,
) -> Result<Step> {
    let connections = Arc::new(Connections::new(system.address()?));
    let before = system.usage()?;
    let start = Instant::now();
    let mut pressing = JoinSet::new();
    for (number, participant) in (0..).zip(participants) {
        let due = start + due(number, rate, burst);
        if due > Instant::now() {
            sleep_until(due).await;
        }
        let (connections, id) = (Arc::clone(&connections), participant.id);
        let call = seed::press_call(participant, event_id);
        pressing.spawn(async move {
            let status = connections.send(&call).await;
            (id, status, due.elapsed())
        });
    }
    let mut step = Step {
        rate,
        acknowledged: Vec::new(),
        refused: Vec::new(),
        failed: 0,
        latencies: Latencies::default(),
        elapsed: Duration::ZERO,
        usage: before,
    };
    let mut latencies = Vec::new();
    while let Some(pressed) = pressing.join_next().await {
        let (id, status, latency) = pressed?;
        match status {
            Ok(StatusCode::OK) => {
                step.acknowledged.push(id);
                latencies.push(latency);
            }
            Ok(status) => match step.refused.iter_mut().find(|(known, _)| *known == status) {
                Some((_, count)) => *count += 1,
                None => step.refused.push((status, 1)),
            },
            Err(_) => step.failed += 1,
        }
    }
    step.latencies = Latencies::of(latencies);
    step.elapsed = start.elapsed();
    step.usage = system.usage()?.since(&before);
    Ok(step)
}

/// The scheduled time of a press, since the start.
fn due(number: u32, rate: u32, burst: u32) -> Duration {
    Duration::from_secs_f64(f64::from(number / burst * burst) / f64::from(rate))
}

/// A pool of kept-alive connections, one for each press under way.
struct Connections {
    address: SocketAddr,
    idle: Mutex<Vec<Connection>>,
}

impl Connections {
    fn new(address: SocketAddr) -> Connections {
        Connections {
            address,
            idle: Mutex::default(),
        }
    }

    async fn send(&self, call: &Call) -> Result<StatusCode> {
        let idle = self.idle.lock().expect("no panic while locked").pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(self.address).await?,
        };
        let (status, _) = connection.exchange(call).await?;
        self.idle.lock().expect("no panic while locked").push(connection);
        Ok(status)
    }
}

impl Step {
    const HEADER: &str = concat!(
        "      offered  answered  answered            p50 / p99 / max        CPU ms/press",
        "                                        cores\n",
        "build     1/s       1/s       200                         ms        host  sidecar  servers    redis",
        "   client   others"
    );

    const FIGURES: [Figure<Step>; 3] = [
        ("p50", |step| step.latencies.percentile(50)),
        ("p99", |step| step.latencies.percentile(99)),
        ("CPU/press", |step| step.per_press(step.usage.servers())),
    ];

    /// Milliseconds per press.
    fn per_press(&self, time: Duration) -> f64 {
        milliseconds(time) / self.latencies.count().max(1) as f64
    }

    fn row(&self) -> String {
        let answered = self.latencies.count();
        let seconds = self.elapsed.as_secs_f64();
        let usage = &self.usage;
        let mut row = format!(
            "{:>7} {:>9.0} {:>9} {:>26} {:>11.3} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {:>8.2}",
            self.rate,
            answered as f64 / seconds,
            answered,
            self.latencies.to_string(),
            self.per_press(usage.host),
            self.per_press(usage.sidecars),
            self.per_press(usage.servers()),
            self.per_press(usage.redis),
            self.per_press(usage.client),
            usage.others().as_secs_f64() / seconds,
        );
        for (status, count) in &self.refused {
            row += &format!("  {count} answered {}", status.as_u16());
        }
        if self.failed > 0 {
            row += &format!("  {} not answered", self.failed);
        }
        row
    }
}

/// Where the acknowledged presses are.
#[derive(Debug, Default, PartialEq)]
struct Queue {
    /// In the messenger's queue, once, under the request that holds the lock.
    once: u64,
    /// Still in the outbox when the last press was answered, and delivered since then.
    late: u32,
    lost: u64,
    repeated: u64,
    /// Without a lock, or with one of another request.
    unlocked: u64,
}

impl Queue {
    async fn of(system: &System, acknowledged: &[i64]) -> Result<Queue> {
        let participant = system.database("participant")?;
        let outbox = || -> Result<u32> {
            Ok(participant.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0))?)
        };
        let late = outbox()?;
        let start = Instant::now();
        while outbox()? > 0 && start.elapsed() < PATIENCE {
            // A tick in another process empties the outbox.
            sleep(Duration::from_millis(100)).await;
        }
        let locks = requests(&participant, "SELECT participant_id, request_id FROM locks")?;
        let queued = requests(
            &system.database("messenger")?,
            "SELECT participant_id, request_id FROM chats",
        )?;
        Ok(Queue {
            late,
            ..Queue::of_requests(acknowledged, &queued, &locks)
        })
    }

    fn of_requests(acknowledged: &[i64], queued: &Requests, locks: &Requests) -> Queue {
        let mut queue = Queue::default();
        for id in acknowledged {
            match queued.get(id).map(Vec::as_slice) {
                None | Some([]) => queue.lost += 1,
                Some([request]) if locks.get(id).is_some_and(|locks| locks == &[request.as_str()]) => {
                    queue.once += 1;
                }
                Some([_]) => queue.unlocked += 1,
                Some(_) => queue.repeated += 1,
            }
        }
        queue
    }

    fn complaint(&self, rate: u32) -> Option<String> {
        let is_exact = self.lost + self.repeated + self.unlocked == 0;
        (!is_exact).then(|| format!("at {rate}/s: {self}"))
    }
}

impl std::fmt::Display for Queue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Queue {
            once,
            late,
            lost,
            repeated,
            unlocked,
        } = self;
        write!(
            formatter,
            "queued once: {once} ({late} of them late), lost: {lost}, repeated: {repeated}, not locked: {unlocked}"
        )
    }
}

/// The ids of requests by their participants' ids.
type Requests = HashMap<i64, Vec<String>>;

fn requests(database: &Database, sql: &str) -> Result<Requests> {
    let mut requests = Requests::new();
    let mut statement = database.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        requests.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    Ok(requests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presses_are_scheduled_by_rate_and_burst() {
        assert_eq!(due(500, 500, 1), Duration::from_secs(1));
        let dues = [0, 7, 8, 15].map(|number| due(number, 16, 8));
        let half = Duration::from_millis(500);
        assert_eq!(dues, [Duration::ZERO, Duration::ZERO, half, half]);
    }

    #[test]
    fn a_press_is_queued_once_under_the_request_that_holds_the_lock() {
        let requests = |requests: &[(i64, &str)]| {
            let mut found = Requests::new();
            for (participant, request) in requests {
                found.entry(*participant).or_default().push((*request).to_owned());
            }
            found
        };
        let queued = requests(&[(1, "a"), (2, "b"), (2, "c"), (3, "d"), (4, "e"), (9, "x")]);
        let locks = requests(&[(1, "a"), (2, "b"), (4, "f"), (5, "g")]);
        let queue = Queue::of_requests(&[1, 2, 3, 4, 5], &queued, &locks);

        let expected = Queue {
            once: 1,
            late: 0,
            lost: 1,
            repeated: 1,
            unlocked: 2,
        };
        assert_eq!(queue, expected);
        assert!(queue.complaint(500).is_some());
        assert_eq!(Queue::of_requests(&[1], &queued, &locks).complaint(500), None);
    }
}
