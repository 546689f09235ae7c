//! Spans: what a process did for a request, and how long it took. They are exported by OTLP where
//! `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector, and cost next to nothing elsewhere.
//!
//! Ids are in logs and headers whether or not spans are exported. So a span is made from a [`TraceContext`] rather than
//! from the SDK's tracer, which would choose ids of its own, and only the SDK's processor and exporter are used.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use https_connector::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor as _};
use tokio::runtime::Handle;
use tokio::time::timeout;
use trace_context::{SpanId, TraceContext};

/// The variables that name a collector, for all signals or for traces.
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];

/// How long the collector may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Time limit for the last export.
const LAST_EXPORT: Duration = Duration::from_secs(2);

/// The processor of this process. Without one, no span is exported.
static PROCESSOR: OnceLock<BatchSpanProcessor> = OnceLock::new();

/// Exports spans from now on, if the environment names a collector. The other variables of OpenTelemetry's exporter
/// count as well. Call it on a runtime, which then carries the exports.
pub fn export_spans(service: &'static str) -> anyhow::Result<()> {
    let is_named = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !ENDPOINTS.into_iter().any(is_named) {
        return Ok(());
    }
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Collector::new())
        .build()
        .context("the collector of OpenTelemetry")?;
    let mut processor = BatchSpanProcessor::builder(exporter).build();
    let resource = Resource::builder();
    let resource = match is_named("OTEL_SERVICE_NAME") {
        true => resource,
        false => resource.with_service_name(service),
    };
    processor.set_resource(&resource.build());
    // A process calls this once.
    _ = PROCESSOR.set(processor);
    Ok(())
}

/// Exports what is left, before the process ends.
pub async fn export_last_spans() {
    // It blocks its thread. The collector is gone, or slow, if it fails; the processor has logged that.
    _ = tokio::task::spawn_blocking(|| {
        PROCESSOR
            .get()
            .map(|processor| processor.shutdown_with_timeout(LAST_EXPORT))
    })
    .await;
}

/// Something that has begun.
#[derive(Clone, Debug)]
pub struct Span {
    context: TraceContext,
    parent: Option<SpanId>,
    kind: SpanKind,
    began: SystemTime,
}

impl Span {
    /// The work for a request that brings a trace context, or none.
    pub fn of_request(found: Option<TraceContext>) -> Span {
        Span::begin(SpanKind::Server, found)
    }

    /// A call to another service.
    pub fn of_call(parent: TraceContext) -> Span {
        Span::begin(SpanKind::Client, Some(parent))
    }

    /// Work that no request has asked for: a trace of its own.
    pub fn of_work() -> Span {
        Span::begin(SpanKind::Internal, None)
    }

    fn begin(kind: SpanKind, parent: Option<TraceContext>) -> Span {
        // A process that exports nothing leaves no gap between the spans of others: it passes contexts on as they are.
        let is_exported = PROCESSOR.get().is_some();
        Span {
            context: match parent {
                Some(parent) if is_exported => parent.child(),
                Some(parent) => parent,
                None => TraceContext::begin(),
            },
            parent: parent.map(TraceContext::span),
            kind,
            began: SystemTime::now(),
        }
    }

    /// The trace context that calls of this span have to carry.
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// Ends the span, with a name of which there are few. A status is that of the answer, a failure without one has
    /// `None`.
    pub fn end<Name: Into<Cow<'static, str>>>(self, name: impl FnOnce() -> Name, status: Option<u16>) {
        let Some(processor) = PROCESSOR.get().filter(|_| self.context.is_sampled()) else {
            return;
        };
        let status_code = status.map(|status| KeyValue::new("http.response.status_code", i64::from(status)));
        processor.on_end(SpanData {
            span_context: SpanContext::new(
                self.context.trace().0.into(),
                self.context.span().0.into(),
                TraceFlags::SAMPLED,
                false,
                TraceState::default(),
            ),
            parent_span_id: self.parent.map_or(0, |parent| parent.0).into(),
            parent_span_is_remote: self.parent.is_some() && self.kind == SpanKind::Server,
            span_kind: self.kind,
            name: name().into(),
            start_time: self.began,
            end_time: SystemTime::now(),
            attributes: status_code.into_iter().collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: match status {
                Some(status) if status < 500 => Status::Unset,
                _ => Status::error(""),
            },
            instrumentation_scope: InstrumentationScope::builder("mayday").build(),
        });
    }
}

/// Sends exports to the collector. The processor has a thread without a runtime, so the process's own carries them.
#[derive(Debug)]
struct Collector {
    client: Client<HttpsConnector, Full<Bytes>>,
    runtime: Handle,
}

impl Collector {
    fn new() -> Collector {
        let connector = https_connector::by_tls_or_not(HttpConnector::new());
        Collector {
            client: Client::builder(TokioExecutor::new()).build(connector),
            runtime: Handle::current(),
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let sending = async move {
            let (head, body) = client.request(request.map(Full::new)).await?.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?;
            Ok::<_, HttpError>(Response::from_parts(head, body.to_bytes()))
        };
        self.runtime
            .spawn(async { timeout(ANSWER_TIMEOUT, sending).await })
            .await??
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No collector is named here.
    #[test]
    fn without_a_collector_nothing_is_exported_and_a_context_is_passed_on_as_it_is() {
        export_spans("test").unwrap();
        assert!(PROCESSOR.get().is_none());
        let found = TraceContext::begin();
        assert_eq!(Span::of_request(Some(found)).context(), found);
        assert_eq!(Span::of_call(found).context(), found);
        assert_ne!(Span::of_work().context().trace(), found.trace());
    }
}
