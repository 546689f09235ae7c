//! Code that the test binary, `main.rs`, shares with programs: `chaos`, which `mayday-chaos` runs for longer, and the
//! fixtures of tests, benches and chaos: `accounts`, `settings`, `programs` and `up`.

pub mod accounts;
pub mod chaos;
pub mod programs;
pub mod settings;
pub mod up;
