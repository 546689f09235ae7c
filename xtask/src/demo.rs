//! Something to look at: an approved agency with its people and two events, and a participant. It is made through the
//! public API alone, as clients would, so it is also a first proof that the system works.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::{Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Response;

use crate::secrets::{Account, DemoAccounts, Secrets};
use crate::state::{State, write_private};

const AGENCY: &str = "Demo Agency";
/// A number that libraries take for valid (contract 2.8 uses the same).
const PHONE: &str = "+48123456789";
const TIMEOUT: Duration = Duration::from_secs(30);

/// What was seeded, as the ready file shows it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Demo {
    pub(crate) agency_id: i64,
    #[serde(flatten)]
    pub(crate) accounts: DemoAccounts,
    pub(crate) events: Vec<i64>,
}

/// What the screen needs of the demo: who may press help, and where.
pub(crate) struct HelpPress {
    pub(crate) token: String,
    pub(crate) event: i64,
}

/// Seeds the demo, or finds it as an earlier run has left it.
pub(crate) fn seed(state: &State, secrets: &Secrets, organizer: &str, participant: &str) -> Result<Demo> {
    let path = state.path("demo.json");
    let organizer = Client::of(organizer);
    if let Some(demo) = fs::read(&path)
        .ok()
        .and_then(|text| serde_json::from_slice::<Demo>(&text).ok())
    {
        // Someone may have deleted the databases and left the rest.
        if organizer.sign_in(&demo.accounts.owner).is_ok() {
            return Ok(demo);
        }
    }
    let demo = make(secrets, &organizer, &Client::of(participant)).context("could not seed the demo")?;
    write_private(&path, &serde_json::to_vec_pretty(&demo)?)?;
    Ok(demo)
}

/// Every step looks for what an earlier, interrupted run may have made already.
fn make(secrets: &Secrets, organizer: &Client, participant: &Client) -> Result<Demo> {
    let accounts = &secrets.demo;
    let superadmin = organizer.sign_in(&secrets.superadmin)?;
    let agency_id = find_or_register_agency(organizer, &accounts.owner, &superadmin)?;
    let verify = format!("/admin/agencies/{agency_id}/verify");
    organizer
        .patch(&verify, Some(&superadmin), &json!({"approved": true}))?
        .expect(&[200])?;

    let owner = organizer.sign_in(&accounts.owner)?;
    let support = person(&accounts.support, "Sam", "Support", json!({"role": 4}));
    organizer
        .post("/agency/users", Some(&owner), &support)?
        .created_or_taken()?;
    let events = demo_events(Utc::now().date_naive())
        .iter()
        .map(|event| find_or_create_event(organizer, &owner, event))
        .collect::<Result<_>>()?;

    let password = &accounts.participant.password;
    let sign_up = json!({
        "email": accounts.participant.email,
        "password": password,
        "confirmPassword": password,
        "phoneNumber": PHONE,
    });
    participant
        .post("/auth/sign-up", None, &sign_up)?
        .created_or_taken()?;
    Ok(Demo {
        agency_id,
        accounts: accounts.clone(),
        events,
    })
}

fn find_or_register_agency(organizer: &Client, owner: &Account, superadmin: &str) -> Result<i64> {
    let registration = json!({
        "agency": {"name": AGENCY, "address": "Rynek 1, Krakow", "website": "https://demo.example"},
        "owner": person(owner, "Olga", "Owner", json!({})),
    });
    match organizer
        .post("/agency", None, &registration)?
        .created_or_taken()?
    {
        Some(agency) => id_of(&agency),
        None => organizer.find_by_name("/admin/agencies", superadmin, AGENCY),
    }
}

fn find_or_create_event(organizer: &Client, owner: &str, event: &Value) -> Result<i64> {
    match organizer
        .post("/agency/events", Some(owner), event)?
        .created_or_taken()?
    {
        Some(event) => id_of(&event),
        None => organizer.find_by_name(
            "/agency/events",
            owner,
            event["name"].as_str().unwrap_or_default(),
        ),
    }
}

/// The body that makes an organizer-side user (contract 3.3).
fn person(account: &Account, first_name: &str, last_name: &str, more: Value) -> Value {
    let mut person = json!({
        "email": account.email,
        "password": account.password,
        "confirmPassword": account.password,
        "firstName": first_name,
        "lastName": last_name,
        "phoneNumber": PHONE,
    });
    if let (Some(person), Value::Object(more)) = (person.as_object_mut(), more) {
        person.extend(more);
    }
    person
}

/// One event today and one tomorrow.
fn demo_events(today: NaiveDate) -> [Value; 2] {
    let event = |name: &str, description: &str, address: &str, (lat, lng): (f64, f64), day: NaiveDate| {
        json!({
            "name": name,
            "description": description,
            "address": address,
            "lat": lat,
            "lng": lng,
            "timeStart": format!("{day}T10:00"),
            "timeEnd": format!("{day}T23:00"),
        })
    };
    [
        event(
            "Demo Rock Festival",
            "Three stages by the river, and a first-aid tent at each.",
            "Bulwar Czerwienski, Krakow",
            (50.0517, 19.9326),
            today,
        ),
        event(
            "Demo City Marathon",
            "42 kilometres, from the Main Square and back.",
            "Rynek Glowny, Krakow",
            (50.0617, 19.9373),
            today.checked_add_days(Days::new(1)).unwrap_or(today),
        ),
    ]
}

