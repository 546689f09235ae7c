//! What a press may say besides (docs/participant-api.md): a key by which it can be sent again, when it was made, what
//! it is about, how good its position is; and what can be added to it while it waits.

use axum::Router;
use axum::routing::post;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::{change, count, tick, waiting};
use crate::support::components::Components;
use crate::support::door::Reply;
use crate::support::people::{self, Agency, Person};
use crate::support::sidecar::{self, Heard, Sidecar, organizer};

const PRESS: &str = "/participant/chat-requests";
const MINE: &str = "/participant/chat-requests/mine";
const CLIENT_ID: &str = "0198C0DE-0000-4000-8000-000000000001";

async fn start() -> (Components, Agency, Person) {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let person = people::sign_up(&components.door, "p@example.org").await;
    (components, agency, person)
}

/// Has the agency's support user take the head of the queue, through a sidecar of that number.
async fn pick_up(components: &Components, agency: &Agency, number: u32) -> Heard {
    let principal = organizer(agency.support.id, agency.id);
    let command = sidecar::command(&principal, number, &json!({"type": "startChat"}));
    Sidecar::new(&format!("sidecar {number}"))
        .exchange(&components.door, &[command], None)
        .await
}

/// Message 1 of each chat, by the order of arrival; empty where there is none.
fn first_messages(components: &Components) -> Vec<String> {
    let database = Connection::open(components.database("messenger")).expect("a database");
    let sql = "SELECT coalesce((SELECT content FROM messages WHERE chat_id = c.id AND seq = 1), '')
               FROM chats c ORDER BY arrival";
    let mut statement = database.prepare(sql).expect("a statement");
    let rows = statement.query_map((), |row| row.get(0)).expect("rows");
    rows.collect::<Result<_, _>>().expect("texts")
}

fn time(value: &Value) -> DateTime<Utc> {
    let text = value.as_str().expect("a text");
    DateTime::parse_from_rfc3339(text).expect("a time").into()
}

#[tokio::test]
async fn a_press_with_a_key_can_be_sent_again_and_changes_nothing() {
    let (components, agency, person) = start().await;
    let body = json!({
        "eventId": agency.event_id, "clientId": CLIENT_ID, "kind": "lost", "description": "By the gate",
    });
    let first = person.post(PRESS, &body).await.json(200);
    let mut expected = json!({
        "eventId": agency.event_id, "clientId": CLIENT_ID.to_lowercase(), "state": "waiting", "position": null,
        "estimatedWaitSeconds": -1, "pressedAt": first["pressedAt"], "receivedAt": first["receivedAt"],
        "kind": "lost", "description": "By the gate",
    });
    assert_eq!(first, expected);
    assert_eq!(first["pressedAt"], first["receivedAt"]);

    let mut again = body.clone();
    again["clientId"] = CLIENT_ID.to_lowercase().into();
    again["description"] = "Something else".into();
    expected["position"] = 1.into();
    assert_eq!(person.post(PRESS, &again).await.json(200), expected);
    assert_eq!(person.get(MINE).await.json(200), json!([expected]));
    assert_eq!(waiting(&components), 1);
    let other = json!({"eventId": agency.event_id, "clientId": "0198c0de-0000-4000-8000-000000000002"});
    person
        .post(PRESS, &other)
        .await
        .error(400, "chat request already exists");

    // Somebody else's key is another.
    let second = people::sign_up(&components.door, "q@example.org").await;
    assert_eq!(second.post(PRESS, &body).await.json(200)["state"], "waiting");
    assert_eq!(waiting(&components), 2);
}

#[tokio::test]
async fn a_key_is_known_after_its_request_has_ended() {
    let (components, agency, person) = start().await;
    let body = json!({"eventId": agency.event_id, "clientId": CLIENT_ID});
    person.post(PRESS, &body).await.json(200);
    let cancelled = person.delete(&format!("{MINE}/{}", agency.event_id)).await;
    cancelled.empty(200);
    // Also when the event is gone, or nobody can say.
    agency
        .owner
        .delete(&format!("/organizer/agency/events/{}", agency.event_id))
        .await
        .json(200);
    for door in [&components.door, &components.host_with(&["participant"])] {
        let again = door
            .send("POST", PRESS, Some(&person.token), Some(&body))
            .await
            .json(200);
        assert_eq!(
            (&again["state"], &again["position"]),
            (&json!("ended"), &Value::Null)
        );
    }
    assert_eq!(waiting(&components), 0);

    let presses = "SELECT count(*) FROM presses";
    tick(&components).await;
    assert_eq!(count(&components, "participant", presses), 1);
    change(
        &components,
        "participant",
        "UPDATE presses SET ended_at = ended_at - 30 * 86400000 - 1",
    );
    tick(&components).await;
    assert_eq!(count(&components, "participant", presses), 0);
}

