//! Whether the documents hold together: every example is valid, and every type of an answer is closed.

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::answers::members;
use crate::frames::SOCKET;
use crate::{Protocol, Side, check_answer, check_close, check_frame, check_handshake, check_request, schema};

fn services() -> [Value; 3] {
    [
        include_str!("../../../components/organizer/openapi.json"),
        include_str!("../../../components/participant/openapi.json"),
        include_str!("../../../components/messenger/openapi.json"),
    ]
    .map(schema::document)
}

fn json_headers() -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    HeaderMap::from_iter([(http::header::CONTENT_TYPE, json)])
}

fn check(method: &str, target: &str, status: u16, body: &Value) -> Result<(), String> {
    check_answer(
        method,
        target,
        status,
        &json_headers(),
        body.to_string().as_bytes(),
    )
}

#[track_caller]
fn check_error(outcome: Result<(), String>, expected: &str) {
    let error = outcome.expect_err(expected);
    assert!(error.contains(expected), "{error}");
}

#[test]
fn an_answer_that_is_documented_passes() {
    let error = json!({"statusCode": 401, "message": "invalid token", "error": "Unauthorized"});
    check("GET", "/participant/profile", 401, &error).unwrap();
    check("GET", "/participant//profile/?x=1", 401, &error).unwrap();
    check(
        "GET",
        "/messenger/agency/chats/0a1b2c3d4e5f60718293a4b5",
        401,
        &error,
    )
    .unwrap();
    let roles = json!([{"key": 4, "value": "Agency support"}]);
    check("GET", "/organizer/agency/users/roles", 200, &roles).unwrap();
    check_answer(
        "HEAD",
        "/organizer/agency/users/roles",
        200,
        &HeaderMap::new(),
        b"",
    )
    .unwrap();
    check_answer("POST", "/participant/auth/sign-out", 200, &HeaderMap::new(), b"").unwrap();
}

#[test]
fn what_no_document_is_about_passes() {
    for target in [
        "/",
        "/help/3",
        "/messenger/internal/exchange",
        "/organizer/api/principals",
    ] {
        check("GET", target, 418, &json!(1)).unwrap();
    }
}

#[test]
fn the_contracts_routes_for_services_are_documented() {
    for (method, target) in [
        ("GET", "/organizer/api/events"),
        ("GET", "/organizer/api/events/9"),
        ("GET", "/participant/users?ids=31"),
        ("DELETE", "/participant/chat-requests"),
    ] {
        let error = json!({"statusCode": 401, "message": "invalid api key", "error": "Unauthorized"});
        check(method, target, 401, &error).unwrap();
        check_error(check(method, target, 418, &error), "no such status");
    }
    let bare = json!({"statusCode": 401, "message": "Unauthorized"});
    check("GET", "/organizer/api/events", 401, &bare).unwrap();
    let users = json!({"31": {"id": 31}});
    check_error(check("GET", "/participant/users", 200, &users), "/31");
}

#[test]
fn an_undocumented_status_body_or_header_is_an_error() {
    let error = json!({"statusCode": 401, "message": "invalid token", "error": "Unauthorized"});
    check_error(
        check("GET", "/participant/profile", 402, &error),
        "GET /participant/profile is answered 402",
    );
    check_error(
        check("GET", "/participant/nowhere", 200, &json!([])),
        "no such status",
    );
    check_error(
        check("GET", "/participant/profile", 401, &json!({"message": "no"})),
        "statusCode",
    );
    let more = json!({"statusCode": 401, "message": "invalid token", "error": "Unauthorized", "hint": "x"});
    check_error(check("GET", "/participant/profile", 401, &more), "hint");
    let other = json!({"statusCode": 400, "message": "invalid token", "error": "Unauthorized"});
    check_error(check("GET", "/participant/profile", 401, &other), "/statusCode");
    let unavailable = json!({"statusCode": 503, "message": "api error", "error": "Service Unavailable"});
    check_error(
        check("GET", "/participant/events", 503, &unavailable),
        "lacks the header retry-after",
    );
    let empty = check_answer("GET", "/participant/profile", 401, &json_headers(), b"");
    check_error(empty, "no body");
    let text = check_answer("GET", "/participant/profile", 401, &HeaderMap::new(), b"x");
    check_error(text, "media type none");
    let mut headers = json_headers();
    headers.insert("retry-after", HeaderValue::from_static("3"));
    let body = error.to_string();
    let advised = check_answer("GET", "/participant/profile", 401, &headers, body.as_bytes());
    check_error(advised, "no header retry-after");
}

