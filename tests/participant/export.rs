//! `GET /participant/profile/export` (docs/participant-api.md): all that is stored about the caller, and what a
//! deletion leaves of it (docs/privacy.md).

use serde_json::{Value, json};

use super::{change, tick};
use crate::support::components::{Components, MESSENGER_KEY, SERVICES};
use crate::support::people::{self, Agency, PARTICIPANT_PASSWORD, Person};
use crate::support::scan::mentions;
use crate::support::sidecar::{self, Sidecar, organizer};

const EXPORT: &str = "/participant/profile/export";

/// Has the agency's support user take the head of the queue, and both sides say something. Returns the chat's id.
async fn lead_a_chat(components: &Components, agency: &Agency, person: &Person, texts: [&str; 2]) -> String {
    let support = organizer(agency.support.id, agency.id);
    let participant = json!({"realm": "participant", "id": person.id});
    let door = &components.door;
    let mut sidecar = Sidecar::new(&format!("sidecar of {}", person.id));
    let start = sidecar::command(&support, 1, &json!({"type": "startChat"}));
    let heard = sidecar.exchange(door, &[start], None).await;
    let chat_id = heard.deliveries()[0].payload()["id"].clone();
    let by_support = json!({"type": "sendMessage", "chatId": chat_id, "message": texts[0]});
    let by_participant = json!({"type": "sendMessage", "chatId": chat_id, "message": texts[1], "lat": 50.0625, "lng": 19.9375});
    let said = [
        sidecar::command(&support, 2, &by_support),
        sidecar::command(&participant, 3, &by_participant),
    ];
    sidecar.exchange(door, &said, None).await;
    chat_id.as_str().expect("an id").to_owned()
}

async fn close(components: &Components, agency: &Agency, chat_id: &str) {
    let support = organizer(agency.support.id, agency.id);
    let close = sidecar::command(&support, 9, &json!({"type": "closeChat", "chatId": chat_id}));
    Sidecar::new("closing")
        .exchange(&components.door, &[close], None)
        .await;
}

async fn new_event(agency: &Agency, name: &str) -> i64 {
    let event = people::new_event(name);
    let event = agency.owner.post("/organizer/agency/events", &event).await;
    event.json(201)["id"].as_i64().expect("an id")
}

