//! Key-value stores.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use crate::support::{Host, Redis, Setup};

const COMMANDS: &str =
    "get a\nset a 1\nset a 2\nset b 3\nget a\nexists a\nkeys\ndelete a\ndelete a\nexists a\nget a";
const ANSWERS: &str = "Ok(None)\nOk(())\nOk(())\nOk(())\nOk(Some(\"2\"))\nOk(true)\nOk([\"a\", \"b\"])\nOk(())\nOk(())\nOk(false)\nOk(None)\n";

/// `crates/key-value-spin/src/store.rs`; `crates/runtime-config/src/lib.rs`, `key_value_config_resolver` (the default
/// store is in the state directory).
#[tokio::test]
async fn a_store_in_a_file_keeps_its_values() {
    let host = Setup::new().component("key_value_stores = [\"default\"]").start();
    assert_eq!(host.post("/key-value?store=default", COMMANDS).await, ANSWERS);
    assert_eq!(
        host.post("/key-value?store=default", "get b").await,
        "Ok(Some(\"3\"))\n"
    );
    assert!(host.dir.path().join(".spin/sqlite_key_value.db").is_file());
}

/// `crates/key-value-redis/src/store.rs`: keys are Redis' own, without a prefix.
#[tokio::test]
async fn a_store_in_redis_keeps_its_values() {
    let redis = Redis::start();
    let host = with_redis(&redis.url);
    assert_eq!(host.post("/key-value?store=cache", COMMANDS).await, ANSWERS);
    let value: String = redis::AsyncCommands::get(&mut redis.connect().await, "b")
        .await
        .unwrap();
    assert_eq!(value, "3");
}

/// `crates/factor-key-value/src/host.rs`, `open`.
#[tokio::test]
async fn a_store_that_is_not_granted_is_denied() {
    let host = Setup::new().start();
    assert_eq!(
        host.post("/key-value?store=default", "").await,
        "Error::AccessDenied\n"
    );
}

/// `crates/key-value-spin/src/lib.rs`, `make_store`: a relative path is relative to the runtime configuration; labels
/// that share a file do not share keys (`store.rs`, the column `store`).
#[tokio::test]
async fn labels_that_share_a_file_do_not_share_keys() {
    let config = |label| format!("[key_value_store.{label}]\ntype = \"spin\"\npath = \"shared.db\"\n");
    let host = Setup::new()
        .component("key_value_stores = [\"a\", \"b\"]")
        .runtime(&[config("a"), config("b")].concat())
        .start();
    host.post("/key-value?store=a", "set key a").await;
    assert_eq!(
        host.post("/key-value?store=b", "get key\nkeys").await,
        "Ok(None)\nOk([])\n"
    );
    assert!(host.dir.path().join("shared.db").is_file());
}

/// Several times what the host takes.
const SOON: Duration = Duration::from_secs(5);

fn with_redis(url: &str) -> Host {
    let runtime = format!("[key_value_store.cache]\ntype = \"redis\"\nurl = {url:?}");
    let setup = Setup::new().component("key_value_stores = [\"cache\"]");
    setup.runtime(&runtime).start()
}

/// The answers to a few requests at once.
async fn several(host: &Host) -> Vec<String> {
    let ask = || host.post("/key-value?store=cache", "get a");
    let answers = timeout(SOON, join_all((0..8).map(|_| ask()))).await;
    answers.expect("the host does not wait for Redis")
}

/// `crates/factor-key-value/src/host.rs`, `log_error`: whatever else fails is `other`. Spin takes longer to say so.
#[tokio::test]
async fn a_store_that_cannot_be_reached_is_an_error() {
    let address = crate::support::free_address();
    for answer in several(&with_redis(&format!("redis://{address}"))).await {
        assert!(answer.starts_with("Error::Other("), "{answer}");
    }
}

/// Not a rule of Spin's, which sets no time limit.
#[tokio::test]
async fn a_store_that_hangs_is_an_error() {
    let redis = Redis::start();
    let [connected, new] = [(); 2].map(|()| with_redis(&redis.url));
    assert_eq!(
        connected.post("/key-value?store=cache", "get a").await,
        "Ok(None)\n"
    );
    redis.pause();
    for answer in several(&connected).await {
        assert!(answer.starts_with("Err(Error::Other("), "{answer}");
    }
    for answer in several(&new).await {
        assert!(answer.starts_with("Error::Other("), "{answer}");
    }
}
