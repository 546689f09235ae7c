//! Validation of bodies (contract 3.2 and 3.3), and hostile input.

use serde_json::{Map, Value, json};

use crate::organizer::{create, new_contact, new_issue, record};
use crate::support::components::Components;
use crate::support::people::{Agency, Person, new_event, new_user_with_role, registration};

/// A form: its route, and a valid body.
struct Form {
    method: &'static str,
    path: String,
    body: Value,
}

/// Every form except sign-in and change-password, which `session` and `profile` test.
async fn forms(agency: &Agency) -> Vec<Form> {
    let (owner, event) = (&agency.owner, agency.event_id);
    let contact = create(owner, "/organizer/agency/contacts", &new_contact(event)).await;
    let issue = create(owner, "/organizer/agency/issues", &new_issue(event)).await;
    let comment = json!({"content": "On it", "issueId": issue});
    let comment_id = create(owner, "/organizer/agency/comments", &comment).await;
    let without = |mut body: Value, names: &[&str]| {
        body.as_object_mut()
            .expect("an object")
            .retain(|name, _| !names.contains(&name.as_str()));
        body
    };
    let user = new_user_with_role("new@example.org", 4);
    let person = without(user.clone(), &["email", "password", "confirmPassword", "role"]);
    let edited_issue = json!({"name": "Fog", "description": "Thin", "status": "to_do", "priority": "low"});
    let form = |method, path: String, body: Value| Form {
        method,
        path: format!("/organizer{path}"),
        body,
    };
    vec![
        form("PATCH", "/profile".to_owned(), person.clone()),
        form(
            "PATCH",
            "/agency".to_owned(),
            registration("Other")["agency"].clone(),
        ),
        form(
            "PATCH",
            "/agency/settings".to_owned(),
            json!({"maxOpenChats": "3", "helpPhoneNumber": "+48555000999"}),
        ),
        form("POST", "/agency/users".to_owned(), user),
        form("PATCH", format!("/agency/users/{}", agency.support.id), person),
        form("POST", "/agency/events".to_owned(), new_event("Other")),
        form("PATCH", format!("/agency/events/{event}"), new_event("Other")),
        form("POST", "/agency/contacts".to_owned(), new_contact(event)),
        form(
            "PATCH",
            format!("/agency/contacts/{contact}"),
            without(new_contact(event), &["eventId"]),
        ),
        form("POST", "/agency/issues".to_owned(), new_issue(event)),
        form("PATCH", format!("/agency/issues/{issue}"), edited_issue),
        form("POST", "/agency/comments".to_owned(), comment.clone()),
        form(
            "PATCH",
            format!("/agency/comments/{comment_id}"),
            without(comment, &["issueId"]),
        ),
    ]
}

/// The lines for a field, in the order of the contract's table.
fn lines(field: &str, value: Option<&Value>) -> Vec<String> {
    let text = value.and_then(Value::as_str);
    let max = |most: usize| {
        let fits = text.is_some_and(|text| text.chars().count() <= most);
        (!fits).then(|| format!("{field} must be shorter than or equal to {most} characters"))
    };
    let string = || text.is_none().then(|| format!("{field} must be a string"));
    let filled = || {
        let empty = value.is_none_or(|value| value.is_null() || *value == "");
        empty.then(|| format!("{field} should not be empty"))
    };
    // None of the values below is valid for these kinds.
    let kind = |kind: &str| Some(format!("{field} must be {kind}"));
    let one_of = |values: &str| kind(&format!("one of the following values: {values}"));
    let rules = match field {
        "name" => vec![string(), filled(), max(200)],
        "firstName" | "lastName" => vec![string(), filled(), max(100)],
        "address" => vec![string(), filled(), max(400)],
        "content" => vec![string(), filled(), max(2000)],
        "additionalNotes" => vec![string(), max(2000)],
        "website" => vec![kind("a URL address"), max(400)],
        "email" => vec![kind("an email"), max(320)],
        "phoneNumber" | "helpPhoneNumber" => vec![kind("a valid phone number"), max(30)],
        "lat" => vec![filled(), kind("a latitude string or number")],
        "lng" => vec![filled(), kind("a longitude string or number")],
        "timeStart" | "timeEnd" => vec![kind("a valid ISO 8601 date string")],
        "role" => vec![one_of("0, 1, 2, 3, 4")],
        "priority" => vec![one_of("low, medium, high")],
        "status" => vec![one_of("to_do, in_progress, resolved, cancelled")],
        "maxOpenChats" => vec![kind("an integer number from 1 to 1000")],
        "eventId" | "issueId" => vec![kind("an integer number")],
        _ => panic!("no rules for {field}"),
    };
    rules.into_iter().flatten().collect()
}

