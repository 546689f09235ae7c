//! What becomes of a press (contract 4.1): asking about it, taking it back, and pressing while the organizer service is
//! down.

use futures_util::future::join_all;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{change, count, tick, waiting};
use crate::support::components::{Components, MESSENGER_KEY, SERVICES};
use crate::support::door::Door;
use crate::support::people::{self, Agency, Person, new_event};
use crate::support::sidecar::{self, Sidecar, organizer};

const MINE: &str = "/participant/chat-requests/mine";

async fn cancel(participant: &Person, event_id: i64) -> crate::support::door::Reply {
    participant.delete(&format!("{MINE}/{event_id}")).await
}

/// Has the agency's support user take the head of the queue, as a sidecar would.
async fn pick_up(components: &Components, agency: &Agency, number: u32) {
    let principal = organizer(agency.support.id, agency.id);
    let command = sidecar::command(&principal, number, &json!({"type": "startChat"}));
    let mut sidecar = Sidecar::new(&format!("sidecar {number}"));
    let heard = sidecar.exchange(&components.door, &[command], None).await;
    assert!(
        heard.kinds().contains(&("new_chat".to_owned(), "everyone")),
        "{heard:?}"
    );
}

/// The participant's open requests, without their times, which are checked: nobody has claimed any.
async fn mine(participant: &Person) -> Value {
    let mut requests = participant.get(MINE).await.list();
    for request in &mut requests {
        let request = request.as_object_mut().expect("an object");
        let pressed_at = request.remove("pressedAt").expect("a time");
        let received_at = request.remove("receivedAt").expect("a time");
        assert_eq!(pressed_at, received_at);
        let time =
            chrono::DateTime::parse_from_rfc3339(pressed_at.as_str().expect("a text")).expect("a time");
        assert!(
            chrono::Utc::now().timestamp() - time.timestamp() < 60,
            "{pressed_at}"
        );
    }
    Value::Array(requests)
}

#[tokio::test]
async fn an_open_request_is_looked_up_by_body_or_query() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let ask = async |query: &str, body: &str| {
        let path = format!("/participant/chat-requests{query}");
        components
            .door
            .send_raw("GET", &path, Some(&participant.token), body.to_owned())
            .await
    };
    let body = json!({"eventId": agency.event_id}).to_string();
    let query = format!("?eventId={}", agency.event_id);
    for requested in [false, true] {
        let expected = json!({"result": requested});
        assert_eq!(ask("", &body).await.json(200), expected);
        assert_eq!(ask(&query, "").await.json(200), expected);
        if !requested {
            participant.press_help(agency.event_id, "").await.empty(200);
        }
    }
    ask("", r#"{"eventId":999}"#)
        .await
        .error(404, "event with id 999 not found");
    for broken in ["", "{", "[]", r#"{"eventId":"1"}"#] {
        assert_eq!(ask("", broken).await.json(400)["statusCode"], 400, "{broken}");
    }
}

#[tokio::test]
async fn a_participant_sees_the_position_in_the_queue() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let other = agency
        .owner
        .post("/organizer/agency/events", &new_event("Other"))
        .await
        .json(201);
    let other = other["id"].as_i64().expect("an id");
    let mut people = Vec::new();
    for name in ["a", "b", "c"] {
        let participant = people::sign_up(&components.door, &format!("{name}@example.org")).await;
        assert_eq!(mine(&participant).await, json!([]));
        participant.press_help(agency.event_id, "").await.empty(200);
        people.push(participant);
    }
    people[0].press_help(other, "").await.empty(200);
    let waits = |event_id: i64, position: u32, estimate: i64| {
        json!({
            "eventId": event_id, "state": "waiting", "position": position, "estimatedWaitSeconds": estimate,
        })
    };
    // The queue is the agency's, whatever the event.
    assert_eq!(
        mine(&people[0]).await,
        json!([waits(agency.event_id, 1, -1), waits(other, 4, -1)])
    );
    assert_eq!(mine(&people[2]).await, json!([waits(agency.event_id, 3, -1)]));

    change(
        &components,
        "messenger",
        "UPDATE chats SET pressed_at = pressed_at - 60000, received_at = received_at - 60000",
    );
    pick_up(&components, &agency, 1).await;
    let mut chat_id = Value::Null;
    let mut found = mine(&people[0]).await;
    if let Some(active) = found[0].as_object_mut() {
        chat_id = active.remove("chatId").expect("a chat");
    }
    assert_eq!(chat_id.as_str().map(str::len), Some(24));
    let active =
        json!({"eventId": agency.event_id, "state": "active", "position": null, "estimatedWaitSeconds": -1});
    let waited = found[1]["estimatedWaitSeconds"].as_i64().expect("a number");
    assert!((60..120).contains(&waited), "{waited}");
    assert_eq!(found, json!([active, waits(other, 3, waited)]));
    assert_eq!(mine(&people[1]).await, json!([waits(agency.event_id, 1, waited)]));
}

