//! Runs random sequences of organizers' actions beside a model that predicts the answer, the changes and the record of
//! each.
//!
//! The model is a small second implementation of contract 3: `Model::plan` predicts the outcome of an action. The
//! service chooses times and ids of rows; everything else must match the model after every action. The model builds its
//! state from the record only, so lists and tables that agree with it show that the record is complete.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::components::{Components, ORGANIZER_KEY, SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD};
use crate::support::door::Reply;
use crate::support::people::{ORGANIZER_PASSWORD, new_event, new_user, new_user_with_role, registration};

const OTHER_PASSWORD: &str = "another horse battery";

/// How many actions pass between two checks of all lists and chains. There is another check at the end.
const ACTIONS_BETWEEN_LOOKS: usize = 8;

/// No entity ever gets this id.
const NOBODYS: i64 = 999_999;

/// Roles (contract 1.1).
const ADMIN: i64 = 1;
const OWNER: i64 = 2;
const MANAGER: i64 = 3;
const SUPPORT: i64 = 4;

/// Stands for a time of the service in the model's expectations.
const NOW: &str = "now";

#[test]
fn every_action_is_recorded_exactly_and_stays_within_its_agency() {
    let config = Config {
        cases: 10,
        failure_persistence: None,
        max_shrink_iters: 100,
        ..Config::default()
    };
    let sequences = prop::collection::vec(action(), 20..70);
    let outcome = TestRunner::new(config).run(&sequences, |actions| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(live_through(&actions));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

async fn live_through(actions: &[Action]) {
    let mut life = Life::begin().await;
    for (number, action) in opening().iter().chain(actions).enumerate() {
        let plan = life.model.plan(action);
        life.act(plan).await;
        if number % ACTIONS_BETWEEN_LOOKS == 0 {
            life.look_around(Depth::Lists).await;
        }
    }
    life.look_around(Depth::Everything).await;
}

/// An attempted action.
#[derive(Clone, Copy, Debug)]
enum Action {
    Register,
    Verify {
        by: Pick,
        agency: Pick,
        approved: bool,
    },
    Preview {
        by: Pick,
        agency: Option<Pick>,
    },
    SignOut {
        by: Pick,
    },
    ChangePassword {
        by: Pick,
    },
    EditProfile {
        by: Pick,
    },
    EditAgency {
        by: Pick,
    },
    EditSettings {
        by: Pick,
        max_open_chats: Option<u32>,
    },
    DeleteAgency {
        by: Pick,
    },
    CreateUser {
        by: Pick,
        role: i64,
        door: UserDoor,
    },
    EditUser {
        by: Pick,
        user: Pick,
        role: Option<i64>,
        door: UserDoor,
    },
    DeleteUser {
        by: Pick,
        user: Pick,
        door: UserDoor,
    },
    Create {
        by: Pick,
        class: Class,
        parent: Pick,
    },
    Edit {
        by: Pick,
        class: Class,
        entity: Pick,
        status: Option<&'static str>,
    },
    Delete {
        by: Pick,
        class: Class,
        entity: Pick,
    },
}

/// Selects an existing entity by its place, so that a sequence stays meaningful while proptest shrinks it.
#[derive(Clone, Copy, Debug)]
struct Pick {
    place: usize,
    /// Prefer entities with which the action can succeed.
    fitting: bool,
}

impl Pick {
    fn among<T: Copy>(self, all: &[T], fits: impl Fn(&T) -> bool) -> Option<T> {
        let fitting: Vec<T> = all.iter().copied().filter(fits).collect();
        let some = if self.fitting && !fitting.is_empty() {
            &fitting
        } else {
            all
        };
        (!some.is_empty()).then(|| some[self.place % some.len()])
    }
}

/// The two ways to users: `/agency/users` and `/admin/users`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum UserDoor {
    Agency,
    Admin,
}

impl UserDoor {
    fn path(self) -> &'static str {
        match self {
            UserDoor::Agency => "/agency/users",
            UserDoor::Admin => "/admin/users",
        }
    }

    fn least(self) -> i64 {
        match self {
            UserDoor::Agency => MANAGER,
            UserDoor::Admin => ADMIN,
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Class {
    Agency,
    User,
    Event,
    Contact,
    Issue,
    Comment,
}

impl Class {
    const ALL: [Class; 6] = [
        Class::Agency,
        Class::User,
        Class::Event,
        Class::Contact,
        Class::Issue,
        Class::Comment,
    ];

    const OF_AGENCIES: [Class; 5] = [
        Class::User,
        Class::Event,
        Class::Contact,
        Class::Issue,
        Class::Comment,
    ];

    /// Its name in the record.
    fn name(self) -> &'static str {
        match self {
            Class::Agency => "Agency",
            Class::User => "User",
            Class::Event => "Event",
            Class::Contact => "Contact",
            Class::Issue => "Issue",
            Class::Comment => "Comment",
        }
    }

    fn named(name: &Value) -> Class {
        Class::ALL
            .into_iter()
            .find(|class| name == class.name())
            .unwrap_or_else(|| panic!("{name} is no class"))
    }

    /// Its name in routes and tables.
    fn plural(self) -> &'static str {
        match self {
            Class::Agency => "agencies",
            Class::User => "users",
            Class::Event => "events",
            Class::Contact => "contacts",
            Class::Issue => "issues",
            Class::Comment => "comments",
        }
    }

    /// The field of other entities that refers to it.
    fn reference(self) -> Option<&'static str> {
        match self {
            Class::Agency => Some("agencyId"),
            Class::User => Some("authorId"),
            Class::Event => Some("eventId"),
            Class::Issue => Some("issueId"),
            Class::Contact | Class::Comment => None,
        }
    }

    /// The class that it requires.
    fn parent(self) -> Option<Class> {
        match self {
            Class::Contact | Class::Issue => Some(Class::Event),
            Class::Comment => Some(Class::Issue),
            Class::Agency | Class::User | Class::Event => None,
        }
    }

    /// The lowest role that may write it.
    fn least(self) -> i64 {
        match self {
            Class::Issue | Class::Comment => SUPPORT,
            Class::Event | Class::Contact | Class::User => MANAGER,
            Class::Agency => OWNER,
        }
    }

    /// The fields that are blanked in the record when its person is deleted.
    fn personal(self) -> &'static [&'static str] {
        match self {
            Class::User => &["email", "firstName", "lastName", "phoneNumber"],
            Class::Contact => &["email", "firstName", "lastName", "phoneNumber", "additionalNotes"],
            Class::Agency | Class::Event | Class::Issue | Class::Comment => &[],
        }
    }
}

fn pick() -> impl Strategy<Value = Pick> {
    (0..100_usize, prop::bool::weighted(0.85)).prop_map(|(place, fitting)| Pick { place, fitting })
}

