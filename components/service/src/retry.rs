//! When to try again what another service could not take.

use crate::clock::Millis;

/// Somebody in need may wait behind it.
const LONGEST_PAUSE: Millis = 10_000;

/// The pause after a number of failed attempts: a second at first, twice as long each time, ten seconds at most.
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
            [0, 1, 2, 3, 4, 1000].map(pause),
            [1000, 2000, 4000, 8000, LONGEST_PAUSE, LONGEST_PAUSE]
        );
    }
}
