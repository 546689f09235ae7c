//! The messenger service, for what the story needs of it (contract 5): batches as a sidecar sends them, and the archives.

mod missed;
mod protocol_2;

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};

use crate::support::components::{Components, MESSENGER_KEY};
use crate::support::people::{self, Agency, Person};

/// An agency at work, and a sidecar's way to the messenger.
struct Desk {
    components: Components,
    agency: Agency,
    next_command: u32,
}

impl Desk {
    async fn open() -> Desk {
        let components = Components::start();
        let agency = components.agency("Fest").await;
        Desk {
            components,
            agency,
            next_command: 1,
        }
    }

    /// A participant whose request waits.
    async fn presses(&self, name: &str, description: &str) -> Person {
        let participant = people::sign_up(&self.components.door, &format!("{name}@example.org")).await;
        participant
            .press_help(self.agency.event_id, description)
            .await
            .empty(200);
        participant
    }

    fn support(&self) -> Value {
        json!({"realm": "organizer", "id": self.agency.support.id, "agencyId": self.agency.id})
    }

    fn command(&mut self, principal: &Value, request: Value) -> Value {
        self.next_command += 1;
        let id = format!("0198c0de-0000-7000-8000-{:012}", self.next_command);
        json!({"id": id, "principal": principal, "receivedAt": 1_777_629_600_000_i64 + i64::from(self.next_command), "request": request})
    }

    /// Sends a batch and returns its outcomes.
    async fn batch(&self, commands: &[Value]) -> Vec<Value> {
        let body = json!({"commands": commands});
        let reply = self
            .components
            .door
            .send(
                "POST",
                "/messenger/internal/commands",
                Some(MESSENGER_KEY),
                Some(&body),
            )
            .await;
        reply.json(200)["outcomes"].as_array().expect("a list").clone()
    }

    /// Sends one command and returns its outcome.
    async fn one(&mut self, principal: &Value, request: Value) -> Value {
        let command = self.command(principal, request);
        self.batch(&[command]).await.remove(0)
    }

    /// Starts the next chat and returns its id.
    async fn start(&mut self) -> String {
        let outcome = self.one(&self.support(), json!({"type": "startChat"})).await;
        let chat = &outcome["deliveries"][0]["frame"];
        assert_eq!(chat["type"], "new_chat", "{outcome}");
        chat["payload"]["id"].as_str().expect("text").to_owned()
    }
}

fn participant(person: &Person) -> Value {
    json!({"realm": "participant", "id": person.id})
}

fn say(chat_id: &str, message: &str) -> Value {
    json!({"type": "sendMessage", "chatId": chat_id, "message": message})
}

#[tokio::test]
async fn a_batch_is_carried_out_in_order() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "Lost").await;
    let chat_id = desk.start().await;
    let (support, participant) = (desk.support(), participant(&person));
    let history = json!({"type": "getChatHistory", "chatId": chat_id});
    let batch = [
        desk.command(&support, say(&chat_id, "one")),
        desk.command(&participant, say(&chat_id, "two")),
        desk.command(&support, history.clone()),
        desk.command(&support, say(&chat_id, "three")),
        desk.command(&support, json!({"type": "closeChat", "chatId": chat_id})),
        desk.command(&participant, say(&chat_id, "too late")),
        desk.command(&participant, json!({"type": "getChats"})),
    ];
    let outcomes = desk.batch(&batch).await;
    let both = json!([{"realm": "organizer", "id": desk.agency.support.id}, participant]);
    for (index, position, content) in [(0, 2, "one"), (1, 3, "two"), (3, 4, "three")] {
        let delivery = &outcomes[index]["deliveries"][0];
        assert_eq!(
            (&delivery["to"], &delivery["place"]["position"]),
            (&both, &json!(position))
        );
        assert_eq!(delivery["frame"]["payload"]["content"], content);
    }
    let messages = outcomes[2]["reply"]["payload"]["messages"]
        .as_array()
        .expect("a list");
    let contents: Vec<_> = messages.iter().map(|message| &message["content"]).collect();
    assert_eq!(contents, ["Problem description: Lost", "one", "two"]);
    assert_eq!(outcomes[4]["deliveries"][0]["place"]["position"], 5);
    let error =
        json!({"type": "error", "payload": {"message": format!("you have no access to chat {chat_id}")}});
    assert_eq!(outcomes[5], json!({"reply": error}));
    assert_eq!(
        outcomes[6],
        json!({"reply": {"type": "chats", "payload": {"chats": []}}})
    );
    assert_eq!(desk.one(&support, history).await, json!({"reply": error}));
}

