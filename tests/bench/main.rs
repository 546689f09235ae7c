//! `mayday-bench`: what things cost on this machine, each beside something to compare it with. `cargo xtask bench` builds and
//! runs it. It prints figures and judges none.
//!
//! - [`organizer`] asks what the sandbox costs: the organizer on the embedded host beside [`baseline`], a plain native server
//!   with the same SQL.
//! - [`lists`] asks whether a page of a list costs the same in a full database as in a nearly empty one.
//! - [`chat`] asks what a message costs and how long it takes, [`press`] the same of a press for help, and [`contract`] how far the
//!   load test of the contract comes, all three of the whole system.
//! - [`server`] starts a server as a process, [`system`] all of them, [`seed`] fills them, [`load`] sends requests, [`socket`] frames;
//!   [`processes`] asks what they use, [`figures`] sums up.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

mod baseline;
mod chat;
mod contract;
mod figures;
mod lists;
mod load;
mod organizer;
mod press;
mod processes;
mod seed;
mod server;
mod socket;
mod system;

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
    /// Messages between organizers and participants at given rates: how long they take, what they cost, whether all are stored
    Chat(chat::Options),
    /// Presses for help at given rates: how long they take, what they cost, whether all are queued once
    Press(press::Options),
    /// The contract's load test, until the first failure
    Load(contract::Options),
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
        Bench::Chat(options) => client()?.block_on(chat::run(&options)),
        Bench::Press(options) => client()?.block_on(press::run(&options)),
        Bench::Load(options) => client()?.block_on(contract::run(&options)),
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

    #[test]
    fn rates_can_be_chosen_and_must_be_possible() {
        let parse = |args: &[&str]| Cli::try_parse_from(["cargo xtask bench"].iter().chain(args));

        assert!(parse(&["chat"]).is_ok());
        assert!(parse(&["chat", "--rate", "100,200", "--idle", "0"]).is_ok());
        assert!(parse(&["press", "--rate", "500", "--burst", "8"]).is_ok());
        assert!(parse(&["load", "--sci", "1000", "--cpi", "1000", "--smi", "1000"]).is_ok());
        assert!(parse(&["chat", "--rate", "0"]).is_err());
        assert!(parse(&["press", "--seconds", "0"]).is_err());
    }
}
