//! Outbound HTTP to other processes.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::support::{Setup, free_address};

/// Answers one request with its own head.
async fn reflect() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let response = format!("HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n", head.len());
        stream
            .write_all(&[response.as_bytes(), &head].concat())
            .await
            .unwrap();
    });
    address
}

fn allowing(host: &str) -> Setup {
    Setup::new().component(&format!("allowed_outbound_hosts = [{host:?}]"))
}

/// `crates/factor-outbound-http/src/wasi.rs`, `send_request`.
#[tokio::test]
async fn a_request_arrives_with_its_headers_and_host() {
    let address = reflect().await;
    let host = allowing(&format!("http://{address}")).start();
    let answer = host.get(&format!("/fetch?url=http://{address}/path?q=1")).await;
    assert!(answer.starts_with("201\nGET /path?q=1 HTTP/1.1\r\n"), "{answer}");
    assert!(answer.contains("x-from: probe\r\n"), "{answer}");
    assert!(answer.contains(&format!("host: {address}\r\n")), "{answer}");
}

/// `crates/factor-outbound-http/src/wasi.rs`, `prepare_request`; templates as in
/// `crates/outbound-networking-config/src/allowed_hosts.rs`, `PartialAllowedHostConfig::resolve`.
#[tokio::test]
async fn a_host_must_be_allowed_by_name_or_template() {
    let address = reflect().await;
    let host = Setup::new().start();
    assert_eq!(
        host.get(&format!("/fetch?url=http://{address}/")).await,
        "ErrorCode::HttpRequestDenied\n"
    );
    let host = allowing("{{ url }}")
        .sections("[variables]\nurl = { required = true }")
        .variable("url", &format!("http://{address}"))
        .start();
    assert!(
        host.get(&format!("/fetch?url=http://{address}/"))
            .await
            .starts_with("201\n")
    );
}

/// `crates/factor-outbound-http/src/wasi.rs`, `connect_tcp`.
#[tokio::test]
async fn failures_to_connect_have_variants_of_their_own() {
    let refused = free_address();
    let host = allowing("*://*:*").start();
    let answer = host.get(&format!("/fetch?url=http://{refused}/")).await;
    assert_eq!(answer, "ErrorCode::ConnectionRefused\n");
    let answer = host.get("/fetch?url=http://name.invalid/").await;
    assert_eq!(
        answer,
        "ErrorCode::DnsError(DnsErrorPayload { rcode: Some(\"address not available\"), info-code: Some(0) })\n"
    );
}

/// `crates/factor-outbound-http/src/wasi.rs`, `prepare_request`: a URL without a host, or `self.alt`, is the
/// application itself.
#[tokio::test]
async fn a_component_can_call_its_own_application() {
    let host = allowing("http://self").start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let app = host.app.clone();
    let server = tokio::spawn(async move { app.serve(listener, async { _ = stopped.await }).await });
    // Any answer shows that somebody listens.
    while tokio::net::TcpStream::connect(address).await.is_err() {}
    for url in ["http://self.alt/headers", "/headers"] {
        let answer = host.get(&format!("/fetch?url={url}")).await;
        assert!(answer.starts_with("200\n"), "{url}: {answer}");
        assert!(
            answer.contains(&format!("authority: Some(\"{address}\")\n")),
            "{url}: {answer}"
        );
    }
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    let denied = Setup::new().start();
    assert_eq!(
        denied.get("/fetch?url=/headers").await,
        "ErrorCode::HttpRequestDenied\n"
    );
}