#[tokio::test]
async fn a_batch_that_comes_again_is_answered_as_before_and_stores_nothing() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let other = desk.presses("other", "").await;
    let (support, participant) = (desk.support(), participant(&person));
    let start = [desk.command(&support, json!({"type": "startChat"}))];
    let started = desk.batch(&start).await;
    assert_eq!(desk.batch(&start).await, started);
    let chat_id = started[0]["deliveries"][0]["place"]["chatId"]
        .as_str()
        .expect("text")
        .to_owned();

    let talk = [
        desk.command(
            &participant,
            json!({"type": "sendMessage", "chatId": chat_id, "message": "here", "lat": 0.0, "lng": -0.5}),
        ),
        desk.command(&support, say(&chat_id, "coming")),
    ];
    let said = desk.batch(&talk).await;
    assert_eq!(desk.batch(&talk).await, said);
    let half_new = [
        talk[1].clone(),
        desk.command(&support, say(&chat_id, "nearly there")),
    ];
    let outcomes = desk.batch(&half_new).await;
    assert_eq!(
        (&outcomes[0], &outcomes[1]["deliveries"][0]["place"]["position"]),
        (&said[1], &json!(3))
    );

    let close = [desk.command(&support, json!({"type": "closeChat", "chatId": chat_id}))];
    let closed = desk.batch(&close).await;
    assert_eq!(desk.batch(&close).await, closed);
    assert_eq!(desk.batch(&talk).await, said, "also after the chat has ended");
    let contents = person.archived_contents("participant", &chat_id).await;
    assert_eq!(contents, ["here", "coming", "nearly there"]);
    let next = desk.one(&support, json!({"type": "startChat"})).await;
    assert_eq!(
        next["deliveries"][0]["frame"]["payload"]["participantId"], other.id,
        "one command took one request"
    );
}

#[tokio::test]
async fn a_request_is_queued_once_however_often_it_comes() {
    let mut desk = Desk::open().await;
    let request = json!({"requests": [{
        "id": "0198c0de-0000-7000-8000-000000000000", "participantId": 7, "eventId": desk.agency.event_id, "agencyId": desk.agency.id,
        "pressedAt": 5, "description": "Lost", "lat": null, "lng": null,
        "contact": {"email": "p@example.org", "phoneNumber": "", "version": 0},
    }]});
    for _ in 0..3 {
        let door = &desk.components.door;
        door.send(
            "POST",
            "/messenger/internal/requests",
            Some(MESSENGER_KEY),
            Some(&request),
        )
        .await
        .empty(200);
    }
    let path = "/messenger/internal/standings?ids=0198c0de-0000-7000-8000-000000000000,unknown";
    let standings = desk
        .components
        .door
        .send("GET", path, Some(MESSENGER_KEY), None)
        .await;
    let waiting = json!({"state": "waiting", "ahead": 0, "estimate": null});
    assert_eq!(standings.json(200), json!({"standings": [waiting, null]}));
    let support = desk.support();
    let outcome = desk.one(&support, json!({"type": "startChat"})).await;
    let chat = &outcome["deliveries"][0]["frame"]["payload"];
    assert!(
        chat.get("latStart").is_none() && chat.get("lngStart").is_none(),
        "{chat}"
    );
    assert_eq!(outcome["deliveries"].as_array().map(Vec::len), Some(2));
    let nobody = desk.one(&support, json!({"type": "startChat"})).await;
    assert_eq!(
        nobody,
        json!({"reply": {"type": "info", "payload": {"message": "no new chats"}}})
    );
}