/// The ten latest pickups of the last ten minutes, the latest with ten times the weight of the tenth.
#[tokio::test]
async fn the_estimate_is_a_weighted_mean_of_the_latest_pickups() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    participant.press_help(agency.event_id, "").await.empty(200);
    let now = chrono::Utc::now().timestamp_millis();
    let picked_up = |number: i64, seconds_ago: i64, waited: i64, agency_id: i64| {
        let start = now - seconds_ago * 1000;
        format!(
            "INSERT INTO chats
                 (id, request_id, agency_id, event_id, participant_id, state, pressed_at, organizer_id, time_start, assigned_at)
             VALUES ('{number:024}', 'r{number}', {agency_id}, 1, 99, 'active', {}, 1, {start}, {start});",
            start - waited * 1000
        )
    };
    let estimate = async || {
        let mine = participant.get(MINE).await.json(200);
        mine[0]["estimatedWaitSeconds"].as_i64().expect("a number")
    };
    assert_eq!(estimate().await, -1);
    let others = [
        picked_up(1, 30, 5000, agency.id + 1),
        picked_up(2, 11 * 60, 4000, agency.id),
    ]
    .concat();
    change(&components, "messenger", &others);
    assert_eq!(estimate().await, -1, "another agency's, and one from long ago");
    change(&components, "messenger", &picked_up(3, 60, 30, agency.id));
    assert_eq!(estimate().await, 30);
    change(&components, "messenger", &picked_up(4, 30, 300, agency.id));
    // (10 * 300 + 9 * 30) / 19
    assert_eq!(estimate().await, 172);
    let twelve: String = (0..12)
        .map(|number| picked_up(10 + number, 20 - number, 10 * (number + 1), agency.id))
        .collect();
    change(&components, "messenger", &twelve);
    // The last ten of them, which waited 30 to 120 s: sum of (k + 1) * (30 + 10 * k) for k from 0 to 9, by 55.
    assert_eq!(estimate().await, 90);
}

#[tokio::test]
async fn a_waiting_request_can_be_cancelled_and_made_again() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    cancel(&participant, agency.event_id).await.error(
        404,
        format!("chat request for event with id {} not found", agency.event_id),
    );
    let other = people::sign_up(&components.door, "q@example.org").await;
    for _ in 0..2 {
        participant
            .press_help(agency.event_id, "I am lost")
            .await
            .empty(200);
        assert_eq!(waiting(&components), 1);
        assert_eq!(
            cancel(&other, agency.event_id).await.status,
            404,
            "it is not theirs"
        );
        cancel(&participant, agency.event_id).await.empty(200);
        assert_eq!(waiting(&components), 0);
        assert!(!participant.has_requested(agency.event_id).await);
        assert_eq!(participant.get(MINE).await.json(200), json!([]));
    }
    assert_eq!(
        count(&components, "messenger", "SELECT count(*) FROM messages"),
        0
    );
    participant
        .delete(&format!("{MINE}/x"))
        .await
        .error(400, "invalid `eventId` route parameter");
}

#[tokio::test]
async fn a_started_chat_cannot_be_cancelled() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    participant.press_help(agency.event_id, "").await.empty(200);
    pick_up(&components, &agency, 1).await;
    cancel(&participant, agency.event_id)
        .await
        .error(400, "chat has already started");
    assert!(participant.has_requested(agency.event_id).await);
}

/// Either the organizer gets the person or the person is gone, never both.
#[tokio::test]
async fn cancelling_and_starting_exclude_each_other() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let mut sidecar = Sidecar::new("s");
    let principal = organizer(agency.support.id, agency.id);
    for round in 0..10 {
        let participant = people::sign_up(&components.door, &format!("p{round}@example.org")).await;
        participant.press_help(agency.event_id, "").await.empty(200);
        let command = sidecar::command(&principal, round, &json!({"type": "startChat"}));
        let command = [command];
        let start = sidecar.exchange(&components.door, &command, None);
        let (cancelled, started) = tokio::join!(cancel(&participant, agency.event_id), start);
        let started = !started.deliveries().is_empty();
        assert_eq!(
            cancelled.status,
            if started { 400 } else { 200 },
            "{}",
            cancelled.text()
        );
        assert_eq!(participant.has_requested(agency.event_id).await, started);
    }
}

