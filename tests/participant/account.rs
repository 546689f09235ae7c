//! What becomes of an account (contract 4): its profile, its password, its end.

use serde_json::{Value, json};

use super::{change, count, is_age, tick, undelivered, waiting};
use crate::support::components::{Components, MESSENGER_KEY};
use crate::support::door::{Door, Reply};
use crate::support::people::{self, PARTICIPANT_PASSWORD, Person};
use crate::support::scan::mentions;
use crate::support::sidecar::{self, Sidecar, organizer};

const OTHER_PASSWORD: &str = "giant horse!";

async fn sign_in(components: &Components, email: &str, password: &str) -> Reply {
    let body = json!({"email": email, "password": password});
    components
        .door
        .send("POST", "/participant/auth/sign-in", None, Some(&body))
        .await
}

async fn delete(participant: &Person, password: &str) -> Reply {
    let body = json!({"password": password}).to_string();
    let door = participant.door();
    door.send_raw("DELETE", "/participant/profile", Some(&participant.token), body)
        .await
}

#[tokio::test]
async fn a_sign_out_ends_all_sessions() {
    let components = Components::with(&["participant"], &[]);
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let other_phone = sign_in(&components, "p@example.org", PARTICIPANT_PASSWORD)
        .await
        .json(200);
    let reply = participant
        .post("/participant/auth/sign-out", &json!({"ignored": 1}))
        .await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    reply.empty(200);
    for token in [
        participant.token.as_str(),
        other_phone["token"].as_str().expect("a token"),
    ] {
        let door = &components.door;
        for (method, path) in [
            ("GET", "/participant/profile"),
            ("POST", "/participant/auth/sign-out"),
        ] {
            door.send(method, path, Some(token), None)
                .await
                .error(401, "invalid token");
        }
    }
}

#[tokio::test]
async fn a_token_of_the_millisecond_of_a_sign_out_works() {
    let components = Components::with(&["participant"], &[]);
    people::sign_up(&components.door, "p@example.org").await;
    for _ in 0..25 {
        let session = sign_in(&components, "p@example.org", PARTICIPANT_PASSWORD)
            .await
            .json(200);
        let token = session["token"].as_str();
        let send = async |method, path| components.door.send(method, path, token, None).await;
        send("GET", "/participant/profile").await.json(200);
        send("POST", "/participant/auth/sign-out").await.empty(200);
        send("GET", "/participant/profile")
            .await
            .error(401, "invalid token");
    }
}

/// Contract 4: the number is not validated but for its length, and one that is left out becomes empty.
#[tokio::test]
async fn a_profile_edit_changes_the_phone_number_only() {
    let components = Components::with(&["participant"], &[]);
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let mut expected = participant.get("/participant/profile").await.json(200);
    for (body, phone_number) in [
        (json!({"phoneNumber": "ask at the bar"}), "ask at the bar"),
        (json!({"PHONENUMBER": "+48 1", "email": "x", "id": 7}), "+48 1"),
        (json!({"phoneNumber": "ż".repeat(30)}), &*"ż".repeat(30)),
        (json!({}), ""),
        (json!({"phoneNumber": null}), ""),
    ] {
        expected["phoneNumber"] = phone_number.into();
        assert_eq!(
            participant.patch("/participant/profile", &body).await.json(200),
            expected
        );
        assert_eq!(participant.get("/participant/profile").await.json(200), expected);
    }
    let long = json!({"phoneNumber": "1".repeat(31)});
    let refused = participant.patch("/participant/profile", &long).await;
    refused.error(400, "phoneNumber must be at most 30 characters");
    let wrong = participant
        .patch("/participant/profile", &json!({"phoneNumber": 7}))
        .await;
    wrong.error(400, "phoneNumber must be a string");
    assert_eq!(participant.get("/participant/profile").await.json(200), expected);
}

/// Only where accounts have to be complete: clients of the contract may choose them. Guests choose none.
#[tokio::test]
async fn easy_passwords_are_refused_wherever_one_is_chosen() {
    let sign_up = async |components: &Components, password: &str| {
        let body = json!({"email": "ola@example.org", "password": password, "confirmPassword": password});
        components
            .door
            .send("POST", "/participant/auth/sign-up", None, Some(&body))
            .await
    };
    let by_default = Components::with(&["participant"], &[]);
    sign_up(&by_default, "Password1").await.json(201);

    let components = Components::with(&["participant"], &[("require_complete_accounts", "true")]);
    for (password, rule) in [
        ("Password1", "be a common password"),
        ("Mayday-Ola-1", "consist of the email and mayday"),
    ] {
        let refused = format!("password must not {rule}");
        sign_up(&components, password).await.error(400, refused.as_str());
    }
    let reply = sign_up(&components, PARTICIPANT_PASSWORD).await.json(201);
    let participant = people::signed_in(&components.door, &reply);
    let change = json!({
        "oldPassword": PARTICIPANT_PASSWORD, "newPassword": "qwertyuiop", "confirmNewPassword": "qwertyuiop",
    });
    participant
        .patch("/participant/profile/change-password", &change)
        .await
        .error(400, "newPassword must not be a common password");
    people::guest(&components.door, "Anna", "+48555000111").await;
}

