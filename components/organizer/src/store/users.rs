//! Users of agencies, and administrators.

use std::ops::Not;

use serde::{Serialize, Serializer};
use service::clock::{self, Millis};
use service::database::{Connection, DatabaseError, FromValue, Row, execute, query, query_one};
use service::parameters;
use spin_sdk::sqlite3::Value;

use crate::store::agencies::Agency;
use crate::store::entity::{Identified, Recorded};
use crate::store::page::Page;

/// Contract 1.1: a smaller number is more senior.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Role {
    Superadmin,
    Admin,
    AgencyOwner,
    AgencyManager,
    AgencySupport,
}

impl Role {
    const ALL: [Role; 5] = [
        Role::Superadmin,
        Role::Admin,
        Role::AgencyOwner,
        Role::AgencyManager,
        Role::AgencySupport,
    ];

    /// The role with this number.
    pub(crate) fn from_number(number: i64) -> Option<Role> {
        usize::try_from(number)
            .ok()
            .and_then(|number| Role::ALL.get(number))
            .copied()
    }

    /// The number on the wire.
    pub(crate) fn number(self) -> i64 {
        self as i64
    }

    pub(crate) fn is_admin(self) -> bool {
        self <= Role::Admin
    }

    /// A role may manage only roles that are junior to it.
    pub(crate) fn may_manage(self, other: Role) -> bool {
        other > self
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.number())
    }
}

impl FromValue for Role {
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value).and_then(Role::from_number)
    }
}

/// A user, as clients see one (contract 1.3).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub id: i64,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub phone_number: String,
    #[serde(serialize_with = "clock::timestamp")]
    pub time_created: Millis,
    #[serde(serialize_with = "clock::timestamp")]
    pub time_sign_out: Millis,
    pub role: Role,
    pub agency_id: Option<i64>,
}

impl Identified for User {
    fn id(&self) -> i64 {
        self.id
    }
}

impl Recorded for User {
    const CLASS: &'static str = "User";

    fn agency_id(&self) -> Option<i64> {
        self.agency_id
    }

    fn blanked(&self) -> Option<User> {
        Some(User {
            email: String::new(),
            first_name: String::new(),
            last_name: String::new(),
            phone_number: String::new(),
            ..*self
        })
    }
}

/// What a user has to do until the account is complete (docs/organizer-api.md).
#[derive(Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Missing {
    /// Somebody else has chosen the password.
    #[serde(skip_serializing_if = "Not::not")]
    pub must_change_password: bool,
    #[serde(skip_serializing_if = "Not::not")]
    pub must_have_second_factor: bool,
}

impl Missing {
    pub(crate) fn is_nothing(self) -> bool {
        !self.must_change_password && !self.must_have_second_factor
    }
}

/// A user to add.
pub(crate) struct NewUser {
    pub email: String,
    pub password_hash: String,
    /// Whether somebody else has chosen the password.
    pub initial_password: bool,
    pub first_name: String,
    pub last_name: String,
    pub phone_number: String,
    pub role: Role,
}

/// Edits to a user; absent fields stay.
#[derive(Default)]
pub(crate) struct UserEdits {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub phone_number: Option<String>,
    pub role: Option<Role>,
}

/// Adds a user; `None` when the e-mail is taken.
pub(crate) fn insert(
    connection: &Connection,
    user: &NewUser,
    agency_id: Option<i64>,
    now: Millis,
) -> Result<Option<User>, DatabaseError> {
    query_one(
        connection,
        "INSERT INTO users (email, password_hash, first_name, last_name, phone_number, time_created, time_sign_out,
                            role, agency_id, initial_password)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9)
         ON CONFLICT (email) DO NOTHING
         RETURNING id, email, first_name, last_name, phone_number, time_created, time_sign_out, role, agency_id",
        parameters![
            &user.email,
            &user.password_hash,
            &user.first_name,
            &user.last_name,
            &user.phone_number,
            now,
            user.role.number(),
            agency_id,
            user.initial_password,
        ],
        |row| decode(&row),
    )
}

