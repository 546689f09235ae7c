//! The servers that are measured, each a process of its own, so that the system counts its processor time by itself.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::processes;

/// How long a server may take to start. Compiling a component is part of it, on a machine that may be busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// What both servers sign tokens with.
pub(crate) const JWT_SECRET: &str = "organizer secret of 32 bytes at least";
/// What other services show to the organizer.
pub(crate) const ORGANIZER_KEY: &str = "organizer-key";
/// The superadmin whom the component creates.
pub(crate) const SUPERADMIN_EMAIL: &str = "super@example.org";
pub(crate) const SUPERADMIN_PASSWORD: &str = "superadmin password";

/// A listening process, which is killed when it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
    /// Held because a process whose output nobody can read any more fails when it prints.
    _output: Lines<BufReader<ChildStdout>>,
}

impl Server {
    /// The organizer on the embedded host, as `cargo xtask up` runs it, with its database in `state`.
    pub(crate) async fn host(state: &Path) -> Result<Server> {
        let runtime_config = state.join("runtime-config.toml");
        let (organizer, throttle) = (database(state), state.join("throttle.db"));
        let text = format!(
            "[sqlite_database.organizer]\ntype = \"spin\"\npath = {organizer:?}\n\
             [key_value_store.throttle]\ntype = \"spin\"\npath = {throttle:?}\n"
        );
        fs::write(&runtime_config, text)?;
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

    /// How long all threads of the process have kept processors busy so far, those that ended included. It comes in steps of 10 ms.
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

/// Every variable of `spin.toml` that matters here. Argon2's parameters are those of production, whatever the environment says.
fn variables() -> impl Iterator<Item = (String, &'static str)> {
    let variables = [
        ("organizer_jwt_secret", JWT_SECRET),
        (
            "participant_jwt_secret",
            "participant secret of 32 bytes at least",
        ),
        ("organizer_key", ORGANIZER_KEY),
        ("participant_key", "participant-key"),
        ("messenger_key", "messenger-key"),
        ("superadmin_email", SUPERADMIN_EMAIL),
        ("superadmin_password", SUPERADMIN_PASSWORD),
        ("argon2_memory_kib", "19456"),
        ("argon2_iterations", "2"),
        ("argon2_parallelism", "1"),
    ];
    variables
        .into_iter()
        .map(|(name, value)| (format!("SPIN_VARIABLE_{}", name.to_uppercase()), value))
}

/// The file of the organizer's database under a state directory.
pub(crate) fn database(state: &Path) -> PathBuf {
    state.join("organizer.db")
}

pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the workspace")
}

/// Cargo puts programs of one profile next to each other.
pub(crate) fn beside_this_program(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("could not find the path of this program")?;
    Ok(own.with_file_name(name))
}
