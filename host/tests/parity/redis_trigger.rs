//! The Redis trigger.

use redis::AsyncCommands as _;
use tokio::time::timeout;

use crate::support::{DEADLINE, Host, Redis, Setup};

/// The probe as a Redis handler and over HTTP, with stores in the same Redis, so that a test can see what a message
/// did.
fn host(redis: &Redis, triggers: &str) -> Host {
    Setup::new()
        .triggers(triggers)
        .sections(&format!(
            "[application.trigger.redis]\naddress = {:?}",
            "{{ redis_url }}"
        ))
        .sections("[variables]\nredis_url = { required = true }\nchannel = { default = \"one\" }")
        .component(
            "key_value_stores = [\"store\"]\nallowed_outbound_hosts = [\"http://probe.spin.internal\"]",
        )
        .runtime(&format!(
            "[key_value_store.store]\ntype = \"redis\"\nurl = {:?}",
            redis.url
        ))
        .variable("redis_url", &redis.url)
        .start()
}

const TRIGGER: &str = "[[trigger.redis]]\nchannel = \"{{ channel }}\"\ncomponent = \"probe\"\n";

/// Publishes when somebody listens, and waits until the key is as expected. Redis tells of each change.
async fn publish_until(redis: &Redis, messages: &[&str], key: &str, expected: &str) {
    let mut connection = redis.connect().await;
    let _: () = redis::cmd("CONFIG")
        .arg(&["SET", "notify-keyspace-events", "KEA"])
        .query_async(&mut connection)
        .await
        .unwrap();
    let client = redis::Client::open(redis.url.as_str()).unwrap();
    let mut changes = client.get_async_pubsub().await.unwrap();
    changes.subscribe(format!("__keyspace@0__:{key}")).await.unwrap();
    let wait = async {
        for message in messages {
            // The count of receivers is how Redis tells that the trigger has subscribed.
            while connection.publish::<_, _, usize>("one", *message).await.unwrap() == 0 {
                tokio::task::yield_now().await;
            }
        }
        let mut stream = changes.on_message();
        loop {
            let value: Option<String> = connection.get(key).await.unwrap();
            if value.as_deref() == Some(expected) {
                return;
            }
            futures_util::StreamExt::next(&mut stream).await.unwrap();
        }
    };
    timeout(DEADLINE, wait).await.expect("the key changes in time");
}

/// `crates/trigger-redis/src/lib.rs`, `run`, `run_listener`, `handle_message`: address and channel are templates;
/// messages are handled in order, one after the other; a failure does not stop the trigger.
#[tokio::test]
async fn messages_are_handled_one_at_a_time_and_a_failed_one_is_skipped() {
    let redis = Redis::start();
    let host = host(&redis, TRIGGER);
    let app = host.app.clone();
    let listener = tokio::spawn(async move { app.listen().await });
    publish_until(
        &redis,
        &["store key 1", "fail", "store key 2", "store key 3"],
        "key",
        "123",
    )
    .await;
    listener.abort();
}

/// `crates/trigger-redis/src/lib.rs`: the trigger's instances have no interceptor, so there is no service chaining.
#[tokio::test]
async fn a_message_handler_cannot_chain() {
    let redis = Redis::start();
    let http = "[[trigger.http]]\nroute = \"/...\"\ncomponent = \"probe\"\n";
    let host = host(&redis, &format!("{http}{TRIGGER}"));
    let app = host.app.clone();
    let listener = tokio::spawn(async move { app.listen().await });
    let message = "fetch store key http://probe.spin.internal/echo";
    let expected = "ErrorCode::DnsError(DnsErrorPayload { rcode: Some(\"address not available\"), info-code: Some(0) })\n";
    publish_until(&redis, &[message], "key", expected).await;
    listener.abort();
}

/// `crates/trigger-redis/src/lib.rs`, `run_listener`: there is no reconnecting.
#[tokio::test]
async fn the_trigger_ends_with_its_connection() {
    let mut redis = Redis::start();
    let host = host(&redis, TRIGGER);
    let app = host.app.clone();
    let listener = tokio::spawn(async move { app.listen().await });
    publish_until(&redis, &["store key 1"], "key", "1").await;
    redis.stop();
    let error = timeout(DEADLINE, listener).await.unwrap().unwrap().unwrap_err();
    assert!(
        error.to_string().starts_with("disconnected from 127.0.0.1:"),
        "{error}"
    );
}

/// The same place: the trigger does not wait for a server to come up.
#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_at_once() {
    let mut redis = Redis::start();
    let host = host(&redis, TRIGGER);
    redis.stop();
    let error = timeout(DEADLINE, host.app.listen()).await.unwrap().unwrap_err();
    assert!(
        error.to_string().contains("Redis trigger failed to connect to"),
        "{error}"
    );
}
