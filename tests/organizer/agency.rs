//! Agencies, for their own users (contract 3.4, "Agency", and 3.7).

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::organizer::{change, create, hire, last_change, new_contact, new_issue, record, row};
use crate::support::components::Components;
use crate::support::people::{
    self, ORGANIZER_PASSWORD, new_event, new_user, new_user_with_role, owner_email, registration, sign_in,
};

#[tokio::test]
async fn a_registration_creates_and_records_an_unapproved_agency_and_its_owner() {
    let components = Components::with(&["organizer"], &[]);
    let door = &components.door;
    let agency = door
        .send("POST", "/organizer/agency", None, Some(&registration("Fest")))
        .await;
    let agency = agency.json(201);
    assert_eq!(
        agency,
        json!({
            "id": 1, "name": "Fest", "address": "Rynek 1, Kraków", "website": "https://example.org", "approved": false,
        })
    );
    let refused = json!({"email": owner_email("Fest"), "password": ORGANIZER_PASSWORD});
    let refused = door
        .send("POST", "/organizer/auth/sign-in", None, Some(&refused))
        .await;
    refused.error(400, "your agency is not approved by administrators");

    let superadmin = components.superadmin().await;
    let approve = json!({"approved": true});
    superadmin
        .patch("/organizer/admin/agencies/1/verify", &approve)
        .await
        .json(200);
    let owner = sign_in(door, &owner_email("Fest"), ORGANIZER_PASSWORD).await;
    let profile = owner.get("/organizer/profile").await.json(200);
    assert_eq!((&profile["role"], &profile["agencyId"]), (&json!(2), &json!(1)));
    let expected = [
        change("insert Agency", 1, agency, &owner, Some(1)),
        change("insert User", owner.id, profile, &owner, Some(1)),
    ];
    assert_eq!(
        record(&owner).await,
        expected,
        "and the approval is not in the agency's record"
    );
}

#[tokio::test]
async fn a_bad_registration_is_refused_with_all_failures_and_stores_nothing() {
    let components = Components::start();
    let body = json!({
        "agency": {"name": "", "address": "Rynek 1", "website": "http://localhost", "approved": true},
        "owner": {"email": "owner", "password": "short", "confirmPassword": "other",
            "firstName": 7, "phoneNumber": "123"},
        "extra": 1,
    });
    components
        .door
        .send("POST", "/organizer/agency", None, Some(&body))
        .await
        .error(
            400,
            json!([
                "property extra should not exist",
                "agency.property approved should not exist",
                "agency.name should not be empty",
                "agency.website must be a URL address",
                "owner.email must be an email",
                "owner.password must be longer than or equal to 16 characters",
                "owner.firstName must be a string",
                "owner.firstName must be shorter than or equal to 100 characters",
                "owner.lastName must be a string",
                "owner.lastName should not be empty",
                "owner.lastName must be shorter than or equal to 100 characters",
                "owner.phoneNumber must be a valid phone number",
                "owner.confirmPassword must be longer than or equal to 16 characters",
                "owner.confirmPassword must be equal to password",
            ]),
        );
    let superadmin = components.superadmin().await;
    assert_eq!(
        superadmin.get("/organizer/admin/agencies").await.json(200),
        json!([])
    );
}

#[tokio::test]
async fn taken_names_and_emails_are_refused_in_that_order_and_store_nothing() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let register = async |body: &Value| {
        components
            .door
            .send("POST", "/organizer/agency", None, Some(body))
            .await
    };
    register(&registration("Fest"))
        .await
        .error(400, "Agency name is already taken");
    let mut other_name = registration("Fest");
    other_name["agency"]["name"] = "Other".into();
    register(&other_name)
        .await
        .error(400, "Owner email is already taken");
    let superadmin = components.superadmin().await;
    let agencies = superadmin.get("/organizer/admin/agencies").await.json(200);
    assert_eq!(agencies.as_array().map(Vec::len), Some(1), "{agencies}");

    agency
        .owner
        .post(
            "/organizer/agency/users",
            &new_user_with_role(&agency.support.email, 4),
        )
        .await
        .error(400, "Email is already taken");
    agency
        .owner
        .post("/organizer/agency/events", &new_event("Fest night"))
        .await
        .error(400, "Name is already taken");
    let record = agency.owner.get("/organizer/agency/changelogs").await.json(200);
    assert_eq!(
        record.as_array().map(Vec::len),
        Some(4),
        "what was refused is not on record: {record}"
    );
}

