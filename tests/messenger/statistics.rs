//! `GET /statistics` (docs/organizer-api.md): how many presses there were, and how long they waited.

use serde_json::{Value, json};

use super::{Desk, chat_id};
use crate::support::components::MESSENGER_KEY;
use crate::support::people::{PARTICIPANT_PASSWORD, Person, new_event};
use crate::support::sidecar::{Sidecar, organizer};

const PATH: &str = "/messenger/statistics";

/// A press of a participant who presses only once.
fn press(desk: &Desk, number: usize, pressed_at: i64) -> Value {
    json!({
        "id": request_id(number), "participantId": 1000 + number, "eventId": desk.agency.event_id,
        "agencyId": desk.agency.id, "pressedAt": pressed_at, "description": "", "lat": null, "lng": null,
        "contact": {"email": "p@example.org", "phoneNumber": "", "version": 0},
    })
}

fn request_id(number: usize) -> String {
    format!("0198c0de-0000-7000-8000-{number:012}")
}

/// Queues presses that are so many seconds old.
async fn queue(desk: &Desk, ages: &[i64]) {
    let now: i64 = desk
        .database()
        .query_row("SELECT cast(unixepoch('subsec') * 1000 AS INTEGER)", (), |row| {
            row.get(0)
        })
        .expect("a time");
    let presses: Vec<Value> = ages
        .iter()
        .enumerate()
        .map(|(number, age)| press(desk, number, now - age * 1000))
        .collect();
    tell(desk, "requests", &json!({"requests": presses})).await;
}

/// Tells the messenger something as another service does.
async fn tell(desk: &Desk, what: &str, body: &Value) {
    let path = format!("/messenger/internal/{what}");
    let door = &desk.components.door;
    let told = door.send("POST", &path, Some(MESSENGER_KEY), Some(body)).await;
    assert_eq!(told.status, 200, "{}", told.text());
}

impl Desk {
    async fn statistics(&self, query: &str) -> Value {
        let path = format!("{PATH}{query}");
        self.agency.support.get(&path).await.json(200)
    }

    fn update(&self, sql: &str) {
        let changed = self.database().execute(sql, ()).expect(sql);
        assert_ne!(changed, 0, "{sql}");
    }
}

/// Presses, those taken, those that wait, and those taken back.
fn counts(statistics: &Value) -> [i64; 4] {
    ["presses", "taken", "waiting", "takenBack"].map(|name| statistics[name].as_i64().expect("a number"))
}

#[tokio::test]
async fn figures_tell_how_long_presses_waited() {
    let mut desk = Desk::open().await;
    let nothing = desk.statistics("").await;
    assert_eq!(counts(&nothing), [0; 4]);
    let no_waits = json!({
        "medianSeconds": null, "p90Seconds": null, "within15Seconds": null, "within20Seconds": null,
    });
    assert_eq!(
        (&nothing["waits"], &nothing["organizers"]),
        (&no_waits, &json!([]))
    );

    queue(&desk, &[100, 80, 60, 40, 5]).await;
    let mut anna = desk.support();
    anna["name"] = json!("Anna Kos");
    let first = chat_id(&desk.one(&anna, json!({"type": "startChat"})).await);
    desk.one(&anna, json!({"type": "startChat"})).await;
    let cancellation = json!({"requestId": request_id(2)});
    tell(&desk, "cancellations", &cancellation).await;
    desk.one(&desk.support(), json!({"type": "closeChat", "chatId": first}))
        .await;
    desk.update("UPDATE chats SET time_start = pressed_at + 10000 WHERE state = 'ended'");
    desk.update("UPDATE chats SET time_end = time_start + 90000 WHERE state = 'ended'");
    desk.update("UPDATE chats SET time_start = pressed_at + 18000 WHERE state = 'active'");

    let figures = desk.statistics("").await;
    assert_eq!(counts(&figures), [5, 2, 2, 1]);
    // Two were taken in time or nearly so, and two others have waited, or had, for longer.
    let waits = json!({
        "medianSeconds": 14.0, "p90Seconds": 18.0, "within15Seconds": 0.25, "within20Seconds": 0.5,
    });
    assert_eq!(figures["waits"], waits);
    assert_eq!(
        (&figures["eventId"], &figures["stepSeconds"]),
        (&Value::Null, &json!(900))
    );
    let series = figures["series"].as_array().expect("a series");
    let sum = |name: &str| series.iter().filter_map(|step| step[name].as_i64()).sum::<i64>();
    assert_eq!((sum("presses"), sum("taken")), (5, 2));
    assert!((96..=97).contains(&series.len()), "{}", series.len());
    let organizers = json!([{
        "organizerId": desk.agency.support.id, "name": "Anna Kos", "chats": 2, "medianWaitSeconds": 14.0,
        "medianMinutes": 1.5,
    }]);
    assert_eq!(figures["organizers"], organizers);
}