/// What a sign-in is judged by.
pub(crate) struct Account {
    pub user: User,
    pub password_hash: String,
    /// Whether the user's agency is approved.
    pub approved: bool,
    /// The secret of the user's second factor, if the user has one.
    pub second_factor: Option<String>,
    pub missing: Missing,
}

/// For signing in: the account with an e-mail.
pub(crate) fn find_for_sign_in(
    connection: &Connection,
    email: &str,
) -> Result<Option<Account>, DatabaseError> {
    query_one(
        connection,
        "SELECT u.id, u.email, u.first_name, u.last_name, u.phone_number, u.time_created, u.time_sign_out,
                u.role, u.agency_id, u.password_hash, coalesce(a.approved, 0), f.secret, u.initial_password,
                f.secret IS NULL
         FROM users u
              LEFT JOIN agencies a ON a.id = u.agency_id
              LEFT JOIN second_factors f ON f.user_id = u.id AND f.time_confirmed IS NOT NULL
         WHERE u.email = ?1",
        parameters![email],
        |row| {
            Ok(Account {
                user: decode(&row)?,
                password_hash: row.get(9)?,
                approved: row.get(10)?,
                second_factor: row.get(11)?,
                missing: decode_missing(&row, 12)?,
            })
        },
    )
}

/// What a token is judged by: its user, and the agency the user acts for.
#[derive(Clone)]
pub(crate) struct UserWithAgency {
    pub user: User,
    pub agency: Option<Agency>,
    /// How many chats each organizer of the agency may have open at once; `None` for any number.
    pub max_open_chats: Option<u32>,
    pub missing: Missing,
}

/// The user with the given id. Every request of a user begins with this, and so costs no statement for the schema's
/// version.
pub(crate) fn find_with_agency(
    connection: &Connection,
    id: i64,
) -> Result<Option<UserWithAgency>, DatabaseError> {
    let ids = serde_json::json!([id]).to_string();
    query_one(connection, WITH_AGENCIES, parameters![ids], decode_with_agency)
}

/// The users with the given ids; those that are gone are left out.
pub(crate) fn find_with_agencies(
    connection: &Connection,
    ids: &[i64],
) -> Result<Vec<UserWithAgency>, DatabaseError> {
    let ids = serde_json::json!(ids).to_string();
    query(connection, WITH_AGENCIES, parameters![ids], decode_with_agency)
}

fn decode_with_agency(row: Row) -> Result<UserWithAgency, DatabaseError> {
    let user = decode(&row)?;
    let agency = match (user.agency_id, row.get::<Option<String>>(9)?) {
        (Some(id), Some(name)) => Some(Agency {
            id,
            name,
            address: row.get(10)?,
            website: row.get(11)?,
            approved: row.get(12)?,
        }),
        _ => None,
    };
    Ok(UserWithAgency {
        user,
        agency,
        max_open_chats: row.get(13)?,
        missing: decode_missing(&row, 14)?,
    })
}

pub(crate) const WITH_AGENCIES: &str = "
    SELECT u.id, u.email, u.first_name, u.last_name, u.phone_number, u.time_created, u.time_sign_out,
           u.role, u.agency_id, a.name, a.address, a.website, a.approved, a.max_open_chats, u.initial_password,
           f.user_id IS NULL
    FROM users u
         LEFT JOIN agencies a ON a.id = u.agency_id
         LEFT JOIN second_factors f ON f.user_id = u.id AND f.time_confirmed IS NOT NULL
    WHERE u.id IN (SELECT value FROM json_each(?1))";

/// The users of an agency, previewing administrators included (contract 3.4), by ascending id.
pub(crate) fn list_of_agency(
    connection: &Connection,
    agency_id: i64,
    page: &Page,
) -> Result<Vec<User>, DatabaseError> {
    let parameters = parameters![agency_id, page.after(), page.limit];
    query(connection, LIST_OF_AGENCY, parameters, |row| decode(&row))
}

