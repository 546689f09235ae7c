//! Sends one request repeatedly, in a closed loop over kept-alive connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::figures::{Latencies, milliseconds};
use crate::server::Server;

/// The most requests per connection in one measurement, even if its time is not up.
const MOST_REQUESTS: usize = 100_000;

/// A request, and the status that its answer must have.
#[derive(Clone)]
pub(crate) struct Call {
    method: Method,
    path: String,
    authorization: Option<String>,
    body: Bytes,
    status: StatusCode,
}

impl Call {
    /// A `GET` that is answered 200. Paths begin with the service.
    pub(crate) fn get(path: &str, token: &str) -> Call {
        Call {
            method: Method::GET,
            path: path.to_owned(),
            authorization: Some(format!("Bearer {token}")),
            body: Bytes::new(),
            status: StatusCode::OK,
        }
    }

    /// A `POST` that is answered 201.
    pub(crate) fn post(path: &str, token: &str, body: &Value) -> Call {
        Call {
            method: Method::POST,
            body: body.to_string().into(),
            status: StatusCode::CREATED,
            ..Call::get(path, token)
        }
    }

    /// A request with a body that is answered 200.
    pub(crate) fn patch(path: &str, token: &str, body: &Value) -> Call {
        Call {
            method: Method::PATCH,
            status: StatusCode::OK,
            ..Call::post(path, token, body)
        }
    }

    /// The same with another expected status.
    pub(crate) fn expecting(mut self, status: StatusCode) -> Call {
        self.status = status;
        self
    }

    /// The same without credentials.
    pub(crate) fn anonymous(mut self) -> Call {
        self.authorization = None;
        self
    }

    fn request(&self, host: &str) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(&self.method)
            .uri(&self.path)
            .header(HOST, host)
            .header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        Ok(request.body(Full::new(self.body.clone()))?)
    }
}

/// A connection to a server, for consecutive requests.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // An error of the connection is also an error of its request.
        tokio::spawn(async { drop(connection.await) });
        Ok(Connection {
            sender,
            host: address.to_string(),
        })
    }

    /// Sends a request and reads the whole answer, which must have the expected status.
    pub(crate) async fn send(&mut self, call: &Call) -> Result<Bytes> {
        let Call { method, path, .. } = call;
        let (status, body) = self
            .exchange(call)
            .await
            .with_context(|| format!("{method} {path}"))?;
        ensure!(
            status == call.status,
            "{method} {path}: {status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(body)
    }

    /// Sends a request and reads the whole answer, with any status.
    pub(crate) async fn exchange(&mut self, call: &Call) -> Result<(StatusCode, Bytes)> {
        self.sender.ready().await?;
        let response = self.sender.send_request(call.request(&self.host)?).await?;
        let (head, body) = response.into_parts();
        Ok((head.status, body.collect().await?.to_bytes()))
    }
}

/// The figures of one measurement.
pub(crate) struct Sample {
    /// From sending a request to having read its answer. Never empty.
    latencies: Latencies,
    elapsed: Duration,
    processor_time: Duration,
}

impl Sample {
    pub(crate) fn requests_per_second(&self) -> f64 {
        self.latencies.count() as f64 / self.elapsed.as_secs_f64()
    }

    /// The percentile of the latencies in milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        self.latencies.percentile(percent)
    }

    /// Milliseconds of the server's processor time per request.
    pub(crate) fn processor_time_per_request(&self) -> f64 {
        milliseconds(self.processor_time) / self.latencies.count() as f64
    }
}

/// Sends a request for a while over a number of connections, each of which sends again when it has its answer.
pub(crate) async fn measure(
    server: &Server,
    call: &Call,
    connections: u16,
    time: Duration,
) -> Result<Sample> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(server.address).await?);
    }
    let before = server.processor_time()?;
    let start = Instant::now();
    let mut senders: JoinSet<_> = open
        .into_iter()
        .map(|connection| send_until(connection, call.clone(), start + time))
        .collect();
    let mut latencies = Vec::new();
    while let Some(sent) = senders.join_next().await {
        latencies.append(&mut sent??);
    }
    let elapsed = start.elapsed();
    Ok(Sample {
        latencies: Latencies::of(latencies),
        elapsed,
        processor_time: server.processor_time()?.saturating_sub(before),
    })
}

async fn send_until(mut connection: Connection, call: Call, end: Instant) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    loop {
        let sent = Instant::now();
        connection.send(&call).await?;
        latencies.push(sent.elapsed());
        if Instant::now() >= end || latencies.len() == MOST_REQUESTS {
            return Ok(latencies);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_one_request() {
        let sample = Sample {
            latencies: Latencies::of((1..=100).map(Duration::from_millis).collect()),
            elapsed: Duration::from_secs(2),
            processor_time: Duration::from_secs(1),
        };

        assert_eq!(sample.requests_per_second(), 50.0);
        assert_eq!(sample.processor_time_per_request(), 10.0);
        assert_eq!(sample.percentile(50), 50.0);
    }
}
