//! Answers over HTTP, and the OpenAPI documents of the services.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use http::HeaderMap;
use jsonschema::Validator;
use serde_json::Value;

use crate::requests::Request;
use crate::routes::{is_internal, is_parameter, segments};
use crate::schema;

/// The methods that an operation can have.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Headers that tell a client what to do next. An answer has one only where the document says so.
const TELLING: [&str; 3] = ["allow", "link", "retry-after"];

/// With these any request can be refused: its body is read before anything else is looked at.
const OF_BODIES: [u16; 2] = [408, 413];

static SERVICES: [LazyLock<Service>; 3] = [
    LazyLock::new(|| {
        let text = include_str!("../../../components/organizer/openapi.json");
        Service::new("organizer", text)
    }),
    LazyLock::new(|| {
        let text = include_str!("../../../components/participant/openapi.json");
        Service::new("participant", text)
    }),
    LazyLock::new(|| {
        let text = include_str!("../../../components/messenger/openapi.json");
        Service::new("messenger", text)
    }),
];

/// Checks an answer of a service against its document: status, headers and body. `target` is the path of the request,
/// below the name of the service, with or without a query. The error names the request and what is wrong.
pub fn check_answer(
    method: &str,
    target: &str,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), String> {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let Some((service, segments)) = Service::at(path) else {
        return Ok(());
    };
    let answer = Answer {
        status,
        headers,
        body,
    };
    service.check(method, &segments, &answer).map_err(|error| {
        let file = service.file();
        format!("{method} {path} is answered {status}, and not as {file} says: {error}")
    })
}

pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// A service by its document.
pub(crate) struct Service {
    mount: &'static str,
    operations: Vec<Operation>,
    /// The answers that no operation describes, by status: an unknown path, a wrong method, a preflight, a body that
    /// cannot be read.
    others: BTreeMap<u16, Response>,
}

pub(crate) struct Operation {
    method: String,
    path: String,
    pub(crate) request: Request,
    responses: BTreeMap<u16, Response>,
}

/// An answer as it is documented. Its validators are made when they are first needed.
pub(crate) struct Response {
    documented: Value,
    compiled: OnceLock<Compiled>,
}

struct Compiled {
    headers: Vec<Header>,
    /// By media type.
    content: BTreeMap<String, Validator>,
}

struct Header {
    name: String,
    is_required: bool,
    is_integer: bool,
    validator: Validator,
}

impl Service {
    fn new(mount: &'static str, text: &str) -> Service {
        let document = schema::document(text);
        let response = |documented: &Value| Response::new(&document, documented);
        let mut operations = Vec::new();
        for (path, item) in members(&document["paths"]) {
            for (method, operation) in members(item) {
                if !METHODS.contains(&method.as_str()) {
                    continue;
                }
                let responses = members(&operation["responses"]).map(|(status, documented)| {
                    let status = status.parse().expect("a status is a number");
                    (status, response(documented))
                });
                operations.push(Operation {
                    method: method.to_uppercase(),
                    path: path.clone(),
                    request: Request::new(&document, item, operation),
                    responses: responses.collect(),
                });
            }
        }
        let others = members(&document["components"]["responses"])
            .filter_map(|(_, documented)| {
                let status = documented["x-status"].as_u64()?;
                Some((u16::try_from(status).expect("a status"), response(documented)))
            })
            .collect();
        Service {
            mount,
            operations,
            others,
        }
    }

