//! Names, numbers and addresses of people are blanked in rows of the record that are older than
//! `retention_record_days`, and the record says so.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::http::{StatusCode, Uri};
use mayday_host::App;
use mayday_tests::databases::{Database, Databases};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::organizer::changelogs::{RECORD, assert_verdict, check_from_outside, hash_from_outside, verdict};
use crate::organizer::{create, new_contact};
use crate::support::components::{self, Components, ORGANIZER_KEY};
use crate::support::door::{Door, Reply};
use crate::support::people::{Agency, Person};
use crate::support::redis::Redis;

const DAYS: &[(&str, &str)] = &[("retention_record_days", "30")];

const DAY: i64 = 24 * 60 * 60 * 1000;

async fn tick(door: &Door) -> Reply {
    door.send("POST", "/organizer/api/tick", Some(ORGANIZER_KEY), None)
        .await
}

fn database(components: &Components) -> Connection {
    Connection::open(components.database("organizer")).expect("a database")
}

fn shown(time: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(time).expect("a time");
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// The start of the day that was so many days ago.
fn start_of_day(components: &Components, days: i64) -> String {
    let today: i64 = database(components)
        .query_row("SELECT unixepoch() / 86400 * 86400000", (), |row| row.get(0))
        .expect("a time");
    shown(today - days * DAY)
}

/// An agency with a contact, whose rows are all this old.
async fn agency(components: &Components, days: i64) -> Agency {
    let agency = components.agency("Fest").await;
    create(
        &agency.owner,
        "/organizer/agency/contacts",
        &new_contact(agency.event_id),
    )
    .await;
    let chain = chain(&agency.owner).await;
    let database = database(components);
    let mut hash = String::new();
    for mut row in chain {
        let id = row["id"].as_i64().expect("an id");
        let changed_at: i64 = database
            .query_row(
                "UPDATE changelogs SET changed_at = changed_at - ?2 WHERE id = ?1 RETURNING changed_at",
                (id, days * DAY),
                |row| row.get(0),
            )
            .expect("a row");
        row["changedAt"] = shown(changed_at).into();
        hash = hash_from_outside(hash, &row);
        database
            .execute("UPDATE changelogs SET hash = ?2 WHERE id = ?1", (id, &hash))
            .expect("a row");
    }
    database
        .execute(
            "UPDATE chains SET hash = ?2 WHERE agency_id = ?1",
            params![agency.id, hash],
        )
        .expect("a chain");
    assert_verdict(&agency.owner, true).await;
    agency
}

async fn chain(owner: &Person) -> Vec<Value> {
    owner.get(&format!("{RECORD}/chain")).await.list()
}

/// What the rows by nobody say.
fn blankings(rows: &[Value]) -> Vec<Value> {
    let of_nobody = rows.iter().filter(|row| row["userId"] == 0);
    of_nobody
        .map(|row| {
            assert_eq!(
                [&row["entityClass"], &row["type"]],
                [&json!("Agency"), &json!("update")]
            );
            serde_json::from_str(row["valueAfter"].as_str().expect("a text")).expect("JSON")
        })
        .collect()
}

fn are_about_people(rows: &[Value]) -> impl Iterator<Item = &Value> {
    rows.iter().filter(|row| !row["blankValue"].is_null())
}

#[tokio::test]
async fn old_values_of_people_are_blanked_and_the_record_says_so() {
    let components = Components::with(&["organizer"], DAYS);
    let agency = agency(&components, 31).await;
    let old = chain(&agency.owner).await;
    let edits = json!({"firstName": "Zuzanna"});
    agency.owner.patch("/organizer/profile", &edits).await.json(200);
    let refused = components
        .door
        .send("POST", "/organizer/api/tick", Some("wrong"), None)
        .await;
    refused.error(401, "invalid api key");
    assert_eq!(chain(&agency.owner).await[..old.len()], old);

    for _ in 0..2 {
        tick(&components.door).await.empty(200);
    }

    let rows = chain(&agency.owner).await;
    assert_eq!(
        rows.len(),
        old.len() + 2,
        "the change, and the row that tells, once"
    );
    for (before, after) in old.iter().zip(&rows) {
        let mut expected = before.clone();
        if !before["blankValue"].is_null() {
            expected["valueAfter"] = before["blankValue"].clone();
            expected["salt"] = Value::Null;
        }
        assert_eq!(after, &expected);
    }
    assert!(are_about_people(&old).count() > 2, "{old:?}");
    let young = &rows[old.len()];
    let value = young["valueAfter"].as_str().expect("a text");
    assert!(value.contains("Zuzanna") && !young["salt"].is_null(), "{young}");
    let told = blankings(&rows);
    let limit = start_of_day(&components, 30);
    assert_eq!(
        [&told[0]["name"], &told[0]["blankedBefore"]],
        [&json!("Fest"), &json!(limit)]
    );
    let head = check_from_outside(&rows).expect("it holds");
    let expected = json!({"holds": true, "rows": rows.len(), "head": head});
    assert_eq!(verdict(&agency.owner).await, expected);

    // Who is deleted afterwards is blanked whatever the age.
    let path = format!("/organizer/agency/users/{}", agency.support.id);
    agency.owner.delete(&path).await.json(200);
    assert_verdict(&agency.owner, true).await;
}

#[tokio::test]
async fn the_administrators_chain_tells_of_its_own() {
    let components = Components::with(&["organizer"], DAYS);
    let superadmin = components.superadmin().await;
    let path = "/organizer/admin/changelogs";
    assert_eq!(superadmin.get(path).await.list().len(), 1);
    // The chain has no other row, so its first one begins it anew.
    let mut row = superadmin.get(&format!("{path}/chain")).await.list().remove(0);
    let database = database(&components);
    let changed_at: i64 = database
        .query_row(
            "UPDATE changelogs SET changed_at = changed_at - ?1 RETURNING changed_at",
            [31 * DAY],
            |row| row.get(0),
        )
        .expect("a row");
    row["changedAt"] = shown(changed_at).into();
    let hash = hash_from_outside(String::new(), &row);
    database
        .execute("UPDATE changelogs SET hash = ?1", [&hash])
        .expect("a row");
    database
        .execute("UPDATE chains SET hash = ?1", [&hash])
        .expect("a chain");

    tick(&components.door).await.empty(200);

    let rows = superadmin.get(path).await.list();
    let told = json!({"blankedBefore": start_of_day(&components, 30)});
    assert_eq!(blankings(&rows), [told]);
    assert_eq!(rows[1]["entityId"], 0);
    let verdict = superadmin.get(&format!("{path}/verify")).await.json(200);
    assert_eq!((&verdict["holds"], &verdict["rows"]), (&json!(true), &json!(2)));
}

/// A value that is blanked by hand is noticed, unless the chain says that what is as old was blanked.
#[tokio::test]
async fn only_what_the_record_tells_of_may_be_blank() {
    let components = Components::with(&["organizer"], &[]);
    let agency = agency(&components, 31).await;
    let rows = chain(&agency.owner).await;
    let first = are_about_people(&rows).next().expect("a row")["id"].clone();
    let blank = |id: &Value| {
        let sql = "UPDATE changelogs SET value_after = blank_value, salt = NULL WHERE id = ?1";
        let changed = database(&components).execute(sql, [id.as_i64()]).expect("a row");
        assert_eq!(changed, 1);
    };
    blank(&first);
    let broken = verdict(&agency.owner).await;
    assert_eq!(broken["holds"], false, "{broken}");
    assert_eq!(broken["brokenAt"]["id"], first);

    // The tick blanks the others, and tells.
    let host = components.another_host(&["organizer"], DAYS);
    tick(&host).await.empty(200);
    assert_verdict(&agency.owner, true).await;

    let edits = json!({"firstName": "Zuzanna"});
    agency.owner.patch("/organizer/profile", &edits).await.json(200);
    let young = chain(&agency.owner).await.pop().expect("a row")["id"].clone();
    blank(&young);
    let broken = verdict(&agency.owner).await;
    assert_eq!(broken["brokenAt"]["id"], young, "{broken}");
}

#[tokio::test]
async fn values_are_kept_unless_a_setting_says_otherwise() {
    for variables in [
        &[][..],
        &[("retention_record_days", "0")],
        &[("retention_record_days", "")],
        &[("retention_record_days", "32")],
    ] {
        let components = Components::with(&["organizer"], variables);
        let agency = agency(&components, 31).await;
        let before = chain(&agency.owner).await;
        tick(&components.door).await.empty(200);
        assert_eq!(chain(&agency.owner).await, before, "{variables:?}");
    }
}

#[tokio::test]
async fn a_retention_that_is_no_number_of_days_blanks_nothing_and_is_told() {
    let components = Components::with(&["organizer"], &[("retention_record_days", "a year")]);
    let agency = agency(&components, 400).await;
    let before = chain(&agency.owner).await;
    let ticked = tick(&components.door).await;
    assert_eq!(ticked.status, 500);
    assert_eq!(chain(&agency.owner).await, before);
    let log = components.log("organizer");
    let line = "variable retention_record_days must be a whole number of days up to 36500, or 0 for ever";
    assert!(log.contains(line), "{log}");
}

/// No tick blanks much at once, and the record tells of all of them once.
#[tokio::test]
async fn many_ticks_blank_much_and_tell_once() {
    let components = Components::with(&["organizer"], DAYS);
    let agency = components.agency("Fest").await;
    let database = database(&components);
    // Only the numbers count here, so these rows are chained to nothing.
    database
        .execute(
            "INSERT INTO changelogs (entity_id, entity_class, type, changed_at, value_after, user_id, agency_id,
                                     blank_value, salt, seal)
             WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 1200)
             SELECT n, 'Contact', 'insert', n, '{\"firstName\": \"Zuzanna\"}', 1, ?1, '{}', '00', '00' FROM number",
            [agency.id],
        )
        .expect("old rows");
    let left = || -> i64 {
        let sql = "SELECT count(*) FROM changelogs WHERE value_after LIKE '%Zuzanna%'";
        database.query_row(sql, (), |row| row.get(0)).expect("a count")
    };
    for expected in [700, 200, 0] {
        tick(&components.door).await.empty(200);
        assert_eq!(left(), expected);
    }
    let rows = agency.owner.get(&format!("{RECORD}?userId=0")).await.list();
    assert_eq!(blankings(&rows).len(), 1);
}

