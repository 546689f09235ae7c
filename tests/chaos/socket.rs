//! A client's WebSocket over a link that may be cut.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::secrecy;

/// Time limit for connecting and for writing.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
}

/// What the socket has received.
#[derive(Debug)]
pub(crate) enum Incoming {
    Frame(Value),
    /// The connection ended, with the code of the close frame if there was one.
    End(Option<u16>),
    /// Something that no server may send.
    Nonsense(String),
}

impl Socket {
    pub(crate) async fn open(address: SocketAddr) -> Result<Socket> {
        let opening = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (stream, _) = client_async(format!("ws://{address}/connect"), stream).await?;
            anyhow::Ok(Socket { stream })
        };
        timeout(PATIENCE, opening)
            .await
            .context("no connection in time")?
    }

    pub(crate) async fn send(&mut self, frame: &Value) -> Result<()> {
        secrecy::note_sent(frame);
        let sending = self.stream.send(Message::text(frame.to_string()));
        Ok(timeout(PATIENCE, sending).await??)
    }

    /// The next frame. Cancel safe.
    pub(crate) async fn next(&mut self) -> Incoming {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(frame) if text.ends_with('\n') => return Incoming::Frame(frame),
                    Ok(_) | Err(_) => return Incoming::Nonsense(text.to_string()),
                },
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    return Incoming::End(frame.map(|frame| frame.code.into()));
                }
                Some(Ok(other)) => return Incoming::Nonsense(format!("{other:?}")),
                None | Some(Err(_)) => return Incoming::End(None),
            }
        }
    }

    /// Sends a close frame. Dropping the socket sends none.
    pub(crate) async fn close(mut self) {
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: Default::default(),
        };
        let _ = timeout(PATIENCE, self.stream.close(Some(frame))).await;
    }
}