/// Signs the demo's participant in, and picks an event whose help has not been pressed yet: a second press would be
/// refused.
pub(crate) fn help_press(demo: &Demo, participant: &str) -> Result<HelpPress> {
    let participant = Client::of(participant);
    let token = participant.sign_in(&demo.accounts.participant)?;
    let mut event = *demo.events.first().context("the demo has no event")?;
    for candidate in &demo.events {
        let answer = participant
            .get(&format!("/events/{candidate}"), &token)?
            .expect(&[200])?;
        if answer["isChatRequested"] == false {
            event = *candidate;
            break;
        }
    }
    Ok(HelpPress { token, event })
}

/// One of the services, by its base URL.
struct Client {
    agent: Agent,
    base: String,
}

impl Client {
    fn of(base: &str) -> Self {
        let config = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .proxy(None);
        Self {
            agent: config.build().new_agent(),
            base: base.to_owned(),
        }
    }

    fn sign_in(&self, account: &Account) -> Result<String> {
        let body = json!({"email": account.email, "password": account.password});
        let answer = self.post("/auth/sign-in", None, &body)?.expect(&[200])?;
        Ok(answer["token"]
            .as_str()
            .context("the answer to the sign-in has no token")?
            .to_owned())
    }

    fn find_by_name(&self, path: &str, token: &str, name: &str) -> Result<i64> {
        let answer = self.get(path, token)?.expect(&[200])?;
        let found = answer
            .as_array()
            .and_then(|list| list.iter().find(|entry| entry["name"] == name));
        id_of(found.with_context(|| format!("{name:?} is taken, but {path} does not show it"))?)
    }

    fn get(&self, path: &str, token: &str) -> Result<Answer> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let response = request.header("Authorization", format!("Bearer {token}")).call();
        Answer::of(format!("GET {path}"), response)
    }

    fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Answer> {
        let request = self.agent.post(format!("{}{path}", self.base));
        Answer::of(format!("POST {path}"), with_token(request, token).send_json(body))
    }

    fn patch(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Answer> {
        let request = self.agent.patch(format!("{}{path}", self.base));
        Answer::of(
            format!("PATCH {path}"),
            with_token(request, token).send_json(body),
        )
    }
}

fn with_token<T>(request: ureq::RequestBuilder<T>, token: Option<&str>) -> ureq::RequestBuilder<T> {
    match token {
        Some(token) => request.header("Authorization", format!("Bearer {token}")),
        None => request,
    }
}

fn id_of(entity: &Value) -> Result<i64> {
    entity["id"]
        .as_i64()
        .with_context(|| format!("no id in {entity}"))
}

/// What a service said to a request.
struct Answer {
    request: String,
    status: u16,
    body: String,
}

impl Answer {
    fn of(request: String, response: Result<Response<ureq::Body>, ureq::Error>) -> Result<Self> {
        let mut response = response.with_context(|| format!("{request} was not answered"))?;
        let body = response
            .body_mut()
            .read_to_string()
            .with_context(|| format!("{request} broke off"))?;
        Ok(Self {
            request,
            status: response.status().as_u16(),
            body,
        })
    }

    /// The body, if the status is one of these.
    fn expect(self, statuses: &[u16]) -> Result<Value> {
        if !statuses.contains(&self.status) {
            bail!("{} answered {}: {}", self.request, self.status, self.body);
        }
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&self.body).with_context(|| format!("{} did not answer JSON", self.request))
    }

    /// The body of what was made now, or nothing if it was there before. Both sides say so by 400 and a text alone.
    fn created_or_taken(self) -> Result<Option<Value>> {
        let taken = ["already taken", "already exists"]
            .iter()
            .any(|text| self.body.contains(text));
        if self.status == 400 && taken {
            return Ok(None);
        }
        self.expect(&[200, 201]).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            request: "POST /agency".to_owned(),
            status,
            body: body.to_owned(),
        }
    }

    #[test]
    fn what_is_taken_was_made_before() {
        let taken = r#"{"statusCode":400,"message":"Agency name is already taken","error":"Bad Request"}"#;

        assert_eq!(
            answer(201, r#"{"id":3}"#).created_or_taken().unwrap(),
            Some(json!({"id": 3}))
        );
        assert_eq!(answer(400, taken).created_or_taken().unwrap(), None);
    }

    #[test]
    fn refusal_is_told_with_its_request() {
        let error = answer(400, r#"{"message":["owner.email must be an email"]}"#)
            .created_or_taken()
            .unwrap_err();

        let expected = r#"POST /agency answered 400: {"message":["owner.email must be an email"]}"#;
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn events_are_today_and_tomorrow() {
        let [first, second] = demo_events(NaiveDate::from_ymd_opt(2026, 12, 31).unwrap());

        assert_eq!(first["timeStart"], "2026-12-31T10:00");
        assert_eq!(second["timeStart"], "2027-01-01T10:00");
        assert_ne!(first["name"], second["name"]);
    }

    #[test]
    fn demo_has_its_accounts_beside_its_ids() {
        let account = |email: &str| Account {
            email: email.to_owned(),
            password: "p".to_owned(),
        };
        let accounts = DemoAccounts {
            owner: account("o"),
            support: account("s"),
            participant: account("p"),
        };

        let demo = serde_json::to_value(Demo {
            agency_id: 1,
            accounts,
            events: vec![1, 2],
        })
        .unwrap();

        let expected = json!({
            "agencyId": 1,
            "owner": {"email": "o", "password": "p"},
            "support": {"email": "s", "password": "p"},
            "participant": {"email": "p", "password": "p"},
            "events": [1, 2],
        });
        assert_eq!(demo, expected);
    }
}
