//! Measured servers, each a process of its own, so that its processor time can be read.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use mayday_tests::processes;
use mayday_tests::programs::{beside_this_program, workspace};
use mayday_tests::settings::{self, VARIABLES, environment_variable};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Time limit for starting a server. It covers compiling a component on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A listening process, which is killed when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    /// Kept because a process fails when it prints to a closed pipe.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Server {
    /// The organizer on the embedded host, as `cargo xtask up` runs it, with its database in `state`.
    pub(crate) async fn host(state: &Path) -> Result<Server> {
        let runtime_config = state.join("runtime-config.toml");
        fs::write(&runtime_config, settings::runtime_config(state, &["organizer"]))?;
        let mut command = Command::new(beside_this_program("mayday-host")?);
        command
            // Away from any `.env` of the workspace.
            .current_dir(state)
            .arg("--from")
            .arg(workspace().join("spin.toml"))
            .args([
                "--component-id",
                "organizer",
                "--quiet",
                "--listen",
                "127.0.0.1:0",
            ])
            .arg("--runtime-config-file")
            .arg(runtime_config)
            .arg("--state-dir")
            .arg(state)
            .envs(variables());
        Server::start(command).await
    }

    /// The plain native server on the database at this path.
    pub(crate) async fn baseline(database: &Path) -> Result<Server> {
        let own = std::env::current_exe().context("could not find the path of this program")?;
        let mut command = Command::new(own);
        command.arg("baseline").arg(database);
        Server::start(command).await
    }

    async fn start(mut command: Command) -> Result<Server> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let name = format!("{:?}", command.as_std().get_program());
        let mut child = command
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        let stdout = child.stdout.take().context("its output is piped")?;
        let mut output = BufReader::new(stdout).lines();
        let address = timeout(PATIENCE, address(&mut output))
            .await
            .with_context(|| format!("{name} does not get ready"))?
            .with_context(|| format!("{name} did not start"))?;
        Ok(Server {
            address,
            child,
            _output: output,
        })
    }

    /// The processor time of the process so far, ended threads included. It comes in steps of 10 ms.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        processes::processor_time(self.child.id().context("the server has ended")?)
    }
}

/// Both servers print `Serving http://ADDRESS` once they listen.
async fn address(output: &mut Lines<BufReader<ChildStdout>>) -> Result<SocketAddr> {
    while let Some(line) = output.next_line().await? {
        if let Some(address) = line.strip_prefix("Serving http://") {
            return Ok(address.parse()?);
        }
    }
    anyhow::bail!("it ended without a word about its address")
}

/// The variables of the host. Argon2 has its production parameters, whatever the environment sets.
fn variables() -> impl Iterator<Item = (String, &'static str)> {
    let hashing = [
        ("argon2_memory_kib", "19456"),
        ("argon2_iterations", "2"),
        ("argon2_parallelism", "1"),
    ];
    let variables = VARIABLES.into_iter().chain(hashing);
    variables.map(|(name, value)| (environment_variable(name), value))
}

/// The file of the organizer's database under a state directory.
pub(crate) fn database(state: &Path) -> PathBuf {
    state.join("organizer.db")
}
