//! Mayday's main flow, through real processes.

use serde_json::{Value, json};

use crate::support::people::{self, Agency, ORGANIZER_PASSWORD, Person, owner_email, registration};
use crate::support::socket::Socket;
use crate::support::system::System;

#[tokio::test]
async fn an_agency_registers_and_everything_is_on_record() {
    let system = System::start(1).await;
    let superadmin = system.superadmin().await;

    let agency = system
        .door
        .send("POST", "/organizer/agency", None, Some(&registration("Fest")))
        .await
        .json(201);
    assert_eq!(agency["approved"], false);
    let credentials = json!({"email": owner_email("Fest"), "password": ORGANIZER_PASSWORD});
    let refused = system
        .door
        .send("POST", "/organizer/auth/sign-in", None, Some(&credentials))
        .await;
    refused.error(400, "your agency is not approved by administrators");

    let verify = format!("/organizer/admin/agencies/{}/verify", agency["id"]);
    let verified = superadmin
        .patch(&verify, &json!({"approved": true}))
        .await
        .json(200);
    assert_eq!(verified["approved"], true);
    let owner = people::sign_in(&system.door, &owner_email("Fest"), ORGANIZER_PASSWORD).await;
    let support = owner
        .post(
            "/organizer/agency/users",
            &people::new_user_with_role("support@fest.example.org", 4),
        )
        .await
        .json(201);
    let event = owner
        .post("/organizer/agency/events", &people::new_event("Fest night"))
        .await
        .json(201);

    let record = owner.get("/organizer/agency/changelogs").await.json(200);
    let rows: Vec<_> = record.as_array().expect("a list").iter().map(summary).collect();
    let expected = [
        ("Agency", "insert", agency["id"].clone(), owner.id),
        ("User", "insert", owner.id.into(), owner.id),
        ("User", "insert", support["id"].clone(), owner.id),
        ("Event", "insert", event["id"].clone(), owner.id),
    ];
    assert_eq!(
        rows,
        expected.map(|(class, kind, entity, user)| json!([class, kind, entity, user]))
    );
    let value_after: Value =
        serde_json::from_str(record[3]["valueAfter"].as_str().expect("text")).expect("JSON");
    assert_eq!(value_after["name"], "Fest night");
    let by_admins = superadmin.get("/organizer/admin/changelogs").await.json(200);
    let last = by_admins.as_array().expect("a list").last().expect("a row");
    assert_eq!(
        summary(last),
        json!(["Agency", "update", agency["id"], superadmin.id])
    );
    assert_eq!(last["agencyId"], Value::Null);
}

fn summary(row: &Value) -> Value {
    json!([row["entityClass"], row["type"], row["entityId"], row["userId"]])
}

#[tokio::test]
async fn help_is_pressed_a_chat_is_led_and_closed() {
    let system = System::start(1).await;
    let sidecar = system.sidecar(0);
    lead_a_chat(&system, [sidecar, sidecar]).await;
}

#[tokio::test]
async fn the_parties_may_be_at_different_sidecars() {
    let system = System::start(2).await;
    lead_a_chat(&system, [system.sidecar(0), system.sidecar(1)]).await;
}

/// Two hosts on three libSQL servers, and the parties at the sidecar of one host each.
#[tokio::test]
async fn the_parties_may_be_at_different_hosts() {
    let system = System::large().await;
    lead_a_chat(&system, [system.sidecar(0), system.sidecar(1)]).await;
}

/// Leads a chat in which each party has two connections, one at each of the two sidecars.
async fn lead_a_chat(system: &System, places: [&str; 2]) {
    let agency = system.agency("Fest").await;
    let participant = people::sign_up(&system.door, "p@example.org").await;
    press_help(&participant, agency.event_id).await;

    let mut support = [
        Socket::open("support", places[0], &agency.support).await,
        Socket::open("support 2", places[1], &agency.support).await,
    ];
    let mut participants = [
        Socket::open("participant", places[1], &participant).await,
        Socket::open("participant 2", places[0], &participant).await,
    ];
    for socket in support.iter_mut().chain(&mut participants) {
        socket.expect_nothing_yet().await;
    }

    support[0].send("start_chat", "".into()).await;
    let mut chat_id = String::new();
    for socket in support.iter_mut().chain(&mut participants) {
        chat_id = expect_new_chat(socket, &agency, &participant).await;
        assert_eq!(
            socket.expect_message().await,
            "Problem description: Lost my friend"
        );
    }

    converse(&mut support, &mut participants, &chat_id, participant.id).await;

    support[1].send("close_chat", json!({"chatId": chat_id})).await;
    for socket in support.iter_mut().chain(&mut participants) {
        assert_eq!(socket.expect("closed_chat").await, json!({"chatId": chat_id}));
    }
    expect_archived(&agency, &participant, &chat_id).await;
    assert!(!participant.has_requested(agency.event_id).await);
    press_help(&participant, agency.event_id).await;
}

