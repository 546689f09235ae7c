//! What no log may hold: the tokens, passwords, keys, e-mails, names, addresses, texts and positions that tests and
//! chaos have sent, the secrets that they were answered, and the keys that services run with. Every system, host and
//! group of services that a test starts is checked when it ends, and so is that of chaos and of a soak.
//! `web/client/test/secrets.ts` does the same for the tests in JavaScript.
//!
//! Programs that a test runs, such as the canary, note nothing. What they have said is in the messenger's database
//! ([`note_messages`]), and what services generate is found by its form.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

use aho_corasick::AhoCorasick;
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::{Map, Number, Value};

use crate::schema::rows;
use crate::settings::VARIABLES;

/// Members of bodies and frames, and parameters of query strings, whose values are secrets or personal data. Names are
/// those of people, agencies, events and incidents alike. Times and ids are not among them: logs have such for reasons
/// of their own.
#[derive(Deserialize)]
struct Members {
    /// Of what is sent.
    sent: Vec<String>,
    /// Of either, if they are numbers: degrees.
    positions: Vec<String>,
    /// Of answers: only what the service generates. Everything else in them was sent by a test and is noted there.
    answered: Vec<String>,
}

static MEMBERS: LazyLock<Members> =
    LazyLock::new(|| serde_json::from_str(include_str!("secrecy.json")).expect("lists of names"));

/// Shorter values occur by chance: `Anna` may be a person, an event or a part of another word. In bytes.
const SHORTEST: usize = 9;

/// Values of fewer different characters occur by chance, such as nine zeros.
const FEWEST_CHARACTERS: usize = 5;

/// Numbers with fewer digits occur by chance. Six digits of degrees are a place within a hundred metres or so.
const FEWEST_DIGITS: usize = 6;

/// Of a longer line the beginning is looked for, which is also in a log that cuts it. In characters.
const LONGEST: usize = 80;

/// What is in all tokens, where their claims begin, and in the e-mails of guests and of the canary.
const GENERATED: [&str; 3] = [".eyJ", "@guest.invalid", "@mayday.invalid"];

/// The length of the passwords that services generate, in hexadecimal digits. Hashes have more, ids of traces fewer.
const PASSWORD_DIGITS: usize = 48;

static KNOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Notes each line of a value, as it is and as logs escape it.
fn note(value: &str) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    for line in value.lines() {
        let end = line
            .char_indices()
            .nth(LONGEST)
            .map_or(line.len(), |(end, _)| end);
        let line = &line[..end];
        let json = Value::from(line).to_string();
        let escaped = &json[1..json.len() - 1];
        let forms = [line, escaped].into_iter().filter(|form| is_telling(form));
        known.extend(forms.map(str::to_owned));
    }
}

/// Whether a log holds it only because it has leaked.
fn is_telling(text: &str) -> bool {
    let characters: BTreeSet<char> = text.chars().collect();
    text.len() >= SHORTEST && characters.len() >= FEWEST_CHARACTERS
}

/// Notes degrees of a position as they are written.
fn note_degrees(number: &Number) {
    let text = number.to_string();
    if text.bytes().filter(u8::is_ascii_digit).count() >= FEWEST_DIGITS {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(text);
    }
}

/// Notes the credentials of an `Authorization` header. Tests also send those that are only nearly credentials.
pub fn note_credentials(header: &str) {
    const SHORTEST: usize = 20;
    let credentials = header.rsplit(' ').next().unwrap_or_default();
    if credentials.len() >= SHORTEST {
        note(credentials);
    }
}

/// Notes the keys and secrets of services in the `secrets.json` of an installation. Its passwords are people's.
pub fn note_installation(secrets: &Path) {
    let secrets = fs::read_to_string(secrets).expect("the secrets of an installation");
    let secrets: Map<String, Value> = serde_json::from_str(&secrets).expect("an object");
    let of_services: Vec<_> = secrets.values().filter_map(Value::as_str).collect();
    assert!(!of_services.is_empty(), "services have keys");
    of_services.into_iter().for_each(note);
}

/// Notes all messages in a messenger's database, whoever has sent them.
pub fn note_messages(database: &Path) {
    let database = Connection::open(database).expect("a database");
    let contents: rusqlite::Result<Vec<String>> =
        rows(&database, "SELECT content FROM messages", (), |row| row.get(0));
    contents
        .expect("messages")
        .iter()
        .for_each(|content| note(content));
}

/// Notes what is secret in a body or a frame that was sent.
pub fn note_sent(json: &Value) {
    note_members(json, &MEMBERS.sent);
}

/// Notes what is secret in the query string of an address or a path, as it is and as it was sent.
pub fn note_query(target: &str) {
    let (_, query) = target.split_once('?').unwrap_or_default();
    for pair in query.split('&') {
        let (_, sent) = pair.split_once('=').unwrap_or_default();
        for (name, value) in form_urlencoded::parse(pair.as_bytes()) {
            if MEMBERS.sent.iter().any(|member| *member == name) {
                note(sent);
                note(&value);
            }
        }
    }
}

