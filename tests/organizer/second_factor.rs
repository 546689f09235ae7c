//! The second factor of users (docs/organizer-api.md).

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, Mac};
use rusqlite::Connection;
use serde_json::{Value, json};
use sha1::Sha1;

use crate::organizer::{change, hire, last_change, record};
use crate::support::components::Components;
use crate::support::door::Reply;
use crate::support::people::{self, ORGANIZER_PASSWORD, Person};

const OWN: &str = "/organizer/profile/second-factor";
const CONFIRM: &str = "/organizer/profile/second-factor/confirm";

/// The code that an app shows now for a secret in base32 (RFC 6238).
pub(super) fn code(secret: &str) -> String {
    code_at(secret, chrono::Utc::now().timestamp() / 30)
}

fn code_at(secret: &str, step: i64) -> String {
    let secret = BASE32_NOPAD.decode(secret.as_bytes()).expect("base32");
    let mut mac = Hmac::<Sha1>::new_from_slice(&secret).expect("a key");
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let start = usize::from(digest[19] & 0xf);
    let number = u32::from_be_bytes(digest[start..start + 4].try_into().expect("four bytes"));
    format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
}

/// A code that is none of the secret's around now.
fn wrong_code(secret: &str) -> String {
    let now = chrono::Utc::now().timestamp() / 30;
    let near: Vec<String> = (now - 5..now + 5).map(|step| code_at(secret, step)).collect();
    let mut codes = (0..).map(|number: u32| format!("{number:06}"));
    codes.find(|code| !near.contains(code)).expect("a code")
}

/// The second factor of a person.
pub(crate) struct Factor {
    secret: String,
    pub(crate) recovery_codes: Vec<String>,
}

async fn set_up(person: &Person) -> String {
    set_up_with(person, ORGANIZER_PASSWORD).await
}

async fn set_up_with(person: &Person, password: &str) -> String {
    let made = person.post(OWN, &json!({"password": password})).await.json(201);
    made["secret"].as_str().expect("a text").to_owned()
}

async fn turn_on(person: &Person) -> Factor {
    turn_on_with(person, ORGANIZER_PASSWORD).await
}

/// Turns a second factor on for a person with this password.
pub(crate) async fn turn_on_with(person: &Person, password: &str) -> Factor {
    let secret = set_up_with(person, password).await;
    let confirmed = person
        .post(CONFIRM, &json!({"code": code(&secret)}))
        .await
        .json(200);
    let codes = confirmed["recoveryCodes"].as_array().expect("a list");
    let recovery_codes: Vec<String> = codes
        .iter()
        .map(|code| code.as_str().expect("a text").to_owned())
        .collect();
    Factor {
        secret,
        recovery_codes,
    }
}

/// Lets time pass for the codes of apps: those that were used belong to earlier steps now.
fn let_time_pass(components: &Components) {
    let database = Connection::open(components.database("organizer")).expect("a database");
    database
        .execute("UPDATE second_factors SET last_step = last_step - 10", ())
        .expect("an update");
}

async fn sign_in(components: &Components, email: &str, password: &str, code: Option<&str>) -> Reply {
    sign_in_from(components, "192.0.2.1", email, password, code).await
}

async fn sign_in_from(
    components: &Components,
    address: &str,
    email: &str,
    password: &str,
    code: Option<&str>,
) -> Reply {
    let mut body = json!({"email": email, "password": password});
    if let Some(code) = code {
        body["code"] = code.into();
    }
    let headers = [("content-type", "application/json"), ("x-forwarded-for", address)];
    components
        .door
        .send_with("POST", "/organizer/auth/sign-in", &headers, body.to_string())
        .await
}

/// Turns the own second factor off.
pub(crate) async fn turn_off(person: &Person, password: &str, code: &str) -> Reply {
    let body = json!({"password": password, "code": code}).to_string();
    person
        .door()
        .send_raw("DELETE", OWN, Some(&person.token), body)
        .await
}

fn state(person: &Person, recovery_codes: Option<usize>) -> Value {
    json!({
        "userId": person.id, "isOn": recovery_codes.is_some(), "recoveryCodes": recovery_codes.unwrap_or_default(),
    })
}

