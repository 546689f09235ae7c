//! `cargo xtask conformance`: whether the sidecar's sockets keep to RFC 6455, as Autobahn's test suite sees it.
//!
//! The suite is a program of its own, `wstest`, which needs Python 2.7 and is no part of a toolchain. Whoever changes
//! the sockets or the libraries below them runs this once.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::command::{cargo, find, native, root, run};

/// As whom the report knows us.
const AGENT: &str = "mayday-sidecar";

/// How the suite is told what to do.
#[derive(Args)]
pub(crate) struct Options {
    /// Where Autobahn's `wstest` is, if not on the PATH
    #[arg(long, value_name = "FILE")]
    wstest: Option<PathBuf>,

    /// Which cases to run
    #[arg(long, value_name = "CASE", default_values_t = ["*".to_owned()])]
    cases: Vec<String>,
}

/// What the suite says of one case.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    /// Of what was said.
    behavior: String,
    /// Of how the connection ended.
    behavior_close: String,
}

impl Verdict {
    /// `NON-STRICT` is within the standard, and `INFORMATIONAL` has no right or wrong.
    fn is_good(&self) -> bool {
        let is_good = |verdict: &str| matches!(verdict, "OK" | "NON-STRICT" | "INFORMATIONAL");
        is_good(&self.behavior) && is_good(&self.behavior_close)
    }
}

/// Runs the suite, and fails if a case does.
pub(crate) fn run_suite(options: &Options) -> Result<()> {
    let Some(wstest) = options.wstest.clone().or_else(|| find("wstest")) else {
        bail!(
            "wstest is not on the PATH. It needs Python 2.7: virtualenv -p python2.7 autobahn && autobahn/bin/pip install \
             autobahntestsuite==0.8.2, then cargo xtask conformance --wstest autobahn/bin/wstest"
        );
    };
    run(cargo().args(["build", "--workspace", "--example", "echo"]))?;
    let (_echo, url) = start_echo()?;
    let folder = root().join("target/conformance");
    fs::create_dir_all(&folder)?;
    let spec = folder.join("fuzzingclient.json");
    let text = json!({
        "outdir": folder,
        "servers": [{"agent": AGENT, "url": url}],
        "cases": options.cases,
        // Compression is an extension that the sidecar does not offer.
        "exclude-cases": ["12.*", "13.*"],
        "exclude-agent-cases": {},
    });
    fs::write(&spec, text.to_string())?;
    run(Command::new(wstest)
        .args(["--mode", "fuzzingclient", "--spec"])
        .arg(&spec))?;
    judge(&folder)
}

/// A process that is killed when it is dropped.
struct Echo(Child);

impl Drop for Echo {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the echo and returns where it is.
fn start_echo() -> Result<(Echo, String)> {
    let mut child = Command::new(native("examples/echo")?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("could not start the echo")?;
    let stdout = child.stdout.take().context("the echo has no output")?;
    let echo = Echo(child);
    let mut url = String::new();
    BufReader::new(stdout).read_line(&mut url)?;
    Ok((echo, url.trim().to_owned()))
}

/// Reads the report: what went wrong, and how many cases there were.
fn judge(folder: &Path) -> Result<()> {
    let text = fs::read_to_string(folder.join("index.json")).context("there is no report")?;
    let mut agents: BTreeMap<String, BTreeMap<String, Verdict>> = serde_json::from_str(&text)?;
    let cases = agents.remove(AGENT).context("the report is of somebody else")?;
    let mut counts = BTreeMap::new();
    for (case, verdict) in &cases {
        *counts.entry(verdict.behavior.as_str()).or_insert(0) += 1;
        if !verdict.is_good() {
            println!(
                "case {case}: {}, and when closing {}",
                verdict.behavior, verdict.behavior_close
            );
        }
    }
    println!(
        "{} cases: {counts:?}; see {}",
        cases.len(),
        folder.join("index.html").display()
    );
    let failed = cases.values().filter(|verdict| !verdict.is_good()).count();
    if failed > 0 {
        bail!("{failed} cases failed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_good_if_all_of_it_is() {
        let verdict = |behavior: &str, close: &str| -> Verdict {
            serde_json::from_value(json!({"behavior": behavior, "behaviorClose": close, "duration": 1}))
                .unwrap()
        };
        assert!(verdict("OK", "OK").is_good());
        assert!(verdict("NON-STRICT", "INFORMATIONAL").is_good());
        assert!(!verdict("OK", "FAILED BY CLIENT").is_good());
        assert!(!verdict("FAILED", "OK").is_good());
    }

    #[test]
    fn a_report_with_a_failure_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let report = |behavior: &str| {
            let report = json!({AGENT: {"1.1.1": {"behavior": behavior, "behaviorClose": "OK"}}});
            fs::write(folder.path().join("index.json"), report.to_string()).unwrap();
            judge(folder.path())
        };
        report("OK").unwrap();
        assert_eq!(report("FAILED").unwrap_err().to_string(), "1 cases failed");
    }
}
