//! Invariants of bodies and query strings that hold for any input. `cargo fuzz` looks for inputs that break them, and
//! the tests below run the corpus (`fuzz/corpus/participant`) and mutations of each of its inputs.
//!
//! An input is a body of every route that takes one, and a query string.

use serde_json::{Value, json};
use service::clock;
use service::door::Request;
use service::position::{is_latitude, is_longitude};
use service::settings::Completeness;

use crate::body::Body;
use crate::error::Error;
use crate::export::{self, Cursor};
use crate::{events, help, profile, services, session};

/// Reads the input as every body and as every query, and panics if an invariant does not hold.
pub fn read_as_everything(input: &[u8]) {
    check(input, |body| {
        Ok(json!({"phoneNumber": session::phone_number(body)?, "name": session::name(body)?}))
    });
    check(input, |body| {
        let (email, password, phone_number) = session::read_sign_up(body, Completeness::Optional)?;
        Ok(json!({
            "email": email,
            "password": password,
            "confirmPassword": password,
            "phoneNumber": phone_number,
        }))
    });
    check(input, |body| {
        let (email, password) = session::read_credentials(body)?;
        Ok(json!({"email": email, "password": password}))
    });
    check(input, |body| {
        let (old, new) = profile::read_passwords(body, Completeness::Optional)?;
        assert_ne!(old, new);
        Ok(json!({"oldPassword": old, "newPassword": new, "confirmNewPassword": new}))
    });
    check(input, |body| {
        Ok(json!({"password": profile::read_password(body)?}))
    });
    check(input, |body| {
        Ok(json!({"phoneNumber": session::phone_number(body)?}))
    });
    check(input, |body| Ok(press(&help::read_press(body, |_| ())?)));
    check(input, |body| {
        let amendment = help::read_amendment(body, |_| ())?;
        let location = amendment.location.as_ref();
        Ok(json!({
            "kind": amendment.kind,
            "description": amendment.description,
            "lat": location.map(|location| location.lat),
            "lng": location.map(|location| location.lng),
            "accuracy": location.map(|location| location.accuracy),
            "positionAt": location.and_then(|location| location.measured_at).map(clock::format),
        }))
    });
    check(input, |body| {
        let (participant_id, event_id) = services::read_lock(body)?;
        Ok(json!({"participantId": participant_id, "eventId": event_id}))
    });
    match services::read_ids(&Request::of(b"", JSON, input)) {
        Err(error) => assert_refusal(error),
        Ok(ids) => {
            // A query can ask for the same users.
            let list: Vec<String> = ids.iter().map(i64::to_string).collect();
            let query = format!("ids={}", list.join(","));
            let same = services::read_ids(&Request::of(query.as_bytes(), JSON, b""));
            assert_eq!(same.expect("the query works"), ids);
        }
    }
    read_as_every_query(input);
}

const JSON: &str = "application/json";

fn press(said: &help::Said<'_>) -> Value {
    let details = &said.details;
    json!({
        "eventId": said.event_id,
        "description": said.description,
        "lat": said.position.map(|position| position.lat),
        "lng": said.position.map(|position| position.lng),
        "clientId": details.client_id,
        "pressedAt": details.pressed_at.map(clock::format),
        "kind": details.kind,
        "accuracy": details.accuracy,
        "positionAt": details.position_at.map(clock::format),
    })
}

/// Reads a body of one route. What it means is written as JSON, keeps the bounds, and means the same when it is read
/// again.
fn check(input: &[u8], read: impl Fn(&Body) -> Result<Value, Error>) {
    let mean = |bytes: &[u8]| Body::read(bytes).and_then(|body| read(&body));
    match mean(input) {
        Err(error) => assert_refusal(error),
        Ok(meant) => {
            assert_bounds(&meant);
            let written = meant.to_string();
            let again = mean(written.as_bytes());
            assert_eq!(again.unwrap_or_else(|error| panic!("{error}: {written}")), meant);
        }
    }
}

