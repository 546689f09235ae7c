//! An agency's events (contract 3.4 and 3.7).

use serde_json::{Value, json};

use crate::organizer::{change, create, last_change, new_contact, new_issue, record};
use crate::support::components::Components;
use crate::support::people::{self, new_event};

#[tokio::test]
async fn an_event_is_created_from_a_forms_texts_and_shown_with_numbers_and_times() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let event = agency
        .support
        .get(&format!("/organizer/agency/events/{}", agency.event_id))
        .await
        .json(200);
    let expected = json!({
        "id": agency.event_id, "name": "Fest night", "description": "Loud", "address": "Błonia, Kraków",
        "lat": 50.06, "lng": 19.91,
        "timeStart": "2026-07-03T18:00:00.000Z", "timeEnd": "2026-07-03T23:00:00.000Z", "agencyId": agency.id,
    });
    assert_eq!(event, expected);
    assert_eq!(
        agency.support.get("/organizer/agency/events").await.json(200),
        json!([expected])
    );
}

#[tokio::test]
async fn a_bad_event_is_refused_and_not_recorded() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let create = async |field: &str, value: Value| {
        let mut event = new_event("Other night");
        event[field] = value;
        agency.owner.post("/organizer/agency/events", &event).await
    };
    for (field, value, line) in [
        ("lat", json!("x"), "lat must be a latitude string or number"),
        ("lng", json!(181), "lng must be a longitude string or number"),
        (
            "timeStart",
            json!("2026-13-01"),
            "timeStart must be a valid ISO 8601 date string",
        ),
        (
            "timeEnd",
            json!(0),
            "timeEnd must be a valid ISO 8601 date string",
        ),
        (
            "name",
            json!("n".repeat(201)),
            "name must be shorter than or equal to 200 characters",
        ),
        ("agencyId", json!(7), "property agencyId should not exist"),
    ] {
        create(field, value).await.error(400, json!([line]));
    }
    agency
        .support
        .post("/organizer/agency/events", &new_event("Other night"))
        .await
        .error(403, "Forbidden resource");
    let events = agency.owner.get("/organizer/agency/events").await.json(200);
    assert_eq!(events.as_array().map(Vec::len), Some(1));
    let record = agency.owner.get("/organizer/agency/changelogs").await.json(200);
    assert_eq!(record.as_array().map(Vec::len), Some(4));
}

/// An event of one agency must not break the lists of all participants.
#[tokio::test]
async fn a_time_outside_of_four_digit_years_is_refused() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let mut event = new_event("Never");
    event["timeStart"] = "9999-12-31T23:59:59-10:00".into();
    let refused = agency.owner.post("/organizer/agency/events", &event).await;
    refused.error(400, json!(["timeStart must be a valid ISO 8601 date string"]));
    event["timeStart"] = "9999-12-31T23:59:59Z".into();
    agency
        .owner
        .post("/organizer/agency/events", &event)
        .await
        .json(201);
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let events = participant.get("/participant/events").await.json(200);
    assert_eq!(events[1]["timeStart"], "9999-12-31T23:59:59.000Z");
}
/// Contract 3.2 and 3.8: the answer to a write and its record show coordinates as the client sent them; later reads
/// give numbers.
#[tokio::test]
async fn a_write_echoes_the_type_of_coordinates_and_a_read_gives_numbers() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let mut form = new_event("Opening");
    form["lng"] = json!(-19.5);
    let created = agency
        .owner
        .post("/organizer/agency/events", &form)
        .await
        .json(201);
    let id = created["id"].as_i64().expect("an id");
    let mut expected = json!({
        "id": id, "name": "Opening", "description": "Loud", "address": "Błonia, Kraków", "lat": "50.06", "lng": -19.5,
        "timeStart": "2026-07-03T18:00:00.000Z", "timeEnd": "2026-07-03T23:00:00.000Z", "agencyId": agency.id,
    });
    assert_eq!(created, expected);
    let row = last_change(&agency.owner).await;
    assert_eq!(
        row,
        change(
            "insert Event",
            id,
            expected.clone(),
            &agency.owner,
            Some(agency.id)
        )
    );

    let path = format!("/organizer/agency/events/{id}");
    expected["lat"] = json!(50.06);
    assert_eq!(agency.support.get(&path).await.json(200), expected);
    let edits = json!({"lng": "+180", "timeEnd": "2026-07-04T01:30:00.5+02:00"});
    expected["lng"] = json!("+180");
    expected["timeEnd"] = json!("2026-07-03T23:30:00.500Z");
    assert_eq!(agency.owner.patch(&path, &edits).await.json(200), expected);
    let row = last_change(&agency.owner).await;
    assert_eq!(
        row,
        change(
            "update Event",
            id,
            expected.clone(),
            &agency.owner,
            Some(agency.id)
        )
    );
    expected["lng"] = json!(180.0);
    assert_eq!(agency.support.get(&path).await.json(200), expected);
}

