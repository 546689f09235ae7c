//! The canary as a client: REST and sockets.

use anyhow::{Context, bail, ensure};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use trace_context::TraceContext;

use crate::service::{Client, with_causes};

/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The services' routes, as a run calls them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Http<'a> {
    pub(super) client: &'a Client,
    pub(super) origin: &'a str,
    /// All calls and sockets of a run are one trace.
    pub(super) trace: TraceContext,
}

impl Http<'_> {
    /// The token of an account.
    pub(super) async fn sign_in(&self, service: &str, account: &Value) -> anyhow::Result<String> {
        let body = json!({"email": account["email"], "password": account["password"]});
        let path = format!("/{service}/auth/sign-in");
        let signed_in = self.call(Method::POST, &path, None, Some(&body)).await?;
        text(&signed_in, "token").map(str::to_owned)
    }

    pub(super) async fn post(&self, path: &str, token: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, Some(token), Some(body)).await
    }

    pub(super) async fn get(&self, path: &str, token: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, Some(token), None).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let mut request = Request::builder()
            .method(&method)
            .uri(format!("{}{path}", self.origin))
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let response = self.send(request.body(Full::from(body))?).await?;
        let status = response.status();
        ensure!(status.is_success(), "the answer to {method} {path} was {status}");
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES)
            .collect()
            .await;
        let body = body.map_err(|error| anyhow::anyhow!("{method} {path}: {error}"))?;
        match body.to_bytes() {
            body if body.is_empty() => Ok(Value::Null),
            body => serde_json::from_slice(&body).with_context(|| format!("the answer to {method} {path}")),
        }
    }

    async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> anyhow::Result<http::Response<hyper::body::Incoming>> {
        let trace = HeaderValue::try_from(self.trace.to_string())?;
        request.headers_mut().insert(trace_context::HEADER, trace);
        let response = self.client.request(request).await;
        response.map_err(|error| anyhow::anyhow!("no connection: {}", with_causes(&error)))
    }

    /// Opens a socket and waits until the token is accepted.
    pub(super) async fn connect(&self, url: &str, token: &str) -> anyhow::Result<Socket> {
        let request = Request::builder()
            .uri(url.replacen("ws", "http", 1))
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, generate_key());
        let response = self.send(request.body(Full::default())?).await?;
        let status = response.status();
        ensure!(
            status == StatusCode::SWITCHING_PROTOCOLS,
            "the answer of the socket was {status}"
        );
        let upgraded = hyper::upgrade::on(response).await?;
        let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
        let mut socket = Socket(stream);
        let first = json!({"Authorization": format!("Bearer {token}"), "protocol": 2});
        socket.0.send(Message::text(first.to_string())).await?;
        socket.expect("ready", |_| true).await?;
        Ok(socket)
    }
}

/// A socket that speaks protocol 2.
#[derive(Debug)]
pub(super) struct Socket(WebSocketStream<TokioIo<Upgraded>>);

impl Socket {
    pub(super) async fn send(&mut self, kind: &str, payload: Value) -> anyhow::Result<()> {
        let frame = json!({"type": kind, "payload": payload});
        Ok(self.0.send(Message::text(frame.to_string())).await?)
    }

    /// Reads up to a frame of this type that is the expected one, and returns its payload.
    pub(super) async fn expect(
        &mut self,
        kind: &str,
        is_expected: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        while let Some(message) = self.0.next().await {
            let frame: Value = match message? {
                Message::Text(text) => serde_json::from_str(&text)?,
                Message::Close(Some(close)) => bail!("the socket was closed with {}", close.code),
                _ => continue,
            };
            let payload = &frame["payload"];
            if frame["type"] == kind && is_expected(payload) {
                return Ok(payload.clone());
            }
            ensure!(
                frame["type"] != "error",
                "instead of {kind} came the error {}",
                payload["code"]
            );
        }
        bail!("the socket ended")
    }

    /// Closes the socket, and waits until the sidecar has closed it.
    pub(super) async fn close(&mut self) {
        if self.0.close(None).await.is_ok() {
            while let Some(Ok(_)) = self.0.next().await {}
        }
    }
}

/// A text in an answer.
pub(super) fn text<'a>(answer: &'a Value, name: &str) -> anyhow::Result<&'a str> {
    answer[name]
        .as_str()
        .with_context(|| format!("the answer has no {name}"))
}
