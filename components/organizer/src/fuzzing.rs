//! Invariants of forms and query strings that hold for any input. `cargo fuzz` looks for inputs that break them, and
//! the tests below run the corpus (`fuzz/corpus/organizer`) and mutations of each of its inputs.
//!
//! An input is a body, for every form and in both media types, and a query string.

use serde_json::{Map, Value, json};
use service::clock;
use service::door::Request;
use service::position::{is_latitude, is_longitude};

use crate::error::Error;
use crate::form::Form;
use crate::lists::ListQuery;
use crate::store::agencies::{AgencyEdits, SettingsEdits};
use crate::store::contacts::{ContactEdits, NewContact};
use crate::store::events::{EventEdits, NewEvent};
use crate::store::issues::{IssueEdits, NewIssue};
use crate::store::users::UserEdits;
use crate::users::Person;
use crate::{
    admin, agency, comments, contacts, events, image, issues, plans, profile, second_factor, services,
    session, users,
};

const JSON: &str = "application/json";
const URL_ENCODED: &str = "application/x-www-form-urlencoded";

/// Reads the input as every form and as every query, and panics if an invariant does not hold.
pub fn read_as_everything(input: &[u8]) {
    for media_type in [JSON, URL_ENCODED] {
        read_as_every_form(&Request::of(b"", media_type, input));
    }
    read_as_every_query(input);
}

fn read_as_every_form(request: &Request) {
    check(request, session::read_credentials, |(email, password, code)| {
        present([
            ("email", Some(email.as_str().into())),
            ("password", Some(password.as_str().into())),
            ("code", text(code)),
        ])
    });
    check(
        request,
        second_factor::read_password,
        |password| json!({"password": password}),
    );
    check(request, second_factor::read_code, |code| json!({"code": code}));
    check(
        request,
        second_factor::read_password_and_code,
        |(password, code)| json!({"password": password, "code": code}),
    );
    check(
        request,
        profile::read_passwords,
        |(old, new)| json!({"oldPassword": old, "newPassword": new, "confirmNewPassword": new}),
    );
    check(
        request,
        users::read_new_password,
        |password| json!({"password": password, "confirmPassword": password}),
    );
    check(request, profile::read_agency_id, |id| json!({"agencyId": id}));
    check(request, admin::read_approval, |approved| {
        present([("approved", approved.map(Value::from))])
    });
    check(request, agency::Registration::read, |registration| {
        json!({
            "agency": {
                "name": registration.name,
                "address": registration.address,
                "website": registration.website,
            },
            "owner": person(&registration.owner),
        })
    });
    check(request, agency::read_edits, |edits: &AgencyEdits| {
        present([
            ("name", text(&edits.name)),
            ("address", text(&edits.address)),
            ("website", edits.website.clone().map(Value::from)),
        ])
    });
    check(request, agency::read_settings, |edits: &SettingsEdits| {
        present([
            ("maxOpenChats", edits.max_open_chats.map(Value::from)),
            (
                "helpPhoneNumber",
                edits.help_phone_number.clone().map(Value::from),
            ),
        ])
    });
    check(request, users::read_new_user, |(new, role)| {
        let mut user = person(new);
        user["role"] = role.number().into();
        user
    });
    check(request, users::read_edits, user_edits);
    check(request, users::read_edits_with_role, user_edits);
    check(request, events::read_event, |event: &NewEvent| {
        json!({
            "name": event.name,
            "description": event.description,
            "address": event.address,
            "lat": event.lat,
            "lng": event.lng,
            "timeStart": clock::format(event.time_start),
            "timeEnd": clock::format(event.time_end),
        })
    });
    check(request, events::read_edits, |edits: &EventEdits| {
        present([
            ("name", text(&edits.name)),
            ("description", text(&edits.description)),
            ("address", text(&edits.address)),
            ("lat", edits.lat.as_ref().map(|lat| json!(lat))),
            ("lng", edits.lng.as_ref().map(|lng| json!(lng))),
            ("timeStart", edits.time_start.map(clock::format).map(Value::from)),
            ("timeEnd", edits.time_end.map(clock::format).map(Value::from)),
        ])
    });
    check(
        request,
        |form| plans::read_plan(form, 7),
        |(plan, image)| {
            assert!(image::bytes(image).is_some_and(|bytes| bytes.len() <= image::MOST_BYTES));
            assert!(plan.north > plan.south && plan.east > plan.west);
            json!({
                "image": image,
                "north": plan.north,
                "south": plan.south,
                "east": plan.east,
                "west": plan.west,
            })
        },
    );
    check(request, contacts::read_contact, |contact: &NewContact| {
        json!({
            "firstName": contact.first_name,
            "lastName": contact.last_name,
            "email": contact.email,
            "phoneNumber": contact.phone_number,
            "additionalNotes": contact.additional_notes,
            "eventId": contact.event_id,
        })
    });
    check(request, contacts::read_edits, |edits: &ContactEdits| {
        present([
            ("firstName", text(&edits.first_name)),
            ("lastName", text(&edits.last_name)),
            ("email", text(&edits.email)),
            ("phoneNumber", text(&edits.phone_number)),
            ("additionalNotes", text(&edits.additional_notes)),
        ])
    });
    check(request, issues::read_issue, |issue: &NewIssue| {
        json!({
            "name": issue.name,
            "description": issue.description,
            "priority": issue.priority,
            "eventId": issue.event_id,
        })
    });
    check(request, issues::read_edits, |edits: &IssueEdits| {
        present([
            ("name", text(&edits.name)),
            ("description", text(&edits.description)),
            ("status", text(&edits.status)),
            ("priority", text(&edits.priority)),
        ])
    });
    check(
        request,
        comments::read_comment,
        |(content, issue_id)| json!({"content": content, "issueId": issue_id}),
    );
    check(request, comments::read_content, |content| {
        present([("content", text(content))])
    });
}