/// Notes what is secret in the body of an answer.
pub fn note_answered(json: &Value) {
    note_members(json, &MEMBERS.answered);
}

fn note_members(json: &Value, names: &[String]) {
    match json {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "Authorization" => note_credentials(text),
                    Value::String(text) if names.contains(name) => note(text),
                    Value::Number(number) if MEMBERS.positions.contains(name) => note_degrees(number),
                    Value::Array(values) if names.contains(name) => {
                        values.iter().filter_map(Value::as_str).for_each(note);
                    }
                    _ => note_members(value, names),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| note_members(value, names)),
        _ => {}
    }
}

/// Everything that was noted so far. Chaos sends tens of thousands of texts, so one pass looks for all.
struct Secrets(AhoCorasick);

impl Secrets {
    fn known() -> Secrets {
        VARIABLES.iter().for_each(|(_, value)| note(value));
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.extend(GENERATED.map(str::to_owned));
        Secrets(AhoCorasick::new(known).expect("less than gigabytes"))
    }

    /// The first secret found in a line, and the line.
    fn leak<'a>(&self, lines: impl IntoIterator<Item = &'a str>) -> Option<String> {
        lines.into_iter().find_map(|line| {
            let known = self.0.find(line).map(|found| &line[found.range()]);
            let secret = known.or_else(|| generated_password(line))?;
            Some(format!("{secret:?} in {line}"))
        })
    }

    /// The first secret in each log of a directory, or that there is no log.
    fn leaks(&self, directory: &Path) -> Vec<String> {
        let files: Vec<_> = fs::read_dir(directory).into_iter().flatten().collect();
        if files.is_empty() {
            return vec![format!("no log was found in {}", directory.display())];
        }
        let leaks = files.into_iter().filter_map(|file| {
            let file = file.expect("a file").path();
            let log = String::from_utf8_lossy(&fs::read(&file).expect("a log")).into_owned();
            let leak = self.leak(log.lines())?;
            Some(format!("{}: {leak}", file.display()))
        });
        leaks.collect()
    }
}

fn generated_password(line: &str) -> Option<&str> {
    line.split(|c: char| !c.is_ascii_hexdigit())
        .find(|digits| digits.len() == PASSWORD_DIGITS)
}

/// Asserts that no line holds a secret.
pub fn check<'a>(name: &str, lines: impl IntoIterator<Item = &'a str>) {
    if !std::thread::panicking() {
        assert_eq!(Secrets::known().leak(lines), None, "{name}");
    }
}

/// The same for every log in a directory, which has at least one.
pub fn check_directory(directory: &Path) {
    if !std::thread::panicking() {
        assert_eq!(leaks([directory]), [""; 0]);
    }
}

