//! What a new user of an agency is made of, and who somebody is that signs in: for tests, benches and chaos alike.

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Of everybody who works for an agency, 16 characters at least (contract 2.4).
pub const PASSWORD: &str = "correct horse battery";

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: i64,
    pub token: String,
}

impl Person {
    /// Out of the answer to a sign-in or a sign-up; an error if it is none.
    pub fn of_answer(signed_in: &Value) -> Result<Person> {
        let token = signed_in["token"].as_str().context("no token")?;
        Ok(Person {
            id: id_of(&signed_in["user"])?,
            token: token.to_owned(),
        })
    }
}

/// The id of what a service has answered; an error if it has none.
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
