//! Guests and copies of events are removed when they are older than their settings say, and the record of the
//! administrators says so.

use serde_json::{Value, json};

use super::{change, count, tick};
use crate::support::components::{Components, ORGANIZER_KEY, PARTICIPANT_KEY};
use crate::support::door::Door;
use crate::support::people::{self, Person};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Adds guests who have last signed in so many days ago.
fn add_guests(components: &Components, number: i64, days: i64) {
    change(
        components,
        "participant",
        &format!(
            "INSERT INTO participants (email, password_hash, time_created, time_sign_out, is_guest, active_at)
             WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {number})
             SELECT printf('guest %d of day %d', n, {days}), '', 0, 0, 1, (unixepoch() - {days} * 86400) * 1000
             FROM number"
        ),
    );
}

/// Adds the copy of an event that was confirmed so many days ago.
fn add_event(components: &Components, id: i64, days: i64) {
    change(
        components,
        "participant",
        &format!("INSERT INTO known_events VALUES ({id}, {id}, (unixepoch() - {days} * 86400) * 1000)"),
    );
}

/// The start of the day so many days ago, as the record has it.
fn start_of_day(components: &Components, days: i64) -> String {
    let today = count(components, "participant", "SELECT unixepoch() / 86400 * 86400000");
    let time = chrono::DateTime::from_timestamp_millis(today - days * DAY).expect("a time");
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// What the record of the administrators says of removals, but for the ids of the reports. Its chain must hold.
async fn recorded(superadmin: &Person) -> Vec<Value> {
    let verdict = superadmin.get("/organizer/admin/changelogs/verify").await;
    let verdict = verdict.json(200);
    assert_eq!(verdict["holds"], true, "{verdict}");
    let rows = superadmin.get("/organizer/admin/changelogs").await.list();
    let of_nobody = rows.into_iter().filter(|row| row["userId"] == 0);
    of_nobody
        .map(|row| {
            assert_eq!(
                [
                    &row["entityClass"],
                    &row["entityId"],
                    &row["type"],
                    &row["agencyId"]
                ],
                [&json!("Agency"), &json!(0), &json!("update"), &Value::Null]
            );
            let value = row["valueAfter"].as_str().expect("a text");
            let mut value: Value = serde_json::from_str(value).expect("JSON");
            let report_id = value.as_object_mut().expect("an object").remove("reportId");
            assert!(report_id.is_some_and(|id| id.is_string()), "{value}");
            value
        })
        .collect()
}

fn removals(components: &Components) -> i64 {
    count(components, "participant", "SELECT count(*) FROM removals")
}

/// No tick removes much at once, and the record gets one row for all of them, without ids.
#[tokio::test]
async fn guests_and_copies_of_events_are_removed_and_the_record_says_how_many() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    tick(&components).await;
    assert_eq!(recorded(&superadmin).await, Vec::<Value>::new());

    people::sign_up(&components.door, "anna@example.org").await;
    add_guests(&components, 120, 31);
    add_guests(&components, 3, 29);
    add_event(&components, 1001, 2);
    add_event(&components, 1002, 400);
    add_event(&components, 1003, 0);
    let mut ticks = 0;
    while removals(&components) > 0 || ticks == 0 {
        tick(&components).await;
        ticks += 1;
        assert!(ticks < 10, "{} removals wait", removals(&components));
    }
    let left = |table: &str| {
        count(
            &components,
            "participant",
            &format!("SELECT count(*) FROM {table}"),
        )
    };
    assert_eq!((left("participants"), left("known_events")), (4, 1));
    let guests = json!({"removedGuests": 120, "lastSeenBefore": start_of_day(&components, 30)});
    let events = json!({"removedKnownEvents": 2, "lastSeenBefore": start_of_day(&components, 1)});
    assert_eq!(recorded(&superadmin).await, [guests, events]);

    for _ in 0..3 {
        tick(&components).await;
    }
    assert_eq!(recorded(&superadmin).await.len(), 2, "once a day");
    let rows = agency.owner.get("/organizer/agency/changelogs").await.list();
    assert!(rows.iter().all(|row| row["userId"] != 0), "{rows:?}");
}