async fn press_help(participant: &Person, event_id: i64) {
    let found = participant.get("/participant/events?query=NIGHT").await.json(200);
    assert_eq!(found[0]["id"], event_id);
    assert!(!participant.has_requested(event_id).await);
    participant
        .press_help(event_id, "Lost my friend")
        .await
        .empty(200);
    participant
        .press_help(event_id, "Lost my friend")
        .await
        .error(400, "chat request already exists");
    assert!(participant.has_requested(event_id).await);
}

async fn expect_new_chat(socket: &mut Socket, agency: &Agency, participant: &Person) -> String {
    let chat = socket.expect("new_chat").await;
    let expected = json!({
        "id": chat["id"], "agencyId": agency.id, "eventId": agency.event_id, "organizerId": agency.support.id,
        "participantId": participant.id, "ended": 0, "latStart": 50.061234, "lngStart": 19.937654,
        "timeStart": chat["timeStart"], "timeEnd": "0001-01-01T00:00:00Z",
        "participant": {"id": participant.id, "email": participant.email, "phoneNumber": "+48555000111"},
    });
    assert_eq!(chat, expected);
    chat["id"].as_str().expect("text").to_owned()
}

/// All connections write at once. Each sees every message once, and all see the same order.
async fn converse(
    support: &mut [Socket; 2],
    participants: &mut [Socket; 2],
    chat_id: &str,
    participant_id: i64,
) {
    let located =
        json!({"chatId": chat_id, "message": "By the north gate", "lat": 50.061517, "lng": 19.941283});
    participants[0].send("send_message", located).await;
    for socket in support.iter_mut().chain(participants.iter_mut()) {
        let message = socket.expect("user_message").await;
        let expected = json!({
            "id": message["id"], "chatId": chat_id, "authorId": participant_id, "fromOrganizer": 0,
            "content": "By the north gate", "timeSent": message["timeSent"], "lat": 50.061517, "lng": 19.941283,
        });
        assert_eq!(message, expected);
    }

    const EACH: usize = 25;
    for number in 0..EACH {
        for (author, socket) in support.iter_mut().chain(participants.iter_mut()).enumerate() {
            socket.say(chat_id, &format!("{author}: {number}")).await;
        }
    }
    let mut seen: Vec<Vec<String>> = Vec::new();
    for socket in support.iter_mut().chain(participants.iter_mut()) {
        let mut contents = Vec::new();
        for _ in 0..4 * EACH {
            contents.push(socket.expect_message().await);
        }
        seen.push(contents);
    }
    for author in 0..4 {
        let by_author = seen[0]
            .iter()
            .filter(|content| content.starts_with(&format!("{author}: ")));
        let expected = (0..EACH).map(|number| format!("{author}: {number}"));
        assert!(
            by_author.cloned().eq(expected),
            "each connection's order is kept: {:?}",
            seen[0]
        );
    }
    for contents in &seen[1..] {
        assert_eq!(contents, &seen[0]);
    }
    assert_eq!(support[0].history(chat_id).await[2..], seen[0]);
}

async fn expect_archived(agency: &Agency, participant: &Person, chat_id: &str) {
    for (person, side) in [
        (&agency.support, "agency"),
        (&agency.owner, "agency"),
        (participant, "participant"),
    ] {
        let archive = person.archive(side).await;
        assert_eq!(archive.len(), 1);
        assert_eq!(
            (archive[0]["id"].as_str(), &archive[0]["ended"]),
            (Some(chat_id), &json!(1))
        );
        assert_eq!(archive[0]["participant"]["email"], participant.email.as_str());
        let contents = person.archived_contents(side, chat_id).await;
        assert_eq!(
            contents[..2],
            ["Problem description: Lost my friend", "By the north gate"]
        );
        assert_eq!(contents.len(), 102);
    }
}

#[tokio::test]
async fn requests_are_taken_in_the_order_of_their_presses() {
    let system = System::start(1).await;
    let agency = system.agency("Fest").await;
    let mut expected = Vec::new();
    for name in ["first", "second", "third"] {
        let participant = people::sign_up(&system.door, &format!("{name}@example.org")).await;
        participant.press_help(agency.event_id, name).await.empty(200);
        expected.push(participant.id);
    }
    let mut support = Socket::open("support", system.sidecar(0), &agency.support).await;
    for participant_id in expected {
        support.send("start_chat", "".into()).await;
        assert_eq!(support.expect("new_chat").await["participantId"], participant_id);
        support.expect("user_message").await;
    }
    support.send("start_chat", "".into()).await;
    assert_eq!(support.expect("info").await, json!({"message": "no new chats"}));
}

