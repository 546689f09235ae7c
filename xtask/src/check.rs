//! `cargo xtask check`: formatting, lints and documentation, with every warning an error.

use anyhow::Result;

use crate::build::{COMPONENTS, PROBE};
use crate::command::{cargo, run, succeeds};
use crate::tools::{WASM_TARGET, ensure_wasm_target};

/// Runs every check; the first that fails ends it.
pub(crate) fn run_all() -> Result<()> {
    run(cargo().args(["fmt", "--all", "--check"]))?;
    // Warnings are denied here and not by RUSTFLAGS: those would make cargo compile everything a second time.
    run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ]))?;
    ensure_wasm_target()?;
    let mut sandboxed = cargo();
    sandboxed.args(["clippy", "--target", WASM_TARGET]);
    sandboxed.args(
        COMPONENTS
            .iter()
            .chain(&[PROBE])
            .flat_map(|package| ["--package", package]),
    );
    run(sandboxed.args(["--", "--deny", "warnings"]))?;
    run(cargo()
        .args(["doc", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "--deny warnings"))?;
    check_dependencies()
}

/// Licences, sources and advisories, where cargo-deny is installed: it is no part of a toolchain.
fn check_dependencies() -> Result<()> {
    if !succeeds(cargo().args(["deny", "--version"])) {
        println!(
            "cargo-deny is not installed, so dependencies are not checked (cargo install --locked cargo-deny)"
        );
        return Ok(());
    }
    run(cargo().args(["deny", "check"]))
}
