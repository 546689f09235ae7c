//! The application's variables, as `spin.toml` grants them to a component.

use spin_sdk::variables;

/// A variable that is missing or invalid.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    #[error("variable {name} cannot be read: {reason}")]
    Missing { name: String, reason: String },
    #[error("variable {name} {rule}")]
    Invalid { name: String, rule: &'static str },
}

/// The text of a variable.
pub fn text(name: &str) -> Result<String, SettingError> {
    variables::get(name).map_err(|error| SettingError::Missing {
        name: name.to_owned(),
        reason: error.to_string(),
    })
}

/// The text of a variable that holds a secret: at least 32 bytes, since a shorter key can be guessed (RFC 7518, 3.2).
pub fn secret(name: &str) -> Result<String, SettingError> {
    let secret = text(name)?;
    if secret.len() < 32 {
        return Err(SettingError::Invalid {
            name: name.to_owned(),
            rule: "must be at least 32 bytes long",
        });
    }
    Ok(secret)
}

/// The values of a variable and its `_previous`, read by `read`. Both are accepted while a key is replaced. An empty
/// previous one counts as absent.
pub fn with_previous(
    name: &str,
    read: fn(&str) -> Result<String, SettingError>,
) -> Result<Vec<String>, SettingError> {
    let previous = format!("{name}_previous");
    let mut values = vec![read(name)?];
    if !text(&previous)?.is_empty() {
        values.push(read(&previous)?);
    }
    Ok(values)
}

/// A variable that holds how many days something is kept; `None`, for ever, where it is 0 or empty.
pub fn days(name: &str) -> Result<Option<u32>, SettingError> {
    parse_days(&text(name)?).map_err(|rule| SettingError::Invalid {
        name: name.to_owned(),
        rule,
    })
}

/// More days than a database will live.
const MOST_DAYS: u32 = 36_500;

fn parse_days(text: &str) -> Result<Option<u32>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse() {
        Ok(0) => Ok(None),
        Ok(days) if days <= MOST_DAYS => Ok(Some(days)),
        _ => Err("must be a whole number of days up to 36500, or 0 for ever"),
    }
}

/// A variable that holds a whole number.
pub fn number(name: &str) -> Result<u32, SettingError> {
    text(name)?.parse().map_err(|_| SettingError::Invalid {
        name: name.to_owned(),
        rule: "must be a whole number",
    })
}

/// Which accounts have to be complete.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Completeness {
    Optional,
    /// All have to be, but support users need no second factor.
    Required,
    /// All, and everybody needs a second factor.
    RequiredOfAll,
}

/// The variable `require_complete_accounts`.
pub fn completeness() -> Result<Completeness, SettingError> {
    const NAME: &str = "require_complete_accounts";
    match text(NAME)?.as_str() {
        "false" => Ok(Completeness::Optional),
        "true" => Ok(Completeness::Required),
        "all" => Ok(Completeness::RequiredOfAll),
        _ => Err(SettingError::Invalid {
            name: NAME.to_owned(),
            rule: "must be false, true or all",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_is_a_number_of_days_and_zero_is_for_ever() {
        for (text, days) in [("", None), ("0", None), ("1", Some(1)), ("36500", Some(36_500))] {
            assert_eq!(parse_days(text), Ok(days), "{text:?}");
        }
        for text in ["-1", "1.5", "30d", " ", "36501", "99999999999"] {
            assert!(parse_days(text).is_err(), "{text:?}");
        }
    }
}
