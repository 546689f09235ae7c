//! Delays before retries.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// The first delay. Usually the peer has restarted or closed the connection, and a prompt retry succeeds.
const SHORTEST: Duration = Duration::from_millis(25);

/// The longest delay, before jitter. It bounds how long a recovery stays unnoticed.
const LONGEST: Duration = Duration::from_millis(1000);

/// Growing delays with jitter, so that clients of the same failed service do not all retry at once.
#[derive(Debug)]
pub(crate) struct Backoff(ExponentialBackoff);

impl Backoff {
    pub(crate) fn new() -> Backoff {
        let builder = ExponentialBuilder::new()
            .with_min_delay(SHORTEST)
            .with_max_delay(LONGEST)
            .with_jitter()
            .without_max_times();
        Backoff(builder.build())
    }

    pub(crate) fn next_delay(&mut self) -> Duration {
        self.0.next().unwrap_or(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_a_limit_and_never_end() {
        let mut backoff = Backoff::new();
        let delays: Vec<_> = (0..1000).map(|_| backoff.next_delay()).collect();
        assert!(delays[0] >= SHORTEST && delays[0] <= 2 * SHORTEST);
        assert!(
            delays[10..]
                .iter()
                .all(|delay| *delay >= LONGEST && *delay <= 2 * LONGEST)
        );
    }
}
