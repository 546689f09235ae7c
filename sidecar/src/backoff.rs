//! How long to wait before trying again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// The first delay. A lost answer is usually a restart or a closed connection, and asking again at once helps.
const SHORTEST: Duration = Duration::from_millis(25);

/// The longest delay, before jitter: what comes back is noticed within a moment.
const LONGEST: Duration = Duration::from_millis(1000);

/// Delays that grow, with jitter, so that those who lost the same thing do not come back all at once.
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
