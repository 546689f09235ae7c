//! Protocol 2 (PROTOCOL.md): idempotent messages, transfers, re-queued chats, waiting organizers.

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::{Desk, chat_id, contents, participant, say, user};
use crate::support::components::MESSENGER_KEY;
use crate::support::sidecar::{Delivery, Heard, Sidecar, organizer};

/// Makes a command one of protocol 2.
fn two(mut command: Value) -> Value {
    command["protocol"] = json!("two");
    command
}

impl Desk {
    /// Sends one command of protocol 2.
    pub(super) async fn asks(&mut self, principal: &Value, request: Value) -> Heard {
        let command = two(self.command(principal, request));
        self.exchange(&[command]).await
    }

    /// Sends a beat with the attendance of a sidecar.
    pub(super) async fn beat(&self, sidecar: &mut Sidecar, present: Option<Value>) -> Heard {
        sidecar.beat(&self.components.door, present).await
    }

    /// The attendance of one organizer, heard just now.
    pub(super) fn here(&self, organizer_id: i64) -> Value {
        self.silent(organizer_id, 0)
    }

    /// The same, silent for a while.
    pub(super) fn silent(&self, organizer_id: i64, millis: i64) -> Value {
        json!([{"organizerId": organizer_id, "agencyId": self.agency.id, "silentFor": millis}])
    }

    /// The organizers who are present, by id.
    async fn colleagues(&self) -> Value {
        let answer = self.agency.support.get("/messenger/agency/organizers").await;
        answer.json(200)
    }

    pub(super) async fn tick(&self) {
        let door = &self.components.door;
        let tick = door.send("POST", "/messenger/internal/tick", Some(MESSENGER_KEY), None);
        tick.await.empty(200);
    }

    /// Puts all chats back into the queue: their organizers are not heard for longer than a minute.
    pub(super) async fn requeue(&self, sidecar: &mut Sidecar) {
        self.beat(sidecar, Some(json!([]))).await;
        self.later(61);
        self.beat(sidecar, Some(json!([]))).await;
        self.tick().await;
        self.beat(sidecar, None).await;
    }

    /// Lets time pass by making the times in the database older.
    pub(super) fn later(&self, seconds: i64) {
        let database = self.database();
        let millis = seconds * 1000;
        for statement in [
            "UPDATE attendance SET seen_at = seen_at - ?1, heard_at = heard_at - ?1",
            "UPDATE hearing SET since = since - ?1",
            "UPDATE chats SET assigned_at = assigned_at - ?1, given_at = given_at - ?1",
            "UPDATE waiting_organizers SET since = since - ?1",
            "UPDATE organizers_to_inform SET requeued_at = requeued_at - ?1",
        ] {
            database.execute(statement, [millis]).expect(statement);
        }
    }

    /// The agency's owner, as a principal.
    pub(super) fn owner(&self) -> Value {
        organizer(self.agency.owner.id, self.agency.id)
    }
}

/// Types and audiences as [`Heard::kinds`] has them.
pub(super) fn kinds(kinds: &[(&str, &'static str)]) -> Vec<(String, &'static str)> {
    kinds
        .iter()
        .map(|(kind, audience)| ((*kind).to_owned(), *audience))
        .collect()
}

fn code(heard: &Heard) -> &Value {
    &heard.replies[0]["payload"]["code"]
}

const WAIT: &str = r#"{"type": "startChat", "wait": true}"#;

fn wait() -> Value {
    serde_json::from_str(WAIT).expect("JSON")
}

/// A client id stores a message once, however often and over whichever connection it comes.
#[tokio::test]
async fn a_message_with_a_client_id_is_stored_and_shown_once() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "Lost").await;
    let chat_id = desk.start().await;
    let (support, participant) = (desk.support(), participant(&person));
    let client_id = "0198C0DE-0000-7000-8000-0000000000aa";
    let say = |text: &str, client_id: &str| json!({"type": "sendMessage", "chatId": chat_id, "message": text, "clientId": client_id});

    let commands = [
        two(desk.command(&participant, say("one", client_id))),
        two(desk.command(&participant, say("one", client_id))),
        // The same client id of another author is another message.
        two(desk.command(&support, say("two", client_id))),
    ];
    let heard = desk.exchange(&commands).await;
    let saved = heard.replies[0].clone();
    assert_eq!(saved["type"], "message_saved");
    let payload = &saved["payload"];
    assert_eq!(
        (&payload["clientId"], &payload["chatId"], &payload["seq"]),
        (&json!(client_id), &json!(chat_id), &json!(2))
    );
    assert_eq!(heard.replies[1], saved);
    assert_eq!(heard.replies[2]["payload"]["seq"], 3);
    let deliveries = heard.deliveries();
    assert_eq!(deliveries.len(), 2, "{deliveries:?}");
    let shown = deliveries[0].payload();
    assert_eq!(
        (&shown["seq"], &shown["clientId"], &shown["id"]),
        (&json!(2), &json!(client_id), &payload["id"])
    );

    // On another connection, with the id in another case and another text: the first one counts.
    let again = desk
        .asks(&participant, say("other", &client_id.to_lowercase()))
        .await;
    let payload_again = &again.replies[0]["payload"];
    assert_eq!(payload_again["id"], payload["id"]);
    assert_eq!(payload_again["clientId"], client_id.to_lowercase());
    assert!(again.deliveries().is_empty(), "it is not shown again: {again:?}");

    // After the end of the chat the id is still known. A new message is refused.
    desk.one(&support, json!({"type": "closeChat", "chatId": chat_id}))
        .await;
    let after = desk.asks(&participant, say("one", client_id)).await;
    assert_eq!(after.replies, [saved]);
    assert!(after.deliveries().is_empty());
    let other_id = "0198c0de-0000-7000-8000-0000000000ab";
    let refused = desk.asks(&participant, say("late", other_id)).await;
    let payload = &refused.replies[0]["payload"];
    assert_eq!(
        (&payload["code"], &payload["clientId"]),
        (&json!("no_access"), &json!(other_id))
    );
    let messages = desk.agency.support.archived_contents("agency", &chat_id).await;
    assert_eq!(messages, ["Problem description: Lost", "one", "two"]);
}