/// A hand-over or a chat that goes back to the queue is no second press, and the first organizer ended the wait.
#[tokio::test]
async fn a_press_waits_once() {
    let mut desk = Desk::open().await;
    queue(&desk, &[60]).await;
    let chat_id = desk.start().await;
    desk.update("UPDATE chats SET time_start = pressed_at + 7000");
    let taken = |statistics: &Value| {
        assert_eq!(counts(statistics), [1, 1, 0, 0]);
        assert_eq!(statistics["waits"]["medianSeconds"], 7.0);
        statistics["organizers"].clone()
    };
    let of = |person: &Person| json!([{"organizerId": person.id, "chats": 1, "medianWaitSeconds": 7.0, "medianMinutes": null}]);
    assert_eq!(taken(&desk.statistics("").await), of(&desk.agency.support));

    let transfer = json!({"type": "transferChat", "chatId": chat_id, "organizerId": desk.agency.owner.id});
    desk.asks(&desk.support(), transfer).await;
    assert_eq!(taken(&desk.statistics("").await), of(&desk.agency.owner));

    let mut sidecar = Sidecar::new("s1");
    let here = desk.here(desk.agency.owner.id);
    desk.beat(&mut sidecar, Some(here.clone())).await;
    desk.later(600);
    desk.beat(&mut sidecar, Some(here)).await;
    desk.beat(&mut sidecar, Some(json!([]))).await;
    desk.later(61);
    desk.beat(&mut sidecar, Some(json!([]))).await;
    desk.tick().await;
    let waiting: i64 = desk
        .database()
        .query_row("SELECT count(*) FROM chats WHERE state = 'waiting'", (), |row| {
            row.get(0)
        })
        .expect("a count");
    assert_eq!(waiting, 1, "it has gone back to the queue");
    taken(&desk.statistics("").await);
    desk.start().await;
    assert_eq!(taken(&desk.statistics("").await), of(&desk.agency.support));
}

#[tokio::test]
async fn figures_are_of_an_event_and_of_a_period() {
    let desk = Desk::open().await;
    let rival = desk.components.agency("Rival").await;
    let event = desk.agency.event_id;
    let other = desk
        .agency
        .owner
        .post("/organizer/agency/events", &new_event("Other night"))
        .await
        .json(201)["id"]
        .clone();
    let start = 1_777_629_600_000; // 2026-05-01T10:00:00Z
    let presses = [
        press(&desk, 0, start),
        press(&desk, 1, start + 59_999),
        press(&desk, 2, start + 60_000),
    ];
    tell(&desk, "requests", &json!({"requests": presses})).await;

    let minute = "from=2026-05-01T10:00:00Z&to=2026-05-01T12:01:00%2B02:00";
    let figures = desk.statistics(&format!("?{minute}&eventId={event}")).await;
    assert_eq!(counts(&figures), [2, 0, 2, 0]);
    let step = json!({"at": "2026-05-01T10:00:00.000Z", "presses": 2, "taken": 0, "medianWaitSeconds": null});
    let expected = json!({
        "eventId": event, "from": "2026-05-01T10:00:00.000Z", "to": "2026-05-01T10:01:00.000Z",
        "presses": 2, "takenBack": 0, "waiting": 2, "taken": 0,
        "waits": {"medianSeconds": null, "p90Seconds": null, "within15Seconds": 0.0, "within20Seconds": 0.0},
        "stepSeconds": 60, "series": [step], "organizers": [],
    });
    assert_eq!(figures, expected);
    let later = desk
        .statistics("?from=2026-05-01T10:01:00Z&to=2026-05-02T00:00:00Z")
        .await;
    assert_eq!(counts(&later), [1, 0, 1, 0]);
    let day_before = desk.statistics("?to=2026-05-01T10:00:00.001Z").await;
    assert_eq!(day_before["from"], "2026-04-30T10:00:00.001Z");
    assert_eq!(counts(&day_before), [1, 0, 1, 0]);
    assert_eq!(counts(&desk.statistics("").await), [0; 4]);
    for query in [
        format!("?{minute}&eventId={other}"),
        format!("?{minute}&eventId={}", rival.event_id),
    ] {
        assert_eq!(counts(&desk.statistics(&query).await), [0; 4], "{query}");
    }
    let foreign = rival.owner.get(&format!("{PATH}?{minute}&eventId={event}")).await;
    assert_eq!(counts(&foreign.json(200)), [0; 4]);
}

/// The figures of participants who are gone stay, without anything of theirs.
#[tokio::test]
async fn a_deleted_account_leaves_its_presses_in_the_figures() {
    let mut desk = Desk::open().await;
    let helped = desk.presses("helped", "Lost").await;
    desk.start().await;
    let waiting = desk.presses("waiting", "Lost").await;
    assert_eq!(counts(&desk.statistics("").await), [2, 1, 1, 0]);
    for person in [&helped, &waiting] {
        let door = &desk.components.door;
        let body = json!({"password": PARTICIPANT_PASSWORD});
        let path = "/participant/profile";
        door.send("DELETE", path, Some(&person.token), Some(&body))
            .await
            .json(200);
    }
    assert_eq!(counts(&desk.statistics("").await), [2, 1, 0, 1]);
    let kept: Vec<String> = desk
        .database()
        .prepare("SELECT name FROM pragma_table_info('withdrawn_presses')")
        .and_then(|mut names| names.query_map((), |row| row.get(0))?.collect())
        .expect("columns");
    assert_eq!(
        kept,
        ["id", "agency_id", "event_id", "pressed_at", "withdrawn_at"]
    );
}

