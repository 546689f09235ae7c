//! Logs an outage of something the sidecar needs once when it begins and once when it ends, and spaces the retries
//! between.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;
use trace_context::TraceContext;
use tracing::{info, warn};

use crate::backoff::Backoff;

/// An outage of one thing, if there is one.
#[derive(Debug)]
pub(crate) struct Outage {
    what: &'static str,
    since: Option<(Instant, Backoff)>,
}

impl Outage {
    /// `what` begins the log lines.
    pub(crate) fn new(what: &'static str) -> Outage {
        Outage { what, since: None }
    }

    /// Notes a failed try that belongs to a trace. Returns how long to wait before the next one.
    pub(crate) fn failed(&mut self, error: &impl Display, trace: Option<TraceContext>) -> Duration {
        let what = self.what;
        let (_, backoff) = self.since.get_or_insert_with(|| {
            let trace = trace.map(|trace| tracing::field::display(trace.trace()));
            warn!(traceId = trace, "{what}: {error}; retrying");
            (Instant::now(), Backoff::new())
        });
        backoff.next_delay()
    }

    /// Notes a try that succeeded.
    pub(crate) fn ended(&mut self) {
        if let Some((since, _)) = self.since.take() {
            info!(
                "{}: works again after {} ms",
                self.what,
                since.elapsed().as_millis()
            );
        }
    }
}
