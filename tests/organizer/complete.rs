//! Accounts that have to be complete before they can be used, where the operator wants that (docs/organizer-api.md).

use serde_json::{Value, json};

use crate::organizer::second_factor::{turn_off, turn_on_with};
use crate::support::components::{
    Components, MESSENGER_KEY, ORGANIZER_KEY, SERVICES, SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD,
};
use crate::support::door::Door;
use crate::support::people::{
    self, ORGANIZER_PASSWORD, Person, new_user_with_role, owner_email, registration, sign_in,
};

pub(super) const SETTING: (&str, &str) = ("require_complete_accounts", "true");

/// What an incomplete account is told wherever it may do nothing.
pub(super) const INCOMPLETE: &str =
    "complete your account first: change the password or set up a second factor, as your profile says";

/// The password that everybody chooses.
const OWN_PASSWORD: &str = "another horse battery";

/// What an own account lacks, in the words of the profile.
fn missing(account: &Value) -> Vec<&str> {
    ["mustChangePassword", "mustHaveSecondFactor"]
        .into_iter()
        .filter(|name| account.get(name).is_some())
        .collect()
}

async fn profile(person: &Person) -> Value {
    person.get("/organizer/profile").await.json(200)
}

/// Changes the own password, and signs in with the new one.
async fn choose_password(person: &Person, old: &str) -> Person {
    let body = json!({"oldPassword": old, "newPassword": OWN_PASSWORD, "confirmNewPassword": OWN_PASSWORD});
    person
        .patch("/organizer/profile/change-password", &body)
        .await
        .json(200);
    sign_in(person.door(), &person.email, OWN_PASSWORD).await
}

/// The superadmin with an account that is complete.
pub(crate) async fn superadmin(superadmin: &Person, password: &str) -> Person {
    let superadmin = choose_password(superadmin, password).await;
    turn_on_with(&superadmin, OWN_PASSWORD).await;
    superadmin
}

/// The owner of a new agency, which the superadmin has approved.
pub(crate) async fn owner(door: &Door, superadmin: &Person, name: &str) -> Person {
    let body = registration(name);
    let agency = door
        .send("POST", "/organizer/agency", None, Some(&body))
        .await
        .json(201);
    let path = format!("/organizer/admin/agencies/{}/verify", agency["id"]);
    superadmin
        .patch(&path, &json!({"approved": true}))
        .await
        .json(200);
    sign_in(door, &owner_email(name), ORGANIZER_PASSWORD).await
}

/// A user whose password a senior has chosen.
async fn hire(senior: &Person, email: &str, role: i64) -> Person {
    senior
        .post("/organizer/agency/users", &new_user_with_role(email, role))
        .await
        .json(201);
    sign_in(senior.door(), email, ORGANIZER_PASSWORD).await
}

/// Asserts that an account may do nothing but complete itself, or everything.
async fn assert_admitted(person: &Person, path: &str, is_admitted: bool) {
    let reply = person.get(path).await;
    if is_admitted {
        reply.json(200);
    } else {
        reply.error(403, INCOMPLETE);
    }
}

#[tokio::test]
async fn a_support_user_needs_a_second_factor_where_all_do() {
    let components = Components::with(&["organizer"], &[("require_complete_accounts", "all")]);
    let door = &components.door;
    let first = sign_in(door, SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD).await;
    let superadmin = superadmin(&first, SUPERADMIN_PASSWORD).await;
    let owner = owner(door, &superadmin, "Fest").await;
    turn_on_with(&owner, ORGANIZER_PASSWORD).await;
    let support = hire(&owner, "support@fest.example.org", 4).await;
    let support = choose_password(&support, ORGANIZER_PASSWORD).await;
    assert_eq!(missing(&profile(&support).await), ["mustHaveSecondFactor"]);
    assert_admitted(&support, "/organizer/agency/events", false).await;
    turn_on_with(&support, OWN_PASSWORD).await;
    assert_admitted(&support, "/organizer/agency/events", true).await;
}

