//! The participant service (contract 4): signing up, events, the press for help, the routes for services. `account` is
//! about what becomes of an account, `export` about what its owner can take along, `guests` about accounts that devices
//! make, `requests` about what becomes of a press, `pressing` about what a press may say besides, and `retention` about
//! what is removed because it is too old.

mod account;
mod export;
mod guests;
mod pressing;
mod requests;
mod retention;

use futures_util::future::join_all;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use crate::support::components::{
    Components, MESSENGER_KEY, ORGANIZER_JWT_SECRET, PARTICIPANT_JWT_SECRET, PARTICIPANT_KEY,
};
use crate::support::door::Door;
use crate::support::people::{self, PARTICIPANT_PASSWORD};
use crate::support::tokens;

#[tokio::test]
async fn a_token_from_sign_up_works_at_once() {
    let components = Components::start();
    for number in 0..20 {
        let participant = people::sign_up(&components.door, &format!("p{number}@example.org")).await;
        let profile = participant.get("/participant/profile").await.json(200);
        let expected = json!({
            "id": participant.id, "email": participant.email, "phoneNumber": "+48555000111",
            "timeCreated": profile["timeCreated"], "timeSignOut": profile["timeCreated"],
        });
        assert_eq!(profile, expected);
    }
}

#[tokio::test]
async fn sign_up_stops_at_the_first_problem_in_order() {
    let components = Components::start();
    people::sign_up(&components.door, "taken@example.org").await;
    let sign_up = async |body: Value| {
        components
            .door
            .send("POST", "/participant/auth/sign-up", None, Some(&body))
            .await
    };
    let password = PARTICIPANT_PASSWORD;
    sign_up(json!({})).await.error(400, "invalid email address");
    sign_up(json!({"email": "a@b", "password": "short"}))
        .await
        .error(400, "password must be at least 8 characters");
    let other = json!({"email": "a@b", "password": password, "confirmPassword": "other"});
    sign_up(other)
        .await
        .error(400, "confirmPassword must match password");
    let taken = json!({"email": "taken@example.org", "password": password, "confirmPassword": password});
    sign_up(taken).await.error(400, "email already exists");
    let long = json!({
        "email": "a@b", "password": password, "confirmPassword": password, "phoneNumber": "1".repeat(31),
    });
    sign_up(long)
        .await
        .error(400, "phoneNumber must be at most 30 characters");
    assert_eq!(sign_up(json!({"email": 7})).await.status, 400);
    let lenient = json!({"EMAIL": "a@b", "Password": password, "confirmpassword": password, "surprise": []});
    assert_eq!(sign_up(lenient).await.json(201)["user"]["phoneNumber"], "");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_email_are_one_answer() {
    let components = Components::start();
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let sign_in = async |email: &str, password: &str| {
        let body = json!({"email": email, "password": password});
        components
            .door
            .send("POST", "/participant/auth/sign-in", None, Some(&body))
            .await
    };
    sign_in("p@example.org", "wrong horse")
        .await
        .error(401, "invalid email or password");
    sign_in("P@example.org", PARTICIPANT_PASSWORD)
        .await
        .error(401, "invalid email or password");
    sign_in("nobody@example.org", PARTICIPANT_PASSWORD)
        .await
        .error(401, "invalid email or password");
    let signed_in = sign_in("p@example.org", PARTICIPANT_PASSWORD).await.json(200);
    assert_eq!(signed_in["user"]["id"], participant.id);
}

#[tokio::test]
async fn bad_credentials_are_refused() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let get = async |header: Option<&str>| {
        components
            .door
            .send_as("GET", "/participant/profile", header, "")
            .await
    };
    let token = &participant.token;
    for header in [
        None,
        Some("Bearer"),
        Some("Basic abc"),
        Some(&*format!("Bearer  {token}")),
    ] {
        get(header).await.error(401, "invalid authorization header");
    }
    let organizer = format!("Bearer {}", agency.owner.token);
    for header in [
        &format!("Bearer {token}x"),
        "Bearer x",
        &organizer,
        &format!("Bearer {token}:x"),
    ] {
        get(Some(header)).await.error(401, "invalid token");
    }
}

