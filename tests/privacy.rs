//! What a person can take along, and what is left of a deleted account, through real processes, and whether
//! docs/privacy.md names all tables and says which of them an export leaves out.

use std::collections::BTreeSet;
use std::fs;

use mayday_tests::schema::{columns, migrations, objects};
use mayday_tests::settings::SERVICES;
use rusqlite::Connection;
use serde_json::json;

use crate::support::components::workspace;
use crate::support::people::{self, PARTICIPANT_PASSWORD};
use crate::support::scan::mentions;
use crate::support::socket::Socket;
use crate::support::system::System;

fn page() -> String {
    fs::read_to_string(workspace().join("docs/privacy.md")).expect("the page")
}

/// The names in lists such as "chats`, `messages`", which begin after the first quote.
fn names<'a>(lists: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    lists
        .flat_map(|list| list.split(", "))
        .map(|name| name.trim_matches('`').to_owned())
        .collect()
}

/// The tables of a service's database.
fn tables(database: &Connection) -> BTreeSet<String> {
    let objects = objects(database).expect("objects");
    let tables = objects.into_iter().filter(|object| object.kind == "table");
    tables.map(|table| table.name).collect()
}

fn database(service: &str) -> Connection {
    let database = Connection::open_in_memory().expect("memory");
    for migration in migrations(service).expect("files") {
        database.execute_batch(&migration).expect("a migration");
    }
    database
}

/// docs/privacy.md has a list of tables for each database. None is missing, and none is there no more.
#[test]
fn the_page_names_every_table_of_every_database() {
    let page = page();
    for service in SERVICES {
        let (_, rest) = page
            .split_once(&format!("\n### `{service}`\n"))
            .expect("a heading");
        let rows = rest.split("\n##").next().unwrap_or_default().lines();
        let first_cells = rows.filter_map(|row| row.strip_prefix("| `")?.split(" |").next());
        assert_eq!(names(first_cells), tables(&database(service)), "{service}");
    }
}

/// What an export does not read is in a list of docs/privacy.md, with the reason.
#[test]
fn an_export_reads_every_table_but_those_that_the_page_leaves_out() {
    let page = page();
    let (_, section) = page.split_once("\n## Export\n").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("the next section");
    let points = section
        .lines()
        .filter_map(|line| line.strip_prefix("- `")?.split(':').next());
    let left_out = names(points);
    let mut found = BTreeSet::new();
    for (service, source) in [
        ("participant", "components/participant/src/store/export.rs"),
        ("messenger", "components/messenger/src/store/stored.rs"),
    ] {
        let source = fs::read_to_string(workspace().join(source)).expect("a source");
        let words: Vec<&str> = source.split_whitespace().collect();
        for table in tables(&database(service)) {
            let is_read = words.windows(2).any(|pair| pair == ["FROM", table.as_str()]);
            assert_ne!(is_read, left_out.contains(&table), "{service}: {table}");
            found.insert(table);
        }
    }
    assert!(left_out.is_subset(&found), "{left_out:?}");

    let organizer = database("organizer");
    for table in tables(&organizer) {
        let columns = columns(&organizer, &table).expect("columns");
        let names_participants = columns.iter().any(|column| column.name == "participant_id");
        assert!(!names_participants, "{table}");
    }
}

/// A guest presses, talks, signs in to an account, which presses as well, takes along everything and is deleted.
#[tokio::test]
async fn a_person_exports_everything_and_is_deleted_everywhere() {
    let system = System::on_files(1).await;
    let agency = system.agency("Fest").await;
    let (door, sidecar) = (&system.door, system.sidecar(0));
    let account = people::sign_up(door, "zuzanna@example.org").await;
    let guest = people::guest(door, "Zuza B.", "+48 600 700 800").await;
    guest
        .press_help(agency.event_id, "My friend has fainted")
        .await
        .empty(200);
    let mut support = Socket::open("support", sidecar, &agency.support).await;
    let mut phone = Socket::open("phone", sidecar, &guest).await;
    support.expect_nothing_yet().await;
    phone.expect_nothing_yet().await;
    support.send("start_chat", json!("")).await;
    let chat_id = support.expect("new_chat").await["id"].clone();
    let chat_id = chat_id.as_str().expect("an id");
    support.expect("user_message").await;
    support.say(chat_id, "An ambulance is coming").await;
    support.expect("user_message").await;
    phone.expect("new_chat").await;
    phone.say(chat_id, "Hurry, please").await;
    assert_eq!(support.expect("user_message").await["content"], "Hurry, please");
    let credentials = json!({"email": account.email, "password": PARTICIPANT_PASSWORD});
    let path = "/participant/auth/sign-in";
    door.send("POST", path, Some(&guest.token), Some(&credentials))
        .await
        .json(200);
    let note = support.expect("user_message").await;
    assert_eq!(
        note["content"],
        "Mayday: the guest has signed in as zuzanna@example.org."
    );
    support.send("close_chat", json!({"chatId": chat_id})).await;
    support.expect("closed_chat").await;
    account
        .press_help(agency.event_id, "Nobody has taken this yet")
        .await
        .empty(200);

    let export = account.get("/participant/profile/export").await.json(200);
    let text = export.to_string();
    for written in [
        "zuzanna@example.org",
        "My friend has fainted",
        "An ambulance is coming",
        "Hurry, please",
        "Nobody has taken this yet",
    ] {
        assert!(text.contains(written), "{written} is not in {export:#}");
    }
    assert!(
        !text.contains("password") && !text.contains("argon2"),
        "{export:#}"
    );

    let body = json!({"password": PARTICIPANT_PASSWORD}).to_string();
    door.send_raw("DELETE", "/participant/profile", Some(&account.token), body)
        .await
        .json(200);
    for service in ["organizer", "participant", "messenger"] {
        for gone in [
            "zuzanna@example.org",
            "+48555000111",
            "+48 600 700 800",
            "Zuza B.",
            "Nobody has taken this yet",
        ] {
            let left = mentions(&system.database(service), gone);
            assert_eq!(left, Vec::<String>::new(), "{gone} is in {service}");
        }
    }
    let archive = agency.support.archive("agency").await;
    assert_eq!(archive[0].get("participant"), None);
    let contents = agency.support.archived_contents("agency", chat_id).await;
    assert!(contents.contains(&"Hurry, please".to_owned()), "{contents:?}");
}