/// A press on its way must not be queued after it was taken back; and while the messenger is down nothing is promised.
#[tokio::test]
async fn a_request_cancelled_before_its_delivery_is_never_queued() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let without_messenger = components.host_with(&["organizer", "participant"]);
    let send = async |door: &Door, method: &str, path: &str, body: Option<&Value>| {
        door.send(method, path, Some(&participant.token), body).await
    };
    let press = json!({"eventId": agency.event_id, "description": "I am lost"});
    send(
        &without_messenger,
        "POST",
        "/participant/chat-requests",
        Some(&press),
    )
    .await
    .empty(200);
    let path = format!("{MINE}/{}", agency.event_id);
    for refused in [
        send(&without_messenger, "GET", MINE, None).await,
        send(&without_messenger, "DELETE", &path, None).await,
    ] {
        refused.error(503, "api error");
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    let on_its_way = json!({
        "eventId": agency.event_id, "state": "waiting", "position": null, "estimatedWaitSeconds": -1,
        "description": "I am lost",
    });
    assert_eq!(mine(&participant).await, json!([on_its_way]));

    // As if the participant service died between the messenger's answer and its own change.
    let request = "SELECT request_id FROM outbox";
    let database = rusqlite::Connection::open(components.database("participant")).expect("a database");
    let id: String = database
        .query_row(request, (), |row| row.get(0))
        .expect("a press");
    let door = &components.door;
    let cancellation = json!({"requestId": id});
    for _ in 0..2 {
        let reply = door
            .send(
                "POST",
                "/messenger/internal/cancellations",
                Some(MESSENGER_KEY),
                Some(&cancellation),
            )
            .await;
        assert_eq!(reply.json(200), json!({"cancelled": true}));
    }
    assert!(participant.has_requested(agency.event_id).await);
    change(&components, "participant", "UPDATE outbox SET due_at = 0");
    tick(&components).await;
    assert_eq!(waiting(&components), 0, "it is not queued");
    door.send("POST", "/messenger/internal/tick", Some(MESSENGER_KEY), None)
        .await
        .empty(200);
    assert!(
        !participant.has_requested(agency.event_id).await,
        "and its lock is free"
    );
    participant.press_help(agency.event_id, "").await.empty(200);
    assert_eq!(waiting(&components), 1);
}

#[tokio::test]
async fn a_press_for_a_known_event_is_accepted_while_the_organizer_service_is_down() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let mut people = Vec::new();
    for number in 0..4 {
        people.push(people::sign_up(&components.door, &format!("p{number}@example.org")).await);
    }
    let without_organizer = components.host_with(&["participant", "messenger"]);
    let press = async |person: &Person, event_id: i64| {
        let body = json!({"eventId": event_id});
        let path = "/participant/chat-requests";
        without_organizer
            .send("POST", path, Some(&person.token), Some(&body))
            .await
    };
    press(&people[0], agency.event_id).await.error(503, "api error");
    // Somebody looks at the event, and from then on it is known.
    assert!(!people[0].has_requested(agency.event_id).await);
    join_all(people[..3].iter().map(|person| press(person, agency.event_id)))
        .await
        .iter()
        .for_each(|reply| reply.empty(200));
    without_organizer.idle().await;
    assert_eq!(waiting(&components), 3);
    press(&people[3], 999).await.error(503, "api error");
    let list = without_organizer
        .send("GET", "/participant/events", Some(&people[3].token), None)
        .await;
    list.error(503, "api error");

    change(
        &components,
        "participant",
        "UPDATE known_events SET verified_at = verified_at - 86400001",
    );
    press(&people[3], agency.event_id).await.error(503, "api error");
    // An event that is gone is not known any more.
    assert!(!people[3].has_requested(agency.event_id).await);
    agency
        .owner
        .delete(&format!("/organizer/agency/events/{}", agency.event_id))
        .await
        .json(200);
    let gone = people[3].press_help(agency.event_id, "").await;
    gone.error(404, format!("event with id {} not found", agency.event_id));
    press(&people[3], agency.event_id).await.error(503, "api error");
    assert_eq!(
        count(&components, "participant", "SELECT count(*) FROM known_events"),
        0
    );
}