/// A client asks for the messages it lacks.
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
        let contract = desk.one(&participant, request.clone()).await;
        assert_eq!(contract.replies[0]["payload"]["lastSeq"], Value::Null);
        assert_eq!(contents(&contract.replies[0]).len(), 5);
        let heard = desk.asks(&participant, request).await;
        let payload = &heard.replies[0]["payload"];
        assert_eq!(payload["lastSeq"], 5);
        let messages = payload["messages"].as_array().expect("a list");
        let seqs: Vec<_> = messages.iter().map(|message| message["seq"].clone()).collect();
        assert_eq!(seqs, expected, "{payload}");
    }
}

#[tokio::test]
async fn the_colleagues_who_are_present_are_listed_with_their_open_chats() {
    let mut desk = Desk::open().await;
    let (support, owner) = (desk.agency.support.id, desk.agency.owner.id);
    assert_eq!(desk.colleagues().await, json!([]));

    let mut first = Sidecar::new("first");
    desk.beat(&mut first, Some(desk.here(support))).await;
    desk.presses("p", "Lost").await;
    desk.start().await;
    desk.asks(&desk.owner(), wait()).await;
    for sidecar in ["second", "third"] {
        desk.beat(&mut Sidecar::new(sidecar), Some(desk.here(owner)))
            .await;
    }
    let both = json!([
        {"organizerId": owner, "activeChats": 0, "waiting": true},
        {"organizerId": support, "activeChats": 1, "waiting": false},
    ]);
    assert_eq!(desk.colleagues().await, both);
    let other = desk.components.agency("Other").await;
    let elsewhere = other.support.get("/messenger/agency/organizers").await;
    assert_eq!(elsewhere.json(200), json!([]));

    // The first sidecar does not hear its organizer any more, and the others have died.
    desk.beat(&mut first, Some(json!([]))).await;
    assert_eq!(desk.colleagues().await, json!([both[0]]));
    desk.later(6);
    assert_eq!(desk.colleagues().await, json!([]));
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
        assert_eq!(refused.replies, [json!({"type": "error", "payload": error})]);
    }
    for outsider in [&owner, &participant] {
        let refused = desk.asks(outsider, transfer(desk.agency.owner.id)).await;
        assert_eq!(code(&refused), "no_access");
    }

    let heard = desk.asks(&support, transfer(desk.agency.owner.id)).await;
    assert_eq!(
        heard.kinds(),
        kinds(&[
            ("user_message", "everyone"),
            ("new_chat", "everyone"),
            ("chat_transferred", "two"),
            ("closed_chat", "contract"),
        ])
    );
    let deliveries = heard.deliveries();
    let (before, after) = (user(&support), user(&owner));
    let to: Vec<&Value> = deliveries.iter().map(|delivery| &delivery.to).collect();
    assert_eq!(
        to,
        [
            &json!([before, participant]),
            &json!([after]),
            &json!([before, participant]),
            &json!([before])
        ]
    );
    let note = "Mayday: a colleague takes over this chat.";
    let shown = deliveries[0].payload();
    assert_eq!(
        (&shown["content"], &shown["seq"], &shown["system"]),
        (&json!(note), &json!(3), &json!(true))
    );
    assert_eq!(deliveries[1].payload()["lastSeq"], 3);
    let told = json!({
        "chatId": chat_id, "fromOrganizerId": desk.agency.support.id, "organizerId": desk.agency.owner.id,
    });
    assert_eq!(deliveries[2].payload(), &told);

    let refused = desk.asks(&support, say(&chat_id, "mine?")).await;
    assert_eq!(code(&refused), "no_access");
    let said = desk.asks(&owner, say(&chat_id, "here I am")).await;
    assert_eq!(said.deliveries()[0].payload()["seq"], 4);
    let history = desk
        .asks(&owner, json!({"type": "getChatHistory", "chatId": chat_id}))
        .await;
    assert_eq!(
        contents(&history.replies[0]),
        ["Problem description: Lost", "hello", note, "here I am"]
    );
    let closed = desk
        .asks(&owner, json!({"type": "closeChat", "chatId": chat_id}))
        .await;
    assert_eq!(closed.kinds(), kinds(&[("closed_chat", "everyone")]));
}