/// Hundreds of claims at once, over several hosts on one database: everybody who waits is given to exactly one organizer, the longest waiting
/// first, and nobody to another agency's.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_given_to_two_organizers() {
    const WAITING: usize = 250;
    const BATCHES: usize = 30;
    const CLAIMS: usize = 10;
    let mut desk = Desk::open().await;
    let rival = desk.components.agency("Rival").await;
    let presses: Vec<Value> = (0..WAITING)
        .map(|number| {
            json!({
                "id": format!("0198c0de-0000-7000-9000-{number:012}"), "participantId": 1000 + number, "eventId": desk.agency.event_id,
                "agencyId": desk.agency.id, "pressedAt": 1_777_000_000_000_i64 + i64::try_from(number).expect("a few"),
                "description": "", "lat": null, "lng": null,
                "contact": {"email": "p@example.org", "phoneNumber": "", "version": 0},
            })
        })
        .collect();
    let door = &desk.components.door;
    let requests = json!({"requests": presses});
    let queued = door.send(
        "POST",
        "/messenger/internal/requests",
        Some(MESSENGER_KEY),
        Some(&requests),
    );
    queued.await.empty(200);

    let organizers = [
        desk.support(),
        json!({"realm": "organizer", "id": desk.agency.owner.id, "agencyId": desk.agency.id}),
        json!({"realm": "organizer", "id": rival.owner.id, "agencyId": rival.id}),
    ];
    let batches: Vec<Value> = (0..BATCHES)
        .map(|_| {
            let claims: Vec<Value> = (0..CLAIMS)
                .map(|claim| {
                    desk.command(
                        &organizers[claim % organizers.len()],
                        json!({"type": "startChat"}),
                    )
                })
                .collect();
            json!({"commands": claims})
        })
        .collect();
    let hosts = [
        desk.components.door.clone(),
        desk.components.another_host(&["messenger"], &[]),
        desk.components.another_host(&["messenger"], &[]),
    ];
    let sent = batches.iter().enumerate().map(|(number, batch)| {
        let host = &hosts[number % hosts.len()];
        async move {
            let path = "/messenger/internal/commands";
            let reply = host.send("POST", path, Some(MESSENGER_KEY), Some(batch)).await;
            reply.json(200)["outcomes"].as_array().expect("a list").clone()
        }
    });
    // As many sidecars, each with one batch under way.
    let outcomes: Vec<Vec<Value>> = stream::iter(sent).buffer_unordered(6).collect().await;
    let outcomes = outcomes.concat();
    assert_eq!(outcomes.len(), BATCHES * CLAIMS);
    let mut given: Vec<i64> = outcomes
        .iter()
        .filter_map(|outcome| {
            let chat = &outcome["deliveries"][0]["frame"]["payload"];
            assert_ne!(chat["organizerId"], rival.owner.id, "{outcome}");
            chat["participantId"].as_i64()
        })
        .collect();
    given.sort_unstable();
    let everybody: Vec<i64> = (1000..).take(WAITING).collect();
    // Seven of ten claims in a batch are the agency's own.
    assert_eq!(given, everybody[..(BATCHES * 7).min(WAITING)]);

    let database = rusqlite::Connection::open(desk.components.database("messenger")).expect("a database");
    let out_of_turn: i64 = database
        .query_row(
            "SELECT count(*) FROM chats later JOIN chats earlier ON earlier.pressed_at < later.pressed_at
             WHERE later.state = 'active' AND earlier.state = 'waiting'",
            (),
            |row| row.get(0),
        )
        .expect("a count");
    assert_eq!(out_of_turn, 0);
}

#[tokio::test]
async fn organizers_locations_are_ignored_and_participants_kept() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let chat_id = desk.start().await;
    let located = json!({"type": "sendMessage", "chatId": chat_id, "message": "", "lat": 0.0, "lng": 1.5});
    let by_support = desk.one(&desk.support(), located.clone()).await;
    let message = &by_support["deliveries"][0]["frame"]["payload"];
    assert!(
        message.get("lat").is_none() && message.get("lng").is_none(),
        "{message}"
    );
    let by_participant = desk.one(&participant(&person), located).await;
    let message = &by_participant["deliveries"][0]["frame"]["payload"];
    assert_eq!(
        (&message["lat"], &message["lng"], &message["fromOrganizer"]),
        (&json!(0.0), &json!(1.5), &json!(0))
    );
}