/// Contract 2.4 counts bytes, so four of these letters are enough by default.
#[tokio::test]
async fn new_passwords_have_eight_characters_where_accounts_have_to_be_complete() {
    const FOUR: &str = "żółć";
    let by_default = Components::with(&["participant"], &[]);
    let strict = by_default.another_host(&["participant"], &[("require_complete_accounts", "true")]);
    let sign_up = async |door: &Door, email: &str, confirmed: &str| {
        let body = json!({"email": email, "password": FOUR, "confirmPassword": confirmed});
        door.send("POST", "/participant/auth/sign-up", None, Some(&body))
            .await
    };
    sign_up(&by_default.door, "p@example.org", FOUR).await.json(201);
    // In the contract's order.
    sign_up(&strict, "none", FOUR)
        .await
        .error(400, "invalid email address");
    sign_up(&strict, "q@example.org", "other")
        .await
        .error(400, "password must be at least 8 characters");

    // A password from before is accepted at the sign-in, and as the old one.
    let body = json!({"email": "p@example.org", "password": FOUR});
    let reply = strict
        .send("POST", "/participant/auth/sign-in", None, Some(&body))
        .await
        .json(200);
    let participant = people::signed_in(&strict, &reply);
    let change = async |new: &str, confirmed: &str| {
        let body = json!({"oldPassword": FOUR, "newPassword": new, "confirmNewPassword": confirmed});
        participant
            .patch("/participant/profile/change-password", &body)
            .await
    };
    change("ąęśź", "other")
        .await
        .error(400, "newPassword must be at least 8 characters");
    let eight = "ąęśźżółć";
    change(eight, eight).await.json(200);
}

#[tokio::test]
async fn a_change_of_password_stops_at_the_first_problem_in_order() {
    let components = Components::with(&["participant"], &[]);
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let change = async |old: &str, new: &str, confirmed: &str| {
        let body = json!({"oldPassword": old, "newPassword": new, "confirmNewPassword": confirmed});
        participant
            .patch("/participant/profile/change-password", &body)
            .await
    };
    let (old, new) = (PARTICIPANT_PASSWORD, OTHER_PASSWORD);
    change("short", "short", "x")
        .await
        .error(400, "oldPassword must be at least 8 characters");
    change(old, "short", "x")
        .await
        .error(400, "newPassword must be at least 8 characters");
    change(old, old, "x")
        .await
        .error(400, "confirmNewPassword must match newPassword");
    change(old, old, old)
        .await
        .error(400, "newPassword must be different from oldPassword");
    change("wrong horse", new, new)
        .await
        .error(401, "invalid password");
    participant.get("/participant/profile").await.json(200);
    sign_in(&components, "p@example.org", new)
        .await
        .error(401, "invalid email or password");

    let before = participant.get("/participant/profile").await.json(200);
    let changed = change(old, new, new).await.json(200);
    assert!(
        before["timeSignOut"].as_str() < changed["timeSignOut"].as_str(),
        "{changed}"
    );
    participant
        .get("/participant/profile")
        .await
        .error(401, "invalid token");
    sign_in(&components, "p@example.org", old)
        .await
        .error(401, "invalid email or password");
    assert_eq!(
        sign_in(&components, "p@example.org", new).await.json(200)["user"],
        changed
    );
}

/// Contract 2.4: the reference cut a password off at its 72nd byte, or failed.
#[tokio::test]
async fn every_byte_of_a_long_password_counts() {
    let components = Components::with(&["participant"], &[]);
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let long = "ż".repeat(2000);
    let body = json!({"oldPassword": PARTICIPANT_PASSWORD, "newPassword": long, "confirmNewPassword": long});
    participant
        .patch("/participant/profile/change-password", &body)
        .await
        .json(200);
    let almost = format!("{}z", "ż".repeat(1999));
    sign_in(&components, "p@example.org", &almost)
        .await
        .error(401, "invalid email or password");
    sign_in(&components, "p@example.org", &long).await.json(200);
}

