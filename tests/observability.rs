//! The dashboard and the alarms of `deploy/observability`: what they name exists, and every alarm says what to do.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use tokio::time::{Duration, sleep, timeout};

use crate::canary;
use crate::support::DEADLINE;
use crate::support::components::workspace;
use crate::support::door::Door;
use crate::support::people;
use crate::support::socket::Socket;
use crate::support::system::System;

fn read(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The words of a text that are names of Mayday's metrics.
fn metrics(text: &str) -> BTreeSet<String> {
    text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .filter(|word| word.starts_with("mayday_"))
        .map(str::to_owned)
        .collect()
}

/// What the queries of the dashboard's panels and of the rules name.
fn named() -> BTreeSet<String> {
    let dashboard: Value = serde_json::from_str(&read("deploy/observability/dashboard.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array());
    let queries = targets
        .flatten()
        .map(|target| target["expr"].as_str().expect("a query"));
    let mut named: BTreeSet<String> = queries.flat_map(metrics).collect();
    assert!(named.len() > 20, "{named:?}");
    named.extend(metrics(&read("deploy/observability/rules.yaml")));
    named
}

#[tokio::test]
async fn every_metric_of_the_dashboard_and_the_alarms_exists() {
    let system = System::start(1).await;
    let agency = system.agency("Fest").await;
    let person = people::sign_up(&system.door, "p@example.org").await;
    person
        .press_help(agency.event_id, "Lost my friend")
        .await
        .empty(200);
    let mut socket = Socket::open("participant", system.sidecar(0), &person).await;
    socket.expect_nothing_yet().await;
    // Some count ends of connections.
    drop(socket);
    // Those of the canary tell of a run.
    canary::is_green(&system).await;
    let sidecar = Door::network(&system.sidecar(0).replace("ws://", "http://"));
    let shown = async || {
        let of_sidecar = sidecar.send("GET", "/metrics", None, None).await.text();
        let path = "/.well-known/mayday/metrics";
        let of_host = system.door.send("GET", path, None, None).await.text();
        let lines = of_sidecar.lines().chain(of_host.lines());
        let samples = lines.filter(|line| !line.starts_with('#'));
        let name = |line: &str| line.split(['{', ' ']).next().unwrap_or_default().to_owned();
        samples.map(name).collect::<BTreeSet<_>>()
    };
    let all_are_shown = async {
        while !named().is_subset(&shown().await) {
            // There is no event to wait for: a connection ends.
            sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(DEADLINE, all_are_shown).await.is_err() {
        let missing: Vec<_> = named().difference(&shown().await).cloned().collect();
        panic!("no such metrics: {missing:?}");
    }
}

#[test]
fn every_alarm_says_what_to_do() {
    let rules = read("deploy/observability/rules.yaml");
    let operations = read("docs/operations.md");
    let value = |line: &str, name: &str| line.trim().strip_prefix(name).map(str::to_owned);
    let mut alarms = 0;
    let (mut lines, mut name) = (rules.lines(), String::new());
    for line in &mut lines {
        if let Some(alarm) = value(line, "- alert: ") {
            assert!(name.is_empty(), "{name} has no runbook");
            assert!(
                operations.contains(&format!("\n### {alarm}\n\n")),
                "{alarm} has no paragraph"
            );
            (name, alarms) = (alarm, alarms + 1);
        }
        if let Some(link) = value(line, "runbook: ") {
            assert_eq!(link, format!("docs/operations.md#{}", name.to_lowercase()));
            name.clear();
        }
    }
    assert!(name.is_empty(), "{name} has no runbook");
    assert_eq!(
        alarms,
        operations.matches("\n### Mayday").count(),
        "a paragraph has no alarm"
    );
}
