//! The HTTP trigger: from a request to the response of a component.
//!
//! Parity: Spin's `crates/trigger-http/src/{server,headers,outbound_http,wasi}.rs`. Five differences are intended.
//! Spin bounds neither connections nor the time a request may take to arrive; its deployments put a buffering proxy in
//! front. Spin fails a request for any header that is not UTF-8 (`prepare_request_headers`), even one that no component
//! reads. Spin closes the connection, without an answer, where `Host` is missing or names no host (`set_req_uri`);
//! here that is 400. Spin gives a request a `traceparent` only where it exports traces, the host always. And Spin's own
//! answers lack the headers that keep browsers from storing them and from showing them as pages, and
//! `Strict-Transport-Security`, which the host gives to a client that came by HTTPS.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{ALLOW, CONTENT_TYPE, HOST, ORIGIN},
    uri::{Authority, Scheme},
};
use http_body_util::BodyExt as _;
use hyper_util::{
    rt::TokioExecutor,
    server::{conn::auto, graceful::GracefulShutdown},
};
use listener::{Exchange, Limits, client_address, open_file_limit, require_https};
use telemetry::Span;
use tokio::{
    net::TcpListener,
    sync::{OwnedSemaphorePermit, oneshot},
    time::timeout,
};
use trace_context::TraceContext;
use tracing::Instrument as _;
use wasmtime_wasi_http::{
    Error, WasiHttpView as _,
    p2::bindings::{ProxyPre, http::types::Scheme as WasiScheme},
};

use crate::{
    allowed_hosts::service_chaining_host,
    app::{App, Inner},
    body::{BODY_TIME, Body, Unreadable, full, own_answer},
    instance::State,
    metrics::{self, Now, RefusedBecause},
    outbound_http::ServiceChaining,
    refusal::{for_pages, unavailable, unreadable},
    routes::{METRICS_PATH, RouteMatch, WELL_KNOWN_PREFIX},
};

/// How long requests in flight may take to finish when the host is asked to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How long a request may wait for room. Calls for help come in bursts that are soon over; more than a second would
/// only lengthen the line.
const PATIENCE: Duration = Duration::from_secs(1);

/// How many connections may be open. Half of the files that the process may open are left to databases, components and
/// logs, so the number is lower where that limit is.
const MAX_CONNECTIONS: usize = 8192;

/// How much memory a connection may take for a head or for a part of a body. A longer head is answered 431.
const CONNECTION_BUFFER_BYTES: usize = 32 << 10;

/// How long a client may take to read a response (contract 4).
const RESPONSE_TIME: Duration = Duration::from_secs(30);

/// The client address of a request that did not come over a connection.
const NO_CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The client address that a chained request shows.
const CHAINED_CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// The header with the peer's address, which the host adds to requests.
pub(crate) const PEER_ADDRESS_HEADER: &str = "spin-client-addr";

impl App {
    /// Answers one request in this process, without a connection, exactly as if it had come over one. A request that
    /// names no host gets `localhost`.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Error>,
    {
        let mut request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        if !request.headers().contains_key(HOST) && request.uri().authority().is_none() {
            request
                .headers_mut()
                .insert(HOST, HeaderValue::from_static("localhost"));
        }
        self.0.handle(request, NO_CLIENT, None).await
    }

    /// Serves connections until `shutdown` is ready, then lets requests in flight finish for some seconds.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let address = listener.local_addr().context("the listener has no address")?;
        // The first listener is the one that requests to the application itself go to.
        _ = self.0.address.set(address);
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1().max_buf_size(CONNECTION_BUFFER_BYTES);
        let limits = Limits {
            connections: MAX_CONNECTIONS.min(open_file_limit() / 2),
            exchange: BODY_TIME + PATIENCE + self.0.request_timeout + RESPONSE_TIME,
        };
        let app = self.0.clone();
        let service = move |request: Request<hyper::body::Incoming>, client, exchange: Exchange| {
            let app = app.clone();
            let request = request.map(|body| body.map_err(Error::from).boxed_unsync());
            async move { app.handle(request, client, Some(exchange)).await }
        };
        let connections = listener::serve(listener, limits, http, service, shutdown).await;
        if timeout(DRAIN, self.drain(connections)).await.is_err() {
            tracing::warn!("stopped with requests in flight");
        }
        Ok(())
    }

    /// The routes as Spin prints them when it is ready.
    pub fn describe_routes(&self, address: SocketAddr) -> String {
        let mut text = String::from("Available Routes:\n");
        for (route, id) in self.0.router.iter() {
            text.push_str(&format!("  {id}: http://{address}{route}\n"));
            let description = self
                .0
                .component(id)
                .map_or("", |component| &component.description);
            if !description.is_empty() {
                text.push_str(&format!("    {description}\n"));
            }
        }
        text
    }

    /// Waits until no connection has a request and no instance is left.
    async fn drain(&self, connections: GracefulShutdown) {
        connections.shutdown().await;
        self.idle().await;
    }

    /// Waits until no instance is left. One may go on after its answer.
    pub async fn idle(&self) {
        self.0.admitted.wait_until_empty().await;
    }
}