/// Somebody who has pressed as a guest and with an account, talked, and has presses that wait here and there.
#[tokio::test]
async fn an_export_has_every_text_and_a_deletion_leaves_what_is_documented() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let door = &components.door;
    let account = people::sign_up(door, "zuzanna@example.org").await;
    let body = json!({"phoneNumber": "+48 555 000 222"});
    account.patch("/participant/profile", &body).await.json(200);
    let press = json!({
        "eventId": agency.event_id, "description": "I am lost at the gate", "kind": "lost", "lat": 50.125, "lng": 19.875,
        "accuracy": 12.5, "positionAt": "2026-05-01T10:00:00Z", "clientId": "0198c0de-0000-4000-8000-000000000001",
    });
    account.post("/participant/chat-requests", &press).await.json(200);
    let texts = ["Where are you, Zuzanna?", "By the blue tent"];
    let chat_id = lead_a_chat(&components, &agency, &account, texts).await;
    close(&components, &agency, &chat_id).await;

    let guest = people::guest(door, "Zuza B.", "+48 600 700 800").await;
    guest
        .press_help(agency.event_id, "My friend has fainted")
        .await
        .empty(200);
    let texts = ["An ambulance is coming", "Hurry, please"];
    let guests_chat = lead_a_chat(&components, &agency, &guest, texts).await;
    let credentials = json!({"email": account.email, "password": PARTICIPANT_PASSWORD});
    let path = "/participant/auth/sign-in";
    door.send("POST", path, Some(&guest.token), Some(&credentials))
        .await
        .json(200);

    let (second, third) = (
        new_event(&agency, "Second").await,
        new_event(&agency, "Third").await,
    );
    account
        .press_help(second, "Nobody has taken this yet")
        .await
        .empty(200);
    // The participant service knows the event from now on.
    account
        .get(&format!("/participant/events/{third}"))
        .await
        .json(200);
    let body = json!({"eventId": third, "description": "This one has not arrived"});
    let without_messenger = components.host_with(&["organizer", "participant"]);
    let path = "/participant/chat-requests";
    without_messenger
        .send("POST", path, Some(&account.token), Some(&body))
        .await
        .empty(200);

    let reply = account.get(EXPORT).await;
    assert_eq!(reply.header("link"), None);
    let export = reply.json(200);
    let profile = account.get("/participant/profile").await.json(200);
    for (name, value) in profile.as_object().expect("an object") {
        assert_eq!(export["profile"][name], *value, "{name}");
    }
    let text = export.to_string();
    for written in [
        "I am lost at the gate",
        "Where are you, Zuzanna?",
        "By the blue tent",
        "My friend has fainted",
        "An ambulance is coming",
        "Hurry, please",
        "Mayday: the guest has signed in as zuzanna@example.org.",
        "Nobody has taken this yet",
        "This one has not arrived",
        "0198c0de-0000-4000-8000-000000000001",
    ] {
        assert!(text.contains(written), "{written} is not in {export:#}");
    }
    for secret in ["password", "argon2", "sha256"] {
        assert!(!text.to_lowercase().contains(secret), "{export:#}");
    }
    let chats = export["chats"].as_array().expect("a list");
    let states: Vec<_> = chats.iter().map(|chat| chat["state"].clone()).collect();
    assert_eq!(states, ["ended", "active", "waiting"]);
    let kept: Vec<_> = chats.iter().map(|chat| &chat["keptAfterDeletion"]).collect();
    assert_eq!(kept, [true, true, false]);
    let first = &chats[0];
    assert_eq!(first["id"], chat_id.as_str());
    assert_eq!(chats[1]["id"], guests_chat.as_str());
    let place = ["latStart", "lngStart", "accuracyStart", "positionAtStart", "kind"].map(|name| &first[name]);
    let expected = [
        json!(50.125),
        json!(19.875),
        json!(12.5),
        json!("2026-05-01T10:00:00.000Z"),
        json!("lost"),
    ];
    assert_eq!(place, expected.each_ref());
    let said = &first["messages"][2];
    assert_eq!(
        [
            &said["content"],
            &said["lat"],
            &said["lng"],
            &said["fromOrganizer"]
        ],
        [
            &json!("By the blue tent"),
            &json!(50.0625),
            &json!(19.9375),
            &json!(false)
        ]
    );
    assert_eq!(export["messenger"]["contact"]["email"], "zuzanna@example.org");
    assert_eq!(export["messenger"]["guestIds"], json!([guest.id]));
    assert_eq!(export["outbox"][0]["description"], "This one has not arrived");
    assert_eq!(export["openRequests"].as_array().map(Vec::len), Some(3));
    assert_eq!(export["presses"].as_array().map(Vec::len), Some(4));
    // Nobody gets anything of somebody else.
    let other = people::sign_up(door, "other@example.org").await;
    let others = other.get(EXPORT).await.json(200);
    assert_eq!((&others["chats"], &others["outbox"]), (&json!([]), &json!([])));
    assert!(!others.to_string().contains("zuzanna"), "{others:#}");

    let body = json!({"password": PARTICIPANT_PASSWORD}).to_string();
    door.send_raw("DELETE", "/participant/profile", Some(&account.token), body)
        .await
        .json(200);
    tick(&components).await;
    account.get(EXPORT).await.error(401, "invalid token");
    for service in SERVICES {
        for gone in [
            "zuzanna@example.org",
            "+48 555 000 222",
            "+48 600 700 800",
            "Zuza B.",
            "Nobody has taken this yet",
            "This one has not arrived",
        ] {
            let left = mentions(&components.database(service), gone);
            assert_eq!(left, Vec::<String>::new(), "{gone} is in {service}");
        }
    }
    // The export has said which chats stay.
    for chat in chats {
        let left = mentions(
            &components.database("messenger"),
            chat["id"].as_str().expect("an id"),
        );
        let is_kept = left.contains(&"chats.id".to_owned());
        assert_eq!(chat["keptAfterDeletion"], is_kept, "{chat:#}: {left:?}");
    }
    // What was said in chats that somebody has taken stays in the agency's archive.
    for stays in ["I am lost at the gate", "By the blue tent", "Hurry, please"] {
        let left = mentions(&components.database("messenger"), stays);
        assert!(left.contains(&"messages.content".to_owned()), "{stays}: {left:?}");
    }
    let notes = mentions(
        &components.database("messenger"),
        "Mayday: the guest has signed in.",
    );
    assert!(notes.contains(&"messages.content".to_owned()), "{notes:?}");
}

/// A guest exports as an account does.
#[tokio::test]
async fn a_guest_exports_what_the_device_has_said() {
    let components = Components::start();
    let door = &components.door;
    let guest = people::guest(door, "Anna", "+48 1").await;
    let export = guest.get(EXPORT).await.json(200);
    let profile = &export["profile"];
    assert_eq!(
        [&profile["name"], &profile["phoneNumber"], &profile["guest"]],
        [&json!("Anna"), &json!("+48 1"), &json!(true)]
    );
    assert_eq!(export["messenger"], json!({"contact": null, "guestIds": []}));
    door.send("GET", EXPORT, None, None)
        .await
        .error(401, "invalid authorization header");
    for cursor in ["x", "chats.1", "chats.x.1", "presses", "chats.1.2.3"] {
        guest
            .get(&format!("{EXPORT}?cursor={cursor}"))
            .await
            .error(400, "invalid `cursor` query parameter");
    }
}

