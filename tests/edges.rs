//! Rules of all three services: methods, browsers, clocks, and a database that cannot be used for now.

use std::ffi::{c_char, c_int};
use std::future::pending;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use mayday_tests::databases::Database;
use rusqlite::{Connection, auto_extension, ffi};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::components::{Components, MESSENGER_KEY};
use crate::support::door::{Door, Reply};
use crate::support::people::{self, ORGANIZER_PASSWORD, PARTICIPANT_PASSWORD, Person, registration};

/// Serves an app on a port of its own, since only a connection shows how bodies are sent.
async fn serve(door: &Door) -> Door {
    let Door::Host(app) = door.clone() else {
        panic!("the app is served already");
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { app.serve(listener, pending()).await });
    Door::network(&format!("http://{address}"))
}

/// A `HEAD` has the status and headers of the `GET`, its length too, and no body.
#[tokio::test]
async fn a_head_request_gets_only_the_headers_of_the_get() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let network = serve(&components.door).await;
    let (support, participant) = (Some(&*agency.support.token), Some(&*participant.token));
    let event = format!("/participant/events/{}", agency.event_id);
    for (path, token, status) in [
        ("/organizer/agency/events?limit=1", support, 200),
        ("/organizer/profile", support, 200),
        ("/organizer/profile", None, 403),
        ("/organizer/nowhere", support, 404),
        ("/participant/profile", participant, 200),
        ("/participant/events", participant, 200),
        (event.as_str(), participant, 200),
        ("/participant/profile", None, 401),
        ("/participant/nowhere", participant, 404),
        ("/participant/auth/sign-in", None, 405),
        ("/messenger/agency/chats", support, 200),
        ("/messenger/participant/chats", participant, 200),
        ("/messenger/agency/chats", None, 401),
        ("/messenger/internal/tick", None, 405),
    ] {
        let get = network.send("GET", path, token, None).await;
        let head = network.send("HEAD", path, token, None).await;
        assert_eq!((get.status, head.status), (status, status), "{path}");
        assert_eq!((head.text().as_str(), get.body.is_empty()), ("", false), "{path}");
        let length = get.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(&*length), "{path}");
        let mut headers = [get.headers, head.headers];
        headers
            .iter_mut()
            .for_each(|headers| drop(headers.remove("date")));
        assert_eq!(headers[0], headers[1], "{path}");
    }
    for service in ["organizer", "participant", "messenger"] {
        let log = components.log(service);
        assert!(!log.contains("ResponseOutparam"), "{log}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_answered_with_the_allowed_ones() {
    let components = Components::start();
    for (method, path, allow) in [
        ("PUT", "/participant/chat-requests", "GET, HEAD, POST, DELETE"),
        ("POST", "/participant/events/1", "GET, HEAD"),
        ("GET", "/participant/auth/sign-in", "POST"),
        ("HEAD", "/participant/auth/sign-in", "POST"),
        ("DELETE", "/messenger/agency/chats", "GET, HEAD"),
        ("TRACE", "/participant/profile", "GET, HEAD, PATCH, DELETE"),
        ("TRACE", "/messenger/agency/chats", "GET, HEAD"),
    ] {
        let reply = components.door.send(method, path, None, None).await;
        assert_eq!(
            (reply.status, reply.header("allow")),
            (405, Some(allow)),
            "{method} {path}"
        );
    }
    // The organizer's contract has no 405.
    let trace = components.door.send("TRACE", "/organizer/profile", None, None);
    trace.await.error(404, "Cannot TRACE /profile");
}

/// Contract 2.9, whose lists lack `DELETE`, without which no page can take a press back or delete an account, and the
/// messenger's `POST`.
#[tokio::test]
async fn a_preflight_allows_the_methods_of_its_path_and_may_be_cached() {
    let components = Components::start();
    for (path, status, methods) in [
        ("/organizer/agency", 204, "GET,HEAD,PUT,PATCH,POST,DELETE"),
        ("/participant/profile", 200, "GET, PATCH, POST, OPTIONS, DELETE"),
        (
            "/participant/chat-requests/mine/1",
            200,
            "GET, PATCH, POST, OPTIONS, DELETE",
        ),
        ("/participant/auth/sign-in", 200, "GET, PATCH, POST, OPTIONS"),
        ("/messenger/agency/chats", 200, "GET, OPTIONS"),
        ("/messenger/agency/chats/search", 200, "GET, OPTIONS, POST"),
    ] {
        let preflight = components.door.send("OPTIONS", path, None, None).await;
        preflight.empty(status);
        assert_eq!(
            preflight.header("access-control-allow-methods"),
            Some(methods),
            "{path}"
        );
        assert_eq!(preflight.header("access-control-max-age"), Some("7200"), "{path}");
        assert_eq!(
            preflight.header("access-control-allow-origin"),
            Some("*"),
            "{path}"
        );
    }
    let unknown = components
        .door
        .send("OPTIONS", "/messenger/nowhere", None, None)
        .await;
    assert_eq!(
        (unknown.status, unknown.header("access-control-max-age")),
        (404, None)
    );
}

/// Contract 2.9 lets pages of every origin read answers. A variable limits that.
#[tokio::test]
async fn pages_of_the_listed_origins_alone_may_read_answers() {
    const LISTED: &str = "https://help.example.org";
    let listed = format!("https://console.example.org, {LISTED}");
    let components = Components::with(
        &["organizer", "participant", "messenger"],
        &[("allowed_origins", &listed)],
    );
    for path in [
        "/organizer/agency",
        "/organizer/openapi.json",
        "/participant/profile",
        "/messenger/agency/chats",
    ] {
        for method in ["GET", "OPTIONS"] {
            for (origin, allowed) in [(LISTED, Some(LISTED)), ("https://other.example.org", None)] {
                let headers = [
                    ("origin", origin),
                    ("access-control-request-headers", "authorization"),
                ];
                let answer = components.door.send_with(method, path, &headers, "").await;
                let name = format!("{method} {path} from {origin}");
                assert_eq!(answer.header("access-control-allow-origin"), allowed, "{name}");
                let vary = answer.header("vary").unwrap_or_default();
                assert!(
                    vary.split(", ").any(|header| header == "Origin"),
                    "{name}: {vary}"
                );
            }
            let answer = components.door.send(method, path, None, None).await;
            assert_eq!(
                answer.header("access-control-allow-origin"),
                None,
                "{method} {path}"
            );
        }
    }
}

/// Answers are personal, errors too, and none of them is a page.
#[tokio::test]
async fn no_browser_stores_an_answer_or_shows_it_as_a_page() {
    let components = Components::start();
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let token = Some(&*participant.token);
    for (method, path, token, status) in [
        ("GET", "/participant/profile", token, 200),
        ("GET", "/participant/profile", None, 401),
        ("GET", "/messenger/participant/chats", token, 200),
        ("GET", "/organizer/profile", None, 403),
        ("OPTIONS", "/organizer/profile", None, 204),
    ] {
        let reply = components.door.send(method, path, token, None).await;
        assert_eq!(reply.status, status, "{path}");
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{path}");
        }
        let policy = reply.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none';"), "{path}: {policy}");
        assert!(policy.ends_with("frame-ancestors 'none'"), "{path}: {policy}");
    }
}

