//! The throttle of guesses at passwords.

use std::time::Duration;

use futures_util::future::{join, join_all};
use local_servers::Server;
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::components::Components;
use crate::support::door::{Door, Reply};
use crate::support::people::{self, ORGANIZER_PASSWORD, registration};

const WRONG: &str = "wrong horse battery";

/// A host that takes the address of a client from a header that tests can set, as one behind a proxy does.
fn start() -> Components {
    Components::with(&["organizer"], &[("client_address_header", "x-forwarded-for")])
}

async fn sign_in(components: &Components, address: &str, email: &str, password: &str) -> Reply {
    let body = json!({"email": email, "password": password}).to_string();
    let headers = [("content-type", "application/json"), ("x-forwarded-for", address)];
    components
        .door
        .send_with("POST", "/organizer/auth/sign-in", &headers, body)
        .await
}

async fn fail(components: &Components, address: &str, email: &str) {
    let reply = sign_in(components, address, email, WRONG).await;
    reply.error(400, "invalid email or password");
}

#[track_caller]
fn assert_throttled(reply: &Reply) {
    reply.error(429, "too many failed attempts, try again later");
    let wait = reply
        .header("retry-after")
        .and_then(|seconds| seconds.parse::<u64>().ok());
    assert!(wait.is_some_and(|wait| (1..=15 * 60).contains(&wait)), "{wait:?}");
}

#[tokio::test]
async fn the_eleventh_guess_is_throttled_and_other_accounts_are_not() {
    let components = start();
    let agency = components.agency("Fest").await;
    let (owner, support) = (agency.owner.email.as_str(), agency.support.email.as_str());
    for _ in 0..10 {
        fail(&components, "192.0.2.1", owner).await;
    }
    assert_throttled(&sign_in(&components, "192.0.2.1", owner, WRONG).await);
    assert_throttled(&sign_in(&components, "192.0.2.1", owner, ORGANIZER_PASSWORD).await);
    // Addresses that the client claims precede the one that the proxy adds.
    assert_throttled(&sign_in(&components, "192.0.2.9, 192.0.2.1", owner, WRONG).await);
    sign_in(&components, "192.0.2.2", owner, ORGANIZER_PASSWORD)
        .await
        .json(200);
    sign_in(&components, "192.0.2.1", support, ORGANIZER_PASSWORD)
        .await
        .json(200);
}

/// The store has no increment, so some failures of a burst go uncounted. The burst is still throttled, and the owner is
/// not.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_guesses_throttles_its_sender() {
    let components = start();
    let agency = components.agency("Fest").await;
    let owner = agency.owner.email.as_str();
    loop {
        let guesses = (0..20).map(|_| sign_in(&components, "192.0.2.1", owner, WRONG));
        let replies = join_all(guesses).await;
        if replies.iter().all(|reply| reply.status == 429) {
            break;
        }
    }
    assert_throttled(&sign_in(&components, "192.0.2.1", owner, ORGANIZER_PASSWORD).await);
    let others = (0..30).map(|_| sign_in(&components, "192.0.2.2", owner, ORGANIZER_PASSWORD));
    let statuses: Vec<u16> = join_all(others).await.iter().map(|reply| reply.status).collect();
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
}

#[tokio::test]
async fn an_unknown_email_is_throttled_like_a_known_one() {
    let components = start();
    for _ in 0..10 {
        fail(&components, "192.0.2.1", "nobody@example.org").await;
    }
    assert_throttled(&sign_in(&components, "192.0.2.1", "nobody@example.org", WRONG).await);
}

#[tokio::test]
async fn a_success_resets_the_count_of_failures() {
    let components = start();
    let agency = components.agency("Fest").await;
    for _ in 0..2 {
        for _ in 0..9 {
            fail(&components, "192.0.2.1", &agency.owner.email).await;
        }
        sign_in(&components, "192.0.2.1", &agency.owner.email, ORGANIZER_PASSWORD)
            .await
            .json(200);
    }
}

/// So are those by the other routes that take the password of somebody who is signed in. All share one count.
#[tokio::test]
async fn guesses_by_change_password_are_throttled() {
    let components = start();
    let agency = components.agency("Fest").await;
    let guess = |old: &'static str| {
        let owner = &agency.owner;
        async move {
            let new = "another horse battery";
            let body = json!({"oldPassword": old, "newPassword": new, "confirmNewPassword": new});
            owner.patch("/organizer/profile/change-password", &body).await
        }
    };
    for _ in 0..10 {
        guess(WRONG).await.error(400, "invalid old password");
    }
    assert_throttled(&guess(ORGANIZER_PASSWORD).await);
    let (owner, path) = (&agency.owner, "/organizer/profile/second-factor");
    let body = json!({"password": ORGANIZER_PASSWORD, "code": "123456"}).to_string();
    let delete = owner.door().send_raw("DELETE", path, Some(&owner.token), body);
    assert_throttled(&delete.await);
    let body = json!({"password": ORGANIZER_PASSWORD});
    assert_throttled(&owner.post(path, &body).await);
    owner.get("/organizer/profile").await.json(200);
}