/// An export lacks nothing, or there is none.
#[tokio::test]
async fn there_is_no_export_while_the_messenger_is_down() {
    let components = Components::start();
    let person = people::sign_up(&components.door, "p@example.org").await;
    let alone = components.host_with(&["organizer", "participant"]);
    let reply = alone.send("GET", EXPORT, Some(&person.token), None).await;
    reply.error(503, "api error");
    assert_eq!(reply.header("retry-after"), Some("1"));
}

/// However much there is, a part has a bounded size, and the parts together have everything once.
#[tokio::test]
async fn a_large_account_is_exported_in_parts() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let person = people::sign_up(&components.door, "p@example.org").await;
    person.press_help(agency.event_id, "Lost").await.empty(200);
    lead_a_chat(&components, &agency, &person, ["one", "two"]).await;
    change(
        &components,
        "participant",
        &format!(
            "INSERT INTO presses (request_id, participant_id, event_id, client_id, pressed_at, received_at, ended_at)
             WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 6000)
             SELECT printf('old-%05d', n), {}, 7, printf('key %05d', n), 1, 1, unixepoch() * 1000 FROM number",
            person.id
        ),
    );
    // Two long chats of 300 messages of 15,000 characters, and 600 without a message.
    change(
        &components,
        "messenger",
        &format!(
            "INSERT INTO chats (id, request_id, agency_id, event_id, participant_id, state, pressed_at, organizer_id,
                                time_start, time_end, assigned_at)
             WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 602)
             SELECT printf('%024d', n), printf('old %05d', n), {agency}, 7, {person}, 'ended', n, 1, n, n, n FROM number;
             INSERT INTO messages (chat_id, seq, id, author_id, from_organizer, content, time_sent)
             WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 300)
             SELECT printf('%024d', c), n, printf('%012d%012d', c, n), {person}, 0, printf('%.15000c', 'm'), n
             FROM number, (SELECT 1 AS c UNION ALL SELECT 2)",
            agency = agency.id,
            person = person.id
        ),
    );
    let mut query = String::new();
    let (mut presses, mut chats, mut messages, mut parts) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    loop {
        let reply = person.get(&format!("{EXPORT}{query}")).await;
        assert!(reply.body.len() < 4 * 1024 * 1024, "{}", reply.body.len());
        let part = reply.json(200);
        assert_eq!(part.get("profile").is_some(), parts == 0);
        parts += 1;
        let list = |name: &str| part[name].as_array().cloned().unwrap_or_default();
        presses.extend(list("presses").iter().map(|press| text(&press["requestId"])));
        for chat in list("chats") {
            let id = text(&chat["id"]);
            if chats.last() != Some(&id) {
                chats.push(id.clone());
            }
            let of_chat = chat["messages"].as_array().expect("a list");
            messages.extend(
                of_chat
                    .iter()
                    .map(|message| (id.clone(), message["seq"].as_i64())),
            );
        }
        let Some(link) = reply.header("link") else {
            break;
        };
        let link = link
            .strip_prefix('<')
            .and_then(|link| link.strip_suffix(">; rel=\"next\""));
        query = link.expect("a link").to_owned();
    }
    assert!(parts > 5, "{parts}");
    assert_eq!((presses.len(), chats.len(), messages.len()), (6001, 603, 603));
    for list in [&mut presses, &mut chats] {
        list.sort_unstable();
        list.dedup();
    }
    messages.sort_unstable();
    messages.dedup();
    assert_eq!((presses.len(), chats.len(), messages.len()), (6001, 603, 603));
}

#[tokio::test]
async fn only_the_participant_service_reads_what_is_stored() {
    let components = Components::start();
    let body = json!({"participantId": 1});
    let path = "/messenger/internal/stored";
    let door = &components.door;
    door.send("POST", path, None, Some(&body))
        .await
        .error(401, "invalid authorization header");
    door.send("POST", path, Some("wrong"), Some(&body))
        .await
        .error(401, "invalid api key");
    let stored = door.send("POST", path, Some(MESSENGER_KEY), Some(&body)).await;
    let expected = json!({"contact": null, "guestIds": [], "accountId": null, "chats": [], "next": null});
    assert_eq!(stored.json(200), expected);
}