impl Inner {
    /// Answers a request from outside.
    async fn handle(
        self: &Arc<Self>,
        request: Request<Body>,
        client: SocketAddr,
        exchange: Option<Exchange>,
    ) -> Response<Body> {
        let span = Span::of_request(trace_of(request.headers()));
        let trace = span.context();
        let name = self.span_name(&request);
        let policy = self.strict_transport.policy_for(request.headers());
        let mut response = self
            .handle_traced(request, client, exchange, trace)
            .instrument(request_span(trace))
            .await;
        // What the host answers itself says what the answers of components say.
        require_https(response.headers_mut(), policy);
        span.end(name, Some(response.status().as_u16()));
        response
    }

    /// Names a request by its method and the route that it matches.
    fn span_name<B>(self: &Arc<Self>, request: &Request<B>) -> impl FnOnce() -> String + use<B> {
        let (this, method, path) = (self.clone(), request.method().clone(), request.uri().clone());
        move || match this.router.route(path.path()) {
            Some(route) => format!("{method} {}", route.based_route()),
            None => method.to_string(),
        }
    }

    async fn handle_traced(
        self: &Arc<Self>,
        mut request: Request<Body>,
        client: SocketAddr,
        exchange: Option<Exchange>,
        trace: TraceContext,
    ) -> Response<Body> {
        drop_chaining_host(request.headers_mut());
        let path = request.uri().path();
        if let Some(known) = path.strip_prefix(WELL_KNOWN_PREFIX) {
            return match known {
                "health" => own_answer(StatusCode::OK, "OK"),
                "info" => self.info(),
                _ => status(StatusCode::NOT_FOUND),
            };
        }
        if path == METRICS_PATH {
            return match *request.method() {
                Method::GET | Method::HEAD => self.show_metrics(),
                _ => only_to_be_read(),
            };
        }
        let Some(route) = self.router.route(path) else {
            return status(StatusCode::NOT_FOUND);
        };
        // A request takes a place only when it is all there.
        let (head, body) = request.into_parts();
        let origin = head.headers.get(ORIGIN).cloned();
        let body = match self.body_memory.read(body).await {
            Ok(body) => body,
            Err(reason) => {
                // Not the path: clients may have written anything into it.
                let component = route.component();
                let client = self.logged_address(&head.headers, client);
                match reason {
                    // A client that goes away is nothing unusual.
                    Unreadable::Broken(_) => {
                        tracing::debug!(component, "refused a request of {client}: {reason}")
                    }
                    _ => tracing::warn!(component, "refused a request of {client}: {reason}"),
                }
                self.metrics.refused((&reason).into());
                let refusal = unreadable(&reason, head.version, trace.trace());
                return for_pages(refusal, &self.allowed_origins, origin);
            }
        };
        if let Some(exchange) = exchange {
            exchange.received();
        }
        let is_head = head.method == Method::HEAD;
        let request = Request::from_parts(head, body);
        match self.admit(route.component()).await {
            Some(permit) => {
                let response = self.respond(&route, request, client, permit, trace).await;
                if is_head { without_body(response) } else { response }
            }
            None => {
                let component = route.component();
                let client = self.logged_address(request.headers(), client);
                tracing::warn!(component, "refused a request of {client}: all places are taken");
                self.metrics.refused(RefusedBecause::no_room);
                for_pages(unavailable(trace.trace()), &self.allowed_origins, origin)
            }
        }
    }

    fn logged_address(&self, request: &HeaderMap, peer: SocketAddr) -> String {
        client_address(self.client_address_header.as_ref(), request, peer)
    }

