//! The HTTP door: reads a whole request, up to a limit, before routing it, and builds all answers.

use futures_util::StreamExt;
use http::{HeaderValue, Method, StatusCode};
use serde::Serialize;
use spin_sdk::http::{IncomingRequest, OutgoingResponse, Response, ResponseOutparam};
use trace_context::TraceContext;
use wasi::io::streams::StreamError;

use crate::database::Connection;
use crate::{keys, log, refusals, settings};

/// A request as handlers see it.
pub struct Request {
    /// `HEAD` comes as `GET`: both have one answer, and the server that sends it omits the body for a `HEAD`.
    pub method: Method,
    /// The path below the service's own prefix, decoded, without empty ends: `["agency", "events", "3"]`.
    pub path: Vec<String>,
    /// The decoded query, in order. The first value of a repeated parameter counts.
    pub query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Why a request could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("request entity too large")]
    TooLarge,
    #[error("the body broke off")]
    Broken,
}

/// Which pages of other origins may read an answer.
const ALLOW_ORIGIN: &str = "access-control-allow-origin";

/// In which the proxy that ends TLS says by which scheme a client came.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Opens a service's database.
pub type Open<Error> = fn() -> Result<Connection, Error>;

/// Reads a request to the service that is mounted at `/{mount}` and answers it; `limit` returns the most bytes of body
/// for a path. Refused callers are logged, at most as often as the database of a service allows. An answer to a browser
/// that came by HTTPS makes it use HTTPS only.
pub async fn serve<Error: From<ReadError>>(
    incoming: IncomingRequest,
    mount: &'static str,
    limit: fn(&[String]) -> usize,
    route: fn(&Request) -> Result<Answer, Error>,
    refuse: fn(Error) -> Answer,
    database: Option<Open<Error>>,
) -> Answer {
    let traces = incoming.headers().get(trace_context::HEADER);
    log::begin(
        component(mount),
        TraceContext::read(traces.iter().map(Vec::as_slice)),
    );
    let headers = read_headers(&incoming);
    let is_https = came_by_https(&headers);
    let answer = match Request::read(incoming, headers, mount, limit).await {
        Ok(request) => {
            let answer = route(&request).unwrap_or_else(refuse);
            if let Some(open) = database
                && matches!(
                    answer.status,
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
                )
            {
                refusals::log_answer(&request, answer.status, open);
            }
            answer
        }
        Err(error) => refuse(error.into()),
    };
    match is_https {
        true => answer.requiring_https(),
        false => answer,
    }
}

impl Request {
    async fn read(
        incoming: IncomingRequest,
        headers: Vec<(String, String)>,
        mount: &str,
        limit: fn(&[String]) -> usize,
    ) -> Result<Request, ReadError> {
        let method = match incoming.method().to_string().as_str() {
            "HEAD" => Method::GET,
            method => Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET),
        };
        let target = incoming.path_with_query().unwrap_or_default();
        let (path, query) = split_target(&target, mount);
        let body = read_body(incoming, limit(&path), &headers).await?;
        Ok(Request {
            method,
            path,
            query,
            headers,
            body,
        })
    }

    /// A request with no more than a query string and a body, for tests and fuzzing of what reads them.
    pub fn of(query: &[u8], content_type: &str, body: &[u8]) -> Request {
        Request {
            method: Method::POST,
            path: Vec::new(),
            query: read_query(query),
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: body.to_vec(),
        }
    }

    /// The first header of that (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }

    /// The last header of that (lower-case) name, which is that of the host or proxy nearest to us.
    pub fn last_header(&self, name: &str) -> Option<&str> {
        last(&self.headers, name)
    }

    /// What follows `Bearer ` in the `Authorization` header.
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization").and_then(keys::bearer)
    }

    /// Whether the body is of this (lower-case) media type. Types ignore case, and may have parameters.
    pub fn has_media_type(&self, media_type: &str) -> bool {
        let header = self.header("content-type").unwrap_or_default();
        is_media_type(header, media_type)
    }

    /// Whether the client came by HTTPS.
    pub fn is_https(&self) -> bool {
        came_by_https(&self.headers)
    }

    /// The query parameter of that name.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The path, for a `match`.
    pub fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }
}

fn last<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .rfind(|(header, _)| header == name)
        .map(|(_, value)| value.as_str())
}

/// Whether a client came by HTTPS. The proxy in front says so.
fn came_by_https(headers: &[(String, String)]) -> bool {
    last(headers, FORWARDED_PROTO) == Some("https")
}

