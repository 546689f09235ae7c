//! What protocol 2 adds (PROTOCOL.md): messages said once, chats handed over and given back, organizers who wait.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{Desk, participant, say};
use crate::support::components::{Components, MESSENGER_KEY};

/// A command of a client that speaks protocol 2.
fn two(mut command: Value) -> Value {
    command["protocol"] = json!("two");
    command
}

impl Desk {
    /// Sends one command of a client that speaks protocol 2.
    async fn asks(&mut self, principal: &Value, request: Value) -> Value {
        let command = two(self.command(principal, request));
        self.batch(&[command]).await.remove(0)
    }

    /// What a sidecar says and hears.
    async fn beat(&self, sidecar: &str, organizers: Option<Value>, cursor: &Value) -> Value {
        let body = json!({"sidecar": sidecar, "organizers": organizers, "cursor": cursor});
        let door = &self.components.door;
        door.send(
            "POST",
            "/messenger/internal/beat",
            Some(MESSENGER_KEY),
            Some(&body),
        )
        .await
        .json(200)
    }

    /// What a socket that opens now has as its beginning.
    async fn revision(&self) -> i64 {
        let body = json!({"authorizations": ["Bearer participant:nobody"]});
        let door = &self.components.door;
        let path = "/messenger/internal/authenticate";
        let found = door.send("POST", path, Some(MESSENGER_KEY), Some(&body)).await;
        found.json(200)["revision"].as_i64().expect("a number")
    }

    fn attends(&self, organizer_id: i64) -> Value {
        json!([{"organizerId": organizer_id, "agencyId": self.agency.id}])
    }

    async fn tick(&self) {
        let door = &self.components.door;
        let tick = door.send("POST", "/messenger/internal/tick", Some(MESSENGER_KEY), None);
        tick.await.empty(200);
    }

    /// Lets time pass: what has a time in the database gets older.
    fn later(&self, seconds: i64) {
        let database = Connection::open(self.components.database("messenger")).expect("a database");
        let millis = seconds * 1000;
        for statement in [
            "UPDATE attendance SET seen_at = seen_at - ?1",
            "UPDATE hearing SET since = since - ?1",
            "UPDATE chats SET assigned_at = assigned_at - ?1",
            "UPDATE waiting_organizers SET since = since - ?1",
        ] {
            database.execute(statement, [millis]).expect(statement);
        }
    }

    /// The agency's owner, as a principal.
    fn owner(&self) -> Value {
        json!({"realm": "organizer", "id": self.agency.owner.id, "agencyId": self.agency.id})
    }
}

/// The types of some frames, with the audience if there is one.
fn kinds(deliveries: &Value) -> Vec<(&str, &str)> {
    let deliveries = deliveries.as_array().expect("a list");
    deliveries
        .iter()
        .map(|delivery| {
            (
                delivery["frame"]["type"].as_str().expect("text"),
                delivery["audience"].as_str().unwrap_or("everyone"),
            )
        })
        .collect()
}

/// Protocol 2: what a client says under an id of its own is said once, however often and by whichever connection it comes.
#[tokio::test]
async fn a_message_with_a_client_id_is_said_once() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "Lost").await;
    let chat_id = desk.start().await;
    let (support, participant) = (desk.support(), participant(&person));
    let client_id = "0198C0DE-0000-7000-8000-0000000000aa";
    let say = |text: &str, client_id: &str| json!({"type": "sendMessage", "chatId": chat_id, "message": text, "clientId": client_id});

    let commands = [
        two(desk.command(&participant, say("one", client_id))),
        two(desk.command(&participant, say("one", client_id))),
        // The same id is another message from somebody else.
        two(desk.command(&support, say("two", client_id))),
    ];
    let outcomes = desk.batch(&commands).await;
    let saved = outcomes[0]["reply"].clone();
    assert_eq!(saved["type"], "message_saved");
    let payload = &saved["payload"];
    assert_eq!(
        (&payload["clientId"], &payload["chatId"], &payload["seq"]),
        (&json!(client_id), &json!(chat_id), &json!(2))
    );
    let delivery = &outcomes[0]["deliveries"][0];
    assert_eq!(delivery["more"], json!({"seq": 2, "clientId": client_id}));
    assert_eq!(delivery["frame"]["payload"]["id"], payload["id"]);
    assert_eq!(delivery["again"], Value::Null);
    assert_eq!(outcomes[1]["reply"], saved);
    assert_eq!(outcomes[1]["deliveries"][0]["again"], true);
    assert_eq!(outcomes[2]["reply"]["payload"]["seq"], 3);

    // On another connection, written otherwise, with another text: the first one counts.
    let again = desk.command(&participant, say("other", &client_id.to_lowercase()));
    let again = desk.batch(&[two(again)]).await.remove(0);
    assert_eq!(again["reply"]["payload"]["id"], payload["id"]);
    assert_eq!(again["reply"]["payload"]["clientId"], client_id.to_lowercase());
    assert_eq!(again["deliveries"][0]["frame"]["payload"]["content"], "one");

    // Behind the end of the chat it is still known, and shown to nobody; what is new is refused.
    desk.one(&support, json!({"type": "closeChat", "chatId": chat_id}))
        .await;
    let after = desk.command(&participant, say("one", client_id));
    let after = desk.batch(&[two(after)]).await.remove(0);
    assert_eq!(after, json!({"reply": saved}));
    let other_id = "0198c0de-0000-7000-8000-0000000000ab";
    let refused = desk.command(&participant, say("late", other_id));
    let refused = desk.batch(&[two(refused)]).await.remove(0);
    let payload = &refused["reply"]["payload"];
    assert_eq!(
        (&payload["code"], &payload["clientId"]),
        (&json!("no_access"), &json!(other_id))
    );
    let messages = desk.agency.support.archived_contents("agency", &chat_id).await;
    assert_eq!(messages, ["Problem description: Lost", "one", "two"]);
}

