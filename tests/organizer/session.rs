//! Signing in and out, and the validity of tokens (contract 2.1 to 2.3, 2.6, 2.8).

use jsonwebtoken::{Algorithm, Header};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::organizer::{change, last_change};
use crate::support::components::{Components, ORGANIZER_JWT_SECRET, SUPERADMIN_EMAIL};
use crate::support::door::{Reply, take_trace_id};
use crate::support::people::{self, ORGANIZER_PASSWORD, PARTICIPANT_PASSWORD, new_user_with_role};
use crate::support::tokens;

async fn sign_in(components: &Components, email: &str, password: &str) -> Reply {
    let body = json!({"email": email, "password": password});
    components
        .door
        .send("POST", "/organizer/auth/sign-in", None, Some(&body))
        .await
}

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
async fn the_settings_do_not_change_an_existing_superadmin() {
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
    let mut body = reply.json(500);
    take_trace_id(&mut body);
    assert_eq!(
        body,
        json!({"statusCode": 500, "message": "Internal server error"})
    );
}

/// Contract 2.3: revoking an approval blocks existing tokens, and approving again revives them.
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
async fn bad_credentials_are_403_before_the_body_is_read() {
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
            forged(agency.owner.id, Algorithm::HS256, ORGANIZER_JWT_SECRET, 90)
        )),
        Some(format!(
            "Bearer {}",
            forged(9999, Algorithm::HS256, ORGANIZER_JWT_SECRET, 0)
        )),
        Some(format!("Bearer {}", forged_by(agency.owner.id, "else", "mayday"))),
        Some(format!("Bearer {}", forged_by(agency.owner.id, "mayday", "else"))),
    ];
    for header in bad {
        let reply = components
            .door
            .send_as("POST", "/organizer/agency/events", header.as_deref(), "{")
            .await;
        assert_eq!(reply.status, 403, "{header:?}: {}", reply.text());
        reply.error(403, "Forbidden resource");
    }
    // The clock of the host that issued a token may be ahead.
    for age in [0, 30] {
        let good = forged(agency.owner.id, Algorithm::HS256, ORGANIZER_JWT_SECRET, age);
        let profile = components
            .door
            .send("GET", "/organizer/profile", Some(&good), None)
            .await;
        profile.json(200);
    }
}

/// Contract 2.2: a token with the contract's claims alone works in the second of the sign-in, and ends with a sign-out.
#[tokio::test]
async fn a_token_with_only_the_contracts_claims_is_valid() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let owner = &agency.owner;
    let get = async |token: &str| {
        let door = &components.door;
        door.send("GET", "/organizer/profile", Some(token), None).await
    };
    let token = forged(owner.id, Algorithm::HS256, ORGANIZER_JWT_SECRET, 0);
    get(&token).await.json(200);
    let signed_out = components
        .door
        .send("POST", "/organizer/auth/sign-out", Some(&token), None)
        .await;
    signed_out.empty(200);
    get(&token).await.error(403, "Forbidden resource");
    get(&owner.token).await.error(403, "Forbidden resource");
    let again = people::sign_in(&components.door, &owner.email, ORGANIZER_PASSWORD).await;
    get(&again.token).await.json(200);
}

/// A token made by hand, issued `age` seconds from now.
fn forged(user_id: i64, algorithm: Algorithm, secret: &str, age: i64) -> String {
    sign(algorithm, secret, &claims(user_id, age, "mayday", "mayday"))
}

/// The same in another issuer's name, or for another audience.
fn forged_by(user_id: i64, issuer: &str, audience: &str) -> String {
    let claims = claims(user_id, 0, issuer, audience);
    sign(Algorithm::HS256, ORGANIZER_JWT_SECRET, &claims)
}

fn claims(user_id: i64, age: i64, issuer: &str, audience: &str) -> Value {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a time")
        .as_secs();
    let iat = i64::try_from(now).expect("a time") + age;
    json!({
        "sub": user_id, "iat": iat, "nbf": iat, "exp": iat + 24 * 60 * 60, "iss": issuer, "aud": [audience],
    })
}

fn sign(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    tokens::sign("organizer", algorithm, secret, claims)
}