/// Each question may take a second, and a sidecar waits seven for an exchange.
#[tokio::test]
async fn a_hanging_organizer_service_is_asked_for_colleagues_once_in_an_exchange() {
    let mut desk = Desk::open().await;
    desk.presses("p", "").await;
    let chat_id = desk.start().await;
    let (asked, questions) = mpsc::unbounded_channel();
    let hang = move || {
        _ = asked.send(());
        std::future::pending::<()>()
    };
    let routes = Router::new().route("/organizer/api/colleagues", get(hang));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let messenger = desk
        .components
        .another_host(&["messenger"], &[("organizer_url", &url)]);

    let transfer = json!({"type": "transferChat", "chatId": chat_id, "organizerId": desk.agency.owner.id});
    let mut commands = Vec::new();
    for principal in [desk.support(), organizer(101, 1001), organizer(102, 1002)] {
        commands.push(two(desk.command(&principal, transfer.clone())));
    }
    let heard = desk.sidecar.exchange(&messenger, &commands, None).await;
    assert_eq!(heard.replies.len(), 3);
    assert_eq!(code(&heard), "unavailable");
    assert_eq!(questions.len(), 1);
}

#[tokio::test]
async fn a_waiting_organizer_gets_the_next_request() {
    let mut desk = Desk::open().await;
    let (support, owner) = (desk.support(), desk.owner());
    let (mut s, mut other) = (Sidecar::new("t"), Sidecar::new("other"));
    desk.beat(&mut s, Some(desk.here(desk.agency.support.id))).await;
    desk.beat(&mut other, None).await;
    assert_eq!(code(&desk.asks(&support, wait()).await), "waiting");
    assert_eq!(code(&desk.asks(&owner, wait()).await), "waiting");
    let waits_no_more = desk
        .asks(&owner, json!({"type": "startChat", "wait": false}))
        .await;
    assert_eq!(code(&waits_no_more), "not_waiting");

    let person = desk.presses("p", "Lost").await;
    let heard = desk.beat(&mut s, None).await;
    let started = kinds(&[("new_chat", "everyone"), ("user_message", "everyone")]);
    assert_eq!(heard.kinds(), started);
    let deliveries = heard.deliveries();
    let chat = deliveries[0].payload();
    assert_eq!(
        (&chat["organizerId"], &chat["participantId"]),
        (&json!(desk.agency.support.id), &json!(person.id))
    );
    assert_eq!(heard.queues[0]["waiting"], json!([]));
    let elsewhere = desk.beat(&mut other, None).await;
    assert_eq!(elsewhere.deliveries(), deliveries, "every sidecar hears it");
    assert!(elsewhere.committed.is_empty() && !heard.committed.is_empty());
    let nothing = desk.beat(&mut s, None).await;
    assert!(
        nothing.updates.is_empty() && nothing.queues.is_empty(),
        "{nothing:?}"
    );

    // The organizer waited for one request only.
    let second = desk.presses("second", "").await;
    let heard = desk.beat(&mut s, None).await;
    assert!(heard.deliveries().is_empty());
    let waiting = &heard.queues[0]["waiting"];
    assert_eq!(
        (waiting.as_array().map(Vec::len), &waiting[0]["participantId"]),
        (Some(1), &json!(second.id))
    );
    assert!(
        waiting[0]["waited"]
            .as_i64()
            .is_some_and(|waited| (0..60_000).contains(&waited))
    );
    // An organizer who asks while a request waits gets it at once.
    let started = desk.asks(&support, wait()).await;
    assert!(started.kinds().contains(&("new_chat".to_owned(), "everyone")));
}

#[tokio::test]
async fn waiting_ends_with_the_last_connection() {
    let mut desk = Desk::open().await;
    let support = desk.support();
    let here = desk.here(desk.agency.support.id);
    let (mut left, mut right) = (Sidecar::new("left"), Sidecar::new("right"));
    desk.beat(&mut left, Some(here.clone())).await;
    desk.beat(&mut right, Some(here.clone())).await;
    desk.asks(&support, wait()).await;
    desk.later(10);
    desk.beat(&mut right, Some(here)).await;
    desk.beat(&mut left, Some(json!([]))).await;
    let person = desk.presses("p", "").await;
    let heard = desk.beat(&mut right, None).await;
    assert_eq!(
        heard.kinds(),
        kinds(&[("new_chat", "everyone")]),
        "still at the right one"
    );
    assert_eq!(heard.deliveries()[0].payload()["participantId"], person.id);

    desk.asks(&support, wait()).await;
    desk.later(10);
    desk.beat(&mut right, Some(json!([]))).await;
    desk.presses("second", "").await;
    let heard = desk.beat(&mut right, None).await;
    assert!(heard.deliveries().is_empty(), "{heard:?}");
    assert_eq!(heard.queues[0]["waiting"].as_array().map(Vec::len), Some(1));
}

/// A sidecar that was silent for a moment keeps its waiting organizers.
#[tokio::test]
async fn waiting_survives_a_short_silence_of_the_sidecar() {
    let mut desk = Desk::open().await;
    let (support, here) = (desk.support(), desk.here(desk.agency.support.id));
    let (mut left, mut right) = (Sidecar::new("left"), Sidecar::new("right"));
    for (silent_for, is_given) in [(10, true), (61, false)] {
        desk.beat(&mut left, Some(here.clone())).await;
        assert_eq!(code(&desk.asks(&support, wait()).await), "waiting");
        desk.beat(&mut right, None).await;
        desk.later(silent_for);
        desk.presses(&format!("p{silent_for}"), "").await;
        let heard = desk.beat(&mut right, Some(json!([]))).await;
        assert!(heard.deliveries().is_empty(), "nobody is known to be here");
        desk.tick().await;
        let heard = desk.beat(&mut left, Some(here.clone())).await;
        let given = heard.kinds().contains(&("new_chat".to_owned(), "everyone"));
        assert_eq!(given, is_given, "silent for {silent_for} s");
    }
}

