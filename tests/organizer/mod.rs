//! The organizer service on the embedded host (contract 1 to 3 and 8).
//!
//! A file here tests a table of contract 3.4, or a rule across them: authorization (`walk`), validation (`input`),
//! lists (`lists`), the record (`changelogs`), all of them at once (`random`).

mod admin;
mod agency;
mod changelogs;
mod comments;
pub(crate) mod complete;
mod contacts;
mod events;
mod input;
mod issues;
mod lists;
mod plans;
mod profile;
mod random;
mod retention;
pub(crate) mod second_factor;
mod services;
mod session;
mod throttle;
mod users;
mod walk;

use serde_json::{Value, json};

use crate::support::people::{self, Person, new_user_with_role};

/// An agency's record in the form of [`change`], oldest first.
async fn record(reader: &Person) -> Vec<Value> {
    let rows = reader.get("/organizer/agency/changelogs").await.list();
    rows.iter().map(row).collect()
}

/// The last row of the record.
async fn last_change(reader: &Person) -> Value {
    record(reader).await.pop().expect("a row")
}

/// A row without its id and time, and with its value parsed.
fn row(changelog: &Value) -> Value {
    let mut row = changelog.clone();
    let fields = row.as_object_mut().expect("a row");
    fields.remove("id");
    fields.remove("changedAt");
    if let Some(text) = fields["valueAfter"].as_str() {
        fields["valueAfter"] = serde_json::from_str(text).expect("JSON in a text");
    }
    row
}

/// A row of the record (contract 1.3): `what` is a type and a class.
fn change(what: &str, id: i64, value: Value, by: &Person, agency: Option<i64>) -> Value {
    let (kind, class) = what.split_once(' ').expect("a type and a class");
    json!({
        "type": kind, "entityClass": class, "entityId": id, "valueAfter": value, "userId": by.id, "agencyId": agency,
    })
}

/// Adds a user through a senior one, and signs the user in.
async fn hire(senior: &Person, email: &str, role: i64) -> Person {
    let path = if role < 2 {
        "/organizer/admin/users"
    } else {
        "/organizer/agency/users"
    };
    senior
        .post(path, &new_user_with_role(email, role))
        .await
        .json(201);
    people::sign_in(senior.door(), email, people::ORGANIZER_PASSWORD).await
}

/// Creates an entity and returns its id.
async fn create(by: &Person, path: &str, body: &Value) -> i64 {
    let created = by.post(path, body).await.json(201);
    created["id"].as_i64().expect("an id")
}

/// The fields of NewContact (contract 3.3), as a form sends them.
fn new_contact(event_id: i64) -> Value {
    json!({
        "firstName": "Jan", "lastName": "Kos", "email": "jan@kos.example.org", "phoneNumber": "+48 22 621 02 52",
        "additionalNotes": "", "eventId": event_id.to_string(),
    })
}

/// The fields of NewIssue (contract 3.3), as a form sends them.
fn new_issue(event_id: i64) -> Value {
    json!({
        "name": "Smoke", "description": "Left of the stage", "priority": "high",
        "eventId": format!("{event_id} - Fest night"),
    })
}

/// Asserts that two texts are times, the second not before the first.
#[track_caller]
fn assert_in_order(earlier: &Value, later: &Value) {
    let time = |value: &Value| value.as_str().filter(|text| text.len() == 24).map(str::to_owned);
    assert!(
        time(earlier).is_some() && time(earlier) <= time(later),
        "{earlier} {later}"
    );
}
