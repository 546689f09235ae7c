//! What the three services share at their edges: reading a request and answering it, opening a database, checking
//! a password or a service key, slowing down guesses, noting whose credentials are void, asking another service and what such a question says. No rule of the contract that belongs to one service is here.

pub mod clock;
pub mod credentials;
pub mod database;
pub mod door;
pub mod internal;
pub mod keys;
pub mod outbound;
pub mod password;
pub mod retry;
pub mod revocations;
pub mod settings;
pub mod throttle;
