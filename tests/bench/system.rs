//! All of Mayday as processes of their own, started as a person starts it: `cargo xtask up`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::process::{self, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rusqlite::{Connection as Database, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::processes::{processor_time, processor_time_of_all, resident_bytes};
use crate::seed::{self, Agency};
use crate::server::{beside_this_program, workspace};

/// How long everything may take to start. Compiling the components is part of it, on a machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long everything may take to stop before it is killed.
const GRACE: Duration = Duration::from_secs(20);

/// Signing thousands of people up is not what is measured.
const CHEAP_HASHING: [&str; 4] = [
    "--variable",
    "argon2_memory_kib=64",
    "--variable",
    "argon2_iterations=1",
];

/// A system of its own, which is stopped when it is dropped.
pub(crate) struct System {
    ready: Ready,
    up: Child,
    state: TempDir,
}

/// What the ready file tells.
#[derive(Deserialize)]
struct Ready {
    organizer: String,
    ws: Vec<String>,
    superadmin: Account,
    pids: BTreeMap<String, u32>,
}

#[derive(Deserialize)]
struct Account {
    email: String,
    password: String,
}

impl System {
    /// Starts a system with a number of sidecars and waits until it is ready.
    pub(crate) async fn start(sidecars: u16) -> Result<System> {
        let state = tempfile::tempdir()?;
        let log = File::create(state.path().join("up.log"))?;
        let mut up = Command::new(beside_this_program("xtask")?)
            .current_dir(workspace())
            .args(["up", "--no-build", "--free-ports", "--no-demo", "--sidecars"])
            .arg(sidecars.to_string())
            .args(CHEAP_HASHING)
            .arg("--state-dir")
            .arg(state.path().join("mayday"))
            .arg("--ready-file")
            .arg(state.path().join("ready.json"))
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .stdout(log)
            .kill_on_drop(true)
            .spawn()
            .context("could not start xtask")?;
        let ready = wait_until_ready(&mut up, &state).await?;
        Ok(System { ready, up, state })
    }

    /// Where the services are.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        let origin = self.ready.organizer.strip_prefix("http://");
        let authority = origin.and_then(|origin| origin.split('/').next());
        Ok(authority.context("no address")?.parse()?)
    }

    /// Where the sidecars are.
    pub(crate) fn sidecars(&self) -> Result<Vec<SocketAddr>> {
        let address = |ws: &String| Ok(ws.strip_prefix("ws://").context("no address")?.parse()?);
        self.ready.ws.iter().map(address).collect()
    }

    /// Founds an agency.
    pub(crate) async fn agency(&self) -> Result<Agency> {
        let Account { email, password } = &self.ready.superadmin;
        seed::agency_at(self.address()?, email, password).await
    }

    /// A service's database, to read what came of a measurement.
    pub(crate) fn database(&self, service: &str) -> Result<Database> {
        let path = self.state.path().join(format!("mayday/{service}.db"));
        Ok(Database::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
    }

    /// How much processor time everything has used so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let of = |name: &str| {
            let pids = self
                .ready
                .pids
                .iter()
                .filter(|(process, _)| process.starts_with(name));
            pids.map(|(_, pid)| processor_time(*pid))
                .sum::<Result<Duration>>()
        };
        Ok(Usage {
            host: of("host")?,
            sidecars: of("sidecar")?,
            redis: of("redis")?,
            client: processor_time(process::id())?,
            machine: processor_time_of_all()?,
        })
    }

    /// How many bytes of memory the sidecars have in use.
    pub(crate) fn sidecars_resident_bytes(&self) -> Result<u64> {
        let sidecars = self
            .ready
            .pids
            .iter()
            .filter(|(process, _)| process.starts_with("sidecar"));
        sidecars.map(|(_, pid)| resident_bytes(*pid)).sum()
    }
}

impl Drop for System {
    /// Asks it to stop, so that it stops its children.
    fn drop(&mut self) {
        let pid = self.up.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let Some(pid) = pid else {
            return;
        };
        let _ = kill_process(pid, Signal::TERM);
        let start = Instant::now();
        // Dropping cannot await.
        while start.elapsed() < GRACE && matches!(self.up.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

async fn wait_until_ready(up: &mut Child, state: &TempDir) -> Result<Ready> {
    let start = Instant::now();
    loop {
        let text = fs::read(state.path().join("ready.json")).unwrap_or_default();
        if let Ok(ready) = serde_json::from_slice(&text) {
            return Ok(ready);
        }
        if let Some(status) = up.try_wait()? {
            let log = fs::read_to_string(state.path().join("up.log")).unwrap_or_default();
            bail!("`xtask up` ended with {status}: {log}");
        }
        ensure!(start.elapsed() < PATIENCE, "the system does not get ready");
        // There is no event to wait for: a file appears.
        sleep(Duration::from_millis(20)).await;
    }
}

/// Processor time, of each part of the system and of all that the machine did.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) host: Duration,
    pub(crate) sidecars: Duration,
    pub(crate) redis: Duration,
    pub(crate) client: Duration,
    machine: Duration,
}

impl Usage {
    /// What has been used since an earlier moment.
    pub(crate) fn since(&self, earlier: &Usage) -> Usage {
        Usage {
            host: self.host.saturating_sub(earlier.host),
            sidecars: self.sidecars.saturating_sub(earlier.sidecars),
            redis: self.redis.saturating_sub(earlier.redis),
            client: self.client.saturating_sub(earlier.client),
            machine: self.machine.saturating_sub(earlier.machine),
        }
    }

    #[cfg(test)]
    pub(crate) fn of_host(host: Duration) -> Usage {
        let none = Duration::ZERO;
        Usage {
            host,
            sidecars: none,
            redis: none,
            client: none,
            machine: host,
        }
    }

    /// Without the client.
    pub(crate) fn servers(&self) -> Duration {
        self.host + self.sidecars + self.redis
    }

    /// What the machine did besides, which a measurement suffers from.
    pub(crate) fn others(&self) -> Duration {
        self.machine.saturating_sub(self.servers() + self.client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_used_is_what_is_left() {
        let usage = |seconds: u64| Usage {
            host: Duration::from_secs(4 * seconds),
            sidecars: Duration::from_secs(2 * seconds),
            redis: Duration::from_secs(seconds),
            client: Duration::from_secs(seconds),
            machine: Duration::from_secs(10 * seconds),
        };
        let used = usage(3).since(&usage(1));

        assert_eq!(used.servers(), Duration::from_secs(14));
        assert_eq!(used.others(), Duration::from_secs(4));
    }
}
