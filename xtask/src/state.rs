//! The directory that outlives a run: databases, secrets, logs and what was seeded.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::redis::RedisUrl;

/// The services. Each has a database.
pub(crate) const SERVICES: [&str; 3] = ["organizer", "participant", "messenger"];

/// Held while a run lasts. It is the first file made, so a directory without it is not ours.
const LOCK: &str = "mayday.lock";

/// A state directory that is ours, and ours alone as long as this lives.
#[derive(Debug)]
pub(crate) struct State {
    directory: PathBuf,
    _lock: File,
}

impl State {
    /// Opens the directory, making it if need be; with `reset` it is emptied first.
    pub(crate) fn open(directory: &Path, reset: bool) -> Result<Self> {
        let directory = std::path::absolute(directory)?;
        if reset && !may_be_wiped(&directory)? {
            bail!(
                "{} was not made by `cargo xtask up`, so --reset leaves it alone",
                directory.display()
            );
        }
        // It holds people's data and our secrets.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .with_context(|| format!("could not make the state directory {}", directory.display()))?;
        let lock = lock(&directory)?;
        if reset {
            wipe(&directory)?;
        }
        Ok(Self {
            directory,
            _lock: lock,
        })
    }

    /// Where the directory is, absolute.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where a file of the directory is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Says where the databases are. Spin reads relative paths from where it was started and the embedded host does as
    /// Spin does, so here they are absolute.
    ///
    /// `servers` are the ports of database servers, if there are any. `shared` is the Redis that several hosts count
    /// failed sign-ins in.
    pub(crate) fn write_runtime_config(&self, servers: &[u16], shared: Option<&RedisUrl>) -> Result<PathBuf> {
        let path = self.path("runtime-config.toml");
        // A JSON string is a TOML string too.
        let file = |label: &str| {
            let file = json!(self.path(&format!("{label}.db")));
            format!("type = \"spin\"\npath = {file}\n")
        };
        let mut text = String::from("# Written by `cargo xtask up` at every start.\n");
        for (index, label) in SERVICES.into_iter().enumerate() {
            let database = match servers.get(index) {
                Some(port) => format!("type = \"libsql\"\nurl = \"http://127.0.0.1:{port}\"\ntoken = \"\"\n"),
                None => file(label),
            };
            text += &format!("\n[sqlite_database.{label}]\n{database}");
        }
        let throttle = match shared {
            Some(redis) => format!("type = \"redis\"\nurl = {}\n", json!(redis.as_str())),
            None => file("throttle"),
        };
        text += &format!("\n[key_value_store.throttle]\n{throttle}");
        write_private(&path, text.as_bytes())?;
        Ok(path)
    }
}

/// Replaces a file at one stroke: a reader sees the old text or the new one. Only its owner may read it.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let write = || -> Result<()> {
        let name = path.file_name().context("it has no name")?;
        let draft = path.with_file_name(format!("{}.draft", name.display()));
        // One left behind by a crash could have another mode, so it is not written into.
        let _ = fs::remove_file(&draft);
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(content)?;
        Ok(fs::rename(&draft, path)?)
    };
    write().with_context(|| format!("could not write {}", path.display()))
}

fn may_be_wiped(directory: &Path) -> Result<bool> {
    if !directory.exists() || directory.join(LOCK).exists() {
        return Ok(true);
    }
    Ok(fs::read_dir(directory)?.next().is_none())
}

fn lock(directory: &Path) -> Result<File> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join(LOCK))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another `cargo xtask up` is running on {}; stop it, or choose another directory with --state-dir",
            directory.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).context("could not lock the state directory"),
    }
}

fn wipe(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn directory_is_used_by_one_run_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let first = State::open(directory.path(), false).unwrap();

        let error = State::open(directory.path(), false).unwrap_err().to_string();
        assert!(error.contains("another `cargo xtask up` is running"), "{error}");

        drop(first);
        State::open(directory.path(), false).unwrap();
    }

    #[test]
    fn reset_empties_a_directory_of_ours() {
        let directory = tempfile::tempdir().unwrap();
        drop(State::open(directory.path(), false).unwrap());
        fs::create_dir_all(directory.path().join("logs/deep")).unwrap();
        fs::write(directory.path().join("organizer.db"), "data").unwrap();

        let state = State::open(directory.path(), true).unwrap();

        let left: Vec<_> = fs::read_dir(state.directory())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, [LOCK]);
    }

    #[test]
    fn reset_leaves_a_strange_directory_alone() {
        let directory = tempfile::tempdir().unwrap();
        let thesis = directory.path().join("thesis.tex");
        fs::write(&thesis, "years of work").unwrap();

        let error = State::open(directory.path(), true).unwrap_err().to_string();

        assert!(error.contains("--reset leaves it alone"), "{error}");
        assert!(thesis.exists());
        assert!(!directory.path().join(LOCK).exists());
    }

    #[test]
    fn runtime_config_names_absolute_paths() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(&directory.path().join("a \"quoted\" one"), false).unwrap();

        let path = state.write_runtime_config(&[], None).unwrap();

        let config: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
        let organizer = &config["sqlite_database"]["organizer"];
        assert_eq!(organizer["type"].as_str(), Some("spin"));
        assert_eq!(
            organizer["path"].as_str().map(PathBuf::from),
            Some(state.path("organizer.db"))
        );
        let throttle = &config["key_value_store"]["throttle"];
        assert_eq!(
            throttle["path"].as_str().map(PathBuf::from),
            Some(state.path("throttle.db"))
        );
    }

    #[test]
    fn runtime_config_names_servers() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path(), false).unwrap();

        let path = state
            .write_runtime_config(&[8081, 8082, 8083], Some(&RedisUrl::local(6379)))
            .unwrap();

        let config: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
        let messenger = &config["sqlite_database"]["messenger"];
        assert_eq!(messenger["type"].as_str(), Some("libsql"));
        assert_eq!(messenger["url"].as_str(), Some("http://127.0.0.1:8083"));
        let throttle = &config["key_value_store"]["throttle"];
        assert_eq!(throttle["type"].as_str(), Some("redis"));
        assert_eq!(throttle["url"].as_str(), Some("redis://127.0.0.1:6379"));
    }

    #[test]
    fn private_file_is_replaced_and_stays_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ready.json");

        write_private(&path, b"first").unwrap();
        write_private(&path, b"second").unwrap();

        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
