//! Mayday's outer two rings of tests.
//!
//! - A component on the embedded host, in process, with real SQLite files: `organizer`, `participant`, `messenger`,
//!   `database` and `migrations`, `web` for the pages, `cloud` for the manifests of Fermyon Cloud, and `edges` for the
//!   rules of all three services.
//! - The whole system, started as a person starts it, with real processes, real Redis and real WebSocket clients:
//!   `story` is the main flow, `canary` breaks the path that the canary walks, `faults` breaks parts, `outages` takes
//!   parts down, `machines` kills and pauses hosts and database servers, `privacy` is about an export and a deletion,
//!   `redis_users` is about the users of Redis, `restore_drill` restores a copy of the databases, `revoking` ends
//!   sockets, `slow_clients` checks that slow clients do not delay others, `load` is the contract's load test, `logs`
//!   follows ids through logs and spans, `observability` checks dashboard and alarms, `clients` runs the programs of
//!   docs/clients.md, `walkthrough` runs the lines of docs/deploy.md for a first chat, `explore` lets schemathesis ask
//!   the services whatever their documents permit, and `spin` is for `cargo xtask up --host spin`.
//!
//! The support code checks every answer, every frame, and every request that was accepted against the documents of the
//! APIs; `documents` is about how these are served. It does not check the 101 of a handshake, nor what the programs
//! receive that tests run: the canary, those of `clients` and `walkthrough`, and `explore/hooks.py` where it makes
//! accounts.
//!
//! Run them with `cargo xtask test`, which builds what they start.

mod canary;
mod clients;
mod cloud;
mod database;
mod documents;
mod edges;
mod explore;
mod faults;
mod load;
mod logs;
mod machines;
mod messenger;
mod migrations;
mod observability;
mod organizer;
mod outages;
mod participant;
mod privacy;
mod redis_users;
mod restore_drill;
mod revoking;
mod rotation;
mod slow_clients;
mod spin;
mod story;
mod support;
mod walkthrough;
mod web;