/// Reads the request as one form. What it means is written as JSON, keeps the bounds, and means the same when it is
/// read again.
fn check<T>(request: &Request, read: impl Fn(&mut Form) -> T, write: impl Fn(&T) -> Value) {
    match Form::parse(request, &read) {
        Err(error) => assert_refusal(error),
        Ok(meant) => {
            let written = write(&meant);
            assert_bounds(&written);
            let request = Request::of(b"", JSON, written.to_string().as_bytes());
            let again = Form::parse(&request, &read).unwrap_or_else(|error| panic!("{error}: {written}"));
            assert_eq!(write(&again), written);
        }
    }
}

fn person(person: &Person) -> Value {
    json!({
        "email": person.email,
        "password": person.password,
        "confirmPassword": person.password,
        "firstName": person.first_name,
        "lastName": person.last_name,
        "phoneNumber": person.phone_number,
    })
}

fn user_edits(edits: &UserEdits) -> Value {
    present([
        ("firstName", text(&edits.first_name)),
        ("lastName", text(&edits.last_name)),
        ("phoneNumber", text(&edits.phone_number)),
        ("role", edits.role.map(|role| role.number().into())),
    ])
}

fn text(text: &Option<String>) -> Option<Value> {
    text.clone().map(Value::from)
}

/// The fields that are there.
fn present<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// The contract's limits, by the names of fields (1.3 and 2.4).
fn assert_bounds(form: &Value) {
    let fields = form.as_object().expect("a form is an object");
    for (name, value) in fields {
        let length = |bounds: std::ops::RangeInclusive<usize>| {
            let text = value.as_str().unwrap_or_else(|| panic!("{name}: {value}"));
            assert!(bounds.contains(&text.chars().count()), "{name}: {value}");
            assert!(!text.contains('\0'), "{name}: {value}");
        };
        match name.as_str() {
            "agency" | "owner" => assert_bounds(value),
            "email" => length(1..=320),
            "password" | "confirmPassword" | "oldPassword" | "newPassword" | "confirmNewPassword" => {
                length(16..=128);
            }
            "code" => length(0..=64),
            "firstName" | "lastName" => length(1..=100),
            "phoneNumber" => length(1..=30),
            "name" => length(1..=200),
            "address" => length(1..=400),
            "additionalNotes" => length(0..=2000),
            "content" => length(1..=2000),
            // An issue has the longest.
            "description" => length(1..=20_000),
            "status" => {
                assert!(["to_do", "in_progress", "resolved", "cancelled"].contains(&value.as_str().unwrap()))
            }
            "priority" => assert!(["low", "medium", "high"].contains(&value.as_str().unwrap())),
            "timeStart" | "timeEnd" => length(24..=24),
            "role" => assert!((0..=4).contains(&value.as_i64().unwrap())),
            "eventId" | "issueId" => assert!(value.is_i64(), "{name}: {value}"),
            "agencyId" => assert!(value.is_null() || value.is_i64()),
            "approved" => assert!(value.is_boolean()),
            "maxOpenChats" => assert!(value.is_null() || (1..=1000).contains(&value.as_i64().unwrap())),
            "website" | "helpPhoneNumber" if value.is_null() => {}
            "website" => length(1..=400),
            "helpPhoneNumber" => length(1..=30),
            "lat" | "north" | "south" => assert!(is_latitude(degrees(value)), "{name}: {value}"),
            "lng" | "east" | "west" => assert!(is_longitude(degrees(value)), "{name}: {value}"),
            "image" => {}
            _ => panic!("nothing is known of {name}"),
        }
    }
}

