//! The settings with which tests, benches and chaos start the services without `cargo xtask up`.

use std::path::Path;

pub const SERVICES: [&str; 3] = ["organizer", "participant", "messenger"];

pub const SUPERADMIN_EMAIL: &str = "super@example.org";
pub const SUPERADMIN_PASSWORD: &str = "superadmin password";
pub const ORGANIZER_JWT_SECRET: &str = "organizer secret of 32 bytes at least";
pub const PARTICIPANT_JWT_SECRET: &str = "participant secret of 32 bytes at least";
pub const ORGANIZER_KEY: &str = "organizer-key";
pub const PARTICIPANT_KEY: &str = "participant-key";
pub const MESSENGER_KEY: &str = "messenger-key";

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
    let sqlite = services.iter().map(|service| {
        let path = directory.join(format!("{service}.db"));
        format!("[sqlite_database.{service}]\ntype = \"spin\"\npath = {path:?}\n")
    });
    let throttle = directory.join("throttle.db");
    let throttle = format!("[key_value_store.throttle]\ntype = \"spin\"\npath = {throttle:?}\n");
    sqlite.chain([throttle]).collect()
}
