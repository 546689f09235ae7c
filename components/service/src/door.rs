//! The HTTP door: a request is read whole, up to a limit, before anybody looks at it; answers are built in one place.

use futures_util::StreamExt;
use http::{Method, StatusCode};
use serde::Serialize;
use spin_sdk::http::{IncomingRequest, Response};

use crate::keys;

/// A request as handlers see it.
pub struct Request {
    pub method: Method,
    /// The path below the service's own prefix, decoded, without empty ends: `["agency", "events", "3"]`.
    pub path: Vec<String>,
    /// The decoded query, in order.
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

/// Reads a request to the service that is mounted at `/{mount}` and answers it; `limit` tells how many bytes of body a path may have.
pub async fn serve<Error: From<ReadError>>(
    incoming: IncomingRequest,
    mount: &str,
    limit: fn(&[String]) -> usize,
    route: fn(&Request) -> Result<Answer, Error>,
    refuse: fn(Error) -> Answer,
) -> Answer {
    let outcome = match Request::read(incoming, mount, limit).await {
        Ok(request) => route(&request),
        Err(error) => Err(error.into()),
    };
    outcome.unwrap_or_else(refuse)
}

impl Request {
    async fn read(
        incoming: IncomingRequest,
        mount: &str,
        limit: fn(&[String]) -> usize,
    ) -> Result<Request, ReadError> {
        let method = Method::from_bytes(incoming.method().to_string().as_bytes()).unwrap_or(Method::GET);
        let target = incoming.path_with_query().unwrap_or_default();
        let (path, query) = split_target(&target, mount);
        let headers = read_headers(&incoming);
        let body = read_body(incoming, limit(&path), &headers).await?;
        Ok(Request {
            method,
            path,
            query,
            headers,
            body,
        })
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
        self.headers
            .iter()
            .rfind(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }

    /// What follows `Bearer ` in the `Authorization` header.
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization").and_then(keys::bearer)
    }

    /// The first query parameter of that name.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The path as something to match on.
    pub fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
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
    (
        path,
        form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
    )
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
}

impl<Message: Serialize> ErrorBody<Message> {
    /// With the status' reason phrase.
    pub fn new(status: StatusCode, message: Message) -> Self {
        ErrorBody {
            status_code: status.as_u16(),
            message,
            error: status.canonical_reason(),
        }
    }

    /// Without one.
    pub fn bare(status: StatusCode, message: Message) -> Self {
        ErrorBody {
            status_code: status.as_u16(),
            message,
            error: None,
        }
    }
}

/// An answer on its way out, which can still be given headers.
pub struct Answer {
    status: StatusCode,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// JSON, with the content type as the service writes it.
    pub fn json(status: StatusCode, content_type: &'static str, body: &impl Serialize) -> Answer {
        // What our types hold always has a JSON form: string keys, finite numbers.
        Answer::written(status, content_type, serde_json::to_vec(body).unwrap_or_default())
    }

    /// A body that is written already.
    pub fn written(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Answer {
        Answer {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body,
        }
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
        }
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

    /// As the SDK sends it.
    pub fn into_response(self) -> Response {
        let mut builder = Response::builder();
        builder.status(self.status.as_u16());
        for (name, value) in self.headers {
            builder.header(name, value);
        }
        builder.body(self.body).build()
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
}
