//! The messenger service (contract 5): exchanges as a sidecar sends them, and the archives.

mod archive;
mod exchange;
mod gone_agencies;
mod protocol_2;
mod retention;
mod revocations;
mod statements;
mod statistics;

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};

use crate::support::components::{Components, MESSENGER_KEY};
use crate::support::people::{self, Agency, Person};
use crate::support::sidecar::{self, Heard, Sidecar, organizer};

/// A working agency, and a sidecar at the messenger.
struct Desk {
    components: Components,
    agency: Agency,
    sidecar: Sidecar,
    next_command: u32,
}

impl Desk {
    async fn open() -> Desk {
        Desk::with(&[]).await
    }

    /// Opens a desk with other values of variables.
    async fn with(variables: &[(&str, &str)]) -> Desk {
        let components = Components::with(&["organizer", "participant", "messenger"], variables);
        let agency = components.agency("Fest").await;
        Desk {
            components,
            agency,
            sidecar: Sidecar::new("s"),
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

    /// The answer of the messenger to another service or a sidecar that reads.
    async fn internal(&self, path: &str) -> Value {
        let path = format!("/messenger/internal/{path}");
        let reply = self.components.door.send("GET", &path, Some(MESSENGER_KEY), None);
        reply.await.json(200)
    }

    fn support(&self) -> Value {
        organizer(self.agency.support.id, self.agency.id)
    }

    fn command(&mut self, principal: &Value, request: Value) -> Value {
        self.next_command += 1;
        sidecar::command(principal, self.next_command, &request)
    }

    /// Sends an exchange.
    async fn exchange(&mut self, commands: &[Value]) -> Heard {
        self.sidecar.exchange(&self.components.door, commands, None).await
    }

    /// Sends an exchange with one command.
    async fn one(&mut self, principal: &Value, request: Value) -> Heard {
        let command = self.command(principal, request);
        let heard = self.exchange(&[command]).await;
        assert_eq!(heard.replies.len(), 1, "{heard:?}");
        heard
    }

    /// Starts the next chat and returns its id.
    async fn start(&mut self) -> String {
        let heard = self.one(&self.support(), json!({"type": "startChat"})).await;
        chat_id(&heard)
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.components.database("messenger")).expect("a database")
    }
}

/// The id of the started chat.
fn chat_id(heard: &Heard) -> String {
    let deliveries = heard.deliveries();
    let new_chat = deliveries
        .iter()
        .find(|delivery| delivery.frame()["type"] == "new_chat");
    let new_chat = new_chat.unwrap_or_else(|| panic!("no new_chat in {heard:?}"));
    new_chat.payload()["id"].as_str().expect("text").to_owned()
}

fn participant(person: &Person) -> Value {
    json!({"realm": "participant", "id": person.id})
}

/// A principal as a recipient.
fn user(principal: &Value) -> Value {
    json!({"realm": principal["realm"], "id": principal["id"]})
}

fn say(chat_id: &str, message: &str) -> Value {
    json!({"type": "sendMessage", "chatId": chat_id, "message": message})
}

#[tokio::test]
async fn commands_are_carried_out_in_order_and_questions_see_all_changes() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "Lost").await;
    let chat_id = desk.start().await;
    let (support, participant) = (desk.support(), participant(&person));
    let history = json!({"type": "getChatHistory", "chatId": chat_id});
    let batch = [
        desk.command(&support, say(&chat_id, "one")),
        desk.command(&participant, history.clone()),
        desk.command(&support, say(&chat_id, "two")),
    ];
    let heard = desk.exchange(&batch).await;
    let both = json!([user(&support), participant]);
    let deliveries = heard.deliveries();
    for (delivery, (seq, content)) in deliveries.iter().zip([(2, "one"), (3, "two")]) {
        assert_eq!(delivery.to, both);
        let (contract, two) = (delivery.contract.as_ref().expect("a frame"), delivery.payload());
        assert_eq!((&two["seq"], &two["content"]), (&json!(seq), &json!(content)));
        assert_eq!(contract["payload"]["seq"], Value::Null);
        assert_eq!(contract["payload"]["content"], content);
    }
    let contents: Vec<_> = contents(&heard.replies[1]);
    assert_eq!(contents, ["Problem description: Lost", "one", "two"]);
    assert_eq!(
        (&heard.replies[0], &heard.replies[2]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(heard.updates.len(), 1, "one transaction is one update");

    let batch = [
        desk.command(&support, json!({"type": "closeChat", "chatId": chat_id})),
        desk.command(&participant, say(&chat_id, "too late")),
        desk.command(&support, json!({"type": "getChats"})),
        desk.command(&participant, history),
    ];
    let heard = desk.exchange(&batch).await;
    let error =
        json!({"type": "error", "payload": {"message": format!("you have no access to chat {chat_id}")}});
    let chats = json!({"type": "chats", "payload": {"chats": []}});
    assert_eq!(heard.replies, [Value::Null, error.clone(), chats, error]);
    assert_eq!(heard.kinds(), [("closed_chat".to_owned(), "everyone")]);
    assert_eq!(heard.deliveries()[0].to, both);
}

/// The contents of a history.
fn contents(reply: &Value) -> Vec<&Value> {
    let messages = reply["payload"]["messages"].as_array();
    let messages = messages.unwrap_or_else(|| panic!("no history: {reply}"));
    messages.iter().map(|message| &message["content"]).collect()
}

#[tokio::test]
async fn a_repeated_request_is_queued_once() {
    let mut desk = Desk::open().await;
    let request = json!({"requests": [{
        "id": "0198c0de-0000-7000-8000-000000000000", "participantId": 7,
        "eventId": desk.agency.event_id, "agencyId": desk.agency.id,
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
    let standings = desk
        .internal("standings?ids=0198c0de-0000-7000-8000-000000000000,unknown")
        .await;
    let waiting = json!({"state": "waiting", "ahead": 0, "estimate": null, "description": "Lost"});
    assert_eq!(standings, json!({"standings": [waiting, null]}));
    let support = desk.support();
    let heard = desk.one(&support, json!({"type": "startChat"})).await;
    let deliveries = heard.deliveries();
    let chat = deliveries[0].payload();
    assert!(
        chat.get("latStart").is_none() && chat.get("lngStart").is_none(),
        "{chat}"
    );
    let kinds = [
        ("new_chat".to_owned(), "everyone"),
        ("user_message".to_owned(), "everyone"),
    ];
    assert_eq!(heard.kinds(), kinds);
    let nobody = desk.one(&support, json!({"type": "startChat"})).await;
    assert_eq!(
        nobody.replies,
        [json!({"type": "info", "payload": {"message": "no new chats"}})]
    );
    assert!(nobody.deliveries().is_empty());
}

/// Hundreds of `start_chat` at once, over several hosts on one database: each request goes to exactly one organizer of
/// its agency, the longest waiting first.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_claims_give_each_request_to_one_organizer() {
    const WAITING: usize = 250;
    const BATCHES: usize = 30;
    const CLAIMS: usize = 10;
    let mut desk = Desk::open().await;
    let rival = desk.components.agency("Rival").await;
    let presses: Vec<Value> = (0..WAITING)
        .map(|number| {
            json!({
                "id": format!("0198c0de-0000-7000-9000-{number:012}"), "participantId": 1000 + number,
                "eventId": desk.agency.event_id,
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
        organizer(desk.agency.owner.id, desk.agency.id),
        organizer(rival.owner.id, rival.id),
    ];
    let batches: Vec<Vec<Value>> = (0..BATCHES)
        .map(|_| {
            let claim = |claim: usize| {
                desk.command(
                    &organizers[claim % organizers.len()],
                    json!({"type": "startChat"}),
                )
            };
            (0..CLAIMS).map(claim).collect()
        })
        .collect();
    let hosts = [
        desk.components.door.clone(),
        desk.components.another_host(&["messenger"], &[]),
        desk.components.another_host(&["messenger"], &[]),
    ];
    let names: Vec<String> = (0..BATCHES).map(|number| format!("sidecar {number}")).collect();
    let sent = batches.iter().enumerate().map(|(number, batch)| {
        let host = &hosts[number % hosts.len()];
        let name = &names[number];
        async move {
            let mut sidecar = Sidecar::new(name);
            sidecar.beat(host, None).await;
            let body = sidecar.next(batch, None);
            Heard::read(&sidecar::send(host, &body).await)
        }
    });
    // Each sidecar has one exchange under way.
    let heard: Vec<Heard> = stream::iter(sent).buffer_unordered(6).collect().await;
    let replies: usize = heard.iter().map(|heard| heard.replies.len()).sum();
    assert_eq!(replies, BATCHES * CLAIMS);
    // Sidecars also read updates of others. An update belongs to the sidecar that has committed it.
    let mut given: Vec<i64> = heard
        .iter()
        .flat_map(|heard| {
            heard
                .updates
                .iter()
                .filter(|update| heard.committed.contains(&update.cursor.id))
        })
        .flat_map(|update| &update.deliveries)
        .filter_map(|delivery| {
            let chat = delivery.payload();
            assert_ne!(chat["organizerId"], rival.owner.id, "{chat}");
            chat["participantId"].as_i64()
        })
        .collect();
    given.sort_unstable();
    let everybody: Vec<i64> = (1000..).take(WAITING).collect();
    // Seven of ten claims in a batch are the agency's own.
    assert_eq!(given, everybody[..(BATCHES * 7).min(WAITING)]);

    let database = desk.database();
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
async fn organizers_positions_are_dropped_and_participants_are_stored() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let chat_id = desk.start().await;
    let located = json!({"type": "sendMessage", "chatId": chat_id, "message": "", "lat": 0.0, "lng": 1.5});
    let by_support = desk.one(&desk.support(), located.clone()).await.deliveries();
    let message = by_support[0].payload();
    assert!(
        message.get("lat").is_none() && message.get("lng").is_none(),
        "{message}"
    );
    let by_participant = desk.one(&participant(&person), located).await.deliveries();
    let message = by_participant[0].payload();
    assert_eq!(
        (&message["lat"], &message["lng"], &message["fromOrganizer"]),
        (&json!(0.0), &json!(1.5), &json!(0))
    );
}

/// Issue 12, item 15: a message is never refused for its position.
#[tokio::test]
async fn an_impossible_position_is_dropped_and_its_message_kept() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let chat_id = desk.start().await;
    let participant = participant(&person);
    let impossible = [
        json!({"lat": 90.5, "lng": 0.0}),
        json!({"lat": 0.0, "lng": -181.0}),
        json!({"lat": 1.0}),
        json!({"lng": 1.0}),
    ];
    let commands: Vec<Value> = impossible
        .iter()
        .map(|position| {
            let mut request = say(&chat_id, "here");
            for (name, value) in position.as_object().expect("an object") {
                request[name] = value.clone();
            }
            desk.command(&participant, request)
        })
        .collect();
    let heard = desk.exchange(&commands).await;
    assert_eq!(heard.deliveries().len(), impossible.len());
    for delivery in heard.deliveries() {
        let message = delivery.payload();
        assert_eq!(message["content"], "here");
        assert!(
            message.get("lat").is_none() && message.get("lng").is_none(),
            "{message}"
        );
    }
}

/// While the participant service is down, closing succeeds at once, and the lock is released later.
#[tokio::test]
async fn a_chat_is_closed_although_the_participant_service_is_down() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let chat_id = desk.start().await;
    let support = desk.support();
    let close = desk.command(&support, json!({"type": "closeChat", "chatId": chat_id}));
    let alone = desk.components.host_with(&["organizer", "messenger"]);
    let heard = desk.sidecar.exchange(&alone, &[close], None).await;
    assert_eq!(heard.kinds(), [("closed_chat".to_owned(), "everyone")]);
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

    let database = desk.database();
    database
        .execute("UPDATE lock_releases SET due_at = 0", ())
        .expect("an update");
    desk.components
        .door
        .send("POST", "/messenger/internal/tick", Some(MESSENGER_KEY), None)
        .await
        .empty(200);
    assert!(!person.has_requested(desk.agency.event_id).await);
    let left: i64 = database
        .query_row("SELECT count(*) FROM lock_releases", (), |row| row.get(0))
        .expect("a count");
    assert_eq!(left, 0);
    let after = desk.exchange(&[]).await;
    assert!(after.deliveries().is_empty(), "it was shown once: {after:?}");
}

#[tokio::test]
async fn the_archive_has_closed_chats_newest_first_with_current_contact_details() {
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

/// A chat that is too long for one answer is an error in the contract's form, and can be read in parts.
#[tokio::test]
async fn a_very_long_chat_is_read_in_parts() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "Lost").await;
    let chat_id = desk.start().await;
    let database = desk.database();
    let sql = "INSERT INTO messages (chat_id, seq, id, author_id, from_organizer, content, time_sent)
               WITH RECURSIVE number (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < 700)
               SELECT ?1, n, printf('%024d', n), ?2, 0, printf('%.15000c', 'm'), n FROM number";
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
    for query in ["?afterSeq=-1", "?afterSeq=x", "?limit=", "?limit=0", "?limit=-1"] {
        assert_eq!(get(query).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn bad_credentials_are_refused_with_their_reason() {
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
async fn exchanges_need_the_service_key_and_a_valid_body() {
    let desk = Desk::open().await;
    let send = async |path: &str, key: Option<&str>, body: &str| {
        desk.components
            .door
            .send_raw("POST", path, key, body.to_owned())
            .await
    };
    for path in [
        "/messenger/internal/exchange",
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
    for body in ["", "{", "{}", r#"{"sidecar":"s","number":1,"commands":[{}]}"#] {
        assert_eq!(
            send("/messenger/internal/exchange", Some(MESSENGER_KEY), body)
                .await
                .status,
            400,
            "{body}"
        );
    }
}

#[tokio::test]
async fn credentials_of_a_batch_are_authenticated_independently() {
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
    let body = json!({"authorizations": [
        bearer(&support.token), "nonsense", bearer(&person.token), bearer(&superadmin.token), bearer("organizer:x"),
    ]});
    let path = "/messenger/internal/authenticate";
    let reply = desk
        .components
        .door
        .send("POST", path, Some(MESSENGER_KEY), Some(&body))
        .await;
    let after = desk
        .database()
        .query_row(
            "SELECT id, made_at FROM updates ORDER BY id DESC LIMIT 1",
            (),
            |row| Ok(json!({"id": row.get::<_, i64>(0)?, "madeAt": row.get::<_, i64>(1)?})),
        )
        .expect("an update");
    let profile = support.get("/organizer/profile").await.json(200);
    let name = format!(
        "{} {}",
        profile["firstName"].as_str().expect("a text"),
        profile["lastName"].as_str().expect("a text")
    );
    let rejected = json!({"verdict": "rejected"});
    let expected = json!({"after": after, "verdicts": [
        {"verdict": "accepted", "principal": {
            "realm": "organizer", "id": support.id, "agencyId": desk.agency.id, "role": 4, "maxOpenChats": 5,
            "name": name,
        }},
        rejected,
        {"verdict": "accepted", "principal": {"realm": "participant", "id": person.id}},
        rejected,
        rejected,
    ]});
    assert_eq!(reply.json(200), expected);

    let alone = desk.components.host_with(&["organizer", "messenger"]);
    let reply = alone
        .send("POST", path, Some(MESSENGER_KEY), Some(&body))
        .await
        .json(200);
    assert_eq!(reply["verdicts"][2], json!({"verdict": "unavailable"}));
    assert_eq!(reply["verdicts"][0]["verdict"], "accepted");
}