pub(crate) const LIST_OF_AGENCY: &str = "
    SELECT id, email, first_name, last_name, phone_number, time_created, time_sign_out, role, agency_id
    FROM users WHERE agency_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";

/// All administrators, by ascending id.
pub(crate) fn list_admins(connection: &Connection, page: &Page) -> Result<Vec<User>, DatabaseError> {
    let parameters = parameters![page.after(), page.limit];
    query(connection, LIST_ADMINS, parameters, |row| decode(&row))
}

pub(crate) const LIST_ADMINS: &str = "
    SELECT id, email, first_name, last_name, phone_number, time_created, time_sign_out, role, agency_id
    FROM users WHERE role <= 1 AND id > ?1 ORDER BY id LIMIT ?2";

/// A user of an agency.
pub(crate) fn find_of_agency(
    connection: &Connection,
    id: i64,
    agency_id: i64,
) -> Result<Option<User>, DatabaseError> {
    Ok(find(connection, id)?.filter(|user| user.agency_id == Some(agency_id)))
}

/// A user of any agency, or of none.
pub(crate) fn find(connection: &Connection, id: i64) -> Result<Option<User>, DatabaseError> {
    query_one(
        connection,
        "SELECT id, email, first_name, last_name, phone_number, time_created, time_sign_out, role, agency_id
         FROM users WHERE id = ?1",
        parameters![id],
        |row| decode(&row),
    )
}

/// The users among these who work for an agency, if it is approved, by ascending id.
pub(crate) fn colleagues(
    connection: &Connection,
    agency_id: i64,
    ids: &[i64],
) -> Result<Vec<i64>, DatabaseError> {
    let ids = serde_json::json!(ids).to_string();
    query(connection, COLLEAGUES, parameters![agency_id, ids], |row| {
        row.get(0)
    })
}

// Administrators in preview are no colleagues.
pub(crate) const COLLEAGUES: &str = "
    SELECT u.id
    FROM (SELECT DISTINCT value AS id FROM json_each(?2)) asked
         CROSS JOIN users u ON u.id = asked.id CROSS JOIN agencies a ON a.id = u.agency_id
    WHERE u.agency_id = ?1 AND u.role >= 2 AND a.approved
    ORDER BY u.id";

/// The hash of a user's password.
pub(crate) fn password_hash(connection: &Connection, id: i64) -> Result<Option<String>, DatabaseError> {
    query_one(
        connection,
        "SELECT password_hash FROM users WHERE id = ?1",
        parameters![id],
        |row| row.get(0),
    )
}

/// Edits a user.
pub(crate) fn update(
    connection: &Connection,
    id: i64,
    edits: &UserEdits,
) -> Result<Option<User>, DatabaseError> {
    query_one(
        connection,
        "UPDATE users
         SET first_name = coalesce(?2, first_name), last_name = coalesce(?3, last_name),
             phone_number = coalesce(?4, phone_number), role = coalesce(?5, role)
         WHERE id = ?1
         RETURNING id, email, first_name, last_name, phone_number, time_created, time_sign_out, role, agency_id",
        parameters![
            id,
            edits.first_name.as_ref(),
            edits.last_name.as_ref(),
            edits.phone_number.as_ref(),
            edits.role.map(Role::number),
        ],
        |row| decode(&row),
    )
}

/// Ends every session of a user that began before a time. Those that an earlier sign-out has ended stay ended: its time
/// lies ahead if the clock was set back since.
pub(crate) fn sign_out(
    connection: &Connection,
    id: i64,
    time: Millis,
) -> Result<Option<User>, DatabaseError> {
    query_one(
        connection,
        "UPDATE users SET time_sign_out = max(?2, time_sign_out + 1) WHERE id = ?1
         RETURNING id, email, first_name, last_name, phone_number, time_created, time_sign_out, role, agency_id",
        parameters![id, time],
        |row| decode(&row),
    )
}