/// Pickups count for the estimate for ten minutes, also for connected participants.
#[tokio::test]
async fn an_estimate_ends_when_its_pickups_are_too_old() {
    let mut desk = Desk::open().await;
    desk.presses("first", "").await;
    desk.start().await;
    let picked_up = |millis_ago: i64| {
        let statement = "UPDATE chats
             SET time_start = unixepoch() * 1000 - ?1, received_at = unixepoch() * 1000 - ?1 - 7000
             WHERE time_start IS NOT NULL";
        desk.database().execute(statement, [millis_ago]).expect(statement);
    };
    picked_up(0);
    desk.presses("second", "").await;
    let mut s = Sidecar::new("t");
    let before = desk.beat(&mut s, None).await;
    assert_eq!(before.queues[0]["estimate"], 7);
    desk.tick().await;
    assert!(desk.beat(&mut s, None).await.queues.is_empty());
    picked_up(600_001);
    desk.tick().await;
    let after = desk.beat(&mut s, None).await;
    let queue = &after.queues[0];
    assert_eq!(
        (queue["waiting"].as_array().map(Vec::len), queue.get("estimate")),
        (Some(1), None)
    );
}

/// A client that asks for long histories does not prevent the answers of others in its exchange.
#[tokio::test]
async fn an_exchange_carries_out_only_commands_whose_answers_fit() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let chat_id = desk.start().await;
    let participant = participant(&person);
    let text = "ż".repeat(16_000);
    for _ in 0..2 {
        let batch: Vec<Value> = (0..75)
            .map(|_| desk.command(&participant, say(&chat_id, &text)))
            .collect();
        assert_eq!(desk.exchange(&batch).await.replies.len(), batch.len());
    }
    let history = json!({"type": "getChatHistory", "chatId": chat_id});
    let support = desk.support();
    let commands = [
        desk.command(&participant, say(&chat_id, "before")),
        desk.command(&participant, history.clone()),
        desk.command(&support, history),
        desk.command(&support, say(&chat_id, "behind")),
    ];
    let first = desk.exchange(&commands).await;
    assert_eq!(first.replies.len(), 2);
    // Clients of the contract get the end of the history, and no message twice.
    let shown = contents(&first.replies[1]);
    assert_eq!((shown.len(), shown.last()), (67, Some(&&json!("before"))));
    assert_eq!(
        first.deliveries().len(),
        1,
        "the last command was not carried out"
    );
    let second = desk.exchange(&commands[2..]).await;
    assert_eq!((second.replies.len(), second.deliveries().len()), (2, 1));
    assert_eq!(contents(&second.replies[0]).last(), Some(&&json!("behind")));

    // Clients of protocol 2 continue after the last number.
    let mut next = 1;
    while next <= 152 {
        let part = json!({"type": "getChatHistory", "chatId": chat_id, "afterSeq": next - 1, "limit": 1000});
        let part = desk.asks(&participant, part).await;
        let part = &part.replies[0]["payload"];
        assert_eq!(part["lastSeq"], 152);
        for message in part["messages"].as_array().expect("a list") {
            assert_eq!(message["seq"], next);
            next += 1;
        }
    }
    let archive = person.archived_contents("participant", &chat_id).await;
    assert_eq!(archive.len(), 152, "the archive has everything");
}

/// SQLite's `length` counts a text up to its first NUL.
#[tokio::test]
async fn messages_with_nul_count_in_full_for_the_size_of_a_history() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let chat_id = desk.start().await;
    let participant = participant(&person);
    let text = format!("\0{}", "m".repeat(16_000));
    for _ in 0..4 {
        let batch: Vec<Value> = (0..75)
            .map(|_| desk.command(&participant, say(&chat_id, &text)))
            .collect();
        assert_eq!(desk.exchange(&batch).await.replies.len(), batch.len());
    }
    let history = json!({"type": "getChatHistory", "chatId": chat_id});
    let contract = desk.one(&participant, history.clone()).await;
    let protocol_2 = desk.asks(&participant, history.clone()).await;
    for heard in [contract, protocol_2] {
        let shown = contents(&heard.replies[0]);
        assert!(shown.iter().all(|content| **content == text.as_str()));
        let bytes = shown.len() * text.len();
        assert!((1_000_000..2_100_000).contains(&bytes), "{bytes} bytes");
    }
    let commands = [
        desk.command(&participant, history.clone()),
        desk.command(&participant, history),
    ];
    assert_eq!(desk.exchange(&commands).await.replies.len(), 1);
}