/// Asserts that four passwords are refused where accounts have to be complete: of the owner of a new agency "Fest", of
/// the superadmin, and twice of an administrator. By default the first one is accepted, since clients of the contract
/// may choose it.
async fn assert_refused_wherever_one_is_chosen(passwords: [&str; 4], refusal: &str) {
    let with = |mut account: Value, password: &str| {
        account["password"] = password.into();
        account["confirmPassword"] = password.into();
        account
    };
    let mut agency = registration("Fest");
    agency["owner"] = with(agency["owner"].take(), passwords[0]);
    let by_default = Components::with(&["organizer"], &[]);
    let register = async |door: &Door| door.send("POST", "/organizer/agency", None, Some(&agency)).await;
    register(&by_default.door).await.json(201);

    let components = Components::with(&["organizer"], &[SETTING]);
    let refused = json!([format!("owner.password {refusal}")]);
    register(&components.door).await.error(400, refused);

    let first = sign_in(&components.door, SUPERADMIN_EMAIL, SUPERADMIN_PASSWORD).await;
    let change = json!({
        "oldPassword": SUPERADMIN_PASSWORD, "newPassword": passwords[1], "confirmNewPassword": passwords[1],
    });
    let refused = json!([format!("newPassword {refusal}")]);
    first
        .patch("/organizer/profile/change-password", &change)
        .await
        .error(400, refused);

    let superadmin = superadmin(&first, SUPERADMIN_PASSWORD).await;
    let refused = json!([format!("password {refusal}")]);
    let user = new_user_with_role("admin@example.org", 1);
    superadmin
        .post("/organizer/admin/users", &with(user.clone(), passwords[2]))
        .await
        .error(400, refused.clone());
    let id = superadmin.post("/organizer/admin/users", &user).await.json(201)["id"].clone();
    superadmin
        .patch(
            &format!("/organizer/admin/users/{id}/password"),
            &with(json!({}), passwords[3]),
        )
        .await
        .error(400, refused);
}

#[tokio::test]
async fn passwords_of_known_words_are_refused_wherever_one_is_chosen() {
    let email = SUPERADMIN_EMAIL.repeat(2);
    let passwords = [
        "Fest-Mayday-2026!",
        &email,
        "Nowak Anna Mayday",
        "anna anna anna 99",
    ];
    assert_refused_wherever_one_is_chosen(passwords, "must not consist of names, the email and mayday").await;
}

#[tokio::test]
async fn long_common_passwords_are_refused_wherever_one_is_chosen() {
    let passwords = [
        "passwordpassword",
        "1234567890123456",
        "CorrectHorseBatteryStaple",
        "Manchester United",
    ];
    assert_refused_wherever_one_is_chosen(passwords, "must not be a common password").await;
}

