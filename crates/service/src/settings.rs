//! The application's variables, as `spin.toml` grants them to a component.

use spin_sdk::variables;

/// A variable that is missing or invalid.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    #[error("variable {name} cannot be read: {reason}")]
    Missing { name: &'static str, reason: String },
    #[error("variable {name} {rule}")]
    Invalid { name: &'static str, rule: &'static str },
}

/// The text of a variable.
pub fn text(name: &'static str) -> Result<String, SettingError> {
    variables::get(name).map_err(|error| SettingError::Missing {
        name,
        reason: error.to_string(),
    })
}

/// The text of a variable that keeps a secret: at least 32 bytes, since a shorter key can be guessed (RFC 7518, 3.2).
pub fn secret(name: &'static str) -> Result<String, SettingError> {
    let secret = text(name)?;
    if secret.len() < 32 {
        return Err(SettingError::Invalid {
            name,
            rule: "must be at least 32 bytes long",
        });
    }
    Ok(secret)
}

/// A variable that holds a whole number.
pub fn number(name: &'static str) -> Result<u32, SettingError> {
    text(name)?.parse().map_err(|_| SettingError::Invalid {
        name,
        rule: "must be a whole number",
    })
}