/// Contract 3.2: every failure of every field is reported, for missing values, wrong types and null, also where a PATCH
/// may omit the field.
#[tokio::test]
async fn every_field_of_every_form_is_checked_and_every_failure_reported() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let forms = forms(&agency).await;
    let rows = record(&agency.owner).await;
    let send = async |form: &Form, body: &Value| {
        components
            .door
            .send(form.method, &form.path, Some(&agency.owner.token), Some(body))
            .await
    };
    for form in &forms {
        for (name, _) in form.body.as_object().expect("an object") {
            for value in [
                json!(null),
                json!(true),
                json!([]),
                json!({}),
                json!(""),
                json!(1e300),
            ] {
                let may_be_null = ["website", "maxOpenChats", "helpPhoneNumber"].contains(&name.as_str());
                let allowed = (may_be_null && value.is_null() && form.method == "PATCH")
                    || (name == "additionalNotes" && value == "");
                // Passwords are confirmed and have rules of their own; descriptions differ in length.
                if allowed || ["password", "confirmPassword", "description"].contains(&name.as_str()) {
                    continue;
                }
                let mut body = form.body.clone();
                body[name] = value;
                let reply = send(form, &body).await;
                let message = reply.json(400)["message"].clone();
                assert_eq!(
                    message,
                    json!(lines(name, body.get(name))),
                    "{} {} {body}",
                    form.method,
                    form.path
                );
            }
        }
        let surprise = json!({"surprise": 1, "__proto__": {}});
        let reply = send(form, &surprise).await.json(400);
        let message = reply["message"].as_array().expect("lines");
        assert_eq!(
            message[..2],
            [
                json!("property __proto__ should not exist"),
                json!("property surprise should not exist"),
            ]
        );
        // A form that creates requires all its fields, one that edits requires none.
        let expected = if form.method == "POST" {
            2 + missing_lines(&form.body)
        } else {
            2
        };
        assert_eq!(
            message.len(),
            expected,
            "{} {}: {message:?}",
            form.method,
            form.path
        );
    }
    assert_eq!(
        record(&agency.owner).await,
        rows,
        "what was refused is not on record"
    );
}

fn missing_lines(body: &Value) -> usize {
    let fields: &Map<String, Value> = body.as_object().expect("an object");
    fields
        .keys()
        .map(|name| match name.as_str() {
            "password" | "description" => 3,
            // `confirmPassword` equals `password`: both are missing.
            "confirmPassword" => 3,
            name => lines(name, None).len(),
        })
        .sum()
}

/// Contract 1.3: lengths are counted in code points.
#[tokio::test]
async fn a_text_may_have_exactly_the_contracts_maximum_length() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let forms = forms(&agency).await;
    let find = |method: &str, place: &str| {
        let form = forms
            .iter()
            .find(|form| form.method == method && form.path.contains(place));
        form.unwrap_or_else(|| panic!("no {method} {place}"))
    };
    for (form, field, most) in [
        (find("PATCH", "/profile"), "firstName", 100),
        (find("PATCH", "/profile"), "lastName", 100),
        (find("PATCH", "/events"), "name", 200),
        (find("PATCH", "/events"), "description", 2000),
        (find("PATCH", "/events"), "address", 400),
        (find("PATCH", "/contacts"), "additionalNotes", 2000),
        (find("PATCH", "/issues"), "name", 200),
        (find("PATCH", "/issues"), "description", 20_000),
        (find("PATCH", "/comments"), "content", 2000),
        (find("PATCH", "/agency"), "name", 200),
        (find("PATCH", "/agency"), "address", 400),
    ] {
        let send = async |length: usize| {
            let body = json!({field: "🎸".repeat(length)});
            components
                .door
                .send("PATCH", &form.path, Some(&agency.owner.token), Some(&body))
                .await
        };
        let answer = send(most).await.json(200);
        assert_eq!(
            answer[field].as_str().map(|text| text.chars().count()),
            Some(most),
            "{field}"
        );
        let line = format!("{field} must be shorter than or equal to {most} characters");
        send(most + 1).await.error(400, json!([line]));
    }
}

