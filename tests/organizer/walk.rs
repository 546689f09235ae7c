//! Every route of the organizer (contract 3.4), called by every kind of caller.
//!
//! The table has the role that each route requires, and its status for permitted callers. `expected` derives the
//! answers to all other callers from contract 2.6, 2.7 and 3.1. A refused call changes nothing, and a permitted one
//! changes nothing of another agency.

use std::collections::BTreeMap;
use std::path::Path;

use http::StatusCode;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, params_from_iter, types};
use serde_json::{Value, json};

use crate::organizer::complete::{INCOMPLETE, SETTING};
use crate::organizer::plans::new_plan;
use crate::organizer::second_factor::code;
use crate::support::components::{Components, ORGANIZER_KEY, SUPERADMIN_PASSWORD};
use crate::support::door::Door;
use crate::support::people::{self, ORGANIZER_PASSWORD, Person, new_user_with_role};

/// Method and path; permitted callers, in the words of contract 3.1; the status of a success; the body.
///
/// - `anywhere`: an administrator needs no preview for it, as for all that is not below `/agency`.
/// - `author`: of the permitted callers, only the comment's author succeeds.
/// - `{owner}` and the like stand for ids of the agency Fest and of its people, `{own_comment}` for a comment by the
///   caller.
const ROUTES: &str = r#"
    POST   /auth/sign-in                               | public            | 200 | {sign_in}
    POST   /auth/sign-out                              | any               | 200 | {}
    GET    /profile                                    | any               | 200 |
    PATCH  /profile                                    | any               | 200 | {"firstName":"Ewa"}
    PATCH  /profile/change-password                    | any               | 200 | {change_password}
    PATCH  /profile/set-agency                         | admin             | 200 | {"agencyId":{agency}}
    PATCH  /profile/set-agency                         | admin             | 200 | {}

    GET    /profile/second-factor                      | any               | 200 |
    POST   /profile/second-factor                      | any               | 201 | {"password":"{password}"}
    POST   /profile/second-factor/confirm              | any               | 200 | {"code":"{code}"}
    DELETE /profile/second-factor                      | any               | 200 | {"password":"{password}","code":"{code}"}

    POST   /agency                                     | public            | 201 | {new_agency}
    GET    /agency                                     | support+          | 200 |
    PATCH  /agency                                     | owner+            | 200 | {"address":"Rynek 2"}
    DELETE /agency                                     | owner+            | 200 |

    GET    /agency/settings                            | support+          | 200 |
    PATCH  /agency/settings                            | owner+            | 200 | {"maxOpenChats":"3"}
    PATCH  /agency/settings                            | owner+            | 200 | {}

    GET    /agency/users/roles                         | support+ anywhere | 200 |
    GET    /agency/users                               | support+          | 200 |
    GET    /agency/users/{support}                     | support+ anywhere | 200 |
    POST   /agency/users                               | manager+          | 201 | {{person},"role":"4"}
    POST   /agency/users                               | manager+          | 201 | {{person},"role":3}
    POST   /agency/users                               | manager+          | 201 | {{person},"role":2}
    POST   /agency/users                               | manager+          | 201 | {{person},"role":0}
    PATCH  /agency/users/{support}                     | manager+          | 200 | {"lastName":"Lis"}
    PATCH  /agency/users/{support}                     | manager+          | 200 | {"role":3}
    PATCH  /agency/users/{support}                     | manager+          | 200 | {"role":2}
    PATCH  /agency/users/{manager}                     | manager+          | 200 | {"lastName":"Lis"}
    PATCH  /agency/users/{owner}                       | manager+          | 200 | {"lastName":"Lis"}
    PATCH  /agency/users/{support}/password            | manager+          | 200 | {new_password}
    PATCH  /agency/users/{manager}/password            | manager+          | 200 | {new_password}
    PATCH  /agency/users/{owner}/password              | manager+          | 200 | {new_password}
    GET    /agency/users/{support}/second-factor       | manager+          | 200 |
    GET    /agency/users/{manager}/second-factor       | manager+          | 200 |
    GET    /agency/users/{owner}/second-factor         | manager+          | 200 |
    DELETE /agency/users/{support}/second-factor       | manager+          | 200 |
    DELETE /agency/users/{manager}/second-factor       | manager+          | 200 |
    DELETE /agency/users/{owner}/second-factor         | manager+          | 200 |
    DELETE /agency/users/{support}                     | manager+          | 200 |
    DELETE /agency/users/{manager}                     | manager+          | 200 |
    DELETE /agency/users/{owner}                       | manager+          | 200 |

    POST   /agency/events                              | manager+          | 201 | {new_event}
    GET    /agency/events                              | support+          | 200 |
    GET    /agency/events/{event}                      | support+          | 200 |
    PATCH  /agency/events/{event}                      | manager+          | 200 | {"address":"Rynek 5"}
    DELETE /agency/events/{event}                      | manager+          | 200 |

    GET    /agency/events/{event}/plan                 | support+          | 200 |
    PUT    /agency/events/{event}/plan                 | manager+          | 200 | {plan}
    DELETE /agency/events/{event}/plan                 | manager+          | 200 |

    POST   /agency/contacts                            | manager+          | 201 | {new_contact}
    GET    /agency/contacts                            | support+          | 200 |
    GET    /agency/contacts?eventId={event}            | support+          | 200 |
    GET    /agency/contacts/{contact}                  | support+          | 200 |
    PATCH  /agency/contacts/{contact}                  | manager+          | 200 | {"additionalNotes":"At the gate"}
    DELETE /agency/contacts/{contact}                  | manager+          | 200 |

    POST   /agency/issues                              | support+          | 201 | {new_issue}
    GET    /agency/issues                              | support+          | 200 |
    GET    /agency/issues?eventId={event}              | support+          | 200 |
    GET    /agency/issues/{issue}                      | support+          | 200 |
    PATCH  /agency/issues/{issue}                      | support+          | 200 | {"status":"resolved"}
    DELETE /agency/issues/{issue}                      | support+          | 200 |

    POST   /agency/comments                            | support+          | 201 | {"content":"On it","issueId":{issue}}
    GET    /agency/comments                            | support+          | 200 |
    GET    /agency/comments?issueId={issue}            | support+          | 200 |
    GET    /agency/comments/{comment}                  | support+          | 200 |
    PATCH  /agency/comments/{comment}                  | support+ author   | 200 | {"content":"Done"}
    PATCH  /agency/comments/{own_comment}              | support+          | 200 | {"content":"Done"}
    DELETE /agency/comments/{comment}                  | support+          | 200 |

    GET    /agency/changelogs                          | support+          | 200 |
    GET    /agency/changelogs?userId={owner}           | support+          | 200 |
    GET    /agency/changelogs/{changelog}              | support+          | 200 |
    GET    /agency/changelogs/verify                   | owner+            | 200 |
    GET    /agency/changelogs/chain                    | owner+            | 200 |

    GET    /admin/agencies                             | admin             | 200 |
    GET    /admin/agencies/{agency}                    | admin             | 200 |
    PATCH  /admin/agencies/{agency}/verify             | admin             | 200 | {"approved":true}
    PATCH  /admin/agencies/{agency}/verify             | admin             | 200 | {"approved":false}
    PATCH  /admin/agencies/{agency}/verify             | admin             | 200 | {}

    GET    /admin/users/roles                          | admin             | 200 |
    GET    /admin/users                                | admin             | 200 |
    GET    /admin/users/{owner}                        | admin             | 200 |
    POST   /admin/users                                | admin             | 201 | {{person},"role":"4"}
    POST   /admin/users                                | admin             | 201 | {{person},"role":"1"}
    POST   /admin/users                                | admin             | 201 | {{person},"role":0}
    PATCH  /admin/users/{owner}                        | admin             | 200 | {"lastName":"Lis"}
    PATCH  /admin/users/{admin}                        | admin             | 200 | {"lastName":"Lis"}
    PATCH  /admin/users/{superadmin}                   | admin             | 200 | {"lastName":"Lis"}
    PATCH  /admin/users/{owner}/password               | admin             | 200 | {new_password}
    PATCH  /admin/users/{admin}/password               | admin             | 200 | {new_password}
    PATCH  /admin/users/{superadmin}/password          | admin             | 200 | {new_password}
    GET    /admin/users/{owner}/second-factor          | admin             | 200 |
    GET    /admin/users/{admin}/second-factor          | admin             | 200 |
    GET    /admin/users/{superadmin}/second-factor     | admin             | 200 |
    DELETE /admin/users/{owner}/second-factor          | admin             | 200 |
    DELETE /admin/users/{admin}/second-factor          | admin             | 200 |
    DELETE /admin/users/{superadmin}/second-factor     | admin             | 200 |
    DELETE /admin/users/{owner}                        | admin             | 200 |
    DELETE /admin/users/{admin}                        | admin             | 200 |
    DELETE /admin/users/{superadmin}                   | admin             | 200 |

    GET    /admin/changelogs                           | admin             | 200 |
    GET    /admin/changelogs?userId={admin}            | admin             | 200 |
    GET    /admin/changelogs/{changelog}               | admin             | 200 |
    GET    /admin/changelogs/verify                    | admin             | 200 |
    GET    /admin/changelogs/verify?agencyId={agency}  | admin             | 200 |
    GET    /admin/changelogs/chain                     | admin             | 200 |
    GET    /admin/changelogs/chain?agencyId={agency}   | admin             | 200 |

    GET    /api/events                                 | key               | 200 |
    GET    /api/events?query=night                     | key               | 200 |
    GET    /api/events/{event}                         | key               | 200 |
    GET    /api/colleagues?agencyId={agency}&ids=1    | key               | 200 |
    GET    /api/revocations                            | key               | 200 |
    POST   /api/removals                               | key               | 200 | {removals}