#[tokio::test]
async fn the_creation_of_the_first_superadmin_is_recorded() {
    let components = Components::with(&["organizer"], &[]);
    let superadmin = components.superadmin().await;
    let rows = superadmin.get("/organizer/admin/changelogs").await.list();
    assert_eq!(rows.len(), 1, "{rows:?}");
    let profile = superadmin.get("/organizer/profile").await.json(200);
    let expected = change("insert User", superadmin.id, profile, &superadmin, None);
    assert_eq!(crate::organizer::row(&rows[0]), expected);
}

#[tokio::test]
async fn a_sign_in_answers_the_user_and_a_token_of_the_contracts_form() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let signed_in = sign_in(&components, &agency.owner.email, ORGANIZER_PASSWORD)
        .await
        .json(200);
    let user = agency.owner.get("/organizer/profile").await.json(200);
    assert_eq!(signed_in["user"], user);
    assert_eq!(signed_in.as_object().map(serde_json::Map::len), Some(2));
    assert!(signed_in.to_string().len() < 4000, "both fit into a cookie");

    let token = signed_in["token"].as_str().expect("a text");
    let jwt = token.strip_prefix("organizer:").expect("a prefix");
    let header = jsonwebtoken::decode_header(jwt).expect("a header");
    assert_eq!(header, Header::new(Algorithm::HS256));
    let claims = tokens::claims(token, ORGANIZER_JWT_SECRET);
    let issued = claims["iat"].as_u64().expect("whole seconds");
    assert_eq!(claims["sub"], agency.owner.id);
    assert_eq!(claims["nbf"], issued);
    assert_eq!(claims["exp"], issued + 24 * 60 * 60);
    assert_eq!(claims["aud"], json!([claims["iss"]]));
    assert!(claims["iss"].is_string());
}

#[tokio::test]
async fn every_refused_sign_in_is_400() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let door = &components.door;
    let nothing = door
        .send(
            "POST",
            "/organizer/auth/sign-in",
            None,
            Some(&json!({"remember": true})),
        )
        .await;
    nothing.error(
        400,
        json!([
            "property remember should not exist",
            "email must be an email",
            "email must be shorter than or equal to 320 characters",
            "password must be a string",
            "password must be longer than or equal to 16 characters",
            "password must be shorter than or equal to 128 characters",
        ]),
    );
    let email = agency.owner.email.as_str();
    sign_in(&components, email, "too short").await.error(
        400,
        json!(["password must be longer than or equal to 16 characters"]),
    );
    let (wrong, unknown) = ("wrong horse battery", "nobody@example.org");
    let answers = [
        sign_in(&components, email, wrong).await,
        sign_in(&components, unknown, wrong).await,
        sign_in(&components, &email.to_uppercase(), ORGANIZER_PASSWORD).await,
    ];
    for answer in answers {
        answer.error(400, "invalid email or password");
    }
}

#[tokio::test]
async fn a_user_without_an_agency_is_refused_as_unapproved() {
    let components = Components::with(&["organizer"], &[]);
    let superadmin = components.superadmin().await;
    let user = new_user_with_role("stray@example.org", 3);
    superadmin.post("/organizer/admin/users", &user).await.json(201);
    let refused = sign_in(&components, "stray@example.org", ORGANIZER_PASSWORD).await;
    refused.error(400, "your agency is not approved by administrators");
}

#[tokio::test]
async fn a_sign_out_ends_all_sessions_and_is_recorded() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let other_phone = people::sign_in(&components.door, &agency.support.email, ORGANIZER_PASSWORD).await;
    other_phone
        .post("/organizer/auth/sign-out", &json!({"ignored": 1}))
        .await
        .empty(200);
    for session in [&other_phone, &agency.support] {
        session
            .get("/organizer/profile")
            .await
            .error(403, "Forbidden resource");
        session
            .post("/organizer/auth/sign-out", &json!({}))
            .await
            .error(403, "Forbidden resource");
    }
    let user = format!("/organizer/agency/users/{}", agency.support.id);
    let mut after = agency.owner.get(&user).await.json(200);
    after["agency"] = agency.owner.get("/organizer/agency").await.json(200);
    let expected = change(
        "update User",
        agency.support.id,
        after,
        &agency.support,
        Some(agency.id),
    );
    assert_eq!(last_change(&agency.owner).await, expected);
}