/// The contract's limits, by the names of fields (1.4, 2.4 and 4). A null is an absent field.
fn assert_bounds(body: &Value) {
    let fields = body.as_object().expect("a body is an object");
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let text = value.as_str().unwrap_or_default();
        let number = value.as_f64().unwrap_or_default();
        let holds = match name.as_str() {
            "email" => (1..=320).contains(&text.chars().count()),
            "password" | "confirmPassword" | "oldPassword" | "newPassword" | "confirmNewPassword" => {
                text.len() >= 8
            }
            "phoneNumber" => value.is_string() && text.chars().count() <= 30,
            "name" => value.is_string() && text.chars().count() <= 100 && text.trim() == text,
            "description" => value.is_string() && text.len() <= 2000,
            "kind" => ["medical", "lost", "threat", "other"].contains(&text),
            "eventId" | "participantId" => value.is_i64(),
            "lat" => value.is_number() && is_latitude(number),
            "lng" => value.is_number() && is_longitude(number),
            "accuracy" => value.is_number() && number >= 0.0,
            "clientId" => text.len() == 36 && text.to_lowercase() == text,
            "pressedAt" | "positionAt" => clock::parse_rfc3339(text).is_some(),
            _ => panic!("nothing is known of {name}"),
        };
        assert!(holds, "{name}: {value}");
    }
}

fn read_as_every_query(query: &[u8]) {
    let request = Request::of(query, JSON, b"{}");
    if let Err(error) = help::read_event_id(&request) {
        assert_refusal(error);
    }
    if let Err(error) = services::read_ids(&request) {
        assert_refusal(error);
    }
    match export::read_cursor(&request) {
        Err(error) => assert_refusal(error),
        Ok(cursor) => {
            // The link to the next part leads where it says.
            let written = cursor.map(|cursor| cursor.to_string());
            let again = written.as_deref().and_then(Cursor::parse);
            assert_eq!(again.map(|cursor| cursor.to_string()), written);
        }
    }
    match events::read_filter(&request) {
        Err(error) => assert_refusal(error),
        Ok(filter) => {
            // Fractions of seconds are lost.
            let whole = |time: Option<i64>| time.is_none_or(|time| time % 1000 == 0);
            assert!(whole(filter.earliest) && whole(filter.latest));
            assert_ne!(filter.text.as_deref(), Some(""));
        }
    }
}

fn assert_refusal(error: Error) {
    let answer = error.into_answer();
    let message = fuzz_corpus::assert_refusal(answer.status().as_u16(), answer.body());
    assert!(message.is_string(), "{message}");
}

#[cfg(test)]
mod tests {
    use fuzz_corpus::Corpus;

    use super::*;

    /// How many mutations of each input are tried.
    const CHANGES: u64 = 300;

    /// Fragments that matter to the parsers of bodies, fields and queries.
    const PARTS: &[&[u8]] = &[
        b"\0",
        b"\xff",
        b"\\ud800",
        b"\\u0000",
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"&",
        b"=",
        b"null",
        b"-1",
        b"1e999",
        b"1e-400",
        b"90.000000000000001",
        b"9223372036854775808",
        b"-9223372036854775808.0",
        b",\"EVENTID\":3e0",
        b",\"lat\":",
        b",\"description\":",
        b",\"ids\":[31,",
        b"&ids=31,",
        b"&cursor=chats.17.230",
        b"0000-01-01T00:00:00+23:59",
        b"9999-12-31T23:59:60.999999999-23:59",
        "ż\u{202e}🙂".as_bytes(),
    ];

    #[test]
    fn every_input_of_the_corpus_keeps_the_invariants() {
        Corpus::read("participant", PARTS).run(read_as_everything);
    }

    #[test]
    fn every_mutation_of_the_corpus_keeps_the_invariants() {
        Corpus::read("participant", PARTS).run_mutations(CHANGES, read_as_everything);
    }
}
