//! Accepts HTTP connections for the host and the sidecar, and bounds what slow and silent clients can take.
//!
//! At any moment either the client waits for the server, or the server waits for the client: for the first byte of a
//! request, or for the rest of one. A connection that waits for its client costs a socket and has a deadline. When all
//! places are taken, the connection that has waited longest for its client is closed and the new one takes its place,
//! so live clients and health checks get in.

mod browsers;
mod client_address;
mod connection;
mod limits;
mod open_files;

use std::{
    convert::Infallible,
    error::Error,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto, graceful::GracefulShutdown},
};
use telemetry::Seldom;
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use trace_context::{TraceContext, TraceId};

use crate::connection::{Admitted, Registry, Watched};
pub use crate::{
    browsers::{StrictTransport, require_https, restrict_browsers},
    client_address::client_address,
    connection::Exchange,
    limits::{HEAD_TIME, IDLE_TIME, Limits},
    open_files::{open_file_limit, raise_open_file_limit},
};

/// The pause after a failed accept. The usual reason is a lack of file descriptors, and connections need time to close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

static REFUSED: AtomicU64 = AtomicU64::new(0);

/// How many connections this process has refused since it started, because all places were taken.
pub fn refused_connections() -> u64 {
    REFUSED.load(Relaxed)
}

/// The answer to a connection when all places are taken: the services' error body. Pages of any origin may read it: no
/// request has been read that would say where it comes from. Nor is the client's trace known, so it has one of its own.
fn no_place(trace: TraceId) -> String {
    let body = format!(
        r#"{{"statusCode":503,"message":"too many connections","error":"Service Unavailable","traceId":"{trace}"}}"#
    ) + "\n";
    let length = body.len();
    let restrictions = browsers::HEADERS
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .concat();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\n\
         connection: close\r\n\
         retry-after: 1\r\n\
         access-control-allow-origin: *\r\n\
         access-control-expose-headers: Retry-After\r\n\
         {restrictions}\
         content-type: application/json\r\n\
         content-length: {length}\r\n\r\n\
         {body}"
    )
}

/// Accepts connections until `shutdown`, and returns the handle with which the caller lets exchanges finish.
///
/// Calls the service with each request as soon as its head has arrived. The service calls [`Exchange::received`] when
/// the whole request has arrived: until then the server waits for the client.
pub async fn serve<S, F, B>(
    listener: TcpListener,
    limits: Limits,
    http: auto::Builder<TokioExecutor>,
    service: S,
    shutdown: impl Future<Output = ()>,
) -> GracefulShutdown
where
    S: Fn(Request<Incoming>, SocketAddr, Exchange) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let registry = Registry::new(limits);
    let graceful = GracefulShutdown::new();
    let refusals = Seldom::default();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, client)) => match registry.admit() {
                    Some(place) => spawn(&http, stream, client, place, service.clone(), &graceful),
                    None => refuse(&stream, client, &refusals),
                },
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection, trying again: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    graceful
}

fn refuse(stream: &TcpStream, client: SocketAddr, refusals: &Seldom) {
    REFUSED.fetch_add(1, Relaxed);
    let trace = TraceContext::begin().trace();
    if let Some(left_out) = refusals.is_due() {
        tracing::warn!(traceId = %trace, left_out, "refused the connection of {client}: all places are taken");
    }
    // Best effort: the answer fits into an empty send buffer.
    _ = stream.try_write(no_place(trace).as_bytes());
}

fn spawn<S, F, B>(
    http: &auto::Builder<TokioExecutor>,
    stream: TcpStream,
    client: SocketAddr,
    place: Admitted,
    service: S,
    graceful: &GracefulShutdown,
) where
    S: Fn(Request<Incoming>, SocketAddr, Exchange) -> F + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // A response is written in two parts. With Nagle's algorithm the second may wait until the client acknowledges the
    // first.
    _ = stream.set_nodelay(true);
    let io = TokioIo::new(Watched::new(stream, &place));
    let connection = place.connection();
    let service = service_fn(move |request: Request<Incoming>| {
        let exchange = connection.begin_exchange(request.version());
        let response = service(request, client, exchange.clone());
        async move {
            let response = response.await;
            Ok::<_, Infallible>(response.map(|body| Held {
                body,
                _exchange: exchange,
            }))
        }
    });
    let served = http.serve_connection_with_upgrades(io, service).into_owned();
    let served = graceful.watch(served);
    tokio::spawn(async move {
        match place.until_late(served).await {
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::debug!("connection from {client} failed: {error}"),
            None => {
                tracing::debug!("closed the connection from {client}: idle, late, or in favour of a new one")
            }
        }
    });
}

/// A response's body. The exchange lasts as long as it does.
struct Held<B> {
    body: B,
    _exchange: Exchange,
}

impl<B: Body + Unpin> Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