/// Protocol 2: a client asks for what it lacks.
#[tokio::test]
async fn a_history_can_be_read_in_parts() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let chat_id = desk.start().await;
    let participant = participant(&person);
    for number in 1..=5 {
        desk.one(&participant, say(&chat_id, &number.to_string())).await;
    }
    for (after_seq, limit, expected) in [
        (0, None, vec![1, 2, 3, 4, 5]),
        (3, None, vec![4, 5]),
        (1, Some(2), vec![2, 3]),
        (5, Some(2), vec![]),
        (9, None, vec![]),
    ] {
        let request =
            json!({"type": "getChatHistory", "chatId": chat_id, "afterSeq": after_seq, "limit": limit});
        let mut command = desk.command(&participant, request);
        let contract = desk.batch(std::slice::from_ref(&command)).await.remove(0);
        assert_eq!(contract["reply"]["payload"]["lastSeq"], Value::Null);
        command["protocol"] = json!("two");
        let payload = desk.batch(&[command]).await.remove(0)["reply"]["payload"].take();
        assert_eq!(payload["lastSeq"], 5);
        let seqs: Vec<_> = payload["messages"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|message| message["seq"].clone())
            .collect();
        assert_eq!(seqs, expected, "{payload}");
    }
}

#[tokio::test]
async fn a_chat_is_handed_over_to_a_colleague() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "Lost").await;
    let chat_id = desk.start().await;
    let (support, owner, participant) = (desk.support(), desk.owner(), participant(&person));
    let transfer =
        |organizer_id: i64| json!({"type": "transferChat", "chatId": chat_id, "organizerId": organizer_id});
    desk.one(&participant, say(&chat_id, "hello")).await;

    let stranger = desk.components.agency("Other").await.support.id;
    for unknown in [stranger, desk.agency.support.id, 0] {
        let refused = desk.asks(&support, transfer(unknown)).await;
        let error =
            json!({"message": format!("no colleague with id {unknown}"), "code": "unknown_colleague"});
        assert_eq!(refused, json!({"reply": {"type": "error", "payload": error}}));
    }
    for outsider in [&owner, &participant] {
        let refused = desk.asks(outsider, transfer(desk.agency.owner.id)).await;
        assert_eq!(refused["reply"]["payload"]["code"], "no_access");
    }

    let command = two(desk.command(&support, transfer(desk.agency.owner.id)));
    let outcome = desk.batch(std::slice::from_ref(&command)).await.remove(0);
    let deliveries = &outcome["deliveries"];
    assert_eq!(
        kinds(deliveries),
        [
            ("user_message", "everyone"),
            ("new_chat", "everyone"),
            ("chat_transferred", "two"),
            ("closed_chat", "everyone"),
        ]
    );
    let to = |index: usize| deliveries[index]["to"].clone();
    let organizer = |id: i64| json!({"realm": "organizer", "id": id});
    let (before, after) = (organizer(desk.agency.support.id), organizer(desk.agency.owner.id));
    assert_eq!(to(0), json!([before, participant]));
    assert_eq!(
        [to(1), to(2), to(3)],
        [json!([after]), json!([participant]), json!([before])]
    );
    assert_eq!(deliveries[0]["more"], json!({"seq": 3, "system": true}));
    let positions = [0, 1, 2, 3].map(|index: usize| deliveries[index]["place"]["position"].as_i64());
    assert_eq!(positions, [Some(3), Some(4), Some(4), Some(4)]);
    assert_eq!(deliveries[3]["place"]["stage"], "closes");
    let told = json!({
        "chatId": chat_id, "fromOrganizerId": desk.agency.support.id, "organizerId": desk.agency.owner.id,
    });
    assert_eq!(deliveries[2]["frame"]["payload"], told);
    assert_eq!(deliveries[3]["instead"], deliveries[2]["frame"]);
    assert_eq!(
        desk.batch(&[command]).await.remove(0),
        outcome,
        "a batch that comes again"
    );

    let refused = desk.asks(&support, say(&chat_id, "mine?")).await;
    assert_eq!(refused["reply"]["payload"]["code"], "no_access");
    let said = desk.asks(&owner, say(&chat_id, "here I am")).await;
    assert_eq!(said["deliveries"][0]["place"]["position"], 5, "behind new_chat");
    assert_eq!(said["deliveries"][0]["more"]["seq"], 4);
    let history = desk
        .asks(&owner, json!({"type": "getChatHistory", "chatId": chat_id}))
        .await;
    let messages = history["reply"]["payload"]["messages"]
        .as_array()
        .expect("a list");
    let contents: Vec<_> = messages.iter().map(|message| &message["content"]).collect();
    let note = "A colleague takes over this chat.";
    assert_eq!(
        contents,
        ["Problem description: Lost", "hello", note, "here I am"]
    );
    let closed = desk
        .asks(&owner, json!({"type": "closeChat", "chatId": chat_id}))
        .await;
    assert_eq!(closed["deliveries"][0]["place"]["position"], 6);
}

