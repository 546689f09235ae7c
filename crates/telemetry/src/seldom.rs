//! Bounds how often something is logged that anybody can cause.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two lines.
const PAUSE: Duration = Duration::from_secs(1);

/// Something that is logged at most once a second.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    logged: Option<Instant>,
    left_out: u64,
}

impl Seldom {
    /// Whether this one is to be logged. Returns how many were left out since the last line.
    pub fn is_due(&self) -> Option<u64> {
        let now = Instant::now();
        let mut state = self.0.lock().expect("no panic while locked");
        if state.logged.is_some_and(|logged| now < logged + PAUSE) {
            state.left_out += 1;
            return None;
        }
        state.logged = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn what_is_left_out_is_counted() {
        let refusals = Seldom::default();
        assert_eq!(refusals.is_due(), Some(0));
        assert_eq!(refusals.is_due(), None);
        assert_eq!(refusals.is_due(), None);
        advance(PAUSE).await;
        assert_eq!(refusals.is_due(), Some(2));
        advance(PAUSE).await;
        assert_eq!(refusals.is_due(), Some(0));
    }
}
