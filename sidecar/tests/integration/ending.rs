//! How connections end.

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::{ALICE, Client, Messenger, Redis, Sidecar, no_new_chats, soon};

#[tokio::test]
async fn a_clients_close_frame_is_echoed() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut bob = sidecar.bob().await;
    let frame = CloseFrame {
        code: 4321.into(),
        reason: "bye".into(),
    };
    bob.socket
        .send(Message::Close(Some(frame.clone())))
        .await
        .unwrap();
    assert_eq!(
        bob.next_message().await.unwrap().unwrap(),
        Message::Close(Some(frame))
    );
    assert!(
        soon(bob.socket.next()).await.is_none(),
        "the server ends the TCP connection"
    );
}

#[tokio::test]
async fn commands_under_way_are_answered_before_a_stop() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let mut sidecar = Sidecar::start(&messenger, &redis).await;
    let (mut alice, mut bob) = (sidecar.alice().await, sidecar.bob().await);
    let mut idle = sidecar.bob().await;
    let mut silent = Client::connect(&sidecar).await;
    messenger.hold();
    let calls = messenger.calls();
    alice.ask("start_chat", json!("")).await;
    messenger.called(calls + 1).await;
    bob.say("one more thing").await;
    bob.has_been_read().await;
    sidecar.stop();
    // Connections without commands under way close at once.
    assert_eq!(silent.is_closed().await, 1012);
    assert_eq!(idle.is_closed().await, 1012);
    messenger.resume();
    assert_eq!(alice.next().await, no_new_chats());
    bob.hears("one more thing").await;
    assert_eq!(bob.is_closed().await, 1012);
    drop((alice, bob, idle, silent));
    soon(&mut sidecar.running).await.unwrap().unwrap();
    assert!(
        tokio::net::TcpStream::connect(sidecar.address).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn a_violation_of_the_websocket_protocol_ends_the_connection() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut mallory = Client::connect(&sidecar).await;
    mallory.authorize(ALICE).await;
    let reserved = tokio_tungstenite::tungstenite::protocol::frame::Frame::message(
        vec![0xff, 0xfe],
        tokio_tungstenite::tungstenite::protocol::frame::coding::OpCode::Data(
            tokio_tungstenite::tungstenite::protocol::frame::coding::Data::Text,
        ),
        true,
    );
    mallory.socket.send(Message::Frame(reserved)).await.unwrap();
    assert_eq!(mallory.is_closed().await, 1007);
}
