//! What the one test binary, `main.rs`, shares with programs: `chaos`, which `mayday-chaos` runs for longer, and `accounts`.

pub mod accounts;
pub mod chaos;