/// An agency may cap the open chats of each organizer.
#[tokio::test]
async fn an_agency_caps_the_open_chats_of_each_organizer() {
    let mut desk = Desk::open().await;
    let mut support = desk.support();
    support["maxOpenChats"] = json!(1);
    for name in ["a", "b", "c"] {
        desk.presses(name, "").await;
    }
    let start = json!({"type": "startChat"});
    let first = desk.asks(&support, start.clone()).await;
    let first = chat_id(&first);
    let refused = desk.asks(&support, start.clone()).await;
    let message = "you have reached the limit of 1 open chats";
    let error = json!({"message": message, "code": "too_many_chats"});
    assert_eq!(refused.replies, [json!({"type": "error", "payload": error})]);
    assert!(refused.deliveries().is_empty());
    let contract = desk.one(&support, start.clone()).await;
    assert_eq!(contract.replies[0]["payload"], json!({"message": message}));

    let mut owner = desk.owner();
    owner["maxOpenChats"] = json!(1);
    desk.asks(&owner, start.clone()).await;
    let transfer = json!({"type": "transferChat", "chatId": first, "organizerId": desk.agency.owner.id});
    let refused = desk.asks(&support, transfer).await;
    assert_eq!(code(&refused), "too_many_chats");

    desk.asks(&support, json!({"type": "closeChat", "chatId": first}))
        .await;
    let next = desk.asks(&support, start).await;
    assert_eq!(next.kinds(), kinds(&[("new_chat", "everyone")]));
}

/// Issue 12, item 21: an organizer whose network has died silently is still listed for a while, but not heard.
#[tokio::test]
async fn a_chat_given_to_a_silent_organizer_is_requeued() {
    let mut desk = Desk::open().await;
    let (support, id) = (desk.support(), desk.agency.support.id);
    let mut s = Sidecar::new("t");
    for is_heard in [true, false] {
        desk.beat(&mut s, Some(desk.here(id))).await;
        desk.asks(&support, wait()).await;
        let person = desk.presses(&format!("p{is_heard}"), "").await;
        let given = desk.beat(&mut s, None).await;
        assert_eq!(given.deliveries()[0].payload()["participantId"], person.id);
        if is_heard {
            desk.later(1);
            desk.beat(&mut s, Some(desk.here(id))).await;
        }
        // Who was not heard since has been silent from before the chat was given, however slow the machine is.
        let silence = |since: i64| if is_heard { since } else { 60_000 };
        desk.later(9);
        desk.beat(&mut s, Some(desk.silent(id, silence(9_500)))).await;
        desk.tick().await;
        let heard = desk.beat(&mut s, None).await;
        assert!(
            heard.deliveries().is_empty(),
            "a pong may be on its way: {heard:?}"
        );
        desk.later(2);
        desk.beat(&mut s, Some(desk.silent(id, silence(11_500)))).await;
        desk.tick().await;
        let heard = desk.beat(&mut s, None).await;
        let is_requeued = heard.kinds().contains(&("chat_requeued".to_owned(), "two"));
        assert_eq!(is_requeued, !is_heard, "{heard:?}");
    }
}

/// A colleague may go at the very moment at which a chat is handed over to them.
#[tokio::test]
async fn a_chat_handed_over_to_a_silent_colleague_is_requeued() {
    let mut desk = Desk::open().await;
    let (support, owner, agency) = (desk.agency.support.id, desk.agency.owner.id, desk.agency.id);
    let mut s = Sidecar::new("t");
    let present = |silent_for: i64| {
        json!([
            {"organizerId": support, "agencyId": agency, "silentFor": 0},
            {"organizerId": owner, "agencyId": agency, "silentFor": silent_for},
        ])
    };
    desk.beat(&mut s, Some(present(0))).await;
    desk.presses("p", "").await;
    let chat_id = desk.start().await;
    let transfer = json!({"type": "transferChat", "chatId": chat_id, "organizerId": owner});
    let principal = desk.support();
    desk.asks(&principal, transfer).await;
    for (after, is_requeued) in [(9, false), (2, true)] {
        desk.later(after);
        desk.beat(&mut s, Some(present(60_000))).await;
        desk.tick().await;
        let heard = desk.beat(&mut s, None).await;
        let kinds = heard.kinds();
        assert_eq!(
            kinds.contains(&("chat_requeued".to_owned(), "two")),
            is_requeued,
            "{heard:?}"
        );
    }
}

/// A new limit of an agency binds organizers who already wait.
#[tokio::test]
async fn a_new_cap_binds_waiting_organizers() {
    let mut desk = Desk::open().await;
    let (support, mut s) = (desk.support(), Sidecar::new("t"));
    let here = |limit: Option<u32>| {
        let id = desk.agency.support.id;
        json!([{"organizerId": id, "agencyId": desk.agency.id, "maxOpenChats": limit, "silentFor": 0}])
    };
    let (free, full) = (here(None), here(Some(1)));
    desk.presses("first", "").await;
    desk.start().await;
    desk.beat(&mut s, Some(free.clone())).await;
    desk.asks(&support, wait()).await;
    desk.beat(&mut s, Some(full)).await;
    desk.presses("second", "").await;
    assert!(desk.beat(&mut s, None).await.deliveries().is_empty());
    // Chats given out in an exchange are in its answer.
    let heard = desk.beat(&mut s, Some(free)).await;
    assert_eq!(heard.kinds(), kinds(&[("new_chat", "everyone")]));
}