/// The canary deletes by itself what it has added, and no figure counts it.
#[tokio::test]
async fn the_rows_of_the_canary_are_neither_removed_nor_recorded() {
    let components = Components::start();
    let canary = json!({"id": -7});
    let path = "/participant/internal/canary";
    let door = &components.door;
    door.send("POST", path, Some(PARTICIPANT_KEY), Some(&canary))
        .await
        .json(201);
    add_event(&components, -7, 400);
    for _ in 0..3 {
        tick(&components).await;
    }
    for table in ["participants", "known_events"] {
        let rows = format!("SELECT count(*) FROM {table} WHERE id < 0");
        assert_eq!(count(&components, "participant", &rows), 1, "{table}");
    }
    assert_eq!(removals(&components), 0);
    let superadmin = components.superadmin().await;
    assert_eq!(recorded(&superadmin).await, Vec::<Value>::new());
}

/// A removal that could not be recorded is recorded later, and one whose confirmation was lost only once.
#[tokio::test]
async fn a_removal_of_guests_is_recorded_once_whatever_breaks_in_between() {
    let components = Components::start();
    let superadmin = components.superadmin().await;
    tick(&components).await;
    add_guests(&components, 1, 31);
    let without_organizer = components.host_with(&["participant", "messenger"]);
    for _ in 0..2 {
        knock(&without_organizer).await;
    }
    let guests = "SELECT count(*) FROM participants";
    assert_eq!(count(&components, "participant", guests), 0);
    assert_eq!(recorded(&superadmin).await, Vec::<Value>::new());
    assert_eq!(
        count(&components, "participant", "SELECT attempts FROM removals"),
        1
    );

    let database = rusqlite::Connection::open(components.database("participant")).expect("a database");
    let (report_id, last_seen_before): (String, i64) = database
        .query_row("SELECT report_id, last_seen_before FROM removals", (), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .expect("a report");
    let report = json!({"removals": [
        {"id": report_id, "lastSeenBefore": last_seen_before, "guests": 1, "knownEvents": 0},
    ]});
    // As if the participant service had ended after the organizer's commit.
    for _ in 0..2 {
        let path = "/organizer/api/removals";
        let recording = components
            .door
            .send("POST", path, Some(ORGANIZER_KEY), Some(&report));
        recording.await.empty(200);
    }
    change(&components, "participant", "UPDATE removals SET due_at = 0");
    tick(&components).await;
    assert_eq!(removals(&components), 0);
    let row = json!({"removedGuests": 1, "lastSeenBefore": start_of_day(&components, 30)});
    assert_eq!(recorded(&superadmin).await, [row]);
}

/// A setting that cannot be read stops the removal, and nothing else of the tick.
#[tokio::test]
async fn a_retention_that_is_no_number_of_days_removes_nothing_and_is_told() {
    let components = Components::with(
        &["participant", "messenger"],
        &[("retention_guest_days", "a month")],
    );
    let person = people::sign_up(&components.door, "p@example.org").await;
    add_guests(&components, 1, 400);
    let without_messenger = components.host_with(&["participant"]);
    let body = json!({"password": people::PARTICIPANT_PASSWORD});
    let path = "/participant/profile";
    let deleted = without_messenger.send("DELETE", path, Some(&person.token), Some(&body));
    deleted.await.json(200);
    let waiting = "SELECT count(*) FROM contact_changes";
    assert_eq!(count(&components, "participant", waiting), 1);
    change(
        &components,
        "participant",
        "UPDATE contact_changes SET due_at = 0",
    );

    let path = "/participant/internal/tick";
    let ticked = components.door.send("POST", path, Some(PARTICIPANT_KEY), None);
    ticked.await.error(500, "database error");
    let guests = "SELECT count(*) FROM participants";
    assert_eq!(count(&components, "participant", guests), 1);
    assert_eq!(count(&components, "participant", waiting), 0);
    let log = components.log("participant");
    let line = "variable retention_guest_days must be a whole number of days up to 36500, or 0 for ever";
    assert!(log.contains(line), "{log}");
}

async fn knock(door: &Door) {
    door.send("POST", "/participant/internal/tick", Some(PARTICIPANT_KEY), None)
        .await
        .empty(200);
}
