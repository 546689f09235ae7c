//! `cargo xtask test`: every test there is, after building what the tests start.

use std::ffi::OsString;

use anyhow::Result;

use crate::build::{self, COMPONENTS, HOST, PROBE, SIDECAR};
use crate::command::{cargo, run, succeeds};
use crate::tools::ensure_redis_server;

/// Builds and runs the tests. `args` are for the runner.
pub(crate) fn run_tests(args: &[OsString]) -> Result<()> {
    ensure_redis_server()?;
    let mut components = COMPONENTS.to_vec();
    components.push(PROBE);
    build::components(&components)?;
    build::natives(&[HOST, SIDECAR, "xtask"])?;
    let runner: &[&str] = match succeeds(cargo().args(["nextest", "--version"])) {
        true => &["nextest", "run"],
        false => &["test"],
    };
    run(cargo().args(runner).arg("--workspace").args(args))
}
