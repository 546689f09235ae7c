//! Comments on issues (contract 3.4 and 3.5).

use serde_json::{Value, json};

use crate::organizer::{change, create, last_change, new_issue, record};
use crate::support::components::Components;

const COMMENTS: &str = "/organizer/agency/comments";
const ISSUES: &str = "/organizer/agency/issues";

#[tokio::test]
async fn a_comment_is_edited_by_its_author_only_and_deleted_by_any_user() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let (owner, support) = (&agency.owner, &agency.support);
    let issue = create(owner, ISSUES, &new_issue(agency.event_id)).await;
    let form = json!({"content": "On it", "issueId": issue.to_string()});
    let comment = support.post(COMMENTS, &form).await.json(201);
    let id = comment["id"].as_i64().expect("an id");
    let mut expected = json!({
        "id": id, "content": "On it", "timeCreated": comment["timeCreated"], "authorId": support.id, "issueId": issue,
        "agencyId": agency.id,
    });
    assert_eq!(comment, expected);
    let row = last_change(owner).await;
    assert_eq!(
        row,
        change("insert Comment", id, expected.clone(), support, Some(agency.id))
    );

    let path = format!("{COMMENTS}/{id}");
    let refused = owner.patch(&path, &json!({"content": "Not on it"})).await;
    refused.error(401, "Only the author can update his comment");
    expected["content"] = "Done".into();
    for edit in [json!({"content": "Done"}), json!({})] {
        assert_eq!(support.patch(&path, &edit).await.json(200), expected);
        let row = last_change(owner).await;
        assert_eq!(
            row,
            change("update Comment", id, expected.clone(), support, Some(agency.id))
        );
    }
    assert_eq!(owner.get(&path).await.json(200), expected);
    assert_eq!(owner.delete(&path).await.json(200), expected);
    let row = last_change(owner).await;
    assert_eq!(
        row,
        change("delete Comment", id, Value::Null, owner, Some(agency.id))
    );
    for missing in [
        support.get(&path).await,
        support.patch(&path, &json!({"content": "Too late"})).await,
        support.delete(&path).await,
    ] {
        missing.error(
            404,
            format!("Comment with id {id} not found in agency {}", agency.id),
        );
    }
}

#[tokio::test]
async fn comments_come_newest_first_and_are_filtered_by_issue() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    let first_issue = create(&agency.owner, ISSUES, &new_issue(agency.event_id)).await;
    let second_issue = create(&agency.owner, ISSUES, &new_issue(agency.event_id)).await;
    let foreign_issue = create(&rival.owner, ISSUES, &new_issue(rival.event_id)).await;
    let mut ids = Vec::new();
    for issue in [first_issue, second_issue, first_issue] {
        let comment = json!({"content": "Seen", "issueId": issue});
        ids.push(create(&agency.support, COMMENTS, &comment).await);
    }
    create(
        &rival.owner,
        COMMENTS,
        &json!({"content": "Ours", "issueId": foreign_issue}),
    )
    .await;
    for (query, expected) in [
        (String::new(), vec![ids[2], ids[1], ids[0]]),
        (format!("?issueId={first_issue}"), vec![ids[2], ids[0]]),
        (format!("?issueId={foreign_issue}"), vec![]),
    ] {
        let comments = agency.support.get(&format!("{COMMENTS}{query}")).await.list();
        let shown: Vec<&Value> = comments.iter().map(|comment| &comment["id"]).collect();
        assert_eq!(shown, expected.iter().collect::<Vec<_>>(), "{query}");
    }
}

#[tokio::test]
async fn a_bad_comment_is_refused_and_changes_nothing() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    let foreign = create(&rival.owner, ISSUES, &new_issue(rival.event_id)).await;
    for issue in [foreign, 999] {
        let refused = agency
            .support
            .post(COMMENTS, &json!({"content": "Hm", "issueId": issue}))
            .await;
        refused.error(
            404,
            format!("Issue with id {issue} not found in agency {}", agency.id),
        );
    }
    let issue = create(&agency.owner, ISSUES, &new_issue(agency.event_id)).await;
    let comment = json!({"content": "Hm", "issueId": issue});
    let comment = create(&agency.owner, COMMENTS, &comment).await;
    let path = format!("{COMMENTS}/{comment}");
    let moved = agency.owner.patch(&path, &json!({"issueId": issue})).await;
    moved.error(400, json!(["property issueId should not exist"]));
    let stolen = agency
        .owner
        .patch(&path, &json!({"authorId": agency.support.id}))
        .await;
    stolen.error(400, json!(["property authorId should not exist"]));
    assert_eq!(record(&agency.owner).await.len(), 4 + 2);
}
