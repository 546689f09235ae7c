//! Guests (docs/participant-api.md): accounts that a device makes to press help at once, and what becomes of them when
//! their people sign up, sign in, or never come back.

use serde_json::{Value, json};
use tokio::time::timeout;

use super::{change, count, is_age, tick, undelivered, waiting};
use crate::support::DEADLINE;
use crate::support::components::{Components, MESSENGER_KEY};
use crate::support::door::{Door, Reply};
use crate::support::people::{self, Agency, PARTICIPANT_PASSWORD, Person};
use crate::support::sidecar::{self, Heard, Sidecar, organizer};

const MINE: &str = "/participant/chat-requests/mine";

async fn try_guest(door: &Door, body: &str) -> Reply {
    door.send_raw("POST", "/participant/auth/guest", None, body.to_owned())
        .await
}

/// A guest and the password that the device keeps.
async fn guest(door: &Door, body: Value) -> (Person, String) {
    let made = try_guest(door, &body.to_string()).await.json(201);
    let password = made["password"].as_str().expect("a password").to_owned();
    (people::signed_in(door, &made), password)
}

/// Signs in or up, with a token in the header.
async fn sign(door: &Door, how: &str, token: &str, email: &str) -> Reply {
    let body = json!({
        "email": email, "password": PARTICIPANT_PASSWORD, "confirmPassword": PARTICIPANT_PASSWORD,
    });
    let path = format!("/participant/auth/sign-{how}");
    door.send("POST", &path, Some(token), Some(&body)).await
}

/// Has the agency's support user take the head of the queue.
async fn pick_up(components: &Components, agency: &Agency, number: u32) -> Heard {
    let principal = organizer(agency.support.id, agency.id);
    let command = sidecar::command(&principal, number, &json!({"type": "startChat"}));
    Sidecar::new(&format!("sidecar {number}"))
        .exchange(&components.door, &[command], None)
        .await
}

/// What the messenger knows of whose chats are whose: participant, state and e-mail, by arrival.
fn chats(components: &Components) -> Vec<(i64, String, Option<String>)> {
    let database = rusqlite::Connection::open(components.database("messenger")).expect("a database");
    let sql = "SELECT participant_id, state, (SELECT email FROM contacts k WHERE k.participant_id = c.participant_id)
               FROM chats c ORDER BY arrival";
    let mut statement = database.prepare(sql).expect("a statement");
    let rows = statement
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .expect("rows");
    rows.collect::<Result<_, _>>().expect("chats")
}

#[tokio::test]
async fn a_guest_presses_at_once_and_signs_in_again_with_what_the_device_keeps() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let door = &components.door;
    let made = try_guest(door, r#"{"phoneNumber":"+48 555","name":" Anna "}"#)
        .await
        .json(201);
    let (user, password) = (&made["user"], made["password"].as_str().expect("a password"));
    let email = user["email"].as_str().expect("an e-mail");
    assert!(
        email.starts_with("guest-") && email.ends_with("@guest.invalid"),
        "{email}"
    );
    assert_eq!(
        (&user["guest"], &user["name"], &user["phoneNumber"]),
        (&json!(true), &json!("Anna"), &json!("+48 555"))
    );
    assert_eq!(password.len(), 48);
    let guest = people::signed_in(door, &made);
    assert_eq!(guest.get("/participant/profile").await.json(200), *user);
    guest.press_help(agency.event_id, "").await.empty(200);

    let deliveries = pick_up(&components, &agency, 1).await.deliveries();
    let participant = deliveries[0].payload()["participant"].clone();
    let expected =
        json!({"id": guest.id, "email": email, "phoneNumber": "+48 555", "name": "Anna", "guest": true});
    assert_eq!(participant, expected);
    let contract = deliveries[0].contract.as_ref().expect("a frame");
    assert_eq!(contract["payload"]["participant"], expected);
    let principal = organizer(agency.support.id, agency.id);
    let close = json!({"type": "closeChat", "chatId": deliveries[0].payload()["id"]});
    let mut sidecar = Sidecar::new("closing");
    let commands = [
        sidecar::command(&principal, 2, &json!({"type": "getChats"})),
        sidecar::command(&principal, 3, &close),
    ];
    let asked = sidecar.exchange(door, &commands[..1], None).await;
    assert_eq!(asked.replies[0]["payload"]["chats"][0]["participant"], expected);
    sidecar.exchange(door, &commands[1..], None).await;
    // With the participant service, and without it.
    for door in [door, &components.host_with(&["organizer", "messenger"])] {
        let path = "/messenger/agency/chats";
        let archive = door.send("GET", path, Some(&agency.support.token), None).await;
        assert_eq!(archive.list()[0]["participant"], expected);
    }

    let again = people::sign_in_participant(door, email, password).await;
    assert_eq!(again.id, guest.id);
    again.get("/participant/profile").await.json(200);
    let (other, other_password) = self::guest(door, json!({})).await;
    assert_ne!((other.id, other_password.as_str()), (guest.id, password));
    let wrong = json!({"email": email, "password": other_password});
    door.send("POST", "/participant/auth/sign-in", None, Some(&wrong))
        .await
        .error(401, "invalid email or password");
}