/// Three hosts share the databases, and their clocks are almost a minute apart. The database's clock decides what a
/// sign-out ends.
#[tokio::test]
async fn a_sign_out_is_exact_on_hosts_whose_clocks_differ() {
    let components = Components::start();
    let owner = components.agency("Fest").await.owner;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let services = ["organizer", "participant"];
    let ahead = components.host_ahead_by(&services, 45_000);
    let behind = components.host_ahead_by(&services, -45_000);
    let hosts = [&components.door, &ahead, &behind];
    let check = async |service: &str, token: &str, status: u16| {
        let path = format!("/{service}/profile");
        for host in hosts {
            let reply = host.send("GET", &path, Some(token), None).await;
            assert_eq!(reply.status, status, "{path}: {}", reply.text());
        }
    };
    for here in hosts {
        for there in hosts {
            let signed_in = people::sign_in(here, &owner.email, ORGANIZER_PASSWORD).await;
            check("organizer", &signed_in.token, 200).await;
            sign_out(there, "organizer", &signed_in).await;
            check("organizer", &signed_in.token, 403).await;

            let signed_in = people::sign_in_participant(here, &participant.email, PARTICIPANT_PASSWORD).await;
            check("participant", &signed_in.token, 200).await;
            sign_out(there, "participant", &signed_in).await;
            check("participant", &signed_in.token, 401).await;
        }
        let email = format!(
            "p{}@example.org",
            hosts.iter().position(|host| std::ptr::eq(*host, here)).unwrap()
        );
        let signed_up = people::sign_up(here, &email).await;
        check("participant", &signed_up.token, 200).await;
    }
}

async fn sign_out(host: &Door, service: &str, person: &Person) {
    let path = format!("/{service}/auth/sign-out");
    host.send("POST", &path, Some(&person.token), None)
        .await
        .empty(200);
}

