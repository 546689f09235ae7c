//! `cargo xtask chaos`: whether the promises hold while everything breaks.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use crate::build;
use crate::command::{native, root, run};
use crate::tools::{ensure_redis_server, ensure_sqld};

/// The program that breaks things and judges.
const CHAOS: &str = "mayday-chaos";

/// Builds everything and runs it. `args` are its options.
pub(crate) fn run_chaos(args: &[OsString]) -> Result<()> {
    ensure_redis_server()?;
    ensure_sqld()?;
    build::everything()?;
    run(Command::new(native(CHAOS)?).current_dir(root()).args(args))
}
