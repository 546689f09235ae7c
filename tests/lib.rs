//! What the one test binary, `main.rs`, shares with a program: `chaos`, which `mayday-chaos` runs for longer.

pub mod chaos;
