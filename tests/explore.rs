//! Schemathesis (PyPI) explores each service: it sends what the document permits, and what it does not, and checks
//! every answer against the document. First callers with the right token ask, also in sequences where a request takes
//! ids from the answers before, then callers without a token. `explore/hooks.py` says who they are. With the same
//! versions and the same seed it sends the same requests. Logs are searched for the secrets that it sends or is
//! answered.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use mayday_tests::programs::{python, workspace};
use mayday_tests::secrecy;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::people;
use crate::support::socket::Socket;
use crate::support::system::System;

const SEED: &str = "17";

/// What every answer must be: no failure, and as documented.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

/// That other methods are answered 405 and `Allow`. The organizer service answers 404 (contract 2.5).
const METHODS: &str = "unsupported_method";

/// That strangers ask for all that needs a token and are refused, a check of `explore/hooks.py`.
const REFUSAL: &str = "StrangersAreRefused";

/// How often strangers ask for each operation: without and with an id of what exists, in each of six ways.
const OF_STRANGERS: u32 = 12;

/// How many sequences of requests there are.
const SEQUENCES: u32 = 20;

/// Explores a service with so many random requests for each operation, besides those at the bounds of its document.
/// Strangers send random requests only: they get nowhere near what bounds are for.
async fn explore(service: &str, requests: u32) {
    // Schemathesis says in a header where a request comes from, so that it is not throttled like a single client.
    let system = System::start_with(1, &["client_address_header=x-forwarded-for"]).await;
    let mut setting = setting(&system, service).await;
    let document = format!("{}/{service}/openapi.json", system.door.origin());
    let checks = match service {
        "organizer" => CHECKS.to_owned(),
        _ => format!("{CHECKS},{METHODS}"),
    };
    let phases = "examples,coverage,fuzzing";
    schemathesis(&document, &setting, &checks, phases, requests).await;
    schemathesis(&document, &setting, CHECKS, "stateful", SEQUENCES).await;
    setting["strangers"] = true.into();
    let checks = format!("{CHECKS},{REFUSAL}");
    schemathesis(&document, &setting, &checks, "fuzzing", OF_STRANGERS).await;
}

/// Runs schemathesis, which must find nothing.
async fn schemathesis(document: &str, setting: &Value, checks: &str, phases: &str, requests: u32) {
    let python = python("explore").expect("run the tests with `cargo xtask test`");
    let folder = tempfile::tempdir().expect("a folder");
    let exchanges = folder.path().join("exchanges");
    let output = Command::new(python.with_file_name("schemathesis"))
        .arg("--config-file")
        .arg(workspace().join("tests/explore/schemathesis.toml"))
        .args(["run", document])
        .args(["--checks", checks, "--phases", phases])
        .args(["--seed", SEED, "--max-examples", &requests.to_string()])
        .args(["--max-redirects", "0"])
        .args(["--generation-database", "none", "--suppress-health-check", "all"])
        .args(["--continue-on-failure", "--warnings", "off", "--no-color"])
        .current_dir(&folder)
        .env("SCHEMATHESIS_HOOKS", workspace().join("tests/explore/hooks.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("MAYDAY_SETTING", setting.to_string())
        .env("MAYDAY_EXCHANGES", &exchanges)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("a program");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    println!("{text}");
    note(&exchanges);
}

/// Notes what is secret in requests and answers, as `explore/hooks.py` has written them down.
fn note(exchanges: &Path) {
    let lines = fs::read_to_string(exchanges).expect("requests");
    for line in lines.lines() {
        let exchange: Value = serde_json::from_str(line).expect("JSON");
        secrecy::note_query(exchange["url"].as_str().expect("text"));
        if let Some(header) = exchange["authorization"].as_str() {
            secrecy::note_credentials(header);
        }
        secrecy::note_sent(&exchange["sent"]);
        secrecy::note_answered(&exchange["answered"]);
    }
}

/// Who there is, and what exists: an agency with an event, an open chat and a closed one.
async fn setting(system: &System, service: &str) -> Value {
    let secrets = fs::read(system.state_directory().join("secrets.json")).expect("secrets");
    let secrets: Value = serde_json::from_slice(&secrets).expect("JSON");
    let superadmin = system.superadmin().await;
    let agency = system.agency("Fest").await;
    let participant = people::sign_up(&system.door, "p@example.org").await;
    let mut support = Socket::open("support", system.sidecar(0), &agency.support).await;
    let mut chats = Vec::new();
    for closes in [true, false] {
        participant.press_help(agency.event_id, "Help").await.empty(200);
        support.send("start_chat", "".into()).await;
        let chat = support.expect("new_chat").await["id"].clone();
        support.expect_message().await;
        if closes {
            support.send("close_chat", json!({"chatId": chat})).await;
            support.expect("closed_chat").await;
        }
        chats.push(chat);
    }
    json!({
        "service": service,
        "strangers": false,
        "api": system.door.origin(),
        "tokens": {
            "superadmin": superadmin.token,
            "owner": agency.owner.token,
            "participant": participant.token,
        },
        "key": secrets[format!("{service}Key")],
        "owner": people::registration("Own")["owner"],
        "chats": chats,
        // Above the ids of people and agencies above.
        "spare": 10,
    })
}

/// It has 72 operations, the others 19 and 10, so each service gets about as many requests in about the same time.
#[tokio::test]
async fn the_organizer_service_keeps_to_its_document() {
    explore("organizer", 20).await;
}

#[tokio::test]
async fn the_participant_service_keeps_to_its_document() {
    explore("participant", 100).await;
}

#[tokio::test]
async fn the_messenger_service_keeps_to_its_document() {
    explore("messenger", 100).await;
}
