//! Mayday's outer two rings of tests.
//!
//! - A component on the embedded host, in process, with real SQLite files: `organizer`, `participant`, `messenger`,
//!   `database`, `web`, and `edges` is what all three services do alike.
//! - The whole system, started as a person starts it, with real processes, real Redis and real WebSocket clients:
//!   `story` is what must work, `faults` is what may break, `outages` what goes on while a part is down, `revoking`
//!   is who may not stay, `slow_clients` what slow clients may cost others, `load` is the contract's load test.
//!
//! Run them with `cargo xtask test`, which builds what they start.

mod database;
mod edges;
mod faults;
mod load;
mod messenger;
mod organizer;
mod outages;
mod participant;
mod revoking;
mod rotation;
mod slow_clients;
mod story;
mod support;
mod web;
