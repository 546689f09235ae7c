//! What tests share: doors to knock on, people who knock, sockets, and a system to run.

pub(crate) mod apart;
pub(crate) mod components;
pub(crate) mod door;
pub(crate) mod people;
pub(crate) mod sidecar;
pub(crate) mod socket;
pub(crate) mod system;

use std::time::Duration;

/// Nothing that tests wait for takes this long, unless it never comes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
