//! The canary walks the whole path of a request for help, names the step that is broken, and leaves nothing behind.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures_util::FutureExt;
use mayday_sidecar::canary::STEPS;
use mayday_tests::programs::beside_this_program;
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::support::DEADLINE;
use crate::support::door::Door;
use crate::support::people::{self, Agency};
use crate::support::system::System;

/// How soon a canary that walks every 30 s shows what has broken.
const RED_WITHIN: Duration = Duration::from_secs(35);

/// What a canary has found and printed.
#[derive(Debug)]
struct Found {
    is_green: bool,
    steps: Vec<String>,
    errors: String,
}

/// The program, for a system.
fn canary(system: &System) -> Command {
    let secrets = std::fs::read(system.state_directory().join("secrets.json")).expect("secrets");
    let secrets: Value = serde_json::from_slice(&secrets).expect("JSON");
    let sockets: Vec<_> = system
        .sidecars()
        .iter()
        .map(|ws| format!("{ws}/connect"))
        .collect();
    let mut command = Command::new(beside_this_program("mayday-sidecar").expect("a program"));
    command
        .args(["canary", "--app", system.origin(), "--socket", &sockets.join(",")])
        .kill_on_drop(true);
    for service in ["organizer", "participant", "messenger"] {
        let key = secrets[format!("{service}Key")].as_str().expect("a key");
        command.env(format!("MAYDAY_{}_KEY", service.to_uppercase()), key);
    }
    command
}

/// Walks the path once.
async fn walk(system: &System) -> Found {
    let output = timeout(DEADLINE, canary(system).output()).await;
    let output = output.expect("it ends in time").expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let (steps, errors) = (text(output.stdout), text(output.stderr));
    keep(&system.logs(), &steps);
    keep(&system.logs(), &errors);
    let name = |line: &str| line.split(' ').next().expect("a word").to_owned();
    Found {
        is_green: output.status.success(),
        steps: steps.lines().map(name).collect(),
        errors,
    }
}

/// Adds what the canary has printed to the logs of the system.
fn keep(logs: &Path, printed: &str) {
    let file = File::options()
        .create(true)
        .append(true)
        .open(logs.join("canary.txt"));
    writeln!(file.expect("a log"), "{printed}").expect("a disk");
}

/// Waits until a run finds the path whole: what was broken may take a moment.
async fn is_green_again(system: &System) {
    let green = async { while !walk(system).await.is_green {} };
    timeout(3 * DEADLINE, green)
        .await
        .expect("the path is whole again");
}

/// A run finds the path whole.
pub(crate) async fn is_green(system: &System) {
    let found = walk(system).await;
    assert!(found.is_green, "{found:?}");
    assert_eq!(found.steps, STEPS);
}

/// A run finds the path broken at one of these steps. Returns the id of its trace.
#[track_caller]
fn is_red(system: &System, steps: &[&str]) -> impl Future<Output = String> {
    let caller = std::panic::Location::caller();
    async move {
        let found = walk(system).await;
        assert!(!found.is_green, "{caller}: {found:?}");
        let step = found.steps.last().expect("a step");
        assert!(steps.contains(&step.as_str()), "{caller}: {found:?}");
        assert!(
            found.errors.contains(&format!("{step} failed: ")),
            "{caller}: {found:?}"
        );
        trace_of(&found.errors).unwrap_or_else(|| panic!("{caller}: {found:?}"))
    }
}

/// The id of the trace that a line names.
fn trace_of(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("traceId=")?;
    rest.get(..32).map(str::to_owned)
}

