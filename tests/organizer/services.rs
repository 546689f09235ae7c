//! Routes for other services (contract 2.7 and 3.4, "For services").

use serde_json::json;

use crate::organizer::{create, hire};
use crate::support::components::{Components, ORGANIZER_KEY};
use crate::support::people::new_event;

#[tokio::test]
async fn services_need_the_key() {
    let components = Components::start();
    let get = async |key| {
        components
            .door
            .send("GET", "/organizer/api/events", key, None)
            .await
    };
    assert_eq!(
        get(None).await.json(401),
        json!({"statusCode": 401, "message": "Unauthorized"})
    );
    get(Some("wrong")).await.error(401, "invalid api key");
    assert_eq!(get(Some(ORGANIZER_KEY)).await.json(200), json!([]));
}

#[tokio::test]
async fn services_find_the_events_of_approved_agencies() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    let find = async |query: &str| {
        let path = format!("/organizer/api/events{query}");
        let events = components
            .door
            .send("GET", &path, Some(ORGANIZER_KEY), None)
            .await
            .json(200);
        let events = events.as_array().expect("a list").clone();
        events
            .iter()
            .map(|event| event["id"].as_i64().expect("an id"))
            .collect::<Vec<_>>()
    };
    let both = vec![agency.event_id, rival.event_id];
    assert_eq!(find("").await, both);
    assert_eq!(find("?query=fEST").await, [agency.event_id]);
    assert_eq!(
        find("?query=B%C5%81ONIA").await,
        both,
        "case is folded beyond ASCII"
    );
    for literal in ["%25", "_", "night%25"] {
        assert_eq!(find(&format!("?query={literal}")).await, Vec::<i64>::new());
    }
    assert_eq!(
        find("?from=2026-07-03T18:00&to=2026-07-03T18:00").await,
        both,
        "both ends are inclusive"
    );
    assert_eq!(find("?from=2026-07-04").await, Vec::<i64>::new());
    assert_eq!(
        find(&format!("?ids={},999", rival.event_id)).await,
        [rival.event_id]
    );

    let superadmin = components.superadmin().await;
    let verify = format!("/organizer/admin/agencies/{}/verify", agency.id);
    superadmin
        .patch(&verify, &json!({"approved": false}))
        .await
        .json(200);
    assert_eq!(find("").await, [rival.event_id]);
    let path = format!("/organizer/api/events/{}", agency.event_id);
    let hidden = components
        .door
        .send("GET", &path, Some(ORGANIZER_KEY), None)
        .await;
    hidden.error(404, format!("Event with id {} not found", agency.event_id));
    let bad = components
        .door
        .send(
            "GET",
            "/organizer/api/events?query=&from=x&more=1",
            Some(ORGANIZER_KEY),
            None,
        )
        .await;
    bad.error(
        400,
        json!([
            "property more should not exist",
            "query should not be empty",
            "from must be a valid ISO 8601 date string"
        ]),
    );
}
/// Case is folded by Unicode's simple folding, in all three texts; `%` and `_` are literal; dates bound the start.
#[tokio::test]
async fn a_search_ignores_case_and_takes_wildcards_literally() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let mut ids = vec![agency.event_id];
    for (name, description, address, start) in [
        ("ΜΟΥΣΙΚΗ ΣΤΟΥΣ ΔΡΌΜΟΥΣ", "100% live", "Αθήνα", "2026-08-01T10:00"),
        (
            "Маёвка",
            "under_score",
            "ул. Ленина",
            "2026-08-01T12:00:00.001+02:00",
        ),
        ("Große Straße", "50 %", "\u{212a}öln", "2026-08-02"),
        (
            "İstanbul",
            "back\\slash 'quoted' \"twice\"",
            "Ğ ışık",
            "2026-08-03T00:00Z",
        ),
    ] {
        let mut event = new_event(name);
        event["description"] = description.into();
        event["address"] = address.into();
        event["timeStart"] = start.into();
        ids.push(create(&agency.owner, "/organizer/agency/events", &event).await);
    }
    let door = &components.door;
    let find = async |query: &[(&str, &str)]| {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query)
            .finish();
        let path = format!("/organizer/api/events?{query}");
        let found = door.send("GET", &path, Some(ORGANIZER_KEY), None).await.list();
        let place = |id: &serde_json::Value| ids.iter().position(|known| id == known).expect("an event");
        found.iter().map(|event| place(&event["id"])).collect::<Vec<_>>()
    };
    for (text, expected) in [
        ("μουσική", vec![]),
        ("μουσικη", vec![1]),
        ("δρόμους", vec![1]),
        ("ΑΘΉΝΑ", vec![1]),
        ("МАЁВКА", vec![2]),
        ("ЛЕНИНА", vec![2]),
        ("STRAẞE", vec![3]),
        ("strasse", vec![]),
        ("köln", vec![3]),
        ("ışık", vec![4]),
        ("i\u{307}stanbul", vec![]),
        ("İSTANBUL", vec![4]),
        ("%", vec![1, 3]),
        ("0%", vec![1]),
        ("_", vec![2]),
        ("r_s", vec![2]),
        ("a_", vec![]),
        ("\\", vec![4]),
        ("'", vec![4]),
        ("\"", vec![4]),
        ("live Αθήνα", vec![]),
        (" ", vec![0, 1, 2, 3, 4]),
        ("🎸", vec![]),
    ] {
        assert_eq!(find(&[("query", text)]).await, expected, "{text}");
    }
    for (from, to, expected) in [
        ("2026-08-01T10:00", "2026-08-01T10:00:00.000Z", vec![1]),
        ("2026-08-01T10:00:00.001Z", "2026-08-02", vec![2, 3]),
        ("2026-08-01T12:00:00+02:00", "2026-08-01T10:00:00.001", vec![1, 2]),
        ("2026-08-04", "2026-08-05", vec![]),
        ("2026-08-03", "2026-08-02", vec![]),
    ] {
        assert_eq!(
            find(&[("from", from), ("to", to)]).await,
            expected,
            "{from} to {to}"
        );
    }
    assert_eq!(
        find(&[("from", "2026-08-02"), ("query", "%")]).await,
        [3],
        "conditions combine"
    );
    assert_eq!(find(&[("to", "2026-08-01T10:00"), ("query", "%")]).await, [1]);
}

