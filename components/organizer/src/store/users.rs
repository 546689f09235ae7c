//! Users of agencies, and administrators.

use serde::{Serialize, Serializer};
use service::clock::{self, Millis};
use service::database::{DatabaseError, FromValue, Row, query, query_one};
use service::parameters;
use spin_sdk::sqlite3::{Connection, Value};

use crate::store::agencies::Agency;

/// Contract 1.1: the smaller number is the senior.
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

    /// The role with that number.
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

    /// Only juniors may be managed.
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
    #[serde(serialize_with = "timestamp")]
    pub time_created: Millis,
    #[serde(serialize_with = "timestamp")]
    pub time_sign_out: Millis,
    pub role: Role,
    pub agency_id: Option<i64>,
}

/// A user who is about to be.
pub(crate) struct NewUser {
    pub email: String,
    pub password_hash: String,
    pub first_name: String,
    pub last_name: String,
    pub phone_number: String,
    pub role: Role,
}

/// A time as answers show it.
pub(crate) fn timestamp<S: Serializer>(time: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&clock::format(*time))
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
        "INSERT INTO users (email, password_hash, first_name, last_name, phone_number, time_created, time_sign_out, role, agency_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8)
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
        ],
        |row| decode(&row),
    )
}

/// The user who has an e-mail, with the password hash and whether the agency is approved, for signing in.
pub(crate) fn find_for_sign_in(
    connection: &Connection,
    email: &str,
) -> Result<Option<(User, String, bool)>, DatabaseError> {
    query_one(
        connection,
        "SELECT u.id, u.email, u.first_name, u.last_name, u.phone_number, u.time_created, u.time_sign_out, u.role, u.agency_id,
                u.password_hash, coalesce(a.approved, 0)
         FROM users u LEFT JOIN agencies a ON a.id = u.agency_id
         WHERE u.email = ?1",
        parameters![email],
        |row| Ok((decode(&row)?, row.get(9)?, row.get(10)?)),
    )
}

/// A user with the agency the user acts for.
pub(crate) fn find_with_agency(
    connection: &Connection,
    id: i64,
) -> Result<Option<(User, Option<Agency>)>, DatabaseError> {
    query_one(
        connection,
        "SELECT u.id, u.email, u.first_name, u.last_name, u.phone_number, u.time_created, u.time_sign_out, u.role, u.agency_id,
                a.name, a.address, a.website, a.approved
         FROM users u LEFT JOIN agencies a ON a.id = u.agency_id
         WHERE u.id = ?1",
        parameters![id],
        |row| {
            let user = decode(&row)?;
            let agency = match (user.agency_id, row.get::<Option<String>>(9)?) {
                (Some(id), Some(name)) => {
                    Some(Agency { id, name, address: row.get(10)?, website: row.get(11)?, approved: row.get(12)? })
                }
                _ => None,
            };
            Ok((user, agency))
        },
    )
}

/// The users of an agency, previewing administrators included (contract 3.4), by ascending id.
pub(crate) fn list_of_agency(connection: &Connection, agency_id: i64) -> Result<Vec<User>, DatabaseError> {
    query(
        connection,
        "SELECT id, email, first_name, last_name, phone_number, time_created, time_sign_out, role, agency_id
         FROM users WHERE agency_id = ?1 ORDER BY id",
        parameters![agency_id],
        |row| decode(&row),
    )
}

/// A user of an agency.
pub(crate) fn find_of_agency(
    connection: &Connection,
    id: i64,
    agency_id: i64,
) -> Result<Option<User>, DatabaseError> {
    query_one(
        connection,
        "SELECT id, email, first_name, last_name, phone_number, time_created, time_sign_out, role, agency_id
         FROM users WHERE id = ?1 AND agency_id = ?2",
        parameters![id, agency_id],
        |row| decode(&row),
    )
}

/// Whether anybody has role 0.
pub(crate) fn superadmin_exists(connection: &Connection) -> Result<bool, DatabaseError> {
    let exists = query_one(
        connection,
        "SELECT EXISTS (SELECT 1 FROM users WHERE role = 0)",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_juniors_may_be_managed() {
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