/// Waits until a service or a sidecar has logged something under the id of a trace.
async fn is_logged(system: &System, trace: &str) {
    let logged = async {
        while !system.log().contains(trace) {
            // There is no event to wait for: a file grows.
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, logged).await.expect("a line with the id");
}

/// A trigger that raises the error of a full disk before a change.
macro_rules! full_disk_before {
    ($change:literal) => {
        concat!(
            "CREATE TRIGGER fails BEFORE ",
            $change,
            " BEGIN SELECT raise(ABORT, 'database or disk is full'); END"
        )
    };
}

/// A break of each step alone, while every process is healthy: the step, the service whose database it is in, what
/// breaks it, and what mends it. Operators meet them as a backup that holds the lock, as a database that another
/// release has changed, and as a full disk.
const BREAKS: [(&str, &str, &str, &str); STEPS.len()] = [
    ("prepare_organizer", "organizer", "BEGIN IMMEDIATE", "ROLLBACK"),
    (
        "sign_in_organizer",
        "organizer",
        "ALTER TABLE second_factors RENAME COLUMN secret TO lost",
        "ALTER TABLE second_factors RENAME COLUMN lost TO secret",
    ),
    (
        "prepare_participant",
        "participant",
        full_disk_before!("INSERT ON participants"),
        "DROP TRIGGER fails",
    ),
    (
        "sign_in_participant",
        "participant",
        "ALTER TABLE participants RENAME COLUMN name TO lost",
        "ALTER TABLE participants RENAME COLUMN lost TO name",
    ),
    // The limit is read when a socket is opened.
    (
        "connect",
        "organizer",
        "ALTER TABLE agencies RENAME COLUMN max_open_chats TO lost",
        "ALTER TABLE agencies RENAME COLUMN lost TO max_open_chats",
    ),
    (
        "press",
        "participant",
        full_disk_before!("INSERT ON outbox"),
        "DROP TRIGGER fails",
    ),
    (
        "take",
        "messenger",
        full_disk_before!("UPDATE ON chats WHEN new.state = 'active'"),
        "DROP TRIGGER fails",
    ),
    (
        "talk_to_participant",
        "messenger",
        full_disk_before!("INSERT ON messages WHEN new.from_organizer"),
        "DROP TRIGGER fails",
    ),
    // Message 1 comes with the press.
    (
        "talk_to_organizer",
        "messenger",
        full_disk_before!("INSERT ON messages WHEN new.seq > 1 AND NOT new.from_organizer"),
        "DROP TRIGGER fails",
    ),
    (
        "close",
        "messenger",
        full_disk_before!("UPDATE ON chats WHEN new.state = 'ended'"),
        "DROP TRIGGER fails",
    ),
];

/// A press is stored without the messenger, and waits for it for a while. Then it is not in the queue.
const WITHOUT_MESSENGER: &[&str] = &["press", "take"];

/// Holds the write lock of a service's database until it is dropped.
fn lock(system: &System, service: &str) -> Connection {
    let database = open(&system.database(service));
    database.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    database
}

/// What the console is told.
async fn shown(agency: &Agency) -> Value {
    agency.support.get("/messenger/canary").await.json(200)
}

async fn metrics(system: &System) -> String {
    let sidecar = system.sidecar_door(0);
    let reply = sidecar.send("GET", "/metrics", None, None).await;
    String::from_utf8(reply.body.to_vec()).expect("UTF-8")
}

/// Its organizer has nobody who could type a code, and would be red for ever.
#[tokio::test]
async fn the_canary_needs_no_second_factor_where_all_do() {
    is_green(&System::start_with(1, &["require_complete_accounts=all"]).await).await;
}

#[tokio::test]
async fn a_healthy_path_is_green_and_everybody_is_told() {
    let system = System::start(2).await;
    let agency = system.agency("Fest").await;
    agency.support.get("/messenger/canary").await.empty(204);
    assert!(!metrics(&system).await.contains("mayday_sidecar_canary"));

    is_green(&system).await;
    let run = shown(&agency).await;
    assert_eq!(run["ok"], true);
    assert_eq!(
        (&run["failedStep"], &run["failingSince"]),
        (&Value::Null, &Value::Null)
    );
    let metrics = metrics(&system).await;
    assert!(metrics.contains("\nmayday_sidecar_canary_ok 1\n"), "{metrics}");
    assert!(
        metrics.contains("\nmayday_sidecar_canary_age_seconds "),
        "{metrics}"
    );
    assert!(!metrics.contains("mayday_sidecar_canary_failed{"), "{metrics}");
    for step in STEPS {
        let line = format!("\nmayday_sidecar_canary_step_seconds{{step=\"{step}\"}} ");
        assert!(metrics.contains(&line), "{metrics}");
    }
}

#[tokio::test]
async fn the_canary_names_the_part_of_the_path_that_is_broken() {
    let mut system = System::on_files(1).await;
    let agency = system.agency("Fest").await;
    assert_eq!(BREAKS.map(|(step, ..)| step), STEPS, "each step has a break");
    for (step, service, breaks, mends) in BREAKS {
        let database = open(&system.database(service));
        database.execute_batch(breaks).expect("it breaks");
        let trace = is_red(&system, &[step]).await;
        // Whoever waits for a lock has nothing to log until the run has ended.
        if breaks != "BEGIN IMMEDIATE" {
            is_logged(&system, &trace).await;
        }
        database.execute_batch(mends).expect("it is mended");
        assert_eq!(shown(&agency).await["failedStep"], step);
        is_green_again(&system).await;
    }
    for (process, step) in [
        ("sidecar-1", "connect"),
        (system.first_host(), "prepare_organizer"),
    ] {
        system.signal(process, Signal::STOP);
        is_red(&system, &[step]).await;
        system.signal(process, Signal::CONT);
        is_green_again(&system).await;
    }

    // Nobody who needs help needs Redis or the dispatcher.
    system.signal("dispatcher", Signal::STOP);
    is_green(&system).await;
    system.signal("dispatcher", Signal::CONT);
    system.signal("redis", Signal::STOP);
    is_green(&system).await;
    // Redis cannot end while it is stopped.
    system.signal("redis", Signal::CONT);
    system.kill_and_wait("redis").await;
    is_green(&system).await;
    assert_eq!(shown(&agency).await["ok"], true);
}

#[tokio::test]
async fn the_canary_notices_a_broken_path_between_healthy_processes() {
    let system = System::start_with(1, &["messenger_url=http://127.0.0.1:1"]).await;
    let agency = system.agency("Fest").await;
    system.sidecars_are_ready().await;
    is_red(&system, &["take"]).await;
    let run = shown(&agency).await;
    assert_eq!(
        (&run["ok"], &run["failedStep"]),
        (&Value::Bool(false), &"take".into())
    );
    assert!(
        metrics(&system)
            .await
            .contains("\nmayday_sidecar_canary_failed{step=\"take\"} 1\n")
    );
    let since = run["failingSince"].clone();
    is_red(&system, &["take"]).await;
    let run = shown(&agency).await;
    assert_eq!(run["failingSince"], since);
    assert_ne!(run["checkedAt"], since);
}

/// To the services that issue tokens. The messenger needs both for a socket, so a run that lacks one does not come to
/// the press, for which the participant service needs the organizer.
#[tokio::test]
async fn the_canary_notices_that_a_service_is_not_reached() {
    for link in ["organizer_url", "participant_url"] {
        let system = System::start_with(1, &[&format!("{link}=http://127.0.0.1:1")]).await;
        system.sidecars_are_ready().await;
        is_red(&system, &["connect"]).await;
        let metrics = metrics(&system).await;
        let failed = "\nmayday_sidecar_canary_failed{step=\"connect\"} 1\n";
        assert!(metrics.contains(failed), "{link}: {metrics}");
    }
}

/// A canary that walks again and again, and what it logs.
struct Watch {
    log: Lines<BufReader<ChildStderr>>,
    /// The directory of the system's logs.
    logs: PathBuf,
    /// Where its own metrics are.
    door: Door,
    _child: Child,
}

impl Watch {
    async fn start(system: &System, pause: Duration) -> Watch {
        let every = pause.as_secs().to_string();
        let mut child = canary(system)
            .args(["--every", &every, "--metrics", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let line = timeout(DEADLINE, lines.next_line()).await.expect("it listens");
        let line = line.expect("UTF-8").expect("it runs");
        let origin = line
            .strip_prefix("Listening on ")
            .and_then(|url| url.strip_suffix("/metrics"));
        Watch {
            log: BufReader::new(child.stderr.take().expect("a pipe")).lines(),
            logs: system.logs(),
            door: Door::network(origin.expect("a URL")),
            _child: child,
        }
    }

    /// Waits until a line has one of these texts, and returns it.
    async fn says(&mut self, texts: &[&str], within: Duration) -> String {
        let deadline = Instant::now() + within;
        loop {
            let line = timeout_at(deadline, self.log.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("it does not say: {texts:?}"));
            let line = line.expect("UTF-8").expect("it runs");
            keep(&self.logs, &line);
            if texts.iter().any(|text| line.contains(text)) {
                return line;
            }
        }
    }

    /// Waits until it is red at one of these steps, as its own metrics then say, too. Returns the line.
    async fn is_red(&mut self, steps: &[&str], within: Duration) -> String {
        let texts: Vec<String> = steps
            .iter()
            .map(|step| format!("the canary is red: {step} failed"))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let line = self.says(&texts, within).await;
        let metrics = self.door.send("GET", "/metrics", None, None).await.text();
        let is_named =
            |step: &&str| metrics.contains(&format!("\nmayday_sidecar_canary_failed{{step=\"{step}\"}} 1\n"));
        assert!(steps.iter().any(is_named), "{metrics}");
        assert!(metrics.contains("\nmayday_sidecar_canary_ok 0\n"), "{metrics}");
        line
    }

    /// Waits until it is green, and the messenger has its report.
    async fn is_green(&mut self, agency: &Agency) {
        self.says(&["the canary is green"], 3 * DEADLINE).await;
        is_reported(agency, true).await;
    }
}

impl Drop for Watch {
    /// Keeps what nobody has waited for.
    fn drop(&mut self) {
        while let Some(Ok(Some(line))) = self.log.next_line().now_or_never() {
            keep(&self.logs, &line);
        }
    }
}

/// Waits until the console is told that the path is whole, or is not.
async fn is_reported(agency: &Agency, is_whole: bool) {
    let reported = async { while shown(agency).await["ok"] != is_whole {} };
    timeout(DEADLINE, reported).await.expect("the run is reported");
}

#[tokio::test]
async fn a_canary_that_watches_is_red_within_35_seconds() {
    let system = System::on_files(1).await;
    let agency = system.agency("Fest").await;
    let mut watch = Watch::start(&system, Duration::from_secs(30)).await;
    watch.says(&["the canary is green"], DEADLINE).await;
    let lock = lock(&system, "participant");
    watch.is_red(&["prepare_participant"], RED_WITHIN).await;
    drop(lock);
    is_reported(&agency, false).await;
    assert_eq!(shown(&agency).await["failedStep"], "prepare_participant");

    // What the messenger cannot store is not reported. Then the age grows, and from 35 s on it is red for people.
    drop(watch);
    is_green_again(&system).await;
    let database = open(&system.database("messenger"));
    let aged = "UPDATE canary SET checked_at = checked_at - 36000";
    database.execute(aged, ()).expect("a table");
    database.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let found = walk(&system).await;
    let is_reported = !found.errors.contains("did not take the canary's report");
    assert!(!found.is_green && !is_reported, "{found:?}");
    let run = shown(&agency).await;
    assert_eq!(run["ok"], true);
    assert!(run["ageSeconds"].as_i64() > Some(35), "{run}");
    let metrics = metrics(&system).await;
    let age = metrics
        .lines()
        .find_map(|line| line.strip_prefix("mayday_sidecar_canary_age_seconds "));
    let age: f64 = age.expect("an age").parse().expect("a number");
    assert!(age > 35.0, "{age}");
}

/// Also where nobody can be told but by the canary itself, because the messenger or its host is broken.
#[tokio::test]
async fn a_canary_that_watches_names_each_part_that_breaks() {
    // What breaks shows 5 s after the next run at the latest, as it does within 35 s where a run begins every 30 s.
    // Each part breaks between two runs: in a run under way, a later step would fail. So runs are farther apart than
    // one takes on a busy machine.
    const PAUSE: Duration = Duration::from_secs(5);
    let within = RED_WITHIN - Duration::from_secs(30) + PAUSE;
    let system = System::on_files(1).await;
    let agency = system.agency("Fest").await;
    is_green(&system).await;
    let mut watch = Watch::start(&system, PAUSE).await;
    watch.is_green(&agency).await;

    system.signal("sidecar-1", Signal::STOP);
    watch.is_red(&["connect"], within).await;
    is_reported(&agency, false).await;
    system.signal("sidecar-1", Signal::CONT);
    watch.is_green(&agency).await;

    let lock = lock(&system, "messenger");
    let line = watch.is_red(WITHOUT_MESSENGER, within).await;
    drop(lock);
    is_logged(&system, &trace_of(&line).expect("an id")).await;
    watch.is_green(&agency).await;

    system.signal(system.first_host(), Signal::STOP);
    watch.is_red(&["prepare_organizer"], within).await;
    system.signal(system.first_host(), Signal::CONT);
    watch.is_green(&agency).await;
}

/// Waits until a canary's own metrics say that the path is whole.
async fn shows_green(canary: &Door) {
    let is_shown = async || {
        let reply = canary.try_send_as("GET", "/metrics", None, "").await;
        reply.is_ok_and(|reply| reply.text().contains("\nmayday_sidecar_canary_ok 1\n"))
    };
    let green = async {
        while !is_shown().await {
            // There is no event to wait for: the process starts and walks.
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, green).await.expect("a green run");
}

#[tokio::test]
async fn a_restarted_canary_serves_its_metrics_at_the_address_that_up_has_told() {
    let mut system = System::in_environment(1, &[("MAYDAY_UP_CANARY", "true")]).await;
    let canary = system.canary_door();
    shows_green(&canary).await;
    system.kill_and_wait("canary").await;
    shows_green(&canary).await;
}

/// The lists and figures that might show a canary.
async fn lists(system: &System, agency: &Agency) -> Vec<Value> {
    let superadmin = system.superadmin().await;
    let person = people::sign_up(&system.door, &format!("{}@example.org", uuid::Uuid::now_v7())).await;
    let mut lists = Vec::new();
    for path in [
        "/organizer/admin/agencies",
        "/organizer/admin/agencies?limit=100&cursor=-9000000000000000",
        "/organizer/admin/users",
        "/organizer/admin/changelogs",
    ] {
        lists.push(superadmin.get(path).await.json(200));
    }
    for path in ["/participant/events", "/participant/events?query=canary"] {
        lists.push(person.get(path).await.json(200));
    }
    for path in [
        "/organizer/agency/users",
        "/organizer/agency/events",
        "/organizer/agency/changelogs",
        "/messenger/agency/chats",
        "/messenger/agency/chats?limit=100",
    ] {
        lists.push(agency.owner.get(path).await.json(200));
    }
    // Those of the last day, which begins later each time.
    let mut figures = agency.owner.get("/messenger/statistics").await.json(200);
    for moves in ["from", "to", "series"] {
        let removed = figures.as_object_mut().expect("an object").remove(moves);
        assert!(removed.is_some(), "{moves}");
    }
    lists.push(figures);
    lists
}

/// The tables with rows of the canary, and how many each has.
const ROWS: [(&str, &str, &str, i64); 16] = [
    ("organizer", "agencies", "id", 1),
    ("organizer", "users", "id", 1),
    ("organizer", "events", "id", 1),
    ("organizer", "changelogs", "agency_id", 0),
    ("participant", "participants", "id", 1),
    ("participant", "known_events", "id", 1),
    ("participant", "outbox", "participant_id", 0),
    ("participant", "locks", "participant_id", 0),
    ("participant", "presses", "participant_id", 0),
    ("participant", "contact_changes", "participant_id", 0),
    ("messenger", "chats", "agency_id", 1),
    ("messenger", "contacts", "participant_id", 1),
    ("messenger", "forgotten_participants", "participant_id", 0),
    // What a sidecar has carried out late is forgotten with a tick, after a minute.
    ("messenger", "waiting_organizers", "organizer_id", 1),
    ("messenger", "withdrawn_presses", "agency_id", 0),
    ("messenger", "lock_releases", "participant_id", 0),
];

/// Makes what earlier runs have left so old that it can go.
fn age(system: &System) {
    for (service, change) in [
        (
            "organizer",
            "UPDATE users SET time_created = time_created - 61000 WHERE id < 0",
        ),
        (
            "participant",
            "UPDATE participants SET time_created = time_created - 61000 WHERE id < 0",
        ),
        (
            "participant",
            "UPDATE known_events SET verified_at = verified_at - 61000 WHERE id < 0",
        ),
        (
            "messenger",
            "UPDATE chats SET pressed_at = pressed_at - 61000 WHERE agency_id < 0",
        ),
        (
            "messenger",
            "UPDATE attendance SET seen_at = seen_at - 61000 WHERE organizer_id < 0",
        ),
    ] {
        open(&system.database(service))
            .execute(change, ())
            .expect("a table");
    }
}

fn open(file: &Path) -> Connection {
    Connection::open(file).expect("a database")
}

/// Waits until the press of a run that failed is delivered. Nobody is told of that: the organizer of the run has left.
async fn outbox_is_empty(system: &System) {
    let outbox = open(&system.database("participant"));
    let waits = || outbox.query_row("SELECT EXISTS (SELECT 1 FROM outbox)", (), |row| row.get(0));
    let empty = async {
        while waits().expect("a table") {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, empty).await.expect("presses are delivered");
}

#[tokio::test]
async fn no_list_shows_the_canary_and_its_rows_do_not_pile_up() {
    let system = System::on_files(1).await;
    let agency = system.agency("Fest").await;
    let before = lists(&system, &agency).await;
    for _ in 0..10 {
        is_green(&system).await;
    }
    // A run that does not get far leaves more behind.
    let lock = lock(&system, "messenger");
    is_red(&system, WITHOUT_MESSENGER).await;
    drop(lock);
    is_green_again(&system).await;
    assert_eq!(lists(&system, &agency).await, before);

    outbox_is_empty(&system).await;
    age(&system);
    is_green(&system).await;
    for (service, table, id, rows) in ROWS {
        let count = format!("SELECT count(*) FROM {table} WHERE {id} < 0");
        let found: i64 = open(&system.database(service))
            .query_row(&count, (), |row| row.get(0))
            .expect("a table");
        assert!(found <= rows, "{table} has {found} rows of the canary");
    }
}
