//! From the upgrade to the first answer (contract 5.2).

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use mayday_sidecar::Timings;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::logging::next_line;
use crate::support::{
    ALICE, BOB, Client, Fault, Messenger, Program, Redis, Sidecar, check_refusal, no_chats, soon,
};

#[tokio::test]
async fn a_request_that_is_not_an_upgrade_is_a_bad_request() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let answer = sidecar.get("/connect").await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/plain"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nBad Request"), "{answer}");
    assert!(sidecar.get("/healthz").await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn the_document_for_client_authors_is_served_to_pages_of_any_origin() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let answer = sidecar.get("/asyncapi.json").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for header in [
        "content-type: application/json",
        "cache-control: public, max-age=300",
        "access-control-allow-origin: *",
    ] {
        assert!(answer.contains(&format!("\r\n{header}\r\n")), "{header}");
    }
    let document = include_str!("../../asyncapi.json");
    assert!(answer.ends_with(&format!("\r\n\r\n{document}")));
}

#[tokio::test]
async fn no_answer_of_the_door_is_a_page_or_stored_by_a_browser() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    for path in ["/connect", "/healthz", "/readyz", "/metrics", "/nowhere"] {
        let answer = sidecar.get(path).await;
        for header in [
            "cache-control: no-store\r\n",
            "content-security-policy: default-src 'none'; ",
            "x-content-type-options: nosniff\r\n",
        ] {
            assert!(answer.contains(header), "{path}: {answer}");
        }
    }
}

/// What makes a request a handshake, beside its key.
const UPGRADE: [&str; 3] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
];

/// The answer to a handshake with these headers: the head of an upgrade, or the whole of a refusal.
async fn handshake(address: SocketAddr, headers: &[&str]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let request = format!("GET /connect HTTP/1.1\r\nHost: sidecar\r\n{key}{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let mut lines = BufReader::new(stream);
    while !answer.ends_with("\r\n\r\n") && soon(lines.read_line(&mut answer)).await.unwrap() > 0 {}
    if !answer.starts_with("HTTP/1.1 101 ") {
        let length = answer
            .split_once("content-length: ")
            .expect("the length of the body")
            .1;
        let length: u64 = length.split_once("\r\n").unwrap().0.parse().unwrap();
        soon(lines.take(length).read_to_string(&mut answer))
            .await
            .unwrap();
        check_refusal(&answer);
    }
    answer
}

/// hyper finds the end of a request by RFC 9112, 6.3. Whatever follows a request whose end another server may see
/// elsewhere is no request. No route takes `TRACE`.
#[tokio::test]
async fn a_request_with_two_lengths_is_refused_or_ends_its_connection() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let ask = async |method: &str, lengths: &str| {
        let mut client = TcpStream::connect(sidecar.address).await.unwrap();
        let head = format!("{method} /healthz HTTP/1.1\r\nHost: sidecar\r\n{lengths}\r\n");
        let behind = "GET /healthz HTTP/1.1\r\nHost: sidecar\r\n\r\n";
        let sent = format!("{head}5\r\nhello\r\n0\r\n\r\n{behind}");
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut answers = Vec::new();
        // A reset is an end as well.
        let _ = soon(client.read_to_end(&mut answers)).await;
        String::from_utf8(answers).unwrap()
    };
    let both = [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
    ];
    for (method, status) in [("GET", "200 OK"), ("TRACE", "405 Method Not Allowed")] {
        for lengths in both {
            let answers = ask(method, lengths).await;
            let expected = format!("HTTP/1.1 {status}\r\n");
            assert!(answers.starts_with(&expected), "{lengths}: {answers}");
            assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{lengths}: {answers}");
        }
    }
    for lengths in [
        "Content-Length: 3\r\nContent-Length: 15\r\n",
        "Content-Length: 3, 15\r\n",
        "Content-Length: +15\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
    ] {
        let answers = ask("GET", lengths).await;
        assert!(
            answers.starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{lengths}: {answers}"
        );
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{lengths}: {answers}");
    }
}

