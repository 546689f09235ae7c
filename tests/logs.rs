//! One id through everything: the trace of a request is in the log lines of all processes, and in every 5xx. Logs hold
//! ids and no secrets: `secrecy` checks that of every system that a test starts. Where a collector is named,
//! the spans of a trace are exported to it.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::support::DEADLINE;
use crate::support::components::Components;
use crate::support::door::take_trace_id;
use crate::support::people::{self, ORGANIZER_PASSWORD, PARTICIPANT_PASSWORD, Person};
use crate::support::socket::Socket;
use crate::support::system::System;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn traceparent(trace: &str) -> String {
    format!("00-{trace}-b7ad6b7169203331-01")
}

/// Presses help with a trace context.
async fn press(person: &Person, event_id: i64, traceparent: &str) -> u16 {
    let authorization = format!("Bearer {}", person.token);
    let headers = [
        ("content-type", "application/json"),
        ("authorization", &authorization),
        ("traceparent", traceparent),
    ];
    let body =
        json!({"eventId": event_id, "description": "Lost my friend", "lat": 50.062345, "lng": 19.945678});
    let path = "/participant/chat-requests";
    let reply = person.door().send_with("POST", path, &headers, body.to_string());
    reply.await.status
}

/// The structured log of a system so far, each line of which must be an object with the common members.
fn structured(system: &System) -> Vec<Value> {
    let log = system.log();
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = whole.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for member in ["time", "level", "process", "message"] {
            assert!(line[member].is_string(), "{member} is missing: {line}");
        }
        line
    });
    lines.collect()
}

/// Waits for a line of the structured log.
pub(crate) async fn logged(system: &System, is_meant: impl Fn(&Value) -> bool) -> Value {
    let found = async {
        loop {
            if let Some(line) = structured(system).into_iter().find(&is_meant) {
                return line;
            }
            // There is no event to wait for: a file grows.
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, found)
        .await
        .unwrap_or_else(|_| panic!("{}", system.log()))
}

#[tokio::test]
async fn the_id_of_a_press_is_in_the_structured_log_of_every_service() {
    let system = System::with_structured_log(1).await;
    let agency = system.agency("Fest").await;
    let person = people::sign_up(&system.door, "p@example.org").await;
    assert_eq!(press(&person, agency.event_id, &traceparent(TRACE)).await, 200);
    let of_the_press = |component: &'static str| {
        move |line: &Value| line["traceId"] == TRACE && line["component"] == component
    };
    let stored = logged(&system, of_the_press("participant")).await;
    assert_eq!(stored["process"], system.first_host());
    assert_eq!(stored["user"], format!("participant/{}", person.id));
    let queued = logged(&system, of_the_press("messenger")).await;
    let text = stored["message"].as_str().expect("text");
    let request_id = text.split(' ').nth(1).expect("an id");
    assert_eq!(queued["message"], format!("requests are queued: {request_id}"));

    let mut support = Socket::open("support", system.sidecar(0), &agency.support)
        .await
        .without_queues();
    support.send("start_chat", "".into()).await;
    let chat_id = support.expect("new_chat").await["id"].clone();
    let chat_id = chat_id.as_str().expect("text");
    assert_eq!(
        support.expect_message().await,
        "Problem description: Lost my friend"
    );
    support.say(chat_id, "Where did you lose them?").await;
    assert_eq!(support.expect_message().await, "Where did you lose them?");
    let user = format!("organizer/{}", agency.support.id);
    let connected = logged(&system, |line| {
        line["process"] == "sidecar-1" && line["user"] == user
    });
    let connected = connected.await;
    assert_eq!(connected["message"], "connected");
    assert_eq!(connected["traceId"].as_str().map(str::len), Some(32));
}

#[tokio::test]
async fn a_malformed_trace_context_is_replaced() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let malformed = [
        "",
        "what?",
        &traceparent(&"0".repeat(32)),
        &traceparent(&TRACE.to_uppercase()),
    ];
    for (number, traceparent) in malformed.iter().enumerate() {
        let person = people::sign_up(&components.door, &format!("p{number}@example.org")).await;
        assert_eq!(press(&person, agency.event_id, traceparent).await, 200);
        let log = components.log("participant");
        let user = format!(" user=participant/{}: request ", person.id);
        let line = log.lines().find(|line| line.contains(&user)).expect("a line");
        let (_, trace) = line.split_once(" traceId=").expect("an id");
        let trace = &trace[..32];
        assert!(trace.bytes().all(|digit| digit.is_ascii_hexdigit()), "{line}");
        assert!(
            !trace.eq_ignore_ascii_case(TRACE) && trace != "0".repeat(32),
            "{line}"
        );
        assert!(components.log("messenger").contains(trace), "{trace}");
    }
}

