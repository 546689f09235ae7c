//! The organizer service, for what the story needs of it (contract 2 and 3).

use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::support::components::{Components, ORGANIZER_JWT_SECRET, ORGANIZER_KEY, SUPERADMIN_EMAIL};
use crate::support::people::{
    self, ORGANIZER_PASSWORD, new_event, new_user, new_user_with_role, registration,
};

#[tokio::test]
async fn the_first_superadmin_comes_from_two_settings() {
    let components = Components::start();
    let superadmin = components.superadmin().await;
    let profile = superadmin.get("/organizer/profile").await.json(200);
    let expected = json!({
        "id": superadmin.id, "email": SUPERADMIN_EMAIL, "firstName": "Super", "lastName": "Admin",
        "phoneNumber": "+48123456789", "timeCreated": profile["timeCreated"], "timeSignOut": profile["timeCreated"],
        "role": 0, "agencyId": null,
    });
    assert_eq!(profile, expected);
}

#[tokio::test]
async fn the_settings_do_not_touch_a_superadmin_who_is_there() {
    let components = Components::start();
    components.superadmin().await;
    let changed = [("superadmin_email", "other@example.org")];
    let door = components.another_host(&["organizer"], &changed);
    let body = json!({"email": "other@example.org", "password": "superadmin password"});
    let reply = door
        .send("POST", "/organizer/auth/sign-in", None, Some(&body))
        .await;
    reply.error(400, "invalid email or password");
}

#[tokio::test]
async fn a_service_does_not_start_with_a_short_secret() {
    let components = Components::with(&["organizer"], &[("organizer_jwt_secret", "too short")]);
    let body = json!({"email": SUPERADMIN_EMAIL, "password": "superadmin password"});
    let reply = components
        .door
        .send("POST", "/organizer/auth/sign-in", None, Some(&body))
        .await;
    assert_eq!(
        reply.json(500),
        json!({"statusCode": 500, "message": "Internal server error"})
    );
}