fn action() -> impl Strategy<Value = Action> {
    let door = || prop_oneof![4 => Just(UserDoor::Agency), 1 => Just(UserDoor::Admin)];
    let role = || prop_oneof![3 => MANAGER..=SUPPORT, 1 => 0..=SUPPORT];
    let class = || {
        prop::sample::select(vec![
            Class::Event,
            Class::Contact,
            Class::Issue,
            Class::Issue,
            Class::Comment,
            Class::Comment,
        ])
    };
    let status = prop::sample::select(vec!["to_do", "in_progress", "resolved", "cancelled"]);
    prop_oneof![
        1 => Just(Action::Register),
        3 => (pick(), pick(), prop::bool::weighted(0.8))
            .prop_map(|(by, agency, approved)| Action::Verify { by, agency, approved }),
        3 => (pick(), prop::option::of(pick())).prop_map(|(by, agency)| Action::Preview { by, agency }),
        2 => pick().prop_map(|by| Action::SignOut { by }),
        1 => pick().prop_map(|by| Action::ChangePassword { by }),
        2 => pick().prop_map(|by| Action::EditProfile { by }),
        1 => pick().prop_map(|by| Action::EditAgency { by }),
        1 => (pick(), prop::option::of(1..=1000u32))
            .prop_map(|(by, max_open_chats)| Action::EditSettings { by, max_open_chats }),
        1 => pick().prop_map(|by| Action::DeleteAgency { by }),
        6 => (pick(), role(), door()).prop_map(|(by, role, door)| Action::CreateUser { by, role, door }),
        4 => (pick(), pick(), prop::option::of(role()), door())
            .prop_map(|(by, user, role, door)| Action::EditUser { by, user, role, door }),
        3 => (pick(), pick(), door()).prop_map(|(by, user, door)| Action::DeleteUser { by, user, door }),
        16 => (pick(), class(), pick()).prop_map(|(by, class, parent)| Action::Create { by, class, parent }),
        8 => (pick(), class(), pick(), prop::option::of(status))
            .prop_map(|(by, class, entity, status)| Action::Edit { by, class, entity, status }),
        4 => (pick(), class(), pick()).prop_map(|(by, class, entity)| Action::Delete { by, class, entity }),
    ]
}

/// The start of every sequence: two working agencies and an administrator.
fn opening() -> Vec<Action> {
    let at = |place| Pick { place, fitting: true };
    let verify = |place| Action::Verify {
        by: at(0),
        agency: at(place),
        approved: true,
    };
    let hire = |place, role, door| Action::CreateUser {
        by: at(place),
        role,
        door,
    };
    let announce = |place| Action::Create {
        by: at(place),
        class: Class::Event,
        parent: at(0),
    };
    vec![
        Action::Register,
        Action::Register,
        verify(0),
        verify(1),
        hire(0, ADMIN, UserDoor::Admin),
        announce(0),
        announce(1),
        hire(0, MANAGER, UserDoor::Agency),
        hire(1, SUPPORT, UserDoor::Agency),
    ]
}

/// The expected state of the service, and its record.
struct Model {
    /// Entities as clients see them.
    state: BTreeMap<(Class, i64), Value>,
    /// Rows as clients see them, except that `valueAfter` is parsed.
    record: Vec<Value>,
    last_ids: BTreeMap<Class, i64>,
    accounts: BTreeMap<i64, Account>,
    /// Users who were administrators when they were deleted.
    deleted_administrators: BTreeSet<i64>,
    /// Makes names unique.
    actions: u64,
}

struct Account {
    password: &'static str,
    token: Option<String>,
    /// The token is from before a sign-out or a change of password.
    signed_out: bool,
}

impl Account {
    fn new(password: &'static str) -> Account {
        Account {
            password,
            token: None,
            signed_out: false,
        }
    }
}

/// A request and its expected outcome.
#[derive(Debug)]
struct Plan {
    /// Whose token is sent.
    caller: Option<i64>,
    /// The actor in the record.
    actor: i64,
    method: &'static str,
    path: String,
    body: Value,
    outcome: Outcome,
    shown: Shown,
    ends_session: bool,
    new_password: Option<&'static str>,
}

/// All expected changes; or the status and message of a refusal.
type Outcome = Result<Vec<Change>, (u16, String)>;

#[derive(Debug)]
struct Change {
    kind: &'static str,
    class: Class,
    id: i64,
    value: Option<Value>,
    agency: Option<i64>,
}

/// The expected body of a success.
#[derive(Debug)]
enum Shown {
    /// The entity as it is now, or was before it was deleted.
    Entity(Class, i64),
    Exactly(Value),
    Nothing,
    /// Contract 3.6: clients ignore it.
    Anything,
}

fn refused<T>(status: u16, message: impl Into<String>) -> Result<T, (u16, String)> {
    Err((status, message.into()))
}

impl Plan {
    fn new(caller: i64, method: &'static str, path: String, body: Value, outcome: Outcome) -> Plan {
        let shown = match outcome.as_deref() {
            Ok([.., asked]) => Shown::Entity(asked.class, asked.id),
            Ok([]) | Err(_) => Shown::Nothing,
        };
        Plan {
            caller: Some(caller),
            actor: caller,
            method,
            path,
            body,
            outcome,
            shown,
            ends_session: false,
            new_password: None,
        }
    }
}

impl Model {
    fn ids(&self, class: Class) -> Vec<i64> {
        self.state
            .keys()
            .filter(|(of, _)| *of == class)
            .map(|(_, id)| *id)
            .collect()
    }

    fn next_id(&self, class: Class) -> i64 {
        self.last_ids.get(&class).copied().unwrap_or_default() + 1
    }

    fn user(&self, id: i64) -> &Value {
        &self.state[&(Class::User, id)]
    }

    fn role(&self, user: i64) -> i64 {
        number(&self.user(user)["role"])
    }

    /// The agency that a user acts for.
    fn agency_of(&self, user: i64) -> Option<i64> {
        self.user(user)["agencyId"].as_i64()
    }

    /// Contract 2.3: whether a user gets a token, and whether the token is valid.
    fn may_sign_in(&self, user: i64) -> bool {
        let agency = self
            .agency_of(user)
            .and_then(|agency| self.state.get(&(Class::Agency, agency)));
        self.role(user) <= ADMIN || agency.is_some_and(|agency| agency["approved"] == true)
    }

    /// Contract 2.2 and 3.1.
    fn admit(&self, caller: i64, least: i64) -> Result<(), (u16, String)> {
        let holds = self.may_sign_in(caller) && !self.accounts[&caller].signed_out;
        if holds && self.role(caller) <= least {
            Ok(())
        } else {
            refused(403, "Forbidden resource")
        }
    }

