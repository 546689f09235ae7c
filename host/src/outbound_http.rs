//! Outbound HTTP: `wasi:http/outgoing-handler`, with the allow-list and service chaining.
//!
//! Parity: Spin's `crates/factor-outbound-http/src/wasi.rs` (`prepare_request`, `send_request`, `connect_tcp`). The
//! HTTP trigger calls the other components.

use std::{io, net::SocketAddr, sync::Arc};

use futures_util::future::BoxFuture;
use http::{
    HeaderMap, HeaderValue, Request, Response, Uri,
    header::HOST,
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body_util::BodyExt as _;
use trace_context::TraceContext;
use wasmtime::{
    bail,
    component::{Resource, ResourceTable},
};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttpHooks, p2::bindings::http::types::OutgoingRequest,
};

use crate::{
    allowed_hosts::{AllowedHosts, service_chaining_target},
    body::Body,
};

/// A host that means the application itself, for those who need one in their URLs.
const SELF: &str = "self.alt";

/// Sends the requests of one instance.
#[derive(Clone)]
pub(crate) struct OutboundHttp {
    pub(crate) allowed_hosts: Arc<AllowedHosts>,
    /// Where the application listens, if it does.
    pub(crate) address: Option<SocketAddr>,
    /// The trace that the instance's requests belong to.
    pub(crate) trace: TraceContext,
    /// Absent if the instance cannot use service chaining.
    pub(crate) chaining: Option<Arc<dyn ServiceChaining>>,
}

/// Calls other components of the application within the process.
pub(crate) trait ServiceChaining: Send + Sync {
    /// Whether the component exists and handles HTTP requests.
    fn serves_http(&self, component: &str) -> bool;

    fn call(self: Arc<Self>, component: String, request: Request<Body>)
    -> BoxFuture<'static, Response<Body>>;
}

type IoFuture = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(Response<WasiBody>, IoFuture), Error>;

impl OutboundHttp {
    async fn send(self, mut request: Request<WasiBody>, options: Option<RequestOptions>) -> Sent {
        self.check(&mut request)?;
        // Set again from the address when a request leaves the process; a chained one has none, as in Spin.
        request.headers_mut().remove(HOST);
        self.add_trace(request.headers_mut());
        match self.chained(request.uri()) {
            Some((chaining, component)) => {
                let response = chaining.clone().call(component, request).await;
                Ok((response, Box::new(async { Ok(()) })))
            }
            None => send_out(request, options).await,
        }
    }

    /// Denies what the manifest does not grant, and gives a request to the application itself its address.
    fn check(&self, request: &mut Request<WasiBody>) -> Result<(), Error> {
        if request.uri().host() != Some(SELF) {
            return if self.allowed_hosts.allow(&request.uri().to_string(), "https") {
                Ok(())
            } else {
                Err(Error::HttpRequestDenied)
            };
        }
        if !self.allowed_hosts.allow_self() {
            return Err(Error::HttpRequestDenied);
        }
        let address = self.address.ok_or(Error::HttpRequestUriInvalid)?;
        let authority = Authority::try_from(address.to_string()).map_err(|_| Error::HttpRequestUriInvalid)?;
        *request.uri_mut() = uri(Scheme::HTTP, authority, request.uri().path_and_query().cloned())?;
        Ok(())
    }

    /// Lets a request that says nothing else belong to the trace of the instance.
    fn add_trace(&self, headers: &mut HeaderMap) {
        if let Ok(trace) = HeaderValue::try_from(self.trace.to_string()) {
            headers.entry(trace_context::HEADER).or_insert(trace);
        }
    }

    /// The component that a URL means, if it means one, and what calls it.
    fn chained(&self, uri: &Uri) -> Option<(&Arc<dyn ServiceChaining>, String)> {
        Some((self.chaining.as_ref()?, service_chaining_target(uri)?))
    }

    /// Sees to what the library cannot know, before it takes the request.
    pub(crate) fn prepare(
        &self,
        table: &mut ResourceTable,
        request: &Resource<OutgoingRequest>,
    ) -> wasmtime::Result<()> {
        let request = table.get_mut(request)?;
        // A request without a host, or with a port alone as the SDK has it, means the application itself in Spin. The
        // library would refuse it.
        let authority = request.authority.get_or_insert_default();
        if authority.is_empty() || authority.starts_with(':') {
            SELF.clone_into(authority);
        }
        let Ok(uri) = Uri::try_from(format!("http://{authority}/")) else {
            return Ok(());
        };
        if let Some((chaining, component)) = self.chained(&uri)
            && self.allowed_hosts.allow(&uri.to_string(), "http")
            && !chaining.serves_http(&component)
        {
            // Spin traps here, too (`crates/trigger-http/src/server.rs`, `handle_trigger_route`).
            bail!("unknown routing destination '{component}'");
        }
        Ok(())
    }
}

impl WasiHttpHooks for OutboundHttp {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: IoFuture,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(self.clone().send(request, options))
    }
}

async fn send_out(mut request: Request<WasiBody>, options: Option<RequestOptions>) -> Sent {
    let authority = request
        .uri()
        .authority()
        .ok_or(Error::HttpRequestUriInvalid)?
        .clone();
    let port = authority.port_u16().unwrap_or(match request.uri().scheme_str() {
        Some("https") => 443,
        _ => 80,
    });
    // Looked up here as well so that a name that does not exist is told from a server that does not answer.
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    _ = tokio::net::lookup_host((host, port))
        .await
        .map_err(|_| not_found())?;
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Error::HttpRequestUriInvalid)?;
    request.headers_mut().insert(HOST, host);
    match wasmtime_wasi_http::default_send_request(request, options).await {
        Ok((response, io)) => Ok((response.map(|body| body.boxed_unsync()), Box::new(io))),
        Err(Error::Connect(error)) if error.kind() == io::ErrorKind::AddrNotAvailable => Err(not_found()),
        Err(Error::Connect(_)) => Err(Error::ConnectionRefused),
        Err(Error::Tls(error)) => {
            tracing::warn!("tls protocol error: {error:?}");
            Err(Error::TlsProtocolError)
        }
        Err(error) => Err(error),
    }
}

fn not_found() -> Error {
    Error::DnsError {
        rcode: Some("address not available".to_owned()),
        info_code: Some(0),
    }
}

fn uri(scheme: Scheme, authority: Authority, path: Option<PathAndQuery>) -> Result<Uri, Error> {
    let path = path.unwrap_or(PathAndQuery::from_static("/"));
    Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(path)
        .build()
        .map_err(|_| Error::HttpRequestUriInvalid)
}