#[tokio::test]
async fn one_of_many_presses_with_a_key_is_stored_and_all_are_answered() {
    let (components, agency, person) = start().await;
    let body = json!({"eventId": agency.event_id, "clientId": CLIENT_ID});
    let replies = join_all((0..8).map(|_| person.post(PRESS, &body))).await;
    for reply in replies {
        assert_eq!(reply.json(200)["clientId"], CLIENT_ID.to_lowercase());
    }
    assert_eq!(waiting(&components), 1);
}

/// A phone without network keeps the press. The time it claims counts a quarter of an hour back, and never in the
/// future.
#[tokio::test]
async fn a_claimed_time_of_press_counts_in_the_queue_within_bounds() {
    let (components, agency, first) = start().await;
    first.press_help(agency.event_id, "").await.empty(200);
    let minutes_ago = |minutes: i64| Utc::now() - TimeDelta::minutes(minutes);
    let claims = [
        (minutes_ago(10), minutes_ago(10)),
        (minutes_ago(500), minutes_ago(15)),
        (minutes_ago(-5), minutes_ago(0)),
    ];
    let mut people = Vec::new();
    for (number, (claimed, counts)) in claims.into_iter().enumerate() {
        let person = people::sign_up(&components.door, &format!("p{number}@example.org")).await;
        let body = json!({
            "eventId": agency.event_id, "clientId": CLIENT_ID,
            "pressedAt": claimed.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
        });
        let request = person.post(PRESS, &body).await.json(200);
        let difference = (time(&request["pressedAt"]) - counts).num_seconds();
        assert!(
            difference.abs() <= 60,
            "{claimed} counts as {}",
            request["pressedAt"]
        );
        let age = (Utc::now() - time(&request["receivedAt"])).num_seconds();
        assert!((0..=60).contains(&age), "{request}");
        people.push(person);
    }
    let mut positions = Vec::new();
    for person in [&first].into_iter().chain(&people) {
        positions.push(person.get(MINE).await.json(200)[0]["position"].as_i64());
    }
    assert_eq!(positions, [Some(3), Some(2), Some(1), Some(4)]);
    // What people wait for is the team, not their network.
    pick_up(&components, &agency, 1).await;
    let wait = first.get(MINE).await.json(200)[0]["estimatedWaitSeconds"].as_i64();
    assert!(wait.is_some_and(|seconds| (0..60).contains(&seconds)), "{wait:?}");
}

/// Nobody who needs help is refused for what could have been left out.
#[tokio::test]
async fn what_is_not_valid_is_left_out_and_logged_without_its_content() {
    let (components, agency, person) = start().await;
    let body = json!({
        "eventId": agency.event_id, "clientId": "secret id", "pressedAt": "secret time", "kind": "secret kind",
        "accuracy": -1, "positionAt": 17, "lat": 50.06, "lng": 19.94,
    });
    person.post(PRESS, &body).await.empty(200);
    assert_eq!(waiting(&components), 1);
    let log = components.log("participant");
    for name in ["clientId", "pressedAt", "kind", "accuracy", "positionAt"] {
        assert!(
            log.contains(&format!("is stored without {name}")),
            "{name}: {log}"
        );
    }
    assert!(!log.contains("secret"), "{log}");
    let request = &person.get(MINE).await.json(200)[0];
    assert_eq!((request.get("kind"), request.get("clientId")), (None, None));
}