/// The agency sets the cap while sockets are open.
#[tokio::test]
async fn a_cap_of_open_chats_binds_connected_organizers() {
    let system = System::start(1).await;
    let agency = system.agency("Fest").await;
    let mut support = Socket::open("support", system.sidecar(0), &agency.support).await;
    for name in ["first", "second"] {
        let participant = people::sign_up(&system.door, &format!("{name}@example.org")).await;
        participant.press_help(agency.event_id, "").await.empty(200);
    }
    support.send("start_chat", "".into()).await;
    let chat_id = support.expect("new_chat").await["id"].clone();
    let cap = async |chats: Value| {
        let settings = json!({"maxOpenChats": chats});
        let reply = agency.owner.patch("/organizer/agency/settings", &settings).await;
        reply.json(200);
    };
    cap(json!(1)).await;
    // A chat may still be given while the cap is being set, so the test closes it at once.
    let refused = loop {
        support.send("start_chat", "".into()).await;
        let frame = support.next().await.expect("an answer");
        if frame["type"] == "error" {
            break frame["payload"].clone();
        }
        assert_eq!(frame["type"], "new_chat");
        support
            .send("close_chat", json!({"chatId": frame["payload"]["id"]}))
            .await;
        support.expect("closed_chat").await;
        let participant =
            people::sign_up(&system.door, &format!("{}@example.org", frame["payload"]["id"])).await;
        participant.press_help(agency.event_id, "").await.empty(200);
    };
    assert_eq!(
        refused,
        json!({"message": "you have reached the limit of 1 open chats"})
    );
    support.send("close_chat", json!({"chatId": chat_id})).await;
    support.expect("closed_chat").await;
    support.send("start_chat", "".into()).await;
    support.expect("new_chat").await;
}

#[tokio::test]
async fn nobody_sees_other_peoples_chats() {
    let system = System::start(1).await;
    let agency = system.agency("Fest").await;
    let rival = system.agency("Rival").await;
    let participant = people::sign_up(&system.door, "p@example.org").await;
    let stranger = people::sign_up(&system.door, "stranger@example.org").await;
    participant.press_help(agency.event_id, "").await.empty(200);

    let mut rivals = Socket::open("rival", system.sidecar(0), &rival.support).await;
    rivals.send("start_chat", "".into()).await;
    assert_eq!(rivals.expect("info").await["message"], "no new chats");
    let mut support = Socket::open("support", system.sidecar(0), &agency.support).await;
    support.send("start_chat", "".into()).await;
    let chat_id = support.expect("new_chat").await["id"]
        .as_str()
        .expect("text")
        .to_owned();

    let no_access = format!("you have no access to chat {chat_id}");
    let mut owner = Socket::open("owner", system.sidecar(0), &agency.owner).await;
    let mut strangers = Socket::open("stranger", system.sidecar(0), &stranger).await;
    for socket in [&mut rivals, &mut strangers, &mut owner] {
        socket.say(&chat_id, "let me in").await;
        assert_eq!(socket.expect("error").await["message"], no_access);
        socket.send("get_chat_history", json!({"chatId": chat_id})).await;
        assert_eq!(socket.expect("error").await["message"], no_access);
        assert!(socket.chat_ids().await.is_empty());
    }
    for socket in [&mut rivals, &mut owner] {
        socket.send("close_chat", json!({"chatId": chat_id})).await;
        assert_eq!(socket.expect("error").await["message"], no_access);
    }
    let path = |side: &str| format!("/messenger/{side}/chats/{chat_id}/messages");
    rival
        .support
        .get(&path("agency"))
        .await
        .error(400, "chat not found");
    stranger
        .get(&path("participant"))
        .await
        .error(400, "chat not found");
    assert_eq!(support.history(&chat_id).await, Vec::<String>::new());
}