/// Contract 3.2 and 3.3, beyond the table in `form`: values that look valid, through the API.
#[tokio::test]
async fn a_value_that_only_looks_valid_is_refused_and_changes_nothing() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rows = record(&agency.owner).await;
    let emails = [
        "jan@example",
        "jan@@example.org",
        "jan@exa mple.org",
        "jan@example..org",
        ".jan@example.org",
        "jan.@example.org",
        "jan@-example.org",
        "jan@example.org\n",
        "jan\0@example.org",
        "jan@[127.0.0.1]",
        "Jan <jan@example.org>",
        "@example.org",
        "jan＠example.org",
        "jan@example.org,eve@example.org",
        "jan\u{202e}@",
        "\"jan\"",
    ];
    let phones = [
        "48123456789",
        "+",
        "+48",
        "+48 12",
        "+48123456789012345",
        "tel:+48123456789",
        "+４８１２３４５６７８９",
        "+48-abc-def-ghi",
        "\0+48123456789",
        "+0123456789",
        "０048123456789",
        "123",
        "+999 123 456 789",
    ];
    let websites = [
        "http://localhost",
        "localhost",
        "http://",
        "//example.org",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://exa mple.org",
        "http://example",
        "example",
        "mailto:jan@example.org",
        "http://.org",
        "http://example.o\0rg",
        "data:text/html,x",
        "http:///",
        ".",
        "http://example.org:99999",
    ];
    let times = [
        "2026-13-01",
        "2026-02-29",
        "2026-05-01T25:00",
        "2026-05-01T10:60",
        "2026",
        "2026-W18-5",
        "2026-05",
        "2026-5-1",
        "now",
        "01/05/2026",
        "2026-05-01T10:00+99:00",
        "２０２６-05-01",
        "2026-05-01 10:00\0",
        "-2026-05-01",
        "+12026-05-01",
        "1777629600000",
    ];
    let degrees = [
        "", " ", "1e1", "0x1f", "1,5", "NaN", "inf", "５０", "50°", "--5", "5.", "1 2", "+-1", ".", "1_000",
    ];
    let person = "/organizer/profile";
    let path = format!("/organizer/agency/events/{}", agency.event_id);
    for (form, field, line, values) in [
        (
            person,
            "phoneNumber",
            "phoneNumber must be a valid phone number",
            &phones[..],
        ),
        (
            "/organizer/agency",
            "website",
            "website must be a URL address",
            &websites[..],
        ),
        (
            &path,
            "timeStart",
            "timeStart must be a valid ISO 8601 date string",
            &times[..],
        ),
        (
            &path,
            "lat",
            "lat must be a latitude string or number",
            &degrees[..],
        ),
        (
            &path,
            "lng",
            "lng must be a longitude string or number",
            &degrees[..],
        ),
    ] {
        for value in values {
            let reply = agency.owner.patch(form, &json!({field: value})).await;
            let refusal = reply.json(400);
            let lines = refusal["message"].as_array().expect("lines");
            assert!(lines.contains(&json!(line)), "{field} {value:?}: {refusal}");
        }
    }
    for email in emails {
        let reply = agency
            .owner
            .post("/organizer/agency/users", &new_user_with_role(email, 4))
            .await;
        assert_eq!(reply.status, 400, "{email:?}: {}", reply.text());
        reply.error(400, json!(["email must be an email"]));
    }
    assert_eq!(record(&agency.owner).await, rows);
}

#[tokio::test]
async fn a_text_is_stored_unchanged() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let issue = create(
        &agency.owner,
        "/organizer/agency/issues",
        &new_issue(agency.event_id),
    )
    .await;
    for content in [
        " ",
        "\u{feff}\u{200b}",
        "e\u{301} is not é",
        "раураl.com",
        "\u{202e}gnp.exe",
        "'; drop table comments; --",
        "<script>alert(1)</script>",
        "\r\n\t\u{1}\u{7f}\u{85}\u{2028}",
        "👩\u{200d}🚒 🇵🇱 \u{10ffff}",
        "{\"$ref\":\"x\"} %s %00 \\u0000",
    ] {
        let comment = json!({"content": content, "issueId": issue});
        let comment = agency
            .support
            .post("/organizer/agency/comments", &comment)
            .await
            .json(201);
        assert_eq!(comment["content"], content);
        let path = format!("/organizer/agency/comments/{}", comment["id"]);
        assert_eq!(agency.owner.get(&path).await.json(200), comment);
        assert_eq!(
            crate::organizer::last_change(&agency.owner).await["valueAfter"],
            comment
        );
    }
}

#[tokio::test]
async fn an_id_is_the_leading_integer_of_a_text() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let id = agency.event_id;
    for same in [
        format!("{id}"),
        format!("{id}x"),
        format!("{id}%20-%20Fest"),
        format!("{id}.9"),
        format!("00{id}"),
    ] {
        let event = agency
            .support
            .get(&format!("/organizer/agency/events/{same}"))
            .await;
        assert_eq!(event.json(200)["id"], id, "{same}");
    }
    for bad in [
        "x",
        "%20",
        "-",
        "%00",
        "NaN",
        "null",
        "99999999999999999999",
        "%EF%BC%91",
    ] {
        let refused = agency
            .support
            .get(&format!("/organizer/agency/events/{bad}"))
            .await;
        refused.error(400, "Validation failed (numeric string is expected)");
    }
    for missing in ["0", "-1", "9223372036854775807", "-9223372036854775808"] {
        let refused = agency
            .support
            .get(&format!("/organizer/agency/events/{missing}"))
            .await;
        refused.error(
            404,
            format!("Event with id {missing} not found in agency {}", agency.id),
        );
    }
}