"#;

/// The classes of the placeholders for ids.
const CLASSES: [(&str, &str); 11] = [
    ("{agency}", "Agency"),
    ("{superadmin}", "User"),
    ("{admin}", "User"),
    ("{owner}", "User"),
    ("{manager}", "User"),
    ("{support}", "User"),
    ("{event}", "Event"),
    ("{contact}", "Contact"),
    ("{issue}", "Issue"),
    ("{comment}", "Comment"),
    ("{own_comment}", "Comment"),
];

const RANKS: [(&str, i64); 5] = [
    ("{superadmin}", 0),
    ("{admin}", 1),
    ("{owner}", 2),
    ("{manager}", 3),
    ("{support}", 4),
];

const PERSON: &str = concat!(
    r#""email":"new@example.org","password":"correct horse battery","confirmPassword":"correct horse battery","#,
    r#""firstName":"Ola","lastName":"Kos","phoneNumber":"+48123456789""#
);

/// Bodies that are too long for the table.
const BODIES: [(&str, &str); 9] = [
    (
        "{sign_in}",
        r#"{"email":"support@fest.example.org","password":"{member_password}"}"#,
    ),
    (
        "{change_password}",
        concat!(
            r#"{"oldPassword":"{password}","newPassword":"another horse battery","#,
            r#""confirmNewPassword":"another horse battery"}"#
        ),
    ),
    (
        "{new_password}",
        r#"{"password":"another horse battery","confirmPassword":"another horse battery"}"#,
    ),
    (
        "{removals}",
        concat!(
            r#"{"removals":[{"id":"7f","agencyId":{agency},"endedBefore":1777593600000,"chats":2,"#,
            r#""messages":9}]}"#
        ),
    ),
    (
        "{new_agency}",
        r#"{"agency":{"name":"New","address":"Rynek 3","website":"new.example.org"},"owner":{{person}}}"#,
    ),
    (
        "{new_event}",
        concat!(
            r#"{"name":"Other night","description":"Quiet","address":"Rynek 4","lat":"50.1","lng":19.5,"#,
            r#""timeStart":"2026-07-04T18:00","timeEnd":"2026-07-04T23:00"}"#
        ),
    ),
    (
        "{plan}",
        r#"{"image":"data:image/png;base64,iVBORw0KGgo=","north":50.2,"south":"50.1","east":19.6,"west":19.5}"#,
    ),
    (
        "{new_contact}",
        concat!(
            r#"{"firstName":"Jan","lastName":"Lis","email":"jan@example.org","phoneNumber":"+48123456789","#,
            r#""additionalNotes":"","eventId":"{event}"}"#
        ),
    ),
    (
        "{new_issue}",
        r#"{"name":"Smoke","description":"Stage left","priority":"high","eventId":"{event} - Night"}"#,
    ),
];