/// The database's clock dates presses, so presses keep their order whichever host they reach.
#[tokio::test]
async fn presses_keep_their_order_on_hosts_whose_clocks_differ() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let services = ["organizer", "participant"];
    let ahead = components.host_ahead_by(&services, 45_000);
    let behind = components.host_ahead_by(&services, -45_000);
    let mut pressed = Vec::new();
    for (number, host) in [&ahead, &behind, &ahead, &behind].into_iter().enumerate() {
        let person = people::sign_up(&components.door, &format!("p{number}@example.org")).await;
        let body = json!({"eventId": agency.event_id});
        let path = "/participant/chat-requests";
        host.send("POST", path, Some(&person.token), Some(&body))
            .await
            .empty(200);
        pressed.push(person.id);
    }
    let database = Connection::open(components.database("participant")).expect("a database");
    let mut statement = database
        .prepare("SELECT participant_id FROM outbox ORDER BY pressed_at, request_id")
        .expect("a statement");
    let stored = statement.query_map((), |row| row.get(0)).expect("rows");
    assert_eq!(stored.collect::<Result<Vec<i64>, _>>(), Ok(pressed));
}

/// A write for each service: a new agency, a new participant, an arriving press.
async fn write(door: &Door, service: &str, number: usize) -> Reply {
    let (path, key, body) = match service {
        "organizer" => {
            let mut body = registration(&format!("Agency{number}"));
            body["agency"]["address"] = "a".repeat(400).into();
            ("/organizer/agency", None, body)
        }
        "participant" => {
            let email = format!("{}{number}@example.org", "p".repeat(50));
            let password = PARTICIPANT_PASSWORD;
            let body = json!({"email": email, "password": password, "confirmPassword": password});
            ("/participant/auth/sign-up", None, body)
        }
        _ => {
            let request = json!({
                "id": format!("0198c0de-0000-7000-8000-{number:012}"), "participantId": number, "eventId": 1,
                "agencyId": 1, "pressedAt": 1_777_629_600_000_i64, "description": "d".repeat(1000),
                "contact": {"email": "p@example.org", "phoneNumber": "", "version": 1},
            });
            (
                "/messenger/internal/requests",
                Some(MESSENGER_KEY),
                json!({"requests": [request]}),
            )
        }
    };
    door.send("POST", path, key, Some(&body)).await
}

const SERVICES: [&str; 3] = ["organizer", "participant", "messenger"];

/// Another process locks the database for longer than SQLite waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_is_answered_503() {
    let components = Components::start();
    let door = &components.door;
    for service in SERVICES {
        assert!(write(door, service, 1).await.status < 300, "{service}");
    }
    let locks = SERVICES.map(|service| {
        let database = Connection::open(components.database(service)).expect("a database");
        database.execute_batch("BEGIN IMMEDIATE").expect("the lock");
        database
    });
    let replies = join_all(SERVICES.map(|service| write(door, service, 2))).await;
    for reply in replies {
        reply.error(503, "the database is busy");
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
    drop(locks);
    for service in SERVICES {
        let reply = write(door, service, 2).await;
        assert!(reply.status < 300, "{service}: {}", reply.text());
    }
}

/// The page limit of databases opened from now on.
static MOST_PAGES: AtomicU32 = AtomicU32::new(u32::MAX);

fn limit_pages(connection: Connection) -> rusqlite::Result<()> {
    let pragma = format!("PRAGMA max_page_count = {}", MOST_PAGES.load(Ordering::Relaxed));
    connection.query_row(&pragma, (), |_| Ok(()))
}

#[expect(unsafe_code, reason = "SQLite takes a function of C")]
unsafe extern "C" fn on_open(
    database: *mut ffi::sqlite3,
    message: *mut *mut c_char,
    _: *const ffi::sqlite3_api_routines,
) -> c_int {
    // SAFETY: the function neither opens nor closes a database.
    unsafe { auto_extension::init_auto_extension(database, message, limit_pages) }
}

/// A database that cannot grow, which SQLite reports like a full disk (`SQLITE_FULL`). Each request opens the database
/// in this process, and the test limits the file at each opening.
#[tokio::test]
async fn a_full_database_is_answered_503_until_there_is_room() {
    if Database::of_tests() == Database::Libsql {
        // A server opens its file in another process, where nothing can limit it.
        return;
    }
    #[expect(unsafe_code, reason = "SQLite takes a function of C")]
    // SAFETY: the function may run at any opening of a database.
    unsafe {
        auto_extension::register_auto_extension(on_open).expect("SQLite takes it");
    }
    let components = Components::start();
    let door = &components.door;
    for service in SERVICES {
        MOST_PAGES.store(u32::MAX, Ordering::Relaxed);
        assert!(write(door, service, 0).await.status < 300, "{service}");
        MOST_PAGES.store(1, Ordering::Relaxed);
        // Writes that fit into the existing pages still succeed.
        let mut number = 0;
        let full = loop {
            number += 1;
            assert!(number < 100, "the database of {service} never gets full");
            let reply = write(door, service, number).await;
            if reply.status >= 300 {
                break reply;
            }
        };
        full.error(503, "the database is full");
        assert_eq!(full.header("retry-after"), Some("10"), "{service}");
        assert!(components.log(service).contains("database or disk is full"));
        MOST_PAGES.store(u32::MAX, Ordering::Relaxed);
        let reply = write(door, service, number).await;
        assert!(reply.status < 300, "{service}: {}", reply.text());
    }
}