#[tokio::test]
async fn sockets_of_administrators_and_of_unapproved_agencies_are_dropped() {
    let system = System::start(1).await;
    let agency = system.agency("Fest").await;
    let superadmin = system.superadmin().await;
    let mut admins = Socket::open("superadmin", system.sidecar(0), &superadmin).await;
    assert_eq!(admins.next().await, None);
    let path = format!("/organizer/admin/agencies/{}/verify", agency.id);
    superadmin
        .patch(&path, &json!({"approved": false}))
        .await
        .json(200);
    let mut supports = Socket::open("support", system.sidecar(0), &agency.support).await;
    assert_eq!(supports.next().await, None);
    for authorization in [
        "",
        "Bearer x",
        "Bearer participant:x",
        &format!("Bearer {}x", agency.owner.token),
    ] {
        let mut socket = Socket::open_with("nobody", system.sidecar(0), authorization).await;
        assert_eq!(socket.next().await, None, "{authorization}");
    }
}

#[tokio::test]
async fn bad_frames_get_an_error_and_change_nothing() {
    let system = System::start(1).await;
    let agency = system.agency("Fest").await;
    let participant = people::sign_up(&system.door, "p@example.org").await;
    participant.press_help(agency.event_id, "").await.empty(200);
    let mut support = Socket::open("support", system.sidecar(0), &agency.support).await;
    support.send("start_chat", "".into()).await;
    let chat_id = support.expect("new_chat").await["id"]
        .as_str()
        .expect("text")
        .to_owned();

    for (frame, error) in [
        ("", "malformed message"),
        ("{", "malformed message"),
        ("[]", "malformed message"),
        ("{}", "invalid message type"),
        (r#"{"type":"shout","payload":{}}"#, "invalid message type"),
        (r#"{"type":"send_message"}"#, "invalid message payload"),
        (
            r#"{"type":"send_message","payload":"x"}"#,
            "invalid message payload",
        ),
        (
            r#"{"type":"send_message","payload":{"chatId":7}}"#,
            "invalid message payload",
        ),
        (
            r#"{"type":"send_message","payload":{"message":"x"}}"#,
            "you have no access to chat ",
        ),
        (
            r#"{"type":"close_chat","payload":{"chatId":"nonsense"}}"#,
            "you have no access to chat nonsense",
        ),
    ] {
        support.send_text(frame).await;
        assert_eq!(
            support.expect("error").await,
            json!({"message": error}),
            "{frame}"
        );
    }
    let mut participants = Socket::open("participant", system.sidecar(0), &participant).await;
    participants.send("close_chat", json!({"chatId": chat_id})).await;
    assert_eq!(
        participants.expect("error").await["message"],
        "invalid message type"
    );
    assert_eq!(support.chat_ids().await, [chat_id.as_str()]);
    assert_eq!(support.history(&chat_id).await, Vec::<String>::new());

    for content in ["", "żółć 🚑", "nul \u{0} inside", "\"quoted\" \\ </script>"] {
        support.say(&chat_id, content).await;
        assert_eq!(support.expect_message().await, content);
        assert_eq!(participants.expect_message().await, content);
    }
}

/// Protocol 2 through real processes: live queue positions, and a chat that changes hands twice and keeps its
/// participant. A client of the contract beside them sees only the contract's frames.
#[tokio::test]
async fn clients_of_protocol_2_see_queues_and_transfers_and_others_do_not() {
    // Sidecars report each second who is here. On a busy machine a report may be late.
    let system = System::start_with(2, &["orphan_requeue_seconds=5"]).await;
    let agency = system.agency("Fest").await;
    let colleague = "colleague@fest.example.org";
    let new_user = people::new_user_with_role(colleague, 4);
    let users = "/organizer/agency/users";
    agency.owner.post(users, &new_user).await.json(201);
    let colleague = people::sign_in(&system.door, colleague, ORGANIZER_PASSWORD).await;
    let first = people::sign_up(&system.door, "first@example.org").await;
    let second = people::sign_up(&system.door, "second@example.org").await;
    let (here, there) = (system.sidecar(0), system.sidecar(1));
    let mut support = Socket::open_two("support", here, &agency.support).await;
    let mut old = Socket::open("support, contract", there, &agency.support).await;
    old.expect_nothing_yet().await;
    assert_eq!(support.expect_status().await, 0);

    // The queue, as both sides see it.
    let mut participant = Socket::open_two("participant", there, &first).await;
    first.press_help(agency.event_id, "Lost").await.empty(200);
    assert_eq!(participant.expect_position().await, 1);
    assert_eq!(support.expect_status().await, 1);
    second.press_help(agency.event_id, "").await.empty(200);
    let mut next = Socket::open_two("next participant", here, &second).await;
    assert_eq!(next.expect_position().await, 2);
    assert_eq!(support.expect_status().await, 2);
    support.send("start_chat", json!({"wait": true})).await;
    let chat = support.expect("new_chat").await;
    assert_eq!(
        (&chat["participantId"], &chat["lastSeq"]),
        (&json!(first.id), &json!(1))
    );
    let chat_id = chat["id"].as_str().expect("text").to_owned();
    assert_eq!(support.expect("user_message").await["seq"], 1);
    assert_eq!(support.expect_status().await, 1);
    assert_eq!(participant.expect("new_chat").await["id"], chat["id"]);
    assert_eq!(participant.expect("user_message").await["seq"], 1);
    assert_eq!(next.expect_position().await, 1);

    // A waiting organizer gets the next request without asking.
    let mut helper = Socket::open_two("colleague", there, &colleague).await;
    // Another sidecar may hear of the change up to a second later.
    while helper.expect_status().await != 1 {}
    helper.send("start_chat", "".into()).await;
    assert_eq!(
        helper.expect_passing("new_chat", &["queue_status"]).await["participantId"],
        second.id
    );
    while helper.expect_status().await != 0 {}
    helper.send("start_chat", json!({"wait": true})).await;
    assert_eq!(helper.expect("info").await["code"], "waiting");
    let third = people::sign_up(&system.door, "third@example.org").await;
    third.press_help(agency.event_id, "").await.empty(200);
    assert_eq!(
        helper.expect_passing("new_chat", &["queue_status"]).await["participantId"],
        third.id
    );

    // Typing and reading.
    participant.send("typing", json!({"chatId": chat_id})).await;
    let typing = support.expect_passing("typing", &["queue_status"]).await;
    assert_eq!(
        typing,
        json!({"chatId": chat_id, "authorId": first.id, "fromOrganizer": 0})
    );
    support.send("read", json!({"chatId": chat_id, "seq": 1})).await;
    let read = participant.expect("read").await;
    assert_eq!(read, json!({"chatId": chat_id, "seq": 1, "fromOrganizer": 1}));

    // The chat is handed over.
    let hand_over = json!({"chatId": chat_id, "organizerId": colleague.id});
    support.send("transfer_chat", hand_over).await;
    let transferred =
        json!({"chatId": chat_id, "fromOrganizerId": agency.support.id, "organizerId": colleague.id});
    for socket in [&mut support, &mut participant] {
        let note = socket.expect_passing("user_message", &["queue_status"]).await;
        assert_eq!((&note["seq"], &note["system"]), (&json!(2), &json!(true)));
        assert_eq!(
            socket.expect_passing("chat_transferred", &["queue_status"]).await,
            transferred
        );
    }
    let given = helper.expect_passing("new_chat", &["queue_status"]).await;
    assert_eq!((&given["id"], &given["lastSeq"]), (&json!(chat_id), &json!(2)));
    helper.say(&chat_id, "I go on").await;
    assert_eq!(participant.expect_message().await, "I go on");

    // The contract's client saw the chat open, and close when it was handed over.
    let opened = old.expect("new_chat").await;
    assert_eq!(
        (&opened["id"], &opened["lastSeq"]),
        (&json!(chat_id), &Value::Null)
    );
    assert_eq!(old.expect_message().await, "Problem description: Lost");
    let note = old.expect("user_message").await;
    assert_eq!((&note["seq"], &note["system"]), (&Value::Null, &Value::Null));
    assert_eq!(old.expect("closed_chat").await, json!({"chatId": chat_id}));
    old.expect_nothing_yet().await;

    // The colleague is gone, and the chat goes back to the head of the queue.
    drop(helper);
    let mut support = support.without_queues();
    let note = participant
        .expect_passing("user_message", &["queue_position"])
        .await;
    assert_eq!((&note["seq"], &note["system"]), (&json!(4), &json!(true)));
    let requeued = participant
        .expect_passing("chat_requeued", &["queue_position"])
        .await;
    assert_eq!(requeued, json!({"chatId": chat_id, "organizerId": colleague.id}));
    participant.say(&chat_id, "still here").await;
    assert_eq!(
        participant
            .expect_passing("user_message", &["queue_position"])
            .await["seq"],
        5
    );
    support.send("start_chat", "".into()).await;
    let again = support.expect("new_chat").await;
    assert_eq!((&again["id"], &again["lastSeq"]), (&json!(chat_id), &json!(5)));
    // All clients read who the new organizer is.
    let somebody_is_there = participant
        .expect_passing("user_message", &["queue_position", "new_chat"])
        .await;
    assert_eq!(
        somebody_is_there["content"],
        "Mayday: Anna Nowak is with you now."
    );
    let last = support.messages_after(&chat_id, 4).await;
    assert_eq!(
        last,
        [
            (5, "still here".to_owned()),
            (6, "Mayday: Anna Nowak is with you now.".to_owned())
        ]
    );
}
