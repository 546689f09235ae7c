//! The dashboard, the alarms and the collector of `deploy/observability`: what they name exists, and every alarm says
//! what to do.

use std::collections::BTreeSet;
use std::fs;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use tokio::time::{Duration, sleep, timeout};

use crate::support::DEADLINE;
use crate::support::components::{Components, workspace};
use crate::support::people;
use crate::support::socket::Socket;
use crate::support::system::System;
use crate::{canary, logs};

fn read(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A metric's label with one of its values, and without: `metric{label="value"}` and `metric{label}`.
fn label(metric: &str, label: &str, value: &str) -> [String; 2] {
    [
        format!("{metric}{{{label}}}"),
        format!("{metric}{{{label}={value:?}}}"),
    ]
}

/// Mayday's metrics in queries, with the labels that are selected or summed by, and their values.
fn metrics(queries: &str) -> BTreeSet<String> {
    let all = |pattern: &str| Regex::new(pattern).expect("a pattern");
    let names = all(r"mayday_\w+");
    let mut found: BTreeSet<String> = names
        .find_iter(queries)
        .map(|name| name.as_str().to_owned())
        .collect();
    let matcher = all(r#"(\w+)=~?"([^"]*)""#);
    for selector in all(r"(mayday_\w+)\{([^}]*)\}").captures_iter(queries) {
        for part in matcher.captures_iter(&selector[2]) {
            for value in part[2].split('|') {
                let [name, with_value] = label(&selector[1], &part[1], value);
                found.insert(name);
                // Those of errors are there once there was one.
                if &part[1] != "status" {
                    found.insert(with_value);
                }
            }
        }
    }
    for sum in all(r"by \(([^)]*)\) \((?:rate\()?(mayday_\w+)").captures_iter(queries) {
        found.extend(sum[1].split(", ").map(|name| format!("{}{{{name}}}", &sum[2])));
    }
    found
}

/// The metric of a line of `/metrics`, and its labels.
fn sample(line: &str) -> Vec<String> {
    static PAIR: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"(\w+)="([^"]*)""#).expect("a pattern"));
    let (metric, labels) = line.split_once(['{', ' ']).unwrap_or((line, ""));
    let labels = PAIR.captures_iter(labels);
    let labels = labels.flat_map(|found| label(metric, &found[1], &found[2]));
    labels.chain([metric.to_owned()]).collect()
}

#[test]
fn labels_and_their_values_are_compared_as_well() {
    let query =
        r#"sum by (le, a) (rate(mayday_x_bucket[5m])) or rate(mayday_y{reason=~"b|c",status="5xx"}[5m]) > 0"#;
    let line = r#"mayday_y{reason="b"} 1"#;
    assert_eq!(
        metrics(query).into_iter().collect::<Vec<_>>(),
        [
            "mayday_x_bucket",
            "mayday_x_bucket{a}",
            "mayday_x_bucket{le}",
            "mayday_y",
            "mayday_y{reason=\"b\"}",
            "mayday_y{reason=\"c\"}",
            "mayday_y{reason}",
            "mayday_y{status}",
        ]
    );
    assert_eq!(
        sample(line),
        ["mayday_y{reason}", "mayday_y{reason=\"b\"}", "mayday_y"]
    );
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
async fn every_metric_and_label_of_the_dashboard_and_the_alarms_exists() {
    // A libSQL server does not tell the size of its write-ahead log.
    let system = System::on_files(1).await;
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
    let sidecar = system.sidecar_door(0);
    let shown = async || {
        let of_sidecar = sidecar.send("GET", "/metrics", None, None).await.text();
        let path = "/.well-known/mayday/metrics";
        let of_host = system.door.send("GET", path, None, None).await.text();
        let lines = of_sidecar.lines().chain(of_host.lines());
        let samples = lines.filter(|line| !line.starts_with('#'));
        samples.flat_map(sample).collect::<BTreeSet<_>>()
    };
    let all_are_shown = async {
        while !named().is_subset(&shown().await) {
            // There is no event to wait for: a connection ends.
            sleep(Duration::from_millis(20)).await;
        }
    };
    if timeout(DEADLINE, all_are_shown).await.is_err() {
        let missing: Vec<_> = named().difference(&shown().await).cloned().collect();
        panic!("no such metrics or labels: {missing:?}");
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

/// The pattern by which the collector takes lines of components apart, a text of two lines that YAML joins.
fn pattern(config: &str) -> Regex {
    let (_, pattern) = config.split_once("regex: >-\n").expect("a pattern");
    let lines: Vec<_> = pattern.lines().take(2).map(str::trim).collect();
    Regex::new(&lines.join(" ")).expect("a pattern")
}

#[tokio::test]
async fn the_collector_reads_the_lines_of_every_process() {
    let config = read("deploy/observability/collector.yaml");
    let parts = config.split("attributes.").skip(1);
    let words = parts.map(|part| part.split(|c: char| !c.is_ascii_alphanumeric()));
    let names: BTreeSet<&str> = words.filter_map(|mut words| words.next()).collect();
    assert_eq!(names, BTreeSet::from(["level", "message", "time", "traceId"]));

    let system = System::with_structured_log(1).await;
    let agency = system.agency("Fest").await;
    let mut socket = Socket::open("support", system.sidecar(0), &agency.support).await;
    socket.expect_nothing_yet().await;
    for process in [system.first_host(), "sidecar-1"] {
        let is_of_a_request = |line: &Value| line["process"] == process && line["traceId"].is_string();
        let line = logs::logged(&system, is_of_a_request).await;
        for name in &names {
            assert!(line[name].is_string(), "{name}: {line}");
        }
    }

    // Spin writes the lines of components as they are.
    let components = Components::start();
    components.superadmin().await;
    let log = components.log("organizer");
    let line = log.lines().last().expect("a line");
    let found = pattern(&config).captures(line).expect(line);
    for name in &names {
        assert!(found.name(name).is_some(), "{name}: {line}");
    }
    assert_eq!(&found["component"], "organizer");
    assert_eq!(&found["message"], "signed in");
}
