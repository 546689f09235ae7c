//! The whole system, started as a person starts it: `cargo xtask up`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mayday_tests::programs::{beside_this_program, workspace};
use mayday_tests::secrecy;
use mayday_tests::up::{Layout, Up};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Duration, sleep, timeout};

use crate::support::DEADLINE;
use crate::support::door::Door;
use crate::support::people::{self, Person};

fn xtask() -> PathBuf {
    beside_this_program("xtask").expect("run the tests with `cargo xtask test`")
}

/// A system of its own, which is stopped when it is dropped.
pub(crate) struct System {
    pub(crate) door: Door,
    up: Up,
}

impl System {
    /// Starts a system with so many sidecars, or one for each host if those are more, and waits until it is ready.
    /// Where tests run on libSQL, it is a large one.
    pub(crate) async fn start(sidecars: usize) -> System {
        System::start_with(sidecars, &[]).await
    }

    /// The same with other values of variables, as `NAME=VALUE`.
    pub(crate) async fn start_with(sidecars: usize, variables: &[&str]) -> System {
        let options: Vec<&str> = variables
            .iter()
            .flat_map(|variable| ["--variable", variable])
            .collect();
        System::lay_out(Layout::of_tests(), sidecars, &options).await
    }

    /// The same with more variables of the environment of all processes.
    pub(crate) async fn in_environment(sidecars: usize, env: &[(&str, &str)]) -> System {
        let state = Arc::new(tempfile::tempdir().expect("a folder"));
        let layout = Layout::of_tests();
        let sidecars = sidecars.max(layout.hosts.into());
        System::of(Up::start_on(
            state,
            &xtask(),
            workspace(),
            layout,
            sidecars,
            &[],
            env,
        ))
        .await
    }

    /// The same with a log for programs.
    pub(crate) async fn with_structured_log(sidecars: usize) -> System {
        System::lay_out(Layout::of_tests(), sidecars, &["--log", "json"]).await
    }

    /// Two hosts with three libSQL servers, two sidecars and one Redis.
    pub(crate) async fn large() -> System {
        System::lay_out(Layout::LARGE, 2, &[]).await
    }

    /// One host with files, whatever tests run on.
    pub(crate) async fn on_files(sidecars: usize) -> System {
        System::lay_out(Layout::default(), sidecars, &[]).await
    }

    async fn lay_out(layout: Layout, sidecars: usize, options: &[&str]) -> System {
        let sidecars = sidecars.max(layout.hosts.into());
        System::of(Up::start(&xtask(), workspace(), layout, sidecars, options)).await
    }

    /// Stops the system, changes its state directory, and starts it again there with a sidecar for each host.
    pub(crate) async fn restarted(self, change: impl AsyncFnOnce(&Path)) -> System {
        let state = self.up.state();
        drop(self);
        change(&state.path().join("mayday")).await;
        let layout = Layout::of_tests();
        let sidecars = layout.hosts.into();
        System::of(Up::start_on(
            state,
            &xtask(),
            workspace(),
            layout,
            sidecars,
            &[],
            &[],
        ))
        .await
    }

    async fn of(starting: impl Future<Output = anyhow::Result<Up>>) -> System {
        let up = timeout(3 * DEADLINE, starting).await;
        let up = up
            .expect("the system gets ready in time")
            .expect("the system gets ready");
        System {
            door: Door::network(up.origin()),
            up,
        }
    }

    /// The origin of the services.
    pub(crate) fn origin(&self) -> &str {
        self.up.origin()
    }

    /// What all processes have printed so far.
    pub(crate) fn log(&self) -> String {
        self.up.log()
    }

    /// The door of a host; `door` is that of the first.
    pub(crate) fn host(&self, number: usize) -> Door {
        Door::network(&self.up.ready.hosts[number])
    }