#[tokio::test]
async fn a_guest_needs_to_say_nothing() {
    let components = Components::with(&["participant"], &[]);
    for body in ["", "{}", r#"{"name":null,"surprise":1}"#] {
        let made = try_guest(&components.door, body).await.json(201);
        assert_eq!(
            (&made["user"]["phoneNumber"], made["user"].get("name")),
            (&json!(""), None)
        );
    }
    for (body, message) in [
        (
            json!({"phoneNumber": "1".repeat(31)}),
            "phoneNumber must be at most 30 characters",
        ),
        (
            json!({"name": "ż".repeat(101)}),
            "name must be at most 100 characters",
        ),
        (json!({"name": 7}), "name must be a string"),
    ] {
        try_guest(&components.door, &body.to_string())
            .await
            .error(400, message);
    }
    // A full account is as the contract has it.
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let profile = participant.get("/participant/profile").await.json(200);
    assert_eq!((profile.get("guest"), profile.get("name")), (None, None));
}

/// A venue behind one address can make a guest for each of its phones; nobody fills the database.
#[tokio::test]
async fn ten_thousand_guests_come_from_an_address_in_a_quarter_of_an_hour() {
    let components = Components::with(&["participant"], &[("client_address_header", "x-forwarded-for")]);
    let from = async |address: &str| {
        let headers = [("x-forwarded-for", address)];
        components
            .door
            .send_with("POST", "/participant/auth/guest", &headers, "")
            .await
    };
    from("192.0.2.1").await.json(201);
    let counted = components.set_throttle("sign-in.guests.", r#"{"since":0,"failures":9999}"#);
    assert_eq!(counted, 1);
    from("192.0.2.1").await.json(201);
    assert_eq!(
        components.set_throttle("sign-in.guests.", &closed_window(9_999)),
        1
    );
    from("192.0.2.1").await.json(201);
    let refused = from("192.0.2.1").await;
    refused.error(429, "too many guests from this address, try again later");
    let wait: i64 = refused
        .header("retry-after")
        .and_then(|seconds| seconds.parse().ok())
        .expect("seconds");
    assert!((1..=900).contains(&wait), "{wait}");
    from("192.0.2.2").await.json(201);
}

/// The contract's load test signs up from one address for as long as it likes (6.3).
#[tokio::test]
async fn fifty_thousand_sign_ups_come_from_an_address_in_a_quarter_of_an_hour() {
    let components = Components::with(&["participant"], &[("client_address_header", "x-forwarded-for")]);
    let from = async |email: &str, address: &str| {
        let body = json!({"email": email, "password": PARTICIPANT_PASSWORD, "confirmPassword": PARTICIPANT_PASSWORD});
        let headers = [("x-forwarded-for", address)];
        components
            .door
            .send_with("POST", "/participant/auth/sign-up", &headers, body.to_string())
            .await
    };
    from("p1@example.org", "192.0.2.1").await.json(201);
    assert_eq!(
        components.set_throttle("sign-in.sign-ups.", &closed_window(49_999)),
        1
    );
    from("p2@example.org", "192.0.2.1").await.json(201);
    let refused = from("p3@example.org", "192.0.2.1").await;
    refused.error(429, "too many sign-ups from this address, try again later");
    assert!(refused.header("retry-after").is_some());
    from("p3@example.org", "192.0.2.2").await.json(201);
}

/// A window that began now, with so many newcomers.
fn closed_window(guests: u32) -> String {
    json!({"since": chrono::Utc::now().timestamp_millis() - 1000, "failures": guests}).to_string()
}

#[tokio::test]
async fn a_guest_who_signs_up_keeps_account_request_and_session() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let door = &components.door;
    people::sign_up(door, "taken@example.org").await;
    let (guest, password) = guest(door, json!({"phoneNumber": "+48 555", "name": "Anna"})).await;
    guest.press_help(agency.event_id, "I am lost").await.empty(200);
    sign(door, "up", &guest.token, "taken@example.org")
        .await
        .error(400, "email already exists");

    let account = sign(door, "up", &guest.token, "anna@example.org").await.json(201);
    let user = &account["user"];
    assert_eq!(user["id"], guest.id);
    assert_eq!(
        (&user["email"], &user["phoneNumber"], user.get("guest")),
        (&json!("anna@example.org"), &json!("+48 555"), None)
    );
    let account = people::signed_in(door, &account);
    for person in [&guest, &account] {
        assert_eq!(person.get(MINE).await.list().len(), 1);
    }
    let known = [(
        guest.id,
        "waiting".to_owned(),
        Some("anna@example.org".to_owned()),
    )];
    assert_eq!(chats(&components), known);
    let deliveries = pick_up(&components, &agency, 1).await.deliveries();
    assert_eq!(deliveries[0].payload()["participant"].get("guest"), None);
    people::sign_in_participant(door, "anna@example.org", PARTICIPANT_PASSWORD).await;
    let old = json!({"email": guest.email, "password": password});
    door.send("POST", "/participant/auth/sign-in", None, Some(&old))
        .await
        .error(401, "invalid email or password");
    // The account is no guest any more, so its token makes nothing of the next sign-up.
    let next = sign(door, "up", &guest.token, "next@example.org").await.json(201);
    assert_ne!(next["user"]["id"], guest.id);
}

