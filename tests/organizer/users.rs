//! An agency's users (contract 3.4, "Agency users", and 3.7).

use serde_json::{Value, json};

use crate::organizer::{change, create, hire, last_change, new_issue, record};
use crate::support::components::Components;
use crate::support::people::{self, ORGANIZER_PASSWORD, new_user, new_user_with_role};

#[tokio::test]
async fn the_roles_of_an_agency_are_listed() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let roles = agency
        .support
        .get("/organizer/agency/users/roles")
        .await
        .json(200);
    assert_eq!(
        roles,
        json!([
            {"key": 2, "value": "Agency owner"},
            {"key": 3, "value": "Agency manager"},
            {"key": 4, "value": "Agency support"},
        ])
    );
}

#[tokio::test]
async fn users_of_an_agency_see_each_other() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    let mut users = Vec::new();
    for person in [&agency.owner, &agency.support] {
        let user = person.get("/organizer/profile").await.json(200);
        let path = format!("/organizer/agency/users/{}", person.id);
        assert_eq!(agency.support.get(&path).await.json(200), user);
        users.push(user);
    }
    assert_eq!(
        agency
            .support
            .get("/organizer/agency/users?surprise=1")
            .await
            .list(),
        users
    );
    for (id, shown) in [(rival.owner.id, rival.owner.id), (999, 999)] {
        let path = format!("/organizer/agency/users/{id}");
        let missing = agency.support.get(&path).await;
        missing.error(
            404,
            format!("User with id {shown} not found in agency {}", agency.id),
        );
    }
}

/// Contract 3.1: the administrators' changelog page depends on it.
#[tokio::test]
async fn an_administrator_without_preview_finds_any_single_user() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    for path in ["agency", "admin"] {
        let owner = format!("/organizer/{path}/users/{}", agency.owner.id);
        assert_eq!(
            superadmin.get(&owner).await.json(200)["email"],
            agency.owner.email
        );
        let nobody = format!("/organizer/{path}/users/999");
        superadmin
            .get(&nobody)
            .await
            .error(404, "User with id 999 not found");
    }
    superadmin
        .get("/organizer/agency/users")
        .await
        .error(400, "choose an agency first");
    let path = format!("/organizer/agency/users/{}", agency.support.id);
    superadmin
        .patch(&path, &json!({"role": 3}))
        .await
        .error(400, "choose an agency first");
    superadmin
        .delete(&path)
        .await
        .error(400, "choose an agency first");
}

#[tokio::test]
async fn a_user_is_created_in_the_callers_agency() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let mut form = new_user("manager@example.org");
    form["role"] = "3".into();
    let user = agency
        .owner
        .post("/organizer/agency/users", &form)
        .await
        .json(201);
    assert_eq!(
        user,
        json!({
            "id": user["id"], "email": "manager@example.org", "firstName": "Anna", "lastName": "Nowak",
            "phoneNumber": "+48123456789", "timeCreated": user["timeCreated"], "timeSignOut": user["timeCreated"],
            "role": 3, "agencyId": agency.id,
        })
    );
    let id = user["id"].as_i64().expect("an id");
    let row = last_change(&agency.owner).await;
    assert_eq!(
        row,
        change("insert User", id, user, &agency.owner, Some(agency.id)),
        "without the agency"
    );
    people::sign_in(&components.door, "manager@example.org", ORGANIZER_PASSWORD).await;
}