#[tokio::test]
async fn every_route_that_takes_a_password_is_throttled() {
    let components = Components::with(&["participant"], &[]);
    let participant = people::sign_up(&components.door, "p@example.org").await;
    people::sign_up(&components.door, "q@example.org").await;
    let change = async |old: &str| {
        let (path, new) = ("/participant/profile/change-password", OTHER_PASSWORD);
        let body = json!({"oldPassword": old, "newPassword": new, "confirmNewPassword": new});
        participant.patch(path, &body).await
    };
    for guess in 0..10 {
        let wrong = "wrong horse";
        match guess % 3 {
            0 => sign_in(&components, "p@example.org", wrong)
                .await
                .error(401, "invalid email or password"),
            1 => delete(&participant, wrong).await.error(401, "invalid password"),
            _ => change(wrong).await.error(401, "invalid password"),
        }
    }
    for refused in [
        sign_in(&components, "p@example.org", PARTICIPANT_PASSWORD).await,
        delete(&participant, PARTICIPANT_PASSWORD).await,
        change(PARTICIPANT_PASSWORD).await,
    ] {
        refused.error(429, "too many failed attempts, try again later");
        assert!(refused.header("retry-after").is_some());
    }
    participant.get("/participant/profile").await.json(200);
    sign_in(&components, "q@example.org", PARTICIPANT_PASSWORD)
        .await
        .json(200);
}

#[tokio::test]
async fn a_deletion_needs_the_password() {
    let components = Components::with(&["participant"], &[]);
    let participant = people::sign_up(&components.door, "p@example.org").await;
    delete(&participant, "short")
        .await
        .error(400, "password must be at least 8 characters");
    delete(&participant, "wrong horse")
        .await
        .error(401, "invalid password");
    let body = "{".to_owned();
    let door = &components.door;
    let broken = door
        .send_raw("DELETE", "/participant/profile", Some(&participant.token), body)
        .await;
    assert_eq!(broken.json(400)["error"], "Bad Request");
    participant.get("/participant/profile").await.json(200);
}

/// Profile, locks and contact details go, also those the messenger has; what was said stays.
#[tokio::test]
async fn a_deleted_account_is_removed_from_every_service() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let other_event = people::new_event("Other");
    let other_event = agency
        .owner
        .post("/organizer/agency/events", &other_event)
        .await
        .json(201);
    let participant = people::sign_up(&components.door, "zuzanna@example.org").await;
    // Of two requests one is picked up by who has waited for it, and one waits.
    let door = &components.door;
    let (mut waiting_at, mut late) = (Sidecar::new("s"), Sidecar::new("late"));
    late.beat(door, None).await;
    let principal = organizer(agency.support.id, agency.id);
    let mut wait = sidecar::command(&principal, 1, &json!({"type": "startChat", "wait": true}));
    wait["protocol"] = json!("two");
    waiting_at.exchange(door, &[wait], None).await;
    participant
        .press_help(agency.event_id, "I am lost")
        .await
        .empty(200);
    let here = json!([{"organizerId": agency.support.id, "agencyId": agency.id, "silentFor": 0}]);
    let heard = waiting_at.beat(door, Some(here)).await.deliveries();
    assert_eq!(heard[0].payload()["participant"]["email"], "zuzanna@example.org");
    // The answers to questions of a changing exchange are kept for a retry.
    let chat_id = heard[0].payload()["id"].clone();
    let commands = [
        json!({"type": "sendMessage", "chatId": chat_id, "message": "hello"}),
        json!({"type": "getChats"}),
    ];
    let commands = commands.map(|request| sidecar::command(&principal, 2, &request));
    let answered = waiting_at.exchange(door, &commands, None).await;
    assert!(
        answered.replies[1].to_string().contains("zuzanna"),
        "{answered:?}"
    );
    participant
        .press_help(other_event["id"].as_i64().expect("an id"), "Here too")
        .await
        .empty(200);
    let profile = participant.get("/participant/profile").await.json(200);
    assert_eq!(
        delete(&participant, PARTICIPANT_PASSWORD).await.json(200),
        profile
    );

    participant
        .get("/participant/profile")
        .await
        .error(401, "invalid token");
    sign_in(&components, "zuzanna@example.org", PARTICIPANT_PASSWORD)
        .await
        .error(401, "invalid email or password");
    for table in ["participants", "locks", "outbox", "contact_changes"] {
        let rows = count(
            &components,
            "participant",
            &format!("SELECT count(*) FROM {table}"),
        );
        assert_eq!(rows, 0, "{table}");
    }
    for service in ["participant", "messenger"] {
        assert_eq!(
            mentions(&components.database(service), "zuzanna"),
            Vec::<String>::new()
        );
        assert_eq!(
            mentions(
                &components.database(service),
                profile["phoneNumber"].as_str().expect("a text")
            ),
            Vec::<String>::new()
        );
    }
    let heard = late.beat(door, None).await.deliveries();
    let contact = &heard[0].payload()["participant"];
    assert_eq!(
        contact,
        &json!({"id": participant.id, "email": "", "phoneNumber": ""})
    );
    assert_eq!(waiting(&components), 0);
    let said = "SELECT count(*) FROM messages WHERE content = 'Problem description: I am lost'";
    assert_eq!(count(&components, "messenger", said), 1);
    assert_eq!(
        count(&components, "messenger", "SELECT count(*) FROM messages"),
        2
    );
    let again = people::sign_up(&components.door, "zuzanna@example.org").await;
    assert_ne!(again.id, participant.id);
    again.press_help(agency.event_id, "").await.empty(200);
}

