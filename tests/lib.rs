//! Nothing here: everything is in the one test binary, `main.rs`.