#[tokio::test]
async fn who_waits_for_a_request_is_given_the_next_one() {
    let mut desk = Desk::open().await;
    let (support, owner) = (desk.support(), desk.owner());
    let wait = |wait: bool| json!({"type": "startChat", "wait": wait});
    let cursor = desk
        .beat("s", Some(desk.attends(desk.agency.support.id)), &Value::Null)
        .await["next"]
        .clone();
    let waits = desk.asks(&support, wait(true)).await;
    assert_eq!(waits["reply"]["payload"]["code"], "waiting");
    assert_eq!(
        desk.asks(&owner, wait(true)).await["reply"]["payload"]["code"],
        "waiting"
    );
    assert_eq!(
        desk.asks(&owner, wait(false)).await["reply"]["payload"]["code"],
        "not_waiting"
    );

    let person = desk.presses("p", "Lost").await;
    let news = desk.beat("s", None, &cursor).await;
    assert_eq!(
        kinds(&news["deliveries"]),
        [("new_chat", "everyone"), ("user_message", "everyone")]
    );
    let chat = &news["deliveries"][0]["frame"]["payload"];
    assert_eq!(
        (&chat["organizerId"], &chat["participantId"]),
        (&json!(desk.agency.support.id), &json!(person.id))
    );
    assert_eq!(news["queues"][0]["waiting"], json!([]));
    let other = desk.beat("other", None, &cursor).await;
    assert_eq!(other["deliveries"], news["deliveries"], "every sidecar hears it");
    let nothing = desk.beat("s", None, &news["next"]).await;
    assert_eq!(
        (&nothing["deliveries"], &nothing["queues"]),
        (&json!([]), &json!([]))
    );

    // It was one request that was waited for.
    let second = desk.presses("second", "").await;
    let news = desk.beat("s", None, &news["next"]).await;
    assert_eq!(news["deliveries"], json!([]));
    let waiting = &news["queues"][0]["waiting"];
    assert_eq!(
        (waiting.as_array().map(Vec::len), &waiting[0]["participantId"]),
        (Some(1), &json!(second.id))
    );
    // Who asks while somebody waits need not wait.
    let started = desk.asks(&support, wait(true)).await;
    assert_eq!(kinds(&started["deliveries"]), [("new_chat", "everyone")]);
}

#[tokio::test]
async fn waiting_ends_with_the_last_connection() {
    let mut desk = Desk::open().await;
    let support = desk.support();
    let attends = desk.attends(desk.agency.support.id);
    desk.beat("left", Some(attends.clone()), &Value::Null).await;
    desk.beat("right", Some(attends), &Value::Null).await;
    desk.asks(&support, json!({"type": "startChat", "wait": true}))
        .await;
    desk.later(10);
    let attends = desk.attends(desk.agency.support.id);
    desk.beat("right", Some(attends), &Value::Null).await;
    desk.beat("left", Some(json!([])), &Value::Null).await;
    let person = desk.presses("p", "").await;
    let news = desk.beat("right", None, &json!(0)).await;
    assert_eq!(
        kinds(&news["deliveries"]),
        [("new_chat", "everyone")],
        "still at the right one"
    );
    assert_eq!(
        news["deliveries"][0]["frame"]["payload"]["participantId"],
        person.id
    );

    desk.asks(&support, json!({"type": "startChat", "wait": true}))
        .await;
    desk.later(10);
    desk.beat("right", Some(json!([])), &Value::Null).await;
    desk.presses("second", "").await;
    let news = desk.beat("right", None, &news["next"]).await;
    assert_eq!(news["deliveries"], json!([]));
    assert_eq!(news["queues"][0]["waiting"].as_array().map(Vec::len), Some(1));
}

