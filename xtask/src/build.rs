//! `cargo xtask build`: the components for the sandbox, and the native programs around it.

use std::process::Command;

use anyhow::Result;

use crate::command::{cargo, root, run};
use crate::pages;
use crate::tools::{WASM_TARGET, ensure_wasm_target};

/// The components that `spin.toml` names.
pub(crate) const COMPONENTS: [&str; 6] = [
    "organizer",
    "participant",
    "messenger",
    "web",
    "dispatcher",
    "peers",
];
/// The component that exercises the host in its tests.
pub(crate) const PROBE: &str = "probe";
/// The embedded host.
pub(crate) const HOST: &str = "mayday-host";
/// The WebSocket relay.
pub(crate) const SIDECAR: &str = "mayday-sidecar";

/// Builds all that `cargo xtask up` runs. A component embeds the pages, so they come first.
pub(crate) fn everything() -> Result<()> {
    pages::build_pages()?;
    components(&COMPONENTS)?;
    natives()
}

/// Builds components for the sandbox, optimized.
pub(crate) fn components(packages: &[&str]) -> Result<()> {
    ensure_wasm_target()?;
    // `spin.toml` names the files by their path, so they go there whatever CARGO_TARGET_DIR says.
    let target_directory = root().join("target");
    let mut build = cargo();
    build
        .args(["build", "--release", "--target", WASM_TARGET])
        .arg("--target-dir")
        .arg(target_directory);
    run(select(&mut build, packages))
}

/// Builds the native programs, next to this one.
pub(crate) fn natives() -> Result<()> {
    // The whole workspace and not the two that are needed: cargo then chooses the same features of shared dependencies
    // as the tests and lints do, and wasmtime is compiled once.
    run(cargo().args(["build", "--workspace", "--bins"]))
}

/// Builds the sidecar alone, for who has Spin and needs no wasmtime.
pub(crate) fn sidecar() -> Result<()> {
    run(select(cargo().arg("build"), &[SIDECAR]))
}

fn select<'a>(command: &'a mut Command, packages: &[&str]) -> &'a mut Command {
    command.args(packages.iter().flat_map(|package| ["--package", package]))
}
