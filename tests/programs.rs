//! The paths of this workspace and its programs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The root of the workspace, where `spin.toml` is.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the workspace")
}

/// A native program of the workspace. Cargo puts programs of one profile next to each other, and tests into a folder
/// beside them.
pub fn beside_this_program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("could not find the path of this program")?;
    let mut places = own.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    places
        .find(|place| place.exists())
        .with_context(|| format!("{name} is missing; build it first: cargo xtask build"))
}

/// The Python that has the packages of `tests/{name}/requirements.txt`. `cargo xtask test` installs it.
pub fn python(name: &str) -> Result<PathBuf> {
    let python = workspace().join("target/python").join(name).join("bin/python");
    ensure!(python.exists(), "{} is missing", python.display());
    Ok(python)
}