/// A sidecar that was not heard for a moment still has those who wait with it.
#[tokio::test]
async fn waiting_goes_on_when_a_sidecar_is_silent_for_a_while() {
    let mut desk = Desk::open().await;
    let (support, attends) = (desk.support(), desk.attends(desk.agency.support.id));
    let wait = json!({"type": "startChat", "wait": true});
    for (silent_for, is_given) in [(10, true), (61, false)] {
        desk.beat("left", Some(attends.clone()), &Value::Null).await;
        let waits = desk.asks(&support, wait.clone()).await;
        assert_eq!(waits["reply"]["payload"]["code"], "waiting");
        let cursor = desk.beat("right", None, &json!(0)).await["next"].clone();
        desk.later(silent_for);
        desk.presses(&format!("p{silent_for}"), "").await;
        let news = desk.beat("right", Some(json!([])), &cursor).await;
        assert_eq!(news["deliveries"], json!([]), "nobody is known to be there");
        desk.tick().await;
        let news = desk.beat("left", Some(attends.clone()), &cursor).await;
        let given = kinds(&news["deliveries"]).contains(&("new_chat", "everyone"));
        assert_eq!(given, is_given, "silent for {silent_for} s");
    }
}

/// What the latest pickups say is true for ten minutes, also for those who wait and look.
#[tokio::test]
async fn an_estimate_ends_with_the_time_it_speaks_of() {
    let mut desk = Desk::open().await;
    desk.presses("first", "").await;
    desk.start().await;
    let database = Connection::open(desk.components.database("messenger")).expect("a database");
    let picked_up = |millis_ago: i64| {
        let statement = "UPDATE chats SET time_start = unixepoch() * 1000 - ?1, pressed_at = unixepoch() * 1000 - ?1 - 7000
             WHERE time_start IS NOT NULL";
        database.execute(statement, [millis_ago]).expect(statement);
    };
    picked_up(0);
    desk.presses("second", "").await;
    let before = desk.beat("s", None, &json!(0)).await;
    assert_eq!(before["queues"][0]["estimate"], 7);
    desk.tick().await;
    assert_eq!(desk.beat("s", None, &before["next"]).await["queues"], json!([]));
    picked_up(600_001);
    desk.tick().await;
    let after = desk.beat("s", None, &before["next"]).await;
    let queue = &after["queues"][0];
    assert_eq!(
        (queue["waiting"].as_array().map(Vec::len), &queue["estimate"]),
        (Some(1), &Value::Null)
    );
}

/// One client that asks for much does not keep the others of its batch from theirs.
#[tokio::test]
async fn a_batch_ends_where_its_answer_gets_too_long() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let chat_id = desk.start().await;
    let participant = participant(&person);
    let text = "ż".repeat(16_000);
    for _ in 0..2 {
        let batch: Vec<Value> = (0..75)
            .map(|_| desk.command(&participant, say(&chat_id, &text)))
            .collect();
        assert_eq!(desk.batch(&batch).await.len(), batch.len());
    }
    let history = json!({"type": "getChatHistory", "chatId": chat_id});
    let commands = [
        desk.command(&participant, say(&chat_id, "before")),
        desk.command(&participant, history.clone()),
        desk.command(&participant, history.clone()),
        desk.command(&participant, say(&chat_id, "behind")),
    ];
    let first = desk.batch(&commands).await;
    assert_eq!(first.len(), 2);
    // Those who know no numbers see the latest, and no message twice.
    let messages = first[1]["reply"]["payload"]["messages"]
        .as_array()
        .expect("a list");
    assert_eq!(messages.last().expect("one")["content"], "before");
    assert_eq!(messages.len(), 130);
    assert_eq!(first[1]["shown"], json!({"chatId": chat_id, "position": 151}));
    // Asked again, all of it.
    let again = desk.batch(&commands).await;
    assert_eq!(again.len(), 2);
    assert_eq!(again[0]["deliveries"], first[0]["deliveries"]);
    assert_eq!(desk.batch(&commands[2..]).await.len(), 1);
    assert_eq!(desk.batch(&commands[3..]).await.len(), 1);

    // The others read on from the last number.
    let mut next = 1;
    while next <= 152 {
        let part = json!({"type": "getChatHistory", "chatId": chat_id, "afterSeq": next - 1, "limit": 1000});
        let part = desk.asks(&participant, part).await;
        assert_eq!(part["shown"], Value::Null);
        let part = &part["reply"]["payload"];
        assert_eq!(part["lastSeq"], 152);
        for message in part["messages"].as_array().expect("a list") {
            assert_eq!(message["seq"], next);
            next += 1;
        }
    }
    let archive = person.archived_contents("participant", &chat_id).await;
    assert_eq!(archive.len(), 152, "the archive has everything");
}