#[tokio::test]
async fn a_second_factor_is_on_once_a_first_code_has_come() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let (owner, email) = (&agency.owner, agency.owner.email.as_str());
    assert_eq!(owner.get(OWN).await.json(200), state(owner, None));
    let wrong = json!({"password": "wrong horse battery"});
    owner.post(OWN, &wrong).await.error(400, "invalid password");
    let nothing = owner.post(CONFIRM, &json!({"code": "287082"})).await;
    nothing.error(404, "there is no second factor to confirm");

    let replaced = set_up(owner).await;
    let secret = set_up(owner).await;
    assert_ne!(secret, replaced);
    assert_eq!(owner.get(OWN).await.json(200), state(owner, None));
    sign_in(&components, email, ORGANIZER_PASSWORD, None)
        .await
        .json(200);
    for wrong in [wrong_code(&secret), code(&replaced), "no code".to_owned()] {
        let refused = owner.post(CONFIRM, &json!({"code": wrong})).await;
        refused.error(400, "invalid code");
    }
    assert_eq!(owner.get(OWN).await.json(200), state(owner, None));

    let typed = code(&secret);
    let typed = format!(" {} {}", &typed[..3], &typed[3..]);
    let confirmed = owner.post(CONFIRM, &json!({"code": typed})).await.json(200);
    assert_eq!(confirmed["recoveryCodes"].as_array().map(Vec::len), Some(10));
    assert_eq!(owner.get(OWN).await.json(200), state(owner, Some(10)));
    let again = json!({"password": ORGANIZER_PASSWORD});
    owner
        .post(OWN, &again)
        .await
        .error(400, "the second factor is on already");
    let again = owner.post(CONFIRM, &json!({"code": code(&secret)})).await;
    again.error(404, "there is no second factor to confirm");
}

#[tokio::test]
async fn the_address_for_apps_has_the_account_and_the_secret() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let body = json!({"password": ORGANIZER_PASSWORD});
    let made = agency.owner.post(OWN, &body).await.json(201);
    let uri = url::Url::parse(made["uri"].as_str().expect("a text")).expect("an address");
    assert_eq!((uri.scheme(), uri.host_str()), ("otpauth", Some("totp")));
    assert_eq!(uri.path(), "/Mayday:owner%40fest%2Eexample%2Eorg");
    let pairs: Vec<(String, String)> = uri.query_pairs().into_owned().collect();
    let secret = made["secret"].as_str().expect("a text").to_owned();
    let expected = [
        ("secret".to_owned(), secret),
        ("issuer".to_owned(), "Mayday".to_owned()),
    ];
    assert_eq!(pairs, expected);
}

#[tokio::test]
async fn a_sign_in_needs_a_code_of_those_who_have_a_second_factor_and_of_nobody_else() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let (owner, support) = (&agency.owner, &agency.support);
    let factor = turn_on(owner).await;
    let_time_pass(&components);
    let now = code(&factor.secret);
    let wrong = wrong_code(&factor.secret);
    let with =
        async |password: &str, code: Option<&str>| sign_in(&components, &owner.email, password, code).await;
    for missing in [None, Some("")] {
        with(ORGANIZER_PASSWORD, missing)
            .await
            .error(400, "second factor required");
    }
    with(ORGANIZER_PASSWORD, Some(&wrong))
        .await
        .error(400, "invalid code");
    for code in [None, Some(&*wrong), Some(&*now)] {
        with("wrong horse battery", code)
            .await
            .error(400, "invalid email or password");
    }
    let signed_in = with(ORGANIZER_PASSWORD, Some(&now)).await.json(200);
    assert_eq!(signed_in.as_object().map(serde_json::Map::len), Some(2));
    assert_eq!(signed_in["user"], owner.get("/organizer/profile").await.json(200));
    let session = people::signed_in(&components.door, &signed_in);
    session.get("/organizer/profile").await.json(200);

    for code in [None, Some("000000")] {
        sign_in(&components, &support.email, ORGANIZER_PASSWORD, code)
            .await
            .json(200);
    }
}

/// Who knows the password learns about the approval before a code is used up.
#[tokio::test]
async fn an_agency_without_approval_is_told_so_before_the_code_is_checked() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let factor = turn_on(&agency.owner).await;
    let superadmin = components.superadmin().await;
    let path = format!("/organizer/admin/agencies/{}/verify", agency.id);
    superadmin
        .patch(&path, &json!({"approved": false}))
        .await
        .json(200);
    let recovery = factor.recovery_codes[0].as_str();
    let email = agency.owner.email.as_str();
    sign_in(&components, email, ORGANIZER_PASSWORD, Some(recovery))
        .await
        .error(400, "your agency is not approved by administrators");
    superadmin
        .patch(&path, &json!({"approved": true}))
        .await
        .json(200);
    sign_in(&components, email, ORGANIZER_PASSWORD, Some(recovery))
        .await
        .json(200);
}

