//! The sidecar as a program whose log cannot be written.

use std::fs::File;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::support::{Messenger, Redis, soon};

/// The sidecar's own program, killed on drop.
struct Program {
    child: Child,
    address: String,
}

impl Program {
    async fn start(messenger: &str, redis: &Redis, stderr: Stdio) -> Program {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mayday-sidecar"))
            .args([
                "--listen",
                "127.0.0.1:0",
                "--messenger",
                messenger,
                "--redis",
                &redis.url(),
            ])
            .env("MAYDAY_MESSENGER_KEY", "key")
            .env("RUST_LOG", "debug")
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = soon(lines.next_line())
            .await
            .unwrap()
            .expect("it ends before it listens");
        let address = line.strip_prefix("Listening on ws://").unwrap();
        let address = address.strip_suffix("/connect").unwrap().to_owned();
        Program { child, address }
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: sidecar\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon(stream.read_to_string(&mut answer)).await.unwrap();
        answer
    }

    /// Waits until `/readyz` answers with this status.
    async fn becomes(&self, status: &str) {
        let asking = async {
            while !self
                .get("/readyz")
                .await
                .starts_with(&format!("HTTP/1.1 {status} "))
            {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        soon(asking).await;
    }

    async fn dropped_lines(&self) -> u64 {
        let metrics = self.get("/metrics").await;
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("mayday_sidecar_log_lines_dropped_total "));
        line.expect("the metric is there").parse().unwrap()
    }
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
        let mut program = Program::start(&messenger.origin, &redis, stderr).await;
        program.becomes("200").await;
        let counted = async {
            while program.dropped_lines().await == 0 {
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
        let mut program = Program::start(&origin, &redis, stderr).await;
        program.becomes("503").await;
        let before = program.dropped_lines().await;
        let counted = async {
            while program.dropped_lines().await < before + 10 {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        soon(counted).await;
        assert!(program.get("/healthz").await.starts_with("HTTP/1.1 200 OK"));
        assert!(program.child.try_wait().unwrap().is_none());
    }
}