/// An agency may say how many chats an organizer has at most.
#[tokio::test]
async fn no_organizer_gets_more_chats_than_the_agency_allows() {
    let mut desk = Desk::open().await;
    let mut support = desk.support();
    support["maxOpenChats"] = json!(1);
    for name in ["a", "b", "c"] {
        desk.presses(name, "").await;
    }
    let start = json!({"type": "startChat"});
    let first = desk.asks(&support, start.clone()).await;
    assert_eq!(kinds(&first["deliveries"]), [("new_chat", "everyone")]);
    let refused = desk.asks(&support, start.clone()).await;
    let message = "you have reached the limit of 1 open chats";
    let error = json!({"message": message, "code": "too_many_chats"});
    assert_eq!(refused, json!({"reply": {"type": "error", "payload": error}}));
    let contract = desk.one(&support, start.clone()).await;
    assert_eq!(contract["reply"]["payload"], json!({"message": message}));

    let mut owner = desk.owner();
    owner["maxOpenChats"] = json!(1);
    desk.asks(&owner, start.clone()).await;
    let chat_id = &first["deliveries"][0]["place"]["chatId"];
    let transfer = json!({"type": "transferChat", "chatId": chat_id, "organizerId": desk.agency.owner.id});
    let refused = desk.asks(&support, transfer).await;
    assert_eq!(refused["reply"]["payload"]["code"], "too_many_chats");

    desk.asks(&support, json!({"type": "closeChat", "chatId": chat_id}))
        .await;
    let next = desk.asks(&support, start).await;
    assert_eq!(kinds(&next["deliveries"]), [("new_chat", "everyone")]);
}

/// Whoever waits and is gone in the moment of the press has the chat for some seconds, not for as long as one who was there.
#[tokio::test]
async fn a_chat_that_was_given_to_nobody_soon_waits_again() {
    let mut desk = Desk::open().await;
    let (support, nobody) = (desk.support(), json!([]));
    let here = desk.attends(desk.agency.support.id);
    let waits = json!({"type": "startChat", "wait": true});
    for is_there in [true, false] {
        desk.beat("s", Some(here.clone()), &Value::Null).await;
        desk.asks(&support, waits.clone()).await;
        desk.presses(&format!("p{is_there}"), "").await;
        let cursor = desk.beat("other", Some(nobody.clone()), &Value::Null).await["next"].clone();
        if is_there {
            desk.beat("s", Some(here.clone()), &Value::Null).await;
        }
        let requeued = async || {
            desk.beat("other", Some(nobody.clone()), &Value::Null).await;
            desk.tick().await;
            let news = desk.beat("other", None, &cursor).await;
            kinds(&news["deliveries"]).contains(&("chat_requeued", "two"))
        };
        desk.later(9);
        assert!(!requeued().await, "the client may be about to come back");
        desk.later(2);
        assert_eq!(requeued().await, !is_there);
    }
}

/// A limit that an agency sets counts for those who wait already.
#[tokio::test]
async fn who_waits_is_given_no_more_chats_than_the_agency_allows_now() {
    let mut desk = Desk::open().await;
    let support = desk.support();
    let here = |limit: Option<u32>| json!([{"organizerId": desk.agency.support.id, "agencyId": desk.agency.id, "maxOpenChats": limit}]);
    let (free, full) = (here(None), here(Some(1)));
    desk.presses("first", "").await;
    desk.start().await;
    desk.beat("s", Some(free.clone()), &Value::Null).await;
    desk.asks(&support, json!({"type": "startChat", "wait": true}))
        .await;
    let mut cursor = desk.beat("s", Some(full), &Value::Null).await["next"].clone();
    desk.presses("second", "").await;
    for (attends, expected) in [(None, &[][..]), (Some(free), &[("new_chat", "everyone")])] {
        // What is given out with a beat is in its news.
        let news = desk.beat("s", attends, &cursor).await;
        assert_eq!(kinds(&news["deliveries"]), expected);
        cursor = news["next"].clone();
    }
}

