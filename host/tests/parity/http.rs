//! The HTTP trigger: routes, headers, the host's own paths, failures.

use std::future::pending;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::support::{DEADLINE, Setup, text, trigger};

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).body(Full::default()).unwrap()
}

/// `crates/trigger-http/src/server.rs`, `handle`, `app_info`, `not_found`: whatever the method is. What `TRACE` says is
/// not repeated.
#[tokio::test]
async fn the_host_answers_its_own_paths() {
    let host = Setup::new().start();
    assert_eq!(host.get("/.well-known/spin/health").await, "OK");
    let info = host.send(get("/.well-known/spin/info")).await;
    assert_eq!(info.headers()["content-type"], "application/json");
    assert_eq!(
        text(info).await,
        "{\n  \"name\": \"parity\",\n  \"version\": \"1.2.3\"\n}"
    );
    let traced = Request::builder()
        .method("TRACE")
        .uri("/.well-known/spin/health")
        .header("x-secret", "hidden");
    let traced = host.send(traced.body(Full::default()).unwrap()).await;
    assert!(!format!("{:?}", traced.headers()).contains("hidden"));
    assert_eq!(text(traced).await, "OK");
    // The probe's route covers this path as well.
    let other = host.send(get("/.well-known/spin/other")).await;
    assert_eq!(
        (other.status(), text(other).await),
        (StatusCode::NOT_FOUND, String::new())
    );
}

/// `crates/trigger-http/src/server.rs`, `not_found`; `crates/routes/src/lib.rs`, `Router::build` (private routes have
/// no path).
#[tokio::test]
async fn a_path_without_a_route_is_not_found() {
    let host = Setup::new()
        .triggers(trigger("/here", "probe"))
        .other("hidden", "")
        .start();
    for path in ["/", "/here/below", "/hidden"] {
        let response = host.send(get(path)).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(text(response).await, "");
    }
}