#[tokio::test]
async fn nobody_creates_a_peer_or_a_senior() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    for role in 0..=2 {
        let body = new_user_with_role("new@example.org", role);
        let reply = agency.owner.post("/organizer/agency/users", &body).await;
        reply.error(403, "Not allowed to create user with same role or senior");
    }
    let body = new_user_with_role("new@example.org", 4);
    agency
        .support
        .post("/organizer/agency/users", &body)
        .await
        .error(403, "Forbidden resource");
    let users = agency.owner.get("/organizer/agency/users").await.json(200);
    assert_eq!(users.as_array().map(Vec::len), Some(2), "{users}");
}
#[tokio::test]
async fn a_user_is_edited_in_part_by_a_senior() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let path = format!("/organizer/agency/users/{}", agency.support.id);
    let mut expected = agency.support.get("/organizer/profile").await.json(200);
    for (edits, field, value) in [
        (json!({"firstName": "Ewa"}), "firstName", json!("Ewa")),
        (json!({"lastName": "Lis"}), "lastName", json!("Lis")),
        (
            json!({"phoneNumber": "+48 601 234 567"}),
            "phoneNumber",
            json!("+48 601 234 567"),
        ),
        (json!({"role": "3 - manager"}), "role", json!(3)),
        (json!({"role": 4}), "role", json!(4)),
    ] {
        expected[field] = value;
        assert_eq!(agency.owner.patch(&path, &edits).await.json(200), expected);
        let mut value = expected.clone();
        value["agency"] = agency.owner.get("/organizer/agency").await.json(200);
        let row = last_change(&agency.owner).await;
        assert_eq!(
            row,
            change(
                "update User",
                agency.support.id,
                value,
                &agency.owner,
                Some(agency.id)
            )
        );
    }
    let nobody = agency
        .owner
        .patch("/organizer/agency/users/999", &json!({}))
        .await;
    nobody.error(404, format!("User with id 999 not found in agency {}", agency.id));
    for field in ["email", "password", "confirmPassword", "agencyId", "id"] {
        let refused = agency.owner.patch(&path, &json!({field: "x"})).await;
        refused.error(400, json!([format!("property {field} should not exist")]));
    }
}

/// The caller must be senior to both the present and the new role of the user.
#[tokio::test]
async fn users_give_only_roles_that_they_may_manage() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let manager = hire(&agency.owner, "manager@example.org", 3).await;
    let second_owner = components.superadmin().await;
    let looks_in = json!({"agencyId": agency.id});
    second_owner
        .patch("/organizer/profile/set-agency", &looks_in)
        .await
        .json(200);
    let second_owner = hire(&second_owner, "owner2@example.org", 2).await;
    let rows = record(&agency.owner).await;
    let refusal = "Not allowed to update user with same role or senior";
    for (actor, target, edits) in [
        (&manager, &agency.support, json!({"role": 3})),
        (&manager, &agency.support, json!({"role": 2})),
        (&manager, &agency.support, json!({"role": 0, "firstName": "Eve"})),
        (&manager, &manager, json!({"firstName": "Eve"})),
        (&manager, &manager, json!({"role": 2})),
        (&manager, &agency.owner, json!({"role": 4})),
        (&agency.owner, &agency.support, json!({"role": "2"})),
        (&agency.owner, &agency.support, json!({"role": 1})),
        (&agency.owner, &second_owner, json!({"firstName": "Eve"})),
        (&agency.owner, &agency.owner, json!({"role": 2})),
    ] {
        let path = format!("/organizer/agency/users/{}", target.id);
        actor.patch(&path, &edits).await.error(403, refusal);
    }
    let support = format!("/organizer/agency/users/{}", agency.support.id);
    let refused = agency.support.patch(&support, &json!({"firstName": "Eve"})).await;
    refused.error(403, "Forbidden resource");
    assert_eq!(record(&agency.owner).await, rows);
}

#[tokio::test]
async fn a_changed_role_applies_to_the_next_request() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let path = format!("/organizer/agency/users/{}", agency.support.id);
    let create_event = async |name: &str| {
        let event = people::new_event(name);
        agency
            .support
            .post("/organizer/agency/events", &event)
            .await
            .status
    };
    assert_eq!(create_event("First").await, 403);
    agency.owner.patch(&path, &json!({"role": 3})).await.json(200);
    assert_eq!(create_event("Second").await, 201);
    agency.owner.patch(&path, &json!({"role": 4})).await.json(200);
    assert_eq!(create_event("Third").await, 403);
}