/// The kind becomes words of message 1, which organizers of any client read; programs get it by itself.
#[tokio::test]
async fn the_team_sees_kind_and_position_of_a_press() {
    let (components, agency, person) = start().await;
    let measured = Utc::now() - TimeDelta::seconds(40);
    let measured = measured.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let body = json!({
        "eventId": agency.event_id, "kind": "medical", "description": "I feel faint", "lat": 50.06, "lng": 19.94,
        "accuracy": 12.5, "positionAt": measured,
    });
    person.post(PRESS, &body).await.empty(200);
    let deliveries = pick_up(&components, &agency, 1).await.deliveries();
    let (chat, message) = (&deliveries[0], deliveries[1].payload());
    assert_eq!(
        message["content"],
        "Problem description: medical emergency. I feel faint"
    );
    for (name, value) in [
        ("kind", json!("medical")),
        ("accuracyStart", json!(12.5)),
        ("positionAtStart", json!(measured)),
    ] {
        assert_eq!(chat.two.as_ref().expect("a frame")["payload"][name], value);
        assert_eq!(
            chat.contract.as_ref().expect("a frame")["payload"].get(name),
            None
        );
    }
    assert_eq!(chat.payload()["latStart"], 50.06);
    let request = person.get(MINE).await.json(200)[0].clone();
    assert_eq!(
        (&request["state"], &request["kind"], &request["description"]),
        (&json!("active"), &json!("medical"), &json!("I feel faint"))
    );
    assert_eq!(request["chatId"], chat.payload()["id"]);
}

async fn amend(person: &Person, event_id: i64, body: Value) -> Reply {
    person.patch(&format!("{MINE}/{event_id}"), &body).await
}

#[tokio::test]
async fn a_waiting_request_can_be_added_to() {
    let (components, agency, person) = start().await;
    let event_id = agency.event_id;
    amend(&person, event_id, json!({"kind": "medical"})).await.error(
        404,
        format!("chat request for event with id {event_id} not found"),
    );
    person.post(PRESS, &json!({"eventId": event_id})).await.empty(200);
    assert_eq!(first_messages(&components), [""]);
    for (body, message) in [
        (
            json!({"kind": "threat"}),
            "Problem description: threat or violence",
        ),
        (
            json!({"description": "A man with a knife"}),
            "Problem description: threat or violence. A man with a knife",
        ),
        (
            json!({"kind": "medical"}),
            "Problem description: medical emergency. A man with a knife",
        ),
        (
            json!({"lat": 50.5, "lng": 19.5, "accuracy": 8, "positionAt": "2026-05-01T10:00:00Z"}),
            "Problem description: medical emergency. A man with a knife",
        ),
        (
            json!({"description": ""}),
            "Problem description: medical emergency",
        ),
        (
            json!({"lat": 500, "lng": 19.5}),
            "Problem description: medical emergency",
        ),
    ] {
        let request = amend(&person, event_id, body).await.json(200);
        assert_eq!(
            (&request["state"], &request["position"]),
            (&json!("waiting"), &json!(1))
        );
        assert_eq!(first_messages(&components), [message]);
        assert_eq!(person.get(MINE).await.json(200), json!([request]));
    }
    for (body, error) in [
        (
            json!({"kind": "hunger"}),
            "kind must be one of the following values: medical, lost, threat, other",
        ),
        (
            json!({"description": "x".repeat(2001)}),
            "description must be at most 2000 characters",
        ),
        (json!({"lat": "50"}), "lat must be a number"),
    ] {
        amend(&person, event_id, body).await.error(400, error);
    }

    let deliveries = pick_up(&components, &agency, 1).await.deliveries();
    let chat = deliveries[0].payload();
    assert_eq!(
        (&chat["latStart"], &chat["lngStart"]),
        (&json!(50.5), &json!(19.5))
    );
    assert_eq!(
        (&chat["accuracyStart"], &chat["positionAtStart"]),
        (&json!(8.0), &json!("2026-05-01T10:00:00.000Z"))
    );
    amend(&person, event_id, json!({"kind": "other"}))
        .await
        .error(400, "chat has already started");
    assert_eq!(
        first_messages(&components),
        ["Problem description: medical emergency"]
    );
}

