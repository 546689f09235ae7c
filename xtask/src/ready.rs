//! The ready file: where everything is, for programs. It appears when everything is ready, and is gone when it is not.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::addresses::{Addresses, Pages};
use crate::demo::Demo;
use crate::secrets::{Account, Secrets};
use crate::state::write_private;
use crate::supervise::Pids;

#[derive(Serialize)]
struct Ready<'a> {
    #[serde(flatten)]
    addresses: &'a Addresses,
    #[serde(flatten)]
    pages: &'a Pages,
    keys: Keys<'a>,
    superadmin: &'a Account,
    demo: Option<&'a Demo>,
    pids: &'a Pids,
}

/// The service keys of contract 2.7.
#[derive(Serialize)]
struct Keys<'a> {
    organizer: &'a str,
    participant: &'a str,
}

/// Writes the file at one stroke.
pub(crate) fn write(
    path: &Path,
    addresses: &Addresses,
    pages: &Pages,
    secrets: &Secrets,
    demo: Option<&Demo>,
    pids: &Pids,
) -> Result<()> {
    let keys = Keys {
        organizer: &secrets.organizer_key,
        participant: &secrets.participant_key,
    };
    let ready = Ready {
        addresses,
        pages,
        keys,
        superadmin: &secrets.superadmin,
        demo,
        pids,
    };
    write_private(path, &serde_json::to_vec_pretty(&ready)?)
}

/// Removes the file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ports::Ports;
    use crate::state::State;

    #[test]
    fn file_has_the_promised_keys() {
        let directory = tempfile::tempdir().unwrap();
        let secrets = Secrets::of(&State::open(directory.path(), false).unwrap()).unwrap();
        let ports = Ports {
            hosts: vec![3000, 3001],
            sidecars: vec![3002, 3003],
            canary: Some(3004),
            redis: 6379,
            databases: vec![8081, 8082, 8083],
        };
        let addresses = Addresses::local(&ports, "redis://127.0.0.1:6379");
        let path = directory.path().join("ready.json");
        let pids = Pids::from([("host".to_owned(), 12), ("sidecar-1".to_owned(), 13)]);

        let pages = Pages {
            help: Some("http://127.0.0.1:3000/help/1".to_owned()),
            console: None,
        };
        write(&path, &addresses, &pages, &secrets, None, &pids).unwrap();

        let expected = json!({
            "organizer": "http://127.0.0.1:3000/organizer",
            "participant": "http://127.0.0.1:3000/participant",
            "messenger": "http://127.0.0.1:3000/messenger",
            "ws": ["ws://127.0.0.1:3002", "ws://127.0.0.1:3003"],
            "canary": "http://127.0.0.1:3004",
            "hosts": ["http://127.0.0.1:3000", "http://127.0.0.1:3001"],
            "databases": ["http://127.0.0.1:8081", "http://127.0.0.1:8082", "http://127.0.0.1:8083"],
            "redis": "redis://127.0.0.1:6379",
            "help": "http://127.0.0.1:3000/help/1",
            "console": null,
            "keys": {"organizer": secrets.organizer_key, "participant": secrets.participant_key},
            "superadmin": {"email": secrets.superadmin.email, "password": secrets.superadmin.password},
            "demo": null,
            "pids": {"host": 12, "sidecar-1": 13},
        });
        assert_eq!(
            serde_json::from_slice::<Value>(&fs::read(&path).unwrap()).unwrap(),
            expected
        );

        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(!path.exists());
    }
}
