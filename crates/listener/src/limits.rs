//! Limits on what slow and silent clients can take.

use std::time::Duration;

/// Time limit for the head of a request, from its first byte, or from the accept if no byte comes.
pub const HEAD_TIME: Duration = Duration::from_secs(10);

/// Time limit for a connection that is idle between two requests.
pub const IDLE_TIME: Duration = Duration::from_secs(60);

/// The limits that differ between servers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many HTTP connections may be open. Connections that were upgraded do not count.
    pub connections: usize,
    /// Time limit for one exchange: from the last byte of the request's head to the last byte of the response. The
    /// service should have limits of its own; this one also ends a response that the client does not read.
    pub exchange: Duration,
}
