//! Contacts of events (contract 3.4).

use serde_json::{Value, json};

use crate::organizer::{change, create, hire, last_change, new_contact, record};
use crate::support::components::Components;
use crate::support::people::new_event;

const CONTACTS: &str = "/organizer/agency/contacts";

#[tokio::test]
async fn a_contact_is_created_read_edited_and_deleted() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let manager = hire(&agency.owner, "manager@example.org", 3).await;
    let contact = manager
        .post(CONTACTS, &new_contact(agency.event_id))
        .await
        .json(201);
    let id = contact["id"].as_i64().expect("an id");
    let mut expected = json!({
        "id": id, "firstName": "Jan", "lastName": "Kos", "email": "jan@kos.example.org",
        "phoneNumber": "+48 22 621 02 52", "additionalNotes": "", "eventId": agency.event_id, "agencyId": agency.id,
    });
    assert_eq!(contact, expected);
    let on_record = |what, value: &Value| change(what, id, value.clone(), &manager, Some(agency.id));
    assert_eq!(
        last_change(&manager).await,
        on_record("insert Contact", &expected)
    );

    let path = format!("{CONTACTS}/{id}");
    for (field, value) in [
        ("firstName", "Ewa"),
        ("lastName", "Lis"),
        ("email", "ewa@example.org"),
        ("phoneNumber", "+48601234567"),
        ("additionalNotes", "By night"),
        ("additionalNotes", ""),
    ] {
        expected[field] = value.into();
        assert_eq!(
            manager.patch(&path, &json!({field: value})).await.json(200),
            expected
        );
        assert_eq!(
            last_change(&manager).await,
            on_record("update Contact", &expected)
        );
    }
    assert_eq!(agency.support.get(&path).await.json(200), expected);
    assert_eq!(agency.support.get(CONTACTS).await.json(200), json!([expected]));
    assert_eq!(manager.delete(&path).await.json(200), expected);
    assert_eq!(
        last_change(&manager).await,
        on_record("delete Contact", &Value::Null)
    );
    for missing in [
        manager.get(&path).await,
        manager.patch(&path, &json!({})).await,
        manager.delete(&path).await,
    ] {
        missing.error(404, format!("Contact with id {id} not found"));
    }
}

#[tokio::test]
async fn a_contact_keeps_its_event() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    for event in [rival.event_id, 999] {
        let refused = agency.owner.post(CONTACTS, &new_contact(event)).await;
        refused.error(
            404,
            format!("Event with id {event} not found in agency {}", agency.id),
        );
    }
    assert_eq!(record(&agency.owner).await.len(), 4);
    let contact = create(&agency.owner, CONTACTS, &new_contact(agency.event_id)).await;
    let path = format!("{CONTACTS}/{contact}");
    let moved = agency
        .owner
        .patch(&path, &json!({"eventId": agency.event_id}))
        .await;
    moved.error(400, json!(["property eventId should not exist"]));
    let refused = agency.support.post(CONTACTS, &new_contact(agency.event_id)).await;
    refused.error(403, "Forbidden resource");
}

#[tokio::test]
async fn contacts_are_filtered_by_event() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    let other = create(&agency.owner, "/organizer/agency/events", &new_event("Other")).await;
    let first = create(&agency.owner, CONTACTS, &new_contact(agency.event_id)).await;
    let second = create(&agency.owner, CONTACTS, &new_contact(other)).await;
    create(&rival.owner, CONTACTS, &new_contact(rival.event_id)).await;
    for (query, expected) in [
        (String::new(), vec![first, second]),
        (format!("?eventId={other}"), vec![second]),
        (format!("?eventId={}%20-%20Fest", agency.event_id), vec![first]),
        (format!("?eventId={}", rival.event_id), vec![]),
        ("?eventId=999".to_owned(), vec![]),
    ] {
        let contacts = agency.support.get(&format!("{CONTACTS}{query}")).await.list();
        let ids: Vec<&Value> = contacts.iter().map(|contact| &contact["id"]).collect();
        assert_eq!(ids, expected.iter().collect::<Vec<_>>(), "{query}");
    }
}