/// The guest's last sign-out lies ahead, and so does the token that was issued after it.
#[tokio::test]
async fn a_guest_who_signs_up_is_signed_in_although_the_clock_was_set_back() {
    let components = Components::with(&["participant"], &[]);
    let door = &components.door;
    let (guest, password) = guest(door, json!({})).await;
    let sql = "UPDATE participants SET time_sign_out = time_sign_out + 3600000";
    change(&components, "participant", sql);
    let again = people::sign_in_participant(door, &guest.email, &password).await;
    let account = sign(door, "up", &again.token, "anna@example.org").await.json(201);
    let account = people::signed_in(door, &account);
    account.get("/participant/profile").await.json(200);
}

/// A sign-in or sign-up with a guest's token waits for the lock while another sign-up with that token is stored. It
/// ends as if it had come after that.
#[tokio::test]
async fn a_guest_who_has_just_become_an_account_is_neither_handed_over_nor_renamed() {
    let components = Components::start();
    let door = &components.door;
    let anna = people::sign_up(door, "anna@example.org").await;
    let database = rusqlite::Connection::open(components.database("participant")).expect("a database");
    let statements = || statements(door);
    // With the token of an account, the last statement adds a new account, or none follows the look-up of the token.
    // With a guest's, a transaction begins.
    for (how, without_guest, email, more) in [
        ("in", "anna@example.org", "anna@example.org", 1),
        ("up", "other@example.org", "next@example.org", 0),
    ] {
        let before = statements();
        let reply = sign(door, how, &anna.token, without_guest).await;
        assert!(reply.status < 300, "{}", reply.text());
        let until_lock = statements() - before + more;

        let (guest, _) = guest(door, json!({})).await;
        let account = format!("{how}@example.org");
        database.execute_batch("BEGIN IMMEDIATE").expect("the lock");
        let begun = statements() + until_lock;
        let becomes_account = async {
            while statements() < begun {
                tokio::task::yield_now().await;
            }
            let sql = "UPDATE participants
                       SET email = ?2, is_guest = 0,
                           password_hash = (SELECT password_hash FROM participants WHERE email = 'anna@example.org')
                       WHERE id = ?1";
            database.execute(sql, (guest.id, &account)).expect("an account");
            database.execute_batch("COMMIT").expect("an end");
        };
        let becomes_account = timeout(DEADLINE, becomes_account);
        let (reply, stored) = tokio::join!(sign(door, how, &guest.token, email), becomes_account);
        stored.expect("the request waits for the lock");
        assert!(reply.status < 300, "{}", reply.text());
        let user = reply.json(reply.status)["user"].clone();
        assert_eq!(user["email"], email);
        assert_ne!(user["id"], guest.id);
        people::sign_in_participant(door, &account, PARTICIPANT_PASSWORD).await;
    }
}

