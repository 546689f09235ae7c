//! The sidecar as a program whose log cannot be written.

use std::fs::File;
use std::process::Stdio;

use tokio::net::TcpListener;

use crate::support::{Messenger, Program, Redis, soon};

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
    let place = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", place.local_addr().unwrap());
    drop(place);
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
