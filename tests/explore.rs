//! Schemathesis (PyPI) explores each service: it sends what the document permits, and what it does not, and checks
//! every answer against the document. `explore/hooks.py` says who asks. With the same versions and the same seed it
//! sends the same requests.

use std::process::Stdio;

use mayday_tests::programs::{python, workspace};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::people;
use crate::support::socket::Socket;
use crate::support::system::System;

const SEED: &str = "17";

/// What every answer must be: no failure, and as documented.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

/// Explores a service with so many random requests for each operation, besides those at the bounds of its document.
async fn explore(service: &str, requests: u32) {
    let python = python("explore").expect("run the tests with `cargo xtask test`");
    // Schemathesis says in a header where a request comes from, so that it is not throttled like a single client.
    let system = System::start_with(1, &["client_address_header=x-forwarded-for"]).await;
    let setting = setting(&system, service).await;
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(python.with_file_name("schemathesis"))
        .arg("--config-file")
        .arg(workspace().join("tests/explore/schemathesis.toml"))
        .arg("run")
        .arg(format!("{}/{service}/openapi.json", system.door.origin()))
        .args([
            "--checks",
            CHECKS,
            "--seed",
            SEED,
            "--max-examples",
            &requests.to_string(),
        ])
        .args(["--phases", "examples,coverage,fuzzing", "--max-redirects", "0"])
        .args(["--generation-database", "none", "--suppress-health-check", "all"])
        .args(["--continue-on-failure", "--warnings", "off", "--no-color"])
        .current_dir(&folder)
        .env("SCHEMATHESIS_HOOKS", workspace().join("tests/explore/hooks.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("MAYDAY_SETTING", setting.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("a program");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    println!("{text}");
}

/// Who there is, and what exists: an agency with an event, an open chat and a closed one.
async fn setting(system: &System, service: &str) -> Value {
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
        "api": system.door.origin(),
        "tokens": {
            "superadmin": superadmin.token,
            "owner": agency.owner.token,
            "participant": participant.token,
        },
        "owner": people::registration("Own")["owner"],
        "chats": chats,
        // Above the ids of people and agencies above.
        "spare": 10,
    })
}

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
