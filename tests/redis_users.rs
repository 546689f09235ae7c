//! Each program has a user of Redis, which may do what the program does, and nothing else. All tests with [`Apart`]
//! have these users, which the overlay `dev` ships.

use std::time::Duration;

use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::support::DEADLINE;
use crate::support::apart::Apart;
use crate::support::door::Door;
use crate::support::people::{self, ORGANIZER_PASSWORD};
use crate::support::redis::Redis;
use crate::support::socket::Socket;
use crate::support::system::{door_of_sidecar, sidecars_are_ready};

#[tokio::test]
async fn each_program_does_its_work_as_its_own_user_of_redis() {
    let mut apart = Apart::start().await;
    let agency = apart.agency("Fest").await;
    let person = people::sign_up(&apart.door("participant"), "p@example.org").await;
    sidecars_are_ready(&apart.ws).await;
    let mut support = Socket::open("support", &apart.ws[0], &agency.support).await;
    support.expect_nothing_yet().await;

    // A sidecar gives the tick, and the dispatcher calls the participant service, which delivers the press.
    apart.stop("messenger").await;
    person.press_help(agency.event_id, "Lost").await.empty(200);
    apart.start_again("messenger").await;
    apart.make_due("participant").await;
    let dispatcher = apart.dispatcher();
    let dispatcher = tokio::spawn(async move { dispatcher.listen().await });
    let taken = async {
        loop {
            support.send("start_chat", "".into()).await;
            let frame = support.next().await.expect("an open socket");
            if frame["type"] == "new_chat" {
                break frame["payload"].clone();
            }
            assert_eq!(frame["payload"]["message"], "no new chats");
        }
    };
    let chat = timeout(DEADLINE, taken).await.expect("the press is delivered");
    assert_eq!(chat["participantId"], person.id);
    dispatcher.abort();

    // One sidecar publishes, and the other one receives.
    let elsewhere = door_of_sidecar(&apart.ws[1]);
    let before = publications_received(&elsewhere).await;
    support
        .say(chat["id"].as_str().expect("text"), "On our way")
        .await;
    let received = async {
        while publications_received(&elsewhere).await == before {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, received).await.expect("a publication");

    // A host counts wrong passwords.
    let door = apart.door("organizer");
    let sign_in = async |password: &str| {
        let body = json!({"email": agency.owner.email, "password": password});
        door.send("POST", "/organizer/auth/sign-in", None, Some(&body))
            .await
    };
    for _ in 0..10 {
        let refused = sign_in("wrong horse battery").await;
        refused.error(400, "invalid email or password");
    }
    let throttled = sign_in(ORGANIZER_PASSWORD).await;
    throttled.error(429, "too many failed attempts, try again later");
}

/// How many publications of other sidecars a sidecar has received.
async fn publications_received(sidecar: &Door) -> u64 {
    let metrics = sidecar.send("GET", "/metrics", None, None).await.text();
    let name = "mayday_sidecar_publications_received_total ";
    let count = metrics.lines().find_map(|line| line.strip_prefix(name));
    count.expect("a metric").parse().expect("a number")
}

#[test]
fn a_user_of_redis_may_not_do_what_other_programs_do() {
    let redis = Redis::start();
    for (user, command) in [
        ("host", "GET sign-in.pair.0000"),
        ("dispatcher", "SUBSCRIBE mayday.tick"),
        ("sidecar", "PUBLISH mayday.updates nothing"),
    ] {
        let answer = redis.answer(user, command);
        assert!(!answer.starts_with('-'), "{user}, {command}: {answer}");
    }
    let refused = [
        ("host", "GET mayday.tick.lease"),
        ("host", "PUBLISH mayday.tick tick"),
        ("host", "SUBSCRIBE mayday.updates"),
        ("dispatcher", "GET sign-in.pair.0000"),
        ("dispatcher", "PUBLISH mayday.tick tick"),
        ("dispatcher", "SUBSCRIBE mayday.updates"),
        ("sidecar", "GET sign-in.pair.0000"),
        ("sidecar", "SET sign-in.pair.0000 0"),
        ("sidecar", "PUBLISH another nothing"),
    ];
    let of_nobody = ["host", "dispatcher", "sidecar"]
        .into_iter()
        .flat_map(|user| ["KEYS *", "FLUSHALL", "ACL LIST", "CONFIG GET *"].map(|command| (user, command)));
    for (user, command) in refused.into_iter().chain(of_nobody) {
        let answer = redis.answer(user, command);
        assert!(answer.starts_with("-NOPERM"), "{user}, {command}: {answer}");
    }
}