/// Not a rule of Spin's.
#[tokio::test]
async fn the_metrics_are_at_a_path_of_their_own() {
    let host = Setup::new().start();
    host.get("/echo").await;
    host.send(get("/panic")).await;
    let metrics = host.send(get("/.well-known/mayday/metrics")).await;
    let content_type = metrics.headers()["content-type"].to_str().unwrap();
    assert!(
        content_type.starts_with("application/openmetrics-text"),
        "{content_type}"
    );
    let metrics = text(metrics).await;
    for line in [
        "mayday_host_request_seconds_count{component=\"probe\",status=\"2xx\"} 1",
        "mayday_host_request_seconds_count{component=\"probe\",status=\"5xx\"} 1",
        // An instance may last a moment longer than its answer.
        "mayday_host_instances{from=\"outside\"} ",
        "mayday_host_waiting 0",
    ] {
        assert!(
            metrics.lines().any(|shown| shown.starts_with(line)),
            "{line} is not in:\n{metrics}"
        );
    }
    // The probe's route covers what is beside it.
    assert_eq!(
        host.send(get("/.well-known/mayday/other")).await.status(),
        StatusCode::OK
    );
    for method in ["POST", "DELETE", "TRACE"] {
        let request = Request::builder()
            .method(method)
            .uri("/.well-known/mayday/metrics");
        let refused = host.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(refused.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(refused.headers()["allow"], "GET, HEAD");
        assert_eq!(text(refused).await, "");
    }
}

/// Not a rule of Spin's. What a component answers stays as it is.
#[tokio::test]
async fn no_answer_of_the_hosts_own_is_a_page_or_stored_by_a_browser() {
    let triggers = [trigger("/echo", "probe"), trigger("/panic", "probe")];
    let host = Setup::new().triggers(triggers.concat()).start();
    for (method, path, name, status) in [
        ("GET", "/.well-known/spin/health", "mayday", 200),
        ("GET", "/.well-known/spin/info", "mayday", 200),
        ("GET", "/.well-known/spin/other", "mayday", 404),
        ("GET", "/.well-known/mayday/metrics", "mayday", 200),
        ("POST", "/.well-known/mayday/metrics", "mayday", 405),
        ("GET", "/nothing", "mayday", 404),
        ("GET", "/echo", "probe.spin.internal", 400),
        ("GET", "/panic", "mayday", 500),
    ] {
        let request = Request::builder().method(method).uri(path).header("host", name);
        let answer = host.send(request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        let headers = answer.headers();
        assert_eq!(headers["cache-control"], "no-store", "{method} {path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{method} {path}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{path}: {policy}");
        assert!(policy.ends_with("; frame-ancestors 'none'"), "{path}: {policy}");
    }
    let answer = host.send(get("/echo")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    for name in [
        "cache-control",
        "x-content-type-options",
        "content-security-policy",
    ] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
}

/// `crates/routes/src/lib.rs`, `RouteMatch`; `crates/trigger-http/src/headers.rs`, `compute_default_headers`.
#[tokio::test]
async fn headers_tell_the_component_how_it_was_reached() {
    let host = Setup::new().triggers(trigger("/a/:user_id/...", "probe")).start();
    let request = Request::get("/a/42/b/headers?q=1")
        .header("host", "example.com:81")
        .header("x-own", "1");
    let seen = text(host.send(request.body(Full::default()).unwrap()).await).await;
    for line in [
        "authority: Some(\"example.com:81\")",
        "scheme: Some(Scheme::Http)",
        "uri: /a/42/b/headers?q=1",
        "x-own: 1",
        "spin-path-info: /b/headers",
        "spin-full-url: http://example.com:81/a/42/b/headers?q=1",
        "spin-matched-route: /a/:user_id/...",
        "spin-base-path: /",
        "spin-raw-component-route: /a/:user_id/...",
        "spin-component-route: /a/:user_id",
        "spin-client-addr: 127.0.0.1:0",
        "spin-path-match-user-id: 42",
    ] {
        assert!(seen.lines().any(|seen| seen == line), "{line} is not in:\n{seen}");
    }
    // The library under Spin and under the host hides `Host` from components. They see the authority instead.
    assert!(!seen.contains("\nhost:"), "{seen}");
}

/// `crates/trigger-http/src/wasi.rs`, `prepare_request`: what a client sends stays, before what the host adds.
#[tokio::test]
async fn the_clients_own_spin_headers_are_kept() {
    let host = Setup::new().start();
    let request = Request::get("/headers")
        .header("spin-client-addr", "9.9.9.9:9")
        .body(Full::default())
        .unwrap();
    let seen = text(host.send(request).await).await;
    let addresses: Vec<_> = seen
        .lines()
        .filter(|line| line.starts_with("spin-client-addr"))
        .collect();
    assert_eq!(
        addresses,
        ["spin-client-addr: 9.9.9.9:9", "spin-client-addr: 127.0.0.1:0"]
    );
}

/// Spin does this only where it exports traces (`crates/telemetry/src/propagation.rs`).
#[tokio::test]
async fn every_request_has_one_valid_trace_context() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c";
    let host = Setup::new().start();
    for (brought, continues) in [
        (
            &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"][..],
            true,
        ),
        (&["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-02"], true),
        (
            &["00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"],
            false,
        ),
        (&["what?"], false),
        (
            &["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"; 2],
            false,
        ),
        (&[], false),
    ] {
        let request = Request::get("/headers").header("tracestate", "vendor=1");
        let request = brought
            .iter()
            .fold(request, |request, value| request.header("traceparent", *value));
        let seen = text(host.send(request.body(Full::default()).unwrap()).await).await;
        let traces: Vec<_> = seen
            .lines()
            .filter_map(|line| line.strip_prefix("traceparent: "))
            .collect();
        assert_eq!(traces.len(), 1, "{seen}");
        assert_eq!(traces[0].len(), 55, "{seen}");
        assert_eq!(traces[0].starts_with(TRACE), continues, "{seen}");
        assert_eq!(seen.contains("tracestate: vendor=1"), continues, "{seen}");
    }
}

/// Spin fails such a request (`crates/trigger-http/src/headers.rs`, `prepare_request_headers`). Here the component gets
/// the header as it is, and need not read it.
#[tokio::test]
async fn a_header_that_is_not_utf_8_reaches_the_component() {
    let host = Setup::new().start();
    let value = http::HeaderValue::from_bytes(b"caf\xe9").unwrap();
    let request = Request::get("/headers")
        .header("user-agent", value)
        .body(Full::default())
        .unwrap();
    let response = host.send(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    let seen = text(response).await;
    assert!(seen.contains("user-agent: caf\u{fffd}\n"), "{seen}");
}

/// `crates/trigger-http/src/headers.rs`, `strip_forbidden_headers`: nobody outside can pretend to be chained.
#[tokio::test]
async fn a_host_of_the_internal_domain_is_not_taken_from_outside() {
    let host = Setup::new().start();
    let request = Request::get("/headers")
        .header("host", "probe.spin.internal")
        .body(Full::default())
        .unwrap();
    assert_eq!(host.send(request).await.status(), StatusCode::BAD_REQUEST);
}

/// `crates/trigger-http/src/server.rs`, `respond_wasm_component` and `internal_error`.
#[tokio::test]
async fn a_component_that_traps_is_an_empty_500_and_hurts_no_other_request() {
    let host = Setup::new().start();
    let response = host.send(get("/panic")).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(text(response).await, "");
    assert_eq!(host.post("/echo", "still here").await, "still here");
}

/// `crates/trigger-http/src/wasi.rs`, `execute`: a response that has begun is not replaced. Its body just ends, so only
/// a `Content-Length` tells the client that it is incomplete. The library under both ends it this way.
#[tokio::test]
async fn a_trap_after_the_response_began_ends_its_body() {
    let host = Setup::new().start();
    let response = host.send(get("/trap-while-streaming")).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    assert!(
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .is_empty()
    );
}

/// `crates/factors-executor/src/lib.rs`, `instantiate`: nothing but what is stored survives a request.
#[tokio::test]
async fn every_request_has_an_instance_of_its_own() {
    let host = Setup::new().start();
    for _ in 0..3 {
        assert_eq!(host.get("/count").await, "0\n");
    }
}

/// `crates/trigger-http/src/server.rs`, `print_startup_msgs`; `crates/routes/src/lib.rs`, `Display for ParsedRoute`.
#[tokio::test]
async fn routes_are_described_as_spin_does() {
    let host = Setup::new()
        .triggers([trigger("/a/...", "probe"), trigger("/b", "probe")].concat())
        .component("description = \"what it is\"")
        .start();
    let text = host.app.describe_routes("127.0.0.1:3000".parse().unwrap());
    assert!(text.starts_with("Available Routes:\n"), "{text}");
    assert!(
        text.contains("  probe: http://127.0.0.1:3000/a (wildcard)\n    what it is\n"),
        "{text}"
    );
    assert!(text.contains("  probe: http://127.0.0.1:3000/b\n"), "{text}");
}

/// hyper, under Spin and under the host, finds the end of a request by RFC 9112, 6.3. Whatever follows a request whose
/// end another server may see elsewhere is no request.
#[tokio::test]
async fn a_request_with_two_lengths_is_refused_or_ends_its_connection() {
    let host = Setup::new().start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = host.app.clone();
    tokio::spawn(async move { app.serve(listener, pending()).await });
    let ask = async |version: &str, lengths: &str| {
        let mut client = TcpStream::connect(address).await.unwrap();
        let head = format!("POST /echo HTTP/{version}\r\nhost: mayday\r\n{lengths}\r\n");
        let behind = "GET /.well-known/spin/health HTTP/1.1\r\nhost: mayday\r\n\r\n";
        let sent = format!("{head}5\r\nhello\r\n0\r\n\r\n{behind}");
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut answers = Vec::new();
        // A reset is an end as well.
        _ = timeout(DEADLINE, client.read_to_end(&mut answers)).await.unwrap();
        String::from_utf8(answers).unwrap()
    };
    // The chunks say where the body ends, and the length is ignored.
    for lengths in [
        "content-length: 3\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
    ] {
        let answers = ask("1.1", lengths).await;
        assert!(answers.starts_with("HTTP/1.1 200 OK\r\n"), "{lengths}: {answers}");
        assert!(answers.contains("hello"), "{lengths}: {answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{lengths}: {answers}");
    }
    for (version, lengths) in [
        ("1.1", "content-length: 3\r\ncontent-length: 15\r\n"),
        ("1.1", "content-length: 3, 15\r\n"),
        ("1.1", "content-length: +15\r\n"),
        ("1.1", "transfer-encoding: chunked, identity\r\n"),
        ("1.0", "transfer-encoding: chunked\r\n"),
    ] {
        let answers = ask(version, lengths).await;
        assert!(answers.starts_with("HTTP/1."), "{lengths}: {answers}");
        assert!(
            answers[8..].starts_with(" 400 Bad Request\r\n"),
            "{lengths}: {answers}"
        );
        assert_eq!(answers.matches(" 200 OK").count(), 0, "{lengths}: {answers}");
    }
}
