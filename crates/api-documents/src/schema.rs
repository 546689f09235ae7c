//! Validators of the schemas in a document.

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value};

/// The most characters of a violation that are shown: it can contain whole lists.
const MESSAGE_CHARACTERS: usize = 1000;

/// Parses an embedded document.
pub(crate) fn document(text: &str) -> Value {
    serde_json::from_str(text).expect("a document is JSON")
}

/// A part of a document with every `$ref` replaced by what it leads to. No type contains itself.
pub(crate) fn inlined(document: &Value, part: &Value) -> Value {
    match part {
        Value::Object(members) => {
            let own = members.iter().filter(|(name, _)| *name != "$ref");
            let mut own: Map<String, Value> = own
                .map(|(name, member)| (name.clone(), inlined(document, member)))
                .collect();
            match members.get("$ref") {
                None => Value::Object(own),
                Some(reference) => {
                    let target = inlined(document, target(document, reference));
                    if own.is_empty() {
                        return target;
                    }
                    // Both hold: what is referred to, and what stands beside it.
                    own.insert("allOf".to_owned(), vec![target].into());
                    Value::Object(own)
                }
            }
        }
        Value::Array(items) => items.iter().map(|item| inlined(document, item)).collect(),
        other => other.clone(),
    }
}

/// What a `$ref` leads to.
pub(crate) fn target<'a>(document: &'a Value, reference: &Value) -> &'a Value {
    reference
        .as_str()
        .and_then(|reference| document.pointer(reference.strip_prefix('#')?))
        .unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

/// A validator of a schema without references. It knows fewer scripts of e-mail addresses than the services, so it
/// takes any.
pub(crate) fn validator(schema: &Value) -> Validator {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .with_format("idn-email", |_: &str| true)
        .build(schema)
        .unwrap_or_else(|error| panic!("{schema} is no schema: {error}"))
}

/// Where a value breaks the schema first, and how.
pub(crate) fn check(validator: &Validator, value: &Value) -> Result<(), String> {
    validator.validate(value).map_err(|violation| {
        let place = violation.instance_path.as_str();
        let text = format!("at \"{place}\": {violation}");
        text.chars().take(MESSAGE_CHARACTERS).collect()
    })
}
