//! `cargo xtask test`: every test there is, after building what the tests start.

use std::ffi::OsString;

use anyhow::Result;

use crate::build::{self, PROBE};
use crate::command::{cargo, run, succeeds};
use crate::pages;
use crate::tools::{ensure_redis_server, ensure_sqlite3};

/// Builds and runs the tests. `args` are for the runner; with any, the pages are not tested. The runner comes last, so
/// that its summary does.
pub(crate) fn run_tests(args: &[OsString]) -> Result<()> {
    ensure_redis_server()?;
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
    run(cargo().args(runner).arg("--workspace").args(args))
}