/// Contract 2.2: the reference refused a token that was issued in the second of the sign-out.
#[tokio::test]
async fn a_token_issued_in_the_millisecond_of_a_sign_out_is_valid() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    for _ in 0..25 {
        let session = people::sign_in(&components.door, &agency.owner.email, ORGANIZER_PASSWORD).await;
        session.get("/organizer/profile").await.json(200);
        session
            .post("/organizer/auth/sign-out", &json!({}))
            .await
            .empty(200);
        session
            .get("/organizer/profile")
            .await
            .error(403, "Forbidden resource");
    }
}

/// The token is as if it was issued an hour ahead: before the clock was set back.
#[tokio::test]
async fn a_sign_out_ends_sessions_from_before_the_clock_was_set_back() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let owner = &agency.owner;
    let mut claims = tokens::claims(&owner.token, ORGANIZER_JWT_SECRET);
    claims["iat_ms"] = json!(claims["iat_ms"].as_i64().expect("a time") + 3_600_000);
    let earlier = sign(Algorithm::HS256, ORGANIZER_JWT_SECRET, &claims);
    let profile = async || {
        let door = &components.door;
        door.send("GET", "/organizer/profile", Some(&earlier), None).await
    };
    profile().await.json(200);

    owner
        .post("/organizer/auth/sign-out", &json!({}))
        .await
        .empty(200);
    profile().await.error(403, "Forbidden resource");
}

/// The parameters come from variables, which have changed since the password was hashed.
#[tokio::test]
async fn a_password_is_hashed_again_only_when_more_work_is_configured() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let email = agency.owner.email.as_str();
    let stored = || {
        let database = Connection::open(components.database("organizer")).expect("a database");
        let hash = database.query_row(
            "select password_hash from users where email = ?1",
            [email],
            |row| row.get::<_, String>(0),
        );
        hash.expect("a hash")
    };
    let first = stored();
    assert!(first.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{first}");
    let dearer = components.another_host(&["organizer"], &[("argon2_memory_kib", "128")]);
    let wrong = json!({"email": email, "password": "wrong horse battery"});
    dearer
        .send("POST", "/organizer/auth/sign-in", None, Some(&wrong))
        .await;
    assert_eq!(stored(), first);
    let session = people::sign_in(&dearer, email, ORGANIZER_PASSWORD).await;
    let second = stored();
    assert!(second.starts_with("$argon2id$v=19$m=128,t=1,p=1$"), "{second}");
    session.get("/organizer/profile").await.json(200);
    people::sign_in(&dearer, email, ORGANIZER_PASSWORD).await;
    sign_in(&components, email, ORGANIZER_PASSWORD).await.json(200);
    assert_eq!(stored(), second);
}

#[tokio::test]
async fn the_log_warns_of_parameters_below_owasps() {
    let owasp = [("argon2_memory_kib", "7168"), ("argon2_iterations", "5")];
    let enough = Components::with(&["organizer"], &owasp);
    enough.superadmin().await;
    let log = enough.log("organizer");
    assert!(!log.contains("WARN"), "{log}");
    let weak = Components::with(&["organizer"], &[]);
    weak.superadmin().await;
    let log = weak.log("organizer");
    assert!(log.contains("less than OWASP asks for"), "{log}");
    assert!(log.contains("argon2_memory_kib=64"), "{log}");
}

#[tokio::test]
async fn the_log_warns_of_weak_parameters_once_an_hour() {
    let components = Components::with(&["organizer", "participant"], &[]);
    let warnings = |service: &str| {
        let log = components.log(service);
        log.lines()
            .filter(|line| line.contains(" WARN ") && line.contains(": argon2"))
            .count()
    };
    for number in 0..3 {
        components.superadmin().await;
        people::sign_up(&components.door, &format!("p{number}@example.org")).await;
    }
    assert_eq!((warnings("organizer"), warnings("participant")), (1, 1));
    for service in ["organizer", "participant"] {
        let database = Connection::open(components.database(service)).expect("a database");
        let an_hour_later = "UPDATE notices SET printed_at = printed_at - 3600000";
        assert_eq!(database.execute(an_hour_later, ()), Ok(1), "{service}");
    }
    for _ in 0..2 {
        components.superadmin().await;
        people::sign_in_participant(&components.door, "p0@example.org", PARTICIPANT_PASSWORD).await;
    }
    assert_eq!((warnings("organizer"), warnings("participant")), (2, 2));
}