/// A coordinate stays as its client wrote it.
fn degrees(value: &Value) -> f64 {
    let number = value.as_f64();
    number.unwrap_or_else(|| value.as_str().unwrap().parse().expect("a coordinate is a number"))
}

fn read_as_every_query(query: &[u8]) {
    let request = Request::of(query, JSON, b"");
    if let Err(error) = ListQuery::read(&request) {
        assert_refusal(error);
    }
    for filter in ["eventId", "issueId", "userId", "agencyId"] {
        match ListQuery::read_with(&request, filter) {
            Err(error) => assert_refusal(error),
            Ok((query, id)) => {
                // The link to the next page means the same list.
                let next = query.next(7);
                let next = next
                    .strip_prefix("<?")
                    .and_then(|next| next.strip_suffix(">; rel=\"next\""));
                let next = Request::of(next.expect("a link").as_bytes(), JSON, b"");
                let (_, same) = ListQuery::read_with(&next, filter).expect("a link works");
                assert_eq!(same, id);
            }
        }
    }
    if let Err(error) = services::read_query(&request) {
        assert_refusal(error);
    }
}

fn assert_refusal(error: Error) {
    let answer = error.into_answer();
    fuzz_corpus::assert_refusal(answer.status().as_u16(), answer.body());
}

#[cfg(test)]
mod tests {
    use fuzz_corpus::Corpus;

    use super::*;

    /// How many mutations of each input are tried.
    const CHANGES: u64 = 200;

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
        b"%",
        b"%00",
        b"[a]=",
        b"null",
        b"-1",
        b"1e999",
        b"9223372036854775808",
        b"-0.0",
        b",\"role\":\"3 - x\"",
        b",\"name\":",
        b"+48123456789",
        b"2026-05-01T24:00",
        b"9999-12-31T23:59:59.999-23:59",
        "ż\u{202e}🙂".as_bytes(),
    ];

    #[test]
    fn every_input_of_the_corpus_keeps_the_invariants() {
        Corpus::read("organizer", PARTS).run(read_as_everything);
    }

    #[test]
    fn every_mutation_of_the_corpus_keeps_the_invariants() {
        Corpus::read("organizer", PARTS).run_mutations(CHANGES, read_as_everything);
    }
}