/// Contract 2.1, where times have fractions.
#[tokio::test]
async fn a_token_lives_for_24_hours() {
    let components = Components::with(&["participant"], &[]);
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let claims = tokens::claims(&participant.token, PARTICIPANT_JWT_SECRET);
    let time = |name: &str| claims[name].as_f64().expect("a time");
    let lifetime = time("exp") - time("iat");
    assert!((lifetime - 24.0 * 3600.0).abs() < 0.01, "{lifetime}");
}

/// Contract 2.1, 2.2: all of signature, algorithm, time, issuer and audience have to be right.
#[tokio::test]
async fn forged_tokens_are_refused() {
    let components = Components::with(&["participant"], &[]);
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let now = chrono::Utc::now().timestamp();
    let good = json!({
        "sub": participant.id.to_string(), "iat": now + 1, "nbf": now, "exp": now + 60,
        "iss": "mayday", "aud": ["mayday"],
    });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let sign = |algorithm: Algorithm, secret: &str, claims: &Value| {
        format!(
            "Bearer {}",
            tokens::sign("participant", algorithm, secret, claims)
        )
    };
    let genuine = |claims: &Value| sign(Algorithm::HS256, PARTICIPANT_JWT_SECRET, claims);
    let get = async |header: &str| {
        let door = &components.door;
        door.send_as("GET", "/participant/profile", Some(header), "")
            .await
    };
    get(&genuine(&good)).await.json(200);
    // The clock of the host that issued it may be ahead (contract 2.2 says nothing of that).
    let ahead = json!(f64::from(i32::try_from(now).expect("a time")) + 30.25);
    let mut from_the_future = with("nbf", ahead.clone());
    from_the_future["iat"] = ahead;
    get(&genuine(&from_the_future)).await.json(200);
    for header in [
        sign(Algorithm::HS256, ORGANIZER_JWT_SECRET, &good),
        sign(Algorithm::HS512, PARTICIPANT_JWT_SECRET, &good),
        genuine(&with("iss", json!("else"))),
        genuine(&with("aud", json!(["else"]))),
        genuine(&with("exp", json!(now - 1))),
        genuine(&with("nbf", json!(now + 90))),
        genuine(&with("iat", json!(now - 3600))),
        genuine(&with("sub", json!("9999"))),
        genuine(&with("sub", json!("p"))),
        genuine(&with("sub", Value::Null)),
    ] {
        get(&header).await.error(401, "invalid token");
    }
}

/// The token is as if it was issued an hour ahead: before the clock was set back.
#[tokio::test]
async fn a_sign_out_ends_sessions_from_before_the_clock_was_set_back() {
    let components = Components::with(&["participant"], &[]);
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let mut claims = tokens::claims(&participant.token, PARTICIPANT_JWT_SECRET);
    claims["iat"] = json!(claims["iat"].as_f64().expect("a time") + 3600.0);
    let earlier = tokens::sign("participant", Algorithm::HS256, PARTICIPANT_JWT_SECRET, &claims);
    let profile = async || {
        let door = &components.door;
        door.send("GET", "/participant/profile", Some(&earlier), None)
            .await
    };
    profile().await.json(200);

    participant
        .post("/participant/auth/sign-out", &json!({}))
        .await
        .empty(200);
    profile().await.error(401, "invalid token");
}

#[tokio::test]
async fn events_are_those_of_approved_agencies() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let event = json!({
        "id": agency.event_id, "name": "Fest night", "description": "Loud", "address": "Błonia, Kraków",
        "lat": 50.06, "lng": 19.91,
        "timeStart": "2026-07-03T18:00:00.000Z", "timeEnd": "2026-07-03T23:00:00.000Z", "agencyId": agency.id,
    });
    let found = async |query: &str| {
        participant
            .get(&format!("/participant/events{query}"))
            .await
            .json(200)
    };
    assert_eq!(found("").await, json!([event]));
    assert_eq!(found("?query=").await, json!([event]));
    assert_eq!(
        found("?query=%C5%82onia&from=2026-07-03T18:00:00.9Z").await,
        json!([event])
    );
    assert_eq!(found("?query=nothing").await, json!([]));
    participant
        .get("/participant/events?from=2026-07-03")
        .await
        .error(400, "invalid format of `from` filter value; RFC3339 required");
    participant
        .get("/participant/events/x")
        .await
        .error(400, "invalid `id` route parameter");
    participant
        .get("/participant/events/999")
        .await
        .error(404, "event with id 999 not found");
    let mut with_request = event.clone();
    with_request["isChatRequested"] = false.into();
    assert_eq!(found(&format!("/{}", agency.event_id)).await, with_request);

    let superadmin = components.superadmin().await;
    let verify = format!("/organizer/admin/agencies/{}/verify", agency.id);
    superadmin
        .patch(&verify, &json!({"approved": false}))
        .await
        .json(200);
    assert_eq!(found("").await, json!([]));
    let missing = format!("event with id {} not found", agency.event_id);
    participant
        .press_help(agency.event_id, "")
        .await
        .error(404, missing);
}