#[tokio::test]
async fn a_chat_whose_organizer_is_gone_for_too_long_is_requeued() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "Lost").await;
    let chat_id = desk.start().await;
    let behind = desk.presses("behind", "").await;
    let (support, mut owner, participant) = (desk.support(), desk.owner(), participant(&person));
    let (here, mut s) = (desk.here(desk.agency.support.id), Sidecar::new("t"));
    desk.beat(&mut s, Some(here.clone())).await;
    desk.later(600);
    desk.beat(&mut s, Some(here.clone())).await;
    desk.tick().await;
    let heard = desk.beat(&mut s, None).await;
    assert!(heard.deliveries().is_empty(), "somebody is here: {heard:?}");

    desk.beat(&mut s, Some(json!([]))).await;
    desk.later(59);
    desk.beat(&mut s, Some(json!([]))).await;
    desk.tick().await;
    let heard = desk.beat(&mut s, None).await;
    assert!(heard.deliveries().is_empty(), "not for long enough: {heard:?}");
    desk.later(2);
    desk.beat(&mut s, Some(json!([]))).await;
    desk.tick().await;
    let heard = desk.beat(&mut s, None).await;
    assert_eq!(
        heard.kinds(),
        kinds(&[
            ("user_message", "everyone"),
            ("chat_requeued", "two"),
            ("closed_chat", "contract")
        ])
    );
    let deliveries = heard.deliveries();
    let to: Vec<&Value> = deliveries.iter().map(|delivery| &delivery.to).collect();
    assert_eq!(
        to,
        [
            &json!([participant]),
            &json!([user(&support), participant]),
            &json!([user(&support)])
        ]
    );
    let note = "Mayday: your organizer has lost the connection. You keep your place in the queue.";
    assert_eq!(deliveries[0].payload()["content"], note);
    let waiting = &heard.queues[0]["waiting"];
    assert_eq!(waiting[0]["participantId"], person.id, "at the head");
    assert_eq!(waiting[1]["participantId"], behind.id);

    // The participant may go on writing; the organizer has lost the chat.
    let chats = desk.asks(&participant, json!({"type": "getChats"})).await;
    let chat = &chats.replies[0]["payload"]["chats"][0];
    assert_eq!(
        (&chat["id"], &chat["state"]),
        (&json!(chat_id), &json!("waiting"))
    );
    let said = desk.asks(&participant, say(&chat_id, "anybody?")).await;
    assert_eq!(said.deliveries()[0].to, json!([participant]));
    let refused = desk.asks(&support, say(&chat_id, "me")).await;
    assert_eq!(code(&refused), "no_access");
    let requests = person.get("/participant/chat-requests/mine").await.list();
    assert_eq!(
        (&requests[0]["state"], &requests[0]["position"]),
        (&json!("waiting"), &json!(1))
    );

    // Issue 12, item 16: a participant with a client of the contract learns who the new organizer is.
    owner["name"] = json!("Anna Nowak");
    let started = desk.asks(&owner, json!({"type": "startChat"})).await;
    assert_eq!(
        started.kinds(),
        kinds(&[
            ("new_chat", "everyone"),
            ("new_chat", "two"),
            ("user_message", "everyone")
        ])
    );
    let deliveries = started.deliveries();
    let new_chat = &deliveries[0];
    assert_eq!(new_chat.to, json!([user(&owner)]));
    // The description, the note, the question.
    assert_eq!(
        (&new_chat.payload()["id"], &new_chat.payload()["lastSeq"]),
        (&json!(chat_id), &json!(3))
    );
    assert_eq!(deliveries[1].to, json!([participant]));
    let welcome = deliveries[2].payload();
    assert_eq!(deliveries[2].to, json!([user(&owner), participant]));
    assert_eq!(
        (&welcome["content"], &welcome["system"], &welcome["seq"]),
        (
            &json!("Mayday: Anna Nowak is with you now."),
            &json!(true),
            &json!(4)
        )
    );
    let history = desk
        .asks(&owner, json!({"type": "getChatHistory", "chatId": chat_id}))
        .await;
    assert_eq!(
        contents(&history.replies[0]),
        [
            "Problem description: Lost",
            note,
            "anybody?",
            "Mayday: Anna Nowak is with you now."
        ]
    );
    let next = desk.asks(&support, json!({"type": "startChat"})).await;
    assert_eq!(next.deliveries()[0].payload()["participantId"], behind.id);
}

/// Issue 12, item 16: the page of an organizer who comes back finds the chat gone.
#[tokio::test]
async fn an_organizer_who_lost_a_chat_is_told_once_when_heard_again() {
    let mut desk = Desk::open().await;
    desk.presses("p", "").await;
    desk.start().await;
    let (support, id) = (user(&desk.support()), desk.agency.support.id);
    let mut s = Sidecar::new("t");
    desk.requeue(&mut s).await;
    // Listed, but silent since.
    desk.later(2);
    let silent = desk.beat(&mut s, Some(desk.silent(id, 10_000))).await;
    assert!(silent.deliveries().is_empty(), "{silent:?}");
    let back = desk.beat(&mut s, Some(desk.here(id))).await;
    let text = "Mayday: you lost the connection for too long, so your chat went back to the queue.";
    let info = json!({"type": "info", "payload": {"message": text}});
    let expected = Delivery {
        to: json!([support]),
        contract: Some(info),
        two: None,
    };
    assert_eq!(back.deliveries(), [expected]);
    let later = desk.beat(&mut s, Some(desk.here(id))).await;
    assert!(later.deliveries().is_empty(), "{later:?}");
}

