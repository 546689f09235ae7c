//! The caller's own account (contract 3.4, "Session and profile", and 3.6).

use serde_json::{Value, json};

use crate::organizer::{assert_in_order, change, hire, last_change, record};
use crate::support::components::Components;
use crate::support::people::{self, ORGANIZER_PASSWORD, Person, registration};

#[tokio::test]
async fn a_profile_is_the_user_without_the_password() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let profile = agency.support.get("/organizer/profile").await.json(200);
    assert_eq!(
        profile,
        json!({
            "id": agency.support.id, "email": agency.support.email, "firstName": "Anna", "lastName": "Nowak",
            "phoneNumber": "+48123456789", "timeCreated": profile["timeCreated"], "timeSignOut": profile["timeCreated"],
            "role": 4, "agencyId": agency.id,
        })
    );
    assert_in_order(&profile["timeCreated"], &profile["timeSignOut"]);
}

#[tokio::test]
async fn a_profile_is_edited_in_part_and_recorded_with_the_agency() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let mut expected = agency.support.get("/organizer/profile").await.json(200);
    for (field, value) in [
        ("firstName", " Żaneta 🎸"),
        ("lastName", "O'Neil-Łęcka"),
        ("phoneNumber", "+1 (213) 373-4253"),
    ] {
        expected[field] = value.into();
        let edited = agency
            .support
            .patch("/organizer/profile", &json!({field: value}))
            .await;
        assert_eq!(edited.json(200), expected);
    }
    let edited = agency.support.patch("/organizer/profile", &json!({})).await;
    assert_eq!(edited.json(200), expected);
    assert_eq!(agency.support.get("/organizer/profile").await.json(200), expected);
    let rows = record(&agency.owner).await;
    assert_eq!(rows.len(), 4 + 4, "an edit of nothing is on record as well");
    let mut value = expected;
    value["agency"] = agency.owner.get("/organizer/agency").await.json(200);
    let by = &agency.support;
    assert_eq!(rows[7], change("update User", by.id, value, by, Some(agency.id)));
}

#[tokio::test]
async fn a_profile_has_no_other_fields_to_edit() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    for field in [
        "id",
        "email",
        "password",
        "role",
        "agencyId",
        "timeCreated",
        "timeSignOut",
        "approved",
    ] {
        let refused = agency
            .support
            .patch("/organizer/profile", &json!({field: 1}))
            .await;
        refused.error(400, json!([format!("property {field} should not exist")]));
    }
    assert_eq!(record(&agency.owner).await.len(), 4);
}

#[tokio::test]
async fn a_new_password_must_be_confirmed_and_new() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let change = async |body: &Value| {
        agency
            .owner
            .patch("/organizer/profile/change-password", body)
            .await
    };
    change(&json!({})).await.error(
        400,
        json!([
            "oldPassword must be a string",
            "oldPassword must be longer than or equal to 16 characters",
            "oldPassword must be shorter than or equal to 128 characters",
            "newPassword must be a string",
            "newPassword must be longer than or equal to 16 characters",
            "newPassword must be shorter than or equal to 128 characters",
            "newPassword must be different from oldPassword",
            "confirmNewPassword must be a string",
            "confirmNewPassword must be longer than or equal to 16 characters",
            "confirmNewPassword must be shorter than or equal to 128 characters",
        ]),
    );
    let (old, new) = (ORGANIZER_PASSWORD, "another horse battery");
    for (old, new, confirmed, line) in [
        (old, new, old, "confirmNewPassword must be equal to newPassword"),
        (old, old, old, "newPassword must be different from oldPassword"),
        (
            old,
            "too short",
            "too short",
            "newPassword must be longer than or equal to 16 characters",
        ),
    ] {
        let body = json!({"oldPassword": old, "newPassword": new, "confirmNewPassword": confirmed});
        let lines = change(&body).await.json(400)["message"].clone();
        assert_eq!(lines[0], line, "{lines}");
    }
    let wrong = json!({"oldPassword": "wrong horse battery", "newPassword": new, "confirmNewPassword": new});
    change(&wrong).await.error(400, "invalid old password");
    agency.owner.get("/organizer/profile").await.json(200);
    people::sign_in(&components.door, &agency.owner.email, ORGANIZER_PASSWORD).await;
    assert_eq!(
        record(&agency.owner).await.len(),
        4,
        "what was refused is not on record"
    );
}

#[tokio::test]
async fn a_change_of_password_ends_all_sessions_and_shows_no_hash() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let before = agency.support.get("/organizer/profile").await.json(200);
    let new = "another horse battery";
    let body = json!({"oldPassword": ORGANIZER_PASSWORD, "newPassword": new, "confirmNewPassword": new});
    let changed = agency
        .support
        .patch("/organizer/profile/change-password", &body)
        .await
        .json(200);
    assert_ne!(changed["timeSignOut"], before["timeSignOut"]);
    assert_in_order(&before["timeSignOut"], &changed["timeSignOut"]);
    agency
        .support
        .get("/organizer/profile")
        .await
        .error(403, "Forbidden resource");
    let old = json!({"email": agency.support.email, "password": ORGANIZER_PASSWORD});
    let refused = components
        .door
        .send("POST", "/organizer/auth/sign-in", None, Some(&old))
        .await;
    refused.error(400, "invalid email or password");
    let session = people::sign_in(&components.door, &agency.support.email, new).await;
    assert_eq!(session.get("/organizer/profile").await.json(200), changed);

    let mut value = changed;
    value["agency"] = agency.owner.get("/organizer/agency").await.json(200);
    let by = &agency.support;
    let row = last_change(&agency.owner).await;
    assert_eq!(row, change("update User", by.id, value, by, Some(agency.id)));
    let record = agency.owner.get("/organizer/agency/changelogs").await.text();
    assert!(
        !record.contains("argon2") && !record.contains("password"),
        "{record}"
    );
}