#[tokio::test]
async fn a_deleted_users_issues_and_comments_are_deleted_and_the_record_stays() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let (owner, support) = (&agency.owner, &agency.support);
    let manager = hire(owner, "manager@example.org", 3).await;
    let comment_on = async |by, issue_id: i64| {
        let comment = json!({"content": "Seen", "issueId": issue_id});
        create(by, "/organizer/agency/comments", &comment).await
    };
    let own_issue = create(support, "/organizer/agency/issues", &new_issue(agency.event_id)).await;
    let other_issue = create(owner, "/organizer/agency/issues", &new_issue(agency.event_id)).await;
    let on_own = comment_on(owner, own_issue).await;
    let own = comment_on(support, other_issue).await;
    let stays = comment_on(owner, other_issue).await;
    let known = record(owner).await.len();

    let path = format!("/organizer/agency/users/{}", support.id);
    for (actor, target, refusal) in [
        (support, support, "Forbidden resource"),
        (
            &manager,
            owner,
            "Not allowed to delete user with same role or senior",
        ),
        (
            &manager,
            &manager,
            "Not allowed to delete user with same role or senior",
        ),
        (
            owner,
            owner,
            "Not allowed to delete user with same role or senior",
        ),
    ] {
        let path = format!("/organizer/agency/users/{}", target.id);
        actor.delete(&path).await.error(403, refusal);
    }
    let before = owner.get(&path).await.json(200);
    assert_eq!(manager.delete(&path).await.json(200), before);
    let gone = format!("User with id {} not found in agency {}", support.id, agency.id);
    manager.delete(&path).await.error(404, gone);
    support
        .get("/organizer/profile")
        .await
        .error(403, "Forbidden resource");

    let comments = owner.get("/organizer/agency/comments").await.list();
    assert_eq!(
        comments.iter().map(|comment| &comment["id"]).collect::<Vec<_>>(),
        [stays]
    );
    let rows = record(owner).await;
    let deleted = |class: &str, id| {
        change(
            &format!("delete {class}"),
            id,
            Value::Null,
            &manager,
            Some(agency.id),
        )
    };
    let expected = [
        deleted("Comment", on_own),
        deleted("Comment", own),
        deleted("Issue", own_issue),
        deleted("User", support.id),
    ];
    assert_eq!(&rows[known..], expected);
    let theirs = format!("/organizer/agency/changelogs?userId={}", support.id);
    assert_eq!(
        owner.get(&theirs).await.list().len(),
        2,
        "what the user did stays on record"
    );
    hire(owner, &support.email, 4).await;
}

/// Who has lost a password gets a new one from a senior; the record has no word of it but the time.
#[tokio::test]
async fn a_senior_sets_a_new_password_and_all_sessions_of_the_user_end() {
    const NEW: &str = "yet another horse battery";
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    let body = json!({"password": NEW, "confirmPassword": NEW});
    let (support, owner) = (&agency.support, &agency.owner);
    for (senior, user, path) in [
        (
            owner,
            support,
            format!("/organizer/agency/users/{}/password", support.id),
        ),
        (
            &superadmin,
            owner,
            format!("/organizer/admin/users/{}/password", owner.id),
        ),
    ] {
        let shown = senior.patch(&path, &body).await.json(200);
        assert_eq!((&shown["id"], shown.get("password")), (&json!(user.id), None));
        user.get("/organizer/profile")
            .await
            .error(403, "Forbidden resource");
        let old = json!({"email": user.email, "password": ORGANIZER_PASSWORD});
        let path = "/organizer/auth/sign-in";
        let refused = components.door.send("POST", path, None, Some(&old)).await;
        refused.error(400, "invalid email or password");
        let again = people::sign_in(&components.door, &user.email, NEW).await;
        assert_eq!(again.get("/organizer/profile").await.json(200), shown);
    }
    let owner = people::sign_in(&components.door, &owner.email, NEW).await;
    let rows = record(&owner).await;
    let changed = rows
        .iter()
        .rfind(|row| row["entityId"] == support.id && row["type"] == "update");
    assert_eq!(changed.expect("a row")["userId"], owner.id);
    assert!(
        !json!(rows).to_string().to_lowercase().contains("password"),
        "{rows:?}"
    );
}

