//! How many statements the frequent operations run on each database. Where a database is a server, each is a round
//! trip: a number that grows needs a reason.

use serde_json::{Value, json};

use super::{Desk, participant, say};
use crate::support::components::{MESSENGER_KEY, ORGANIZER_KEY, PARTICIPANT_KEY, SERVICES};
use crate::support::door::Door;
use crate::support::people::{self, ORGANIZER_PASSWORD, PARTICIPANT_PASSWORD};

impl Desk {
    /// How many statements ran so far on the databases of organizer, participant and messenger.
    fn statements(&self) -> [u64; 3] {
        let Door::Host(app) = &self.components.door else {
            panic!("the host is in this process");
        };
        SERVICES.map(|service| app.statements(service).expect("a database"))
    }

    fn database_of(&self, service: &str) -> rusqlite::Connection {
        rusqlite::Connection::open(self.components.database(service)).expect("a database")
    }

    /// How many of them an operation runs.
    async fn counted<T>(&mut self, operation: impl AsyncFnOnce(&mut Desk) -> T) -> [u64; 3] {
        let before = self.statements();
        operation(self).await;
        let after = self.statements();
        [0, 1, 2].map(|index| after[index] - before[index])
    }
}

#[tokio::test]
async fn an_exchange_runs_as_many_statements_for_a_hundred_messages_as_for_one() {
    let mut desk = Desk::open().await;
    let people = [desk.presses("p", "").await, desk.presses("q", "").await];
    let chats = [desk.start().await, desk.start().await];
    let messages = |desk: &mut Desk, count: usize| {
        let say = |desk: &mut Desk, number: usize| {
            let (person, chat) = (&people[number % 2], &chats[number % 2]);
            desk.command(&participant(person), say(chat, &number.to_string()))
        };
        (0..count).map(|number| say(desk, number)).collect::<Vec<_>>()
    };
    for count in [1, 100] {
        let commands = messages(&mut desk, count);
        let counted = desk.counted(async |desk| desk.exchange(&commands).await).await;
        assert_eq!(counted, [0, 0, EXCHANGE], "{count} messages");
    }
    let counted = desk.counted(async |desk| desk.exchange(&[]).await).await;
    assert_eq!(counted, [0, 0, BEAT], "a beat");
}

/// An organizer who asks for chats all the time, as in the contract's load test, while others talk.
#[tokio::test]
async fn messages_notices_and_starts_in_vain_run_as_many_statements_for_many_as_for_few() {
    let mut desk = Desk::open().await;
    let people = [desk.presses("p", "").await, desk.presses("q", "").await];
    let chats = [desk.start().await, desk.start().await];
    let support = desk.support();
    for count in [2, 50] {
        let mut commands = Vec::new();
        for number in 0..count {
            let (person, chat) = (participant(&people[number % 2]), &chats[number % 2]);
            commands.push(desk.command(&support, json!({"type": "startChat"})));
            commands.push(desk.command(&person, json!({"type": "typing", "chatId": chat})));
            commands.push(desk.command(&person, say(chat, "Here")));
            commands.push(desk.command(&support, json!({"type": "read", "chatId": chat, "seq": 1000})));
        }
        let counted = desk.counted(async |desk| desk.exchange(&commands).await).await;
        // More than messages need: that nobody waits, the chats of the notices, and how far people have read.
        assert_eq!(counted, [0, 0, EXCHANGE + 3], "{count} of each");
    }
}

/// An exchange with messages: two for the transaction, where the sidecar is, the chats, the messages, the update, and
/// the exchange's number.
const EXCHANGE: u64 = 7;

/// An exchange without commands, four times a second for each sidecar.
const BEAT: u64 = 1;

/// A sidecar sends one every second, with whoever is connected to it: two for the transaction, where the sidecar is,
/// that it is heard, three for the organizers' attendance, who is to be informed, who can be given a request, and the
/// exchange's number.
#[tokio::test]
async fn a_beat_with_attendance_runs_few_statements() {
    let mut desk = Desk::open().await;
    let (organizer_id, agency_id) = (desk.agency.support.id, desk.agency.id);
    let somebody = json!([{"organizerId": organizer_id, "agencyId": agency_id, "silentFor": 0}]);
    desk.exchange(&[]).await;
    for (present, expected) in [(somebody, 10), (json!([]), 9), (json!([]), 8)] {
        let counted = desk
            .counted(async |desk| {
                let Desk {
                    components, sidecar, ..
                } = desk;
                sidecar.beat(&components.door, Some(present.clone())).await;
            })
            .await;
        // Of an organizer who has gone, it deletes that they wait.
        assert_eq!(counted, [0, 0, expected], "{present}");
    }
}

