//! From the upgrade to the first answer (contract 5.2).

use std::time::Duration;

use mayday_sidecar::Timings;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{ALICE, BOB, Client, Fault, Messenger, Redis, Sidecar};

#[tokio::test]
async fn what_is_not_a_websocket_is_a_bad_request() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let answer = sidecar.get("/connect").await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/plain"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nBad Request"), "{answer}");
    assert!(sidecar.get("/healthz").await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn frames_sent_before_the_verdict_are_kept_in_order() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    messenger.hold();
    let mut alice = Client::connect(&sidecar).await;
    alice.authorize(ALICE).await;
    alice.ask("get_chats", json!("")).await;
    alice.ask("start_chat", json!("")).await;
    messenger.called(1).await;
    alice
        .socket
        .send_binary(br#"{"type":"get_chat_history","payload":{"chatId":"c"}}"#)
        .await;
    messenger.go_on();
    // Acceptance itself is silent: the first frame is an answer.
    for kind in ["getChats", "startChat", "getChatHistory"] {
        let frame = alice.next().await;
        assert_eq!(frame["payload"]["type"], kind, "{frame}");
    }
}

#[tokio::test]
async fn a_refused_client_is_dropped_without_a_word() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    for first in [
        r#"{"Authorization":"Bearer nobody"}"#,
        r#"{"type":"get_chats"}"#,
        "",
        "[]",
    ] {
        let mut mallory = Client::connect(&sidecar).await;
        mallory.send(first).await;
        mallory.is_dropped().await;
    }
    assert_eq!(
        messenger.authentications(),
        [1],
        "what is malformed is not asked about"
    );
}

#[tokio::test]
async fn a_client_that_says_nothing_is_dropped() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let timings = Timings {
        authorization: Duration::from_millis(100),
        ..Timings::default()
    };
    let sidecar = Sidecar::start_with(&messenger, &redis, timings).await;
    Client::connect(&sidecar).await.is_dropped().await;

    messenger.hold();
    let mut alice = Client::connect(&sidecar).await;
    alice.authorize(ALICE).await;
    alice.is_dropped().await;
}

#[tokio::test]
async fn authentication_is_tried_again_while_it_cannot_be_answered() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    messenger.fail([
        Fault::Status(503),
        Fault::Unavailable,
        Fault::AnswerLost,
        Fault::Unavailable,
    ]);
    sidecar.alice().await;
    assert_eq!(messenger.authentications(), [1; 5]);
}

#[tokio::test]
async fn a_storm_of_clients_costs_one_call_per_batch() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    messenger.hold();
    let mut clients = vec![Client::connect(&sidecar).await];
    clients[0].authorize(ALICE).await;
    messenger.called(1).await;
    for _ in 0..50 {
        let mut bob = Client::connect(&sidecar).await;
        bob.authorize(BOB).await;
        // The answer to a ping says that what was sent before has been read.
        bob.socket.ping().await;
        assert!(matches!(bob.next_message().await, Some(Ok(Message::Pong(_)))));
        clients.push(bob);
    }
    messenger.go_on();
    for client in &mut clients {
        client.ask("get_chats", json!("")).await;
        client.next().await;
    }
    assert_eq!(messenger.authentications(), [1, 50]);
}

trait Raw {
    async fn send_binary(&mut self, frame: &'static [u8]);
    async fn ping(&mut self);
}

impl<S: futures_util::Sink<Message, Error: std::fmt::Debug> + Unpin> Raw for S {
    async fn send_binary(&mut self, frame: &'static [u8]) {
        futures_util::SinkExt::send(self, Message::binary(frame))
            .await
            .unwrap();
    }

    async fn ping(&mut self) {
        futures_util::SinkExt::send(self, Message::Ping(Default::default()))
            .await
            .unwrap();
    }
}
