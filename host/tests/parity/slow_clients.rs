//! Limits for slow, silent and greedy clients. They cost a socket and little else. Spin has no such limits.

use std::{
    pin::Pin,
    process::Stdio,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use mayday_host::{Body, Error};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::Command,
    time::{Instant, timeout},
};

use crate::{
    process::{Program, get},
    support::{DEADLINE, Setup, text, trigger},
};

/// A body that begins and never ends.
struct Unfinished(bool);

impl http_body::Body for Unfinished {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match std::mem::replace(&mut self.0, true) {
            true => Poll::Pending,
            false => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"1"))))),
        }
    }
}

/// A refusal of the host's own has the error body of the services, and pages of any origin may read it.
async fn assert_refusal(response: Response<Body>, status: StatusCode, message: &str) {
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    let reason = status.canonical_reason().unwrap();
    assert_eq!(
        text(response).await,
        format!(
            r#"{{"statusCode":{},"message":"{message}","error":"{reason}"}}"#,
            status.as_u16()
        )
    );
}

#[tokio::test]
async fn a_body_that_does_not_end_within_10_s_is_answered_408() {
    let host = Setup::new().start();
    tokio::time::pause();
    let began = Instant::now();
    let response = host
        .app
        .handle(Request::post("/echo").body(Unfinished(false)).unwrap())
        .await;
    let took = began.elapsed();
    assert!(
        took >= Duration::from_secs(10) && took < Duration::from_secs(11),
        "{took:?}"
    );
    assert_eq!(response.headers()["connection"], "close");
    assert_refusal(
        response,
        StatusCode::REQUEST_TIMEOUT,
        "the request took too long to arrive",
    )
    .await;
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_answered_413() {
    let host = Setup::new().start();
    let body = http_body_util::Full::new(Bytes::from(vec![b'x'; (16 << 20) + 1]));
    let response = host.send(Request::post("/echo").body(body).unwrap()).await;
    assert_eq!(response.headers()["connection"], "close");
    assert_refusal(
        response,
        StatusCode::PAYLOAD_TOO_LARGE,
        "request entity too large",
    )
    .await;
}

/// Whose pages may not read the services' answers may not read the host's either.
#[tokio::test]
async fn pages_of_the_listed_origins_alone_may_read_refusals() {
    const LISTED: &str = "https://help.example.org";
    let variables =
        format!("[variables]\nallowed_origins = {{ default = \"https://a.example.org, {LISTED}\" }}");
    let host = Setup::new()
        .triggers(trigger("/echo", "probe"))
        .sections(&variables)
        .start();
    for (origin, allowed) in [(LISTED, Some(LISTED)), ("https://other.example.org", None)] {
        let body = http_body_util::Full::new(Bytes::from(vec![b'x'; (16 << 20) + 1]));
        let request = Request::post("/echo").header("origin", origin);
        let refused = host.send(request.body(body).unwrap()).await;
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let header = refused.headers().get("access-control-allow-origin");
        assert_eq!(header.map(|value| value.to_str().unwrap()), allowed, "{origin}");
        assert_eq!(refused.headers()["vary"], "Origin");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_starts_no_instance() {
    let host = Setup::new().start();
    let body = futures_util::stream::iter([
        Ok(Frame::data(Bytes::from_static(b"1"))),
        Err(Error::ConnectionTerminated),
    ]);
    let body = http_body_util::StreamBody::new(body);
    let response = host
        .app
        .handle(Request::post("/print?text=started").body(body).unwrap())
        .await;
    assert_refusal(response, StatusCode::BAD_REQUEST, "the request broke off").await;
    let log = host.dir.path().join(".spin/logs/probe_stdout.txt");
    assert_eq!(std::fs::read_to_string(log).unwrap(), "");
}

/// Trailers come after the body, so they are read with it.
#[tokio::test]
async fn a_whole_body_reaches_the_component_however_it_is_cut() {
    let host = Setup::new().start();
    let frames = ["one ", "two ", "three"].map(|part| Ok::<_, Error>(Frame::data(Bytes::from(part))));
    let trailers = Frame::trailers(http::HeaderMap::from_iter([(
        http::HeaderName::from_static("x-sum"),
        http::HeaderValue::from_static("1"),
    )]));
    let frames = futures_util::stream::iter(frames.into_iter().chain([Ok(trailers)]));
    let body = http_body_util::StreamBody::new(frames);
    let response = host.app.handle(Request::post("/echo").body(body).unwrap()).await;
    assert_eq!(text(response).await, "one two three");
}

/// Clients that never finish their requests take none of the two permits. The program also has to raise its own limit
/// of open files for their sockets.
#[tokio::test(flavor = "multi_thread")]
async fn other_requests_are_answered_beside_two_thousand_unfinished_bodies() {
    const CLIENTS: usize = 2000;
    listener::raise_open_file_limit();
    assert!(
        listener::open_file_limit() > 2 * CLIENTS + 200,
        "this test needs more open files"
    );
    let setup = Setup::new();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -S -n 256 && exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_mayday-host"))
        .args(["--listen", "127.0.0.1:0", "--max-requests", "2", "-f"])
        .arg(setup.write());
    let mut program = Program::spawn(command, Stdio::piped());
    let address = program.line("Serving http://").await;
    let mut clients = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        let mut client = TcpStream::connect(&address).await.unwrap();
        let head = format!("POST /echo/a%20name HTTP/1.1\r\nhost: {address}\r\ncontent-length: 100\r\n");
        let half = format!("{head}\r\n1");
        client.write_all(half.as_bytes()).await.unwrap();
        clients.push(client);
    }
    for number in 0..20 {
        let answer = get(&address, &format!("/variable?name={number}")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    // Each slow client is told what was wrong.
    let mut last = clients.pop().unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, last.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    drop(clients);
    program.terminate();
    let (ended_well, errors) = program.end().await;
    assert!(ended_well);
    let lines: Vec<_> = errors
        .lines()
        .filter(|line| line.contains("took longer than 10 s"))
        .collect();
    let hides_the_name =
        |line: &&str| line.contains("refused a request of 127.0.0.1:") && !line.contains("name");
    assert!(lines.iter().all(hides_the_name), "{lines:?}");
    assert!(
        !lines.is_empty() && lines.len() <= CLIENTS,
        "one line for each: {}",
        lines.len()
    );
    assert!(
        !errors.contains("panicked") && !errors.contains("backtrace"),
        "{errors}"
    );
}