/// Rules of input that all services have: numbers by value, and addresses in every script.
#[tokio::test]
async fn integers_are_read_by_value() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    let send = async |method: &str, path: &str, person: &Person, body: String| {
        let door = &components.door;
        door.send_raw(method, path, Some(&person.token), body).await
    };
    let mut user = people::new_user_with_role("น้ำ@हिन्दी.भारत", 4);
    user["role"] = Value::Null;
    let user = user.to_string().replace("null", "3.0");
    let path = "/organizer/agency/users";
    let created = send("POST", path, &agency.owner, user).await.json(201);
    assert_eq!(
        (&created["role"], &created["email"]),
        (&json!(3), &json!("น้ำ@हिन्दी.भारत"))
    );
    people::sign_in(&components.door, "น้ำ@हिन्दी.भारत", ORGANIZER_PASSWORD).await;

    let issue = format!(
        r#"{{"name":"Smoke","description":"Left","priority":"low","eventId":{}e0}}"#,
        agency.event_id
    );
    let path = "/organizer/agency/issues";
    let created = send("POST", path, &agency.owner, issue).await.json(201);
    assert_eq!(created["eventId"], agency.event_id);

    let preview = format!(r#"{{"agencyId":{}.0}}"#, agency.id);
    let path = "/organizer/profile/set-agency";
    let preview = send("PATCH", path, &superadmin, preview).await.json(200);
    assert_eq!(preview["agencyId"], agency.id);

    let settings = r#"{"maxOpenChats":3.0}"#.to_owned();
    let path = "/organizer/agency/settings";
    let settings = send("PATCH", path, &agency.owner, settings).await.json(200);
    assert_eq!(settings, json!({"maxOpenChats": 3}));

    let participant = people::sign_up(&components.door, "संपर्क@डाटामेल.भारत").await;
    let ids = format!(r#"{{"ids":[{}.0]}}"#, participant.id);
    let key = Some(crate::support::components::PARTICIPANT_KEY);
    let users = components
        .door
        .send_raw("GET", "/participant/users", key, ids)
        .await
        .json(200);
    assert_eq!(users[participant.id.to_string()]["email"], "संपर्क@डाटामेल.भारत");
    let press = format!(r#"{{"eventId":{}.0}}"#, agency.event_id);
    let path = "/participant/chat-requests";
    send("POST", path, &participant, press).await.empty(200);
    assert!(participant.has_requested(agency.event_id).await);
    let half = r#"{"eventId":1.5}"#.to_owned();
    send("POST", path, &participant, half)
        .await
        .error(400, "eventId must be an integer number");
}

/// Media types ignore case (RFC 9110, 8.3.1).
#[tokio::test]
async fn a_forms_media_type_ignores_case() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let authorization = format!("Bearer {}", agency.owner.token);
    for (number, media_type) in [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-Urlencoded",
        "APPLICATION/X-WWW-FORM-URLENCODED ;Charset=UTF-8",
    ]
    .into_iter()
    .enumerate()
    {
        let headers = [
            ("content-type", media_type),
            ("authorization", authorization.as_str()),
        ];
        let body = format!("firstName=Anna{number}");
        let path = "/organizer/profile";
        let edited = components.door.send_with("PATCH", path, &headers, body).await;
        assert_eq!(edited.json(200)["firstName"], format!("Anna{number}"));
    }
}

/// A body is read before anything else is looked at, also where nobody expects one. What no service takes, the host
/// refuses.
#[tokio::test]
async fn any_request_is_refused_for_a_body_that_is_too_large() {
    let components = Components::start();
    let support = components.agency("Fest").await.support;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let bare = json!({"statusCode": 413, "message": "request entity too large"});
    let mut whole = bare.clone();
    whole["error"] = "Payload Too Large".into();
    for (method, path, person, of_service) in [
        ("POST", "/organizer/auth/sign-out", &support, &bare),
        ("POST", "/participant/auth/sign-out", &participant, &whole),
        ("GET", "/messenger/participant/chats", &participant, &whole),
    ] {
        for (size, expected) in [(101 * 1024, of_service), ((16 << 20) + 1, &whole)] {
            let body = vec![b' '; size];
            let reply = components.door.send_raw(method, path, Some(&person.token), body);
            assert_eq!(reply.await.json(413), *expected, "{path} with {size} bytes");
        }
    }
    support.get("/organizer/profile").await.json(200);
    participant.get("/participant/profile").await.json(200);
}
