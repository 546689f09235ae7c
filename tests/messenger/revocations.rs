//! Users whose credentials may have been revoked, as a sidecar asks for them.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::support::components::{Components, MESSENGER_KEY, SERVICES};
use crate::support::door::Door;

async fn ask(door: &Door, question: Value) -> Value {
    let path = "/messenger/internal/revocations";
    door.send("POST", path, Some(MESSENGER_KEY), Some(&question))
        .await
        .json(200)
}

#[tokio::test]
async fn a_question_is_about_one_realm() {
    let components = Components::with(&SERVICES, &[]);
    let door = &components.door;
    let agency = components.agency("Fest").await;
    let first = ask(door, json!({"realm": "organizer"})).await;
    let organizer = first["next"]["organizer"].as_i64().expect("a number");
    let expected =
        json!({"next": {"organizer": organizer}, "users": [], "agencies": [], "unknown": ["organizer"]});
    assert_eq!(first, expected);

    let support = &agency.support;
    support
        .post("/organizer/auth/sign-out", &json!({}))
        .await
        .empty(200);
    let answer = ask(door, json!({"realm": "organizer", "organizer": organizer})).await;
    let next = json!({"organizer": organizer + 1});
    let users = json!([{"realm": "organizer", "id": support.id}]);
    let expected = json!({"next": next, "users": users, "agencies": [], "unknown": []});
    assert_eq!(answer, expected);
}

/// Sidecars of the release before ask about both at once.
#[tokio::test]
async fn a_realm_whose_service_is_down_is_named_and_keeps_its_cursor() {
    let components = Components::with(&SERVICES, &[]);
    // Then the organizer service has its tables.
    components.superadmin().await;
    let door = components.host_with(&["organizer", "messenger"]);
    let down = ask(&door, json!({"realm": "participant", "participant": 5})).await;
    let expected = json!({
        "next": {"participant": 5}, "users": [], "agencies": [], "unknown": [], "unavailable": ["participant"],
    });
    assert_eq!(down, expected);

    let both = ask(&door, json!({"participant": 5})).await;
    let next = json!({"organizer": both["next"]["organizer"].as_i64().expect("a number"), "participant": 5});
    let expected = json!({
        "next": next, "users": [], "agencies": [], "unknown": ["organizer"], "unavailable": ["participant"],
    });
    assert_eq!(both, expected);
}

#[tokio::test]
async fn the_revocations_of_a_slow_service_are_read() {
    let answer = async || {
        sleep(Duration::from_millis(700)).await;
        json!({"last": 9, "users": [4], "agencies": [], "complete": true}).to_string()
    };
    let routes = Router::new().route("/participant/internal/revocations", get(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let components = Components::with(&["messenger"], &[("participant_url", &url)]);
    let answer = ask(
        &components.door,
        json!({"realm": "participant", "participant": 8}),
    );
    let users = json!([{"realm": "participant", "id": 4}]);
    let expected = json!({"next": {"participant": 9}, "users": users, "agencies": [], "unknown": []});
    assert_eq!(answer.await, expected);
}