#[tokio::test]
async fn an_edited_event_is_found_by_its_new_texts_only() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let path = format!("/organizer/agency/events/{}", agency.event_id);
    let count = async |text: &str| {
        let path = format!("/organizer/api/events?query={text}");
        components
            .door
            .send("GET", &path, Some(ORGANIZER_KEY), None)
            .await
            .list()
            .len()
    };
    agency
        .owner
        .patch(&path, &json!({"description": "QUIET"}))
        .await
        .json(200);
    assert_eq!(
        (count("loud").await, count("quiet").await, count("fest").await),
        (0, 1, 1)
    );
    agency.owner.delete(&path).await.json(200);
    assert_eq!(count("quiet").await, 0);
}

/// Sidecars read the rows after the last answer's cursor.
#[tokio::test]
async fn revocations_list_every_change_that_revokes_tokens() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    let door = &components.door;
    let read = async |since: &str| {
        let path = format!("/organizer/api/revocations{since}");
        door.send("GET", &path, Some(ORGANIZER_KEY), None).await.json(200)
    };
    let mut last = read("").await["last"].as_i64().expect("a number");
    assert_eq!(
        read("").await["complete"],
        false,
        "who has read nothing yet knows nothing"
    );
    let mut told = async |users: &[i64], agencies: &[i64]| {
        let answer = read(&format!("?since={last}")).await;
        last = answer["last"].as_i64().expect("a number");
        let expected = json!({"last": last, "users": users, "agencies": agencies, "complete": true});
        assert_eq!(answer, expected);
    };
    let support = format!("/organizer/agency/users/{}", agency.support.id);
    let verify = format!("/organizer/admin/agencies/{}/verify", agency.id);
    told(&[], &[]).await;
    agency
        .owner
        .patch("/organizer/profile", &json!({"firstName": "Ewa"}))
        .await
        .json(200);
    agency
        .owner
        .patch(&support, &json!({"lastName": "Lis", "role": 4}))
        .await
        .json(200);
    superadmin
        .patch(&verify, &json!({"approved": true}))
        .await
        .json(200);
    told(&[], &[]).await;
    agency.owner.patch(&support, &json!({"role": 3})).await.json(200);
    agency
        .support
        .post("/organizer/auth/sign-out", &json!({}))
        .await
        .empty(200);
    told(&[agency.support.id, agency.support.id], &[]).await;
    superadmin
        .patch(&verify, &json!({"approved": false}))
        .await
        .json(200);
    superadmin
        .patch(&verify, &json!({"approved": true}))
        .await
        .json(200);
    told(&[], &[agency.id]).await;
    for cap in [json!(3), json!("3"), json!(null)] {
        agency
            .owner
            .patch("/organizer/agency/settings", &json!({"maxOpenChats": cap}))
            .await
            .json(200);
    }
    // Writes that change nothing revoke nothing.
    told(&[], &[agency.id, agency.id]).await;
    let (old, new) = (
        crate::support::people::ORGANIZER_PASSWORD,
        "another horse battery",
    );
    let change = json!({"oldPassword": old, "newPassword": new, "confirmNewPassword": new});
    agency
        .owner
        .patch("/organizer/profile/change-password", &change)
        .await
        .json(200);
    told(&[agency.owner.id], &[]).await;
    superadmin
        .delete(&format!("/organizer/admin/users/{}", agency.support.id))
        .await
        .json(200);
    told(&[agency.support.id], &[]).await;
    superadmin
        .patch("/organizer/profile/set-agency", &json!({"agencyId": agency.id}))
        .await
        .json(200);
    superadmin.delete("/organizer/agency").await.json(200);
    told(&[superadmin.id, agency.owner.id, superadmin.id], &[]).await;

    // A reader that is too far behind, or ahead of a restored database, has to check all users.
    let database = rusqlite::Connection::open(components.database("organizer")).expect("a database");
    database
        .execute("delete from revocations where id <= ?1", [last - 1])
        .expect("rows go after an hour");
    for since in [last - 2, last + 5] {
        assert_eq!(
            read(&format!("?since={since}")).await["complete"],
            false,
            "{since}"
        );
    }
    assert_eq!(read(&format!("?since={}", last - 1)).await["complete"], true);
    door.send("GET", "/organizer/api/revocations", None, None)
        .await
        .json(401);
}

