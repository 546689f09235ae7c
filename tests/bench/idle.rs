//! How busy each process is while no client is connected.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};

use crate::builds::Builds;
use crate::figures::machine;
use crate::system::System;

/// The pause between the start and the measurement.
const CALMING_DOWN: Duration = Duration::from_secs(3);

/// What is measured.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long the measurement takes
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,

    /// How many sidecars there are
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=10))]
    sidecars: u16,

    #[command(flatten)]
    builds: Builds,
}

/// Measures and prints how busy each process was.
pub(crate) async fn run(options: &Options) -> Result<()> {
    println!("{}", machine());
    println!(
        "{} sidecars, nobody connected, {} s; in percent of one core\n",
        options.sidecars, options.seconds
    );
    for _ in 0..options.builds.rounds {
        for build in options.builds.all()? {
            let system = System::start(&build, options.sidecars).await?;
            sleep(CALMING_DOWN).await;
            let (start, before) = (Instant::now(), system.processor_times()?);
            sleep(Duration::from_secs(options.seconds.into())).await;
            let shares = shares(&before, &system.processor_times()?, start.elapsed());
            println!("{:<5} {}", build.name, row(&shares));
        }
    }
    Ok(())
}

/// The processor time of each process between two times, in percent of one core.
fn shares<'a>(
    before: &BTreeMap<&'a str, Duration>,
    after: &BTreeMap<&'a str, Duration>,
    elapsed: Duration,
) -> BTreeMap<&'a str, f64> {
    let share = |(name, time): (&&'a str, &Duration)| {
        let used = time.saturating_sub(before.get(name).copied().unwrap_or_default());
        (*name, 100.0 * used.as_secs_f64() / elapsed.as_secs_f64())
    };
    after.iter().map(share).collect()
}

fn row(shares: &BTreeMap<&str, f64>) -> String {
    let is_server = |name: &str| name.starts_with("host") || name.starts_with("sidecar");
    let servers = shares.iter().filter(|(name, _)| is_server(name));
    let servers: f64 = servers.map(|(_, share)| share).sum();
    let each: Vec<String> = shares
        .iter()
        .map(|(name, share)| format!("{name} {share:.2}"))
        .collect();
    format!("host and sidecars {servers:.2}: {}", each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_counts_only_time_used_meanwhile() {
        let times = |host: u64, sidecar: u64, redis: u64| {
            let named = [("host", host), ("sidecar-1", sidecar), ("redis", redis)];
            named
                .map(|(name, millis)| (name, Duration::from_millis(millis)))
                .into()
        };
        let shares = shares(&times(500, 100, 0), &times(550, 140, 10), Duration::from_secs(10));

        assert_eq!(
            row(&shares),
            "host and sidecars 0.90: host 0.50, redis 0.10, sidecar-1 0.40"
        );
    }
}