    /// Lets a request to a component in, perhaps after a while.
    async fn admit(&self, component: &str) -> Option<OwnedSemaphorePermit> {
        if let Some(permit) = self.admitted.try_take(component) {
            return Some(permit);
        }
        let _place = self.waiting.try_take(component)?;
        timeout(PATIENCE, self.admitted.take(component)).await.ok()?
    }

    /// Answers a request by the component of a route, whether it came from outside or from another component.
    async fn respond(
        self: &Arc<Self>,
        route: &RouteMatch,
        mut request: Request<Body>,
        client: SocketAddr,
        permit: OwnedSemaphorePermit,
        trace: TraceContext,
    ) -> Response<Body> {
        if let Err(error) = make_absolute(&mut request) {
            tracing::warn!("refused a request: {error}");
            return status(StatusCode::BAD_REQUEST);
        }
        let began = Instant::now();
        let response = async {
            set_trace(request.headers_mut(), trace);
            add_headers(&mut request, route, client)?;
            self.run(route.component(), request, permit, trace).await
        };
        let response = response.await.unwrap_or_else(|error| {
            tracing::error!("Error processing request: {error:?}");
            status(StatusCode::INTERNAL_SERVER_ERROR)
        });
        self.metrics
            .answered(route.component(), response.status(), began.elapsed());
        tracing::debug!(
            component = route.component(),
            status = response.status().as_u16(),
            "answered {}",
            response.status()
        );
        response
    }

    /// Runs a new instance. It goes on after its response has begun, and when the client has gone, until its time is
    /// up.
    async fn run(
        self: &Arc<Self>,
        id: &str,
        request: Request<Body>,
        permit: OwnedSemaphorePermit,
        trace: TraceContext,
    ) -> anyhow::Result<Response<Body>> {
        let component = self
            .component(id)
            .with_context(|| format!("unknown component {id:?}"))?;
        let pre = component
            .http
            .clone()
            .with_context(|| format!("{id:?} has no HTTP trigger"))?;
        let store = self.store(component, Some(self.clone()), permit, trace);
        let (sender, receiver) = oneshot::channel();
        let guest = run_guest(pre, store, request, sender);
        let limit = self.request_timeout;
        let id = id.to_owned();
        let ending = async move {
            match timeout(limit, guest).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(anyhow!("{id}: {error:?}")),
                Err(_) => Err(anyhow!("{id}: took longer than {limit:?}")),
            }
        };
        let task = tokio::spawn(ending.in_current_span());
        match receiver.await {
            Ok(response) => {
                let ending = async move {
                    if let Ok(Err(error)) = task.await {
                        tracing::error!(
                            "Component error after response started. The response may not be fully sent: {error:?}"
                        );
                    }
                };
                tokio::spawn(ending.in_current_span());
                response.context("guest failed to produce a response")
            }
            Err(_) => {
                task.await.context("guest invocation panicked")??;
                Err(anyhow!("guest failed to produce a response prior to returning"))
            }
        }
    }

    fn show_metrics(&self) -> Response<Body> {
        let text = self.metrics.render(&Now {
            instances: self.admitted.taken(),
            chained_instances: self.chained.taken(),
            waiting: self.waiting.taken(),
        });
        let mut response = own_answer(StatusCode::OK, text);
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
        response
    }

    fn info(&self) -> Response<Body> {
        let mut info = serde_json::json!({ "name": self.name });
        if let Some(version) = &self.version {
            info["version"] = version.as_str().into();
        }
        let mut response = own_answer(StatusCode::OK, format!("{info:#}"));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

impl ServiceChaining for Inner {
    fn serves_http(&self, component: &str) -> bool {
        self.component(component)
            .is_some_and(|component| component.http.is_some())
    }

    /// Never waits for room: whoever holds the room may be waiting for this answer.
    fn call(
        self: Arc<Self>,
        component: String,
        request: Request<Body>,
    ) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            let route = RouteMatch::chained(&component, request.uri().path());
            let span = Span::of_request(trace_of(request.headers()));
            let trace = span.context();
            let response = match self.chained.try_take(&component) {
                Some(permit) => {
                    self.respond(&route, request, CHAINED_CLIENT, permit, trace)
                        .instrument(request_span(trace))
                        .await
                }
                None => {
                    self.metrics.refused(RefusedBecause::no_room_for_chained);
                    unavailable(trace.trace())
                }
            };
            let status = response.status().as_u16();
            span.end(|| format!("chained {component}"), Some(status));
            response
        })
    }
}