/// A proxy says by which scheme a client came; that of a socket may be `wss`. The upgrade says it as well.
#[tokio::test]
async fn who_came_by_https_is_told_to_stay_there() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let is_told = |answer: &str| answer.contains("strict-transport-security: max-age=31536000\r\n");
    for path in [
        "/connect",
        "/healthz",
        "/readyz",
        "/metrics",
        "/asyncapi.json",
        "/nowhere",
    ] {
        let answer = sidecar.get_with(path, "X-Forwarded-Proto: https\r\n").await;
        assert!(is_told(&answer), "{path}: {answer}");
        let answer = sidecar.get_with(path, "X-Forwarded-Proto: http\r\n").await;
        assert!(!answer.contains("strict-transport-security"), "{path}: {answer}");
    }
    for (scheme, expected) in [("https", true), ("wss", true), ("http", false)] {
        let scheme = format!("X-Forwarded-Proto: {scheme}");
        let answer = handshake(sidecar.address, &[&UPGRADE[..], &[&scheme]].concat()).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{scheme}: {answer}");
        assert_eq!(is_told(&answer), expected, "{scheme}: {answer}");
    }
}

/// RFC 9110, 5.3.
#[tokio::test]
async fn handshake_headers_may_be_lists_and_split_over_lines() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let version = "Sec-WebSocket-Version: 13";
    for headers in [
        &[
            "Connection: keep-alive",
            "Connection: Upgrade",
            "Upgrade: websocket",
            version,
        ][..],
        &["Connection: keep-alive, Upgrade", "Upgrade: WebSocket", version],
        &[
            "Connection: upgrade",
            "Upgrade: h2c",
            "Upgrade: example/1 , websocket",
            version,
        ],
    ] {
        let answer = handshake(sidecar.address, headers).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{headers:?}: {answer}");
    }
    for headers in [
        &["Connection: keep-alive", "Upgrade: websocket", version][..],
        &["Connection: no-upgrade", "Upgrade: websocket", version],
        &["Connection: Upgrade", "Upgrade: websocket2", version],
        &["Connection: Upgrade", version],
        &["Connection: Upgrade", "Upgrade: websocket"],
    ] {
        let answer = handshake(sidecar.address, headers).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{headers:?}: {answer}"
        );
    }
}

/// RFC 6455, 4.2.2 and 4.4.
#[tokio::test]
async fn an_unknown_websocket_version_is_answered_with_the_supported_one() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    for version in ["8", "0", "130", "caf\u{e9}"] {
        let version = format!("Sec-WebSocket-Version: {version}");
        let answer = handshake(
            sidecar.address,
            &["Connection: Upgrade", "Upgrade: websocket", &version],
        )
        .await;
        assert!(
            answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"),
            "{answer}"
        );
        assert!(answer.contains("sec-websocket-version: 13\r\n"), "{answer}");
        assert!(answer.contains("upgrade: websocket\r\n"), "{answer}");
    }
}

/// The rules are `listener`'s; this checks that the sidecar applies them.
#[tokio::test]
async fn a_silent_connection_is_closed_and_an_open_websocket_is_not() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut alice = sidecar.alice().await;
    let mut silent = TcpStream::connect(sidecar.address).await.unwrap();
    let closed = timeout(Duration::from_secs(60), silent.read_u8()).await;
    let closed = closed.expect("it stays open").unwrap_err();
    assert_eq!(closed.kind(), std::io::ErrorKind::UnexpectedEof);
    alice.say("still here").await;
    alice.hears("still here").await;
}

#[tokio::test]
async fn frames_sent_before_the_verdict_are_kept_in_order() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    messenger.hold();
    let mut alice = Client::connect(&sidecar).await;
    alice.authorize(ALICE).await;
    alice.ask("get_chats", json!("")).await;
    alice.ask("start_chat", json!("")).await;
    messenger.called(1).await;
    alice
        .socket
        .send_binary(br#"{"type":"get_chat_history","payload":{"chatId":"0a1b2c3d4e5f60718293a4b5"}}"#)
        .await;
    messenger.resume();
    // A client of the contract gets no frame when it is accepted: the first frame is an answer.
    for kind in ["chats", "info", "chat_history"] {
        let frame = alice.next().await;
        assert_eq!(frame["type"], kind, "{frame}");
    }
}

#[tokio::test]
async fn a_refused_client_is_dropped_without_a_close_frame() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    for first in [
        r#"{"Authorization":"Bearer nobody"}"#,
        r#"{"type":"get_chats"}"#,
        "",
        "[]",
    ] {
        let mut mallory = Client::connect(&sidecar).await;
        mallory.send(first).await;
        mallory.is_dropped().await;
    }
    assert_eq!(
        messenger.authentications(),
        [1],
        "what is malformed is not asked about"
    );
}