/// No entity ever gets this id.
const NOBODYS: &str = "999999";

#[tokio::test]
async fn every_route_serves_permitted_callers_and_changes_nothing_for_others() {
    let components = Components::with(&["organizer", "participant"], &[]);
    let world = World::new(&components).await;
    let database = Database::open(&components.database("organizer"));
    walk(&world, &database, &components.door, Accounts::Complete).await;
}

/// Where accounts have to be complete, and no account is.
#[tokio::test]
async fn an_incomplete_account_is_refused_on_every_route_but_those_of_its_own_profile() {
    let components = Components::with(&["organizer", "participant"], &[]);
    let world = World::new(&components).await;
    let database = Database::open(&components.database("organizer"));
    database.give_everybody_an_initial_password();
    let strict = components.another_host(&["organizer"], &[SETTING]);
    walk(&world, &database, &strict, Accounts::Incomplete).await;
}

/// Sends everybody to every route.
async fn walk(world: &World, database: &Database, door: &Door, accounts: Accounts) {
    let routes: Vec<Route> = ROUTES
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(Route::parse)
        .collect();
    let beginning = database.dump();
    for persona in &world.personas {
        let visit = Visit {
            door,
            accounts,
            database,
            world,
            persona,
            names: world.prepare(persona).await,
        };
        let before = database.dump();
        for route in &routes {
            visit.call(route, &before).await;
        }
        database.restore(&beginning);
    }
}

