//! What the three services share at their edges: requests and answers, the database, passwords and service keys, the
//! throttle of guesses, revocations, calls to other services, and the log. Rules of the contract that belong to one
//! service are not here.

pub mod clock;
pub mod credentials;
pub mod database;
pub mod door;
pub mod email;
pub mod guessable;
pub mod internal;
pub mod keys;
pub mod log;
pub mod notices;
pub mod outbound;
pub mod password;
pub mod position;
mod refusals;
pub mod removals;
pub mod retry;
pub mod revocations;
pub mod settings;
pub mod throttle;