#[tokio::test]
async fn a_client_that_says_nothing_is_dropped() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let timings = Timings {
        authorization: Duration::from_millis(100),
        ..Timings::default()
    };
    let sidecar = Sidecar::start_with(&messenger, &redis, timings).await;
    Client::connect(&sidecar).await.is_dropped().await;

    messenger.hold();
    let mut alice = Client::connect(&sidecar).await;
    alice.authorize(ALICE).await;
    alice.is_dropped().await;
}

#[tokio::test]
async fn authentication_is_retried_while_the_messenger_cannot_answer() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    messenger.fail([
        Fault::Status(503),
        Fault::Unavailable,
        Fault::AnswerLost,
        Fault::Unavailable,
    ]);
    sidecar.alice().await;
    assert_eq!(messenger.authentications(), [1; 5]);
}

/// Contract 5.2: frames sent before the check is done count, even if their sender leaves before.
#[tokio::test]
async fn commands_sent_before_the_client_left_are_carried_out() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut alice = sidecar.alice().await;
    for closes in [true, false] {
        messenger.hang(BOB.realm);
        let mut bob = Client::connect(&sidecar).await;
        bob.authorize(BOB).await;
        bob.say("one").await;
        bob.say("two").await;
        bob.has_been_read().await;
        if closes {
            soon(bob.socket.close(None)).await.unwrap();
        }
        drop(bob);
        messenger.recover();
        alice.hears("one").await;
        alice.hears("two").await;
    }
}

#[tokio::test]
async fn a_hanging_service_does_not_delay_users_of_the_other() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    for (hangs, works) in [(BOB, ALICE), (ALICE, BOB)] {
        messenger.hang(hangs.realm);
        let calls = messenger.calls();
        let mut waits = Client::connect(&sidecar).await;
        waits.authorize(hangs).await;
        messenger.called(calls + 1).await;
        Client::signed_in(&sidecar, works).await;
        messenger.recover();
        waits.ask("get_chats", json!("")).await;
        assert_eq!(waits.next().await, no_chats());
    }
}

#[tokio::test]
async fn a_storm_of_clients_costs_one_call_per_batch() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    messenger.hold();
    let mut clients = vec![Client::connect(&sidecar).await];
    clients[0].authorize(BOB).await;
    messenger.called(1).await;
    for _ in 0..50 {
        let mut bob = Client::connect(&sidecar).await;
        bob.authorize(BOB).await;
        // The pong shows that the sidecar has read the frames before the ping.
        bob.socket.ping().await;
        assert!(matches!(bob.next_message().await, Some(Ok(Message::Pong(_)))));
        clients.push(bob);
    }
    messenger.resume();
    for client in &mut clients {
        client.ask("get_chats", json!("")).await;
        client.next().await;
    }
    assert_eq!(messenger.authentications(), [1, 50]);
}

trait Raw {
    async fn send_binary(&mut self, frame: &'static [u8]);
    async fn ping(&mut self);
}

impl<S: futures_util::Sink<Message, Error: std::fmt::Debug> + Unpin> Raw for S {
    async fn send_binary(&mut self, frame: &'static [u8]) {
        futures_util::SinkExt::send(self, Message::binary(frame))
            .await
            .unwrap();
    }

