//! Outbound Redis.

use crate::support::{Host, Redis, Setup, free_address};

fn host(redis: &str) -> Host {
    Setup::new()
        .component(&format!("allowed_outbound_hosts = [{redis:?}]"))
        .start()
}

/// `crates/factor-outbound-redis/src/host.rs`, `HostConnection`.
#[tokio::test]
async fn each_command_does_what_its_name_says() {
    let redis = Redis::start();
    let commands = [
        ("get a", "Ok(None)"),
        ("set a x", "Ok(())"),
        ("get a", "Ok(Some(Ok(\"x\")))"),
        ("incr n", "Ok(1)"),
        ("del a n missing", "Ok(2)"),
        ("sadd s 1 2 1", "Ok(2)"),
        ("srem s 1", "Ok(1)"),
        ("smembers s", "Ok([\"2\"])"),
        ("publish nobody x", "Ok(())"),
    ];
    let body = commands.map(|(command, _)| command).join("\n");
    let answer = host(&redis.url)
        .post(&format!("/redis?address={}", redis.url), &body)
        .await;
    for (line, (command, expected)) in answer.lines().zip(commands) {
        assert_eq!(line, expected, "{command}");
    }
}

/// The same place, `RedisResults`: nested answers are flattened.
#[tokio::test]
async fn any_command_can_be_executed() {
    let redis = Redis::start();
    let body = "> PING\n> SET n 5\n> GET n\n> INCRBY n 2\n> GET missing";
    let answer = host(&redis.url)
        .post(&format!("/redis?address={}", redis.url), body)
        .await;
    let expected = "Ok([RedisResult::Status(\"PONG\")])\nOk([RedisResult::Status(\"OK\")])\n\
                    Ok([RedisResult::Binary([53])])\nOk([RedisResult::Int64(7)])\nOk([RedisResult::Nil])\n";
    assert!(answer.starts_with(expected), "{answer}");
    let nested = host(&redis.url);
    let script = "> EVAL return{1,{'a'}} 0";
    let answer = nested
        .post(&format!("/redis?address={}", redis.url), script)
        .await;
    assert_eq!(answer, "Ok([RedisResult::Int64(1), RedisResult::Binary([97])])\n");
}

/// The same place, `open` and `is_address_allowed`.
#[tokio::test]
async fn an_address_must_be_allowed_and_one_that_is_not_is_invalid() {
    let redis = Redis::start();
    let denied = host("redis://127.0.0.1:1")
        .post(&format!("/redis?address={}", redis.url), "get a")
        .await;
    assert_eq!(denied, "Error::InvalidAddress\n");
    // Without a scheme an address is a Redis address for the allow-list, though the client does not take it.
    let bare = redis.url.strip_prefix("redis://").unwrap();
    let answer = host(&redis.url)
        .post(&format!("/redis?address={bare}"), "get a")
        .await;
    assert_eq!(answer, "Error::InvalidAddress\n");
}

/// The same place, `establish_connection`.
#[tokio::test]
async fn a_server_that_does_not_answer_is_another_error() {
    let address = format!("redis://{}", free_address());
    let answer = host(&address)
        .post(&format!("/redis?address={address}"), "get a")
        .await;
    assert!(answer.starts_with("Error::Other("), "{answer}");
}
