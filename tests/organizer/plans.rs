//! The plan of an event's venue (docs/organizer-api.md).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::organizer::{change, hire, last_change, record};
use crate::support::components::Components;
use crate::support::people::{Agency, new_event};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The SHA-256 of [`PNG`], by another program.
const SHA256_OF_PNG: &str = "4c4b6a3be1314ab86138bef4314dde022e600960d8689a2c8f8631802d20dab6";

fn data_url(image: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(image))
}

/// A plan as a console sends it.
pub(super) fn new_plan() -> Value {
    json!({"image": data_url(PNG), "north": 50.07, "south": 50.05, "east": 19.95, "west": 19.9})
}

fn path(event_id: i64) -> String {
    format!("/organizer/agency/events/{event_id}/plan")
}

/// The plan without its image.
fn described(event_id: i64) -> Value {
    json!({
        "eventId": event_id, "sha256": SHA256_OF_PNG, "north": 50.07, "south": 50.05, "east": 19.95, "west": 19.9,
    })
}

async fn started() -> (Components, Agency) {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    (components, agency)
}

/// How many plans there are.
fn count(components: &Components) -> i64 {
    let database = rusqlite::Connection::open(components.database("organizer")).expect("a database");
    let count = database.query_row("SELECT count(*) FROM event_plans", (), |row| row.get(0));
    count.expect("a count")
}

#[tokio::test]
async fn a_plan_is_set_shown_and_removed() {
    let (_components, agency) = started().await;
    let (owner, support, id) = (&agency.owner, &agency.support, agency.event_id);
    let path = path(id);
    let without = format!("Event with id {id} has no plan");
    support.get(&path).await.error(404, without.as_str());
    owner.delete(&path).await.error(404, without.as_str());

    let manager = hire(owner, "manager@fest.example.org", 3).await;
    assert_eq!(manager.put(&path, &new_plan()).await.json(200), described(id));
    let mut expected = described(id);
    expected["image"] = json!(data_url(PNG));
    assert_eq!(support.get(&path).await.json(200), expected);

    let mut other = new_plan();
    other["image"] = json!("data:image/jpeg;base64,/9j/4A==");
    other["north"] = json!("51.5");
    let replaced = owner.put(&path, &other).await.json(200);
    assert_eq!(replaced["north"], 51.5);
    assert_ne!(replaced["sha256"], SHA256_OF_PNG);
    assert_eq!(support.get(&path).await.json(200)["image"], other["image"]);

    assert_eq!(owner.delete(&path).await.json(200), replaced);
    support.get(&path).await.error(404, without.as_str());
}

#[tokio::test]
async fn an_event_tells_whether_it_has_a_plan() {
    let (_components, agency) = started().await;
    let (owner, id) = (&agency.owner, agency.event_id);
    let plain = agency.support.get("/organizer/agency/events").await.json(200);
    assert_eq!(plain[0].get("hasPlan"), None);
    owner.put(&path(id), &new_plan()).await.json(200);
    let mut expected = plain[0].clone();
    expected["hasPlan"] = json!(true);
    let event = format!("/organizer/agency/events/{id}");
    assert_eq!(agency.support.get(&event).await.json(200), expected);
    assert_eq!(
        agency.support.get("/organizer/agency/events").await.json(200),
        json!([expected])
    );
    let edited = owner
        .patch(&event, &json!({"address": "Rynek 5"}))
        .await
        .json(200);
    assert_eq!(edited["hasPlan"], true);
    owner.delete(&path(id)).await.json(200);
    assert_eq!(
        agency.support.get("/organizer/agency/events").await.json(200)[0].get("hasPlan"),
        None
    );
}

