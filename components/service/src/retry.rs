//! When to try again what another service could not take.

use crate::clock::Millis;

const LONGEST_PAUSE: Millis = 60_000;

/// The pause after a number of failed attempts: a second at first, twice as long each time, a minute at most.
pub fn pause(attempts: i64) -> Millis {
    let doublings = u32::try_from(attempts.clamp(0, 16)).unwrap_or_default();
    (1000 << doublings).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        assert_eq!(
            [0, 1, 2, 5, 6, 1000].map(pause),
            [1000, 2000, 4000, 32_000, LONGEST_PAUSE, LONGEST_PAUSE]
        );
    }
}
