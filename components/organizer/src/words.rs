//! New passwords that are easy to guess for whoever knows the account, or knows what passwords people use
//! (`service::guessable`).

use service::guessable::{self, KnownPasswords};
use service::settings::{self, Completeness};

use crate::error::Error;
use crate::store::agencies::Agency;
use crate::store::users::User;

/// 210,535 common and breached passwords of 16 to 128 characters, among them all of that length of the million most
/// common ones.
const KNOWN_PASSWORDS: KnownPasswords = KnownPasswords(include_bytes!("known-passwords.bin"));

/// Where the words come from, besides the product's name.
pub(crate) struct Context<'a> {
    pub email: &'a str,
    pub first_name: &'a str,
    pub last_name: &'a str,
    /// The name of the agency, for whoever belongs to one.
    pub agency: Option<&'a str>,
}

impl<'a> Context<'a> {
    pub(crate) fn of(user: &'a User, agency: Option<&'a Agency>) -> Context<'a> {
        Context {
            email: &user.email,
            first_name: &user.first_name,
            last_name: &user.last_name,
            agency: agency.map(|agency| agency.name.as_str()),
        }
    }

    /// Refuses a new password that is easy to guess, where accounts have to be complete. `field` is its name in the
    /// form.
    pub(crate) fn check(&self, field: &str, password: &str) -> Result<(), Error> {
        if settings::completeness()? == Completeness::Optional {
            return Ok(());
        }
        let texts = [
            self.email,
            self.first_name,
            self.last_name,
            self.agency.unwrap_or_default(),
        ];
        let mut broken = Vec::new();
        if guessable::consists_of(password, &texts) {
            broken.push(format!("{field} must not consist of names, the email and mayday"));
        }
        if KNOWN_PASSWORDS.contain(password) {
            broken.push(format!("{field} must not be a common password"));
        }
        if broken.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(broken))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_passwords_that_people_use_are_known_and_those_of_tests_are_not() {
        for password in [
            "1234567890123456",
            "passwordpassword",
            "PasswordPassword",
            "manchesterunited",
            "Manchester United",
            "correcthorsebatterystaple",
        ] {
            assert!(KNOWN_PASSWORDS.contain(password), "{password}");
        }
        for password in [
            "superadmin password",
            "correct horse battery",
            "another horse battery",
            "Owner-passw0rd-1",
            "Support-passw0rd-1",
        ] {
            assert!(!KNOWN_PASSWORDS.contain(password), "{password}");
        }
    }

    /// OWASP ASVS 5.0, 6.2.4, asks for 3,000.
    #[test]
    fn two_hundred_thousand_passwords_are_known_and_sorted() {
        let (hashes, rest) = KNOWN_PASSWORDS.0.as_chunks::<5>();
        assert_eq!((hashes.len(), rest.len()), (210_535, 0));
        assert!(hashes.is_sorted());
    }
}