/// How many statements have run on the participant's database.
fn statements(door: &Door) -> u64 {
    let Door::Host(app) = door else {
        panic!("the host is in this process");
    };
    app.statements("participant").expect("a database")
}

/// Somebody has pressed again: both sign-ins have found the guest when the first one hands it over.
#[tokio::test]
async fn a_guest_who_signs_in_twice_at_once_is_signed_in_by_both() {
    let components = Components::start();
    let door = &components.door;
    let anna = people::sign_up(door, "anna@example.org").await;
    let database = rusqlite::Connection::open(components.database("participant")).expect("a database");
    let statements = || statements(door);
    let before = statements();
    sign(door, "in", &anna.token, "anna@example.org").await.json(200);
    // With a guest's token, a transaction begins.
    let until_lock = statements() - before + 1;

    let (guest, _) = guest(door, json!({})).await;
    database.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let begun = statements() + 2 * until_lock;
    let both_wait = async {
        while statements() < begun {
            tokio::task::yield_now().await;
        }
        database.execute_batch("COMMIT").expect("an end");
    };
    let sign_in = || sign(door, "in", &guest.token, "anna@example.org");
    let (first, second, waited) = tokio::join!(sign_in(), sign_in(), timeout(DEADLINE, both_wait));
    waited.expect("both requests wait for the lock");
    for reply in [first, second] {
        assert_eq!(reply.json(200)["user"]["id"], anna.id);
    }
    door.send("GET", "/participant/profile", Some(&guest.token), None)
        .await
        .error(401, "invalid token");
}

#[tokio::test]
async fn a_guest_who_signs_in_takes_along_what_is_open() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let door = &components.door;
    let account = people::sign_up(door, "anna@example.org").await;
    let (guest, password) = guest(door, json!({})).await;
    guest.press_help(agency.event_id, "I am lost").await.empty(200);
    let chat = pick_up(&components, &agency, 1).await.deliveries()[0].payload()["id"].clone();
    let mut sidecar = Sidecar::new("watching");
    sidecar.beat(door, None).await;

    let account_again = sign(door, "in", &guest.token, "anna@example.org").await.json(200);
    assert_eq!(account_again["user"]["id"], account.id);
    let mine = account.get(MINE).await.json(200);
    assert_eq!((&mine[0]["state"], &mine[0]["chatId"]), (&json!("active"), &chat));
    guest.get(MINE).await.error(401, "invalid token");
    let as_guest = json!({"email": guest.email, "password": password});
    door.send("POST", "/participant/auth/sign-in", None, Some(&as_guest))
        .await
        .error(401, "invalid email or password");
    let known = [(
        account.id,
        "active".to_owned(),
        Some("anna@example.org".to_owned()),
    )];
    assert_eq!(chats(&components), known);

    // The account's connections see the chat, and both sides who it is.
    let heard = sidecar.beat(door, None).await;
    let kinds = [
        ("new_chat".to_owned(), "everyone"),
        ("user_message".to_owned(), "everyone"),
    ];
    assert_eq!(heard.kinds(), kinds);
    let deliveries = heard.deliveries();
    let participant = json!({"realm": "participant", "id": account.id});
    assert_eq!(deliveries[0].to, json!([participant]));
    assert_eq!(deliveries[0].payload()["participant"].get("guest"), None);
    assert_eq!(
        deliveries[1].payload()["content"],
        "Mayday: the guest has signed in as anna@example.org."
    );
    assert_eq!(deliveries[1].to.as_array().map(Vec::len), Some(2));
    let messages = account
        .archived_contents("participant", chat.as_str().expect("an id"))
        .await;
    assert_eq!(messages[0], "Problem description: I am lost");

    // Closing releases the account's lock.
    let principal = organizer(agency.support.id, agency.id);
    let close = sidecar::command(&principal, 2, &json!({"type": "closeChat", "chatId": chat}));
    sidecar.exchange(door, &[close], None).await;
    assert!(!account.has_requested(agency.event_id).await);
    assert_eq!(account.archive("participant").await.len(), 1);
}

