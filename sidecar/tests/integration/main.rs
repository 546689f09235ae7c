//! The sidecar with real sockets and a real Redis, and a messenger that does as it is told.

mod support;

mod asking;
mod ending;
mod logging;
mod opening;
mod protocol_2;
mod reading;
mod relaying;
mod revoking;
