//! Limits how many frames a client may send: far more than people type, and enough for a load test.

use tokio::time::Instant;

/// Frames a second that a client may send steadily.
const PER_SECOND: f64 = 2_000.0;

/// Frames that a client may send at once after a pause.
const BURST: f64 = 4_000.0;

/// A client that goes on after so many refused frames is disconnected.
const FLOOD: f64 = 20_000.0;

/// A token bucket.
#[derive(Debug)]
pub(crate) struct Rate {
    /// Each frame takes one, and time adds more. Below zero the sidecar refuses frames.
    tokens: f64,
    since: Instant,
}

/// What to do with a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Allowed,
    TooMany,
    Flood,
}

impl Rate {
    pub(crate) fn new(now: Instant) -> Rate {
        Rate {
            tokens: BURST,
            since: now,
        }
    }

    /// Counts a frame.
    pub(crate) fn spend(&mut self, now: Instant) -> Verdict {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.since = now;
        self.tokens = (self.tokens + passed * PER_SECOND).min(BURST) - 1.0;
        if self.tokens >= 0.0 {
            Verdict::Allowed
        } else if self.tokens >= -FLOOD {
            Verdict::TooMany
        } else {
            Verdict::Flood
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn spend(rate: &mut Rate, frames: usize, now: Instant) -> Vec<Verdict> {
        let mut verdicts: Vec<_> = (0..frames).map(|_| rate.spend(now)).collect();
        verdicts.dedup();
        verdicts
    }

    #[test]
    fn a_steady_stream_is_never_refused() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            assert_eq!(spend(&mut rate, PER_SECOND as usize, now), [Verdict::Allowed]);
        }
    }

    #[test]
    fn frames_beyond_a_burst_are_refused_until_a_pause() {
        let now = Instant::now();
        let mut rate = Rate::new(now);
        assert_eq!(spend(&mut rate, BURST as usize, now), [Verdict::Allowed]);
        assert_eq!(spend(&mut rate, FLOOD as usize, now), [Verdict::TooMany]);
        assert_eq!(rate.spend(now), Verdict::Flood);
        let later = now + Duration::from_secs(60);
        assert_eq!(spend(&mut rate, BURST as usize, later), [Verdict::Allowed]);
    }
}