#[tokio::test]
async fn a_chat_whose_organizer_is_gone_for_too_long_waits_again() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "Lost").await;
    let chat_id = desk.start().await;
    let behind = desk.presses("behind", "").await;
    let (support, owner, participant) = (desk.support(), desk.owner(), participant(&person));
    let cursor = desk
        .beat("s", Some(desk.attends(desk.agency.support.id)), &Value::Null)
        .await["next"]
        .clone();
    desk.later(600);
    desk.beat("s", Some(desk.attends(desk.agency.support.id)), &Value::Null)
        .await;
    desk.tick().await;
    let news = desk.beat("s", None, &cursor).await;
    assert_eq!(news["deliveries"], json!([]), "somebody is there");

    desk.beat("s", Some(json!([])), &Value::Null).await;
    desk.later(59);
    desk.beat("s", Some(json!([])), &Value::Null).await;
    desk.tick().await;
    assert_eq!(
        desk.beat("s", None, &cursor).await["deliveries"],
        json!([]),
        "not for long enough"
    );
    desk.later(2);
    desk.beat("s", Some(json!([])), &Value::Null).await;
    desk.tick().await;
    let news = desk.beat("s", None, &cursor).await;
    assert_eq!(
        kinds(&news["deliveries"]),
        [
            ("user_message", "everyone"),
            ("chat_requeued", "two"),
            ("closed_chat", "everyone")
        ]
    );
    let organizer = json!({"realm": "organizer", "id": desk.agency.support.id});
    assert_eq!(news["deliveries"][0]["to"], json!([participant]));
    assert_eq!(news["deliveries"][1]["to"], json!([participant]));
    assert_eq!(news["deliveries"][2]["to"], json!([organizer]));
    assert_eq!(news["deliveries"][2]["place"]["stage"], "closes");
    assert_eq!(news["deliveries"][2]["instead"], news["deliveries"][1]["frame"]);
    let waiting = &news["queues"][0]["waiting"];
    assert_eq!(waiting[0]["participantId"], person.id, "at the head");
    assert_eq!(waiting[1]["participantId"], behind.id);

    // The participant goes on; the organizer has lost it.
    let chats = desk.asks(&participant, json!({"type": "getChats"})).await;
    let chat = &chats["reply"]["payload"]["chats"][0];
    assert_eq!(
        (&chat["id"], &chat["state"]),
        (&json!(chat_id), &json!("waiting"))
    );
    let said = desk.asks(&participant, say(&chat_id, "anybody?")).await;
    assert_eq!(said["deliveries"][0]["to"], json!([participant]));
    let refused = desk.asks(&support, say(&chat_id, "me")).await;
    assert_eq!(refused["reply"]["payload"]["code"], "no_access");
    let requests = person.get("/participant/chat-requests/mine").await.list();
    assert_eq!(
        (&requests[0]["state"], &requests[0]["position"]),
        (&json!("waiting"), &json!(1))
    );

    let started = desk.asks(&owner, json!({"type": "startChat"})).await;
    let to_both = [("new_chat", "everyone"), ("new_chat", "two")];
    assert_eq!(kinds(&started["deliveries"]), to_both);
    let new_chat = &started["deliveries"][0];
    assert_eq!(new_chat["frame"]["payload"]["id"], json!(chat_id));
    assert_eq!(started["deliveries"][1]["to"], json!([participant]));
    // Lost, the note, the question.
    assert_eq!(new_chat["more"], json!({"lastSeq": 3}));
    assert_eq!(new_chat["place"]["position"], 4);
    let history = desk
        .asks(&owner, json!({"type": "getChatHistory", "chatId": chat_id}))
        .await;
    let messages = history["reply"]["payload"]["messages"]
        .as_array()
        .expect("a list");
    assert_eq!(messages.len(), 3);
    assert_eq!(
        (&messages[1]["system"], &messages[2]["content"]),
        (&json!(true), &json!("anybody?"))
    );
    let said = desk.asks(&owner, say(&chat_id, "yes")).await;
    assert_eq!(said["deliveries"][0]["place"]["position"], 5);
    assert_eq!(
        desk.asks(&support, json!({"type": "startChat"})).await["deliveries"][0]["frame"]["payload"]["participantId"],
        behind.id
    );
}

/// Nobody is known to be gone while no sidecar is heard.
#[tokio::test]
async fn chats_stay_while_it_is_not_known_who_is_there() {
    let mut desk = Desk::open().await;
    desk.presses("p", "").await;
    desk.start().await;
    let cursor = desk.beat("s", Some(json!([])), &Value::Null).await["next"].clone();
    desk.later(3600);
    // The first beat after an hour of silence; the organizer may be about to come back.
    let database = Connection::open(desk.components.database("messenger")).expect("a database");
    database
        .execute("UPDATE hearing SET heard_at = heard_at - 3600000", ())
        .expect("a row");
    desk.tick().await;
    desk.beat("s", Some(json!([])), &Value::Null).await;
    desk.tick().await;
    assert_eq!(desk.beat("s", None, &cursor).await["deliveries"], json!([]));
}

#[tokio::test]
async fn chats_never_go_back_where_that_is_switched_off() {
    let components = Components::with(
        &["organizer", "participant", "messenger"],
        &[("orphan_requeue_seconds", "0")],
    );
    let agency = components.agency("Fest").await;
    let mut desk = Desk {
        components,
        agency,
        next_command: 1,
    };
    desk.presses("p", "").await;
    desk.start().await;
    desk.beat("s", Some(json!([])), &Value::Null).await;
    desk.later(1_000_000);
    desk.beat("s", Some(json!([])), &Value::Null).await;
    desk.tick().await;
    assert_eq!(desk.beat("s", None, &json!(0)).await["deliveries"], json!([]));
}

