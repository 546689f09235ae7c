//! `mayday-bench`: what things cost on this machine, each beside something to compare it with. `cargo xtask bench` builds and
//! runs it. It prints figures and judges none.
//!
//! - [`organizer`] asks what the sandbox costs: the organizer on the embedded host beside [`baseline`], a plain native server
//!   with the same SQL.
//! - [`lists`] asks whether a page of a list costs the same in a full database as in a nearly empty one.
//! - [`server`] starts the servers as processes, [`seed`] fills them, [`load`] sends requests, [`figures`] sums up.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

mod baseline;
mod figures;
mod lists;
mod load;
mod organizer;
mod seed;
mod server;

/// What things cost on this machine.
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// The organizer beside a plain native server with the same SQL
    Organizer(Effort),
    /// A page of each list in a full database beside one in a nearly empty database
    Lists(Effort),
    /// The plain native server, on any free port of 127.0.0.1
    #[command(hide = true)]
    Baseline { database: PathBuf },
}

/// How much is measured.
#[derive(clap::Args)]
struct Effort {
    /// Measure only what has this in its name, such as `events`
    only: Option<String>,

    /// How often everything is measured
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,

    /// How long one measurement takes
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    seconds: Option<Duration>,

    /// How many connections send at once, each its next request when the last one is answered
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    connections: Option<u16>,
}

impl Effort {
    fn includes(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "expected a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    match run(Cli::parse().bench) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not by returning it from here, which would add a backtrace where RUST_BACKTRACE is set.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(bench: Bench) -> Result<()> {
    match bench {
        Bench::Organizer(effort) => client()?.block_on(organizer::run(&effort)),
        Bench::Lists(effort) => client()?.block_on(lists::run(&effort)),
        // On all cores, as the host is.
        Bench::Baseline { database } => Runtime::new()?.block_on(baseline::serve(&database)),
    }
}

/// One thread sends all requests: the cores are for the server that is measured.
fn client() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
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