/// Issue 12, item 26: a waiting organizer's sidecar is killed, then a participant presses.
#[tokio::test]
async fn an_orphaned_chat_is_requeued_once() {
    let mut desk = Desk::with(&[("orphan_requeue_seconds", "10")]).await;
    let (support, id) = (desk.support(), desk.agency.support.id);
    let (mut killed, mut other) = (Sidecar::new("killed"), Sidecar::new("other"));
    desk.beat(&mut killed, Some(desk.here(id))).await;
    desk.asks(&support, wait()).await;
    desk.presses("p", "").await;
    let given = desk.beat(&mut other, Some(json!([]))).await;
    assert!(given.starts_anew, "it has just started");
    desk.later(75);
    desk.beat(&mut other, Some(json!([]))).await;
    desk.tick().await;
    desk.tick().await;
    let heard = desk.beat(&mut other, None).await;
    let notes = heard
        .kinds()
        .into_iter()
        .filter(|(kind, _)| kind == "chat_requeued");
    assert_eq!(notes.count(), 1, "{heard:?}");
    let notes: i64 = desk
        .database()
        .query_row("SELECT count(*) FROM messages WHERE is_system = 1", (), |row| {
            row.get(0)
        })
        .expect("a count");
    assert_eq!(notes, 1);
}

/// While no sidecar is heard, no organizer counts as gone.
#[tokio::test]
async fn chats_stay_while_attendance_is_unknown() {
    let mut desk = Desk::open().await;
    desk.presses("p", "").await;
    desk.start().await;
    let mut s = Sidecar::new("t");
    desk.beat(&mut s, Some(json!([]))).await;
    desk.later(3600);
    // The first beat after an hour of silence; the organizer may be about to come back.
    desk.database()
        .execute("UPDATE hearing SET heard_at = heard_at - 3600000", ())
        .expect("a row");
    desk.tick().await;
    desk.beat(&mut s, Some(json!([]))).await;
    desk.tick().await;
    let heard = desk.beat(&mut s, None).await;
    assert!(heard.deliveries().is_empty(), "{heard:?}");
}

/// The last report is from before the database's clock was set back by an hour.
#[tokio::test]
async fn chats_stay_while_attendance_is_unknown_since_the_clock_was_set_back() {
    let mut desk = Desk::open().await;
    desk.presses("p", "").await;
    desk.start().await;
    let mut s = Sidecar::new("t");
    desk.beat(&mut s, Some(json!([]))).await;
    desk.later(3600);
    desk.database()
        .execute("UPDATE hearing SET heard_at = heard_at + 3600000", ())
        .expect("a row");
    desk.tick().await;
    // The organizer may be about to come back.
    desk.beat(&mut s, Some(json!([]))).await;
    desk.tick().await;
    let heard = desk.beat(&mut s, None).await;
    assert!(heard.deliveries().is_empty(), "{heard:?}");

    desk.later(61);
    desk.beat(&mut s, Some(json!([]))).await;
    desk.tick().await;
    let heard = desk.beat(&mut s, None).await;
    assert!(heard.kinds().contains(&("chat_requeued".to_owned(), "two")));
}

/// A sidecar is lost with its organizer, and then the database's clock is set back by an hour.
#[tokio::test]
async fn an_organizer_who_is_gone_does_not_count_as_here_although_the_clock_was_set_back() {
    let mut desk = Desk::open().await;
    let (support, id) = (desk.support(), desk.agency.support.id);
    desk.presses("first", "").await;
    desk.start().await;
    let (mut lost, mut s) = (Sidecar::new("lost"), Sidecar::new("t"));
    desk.beat(&mut lost, Some(desk.here(id))).await;
    desk.asks(&support, wait()).await;
    desk.beat(&mut s, Some(json!([]))).await;
    desk.later(-3600);
    desk.database()
        .execute("UPDATE hearing SET heard_at = heard_at + 3600000", ())
        .expect("a row");

    assert_eq!(desk.colleagues().await, json!([]));
    desk.presses("second", "").await;
    let heard = desk.beat(&mut s, Some(json!([]))).await;
    assert!(heard.deliveries().is_empty(), "a request is given: {heard:?}");

    desk.later(61);
    desk.beat(&mut s, Some(json!([]))).await;
    desk.tick().await;
    let heard = desk.beat(&mut s, None).await;
    assert!(heard.kinds().contains(&("chat_requeued".to_owned(), "two")));
    let heard = desk.beat(&mut s, Some(json!([]))).await;
    assert!(heard.deliveries().is_empty(), "nobody is told: {heard:?}");
}

#[tokio::test]
async fn chats_are_never_requeued_if_that_is_switched_off() {
    let mut desk = Desk::with(&[("orphan_requeue_seconds", "0")]).await;
    desk.presses("p", "").await;
    desk.start().await;
    let mut s = Sidecar::new("t");
    desk.beat(&mut s, Some(json!([]))).await;
    desk.later(1_000_000);
    desk.beat(&mut s, Some(json!([]))).await;
    desk.tick().await;
    let heard = desk.beat(&mut s, None).await;
    assert!(heard.deliveries().is_empty(), "{heard:?}");
}

