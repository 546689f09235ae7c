//! The record: its rows, its readers, and the detection of tampering (contract 3.4 and 3.8).

use rusqlite::Connection;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::organizer::{assert_in_order, create, hire, last_change, new_contact, new_issue, record};
use crate::support::components::Components;
use crate::support::people::{Agency, Person, new_user_with_role};

pub(super) const RECORD: &str = "/organizer/agency/changelogs";

#[tokio::test]
async fn a_row_is_read_alone_or_in_a_list_and_its_value_is_a_text() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rows = agency.support.get(RECORD).await.list();
    let first = &rows[0];
    let mut names: Vec<&String> = first.as_object().expect("a row").keys().collect();
    names.sort_unstable();
    let fields = [
        "agencyId",
        "changedAt",
        "entityClass",
        "entityId",
        "id",
        "type",
        "userId",
        "valueAfter",
    ];
    assert_eq!(names, fields);
    assert!(first["valueAfter"].is_string(), "{first}");
    for pair in rows.windows(2) {
        assert_in_order(&pair[0]["changedAt"], &pair[1]["changedAt"]);
        assert!(pair[0]["id"].as_i64() < pair[1]["id"].as_i64());
    }
    let path = format!("{RECORD}/{}", first["id"]);
    assert_eq!(&agency.support.get(&path).await.json(200), first);
    let missing = agency.support.get(&format!("{RECORD}/999")).await;
    missing.error(
        404,
        format!("Changelog with id 999 not found in agency {}", agency.id),
    );
}

#[tokio::test]
async fn an_agencys_record_is_filtered_by_actor() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    let path = "/organizer/agency/issues";
    create(&agency.support, path, &new_issue(agency.event_id)).await;
    for (user, count) in [
        (agency.owner.id.to_string(), 4),
        (format!("{} - Anna", agency.support.id).replace(' ', "%20"), 1),
        (rival.owner.id.to_string(), 0),
        ("999".to_owned(), 0),
    ] {
        let rows = agency
            .support
            .get(&format!("{RECORD}?userId={user}"))
            .await
            .list();
        assert_eq!(rows.len(), count, "{user}: {rows:?}");
    }
    let bad = agency
        .support
        .get(&format!("{RECORD}?userId=x&type=insert"))
        .await;
    bad.error(
        400,
        json!([
            "property type should not exist",
            "userId must be an integer number"
        ]),
    );
}

/// Contract 3.4: rows made by users who are administrators now; the reference ignored the filter.
#[tokio::test]
async fn the_administrators_record_has_all_changes_by_administrators() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    let admin = hire(&superadmin, "admin@example.org", 1).await;
    let looks_in = json!({"agencyId": agency.id});
    admin
        .patch("/organizer/profile/set-agency", &looks_in)
        .await
        .json(200);
    let issue = create(&admin, "/organizer/agency/issues", &new_issue(agency.event_id)).await;
    let read = async |query: &str| {
        superadmin
            .get(&format!("/organizer/admin/changelogs{query}"))
            .await
    };

    let all = read("").await.list();
    let administrators = [json!(superadmin.id), json!(admin.id)];
    assert!(
        all.iter().all(|row| administrators.contains(&row["userId"])),
        "{all:?}"
    );
    let by_admin: Vec<&Value> = all.iter().filter(|row| row["userId"] == admin.id).collect();
    assert_eq!(by_admin.len(), 2);
    assert_eq!(by_admin[1]["entityId"], issue);
    assert_eq!(
        last_change(&agency.owner).await["entityId"],
        issue,
        "it is in the agency's record as well"
    );
    let filtered = read(&format!("?userId={}", admin.id)).await.list();
    assert_eq!(filtered.iter().collect::<Vec<_>>(), by_admin);
    assert!(
        read(&format!("?userId={}", agency.owner.id))
            .await
            .list()
            .is_empty()
    );
    read("?userId=x")
        .await
        .error(400, json!(["userId must be an integer number"]));

    let any = agency.owner.get(RECORD).await.list()[0].clone();
    assert_eq!(read(&format!("/{}", any["id"])).await.json(200), any);
    read("/999").await.error(404, "Changelog with id 999 not found");
    superadmin
        .delete(&format!("/organizer/admin/users/{}", admin.id))
        .await
        .json(200);
    let filtered = read(&format!("?userId={}", admin.id)).await.list();
    assert_eq!(
        filtered.len(),
        2,
        "who was an administrator to the end stays in the list"
    );
}

