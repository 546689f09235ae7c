//! The cost of a connection, and how many are served in a second. A socket is served when `get_chats` is answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::builds::{Builds, Figure, ratios};
use crate::figures::{Latencies, machine, milliseconds};
use crate::seed::{self, Person};
use crate::socket::{self, Protocol, Stream};
use crate::system::{System, Usage};

/// A socket that is not served within this time counts as failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long sockets are idle before their memory is measured.
const SILENCE: Duration = Duration::from_secs(1);

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many sockets are opened, half of them by contract clients and half under protocol 2
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u16).range(1..=15_000))]
    sockets: u16,

    /// How many of the sockets belong to organizers
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=200))]
    organizers: u16,

    /// How many sockets a second are opened [default: a new one whenever one is served]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: Option<u32>,

    /// How many sockets are being opened at a time, without a rate
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=5000))]
    at_once: u16,

    /// How many sidecars the sockets are spread over
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=10))]
    sidecars: u16,

    #[command(flatten)]
    builds: Builds,
}

/// A system with the people who connect to it.
struct Stage {
    name: &'static str,
    system: System,
    people: Vec<Person>,
    /// The memory of the sidecars before the first connection.
    resident_bytes: u64,
}

/// Measures, and prints a row for each round.
pub(crate) async fn run(options: &Options) -> Result<()> {
    ensure!(
        options.organizers <= options.sockets,
        "more organizers than sockets"
    );
    let mut stages = Vec::new();
    for build in options.builds.all()? {
        let system = System::start(&build, options.sidecars).await?;
        stages.push(Stage {
            name: build.name,
            people: people(&system, options).await?,
            resident_bytes: system.sidecars_resident_bytes()?,
            system,
        });
    }
    println!("{}", machine());
    let offered = match options.rate {
        Some(rate) => format!("{rate} offered a second; latencies from when it was time to connect"),
        None => format!(
            "{} at a time; latencies from when a connection is begun",
            options.at_once
        ),
    };
    println!(
        "{} sockets, {} of them organizers', {} sidecars; {offered}\n",
        options.sockets, options.organizers, options.sidecars
    );
    println!("{}", Step::HEADER);
    let mut rounds = Vec::new();
    let mut failed = 0;
    for _ in 0..options.builds.rounds {
        let mut steps = Vec::new();
        for stage in &stages {
            let step = measure(stage, options).await?;
            println!("{:<5} {}", stage.name, step.row());
            failed += step.failed;
            steps.push(step);
        }
        rounds.push(steps);
    }
    if let Some(ratios) = ratios(&rounds, &Step::FIGURES) {
        println!("      {ratios}");
    }
    ensure!(failed == 0, "{failed} sockets were not served");
    Ok(())
}

/// Organizers are spread evenly among the participants.
async fn people(system: &System, options: &Options) -> Result<Vec<Person>> {
    let (address, agency) = (system.address()?, system.agency().await?);
    let organizers = seed::support(address, &agency, options.organizers.into()).await?;
    let participants = usize::from(options.sockets - options.organizers);
    let mut people = seed::participants(address, "connects", participants).await?;
    let distance = usize::from(options.sockets) / organizers.len().max(1);
    for (number, organizer) in organizers.into_iter().enumerate() {
        people.insert(number * distance, organizer);
    }
    Ok(people)
}

