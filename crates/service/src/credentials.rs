//! Checks an account's password, and the code of its second factor. Throttles guesses, and takes the same time where
//! there is no account.

use crate::database::{self, Connection, DatabaseError};
use crate::door::Request;
use crate::password::{Hashing, PasswordError, Verdict};
use crate::refusals;
use crate::settings::{self, SettingError};
use crate::throttle::{self, Attempt, Crowds, Throttled};

/// A claimed password of an account.
pub struct Claim<'a> {
    /// The variable with the secret of the account's service. The throttle uses it to keep accounts of different
    /// services apart.
    pub secret: &'static str,
    /// The account's e-mail.
    pub account: &'a str,
    /// The account as the log names it, such as `organizer/7`; `None` when nobody has that e-mail.
    pub user: Option<String>,
    pub password: &'a str,
    /// The hash of the account's password; `None` when nobody has that e-mail.
    pub hash: Option<&'a str>,
    pub crowds: Crowds,
}

/// Why the password was not checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Too many passwords were wrong.
    #[error("too many failed attempts, try again later")]
    Throttled {
        /// Seconds.
        retry_after: i64,
    },
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<Throttled> for CheckError {
    fn from(Throttled { retry_after }: Throttled) -> CheckError {
        CheckError::Throttled { retry_after }
    }
}

/// Whether a claimed password is right. If it is, and its hash was made with less work than is configured now, calls
/// `renew` with the old hash and a new one.
pub fn check<Error: From<CheckError>>(
    connection: &Connection,
    request: &Request,
    claim: &Claim,
    renew: impl FnOnce(&str, &str) -> Result<(), Error>,
) -> Result<bool, Error> {
    let (verdict, renewed) = judge(connection, request, claim)?;
    if let (Some(old), Some(new)) = (claim.hash, renewed) {
        renew(old, &new)?;
    }
    Ok(verdict.is_right())
}

/// A claimed code of the second factor of an account, whose password is known to be right.
pub struct CodeClaim<'a> {
    /// The variable with the secret of the account's service, as in [`Claim`].
    pub secret: &'static str,
    /// The account's e-mail.
    pub account: &'a str,
    /// The account as the log names it.
    pub user: String,
}

/// Whether a claimed code is right, which `use_up` answers.
///
/// Ten wrong codes block the account's codes from all addresses, since six digits are easier to guess than a password.
/// Only somebody who knows the password can cause that.
pub fn check_code<Error: From<CheckError>>(
    connection: &Connection,
    request: &Request,
    claim: &CodeClaim,
    use_up: impl FnOnce() -> Result<bool, Error>,
) -> Result<bool, Error> {
    let (address, attempt) = begin_code(connection, request, claim)?;
    let is_right = use_up()?;
    end(connection, attempt, "code", &claim.user, &address, is_right)?;
    Ok(is_right)
}

/// The client's address, and the attempt. The account's codes are an account of their own to the throttle, with one
/// address for all.
fn begin_code<'a>(
    connection: &'a Connection,
    request: &Request,
    claim: &CodeClaim,
) -> Result<(String, Option<Attempt<'a>>), CheckError> {
    let address = throttle::address(request, &settings::text("client_address_header")?);
    let secret = settings::secret(claim.secret)?;
    let account = format!("second factor of {}", claim.account);
    let now = database::now(connection)?;
    let attempt = Attempt::begin(connection, &secret, &account, "", Crowds::Expected, now)?;
    Ok((address, attempt))
}

/// Logs an attempt, and reports its outcome to the throttle. `kind` is what was claimed: `password` or `code`.
fn end(
    connection: &Connection,
    attempt: Option<Attempt>,
    kind: &str,
    user: &str,
    address: &str,
    is_right: bool,
) -> Result<(), CheckError> {
    if is_right {
        crate::info!("right {kind} for {user}, from {address}");
    } else {
        refusals::log(connection, kind, address, || {
            format!("wrong {kind} for {user}, from {address}")
        });
    }
    let Some(attempt) = attempt else {
        return Ok(());
    };
    let now = database::now(connection)?;
    match is_right {
        true => attempt.succeeded(now)?,
        false => attempt.failed(now)?,
    }
    Ok(())
}

fn judge(
    connection: &Connection,
    request: &Request,
    claim: &Claim,
) -> Result<(Verdict, Option<String>), CheckError> {
    let address = throttle::address(request, &settings::text("client_address_header")?);
    let secret = settings::secret(claim.secret)?;
    // Hosts share the throttle, so its windows use the database's clock.
    let now = database::now(connection)?;
    let attempt = Attempt::begin(connection, &secret, claim.account, &address, claim.crowds, now)?;
    let hashing = Hashing::from_settings::<CheckError>(connection)?;
    let verdict = hashing.verify(claim.password, claim.hash)?;
    let user = claim.user.as_deref().unwrap_or("an unknown account");
    end(
        connection,
        attempt,
        "password",
        user,
        &address,
        verdict.is_right(),
    )?;
    let renewed = match verdict {
        Verdict::RightButOutdated => Some(hashing.hash(claim.password)?),
        Verdict::Wrong | Verdict::Right => None,
    };
    Ok((verdict, renewed))
}