/// The name of the component that is mounted there. The pages are at the root.
fn component(mount: &'static str) -> &'static str {
    match mount {
        "" => "web",
        service => service,
    }
}

fn split_target(target: &str, mount: &str) -> (Vec<String>, Vec<(String, String)>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let decode = |segment: &str| {
        percent_encoding::percent_decode_str(segment)
            .decode_utf8_lossy()
            .into_owned()
    };
    let mut path: Vec<String> = path.trim_matches('/').split('/').map(decode).collect();
    if path.first().is_some_and(|first| first == mount) {
        path.remove(0);
    }
    path.retain(|segment| !segment.is_empty());
    (path, read_query(query.as_bytes()))
}

fn read_query(query: &[u8]) -> Vec<(String, String)> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    for (name, value) in form_urlencoded::parse(query) {
        if parameters.iter().all(|(present, _)| *present != name) {
            parameters.push((name.into_owned(), value.into_owned()));
        }
    }
    parameters
}

fn is_media_type(header: &str, media_type: &str) -> bool {
    let essence = header.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(media_type)
}

/// Makes a function that answers a request by the first route that matches its method and path, whose patterns hold the
/// ids:
///
/// ```ignore
/// service::routes! {
///     /// Every route.
///     fn routed(request: &Request) -> Result<Answer, Error> {
///         "GET" ["profile"] => profile::show_profile(request),
///         "GET" ["events", id] => events::show_event(request, id),
///     }
/// }
/// ```
///
/// If no route matches, the `Err` lists the methods of the path, for [`unrouted`]. An unknown path has none. Tests find
/// the methods and patterns in `ROUTES`.
#[macro_export]
macro_rules! routes {
    (
        $(#[$about:meta])*
        fn $name:ident($request:ident: &Request) -> $answered:ty {
            $($method:literal $path:pat => $answer:expr,)*
        }
    ) => {
        $(#[$about])*
        fn $name($request: &$crate::door::Request) -> Result<$answered, Vec<&'static str>> {
            match ($request.method.as_str(), $request.segments().as_slice()) {
                $(($method, $path) => Ok($answer),)*
                #[expect(unused_variables, reason = "only whether a path matches is asked here, not its ids")]
                (_, path) => {
                    let mut methods: Vec<&'static str> = Vec::new();
                    $(if matches!(path, $path) && !methods.contains(&$method) {
                        methods.push($method);
                    })*
                    Err(methods)
                }
            }
        }

        /// The methods and the patterns of the routes.
        #[cfg(test)]
        #[allow(dead_code, reason = "only services with a document compare them")]
        const ROUTES: &[(&str, &str)] = &[$(($method, stringify!($path))),*];
    };
}

/// Why a request has no route.
#[derive(Debug, PartialEq)]
pub enum NoRoute {
    UnknownPath,
    WrongMethod {
        /// The value of `Allow`.
        allow: String,
    },
}

/// How many seconds a browser may cache the answer to a preflight: Chromium's upper limit.
pub const PREFLIGHT_MAX_AGE: &str = "7200";

/// Answers a request that no route matches, in the services that distinguish a wrong method from an unknown path.
/// Returns the answer to a preflight, or else the error. `cors_methods` are those of contract 2.9; the answer adds what
/// the path has beyond them.
pub fn unrouted(request: &Request, methods: &[&str], cors_methods: &str) -> Result<Answer, NoRoute> {
    if methods.is_empty() || request.method != Method::OPTIONS {
        return Err(no_route(methods));
    }
    let mut allowed: Vec<&str> = cors_methods.split(", ").collect();
    for method in methods {
        if !allowed.contains(method) {
            allowed.push(method);
        }
    }
    Ok(Answer::empty(StatusCode::OK)
        .with("access-control-allow-methods", allowed.join(", "))
        .with("access-control-max-age", PREFLIGHT_MAX_AGE))
}

/// Why a request has no route, by the methods that its path has.
pub fn no_route(methods: &[&str]) -> NoRoute {
    match methods.is_empty() {
        true => NoRoute::UnknownPath,
        false => NoRoute::WrongMethod {
            allow: allow(methods),
        },
    }
}

/// The value of `Allow`: a route for `GET` answers `HEAD` as well.
fn allow(methods: &[&str]) -> String {
    methods.join(", ").replace("GET", "GET, HEAD")
}

fn read_headers(incoming: &IncomingRequest) -> Vec<(String, String)> {
    let entries = incoming.headers().entries();
    let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
    entries
        .into_iter()
        .map(|(name, value)| (name.to_lowercase(), text(value)))
        .collect()
}

async fn read_body(
    incoming: IncomingRequest,
    limit: usize,
    headers: &[(String, String)],
) -> Result<Vec<u8>, ReadError> {
    let announced = headers.iter().find(|(name, _)| name == "content-length");
    if announced
        .and_then(|(_, length)| length.parse().ok())
        .is_some_and(|length: usize| length > limit)
    {
        return Err(ReadError::TooLarge);
    }
    let mut body = Vec::new();
    let mut chunks = std::pin::pin!(incoming.into_body_stream());
    while let Some(chunk) = chunks.next().await {
        body.extend(chunk.map_err(|_| ReadError::Broken)?);
        if body.len() > limit {
            return Err(ReadError::TooLarge);
        }
    }
    Ok(body)
}

/// The error body of all three services (contract 2.5).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody<Message: Serialize> {
    pub status_code: u16,
    /// A text, or a list of texts.
    pub message: Message,
    /// The reason phrase, where the contract has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    /// Where the service has failed: the id that the lines of its log have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

impl<Message: Serialize> ErrorBody<Message> {
    /// A body with the status' reason phrase.
    pub fn new(status: StatusCode, message: Message) -> Self {
        ErrorBody {
            status_code: status.as_u16(),
            message,
            error: status.canonical_reason(),
            trace_id: failed_trace(status),
        }
    }

    /// A body without a reason phrase.
    pub fn bare(status: StatusCode, message: Message) -> Self {
        ErrorBody {
            status_code: status.as_u16(),
            message,
            error: None,
            trace_id: failed_trace(status),
        }
    }
}

fn failed_trace(status: StatusCode) -> Option<String> {
    let trace = log::trace_id().filter(|_| status.is_server_error())?;
    Some(trace.to_string())
}

/// What a browser may do with an answer of an API: hand it to the page that has asked, and nothing else. Answers are
/// personal, so nothing stores them, and text of people in them never becomes a page.
const API_HEADERS: [(&str, &str); 4] = [
    ("cache-control", "no-store"),
    (
        "content-security-policy",
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
];

/// Which pages of browsers may read an answer (contract 2.9). A page's own origin needs no permission.
pub enum Readers {
    All,
    /// Pages of this origin, which is that of the page that sent the request.
    Origin(String),
    /// None of another origin. The request came from a page that is not listed, or from no page.
    Nobody,
}

impl Readers {
    /// The pages that may read the answer to a request, by the variable `allowed_origins`. Without the variable all
    /// may.
    pub fn of(incoming: &IncomingRequest) -> Readers {
        let allowed = settings::text("allowed_origins").unwrap_or_else(|_| "*".to_owned());
        let origins = incoming.headers().get("origin");
        let origin = origins.first().and_then(|origin| str::from_utf8(origin).ok());
        Readers::among(&allowed, origin)
    }

    /// `allowed` is `*`, or origins separated by commas.
    fn among(allowed: &str, origin: Option<&str>) -> Readers {
        let mut allowed = allowed.split(',').map(str::trim);
        if allowed.clone().any(|allowed| allowed == "*") {
            return Readers::All;
        }
        match origin {
            Some(origin) if allowed.any(|allowed| allowed.eq_ignore_ascii_case(origin)) => {
                Readers::Origin(origin.to_owned())
            }
            _ => Readers::Nobody,
        }
    }
}

/// An answer, to which headers can be added, and work that the instance does after it.
pub struct Answer {
    status: StatusCode,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    afterwards: Option<Box<dyn FnOnce()>>,
}

impl Answer {
    /// JSON, with the content type as the service writes it.
    pub fn json(status: StatusCode, content_type: &'static str, body: &impl Serialize) -> Answer {
        // Our types always have a JSON form: string keys, finite numbers.
        Answer::written(status, content_type, serde_json::to_vec(body).unwrap_or_default())
    }

    /// An already serialized body.
    pub fn written(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Answer {
        Answer {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body,
            afterwards: None,
        }
    }

    /// A document for client authors. It changes only with the service.
    pub fn document(json: &'static str) -> Answer {
        Answer::written(StatusCode::OK, "application/json", json.as_bytes().to_vec())
            .with("cache-control", "public, max-age=300")
    }

    /// Plain text.
    pub fn text(status: StatusCode, body: &str) -> Answer {
        Answer::written(status, "text/plain; charset=utf-8", body.as_bytes().to_vec())
    }

    /// No body at all.
    pub fn empty(status: StatusCode) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            afterwards: None,
        }
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The same with one more header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    /// The same with one more header, unless it has that header already.
    pub fn with_default(self, name: &'static str, value: &str) -> Answer {
        if self.headers.iter().any(|(present, _)| *present == name) {
            self
        } else {
            self.with(name, value)
        }
    }

    /// The same with the headers that every answer of an API has, unless it has its own.
    pub fn for_api(self) -> Answer {
        API_HEADERS
            .into_iter()
            .fold(self, |answer, (name, value)| answer.with_default(name, value))
    }

    /// The same for these readers. Browsers give an answer to no page of another origin unless its
    /// `Access-Control-Allow-Origin` says so, whatever else it says about access.
    pub fn for_readers(self, readers: Readers) -> Answer {
        match readers {
            Readers::All => self.with(ALLOW_ORIGIN, "*"),
            Readers::Origin(origin) => self.with(ALLOW_ORIGIN, origin).varying_by("Origin"),
            Readers::Nobody => self.varying_by("Origin"),
        }
    }

    /// The same, telling caches that it depends on one more header of the request.
    pub fn varying_by(mut self, header: &str) -> Answer {
        match self.headers.iter_mut().find(|(name, _)| *name == "vary") {
            Some((_, value)) => {
                *value = format!("{value}, {header}");
                self
            }
            None => self.with("vary", header),
        }
    }

    /// The same answer, with work to do after it was sent, for which the client does not wait. The host may end the
    /// instance before that work is done, so something else must be able to do it later.
    pub fn followed_by(mut self, work: impl FnOnce() + 'static) -> Answer {
        self.afterwards = Some(Box::new(work));
        self
    }

    /// Sends the answer, and does what follows it.
    pub async fn send(mut self, out: ResponseOutparam) {
        let afterwards = self.afterwards.take();
        let mut response = self.into_response();
        let body = std::mem::take(response.body_mut());
        let sent = match OutgoingResponse::try_from(response) {
            Ok(response) => match out.set_with_body(response, body).await {
                // Nobody takes the body: the client has gone, or it was a `HEAD`.
                Ok(()) | Err(StreamError::Closed) => Ok(()),
                Err(error) => Err(error.to_string()),
            },
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = sent {
            crate::warn!("an answer could not be sent: {error}");
        }
        if let Some(work) = afterwards {
            work();
        }
    }

    /// The same answer, with a header that makes a browser use HTTPS only. The operator chooses for how long, and
    /// whether subdomains are included: only the operator knows which of them have TLS.
    fn requiring_https(self) -> Answer {
        let policy = settings::text("strict_transport_security").unwrap_or_default();
        let policy = policy.trim();
        if policy.is_empty() || HeaderValue::from_str(policy).is_err() {
            return self;
        }
        self.with("strict-transport-security", policy)
    }

    /// The SDK's response. It has a `Content-Length`, so that a `HEAD` gets one too, except for 204, which must not
    /// have any, and 304, whose would be another answer's (RFC 9110, 8.6).
    fn into_response(self) -> Response {
        let length = self.body.len().to_string();
        let answer = match self.status {
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => self,
            _ => self.with("content-length", length),
        };
        let mut builder = Response::builder();
        builder.status(answer.status.as_u16());
        for (name, value) in answer.headers {
            builder.header(name, value);
        }
        builder.body(answer.body).build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_split_below_the_mount() {
        let (path, query) = split_target("/participant/events/3?query=a%20b&from=", "participant");
        assert_eq!(path, ["events", "3"]);
        assert_eq!(
            query,
            [
                ("query".to_owned(), "a b".to_owned()),
                ("from".to_owned(), String::new())
            ]
        );
        assert_eq!(
            split_target("/participant", "participant").0,
            Vec::<String>::new()
        );
        assert_eq!(
            split_target("/events/%2e%2e/caf%C3%A9", "participant").0,
            ["events", "..", "café"]
        );
    }

    #[test]
    fn the_log_names_the_component_at_the_root() {
        assert_eq!(component(""), "web");
        assert_eq!(component("organizer"), "organizer");
    }

    #[test]
    fn the_first_value_of_a_repeated_parameter_counts() {
        let (_, query) = split_target("/events?query=beta&limit=1&query=alpha&limit=", "participant");
        let pairs: Vec<_> = query.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(pairs, [("query", "beta"), ("limit", "1")]);
    }

    #[test]
    fn media_types_ignore_case_and_parameters() {
        const FORM: &str = "application/x-www-form-urlencoded";
        for header in [
            FORM,
            "Application/X-WWW-Form-Urlencoded",
            "APPLICATION/X-WWW-FORM-URLENCODED; charset=utf-8",
            " application/x-www-form-urlencoded ;charset=utf-8",
        ] {
            assert!(is_media_type(header, FORM), "{header}");
        }
        for header in [
            "",
            "application/json",
            "application/x-www-form-urlencoded2",
            "text/plain; a=application/x-www-form-urlencoded",
        ] {
            assert!(!is_media_type(header, FORM), "{header}");
        }
    }

    #[test]
    fn an_answer_of_an_api_is_not_stored_and_is_no_page() {
        let answer = Answer::json(StatusCode::OK, "application/json", &7).for_api();
        for (name, value) in API_HEADERS {
            assert!(answer.headers.contains(&(name, value.to_owned())), "{name}");
        }
    }

    #[test]
    fn a_document_may_be_stored() {
        let answer = Answer::document("{}").for_api();
        let caching: Vec<_> = answer
            .headers
            .iter()
            .filter(|(name, _)| *name == "cache-control")
            .collect();
        assert_eq!(caching, [&("cache-control", "public, max-age=300".to_owned())]);
    }

    #[test]
    fn an_answer_is_for_pages_of_the_allowed_origins() {
        const PAGE: &str = "https://help.example.org";
        let headers = |allowed: &str, origin: Option<&str>| {
            let answer = Answer::empty(StatusCode::OK).varying_by("Accept");
            answer.for_readers(Readers::among(allowed, origin)).headers
        };
        let everybody = [("vary", "Accept".to_owned()), (ALLOW_ORIGIN, "*".to_owned())];
        let nobody = [("vary", "Accept, Origin".to_owned())];
        for origin in [None, Some(PAGE), Some("null")] {
            assert_eq!(headers("*", origin), everybody, "{origin:?}");
            assert_eq!(headers("", origin), nobody, "{origin:?}");
        }
        let listed = "https://console.example.org, https://HELP.example.org";
        let page = (ALLOW_ORIGIN, PAGE.to_owned());
        assert_eq!(headers(listed, Some(PAGE)), [nobody[0].clone(), page]);
        for origin in [
            None,
            Some(""),
            Some("null"),
            Some("http://help.example.org"),
            Some("https://help.example.org:8443"),
            Some("https://help.example.org.evil.example"),
            Some("https://console.example.org, https://HELP.example.org"),
        ] {
            assert_eq!(headers(listed, origin), nobody, "{origin:?}");
        }
    }

    fn request(method: Method, path: &str) -> Request {
        let (path, query) = split_target(path, "");
        Request {
            method,
            path,
            query,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    routes! {
        fn routed(request: &Request) -> String {
            "GET" ["events", "next"] => "the next one".to_owned(),
            "GET" ["events", id] => format!("event {id}"),
            "DELETE" ["events", id] => format!("no event {id}"),
        }
    }

    #[test]
    fn the_routes_are_listed() {
        assert_eq!(
            ROUTES,
            [
                ("GET", r#"["events", "next"]"#),
                ("GET", r#"["events", id]"#),
                ("DELETE", r#"["events", id]"#)
            ]
        );
    }

    #[test]
    fn the_first_route_that_matches_answers_with_its_ids() {
        let route = |method, path| routed(&request(method, path));
        assert_eq!(route(Method::GET, "/events/7"), Ok("event 7".to_owned()));
        assert_eq!(route(Method::DELETE, "/events/7"), Ok("no event 7".to_owned()));
        assert_eq!(route(Method::GET, "/events/next"), Ok("the next one".to_owned()));
        assert_eq!(route(Method::PATCH, "/events/7"), Err(vec!["GET", "DELETE"]));
        assert_eq!(route(Method::GET, "/events"), Err(vec![]));
    }

    #[test]
    fn a_request_without_a_route_is_told_why() {
        let unrouted = |method, methods: &[&str]| {
            let answer = unrouted(&request(method, "/events/7"), methods, "GET, OPTIONS");
            answer.map(|answer| answer.headers)
        };
        assert_eq!(unrouted(Method::OPTIONS, &[]), Err(NoRoute::UnknownPath));
        let allow = "GET, HEAD, DELETE".to_owned();
        assert_eq!(
            unrouted(Method::PATCH, &["GET", "DELETE"]),
            Err(NoRoute::WrongMethod { allow })
        );
        let max_age = ("access-control-max-age", PREFLIGHT_MAX_AGE.to_owned());
        for (methods, allowed) in [
            (&["GET"][..], "GET, OPTIONS"),
            (&["GET", "DELETE"], "GET, OPTIONS, DELETE"),
            (&["POST"], "GET, OPTIONS, POST"),
        ] {
            let methods_header = ("access-control-allow-methods", allowed.to_owned());
            assert_eq!(
                unrouted(Method::OPTIONS, methods),
                Ok(vec![methods_header, max_age.clone()])
            );
        }
    }
}
