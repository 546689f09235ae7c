//! The link to the messenger.
//!
//! `client` makes the calls. `authentication` asks who a client is, `revocation` whose credentials may be void.
//! `commands` is the queue of what clients want, `exchange` carries it and brings back the updates.

pub(crate) mod authentication;
pub(crate) mod client;
pub(crate) mod commands;
pub(crate) mod exchange;
pub(crate) mod revocation;
