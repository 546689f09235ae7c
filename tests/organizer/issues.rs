//! Issues (contract 3.4 and 3.7).

use serde_json::{Value, json};

use crate::organizer::{assert_in_order, change, create, last_change, new_issue, record};
use crate::support::components::Components;
use crate::support::people::new_event;

const ISSUES: &str = "/organizer/agency/issues";

#[tokio::test]
async fn an_issue_is_created_read_edited_and_deleted() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let support = &agency.support;
    let issue = support.post(ISSUES, &new_issue(agency.event_id)).await.json(201);
    let id = issue["id"].as_i64().expect("an id");
    let mut expected = json!({
        "id": id, "name": "Smoke", "description": "Left of the stage", "status": "to_do", "priority": "high",
        "timeCreated": issue["timeCreated"], "timeClosed": null, "authorId": support.id, "eventId": agency.event_id,
        "agencyId": agency.id,
    });
    assert_eq!(issue, expected);
    assert_in_order(&issue["timeCreated"], &issue["timeCreated"]);
    let on_record = |what, value: &Value| change(what, id, value.clone(), support, Some(agency.id));
    assert_eq!(last_change(support).await, on_record("insert Issue", &expected));

    let path = format!("{ISSUES}/{id}");
    for (field, value) in [
        ("name", "Fire"),
        ("description", "Right of it"),
        ("priority", "low"),
        ("priority", "medium"),
        ("status", "in_progress"),
        ("status", "to_do"),
    ] {
        expected[field] = value.into();
        assert_eq!(
            support.patch(&path, &json!({field: value})).await.json(200),
            expected
        );
        assert_eq!(last_change(support).await, on_record("update Issue", &expected));
    }
    assert_eq!(support.get(&path).await.json(200), expected);
    assert_eq!(support.get(ISSUES).await.json(200), json!([expected]));
    assert_eq!(support.delete(&path).await.json(200), expected);
    assert_eq!(
        last_change(support).await,
        on_record("delete Issue", &Value::Null)
    );
    for missing in [
        support.get(&path).await,
        support.patch(&path, &json!({})).await,
        support.delete(&path).await,
    ] {
        missing.error(
            404,
            format!("Issue with id {id} not found in agency {}", agency.id),
        );
    }
}

/// Contract 3.4: the time of the latest edit that left it closed, kept when it is reopened.
#[tokio::test]
async fn every_edit_that_leaves_an_issue_closed_renews_its_closing_time() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let issue = create(&agency.support, ISSUES, &new_issue(agency.event_id)).await;
    let path = format!("{ISSUES}/{issue}");
    let mut last = agency.support.get(&path).await.json(200)["timeCreated"].clone();
    let edits = [
        (json!({"status": "resolved"}), true),
        (json!({"name": "Fog"}), true),
        (json!({}), true),
        (json!({"status": "cancelled"}), true),
        (json!({"status": "in_progress"}), false),
        (json!({"name": "Smoke"}), false),
        (json!({"status": "resolved"}), true),
    ];
    for (edit, closes) in edits {
        wait_for_another_millisecond(&last);
        let issue = agency.support.patch(&path, &edit).await.json(200);
        assert_in_order(&last, &issue["timeClosed"]);
        assert_eq!(issue["timeClosed"] != last, closes, "{edit}: {issue}");
        last = issue["timeClosed"].clone();
    }
}

/// Waits until the clock shows a later time.
fn wait_for_another_millisecond(time: &Value) {
    let time = chrono::DateTime::parse_from_rfc3339(time.as_str().expect("a time")).expect("a time");
    while chrono::Utc::now().timestamp_millis() <= time.timestamp_millis() {
        std::hint::spin_loop();
    }
}

#[tokio::test]
async fn a_bad_issue_is_refused_and_changes_nothing() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    for event in [rival.event_id, 999] {
        let refused = agency.support.post(ISSUES, &new_issue(event)).await;
        refused.error(
            404,
            format!("Event with id {event} not found in agency {}", agency.id),
        );
    }
    let with = |field: &str, value: Value| {
        let mut issue = new_issue(agency.event_id);
        issue[field] = value;
        issue
    };
    let priorities = "priority must be one of the following values: low, medium, high";
    for (body, line) in [
        (
            with("status", json!("resolved")),
            "property status should not exist",
        ),
        (with("authorId", json!(1)), "property authorId should not exist"),
        (with("priority", json!("urgent")), priorities),
        (with("priority", json!("")), priorities),
        (
            with("eventId", json!("Fest")),
            "eventId must be an integer number",
        ),
        (with("eventId", json!(1.5)), "eventId must be an integer number"),
    ] {
        agency.support.post(ISSUES, &body).await.error(400, json!([line]));
    }
    let issue = create(&agency.support, ISSUES, &new_issue(agency.event_id)).await;
    let path = format!("{ISSUES}/{issue}");
    let statuses = "status must be one of the following values: to_do, in_progress, resolved, cancelled";
    for (body, line) in [
        (json!({"status": "done"}), statuses),
        (json!({"status": null}), statuses),
        (
            json!({"eventId": agency.event_id}),
            "property eventId should not exist",
        ),
        (
            json!({"timeClosed": null}),
            "property timeClosed should not exist",
        ),
    ] {
        agency.support.patch(&path, &body).await.error(400, json!([line]));
    }
    assert_eq!(record(&agency.owner).await.len(), 4 + 1);
}

#[tokio::test]
async fn issues_are_filtered_by_event_and_removed_with_their_comments() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let owner = &agency.owner;
    let other = create(owner, "/organizer/agency/events", &new_event("Other")).await;
    let first = create(owner, ISSUES, &new_issue(agency.event_id)).await;
    let second = create(&agency.support, ISSUES, &new_issue(other)).await;
    for (query, expected) in [
        (String::new(), vec![first, second]),
        (format!("?eventId={other}x"), vec![second]),
        ("?eventId=999".to_owned(), vec![]),
    ] {
        let issues = agency.support.get(&format!("{ISSUES}{query}")).await.list();
        let ids: Vec<&Value> = issues.iter().map(|issue| &issue["id"]).collect();
        assert_eq!(ids, expected.iter().collect::<Vec<_>>(), "{query}");
    }
    let comments = "/organizer/agency/comments";
    let comment = create(owner, comments, &json!({"content": "On it", "issueId": first})).await;
    let stays = create(owner, comments, &json!({"content": "Here", "issueId": second})).await;
    let known = record(owner).await.len();
    agency
        .support
        .delete(&format!("{ISSUES}/{first}"))
        .await
        .json(200);
    let left = owner.get(comments).await.list();
    assert_eq!(
        left.iter().map(|comment| &comment["id"]).collect::<Vec<_>>(),
        [stays]
    );
    let deleted = |class: &str, id| {
        change(
            &format!("delete {class}"),
            id,
            Value::Null,
            &agency.support,
            Some(agency.id),
        )
    };
    let expected = [deleted("Comment", comment), deleted("Issue", first)];
    assert_eq!(&record(owner).await[known..], expected);
}
