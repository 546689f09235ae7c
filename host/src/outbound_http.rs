//! Outbound HTTP: `wasi:http/outgoing-handler`, with the allow-list and service chaining.
//!
//! Parity: Spin's `crates/factor-outbound-http/src/wasi.rs` (`prepare_request`, `send_request`, `connect_tcp`) and
//! `crates/trigger-http/src/outbound_http.rs`.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use http::{
    HeaderValue, Request, Response, Uri,
    header::HOST,
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body_util::BodyExt as _;
use wasmtime::{
    bail,
    component::{Linker, Resource},
};
use wasmtime_wasi_http::{
    Error, RequestOptions, WasiBody, WasiHttp, WasiHttpHooks, WasiHttpView as _,
    p2::bindings::{
        self,
        http::{
            outgoing_handler,
            types::{FutureIncomingResponse, OutgoingRequest, RequestOptions as OptionsResource},
        },
    },
};

use crate::{
    allowed_hosts::service_chaining_target,
    app::{Component, Inner},
    instance::{State, Trigger},
    refusal::unavailable,
    routes::RouteMatch,
};

/// The client address that a chained request shows.
const CHAINED_CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// A host that means the application itself, for those who need one in their URLs.
const SELF: &str = "self.alt";

/// Sends the requests of one instance.
#[derive(Clone)]
pub(crate) struct OutboundHttp {
    app: Arc<Inner>,
    component: Arc<Component>,
    trigger: Trigger,
}

type IoFuture = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(Response<WasiBody>, IoFuture), Error>;

impl OutboundHttp {
    pub(crate) fn new(app: &Arc<Inner>, component: &Arc<Component>, trigger: Trigger) -> Self {
        Self {
            app: app.clone(),
            component: component.clone(),
            trigger,
        }
    }

    async fn send(self, mut request: Request<WasiBody>, options: Option<RequestOptions>) -> Sent {
        self.check(&mut request)?;
        // Set again from the address when a request leaves the process; a chained one has none, as in Spin.
        request.headers_mut().remove(HOST);
        match self.chained_component(request.uri()) {
            Some(component) => self.chain(&component, request).await,
            None => send_out(request, options).await,
        }
    }

    /// Denies what the manifest does not grant, and gives a request to the application itself its address.
    fn check(&self, request: &mut Request<WasiBody>) -> Result<(), Error> {
        if request.uri().host() != Some(SELF) {
            let allowed = self
                .component
                .allowed_hosts
                .allow(&request.uri().to_string(), "https");
            return if allowed {
                Ok(())
            } else {
                Err(Error::HttpRequestDenied)
            };
        }
        if !self.component.allowed_hosts.allow_self() {
            return Err(Error::HttpRequestDenied);
        }
        let address = self.app.address.get().ok_or(Error::HttpRequestUriInvalid)?;
        let authority = Authority::try_from(address.to_string()).map_err(|_| Error::HttpRequestUriInvalid)?;
        *request.uri_mut() = uri(Scheme::HTTP, authority, request.uri().path_and_query().cloned())?;
        Ok(())
    }

    fn chained_component(&self, uri: &Uri) -> Option<String> {
        (self.trigger == Trigger::Http)
            .then(|| service_chaining_target(uri))
            .flatten()
    }

    /// Answers with another component of this process. It never waits for room: whoever holds the room may be waiting
    /// for it.
    async fn chain(&self, component: &str, request: Request<WasiBody>) -> Sent {
        let route = RouteMatch::chained(component, request.uri().path());
        let response = match self.app.chained.clone().try_acquire_owned() {
            Ok(permit) => self.app.respond(&route, request, CHAINED_CLIENT, permit).await,
            Err(_) => unavailable(),
        };
        Ok((response, Box::new(async { Ok(()) })))
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

/// Links `wasi:http`, with a handler that looks at each request first.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let options = bindings::LinkOptions::default();
    bindings::http::types::add_to_linker::<_, WasiHttp>(linker, &options.into(), State::http)?;
    let mut handler = linker.instance("wasi:http/outgoing-handler@0.2.0")?;
    handler.func_wrap("handle", |mut store, (request, options): HandleArguments| {
        let state: &mut State = store.data_mut();
        prepare(state, &request)?;
        match outgoing_handler::Host::handle(&mut state.http(), request, options) {
            Ok(response) => Ok((Ok(response),)),
            Err(error) => Ok((Err::<Resource<FutureIncomingResponse>, _>(error.downcast()?),)),
        }
    })
}

type HandleArguments = (Resource<OutgoingRequest>, Option<Resource<OptionsResource>>);

/// Sees to what the library cannot know, before it takes the request.
fn prepare(state: &mut State, request: &Resource<OutgoingRequest>) -> wasmtime::Result<()> {
    let request = state.table.get_mut(request)?;
    // A request without a host, or with a port alone as the SDK has it, means the application itself in Spin. The
    // library would refuse it.
    let authority = request.authority.get_or_insert_default();
    if authority.is_empty() || authority.starts_with(':') {
        SELF.clone_into(authority);
    }
    let Ok(uri) = Uri::try_from(format!("http://{authority}/")) else {
        return Ok(());
    };
    let outbound = state.outbound();
    if let Some(component) = outbound.chained_component(&uri)
        && outbound.component.allowed_hosts.allow(&uri.to_string(), "http")
        && !outbound.app.serves_http(&component)
    {
        // Spin traps here, too (`crates/trigger-http/src/server.rs`, `handle_trigger_route`).
        bail!("unknown routing destination '{component}'");
    }
    Ok(())
}