    async fn ping(&mut self) {
        futures_util::SinkExt::send(self, Message::Ping(Default::default()))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn events_are_counted() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    let mut alice = sidecar.alice().await;
    alice.say("hello").await;
    alice.hears("hello").await;
    let mut ended = sidecar.bob().await;
    ended.socket.close(None).await.unwrap();
    ended.next_message().await;
    let shown = async |line: &str| {
        let text = sidecar.get("/metrics").await;
        text.lines().any(|shown| shown == line)
    };
    assert!(
        sidecar
            .get("/metrics")
            .await
            .contains("content-type: application/openmetrics-text")
    );
    // The sidecar counts Bob's end when the connection's task has noticed it.
    while !shown("mayday_sidecar_connections 1").await {
        tokio::task::yield_now().await;
    }
    for line in [
        // Three first frames, questions whose answers the test awaited, and one message.
        "mayday_sidecar_frames_received_total 5",
        "mayday_sidecar_frames_sent_total 3",
        "mayday_sidecar_command_seconds_count 3",
        "mayday_sidecar_frames_dropped_total{reason=\"reads_nothing\"} 0",
        "mayday_sidecar_connections_ended_total{how=\"closed_by_client\"} 1",
    ] {
        assert!(shown(line).await, "{line} in {}", sidecar.get("/metrics").await);
    }
}

#[tokio::test]
async fn browsers_are_limited_to_the_allowed_origins() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::allowing(&messenger, &redis, "https://help.example.org").await;
    let status = async |origin: Option<&str>| {
        let origin = origin.map(|origin| format!("Origin: {origin}"));
        let headers: Vec<_> = UPGRADE.into_iter().chain(origin.as_deref()).collect();
        let answer = handshake(sidecar.address, &headers).await;
        answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    assert_eq!(status(None).await, 101);
    assert_eq!(status(Some("https://help.example.org")).await, 101);
    assert_eq!(status(Some("https://evil.example.org")).await, 403);
}

#[tokio::test]
async fn a_refused_handshake_is_logged_under_its_id_and_counted() {
    const OPEN_FILES: usize = 80;
    // An eighth is for HTTP, and 64 for everything else.
    const SOCKETS: usize = OPEN_FILES - OPEN_FILES / 8 - 64;
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let variables = [
        ("RUST_LOG", Path::new("info")),
        ("MAYDAY_ALLOWED_ORIGINS", Path::new("https://help.example.org")),
    ];
    let url = redis.url();
    let mut program =
        Program::with_open_files(OPEN_FILES, &messenger.origin, &url, Stdio::piped(), &variables).await;
    let mut log = BufReader::new(program.child.stderr.take().unwrap()).lines();
    let mut clients = Vec::new();
    for _ in 0..SOCKETS {
        clients.push(Client::connect_to(program.address).await);
    }
    let traced = format!("Traceparent: 00-{TRACE}-b7ad6b7169203331-01");
    let answer = handshake(program.address, &[&UPGRADE[..], &[&traced]].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(
        answer.ends_with(&format!("\r\n\r\ntoo many connections\n{TRACE}\n")),
        "{answer}"
    );
    let line = next_line(&mut log, "refused a socket of 127.0.0.1:").await;
    assert!(
        line.contains(": no_socket ") && line.contains(&format!("traceId={TRACE}")),
        "{line}"
    );

    let elsewhere = ["Origin: https://evil.example.org"];
    let answer = handshake(program.address, &[&UPGRADE[..], &elsewhere].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    for reason in ["no_socket", "other_origin"] {
        let name = format!("mayday_sidecar_connections_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(program.metric(&name).await, 1, "{reason}");
    }
}

/// Behind a proxy, the peer is always the proxy.
#[tokio::test]
async fn refusals_are_logged_with_the_address_that_the_proxy_reports() {
    const HEADER: &str = "x-forwarded-for";
    const ADDRESSES: &str = "203.0.113.9, 192.0.2.7";
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let variables = [
        ("RUST_LOG", Path::new("info")),
        ("MAYDAY_ALLOWED_ORIGINS", Path::new("https://help.example.org")),
        ("MAYDAY_CLIENT_ADDRESS_HEADER", Path::new(HEADER)),
    ];
    // Both refusals share a limit of one line a second, so each has its own sidecar.
    let start = async || {
        let url = redis.url();
        let mut program = Program::start(&messenger.origin, &url, Stdio::piped(), &variables).await;
        let log = BufReader::new(program.child.stderr.take().unwrap()).lines();
        (program, log)
    };

    let (program, mut log) = start().await;
    let forwarded = format!("{HEADER}: {ADDRESSES}");
    let headers = [forwarded.as_str(), "Origin: https://evil.example.org"];
    let answer = handshake(program.address, &[&UPGRADE[..], &headers].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    let line = next_line(&mut log, "refused a socket of ").await;
    assert!(line.contains(" of 192.0.2.7: other_origin "), "{line}");

    let (program, mut log) = start().await;
    let mut mallory = Client::connect_with(program.address, HEADER, ADDRESSES).await;
    mallory.send(r#"{"Authorization":"Bearer nobody"}"#).await;
    mallory.is_dropped().await;
    let line = next_line(&mut log, "refused the credentials of ").await;
    assert!(line.contains(" at 192.0.2.7 "), "{line}");
}

#[tokio::test]
async fn the_trace_of_a_socket_goes_to_the_messenger() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-";
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let sidecar = Sidecar::start(&messenger, &redis).await;
    for (brought, continues) in [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
        ("what?", false),
    ] {
        let _client = Client::traced(sidecar.address, BOB, brought).await;
        let traces = messenger.authentication_traces();
        let trace = traces.last().unwrap();
        assert_eq!(trace.len(), 55, "{trace}");
        assert_eq!(trace.starts_with(TRACE), continues, "{trace}");
    }
}