/// Whether everybody's account is good for all routes of the role.
#[derive(Clone, Copy, PartialEq)]
enum Accounts {
    Complete,
    Incomplete,
}

/// A line of the table.
struct Route {
    method: &'static str,
    path: &'static str,
    who: Who,
    anywhere: bool,
    author: bool,
    success: u16,
    body: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Who {
    Public,
    Key,
    /// Users with this role or a senior one.
    Role(i64),
}

impl Route {
    fn parse(line: &'static str) -> Route {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [route, who, success, body] = cells[..] else {
            panic!("not a line of the table: {line}");
        };
        let (method, path) = route.split_once(' ').expect("a method and a path");
        let (who, condition) = who.split_once(' ').unwrap_or((who, ""));
        let path = path.trim();
        Route {
            method,
            path,
            who: match who {
                "public" => Who::Public,
                "key" => Who::Key,
                "any" | "support+" => Who::Role(4),
                "manager+" => Who::Role(3),
                "owner+" => Who::Role(2),
                "admin" => Who::Role(1),
                _ => panic!("who may call? {line}"),
            },
            anywhere: condition == "anywhere" || !path.starts_with("/agency"),
            author: condition == "author",
            success: success.parse().expect("a status"),
            body: BODIES
                .iter()
                .find(|(name, _)| *name == body)
                .map_or(body, |(_, body)| *body),
        }
    }

    fn changes_something(&self) -> bool {
        self.method != "GET" && self.path != "/auth/sign-in"
    }

    /// Whether an account that is not complete may call the route.
    fn is_of_own_account(&self) -> bool {
        let is_of_profile = self.path.starts_with("/profile") && self.path != "/profile/set-agency";
        is_of_profile || self.path == "/auth/sign-out"
    }

    /// The second factors that everybody must have for a success: none, confirmed ones, or ones that are not confirmed.
    fn second_factors(&self) -> Option<SecondFactors> {
        match (self.method, self.path) {
            ("POST", "/profile/second-factor") => None,
            (_, path) if path.ends_with("/second-factor/confirm") => Some(SecondFactors::Unconfirmed),
            (_, path) if path.ends_with("/second-factor") => Some(SecondFactors::Confirmed),
            _ => None,
        }
    }

    /// The path without its query.
    fn resource(&self) -> &'static str {
        self.path.split('?').next().expect("at least one part")
    }

    /// The entity that must exist for a success, named in the path or else in the body.
    fn asks_for(&self) -> Option<(&'static str, &'static str)> {
        let among = |text: &str| {
            CLASSES
                .into_iter()
                .chain([("{changelog}", "Changelog")])
                .find(|(placeholder, _)| text.contains(placeholder))
        };
        among(self.resource()).or_else(|| among(self.body))
    }

    /// The action on a user, and the most senior of the user's present and new roles.
    fn rank(&self) -> Option<(&'static str, i64)> {
        let verb = match self.method {
            _ if self.path.ends_with("/second-factor") => "update",
            "POST" => "create",
            "PATCH" => "update",
            "DELETE" => "delete",
            _ => return None,
        };
        let present = RANKS
            .into_iter()
            .find(|(placeholder, _)| self.path.contains(placeholder))
            .map(|(_, role)| role);
        let future = self
            .body
            .split_once(r#""role":"#)
            .and_then(|(_, role)| role.trim_matches(['"', '}']).parse().ok());
        let users = self.path.contains("/users");
        users
            .then(|| present.into_iter().chain(future).min())
            .flatten()
            .map(|role| (verb, role))
    }
}

#[derive(Clone, Copy)]
enum SecondFactors {
    Confirmed,
    Unconfirmed,
}