#[tokio::test]
async fn the_changes_of_a_user_who_becomes_an_administrator_move_to_the_administrators_list() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    create(
        &agency.support,
        "/organizer/agency/issues",
        &new_issue(agency.event_id),
    )
    .await;
    let looks_in = json!({"agencyId": agency.id});
    superadmin
        .patch("/organizer/profile/set-agency", &looks_in)
        .await
        .json(200);
    let theirs = format!("/organizer/admin/changelogs?userId={}", agency.support.id);
    let support = format!("/organizer/agency/users/{}", agency.support.id);
    for (role, count) in [(1, 1), (4, 0)] {
        superadmin.patch(&support, &json!({"role": role})).await.json(200);
        assert_eq!(
            superadmin.get(&theirs).await.list().len(),
            count,
            "as role {role}"
        );
    }
    assert_verdict(&agency.owner, true).await;
}

/// An agency cannot read changes of other agencies, even those of an administrator who previews it.
#[tokio::test]
async fn an_agencys_record_has_no_changes_of_another_agency() {
    let components = Components::with(&["organizer"], &[]);
    let (fest, rival) = (components.agency("Fest").await, components.agency("Rival").await);
    let superadmin = components.superadmin().await;
    let look_into = async |body: Value| {
        superadmin
            .patch("/organizer/profile/set-agency", &body)
            .await
            .json(200);
    };
    let before = record(&fest.owner).await;
    look_into(json!({"agencyId": fest.id})).await;
    let user = |id: i64| format!("/organizer/admin/users/{id}");
    superadmin
        .patch(&user(rival.support.id), &json!({"firstName": "Ewa"}))
        .await
        .json(200);
    let verify = format!("/organizer/admin/agencies/{}/verify", rival.id);
    superadmin
        .patch(&verify, &json!({"approved": true}))
        .await
        .json(200);
    let new = create(
        &superadmin,
        "/organizer/admin/users",
        &new_user_with_role("new@example.org", 1),
    )
    .await;
    superadmin.delete(&user(new)).await.json(200);
    superadmin.delete(&user(rival.support.id)).await.json(200);
    assert_eq!(record(&fest.owner).await, before);

    // The preview moves from one agency to the other: neither record names the other.
    let known = record(&rival.owner).await;
    look_into(json!({"agencyId": rival.id})).await;
    assert_eq!(record(&fest.owner).await, before);
    assert_eq!(record(&rival.owner).await, known);
    look_into(json!({})).await;
    assert_eq!(record(&fest.owner).await, before);
    let left = last_change(&rival.owner).await;
    assert_eq!(
        (&left["entityId"], &left["valueAfter"]["agency"]),
        (&json!(superadmin.id), &Value::Null)
    );
    // Changes of the agency itself are in its record, whichever route made them.
    look_into(json!({"agencyId": fest.id})).await;
    superadmin
        .patch(&user(fest.support.id), &json!({"firstName": "Ewa"}))
        .await
        .json(200);
    assert_eq!(last_change(&fest.owner).await["valueAfter"]["firstName"], "Ewa");
    let own = superadmin
        .get("/organizer/admin/changelogs/verify")
        .await
        .json(200);
    assert_eq!(own["holds"], true, "{own}");
}

pub(super) async fn verdict(reader: &Person) -> Value {
    reader.get(&format!("{RECORD}/verify")).await.json(200)
}

pub(super) async fn assert_verdict(reader: &Person, holds: bool) {
    let verdict = verdict(reader).await;
    assert_eq!(verdict["holds"], holds, "{verdict}");
}

#[tokio::test]
async fn owners_and_administrators_can_verify_the_chain() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let chain = agency.owner.get(&format!("{RECORD}/chain")).await.list();
    let last = chain.last().expect("a row");
    let expected = json!({"holds": true, "rows": chain.len(), "head": last["hash"]});
    assert_eq!(verdict(&agency.owner).await, expected);
    let superadmin = components.superadmin().await;
    let path = format!("/organizer/admin/changelogs/verify?agencyId={}", agency.id);
    assert_eq!(superadmin.get(&path).await.json(200), expected);
    let own = superadmin
        .get("/organizer/admin/changelogs/verify")
        .await
        .json(200);
    assert_eq!((&own["holds"], &own["rows"]), (&json!(true), &json!(2)), "{own}");
    let nobodys = superadmin
        .get("/organizer/admin/changelogs/verify?agencyId=999")
        .await;
    assert_eq!(nobodys.json(200), json!({"holds": true, "rows": 0, "head": ""}));
    for path in [format!("{RECORD}/verify"), format!("{RECORD}/chain")] {
        agency.support.get(&path).await.error(403, "Forbidden resource");
    }
}

