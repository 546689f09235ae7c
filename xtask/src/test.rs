//! `cargo xtask test`: every test there is, after building what the tests start.

use std::ffi::OsString;

use anyhow::Result;

use crate::build::{self, PROBE};
use crate::command::{cargo, run, succeeds};
use crate::pages;
use crate::tools::{ensure_redis_server, ensure_sqld, ensure_sqlite3};
use crate::up::Database;

/// Builds and runs the tests on a kind of database. `args` are for the runner; with any, the pages are not tested. The
/// runner comes last, so that its summary does.
pub(crate) fn run_tests(database: Database, args: &[OsString]) -> Result<()> {
    ensure_redis_server()?;
    ensure_sqld()?;
    ensure_sqlite3()?;
    build::everything()?;
    // By itself, so that what it asks of shared dependencies does not get into the components that people run.
    build::components(&[PROBE])?;
    if args.is_empty() {
        pages::test()?;
    }
    let runner: &[&str] = match succeeds(cargo().args(["nextest", "--version"])) {
        true => &["nextest", "run"],
        false => &["test"],
    };
    run(cargo()
        .args(runner)
        .arg("--workspace")
        .args(args)
        .env("MAYDAY_TEST_DATABASE", database.name()))
}
