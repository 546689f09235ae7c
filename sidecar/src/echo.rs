//! The sidecar's sockets as an echo server, with nothing behind them. Suites that test conformance to RFC 6455 talk to
//! it (`cargo xtask conformance`).

use std::future::pending;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::any;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::connection::task::{LINGER, read_to_end, violation};
use crate::door;

/// Suites send messages of 16 MiB.
const MAX_MESSAGE_BYTES: usize = 32 * 1024 * 1024;

/// Serves until dropped.
pub async fn run(listener: TcpListener) {
    let echo =
        any(async |upgrade: WebSocketUpgrade| door::bounded(upgrade, MAX_MESSAGE_BYTES).on_upgrade(echo));
    door::accept(listener, Router::new().route("/", echo), pending()).await;
}

async fn echo(socket: WebSocket) {
    let (mut sink, mut stream) = socket.split();
    while let Some(message) = stream.next().await {
        let sent = match message {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => sink.send(message).await,
            // The answer is in the buffer already.
            Ok(Message::Ping(_)) => sink.flush().await,
            Ok(Message::Pong(_)) => Ok(()),
            Ok(Message::Close(_)) => return read_to_end(&mut stream).await,
            Err(error) => {
                if let Some(frame) = violation(error)
                    && sink.send(Message::Close(Some(frame))).await.is_ok()
                {
                    sleep(LINGER).await;
                }
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}
