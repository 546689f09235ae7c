//! `mayday-chaos` checks that Mayday's promises hold while everything breaks. `cargo xtask chaos` builds and runs it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;
use mayday_tests::chaos::{Events, Plan, run, soak};
use mayday_tests::databases::Database;

/// Checks that Mayday's promises hold while hosts and sidecars are killed, Redis goes away, processes hang and links
/// are cut
#[derive(Parser)]
#[command(name = "cargo xtask chaos", bin_name = "cargo xtask chaos")]
struct Cli {
    /// What happens while clients are busy
    #[arg(long, value_enum, default_value_t = Events::Storms)]
    events: Events,

    /// How long things break
    #[arg(long, value_name = "N", default_value = "5", value_parser = parse_minutes)]
    minutes: Duration,

    /// The seed of the schedule of faults [default: from the clock]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,

    /// How many hosts serve the same databases
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=10))]
    hosts: u8,

    /// What the hosts keep their data in. Database servers break, too
    #[arg(long, value_enum, default_value_t = Database::Files)]
    database: Database,

    /// How many sidecars clients may connect to
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=10))]
    sidecars: u8,

    /// How many participants each of the two agencies has
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u8).range(1..=100))]
    participants: u8,

    /// How often the messenger's database is restored from a copy [default: once in 20 minutes, and never with
    /// --database libsql]
    #[arg(long, value_name = "N")]
    restores: Option<u8>,

    /// A folder with an earlier release, which `cargo xtask build` has built there. Hosts and sidecars start as that
    /// release has them, and a rolling update replaces them by those of this one
    #[arg(long, value_name = "DIR")]
    before: Option<PathBuf>,

    /// For a soak: end with status 0 even if some rules could not be judged, because the run was too short or could not
    /// mount a disk to fill
    #[arg(long)]
    look: bool,
}

/// For a run without `--restores`.
const MINUTES_TO_A_RESTORE: f64 = 20.0;

fn parse_minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    Duration::try_from_secs_f64(minutes * 60.0).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let plan = Plan {
        seed: cli.seed.unwrap_or_else(seed_of_the_moment),
        events: cli.events,
        duration: cli.minutes,
        hosts: cli.hosts.into(),
        database: cli.database,
        sidecars: cli.sidecars.into(),
        agencies: 2,
        participants: cli.participants.into(),
        restores: match (cli.restores, cli.database) {
            (Some(restores), _) => restores.into(),
            (None, Database::Files) => (cli.minutes.as_secs_f64() / 60.0 / MINUTES_TO_A_RESTORE) as usize,
            (None, Database::Libsql) => 0,
        },
        before: cli.before,
        narrates: true,
    };
    println!("seed {}", plan.seed);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let holds = runtime.block_on(async {
        anyhow::Ok(match plan.events {
            Events::Soak => {
                let report = soak(&plan).await?;
                println!("{report}");
                report.holds() && (report.is_complete() || cli.look)
            }
            Events::Storms | Events::RollingUpdate => {
                let verdict = run(&plan).await?;
                println!("{verdict}");
                verdict.holds()
            }
        })
    });
    match holds {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A seed from the clock, short enough to be typed.
fn seed_of_the_moment() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_epoch.as_secs() % 1_000_000
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
