//! `cargo xtask chaos`: whether the promises hold while everything breaks, and `cargo xtask soak`: whether they do for
//! hours, in which nothing grows.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::build;
use crate::command::{find, native, root, run};
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

/// How long a soak takes.
#[derive(Args)]
pub(crate) struct SoakOptions {
    /// For how many hours
    #[arg(
        long,
        value_name = "N",
        required_unless_present = "minutes",
        conflicts_with = "minutes"
    )]
    hours: Option<f64>,

    /// For how many minutes
    #[arg(long, value_name = "N")]
    minutes: Option<f64>,

    /// Options of chaos
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

impl SoakOptions {
    fn minutes(&self) -> f64 {
        self.minutes
            .unwrap_or_else(|| self.hours.unwrap_or_default() * 60.0)
    }
}

/// Builds everything and runs a soak. It mounts a disk of its own to fill it, so others than root get a namespace in
/// which they may.
pub(crate) fn run_soak(options: &SoakOptions) -> Result<()> {
    ensure_redis_server()?;
    build::everything()?;
    let chaos = native(CHAOS)?;
    let mut command = match find("unshare") {
        Some(unshare) if !rustix::process::geteuid().is_root() => {
            let mut command = Command::new(unshare);
            command.args(["--map-root-user", "--mount"]).arg(chaos);
            command
        }
        _ => Command::new(chaos),
    };
    run(command
        .current_dir(root())
        .args(["--events", "soak", "--minutes", &options.minutes().to_string()])
        .args(&options.args))
}
