//! The whole system, started as a person starts it: `cargo xtask up`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Duration, sleep, timeout};

use crate::support::DEADLINE;
use crate::support::components::workspace;
use crate::support::door::Door;
use crate::support::people::{self, Person};

/// A system of its own, which is stopped when it is dropped.
pub(crate) struct System {
    pub(crate) door: Door,
    pub(crate) ready: Ready,
    up: Child,
    state: TempDir,
}

/// What the ready file tells.
#[derive(Deserialize)]
pub(crate) struct Ready {
    organizer: String,
    pub(crate) ws: Vec<String>,
    superadmin: Account,
    pids: HashMap<String, i32>,
}

#[derive(Deserialize)]
struct Account {
    email: String,
    password: String,
}

impl System {
    /// Starts a system with a number of sidecars and waits until it is ready.
    pub(crate) async fn start(sidecars: usize) -> System {
        System::start_with(sidecars, &[]).await
    }

    /// The same with variables set otherwise.
    pub(crate) async fn start_with(sidecars: usize, variables: &[&str]) -> System {
        let state = tempfile::tempdir().expect("a folder");
        let up = Command::new(xtask())
            .current_dir(workspace())
            .args([
                "up",
                "--no-build",
                "--free-ports",
                "--no-demo",
                "--sidecars",
                &sidecars.to_string(),
            ])
            .args([
                "--variable",
                "argon2_memory_kib=64",
                "--variable",
                "argon2_iterations=1",
            ])
            .args(variables.iter().flat_map(|variable| ["--variable", variable]))
            .arg("--state-dir")
            .arg(state.path().join("mayday"))
            .arg("--ready-file")
            .arg(state.path().join("ready.json"))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("xtask has been built: run the tests with `cargo xtask test`");
        let mut system = System {
            door: Door::network(""),
            ready: Ready {
                organizer: String::new(),
                ws: Vec::new(),
                superadmin: Account {
                    email: String::new(),
                    password: String::new(),
                },
                pids: HashMap::new(),
            },
            up,
            state,
        };
        system.read_ready_file(|_| true).await;
        let origin = system.ready.organizer.trim_end_matches("/organizer").to_owned();
        system.door = Door::network(&origin);
        system
    }

    /// Reads the ready file once it is there and says what is expected of it.
    async fn read_ready_file(&mut self, expected: impl Fn(&Ready) -> bool) {
        let path = self.state.path().join("ready.json");
        let ready = timeout(3 * DEADLINE, async {
            loop {
                if let Some(status) = self.up.try_wait().expect("a child") {
                    panic!("`xtask up` ended with {status}");
                }
                let text = tokio::fs::read(&path).await.unwrap_or_default();
                if let Ok(ready) = serde_json::from_slice::<Ready>(&text)
                    && expected(&ready)
                {
                    return ready;
                }
                // There is no event to wait for: a file appears.
                sleep(Duration::from_millis(20)).await;
            }
        });
        self.ready = ready.await.expect("the system gets ready");
    }

    pub(crate) fn sidecar(&self, number: usize) -> &str {
        &self.ready.ws[number]
    }

    /// Waits until every sidecar says that it can reach Redis and the messenger.
    pub(crate) async fn sidecars_are_ready(&self) {
        for ws in &self.ready.ws {
            let sidecar = Door::network(&ws.replace("ws://", "http://"));
            let ready = async {
                while sidecar.send("GET", "/readyz", None, None).await.status != 200 {
                    sleep(Duration::from_millis(20)).await;
                }
            };
            timeout(DEADLINE, ready).await.expect("the sidecar gets ready");
        }
    }

    /// The file of a service's database.
    pub(crate) fn database(&self, service: &str) -> PathBuf {
        self.state.path().join("mayday").join(format!("{service}.db"))
    }

    pub(crate) async fn superadmin(&self) -> Person {
        people::sign_in(
            &self.door,
            &self.ready.superadmin.email,
            &self.ready.superadmin.password,
        )
        .await
    }

    pub(crate) async fn agency(&self, name: &str) -> people::Agency {
        people::found_agency(&self.door, &self.superadmin().await, name).await
    }

    /// Sends a signal to one of the processes.
    pub(crate) fn signal(&self, process: &str, signal: Signal) {
        let pid = Pid::from_raw(self.ready.pids[process]).expect("a process id");
        kill_process(pid, signal).expect("a running process");
    }

    /// Kills a process with no chance to say goodbye, and waits until a new one has taken its place.
    pub(crate) async fn kill_and_wait(&mut self, process: &str) {
        self.signal(process, Signal::KILL);
        let old = self.ready.pids[process];
        self.read_ready_file(|ready| ready.pids.get(process).is_some_and(|pid| *pid != old))
            .await;
    }
}

impl Drop for System {
    /// Asks it to stop, so that it stops its children.
    fn drop(&mut self) {
        let Some(pid) = self
            .up
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().expect("a process id")))
        else {
            return;
        };
        let _ = kill_process(pid, Signal::TERM);
        // The tests' own threads are all that waits, and dropping cannot await.
        for _ in 0..500 {
            if !matches!(self.up.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Beside the test binary's folder, where cargo puts programs.
fn xtask() -> PathBuf {
    let tests = std::env::current_exe().expect("a path");
    tests
        .parent()
        .and_then(|deps| deps.parent())
        .expect("the target folder")
        .join("xtask")
}
