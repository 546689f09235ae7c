//! Shared by tests: requests, people, sockets, and running systems.

pub(crate) mod apart;
pub(crate) mod components;
pub(crate) mod door;
pub(crate) mod people;
pub(crate) mod redis;
pub(crate) mod scan;
pub(crate) mod sidecar;
pub(crate) mod socket;
pub(crate) mod system;
pub(crate) mod tokens;

use std::time::Duration;

/// The time limit of every wait.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