#[tokio::test]
async fn a_requeued_request_ends_when_it_is_taken_back() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let chat_id = desk.start().await;
    let mut s = Sidecar::new("t");
    desk.requeue(&mut s).await;
    let path = format!("/participant/chat-requests/mine/{}", desk.agency.event_id);
    person.delete(&path).await.empty(200);
    // The participant's other devices had it open.
    let heard = desk.beat(&mut s, None).await;
    assert_eq!(heard.kinds(), kinds(&[("closed_chat", "everyone")]));
    assert_eq!(heard.deliveries()[0].to, json!([participant(&person)]));
    assert!(!person.has_requested(desk.agency.event_id).await);
    let archive = person.archive("participant").await;
    assert_eq!((archive.len(), &archive[0]["id"]), (1, &json!(chat_id)));
    let none = desk.asks(&desk.owner(), json!({"type": "startChat"})).await;
    assert_eq!(code(&none), "no_new_chats");
}

#[tokio::test]
async fn each_side_sees_the_others_typing_and_reading() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "Lost").await;
    let chat_id = desk.start().await;
    let (support, owner, participant) = (desk.support(), desk.owner(), participant(&person));
    desk.one(&participant, say(&chat_id, "hello")).await;

    let typing = json!({"type": "typing", "chatId": chat_id});
    let typed = desk.asks(&support, typing.clone()).await;
    let payload = json!({"chatId": chat_id, "authorId": desk.agency.support.id, "fromOrganizer": 1});
    let frame = json!({"type": "typing", "payload": payload});
    let expected = Delivery {
        to: json!([participant]),
        contract: None,
        two: Some(frame),
    };
    assert_eq!(
        (typed.deliveries(), typed.replies),
        (vec![expected], vec![Value::Null])
    );
    assert_eq!(typed.updates[0].cursor.id, 0, "it is not in the log");
    let read = |seq: i64| json!({"type": "read", "chatId": chat_id, "seq": seq});
    for (seq, told) in [(1, Some(1)), (1, None), (0, None), (99, Some(2)), (2, None)] {
        let heard = desk.asks(&participant, read(seq)).await;
        let expected = told.map(|seq| {
            let frame =
                json!({"type": "read", "payload": {"chatId": chat_id, "seq": seq, "fromOrganizer": 0}});
            Delivery {
                to: json!([user(&support)]),
                contract: None,
                two: Some(frame),
            }
        });
        assert_eq!(heard.deliveries(), Vec::from_iter(expected), "read up to {seq}");
    }
    for (principal, read_seq, own_read_seq) in [(&support, 2, 0), (&participant, 0, 2)] {
        let chats = desk.asks(principal, json!({"type": "getChats"})).await;
        let chat = &chats.replies[0]["payload"]["chats"][0];
        assert_eq!(
            (&chat["readSeq"], &chat["ownReadSeq"], &chat["lastSeq"]),
            (&json!(read_seq), &json!(own_read_seq), &json!(2))
        );
        let contract = desk.one(principal, json!({"type": "getChats"})).await;
        assert_eq!(contract.replies[0]["payload"]["chats"][0]["readSeq"], Value::Null);
    }
    for request in [typing, read(1)] {
        let refused = desk.asks(&owner, request).await;
        assert_eq!(code(&refused), "no_access");
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

/// Commands of one kind are carried out together, but not across a hand-over or the end of a chat.
#[tokio::test]
async fn each_command_of_a_mixed_exchange_gets_its_own_reply() {
    let mut desk = Desk::open().await;
    let person = participant(&desk.presses("p", "Lost").await);
    let chat_id = desk.start().await;
    let (support, owner) = (desk.support(), desk.owner());
    let say = |number: u8| {
        let client_id = format!("0198c0de-0000-7000-8000-00000000000{number}");
        json!({"type": "sendMessage", "chatId": chat_id, "message": "Here", "clientId": client_id})
    };
    let hand_over = json!({"type": "transferChat", "chatId": chat_id, "organizerId": desk.agency.owner.id});
    let commands = [
        (
            &support,
            json!({"type": "read", "chatId": chat_id, "seq": 1}),
            None,
        ),
        (&person, say(0), Some("message_saved")),
        (&support, json!({"type": "startChat"}), Some("no_new_chats")),
        (
            &owner,
            json!({"type": "typing", "chatId": chat_id}),
            Some("no_access"),
        ),
        (&support, hand_over, None),
        (&support, say(1), Some("no_access")),
        (&owner, say(2), Some("message_saved")),
        (&owner, json!({"type": "closeChat", "chatId": chat_id}), None),
        (&person, say(3), Some("no_access")),
    ];
    let (mut sent, mut expected) = (Vec::new(), Vec::new());
    for (principal, request, reply) in commands {
        sent.push(two(desk.command(principal, request)));
        expected.push(reply);
    }
    let heard = desk.exchange(&sent).await;
    let replies: Vec<Option<&str>> = heard
        .replies
        .iter()
        .map(|reply| reply["payload"]["code"].as_str().or(reply["type"].as_str()))
        .collect();
    assert_eq!(replies, expected);
    let seqs = [1, 6].map(|place: usize| &heard.replies[place]["payload"]["seq"]);
    assert_eq!(
        seqs,
        [&json!(2), &json!(4)],
        "the hand-over's note is between them"
    );
}