#[tokio::test]
async fn one_press_of_many_gets_the_lock() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let presses = (0..8).map(|_| participant.press_help(agency.event_id, "help"));
    let mut statuses: Vec<_> = join_all(presses).await.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400, 400, 400, 400, 400, 400]);
    assert!(participant.has_requested(agency.event_id).await);
    assert_eq!(waiting(&components), 1);
}

#[tokio::test]
async fn a_bad_press_is_refused_and_takes_no_lock() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let press = async |body: Value| participant.post("/participant/chat-requests", &body).await;
    let id = agency.event_id;
    press(json!({"eventId": id, "description": "ż".repeat(1001)}))
        .await
        .error(400, "description must be at most 2000 characters");
    press(json!({"eventId": id.to_string()}))
        .await
        .error(400, "eventId must be an integer number");
    press(json!({"eventId": id, "description": 7}))
        .await
        .error(400, "description must be a string");
    press(json!({"eventId": id, "lat": "50"}))
        .await
        .error(400, "lat must be a number");
    press(json!({"eventId": 999}))
        .await
        .error(404, "event with id 999 not found");
    press(json!({})).await.error(404, "event with id 0 not found");
    let token = Some(participant.token.as_str());
    for body in ["", "{", "[]", "null"] {
        let reply = components
            .door
            .send_raw("POST", "/participant/chat-requests", token, body)
            .await;
        assert_eq!(reply.json(400)["error"], "Bad Request", "{body}");
    }
    let large = format!(r#"{{"description":"{}"}}"#, "x".repeat(64 * 1024));
    let reply = components
        .door
        .send_raw("POST", "/participant/chat-requests", token, large)
        .await;
    reply.error(413, "request entity too large");
    assert!(!participant.has_requested(id).await);
    press(json!({"eventId": id, "description": "x".repeat(2000), "lat": null}))
        .await
        .empty(200);
}

/// The press is safe although the messenger is down: it is delivered, once, at a later tick.
#[tokio::test]
async fn a_press_survives_an_outage_of_the_messenger() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let without_messenger = components.host_with(&["organizer", "participant"]);
    let body = json!({"eventId": agency.event_id, "description": "help"});
    let pressed = without_messenger
        .send(
            "POST",
            "/participant/chat-requests",
            Some(&participant.token),
            Some(&body),
        )
        .await;
    pressed.empty(200);
    assert!(participant.has_requested(agency.event_id).await);

    // That the delivery has failed is noted after the answer.
    without_messenger.idle().await;
    let outbox = |what: &str| count(&components, "participant", &format!("SELECT {what} FROM outbox"));
    assert_eq!(outbox("attempts"), 1);
    tick(&components).await;
    assert_eq!(outbox("count(*)"), 1, "it is not due yet");
    change(&components, "participant", "UPDATE outbox SET due_at = 0");
    tick(&components).await;
    assert_eq!(outbox("count(*)"), 0);
    assert_eq!(waiting(&components), 1);
}

/// What sidecars are told of presses and changes that wait for the messenger.
async fn undelivered(door: &Door) -> Value {
    let path = "/messenger/internal/undelivered";
    door.send("GET", path, Some(MESSENGER_KEY), None).await.json(200)
}

/// Whether a number of seconds is that of a time that was made as much earlier, and a little of the test's.
fn is_age(seconds: &Value, earlier: i64) -> bool {
    (earlier..earlier + 30).contains(&seconds.as_i64().expect("a number"))
}

/// In SQL, as if rows that are due in some seconds were there when the database's clock was set back by an hour.
const DUE_IN_AN_HOUR: &str = "due_at = (unixepoch() + 3600) * 1000";