#[tokio::test]
async fn an_event_is_edited_in_part() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let path = format!("/organizer/agency/events/{}", agency.event_id);
    let mut expected = agency.owner.get(&path).await.json(200);
    for (field, value, stored) in [
        ("name", json!("Fest day"), json!("Fest day")),
        ("description", json!(" "), json!(" ")),
        ("address", json!("Rynek"), json!("Rynek")),
        ("lat", json!(-90), json!(-90.0)),
        ("lng", json!(0), json!(0.0)),
        (
            "timeStart",
            json!("2026-05-01"),
            json!("2026-05-01T00:00:00.000Z"),
        ),
        (
            "timeEnd",
            json!("2026-04-01T10:00Z"),
            json!("2026-04-01T10:00:00.000Z"),
        ),
    ] {
        expected[field] = stored;
        assert_eq!(
            agency.owner.patch(&path, &json!({field: value})).await.json(200),
            expected
        );
        assert_eq!(agency.owner.get(&path).await.json(200), expected);
    }
    assert_eq!(agency.owner.patch(&path, &json!({})).await.json(200), expected);
    assert_eq!(record(&agency.owner).await.len(), 4 + 8);
}

/// Contract 1.3: unique over all agencies.
#[tokio::test]
async fn an_events_name_is_unique_over_all_agencies() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    components.agency("Rival").await;
    let path = format!("/organizer/agency/events/{}", agency.event_id);
    let refused = agency
        .owner
        .post("/organizer/agency/events", &new_event("Rival night"))
        .await;
    refused.error(400, "Name is already taken");
    let refused = agency.owner.patch(&path, &json!({"name": "Rival night"})).await;
    refused.error(400, "Name is already taken");
    agency
        .owner
        .patch(&path, &json!({"name": "Fest night"}))
        .await
        .json(200);
    assert_eq!(record(&agency.owner).await.len(), 4 + 1);
}

#[tokio::test]
async fn the_deletion_of_an_event_and_its_contacts_and_issues_is_recorded() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let owner = &agency.owner;
    let other = create(owner, "/organizer/agency/events", &new_event("Other")).await;
    let (contacts, issues, comments) = (
        "/organizer/agency/contacts",
        "/organizer/agency/issues",
        "/organizer/agency/comments",
    );
    let contact = create(owner, contacts, &new_contact(agency.event_id)).await;
    let issue = create(&agency.support, issues, &new_issue(agency.event_id)).await;
    let comment = create(owner, comments, &json!({"content": "On it", "issueId": issue})).await;
    create(owner, contacts, &new_contact(other)).await;
    let stays = create(owner, issues, &new_issue(other)).await;
    create(owner, comments, &json!({"content": "Here", "issueId": stays})).await;
    let known = record(owner).await.len();

    let path = format!("/organizer/agency/events/{}", agency.event_id);
    let before = owner.get(&path).await.json(200);
    agency
        .support
        .delete(&path)
        .await
        .error(403, "Forbidden resource");
    assert_eq!(owner.delete(&path).await.json(200), before);
    let gone = format!(
        "Event with id {} not found in agency {}",
        agency.event_id, agency.id
    );
    owner.delete(&path).await.error(404, gone.clone());
    owner.get(&path).await.error(404, gone.clone());
    owner.patch(&path, &json!({})).await.error(404, gone);
    for list in [contacts, issues, comments] {
        assert_eq!(owner.get(list).await.list().len(), 1, "{list}");
    }
    let deleted = |class: &str, id| {
        change(
            &format!("delete {class}"),
            id,
            Value::Null,
            owner,
            Some(agency.id),
        )
    };
    let expected = [
        deleted("Comment", comment),
        deleted("Issue", issue),
        deleted("Contact", contact),
        deleted("Event", agency.event_id),
    ];
    assert_eq!(&record(owner).await[known..], expected);
}
