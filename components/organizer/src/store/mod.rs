//! The organizer database: one function per question, each with its SQL and its row decoding.

pub(crate) mod agencies;
pub(crate) mod changelogs;
pub(crate) mod events;
pub(crate) mod users;

use service::password::Hashing;
use service::{clock, database, settings};
use spin_sdk::sqlite3::Connection;

use crate::error::Error;
use crate::store::users::{NewUser, Role};

/// The manifest's label for this service's database.
const LABEL: &str = "organizer";

const MIGRATIONS: &[&str] = &[include_str!("../../../../migrations/organizer/0001_init.sql")];

/// Opens the database. The first time, it also gets its first superadmin (contract 2.8).
pub(crate) fn open() -> Result<Connection, Error> {
    database::open(LABEL, MIGRATIONS, ensure_superadmin)
}

/// Creates the superadmin from the settings if nobody has role 0.
pub(crate) fn ensure_superadmin(connection: &Connection) -> Result<(), Error> {
    if users::superadmin_exists(connection)? {
        return Ok(());
    }
    let superadmin = NewUser {
        email: settings::text("superadmin_email")?,
        password_hash: Hashing::from_settings()?.hash(&settings::text("superadmin_password")?)?,
        first_name: "Super".to_owned(),
        last_name: "Admin".to_owned(),
        phone_number: "+48123456789".to_owned(),
        role: Role::Superadmin,
    };
    let superadmin = users::insert(connection, &superadmin, None, clock::now())?
        .ok_or_else(|| Error::BadRequest("the superadmin's e-mail belongs to somebody else".to_owned()))?;
    changelogs::record(connection, &superadmin, changelogs::Change::insert(&superadmin))
}
