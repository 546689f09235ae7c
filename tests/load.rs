//! The contract's load test (6.3), written from its description and small: statuses are strict, an organizer never
//! reads, and each try of a participant reads one frame.

use std::time::Duration;

use api_documents::{Protocol, Side, check_frame};
use chrono::DateTime;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::DEADLINE;
use crate::support::door::Door;
use crate::support::people::PARTICIPANT_PASSWORD;
use crate::support::socket::Socket;
use crate::support::system::System;

const PARTICIPANTS: usize = 30;

/// The intervals between two `start_chat`, between two participants, and between two frames of one: the test's `sci`,
/// `cpi` and `smi`.
const START_INTERVAL: Duration = Duration::from_millis(10);
const PARTICIPANT_INTERVAL: Duration = Duration::from_millis(20);
const MESSAGE_INTERVAL: Duration = Duration::from_millis(300);

/// How often a participant looks for the chat.
const TRIES: usize = 10;

/// How many messages each participant sends. The contract's test never ends.
const MESSAGES: usize = 5;

type Stream = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

#[tokio::test]
async fn every_participant_of_the_contracts_load_test_gets_a_chat_and_all_echoes() {
    let system = System::start(1).await;
    let agency = system.agency("Fest").await;
    let (stop, stopped) = watch::channel(false);
    let organizer = tokio::spawn(start_chats(
        dial(system.sidecar(0), &agency.support.token).await,
        stopped,
    ));
    let mut participants = JoinSet::new();
    for number in 0..PARTICIPANTS {
        let token = sign_up(&system.door, &format!("load{number}@example.org")).await;
        let press = json!({"eventId": agency.event_id, "description": "Load"});
        let pressed = system
            .door
            .send("POST", "/participant/chat-requests", Some(&token), Some(&press))
            .await;
        pressed.empty(200);
        participants.spawn(chat(system.sidecar(0).to_owned(), token));
        sleep(PARTICIPANT_INTERVAL).await;
    }
    while let Some(participant) = participants.join_next().await {
        participant.expect("a participant who was heard");
    }
    assert!(!organizer.is_finished(), "the organizer's socket never breaks");
    stop.send_replace(true);
    organizer.await.expect("an organizer who was never thrown out");

    let mut support = Socket::open("support", system.sidecar(0), &agency.support).await;
    let chats = support.chat_ids().await;
    assert_eq!(chats.len(), PARTICIPANTS, "one chat each");
    for chat in &chats {
        let mut expected = vec!["Problem description: Load".to_owned()];
        expected.extend((0..MESSAGES).map(|number| number.to_string()));
        assert_eq!(support.history(chat).await, expected);
    }
}

/// Checks the status and the types that the contract's test requires.
async fn sign_up(door: &Door, email: &str) -> String {
    let body =
        json!({"email": email, "password": PARTICIPANT_PASSWORD, "confirmPassword": PARTICIPANT_PASSWORD});
    let signed_up = door
        .send("POST", "/participant/auth/sign-up", None, Some(&body))
        .await
        .json(201);
    let user = &signed_up["user"];
    assert!(user["id"].is_number() && user["email"].is_string() && user["phoneNumber"].is_string());
    for time in [&user["timeCreated"], &user["timeSignOut"]] {
        let text = time.as_str().expect("a text");
        DateTime::parse_from_rfc3339(text).expect("a time of RFC 3339");
    }
    signed_up["token"].as_str().expect("a text").to_owned()
}

async fn dial(sidecar: &str, token: &str) -> Stream {
    let connecting = connect_async(format!("{sidecar}/connect"));
    let (mut stream, _) = timeout(DEADLINE, connecting)
        .await
        .expect("in time")
        .expect("a WebSocket");
    send(&mut stream, &json!({"Authorization": format!("Bearer {token}")})).await;
    stream
}

async fn send(stream: &mut Stream, frame: &Value) {
    stream
        .send(Message::text(frame.to_string()))
        .await
        .expect("an open socket");
}

/// Sends `start_chat` repeatedly, and reads nothing, not even pings.
async fn start_chats(mut stream: Stream, mut stopped: watch::Receiver<bool>) {
    let start_chat = json!({"type": "start_chat", "payload": ""});
    while !*stopped.borrow_and_update() {
        sleep(START_INTERVAL).await;
        send(&mut stream, &start_chat).await;
    }
}

/// Waits for the chat, one frame a try, then sends messages, and discards all further frames.
async fn chat(sidecar: String, token: String) {
    let mut stream = dial(&sidecar, &token).await;
    let mut found = None;
    for _ in 0..TRIES {
        sleep(MESSAGE_INTERVAL).await;
        send(&mut stream, &json!({"type": "get_chats", "payload": ""})).await;
        let frame = next(&mut stream).await;
        let first = &frame["payload"]["chats"][0]["id"];
        if frame["type"] == "chats" && first.is_string() {
            found = Some(first.clone());
            break;
        }
    }
    let chat_id = found.expect("a chat within ten tries");
    let (mut sink, mut source) = stream.split();
    let talking = async {
        for number in 0..MESSAGES {
            sleep(MESSAGE_INTERVAL).await;
            let payload = json!({"chatId": chat_id, "message": number.to_string()});
            let frame = json!({"type": "send_message", "payload": payload});
            sink.send(Message::text(frame.to_string()))
                .await
                .expect("an open socket");
        }
    };
    let listening = async {
        // The last echo shows that all messages before it are stored.
        let last = (MESSAGES - 1).to_string();
        loop {
            let message = source.next().await.expect("no close").expect("no read error");
            if let Message::Text(text) = message {
                let frame = read(&text);
                if frame["payload"]["content"] == *last {
                    return;
                }
            }
        }
    };
    timeout(DEADLINE, async { tokio::join!(talking, listening) })
        .await
        .expect("the last message comes back");
}

async fn next(stream: &mut Stream) -> Value {
    loop {
        let message = timeout(DEADLINE, stream.next()).await.expect("a frame in time");
        match message.expect("no close").expect("no read error") {
            Message::Text(text) => return read(&text),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?} was not expected"),
        }
    }
}

fn read(text: &str) -> Value {
    let frame = serde_json::from_str(text).expect("JSON");
    check_frame(Side::Server, Protocol::Contract, &frame).expect("a frame of the contract");
    frame
}