#[tokio::test]
async fn a_request_that_waits_again_ends_when_it_is_taken_back() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let chat_id = desk.start().await;
    desk.beat("s", Some(json!([])), &Value::Null).await;
    desk.later(61);
    desk.beat("s", Some(json!([])), &Value::Null).await;
    desk.tick().await;
    let cursor = desk.beat("s", None, &json!(0)).await["next"].clone();
    let path = format!("/participant/chat-requests/mine/{}", desk.agency.event_id);
    person.delete(&path).await.empty(200);
    // The participant's other devices had it open.
    let news = desk.beat("s", None, &cursor).await;
    let told = &news["deliveries"][0];
    assert_eq!(kinds(&news["deliveries"]), [("closed_chat", "everyone")]);
    assert_eq!(
        (&told["to"], &told["place"]["stage"]),
        (&json!([participant(&person)]), &json!("closes"))
    );
    assert!(!person.has_requested(desk.agency.event_id).await);
    let archive = person.archive("participant").await;
    assert_eq!((archive.len(), &archive[0]["id"]), (1, &json!(chat_id)));
    let none = desk.asks(&desk.owner(), json!({"type": "startChat"})).await;
    assert_eq!(none["reply"]["payload"]["code"], "no_new_chats");
}

#[tokio::test]
async fn each_side_learns_what_the_other_does() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "Lost").await;
    let chat_id = desk.start().await;
    let (support, owner, participant) = (desk.support(), desk.owner(), participant(&person));
    desk.one(&participant, say(&chat_id, "hello")).await;
    let organizer = json!({"realm": "organizer", "id": desk.agency.support.id});

    let typing = json!({"type": "typing", "chatId": chat_id});
    let typed = desk.asks(&support, typing.clone()).await;
    let delivery = json!({
        "to": [participant], "audience": "two",
        "frame": {"type": "typing", "payload": {"chatId": chat_id, "authorId": desk.agency.support.id, "fromOrganizer": 1}},
    });
    assert_eq!(typed, json!({"deliveries": [delivery]}));
    let read = |seq: i64| json!({"type": "read", "chatId": chat_id, "seq": seq});
    for (seq, told) in [(1, Some(1)), (1, None), (0, None), (99, Some(2)), (2, None)] {
        let outcome = desk.asks(&participant, read(seq)).await;
        let expected = told.map_or_else(
            || json!({}),
            |seq| {
                let frame =
                    json!({"type": "read", "payload": {"chatId": chat_id, "seq": seq, "fromOrganizer": 0}});
                json!({"deliveries": [{"to": [organizer], "audience": "two", "frame": frame}]})
            },
        );
        assert_eq!(outcome, expected, "read up to {seq}");
    }
    for (principal, read_seq, own_read_seq) in [(&support, 2, 0), (&participant, 0, 2)] {
        let chats = desk.asks(principal, json!({"type": "getChats"})).await;
        let chat = &chats["reply"]["payload"]["chats"][0];
        assert_eq!(
            (&chat["readSeq"], &chat["ownReadSeq"], &chat["lastSeq"]),
            (&json!(read_seq), &json!(own_read_seq), &json!(2))
        );
        let contract = desk.one(principal, json!({"type": "getChats"})).await;
        assert_eq!(contract["reply"]["payload"]["chats"][0]["readSeq"], Value::Null);
    }
    for request in [typing, read(1)] {
        let refused = desk.asks(&owner, request).await;
        assert_eq!(refused["reply"]["payload"]["code"], "no_access");
    }
    assert_eq!(
        desk.agency
            .support
            .archived_contents("agency", &chat_id)
            .await
            .len(),
        2,
        "nothing of it is stored"
    );
}

#[tokio::test]
async fn who_has_missed_too_much_news_is_told_so() {
    let desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let all = desk.beat("s", None, &Value::Null).await;
    assert_eq!(all["complete"], false, "somebody may be there already");
    assert_eq!(all["deliveries"], json!([]));
    assert_eq!(all["queues"][0]["waiting"][0]["participantId"], person.id);
    let database = Connection::open(desk.components.database("messenger")).expect("a database");
    database.execute("UPDATE news SET made_at = 0", ()).expect("rows");
    desk.tick().await;
    for (cursor, complete) in [
        (all["next"].clone(), true),
        (json!(0), false),
        (json!(1_000_000), false),
    ] {
        let news = desk.beat("s", None, &cursor).await;
        assert_eq!(news["complete"], complete, "{cursor}");
        assert_eq!(news["next"], all["next"]);
    }
}

