//! The sidecar as a program: what its log says of clients and what it must not hold, and a log that cannot be written.

use std::fs::File;
use std::path::Path;
use std::process::Stdio;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStderr;

use crate::support::{BOB, CHAT, Client, Fault, Messenger, Program, Redis, soon};

/// At the level `debug`, at which the libraries log as well.
#[tokio::test]
async fn a_log_holds_no_texts_and_no_tokens() {
    const TEXT: &str = "my leg is stuck in the fence";
    const TOKEN: &str = "participant:made.up.by-a-test";
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let mut program = Program::start(&messenger.origin, &redis.url(), Stdio::piped(), &[]).await;
    let mut log = BufReader::new(program.child.stderr.take().unwrap()).lines();
    program.becomes("200").await;
    let talking = async {
        let mut bob = Client::signed_in_at(program.address, BOB).await;
        bob.say(TEXT).await;
        bob.hears(TEXT).await;
        bob.ask(TEXT, json!({ "message": TEXT })).await;
        bob.is_told("invalid message type").await;
        let mut mallory = Client::connect_to(program.address).await;
        let first = json!({ "Authorization": format!("Bearer {TOKEN}") });
        mallory.send(first.to_string()).await;
        mallory.is_dropped().await;
    };
    let reading = async {
        let mut expected = vec!["connected", "refused the credentials", "connection ended"];
        while !expected.is_empty() {
            let line = soon(log.next_line()).await.unwrap().expect("it goes on");
            assert!(!line.contains(TEXT) && !line.contains(TOKEN), "{line}");
            expected.retain(|what| !line.contains(what));
        }
    };
    tokio::join!(talking, reading);
}

async fn dropped_lines(program: &Program) -> u64 {
    program.metric("mayday_sidecar_log_lines_dropped_total").await
}

/// Standard error may be a file on a full disk, or a pipe whose reader is gone.
fn unwritable() -> [Stdio; 2] {
    let (reader, pipe) = std::io::pipe().unwrap();
    drop(reader);
    let full_disk = File::options().write(true).open("/dev/full").unwrap();
    [full_disk.into(), pipe.into()]
}

#[tokio::test]
async fn a_sidecar_whose_log_cannot_be_written_serves_and_counts_dropped_lines() {
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    for stderr in unwritable() {
        let mut program = Program::start(&messenger.origin, &redis.url(), stderr, &[]).await;
        program.becomes("200").await;
        let counted = async {
            while dropped_lines(&program).await == 0 {
                tokio::task::yield_now().await;
            }
        };
        soon(counted).await;
        assert!(program.child.try_wait().unwrap().is_none());
    }
}

/// Every failed call logs a line, which is dropped.
#[tokio::test]
async fn a_sidecar_whose_log_cannot_be_written_survives_an_outage_of_the_host() {
    let redis = Redis::start().await;
    let nowhere = local_servers::free_address().unwrap();
    let origin = format!("http://{nowhere}");
    for stderr in unwritable() {
        let mut program = Program::start(&origin, &redis.url(), stderr, &[]).await;
        program.becomes("503").await;
        let before = dropped_lines(&program).await;
        let counted = async {
            while dropped_lines(&program).await < before + 10 {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        soon(counted).await;
        assert!(program.get("/healthz").await.starts_with("HTTP/1.1 200 OK"));
        assert!(program.child.try_wait().unwrap().is_none());
    }
}

/// The next line with this text.
pub(crate) async fn next_line(log: &mut Lines<BufReader<ChildStderr>>, text: &str) -> String {
    let found = async {
        loop {
            let line = log.next_line().await.unwrap().expect("it goes on");
            if line.contains(text) {
                return line;
            }
        }
    };
    soon(found).await
}

/// An exchange carries the commands of many sockets, so it has a trace of its own.
#[tokio::test]
async fn the_log_leads_from_a_socket_to_the_exchange_that_has_failed() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    let (redis, messenger) = (Redis::start().await, Messenger::start().await);
    let short_log = [("RUST_LOG", Path::new("info"))];
    let mut program = Program::start(&messenger.origin, &redis.url(), Stdio::piped(), &short_log).await;
    let mut log = BufReader::new(program.child.stderr.take().unwrap()).lines();
    program.becomes("200").await;
    let mut bob = Client::traced(program.address, BOB, &format!("00-{TRACE}-b7ad6b7169203331-01")).await;
    let of_bob = format!("traceId={TRACE} user=participant/1 ");

    let message = json!({"chatId": CHAT, "message": "here", "lat": 91, "lng": 0});
    bob.ask("send_message", message).await;
    bob.hears("here").await;
    let line = next_line(&mut log, "the position of a message is impossible and dropped").await;
    assert!(line.contains(&of_bob), "{line}");

    messenger.fail([Fault::Status(401)]);
    bob.say("help").await;
    bob.is_told("message could not be saved").await;
    let exchange = messenger.last_exchange_trace();
    let line = next_line(
        &mut log,
        "exchange with the messenger: the call was refused with 401",
    )
    .await;
    assert!(line.contains(&format!("traceId={exchange}")), "{line}");
    let line = next_line(&mut log, "refused a command: messenger_unavailable").await;
    assert!(
        line.contains(&of_bob) && line.contains(&format!(" exchange={exchange} ")),
        "{line}"
    );

    messenger.fail([Fault::Garbled]);
    bob.say("again").await;
    bob.hears("again").await;
    let exchange = messenger.last_exchange_trace();
    let line = next_line(&mut log, "could not parse the messenger's updates").await;
    assert!(line.contains(&format!("traceId={exchange}")), "{line}");
}