fn sha256(text: String) -> String {
    format!("{:x}", Sha256::digest(text))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The value of a row that is never blanked.
fn lasting(row: &Value) -> &Value {
    let blank = &row["blankValue"];
    if blank.is_null() {
        &row["valueAfter"]
    } else {
        blank
    }
}

/// The hash of a row that follows the one with the hash `before`, written only from the description in docs/record.md.
pub(super) fn hash_from_outside(before: String, row: &Value) -> String {
    let lasting = lasting(row).as_str();
    let lines = [
        before,
        text(&row["entityClass"]),
        text(&row["entityId"]),
        text(&row["type"]),
        text(&row["changedAt"]),
        text(&row["userId"]),
        text(&row["agencyId"]),
        lasting.map(|value| sha256(value.to_owned())).unwrap_or_default(),
        text(&row["seal"]),
    ];
    sha256(lines.join("\n"))
}

/// An auditor's check.
pub(super) fn check_from_outside(chain: &[Value]) -> Result<String, String> {
    let mut before = String::new();
    for row in chain {
        before = hash_from_outside(before, row);
        let value_holds = if row["salt"].is_null() {
            row["valueAfter"] == *lasting(row)
        } else {
            row["seal"] == sha256(format!("{}\n{}", text(&row["salt"]), text(&row["valueAfter"])))
        };
        if row["hash"] != before || !value_holds {
            return Err(row["id"].to_string());
        }
    }
    Ok(before)
}

/// A record with rows of every class, some of them blanked.
async fn busy_agency(components: &Components) -> Agency {
    let agency = components.agency("Fest").await;
    let (owner, event) = (&agency.owner, agency.event_id);
    let contact = create(owner, "/organizer/agency/contacts", &new_contact(event)).await;
    let issue = create(&agency.support, "/organizer/agency/issues", &new_issue(event)).await;
    owner
        .delete(&format!("/organizer/agency/contacts/{contact}"))
        .await
        .json(200);
    let comment = json!({"content": "Żółć \u{1f3b8}\n\"", "issueId": issue});
    create(owner, "/organizer/agency/comments", &comment).await;
    let path = format!("/organizer/agency/users/{}", agency.support.id);
    owner
        .patch(&path, &json!({"firstName": "Zuzanna"}))
        .await
        .json(200);
    owner.delete(&path).await.json(200);
    owner
        .patch("/organizer/agency", &json!({"website": null}))
        .await
        .json(200);
    agency
}

#[tokio::test]
async fn the_chain_can_be_checked_from_outside() {
    let components = Components::with(&["organizer"], &[]);
    let agency = busy_agency(&components).await;
    let chain = agency.owner.get(&format!("{RECORD}/chain")).await.list();
    let head = verdict(&agency.owner).await["head"].clone();
    assert_eq!(check_from_outside(&chain).map(Value::from), Ok(head));
    let mut forged = chain.clone();
    forged[2]["valueAfter"] = chain[1]["valueAfter"].clone();
    assert_eq!(check_from_outside(&forged), Err(forged[2]["id"].to_string()));
}

#[tokio::test]
async fn tampering_is_detected_at_its_row() {
    let components = Components::with(&["organizer"], &[]);
    let agency = busy_agency(&components).await;
    let rival = components.agency("Rival").await;
    let database = Connection::open(components.database("organizer")).expect("a database");
    let rows = agency.owner.get(RECORD).await.list();
    let ids: Vec<i64> = rows
        .iter()
        .map(|row| row["id"].as_i64().expect("an id"))
        .collect();
    let [first, owner, blanked, event, contact, .., last] = ids[..] else {
        panic!("{rows:?}")
    };
    let set = |what: &str, id: i64| format!("update changelogs set {what} where id = {id}");
    let cases = [
        (
            set("value_after = replace(value_after, 'Fest', 'Fist')", event),
            Some(event),
        ),
        (set("value_after = null", event), Some(event)),
        (
            set("value_after = replace(value_after, 'Anna', 'Hanna')", owner),
            Some(owner),
        ),
        (
            set("value_after = replace(value_after, '4', '2')", blanked),
            Some(blanked),
        ),
        (set("user_id = 1", event), Some(event)),
        (set("changed_at = changed_at + 1", event), Some(event)),
        (set("entity_id = 99", event), Some(event)),
        (set("type = 'update'", event), Some(event)),
        (set("agency_id = null", blanked), Some(event)),
        (set(&format!("agency_id = {}", rival.id), blanked), Some(event)),
        (set("hash = lower(hex(randomblob(32)))", event), Some(event)),
        (
            set("blank_value = null, salt = null, seal = null", owner),
            Some(owner),
        ),
        (set("salt = null", owner), Some(owner)),
        (
            set("salt = salt || value_after, value_after = null", owner),
            Some(owner),
        ),
        (
            set(
                "salt = salt || char(10) || value_after, value_after = null",
                owner,
            ),
            Some(owner),
        ),
        (
            set("salt = salt || char(10) || value_after, value_after = ''", owner),
            Some(owner),
        ),
        (set("value_after = ''", last), Some(last)),
        (
            set("salt = null, value_after = blank_value", contact),
            Some(contact),
        ),
        (set("entity_id = 'x'", event), Some(event)),
        (set("changed_at = 'x'", event), Some(event)),
        (set("user_id = x'00'", event), Some(event)),
        (set("value_after = x'00ff'", event), Some(event)),
        (set("salt = null, value_after = blank_value", owner), Some(owner)),
        (format!("delete from changelogs where id = {first}"), Some(owner)),
        (
            format!("delete from changelogs where id = {blanked}"),
            Some(event),
        ),
        (format!("delete from changelogs where id = {last}"), None),
        (
            format!("delete from changelogs where agency_id = {}", agency.id),
            None,
        ),
        (
            format!("delete from chains where agency_id = {}", agency.id),
            None,
        ),
    ];
    database
        .execute_batch(
            "create table logs_before as select * from changelogs;
             create table chains_before as select * from chains",
        )
        .expect("a copy");
    for (tampering, broken_at) in cases {
        database.execute_batch(&tampering).expect("tampering");
        let verdict = verdict(&agency.owner).await;
        assert_eq!(verdict["holds"], false, "{tampering}: {verdict}");
        assert_eq!(
            verdict["brokenAt"]["id"].as_i64(),
            broken_at,
            "{tampering}: {verdict}"
        );
        assert!(
            verdict["brokenAt"]["reason"].is_string(),
            "{tampering}: {verdict}"
        );
        database
            .execute_batch(
                "begin; delete from changelogs; insert into changelogs select * from logs_before;
                 delete from chains; insert into chains select * from chains_before; commit",
            )
            .expect("the record as it was");
        assert_verdict(&agency.owner, true).await;
    }
}

/// Contract 3.7 deletes rows; the record keeps their changes without personal data.
#[tokio::test]
async fn a_deleted_users_rows_stay_without_personal_data() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let support = &agency.support;
    let edits = json!({"firstName": "Zuzanna", "lastName": "Wilk", "phoneNumber": "+48 601 234 567"});
    support.patch("/organizer/profile", &edits).await.json(200);
    create(support, "/organizer/agency/issues", &new_issue(agency.event_id)).await;
    let before = agency.owner.get(RECORD).await.list();
    let path = format!("/organizer/agency/users/{}", support.id);
    agency.owner.delete(&path).await.json(200);

    let after = agency.owner.get(RECORD).await.list();
    assert_eq!(after.len(), before.len() + 2);
    for (old, new) in before.iter().zip(&after) {
        let mut expected = crate::organizer::row(old);
        if old["entityClass"] == "User" && old["entityId"] == support.id {
            for field in ["email", "firstName", "lastName", "phoneNumber"] {
                expected["valueAfter"][field] = "".into();
            }
        }
        assert_eq!(crate::organizer::row(new), expected);
    }
    let chain = agency.owner.get(&format!("{RECORD}/chain")).await.text();
    for personal in ["Zuzanna", "Wilk", "601 234 567", &support.email] {
        assert!(!chain.contains(personal), "{personal}");
    }
    assert_verdict(&agency.owner, true).await;
}