#[tokio::test]
async fn a_deletion_reaches_the_messenger_after_an_outage() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "zuzanna@example.org").await;
    participant
        .press_help(agency.event_id, "I am lost")
        .await
        .empty(200);
    let without_messenger = components.host_with(&["organizer", "participant"]);
    let body = json!({"password": PARTICIPANT_PASSWORD}).to_string();
    let deleted = without_messenger
        .send_raw("DELETE", "/participant/profile", Some(&participant.token), body)
        .await;
    assert_eq!(deleted.json(200)["email"], "zuzanna@example.org");
    assert_eq!(waiting(&components), 1);
    let untold = |what: &str| {
        count(
            &components,
            "participant",
            &format!("SELECT {what} FROM contact_changes"),
        )
    };
    assert_eq!((untold("count(*)"), untold("attempts")), (1, 1));
    tick(&components).await;
    assert_eq!(untold("count(*)"), 1, "it is not due yet");
    let waits = undelivered(&components.door).await;
    assert_eq!((&waits["presses"], &waits["changes"]), (&json!(0), &json!(1)));
    assert!(is_age(&waits["oldestChangeSeconds"], 0), "{waits}");
    let earlier = "UPDATE contact_changes SET changed_at = changed_at - 300500";
    change(&components, "participant", earlier);
    let waits = undelivered(&components.door).await;
    assert!(is_age(&waits["oldestChangeSeconds"], 300), "{waits}");
    // Ids below 0 are the canary's.
    let other_side_of_0 = "UPDATE contact_changes SET participant_id = -participant_id";
    change(&components, "participant", other_side_of_0);
    assert_eq!(undelivered(&components.door).await["changes"], 0);
    change(&components, "participant", other_side_of_0);
    change(
        &components,
        "participant",
        "UPDATE contact_changes SET due_at = 0",
    );
    tick(&components).await;
    assert_eq!((untold("count(*)"), waiting(&components)), (0, 0));
    assert_eq!(undelivered(&components.door).await["changes"], 0);
}

/// Contract 5.6: `new_chat` and `chats` say how the participant can be reached now, not at the press.
#[tokio::test]
async fn support_has_the_latest_phone_number() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let edit = async |door: &Door, phone_number: &str| {
        let body = json!({"phoneNumber": phone_number}).to_string();
        let path = "/participant/profile";
        let edited = door.send_raw("PATCH", path, Some(&participant.token), body).await;
        assert_eq!(edited.json(200)["phoneNumber"], phone_number);
    };
    let principal = organizer(agency.support.id, agency.id);
    let mut sidecar = Sidecar::new("s");
    let mut ask = async |number: u32, request: Value| {
        let command = sidecar::command(&principal, number, &request);
        sidecar.exchange(&components.door, &[command], None).await
    };
    let untold = || count(&components, "participant", "SELECT count(*) FROM contact_changes");

    let without_messenger = components.host_with(&["organizer", "participant"]);
    edit(&without_messenger, "1").await;
    assert_eq!(untold(), 0, "the messenger knows nothing of who has no request");
    participant.press_help(agency.event_id, "").await.empty(200);
    edit(&components.door, "2").await;
    let started = ask(1, json!({"type": "startChat"})).await.deliveries();
    let new_chat = started[0].payload();
    let email = "p@example.org";
    let contact =
        |phone_number: &str| json!({"id": participant.id, "email": email, "phoneNumber": phone_number});
    assert_eq!(new_chat["participant"], contact("2"));

    edit(&without_messenger, "3").await;
    edit(&without_messenger, "4").await;
    assert_eq!(untold(), 1);
    let mut known = async |number: u32| {
        let asked = ask(number, json!({"type": "getChats"})).await;
        asked.replies[0]["payload"]["chats"][0]["participant"].clone()
    };
    assert_eq!(known(2).await, contact("2"));
    change(
        &components,
        "participant",
        "UPDATE contact_changes SET due_at = 0",
    );
    tick(&components).await;
    assert_eq!((untold(), known(3).await), (0, contact("4")));

    // What comes late undoes nothing.
    let late = json!({"changes": [{
        "participantId": participant.id, "contact": {"email": "p@example.org", "phoneNumber": "3", "version": 3},
    }]});
    let path = "/messenger/internal/contacts";
    let heard = components
        .door
        .send("POST", path, Some(MESSENGER_KEY), Some(&late))
        .await;
    heard.empty(200);
    assert_eq!(known(4).await, contact("4"));
}