    /// The agency a caller of `/agency` acts for.
    fn scope(&self, caller: i64, least: i64) -> Result<i64, (u16, String)> {
        self.admit(caller, least)?;
        self.agency_of(caller)
            .map_or_else(|| refused(400, "choose an agency first"), Ok)
    }

    fn find(&self, class: Class, id: i64, agency: i64) -> Result<&Value, (u16, String)> {
        let found = self.state.get(&(class, id));
        let place = match class {
            Class::Contact => String::new(),
            _ => format!(" in agency {agency}"),
        };
        match found.filter(|entity| entity["agencyId"] == agency) {
            Some(entity) => Ok(entity),
            None => refused(404, format!("{} with id {id} not found{place}", class.name())),
        }
    }

    fn find_user(&self, caller: i64, id: i64, door: UserDoor) -> Result<i64, (u16, String)> {
        self.admit(caller, door.least())?;
        match door {
            UserDoor::Agency => {
                let agency = self.scope(caller, door.least())?;
                self.find(Class::User, id, agency)?;
            }
            UserDoor::Admin if !self.state.contains_key(&(Class::User, id)) => {
                return refused(404, format!("User with id {id} not found"));
            }
            UserDoor::Admin => {}
        }
        Ok(self.role(id))
    }

    fn manages(&self, caller: i64, role: i64, verb: &str) -> Result<(), (u16, String)> {
        if role > self.role(caller) {
            Ok(())
        } else {
            refused(
                403,
                format!("Not allowed to {verb} user with same role or senior"),
            )
        }
    }

    /// A caller for a route that requires a role, and an agency if it is below `/agency`.
    fn caller(&self, pick: Pick, least: i64, path: &str) -> i64 {
        let fits = |user: &i64| {
            self.may_sign_in(*user)
                && self.role(*user) <= least
                && (!path.starts_with("/agency") || self.agency_of(*user).is_some())
        };
        pick.among(&self.ids(Class::User), fits)
            .expect("the superadmin is always there")
    }

    /// An entity for a caller to use.
    fn entity(&self, pick: Pick, class: Class, caller: i64) -> i64 {
        let agency = self.agency_of(caller);
        let fits =
            |id: &i64| class == Class::Agency || self.state[&(class, *id)]["agencyId"].as_i64() == agency;
        pick.among(&self.ids(class), fits).unwrap_or(NOBODYS)
    }

    fn edited(&self, class: Class, id: i64, edits: &Value) -> Value {
        let mut entity = self.state[&(class, id)].clone();
        for (field, value) in edits.as_object().expect("fields") {
            entity[field] = value.clone();
        }
        entity
    }

    fn update(&self, caller: i64, class: Class, id: i64, edits: &Value) -> Change {
        let value = self.edited(class, id, edits);
        Change {
            kind: "update",
            class,
            id,
            agency: self.agency_on_record(caller, class, &value),
            value: Some(value),
        }
    }

    fn insert(&self, caller: i64, class: Class, value: Value) -> Change {
        Change {
            kind: "insert",
            class,
            id: self.next_id(class),
            agency: self.agency_on_record(caller, class, &value),
            value: Some(value),
        }
    }

    /// The agency that the caller acts for, if the entity belongs to it.
    fn agency_on_record(&self, caller: i64, class: Class, entity: &Value) -> Option<i64> {
        let of = match class {
            Class::Agency => entity["id"].as_i64(),
            _ => entity["agencyId"].as_i64(),
        };
        self.agency_of(caller).filter(|agency| of == Some(*agency))
    }

    /// The deletions that an entity's deletion causes (contract 3.7), and the entity itself as the last.
    fn removal(&self, caller: i64, class: Class, id: i64) -> Vec<Change> {
        let mut going = BTreeSet::from([(class, id)]);
        let mut reached = vec![(class, id)];
        while let Some((class, id)) = reached.pop() {
            let Some(reference) = class.reference() else {
                continue;
            };
            for (key, entity) in &self.state {
                let administers = key.0 == Class::User && number(&entity["role"]) <= ADMIN;
                if entity[reference] == id && !administers && going.insert(*key) {
                    reached.push(*key);
                }
            }
        }
        going.remove(&(class, id));
        let mut changes: Vec<Change> = going
            .into_iter()
            .map(|(class, id)| Change {
                kind: "delete",
                class,
                id,
                value: None,
                agency: self.state[&(class, id)]["agencyId"].as_i64(),
            })
            .collect();
        if class == Class::Agency {
            let previewers = self
                .ids(Class::User)
                .into_iter()
                .filter(|user| self.role(*user) <= ADMIN && self.agency_of(*user) == Some(id));
            changes.extend(previewers.map(|user| Change {
                agency: Some(id),
                ..self.update(user, Class::User, user, &json!({"agencyId": null}))
            }));
        }
        changes.push(Change {
            kind: "delete",
            class,
            id,
            value: None,
            agency: self.agency_on_record(caller, class, &self.state[&(class, id)]),
        });
        changes
    }

