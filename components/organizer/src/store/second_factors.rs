//! Second factors of users, and their recovery codes.

use serde::Serialize;
use service::clock::Millis;
use service::database::{Connection, DatabaseError, execute, query_one};
use service::parameters;

use crate::store::Identified;
use crate::store::changelogs::UserOfAgency;
use crate::store::entity::Recorded;

/// Whether a user has a second factor.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State {
    pub user_id: i64,
    pub is_on: bool,
    /// How many recovery codes are left.
    pub recovery_codes: i64,
}

/// A user who has a second factor now, or has none: the recorded value of a change of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserWithSecondFactor {
    #[serde(flatten)]
    pub of_agency: UserOfAgency,
    pub has_second_factor: bool,
}

impl Identified for UserWithSecondFactor {
    fn id(&self) -> i64 {
        self.of_agency.id()
    }
}

impl Recorded for UserWithSecondFactor {
    const CLASS: &'static str = UserOfAgency::CLASS;

    fn agency_id(&self) -> Option<i64> {
        Recorded::agency_id(&self.of_agency)
    }

    fn blanked(&self) -> Option<Self> {
        Some(UserWithSecondFactor {
            of_agency: self.of_agency.blanked()?,
            has_second_factor: self.has_second_factor,
        })
    }
}

/// Whether a user has a second factor.
pub(crate) fn state(connection: &Connection, user_id: i64) -> Result<State, DatabaseError> {
    let recovery_codes = query_one(
        connection,
        "SELECT (SELECT count(*) FROM recovery_codes WHERE user_id = ?1)
         FROM second_factors WHERE user_id = ?1 AND time_confirmed IS NOT NULL",
        parameters![user_id],
        |row| row.get(0),
    )?;
    Ok(State {
        user_id,
        is_on: recovery_codes.is_some(),
        recovery_codes: recovery_codes.unwrap_or_default(),
    })
}

/// The secret of a user's second factor.
pub(crate) fn secret(connection: &Connection, user_id: i64) -> Result<Option<String>, DatabaseError> {
    query_one(
        connection,
        "SELECT secret FROM second_factors WHERE user_id = ?1 AND time_confirmed IS NOT NULL",
        parameters![user_id],
        |row| row.get(0),
    )
}

/// The secret that waits for its first code.
pub(crate) fn unconfirmed_secret(
    connection: &Connection,
    user_id: i64,
) -> Result<Option<String>, DatabaseError> {
    query_one(
        connection,
        "SELECT secret FROM second_factors WHERE user_id = ?1 AND time_confirmed IS NULL",
        parameters![user_id],
        |row| row.get(0),
    )
}

/// Stores a secret that waits for its first code, in place of one that waited before. Returns whether it did: not if
/// the user has a second factor already.
pub(crate) fn set_up(connection: &Connection, user_id: i64, secret: &str) -> Result<bool, DatabaseError> {
    let stored = query_one(
        connection,
        "INSERT INTO second_factors (user_id, secret) VALUES (?1, ?2)
         ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret WHERE time_confirmed IS NULL
         RETURNING user_id",
        parameters![user_id, secret],
        |row| row.get::<i64>(0),
    )?;
    Ok(stored.is_some())
}

/// Makes a secret that waited for its first code the user's second factor, with its recovery codes. Returns whether it
/// did: not if another secret waits by now, or none.
pub(crate) fn confirm(
    connection: &Connection,
    user_id: i64,
    secret: &str,
    step: i64,
    recovery_hashes: &[String],
    now: Millis,
) -> Result<bool, DatabaseError> {
    let confirmed = query_one(
        connection,
        "UPDATE second_factors SET time_confirmed = ?4, last_step = ?3
         WHERE user_id = ?1 AND secret = ?2 AND time_confirmed IS NULL
         RETURNING user_id",
        parameters![user_id, secret, step, now],
        |row| row.get::<i64>(0),
    )?;
    if confirmed.is_none() {
        return Ok(false);
    }
    execute(
        connection,
        "INSERT INTO recovery_codes (user_id, hash) SELECT ?1, value FROM json_each(?2)",
        parameters![user_id, serde_json::json!(recovery_hashes).to_string()],
    )?;
    Ok(true)
}

/// Uses up the code of a time step, and those of all steps before it. Returns whether it was still unused.
pub(crate) fn use_step(
    connection: &Connection,
    user_id: i64,
    secret: &str,
    step: i64,
) -> Result<bool, DatabaseError> {
    let used = query_one(
        connection,
        "UPDATE second_factors SET last_step = ?3
         WHERE user_id = ?1 AND secret = ?2 AND time_confirmed IS NOT NULL AND last_step < ?3
         RETURNING user_id",
        parameters![user_id, secret, step],
        |row| row.get::<i64>(0),
    )?;
    Ok(used.is_some())
}

/// Uses up a recovery code. Returns whether the user had it.
pub(crate) fn use_recovery_code(
    connection: &Connection,
    user_id: i64,
    hash: &str,
) -> Result<bool, DatabaseError> {
    let used = query_one(
        connection,
        "DELETE FROM recovery_codes WHERE user_id = ?1 AND hash = ?2 RETURNING user_id",
        parameters![user_id, hash],
        |row| row.get::<i64>(0),
    )?;
    Ok(used.is_some())
}

/// Removes a user's second factor and its recovery codes. Returns whether there was one.
pub(crate) fn remove(connection: &Connection, user_id: i64) -> Result<bool, DatabaseError> {
    let removed = query_one(
        connection,
        "DELETE FROM second_factors WHERE user_id = ?1 AND time_confirmed IS NOT NULL RETURNING user_id",
        parameters![user_id],
        |row| row.get::<i64>(0),
    )?;
    Ok(removed.is_some())
}
