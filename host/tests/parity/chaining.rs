//! Service chaining: a component calls another of the same application.

use http::{Request, StatusCode};
use http_body_util::Full;

use crate::support::Setup;

fn chaining_to(host: &str) -> Setup {
    Setup::new()
        .component(&format!("allowed_outbound_hosts = [{host:?}]"))
        .other("other", "")
}

/// `crates/trigger-http/src/outbound_http.rs`, `intercept`; `crates/routes/src/lib.rs`, `RouteMatch::synthetic`;
/// `crates/factor-outbound-http/src/wasi.rs`, `prepare_request` (the `Host` header is gone).
#[tokio::test]
async fn a_chained_request_looks_as_if_it_came_in_on_a_wildcard_route() {
    let host = chaining_to("http://other.spin.internal").start();
    let answer = host
        .get("/fetch?url=http://other.spin.internal/a/headers?q=1")
        .await;
    let (status, seen) = answer.split_once('\n').unwrap();
    assert_eq!(status, "200");
    for line in [
        "authority: Some(\"other.spin.internal\")",
        "uri: /a/headers?q=1",
        "x-from: probe",
        "spin-path-info: /a/headers",
        "spin-full-url: http://localhost/a/headers?q=1",
        "spin-matched-route: /...",
        "spin-base-path: /",
        "spin-raw-component-route: /...",
        "spin-component-route: ",
        "spin-client-addr: 0.0.0.0:0",
    ] {
        assert!(seen.lines().any(|seen| seen == line), "{line} is not in:\n{seen}");
    }
    assert!(!seen.lines().any(|line| line.starts_with("host:")), "{seen}");
}

/// `crates/factor-outbound-http/src/wasi.rs`, `prepare_request`: chaining needs to be allowed like any other host, and
/// the wildcard covers the components there are (`crates/outbound-networking-config/src/allowed_hosts.rs`,
/// `expand_wildcard_service_chaining`).
#[tokio::test]
async fn chaining_must_be_allowed() {
    let url = "/fetch?url=http://other.spin.internal/echo";
    assert_eq!(
        chaining_to("http://third.spin.internal").start().get(url).await,
        "ErrorCode::HttpRequestDenied\n"
    );
    let wildcard = chaining_to("http://*.spin.internal").start();
    assert_eq!(wildcard.get(url).await, "200\n");
    let nobody = "/fetch?url=http://nobody.spin.internal/";
    assert_eq!(wildcard.get(nobody).await, "ErrorCode::HttpRequestDenied\n");
}

/// `crates/trigger-http/src/server.rs`, `handle_trigger_route`, whose error becomes a trap in `intercept`.
#[tokio::test]
async fn a_request_to_a_component_that_is_not_there_traps_the_caller() {
    let host = chaining_to("http://nobody.spin.internal").start();
    let request = Request::get("/fetch?url=http://nobody.spin.internal/")
        .body(Full::default())
        .unwrap();
    assert_eq!(
        host.send(request).await.status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

/// `crates/trigger-http/src/server.rs`, `respond_wasm_component`: the caller sees the 500 that a client would.
#[tokio::test]
async fn a_component_that_traps_is_a_500_to_its_caller() {
    let host = chaining_to("http://other.spin.internal").start();
    assert_eq!(
        host.get("/fetch?url=http://other.spin.internal/panic").await,
        "500\n"
    );
}

/// Not a rule of Spin's, which has one pool for all. When all permits for requests from outside are taken, running
/// requests can still call other components, and an endless chain is refused instead of waiting for itself.
#[tokio::test]
async fn chained_requests_have_permits_of_their_own_and_never_wait() {
    let host = Setup::new()
        .component("allowed_outbound_hosts = [\"http://probe.spin.internal\"]")
        .options(|options| options.max_requests = 1)
        .start();
    let nested = |depth| {
        (0..depth).fold("http://probe.spin.internal/echo".to_owned(), |url, _| {
            let url: String = form_urlencoded::byte_serialize(url.as_bytes()).collect();
            format!("http://probe.spin.internal/fetch?url={url}")
        })
    };
    let ask = |depth| {
        let url: String = form_urlencoded::byte_serialize(nested(depth).as_bytes()).collect();
        format!("/fetch?url={url}")
    };
    assert_eq!(host.get(&ask(2)).await, "200\n200\n200\n");
    let refused = r#"{"statusCode":503,"message":"too many requests at once","error":"Service Unavailable""#;
    let answer = host.get(&ask(3)).await;
    assert!(
        answer.starts_with(&format!("200\n200\n200\n503\n{refused}")),
        "{answer}"
    );
}
