//! Lists in pages: `limit` and `cursor`, and the `Link` to the next page (RFC 8288).

use serde_json::{Value, json};

use crate::organizer::{create, hire, new_contact, new_issue};
use crate::support::components::{Components, ORGANIZER_KEY};
use crate::support::door::{Door, Reply};
use crate::support::people::{Agency, Person, new_event, registration};

/// Rows for every list, more than three of each.
struct Crowd {
    components: Components,
    agency: Agency,
    superadmin: Person,
    issue: i64,
}

async fn crowd() -> Crowd {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let superadmin = components.superadmin().await;
    let (owner, event) = (&agency.owner, agency.event_id);
    let issue = create(owner, "/organizer/agency/issues", &new_issue(event)).await;
    for number in 0..4 {
        let other = registration(&format!("Other{number}"));
        components
            .door
            .send("POST", "/organizer/agency", None, Some(&other))
            .await
            .json(201);
        hire(&superadmin, &format!("admin{number}@example.org"), 1).await;
        hire(owner, &format!("support{number}@example.org"), 4).await;
        create(
            owner,
            "/organizer/agency/events",
            &new_event(&format!("Night {number}")),
        )
        .await;
        create(owner, "/organizer/agency/contacts", &new_contact(event)).await;
        create(owner, "/organizer/agency/issues", &new_issue(event)).await;
        let comment = json!({"content": "On it", "issueId": issue});
        create(owner, "/organizer/agency/comments", &comment).await;
    }
    Crowd {
        components,
        agency,
        superadmin,
        issue,
    }
}

impl Crowd {
    /// Every list, with the token it takes.
    fn lists(&self) -> Vec<(String, &str)> {
        let (owner, superadmin) = (self.agency.owner.token.as_str(), self.superadmin.token.as_str());
        let (event, user) = (self.agency.event_id, self.agency.owner.id);
        [
            ("agency/users".to_owned(), owner),
            ("agency/events".to_owned(), owner),
            ("agency/contacts".to_owned(), owner),
            (format!("agency/contacts?eventId={event}"), owner),
            ("agency/issues".to_owned(), owner),
            (format!("agency/issues?eventId={event}%20-%20Fest%20night"), owner),
            ("agency/comments".to_owned(), owner),
            (format!("agency/comments?issueId={}", self.issue), owner),
            ("agency/changelogs".to_owned(), owner),
            (format!("agency/changelogs?userId={user}"), owner),
            ("agency/changelogs/chain".to_owned(), owner),
            ("admin/agencies".to_owned(), superadmin),
            ("admin/users".to_owned(), superadmin),
            ("admin/changelogs".to_owned(), superadmin),
            (
                format!("admin/changelogs?userId={}", self.superadmin.id),
                superadmin,
            ),
            (
                format!("admin/changelogs/chain?agencyId={}", self.agency.id),
                superadmin,
            ),
            ("api/events".to_owned(), ORGANIZER_KEY),
            (
                "api/events?query=night&from=2026-01-01T00:00%2B02:00".to_owned(),
                ORGANIZER_KEY,
            ),
        ]
        .into_iter()
        .map(|(path, token)| (format!("/organizer/{path}"), token))
        .collect()
    }
}

fn with(path: &str, parameter: &str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}{parameter}")
}

/// Follows the links, resolving each against the address it came from (RFC 3986).
async fn pages(door: &Door, token: &str, path: &str, limit: usize) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut address = with(path, &format!("limit={limit}"));
    loop {
        let reply = door.send("GET", &address, Some(token), None).await;
        pages.push(reply.list());
        let Some(next) = next(&reply, &address) else {
            return pages;
        };
        address = next;
    }
}

fn next(reply: &Reply, address: &str) -> Option<String> {
    let link = reply.header("link")?;
    let reference = link
        .strip_prefix('<')
        .and_then(|link| link.strip_suffix(">; rel=\"next\""));
    let reference = reference.unwrap_or_else(|| panic!("{link} is no link to a next page"));
    let base = url::Url::parse("http://host").expect("an address");
    let next = base
        .join(address)
        .and_then(|address| address.join(reference))
        .expect("an address");
    Some(next.as_str()["http://host".len()..].to_owned())
}

#[tokio::test]
async fn the_pages_of_a_list_add_up_to_the_list() {
    let crowd = crowd().await;
    let door = &crowd.components.door;
    for (path, token) in crowd.lists() {
        let whole = door.send("GET", &path, Some(token), None).await;
        assert_eq!(whole.header("link"), None, "{path} is whole");
        let whole = whole.list();
        assert!(whole.len() > 3, "{path} has {} rows", whole.len());
        for limit in [1, 3, whole.len(), 500] {
            let pages = pages(door, token, &path, limit).await;
            assert_eq!(pages.concat(), whole, "{path} in pages of {limit}");
            let (last, full) = pages.split_last().expect("a page");
            assert!(
                full.iter().all(|page| page.len() == limit),
                "{path} in pages of {limit}"
            );
            assert!((1..=limit).contains(&last.len()), "{path} in pages of {limit}");
        }
    }
}

