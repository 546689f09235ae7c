//! Code that the test binary, `main.rs`, shares with programs: `chaos`, which `mayday-chaos` runs for longer, and the
//! fixtures of tests, benches and chaos: `accounts`, `databases`, `processes`, `programs`, `schema`, `settings` and `up`.
//! `secrecy` searches the logs of tests and chaos.

pub mod accounts;
pub mod chaos;
pub mod databases;
pub mod processes;
pub mod programs;
pub mod schema;
pub mod secrecy;
pub mod settings;
pub mod up;
