//! A client's socket that costs the machine little.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Frames are short, and the library allocates this much for each socket at once.
const READ_BUFFER_BYTES: usize = 8 * 1024;

pub(crate) type Stream = WebSocketStream<TcpStream>;

/// The protocol that a client asks for in its first frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Protocol {
    Contract,
    Two,
}

/// Connects to a sidecar and sends the first frame, which has no answer.
pub(crate) async fn dial(sidecar: SocketAddr, token: &str) -> Result<Stream> {
    greet(TcpStream::connect(sidecar).await?, token, Protocol::Contract).await
}

/// Sends the first frame over a new connection.
async fn greet(stream: TcpStream, token: &str, protocol: Protocol) -> Result<Stream> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0);
    let url = format!("ws://{}/connect", stream.peer_addr()?);
    let (mut stream, _) = client_async_with_config(url, stream, Some(config)).await?;
    let mut first = json!({"Authorization": format!("Bearer {token}")});
    if protocol == Protocol::Two {
        first["protocol"] = 2.into();
    }
    send(&mut stream, &first).await?;
    Ok(stream)
}

/// Connects, and waits until `get_chats` is answered.
pub(crate) async fn sign_in(sidecar: SocketAddr, token: &str) -> Result<Stream> {
    sign_in_with(sidecar, token, Protocol::Contract).await
}

/// Connects under either protocol, and waits until `get_chats` is answered.
pub(crate) async fn sign_in_with(sidecar: SocketAddr, token: &str, protocol: Protocol) -> Result<Stream> {
    let stream = greet(TcpStream::connect(sidecar).await?, token, protocol).await?;
    get_chats(stream).await
}

/// Connects with a receive buffer of this size, and waits until `get_chats` is answered.
pub(crate) async fn sign_in_with_little_buffer(
    sidecar: SocketAddr,
    token: &str,
    bytes: u32,
) -> Result<Stream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(bytes)?;
    let stream = greet(socket.connect(sidecar).await?, token, Protocol::Contract).await?;
    get_chats(stream).await
}

/// Sends `get_chats` and waits for the answer. Protocol 2 shows other frames before it.
async fn get_chats(mut stream: Stream) -> Result<Stream> {
    send(&mut stream, &json!({"type": "get_chats", "payload": ""})).await?;
    loop {
        let frame = next(&mut stream).await?;
        match frame["type"].as_str() {
            Some("chats") => return Ok(stream),
            Some("ready" | "queue_position" | "queue_status") => {}
            _ => bail!("expected chats, not {frame}"),
        }
    }
}

pub(crate) async fn send(stream: &mut Stream, frame: &Value) -> Result<()> {
    Ok(stream.send(Message::text(frame.to_string())).await?)
}

/// Receives the next frame.
pub(crate) async fn next(stream: &mut Stream) -> Result<Value> {
    loop {
        if let Message::Text(text) = stream.next().await.context("the socket was closed")?? {
            return Ok(serde_json::from_str(&text)?);
        }
    }
}