/// The last sign-out lies ahead, and so does the token that was issued after it.
#[tokio::test]
async fn a_senior_ends_all_sessions_although_the_clock_was_set_back() {
    const NEW: &str = "yet another horse battery";
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let (support, owner) = (&agency.support, &agency.owner);
    let database = rusqlite::Connection::open(components.database("organizer")).expect("a database");
    let sql = "UPDATE users SET time_sign_out = time_sign_out + 3600000 WHERE id = ?1";
    database.execute(sql, [support.id]).expect("a user");
    let session = people::sign_in(&components.door, &support.email, ORGANIZER_PASSWORD).await;
    session.get("/organizer/profile").await.json(200);

    let path = format!("/organizer/agency/users/{}/password", support.id);
    let body = json!({"password": NEW, "confirmPassword": NEW});
    let shown = owner.patch(&path, &body).await.json(200);
    session
        .get("/organizer/profile")
        .await
        .error(403, "Forbidden resource");
    let again = people::sign_in(&components.door, &support.email, NEW).await;
    assert_eq!(again.get("/organizer/profile").await.json(200), shown);
}

#[tokio::test]
async fn a_bad_new_password_is_refused_and_ends_no_session() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let path = format!("/organizer/agency/users/{}/password", agency.support.id);
    let reset = async |password: &str, confirmed: &str| {
        let body = json!({"password": password, "confirmPassword": confirmed});
        agency.owner.patch(&path, &body).await
    };
    let short = "password must be longer than or equal to 16 characters";
    reset("too short", "too short").await.error(
        400,
        json!([
            short,
            "confirmPassword must be longer than or equal to 16 characters"
        ]),
    );
    reset("correct horse battery", "another horse battery")
        .await
        .error(400, json!(["confirmPassword must be equal to password"]));
    reset("12345678901234567890", "12345678901234567890")
        .await
        .error(400, json!(["password must not be a common password"]));
    agency.support.get("/organizer/profile").await.json(200);
}

/// Somebody whose password is common from before still signs in.
#[tokio::test]
async fn common_passwords_are_refused_wherever_one_is_chosen() {
    const COMMON: &str = "ManchesterUnited";
    let components = Components::with(&["organizer"], &[("superadmin_password", COMMON)]);
    let email = crate::support::components::SUPERADMIN_EMAIL;
    let superadmin = people::sign_in(&components.door, email, COMMON).await;
    let mut user = new_user_with_role("admin@example.org", 1);
    user["password"] = COMMON.into();
    user["confirmPassword"] = COMMON.into();
    let refused = json!(["password must not be a common password"]);
    superadmin
        .post("/organizer/admin/users", &user)
        .await
        .error(400, refused);
    let mut agency = people::registration("Fest");
    agency["owner"]["password"] = COMMON.into();
    agency["owner"]["confirmPassword"] = COMMON.into();
    let path = "/organizer/agency";
    let refused = json!(["owner.password must not be a common password"]);
    components
        .door
        .send("POST", path, None, Some(&agency))
        .await
        .error(400, refused);
    let change = json!({
        "oldPassword": COMMON, "newPassword": "1234567890qwertyuiop", "confirmNewPassword": "1234567890qwertyuiop",
    });
    let refused = json!(["newPassword must not be a common password"]);
    let path = "/organizer/profile/change-password";
    superadmin.patch(path, &change).await.error(400, refused);
}