#[tokio::test]
async fn each_step_completes_an_account_and_opens_it() {
    const AGENCIES: &str = "/organizer/admin/agencies";
    const EVENTS: &str = "/organizer/agency/events";
    let components = Components::with(&["organizer"], &[SETTING]);
    let door = &components.door;

    // The operator has chosen the password of the superadmin.
    let body = json!({"email": SUPERADMIN_EMAIL, "password": SUPERADMIN_PASSWORD});
    let reply = door
        .send("POST", "/organizer/auth/sign-in", None, Some(&body))
        .await
        .json(200);
    let first = people::signed_in(door, &reply);
    assert_eq!(reply["user"], profile(&first).await);
    assert_eq!(
        missing(&reply["user"]),
        ["mustChangePassword", "mustHaveSecondFactor"]
    );
    assert_admitted(&first, AGENCIES, false).await;
    let names = json!({"firstName": "Ewa"});
    let edited = first.patch("/organizer/profile", &names).await.json(200);
    assert_eq!(edited, profile(&first).await);

    let superadmin = choose_password(&first, SUPERADMIN_PASSWORD).await;
    first
        .get("/organizer/profile")
        .await
        .error(403, "Forbidden resource");
    assert_eq!(missing(&profile(&superadmin).await), ["mustHaveSecondFactor"]);
    assert_admitted(&superadmin, AGENCIES, false).await;
    turn_on_with(&superadmin, OWN_PASSWORD).await;
    assert!(missing(&profile(&superadmin).await).is_empty());
    assert_admitted(&superadmin, AGENCIES, true).await;

    // Who registers has chosen the own password.
    let owner = owner(door, &superadmin, "Fest").await;
    assert_eq!(missing(&profile(&owner).await), ["mustHaveSecondFactor"]);
    assert_admitted(&owner, EVENTS, false).await;
    turn_on_with(&owner, ORGANIZER_PASSWORD).await;
    assert_admitted(&owner, EVENTS, true).await;

    // Support users need no second factor.
    let support = hire(&owner, "support@fest.example.org", 4).await;
    assert_eq!(missing(&profile(&support).await), ["mustChangePassword"]);
    assert_admitted(&support, EVENTS, false).await;
    let support = choose_password(&support, ORGANIZER_PASSWORD).await;
    assert!(missing(&profile(&support).await).is_empty());
    assert_admitted(&support, EVENTS, true).await;

    // The steps may come in the other order.
    let manager = hire(&owner, "manager@fest.example.org", 3).await;
    let factor = turn_on_with(&manager, ORGANIZER_PASSWORD).await;
    assert_eq!(missing(&profile(&manager).await), ["mustChangePassword"]);
    assert_admitted(&manager, EVENTS, false).await;
    let body = json!({
        "oldPassword": ORGANIZER_PASSWORD, "newPassword": OWN_PASSWORD, "confirmNewPassword": OWN_PASSWORD,
    });
    let changed = manager.patch("/organizer/profile/change-password", &body).await;
    assert!(missing(&changed.json(200)).is_empty());
    let body = json!({"email": manager.email, "password": OWN_PASSWORD, "code": factor.recovery_codes[0]});
    let reply = door
        .send("POST", "/organizer/auth/sign-in", None, Some(&body))
        .await;
    assert_admitted(&people::signed_in(door, &reply.json(200)), EVENTS, true).await;
}

#[tokio::test]
async fn an_account_becomes_incomplete_again() {
    const EVENTS: &str = "/organizer/agency/events";
    let components = Components::with(&["organizer"], &[SETTING]);
    let superadmin = superadmin(&components.superadmin().await, SUPERADMIN_PASSWORD).await;
    let owner = owner(&components.door, &superadmin, "Fest").await;
    let factor = turn_on_with(&owner, ORGANIZER_PASSWORD).await;
    let support = hire(&owner, "support@fest.example.org", 4).await;
    let support = choose_password(&support, ORGANIZER_PASSWORD).await;
    assert_admitted(&support, EVENTS, true).await;
    let of_support = format!("/organizer/agency/users/{}", support.id);

    // With a password that a senior has set anew.
    let body = json!({"password": ORGANIZER_PASSWORD, "confirmPassword": ORGANIZER_PASSWORD});
    let path = format!("{of_support}/password");
    let shown = owner.patch(&path, &body).await.json(200);
    assert!(
        missing(&shown).is_empty(),
        "what is missing is the user's own business"
    );
    let support = sign_in(&components.door, &support.email, ORGANIZER_PASSWORD).await;
    assert_eq!(missing(&profile(&support).await), ["mustChangePassword"]);
    assert_admitted(&support, EVENTS, false).await;
    let support = choose_password(&support, ORGANIZER_PASSWORD).await;
    assert_admitted(&support, EVENTS, true).await;

    // With a role that needs a second factor.
    owner.patch(&of_support, &json!({"role": 3})).await.json(200);
    assert_eq!(missing(&profile(&support).await), ["mustHaveSecondFactor"]);
    assert_admitted(&support, EVENTS, false).await;
    turn_on_with(&support, OWN_PASSWORD).await;
    assert_admitted(&support, EVENTS, true).await;

    // Without its second factor.
    owner
        .delete(&format!("{of_support}/second-factor"))
        .await
        .json(200);
    let support = sign_in(&components.door, &support.email, OWN_PASSWORD).await;
    assert_admitted(&support, EVENTS, false).await;
    turn_off(&owner, ORGANIZER_PASSWORD, &factor.recovery_codes[0])
        .await
        .json(200);
    assert_eq!(missing(&profile(&owner).await), ["mustHaveSecondFactor"]);
    assert_admitted(&owner, EVENTS, false).await;
}

