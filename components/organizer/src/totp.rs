//! The codes of authenticator apps (RFC 6238): HMAC-SHA-1, six digits, steps of 30 seconds. Many apps ignore other
//! parameters. And recovery codes, for those who have lost the app.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, Mac};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use service::clock::Millis;
use sha1::Sha1;

use crate::chain::sha256;
use crate::error::Error;

/// The bits of a secret: as many as the hash has (RFC 4226, 4).
const SECRET_BYTES: usize = 20;

const STEP: Millis = 30_000;

/// How many recovery codes there are, and the bytes of each. No number of guesses finds 160 random bits.
const RECOVERY_CODES: usize = 10;
const RECOVERY_BYTES: usize = 20;
/// The bytes of an earlier release's codes, which people still have.
const EARLIER_RECOVERY_BYTES: usize = 15;

/// A new secret, in base32.
pub(crate) fn new_secret() -> Result<String, Error> {
    random_base32::<SECRET_BYTES>()
}

/// The address of a secret that apps read from a QR code.
pub(crate) fn address(secret: &str, account: &str) -> String {
    let account = utf8_percent_encode(account, NON_ALPHANUMERIC);
    format!("otpauth://totp/Mayday:{account}?secret={secret}&issuer=Mayday")
}

/// New recovery codes, as people read them: groups of four letters and digits.
pub(crate) fn new_recovery_codes() -> Result<Vec<String>, Error> {
    let code = |_| {
        let code = random_base32::<RECOVERY_BYTES>()?.to_lowercase();
        let groups: Vec<&str> = (0..code.len())
            .step_by(4)
            .map(|start| &code[start..start + 4])
            .collect();
        Ok(groups.join("-"))
    };
    (0..RECOVERY_CODES).map(code).collect()
}

fn random_base32<const BYTES: usize>() -> Result<String, Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(Error::Random)?;
    Ok(BASE32_NOPAD.encode(&bytes))
}

/// What a person has typed as a code. Case, spaces and hyphens do not matter.
#[derive(Debug, PartialEq)]
pub(crate) enum Code {
    /// Six digits of an app.
    OfApp(u32),
    /// A recovery code, by its hash.
    Recovery(String),
}

impl Code {
    /// `None` for what cannot be a code.
    pub(crate) fn parse(text: &str) -> Option<Code> {
        let plain: String = text
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .map(|c| c.to_ascii_uppercase())
            .collect();
        if plain.len() == 6 && plain.bytes().all(|byte| byte.is_ascii_digit()) {
            return plain.parse().ok().map(Code::OfApp);
        }
        let bytes = BASE32_NOPAD.decode(plain.as_bytes()).ok()?;
        matches!(bytes.len(), RECOVERY_BYTES | EARLIER_RECOVERY_BYTES)
            .then(|| Code::Recovery(sha256(plain.as_bytes())))
    }
}

/// The time step that a code belongs to, if it is the present one or one beside it: the one before, since typing takes
/// a while, and the one after, for phones whose clocks are ahead. No code of an exact phone counts longer for the
/// latter.
pub(crate) fn step_of(code: u32, secret: &str, now: Millis) -> Option<i64> {
    let secret = BASE32_NOPAD.decode(secret.as_bytes()).ok()?;
    let present = now.div_euclid(STEP);
    (present - 1..=present + 1).find(|step| code_at(*step, &secret) == code)
}

fn code_at(step: i64, secret: &[u8]) -> u32 {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).expect("an HMAC takes a key of any length");
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    // RFC 4226, 5.3: the last four bits say where in the digest the number begins.
    let start = usize::from(digest[digest.len() - 1] & 0xf);
    let number = digest[start..start + 4]
        .iter()
        .fold(0, |number, byte| (number << 8) | u32::from(*byte));
    (number & 0x7fff_ffff) % 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the last six of the eight digits there.
    #[test]
    fn the_codes_are_those_of_the_rfc() {
        for (seconds, code) in [
            (59, 287_082),
            (1_111_111_109, 81_804),
            (1_111_111_111, 50_471),
            (1_234_567_890, 5_924),
            (2_000_000_000, 279_037),
            (20_000_000_000, 353_130),
        ] {
            assert_eq!(code_at(seconds / 30, b"12345678901234567890"), code);
        }
    }

    #[test]
    fn a_code_belongs_to_its_step_and_counts_beside_it() {
        let secret = BASE32_NOPAD.encode(b"12345678901234567890");
        let step = 1_234_567_890 / 30;
        let step_at = |now| step_of(5_924, &secret, now);
        for offset in [-1, 0, 1] {
            let begin = (step + offset) * STEP;
            assert_eq!(step_at(begin), Some(step));
            assert_eq!(step_at(begin + STEP - 1), Some(step));
        }
        assert_eq!(step_at((step - 1) * STEP - 1), None);
        assert_eq!(step_at((step + 2) * STEP), None);
        assert_eq!(step_of(5_925, &secret, step * STEP), None);
    }

    #[test]
    fn a_code_is_read_as_people_type_it() {
        for text in ["005924", " 005 924", "005-924\n"] {
            assert_eq!(Code::parse(text), Some(Code::OfApp(5_924)), "{text:?}");
        }
        let code = new_recovery_codes().unwrap().remove(0);
        let read = Code::parse(&code);
        assert!(matches!(read, Some(Code::Recovery(_))), "{code}");
        assert_eq!(Code::parse(&code.to_uppercase().replace('-', " ")), read);
        assert_eq!(Code::parse(&code.replace('-', "")), read);
        for text in ["", "00592", "0059241", "00592a", "٠٠٥٩٢٤", &code[1..], "ß"] {
            assert_eq!(Code::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn an_earlier_recovery_code_still_counts() {
        let hash = sha256("H4KZ7QPMX2VDRUJ5CY3NE6WT");
        assert_eq!(
            Code::parse("h4kz-7qpm-x2vd-ruj5-cy3n-e6wt"),
            Some(Code::Recovery(hash))
        );
    }

    #[test]
    fn secrets_and_recovery_codes_are_random() {
        let (secret, other) = (new_secret().unwrap(), new_secret().unwrap());
        assert_eq!(secret.len(), 32);
        assert_ne!(secret, other);
        let mut codes = new_recovery_codes().unwrap();
        codes.sort();
        codes.dedup();
        assert_eq!(codes.len(), RECOVERY_CODES);
        // 32 letters and digits in groups of four: 160 bits.
        assert!(codes.iter().all(|code| code.len() == 39), "{codes:?}");
    }

    #[test]
    fn an_address_has_the_account_encoded() {
        assert_eq!(
            address("ABC", "ola+1@fest.example.org"),
            "otpauth://totp/Mayday:ola%2B1%40fest%2Eexample%2Eorg?secret=ABC&issuer=Mayday"
        );
    }
}