/// What happens has a number, and so has a socket's beginning: what came before a socket is told apart from what came after, however late it arrives.
#[tokio::test]
async fn changes_are_counted() {
    let mut desk = Desk::open().await;
    desk.presses("p", "Lost").await;
    let support = desk.support();
    let ask = async |desk: &mut Desk, request: Value| {
        let command = desk.command(&support, request);
        let body = json!({"commands": [command]});
        let path = "/messenger/internal/commands";
        let door = &desk.components.door;
        door.send("POST", path, Some(MESSENGER_KEY), Some(&body))
            .await
            .json(200)["revision"]
            .clone()
    };
    let before = desk.revision().await;
    assert_eq!(ask(&mut desk, json!({"type": "getChats"})).await, Value::Null);
    assert_eq!(desk.revision().await, before);
    let started = ask(&mut desk, json!({"type": "startChat"})).await;
    assert_eq!(started, json!(before + 1));
    assert_eq!(desk.revision().await, before + 1);

    let cursor = desk
        .beat("s", Some(desk.attends(desk.agency.support.id)), &Value::Null)
        .await["next"]
        .clone();
    let waits = ask(&mut desk, json!({"type": "startChat", "wait": true})).await;
    assert_eq!(waits, json!(before + 2));
    desk.presses("q", "").await;
    let news = desk.beat("s", None, &cursor).await;
    assert_eq!(news["deliveries"][0]["revision"], json!(before + 3));
    assert_eq!(desk.revision().await, before + 3);
}

/// The answer to `start_chat` is lost, and before it is asked again the chat is closed elsewhere: it is not opened once more.
#[tokio::test]
async fn a_chat_that_was_closed_is_not_given_again() {
    let mut desk = Desk::open().await;
    desk.presses("p", "").await;
    let support = desk.support();
    let start = desk.command(&support, json!({"type": "startChat"}));
    let first = desk.batch(std::slice::from_ref(&start)).await.remove(0);
    let again = desk.batch(std::slice::from_ref(&start)).await.remove(0);
    assert_eq!(again, first);
    let place = &first["deliveries"][0]["place"];
    assert_eq!(place["stage"], "opens");
    let close = json!({"type": "closeChat", "chatId": place["chatId"]});
    let closed = desk.one(&support, close).await;
    assert_eq!(closed["deliveries"][0]["place"]["stage"], "closes");
    let after = desk.batch(&[start]).await.remove(0);
    let nothing = json!({"type": "info", "payload": {"message": "no new chats"}});
    assert_eq!(after, json!({"reply": nothing}));
}

/// A sidecar that ends without a word may not have passed on what it has shown; whoever is at another one is to look. One that takes leave has.
#[tokio::test]
async fn everybody_looks_when_a_sidecar_is_lost() {
    let desk = Desk::open().await;
    let here = json!([]);
    let mut cursor = desk.beat("stays", Some(here.clone()), &Value::Null).await["next"].clone();
    desk.beat("is lost", Some(here.clone()), &Value::Null).await;
    desk.beat("leaves", Some(here.clone()), &Value::Null).await;
    let farewell = json!({"sidecar": "leaves", "organizers": [], "leaves": true});
    let door = &desk.components.door;
    door.send(
        "POST",
        "/messenger/internal/beat",
        Some(MESSENGER_KEY),
        Some(&farewell),
    )
    .await
    .json(200);
    let database = Connection::open(desk.components.database("messenger")).expect("a database");
    let known = || -> String {
        let sql = "SELECT group_concat(id ORDER BY id) FROM sidecars WHERE is_lost = 0";
        database.query_row(sql, (), |row| row.get(0)).expect("names")
    };
    assert_eq!(known(), "is lost,stays");

    desk.presses("p", "").await;
    let news = desk.beat("stays", Some(here.clone()), &cursor).await;
    assert_eq!(news["complete"], true);
    cursor = news["next"].clone();
    database
        .execute(
            "UPDATE sidecars SET seen_at = seen_at - 4000 WHERE id = 'is lost'",
            (),
        )
        .expect("SQL");
    let news = desk.beat("stays", Some(here.clone()), &cursor).await;
    assert_eq!(news["complete"], false);
    assert_eq!(news["queues"].as_array().map(Vec::len), Some(1), "all there are");
    let other = desk.beat("other", None, &cursor).await;
    assert_eq!(other["complete"], false, "every sidecar hears of it");
    assert_eq!(known(), "stays");
    let news = desk.beat("stays", Some(here.clone()), &news["next"]).await;
    assert_eq!(news["complete"], true, "once");

    // It was there all the time, heard by a host whose clock is behind, and is given more time.
    let silent_for = |millis: i64| {
        let sql = "UPDATE sidecars SET seen_at = seen_at - ?1 WHERE id = 'is lost'";
        database.execute(sql, [millis]).expect("SQL");
    };
    desk.beat("is lost", Some(here.clone()), &Value::Null).await;
    for (millis, complete) in [(4_000, true), (3_000, false)] {
        silent_for(millis);
        let news = desk.beat("stays", Some(here.clone()), &news["next"]).await;
        assert_eq!(news["complete"], complete);
    }
}