#[test]
fn any_request_may_be_refused_for_its_body() {
    let too_large =
        json!({"statusCode": 413, "message": "request entity too large", "error": "Payload Too Large"});
    let bare = json!({"statusCode": 413, "message": "request entity too large"});
    let too_slow = json!({
        "statusCode": 408, "message": "the request took too long to arrive", "error": "Request Timeout",
    });
    for (method, target) in [
        ("POST", "/organizer/auth/sign-out"),
        ("POST", "/organizer/auth/sign-in"),
        ("GET", "/participant/profile"),
        ("GET", "/messenger/canary"),
        ("POST", "/messenger/nowhere"),
    ] {
        check(method, target, 413, &too_large).unwrap();
        check(method, target, 408, &too_slow).unwrap();
    }
    check("DELETE", "/organizer/agency", 413, &bare).unwrap();
    check_answer("DELETE", "/organizer/agency", 500, &HeaderMap::new(), b"").unwrap();
    check_error(check("DELETE", "/participant/profile", 413, &bare), "the body");
    check_error(
        check("GET", "/participant/profile", 405, &json!(1)),
        "no such status",
    );
}

#[test]
fn a_request_that_is_documented_passes() {
    for (method, target, body) in [
        (
            "POST",
            "/participant/chat-requests",
            json!({"eventId": 9.0, "kind": 7, "lat": null, "surprise": 1}),
        ),
        ("PATCH", "/participant/profile", json!({"PHONENUMBER": "1"})),
        (
            "PATCH",
            "/organizer/profile/set-agency",
            json!({"agencyId": null}),
        ),
        (
            "PATCH",
            "/organizer/agency/settings?surprise=1",
            json!({"maxOpenChats": "3"}),
        ),
        (
            "POST",
            "/messenger/agency/chats/search?limit=5",
            json!({"from": "", "eventId": null}),
        ),
        ("POST", "/organizer/auth/sign-out", json!({"nobody": "looks"})),
        ("POST", "/organizer/api/removals", json!(1)),
        ("PUT", "/help/3", json!(1)),
    ] {
        check_request(method, target, body.to_string().as_bytes()).unwrap();
    }
    for (method, target, body) in [
        ("GET", "/organizer/agency/contacts?eventId=9+-+Night&limit=5", ""),
        (
            "HEAD",
            "/participant/events?from=&to=2026-07-04T00:00:00%2B02:00",
            "",
        ),
        ("GET", "/participant/users?ids=31", "{}"),
        ("POST", "/participant/auth/guest", ""),
        ("PATCH", "/organizer/agency", "name=Fest"),
    ] {
        check_request(method, target, body.as_bytes()).unwrap();
    }
}

#[test]
fn a_request_that_is_not_documented_is_an_error() {
    for (method, target, body, expected) in [
        (
            "POST",
            "/participant/auth/sign-in",
            json!({"email": "p@example.org"}),
            "password",
        ),
        (
            "POST",
            "/participant/auth/guest",
            json!({"NAME": "n".repeat(101)}),
            "at \"/name\"",
        ),
        (
            "POST",
            "/organizer/agency/comments",
            json!({"content": "Hm", "issue": 3}),
            "issue",
        ),
        (
            "GET",
            "/organizer/agency/events?limt=5",
            json!(null),
            "parameter limt: there is no such parameter",
        ),
        (
            "GET",
            "/organizer/agency/events?limit=501",
            json!(null),
            "parameter limit",
        ),
        (
            "GET",
            "/messenger/statistics?from=yesterday",
            json!(null),
            "parameter from",
        ),
    ] {
        check_error(
            check_request(method, target, body.to_string().as_bytes()),
            expected,
        );
    }
    let nothing = check_request("POST", "/participant/auth/sign-in", b"");
    check_error(nothing, "POST /participant/auth/sign-in is accepted");
}

#[test]
fn a_form_is_read_like_json() {
    let organizer = &services()[0];
    let mut forms = 0;
    visit(&organizer["paths"], "requestBody", &mut |operation| {
        let content = &operation["requestBody"]["content"];
        let form = &content["application/x-www-form-urlencoded"];
        // All that a form has are texts, and these two need a number and a boolean.
        if ["previewAgency", "verifyAgency"].contains(&operation["operationId"].as_str().unwrap_or_default())
        {
            assert!(form.is_null());
        } else {
            assert_eq!(form["schema"], content["application/json"]["schema"]);
            forms += 1;
        }
    });
    assert!(forms > 20, "{forms}");
}

#[test]
fn a_frame_belongs_to_its_protocol_and_side() {
    let resync = json!({"type": "resync", "payload": {}});
    check_frame(Side::Server, Protocol::Two, &resync).unwrap();
    check_error(
        check_frame(Side::Server, Protocol::Contract, &resync),
        "no such frame",
    );
    check_error(check_frame(Side::Client, Protocol::Two, &resync), "no such frame");
    let more = json!({"type": "resync", "payload": {"why": "x"}});
    check_error(check_frame(Side::Server, Protocol::Two, &more), "why");
}