#[tokio::test]
async fn a_cursor_alone_gives_a_page_as_well() {
    let crowd = crowd().await;
    let owner = &crowd.agency.owner;
    let first = owner.get("/organizer/agency/events?limit=2").await;
    let next = next(&first, "/organizer/agency/events").expect("a link");
    let rest = owner.get(&next.replace("limit=2&", "")).await.list();
    assert_eq!(rest.len(), 3);
    let ended = rest.last().expect("a row")["id"].clone();
    assert!(
        owner
            .get(&format!("/organizer/agency/events?cursor={ended}"))
            .await
            .list()
            .is_empty()
    );
}

#[tokio::test]
async fn inserts_and_removals_between_pages_neither_repeat_nor_hide_rows() {
    let crowd = crowd().await;
    let owner = &crowd.agency.owner;
    let list = "/organizer/agency/comments";
    let before = owner.get(list).await.list();
    let first = owner.get(&format!("{list}?limit=2")).await;
    let next = next(&first, list).expect("a link");
    create(owner, list, &json!({"content": "New", "issueId": crowd.issue})).await;
    for gone in [&before[1], &before[2]] {
        owner.delete(&format!("{list}/{}", gone["id"])).await.json(200);
    }
    assert_eq!(owner.get(&next).await.list(), before[3..]);
}

#[tokio::test]
async fn a_bad_limit_or_cursor_is_refused_on_every_list() {
    let crowd = crowd().await;
    for (path, token) in crowd.lists() {
        for (parameter, line) in [
            ("limit=0", "limit must be an integer number from 1 to 500"),
            ("limit=501", "limit must be an integer number from 1 to 500"),
            ("limit=-1", "limit must be an integer number from 1 to 500"),
            ("limit=2.5", "limit must be an integer number from 1 to 500"),
            ("limit=", "limit must be an integer number from 1 to 500"),
            (
                "limit=99999999999999999999",
                "limit must be an integer number from 1 to 500",
            ),
            ("cursor=x", "cursor must be one from a Link header"),
            ("cursor=", "cursor must be one from a Link header"),
        ] {
            let reply = crowd
                .components
                .door
                .send("GET", &with(&path, parameter), Some(token), None)
                .await;
            reply.error(400, json!([line]));
        }
    }
}

/// Contract 3.2: the lists that take filters check the query string, the others ignore it.
#[tokio::test]
async fn an_unknown_parameter_is_refused_by_lists_with_filters() {
    let crowd = crowd().await;
    let ignoring = [
        "agency/users",
        "agency/events",
        "admin/agencies",
        "admin/users",
        "agency/changelogs/chain",
    ];
    for (path, token) in crowd.lists() {
        let reply = crowd
            .components
            .door
            .send("GET", &with(&path, "surprise=1"), Some(token), None)
            .await;
        if ignoring.iter().any(|list| path == format!("/organizer/{list}")) {
            reply.json(200);
        } else {
            reply.error(400, json!(["property surprise should not exist"]));
        }
    }
}

/// A link repeats the parameters that the list uses, and no others.
#[tokio::test]
async fn a_link_repeats_only_known_parameters() {
    let crowd = crowd().await;
    let (owner, issue) = (&crowd.agency.owner, crowd.issue);
    let long = "~".repeat(44_000);
    let events = owner
        .get(&format!("/organizer/agency/events?limit=1&surprise={long}"))
        .await;
    assert_eq!(events.list().len(), 1);
    let link = events.header("link").expect("a link");
    assert_eq!(
        link,
        format!("<?limit=1&cursor={}>; rel=\"next\"", crowd.agency.event_id)
    );
    let comments = owner
        .get(&format!(
            "/organizer/agency/comments?issueId={issue}{long}&limit=1"
        ))
        .await;
    assert!(comments.header("link").is_some_and(|link| link.len() < 80));
    assert_eq!(comments.list().len(), 1);
}

/// The first value of a repeated parameter counts, for the page and for the link to the next one.
#[tokio::test]
async fn a_link_repeats_the_parameters_that_were_applied() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let mut ids = Vec::new();
    for name in ["Beta one", "Alpha one", "Beta two", "Alpha two"] {
        ids.push(create(&agency.owner, "/organizer/agency/events", &new_event(name)).await);
    }
    let get = async |address: &str| {
        let door = &components.door;
        door.send("GET", address, Some(ORGANIZER_KEY), None).await
    };
    let address = "/organizer/api/events?query=beta&query=alpha&limit=1&limit=2&from=2026-01-01&from=x";
    let first = get(address).await;
    let second = get(&next(&first, address).expect("a link")).await;
    let found: Vec<_> = [first, second]
        .iter()
        .map(|page| {
            page.list()
                .iter()
                .map(|event| event["id"].clone())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(found, [[ids[0]], [ids[2]]]);
}

#[tokio::test]
async fn a_head_request_gets_the_link() {
    let crowd = crowd().await;
    let path = "/organizer/agency/events?limit=2";
    let door = &crowd.components.door;
    let get = door
        .send("GET", path, Some(&crowd.agency.owner.token), None)
        .await;
    let head = door
        .send("HEAD", path, Some(&crowd.agency.owner.token), None)
        .await;
    assert_eq!((head.status, head.header("link")), (200, get.header("link")));
    assert!(
        get.header("access-control-expose-headers")
            .is_some_and(|headers| headers.contains("Link"))
    );
}
