//! `cargo xtask check`: formatting, lints, documentation, deployment and dependencies, with every warning of ours an
//! error.

use std::env;
use std::process::Command;

use anyhow::Result;

use crate::build::{COMPONENTS, PROBE};
use crate::command::{cargo, root, run};
use crate::tools::{WASM_TARGET, ensure_python_packages, ensure_wasm_target};
use crate::{dependencies, pages};

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
    pages::check()?;
    check_deployment()?;
    dependencies::check()
}

/// What `deploy/` has for clusters, by a script that needs a few packages of Python. CI insists on them. Elsewhere a
/// machine without Python or without a network is told what was not checked.
fn check_deployment() -> Result<()> {
    let python = match ensure_python_packages("deploy", &root().join("deploy/check/requirements.txt")) {
        Ok(python) => python,
        Err(error) if env::var_os("CI").is_none() => {
            println!("deploy/ is not checked: {error:#}");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    run(Command::new(python)
        .arg("deploy/check/check.py")
        .current_dir(root()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use crate::command::root;

    /// A fuzzed component is built by a manifest of its own, which nothing else builds.
    #[test]
    fn fuzzed_components_have_the_dependencies_of_their_manifests() {
        let dependencies = |path: &str| -> BTreeSet<String> {
            let manifest: toml::Table =
                toml::from_str(&fs::read_to_string(root().join(path)).unwrap()).unwrap();
            manifest["dependencies"]
                .as_table()
                .unwrap()
                .keys()
                .cloned()
                .collect()
        };
        for component in ["organizer", "participant", "messenger"] {
            assert_eq!(
                dependencies(&format!("fuzz/{component}/Cargo.toml")),
                dependencies(&format!("components/{component}/Cargo.toml")),
                "{component}"
            );
        }
    }
}