/// However many guesses come from elsewhere, the owner can sign in from a known address.
#[tokio::test]
async fn a_flood_of_guesses_does_not_lock_the_owner_out() {
    let components = start();
    let agency = components.agency("Fest").await;
    let owner = agency.owner.email.as_str();
    sign_in(&components, "192.0.2.1", owner, ORGANIZER_PASSWORD)
        .await
        .json(200);
    for guess in 0..100 {
        fail(&components, &format!("198.51.100.{guess}"), owner).await;
    }
    assert_throttled(&sign_in(&components, "198.51.100.200", owner, ORGANIZER_PASSWORD).await);
    sign_in(&components, "192.0.2.1", owner, ORGANIZER_PASSWORD)
        .await
        .json(200);
}

#[tokio::test]
async fn an_address_that_tries_many_accounts_is_throttled_except_for_known_ones() {
    let components = start();
    let agency = components.agency("Fest").await;
    let (owner, support) = (agency.owner.email.as_str(), agency.support.email.as_str());
    sign_in(&components, "2001:db8:1:2::7", owner, ORGANIZER_PASSWORD)
        .await
        .json(200);
    for guess in 0..100 {
        // A client can use any number of addresses in one IPv6 network.
        fail(
            &components,
            &format!("[2001:db8:1:2::{guess:x}]:4711"),
            &format!("user{guess}@example.org"),
        )
        .await;
    }
    assert_throttled(&sign_in(&components, "2001:db8:1:2::1", support, ORGANIZER_PASSWORD).await);
    sign_in(&components, "2001:db8:1:2::1", owner, ORGANIZER_PASSWORD)
        .await
        .json(200);
    sign_in(&components, "2001:db8:1:3::1", support, ORGANIZER_PASSWORD)
        .await
        .json(200);
}

/// Lets time pass by making the stored counts older.
#[tokio::test]
async fn throttling_ends_after_15_minutes_and_refused_attempts_do_not_count() {
    let components = start();
    let agency = components.agency("Fest").await;
    let owner = agency.owner.email.as_str();
    for _ in 0..10 {
        fail(&components, "192.0.2.1", owner).await;
    }
    let counts = Counts::open(&components);
    let closed = counts.read();
    for _ in 0..3 {
        assert_throttled(&sign_in(&components, "192.0.2.1", owner, WRONG).await);
    }
    assert_eq!(counts.read(), closed);
    counts.make_older(15 * 60 * 1000 - 30_000);
    assert_throttled(&sign_in(&components, "192.0.2.1", owner, ORGANIZER_PASSWORD).await);
    counts.make_older(30_000);
    sign_in(&components, "192.0.2.1", owner, ORGANIZER_PASSWORD)
        .await
        .json(200);
}

/// The throttle's entries in the key-value store.
struct Counts(Connection);

impl Counts {
    fn open(components: &Components) -> Counts {
        Counts(Connection::open(components.database("throttle")).expect("a database"))
    }

    fn read(&self) -> Vec<(String, Value)> {
        let mut statement = self
            .0
            .prepare("select key, value from spin_key_value order by key")
            .expect("a statement");
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)));
        rows.expect("rows")
            .map(|row| row.expect("a row"))
            .map(|(key, value)| (key, serde_json::from_slice(&value).expect("JSON")))
            .collect()
    }

    fn make_older(&self, milliseconds: i64) {
        for (key, mut value) in self.read() {
            let Some(since) = value["since"].as_i64() else {
                continue;
            };
            value["since"] = (since - milliseconds).into();
            let value = value.to_string().into_bytes();
            self.0
                .execute(
                    "update spin_key_value set value = ?2 where key = ?1",
                    (key, value),
                )
                .expect("an update");
        }
    }
}

#[tokio::test]
async fn a_thousand_agencies_register_from_an_address_in_a_quarter_of_an_hour() {
    let components = start();
    let register = async |name: &str, address: &str| {
        let body = registration(name).to_string();
        let headers = [("content-type", "application/json"), ("x-forwarded-for", address)];
        components
            .door
            .send_with("POST", "/organizer/agency", &headers, body)
            .await
    };
    register("First", "192.0.2.1").await.json(201);
    let since = chrono::Utc::now().timestamp_millis() - 1000;
    let count = json!({"since": since, "failures": 999}).to_string();
    assert_eq!(components.set_throttle("sign-in.agencies.", &count), 1);
    register("Second", "192.0.2.1").await.json(201);
    let refused = register("Third", "192.0.2.1").await;
    refused.error(429, "too many agencies from this address, try again later");
    assert!(refused.header("retry-after").is_some());
    register("Third", "192.0.2.2").await.json(201);
}

/// Several people come to the organizer and to the participant service at once.
async fn several_come(door: &Door, email: &str) {
    let both = || {
        join(
            people::sign_in(door, email, ORGANIZER_PASSWORD),
            people::guest(door, "Ola", "+48555000222"),
        )
    };
    let come = join_all((0..5).map(|_| both()));
    timeout(Duration::from_secs(10), come)
        .await
        .expect("nobody waits for the store");
}

/// To refuse them would be to shut the service whenever Redis is down (docs/security.md, "Ways to authenticate").
#[tokio::test]
async fn people_come_in_while_the_store_of_the_counts_hangs_or_is_down() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let email = agency.support.email.as_str();
    let mut redis = Server::redis().expect("a server");
    let [connected, new] = [(); 2].map(|()| components.host_with_redis(&redis.url()));
    several_come(&connected, email).await;
    redis.signal(Signal::STOP).expect("it runs");
    several_come(&connected, email).await;
    several_come(&new, email).await;
    redis.kill().expect("it runs");
    several_come(&connected, email).await;
    several_come(&new, email).await;
    let log = components.log("participant");
    assert!(log.contains("sign-in is not throttled"), "{log}");
}