    /// The name of the process that `door` leads to.
    pub(crate) fn first_host(&self) -> &'static str {
        match self.up.ready.hosts.len() {
            1 => "host",
            _ => "host-1",
        }
    }

    /// The directory of databases, secrets and the runtime configuration.
    pub(crate) fn state_directory(&self) -> PathBuf {
        self.up.state().path().join("mayday")
    }

    /// The directory of logs, all of which are searched for secrets when the system ends. A test puts what a program
    /// beside the system has printed there.
    pub(crate) fn logs(&self) -> PathBuf {
        self.state_directory().join("logs")
    }

    /// The sidecars' addresses.
    pub(crate) fn sidecars(&self) -> &[String] {
        &self.up.ready.ws
    }

    pub(crate) fn sidecar(&self, number: usize) -> &str {
        &self.up.ready.ws[number]
    }

    /// The door of a sidecar, which answers HTTP as well.
    pub(crate) fn sidecar_door(&self, number: usize) -> Door {
        door_of_sidecar(self.sidecar(number))
    }

    /// The door of the canary, which answers HTTP for its metrics.
    pub(crate) fn canary_door(&self) -> Door {
        Door::network(self.up.ready.canary.as_deref().expect("a canary"))
    }

    /// Waits until every sidecar can reach Redis and the messenger.
    pub(crate) async fn sidecars_are_ready(&self) {
        sidecars_are_ready(self.sidecars()).await;
    }

    /// The file of a service's database.
    pub(crate) fn database(&self, service: &str) -> PathBuf {
        self.up.database(service)
    }

    /// Where the server of a service's database is.
    pub(crate) fn database_url(&self, service: &str) -> String {
        let file = self.state_directory().join("runtime-config.toml");
        let text = std::fs::read_to_string(file).expect("a runtime configuration");
        let (_, database) = text
            .split_once(&format!("[sqlite_database.{service}]"))
            .expect("a database");
        let (_, url) = database.split_once("url = \"").expect("a server");
        let (url, _) = url.split_once('"').expect("the end of the text");
        url.to_owned()
    }

    pub(crate) async fn superadmin(&self) -> Person {
        let account = &self.up.ready.superadmin;
        people::sign_in(&self.door, &account.email, &account.password).await
    }

    /// The first one, which is made with the system.
    pub(crate) fn superadmin_password(&self) -> &str {
        &self.up.ready.superadmin.password
    }

    pub(crate) async fn agency(&self, name: &str) -> people::Agency {
        people::found_agency(&self.door, &self.superadmin().await, name).await
    }

    /// Sends a signal to one of the processes.
    pub(crate) fn signal(&self, process: &str, signal: Signal) {
        let pid = self.up.ready.pids[process]
            .try_into()
            .ok()
            .and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("a running process");
    }

    /// Kills a process with SIGKILL, and waits until a new one has taken its place.
    pub(crate) async fn kill_and_wait(&mut self, process: &str) {
        self.signal(process, Signal::KILL);
        let old = self.up.ready.pids[process];
        let is_new = |pid: &u32| *pid != old;
        let started = self
            .up
            .wait_for(|ready| ready.pids.get(process).is_some_and(is_new));
        let started = timeout(3 * DEADLINE, started).await;
        started
            .expect("it is started in time")
            .expect("it is started again");
    }
}

/// Waits until every sidecar at these addresses reports that it can reach Redis and the messenger. One that was killed
/// does not listen yet when its process is there again.
pub(crate) async fn sidecars_are_ready(addresses: &[String]) {
    for ws in addresses {
        let sidecar = door_of_sidecar(ws);
        let is_ready = async || {
            let answer = sidecar.try_send_as("GET", "/readyz", None, "").await;
            answer.is_ok_and(|reply| reply.status == 200)
        };
        let ready = async {
            while !is_ready().await {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(DEADLINE, ready).await.expect("the sidecar gets ready");
    }
}

/// The door of a sidecar, which answers HTTP as well.
pub(crate) fn door_of_sidecar(ws: &str) -> Door {
    Door::network(&ws.replacen("ws", "http", 1))
}

impl Drop for System {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        // The screen shows passwords. It is not part of the log, and its lines name no process.
        let log = self.up.log();
        let logged = log
            .lines()
            .filter(|line| line.contains(" | ") || line.starts_with('{'));
        secrecy::note_installation(&self.state_directory().join("secrets.json"));
        secrecy::note_messages(&self.database("messenger"));
        secrecy::check("up.log", logged);
        secrecy::check_directory(&self.logs());
    }
}
