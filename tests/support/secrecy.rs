//! What no log may hold: the tokens, passwords, keys, e-mails and texts that tests have sent. Every system, host and
//! group of services that a test starts is checked when it ends.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// Members of bodies and frames whose values are secrets or personal data.
const MEMBERS: [&str; 12] = [
    "clientId",
    "code",
    "confirmPassword",
    "content",
    "description",
    "email",
    "firstName",
    "lastName",
    "message",
    "newPassword",
    "password",
    "phoneNumber",
];

/// Shorter values occur by chance.
const SHORTEST: usize = 9;

static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Notes a value that was sent.
pub(crate) fn note(value: &str) {
    if value.len() >= SHORTEST {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(value.to_owned());
    }
}

/// Notes the credentials of an `Authorization` header. Tests also send those that are only nearly credentials.
pub(crate) fn note_credentials(header: &str) {
    const SHORTEST: usize = 20;
    let credentials = header.rsplit(' ').next().unwrap_or_default();
    if credentials.len() >= SHORTEST {
        note(credentials);
    }
}

/// Notes what is secret in a body or a frame that was sent.
pub(crate) fn note_members(json: &Value) {
    match json {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "Authorization" => note_credentials(text),
                    Value::String(text) if MEMBERS.contains(&name.as_str()) => note(text),
                    _ => note_members(value),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(note_members),
        _ => {}
    }
}

/// Asserts that none of it is in a log.
pub(crate) fn check<'a>(name: &str, lines: impl IntoIterator<Item = &'a str>) {
    if std::thread::panicking() {
        return;
    }
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for line in lines {
        let found = known.iter().find(|secret| line.contains(secret.as_str()));
        assert_eq!(found, None, "{name}: {line}");
    }
}

/// The same for every log in a directory.
pub(crate) fn check_directory(directory: &Path) {
    let files = fs::read_dir(directory).into_iter().flatten();
    for file in files.map(|file| file.expect("a file").path()) {
        let log = String::from_utf8_lossy(&fs::read(&file).expect("a log")).into_owned();
        check(&file.display().to_string(), log.lines());
    }
}
