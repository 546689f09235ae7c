//! `mayday-bench` measures costs on this machine. `cargo xtask bench` builds and runs it. It prints figures without
//! judging them. Nothing here is checked against the documents of the services and the socket: that takes time, and the
//! tests do it.
//!
//! - [`organizer`] measures the cost of the sandbox: the organizer on the embedded host beside [`baseline`], a plain
//!   native server with the same SQL.
//! - [`lists`] compares a page of a list in a full database with one in a nearly empty one. [`effort`] has the options
//!   of both.
//! - The whole system: [`chat`] measures messages, [`press`] presses for help, [`connect`] connections, [`idle`] a
//!   system without clients, and [`contract`] runs the contract's load test. All but the last can compare two
//!   [`builds`].
//! - [`server`] starts one server, [`system`] a whole system, [`seed`] fills them, [`load`] sends requests, [`socket`]
//!   frames; [`figures`] sums up.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use mayday_tests::processes::raise_descriptor_limit;
use tokio::runtime::{Builder, Runtime};

use crate::effort::Effort;

mod baseline;
mod builds;
mod chat;
mod connect;
mod contract;
mod effort;
mod figures;
mod idle;
mod lists;
mod load;
mod organizer;
mod press;
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
    /// Messages between organizers and participants at given rates: latency, cost, and whether all are stored and shown
    Chat(chat::Options),
    /// Presses for help at given rates: latency, cost, and whether all are queued once
    Press(press::Options),
    /// Thousands of connections at once: how many a second are served, latency, cost, memory
    Connect(connect::Options),
    /// A system without clients: how busy each process is
    Idle(idle::Options),
    /// The contract's load test, until the first failure
    Load(contract::Options),
    /// The plain native server, on any free port of 127.0.0.1
    #[command(hide = true)]
    Baseline { database: PathBuf },
}

fn main() -> ExitCode {
    match run(Cli::parse().bench) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Printed here, because returning the error would add a backtrace if RUST_BACKTRACE is set.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(bench: Bench) -> Result<()> {
    raise_descriptor_limit()?;
    match bench {
        Bench::Organizer(effort) => client()?.block_on(organizer::run(&effort)),
        Bench::Lists(effort) => client()?.block_on(lists::run(&effort)),
        Bench::Chat(options) => client()?.block_on(chat::run(&options)),
        Bench::Press(options) => client()?.block_on(press::run(&options)),
        Bench::Connect(options) => client()?.block_on(connect::run(&options)),
        Bench::Idle(options) => client()?.block_on(idle::run(&options)),
        Bench::Load(options) => client()?.block_on(contract::run(&options)),
        // On all cores, like the host.
        Bench::Baseline { database } => Runtime::new()?.block_on(baseline::serve(&database)),
    }
}

/// One thread sends all requests, to leave the cores to the measured server.
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
        assert!(parse(&["press", "--hosts", "2", "--database", "libsql"]).is_ok());
        assert!(
            parse(&[
                "chat",
                "--sidecars",
                "2",
                "--pause-reader",
                "1000",
                "--against",
                "..",
                "--rounds",
                "3"
            ])
            .is_ok()
        );
        assert!(parse(&["connect", "--sockets", "5000", "--rate", "2000"]).is_ok());
        assert!(parse(&["idle", "--seconds", "10", "--against", ".."]).is_ok());
        assert!(parse(&["load", "--sci", "1000", "--cpi", "1000", "--smi", "1000"]).is_ok());
        assert!(parse(&["chat", "--rate", "0"]).is_err());
        assert!(parse(&["press", "--seconds", "0"]).is_err());
    }
}