#[tokio::test]
async fn a_chat_from_start_to_end_runs_few_statements() {
    let mut desk = Desk::open().await;
    desk.presses("p", "Lost").await;
    desk.exchange(&[]).await;
    let support = desk.support();
    let mut chat = String::new();
    // Two for the transaction, where the sidecar is, the chat, its description, the update, the exchange's number, and
    // the updates since, one of which is of the queue.
    let counted = desk.counted(async |desk| chat = desk.start().await).await;
    assert_eq!(counted, [0, 0, 8], "start_chat");

    let history = json!({"type": "getChatHistory", "chatId": chat});
    for (question, expected) in [(json!({"type": "getChats"}), 5), (history, 6)] {
        // A snapshot, in which nothing is written.
        let command = desk.command(&support, question.clone());
        let counted = desk.counted(async |desk| desk.exchange(&[command]).await).await;
        assert_eq!(counted, [0, 0, expected], "{question}");
    }

    let close = desk.command(&support, json!({"type": "closeChat", "chatId": chat}));
    // One transaction ends the chat, the participant service releases the lock, and another one shows the end.
    let counted = desk.counted(async |desk| desk.exchange(&[close]).await).await;
    assert_eq!(counted, [0, 2, 14], "close_chat");
}

/// After an outage many locks are due, and the messenger waits a second for their release.
#[tokio::test]
async fn a_hundred_locks_are_released_with_as_many_statements_as_one() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let database = desk.database_of("participant");
    let insert = "INSERT INTO locks (participant_id, event_id, request_id)
                  WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 101)
                  SELECT ?1, 1000 + n, printf('request %d', n) FROM number";
    database.execute(insert, [person.id]).expect("locks");
    for (numbers, left) in [(1..=1, 101), (2..=101, 1)] {
        let closed = |number: i64| {
            let request_id = format!("request {number}");
            json!({"participantId": person.id, "eventId": 1000 + number, "requestId": request_id})
        };
        let body = json!({"requests": numbers.map(closed).collect::<Vec<Value>>()});
        let release = async |desk: &mut Desk| {
            let path = "/participant/internal/releases";
            let door = &desk.components.door;
            door.send("POST", path, Some(PARTICIPANT_KEY), Some(&body))
                .await
                .empty(200);
        };
        assert_eq!(desk.counted(release).await, [0, 2, 0]);
        let locks: i64 = database
            .query_row("SELECT count(*) FROM locks", (), |row| row.get(0))
            .expect("a count");
        assert_eq!(locks, left);
    }
    let event_id = desk.agency.event_id;
    assert!(person.has_requested(event_id).await, "it is not closed");
}

/// The messenger has three seconds for a call, in which it runs some statements for each guest.
#[tokio::test]
async fn many_hand_overs_are_told_in_calls_of_few_statements() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let database = desk.database_of("participant");
    let insert = "INSERT INTO hand_overs (guest_id, account_id)
                  WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 100)
                  SELECT 5000 + n, ?1 FROM number";
    database.execute(insert, [person.id]).expect("hand-overs");
    for left in [80, 60, 40, 20, 0] {
        let tick = async |desk: &mut Desk| {
            let path = "/participant/internal/tick";
            let door = &desk.components.door;
            door.send("POST", path, Some(PARTICIPANT_KEY), None)
                .await
                .empty(200);
        };
        let [_, _, statements] = desk.counted(tick).await;
        assert!(statements <= 250, "{statements}");
        let waiting: i64 = database
            .query_row("SELECT count(*) FROM hand_overs", (), |row| row.get(0))
            .expect("a count");
        assert_eq!(waiting, left);
    }
}

/// What is asked all the time while nothing happens: sidecars ask for revocations several times a second, the
/// dispatcher ticks every second, and for each `/metrics` undelivered presses are counted.
#[tokio::test]
async fn questions_and_ticks_with_nothing_to_do_run_few_statements() {
    let mut desk = Desk::open().await;
    let cases = [
        ("GET", "/organizer/api/revocations", ORGANIZER_KEY, [5, 0, 0]),
        (
            "GET",
            "/participant/internal/revocations",
            PARTICIPANT_KEY,
            [0, 4, 0],
        ),
        ("GET", "/messenger/internal/undelivered", MESSENGER_KEY, [0, 1, 0]),
        ("POST", "/organizer/api/tick", ORGANIZER_KEY, [0, 0, 0]),
        ("POST", "/participant/internal/tick", PARTICIPANT_KEY, [0, 11, 0]),
        ("POST", "/messenger/internal/tick", MESSENGER_KEY, [0, 0, 15]),
    ];
    let mut counts = Vec::new();
    for (method, path, key, _) in cases {
        let ask = async |desk: &mut Desk| {
            let reply = desk.components.door.send(method, path, Some(key), None).await;
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        };
        // The first one to ask a service makes its tables.
        ask(&mut desk).await;
        counts.push(desk.counted(ask).await);
    }
    assert_eq!(counts, cases.map(|(.., expected)| expected));
}