/// Nothing is promised that the team would not see.
#[tokio::test]
async fn a_request_that_is_still_on_its_way_cannot_be_added_to_yet() {
    let (components, agency, person) = start().await;
    let press = json!({"eventId": agency.event_id, "clientId": CLIENT_ID, "kind": "lost"});
    let without_messenger = components.host_with(&["organizer", "participant"]);
    let pressed = without_messenger.send("POST", PRESS, Some(&person.token), Some(&press));
    assert_eq!(pressed.await.json(200)["state"], "waiting");
    let again = without_messenger.send("POST", PRESS, Some(&person.token), Some(&press));
    assert_eq!(again.await.json(200)["state"], "waiting", "whatever else is down");
    let path = format!("{MINE}/{}", agency.event_id);
    let body = json!({"description": "By the gate"});
    for door in [&without_messenger, &components.door] {
        let refused = door.send("PATCH", &path, Some(&person.token), Some(&body)).await;
        refused.error(503, "api error");
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    let request = person.get(MINE).await.json(200)[0].clone();
    assert_eq!(
        (&request["state"], &request["position"], &request["kind"]),
        (&json!("waiting"), &Value::Null, &json!("lost"))
    );
    without_messenger.idle().await;
    change(&components, "participant", "UPDATE outbox SET due_at = 0");
    tick(&components).await;
    amend(&person, agency.event_id, body).await.json(200);
    assert_eq!(
        first_messages(&components),
        ["Problem description: lost, or somebody is missing. By the gate"]
    );
}

/// During a rolling update programs of the release before work on the new schema.
#[tokio::test]
async fn presses_of_the_release_before_are_stored_and_shown() {
    let (components, agency, person) = start().await;
    let now = Utc::now().timestamp_millis();
    person.get(MINE).await.json(200);
    change(
        &components,
        "participant",
        &format!(
            "INSERT INTO outbox
                 (request_id, participant_id, event_id, agency_id, pressed_at, description, lat, lng, due_at)
             SELECT '0198c0de-0000-7000-8000-000000000000', id, {}, {}, {now}, 'help', NULL, NULL, {now}
             FROM participants
             WHERE id = {} AND time_sign_out <= {now}
               AND NOT EXISTS (SELECT 1 FROM locks WHERE participant_id = {} AND event_id = {})",
            agency.event_id, agency.id, person.id, person.id, agency.event_id
        ),
    );
    assert_eq!(person.get(MINE).await.json(200)[0]["position"], Value::Null);
    tick(&components).await;
    let request = person.get(MINE).await.json(200)[0].clone();
    assert_eq!(
        (&request["position"], &request["description"]),
        (&json!(1), &json!("help"))
    );
    assert_eq!(time(&request["pressedAt"]).timestamp_millis(), now);
    // One that it took before the update has no times but that of its id.
    change(&components, "participant", "DELETE FROM presses");
    let request = person.get(MINE).await.json(200)[0].clone();
    assert_eq!(request["pressedAt"], "2025-08-19T05:47:11.232Z");

    let other = people::sign_up(&components.door, "q@example.org").await;
    change(
        &components,
        "messenger",
        &format!(
            "INSERT INTO arrivals (request_id, agency_id, event_id, participant_id, email, phone_number,
                                   contact_version, lat, lng, pressed_at, chat_id, message_id, first_message)
             VALUES ('r2', {}, {}, {}, 'q@example.org', '', 0, NULL, NULL, {now}, '0a1b2c3d4e5f60718293a4b5',
                     '0a1b2c3d4e5f60718293a4b6', 'Problem description: lost')",
            agency.id, agency.event_id, other.id
        ),
    );
    assert_eq!(waiting(&components), 2);
    pick_up(&components, &agency, 1).await;
    let heard = pick_up(&components, &agency, 2).await;
    assert_eq!(
        heard.deliveries()[1].payload()["content"],
        "Problem description: lost"
    );
}

/// A messenger that answers a delivery only when it is told to. Returns its address, and what tells it, for each
/// delivery.
async fn slow_messenger() -> (String, mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
    let (deliveries, delivered) = mpsc::unbounded_channel();
    let take = move || {
        let (answer, told) = oneshot::channel();
        _ = deliveries.send(answer);
        async move { _ = told.await }
    };
    let routes = Router::new().route("/messenger/internal/requests", post(take));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, delivered)
}

/// In a storm few presses deliver those of all. Who sent one of these few does not wait longer for it.
#[tokio::test]
async fn a_press_is_answered_before_it_delivers_those_of_others() {
    let (components, agency, first) = start().await;
    let second = people::sign_up(&components.door, "q@example.org").await;
    let (url, mut deliveries) = slow_messenger().await;
    let participant = components.another_host(&["organizer", "participant"], &[("messenger_url", &url)]);
    let press = async |person: &Person| {
        let body = json!({"eventId": agency.event_id});
        let reply = participant
            .send("POST", PRESS, Some(&person.token), Some(&body))
            .await;
        reply.empty(200);
    };
    let meanwhile = async {
        let own = deliveries.recv().await.expect("a delivery");
        press(&second).await;
        own.send(()).expect("a client");
        deliveries.recv().await.expect("the delivery of the second press")
    };
    let ((), others) = tokio::join!(press(&first), meanwhile);
    others.send(()).expect("a client that still waits");
}
