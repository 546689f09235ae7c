//! A client's socket.

use api_documents::{Protocol, Side, check_close, check_frame};
use futures_util::{SinkExt, StreamExt};
use mayday_tests::secrecy;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::DEADLINE;
use crate::support::people::Person;

pub(crate) struct Socket {
    name: &'static str,
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    protocol: Protocol,
    /// Types of unasked frames that are skipped.
    passes_over: &'static [&'static str],
}

impl Socket {
    /// Connects to a sidecar and sends the first frame, which has no answer.
    pub(crate) async fn open(name: &'static str, sidecar: &str, person: &Person) -> Socket {
        Socket::open_with(name, sidecar, &format!("Bearer {}", person.token)).await
    }

    /// The same with any `Authorization`.
    pub(crate) async fn open_with(name: &'static str, sidecar: &str, authorization: &str) -> Socket {
        let mut socket = Socket::connect(name, sidecar, Protocol::Contract).await;
        socket
            .send_text(&json!({"Authorization": authorization}).to_string())
            .await;
        socket
    }

    async fn connect(name: &'static str, sidecar: &str, protocol: Protocol) -> Socket {
        let connecting = tokio_tungstenite::connect_async(format!("{sidecar}/connect"));
        let (stream, _) = timeout(DEADLINE, connecting)
            .await
            .expect("in time")
            .expect("a WebSocket");
        Socket {
            name,
            stream,
            protocol,
            passes_over: &[],
        }
    }

    /// The same for a client that speaks protocol 2, and waits until it is ready.
    pub(crate) async fn open_two(name: &'static str, sidecar: &str, person: &Person) -> Socket {
        let mut socket = Socket::connect(name, sidecar, Protocol::Two).await;
        let first = json!({"Authorization": format!("Bearer {}", person.token), "protocol": 2});
        socket.send_text(&first.to_string()).await;
        socket.expect("ready").await;
        socket
    }

    /// Skips frames about queues.
    pub(crate) fn without_queues(mut self) -> Socket {
        self.passes_over = &["queue_status", "queue_position"];
        self
    }

    pub(crate) async fn send(&mut self, kind: &str, payload: Value) {
        self.send_text(&json!({"type": kind, "payload": payload}).to_string())
            .await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        if let Ok(frame) = serde_json::from_str(text) {
            secrecy::note_sent(&frame);
        }
        self.stream
            .send(Message::text(text))
            .await
            .expect("an open socket");
    }

    pub(crate) async fn say(&mut self, chat_id: &str, message: &str) {
        self.send("send_message", json!({"chatId": chat_id, "message": message}))
            .await;
    }

    /// The next frame, checked; `None` when the connection has ended.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        // Pings do not put it off.
        let deadline = Instant::now() + DEADLINE;
        loop {
            let message = timeout_at(deadline, self.stream.next()).await;
            match message.unwrap_or_else(|_| panic!("{} waited in vain for a frame", self.name))? {
                Ok(Message::Text(text)) => {
                    let frame = self.checked(&text);
                    if !self.passes_over.iter().any(|kind| frame["type"] == *kind) {
                        return Some(frame);
                    }
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(other) => panic!("{} did not expect {other:?}", self.name),
                Err(_) => return None,
            }
        }
    }

    /// A frame, which must be as the document of the socket says.
    fn checked(&self, text: &str) -> Value {
        assert!(
            text.ends_with('\n'),
            "{}: a frame ends with a newline: {text}",
            self.name
        );
        let frame = serde_json::from_str(text).expect("JSON");
        check_frame(Side::Server, self.protocol, &frame)
            .unwrap_or_else(|violation| panic!("{}: {violation}", self.name));
        frame
    }

    /// The code with which the connection is closed (protocol 2), which the document of the socket must have. Frames
    /// may come before.
    pub(crate) async fn close_code(&mut self) -> u16 {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let message = timeout_at(deadline, self.stream.next()).await;
            match message.unwrap_or_else(|_| panic!("{} waited in vain for a close frame", self.name)) {
                Some(Ok(Message::Close(Some(frame)))) => {
                    let code = frame.code.into();
                    check_close(self.protocol, code)
                        .unwrap_or_else(|violation| panic!("{}: {violation}", self.name));
                    return code;
                }
                Some(Ok(Message::Text(text))) => drop(self.checked(&text)),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                end => panic!("{} did not expect {end:?}", self.name),
            }
        }
    }

    /// The payload of the next frame, which must be of this type.
    #[track_caller]
    pub(crate) fn expect(&mut self, kind: &str) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            let frame = self
                .next()
                .await
                .unwrap_or_else(|| panic!("{}: the connection ended ({caller})", self.name));
            assert_eq!(frame["type"], kind, "{} ({caller}): {frame}", self.name);
            frame["payload"].clone()
        }
    }

    /// The content of the next frame, which must be a message.
    #[track_caller]
    pub(crate) fn expect_message(&mut self) -> impl Future<Output = String> {
        let message = self.expect("user_message");
        async move { message.await["content"].as_str().expect("text").to_owned() }
    }

    /// The payload of the next frame of this type, before which only the given types may come.
    pub(crate) async fn expect_passing(&mut self, kind: &str, others: &[&str]) -> Value {
        loop {
            let frame = self.next().await.expect("an open socket");
            if frame["type"] == kind {
                return frame["payload"].clone();
            }
            let is_other = others.iter().any(|other| frame["type"] == *other);
            assert!(is_other, "{} expected {kind}: {frame}", self.name);
        }
    }

    /// The number of waiting requests in an organizer's next `queue_status`. Its wait changes by itself, so it is
    /// ignored.
    pub(crate) async fn expect_status(&mut self) -> Value {
        self.expect("queue_status").await["waiting"].clone()
    }

    /// The position in a participant's next `queue_position`.
    pub(crate) async fn expect_position(&mut self) -> Value {
        self.expect("queue_position").await["position"].clone()
    }

    /// Asserts that no unasked frame has come: the answer to a question asked now is the next frame.
    pub(crate) async fn expect_nothing_yet(&mut self) {
        self.send("get_chats", "".into()).await;
        self.expect("chats").await;
    }

    /// The ids of the open chats. A message may come before the answer: one that a killed sidecar has stored does.
    pub(crate) async fn chat_ids(&mut self) -> Vec<String> {
        self.send("get_chats", "".into()).await;
        let chats = self.expect_passing("chats", &["user_message"]).await;
        let chats = chats["chats"].as_array().expect("a list");
        chats
            .iter()
            .map(|chat| chat["id"].as_str().expect("text").to_owned())
            .collect()
    }

    /// The messages after a number in an open chat, as `seq` and `content` (protocol 2).
    pub(crate) async fn messages_after(&mut self, chat_id: &str, seq: i64) -> Vec<(i64, String)> {
        self.send("get_chat_history", json!({"chatId": chat_id, "afterSeq": seq}))
            .await;
        let history = self.expect_passing("chat_history", &["user_message"]).await;
        let messages = history["messages"].as_array().expect("a list");
        let numbered = |message: &Value| {
            let content = message["content"].as_str().expect("text").to_owned();
            (message["seq"].as_i64().expect("a number"), content)
        };
        messages.iter().map(numbered).collect()
    }

    /// The messages of an open chat, as `content`s.
    pub(crate) async fn history(&mut self, chat_id: &str) -> Vec<String> {
        self.send("get_chat_history", json!({"chatId": chat_id})).await;
        let history = self.expect("chat_history").await;
        let messages = history["messages"].as_array().expect("a list");
        messages
            .iter()
            .map(|message| message["content"].as_str().expect("text").to_owned())
            .collect()
    }
}