#[tokio::test]
async fn without_the_setting_no_account_lacks_anything_and_with_it_sessions_from_before_do() {
    let components = Components::with(&["organizer"], &[]);
    let agency = components.agency("Fest").await;
    let support = &agency.support;
    let body = json!({"email": support.email, "password": ORGANIZER_PASSWORD});
    let reply = components
        .door
        .send("POST", "/organizer/auth/sign-in", None, Some(&body))
        .await
        .json(200);
    assert!(missing(&reply["user"]).is_empty());
    assert!(missing(&profile(support).await).is_empty());
    assert_admitted(support, "/organizer/agency/events", true).await;

    let strict = components.another_host(&["organizer"], &[SETTING]);
    let shown = strict
        .send("GET", "/organizer/profile", Some(&support.token), None)
        .await
        .json(200);
    assert_eq!(missing(&shown), ["mustChangePassword"]);
    strict
        .send("GET", "/organizer/agency/events", Some(&support.token), None)
        .await
        .error(403, INCOMPLETE);
}

/// The messenger asks the organizer service, so it knows at once that an account has become complete.
#[tokio::test]
async fn the_messenger_refuses_incomplete_accounts_on_every_route_and_socket() {
    let components = Components::start();
    let agency = components.agency("Fest").await;
    let participant = people::sign_up(&components.door, "p@example.org").await;
    let strict = components.another_host(&SERVICES, &[SETTING]);
    let (owner, support) = (
        sign_in(&strict, &agency.owner.email, ORGANIZER_PASSWORD).await,
        sign_in(&strict, &agency.support.email, ORGANIZER_PASSWORD).await,
    );
    let chat = "0a1b2c3d4e5f60718293a4b5";
    for (method, path) in [
        ("GET", "/agency/chats".to_owned()),
        ("GET", "/agency/chats?limit=1".to_owned()),
        ("POST", "/agency/chats/search".to_owned()),
        ("GET", format!("/agency/chats/{chat}")),
        ("GET", format!("/agency/chats/{chat}/messages")),
        ("GET", "/agency/organizers".to_owned()),
        ("GET", "/statistics".to_owned()),
        ("GET", "/canary".to_owned()),
    ] {
        for person in [&owner, &support] {
            let body = json!({});
            let body = (method == "POST").then_some(&body);
            strict
                .send(method, &format!("/messenger{path}"), Some(&person.token), body)
                .await
                .error(403, INCOMPLETE);
        }
    }

    let tokens = [&owner.token, &support.token, &participant.token];
    let judged = async || {
        let body = json!({"tokens": tokens});
        let reply = strict
            .send(
                "POST",
                "/organizer/api/principals",
                Some(ORGANIZER_KEY),
                Some(&body),
            )
            .await
            .json(200);
        let principals = reply["principals"].as_array().expect("a list").clone();
        let is_known: Vec<bool> = principals.iter().map(|principal| !principal.is_null()).collect();
        (is_known, reply["incomplete"].clone())
    };
    let verdicts = async || {
        let authorizations: Vec<String> = tokens.iter().map(|token| format!("Bearer {token}")).collect();
        let body = json!({"authorizations": authorizations});
        let reply = strict
            .send(
                "POST",
                "/messenger/internal/authenticate",
                Some(MESSENGER_KEY),
                Some(&body),
            )
            .await
            .json(200);
        let verdicts = reply["verdicts"].as_array().expect("a list").clone();
        verdicts
            .iter()
            .map(|verdict| verdict["verdict"].clone())
            .collect::<Vec<Value>>()
    };
    assert_eq!(judged().await, (vec![false, false, false], json!([0, 1])));
    assert_eq!(verdicts().await, ["rejected", "rejected", "accepted"]);

    turn_on_with(&owner, ORGANIZER_PASSWORD).await;
    assert_eq!(judged().await, (vec![true, false, false], json!([1])));
    assert_eq!(verdicts().await, ["accepted", "rejected", "accepted"]);
    owner.get("/messenger/agency/chats").await.json(200);
    let support = choose_password(&support, ORGANIZER_PASSWORD).await;
    support.get("/messenger/agency/chats").await.json(200);
}
