//! The sidecar with real sockets and a real Redis, and a scripted messenger.

mod support;

mod asking;
mod ending;
mod logging;
mod opening;
mod protocol_2;
mod reading;
mod relaying;
mod revoking;
mod tls;