/// The secret of all of them.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// A caller who tries every route.
struct Persona {
    name: &'static str,
    standing: Standing,
    bearer: Option<String>,
    password: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Standing {
    /// A caller without valid credentials.
    Outsider,
    /// Another service.
    Service,
    Administrator {
        role: i64,
        previews: bool,
    },
    /// A user of Fest.
    Member {
        role: i64,
    },
    /// The owner of Rival, who uses the ids of Fest.
    Stranger,
}

impl Standing {
    fn role(self) -> Option<i64> {
        match self {
            Standing::Outsider | Standing::Service => None,
            Standing::Administrator { role, .. } | Standing::Member { role } => Some(role),
            Standing::Stranger => Some(2),
        }
    }
}

struct World {
    fest: Staffed,
    rival: Staffed,
    admin: Person,
    superadmin: Person,
    personas: Vec<Persona>,
}

/// An agency with an entity of every class.
struct Staffed {
    agency: people::Agency,
    manager: Person,
    contact: i64,
    issue: i64,
    comment: i64,
    changelog: i64,
}

impl Staffed {
    /// Creates the agency. Each of its entities has the agency's name in some text.
    async fn new(components: &Components, name: &str) -> Staffed {
        let agency = components.agency(name).await;
        let id = |entity: Value| entity["id"].as_i64().expect("an id");
        let event = agency.event_id;
        let plan = format!("/organizer/agency/events/{event}/plan");
        agency.owner.put(&plan, &new_plan()).await.json(200);
        let contact = json!({
            "firstName": name, "lastName": "Kos", "email": "kos@example.org", "phoneNumber": "+48123456789",
            "additionalNotes": "", "eventId": event,
        });
        let contact = agency.owner.post("/organizer/agency/contacts", &contact).await;
        let issue = json!({"name": name, "description": "Rain", "priority": "low", "eventId": event});
        let issue = id(agency
            .support
            .post("/organizer/agency/issues", &issue)
            .await
            .json(201));
        let comment = json!({"content": format!("{name} has umbrellas"), "issueId": issue});
        let comment = agency.support.post("/organizer/agency/comments", &comment).await;
        let record = agency.owner.get("/organizer/agency/changelogs").await.json(200);
        Staffed {
            manager: hired(components, &agency, "manager", 3).await,
            contact: id(contact.json(201)),
            issue,
            comment: id(comment.json(201)),
            changelog: id(record[0].clone()),
            agency,
        }
    }
}

/// A new user of an agency, signed in.
async fn hired(components: &Components, agency: &people::Agency, name: &str, role: i64) -> Person {
    let email = agency.support.email.replace("support", name);
    agency
        .owner
        .post("/organizer/agency/users", &new_user_with_role(&email, role))
        .await
        .json(201);
    people::sign_in(&components.door, &email, ORGANIZER_PASSWORD).await
}

impl World {
    async fn new(components: &Components) -> World {
        let superadmin = components.superadmin().await;
        let admin = new_user_with_role("admin@example.org", 1);
        superadmin.post("/organizer/admin/users", &admin).await.json(201);
        let admin = people::sign_in(&components.door, "admin@example.org", ORGANIZER_PASSWORD).await;
        let fest = Staffed::new(components, "Fest").await;
        let rival = Staffed::new(components, "Rival").await;

        let refused = components.agency("Later").await;
        let path = format!("/organizer/admin/agencies/{}/verify", refused.id);
        superadmin
            .patch(&path, &json!({"approved": false}))
            .await
            .json(200);
        let gone = hired(components, &fest.agency, "gone", 4).await;
        let path = format!("/organizer/agency/users/{}", gone.id);
        components
            .door
            .send("DELETE", &path, Some(&fest.agency.owner.token), None)
            .await
            .json(200);
        let away = hired(components, &fest.agency, "away", 4).await;
        away.post("/organizer/auth/sign-out", &json!({})).await.empty(200);
        let participant = people::sign_up(&components.door, "p@example.org").await;

        let administrator = |role, previews| Standing::Administrator { role, previews };
        let (owner, support) = (&fest.agency.owner.token, &fest.agency.support.token);
        let key = ORGANIZER_KEY.to_owned();
        let personas = [
            ("the superadmin", administrator(0, false), Some(&superadmin.token)),
            (
                "the superadmin in preview",
                administrator(0, true),
                Some(&superadmin.token),
            ),
            ("an admin", administrator(1, false), Some(&admin.token)),
            ("an admin in preview", administrator(1, true), Some(&admin.token)),
            ("the owner", Standing::Member { role: 2 }, Some(owner)),
            (
                "a manager",
                Standing::Member { role: 3 },
                Some(&fest.manager.token),
            ),
            ("a support user", Standing::Member { role: 4 }, Some(support)),
            ("a stranger", Standing::Stranger, Some(&rival.agency.owner.token)),
            (
                "an owner without approval",
                Standing::Outsider,
                Some(&refused.owner.token),
            ),
            (
                "somebody who has signed out",
                Standing::Outsider,
                Some(&away.token),
            ),
            ("somebody deleted", Standing::Outsider, Some(&gone.token)),
            ("a participant", Standing::Outsider, Some(&participant.token)),
            ("a service", Standing::Service, Some(&key)),
            ("nobody", Standing::Outsider, None),
        ];
        let personas = personas.map(|(name, standing, bearer)| Persona {
            name,
            standing,
            bearer: bearer.cloned(),
            password: if standing.role() == Some(0) {
                SUPERADMIN_PASSWORD
            } else {
                ORGANIZER_PASSWORD
            },
        });
        World {
            fest,
            rival,
            admin,
            superadmin,
            personas: personas.into(),
        }
    }

