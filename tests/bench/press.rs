//! What a press for help costs, and whether every one that is acknowledged is in the queue exactly once.
//!
//! Every press is somebody else's. The load is open, as in [`crate::chat`].

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use http::StatusCode;
use rusqlite::Connection as Database;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::figures::{Latencies, machine, milliseconds};
use crate::load::{Call, Connection};
use crate::seed::{self, Person};
use crate::system::{System, Usage};

/// How long the outbox may take to deliver what could not be delivered at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// Presses before those that are measured, so that everything is warm.
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

    /// How many come at the same moment
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    burst: u32,
}

/// Measures all rates and prints what came of them.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let system = System::start(1).await?;
    let address = system.address()?;
    let agency = system.agency().await?;
    let event_id = seed::events(address, &agency, 1).await?;
    println!("{}", machine());
    println!(
        "{} s a rate, {} at the same moment; latencies from when it was time to press\n",
        options.seconds, options.burst
    );
    println!("{}", Step::HEADER);
    let mut gone_wrong = Vec::new();
    for &rate in &options.rates {
        let warm_up = seed::participants(address, &format!("early{rate}-"), WARM_UP).await?;
        press(&system, &warm_up, event_id, rate, options.burst).await?;
        let count = rate as usize * usize::from(options.seconds);
        let participants = seed::participants(address, &format!("press{rate}-"), count).await?;
        let step = press(&system, &participants, event_id, rate, options.burst).await?;
        let queue = Queue::of(&system, &step.acknowledged).await?;
        println!("{}  {queue}", step.row());
        gone_wrong.extend(queue.complaint(rate));
    }
    ensure!(gone_wrong.is_empty(), "{}", gone_wrong.join("\n"));
    Ok(())
}

/// What came of one rate.
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

/// Has everybody press when it is time to.
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

/// When to press, from the beginning.
fn due(number: u32, rate: u32, burst: u32) -> Duration {
    Duration::from_secs_f64(f64::from(number / burst * burst) / f64::from(rate))
}

/// As many connections as there are presses under way, kept alive.
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
        "offered  answered  answered            p50 / p99 / max        CPU ms/press",
        "                              cores\n",
        "    1/s       1/s       200                         ms        host  sidecar    redis   client   others"
    );

    fn row(&self) -> String {
        let answered = self.latencies.count();
        let seconds = self.elapsed.as_secs_f64();
        let per_press = |time| milliseconds(time) / answered.max(1) as f64;
        let usage = &self.usage;
        let mut row = format!(
            "{:>7} {:>9.0} {:>9} {:>26} {:>11.3} {:>8.3} {:>8.3} {:>8.3} {:>8.2}",
            self.rate,
            answered as f64 / seconds,
            answered,
            self.latencies.to_string(),
            per_press(usage.host),
            per_press(usage.sidecars),
            per_press(usage.redis),
            per_press(usage.client),
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
            // What empties the outbox is a tick in another process.
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
    fn presses_come_at_their_rate_and_as_many_at_once_as_wished() {
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
