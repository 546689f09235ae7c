//! The link to the messenger.
//!
//! `client` makes the calls. `authentication` authenticates clients, `revocation` watches for revoked credentials.
//! `commands` is the queue of clients' commands, `exchange` carries them and returns updates.

pub(crate) mod authentication;
pub(crate) mod client;
pub(crate) mod commands;
pub(crate) mod exchange;
pub(crate) mod revocation;
