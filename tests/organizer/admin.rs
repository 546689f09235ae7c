//! Administration (contract 3.4).

use serde_json::{Value, json};

use crate::organizer::{change, hire, last_change, row};
use crate::support::components::Components;
use crate::support::people::{self, ORGANIZER_PASSWORD, Person, new_user_with_role, registration};

const USERS: &str = "/organizer/admin/users";

async fn last_admin_change(administrator: &Person) -> Value {
    let rows = administrator.get("/organizer/admin/changelogs").await.list();
    row(rows.last().expect("a row"))
}

#[tokio::test]
async fn administrators_see_all_agencies() {
    let components = Components::with(&["organizer"], &[]);
    let superadmin = components.superadmin().await;
    let mut agencies = Vec::new();
    for name in ["Fest", "Rival"] {
        let body = registration(name);
        let agency = components
            .door
            .send("POST", "/organizer/agency", None, Some(&body))
            .await
            .json(201);
        let path = format!("/organizer/admin/agencies/{}", agency["id"]);
        assert_eq!(superadmin.get(&path).await.json(200), agency);
        agencies.push(agency);
    }
    assert_eq!(
        superadmin
            .get("/organizer/admin/agencies?surprise=1")
            .await
            .list(),
        agencies
    );
    let missing = superadmin.get("/organizer/admin/agencies/999").await;
    missing.error(404, "Agency with id 999 not found");
}

#[tokio::test]
async fn verification_requires_a_json_boolean() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    let path = format!("/organizer/admin/agencies/{}/verify", agency.id);
    superadmin
        .patch(&path, &json!({"approved": "true"}))
        .await
        .error(400, json!(["approved must be a boolean value"]));
    let unchanged = superadmin.patch(&path, &json!({})).await.json(200);
    assert_eq!(unchanged["approved"], true);
    superadmin
        .patch("/organizer/admin/agencies/999/verify", &json!({}))
        .await
        .error(404, "Agency with id 999 not found");
}
/// Contract 3.8: the change is in the administrators' record, not the agency's.
#[tokio::test]
async fn an_approval_is_recorded_for_administrators_only() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    let path = format!("/organizer/admin/agencies/{}", agency.id);
    let mut expected = superadmin.get(&path).await.json(200);
    for (body, approved) in [
        (json!({"approved": false}), false),
        (json!({"approved": true}), true),
        (json!({}), true),
    ] {
        expected["approved"] = approved.into();
        let answer = superadmin.patch(&format!("{path}/verify"), &body).await.json(200);
        assert_eq!(answer, expected);
        let row = last_admin_change(&superadmin).await;
        assert_eq!(
            row,
            change("update Agency", agency.id, expected.clone(), &superadmin, None)
        );
    }
    assert_eq!(last_change(&agency.owner).await["entityClass"], "Event");
}

#[tokio::test]
async fn the_roles_that_administrators_give_are_listed() {
    let components = Components::with(&["organizer"], &[]);
    let roles = components
        .superadmin()
        .await
        .get("/organizer/admin/users/roles")
        .await
        .json(200);
    assert_eq!(
        roles,
        json!([
            {"key": 1, "value": "Admin"},
            {"key": 2, "value": "Agency owner"},
            {"key": 3, "value": "Agency manager"},
            {"key": 4, "value": "Agency support"},
        ])
    );
}

#[tokio::test]
async fn administrators_are_listed_and_any_single_user_is_shown() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    let admin = hire(&superadmin, "admin@example.org", 1).await;
    let mut administrators = Vec::new();
    for person in [&superadmin, &admin] {
        administrators.push(person.get("/organizer/profile").await.json(200));
    }
    assert_eq!(admin.get(USERS).await.list(), administrators);
    let owner = admin.get(&format!("{USERS}/{}", agency.owner.id)).await;
    assert_eq!(
        owner.json(200),
        agency.owner.get("/organizer/profile").await.json(200)
    );
    admin
        .get(&format!("{USERS}/999"))
        .await
        .error(404, "User with id 999 not found");
}

#[tokio::test]
async fn a_user_whom_an_administrator_creates_has_no_agency() {
    let components = Components::with(&["organizer"], &[]);
    let superadmin = components.superadmin().await;
    // A preview has no effect here.
    let agency = components.agency("Fest").await;
    let looks_in = json!({"agencyId": agency.id});
    superadmin
        .patch("/organizer/profile/set-agency", &looks_in)
        .await
        .json(200);
    for (role, email) in [
        ("1", "admin@example.org"),
        ("2", "owner@example.org"),
        ("4", "support@example.org"),
    ] {
        let mut form = new_user_with_role(email, 0);
        form["role"] = role.into();
        let user = superadmin.post(USERS, &form).await.json(201);
        assert_eq!(
            (&user["agencyId"], user["role"].to_string().as_str()),
            (&Value::Null, role)
        );
        let id = user["id"].as_i64().expect("an id");
        let row = last_admin_change(&superadmin).await;
        assert_eq!(
            row,
            change("insert User", id, user, &superadmin, None),
            "it is not the agency's"
        );
    }
    people::sign_in(&components.door, "admin@example.org", ORGANIZER_PASSWORD).await;
}

#[tokio::test]
async fn administrators_manage_their_juniors_only() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    let admin = hire(&superadmin, "admin@example.org", 1).await;
    let other_admin = hire(&superadmin, "other@example.org", 1).await;
    let refusal = |verb: &str| format!("Not allowed to {verb} user with same role or senior");
    for (actor, role) in [(&superadmin, 0), (&admin, 0), (&admin, 1)] {
        let refused = actor
            .post(USERS, &new_user_with_role("new@example.org", role))
            .await;
        refused.error(403, refusal("create"));
    }
    let taken = superadmin
        .post(USERS, &new_user_with_role("admin@example.org", 1))
        .await;
    taken.error(400, "Email is already taken");
    for (actor, target) in [
        (&admin, &superadmin),
        (&admin, &admin),
        (&admin, &other_admin),
        (&superadmin, &superadmin),
    ] {
        let path = format!("{USERS}/{}", target.id);
        actor
            .patch(&path, &json!({"firstName": "Eve"}))
            .await
            .error(403, refusal("update"));
        actor.delete(&path).await.error(403, refusal("delete"));
    }
    agency.owner.get(USERS).await.error(403, "Forbidden resource");

    let path = format!("{USERS}/{}", agency.support.id);
    let role = admin.patch(&path, &json!({"role": 3})).await;
    role.error(400, json!(["property role should not exist"]));
    let mut expected = agency.support.get("/organizer/profile").await.json(200);
    expected["firstName"] = "Ewa".into();
    assert_eq!(
        admin.patch(&path, &json!({"firstName": "Ewa"})).await.json(200),
        expected
    );
    let mut value = expected.clone();
    value["agency"] = agency.owner.get("/organizer/agency").await.json(200);
    let row = last_admin_change(&admin).await;
    assert_eq!(row, change("update User", agency.support.id, value, &admin, None));

    assert_eq!(admin.delete(&path).await.json(200), expected);
    let row = last_admin_change(&admin).await;
    assert_eq!(
        row,
        change("delete User", agency.support.id, Value::Null, &admin, None)
    );
    for missing in [admin.patch(&path, &json!({})).await, admin.delete(&path).await] {
        missing.error(404, format!("User with id {} not found", agency.support.id));
    }
    let path = format!("{USERS}/{}", other_admin.id);
    superadmin.delete(&path).await.json(200);
    other_admin
        .get("/organizer/profile")
        .await
        .error(403, "Forbidden resource");
}