    fn plan(&mut self, action: &Action) -> Plan {
        self.actions += 1;
        match *action {
            Action::Register => self.register(),
            Action::Verify { by, agency, approved } => {
                let caller = self.caller(by, ADMIN, "/admin");
                let agency = self.entity(agency, Class::Agency, caller);
                self.verify(caller, agency, approved)
            }
            Action::Preview { by, agency } => {
                let caller = self.caller(by, ADMIN, "/profile");
                let agency = agency
                    .map(|agency| self.entity(agency, Class::Agency, caller))
                    .filter(|agency| *agency != NOBODYS);
                self.preview(caller, agency)
            }
            Action::SignOut { by } => self.sign_out(self.caller(by, SUPPORT, "/auth")),
            Action::ChangePassword { by } => self.change_password(self.caller(by, SUPPORT, "/profile")),
            Action::EditProfile { by } => {
                let caller = self.caller(by, SUPPORT, "/profile");
                let body = json!({"firstName": self.fresh("Ewa")});
                let outcome = self
                    .admit(caller, SUPPORT)
                    .map(|()| vec![self.update(caller, Class::User, caller, &body)]);
                Plan::new(caller, "PATCH", "/profile".to_owned(), body, outcome)
            }
            Action::EditAgency { by } => {
                let caller = self.caller(by, OWNER, "/agency");
                let website = [Value::Null, "example.org".into()][self.coin()].clone();
                let body = json!({"name": self.fresh("Agency"), "website": website});
                let outcome = self
                    .scope(caller, OWNER)
                    .map(|agency| vec![self.update(caller, Class::Agency, agency, &body)]);
                Plan::new(caller, "PATCH", "/agency".to_owned(), body, outcome)
            }
            Action::EditSettings { by, max_open_chats } => {
                let caller = self.caller(by, OWNER, "/agency");
                let body = json!({"maxOpenChats": max_open_chats});
                let outcome = self
                    .scope(caller, OWNER)
                    .map(|agency| vec![self.update(caller, Class::Agency, agency, &body)]);
                Plan {
                    shown: Shown::Exactly(body.clone()),
                    ..Plan::new(caller, "PATCH", "/agency/settings".to_owned(), body, outcome)
                }
            }
            Action::DeleteAgency { by } => {
                let caller = self.caller(by, OWNER, "/agency");
                let outcome = self
                    .scope(caller, OWNER)
                    .map(|agency| self.removal(caller, Class::Agency, agency));
                Plan::new(caller, "DELETE", "/agency".to_owned(), Value::Null, outcome)
            }
            Action::CreateUser { by, role, door } => {
                self.create_user(self.caller(by, door.least(), door.path()), role, door)
            }
            Action::EditUser { by, user, role, door } => {
                let caller = self.caller(by, door.least(), door.path());
                self.edit_user(caller, self.entity(user, Class::User, caller), role, door)
            }
            Action::DeleteUser { by, user, door } => {
                let caller = self.caller(by, door.least(), door.path());
                let user = self.entity(user, Class::User, caller);
                let path = format!("{}/{user}", door.path());
                let outcome = self
                    .find_user(caller, user, door)
                    .and_then(|role| self.manages(caller, role, "delete"))
                    .map(|()| self.removal(caller, Class::User, user));
                Plan::new(caller, "DELETE", path, Value::Null, outcome)
            }
            Action::Create { by, class, parent } => {
                let caller = self.caller(by, class.least(), "/agency");
                let parent = class.parent().map(|class| self.entity(parent, class, caller));
                self.create(caller, class, parent)
            }
            Action::Edit {
                by,
                class,
                entity,
                status,
            } => {
                let caller = self.caller(by, class.least(), "/agency");
                self.edit(caller, class, self.entity(entity, class, caller), status)
            }
            Action::Delete { by, class, entity } => {
                let caller = self.caller(by, class.least(), "/agency");
                let id = self.entity(entity, class, caller);
                let path = format!("/agency/{}/{id}", class.plural());
                let outcome = self
                    .scope(caller, class.least())
                    .and_then(|agency| self.find(class, id, agency))
                    .map(|_| self.removal(caller, class, id));
                Plan::new(caller, "DELETE", path, Value::Null, outcome)
            }
        }
    }

    fn fresh(&self, name: &str) -> String {
        format!("{name}{}", self.actions)
    }

    /// Chooses one of two variants.
    fn coin(&self) -> usize {
        usize::from(self.actions.is_multiple_of(2))
    }

    fn register(&self) -> Plan {
        let body = registration(&self.fresh("Agency"));
        let (agency, owner) = (self.next_id(Class::Agency), self.next_id(Class::User));
        let mut founded = body["agency"].clone();
        founded["id"] = agency.into();
        founded["approved"] = false.into();
        let change = |class, id, value| Change {
            kind: "insert",
            class,
            id,
            value: Some(value),
            agency: Some(agency),
        };
        let changes = vec![
            change(
                Class::User,
                owner,
                new_account(&body["owner"], owner, OWNER, Some(agency)),
            ),
            change(Class::Agency, agency, founded),
        ];
        Plan {
            caller: None,
            ..Plan::new(owner, "POST", "/agency".to_owned(), body, Ok(changes))
        }
    }

    fn verify(&self, caller: i64, agency: i64, approved: bool) -> Plan {
        let body = json!({"approved": approved});
        let outcome = self.admit(caller, ADMIN).and_then(|()| {
            if self.state.contains_key(&(Class::Agency, agency)) {
                Ok(vec![self.update(caller, Class::Agency, agency, &body)])
            } else {
                refused(404, format!("Agency with id {agency} not found"))
            }
        });
        Plan::new(
            caller,
            "PATCH",
            format!("/admin/agencies/{agency}/verify"),
            body,
            outcome,
        )
    }

    fn preview(&self, caller: i64, agency: Option<i64>) -> Plan {
        let edits = json!({"agencyId": agency});
        let body = if agency.is_none() && self.coin() == 0 {
            json!({})
        } else {
            edits.clone()
        };
        let outcome = self.admit(caller, ADMIN).map(|()| {
            let update = self.update(caller, Class::User, caller, &edits);
            // An agency's record shows that a preview has ended, but not which agency is next.
            let left = self.agency_of(caller).filter(|_| agency.is_none());
            vec![Change {
                agency: left.or(update.agency),
                ..update
            }]
        });
        Plan {
            shown: Shown::Anything,
            ..Plan::new(caller, "PATCH", "/profile/set-agency".to_owned(), body, outcome)
        }
    }

    fn sign_out(&self, caller: i64) -> Plan {
        let outcome = self
            .admit(caller, SUPPORT)
            .map(|()| vec![self.update(caller, Class::User, caller, &json!({"timeSignOut": NOW}))]);
        Plan {
            shown: Shown::Nothing,
            ends_session: true,
            ..Plan::new(caller, "POST", "/auth/sign-out".to_owned(), json!({}), outcome)
        }
    }

    fn change_password(&self, caller: i64) -> Plan {
        let present = self.accounts[&caller].password;
        let new = if present == OTHER_PASSWORD {
            ORGANIZER_PASSWORD
        } else {
            OTHER_PASSWORD
        };
        let body = json!({"oldPassword": present, "newPassword": new, "confirmNewPassword": new});
        let outcome = self
            .admit(caller, SUPPORT)
            .map(|()| vec![self.update(caller, Class::User, caller, &json!({"timeSignOut": NOW}))]);
        let path = "/profile/change-password".to_owned();
        Plan {
            ends_session: true,
            new_password: Some(new),
            ..Plan::new(caller, "PATCH", path, body, outcome)
        }
    }

    fn create_user(&self, caller: i64, role: i64, door: UserDoor) -> Plan {
        let email = format!("{}@example.org", self.fresh("user"));
        let agency = match door {
            UserDoor::Agency => self.scope(caller, door.least()).map(Some),
            UserDoor::Admin => self.admit(caller, door.least()).map(|()| None),
        };
        let outcome = agency.and_then(|agency| {
            self.manages(caller, role, "create")?;
            let id = self.next_id(Class::User);
            Ok(vec![self.insert(
                caller,
                Class::User,
                new_account(&new_user(&email), id, role, agency),
            )])
        });
        let body = new_user_with_role(&email, role);
        Plan::new(caller, "POST", door.path().to_owned(), body, outcome)
    }

