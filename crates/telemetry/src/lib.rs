//! The logs and spans of the native servers, host and sidecar.

mod log;
mod seldom;
mod spans;

pub use log::{Format, log_to_stderr};
pub use seldom::Seldom;
pub use spans::{Span, export_last_spans, export_spans};