/// In a storm one press asks about the event for all: for a moment, and only while presses are on their way.
#[tokio::test]
async fn a_verification_of_the_last_second_is_reused_while_presses_are_delivered() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let event_id = agency.event_id;
    let gone = format!("event with id {event_id} not found");
    let participants = join_all((0..4).map(|number| {
        let email = format!("p{number}@example.org");
        let door = &components.door;
        async move { people::sign_up(door, &email).await }
    }))
    .await;
    let without_messenger = components.host_with(&["organizer", "participant"]);
    let press = async |participant: &Person| {
        let body = json!({"eventId": event_id});
        let path = "/participant/chat-requests";
        without_messenger
            .send("POST", path, Some(&participant.token), Some(&body))
            .await
    };
    let said_at = |time: i64| {
        let update = format!("UPDATE known_events SET verified_at = {time}");
        change(&components, "participant", &update);
    };
    let now = chrono::Utc::now().timestamp_millis();
    press(&participants[0]).await.empty(200);
    let event = format!("/organizer/agency/events/{event_id}");
    agency.owner.delete(&event).await.json(200);

    // The clock stands still for what was said.
    said_at(now + 3_600_000);
    press(&participants[1]).await.empty(200);
    said_at(now - 1001);
    press(&participants[2]).await.error(404, &*gone);
    assert_eq!(
        count(&components, "participant", "SELECT count(*) FROM known_events"),
        0
    );

    without_messenger.idle().await;
    change(&components, "participant", "UPDATE outbox SET due_at = 0");
    tick(&components).await;
    assert_eq!(waiting(&components), 2);
    let insert = format!(
        "INSERT INTO known_events VALUES ({event_id}, {}, {})",
        agency.id,
        now + 3_600_000
    );
    change(&components, "participant", &insert);
    press(&participants[3]).await.error(404, &*gone);
}

/// A press is stored whatever the phone says of its position: one that cannot be is dropped, and logged by ids only.
#[tokio::test]
async fn a_press_with_an_invalid_position_is_stored_without_it() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let without_messenger = components.host_with(&["organizer", "participant"]);
    let cases = [
        (r#""lat":50.5,"lng":-19.5"#, Some((50.5, -19.5))),
        (r#""lat":-90,"lng":180"#, Some((-90.0, 180.0))),
        (r#""lat":null,"lng":null"#, None),
        (r#""lat":91.25,"lng":19.5"#, None),
        (r#""lat":50.5,"lng":-180.5"#, None),
        (r#""lat":1e300,"lng":1e300"#, None),
        (r#""lat":50.5"#, None),
        (r#""lng":19.5,"lat":null"#, None),
    ];
    for (number, (position, expected)) in cases.into_iter().enumerate() {
        let person = people::sign_up(&components.door, &format!("p{number}@example.org")).await;
        let body = format!(
            r#"{{"eventId":{}.0,"description":"secret words",{position}}}"#,
            agency.event_id
        );
        let path = "/participant/chat-requests";
        let pressed = without_messenger
            .send_raw("POST", path, Some(&person.token), body)
            .await;
        pressed.empty(200);
        let database = Connection::open(components.database("participant")).expect("a database");
        let stored: (Option<f64>, Option<f64>) = database
            .query_row(
                "SELECT lat, lng FROM outbox WHERE participant_id = ?1",
                [person.id],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .expect("a press");
        assert_eq!(stored, expected.unzip(), "{position}");
    }
    let log = components.log("participant");
    let dropped = log
        .lines()
        .filter(|line| line.contains("is stored without position"));
    assert_eq!(dropped.count(), 5, "{log}");
    assert!(!log.contains("secret words") && !log.contains("91.25"), "{log}");
}

#[tokio::test]
async fn how_long_events_are_known_is_a_setting() {
    for (days, age, is_known) in [("1", 48, false), ("3", 48, true), ("0", 100_000, true)] {
        let components = Components::with(&SERVICES, &[("retention_known_event_days", days)]);
        let agency = components.agency("Fest").await;
        let person = people::sign_up(&components.door, "p@example.org").await;
        let event = format!("/participant/events/{}", agency.event_id);
        person.get(&event).await.json(200);
        change(
            &components,
            "participant",
            &format!("UPDATE known_events SET verified_at = verified_at - {age} * 3600000"),
        );
        tick(&components).await;
        let known = count(&components, "participant", "SELECT count(*) FROM known_events");
        assert_eq!(known == 1, is_known, "{days} days, after {age} hours");
        let variables = [
            ("organizer_url", "http://127.0.0.1:1"),
            ("retention_known_event_days", days),
        ];
        let without_organizer = components.another_host(&["participant", "messenger"], &variables);
        let body = json!({"eventId": agency.event_id});
        let path = "/participant/chat-requests";
        let pressed = without_organizer
            .send("POST", path, Some(&person.token), Some(&body))
            .await;
        assert_eq!(pressed.status, if is_known { 200 } else { 503 }, "{days} days");
    }
}
