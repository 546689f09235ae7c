//! The fields of new accounts, and people who are signed in: for tests, benches and chaos.

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// The password of all organizers: at least 16 characters (contract 2.4).
pub const PASSWORD: &str = "correct horse battery";

/// A person who is signed in.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: i64,
    pub token: String,
}

impl Person {
    /// Parses the answer to a sign-in or a sign-up.
    pub fn of_answer(signed_in: &Value) -> Result<Person> {
        let token = signed_in["token"].as_str().context("no token")?;
        Ok(Person {
            id: id_of(&signed_in["user"])?,
            token: token.to_owned(),
        })
    }
}

/// The id in an answer; an error if it has none.
pub fn id_of(entity: &Value) -> Result<i64> {
    entity["id"]
        .as_i64()
        .with_context(|| format!("no id in {entity}"))
}

/// The fields of NewOwner (contract 3.3).
pub fn new_user(email: &str) -> Value {
    json!({
        "email": email, "password": PASSWORD, "confirmPassword": PASSWORD,
        "firstName": "Anna", "lastName": "Nowak", "phoneNumber": "+48123456789",
    })
}