#[tokio::test]
async fn concurrent_registrations_give_a_name_to_one_agency() {
    let components = Components::start();
    components.superadmin().await;
    let registrations = (0..8).map(|number| {
        let mut body = registration("Fest");
        body["owner"] = new_user(&format!("owner{number}@example.org"));
        let door = &components.door;
        async move {
            door.send("POST", "/organizer/agency", None, Some(&body))
                .await
                .status
        }
    });
    let mut statuses = join_all(registrations).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 400, 400, 400, 400, 400, 400, 400]);
}

#[tokio::test]
async fn an_administrator_without_preview_acts_for_no_agency() {
    let components = Components::start();
    components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    superadmin.get("/organizer/agency").await.empty(200);
    superadmin
        .get("/organizer/agency/events")
        .await
        .error(400, "choose an agency first");
    superadmin
        .post("/organizer/agency/events", &new_event("Other night"))
        .await
        .error(400, "choose an agency first");
}
#[tokio::test]
async fn an_agency_is_edited_in_part_and_its_website_can_be_removed() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let mut expected = agency.support.get("/organizer/agency").await.json(200);
    for (field, value) in [
        ("name", json!("Fest 2")),
        ("address", json!("Rynek 2")),
        ("website", json!("fest.example.org/en?a=1#top")),
        ("website", Value::Null),
    ] {
        expected[field] = value.clone();
        let edited = agency
            .owner
            .patch("/organizer/agency", &json!({field: value}))
            .await;
        assert_eq!(edited.json(200), expected);
        let row = last_change(&agency.owner).await;
        assert_eq!(
            row,
            change(
                "update Agency",
                agency.id,
                expected.clone(),
                &agency.owner,
                Some(agency.id)
            )
        );
    }
    assert_eq!(agency.support.get("/organizer/agency").await.json(200), expected);
    let own_name = agency
        .owner
        .patch("/organizer/agency", &json!({"name": "Fest 2"}))
        .await;
    assert_eq!(own_name.json(200), expected, "a name is not taken by its owner");
}

#[tokio::test]
async fn a_bad_edit_of_an_agency_is_refused_and_changes_nothing() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    components.agency("Rival").await;
    let before = agency.owner.get("/organizer/agency").await.json(200);
    let edit = async |body: Value| agency.owner.patch("/organizer/agency", &body).await;
    edit(json!({"name": "Rival"}))
        .await
        .error(400, "Agency name is already taken");
    for field in ["id", "approved"] {
        let refused = edit(json!({field: true})).await;
        refused.error(400, json!([format!("property {field} should not exist")]));
    }
    let refused = agency
        .support
        .patch("/organizer/agency", &json!({"name": "Mine"}))
        .await;
    refused.error(403, "Forbidden resource");
    assert_eq!(agency.owner.get("/organizer/agency").await.json(200), before);
    assert_eq!(record(&agency.owner).await.len(), 4);
}

/// Contract 3.7, and 3.8's list of rows that the reference did not record.
#[tokio::test]
async fn the_deletion_of_an_agency_and_of_each_of_its_rows_is_recorded() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    let superadmin = components.superadmin().await;
    let (owner, support) = (&agency.owner, &agency.support);
    let contact = create(owner, "/organizer/agency/contacts", &new_contact(agency.event_id)).await;
    let issue = create(support, "/organizer/agency/issues", &new_issue(agency.event_id)).await;
    let comment = json!({"content": "On it", "issueId": issue});
    let comment = create(owner, "/organizer/agency/comments", &comment).await;
    let looks_in = json!({"agencyId": agency.id});
    superadmin
        .patch("/organizer/profile/set-agency", &looks_in)
        .await
        .json(200);
    // An administrator's comments in the agency are deleted with it; the administrator stays.
    let issue_of_superadmin = create(
        &superadmin,
        "/organizer/agency/issues",
        &new_issue(agency.event_id),
    )
    .await;

    let before = owner.get("/organizer/agency").await.json(200);
    assert_eq!(owner.delete("/organizer/agency").await.json(200), before);
    for person in [owner, support] {
        person
            .get("/organizer/profile")
            .await
            .error(403, "Forbidden resource");
    }
    let mut profile = superadmin.get("/organizer/profile").await.json(200);
    assert_eq!(profile["agencyId"], Value::Null);
    superadmin.get("/organizer/agency").await.empty(200);
    let gone = format!("/organizer/admin/agencies/{}", agency.id);
    superadmin
        .get(&gone)
        .await
        .error(404, format!("Agency with id {} not found", agency.id));
    assert_eq!(rival.owner.get("/organizer/agency/events").await.list().len(), 1);

    let chain = format!("/organizer/admin/changelogs/chain?agencyId={}", agency.id);
    let rows = superadmin.get(&chain).await.list();
    let proofs = ["blankValue", "salt", "seal", "hash"];
    let rows: Vec<Value> = rows
        .iter()
        .map(|proven| {
            let mut plain = proven.clone();
            plain
                .as_object_mut()
                .expect("a row")
                .retain(|name, _| !proofs.contains(&name.as_str()));
            row(&plain)
        })
        .collect();
    profile["agency"] = Value::Null;
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
        deleted("Issue", issue_of_superadmin),
        deleted("Contact", contact),
        deleted("Event", agency.event_id),
        deleted("User", owner.id),
        deleted("User", support.id),
        change("update User", superadmin.id, profile, owner, Some(agency.id)),
        deleted("Agency", agency.id),
    ];
    assert_eq!(&rows[rows.len() - expected.len()..], expected);

    // The names are free again.
    let again = components
        .door
        .send("POST", "/organizer/agency", None, Some(&registration("Fest")))
        .await;
    assert_ne!(again.json(201)["id"], agency.id, "an id is never given twice");
}