/// Each keeps its lock and its place in the queue, and the account has both.
#[tokio::test]
async fn a_guest_and_an_account_with_requests_for_one_event_lose_neither() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let door = &components.door;
    let account = people::sign_up(door, "anna@example.org").await;
    account
        .press_help(agency.event_id, "from my tablet")
        .await
        .empty(200);
    let (guest, _) = guest(door, json!({})).await;
    guest
        .press_help(agency.event_id, "from my phone")
        .await
        .empty(200);
    sign(door, "in", &guest.token, "anna@example.org").await.json(200);

    let descriptions = async || {
        let mine = account.get(MINE).await.list();
        let text = |request: &Value| request["description"].as_str().expect("a text").to_owned();
        mine.iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(descriptions().await, ["from my tablet", "from my phone"]);
    assert_eq!(waiting(&components), 2);
    account
        .press_help(agency.event_id, "once more")
        .await
        .error(400, "chat request already exists");

    // One is picked up. Taking back what waits leaves it.
    pick_up(&components, &agency, 1).await;
    let path = format!("{MINE}/{}", agency.event_id);
    account.patch(&path, &json!({"kind": "lost"})).await.json(200);
    account.delete(&path).await.empty(200);
    assert_eq!(descriptions().await, ["from my tablet"]);
    account.delete(&path).await.error(400, "chat has already started");
    assert!(account.has_requested(agency.event_id).await);
}

/// A press that is still on its way reaches the account, whether the messenger hears first of the press or of the
/// sign-in.
#[tokio::test]
async fn what_is_on_its_way_when_a_guest_signs_in_is_the_accounts() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let without_messenger = components.host_with(&["organizer", "participant"]);
    let account = people::sign_up(&components.door, "anna@example.org").await;
    let (guest, _) = guest(&components.door, json!({})).await;
    let press = json!({"eventId": agency.event_id, "description": "I am lost"});
    let path = "/participant/chat-requests";
    without_messenger
        .send("POST", path, Some(&guest.token), Some(&press))
        .await
        .empty(200);
    // As if it was under way when its row changed hands.
    let database = rusqlite::Connection::open(components.database("participant")).expect("a database");
    let request_id: String = database
        .query_row("SELECT request_id FROM outbox", (), |row| row.get(0))
        .expect("a press");
    sign(&without_messenger, "in", &guest.token, "anna@example.org")
        .await
        .json(200);
    assert!(account.has_requested(agency.event_id).await);
    let hand_overs = "SELECT count(*) FROM hand_overs";
    assert_eq!(count(&components, "participant", hand_overs), 1);
    let earlier = "UPDATE hand_overs SET due_at = 0, signed_in_at = signed_in_at - 300500";
    change(&components, "participant", earlier);
    let waits = undelivered(&components.door).await;
    assert_eq!(waits["changes"], 1);
    assert!(is_age(&waits["oldestChangeSeconds"], 300), "{waits}");
    tick(&components).await;
    assert_eq!(count(&components, "participant", hand_overs), 0);

    let late = json!({"requests": [{
        "id": request_id, "participantId": guest.id, "eventId": agency.event_id, "agencyId": agency.id,
        "pressedAt": 1_777_629_600_000_i64, "description": "I am lost", "lat": null, "lng": null,
        "contact": {"email": guest.email, "phoneNumber": "", "version": 0},
    }]});
    let door = &components.door;
    door.send(
        "POST",
        "/messenger/internal/requests",
        Some(MESSENGER_KEY),
        Some(&late),
    )
    .await
    .empty(200);
    let known = [(
        account.id,
        "waiting".to_owned(),
        Some("anna@example.org".to_owned()),
    )];
    assert_eq!(chats(&components), known);
    change(&components, "participant", "UPDATE outbox SET due_at = 0");
    tick(&components).await;
    assert_eq!(chats(&components), known);
    assert_eq!(account.get(MINE).await.list().len(), 1);
}