#[tokio::test]
async fn what_waits_for_the_messenger_reaches_it_although_the_clock_was_set_back() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let guest = people::guest(&components.door, "Ola", "+48555000222").await;
    let without_messenger = components.host_with(&["organizer", "participant"]);
    let body = json!({"eventId": agency.event_id});
    let path = "/participant/chat-requests";
    let pressed = without_messenger.send("POST", path, Some(&participant.token), Some(&body));
    pressed.await.empty(200);
    without_messenger.idle().await;
    let phone_number = format!(
        "UPDATE participants SET phone_number = '' WHERE id = {}",
        participant.id
    );
    change(&components, "participant", &phone_number);
    let hand_over = format!(
        "INSERT INTO hand_overs (guest_id, account_id) VALUES ({}, {})",
        guest.id, participant.id
    );
    change(&components, "participant", &hand_over);
    let outboxes = ["outbox", "contact_changes", "hand_overs"];
    let rows = |table: &str| {
        count(
            &components,
            "participant",
            &format!("SELECT count(*) FROM {table}"),
        )
    };
    for table in outboxes {
        change(
            &components,
            "participant",
            &format!("UPDATE {table} SET {DUE_IN_AN_HOUR}"),
        );
        assert_eq!(rows(table), 1, "{table}");
    }
    tick(&components).await;
    for table in outboxes {
        assert_eq!(rows(table), 0, "{table}");
    }
    assert_eq!(waiting(&components), 1);
}

/// The delivery that took the first press counts as under way only until its time is over.
#[tokio::test]
async fn a_press_is_delivered_at_once_although_the_clock_was_set_back() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let first = people::sign_up(&components.door, "p@example.org").await;
    let second = people::sign_up(&components.door, "q@example.org").await;
    let without_messenger = components.host_with(&["organizer", "participant"]);
    let body = json!({"eventId": agency.event_id});
    let path = "/participant/chat-requests";
    let pressed = without_messenger.send("POST", path, Some(&first.token), Some(&body));
    pressed.await.empty(200);
    without_messenger.idle().await;
    let taken = format!("UPDATE outbox SET attempts = 0, {DUE_IN_AN_HOUR}");
    change(&components, "participant", &taken);
    second.press_help(agency.event_id, "").await.empty(200);
    components.door.idle().await;
    assert_eq!(waiting(&components), 2, "it is delivered, and then the first");
}

/// A messenger that cannot use its database still tells sidecars how many presses wait for it.
#[tokio::test]
async fn undelivered_presses_are_counted_while_the_messenger_cannot_store_them() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let door = &components.door;
    let none = json!({"presses": 0, "oldestSeconds": 0, "changes": 0, "oldestChangeSeconds": 0});
    let ready = door.send("GET", "/messenger/internal/ready", Some(MESSENGER_KEY), None);
    ready.await.empty(200);
    assert_eq!(undelivered(door).await, none);

    let version = count(&components, "messenger", "PRAGMA user_version");
    change(&components, "messenger", "PRAGMA user_version = 99");
    participant.press_help(agency.event_id, "help").await.empty(200);
    // That the delivery has failed is noted after the answer.
    components.door.idle().await;
    let earlier = "UPDATE outbox SET received_at = received_at - 90500";
    change(&components, "participant", earlier);
    let waits = undelivered(door).await;
    assert_eq!((&waits["presses"], &waits["changes"]), (&json!(1), &json!(0)));
    assert!(is_age(&waits["oldestSeconds"], 90), "{waits}");
    // Ids below 0 are the canary's.
    let other_side_of_0 = "UPDATE outbox SET participant_id = -participant_id";
    change(&components, "participant", other_side_of_0);
    assert_eq!(undelivered(door).await, none);
    change(&components, "participant", other_side_of_0);
    let alone = components.host_with(&["organizer", "messenger"]);
    assert_eq!(undelivered(&alone).await, Value::Null);

    let usable = format!("PRAGMA user_version = {version}");
    change(&components, "messenger", &usable);
    change(&components, "participant", "UPDATE outbox SET due_at = 0");
    tick(&components).await;
    assert_eq!(undelivered(door).await, none);
    assert_eq!(waiting(&components), 1);
}

fn waiting(components: &Components) -> i64 {
    count(
        components,
        "messenger",
        "SELECT count(*) FROM chats WHERE state = 'waiting'",
    )
}

fn count(components: &Components, service: &str, sql: &str) -> i64 {
    let database = rusqlite::Connection::open(components.database(service)).expect("a database");
    database.query_row(sql, (), |row| row.get(0)).expect("a count")
}

