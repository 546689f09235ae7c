//! Requests over HTTP, and the OpenAPI documents of the services.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::Value;

use crate::answers::Service;
use crate::schema;

/// What tests send in queries to see it ignored.
const IGNORED: &str = "surprise";

/// Checks a request that a service has accepted against its document: the query, and a body of JSON. `target` is the
/// path of the request, below the name of the service, with or without a query. The error names the request and what
/// is wrong.
pub fn check_request(method: &str, target: &str, body: &[u8]) -> Result<(), String> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let Some((service, segments)) = Service::at(path) else {
        return Ok(());
    };
    let Some(operation) = service.operation(method, &segments) else {
        return Ok(());
    };
    operation.request.check(query, body).map_err(|error| {
        let file = service.file();
        format!("{method} {path} is accepted, and is not as {file} says: {error}")
    })
}

/// A request as it is documented. Its validators are made when they are first needed.
pub(crate) struct Request {
    parameters: Vec<Value>,
    body: Value,
    /// Whether names of members are read in any case, and null is as good as nothing.
    is_read_leniently: bool,
    compiled: OnceLock<Compiled>,
}

struct Compiled {
    parameters: BTreeMap<String, Parameter>,
    /// `None` where a body is not looked at.
    body: Option<Validator>,
}

/// One of the query.
struct Parameter {
    is_required: bool,
    is_integer: bool,
    validator: Validator,
}

impl Request {
    /// `item` is the path's part of the document.
    pub(crate) fn new(document: &Value, item: &Value, operation: &Value) -> Request {
        let parameters = [item, operation]
            .into_iter()
            .filter_map(|part| part["parameters"].as_array())
            .flatten()
            .map(|parameter| schema::inlined(document, parameter))
            .filter(|parameter| parameter["in"] == "query");
        Request {
            parameters: parameters.collect(),
            body: schema::inlined(document, &operation["requestBody"]),
            is_read_leniently: document["x-lenient-members"] == true,
            compiled: OnceLock::new(),
        }
    }

    fn check(&self, query: &str, body: &[u8]) -> Result<(), String> {
        let compiled = self.compiled.get_or_init(|| self.compile());
        compiled.check_query(query)?;
        let Some(validator) = &compiled.body else {
            return Ok(());
        };
        if body.is_empty() {
            return match self.body["required"] == true {
                true => Err("it has no body".to_owned()),
                false => Ok(()),
            };
        }
        // What is no JSON for this parser is a form, or has half of an emoji in it.
        let Ok(mut body) = serde_json::from_slice::<Value>(body) else {
            return Ok(());
        };
        make_integers(&mut body);
        let body = match self.is_read_leniently {
            true => as_read(body, &self.schema()["properties"]),
            false => body,
        };
        schema::check(validator, &body).map_err(|error| format!("the body, {error}; {body}"))
    }

    fn schema(&self) -> &Value {
        &self.body["content"]["application/json"]["schema"]
    }

    fn compile(&self) -> Compiled {
        let parameters = self.parameters.iter().map(|parameter| {
            let name = parameter["name"].as_str().expect("a parameter has a name");
            let described = Parameter {
                is_required: parameter["required"] == true,
                is_integer: parameter["schema"]["type"] == "integer",
                validator: schema::validator(&parameter["schema"]),
            };
            (name.to_owned(), described)
        });
        let schema = self.schema();
        Compiled {
            parameters: parameters.collect(),
            body: (!schema.is_null()).then(|| schema::validator(schema)),
        }
    }
}

impl Compiled {
    fn check_query(&self, query: &str) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            // The first value of a repeated parameter counts.
            if seen.insert(name.clone()) {
                self.check_parameter(&name, &value)
                    .map_err(|error| format!("parameter {name}: {error}"))?;
            }
        }
        let missing = self
            .parameters
            .iter()
            .find(|(name, parameter)| parameter.is_required && !seen.contains(name.as_str()));
        match missing {
            Some((name, _)) => Err(format!("it lacks the parameter {name}")),
            None => Ok(()),
        }
    }

    fn check_parameter(&self, name: &str, text: &str) -> Result<(), String> {
        let Some(parameter) = self.parameters.get(name) else {
            return match name == IGNORED {
                true => Ok(()),
                false => Err("there is no such parameter".to_owned()),
            };
        };
        let value = match text.parse::<i64>() {
            Ok(number) if parameter.is_integer => Value::from(number),
            _ => Value::from(text),
        };
        schema::check(&parameter.validator, &value)
    }
}

/// Turns numbers such as 3.0 into integers, as JSON Schema counts them. The validator does so only where a schema
/// allows nothing but integers.
fn make_integers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let text = number.to_string();
            let digits = text.strip_suffix(".0");
            if let Some(Ok(whole)) = digits.map(str::parse::<i64>) {
                *number = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_integers),
        Value::Object(members) => members.values_mut().for_each(make_integers),
        _ => {}
    }
}

/// A body under the names that its schema has, and without members that are null.
fn as_read(body: Value, properties: &Value) -> Value {
    let members = match body {
        Value::Object(members) => members,
        other => return other,
    };
    let known = |name: &str| {
        let mut names = properties.as_object().into_iter().flatten().map(|(name, _)| name);
        names.find(|known| known.eq_ignore_ascii_case(name)).cloned()
    };
    members
        .into_iter()
        .filter(|(_, member)| !member.is_null())
        .map(|(name, member)| (known(&name).unwrap_or(name), member))
        .collect()
}