    /// Starts a preview, if the persona has one, and writes a comment, if the persona may. Returns the ids for the
    /// placeholders.
    async fn prepare(&self, persona: &Persona) -> BTreeMap<&'static str, String> {
        let (fest, agency) = (&self.fest, &self.fest.agency);
        let previewer = match persona.standing {
            Standing::Administrator { role: 0, previews } => Some((&self.superadmin, previews)),
            Standing::Administrator { previews, .. } => Some((&self.admin, previews)),
            _ => None,
        };
        if let Some((administrator, true)) = previewer {
            administrator
                .patch("/organizer/profile/set-agency", &json!({"agencyId": agency.id}))
                .await
                .json(200);
        }
        let author = match persona.standing {
            Standing::Administrator { .. } => previewer
                .filter(|(_, previews)| *previews)
                .map(|(administrator, _)| administrator),
            Standing::Member { role: 2 } => Some(&agency.owner),
            Standing::Member { role: 3 } => Some(&fest.manager),
            Standing::Member { .. } => Some(&agency.support),
            Standing::Outsider | Standing::Service | Standing::Stranger => None,
        };
        let own_comment = match author {
            Some(author) => {
                let comment = json!({"content": "Fest is mine", "issueId": fest.issue});
                let comment = author.post("/organizer/agency/comments", &comment).await;
                comment.json(201)["id"].as_i64().expect("an id")
            }
            None => fest.comment,
        };
        let ids = [
            ("{agency}", agency.id),
            ("{superadmin}", self.superadmin.id),
            ("{admin}", self.admin.id),
            ("{owner}", agency.owner.id),
            ("{manager}", fest.manager.id),
            ("{support}", agency.support.id),
            ("{event}", agency.event_id),
            ("{contact}", fest.contact),
            ("{issue}", fest.issue),
            ("{comment}", fest.comment),
            ("{own_comment}", own_comment),
            ("{changelog}", fest.changelog),
        ];
        let texts = [
            ("{member_password}", ORGANIZER_PASSWORD),
            ("{password}", persona.password),
            ("{person}", PERSON),
        ];
        ids.into_iter()
            .map(|(name, id)| (name, id.to_string()))
            .chain(texts.map(|(name, text)| (name, text.to_owned())))
            .collect()
    }

    /// The agency that a persona acts for.
    fn agency_of(&self, persona: &Persona) -> Option<i64> {
        match persona.standing {
            Standing::Stranger => Some(self.rival.agency.id),
            Standing::Member { .. } | Standing::Administrator { previews: true, .. } => {
                Some(self.fest.agency.id)
            }
            Standing::Administrator { previews: false, .. } | Standing::Outsider | Standing::Service => None,
        }
    }
}

enum Expected {
    /// The status of the table.
    Success,
    /// 200 and an empty body.
    Nothing,
    Refused(Value),
}

fn refused(status: u16, message: impl Into<Value>) -> Expected {
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    Expected::Refused(json!({"statusCode": status, "message": message.into(), "error": reason}))
}

/// A persona at the routes.
struct Visit<'a> {
    door: &'a Door,
    accounts: Accounts,
    database: &'a Database,
    world: &'a World,
    persona: &'a Persona,
    names: BTreeMap<&'static str, String>,
}