/// Nobody waits for the tick of the organizer service, so it comes seldom: it might hang, and delay the others.
#[tokio::test]
async fn the_dispatcher_calls_the_organizer_service_at_the_beginning_of_a_minute() {
    const PARTICIPANT: &str = "/participant/internal/tick";
    const MESSENGER: &str = "/messenger/internal/tick";
    let state = tempfile::tempdir().expect("a folder");
    let databases = Databases::new(Database::of_tests(), state.path()).expect("databases");
    for (second, expected) in [
        (0, [PARTICIPANT, MESSENGER, "/organizer/api/tick"]),
        (5, [PARTICIPANT, MESSENGER, PARTICIPANT]),
    ] {
        let (calls, mut called) = mpsc::unbounded_channel();
        let services = Router::new().fallback(move |uri: Uri| {
            _ = calls.send(uri.path().to_owned());
            async { StatusCode::OK }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, services).await });
        let redis = Redis::start();
        let redis_url = redis.url("dispatcher");
        let urls = ["organizer_url", "participant_url", "messenger_url"].map(|name| (name, url.as_str()));
        let variables: Vec<_> = urls
            .into_iter()
            .chain([("redis_url", redis_url.as_str())])
            .collect();
        let mut options = components::options(state.path(), &databases, &["dispatcher"], &variables);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let now = i64::try_from(now.as_millis()).expect("a time");
        options.clock_offset_ms = second * 1000 - now % 60_000;
        let dispatcher = App::load(&options).expect("the app loads");
        let dispatcher = tokio::spawn(async move { dispatcher.listen().await });
        let mut heard = Vec::new();
        while heard.len() < expected.len() {
            // Nobody receives it before the dispatcher has subscribed.
            if redis.answer("sidecar", "PUBLISH mayday.tick tick") == ":1" {
                heard.push(called.recv().await.expect("a call"));
                heard.push(called.recv().await.expect("a call"));
            } else {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(heard[..expected.len()], expected, "{second}");
        dispatcher.abort();
    }
}
