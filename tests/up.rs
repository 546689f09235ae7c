//! The whole system as processes of their own, started as a person starts it: `cargo xtask up`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::databases::Database;
use crate::settings::CHEAP_HASHING;

/// Time limit for starting everything, or one process again. It covers compiling the components on a busy machine.
const STARTING: Duration = Duration::from_secs(300);

/// Time limit for stopping everything, one process after the other. After it the processes are killed.
const STOPPING: Duration = Duration::from_secs(60);

/// The environment variable by which `cargo xtask test --host spin` says what runs the components.
const HOST_OF_TESTS: &str = "MAYDAY_TEST_HOST";

/// A system of its own, which is stopped when it is dropped.
pub struct Up {
    pub ready: Ready,
    child: Child,
    state: Arc<TempDir>,
    database: Database,
}

/// What there is of everything but sidecars.
#[derive(Clone, Copy, Debug, PartialEq, clap::Args)]
pub struct Layout {
    /// How many hosts run the services
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=20))]
    pub hosts: u16,

    /// What the services keep their data in
    #[arg(long, value_enum, default_value_t = Database::Files)]
    pub database: Database,
}

impl Default for Layout {
    /// One host with files.
    fn default() -> Layout {
        Layout {
            hosts: 1,
            database: Database::Files,
        }
    }
}

impl Layout {
    /// Two hosts with libSQL servers, as on several machines.
    pub const LARGE: Layout = Layout {
        hosts: 2,
        database: Database::Libsql,
    };

    /// The layout of the systems that tests start.
    pub fn of_tests() -> Layout {
        match Database::of_tests() {
            Database::Files => Layout::default(),
            Database::Libsql => Layout::LARGE,
        }
    }
}

/// The content of the ready file.
#[derive(Deserialize)]
pub struct Ready {
    pub organizer: String,
    /// The sidecars.
    pub ws: Vec<String>,
    /// The hosts. Older checkouts do not tell them.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The canary, if there is one. Older checkouts do not tell it.
    pub canary: Option<String>,
    pub superadmin: Account,
    /// By the names of processes.
    pub pids: BTreeMap<String, u32>,
}

#[derive(Deserialize)]
pub struct Account {
    pub email: String,
    pub password: String,
}

impl Up {
    /// Starts what a checkout has built and waits until it is ready. `options` are further ones of `up`.
    pub async fn start(
        xtask: &Path,
        checkout: &Path,
        layout: Layout,
        sidecars: usize,
        options: &[&str],
    ) -> Result<Up> {
        let state = Arc::new(tempfile::tempdir()?);
        Up::start_on(state, xtask, checkout, layout, sidecars, options, &[]).await
    }

    /// The same on the data of another system, which has been stopped, and with more variables of the environment.
    pub async fn start_on(
        state: Arc<TempDir>,
        xtask: &Path,
        checkout: &Path,
        layout: Layout,
        sidecars: usize,
        options: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Up> {
        let log = File::create(state.path().join("up.log"))?;
        let hashing = CHEAP_HASHING.map(|(name, value)| format!("{name}={value}"));
        let mut command = Command::new(xtask);
        if layout != Layout::default() {
            let hosts = layout.hosts.to_string();
            command.args(["up", "--hosts", &hosts, "--database", layout.database.flag()]);
        } else {
            // Older checkouts have no other layout.
            command.arg("up");
        }
        if std::env::var_os(HOST_OF_TESTS).is_some_and(|host| host == "spin") {
            command.args(["--host", "spin"]);
        }
        let child = command
            .current_dir(checkout)
            // A variable rather than an argument, which older checkouts would refuse.
            .env("MAYDAY_UP_CANARY", "false")
            .args(["--no-build", "--free-ports", "--no-demo"])
            .args(["--sidecars", &sidecars.to_string()])
            .args(hashing.iter().flat_map(|variable| ["--variable", variable]))
            .args(options)
            .envs(env.iter().copied())
            .arg("--state-dir")
            .arg(state.path().join("mayday"))
            .arg("--ready-file")
            .arg(state.path().join("ready.json"))
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .stdout(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("could not start {}", xtask.display()))?;
        let mut up = Up {
            ready: Ready {
                organizer: String::new(),
                ws: Vec::new(),
                hosts: Vec::new(),
                canary: None,
                superadmin: Account {
                    email: String::new(),
                    password: String::new(),
                },
                pids: BTreeMap::new(),
            },
            child,
            state,
            database: layout.database,
        };
        up.wait_for(|_| true).await?;
        Ok(up)
    }

    /// Waits until the ready file says what is expected of it.
    pub async fn wait_for(&mut self, expected: impl Fn(&Ready) -> bool) -> Result<()> {
        let start = Instant::now();
        loop {
            let text = fs::read(self.state.path().join("ready.json")).unwrap_or_default();
            if let Ok(ready) = serde_json::from_slice::<Ready>(&text)
                && expected(&ready)
            {
                self.ready = ready;
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("`xtask up` ended with {status}: {}", self.log());
            }
            ensure!(
                start.elapsed() < STARTING,
                "the system does not get ready: {}",
                self.log()
            );
            // There is no event to wait for: a file appears.
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// What all processes have printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.state.path().join("up.log")).unwrap_or_default()
    }

    /// The origin of the services.
    pub fn origin(&self) -> &str {
        self.ready.organizer.trim_end_matches("/organizer")
    }

    /// What outlives the system: below `mayday` its databases, secrets and runtime configuration.
    pub fn state(&self) -> Arc<TempDir> {
        Arc::clone(&self.state)
    }

    /// The file of a service's database.
    pub fn database(&self, service: &str) -> PathBuf {
        self.database.file(&self.state.path().join("mayday"), service)
    }
}

impl Drop for Up {
    /// Asks it to stop, so that it stops its children.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let Some(pid) = pid else {
            return;
        };
        // An error means that it has ended.
        let _ = kill_process(pid, Signal::TERM);
        let start = Instant::now();
        // Dropping cannot await.
        while start.elapsed() < STOPPING && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
