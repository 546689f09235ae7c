//! The settings with which tests, benches and chaos start the services without `cargo xtask up`.

use std::path::Path;

pub const SERVICES: [&str; 3] = ["organizer", "participant", "messenger"];

pub const SUPERADMIN_EMAIL: &str = "super@example.org";
pub const SUPERADMIN_PASSWORD: &str = "superadmin password";
pub const ORGANIZER_JWT_SECRET: &str = "organizer secret of 32 bytes at least";
pub const PARTICIPANT_JWT_SECRET: &str = "participant secret of 32 bytes at least";
pub const ORGANIZER_KEY: &str = "organizer-key-of-32-bytes-at-least";
pub const PARTICIPANT_KEY: &str = "participant-key-of-32-bytes-at-least";
pub const MESSENGER_KEY: &str = "messenger-key-of-32-bytes-at-least";

/// The variables of `spin.toml` that have no default.
pub const VARIABLES: [(&str, &str); 7] = [
    ("organizer_jwt_secret", ORGANIZER_JWT_SECRET),
    ("participant_jwt_secret", PARTICIPANT_JWT_SECRET),
    ("organizer_key", ORGANIZER_KEY),
    ("participant_key", PARTICIPANT_KEY),
    ("messenger_key", MESSENGER_KEY),
    ("superadmin_email", SUPERADMIN_EMAIL),
    ("superadmin_password", SUPERADMIN_PASSWORD),
];

/// Cheap parameters for password hashes, where hashing is neither tested nor measured.
pub const CHEAP_HASHING: [(&str, &str); 2] = [("argon2_memory_kib", "64"), ("argon2_iterations", "1")];

/// The environment variable that sets a variable of `spin.toml`.
pub fn environment_variable(name: &str) -> String {
    format!("SPIN_VARIABLE_{}", name.to_uppercase())
}

/// A runtime configuration with the databases of some services, and the key-value store, in a directory.
pub fn runtime_config(directory: &Path, services: &[&str]) -> String {
    let databases = services
        .iter()
        .map(|service| file_database(service, &directory.join(format!("{service}.db"))));
    databases.chain([file_throttle(directory)]).collect()
}

/// The part of a runtime configuration that names a database in a file.
pub fn file_database(service: &str, path: &Path) -> String {
    format!("[sqlite_database.{service}]\ntype = \"spin\"\npath = {path:?}\n")
}

/// The same for a libSQL server, which admits everybody.
pub fn libsql_database(service: &str, url: &str) -> String {
    format!("[sqlite_database.{service}]\ntype = \"libsql\"\nurl = {url:?}\ntoken = \"\"\n")
}

/// The part that names the key-value store, in a file of a directory.
pub fn file_throttle(directory: &Path) -> String {
    let path = directory.join("throttle.db");
    format!("[key_value_store.throttle]\ntype = \"spin\"\npath = {path:?}\n")
}

/// The same in Redis.
pub fn redis_throttle(url: &str) -> String {
    format!("[key_value_store.throttle]\ntype = \"redis\"\nurl = {url:?}\n")
}