#[tokio::test]
async fn a_code_counts_once_and_none_before_it_afterwards() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let email = agency.owner.email.as_str();
    let secret = set_up(&agency.owner).await;
    let step = chrono::Utc::now().timestamp() / 30;
    let (before, now) = (code_at(&secret, step - 1), code_at(&secret, step));
    agency.owner.post(CONFIRM, &json!({"code": now})).await.json(200);
    for used in [&now, &before] {
        sign_in(&components, email, ORGANIZER_PASSWORD, Some(used))
            .await
            .error(400, "invalid code");
    }
    let_time_pass(&components);
    let now = code(&secret);
    sign_in(&components, email, ORGANIZER_PASSWORD, Some(&now))
        .await
        .json(200);
    sign_in(&components, email, ORGANIZER_PASSWORD, Some(&now))
        .await
        .error(400, "invalid code");
}

#[tokio::test]
async fn a_recovery_code_counts_once_and_only_for_its_user() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let (owner, support) = (&agency.owner, &agency.support);
    let (factor, other) = (turn_on(owner).await, turn_on(support).await);
    let [first, second, ..] = factor.recovery_codes.as_slice() else {
        panic!("there are ten");
    };
    let with = async |code: &str| sign_in(&components, &owner.email, ORGANIZER_PASSWORD, Some(code)).await;
    with(&other.recovery_codes[0]).await.error(400, "invalid code");
    with(&first.to_uppercase().replace('-', " ")).await.json(200);
    with(first).await.error(400, "invalid code");
    assert_eq!(owner.get(OWN).await.json(200), state(owner, Some(9)));
    with(second).await.json(200);
    assert_eq!(support.get(OWN).await.json(200), state(support, Some(10)));
}

/// The password is right each time, so its count does not close anything.
#[tokio::test]
async fn wrong_codes_are_throttled_wherever_they_come_from() {
    let components = Components::with(&["organizer"], &[("client_address_header", "x-forwarded-for")]);
    let agency = components.agency("Fest").await;
    let email = agency.owner.email.as_str();
    let factor = turn_on(&agency.owner).await;
    turn_on(&agency.support).await;
    let_time_pass(&components);
    let wrong = wrong_code(&factor.secret);
    for guess in 0..10 {
        let address = format!("192.0.2.{guess}");
        sign_in_from(&components, &address, email, ORGANIZER_PASSWORD, Some(&wrong))
            .await
            .error(400, "invalid code");
    }
    let throttled = "too many failed attempts, try again later";
    for code in [code(&factor.secret), factor.recovery_codes[0].clone()] {
        let refused = sign_in_from(&components, "192.0.2.99", email, ORGANIZER_PASSWORD, Some(&code)).await;
        refused.error(429, throttled);
        assert!(refused.header("retry-after").is_some());
    }
    turn_off(&agency.owner, ORGANIZER_PASSWORD, &code(&factor.secret))
        .await
        .error(429, throttled);
    sign_in(&components, email, ORGANIZER_PASSWORD, None)
        .await
        .error(400, "second factor required");
    sign_in(
        &components,
        &agency.support.email,
        ORGANIZER_PASSWORD,
        Some(&wrong),
    )
    .await
    .error(400, "invalid code");

    assert!(components.set_throttle("sign-in.pair.", r#"{"since":0,"failures":10}"#) > 0);
    sign_in(
        &components,
        email,
        ORGANIZER_PASSWORD,
        Some(&code(&factor.secret)),
    )
    .await
    .json(200);
}

#[tokio::test]
async fn a_second_factor_is_turned_off_with_password_and_code() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let owner = &agency.owner;
    let none = format!("User with id {} has no second factor", owner.id);
    turn_off(owner, ORGANIZER_PASSWORD, "287082")
        .await
        .error(404, none.as_str());
    let factor = turn_on(owner).await;
    let_time_pass(&components);
    let now = code(&factor.secret);
    turn_off(owner, "wrong horse battery", &now)
        .await
        .error(400, "invalid password");
    turn_off(owner, ORGANIZER_PASSWORD, &wrong_code(&factor.secret))
        .await
        .error(400, "invalid code");
    assert_eq!(owner.get(OWN).await.json(200), state(owner, Some(10)));
    let off = turn_off(owner, ORGANIZER_PASSWORD, &now).await;
    assert_eq!(off.json(200), state(owner, None));
    sign_in(&components, &owner.email, ORGANIZER_PASSWORD, None)
        .await
        .json(200);

    let again = turn_on(owner).await;
    assert_ne!(again.secret, factor.secret);
    sign_in(
        &components,
        &owner.email,
        ORGANIZER_PASSWORD,
        Some(&factor.recovery_codes[0]),
    )
    .await
    .error(400, "invalid code");
    let off = turn_off(owner, ORGANIZER_PASSWORD, &again.recovery_codes[0]).await;
    assert_eq!(off.json(200), state(owner, None));
}

#[tokio::test]
async fn a_senior_removes_a_second_factor_and_all_sessions_of_the_user_end() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    for (senior, user, path) in [
        (&agency.owner, &agency.support, "/organizer/agency/users"),
        (&superadmin, &agency.owner, "/organizer/admin/users"),
    ] {
        let path = format!("{path}/{}/second-factor", user.id);
        let none = format!("User with id {} has no second factor", user.id);
        assert_eq!(senior.get(&path).await.json(200), state(user, None));
        senior.delete(&path).await.error(404, none.as_str());
        turn_on(user).await;
        assert_eq!(senior.get(&path).await.json(200), state(user, Some(10)));
        let shown = senior.delete(&path).await.json(200);
        user.get("/organizer/profile")
            .await
            .error(403, "Forbidden resource");
        let again = people::sign_in(&components.door, &user.email, ORGANIZER_PASSWORD).await;
        assert_eq!(again.get("/organizer/profile").await.json(200), shown);
        senior.delete(&path).await.error(404, none.as_str());
    }
}

