//! The chores of Mayday, each a command that a person types and that CI calls too: `cargo xtask up | build | test |
//! bench | chaos | soak | conformance | check | sbom`.
//!
//! - [`build`] makes the components and the native programs, and [`pages`] the pages that one of them embeds, after
//!   [`tools`] has added what the machine lacks.
//! - [`up`] runs the whole of Mayday on this machine: [`state`] and [`secrets`] are its directory, [`ports`] and
//!   [`addresses`] say where its parts are, [`supervise`] keeps its processes alive, [`probe`] asks whether they are
//!   ready, [`demo`] fills in something to look at, [`screen`] and [`ready`] tell a person and a program where
//!   everything is.
//! - [`mod@test`] runs every test; [`mod@bench`] measures what things cost; [`chaos`] breaks everything, once or for
//!   hours; [`conformance`] runs a test suite against the sockets; [`check`] runs formatting, lints and documentation
//!   checks; [`dependencies`] checks licences, sources and advisories; [`sbom`] lists what is shipped.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::up::{Database, Runtime};

mod addresses;
mod bench;
mod build;
mod chaos;
mod check;
mod command;
mod conformance;
mod demo;
mod dependencies;
mod output;
mod pages;
mod ports;
mod probe;
mod ready;
mod redis;
mod sbom;
mod screen;
mod secrets;
mod state;
mod supervise;
mod test;
mod tools;
mod up;

/// The chores of Mayday.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build the pages, the components and the native programs
    Build,
    /// Build and run everything on this machine, until Ctrl-C
    Up(Box<up::Options>),
    /// Run every test. Arguments are passed on to `cargo nextest run`, or to `cargo test` if nextest is missing; with
    /// any argument, the tests of the pages are left out
    Test {
        /// What the services of the tests keep their data in. With libsql, whole systems have two hosts
        #[arg(long, value_enum, default_value_t = Database::Files)]
        database: Database,

        /// What runs the components of whole systems. With spin only those are tested, unless tests are named
        #[arg(long, value_enum, default_value_t = Runtime::Embedded)]
        host: Runtime,

        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Measure what things cost on this machine: `organizer`, `lists`, `chat`, `press`, `connect`, `idle` or `load`;
    /// what follows is passed on, such as --help
    Bench {
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Break processes and links at random, then check that no promise was broken; what follows is passed on, such as
    /// --minutes N, --seed S or --help
    Chaos {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Break everything but hosts and sidecars for hours, and watch that neither memory nor files grow; what follows is
    /// passed on, such as --seed S
    Soak(chaos::SoakOptions),
    /// Run Autobahn's test suite against the sidecar's sockets (RFC 6455)
    Conformance(conformance::Options),
    /// Check formatting, lints, documentation, the pages, deployment and dependencies
    Check,
    /// Write the bills of materials of what is shipped (CycloneDX 1.5), into target/sbom/
    Sbom,
}

fn main() -> ExitCode {
    match run(Cli::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not by returning it from here, which would add a backtrace where RUST_BACKTRACE is set.
            // Standard error may be a file on a full disk.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<()> {
    match chore {
        Chore::Build => build::everything(),
        Chore::Up(options) => up::run(&options),
        Chore::Test { database, host, args } => test::run_tests(database, host, &args),
        Chore::Bench { args } => bench::run_bench(&args),
        Chore::Chaos { args } => chaos::run_chaos(&args),
        Chore::Soak(options) => chaos::run_soak(&options),
        Chore::Conformance(options) => conformance::run_suite(&options),
        Chore::Check => check::run_all(),
        Chore::Sbom => sbom::write().map(drop),
    }
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
    fn test_passes_its_arguments_on() {
        let cli = Cli::parse_from(["cargo xtask", "test", "story", "--no-fail-fast", "-p", "tests"]);

        let Chore::Test { database, host, args } = cli.chore else {
            panic!("another chore")
        };
        assert_eq!((database, host), (Database::Files, Runtime::Embedded));
        assert_eq!(args, ["story", "--no-fail-fast", "-p", "tests"]);

        let cli = Cli::parse_from(["cargo xtask", "test", "--database", "libsql", "-p", "tests"]);
        assert!(matches!(
            cli.chore,
            Chore::Test { database: Database::Libsql, args, .. } if args == ["-p", "tests"]
        ));

        let cli = Cli::parse_from(["cargo xtask", "test", "--host", "spin"]);
        assert!(matches!(
            cli.chore,
            Chore::Test {
                host: Runtime::Spin,
                ..
            }
        ));
    }

    #[test]
    fn a_soak_takes_hours_or_minutes() {
        let parse = |args: &[&str]| Cli::try_parse_from(["cargo xtask", "soak"].iter().chain(args));

        assert!(parse(&["--hours", "2", "--seed", "7"]).is_ok());
        assert!(parse(&["--minutes", "6", "--look"]).is_ok());
        assert!(parse(&[]).is_err());
        assert!(parse(&["--hours", "1", "--minutes", "6"]).is_err());
    }

    #[test]
    fn failed_sign_ins_are_counted_in_redis_where_hosts_may_be_several() {
        let in_redis = |args: &[&str]| match Cli::parse_from(["cargo xtask", "up"].iter().chain(args)).chore {
            Chore::Up(options) => options.counts_in_redis(),
            _ => panic!("another chore"),
        };

        assert!(!in_redis(&[]));
        assert!(in_redis(&["--hosts", "2"]));
        assert!(in_redis(&["--database", "libsql"]));
    }

    #[test]
    fn demo_is_on_unless_switched_off() {
        let demo = |args: &[&str]| match Cli::parse_from(["cargo xtask", "up"].iter().chain(args)).chore {
            Chore::Up(options) => options.wants_demo(),
            _ => panic!("another chore"),
        };

        assert!(demo(&[]));
        assert!(demo(&["--demo"]));
        assert!(demo(&["--demo", "true"]));
        assert!(!demo(&["--demo", "false"]));
        assert!(!demo(&["--demo=false"]));
        assert!(!demo(&["--no-demo"]));
    }
}