#[tokio::test]
async fn a_5xx_has_the_id_of_its_trace() {
    let components = Components::start();
    let person = people::sign_up(&components.door, "p@example.org").await;
    let alone = components.host_with(&["participant"]);
    let authorization = format!("Bearer {}", person.token);
    let headers = [
        ("authorization", &*authorization),
        ("traceparent", &traceparent(TRACE)),
    ];
    let reply = alone.send_with("GET", "/participant/events", &headers, "").await;
    let mut body = reply.json(503);
    assert_eq!(take_trace_id(&mut body), TRACE);
    assert_eq!(body["message"], "api error");
    let log = components.log("participant");
    let line = log.lines().find(|line| line.contains("does not answer"));
    assert!(line.is_some_and(|line| line.contains(TRACE)), "{log}");
}

#[tokio::test]
async fn sign_ins_are_logged_without_their_secrets() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let person = people::sign_up(&components.door, "p@example.org").await;
    for (service, email, user, right, wrong) in [
        (
            "organizer",
            &agency.owner.email,
            format!("organizer/{}", agency.owner.id),
            ORGANIZER_PASSWORD,
            "an unlikely password",
        ),
        (
            "participant",
            &person.email,
            format!("participant/{}", person.id),
            PARTICIPANT_PASSWORD,
            "an unlikely password",
        ),
    ] {
        let sign_in = async |email: &str, password: &str| {
            // Every line is due.
            let database = Connection::open(components.database(service)).expect("a database");
            database.execute("DELETE FROM notices", ()).expect("a table");
            let body = json!({"email": email, "password": password});
            let path = format!("/{service}/auth/sign-in");
            let reply = components.door.send("POST", &path, None, Some(&body)).await;
            let log = components.log(service);
            (reply.status, log.lines().last().unwrap_or_default().to_owned())
        };
        let (status, line) = sign_in(email, right).await;
        assert_eq!(status, 200);
        assert!(line.ends_with(&format!(" user={user}: signed in")), "{line}");
        let (_, line) = sign_in(email, wrong).await;
        assert!(
            line.contains(&format!(": wrong password for {user}, from 127.0.0.1")),
            "{line}"
        );
        let (_, line) = sign_in("nobody@example.org", wrong).await;
        assert!(
            line.contains(": wrong password for an unknown account, from"),
            "{line}"
        );
    }
}

/// A path of each service, and how it refuses strangers.
const REFUSED: [(&str, u16); 3] = [
    ("/organizer/agency/users", 403),
    ("/participant/profile", 401),
    ("/messenger/agency/chats", 401),
];

/// Whoever is refused as often as they like must not fill the log.
#[tokio::test]
async fn refused_callers_are_logged_at_most_so_often() {
    let components = Components::start();
    components.superadmin().await;
    for (path, status) in REFUSED {
        let (_, service_path) = path[1..].split_once('/').expect("a path");
        let service = path[1..].split('/').next().expect("a service");
        let line = format!(" WARN {service} traceId=");
        let text = format!(": {status} to GET /{service_path}, from 127.0.0.1");
        let refused = || {
            let log = components.log(service);
            let lines = log.lines().filter(|logged| logged.contains(&text));
            let lines = lines.inspect(|logged| assert!(logged.contains(&line), "{logged}"));
            lines.count()
        };
        let ask = || {
            components
                .door
                .send("GET", path, Some("organizer:made.up.token-of-nobody"), None)
        };
        assert_eq!(ask().await.status, status);
        assert_eq!(refused(), 1, "{path}");
        let database = Connection::open(components.database(service)).expect("a database");
        // The pause is a second, and the machine may be slow.
        loop {
            let (logged, began) = (refused(), Instant::now());
            let now = "UPDATE notices SET printed_at = cast(unixepoch('subsec') * 1000 as integer)";
            database.execute(now, ()).expect("a notice");
            assert_eq!(ask().await.status, status);
            if began.elapsed() < Duration::from_secs(1) {
                assert_eq!(refused(), logged, "{path}");
                break;
            }
        }
        // The last line is an hour old, or the clock was set back by an hour since.
        for moved_by in [-3_600_000, 3_600_000] {
            let logged = refused();
            let sql = "UPDATE notices SET printed_at = printed_at + ?1";
            database.execute(sql, [moved_by]).expect("a notice");
            assert_eq!(ask().await.status, status);
            assert_eq!(refused(), logged + 1, "{path}");
        }
    }
}