    /// The service with that name.
    pub(crate) fn mounted_at(mount: &str) -> Option<&'static Service> {
        let names = ["organizer", "participant", "messenger"];
        let place = names.iter().position(|name| *name == mount)?;
        Some(&SERVICES[place])
    }

    /// The service that a path leads to, and the path below its name; `None` where no document is about it.
    pub(crate) fn at(path: &str) -> Option<(&'static Service, Vec<Cow<'_, str>>)> {
        let mut segments = segments(path);
        if segments.is_empty() {
            return None;
        }
        let service = Service::mounted_at(&segments.remove(0))?;
        (!is_internal(service.mount, &segments)).then_some((service, segments))
    }

    /// Where its document is.
    pub(crate) fn file(&self) -> String {
        format!("components/{}/openapi.json", self.mount)
    }

    /// Methods and paths.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.operations
            .iter()
            .map(|operation| (operation.method.as_str(), operation.path.as_str()))
    }

    fn check(&self, method: &str, segments: &[Cow<'_, str>], answer: &Answer<'_>) -> Result<(), String> {
        let other = self.others.get(&answer.status);
        let response = match self.operation(method, segments) {
            Some(operation) => {
                let own = operation.responses.get(&answer.status);
                own.or(other.filter(|_| OF_BODIES.contains(&answer.status)))
            }
            // Only a preflight succeeds without an operation.
            None if answer.status < 400 && method != "OPTIONS" => None,
            None => other,
        };
        let response = response.ok_or_else(|| format!("no such status; {}", text(answer.body)))?;
        response.check(answer, method == "HEAD")
    }

    /// The operation with the most fixed segments, where several match. `HEAD` is like `GET`.
    pub(crate) fn operation(&self, method: &str, segments: &[Cow<'_, str>]) -> Option<&Operation> {
        let method = if method == "HEAD" { "GET" } else { method };
        self.operations
            .iter()
            .filter(|operation| operation.method == method)
            .filter_map(|operation| Some((operation, matched(&operation.path, segments)?)))
            .max_by_key(|(_, fixed)| *fixed)
            .map(|(operation, _)| operation)
    }
}

/// How many fixed segments of a document's path there are, if it matches.
fn matched(path: &str, segments: &[Cow<'_, str>]) -> Option<usize> {
    let template: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let matches = template.len() == segments.len()
        && template
            .iter()
            .zip(segments)
            .all(|(expected, segment)| is_parameter(expected) || expected == segment);
    matches.then(|| template.iter().filter(|segment| !is_parameter(segment)).count())
}

impl Response {
    pub(crate) fn new(document: &Value, documented: &Value) -> Response {
        Response {
            documented: schema::inlined(document, documented),
            compiled: OnceLock::new(),
        }
    }

    pub(crate) fn check(&self, answer: &Answer<'_>, is_head: bool) -> Result<(), String> {
        let compiled = self.compiled.get_or_init(|| Compiled::new(&self.documented));
        compiled.check_headers(answer.headers)?;
        if is_head && answer.body.is_empty() {
            return Ok(());
        }
        if answer.body.is_empty() {
            let may_be_empty = compiled.content.is_empty() || self.documented.get("x-empty-when").is_some();
            return if may_be_empty {
                Ok(())
            } else {
                Err("it has no body".to_owned())
            };
        }
        compiled.check_body(answer)
    }
}

impl Compiled {
    fn new(documented: &Value) -> Compiled {
        let headers = members(&documented["headers"]).map(|(name, header)| Header {
            name: name.to_lowercase(),
            is_required: header["required"] == true,
            is_integer: header["schema"]["type"] == "integer",
            validator: schema::validator(&header["schema"]),
        });
        let content = members(&documented["content"])
            .map(|(media_type, content)| (media_type.clone(), schema::validator(&content["schema"])));
        Compiled {
            headers: headers.collect(),
            content: content.collect(),
        }
    }

    fn check_headers(&self, headers: &HeaderMap) -> Result<(), String> {
        for name in TELLING {
            if headers.contains_key(name) && self.headers.iter().all(|header| header.name != name) {
                return Err(format!("there should be no header {name}"));
            }
        }
        for header in &self.headers {
            match headers.get(&header.name) {
                Some(value) => {
                    let value = String::from_utf8_lossy(value.as_bytes());
                    let value = match header.is_integer {
                        true => serde_json::from_str(&value).unwrap_or(Value::Null),
                        false => Value::from(value),
                    };
                    schema::check(&header.validator, &value)
                        .map_err(|error| format!("header {}: {error}", header.name))?;
                }
                None if header.is_required => return Err(format!("it lacks the header {}", header.name)),
                None => {}
            }
        }
        Ok(())
    }

    fn check_body(&self, answer: &Answer<'_>) -> Result<(), String> {
        let media_type = answer
            .headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .unwrap_or("none");
        let validator = self.content.get(media_type.trim()).ok_or_else(|| {
            let (found, text) = (media_type, text(answer.body));
            format!("it should not have a body of the media type {found}; {text}")
        })?;
        let body = match media_type.ends_with("json") {
            true => serde_json::from_slice(answer.body).map_err(|error| format!("the body: {error}"))?,
            false => Value::from(String::from_utf8_lossy(answer.body)),
        };
        schema::check(validator, &body).map_err(|error| format!("the body, {error}"))
    }
}

/// A body in a message.
fn text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    format!("the body: {}", text.chars().take(300).collect::<String>())
}

/// The members of an object; none of what is missing.
pub(crate) fn members(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}
