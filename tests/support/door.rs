//! Sending requests: over the network, or straight into the host.

use api_documents::{check_answer, check_request};
use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use mayday_host::App;
use mayday_tests::secrecy;
use serde_json::Value;

/// The target of requests. Paths begin with the service: `/organizer/profile`.
#[derive(Clone)]
pub(crate) enum Door {
    /// To a listening host.
    Network {
        origin: String,
        client: Box<Client<HttpConnector, Full<Bytes>>>,
    },
    /// To the host as a library.
    Host(App),
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Door {
    pub(crate) fn network(origin: &str) -> Door {
        let client = Box::new(Client::builder(TokioExecutor::new()).build_http());
        Door::Network {
            origin: origin.to_owned(),
            client,
        }
    }

    /// The origin of a listening host.
    pub(crate) fn origin(&self) -> &str {
        match self {
            Door::Network { origin, .. } => origin,
            Door::Host(_) => panic!("the host does not listen"),
        }
    }

    /// Waits until the host does nothing any more: a component may go on after its answer.
    pub(crate) async fn idle(&self) {
        match self {
            Door::Network { .. } => panic!("the host is another process"),
            Door::Host(app) => app.idle().await,
        }
    }

    /// Sends a request whose body, if any, is JSON.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        bearer: Option<&str>,
        body: Option<&Value>,
    ) -> Reply {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send_raw(method, path, bearer, body).await
    }

    /// Sends a request with any body.
    pub(crate) async fn send_raw(
        &self,
        method: &str,
        path: &str,
        bearer: Option<&str>,
        body: impl Into<Bytes>,
    ) -> Reply {
        let authorization = bearer.map(|bearer| format!("Bearer {bearer}"));
        self.send_as(method, path, authorization.as_deref(), body).await
    }

    /// Sends a request with any `Authorization` header.
    pub(crate) async fn send_as(
        &self,
        method: &str,
        path: &str,
        authorization: Option<&str>,
        body: impl Into<Bytes>,
    ) -> Reply {
        self.try_send_as(method, path, authorization, body)
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: {error:#}"))
    }

    /// Sends a request to a server that may be down.
    pub(crate) async fn try_send_as(
        &self,
        method: &str,
        path: &str,
        authorization: Option<&str>,
        body: impl Into<Bytes>,
    ) -> anyhow::Result<Reply> {
        let authorization = authorization.map(|authorization| ("authorization", authorization));
        let headers: Vec<_> = [("content-type", "application/json")]
            .into_iter()
            .chain(authorization)
            .collect();
        self.try_send_with(method, path, &headers, body).await
    }

    /// Sends a request with any headers.
    pub(crate) async fn send_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        self.try_send_with(method, path, headers, body)
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: {error:#}"))
    }

    async fn try_send_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> anyhow::Result<Reply> {
        let uri = match self {
            Door::Network { origin, .. } => format!("{origin}{path}"),
            Door::Host(_) => path.to_owned(),
        };
        let body = body.into();
        note_secrets(path, headers, &body);
        let request = headers.iter().fold(
            Request::builder().method(method).uri(uri),
            |request, (name, value)| request.header(*name, *value),
        );
        self.try_send_request(request.body(Full::new(body))?).await
    }

    /// Sends a request whose target suits the door: a path for a host as a library, else an address. Fails the test if
    /// the answer is not as the service's document says, or if the service accepts what its document does not.
    pub(crate) async fn try_send_request(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Reply> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let sent = request.body().clone().collect().await?.to_bytes();
        let (head, body) = match self {
            Door::Network { client, .. } => {
                let (head, body) = client.request(request).await?.into_parts();
                (head, body.collect().await?.to_bytes())
            }
            Door::Host(app) => {
                let (head, body) = app.handle(request).await.into_parts();
                let body = body.collect().await;
                (
                    head,
                    body.map_err(|error| anyhow::anyhow!("{error:?}"))?.to_bytes(),
                )
            }
        };
        let reply = Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        };
        let Reply {
            status,
            headers,
            body,
        } = &reply;
        check_answer(method.as_str(), uri.path(), *status, headers, body)
            .unwrap_or_else(|violation| panic!("{violation}"));
        if (200..300).contains(status) {
            let target = uri.path_and_query().map_or("/", |target| target.as_str());
            check_request(method.as_str(), target, &sent).unwrap_or_else(|violation| panic!("{violation}"));
        }
        if let Ok(body) = serde_json::from_slice(body) {
            secrecy::note_answered(&body);
        }
        Ok(reply)
    }
}

/// What the logs must not hold.
fn note_secrets(path: &str, headers: &[(&str, &str)], body: &[u8]) {
    secrecy::note_query(path);
    for (_, value) in headers.iter().filter(|(name, _)| *name == "authorization") {
        secrecy::note_credentials(value);
    }
    if let Ok(body) = serde_json::from_slice(body) {
        secrecy::note_sent(&body);
    }
}

impl Reply {
    /// The body, which must be JSON, of an answer that must have this status.
    #[track_caller]
    pub(crate) fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The rows of a list.
    #[track_caller]
    pub(crate) fn list(&self) -> Vec<Value> {
        let rows = self.json(200);
        rows.as_array()
            .unwrap_or_else(|| panic!("{rows} is no list"))
            .clone()
    }

    /// Asserts status and emptiness.
    #[track_caller]
    pub(crate) fn empty(&self, status: u16) {
        assert_eq!((self.status, self.text().as_str()), (status, ""));
    }

    /// Asserts the error body of contract 2.5, with a reason phrase, and in a 5xx the id of the request's trace.
    #[track_caller]
    pub(crate) fn error(&self, status: u16, message: impl Into<Value>) {
        let mut body = self.json(status);
        if status >= 500 {
            take_trace_id(&mut body);
        }
        let reason = http::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason());
        assert_eq!(
            body,
            serde_json::json!({"statusCode": status, "message": message.into(), "error": reason})
        );
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Removes the id of the trace that every body of a 5xx has.
#[track_caller]
pub(crate) fn take_trace_id(body: &mut Value) -> String {
    let id = body.as_object_mut().and_then(|body| body.remove("traceId"));
    let id = id.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    assert!(
        id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()),
        "{body}"
    );
    id
}