#[tokio::test]
async fn a_bad_registration_is_refused_with_all_its_failures_and_leaves_nothing() {
    let components = Components::start();
    let body = json!({
        "agency": {"name": "", "address": "Rynek 1", "website": "http://localhost", "approved": true},
        "owner": {"email": "owner", "password": "short", "confirmPassword": "other", "firstName": 7, "phoneNumber": "123"},
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
async fn taken_names_and_emails_are_refused_in_that_order_and_leave_nothing() {
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
async fn only_one_of_many_gets_a_name() {
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
async fn an_event_takes_what_forms_send_and_answers_numbers_and_times() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let event = agency
        .support
        .get(&format!("/organizer/agency/events/{}", agency.event_id))
        .await
        .json(200);
    let expected = json!({
        "id": agency.event_id, "name": "Fest night", "description": "Loud", "address": "Błonia, Kraków", "lat": 50.06, "lng": 19.91,
        "timeStart": "2026-07-03T18:00:00.000Z", "timeEnd": "2026-07-03T23:00:00.000Z", "agencyId": agency.id,
    });
    assert_eq!(event, expected);
    assert_eq!(
        agency.support.get("/organizer/agency/events").await.json(200),
        json!([expected])
    );
}

#[tokio::test]
async fn a_bad_event_is_refused_and_not_on_record() {
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

/// One agency's event must not break what everybody reads.
#[tokio::test]
async fn a_time_that_could_not_be_read_again_is_refused() {
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

#[tokio::test]
async fn what_belongs_to_another_agency_does_not_exist() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    let foreign = rival
        .owner
        .get(&format!("/organizer/agency/events/{}", agency.event_id))
        .await;
    foreign.error(
        404,
        format!(
            "Event with id {} not found in agency {}",
            agency.event_id, rival.id
        ),
    );
    let foreign = rival
        .owner
        .get(&format!("/organizer/agency/users/{}", agency.support.id))
        .await;
    foreign.error(
        404,
        format!(
            "User with id {} not found in agency {}",
            agency.support.id, rival.id
        ),
    );
    for path in [
        "/organizer/agency/users",
        "/organizer/agency/events",
        "/organizer/agency/changelogs",
    ] {
        let rows = rival.owner.get(path).await.json(200);
        assert!(
            rows.as_array()
                .expect("a list")
                .iter()
                .all(|row| row["agencyId"] == rival.id),
            "{path}: {rows}"
        );
    }
    let verify = format!("/organizer/admin/agencies/{}/verify", agency.id);
    rival
        .owner
        .patch(&verify, &json!({"approved": false}))
        .await
        .error(403, "Forbidden resource");
    agency
        .owner
        .get("/organizer/agency/events/x")
        .await
        .error(400, "Validation failed (numeric string is expected)");
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
async fn verification_takes_a_real_boolean() {
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

/// Contract 2.3: revoking blocks existing tokens too, and approving again revives them.
#[tokio::test]
async fn a_revoked_approval_locks_an_agency_out_until_it_is_back() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    let path = format!("/organizer/admin/agencies/{}/verify", agency.id);
    superadmin
        .patch(&path, &json!({"approved": false}))
        .await
        .json(200);
    agency
        .owner
        .get("/organizer/profile")
        .await
        .error(403, "Forbidden resource");
    let body = json!({"email": agency.owner.email, "password": ORGANIZER_PASSWORD});
    let sign_in = async || {
        components
            .door
            .send("POST", "/organizer/auth/sign-in", None, Some(&body))
            .await
    };
    sign_in()
        .await
        .error(400, "your agency is not approved by administrators");
    let body = json!({"email": agency.owner.email, "password": "wrong horse battery"});
    let wrong = components
        .door
        .send("POST", "/organizer/auth/sign-in", None, Some(&body))
        .await;
    wrong.error(400, "invalid email or password");
    superadmin
        .patch(&path, &json!({"approved": true}))
        .await
        .json(200);
    agency.owner.get("/organizer/profile").await.json(200);
    sign_in().await.json(200);
}

#[tokio::test]
async fn bad_credentials_are_one_answer_before_the_body_is_looked_at() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let valid = &agency.owner.token;
    let bad = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some(valid.clone()),
        Some(format!("bearer {valid}")),
        Some(format!("Bearer  {valid}")),
        Some(format!("Bearer {valid}x")),
        Some(format!("Bearer {}", valid.replace("organizer:", "participant:"))),
        Some(format!("Bearer {}", valid.replace("organizer:", ""))),
        Some(format!("Bearer {}", participant.token)),
        Some(format!(
            "Bearer {}",
            forged(
                agency.owner.id,
                Algorithm::HS256,
                "another secret of 32 bytes at least",
                0
            )
        )),
        Some(format!(
            "Bearer {}",
            forged(agency.owner.id, Algorithm::HS512, ORGANIZER_JWT_SECRET, 0)
        )),
        Some(format!(
            "Bearer {}",
            forged(
                agency.owner.id,
                Algorithm::HS256,
                ORGANIZER_JWT_SECRET,
                -25 * 60 * 60
            )
        )),
        Some(format!(
            "Bearer {}",
            forged(agency.owner.id, Algorithm::HS256, ORGANIZER_JWT_SECRET, 60)
        )),
        Some(format!(
            "Bearer {}",
            forged(9999, Algorithm::HS256, ORGANIZER_JWT_SECRET, 0)
        )),
    ];
    for header in bad {
        let reply = components
            .door
            .send_as("POST", "/organizer/agency/events", header.as_deref(), "{")
            .await;
        assert_eq!(reply.status, 403, "{header:?}: {}", reply.text());
        reply.error(403, "Forbidden resource");
    }
    let good = format!(
        "Bearer {}",
        forged(agency.owner.id, Algorithm::HS256, ORGANIZER_JWT_SECRET, 0)
    );
    components
        .door
        .send_as("GET", "/organizer/profile", Some(&good), "")
        .await
        .json(200);
}

/// A token made by hand, issued `age` seconds from now.
fn forged(user_id: i64, algorithm: Algorithm, secret: &str, age: i64) -> String {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a time")
        .as_secs();
    let iat = i64::try_from(now).expect("a time") + age;
    let claims = json!({
        "sub": user_id, "iat": iat, "nbf": iat, "exp": iat + 24 * 60 * 60, "iss": "mayday", "aud": ["mayday"], "iat_ms": (iat + 1) * 1000,
    });
    let key = EncodingKey::from_secret(secret.as_bytes());
    format!(
        "organizer:{}",
        jsonwebtoken::encode(&Header::new(algorithm), &claims, &key).expect("a token")
    )
}

#[tokio::test]
async fn hostile_bodies_get_an_error_and_change_nothing() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let token = Some(agency.owner.token.as_str());
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    for body in [
        "",
        "null",
        "[]",
        "\"x\"",
        "{",
        "{\"name\":}",
        "\u{0}",
        deep.as_str(),
        r#"{"name":"\ud800"}"#,
    ] {
        let reply = components
            .door
            .send_raw("POST", "/organizer/agency/events", token, body.to_owned())
            .await;
        assert_eq!(reply.json(400)["statusCode"], 400, "{body:.20}");
    }
    let large = format!(r#"{{"name":"{}"}}"#, "n".repeat(100 * 1024));
    let reply = components
        .door
        .send_raw("POST", "/organizer/agency/events", token, large)
        .await;
    assert_eq!(
        reply.json(413),
        json!({"statusCode": 413, "message": "request entity too large"})
    );
    let events = agency.owner.get("/organizer/agency/events").await.json(200);
    assert_eq!(events.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn unknown_routes_say_so_and_browsers_are_let_in() {
    let components = Components::start();
    let reply = components
        .door
        .send("GET", "/organizer/nowhere", None, None)
        .await;
    reply.error(404, "Cannot GET /nowhere");
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(
        reply.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    let preflight = components
        .door
        .send("OPTIONS", "/organizer/agency", None, None)
        .await;
    preflight.empty(204);
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        Some("GET,HEAD,PUT,PATCH,POST,DELETE")
    );
}

#[tokio::test]
async fn services_need_the_key() {
    let components = Components::start();
    let get = async |key| {
        components
            .door
            .send("GET", "/organizer/api/events", key, None)
            .await
    };
    assert_eq!(
        get(None).await.json(401),
        json!({"statusCode": 401, "message": "Unauthorized"})
    );
    get(Some("wrong")).await.error(401, "invalid api key");
    assert_eq!(get(Some(ORGANIZER_KEY)).await.json(200), json!([]));
}

#[tokio::test]
async fn services_find_the_events_of_approved_agencies() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    let find = async |query: &str| {
        let path = format!("/organizer/api/events{query}");
        let events = components
            .door
            .send("GET", &path, Some(ORGANIZER_KEY), None)
            .await
            .json(200);
        let events = events.as_array().expect("a list").clone();
        events
            .iter()
            .map(|event| event["id"].as_i64().expect("an id"))
            .collect::<Vec<_>>()
    };
    let both = vec![agency.event_id, rival.event_id];
    assert_eq!(find("").await, both);
    assert_eq!(find("?query=fEST").await, [agency.event_id]);
    assert_eq!(
        find("?query=B%C5%81ONIA").await,
        both,
        "case is folded beyond ASCII"
    );
    for literal in ["%25", "_", "night%25"] {
        assert_eq!(find(&format!("?query={literal}")).await, Vec::<i64>::new());
    }
    assert_eq!(
        find("?from=2026-07-03T18:00&to=2026-07-03T18:00").await,
        both,
        "both ends are inclusive"
    );
    assert_eq!(find("?from=2026-07-04").await, Vec::<i64>::new());
    assert_eq!(
        find(&format!("?ids={},999", rival.event_id)).await,
        [rival.event_id]
    );

    let superadmin = components.superadmin().await;
    let verify = format!("/organizer/admin/agencies/{}/verify", agency.id);
    superadmin
        .patch(&verify, &json!({"approved": false}))
        .await
        .json(200);
    assert_eq!(find("").await, [rival.event_id]);
    let path = format!("/organizer/api/events/{}", agency.event_id);
    let hidden = components
        .door
        .send("GET", &path, Some(ORGANIZER_KEY), None)
        .await;
    hidden.error(404, format!("Event with id {} not found", agency.event_id));
    let bad = components
        .door
        .send(
            "GET",
            "/organizer/api/events?query=&from=x&more=1",
            Some(ORGANIZER_KEY),
            None,
        )
        .await;
    bad.error(
        400,
        json!([
            "query should not be empty",
            "from must be a valid ISO 8601 date string",
            "property more should not exist"
        ]),
    );
}