/// Opens all sockets, keeps them open for a while, and closes them.
async fn measure(stage: &Stage, options: &Options) -> Result<Step> {
    let system = &stage.system;
    let mut sidecars = system.sidecars()?.into_iter().cycle();
    let permits = Arc::new(Semaphore::new(options.at_once.into()));
    let before = system.usage()?;
    let start = Instant::now();
    let mut opening = JoinSet::new();
    for (number, person) in (0..).zip(&stage.people) {
        let sidecar = sidecars.next().context("no sidecar")?;
        let protocol = match number % 2 {
            0 => Protocol::Contract,
            _ => Protocol::Two,
        };
        match options.rate {
            Some(rate) => {
                let due = start + Duration::from_secs_f64(f64::from(number) / f64::from(rate));
                sleep_until(due).await;
                opening.spawn(open(sidecar, person.token.clone(), protocol, due));
            }
            None => {
                let permit = Arc::clone(&permits).acquire_owned().await?;
                let opened = open(sidecar, person.token.clone(), protocol, Instant::now());
                opening.spawn(async move {
                    let opened = opened.await;
                    drop(permit);
                    opened
                });
            }
        }
    }
    let (mut streams, mut latencies, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(opened) = opening.join_next().await {
        match opened? {
            Ok((stream, latency)) => {
                streams.push(stream);
                latencies.push(latency);
            }
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    let elapsed = start.elapsed();
    let usage = system.usage()?.since(&before);
    sleep(SILENCE).await;
    let grown = system
        .sidecars_resident_bytes()?
        .saturating_sub(stage.resident_bytes);
    let step = Step {
        bytes_per_socket: grown as f64 / streams.len().max(1) as f64,
        latencies: Latencies::of(latencies),
        elapsed,
        usage,
        failed: failures.len(),
        example: failures.pop().unwrap_or_default(),
    };
    join_all(streams.into_iter().map(close)).await;
    Ok(step)
}

/// Connects, and waits for the first answer. `due` is when the latency begins.
async fn open(
    sidecar: SocketAddr,
    token: String,
    protocol: Protocol,
    due: Instant,
) -> Result<(Stream, Duration)> {
    let served = timeout(PATIENCE, socket::sign_in_with(sidecar, &token, protocol));
    let stream = served.await.context("not served in time")??;
    Ok((stream, due.elapsed()))
}

/// Closes a connection and waits until the sidecar has closed it.
async fn close(mut stream: Stream) {
    let goodbye = async {
        // An error means that the connection is already closed.
        let _ = stream.close(None).await;
        while let Some(Ok(_)) = stream.next().await {}
    };
    let _ = timeout(PATIENCE, goodbye).await;
}

/// The figures of opening all sockets once.
struct Step {
    latencies: Latencies,
    elapsed: Duration,
    usage: Usage,
    bytes_per_socket: f64,
    failed: usize,
    example: String,
}

impl Step {
    const HEADER: &str = concat!(
        "                  served            p50 / p99 / max      CPU ms/connect",
        "                                       KiB/    cores\n",
        "build   served       1/s                         ms        host  sidecar  servers    redis   client",
        "  socket   others"
    );

    const FIGURES: [Figure<Step>; 5] = [
        ("served/s", Step::served_per_second),
        ("p50", |step| step.latencies.percentile(50)),
        ("p99", |step| step.latencies.percentile(99)),
        ("CPU/connect", |step| step.per_connect(step.usage.servers())),
        ("memory/socket", |step| step.bytes_per_socket),
    ];

    fn served_per_second(&self) -> f64 {
        self.latencies.count() as f64 / self.elapsed.as_secs_f64()
    }

    /// Milliseconds per connect.
    fn per_connect(&self, time: Duration) -> f64 {
        milliseconds(time) / self.latencies.count().max(1) as f64
    }

    fn row(&self) -> String {
        let usage = &self.usage;
        let failures = match self.failed {
            0 => String::new(),
            failed => format!("  {failed} not served: {}", self.example),
        };
        format!(
            "{:>8} {:>9.0} {:>26} {:>11.3} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {:>7.1} {:>8.2}{failures}",
            self.latencies.count(),
            self.served_per_second(),
            self.latencies.to_string(),
            self.per_connect(usage.host),
            self.per_connect(usage.sidecars),
            self.per_connect(usage.servers()),
            self.per_connect(usage.redis),
            self.per_connect(usage.client),
            self.bytes_per_socket / 1024.0,
            usage.others().as_secs_f64() / self.elapsed.as_secs_f64(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_the_sockets_that_were_served() {
        let step = Step {
            latencies: Latencies::of(vec![Duration::from_millis(5); 200]),
            elapsed: Duration::from_secs(2),
            usage: Usage::of_host(Duration::from_millis(100)),
            bytes_per_socket: 2048.0,
            failed: 3,
            example: "not served in time".to_owned(),
        };

        assert_eq!(step.served_per_second(), 100.0);
        assert_eq!(step.per_connect(step.usage.servers()), 0.5);
        assert!(
            step.row().ends_with("3 not served: not served in time"),
            "{}",
            step.row()
        );
    }
}