#[tokio::test]
async fn only_an_agencys_own_people_see_its_figures() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    desk.start().await;
    for organizer in [&desk.agency.owner, &desk.agency.support] {
        assert_eq!(counts(&organizer.get(PATH).await.json(200)), [1, 1, 0, 0]);
    }
    person.get(PATH).await.error(401, "invalid token type");
    let superadmin = desk.components.superadmin().await;
    superadmin.get(PATH).await.error(401, "invalid role");
    let preview = json!({"agencyId": desk.agency.id});
    superadmin
        .patch("/organizer/profile/set-agency", &preview)
        .await
        .json(200);
    // As the rest of this service (contract 3.6).
    superadmin.get(PATH).await.error(401, "invalid role");
    let door = &desk.components.door;
    door.send("GET", PATH, None, None)
        .await
        .error(401, "malformed token");
    let preflight = door.send("OPTIONS", PATH, None, None).await;
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        Some("GET, OPTIONS")
    );
    assert_eq!(door.send("POST", PATH, None, None).await.status, 405);
}

#[tokio::test]
async fn a_bad_query_is_refused() {
    let desk = Desk::open().await;
    for (query, message) in [
        ("eventId=0", "invalid `eventId` query parameter"),
        ("eventId=x", "invalid `eventId` query parameter"),
        (
            "from=yesterday",
            "invalid format of `from` filter value; RFC3339 required",
        ),
        (
            "to=2026-05-01",
            "invalid format of `to` filter value; RFC3339 required",
        ),
        (
            "from=2026-05-01T10:00:00Z&to=2026-05-01T10:00:00Z",
            "`from` must be before `to`",
        ),
        (
            "from=2026-05-01T10:00:00Z&to=2026-06-01T10:00:00.001Z",
            "`from` and `to` must be at most 31 days apart",
        ),
    ] {
        let refused = desk.agency.support.get(&format!("{PATH}?{query}")).await;
        refused.error(400, message);
    }
    let longest = "?from=2026-05-01T10:00:00Z&to=2026-06-01T10:00:00Z";
    let series = desk.statistics(longest).await["series"].clone();
    assert_eq!(series.as_array().map(Vec::len), Some(63));
}

/// During a rolling update the release before queues presses, gives them out and takes them back with the statements
/// that it knows.
#[tokio::test]
async fn the_release_before_works_with_this_schema() {
    let mut desk = Desk::open().await;
    desk.statistics("").await;
    let database = desk.database();
    let arrival = "
        INSERT INTO arrivals (request_id, agency_id, event_id, participant_id, email, phone_number, contact_version,
                              lat, lng, pressed_at, chat_id, message_id, first_message, received_at, kind, accuracy,
                              position_at, name)
        VALUES (?1, ?2, ?3, 31, 'p@example.org', '', 0, NULL, NULL,
                cast(unixepoch('subsec') * 1000 AS INTEGER) - 5000, ?4, ?5, 'Lost', NULL, NULL, NULL, NULL, NULL)";
    for number in 0..2 {
        let ids = (format!("{number:024}"), format!("{:024}", 10 + number));
        let row = (
            request_id(number),
            desk.agency.id,
            desk.agency.event_id,
            &ids.0,
            &ids.1,
        );
        database.execute(arrival, row).expect("a press");
    }
    database
        .execute("DELETE FROM messages WHERE chat_id = ?1", [format!("{:024}", 1)])
        .expect("a cancellation");
    database
        .execute(
            "DELETE FROM chats WHERE request_id = ?1 AND time_start IS NULL",
            [request_id(1)],
        )
        .expect("a cancellation");
    database
        .execute(
            "INSERT INTO contacts (participant_id, email, phone_number, version, name) VALUES (31, 'q@b', '', 1, '')
             ON CONFLICT (participant_id) DO UPDATE SET email = excluded.email, version = excluded.version",
            (),
        )
        .expect("a contact");
    assert_eq!(counts(&desk.statistics("").await), [2, 0, 1, 1]);
    let organizer = organizer(desk.agency.support.id, desk.agency.id);
    let heard = desk.one(&organizer, json!({"type": "startChat"})).await;
    let chat = heard.deliveries()[0].payload().clone();
    assert_eq!(
        chat["participant"],
        json!({"id": 31, "email": "q@b", "phoneNumber": ""})
    );
    assert_eq!(counts(&desk.statistics("").await), [2, 1, 0, 1]);
}