#[tokio::test]
async fn a_deleted_agencys_record_stays_without_personal_data() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    for (agency, notes) in [(&agency, "Ask for Zuzanna"), (&rival, "By night")] {
        let mut contact = new_contact(agency.event_id);
        contact["additionalNotes"] = notes.into();
        create(&agency.owner, "/organizer/agency/contacts", &contact).await;
    }
    let known = record(&agency.owner).await.len();
    agency.owner.delete("/organizer/agency").await.json(200);
    let superadmin = components.superadmin().await;
    let chain = format!("/organizer/admin/changelogs/chain?agencyId={}", agency.id);
    let chain = superadmin.get(&chain).await;
    for personal in [
        "Anna",
        "Nowak",
        "jan@kos.example.org",
        "Zuzanna",
        &agency.owner.email,
        &agency.support.email,
    ] {
        assert!(!chain.text().contains(personal), "{personal}");
    }
    let rows = chain.list();
    assert_eq!(rows.len(), known + 5, "contact, event, two users, agency");
    let head = check_from_outside(&rows).expect("it holds");
    let path = format!("/organizer/admin/changelogs/verify?agencyId={}", agency.id);
    let verdict = superadmin.get(&path).await.json(200);
    assert_eq!(verdict, json!({"holds": true, "rows": rows.len(), "head": head}));
    let others = rival.owner.get(RECORD).await.text();
    assert!(others.contains("jan@kos.example.org") && others.contains("By night"));
    assert_verdict(&rival.owner, true).await;
}
