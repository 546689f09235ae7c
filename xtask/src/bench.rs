//! `cargo xtask bench`: what things cost on this machine.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use crate::build;
use crate::command::{native, root, run};

/// The program that measures. Which benches there are is its business.
const BENCH: &str = "mayday-bench";

/// Builds and runs a bench. `args` are its name and its options.
pub(crate) fn run_bench(args: &[OsString]) -> Result<()> {
    build::everything()?;
    run(Command::new(native(BENCH)?).current_dir(root()).args(args))
}