async fn preview(administrator: &Person, body: Value) -> Option<i64> {
    administrator
        .patch("/organizer/profile/set-agency", &body)
        .await
        .json(200);
    let profile = administrator.get("/organizer/profile").await.json(200);
    profile["agencyId"].as_i64()
}

#[tokio::test]
async fn an_administrator_changes_and_ends_a_preview() {
    let components = Components::with(&["organizer"], &[]);
    let (fest, rival) = (components.agency("Fest").await, components.agency("Rival").await);
    let superadmin = components.superadmin().await;
    for administrator in [&superadmin, &hire(&superadmin, "admin@example.org", 1).await] {
        assert_eq!(
            preview(administrator, json!({"agencyId": fest.id})).await,
            Some(fest.id)
        );
        let agency = administrator.get("/organizer/agency").await.json(200);
        assert_eq!(agency["name"], "Fest");
        assert_eq!(
            preview(administrator, json!({"agencyId": rival.id})).await,
            Some(rival.id)
        );
        assert_eq!(preview(administrator, json!({"agencyId": null})).await, None);
        assert_eq!(
            preview(administrator, json!({"agencyId": rival.id})).await,
            Some(rival.id)
        );
        assert_eq!(preview(administrator, json!({})).await, None);
    }
}

#[tokio::test]
async fn a_preview_of_an_unapproved_agency_has_full_access_and_survives_a_sign_out() {
    let components = Components::with(&["organizer"], &[]);
    let superadmin = components.superadmin().await;
    let agency = components
        .door
        .send("POST", "/organizer/agency", None, Some(&registration("New")))
        .await;
    let agency = agency.json(201);
    assert_eq!(
        preview(&superadmin, json!({"agencyId": agency["id"]})).await,
        agency["id"].as_i64()
    );
    superadmin
        .post("/organizer/auth/sign-out", &json!({}))
        .await
        .empty(200);
    let superadmin = components.superadmin().await;
    assert_eq!(superadmin.get("/organizer/agency").await.json(200), agency);
    let event = people::new_event("Opening");
    let event = superadmin
        .post("/organizer/agency/events", &event)
        .await
        .json(201);
    assert_eq!(event["agencyId"], agency["id"]);
    let users = superadmin.get("/organizer/agency/users").await.list();
    let ids: Vec<&Value> = users.iter().map(|user| &user["id"]).collect();
    assert!(
        ids.contains(&&superadmin.id.into()),
        "who looks in is among the users: {users:?}"
    );
    let row = last_change(&superadmin).await;
    assert_eq!(
        (&row["userId"], &row["agencyId"]),
        (&superadmin.id.into(), &agency["id"])
    );
}

#[tokio::test]
async fn a_preview_of_an_unknown_agency_is_refused_and_changes_nothing() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    preview(&superadmin, json!({"agencyId": agency.id})).await;
    let set = async |body: Value| superadmin.patch("/organizer/profile/set-agency", &body).await;
    for bad in [
        json!(agency.id.to_string()),
        json!(1.5),
        json!(true),
        json!([1]),
        json!({}),
        json!(1e300),
    ] {
        let refused = set(json!({"agencyId": bad})).await;
        refused.error(400, json!(["agencyId must be an integer number"]));
    }
    for missing in [0, -1, 999, i64::MAX] {
        let refused = set(json!({"agencyId": missing})).await;
        refused.error(404, format!("Agency with id {missing} not found"));
    }
    let profile = superadmin.get("/organizer/profile").await.json(200);
    assert_eq!(profile["agencyId"], agency.id);
    let refused = agency
        .owner
        .patch("/organizer/profile/set-agency", &json!({"agencyId": agency.id}))
        .await;
    refused.error(403, "Forbidden resource");
}

#[tokio::test]
async fn the_beginning_and_the_end_of_a_preview_are_recorded() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    preview(&superadmin, json!({"agencyId": agency.id})).await;
    let mut inside = superadmin.get("/organizer/profile").await.json(200);
    inside["agency"] = superadmin.get("/organizer/agency").await.json(200);
    preview(&superadmin, json!({})).await;
    let mut outside = superadmin.get("/organizer/profile").await.json(200);
    outside["agency"] = Value::Null;
    let rows = superadmin.get("/organizer/admin/changelogs").await.list();
    let rows: Vec<Value> = rows[rows.len() - 2..].iter().map(crate::organizer::row).collect();
    let expected = [
        change("update User", superadmin.id, inside, &superadmin, None),
        change(
            "update User",
            superadmin.id,
            outside,
            &superadmin,
            Some(agency.id),
        ),
    ];
    assert_eq!(
        rows, expected,
        "under the agency the actor carried at that moment"
    );
}