    fn edit_user(&self, caller: i64, user: i64, role: Option<i64>, door: UserDoor) -> Plan {
        let mut body = json!({"lastName": self.fresh("Lis")});
        if let Some(role) = role.filter(|_| door == UserDoor::Agency) {
            body["role"] = role.into();
        }
        let outcome = self.find_user(caller, user, door).and_then(|present| {
            self.manages(caller, present, "update")?;
            if let Some(future) = body["role"].as_i64() {
                self.manages(caller, future, "update")?;
            }
            Ok(vec![self.update(caller, Class::User, user, &body)])
        });
        let path = format!("{}/{user}", door.path());
        Plan::new(caller, "PATCH", path, body, outcome)
    }

    fn create(&self, caller: i64, class: Class, parent: Option<i64>) -> Plan {
        let name = self.fresh(class.name());
        let priority = ["low", "high"][self.coin()];
        let mut body = match class {
            Class::Event => new_event(&name),
            Class::Contact => json!({
                "firstName": name, "lastName": "Kos", "email": "kos@example.org", "phoneNumber": "+48123456789",
                "additionalNotes": "By day", "eventId": parent.unwrap_or_default().to_string(),
            }),
            Class::Issue => json!({
                "name": name, "description": "Rain", "priority": priority,
                "eventId": format!("{} - Night", parent.unwrap_or_default()),
            }),
            Class::Comment => json!({"content": name, "issueId": parent}),
            Class::Agency | Class::User => unreachable!("these have ways of their own"),
        };
        if class == Class::Event && self.coin() == 0 {
            body["lat"] = json!(50.25);
        }
        let outcome = self.scope(caller, class.least()).and_then(|agency| {
            let mut entity = body.clone();
            if let (Some(of), Some(parent)) = (class.parent(), parent) {
                self.find(of, parent, agency)?;
                entity[of.reference().expect("a field")] = parent.into();
            }
            entity["id"] = self.next_id(class).into();
            entity["agencyId"] = agency.into();
            let given = match class {
                Class::Event => {
                    json!({"timeStart": "2026-07-03T18:00:00.000Z", "timeEnd": "2026-07-03T23:00:00.000Z"})
                }
                Class::Issue => {
                    json!({"status": "to_do", "timeCreated": NOW, "timeClosed": null, "authorId": caller})
                }
                Class::Comment => json!({"timeCreated": NOW, "authorId": caller}),
                Class::Agency | Class::User | Class::Contact => json!({}),
            };
            for (field, value) in given.as_object().expect("fields") {
                entity[field] = value.clone();
            }
            Ok(vec![self.insert(caller, class, entity)])
        });
        let path = format!("/agency/{}", class.plural());
        Plan::new(caller, "POST", path, body, outcome)
    }

    fn edit(&self, caller: i64, class: Class, id: i64, status: Option<&'static str>) -> Plan {
        let text = self.fresh(class.name());
        let body = match (class, status) {
            (Class::Event, None) => json!({"name": text}),
            (Class::Event, Some(_)) => {
                json!({"name": text, "lng": "20.5", "timeEnd": "2026-07-04T01:00+02:00"})
            }
            (Class::Contact, _) => json!({"firstName": text, "additionalNotes": ""}),
            (Class::Issue, None) => json!({"name": text, "priority": "medium"}),
            (Class::Issue, Some(status)) => json!({"status": status}),
            (Class::Comment, None) => json!({}),
            (Class::Comment, Some(_)) => json!({"content": text}),
            (Class::Agency | Class::User, _) => unreachable!("these have ways of their own"),
        };
        let outcome = self.scope(caller, class.least()).and_then(|agency| {
            let present = self.find(class, id, agency)?;
            if class == Class::Comment && present["authorId"] != caller {
                return refused(401, "Only the author can update his comment");
            }
            let mut edits = body.clone();
            if edits["timeEnd"].is_string() {
                edits["timeEnd"] = "2026-07-03T23:00:00.000Z".into();
            }
            let resulting = status
                .filter(|_| class == Class::Issue)
                .or(present["status"].as_str());
            if resulting.is_some_and(|status| ["resolved", "cancelled"].contains(&status)) {
                edits["timeClosed"] = NOW.into();
            }
            Ok(vec![self.update(caller, class, id, &edits)])
        });
        let path = format!("/agency/{}/{id}", class.plural());
        Plan::new(caller, "PATCH", path, body, outcome)
    }

    /// The expected row of a change. Takes the values that only the service can know from the actual row.
    fn row(&self, actor: i64, change: &Change, left: &Value) -> Value {
        let mut value = change.value.clone();
        if let Some(user) = value
            .as_mut()
            .filter(|_| change.class == Class::User && change.kind == "update")
        {
            // Contract 3.8.
            let agency = user["agencyId"].as_i64();
            user["agency"] =
                agency.map_or(Value::Null, |agency| self.state[&(Class::Agency, agency)].clone());
        }
        let mut row = json!({
            "id": left["id"], "entityId": change.id, "entityClass": change.class.name(), "type": change.kind,
            "changedAt": NOW,
            "valueAfter": value, "userId": actor, "agencyId": change.agency,
        });
        take_times(&mut row, left);
        row
    }

    /// Applies new rows to the state.
    fn learn(&mut self, rows: &[Value]) {
        for row in rows {
            let key @ (class, id) = subject(row);
            let last = self.last_ids.entry(class).or_default();
            *last = id.max(*last);
            if row["type"] == "delete" {
                let gone = self.state.remove(&key).expect("it was there");
                if class == Class::User && number(&gone["role"]) <= ADMIN {
                    self.deleted_administrators.insert(id);
                }
            } else {
                self.state.insert(key, current(row));
            }
        }
        self.record.extend_from_slice(rows);
    }

    /// Blanks the record of people who were just deleted.
    fn blank(&mut self, changes: &[Change]) {
        for change in changes.iter().filter(|change| change.kind == "delete") {
            for row in &mut self.record {
                let of_user = change.class == Class::User && subject(row) == (Class::User, change.id);
                let of_contact = change.class == Class::Agency
                    && subject(row).0 == Class::Contact
                    && row["agencyId"] == change.id;
                if (of_user || of_contact) && row["valueAfter"].is_object() {
                    for field in subject(row).0.personal() {
                        row["valueAfter"][field] = "".into();
                    }
                }
            }
        }
    }

    /// Entities of an agency in the order of lists (contract 3.5), with the administrators who preview it.
    fn list(&self, class: Class, agency: i64) -> Vec<Value> {
        let mut list: Vec<Value> = self
            .ids(class)
            .into_iter()
            .map(|id| self.state[&(class, id)].clone())
            .filter(|entity| entity["agencyId"] == agency)
            .collect();
        if class == Class::Comment {
            list.sort_by_key(|comment| (comment["timeCreated"].to_string(), number(&comment["id"])));
            list.reverse();
        }
        list
    }

    fn rows(&self, which: impl Fn(&Value) -> bool) -> Vec<Value> {
        self.record.iter().filter(|row| which(row)).cloned().collect()
    }