#[tokio::test]
async fn an_administrator_deletes_the_agency_of_the_preview_and_no_other() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    superadmin
        .delete("/organizer/agency")
        .await
        .error(400, "choose an agency first");
    let manager = hire(&agency.owner, "manager@example.org", 3).await;
    manager
        .delete("/organizer/agency")
        .await
        .error(403, "Forbidden resource");
    let looks_in = json!({"agencyId": agency.id});
    superadmin
        .patch("/organizer/profile/set-agency", &looks_in)
        .await
        .json(200);
    superadmin.delete("/organizer/agency").await.json(200);
    assert!(
        superadmin
            .get("/organizer/admin/agencies")
            .await
            .list()
            .is_empty()
    );
    superadmin.get("/organizer/profile").await.json(200);
}

/// A change that comes too late finds no agency, and stores nothing.
#[tokio::test]
async fn a_change_concurrent_with_the_removal_of_its_agency_precedes_it_or_fails() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    let work = (0..12).map(|number| {
        let agency = &agency;
        async move {
            if number == 6 {
                return agency.owner.delete("/organizer/agency").await.status;
            }
            let event = new_event(&format!("Night {number}"));
            agency.owner.post("/organizer/agency/events", &event).await.status
        }
    });
    let statuses = join_all(work).await;
    assert!(
        statuses.iter().all(|status| [200, 201, 403].contains(status)),
        "{statuses:?}"
    );
    let chain = format!("/organizer/admin/changelogs/verify?agencyId={}", agency.id);
    let verdict = superadmin.get(&chain).await.json(200);
    assert_eq!(verdict["holds"], true, "{verdict}");
    let chain = format!("/organizer/admin/changelogs/chain?agencyId={}", agency.id);
    let rows = superadmin.get(&chain).await.list();
    let count = |kind: &str| {
        let of_events = rows.iter().filter(|row| row["entityClass"] == "Event");
        of_events.filter(|row| row["type"] == kind).count()
    };
    let created = statuses.iter().filter(|status| **status == 201).count();
    assert_eq!((count("insert"), count("delete")), (1 + created, 1 + created));
    assert_eq!(rows.last().map(|row| &row["entityClass"]), Some(&json!("Agency")));
}

#[tokio::test]
async fn an_agency_has_a_cap_of_open_chats_outside_of_its_contract_fields() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    let path = "/organizer/agency/settings";
    let known = agency.owner.get("/organizer/agency").await.json(200);
    let none = json!({"maxOpenChats": null});
    assert_eq!(agency.support.get(path).await.json(200), none);

    for (edit, cap) in [
        (json!({"maxOpenChats": 3}), json!(3)),
        (json!({"maxOpenChats": "1000"}), json!(1000)),
        (json!({}), json!(1000)),
        (json!({"maxOpenChats": "1 chat"}), json!(1)),
        (none.clone(), Value::Null),
    ] {
        let expected = json!({"maxOpenChats": cap});
        assert_eq!(agency.owner.patch(path, &edit).await.json(200), expected);
        assert_eq!(agency.support.get(path).await.json(200), expected);
        let mut value = known.clone();
        value["maxOpenChats"] = cap;
        assert_eq!(
            last_change(&agency.support).await,
            change("update Agency", agency.id, value, &agency.owner, Some(agency.id))
        );
    }
    // As a browser's form sends a number.
    let authorization = format!("Bearer {}", agency.owner.token);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("authorization", authorization.as_str()),
    ];
    let sent = components
        .door
        .send_with("PATCH", path, &headers, "maxOpenChats=7")
        .await;
    assert_eq!(sent.json(200), json!({"maxOpenChats": 7}));

    assert_eq!(agency.owner.get("/organizer/agency").await.json(200), known);
    let superadmin = components.superadmin().await;
    let shown = superadmin
        .get(&format!("/organizer/admin/agencies/{}", agency.id))
        .await;
    assert_eq!(shown.json(200), known);
    assert_eq!(
        rival.owner.get(path).await.json(200),
        none,
        "each agency has its own"
    );
    let verdict = agency.owner.get("/organizer/agency/changelogs/verify").await;
    assert_eq!(verdict.json(200)["holds"], true);
}