fn change(components: &Components, service: &str, sql: &str) {
    let database = rusqlite::Connection::open(components.database(service)).expect("a database");
    database.execute_batch(sql).expect("a change");
}

/// The dispatcher's knock at the participant service.
async fn tick(components: &Components) {
    let door = &components.door;
    let tick = door.send("POST", "/participant/internal/tick", Some(PARTICIPANT_KEY), None);
    tick.await.empty(200);
}

#[tokio::test]
async fn events_are_503_while_the_organizer_service_is_down() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let alone = components.host_with(&["participant"]);
    let reply = alone
        .send("GET", "/participant/events", Some(&participant.token), None)
        .await;
    reply.error(503, "api error");
    assert_eq!(reply.header("retry-after"), Some("1"));
    let body = json!({"eventId": agency.event_id});
    alone
        .send(
            "POST",
            "/participant/chat-requests",
            Some(&participant.token),
            Some(&body),
        )
        .await
        .error(503, "api error");
    assert!(!participant.has_requested(agency.event_id).await);
}

#[tokio::test]
async fn services_read_profiles_and_release_locks_with_the_key() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    participant.press_help(agency.event_id, "").await.empty(200);
    let send = async |method: &str, path: &str, key: Option<&str>, body: Value| {
        components.door.send(method, path, key, Some(&body)).await
    };

    let ids = json!({"ids": [participant.id, 999]});
    send("GET", "/participant/users", None, ids.clone())
        .await
        .error(401, "invalid authorization header");
    send("GET", "/participant/users", Some(MESSENGER_KEY), ids.clone())
        .await
        .error(401, "invalid api key");
    let profile = participant.get("/participant/profile").await.json(200);
    let expected = json!({participant.id.to_string(): profile});
    assert_eq!(
        send("GET", "/participant/users", Some(PARTICIPANT_KEY), ids)
            .await
            .json(200),
        expected
    );
    let path = format!("/participant/users?ids={},999", participant.id);
    assert_eq!(
        send("GET", &path, Some(PARTICIPANT_KEY), json!(null))
            .await
            .json(200),
        expected
    );
    for body in [json!({}), json!({"ids": []}), json!({"ids": ["1"]}), json!(null)] {
        send("GET", "/participant/users", Some(PARTICIPANT_KEY), body)
            .await
            .error(400, "invalid request body");
    }

    let release = async |body: Value| {
        send(
            "DELETE",
            "/participant/chat-requests",
            Some(PARTICIPANT_KEY),
            body,
        )
        .await
    };
    let lock = json!({"participantId": participant.id, "eventId": agency.event_id});
    let older = json!({"participantId": participant.id, "eventId": agency.event_id, "requestId": "older"});
    let of_older_request = json!({"requests": [older]});
    let path = "/participant/internal/releases";
    send("POST", path, Some(PARTICIPANT_KEY), of_older_request)
        .await
        .empty(200);
    assert!(
        participant.has_requested(agency.event_id).await,
        "a newer request's lock stays"
    );
    release(lock.clone()).await.empty(200);
    assert!(!participant.has_requested(agency.event_id).await);
    release(lock).await.empty(200);
    release(json!({})).await.empty(200);
    release(json!({"participantId": "1"}))
        .await
        .error(400, "participantId must be an integer number");
}

#[tokio::test]
async fn unknown_routes_and_methods_are_plain_text() {
    let components = Components::start();
    let unknown = components
        .door
        .send("GET", "/participant/nowhere", None, None)
        .await;
    assert_eq!(
        (unknown.status, unknown.text().as_str()),
        (404, "404 page not found")
    );
    let method = components
        .door
        .send("PUT", "/participant/chat-requests", None, None)
        .await;
    assert_eq!(
        (method.status, method.text().as_str()),
        (405, "Method Not Allowed")
    );
    assert_eq!(method.header("allow"), Some("GET, HEAD, POST, DELETE"));
    for text in [&unknown, &method] {
        assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    components
        .door
        .send("OPTIONS", "/participant/profile", None, None)
        .await
        .empty(200);
    assert_eq!(
        components
            .door
            .send("OPTIONS", "/participant/nowhere", None, None)
            .await
            .status,
        404
    );
    assert_eq!(
        unknown.header("access-control-allow-methods"),
        Some("GET, PATCH, POST, OPTIONS")
    );
}