impl Visit<'_> {
    /// The expected answer of a route to the persona.
    fn expected(&self, route: &Route) -> Expected {
        let standing = self.persona.standing;
        let least = match (route.who, standing) {
            (Who::Public, _) | (Who::Key, Standing::Service) => return Expected::Success,
            (Who::Key, _) if self.persona.bearer.is_none() => {
                return Expected::Refused(json!({"statusCode": 401, "message": "Unauthorized"}));
            }
            (Who::Key, _) => return refused(401, "invalid api key"),
            (Who::Role(least), _) => least,
        };
        let is_incomplete = self.accounts == Accounts::Incomplete && standing.role().is_some();
        if is_incomplete && !route.is_of_own_account() {
            return refused(403, INCOMPLETE);
        }
        let Some(role) = standing.role().filter(|role| *role <= least) else {
            return refused(403, "Forbidden resource");
        };
        if !route.anywhere && self.world.agency_of(self.persona).is_none() {
            return match (route.method, route.path) {
                ("GET", "/agency") => Expected::Nothing,
                _ => refused(400, "choose an agency first"),
            };
        }
        if standing == Standing::Stranger
            && let Some((placeholder, class)) = route.asks_for()
        {
            return self.not_found(route, class, &self.names[placeholder]);
        }
        if let Some((verb, rank)) = route.rank()
            && rank <= role
        {
            return refused(
                403,
                format!("Not allowed to {verb} user with same role or senior"),
            );
        }
        if route.author && standing != (Standing::Member { role: 4 }) {
            return refused(401, "Only the author can update his comment");
        }
        match route.path {
            "/auth/sign-out" => Expected::Nothing,
            _ => Expected::Success,
        }
    }

    fn not_found(&self, route: &Route, class: &str, id: &str) -> Expected {
        let agency = self.world.agency_of(self.persona);
        let scoped = route.path.starts_with("/agency") && class != "Contact";
        let place = agency
            .filter(|_| scoped)
            .map(|agency| format!(" in agency {agency}"))
            .unwrap_or_default();
        refused(404, format!("{class} with id {id} not found{place}"))
    }

    /// Calls a route, and calls it with ids that do not exist. Restores the database afterwards.
    async fn call(&self, route: &Route, before: &Dump) {
        let Some(factors) = route.second_factors() else {
            return self.call_prepared(route, before).await;
        };
        self.database.give_everybody(factors);
        self.call_prepared(route, &self.database.dump()).await;
        self.database.restore(before);
    }

    async fn call_prepared(&self, route: &Route, before: &Dump) {
        let (path, body) = (self.filled(route.path), self.filled(route.body));
        let expected = self.expected(route);
        if let (Expected::Success, Some((placeholder, class))) = (&expected, route.asks_for())
            && route.resource().contains(placeholder)
        {
            for (id, refusal) in [
                (
                    "x",
                    refused(400, "Validation failed (numeric string is expected)"),
                ),
                (NOBODYS, self.not_found(route, class, NOBODYS)),
            ] {
                let path = self.filled(&route.path.replacen(placeholder, id, 1));
                self.check(route, &path, &body, &refusal, before).await;
            }
        }
        // Contract 2.6: 403 wins over 400.
        if let Expected::Refused(refusal) = &expected
            && [json!("Forbidden resource"), json!(INCOMPLETE)].contains(&refusal["message"])
            && route.method != "GET"
        {
            self.check(route, &path, "{", &expected, before).await;
        }
        self.check(route, &path, &body, &expected, before).await;
    }

    async fn check(&self, route: &Route, path: &str, body: &str, expected: &Expected, before: &Dump) {
        let case = format!("{} {path} {body} as {}", route.method, self.persona.name);
        let reply = self
            .door
            .send_raw(
                route.method,
                &format!("/organizer{path}"),
                self.persona.bearer.as_deref(),
                body.to_owned(),
            )
            .await;
        let text = reply.text();
        let answer = serde_json::from_str::<Value>(&text).unwrap_or_default();
        let after = self.database.dump();
        match expected {
            Expected::Refused(refusal) => {
                assert_eq!(
                    (json!(reply.status), &answer),
                    (refusal["statusCode"].clone(), refusal),
                    "{case}"
                );
                before.assert_same(&after, &case);
            }
            Expected::Nothing => assert_eq!((reply.status, text.as_str()), (200, ""), "{case}"),
            Expected::Success => {
                assert_eq!(reply.status, route.success, "{case}: {text}");
                if let Some((placeholder, _)) = route.asks_for()
                    && route.resource().contains(placeholder)
                {
                    let id = match route.method {
                        _ if path.ends_with("/plan") => "eventId",
                        "GET" if path.ends_with("/second-factor") => "userId",
                        _ => "id",
                    };
                    assert_eq!(answer[id].to_string(), self.names[placeholder], "{case}: {text}");
                }
                if path.contains("/changelogs/verify") {
                    assert_eq!(answer["holds"], true, "{case}: {text}");
                }
            }
        }
        self.assert_apart(route, &text, before, &after, &case);
        if !matches!(expected, Expected::Refused(_)) {
            if route.changes_something() {
                assert!(!before.is_same(&after), "{case} changed nothing");
                self.database.restore(before);
            } else {
                before.assert_same(&after, &case);
            }
        }
    }

    /// Asserts that the answer has no data of the other agency, and that none of its rows has changed.
    fn assert_apart(&self, route: &Route, answer: &str, before: &Dump, after: &Dump, case: &str) {
        let (other, name) = match self.persona.standing {
            Standing::Stranger => (self.world.fest.agency.id, "fest"),
            _ => (self.world.rival.agency.id, "rival"),
        };
        assert_eq!(after.rows_of(other), before.rows_of(other), "{case}");
        let shows_one_agency = route.path.starts_with("/agency") || route.path.starts_with("/profile");
        let is_stranger = self.persona.standing == Standing::Stranger && route.who != Who::Public;
        if shows_one_agency || is_stranger {
            assert!(!answer.to_lowercase().contains(name), "{case}: {answer}");
        }
    }

    fn filled(&self, template: &str) -> String {
        let template = template.replace("{code}", &code(SECRET));
        self.names
            .iter()
            .fold(template, |text, (name, value)| text.replace(name, value))
    }
}