#[test]
fn a_close_code_belongs_to_its_protocol() {
    check_close(Protocol::Two, 4500).unwrap();
    check_error(
        check_close(Protocol::Contract, 4500),
        "no close code 4500 in the contract",
    );
    check_close(Protocol::Contract, 1012).unwrap();
    check_error(
        check_close(Protocol::Two, 4321),
        "no close code 4321 in protocol 2",
    );
}

#[test]
fn a_handshake_is_refused_as_the_document_says() {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, plain)]);
    check_handshake(101, &HeaderMap::new(), b"").unwrap();
    check_handshake(400, &headers, b"Bad Request").unwrap();
    check_handshake(403, &headers, b"origin not allowed\n").unwrap();
    let trace = b"too many connections\n0af7651916cd43dd8448eb211c80319c\n";
    check_handshake(503, &headers, trace).unwrap();
    let mut of_listener = json_headers();
    of_listener.insert("retry-after", HeaderValue::from_static("1"));
    let body = json!({
        "statusCode": 503,
        "message": "too many connections",
        "error": "Service Unavailable",
        "traceId": "0af7651916cd43dd8448eb211c80319c",
    });
    check_handshake(503, &of_listener, body.to_string().as_bytes()).unwrap();
    check_error(
        check_handshake(503, &headers, b"too many connections\n"),
        "the body",
    );
    check_error(
        check_handshake(426, &headers, b"Upgrade Required"),
        "lacks the header",
    );
    check_error(check_handshake(418, &headers, b"I'm a teapot"), "no such status");
}

#[test]
fn every_example_of_a_frame_is_valid() {
    for ((side, protocol), messages) in &SOCKET.messages {
        for message in messages.values() {
            for example in message.documented["examples"].as_array().expect("examples") {
                check_frame(*side, *protocol, &example["payload"]).unwrap();
            }
        }
    }
}

/// Calls back with every object in a document that has a member of this name.
fn visit<'a>(part: &'a Value, member: &str, found: &mut dyn FnMut(&'a Value)) {
    match part {
        Value::Object(_) => {
            if part.get(member).is_some() {
                found(part);
            }
            members(part).for_each(|(_, inner)| visit(inner, member, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| visit(inner, member, found)),
        _ => {}
    }
}

#[test]
fn every_example_of_a_type_and_of_a_body_is_valid() {
    let socket = schema::document(include_str!("../../../sidecar/asyncapi.json"));
    for document in services().iter().chain([&socket]) {
        let check = |schema: &Value, example: &Value| {
            let validator = schema::validator(&schema::inlined(document, schema));
            schema::check(&validator, example).unwrap_or_else(|error| panic!("{example}: {error}"));
        };
        for (_, schema) in members(&document["components"]["schemas"]) {
            for example in schema["examples"].as_array().into_iter().flatten() {
                check(schema, example);
            }
        }
        visit(document, "example", &mut |part| {
            if part.get("schema").is_some() {
                check(&part["schema"], &part["example"]);
            }
        });
    }
}

/// The pages at `/docs` show it with the answer or at its type.
#[test]
fn every_body_of_a_success_has_an_example() {
    for document in services() {
        let mut bodies = 0;
        for (path, routes) in members(&document["paths"]).filter(|(path, _)| *path != "/openapi.json") {
            visit(routes, "responses", &mut |operation| {
                let successes =
                    members(&operation["responses"]).filter(|(status, _)| status.starts_with('2'));
                for (_, response) in successes {
                    for (_, body) in members(&response["content"]) {
                        assert!(
                            has_example(&document, body),
                            "{path}: {}",
                            operation["operationId"]
                        );
                        bodies += 1;
                    }
                }
            });
        }
        assert!(bodies > 5, "{bodies}");
    }
}

/// Whether a body or a type has an example, or is a list of what has one.
fn has_example(document: &Value, part: &Value) -> bool {
    let inner = ["schema", "items"].into_iter().filter_map(|name| part.get(name));
    let referred = part
        .get("$ref")
        .map(|reference| schema::target(document, reference));
    part.get("example").is_some()
        || part.get("examples").is_some()
        || inner.chain(referred).any(|inner| has_example(document, inner))
}

#[test]
fn every_object_of_an_answer_is_closed() {
    for document in services() {
        visit(&document["paths"], "responses", &mut |operation| {
            let responses = schema::inlined(&document, &operation["responses"]);
            visit(&responses, "properties", &mut |schema| {
                // What stands beside a reference only narrows it.
                let is_closed = schema["additionalProperties"] == false || schema.get("allOf").is_some();
                assert!(is_closed, "{} of {}", schema, operation["operationId"]);
            });
        });
    }
    for (place, messages) in &SOCKET.messages {
        for (name, message) in messages.iter().filter(|_| place.0 == Side::Server) {
            visit(&message.documented["payload"], "properties", &mut |schema| {
                assert_eq!(schema["additionalProperties"], false, "{name}: {schema}");
            });
        }
    }
}