/// The last sign-out lies ahead, and so does the token that was issued after it.
#[tokio::test]
async fn a_senior_who_removes_a_second_factor_ends_sessions_although_the_clock_was_set_back() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let support = &agency.support;
    let database = rusqlite::Connection::open(components.database("organizer")).expect("a database");
    let sql = "UPDATE users SET time_sign_out = time_sign_out + 3600000 WHERE id = ?1";
    database.execute(sql, [support.id]).expect("a user");
    let session = people::sign_in(&components.door, &support.email, ORGANIZER_PASSWORD).await;
    turn_on(&session).await;

    let path = format!("/organizer/agency/users/{}/second-factor", support.id);
    let shown = agency.owner.delete(&path).await.json(200);
    session
        .get("/organizer/profile")
        .await
        .error(403, "Forbidden resource");
    let again = people::sign_in(&components.door, &support.email, ORGANIZER_PASSWORD).await;
    assert_eq!(again.get("/organizer/profile").await.json(200), shown);
}

#[tokio::test]
async fn peers_juniors_and_strangers_neither_see_nor_remove_a_second_factor() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    let manager = hire(&agency.owner, "manager@example.org", 3).await;
    let other = hire(&agency.owner, "other@example.org", 3).await;
    for person in [&agency.owner, &manager] {
        turn_on(person).await;
    }
    let senior = "Not allowed to update user with same role or senior";
    let foreign = format!(
        "User with id {} not found in agency {}",
        agency.owner.id, rival.id
    );
    for (caller, user, status, refusal) in [
        (&manager, &agency.owner, 403, senior),
        (&manager, &manager, 403, senior),
        (&other, &manager, 403, senior),
        (&agency.support, &manager, 403, "Forbidden resource"),
        (&rival.owner, &agency.owner, 404, foreign.as_str()),
    ] {
        let path = format!("/organizer/agency/users/{}/second-factor", user.id);
        caller.get(&path).await.error(status, refusal);
        caller.delete(&path).await.error(status, refusal);
    }
    for person in [&agency.owner, &manager] {
        assert_eq!(person.get(OWN).await.json(200), state(person, Some(10)));
    }
}