/// Design 1: while the participant service is down closing succeeds at once, and the lock is released later.
#[tokio::test]
async fn a_chat_is_closed_although_the_participant_service_is_down() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let chat_id = desk.start().await;
    let support = desk.support();
    let close = desk.command(&support, json!({"type": "closeChat", "chatId": chat_id}));
    let alone = desk.components.host_with(&["organizer", "messenger"]);
    let body = json!({"commands": [close]});
    let reply = alone
        .send(
            "POST",
            "/messenger/internal/commands",
            Some(MESSENGER_KEY),
            Some(&body),
        )
        .await;
    assert_eq!(
        reply.json(200)["outcomes"][0]["deliveries"][0]["frame"]["type"],
        "closed_chat"
    );
    let archive = alone
        .send(
            "GET",
            "/messenger/agency/chats",
            Some(&desk.agency.support.token),
            None,
        )
        .await
        .json(200);
    assert_eq!(
        archive[0]["participant"]["email"], "p@example.org",
        "as it was heard last"
    );
    assert!(person.has_requested(desk.agency.event_id).await);

    let database = rusqlite::Connection::open(desk.components.database("messenger")).expect("a database");
    database
        .execute("UPDATE outbox SET due_at = 0", ())
        .expect("an update");
    desk.components
        .door
        .send("POST", "/messenger/internal/tick", Some(MESSENGER_KEY), None)
        .await
        .empty(200);
    assert!(!person.has_requested(desk.agency.event_id).await);
    let left: i64 = database
        .query_row("SELECT count(*) FROM outbox", (), |row| row.get(0))
        .expect("a count");
    assert_eq!(left, 0);
}

#[tokio::test]
async fn the_archive_has_closed_chats_newest_first_with_the_participants_of_today() {
    let mut desk = Desk::open().await;
    let support = desk.support();
    let mut chat_ids = Vec::new();
    for name in ["early", "late"] {
        desk.presses(name, name).await;
        let chat_id = desk.start().await;
        desk.one(&support, json!({"type": "closeChat", "chatId": chat_id}))
            .await;
        chat_ids.push(chat_id);
    }
    let open = desk.presses("open", "").await;
    desk.start().await;
    let archive = desk.agency.owner.archive("agency").await;
    let listed: Vec<_> = archive
        .iter()
        .map(|chat| chat["id"].as_str().expect("text"))
        .collect();
    assert_eq!(listed, [chat_ids[1].as_str(), chat_ids[0].as_str()]);
    assert!(
        archive
            .iter()
            .all(|chat| chat["ended"] == 1 && chat["timeEnd"] != "0001-01-01T00:00:00Z")
    );
    assert_eq!(archive[0]["participant"]["email"], "late@example.org");
    assert_eq!(open.archive("participant").await, Vec::<Value>::new());
}