/// The organizer's database, opened directly.
struct Database(Connection);

/// All rows of the database, by table.
struct Dump(BTreeMap<String, Table>);

#[derive(Debug, PartialEq)]
struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<types::Value>>,
}

impl Database {
    fn open(path: &Path) -> Database {
        let connection = Connection::open(path).expect("a database");
        // The test restores tables in any order, needs no durability, and restored rows must not fire triggers.
        connection
            .execute_batch("pragma foreign_keys = off; pragma synchronous = off")
            .expect("settings");
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)
            .expect("a setting");
        Database(connection)
    }

    fn give_everybody_an_initial_password(&self) {
        let sql = "update users set initial_password = 1";
        self.0.execute(sql, []).expect("rows");
    }

    fn give_everybody(&self, factors: SecondFactors) {
        let confirmed = matches!(factors, SecondFactors::Confirmed).then_some(1);
        let sql = "insert into second_factors (user_id, secret, time_confirmed) select id, ?1, ?2 from users";
        self.0.execute(sql, (SECRET, confirmed)).expect("rows");
    }

    fn dump(&self) -> Dump {
        let mut tables = self
            .0
            .prepare(
                "select name from sqlite_schema
                 where type = 'table' and (name not like 'sqlite_%' or name = 'sqlite_sequence')",
            )
            .expect("a statement");
        let names = tables
            .query_map([], |row| row.get::<_, String>(0))
            .expect("a schema");
        let names = names.map(|name| name.expect("a name"));
        Dump(names.map(|name| (name.clone(), self.table(&name))).collect())
    }

    fn table(&self, name: &str) -> Table {
        let mut statement = self
            .0
            .prepare(&format!("select * from {name}"))
            .expect("a statement");
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let rows = statement
            .query_map([], |row| {
                (0..columns.len()).map(|column| row.get(column)).collect()
            })
            .expect("rows")
            .collect::<Result<_, _>>()
            .expect("rows");
        Table { columns, rows }
    }

    /// Restores all rows, and the next ids.
    fn restore(&self, dump: &Dump) {
        self.0.execute_batch("begin immediate").expect("a transaction");
        for (name, table) in &dump.0 {
            self.0
                .execute(&format!("delete from {name}"), [])
                .expect("no rows");
            let places = vec!["?"; table.columns.len()].join(", ");
            let mut insert = self
                .0
                .prepare(&format!("insert into {name} values ({places})"))
                .expect("a statement");
            for row in &table.rows {
                insert.execute(params_from_iter(row)).expect("a row");
            }
        }
        self.0.execute_batch("commit").expect("a commit");
    }
}

impl Dump {
    /// A refused insert may use up an id, so the next ids do not count. Nor does when something was last logged.
    fn difference<'a>(&'a self, other: &'a Dump) -> Option<(&'a str, &'a Table, Option<&'a Table>)> {
        let mut tables = self
            .0
            .iter()
            .filter(|(name, _)| !["sqlite_sequence", "notices"].contains(&name.as_str()));
        tables
            .find(|(name, table)| other.0.get(*name) != Some(table))
            .map(|(name, table)| (name.as_str(), table, other.0.get(name)))
    }

    fn is_same(&self, other: &Dump) -> bool {
        self.difference(other).is_none()
    }

    fn assert_same(&self, after: &Dump, case: &str) {
        if let Some((name, before, after)) = self.difference(after) {
            panic!("{case} changed {name}: {before:#?} became {after:#?}");
        }
    }

    /// The rows of an agency.
    fn rows_of(&self, agency: i64) -> Vec<(&str, &Vec<types::Value>)> {
        let tables = self.0.iter().filter_map(|(name, table)| {
            let key = if name == "agencies" { "id" } else { "agency_id" };
            let column = table.columns.iter().position(|column| column == key)?;
            Some(table.rows.iter().filter_map(move |row| {
                (row[column] == types::Value::Integer(agency)).then_some((name.as_str(), row))
            }))
        });
        tables.flatten().collect()
    }
}
