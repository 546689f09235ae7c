//! Key-value stores.

use crate::support::{Redis, Setup};

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
    let runtime = format!("[key_value_store.cache]\ntype = \"redis\"\nurl = {:?}", redis.url);
    let host = Setup::new()
        .component("key_value_stores = [\"cache\"]")
        .runtime(&runtime)
        .start();
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

/// `crates/factor-key-value/src/host.rs`, `log_error`: whatever else fails is `other`.
#[tokio::test]
async fn a_store_that_cannot_be_reached_is_an_error() {
    let address = crate::support::free_address();
    let runtime = format!("[key_value_store.cache]\ntype = \"redis\"\nurl = \"redis://{address}\"");
    let host = Setup::new()
        .component("key_value_stores = [\"cache\"]")
        .runtime(&runtime)
        .start();
    let answer = host.post("/key-value?store=cache", "get a").await;
    assert!(answer.starts_with("Error::Other("), "{answer}");
}