#[tokio::test]
async fn a_press_runs_few_statements() {
    let mut desk = Desk::open().await;
    let event = desk.agency.event_id;
    // Then all three services have their tables.
    desk.exchange(&[]).await;
    // The first one of an event keeps a copy of the event. Each looks it up.
    for (email, expected) in [("p@example.org", [2, 4, 2]), ("q@example.org", [2, 3, 2])] {
        let person = people::sign_up(&desk.components.door, email).await;
        let counted = desk
            .counted(async |_| person.press_help(event, "Lost").await.empty(200))
            .await;
        assert_eq!(counted, expected, "{email}");
    }
}

#[tokio::test]
async fn an_authentication_runs_few_statements() {
    let mut desk = Desk::open().await;
    let person = desk.presses("p", "").await;
    let authenticate = async |desk: &mut Desk, token: &str| {
        let body = json!({"authorizations": [format!("Bearer {token}")]});
        let path = "/messenger/internal/authenticate";
        let door = &desk.components.door;
        door.send("POST", path, Some(MESSENGER_KEY), Some(&body))
            .await
            .json(200)
    };
    let token = desk.agency.support.token.clone();
    let organizer = desk.counted(async |desk| authenticate(desk, &token).await).await;
    assert_eq!(organizer, [2, 0, 1], "of an organizer");
    let participant = desk
        .counted(async |desk| authenticate(desk, &person.token).await)
        .await;
    assert_eq!(participant, [0, 1, 1], "of a participant");
}

/// A sidecar authenticates up to 256 clients with one call. If each took a round trip to a server, the call would take
/// longer than the messenger waits, and would be repeated in vain.
#[tokio::test]
async fn a_service_judges_256_tokens_with_as_many_statements_as_one() {
    let mut desk = Desk::open().await;
    let organizers = [desk.agency.owner.clone(), desk.agency.support.clone()];
    let participants = [desk.presses("p", "").await, desk.presses("q", "").await];
    for (path, key, people, expected) in [
        ("/organizer/api/principals", ORGANIZER_KEY, organizers, [2, 0, 0]),
        (
            "/participant/internal/principals",
            PARTICIPANT_KEY,
            participants,
            [0, 1, 0],
        ),
    ] {
        for count in [1, 256] {
            let asked: Vec<_> = people.iter().cycle().take(count).collect();
            let mut tokens: Vec<_> = asked.iter().map(|person| person.token.as_str()).collect();
            let mut ids: Vec<_> = asked.iter().map(|person| Some(person.id)).collect();
            tokens.insert(count / 2, "not a token");
            ids.insert(count / 2, None);
            let body = json!({"tokens": tokens});
            let mut judged = json!(null);
            let judge = async |desk: &mut Desk| {
                let door = &desk.components.door;
                judged = door.send("POST", path, Some(key), Some(&body)).await.json(200);
            };
            let counted = desk.counted(judge).await;
            assert_eq!(counted, expected, "{count} tokens: {path}");
            let principals = judged["principals"].as_array().expect("a list").iter();
            let found: Vec<_> = principals.map(|principal| principal["id"].as_i64()).collect();
            assert_eq!(found, ids, "{path}");
        }
    }
}

#[tokio::test]
async fn a_sign_in_runs_few_statements() {
    let mut desk = Desk::open().await;
    let (support, person) = (
        desk.agency.support.email.clone(),
        desk.presses("p", "").await.email,
    );
    let door = desk.components.door.clone();
    let organizer = desk
        .counted(async |_| people::sign_in(&door, &support, ORGANIZER_PASSWORD).await)
        .await;
    assert_eq!(organizer, [6, 0, 0], "of an organizer");
    let participant = desk
        .counted(async |_| people::sign_in_participant(&door, &person, PARTICIPANT_PASSWORD).await)
        .await;
    assert_eq!(participant, [0, 5, 0], "of a participant");
}
