//! The people of a test: a superadmin, an agency with its owner and support, participants.

pub(crate) use mayday_tests::accounts::PASSWORD as ORGANIZER_PASSWORD;
pub(crate) use mayday_tests::accounts::new_user;
use serde_json::{Value, json};

use crate::support::door::{Door, Reply};

pub(crate) const PARTICIPANT_PASSWORD: &str = "tiny horse!";

/// A person who is signed in.
#[derive(Clone)]
pub(crate) struct Person {
    door: Door,
    pub(crate) token: String,
    pub(crate) id: i64,
    pub(crate) email: String,
}

impl Person {
    /// The door for the person's requests.
    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.door.send("GET", path, Some(&self.token), None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.door.send("POST", path, Some(&self.token), Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Reply {
        self.door.send("PUT", path, Some(&self.token), Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.door.send("PATCH", path, Some(&self.token), Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Reply {
        self.door.send("DELETE", path, Some(&self.token), None).await
    }

    /// Presses help (contract 4).
    pub(crate) async fn press_help(&self, event_id: i64, description: &str) -> Reply {
        let body =
            json!({"eventId": event_id, "description": description, "lat": 50.061234, "lng": 19.937654});
        self.post("/participant/chat-requests", &body).await
    }

    /// `isChatRequested` of an event.
    pub(crate) async fn has_requested(&self, event_id: i64) -> bool {
        let event = self
            .get(&format!("/participant/events/{event_id}"))
            .await
            .json(200);
        event["isChatRequested"].as_bool().expect("a boolean")
    }

    /// The archive of closed chats.
    pub(crate) async fn archive(&self, side: &str) -> Vec<Value> {
        self.get(&format!("/messenger/{side}/chats")).await.list()
    }

    /// A chat's messages over REST, as `content`s.
    pub(crate) async fn archived_contents(&self, side: &str, chat_id: &str) -> Vec<String> {
        let path = format!("/messenger/{side}/chats/{chat_id}/messages");
        let messages = self.get(&path).await.list();
        messages
            .iter()
            .map(|message| message["content"].as_str().expect("text").to_owned())
            .collect()
    }
}

/// Signs an organizer in.
pub(crate) async fn sign_in(door: &Door, email: &str, password: &str) -> Person {
    let body = json!({"email": email, "password": password});
    let reply = door
        .send("POST", "/organizer/auth/sign-in", None, Some(&body))
        .await;
    signed_in(door, &reply.json(200))
}

/// Signs a participant in.
pub(crate) async fn sign_in_participant(door: &Door, email: &str, password: &str) -> Person {
    let body = json!({"email": email, "password": password});
    let reply = door
        .send("POST", "/participant/auth/sign-in", None, Some(&body))
        .await;
    signed_in(door, &reply.json(200))
}

/// Signs a new participant up.
pub(crate) async fn sign_up(door: &Door, email: &str) -> Person {
    let body = json!({"email": email, "password": PARTICIPANT_PASSWORD, "confirmPassword": PARTICIPANT_PASSWORD, "phoneNumber": "+48555000111"});
    let reply = door
        .send("POST", "/participant/auth/sign-up", None, Some(&body))
        .await;
    signed_in(door, &reply.json(201))
}

/// Signs a new guest in, who says a name and a phone number.
pub(crate) async fn guest(door: &Door, name: &str, phone_number: &str) -> Person {
    let body = json!({"name": name, "phoneNumber": phone_number});
    let reply = door
        .send("POST", "/participant/auth/guest", None, Some(&body))
        .await;
    signed_in(door, &reply.json(201))
}

/// Who was answered a token.
pub(crate) fn signed_in(door: &Door, signed_in: &Value) -> Person {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    Person {
        door: door.clone(),
        token: text(&signed_in["token"]),
        id: signed_in["user"]["id"].as_i64().expect("an id"),
        email: text(&signed_in["user"]["email"]),
    }
}

/// A working agency: approved, with an event and a support user.
pub(crate) struct Agency {
    pub(crate) id: i64,
    pub(crate) event_id: i64,
    pub(crate) owner: Person,
    pub(crate) support: Person,
}

/// The body of `POST /agency`.
pub(crate) fn registration(name: &str) -> Value {
    json!({
        "agency": {"name": name, "address": "Rynek 1, Kraków", "website": "https://example.org"},
        "owner": new_user(&owner_email(name)),
    })
}

pub(crate) fn owner_email(agency: &str) -> String {
    format!("owner@{}.example.org", agency.to_lowercase())
}

/// The fields of NewUser (contract 3.3).
pub(crate) fn new_user_with_role(email: &str, role: i64) -> Value {
    let mut user = new_user(email);
    user["role"] = role.into();
    user
}

/// The fields of NewEvent (contract 3.3), as a form sends them.
pub(crate) fn new_event(name: &str) -> Value {
    json!({
        "name": name, "description": "Loud", "address": "Błonia, Kraków", "lat": "50.06", "lng": "19.91",
        "timeStart": "2026-07-03T18:00", "timeEnd": "2026-07-03T23:00",
    })
}

/// Founds an agency through the public API. Its name is a single word, and part of its people's e-mails.
pub(crate) async fn found_agency(door: &Door, superadmin: &Person, name: &str) -> Agency {
    let agency = door
        .send("POST", "/organizer/agency", None, Some(&registration(name)))
        .await
        .json(201);
    let id = agency["id"].as_i64().expect("an id");
    let path = format!("/organizer/admin/agencies/{id}/verify");
    superadmin
        .patch(&path, &json!({"approved": true}))
        .await
        .json(200);
    let owner = sign_in(door, &owner_email(name), ORGANIZER_PASSWORD).await;
    let support_email = format!("support@{}.example.org", name.to_lowercase());
    owner
        .post("/organizer/agency/users", &new_user_with_role(&support_email, 4))
        .await
        .json(201);
    let support = sign_in(door, &support_email, ORGANIZER_PASSWORD).await;
    let event = owner
        .post("/organizer/agency/events", &new_event(&format!("{name} night")))
        .await
        .json(201);
    Agency {
        id,
        event_id: event["id"].as_i64().expect("an id"),
        owner,
        support,
    }
}