/// What needs no guess costs no access to a database.
#[tokio::test]
async fn callers_without_credentials_are_refused_without_a_line() {
    let components = Components::start();
    components.superadmin().await;
    for (path, status) in REFUSED {
        for token in [None, Some("organizer:a.b.c")] {
            let refused = components.door.send("GET", path, token, None).await;
            assert_eq!(refused.status, status, "{path}");
        }
        let service = path[1..].split('/').next().expect("a service");
        let log = components.log(service);
        assert!(!log.contains(&format!(": {status} to GET ")), "{log}");
    }
}

#[tokio::test]
async fn throttled_guesses_are_logged() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let body = json!({"email": agency.owner.email, "password": "an unlikely password"});
    let mut last = 400;
    while last == 400 {
        let guess = components
            .door
            .send("POST", "/organizer/auth/sign-in", None, Some(&body));
        last = guess.await.status;
    }
    assert_eq!(last, 429);
    let log = components.log("organizer");
    assert!(
        log.contains(": 429 to POST /auth/sign-in, from 127.0.0.1"),
        "{log}"
    );
}

/// A collector of OpenTelemetry. Returns its origin, and the bodies of exports.
async fn collector() -> (String, mpsc::UnboundedReceiver<Bytes>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, exports) = mpsc::unbounded_channel();
    let export = async move |body: Bytes| {
        // The test may have ended.
        let _ = sender.send(body);
        Bytes::new()
    };
    let router = Router::new().route("/v1/traces", post(export));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (origin, exports)
}

#[tokio::test]
async fn spans_of_host_and_sidecar_are_exported_where_a_collector_is_named() {
    const PRESS: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
    const SOCKET: u128 = 0x1bf7_6519_16cd_43dd_8448_eb21_1c80_319d;
    let (origin, mut exports) = collector().await;
    let environment = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*origin),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    let system = System::in_environment(1, &environment).await;
    let agency = system.agency("Fest").await;
    let person = people::sign_up(&system.door, "p@example.org").await;
    let traceparent = |trace: u128| format!("00-{trace:032x}-b7ad6b7169203331-01");
    let authorization = format!("Bearer {}", person.token);
    let headers = [
        ("authorization", &*authorization),
        ("traceparent", &traceparent(PRESS)),
    ];
    let body = json!({"eventId": agency.event_id, "description": "Lost my friend"}).to_string();
    let path = "/participant/chat-requests";
    let pressed = system.door.send_with("POST", path, &headers, body).await;
    assert_eq!(pressed.status, 200);
    let handshake = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("traceparent", &traceparent(SOCKET)),
    ];
    let sidecar = system.sidecar_door(0);
    let upgraded = sidecar.send_with("GET", "/connect", &handshake, "").await;
    assert_eq!(upgraded.status, 101);

    // In an export ids and names are as they are.
    let contains = |export: &[u8], part: &[u8]| export.windows(part.len()).any(|found| found == part);
    let mut missing = vec![
        (PRESS, "mayday-host", "POST /participant"),
        // The organizer is asked for the event, and the messenger is told of the press.
        (PRESS, "mayday-host", "chained organizer"),
        (PRESS, "mayday-host", "chained messenger"),
        (SOCKET, "mayday-sidecar", "GET /connect"),
    ];
    while !missing.is_empty() {
        let export = timeout(DEADLINE, exports.recv()).await;
        let export = export
            .unwrap_or_else(|_| panic!("{missing:?} are not exported"))
            .expect("exports");
        missing.retain(|(trace, service, name)| {
            let trace = trace.to_be_bytes();
            let parts = [&trace[..], service.as_bytes(), name.as_bytes()];
            !parts.iter().all(|part| contains(&export, part))
        });
    }
}