/// A log that is too long for one answer is an error in the contract's shape, and can be read in parts.
#[tokio::test]
async fn a_very_long_chat_is_read_in_parts() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "Lost").await;
    let chat_id = desk.start().await;
    let database = rusqlite::Connection::open(desk.components.database("messenger")).expect("a database");
    let sql =
        "INSERT INTO messages (chat_id, seq, id, author_id, from_organizer, content, time_sent, position)
               WITH RECURSIVE number (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < 700)
               SELECT ?1, n, printf('%024d', n), ?2, 0, printf('%.15000c', 'm'), n, n FROM number";
    database.execute(sql, (&chat_id, person.id)).expect("messages");
    let get = async |query: &str| {
        let path = format!("/messenger/participant/chats/{chat_id}/messages{query}");
        person.get(&path).await
    };
    get("").await.error(400, "could not get messages");
    let mut seqs = Vec::new();
    while let Some(part) =
        Some(get(&format!("?afterSeq={}", seqs.len())).await.list()).filter(|part| !part.is_empty())
    {
        seqs.extend(
            part.iter()
                .map(|message| message["seq"].as_i64().expect("a number")),
        );
    }
    assert_eq!(seqs, (1..=700).collect::<Vec<i64>>());
    assert_eq!(get("?afterSeq=698&limit=1").await.list()[0]["seq"], 699);
    for query in ["?afterSeq=-1", "?afterSeq=x", "?limit="] {
        assert_eq!(get(query).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn bad_credentials_are_refused_by_what_is_wrong_with_them() {
    let desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let superadmin = desk.components.superadmin().await;
    let get = async |side: &str, header: Option<String>| {
        let path = format!("/messenger/{side}/chats");
        desk.components
            .door
            .send_as("GET", &path, header.as_deref(), "")
            .await
    };
    let owner = &desk.agency.owner.token;
    for header in [
        None,
        Some("Bearer".to_owned()),
        Some("Bearer x".to_owned()),
        Some(format!("Bearer  {owner}")),
        Some("Bearer a:b:c".to_owned()),
    ] {
        get("agency", header).await.error(401, "malformed token");
    }
    get("agency", Some(format!("Bearer {}", person.token)))
        .await
        .error(401, "invalid token type");
    get("participant", Some(format!("Bearer {owner}")))
        .await
        .error(401, "invalid token type");
    get("agency", Some(format!("Bearer {owner}x")))
        .await
        .error(401, "unknown user");
    get("agency", Some(format!("Bearer {}", superadmin.token)))
        .await
        .error(401, "invalid role");
    let messages = desk
        .agency
        .owner
        .get("/messenger/agency/chats/nonsense/messages")
        .await;
    messages.error(400, "chat not found");

    let alone = desk.components.host_with(&["messenger"]);
    let unavailable = alone
        .send("GET", "/messenger/agency/chats", Some(owner), None)
        .await;
    unavailable.error(503, "service unavailable");
}

#[tokio::test]
async fn sidecars_need_the_key_and_a_readable_batch() {
    let desk = Desk::open().await;
    let send = async |path: &str, key: Option<&str>, body: &str| {
        desk.components
            .door
            .send_raw("POST", path, key, body.to_owned())
            .await
    };
    for path in [
        "/messenger/internal/commands",
        "/messenger/internal/authenticate",
        "/messenger/internal/requests",
        "/messenger/internal/tick",
    ] {
        send(path, None, "{}")
            .await
            .error(401, "invalid authorization header");
        send(path, Some("wrong"), "{}")
            .await
            .error(401, "invalid api key");
    }
    for body in ["", "{", "{}", r#"{"commands":[{}]}"#] {
        assert_eq!(
            send("/messenger/internal/commands", Some(MESSENGER_KEY), body)
                .await
                .status,
            400,
            "{body}"
        );
    }
}

#[tokio::test]
async fn credentials_of_a_batch_are_judged_one_by_one() {
    let desk = Desk::open().await;
    desk.agency
        .owner
        .patch("/organizer/agency/settings", &json!({"maxOpenChats": 5}))
        .await
        .json(200);
    let person = desk.presses("p", "").await;
    let superadmin = desk.components.superadmin().await;
    let bearer = |token: &str| format!("Bearer {token}");
    let support = &desk.agency.support;
    let body = json!({"authorizations": [bearer(&support.token), "nonsense", bearer(&person.token), bearer(&superadmin.token), bearer("organizer:x")]});
    let path = "/messenger/internal/authenticate";
    let reply = desk
        .components
        .door
        .send("POST", path, Some(MESSENGER_KEY), Some(&body))
        .await;
    let rejected = json!({"admission": "rejected"});
    let expected = json!({"revision": 0, "outcomes": [
        {"admission": "accepted", "principal": {
            "realm": "organizer", "id": support.id, "agencyId": desk.agency.id, "role": 4, "maxOpenChats": 5,
        }},
        rejected,
        {"admission": "accepted", "principal": {"realm": "participant", "id": person.id}},
        rejected,
        rejected,
    ]});
    assert_eq!(reply.json(200), expected);

    let alone = desk.components.host_with(&["organizer", "messenger"]);
    let reply = alone
        .send("POST", path, Some(MESSENGER_KEY), Some(&body))
        .await
        .json(200);
    assert_eq!(reply["outcomes"][2], json!({"admission": "unavailable"}));
    assert_eq!(reply["outcomes"][0]["admission"], "accepted");
}
