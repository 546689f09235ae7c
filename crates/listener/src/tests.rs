//! A server on a real socket. The clock is paused: it jumps to the next deadline whenever nothing else can happen.

use std::{
    collections::VecDeque,
    future::pending,
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use api_documents::check_handshake;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::{rt::TokioExecutor, server::conn::auto};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::{Exchange, HEAD_TIME, IDLE_TIME, Limits, refused_connections, serve};

const EXCHANGE_TIME: Duration = Duration::from_secs(45);
const HALF_HEAD: &str = "GET / HTTP/1.1\r\nhost:";
const HALF_BODY: &str = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n1";
const WHOLE: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
/// A request that the service never answers.
const ENDLESS: &str = "GET /endless HTTP/1.1\r\nhost: x\r\n\r\n";

/// What this test's thread has logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Client(TcpStream);

impl Client {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Sends a request and reads its response.
    async fn ask(&mut self) {
        self.send(WHOLE).await;
        let mut answer = [0; 512];
        let length = self.0.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("fine"),
            "{answer}"
        );
    }

    /// Everything received until the server closes the connection, and how long that takes.
    async fn rest(mut self) -> (String, Duration) {
        let (began, mut rest) = (Instant::now(), Vec::new());
        // An error is a reset, which is an end as well.
        _ = self.0.read_to_end(&mut rest).await;
        (String::from_utf8(rest).unwrap(), began.elapsed())
    }

    #[track_caller]
    fn assert_closed_after(self, limit: Duration) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let (rest, took) = self.rest().await;
            assert_eq!(rest, "", "{place}");
            let tolerance = Duration::from_millis(5);
            assert!(
                took >= limit && took < limit + tolerance,
                "{place}: {took:?} and not {limit:?}"
            );
        }
    }
}

async fn answer(request: Request<Incoming>, exchange: Exchange) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    _ = request.into_body().collect().await;
    exchange.received();
    if path == "/endless" {
        pending::<()>().await;
    }
    Response::new(Full::from("fine"))
}

struct Server(std::net::SocketAddr);

impl Server {
    async fn start(connections: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits {
            connections,
            exchange: EXCHANGE_TIME,
        };
        let http = auto::Builder::new(TokioExecutor::new());
        tokio::spawn(async move {
            serve(
                listener,
                limits,
                http,
                |request, _, exchange| answer(request, exchange),
                pending(),
            )
            .await
        });
        Self(address)
    }

    async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.0).await.unwrap())
    }

    async fn connect_and_send(&self, text: &str) -> Client {
        let mut client = self.connect().await;
        client.send(text).await;
        client
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_closed_after_10_s() {
    let server = Server::start(10).await;
    server.connect().await.assert_closed_after(HEAD_TIME).await;
}

#[tokio::test(start_paused = true)]
async fn a_head_has_10_s_from_its_first_byte() {
    let server = Server::start(10).await;
    server
        .connect_and_send(HALF_HEAD)
        .await
        .assert_closed_after(HEAD_TIME)
        .await;

    let mut kept_alive = server.connect().await;
    kept_alive.ask().await;
    tokio::time::sleep(IDLE_TIME / 2).await;
    kept_alive.send(HALF_HEAD).await;
    kept_alive.assert_closed_after(HEAD_TIME).await;
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_in_drops_has_10_s_in_all() {
    let server = Server::start(10).await;
    let began = Instant::now();
    let mut slow = server.connect_and_send(HALF_HEAD).await;
    for _ in 0..3 {
        tokio::time::sleep(HEAD_TIME / 4).await;
        slow.send(" x").await;
    }
    slow.rest().await;
    assert!(began.elapsed() < HEAD_TIME + Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_60_s_after_its_last_response() {
    let server = Server::start(10).await;
    let mut client = server.connect().await;
    client.ask().await;
    tokio::time::sleep(IDLE_TIME - Duration::from_secs(1)).await;
    client.ask().await;
    client.assert_closed_after(IDLE_TIME).await;
}

#[tokio::test(start_paused = true)]
async fn an_exchange_has_its_own_limit() {
    let server = Server::start(10).await;
    for text in [HALF_BODY, ENDLESS] {
        server
            .connect_and_send(text)
            .await
            .assert_closed_after(EXCHANGE_TIME)
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_takes_the_place_of_the_one_that_waits_longest_for_its_client() {
    let server = Server::start(4).await;
    let mut waiting = VecDeque::from([
        server.connect_and_send(HALF_BODY).await,
        server.connect().await,
        server.connect_and_send(HALF_HEAD).await,
    ]);
    let mut answered = server.connect().await;
    // An answered connection waits again, as the last one.
    answered.ask().await;
    waiting.push_back(answered);
    let mut newcomers = Vec::new();
    while let Some(oldest) = waiting.pop_front() {
        let mut newcomer = server.connect().await;
        newcomer.ask().await;
        newcomers.push(newcomer);
        oldest.assert_closed_after(Duration::ZERO).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_being_answered_keeps_its_place() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let server = Server::start(2).await;
    let first = server.connect_and_send(ENDLESS).await;
    let second = server.connect_and_send(ENDLESS).await;
    // The server may accept another connection before it has read the requests. Then this one makes room.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let refused_before = refused_connections();
    let (refusal, took) = server.connect().await.rest().await;
    assert_eq!(took, Duration::ZERO);
    assert!(refused_connections() > refused_before);
    assert!(
        refusal.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
        "{refusal}"
    );
    let (head, body) = refusal.split_once("\r\n\r\n").unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (
            HeaderName::try_from(name).unwrap(),
            HeaderValue::try_from(value).unwrap(),
        )
    };
    let headers: HeaderMap = head.lines().skip(1).map(header).collect();
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert_eq!(headers["content-length"], body.len().to_string());
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(policy.ends_with("; frame-ancestors 'none'"), "{policy}");
    // The request may have been a handshake.
    check_handshake(503, &headers, body.as_bytes()).unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&body["statusCode"], &body["message"]),
        (&503.into(), &"too many connections".into())
    );
    let trace = body["traceId"].as_str().unwrap();
    assert_eq!(trace.len(), 32, "{body}");
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let mut lines = log.lines();
    let line = lines.find(|line| line.contains("refused the connection of 127.0.0.1:"));
    let traced = format!("traceId={trace}");
    assert!(line.is_some_and(|line| line.contains(&traced)), "{log}");
    drop((first, second));
    // Their places are free when the server has noticed.
    tokio::time::sleep(Duration::from_millis(1)).await;
    server.connect().await.ask().await;
}