    /// Whether a row is in the administrators' list.
    fn is_by_administrator(&self, row: &Value) -> bool {
        let user = number(&row["userId"]);
        let role = self.state.get(&(Class::User, user));
        self.deleted_administrators.contains(&user) || role.is_some_and(|user| number(&user["role"]) <= ADMIN)
    }

    /// Every list that users of an agency can read, with its expected rows.
    fn lists_of_agency(&self, agency: i64) -> Vec<(String, Vec<Value>)> {
        let lists =
            Class::OF_AGENCIES.map(|class| (format!("/agency/{}", class.plural()), self.list(class, agency)));
        let record = self.rows(|row| row["agencyId"] == agency);
        lists
            .into_iter()
            .chain([("/agency/changelogs".to_owned(), record)])
            .collect()
    }

    /// The same lists with each filter and each of its meaningful values, of this agency and of others.
    fn filtered_lists_of_agency(&self, agency: i64) -> Vec<(String, Vec<Value>)> {
        let mut lists = Vec::new();
        for (class, of) in [
            (Class::Contact, Class::Event),
            (Class::Issue, Class::Event),
            (Class::Comment, Class::Issue),
        ] {
            let field = of.reference().expect("a field");
            for id in self.ids(of) {
                let mut list = self.list(class, agency);
                list.retain(|entity| entity[field] == id);
                lists.push((format!("/agency/{}?{field}={id}", class.plural()), list));
            }
        }
        for id in self.ids(Class::User) {
            let list = self.rows(|row| row["agencyId"] == agency && row["userId"] == id);
            lists.push((format!("/agency/changelogs?userId={id}"), list));
        }
        lists
    }

