//! Bearer credentials in an `Authorization` header, and the keys by which the services authenticate each other.

use subtle::ConstantTimeEq;

use crate::settings::{self, SettingError};

/// What follows `Bearer `: the header must be exactly two parts split at one space (contract 2.1).
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, credential) = header.split_once(' ')?;
    (scheme == "Bearer" && !credential.is_empty() && !credential.contains(' ')).then_some(credential)
}

/// Whether a presented key is the one in a variable, or the one before it.
pub fn is_of_service(presented: &str, variable: &str) -> Result<bool, SettingError> {
    let keys = settings::with_previous(variable, settings::text)?;
    Ok(keys.iter().any(|key| matches(presented, key)))
}

/// Whether a presented key is the expected one, compared in constant time.
fn matches(presented: &str, expected: &str) -> bool {
    presented.as_bytes().ct_eq(expected.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_header_is_two_parts_split_at_one_space() {
        assert_eq!(bearer("Bearer organizer:abc"), Some("organizer:abc"));
        for header in [
            "",
            "Bearer",
            "Bearer ",
            "bearer abc",
            "Bearer  abc",
            "Bearer a b",
            "Basic abc",
            " Bearer abc",
        ] {
            assert_eq!(bearer(header), None, "{header:?}");
        }
    }

    #[test]
    fn a_key_matches_only_itself() {
        assert!(matches("key", "key"));
        for other in ["", "ke", "keys", "Key"] {
            assert!(!matches(other, "key"), "{other:?}");
        }
    }
}