/// The first secret in each log of some directories, and the directories without a log.
pub fn leaks(directories: impl IntoIterator<Item = impl AsRef<Path>>) -> Vec<String> {
    let secrets = Secrets::known();
    let leaks = directories
        .into_iter()
        .flat_map(|directory| secrets.leaks(directory.as_ref()));
    leaks.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_log_with_what_was_sent_or_answered_is_found() {
        let directory = tempfile::tempdir().expect("a folder");
        let leaks_of = |log: &str| {
            fs::write(directory.path().join("host.log"), log).expect("a log");
            leaks([directory.path()])
        };
        let message = "INFO request 7 is stored\nWARN refused: my leg is stuck\n";
        assert_eq!(leaks_of(message), [""; 0]);
        note_sent(&json!({"type": "send_message", "payload": {"message": "my leg is stuck"}}));
        let [leak] = &leaks_of(message)[..] else {
            panic!("one log holds a secret");
        };
        assert!(
            leak.ends_with("/host.log: \"my leg is stuck\" in WARN refused: my leg is stuck"),
            "{leak}"
        );

        let code = "INFO code 7s4k-u2m9-made-up";
        assert_eq!(leaks_of(code), [""; 0]);
        note_answered(&json!({"recoveryCodes": ["7s4k-u2m9-made-up"]}));
        assert_eq!(leaks_of(code).len(), 1);

        let searches = ["INFO found gate 4 & stage", "INFO /events?query=gate+4+%26+stage"];
        assert_eq!(leaks_of(&searches.join("\n")), [""; 0]);
        note_query("/participant/events?from=2026-07-03T18:00&query=gate+4+%26+stage");
        for search in searches {
            assert_eq!(leaks_of(search).len(), 1, "{search}");
        }
        assert_eq!(leaks_of("2026-07-03T18:00 INFO signed in"), [""; 0]);

        let token = "INFO token participant:made.up.by-a-test";
        assert_eq!(leaks_of(token), [""; 0]);
        note_credentials("Bearer participant:made.up.by-a-test");
        assert_eq!(leaks_of(token).len(), 1);
    }

    /// A program that a test runs was answered it, so nobody has noted it.
    #[test]
    fn what_services_generate_is_found_by_its_form() {
        let leak = |log: &str| Secrets::known().leak(log.lines());
        let password = "7f".repeat(24);
        for generated in [
            "participant:eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjF9.c2lnbmVk",
            "guest-0198c0de-0000-7000-8000-000000000001@guest.invalid",
            "canary-7@mayday.invalid",
            &password,
        ] {
            let log = format!("INFO {generated}, and no more");
            assert!(leak(&log).is_some(), "{generated}");
        }
        let (trace, hash) = ("7f".repeat(16), "7f".repeat(32));
        assert_eq!(leak(&format!("INFO traceId={trace} sha256:{hash}")), None);
    }

    #[test]
    fn messages_that_somebody_else_has_sent_are_found() {
        let directory = tempfile::tempdir().expect("a folder");
        let file = directory.path().join("messenger.db");
        let database = Connection::open(&file).expect("a database");
        let messages = "CREATE TABLE messages (content TEXT);
                        INSERT INTO messages VALUES ('Problem description: made up by a program')";
        database.execute_batch(messages).expect("a table");
        let leak = |log: &str| Secrets::known().leak(log.lines());
        let log = "INFO Problem description: made up by a program";
        assert_eq!(leak(log), None);
        note_messages(&file);
        assert!(leak(log).is_some());
    }

    /// Schemathesis sends many such values.
    #[test]
    fn a_value_of_few_different_characters_is_no_secret() {
        note_sent(&json!({"name": "0".repeat(30), "description": "0a0a0a0a0a0a0"}));
        note_sent(&json!({"password": "0000-made-up"}));
        let leak = |log: &str| Secrets::known().leak(log.lines());
        assert_eq!(leak(&format!("INFO {} 0a0a0a0a0a0a0", "0".repeat(32))), None);
        assert!(leak("INFO 0000-made-up").is_some());
    }

    #[test]
    fn a_position_is_found_and_no_other_number() {
        let leak = |log: &str| Secrets::known().leak(log.lines());
        let place = json!({"eventId": 7_654_321, "lat": -33.856_784, "lng": 151.2, "accuracy": 8.654_321});
        let log = json!({"place": place}).to_string();
        assert_eq!(leak(&log), None);
        note_sent(&json!({"type": "send_message", "payload": place}));
        for found in [log.as_str(), "INFO somebody is at -33.856784, 151.2"] {
            assert!(
                leak(found).is_some_and(|leak| leak.starts_with("\"-33.856784\" in ")),
                "{found}"
            );
        }
        for other in ["INFO event 7654321", "INFO 151.2", "INFO took 8.654321 ms"] {
            assert_eq!(leak(other), None, "{other}");
        }
    }

    #[test]
    fn the_keys_of_services_are_looked_for() {
        let directory = tempfile::tempdir().expect("a folder");
        let secrets = directory.path().join("secrets.json");
        let leak = |log: &str| Secrets::known().leak(log.lines());
        let (key, name) = (
            "WARN refused: k3y-of-a-service",
            "INFO superadmin@made-up.example",
        );
        assert_eq!((leak(key), leak(name)), (None, None));
        let installation = json!({
            "messengerKey": "k3y-of-a-service",
            "superadmin": {"email": "superadmin@made-up.example"},
        });
        fs::write(&secrets, installation.to_string()).expect("a file");
        note_installation(&secrets);
        assert!(leak(key).is_some());
        assert_eq!(leak(name), None);
        assert!(leak(&format!("INFO called with {}", VARIABLES[0].1)).is_some());
    }

    #[test]
    fn each_line_of_a_text_is_found_also_if_a_log_escapes_it() {
        let text = "Stairs \"B\", level 2\r\nA path \\\\ was cut\nshort";
        note_sent(&json!({"content": text}));
        let leak = |log: &str| Secrets::known().leak(log.lines());
        for line in text.lines().take(2) {
            assert!(leak(&format!("INFO {line}!")).is_some(), "{line}");
            assert!(leak(&json!({"content": line}).to_string()).is_some(), "{line}");
            assert!(leak(&format!("INFO {line:?}")).is_some(), "{line}");
        }
        assert!(leak(&json!({"content": text}).to_string()).is_some());
        assert_eq!(leak("INFO short"), None);
    }

    #[test]
    fn a_directory_without_a_log_is_told() {
        let directory = tempfile::tempdir().expect("a folder");
        let missing = directory.path().join("logs");
        for path in [directory.path(), &missing] {
            assert_eq!(leaks([path]), [format!("no log was found in {}", path.display())]);
        }
    }
}