/// Only users who work for the agency now may take a chat over.
#[tokio::test]
async fn colleagues_are_the_users_of_an_approved_agency() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    let superadmin = components.superadmin().await;
    let manager = hire(&agency.owner, "manager@example.org", 3).await;
    let gone = hire(&agency.owner, "gone@example.org", 4).await;
    let path = format!("/organizer/agency/users/{}", gone.id);
    agency.owner.delete(&path).await.json(200);
    let looks_in = json!({"agencyId": agency.id});
    superadmin
        .patch("/organizer/profile/set-agency", &looks_in)
        .await
        .json(200);

    let door = &components.door;
    let ask = async |key: Option<&str>, query: &str| {
        let path = format!("/organizer/api/colleagues{query}");
        door.send("GET", &path, key, None).await
    };
    let colleagues = async |agency_id: i64, ids: &[i64]| {
        let ids = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let query = format!("?agencyId={agency_id}&ids={ids}");
        ask(Some(ORGANIZER_KEY), &query).await.json(200)["ids"].clone()
    };
    let (owner, support) = (agency.owner.id, agency.support.id);
    let everybody = [
        manager.id,
        rival.owner.id,
        support,
        superadmin.id,
        gone.id,
        owner,
        manager.id,
        999,
        -1,
    ];
    assert_eq!(
        colleagues(agency.id, &everybody).await,
        json!([owner, support, manager.id])
    );
    assert_eq!(colleagues(rival.id, &everybody).await, json!([rival.owner.id]));
    assert_eq!(colleagues(agency.id, &[support]).await, json!([support]));
    assert_eq!(colleagues(agency.id, &[]).await, json!([]));
    assert_eq!(colleagues(999, &everybody).await, json!([]));

    let verify = format!("/organizer/admin/agencies/{}/verify", agency.id);
    superadmin
        .patch(&verify, &json!({"approved": false}))
        .await
        .json(200);
    assert_eq!(colleagues(agency.id, &everybody).await, json!([]));

    let no_agency = "agencyId must be an integer number";
    let no_ids = "ids must be integer numbers separated by commas";
    for (query, lines) in [
        ("", json!([no_agency])),
        ("?agencyId=x&ids=1", json!([no_agency])),
        ("?agencyId=1&ids=1,x", json!([no_ids])),
        ("?agencyId=&ids=1.5", json!([no_agency, no_ids])),
    ] {
        ask(Some(ORGANIZER_KEY), query).await.error(400, lines);
    }
    ask(Some("wrong"), "").await.error(401, "invalid api key");
    ask(None, "").await.json(401);
}