/// The record has the image's hash and not the image.
#[tokio::test]
async fn a_change_of_the_plan_is_recorded_as_one_of_its_event() {
    let (_components, agency) = started().await;
    let (owner, id) = (&agency.owner, agency.event_id);
    let event = owner
        .get(&format!("/organizer/agency/events/{id}"))
        .await
        .json(200);
    owner.put(&path(id), &new_plan()).await.json(200);
    let mut expected = event.clone();
    expected["hasPlan"] = json!(true);
    expected["plan"] = described(id);
    let set = change("update Event", id, expected, owner, Some(agency.id));
    assert_eq!(last_change(owner).await, set);

    owner.delete(&path(id)).await.json(200);
    let mut expected = event;
    expected["plan"] = Value::Null;
    let removed = change("update Event", id, expected, owner, Some(agency.id));
    assert_eq!(last_change(owner).await, removed);
    let verdict = owner.get("/organizer/agency/changelogs/verify").await.json(200);
    assert_eq!(verdict["holds"], true);
}

#[tokio::test]
async fn a_bad_plan_is_refused_and_not_recorded() {
    let (_components, agency) = started().await;
    let (owner, path) = (&agency.owner, path(agency.event_id));
    let known = record(owner).await;
    let image = "image must be a data URL of a PNG, JPEG or WebP image with at most 512 KiB";
    let mut large = PNG.to_vec();
    large.resize(512 * 1024 + 1, 0);
    for (field, value, line) in [
        ("image", json!("data:image/jpeg;base64,iVBORw0KGgo="), image),
        ("image", json!("data:image/svg+xml;base64,PHN2Zy8+"), image),
        ("image", json!("https://example.org/plan.png"), image),
        ("image", json!(data_url(&large)), image),
        ("image", Value::Null, image),
        ("north", json!(50.05), "north must be greater than south"),
        ("west", json!("20"), "east must be greater than west"),
        ("south", json!(-91), "south must be a latitude string or number"),
        ("east", json!("x"), "east must be a longitude string or number"),
        ("surprise", json!(1), "property surprise should not exist"),
    ] {
        let mut plan = new_plan();
        plan[field] = value;
        owner.put(&path, &plan).await.error(400, json!([line]));
    }
    let nothing = owner.put(&path, &json!({})).await.json(400);
    assert_eq!(nothing["message"].as_array().map(Vec::len), Some(9));
    large.resize(768 * 1024, 0);
    let mut plan = new_plan();
    plan["image"] = json!(data_url(&large));
    let body = json!({"statusCode": 413, "message": "request entity too large"});
    assert_eq!(owner.put(&path, &plan).await.json(413), body);
    assert_eq!(record(owner).await, known);

    // As large as it may be, which is more than any other body.
    large.resize(512 * 1024, 0);
    plan["image"] = json!(data_url(&large));
    owner.put(&path, &plan).await.json(200);
    let shown = agency.support.get(&path).await.json(200);
    assert_eq!(shown["image"], plan["image"]);
    let mut event = new_event("Other night");
    event["description"] = json!("x".repeat(200 * 1024));
    assert_eq!(
        owner.post("/organizer/agency/events", &event).await.json(413),
        body
    );
}

#[tokio::test]
async fn a_plan_is_deleted_with_its_event_and_its_agency() {
    let (components, agency) = started().await;
    let owner = &agency.owner;
    let other = owner
        .post("/organizer/agency/events", &new_event("Other night"))
        .await
        .json(201)["id"]
        .as_i64()
        .expect("an id");
    for id in [agency.event_id, other] {
        owner.put(&path(id), &new_plan()).await.json(200);
    }
    let event = format!("/organizer/agency/events/{other}");
    assert_eq!(owner.delete(&event).await.json(200)["hasPlan"], true);
    assert_eq!(count(&components), 1);
    let gone = format!("Event with id {other} not found in agency {}", agency.id);
    owner.get(&path(other)).await.error(404, gone.as_str());
    owner.delete("/organizer/agency").await.json(200);
    assert_eq!(count(&components), 0);
}

#[tokio::test]
async fn a_browser_may_set_a_plan() {
    let (components, agency) = started().await;
    let headers = [
        ("origin", "https://console.example.org"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    let path = path(agency.event_id);
    let preflight = components.door.send_with("OPTIONS", &path, &headers, "").await;
    assert_eq!(preflight.status, 204);
    let methods = preflight.header("access-control-allow-methods");
    assert!(methods.is_some_and(|methods| methods.contains("PUT") && methods.contains("DELETE")));
}