#[tokio::test]
async fn the_record_has_that_a_second_factor_is_on_or_off_and_nothing_else_of_it() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let (owner, support) = (&agency.owner, &agency.support);
    let known = record(owner).await.len();
    let value = async |user: &Person, is_on: bool| {
        let path = format!("/organizer/agency/users/{}", user.id);
        let mut value = owner.get(&path).await.json(200);
        value["agency"] = owner.get("/organizer/agency").await.json(200);
        value["hasSecondFactor"] = is_on.into();
        value
    };
    let expected = |value: Value, by: &Person| change("update User", support.id, value, by, Some(agency.id));

    let first = turn_on(support).await;
    assert_eq!(
        last_change(owner).await,
        expected(value(support, true).await, support)
    );
    turn_off(support, ORGANIZER_PASSWORD, &first.recovery_codes[0])
        .await
        .json(200);
    assert_eq!(
        last_change(owner).await,
        expected(value(support, false).await, support)
    );
    let second = turn_on(support).await;
    let path = format!("/organizer/agency/users/{}/second-factor", support.id);
    owner.delete(&path).await.json(200);
    assert_eq!(
        last_change(owner).await,
        expected(value(support, false).await, owner)
    );
    let rows = record(owner).await;
    assert_eq!(
        rows.len(),
        known + 4,
        "a secret that waits for its first code is not on record"
    );
    let rows = json!(rows).to_string();
    for factor in [first, second] {
        assert!(!rows.contains(&factor.secret), "{rows}");
        assert!(
            !factor.recovery_codes.iter().any(|code| rows.contains(code)),
            "{rows}"
        );
    }
    let verdict = owner.get("/organizer/agency/changelogs/verify").await.json(200);
    assert_eq!(verdict["holds"], true);
}

#[tokio::test]
async fn a_new_password_keeps_the_second_factor() {
    const NEW: &str = "another horse battery";
    const NEWEST: &str = "yet another horse battery";
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let support = &agency.support;
    turn_on(support).await;
    let body = json!({"oldPassword": ORGANIZER_PASSWORD, "newPassword": NEW, "confirmNewPassword": NEW});
    support
        .patch("/organizer/profile/change-password", &body)
        .await
        .json(200);
    sign_in(&components, &support.email, NEW, None)
        .await
        .error(400, "second factor required");
    let body = json!({"password": NEWEST, "confirmPassword": NEWEST});
    let path = format!("/organizer/agency/users/{}/password", support.id);
    agency.owner.patch(&path, &body).await.json(200);
    sign_in(&components, &support.email, NEWEST, None)
        .await
        .error(400, "second factor required");
}

#[tokio::test]
async fn a_deleted_user_leaves_nothing_of_the_second_factor() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rows = || {
        let database = Connection::open(components.database("organizer")).expect("a database");
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            database.query_row(&sql, (), |row| row.get::<_, i64>(0))
        };
        (count("second_factors"), count("recovery_codes"))
    };
    turn_on(&agency.support).await;
    turn_on(&agency.owner).await;
    assert_eq!(rows(), (Ok(2), Ok(20)));
    let path = format!("/organizer/agency/users/{}", agency.support.id);
    agency.owner.delete(&path).await.json(200);
    assert_eq!(rows(), (Ok(1), Ok(10)));
    agency.owner.delete("/organizer/agency").await.json(200);
    assert_eq!(rows(), (Ok(0), Ok(0)));
}

#[tokio::test]
async fn bodies_that_break_rules_are_refused() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let owner = &agency.owner;
    let password = [
        "password must be a string",
        "password must be longer than or equal to 16 characters",
        "password must be shorter than or equal to 128 characters",
    ];
    let code = [
        "code must be a string",
        "code must be shorter than or equal to 64 characters",
    ];
    owner.post(OWN, &json!({})).await.error(400, json!(password));
    owner.post(CONFIRM, &json!({})).await.error(400, json!(code));
    let both = owner
        .door()
        .send_raw("DELETE", OWN, Some(&owner.token), "{}")
        .await;
    both.error(400, json!([&password[..], &code[..]].concat()));
    let number = json!({"email": owner.email, "password": ORGANIZER_PASSWORD, "code": 287_082});
    let refused = components
        .door
        .send("POST", "/organizer/auth/sign-in", None, Some(&number))
        .await;
    refused.error(400, json!(code));
    let long = json!({"code": "7".repeat(65)});
    owner.post(CONFIRM, &long).await.error(400, json!([code[1]]));
}