/// The messenger ends the requests for them. Agencies that are not approved, or were never known, are not among them.
#[tokio::test]
async fn the_record_tells_which_agencies_were_deleted() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    let gone = components.agency("Gone").await;
    gone.owner.delete("/organizer/agency").await.json(200);
    let verify = format!("/organizer/admin/agencies/{}/verify", rival.id);
    let superadmin = components.superadmin().await;
    superadmin
        .patch(&verify, &json!({"approved": false}))
        .await
        .json(200);

    let door = &components.door;
    let ask = async |key: Option<&str>, query: &str| {
        let path = format!("/organizer/api/deleted-agencies{query}");
        door.send("GET", &path, key, None).await
    };
    let query = format!("?ids={},{},{},999,-1", gone.id, rival.id, agency.id);
    let deleted = ask(Some(ORGANIZER_KEY), &query).await.json(200);
    assert_eq!(deleted, json!({"ids": [gone.id]}));
    let none = ask(Some(ORGANIZER_KEY), "").await.json(200);
    assert_eq!(none, json!({"ids": []}));
    let no_ids = "ids must be integer numbers separated by commas";
    ask(Some(ORGANIZER_KEY), "?ids=1,x")
        .await
        .error(400, json!([no_ids]));
    ask(Some("wrong"), "").await.error(401, "invalid api key");
    ask(None, "").await.json(401);
}

/// A principal carries the cap if it applies to that user.
#[tokio::test]
async fn a_principal_has_the_cap_of_the_agency_it_works_for() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let rival = components.agency("Rival").await;
    let superadmin = components.superadmin().await;
    superadmin
        .patch("/organizer/profile/set-agency", &json!({"agencyId": agency.id}))
        .await
        .json(200);
    agency
        .owner
        .patch("/organizer/agency/settings", &json!({"maxOpenChats": 3}))
        .await
        .json(200);
    let tokens = json!({"tokens": [agency.support.token, rival.support.token, superadmin.token]});
    let judge = async || {
        let path = "/organizer/api/principals";
        let answer = components
            .door
            .send("POST", path, Some(ORGANIZER_KEY), Some(&tokens))
            .await;
        answer.json(200)["principals"].clone()
    };
    let mut expected = json!([
        {"id": agency.support.id, "role": 4, "agencyId": agency.id, "maxOpenChats": 3, "name": "Anna Nowak"},
        {"id": rival.support.id, "role": 4, "agencyId": rival.id, "name": "Anna Nowak"},
        {"id": superadmin.id, "role": 0, "agencyId": agency.id, "name": "Super Admin"},
    ]);
    assert_eq!(judge().await, expected);
    superadmin
        .patch("/organizer/agency/settings", &json!({"maxOpenChats": null}))
        .await
        .json(200);
    expected[0]
        .as_object_mut()
        .expect("a principal")
        .remove("maxOpenChats");
    assert_eq!(judge().await, expected);
}
