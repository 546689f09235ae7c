//! The trace of the request for which this instance calls others.

use service::log;
use trace_context::TraceContext;

use crate::Peers;
use crate::bindings::exports::mayday::platform::trace::Guest;

impl Guest for Peers {
    fn begin(component: String, traceparent: String) {
        log::begin(component, TraceContext::read([traceparent.as_bytes()]));
    }
}