/// Sends a body unchanged.
async fn send_raw(by: &Person, kind: &str, body: impl Into<bytes::Bytes>) -> crate::support::door::Reply {
    let authorization = format!("Bearer {}", by.token);
    let headers = [("content-type", kind), ("authorization", authorization.as_str())];
    by.door()
        .send_with("POST", "/organizer/agency/events", &headers, body)
        .await
}

#[tokio::test]
async fn hostile_bodies_get_an_error_and_change_nothing() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let token = Some(agency.owner.token.as_str());
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    for body in [
        "",
        "null",
        "[]",
        "\"x\"",
        "{",
        "{\"name\":}",
        "\u{0}",
        deep.as_str(),
        r#"{"name":"\ud800"}"#,
    ] {
        let reply = components
            .door
            .send_raw("POST", "/organizer/agency/events", token, body.to_owned())
            .await;
        assert_eq!(reply.json(400)["statusCode"], 400, "{body:.20}");
    }
    let large = format!(r#"{{"name":"{}"}}"#, "n".repeat(100 * 1024));
    let reply = components
        .door
        .send_raw("POST", "/organizer/agency/events", token, large)
        .await;
    assert_eq!(
        reply.json(413),
        json!({"statusCode": 413, "message": "request entity too large"})
    );
    let events = agency.owner.get("/organizer/agency/events").await.json(200);
    assert_eq!(events.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn unknown_routes_are_404_and_preflights_are_allowed() {
    let components = Components::start();
    let reply = components
        .door
        .send("GET", "/organizer/nowhere", None, None)
        .await;
    reply.error(404, "Cannot GET /nowhere");
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(
        reply.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    let preflight = components
        .door
        .send("OPTIONS", "/organizer/agency", None, None)
        .await;
    preflight.empty(204);
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        Some("GET,HEAD,PUT,PATCH,POST,DELETE")
    );
}
#[tokio::test]
async fn a_malformed_or_too_deep_body_is_refused() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let owner = &agency.owner;
    let rows = record(owner).await;
    let event = new_event("Other").to_string();
    let put = |field: &str, raw: &str| event.replacen('{', &format!("{{\"{field}\":{raw},"), 1);
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    for body in [
        put("surprise", &deep("[", "]")),
        put("surprise", &deep("{\"a\":", "}")),
        event.replace("\"Loud\"", "\"\\x41\""),
        event.replace("\"Loud\"", "'Loud'"),
        event.replace("\"50.06\"", "1e400"),
        event.replace("\"50.06\"", "-1E+5000"),
        event.replace("\"50.06\"", "NaN"),
        event.replace("\"50.06\"", "0x10"),
        event.replace("\"50.06\"", "01"),
        format!("{event},"),
        format!("{event}{event}"),
        format!("\u{feff}{event}"),
        format!("[{event}]"),
        event.replace('}', ",}"),
    ] {
        let reply = send_raw(owner, "application/json", body.clone()).await;
        let answer = reply.json(400);
        assert!(answer["message"].is_string(), "{body:.60}: {answer}");
        assert_eq!(answer["error"], "Bad Request");
    }
    for raw in [
        &b"\xff\xfe{\0}\0"[..],
        b"{\"name\":\"\xc3\x28\"}",
        b"{\"name\":\"\xed\xa0\x80\"}",
    ] {
        let reply = send_raw(owner, "application/json", raw.to_vec()).await;
        assert!(reply.json(400)["message"].is_string());
    }
    let huge = event.replace("\"50.06\"", "123456789012345678901234567890");
    let reply = send_raw(owner, "application/json", huge).await;
    reply.error(400, json!(["lat must be a latitude string or number"]));
    let nul = event.replace("\"Loud\"", "\"a\\u0000b\"");
    let reply = send_raw(owner, "application/json", nul).await;
    reply.error(400, json!(["description must be a string"]));
    for size in [100 * 1024, 10 * 1024 * 1024] {
        let reply = send_raw(
            owner,
            "application/json",
            put("name", &format!("\"{}\"", "n".repeat(size))),
        )
        .await;
        assert_eq!(
            reply.json(413),
            json!({"statusCode": 413, "message": "request entity too large"})
        );
    }
    assert_eq!(record(owner).await, rows);
}

/// As in browsers. Each body is parsed once, so that nobody else can read another value.
#[tokio::test]
async fn the_last_of_two_members_of_a_name_counts() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let body = new_event("Last")
        .to_string()
        .replacen('{', r#"{"name":"First","#, 1);
    let event = send_raw(&agency.owner, "application/json", body).await.json(201);
    assert_eq!(event["name"], "Last");
}