/// Participants find it with the agency's events. It is on record like every setting.
#[tokio::test]
async fn an_agency_publishes_a_number_to_call_for_help() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let path = "/organizer/agency/settings";
    let shown = async || {
        let event = format!("/participant/events/{}", agency.event_id);
        let one = participant
            .get(&event)
            .await
            .json(200)
            .get("helpPhoneNumber")
            .cloned();
        let listed = participant.get("/participant/events").await.list();
        let numbers = listed
            .iter()
            .map(|event| (event["id"].clone(), event.get("helpPhoneNumber").cloned()));
        let expected = [
            (json!(agency.event_id), one.clone()),
            (json!(rival.event_id), None),
        ];
        assert_eq!(numbers.collect::<Vec<_>>(), expected);
        one
    };
    let mut known = agency.owner.get("/organizer/agency").await.json(200);
    assert_eq!(shown().await, None);
    let number = json!("+48555000999");
    let set = json!({"helpPhoneNumber": number});
    let settings = json!({"maxOpenChats": null, "helpPhoneNumber": number});
    assert_eq!(agency.owner.patch(path, &set).await.json(200), settings);
    assert_eq!(agency.support.get(path).await.json(200), settings);
    assert_eq!(shown().await, Some(number.clone()));
    known["maxOpenChats"] = Value::Null;
    known["helpPhoneNumber"] = number;
    assert_eq!(
        last_change(&agency.support).await,
        change("update Agency", agency.id, known, &agency.owner, Some(agency.id))
    );
    agency
        .support
        .patch(path, &set)
        .await
        .error(403, "Forbidden resource");
    for wrong in [json!(7), json!(""), json!("call me")] {
        let refused = agency.owner.patch(path, &json!({"helpPhoneNumber": wrong})).await;
        assert_eq!(refused.status, 400, "{wrong}");
    }
    // Another setting leaves it.
    let both = agency
        .owner
        .patch(path, &json!({"maxOpenChats": 3}))
        .await
        .json(200);
    assert_eq!(both["helpPhoneNumber"], settings["helpPhoneNumber"]);
    let none = json!({"helpPhoneNumber": null, "maxOpenChats": null});
    let removed = agency.owner.patch(path, &none).await.json(200);
    assert_eq!(removed, json!({"maxOpenChats": null}));
    assert_eq!(shown().await, None);
}

#[tokio::test]
async fn a_bad_cap_is_refused_and_changes_nothing() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let path = "/organizer/agency/settings";
    let rows = record(&agency.owner).await;
    for value in [
        json!(0),
        json!(-1),
        json!(1001),
        json!(2.5),
        json!("many"),
        json!(""),
        json!([3]),
        json!(true),
    ] {
        let refused = agency.owner.patch(path, &json!({"maxOpenChats": value})).await;
        refused.error(
            400,
            json!(["maxOpenChats must be an integer number from 1 to 1000"]),
        );
    }
    let refused = agency
        .owner
        .patch(path, &json!({"maxOpenChats": 0, "name": "Fest 2"}))
        .await;
    refused.error(
        400,
        json!([
            "property name should not exist",
            "maxOpenChats must be an integer number from 1 to 1000"
        ]),
    );
    let manager = hire(&agency.owner, "manager@example.org", 3).await;
    for junior in [&manager, &agency.support] {
        let refused = junior.patch(path, &json!({"maxOpenChats": 3})).await;
        refused.error(403, "Forbidden resource");
    }
    assert_eq!(
        agency.owner.get(path).await.json(200),
        json!({"maxOpenChats": null})
    );
    assert_eq!(
        record(&agency.owner).await.len(),
        rows.len() + 1,
        "only the manager is new"
    );
}