type ResponseSender =
    oneshot::Sender<Result<Response<Body>, wasmtime_wasi_http::p2::bindings::http::types::ErrorCode>>;

async fn run_guest(
    pre: ProxyPre<State>,
    mut store: wasmtime::Store<State>,
    request: Request<Body>,
    sender: ResponseSender,
) -> wasmtime::Result<()> {
    let request = store
        .data_mut()
        .http()
        .new_incoming_request(WasiScheme::Http, request)?;
    let response = store.data_mut().http().new_response_outparam(sender)?;
    let proxy = pre.instantiate_async(&mut store).await?;
    proxy
        .wasi_http_incoming_handler()
        .call_handle(&mut store, request, response)
        .await
}

/// The trace context that a request brings.
fn trace_of(headers: &HeaderMap) -> Option<TraceContext> {
    let values = headers.get_all(trace_context::HEADER).iter();
    TraceContext::read(values.map(HeaderValue::as_bytes))
}

/// Tells the component the trace. What vendors have added belongs to the trace that the request brought.
fn set_trace(headers: &mut HeaderMap, trace: TraceContext) {
    if trace_of(headers).is_none() {
        headers.remove(trace_context::STATE_HEADER);
    }
    if let Ok(value) = HeaderValue::try_from(trace.to_string()) {
        headers.insert(trace_context::HEADER, value);
    }
}

/// What surrounds everything that is done and logged for a request.
pub(crate) fn request_span(trace: TraceContext) -> tracing::Span {
    tracing::error_span!("request", traceId = %trace.trace())
}

/// The answer to a `HEAD`. Its body is read all the same: to a component that is writing it, a dropped body is an
/// error.
fn without_body(response: Response<Body>) -> Response<Body> {
    let (head, mut body) = response.into_parts();
    tokio::spawn(async move { while let Some(Ok(_)) = body.frame().await {} });
    Response::from_parts(head, full(""))
}

/// A host of the application's own domain is for chained requests; from outside it would pretend to be one.
fn drop_chaining_host(headers: &mut HeaderMap) {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    if host.and_then(service_chaining_host).is_some() {
        headers.remove(HOST);
    }
}

/// Gives a request its whole URL, from its own or from the `Host` header, which must agree.
fn make_absolute(request: &mut Request<Body>) -> anyhow::Result<()> {
    let header = request
        .headers()
        .get(HOST)
        .map(|host| {
            Authority::try_from(host.as_bytes()).context("'Host' header contains an invalid authority")
        })
        .transpose()?;
    let mut parts = request.uri().clone().into_parts();
    let authority = match (header, parts.authority.take()) {
        (None, None) => return Err(anyhow!("no 'Host' header present in request")),
        (Some(header), Some(url)) if header != url => {
            return Err(anyhow!(
                "authority in 'Host' header does not match authority in URI"
            ));
        }
        (Some(authority), _) | (None, Some(authority)) => authority,
    };
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority);
    parts
        .path_and_query
        .get_or_insert_with(|| http::uri::PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from_parts(parts)?;
    Ok(())
}

/// Tells the component where the request came from and how it got there.
///
/// As in Spin these headers are added to whatever the client sent, so the last one of a name is the host's.
fn add_headers(request: &mut Request<Body>, route: &RouteMatch, client: SocketAddr) -> anyhow::Result<()> {
    let uri = request.uri();
    let host = request
        .headers()
        .get(HOST)
        .map_or(Ok("localhost"), |host| host.to_str())?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let full_url = format!("http://{host}{path}");
    let headers = [
        ("spin-path-info", route.trailing_wildcard.clone()),
        ("spin-full-url", full_url),
        ("spin-matched-route", route.based_route().to_owned()),
        ("spin-base-path", "/".to_owned()),
        ("spin-raw-component-route", route.raw_route().to_owned()),
        ("spin-component-route", route.raw_route_or_prefix().to_owned()),
        (PEER_ADDRESS_HEADER, client.to_string()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).into_iter();
    let segments = route.segments.iter().map(|(name, value)| {
        (
            format!("spin-path-match-{}", name.to_ascii_lowercase().replace('_', "-")),
            value.clone(),
        )
    });
    for (name, value) in headers.chain(segments) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            request.headers_mut().append(name, value);
        }
    }
    Ok(())
}

/// The answer to a method that would change something, where there is nothing to change.
fn only_to_be_read() -> Response<Body> {
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn status(status: StatusCode) -> Response<Body> {
    own_answer(status, "")
}
