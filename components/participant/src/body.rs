//! Reading a JSON body as this API reads it (contract 4): keys in any case, unknown ones ignored, null counts as
//! absent, and the first problem is the one reported.

use serde_json::{Map, Value};

use crate::error::Error;

#[derive(Default)]
pub(crate) struct Body(Map<String, Value>);

impl Body {
    /// Reads an object.
    pub(crate) fn read(bytes: &[u8]) -> Result<Body, Error> {
        match serde_json::from_slice(&lenient_json::mend(bytes)) {
            Ok(Value::Object(fields)) => Ok(Body(fields)),
            Ok(_) => Err(Error::BadRequest("the body must be a JSON object".to_owned())),
            Err(error) => Err(Error::BadRequest(error.to_string())),
        }
    }

    /// A text; absent, it is empty.
    pub(crate) fn text(&self, name: &str) -> Result<&str, Error> {
        match self.field(name) {
            None => Ok(""),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(wrong_type(name, "a string")),
        }
    }

    /// A whole number; absent, it is zero.
    pub(crate) fn integer(&self, name: &str) -> Result<i64, Error> {
        match self.field(name) {
            None => Ok(0),
            Some(value) => lenient_json::integer(value).ok_or_else(|| wrong_type(name, "an integer number")),
        }
    }

    /// A list of whole numbers; `None` when it is absent or holds anything else.
    pub(crate) fn integers(&self, name: &str) -> Option<Vec<i64>> {
        let list = self.field(name)?.as_array()?;
        list.iter().map(lenient_json::integer).collect()
    }

    /// A number, which may be absent.
    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, Error> {
        let number = |value: &Value| value.as_f64().ok_or_else(|| wrong_type(name, "a number"));
        self.field(name).map(number).transpose()
    }

    /// Whether a field is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.field(name).is_some()
    }

    /// The field itself, by its exact name first. Null is as good as absent.
    fn field(&self, name: &str) -> Option<&Value> {
        let in_any_case = || {
            self.0
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        };
        self.0
            .get(name)
            .or_else(in_any_case)
            .filter(|value| !value.is_null())
    }
}

fn wrong_type(name: &str, expected: &str) -> Error {
    Error::BadRequest(format!("{name} must be {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_any_case_and_null_is_absent() {
        let body = Body::read(br#"{"EMAIL":"a","eventid":3,"lat":null,"extra":[]}"#).unwrap();
        assert_eq!(body.text("email").unwrap(), "a");
        assert_eq!(body.integer("eventId").unwrap(), 3);
        assert_eq!(body.number("lat").unwrap(), None);
        assert_eq!(body.text("missing").unwrap(), "");
    }

    #[test]
    fn an_integer_is_one_by_its_value() {
        let body = Body::read(br#"{"eventId":3.0,"other":3e2,"ids":[1,2.0,3e0],"bad":[1,2.5]}"#).unwrap();
        assert_eq!(body.integer("eventId").unwrap(), 3);
        assert_eq!(body.integer("other").unwrap(), 300);
        assert_eq!(body.integers("ids"), Some(vec![1, 2, 3]));
        assert_eq!(body.integers("bad"), None);
        assert_eq!(body.integers("missing"), None);
    }

    #[test]
    fn half_an_emoji_keeps_nobody_from_being_heard() {
        let body = Body::read(br#"{"description":"help \ud83d"}"#).unwrap();
        assert_eq!(body.text("description").unwrap(), "help \u{fffd}");
    }

    #[test]
    fn wrong_types_are_refused() {
        let body = Body::read(br#"{"text":1,"number":"3","fraction":1.5,"big":1e300}"#).unwrap();
        assert!(body.text("text").is_err());
        for name in ["number", "fraction", "big"] {
            assert!(body.integer(name).is_err(), "{name}");
        }
        assert!(body.number("number").is_err());
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        let nested = "[".repeat(100_000);
        for body in ["", "[]", "null", "3", "{", nested.as_str()] {
            assert!(matches!(Body::read(body.as_bytes()), Err(Error::BadRequest(_))));
        }
    }
}
