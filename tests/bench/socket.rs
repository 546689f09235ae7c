//! A client's socket that costs the machine little.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Frames are short, and the library allocates this much for each socket at once.
const READ_BUFFER_BYTES: usize = 8 * 1024;

pub(crate) type Stream = WebSocketStream<TcpStream>;

/// Connects to a sidecar and sends the first frame, which has no answer.
pub(crate) async fn dial(sidecar: SocketAddr, token: &str) -> Result<Stream> {
    let stream = TcpStream::connect(sidecar).await?;
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0);
    let url = format!("ws://{sidecar}/connect");
    let (mut stream, _) = client_async_with_config(url, stream, Some(config)).await?;
    send(&mut stream, &json!({"Authorization": format!("Bearer {token}")})).await?;
    Ok(stream)
}

/// The same, and waits until the client is signed in.
pub(crate) async fn sign_in(sidecar: SocketAddr, token: &str) -> Result<Stream> {
    let mut stream = dial(sidecar, token).await?;
    send(&mut stream, &json!({"type": "get_chats", "payload": ""})).await?;
    let frame = next(&mut stream).await?;
    match frame["type"].as_str() {
        Some("chats") => Ok(stream),
        _ => bail!("expected chats, not {frame}"),
    }
}

pub(crate) async fn send(stream: &mut Stream, frame: &Value) -> Result<()> {
    Ok(stream.send(Message::text(frame.to_string())).await?)
}

/// The next frame, in full.
pub(crate) async fn next(stream: &mut Stream) -> Result<Value> {
    loop {
        if let Message::Text(text) = stream.next().await.context("the socket was closed")?? {
            return Ok(serde_json::from_str(&text)?);
        }
    }
}