/// Sets a user's password, and ends sessions as [`sign_out`] does. `is_initial` tells whether somebody else has chosen
/// it.
pub(crate) fn set_password(
    connection: &Connection,
    id: i64,
    hash: &str,
    is_initial: bool,
    time_sign_out: Millis,
) -> Result<Option<User>, DatabaseError> {
    query_one(
        connection,
        "UPDATE users SET password_hash = ?2, initial_password = ?3, time_sign_out = max(?4, time_sign_out + 1)
         WHERE id = ?1
         RETURNING id, email, first_name, last_name, phone_number, time_created, time_sign_out, role, agency_id",
        parameters![id, hash, is_initial, time_sign_out],
        |row| decode(&row),
    )
}

/// Replaces the hash of a password, unless the password was changed meanwhile.
pub(crate) fn rehash_password(
    connection: &Connection,
    email: &str,
    old_hash: &str,
    new_hash: &str,
) -> Result<(), DatabaseError> {
    execute(
        connection,
        "UPDATE users SET password_hash = ?3 WHERE email = ?1 AND password_hash = ?2",
        parameters![email, old_hash, new_hash],
    )
}

/// Sets the agency that a user acts for, or none.
pub(crate) fn set_agency(
    connection: &Connection,
    id: i64,
    agency_id: Option<i64>,
) -> Result<Option<User>, DatabaseError> {
    query_one(
        connection,
        "UPDATE users SET agency_id = ?2 WHERE id = ?1
         RETURNING id, email, first_name, last_name, phone_number, time_created, time_sign_out, role, agency_id",
        parameters![id, agency_id],
        |row| decode(&row),
    )
}

/// Ends the previews of an agency, and returns the administrators who had one, by ascending id.
pub(crate) fn end_previews(connection: &Connection, agency_id: i64) -> Result<Vec<User>, DatabaseError> {
    let mut users = query(
        connection,
        "UPDATE users SET agency_id = NULL WHERE agency_id = ?1 AND role <= 1
         RETURNING id, email, first_name, last_name, phone_number, time_created, time_sign_out, role, agency_id",
        parameters![agency_id],
        |row| decode(&row),
    )?;
    users.sort_unstable_by_key(|user| user.id);
    Ok(users)
}

/// Whether anybody has role 0.
pub(crate) fn superadmin_exists(connection: &Connection) -> Result<bool, DatabaseError> {
    let exists = query_one(
        connection,
        "SELECT EXISTS (SELECT 1 FROM users WHERE role <= 1 AND role = 0)",
        &[],
        |row| row.get(0),
    )?;
    Ok(exists.unwrap_or_default())
}

fn decode(row: &Row) -> Result<User, DatabaseError> {
    Ok(User {
        id: row.get(0)?,
        email: row.get(1)?,
        first_name: row.get(2)?,
        last_name: row.get(3)?,
        phone_number: row.get(4)?,
        time_created: row.get(5)?,
        time_sign_out: row.get(6)?,
        role: row.get(7)?,
        agency_id: row.get(8)?,
    })
}

/// Of two columns: whether the password is an initial one, and whether a second factor must be there and is not.
fn decode_missing(row: &Row, first_column: usize) -> Result<Missing, DatabaseError> {
    Ok(Missing {
        must_change_password: row.get(first_column)?,
        must_have_second_factor: row.get(first_column + 1)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_manage_only_juniors() {
        assert!(Role::AgencyOwner.may_manage(Role::AgencyManager));
        assert!(!Role::AgencyManager.may_manage(Role::AgencyManager));
        assert!(!Role::AgencySupport.may_manage(Role::AgencyOwner));
        assert!(Role::Superadmin.may_manage(Role::Admin));
    }

    #[test]
    fn roles_are_numbers_on_the_wire() {
        for (number, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!(serde_json::to_value(role).unwrap(), number);
            assert_eq!(Role::from_number(role.number()), Some(role));
        }
        assert_eq!(Role::from_number(5), None);
        assert_eq!(Role::from_number(-1), None);
    }
}