/// A press may be on its way while its participant leaves.
#[tokio::test]
async fn a_late_press_of_a_deleted_account_is_not_queued() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "zuzanna@example.org").await;
    delete(&participant, PARTICIPANT_PASSWORD).await.json(200);
    let late: Value = json!({"requests": [{
        "id": "0198c0de-0000-7000-8000-000000000001", "participantId": participant.id, "eventId": agency.event_id,
        "agencyId": agency.id, "pressedAt": 1_777_629_600_000_i64, "description": "help", "lat": null, "lng": null,
        "contact": {"email": "zuzanna@example.org", "phoneNumber": "", "version": 0},
    }]});
    let key = Some(MESSENGER_KEY);
    let door = &components.door;
    door.send("POST", "/messenger/internal/requests", key, Some(&late))
        .await
        .empty(200);
    assert_eq!(count(&components, "messenger", "SELECT count(*) FROM chats"), 0);
    assert_eq!(
        count(&components, "messenger", "SELECT count(*) FROM messages"),
        0
    );
}

/// Whose sockets may have to end.
#[tokio::test]
async fn revocations_list_every_change_that_revokes_tokens() {
    let components = Components::start();
    let door = &components.door;
    let (p, q) = (
        people::sign_up(door, "p@example.org").await,
        people::sign_up(door, "q@example.org").await,
    );
    let read = async |since: i64| {
        let path = format!("/participant/internal/revocations?since={since}");
        let key = Some(crate::support::components::PARTICIPANT_KEY);
        door.send("GET", &path, key, None).await.json(200)
    };
    let expected =
        |last: i64, users: &[i64]| json!({"last": last, "users": users, "agencies": [], "complete": true});
    p.patch("/participant/profile", &json!({"phoneNumber": "1"}))
        .await
        .json(200);
    assert_eq!(read(0).await, expected(0, &[]));
    p.post("/participant/auth/sign-out", &json!({})).await.empty(200);
    let change = json!({
        "oldPassword": PARTICIPANT_PASSWORD, "newPassword": OTHER_PASSWORD, "confirmNewPassword": OTHER_PASSWORD,
    });
    q.patch("/participant/profile/change-password", &change)
        .await
        .json(200);
    assert_eq!(read(0).await, expected(2, &[p.id, q.id]));
    let session = sign_in(&components, "q@example.org", OTHER_PASSWORD)
        .await
        .json(200);
    let body = json!({"password": OTHER_PASSWORD}).to_string();
    let token = session["token"].as_str();
    door.send_raw("DELETE", "/participant/profile", token, body)
        .await
        .json(200);
    assert_eq!(read(2).await, expected(3, &[q.id]));
    door.send("GET", "/participant/internal/revocations", None, None)
        .await
        .error(401, "invalid authorization header");
}

/// A venue's network is one address; what others mistype there must keep nobody from help.
#[tokio::test]
async fn failures_of_others_at_an_address_do_not_throttle_a_participant() {
    let components = Components::with(&["participant"], &[]);
    for number in 0..101 {
        let refused = sign_in(&components, &format!("nobody{number}@example.org"), "wrong horse").await;
        refused.error(401, "invalid email or password");
    }
    people::sign_up(&components.door, "p@example.org").await;
    sign_in(&components, "p@example.org", PARTICIPANT_PASSWORD)
        .await
        .json(200);
}
