//! What one request may use. Spin has these limits only where it is told to; the numbers are ours.

use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::net::TcpListener;

use crate::support::{DEADLINE, Host, Setup, text, trigger};

async fn status(host: &Host, path: &str) -> StatusCode {
    host.send(Request::get(path).body(Full::default()).unwrap())
        .await
        .status()
}

/// `crates/core/src/limits.rs`, `memory_growing`: beyond the limit growing fails, which few programs survive.
#[tokio::test]
async fn memory_is_limited_to_128_mib_or_what_the_flag_says() {
    let host = Setup::new().start();
    assert_eq!(host.get("/allocate?bytes=100000000").await, "100000000\n");
    assert_eq!(
        status(&host, "/allocate?bytes=140000000").await,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    let host = Setup::new()
        .options(|options| options.max_instance_memory = Some(32 << 20))
        .start();
    assert_eq!(
        status(&host, "/allocate?bytes=100000000").await,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert_eq!(host.post("/echo", "small").await, "small");
}

/// `crates/runtime-config/src/lib.rs`, `max_instance_memory`.
#[tokio::test]
async fn the_runtime_configuration_can_limit_memory() {
    let host = Setup::new().runtime("max_instance_memory = 33554432").start();
    assert_eq!(
        status(&host, "/allocate?bytes=100000000").await,
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

/// A request that takes too long ends as a trap does, even one that never waits for anything.
#[tokio::test]
async fn time_is_limited() {
    let host = Setup::new()
        .options(|options| options.request_timeout = Duration::from_secs(2))
        .start();
    assert_eq!(status(&host, "/loop").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(host.post("/echo", "still here").await, "still here");
}

/// The host's own answers say what the services say. No variable, or an empty one, says nothing.
#[tokio::test]
async fn an_answer_of_the_host_tells_who_came_by_https_to_stay_there() {
    let variable = |value: &str| {
        let default = format!("[variables]\nstrict_transport_security = {{ default = {value:?} }}");
        Setup::new()
            .triggers(trigger("/echo", "probe"))
            .sections(&default)
            .start()
    };
    let (with, without) = (variable("max-age=31536000"), [variable(""), Setup::new().start()]);
    let header = async |host: &Host, path: &str, scheme: &str| {
        let request = Request::get(path).header("x-forwarded-proto", scheme);
        let answer = host.send(request.body(Full::default()).unwrap()).await;
        let value = answer.headers().get("strict-transport-security");
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    for path in ["/echo", "/nothing", "/.well-known/spin/health"] {
        let year = Some("max-age=31536000".to_owned());
        assert_eq!(header(&with, path, "https").await, year, "{path}");
        assert_eq!(header(&with, path, "http").await, None, "{path}");
        for host in &without {
            assert_eq!(header(host, path, "https").await, None, "{path}");
        }
    }
}

/// A request without a permit waits for one. A request is refused at once if too many wait already, and after a second
/// of waiting.
#[tokio::test]
async fn more_requests_than_can_run_wait_a_little_and_are_answered_503_with_retry_after() {
    // A request to a server that never answers holds the only permit.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let host = Setup::new()
        .component(&format!("allowed_outbound_hosts = [\"http://{address}\"]"))
        .options(|options| options.max_requests = 1)
        .start();
    let app = host.app.clone();
    let url = format!("/fetch?url=http://{address}/");
    let first = tokio::spawn(async move {
        app.handle(Request::get(url).body(Full::<bytes::Bytes>::default()).unwrap())
            .await
            .status()
    });
    let (stream, _) = tokio::time::timeout(DEADLINE, listener.accept())
        .await
        .unwrap()
        .unwrap();

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let traceparent = format!("00-{TRACE}-b7ad6b7169203331-01");
    let ask = || {
        let request = Request::get("/echo").header("traceparent", &traceparent);
        host.send(request.body(Full::default()).unwrap())
    };
    let mut five: FuturesUnordered<_> = (0..5).map(|_| ask()).collect();
    // The fifth is refused at once, the others after a second.
    while let Some(refused) = five.next().await {
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers()["retry-after"], "1");
        assert_eq!(refused.headers()["access-control-allow-origin"], "*");
        assert_eq!(refused.headers()["access-control-expose-headers"], "Retry-After");
        assert_eq!(refused.headers()["cache-control"], "no-store");
        assert_eq!(refused.headers()["x-content-type-options"], "nosniff");
        let policy = refused.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        let body = format!(
            r#"{{"statusCode":503,"message":"too many requests at once","error":"Service Unavailable","traceId":"{TRACE}"}}"#
        );
        assert_eq!(text(refused).await, body);
    }
    // The host's own paths need no permit.
    assert_eq!(host.get("/.well-known/spin/health").await, "OK");

    let let_in = async {
        drop(stream);
        assert_eq!(first.await.unwrap(), StatusCode::OK);
    };
    let (waits, ()) = tokio::join!(ask(), let_in);
    assert_eq!(waits.status(), StatusCode::OK);
}

/// A component whose requests hang, such as one whose database hangs, keeps no other component from answering.
#[tokio::test]
async fn a_component_that_hangs_leaves_room_for_the_others() {
    // Connections are accepted by the system, and nobody answers.
    let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = hangs.local_addr().unwrap();
    let host = Setup::new()
        .triggers([trigger("/hangs/...", "probe"), trigger("/goes-on/...", "other")].concat())
        .component(&format!("allowed_outbound_hosts = [\"http://{address}\"]"))
        .other("other", "")
        .options(|options| options.max_requests = 4)
        .start();
    let url = format!("/hangs/fetch?url=http://{address}/");
    let ask = || host.send(Request::get(&url).body(Full::default()).unwrap());
    let mut hanging: FuturesUnordered<_> = (0..8).map(|_| ask()).collect();
    // As many run as may. The others have waited for a second.
    for _ in 0..4 {
        let refused = hanging.next().await.unwrap();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(host.get("/goes-on/echo").await, "");
}