    /// Every list that administrators can read.
    fn lists_of_administrators(&self) -> Vec<(String, Vec<Value>)> {
        let of = |class| {
            self.ids(class)
                .into_iter()
                .map(move |id| self.state[&(class, id)].clone())
        };
        let administrators = of(Class::User).filter(|user| number(&user["role"]) <= ADMIN);
        vec![
            ("/admin/agencies".to_owned(), of(Class::Agency).collect()),
            ("/admin/users".to_owned(), administrators.collect()),
            (
                "/admin/changelogs".to_owned(),
                self.rows(|row| self.is_by_administrator(row)),
            ),
        ]
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn new_account(form: &Value, id: i64, role: i64, agency: Option<i64>) -> Value {
    json!({
        "id": id, "email": form["email"], "firstName": form["firstName"], "lastName": form["lastName"],
        "phoneNumber": form["phoneNumber"], "timeCreated": NOW, "timeSignOut": NOW, "role": role, "agencyId": agency,
    })
}

/// The entity of a row.
fn subject(row: &Value) -> (Class, i64) {
    (Class::named(&row["entityClass"]), number(&row["entityId"]))
}

/// The entity in a row, as the answer to its write showed it.
fn written(row: &Value) -> Value {
    let mut entity = row["valueAfter"].clone();
    entity.as_object_mut().expect("an entity").remove("agency");
    entity
}

/// The same as later reads show it: texts from forms have become numbers (contract 3.2), and an agency comes without
/// its settings.
fn current(row: &Value) -> Value {
    let mut entity = written(row);
    entity.as_object_mut().expect("an entity").remove("maxOpenChats");
    for field in ["lat", "lng"] {
        if let Some(text) = entity[field].as_str() {
            entity[field] = text.parse::<f64>().expect("a number").into();
        }
    }
    entity
}

/// Replaces [`NOW`] in the expected value by the service's times.
fn take_times(expected: &mut Value, actual: &Value) {
    if let Value::Object(fields) = expected {
        for (field, value) in fields {
            take_times(value, &actual[field]);
        }
    } else if expected == NOW && actual.as_str().is_some_and(is_time) {
        *expected = actual.clone();
    }
}

/// Contract 1.2.
fn is_time(text: &str) -> bool {
    text.bytes()
        .zip("0000-00-00T00:00:00.000Z".bytes())
        .filter(|(byte, pattern)| byte == pattern || (*pattern == b'0' && byte.is_ascii_digit()))
        .count()
        == 24
        && text.len() == 24
}

/// How much to compare.
#[derive(Clone, Copy, PartialEq)]
enum Depth {
    Lists,
    /// Lists with every filter, in pages, and single entities.
    Everything,
}

/// A service, and its model.
struct Life {
    components: Components,
    database: Connection,
    model: Model,
    superadmin: i64,
}

impl Life {
    /// Starts a service. The first row of its record is the superadmin's creation.
    async fn begin() -> Life {
        let components = Components::with(&["organizer"], &[]);
        let superadmin = components.superadmin().await.id;
        let database = Connection::open(components.database("organizer")).expect("a database");
        let mut model = Model {
            state: BTreeMap::new(),
            record: Vec::new(),
            last_ids: BTreeMap::new(),
            accounts: BTreeMap::from([(superadmin, Account::new(SUPERADMIN_PASSWORD))]),
            deleted_administrators: BTreeSet::new(),
            actions: 0,
        };
        let form = json!({
            "email": SUPERADMIN_EMAIL, "firstName": "Super", "lastName": "Admin", "phoneNumber": "+48123456789",
        });
        let bootstrap = Change {
            kind: "insert",
            class: Class::User,
            id: superadmin,
            value: Some(new_account(&form, superadmin, 0, None)),
            agency: None,
        };
        let rows = read_record(&database);
        let first = rows.first().cloned().unwrap_or_default();
        assert_eq!(rows, [model.row(superadmin, &bootstrap, &first)]);
        model.learn(&rows);
        Life {
            components,
            database,
            model,
            superadmin,
        }
    }

    /// A user's token, which may be void; none for users who may not sign in.
    async fn token(&mut self, user: i64) -> Option<String> {
        let account = &self.model.accounts[&user];
        if let Some(token) = &account.token {
            return Some(token.clone());
        }
        let body = json!({"email": self.model.user(user)["email"], "password": account.password});
        let reply = self.send("POST", "/auth/sign-in", None, &body).await;
        if !self.model.may_sign_in(user) {
            reply.error(400, "your agency is not approved by administrators");
            return None;
        }
        let signed_in = reply.json(200);
        assert_eq!(&signed_in["user"], self.model.user(user));
        let token = signed_in["token"].as_str().expect("a token").to_owned();
        let account = self.model.accounts.get_mut(&user).expect("an account");
        account.token = Some(token.clone());
        Some(token)
    }

    async fn send(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> Reply {
        let path = format!("/organizer{path}");
        let body = Some(body).filter(|body| !body.is_null());
        self.components.door.send(method, &path, token, body).await
    }

    /// Carries a plan out, and checks that it has exactly the expected outcome.
    async fn act(&mut self, plan: Plan) {
        let token = match plan.caller {
            Some(caller) => match self.token(caller).await {
                Some(token) => Some(token),
                None => return,
            },
            None => None,
        };
        let reply = self
            .send(plan.method, &plan.path, token.as_deref(), &plan.body)
            .await;
        let case = format!("{plan:#?}\nanswered {} {}", reply.status, reply.text());
        let before = match plan.shown {
            Shown::Entity(class, id) => self.model.state.get(&(class, id)).cloned(),
            Shown::Exactly(_) | Shown::Nothing | Shown::Anything => None,
        };
        let changes = match &plan.outcome {
            Ok(changes) => changes.as_slice(),
            Err(_) => &[],
        };
        let rows = self.compare_record(&plan, changes, &case);
        match &plan.outcome {
            Ok(_) => check_success(&plan, &reply, before, &rows, &case),
            Err((status, message)) => {
                let answer = serde_json::from_str::<Value>(&reply.text()).unwrap_or_default();
                assert_eq!(
                    (reply.status, answer["message"].as_str()),
                    (*status, Some(message.as_str())),
                    "{case}"
                );
                reply.error(*status, message.as_str());
            }
        }
        let deleted = self.keep_accounts(&plan, &rows);
        self.compare_tables(&case);
        for token in deleted {
            self.send("GET", "/profile", Some(&token), &Value::Null)
                .await
                .error(403, "Forbidden resource");
        }
    }

    /// Checks that exactly these changes were added to the record, with deletions of parts before the whole.
    fn compare_record(&mut self, plan: &Plan, changes: &[Change], case: &str) -> Vec<Value> {
        self.model.blank(changes);
        let mut rows = read_record(&self.database);
        let known = self.model.record.len();
        assert!(rows.len() >= known, "rows are gone: {case}");
        let rows = rows.split_off(known);
        let old = read_record(&self.database);
        assert_eq!(
            old[..known],
            self.model.record,
            "what was on record before: {case}"
        );

        let mut expected: Vec<&Change> = changes.iter().collect();
        expected.sort_by_key(|change| (change.class, change.id));
        let mut sorted: Vec<&Value> = rows.iter().collect();
        sorted.sort_by_key(|row| subject(row));
        let subjects = |change: &&Change| (change.class, change.id);
        assert_eq!(
            sorted.iter().map(|row| subject(row)).collect::<Vec<_>>(),
            expected.iter().map(subjects).collect::<Vec<_>>(),
            "what is on record: {case}"
        );
        for (change, row) in expected.into_iter().zip(sorted) {
            assert_eq!(row, &self.model.row(plan.actor, change, row), "on record: {case}");
        }
        self.check_order(&rows, changes, case);
        self.model.learn(&rows);
        rows
    }

    fn check_order(&self, rows: &[Value], changes: &[Change], case: &str) {
        let place = |key: (Class, i64)| {
            rows.iter()
                .position(|row| subject(row) == key && row["type"] == "delete")
        };
        for (number, row) in rows.iter().enumerate().filter(|(_, row)| row["type"] == "delete") {
            let entity = &self.model.state[&subject(row)];
            for class in Class::ALL {
                let parent = class
                    .reference()
                    .and_then(|reference| entity[reference].as_i64())
                    .and_then(|id| place((class, id)));
                assert!(
                    parent.is_none_or(|parent| number < parent),
                    "children go first: {case}"
                );
            }
        }
        if let Some(asked) = changes.last().filter(|change| change.kind == "delete") {
            let last = rows.last().map(subject);
            assert_eq!(
                last,
                Some((asked.class, asked.id)),
                "what was asked for is last: {case}"
            );
        }
    }

    /// Keeps track of created and deleted accounts, and returns the tokens of deleted ones.
    fn keep_accounts(&mut self, plan: &Plan, rows: &[Value]) -> Vec<String> {
        let accounts = &mut self.model.accounts;
        if let Some(account) = plan.caller.and_then(|caller| accounts.get_mut(&caller)) {
            if account.signed_out {
                *account = Account::new(account.password);
            }
            if plan.outcome.is_ok() {
                account.signed_out = plan.ends_session;
                account.password = plan.new_password.unwrap_or(account.password);
            }
        }
        let mut tokens = Vec::new();
        for row in rows {
            match (subject(row), row["type"].as_str()) {
                ((Class::User, id), Some("insert")) => {
                    accounts.insert(id, Account::new(ORGANIZER_PASSWORD));
                }
                ((Class::User, id), Some("delete")) => {
                    tokens.extend(accounts.remove(&id).and_then(|account| account.token));
                }
                _ => {}
            }
        }
        tokens
    }

    /// Checks that the tables hold exactly the model's entities, and that every reference leads to a row of the same
    /// agency.
    fn compare_tables(&self, case: &str) {
        for class in Class::ALL {
            let ids = self.query(&format!("select id from {} order by id", class.plural()));
            assert_eq!(ids, self.model.ids(class), "{}: {case}", class.plural());
        }
        for (child, field, parent) in [
            ("users", "agency_id", "agencies"),
            ("events", "agency_id", "agencies"),
            ("contacts", "agency_id", "agencies"),
            ("issues", "agency_id", "agencies"),
            ("comments", "agency_id", "agencies"),
            ("contacts", "event_id", "events"),
            ("issues", "event_id", "events"),
            ("comments", "issue_id", "issues"),
            ("issues", "author_id", "users"),
            ("comments", "author_id", "users"),
        ] {
            let orphans = format!(
                "select id from {child} where {field} is not null and {field} not in (select id from {parent})"
            );
            assert_eq!(
                self.query(&orphans),
                [0_i64; 0],
                "{child} without {parent}: {case}"
            );
            if parent == "events" || parent == "issues" {
                let strays = format!(
                    "select c.id from {child} c join {parent} p on p.id = c.{field} where c.agency_id <> p.agency_id"
                );
                assert_eq!(
                    self.query(&strays),
                    [0_i64; 0],
                    "{child} with {parent} of others: {case}"
                );
            }
        }
    }

    fn query(&self, sql: &str) -> Vec<i64> {
        let mut statement = self.database.prepare(sql).expect("a statement");
        let ids = statement.query_map([], |row| row.get(0)).expect("rows");
        ids.collect::<Result<_, _>>().expect("ids")
    }

    /// Checks that all users see the model's state, and that all chains hold.
    async fn look_around(&mut self, depth: Depth) {
        for agency in self.model.ids(Class::Agency) {
            let reader = self.reader(agency).await;
            let shown = self.send("GET", "/agency", Some(&reader), &Value::Null).await;
            assert_eq!(shown.json(200), self.model.state[&(Class::Agency, agency)]);
            let mut lists = self.model.lists_of_agency(agency);
            if depth == Depth::Everything {
                for (path, expected) in &lists {
                    assert_eq!(&self.read_in_pages(path, &reader).await, expected, "{path}");
                }
                lists.extend(self.model.filtered_lists_of_agency(agency));
            }
            self.compare_lists(&lists, &reader).await;
        }
        let superadmin = self.superadmin_token().await;
        let lists = self.model.lists_of_administrators();
        self.compare_lists(&lists, &superadmin).await;
        if depth == Depth::Everything {
            for (path, expected) in &lists {
                assert_eq!(
                    &self.read_in_pages(path, &superadmin).await,
                    expected,
                    "{path} in pages"
                );
            }
            self.look_at_each(&superadmin).await;
        }
        self.verify_chains(&superadmin).await;
    }

    /// Signs a user in again who was signed out.
    async fn superadmin_token(&mut self) -> String {
        let account = self.model.accounts.get_mut(&self.superadmin);
        let account = account.expect("nobody can delete the superadmin");
        if account.signed_out {
            *account = Account::new(account.password);
        }
        self.token(self.superadmin).await.expect("a token")
    }

    /// The token of a user of an agency, or of the superadmin, who then previews it.
    async fn reader(&mut self, agency: i64) -> String {
        let insider = self.model.ids(Class::User).into_iter().find_map(|user| {
            let account = &self.model.accounts[&user];
            let insider = self.model.agency_of(user) == Some(agency)
                && self.model.may_sign_in(user)
                && !account.signed_out;
            account.token.clone().filter(|_| insider)
        });
        match insider {
            Some(token) => token,
            None => {
                let token = self.superadmin_token().await;
                let plan = self.model.preview(self.superadmin, Some(agency));
                self.act(plan).await;
                token
            }
        }
    }

    async fn compare_lists(&self, lists: &[(String, Vec<Value>)], token: &str) {
        for (path, expected) in lists {
            let reply = self.send("GET", path, Some(token), &Value::Null).await;
            assert_eq!(&entries(&reply), expected, "{path}");
        }
    }

    /// Follows a list from page to page.
    async fn read_in_pages(&self, path: &str, token: &str) -> Vec<Value> {
        let limit = 3;
        let mut list = Vec::new();
        let mut query = format!("?limit={limit}");
        loop {
            let page = format!("{path}{query}");
            let reply = self.send("GET", &page, Some(token), &Value::Null).await;
            let entries = entries(&reply);
            assert!(entries.len() <= limit, "{page}: {entries:?}");
            list.extend(entries);
            let Some(link) = reply.header("link") else {
                return list;
            };
            let next = link
                .strip_prefix('<')
                .and_then(|link| link.strip_suffix(r#">; rel="next""#));
            query = next
                .unwrap_or_else(|| panic!("{page}: {link} is not what a next page looks like"))
                .to_owned();
        }
    }

    /// Checks what lists of agencies do not show: users without an agency, and the answers to other services.
    async fn look_at_each(&self, superadmin: &str) {
        for user in self.model.ids(Class::User) {
            let path = format!("/admin/users/{user}");
            let shown = self.send("GET", &path, Some(superadmin), &Value::Null).await;
            assert_eq!(&shown.json(200), self.model.user(user));
        }
        let published: Vec<Value> = self
            .model
            .ids(Class::Event)
            .into_iter()
            .map(|id| self.model.state[&(Class::Event, id)].clone())
            .filter(|event| {
                self.model.state[&(Class::Agency, number(&event["agencyId"]))]["approved"] == true
            })
            .collect();
        let shown = self
            .send("GET", "/api/events", Some(ORGANIZER_KEY), &Value::Null)
            .await;
        assert_eq!(entries(&shown), published);
    }

    /// Checks the chains of all present and former agencies, and that of the administrators.
    async fn verify_chains(&self, superadmin: &str) {
        let agencies = 1..self.model.next_id(Class::Agency);
        for agency in agencies.map(Some).chain([None]) {
            let query = agency
                .map(|agency| format!("?agencyId={agency}"))
                .unwrap_or_default();
            let path = format!("/admin/changelogs/verify{query}");
            let verdict = self
                .send("GET", &path, Some(superadmin), &Value::Null)
                .await
                .json(200);
            let rows = self.model.rows(|row| row["agencyId"].as_i64() == agency).len();
            assert_eq!(
                (&verdict["holds"], &verdict["rows"]),
                (&json!(true), &json!(rows)),
                "{path}: {verdict}"
            );
        }
    }
}

fn check_success(plan: &Plan, reply: &Reply, before: Option<Value>, rows: &[Value], case: &str) {
    let created = plan.method == "POST" && matches!(plan.shown, Shown::Entity(..));
    assert_eq!(reply.status, if created { 201 } else { 200 }, "{case}");
    match plan.shown {
        Shown::Entity(class, id) => {
            let row = rows
                .iter()
                .find(|row| subject(row) == (class, id))
                .expect("a row");
            let shown = before
                .filter(|_| row["type"] == "delete")
                .unwrap_or_else(|| written(row));
            assert_eq!(reply.json(reply.status), shown, "{case}");
        }
        Shown::Exactly(ref value) => assert_eq!(reply.json(reply.status), *value, "{case}"),
        Shown::Nothing => assert_eq!(reply.text(), "", "{case}"),
        Shown::Anything => {}
    }
}

/// The entries of a list, with rows of the record as the model has them.
fn entries(reply: &Reply) -> Vec<Value> {
    let mut list = reply.json(200).as_array().expect("a list").clone();
    for entry in &mut list {
        if let Some(text) = entry["valueAfter"].as_str() {
            entry["valueAfter"] = serde_json::from_str(text).expect("JSON text");
        }
    }
    list
}

/// The whole record, as clients would see it.
fn read_record(database: &Connection) -> Vec<Value> {
    let mut statement = database
        .prepare(
            "select id, entity_id, entity_class, type, value_after, user_id, agency_id,
                    strftime('%Y-%m-%dT%H:%M:%S', changed_at / 1000, 'unixepoch') || printf('.%03dZ', changed_at % 1000)
             from changelogs order by id",
        )
        .expect("a statement");
    let rows = statement
        .query_map([], |row| {
            let value = row.get::<_, Option<String>>(4)?;
            Ok(json!({
                "id": row.get::<_, i64>(0)?,
                "entityId": row.get::<_, i64>(1)?,
                "entityClass": row.get::<_, String>(2)?,
                "type": row.get::<_, String>(3)?,
                "changedAt": row.get::<_, String>(7)?,
                "valueAfter": value.map(|value| serde_json::from_str::<Value>(&value).expect("JSON text")),
                "userId": row.get::<_, i64>(5)?,
                "agencyId": row.get::<_, Option<i64>>(6)?,
            }))
        })
        .expect("rows");
    rows.collect::<Result<_, _>>().expect("rows")
}
