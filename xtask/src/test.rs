//! `cargo xtask test`: every test there is, after building what the tests start.

use std::ffi::OsString;

use anyhow::Result;

use crate::build::{self, PROBE};
use crate::command::{cargo, root, run, succeeds};
use crate::pages;
use crate::tools::{ensure_program, ensure_python_packages, ensure_redis_server, ensure_sqld};
use crate::up::{Database, Runtime, find_spin};

/// The tests of whole systems that also hold on Spin. Others are about the embedded host itself: its metrics and log
/// lines (`observability`, `logs`, and what the canary says of a host that hangs) and requests that it reads whole
/// before a component gets them (`slow_clients`), which an ingress does before Spin. The other tests of `canary`, those
/// of `explore` and those of `privacy` are about what components answer and store, and Spin runs the same components.
/// The promises are tested by `chaos`, on hosts of its own. The tests of `outages` in which one service is down or
/// hangs have the embedded host in any case (`support::apart`); their names are too different for a filter.
const ON_SPIN: [&str; 12] = [
    "--",
    "clients::",
    "faults::",
    "load::",
    "machines::",
    "outages::",
    "restore_drill::",
    "revoking::",
    "story::",
    "walkthrough::",
    "--skip",
    "promises_hold",
];

/// Builds and runs the tests on a kind of database and host. `args` are for the runner; with any, and on Spin, the
/// pages are not tested. The runner comes last, so that its summary does.
pub(crate) fn run_tests(database: Database, host: Runtime, args: &[OsString]) -> Result<()> {
    if host == Runtime::Spin {
        find_spin()?;
    }
    ensure_redis_server()?;
    ensure_sqld()?;
    // Copies databases, and reads JSON in the shell.
    for program in ["sqlite3", "jq"] {
        ensure_program(program)?;
    }
    for environment in ["clients", "explore"] {
        let requirements = root().join("tests").join(environment).join("requirements.txt");
        ensure_python_packages(environment, &requirements)?;
    }
    build::everything()?;
    // By itself, so that what it asks of shared dependencies does not get into the components that people run.
    build::components(&[PROBE])?;
    if args.is_empty() && host == Runtime::Embedded {
        pages::test()?;
    }
    let runner: &[&str] = match succeeds(cargo().args(["nextest", "--version"])) {
        true => &["nextest", "run"],
        false => &["test"],
    };
    run(cargo()
        .args(runner)
        .arg("--workspace")
        .args(chosen(host, args))
        .env("MAYDAY_TEST_DATABASE", database.name())
        .env("MAYDAY_TEST_HOST", host.name()))
}

/// The arguments of the runner.
fn chosen(host: Runtime, args: &[OsString]) -> Vec<OsString> {
    match host {
        Runtime::Spin if args.is_empty() => ON_SPIN.map(OsString::from).to_vec(),
        Runtime::Spin | Runtime::Embedded => args.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_are_named_are_run_on_spin_instead_of_whole_systems() {
        assert_eq!(chosen(Runtime::Spin, &[]), ON_SPIN);
        let named = [OsString::from("faults::")];
        assert_eq!(chosen(Runtime::Spin, &named), named);
        assert!(chosen(Runtime::Embedded, &[]).is_empty());
    }
}