/// A key that the guest has sent is the account's as well.
#[tokio::test]
async fn a_press_that_is_sent_again_after_signing_in_is_known() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let door = &components.door;
    people::sign_up(door, "anna@example.org").await;
    let (guest, _) = guest(door, json!({})).await;
    let press = json!({"eventId": agency.event_id, "clientId": "0198c0de-0000-4000-8000-000000000001"});
    let path = "/participant/chat-requests";
    let first = guest.post(path, &press).await.json(200);
    let account = sign(door, "in", &guest.token, "anna@example.org").await.json(200);
    let account = people::signed_in(door, &account);
    let again = account.post(path, &press).await.json(200);
    assert_eq!(
        (&again["pressedAt"], &again["position"]),
        (&first["pressedAt"], &json!(1))
    );
    assert_eq!(waiting(&components), 1);
}

/// Who is signed in is no guest, and a guest's device signs in to its own account again.
#[tokio::test]
async fn only_a_guest_of_another_account_hands_anything_over() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let door = &components.door;
    let anna = people::sign_up(door, "anna@example.org").await;
    let jan = people::sign_up(door, "jan@example.org").await;
    jan.press_help(agency.event_id, "").await.empty(200);
    let (guest, password) = guest(door, json!({})).await;
    guest.press_help(agency.event_id, "").await.empty(200);
    for token in [jan.token.as_str(), "participant:nonsense", "nonsense"] {
        sign(door, "in", token, "anna@example.org").await.json(200);
    }
    let body = json!({"email": guest.email, "password": password});
    door.send(
        "POST",
        "/participant/auth/sign-in",
        Some(&guest.token),
        Some(&body),
    )
    .await
    .json(200);
    assert_eq!(anna.get(MINE).await.list().len(), 0);
    for person in [&jan, &guest] {
        assert_eq!(person.get(MINE).await.list().len(), 1);
    }
}

/// Thirty days after the last sign-in, unless a request is open; and the messenger forgets them.
#[tokio::test]
async fn guests_who_do_not_come_back_are_deleted() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let door = &components.door;
    people::sign_up(door, "anna@example.org").await;
    let (gone, _) = guest(door, json!({})).await;
    let (waits, _) = guest(door, json!({})).await;
    waits.press_help(agency.event_id, "").await.empty(200);
    let (back, password) = guest(door, json!({})).await;
    let left = || count(&components, "participant", "SELECT count(*) FROM participants");
    tick(&components).await;
    assert_eq!(left(), 4);
    change(
        &components,
        "participant",
        "UPDATE participants SET active_at = active_at - 31 * 86400000",
    );
    people::sign_in_participant(door, &back.email, &password).await;
    tick(&components).await;
    assert_eq!(left(), 3);
    gone.get("/participant/profile").await.error(401, "invalid token");
    let forgotten = format!(
        "SELECT count(*) FROM forgotten_participants WHERE participant_id = {}",
        gone.id
    );
    assert_eq!(count(&components, "messenger", &forgotten), 1);

    waits
        .delete(&format!("{MINE}/{}", agency.event_id))
        .await
        .empty(200);
    tick(&components).await;
    assert_eq!(left(), 2);
    back.get("/participant/profile").await.json(200);
}

#[tokio::test]
async fn how_long_guests_are_kept_is_a_setting() {
    for (days, age, is_kept) in [
        ("1", 2, false),
        ("60", 40, true),
        ("0", 10_000, true),
        ("", 10_000, true),
    ] {
        let components = Components::with(&["participant", "messenger"], &[("retention_guest_days", days)]);
        guest(&components.door, json!({})).await;
        change(
            &components,
            "participant",
            &format!("UPDATE participants SET active_at = active_at - {age} * 86400000"),
        );
        tick(&components).await;
        let left = count(&components, "participant", "SELECT count(*) FROM participants");
        assert_eq!(left == 1, is_kept, "{days:?} days, after {age}");
    }
}
