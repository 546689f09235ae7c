//! The organizer database: one function per question, each with its SQL and its row decoding.

pub(crate) mod agencies;
pub(crate) mod canary;
pub(crate) mod changelogs;
pub(crate) mod comments;
pub(crate) mod contacts;
mod entity;
pub(crate) mod events;
pub(crate) mod issues;
mod page;
pub(crate) mod plans;
pub(crate) mod removal;
pub(crate) mod second_factors;
pub(crate) mod users;

use service::database::Connection;
use service::password::Hashing;
use service::{database, settings};

use crate::error::Error;
use crate::store::changelogs::Change;
pub(crate) use crate::store::entity::Identified;
pub(crate) use crate::store::page::Page;
use crate::store::users::{NewUser, Role};

/// The manifest's label for this service's database.
const LABEL: &str = "organizer";

const MIGRATIONS: &[&str] = &[
    include_str!("../../../../migrations/organizer/0001_init.sql"),
    include_str!("../../../../migrations/organizer/0002_help_phone_number.sql"),
    include_str!("../../../../migrations/organizer/0003_event_plans.sql"),
    include_str!("../../../../migrations/organizer/0004_second_factor.sql"),
    include_str!("../../../../migrations/organizer/0005_initial_passwords.sql"),
    include_str!("../../../../migrations/organizer/0006_record_retention.sql"),
];

/// Opens the database, migrated to the newest schema. A new one gets its superadmin.
pub(crate) fn open() -> Result<Connection, Error> {
    let connection = database::open(LABEL, MIGRATIONS)?;
    if connection.migrate()? {
        ensure_superadmin(&connection)?;
    }
    Ok(connection)
}

/// Creates the superadmin from the settings if nobody has role 0 (contract 2.8).
pub(crate) fn ensure_superadmin(connection: &Connection) -> Result<(), Error> {
    if users::superadmin_exists(connection)? {
        return Ok(());
    }
    let superadmin = NewUser {
        email: settings::text("superadmin_email")?,
        password_hash: Hashing::from_settings::<Error>(connection)?
            .hash(&settings::text("superadmin_password")?)?,
        initial_password: true,
        first_name: "Super".to_owned(),
        last_name: "Admin".to_owned(),
        phone_number: "+48123456789".to_owned(),
        role: Role::Superadmin,
    };
    database::transaction(connection, |connection| {
        // Another instance may have created one meanwhile.
        if users::superadmin_exists(connection)? {
            return Ok(());
        }
        let superadmin = users::insert(connection, &superadmin, None, database::now(connection)?)?
            .ok_or_else(|| {
                Error::BadRequest("the superadmin's e-mail belongs to somebody else".to_owned())
            })?;
        changelogs::record(connection, &superadmin, Change::insert(&superadmin)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> rusqlite::Connection {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        for migration in MIGRATIONS {
            database.execute_batch(migration).unwrap();
        }
        database
    }

    fn plan(database: &rusqlite::Connection, sql: &str) -> Vec<String> {
        let mut statement = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let nulls = vec![None::<i64>; statement.parameter_count()];
        let steps = statement.query_map(rusqlite::params_from_iter(nulls), |row| row.get(3));
        steps.unwrap().collect::<Result<_, _>>().unwrap()
    }

    /// The cost of a page does not depend on the length of the list: an index finds its rows, in order.
    #[test]
    fn every_list_is_served_by_an_index() {
        let database = database();
        for (sql, index) in [
            (
                users::LIST_OF_AGENCY,
                "INDEX users_by_agency (agency_id=? AND rowid>?)",
            ),
            (users::LIST_ADMINS, "INDEX administrators (id>?)"),
            (agencies::LIST, "INTEGER PRIMARY KEY (rowid>?)"),
            (
                events::LIST_OF_AGENCY,
                "INDEX events_by_agency (agency_id=? AND rowid>?)",
            ),
            (events::FIND_APPROVED, "e USING INTEGER PRIMARY KEY (rowid>?)"),
            (
                contacts::LIST_OF_AGENCY,
                "INDEX contacts_by_agency (agency_id=? AND rowid>?)",
            ),
            (
                contacts::LIST_OF_EVENT,
                "INDEX contacts_by_event (event_id=? AND agency_id=? AND rowid>?)",
            ),
            (
                issues::LIST_OF_AGENCY,
                "INDEX issues_by_agency (agency_id=? AND rowid>?)",
            ),
            (
                issues::LIST_OF_EVENT,
                "INDEX issues_by_event (event_id=? AND agency_id=? AND rowid>?)",
            ),
            (
                comments::LIST_OF_AGENCY,
                "INDEX comments_by_agency (agency_id=? AND rowid<?)",
            ),
            (
                comments::LIST_OF_ISSUE,
                "INDEX comments_by_issue (issue_id=? AND agency_id=? AND rowid<?)",
            ),
            (
                changelogs::LIST_OF_AGENCY,
                "INDEX changelogs_by_agency (agency_id=? AND rowid>?)",
            ),
            (
                changelogs::LIST_OF_AGENCY_BY_USER,
                "INDEX changelogs_by_agency_and_user (agency_id=? AND user_id=? AND rowid>?)",
            ),
            (
                changelogs::LIST_OLD,
                "INDEX changelogs_about_people (changed_at<?)",
            ),
            (
                changelogs::LIST_OF_ADMINS,
                "INDEX changelogs_by_admins (by_admin=? AND rowid>?)",
            ),
            (
                changelogs::LIST_OF_ADMIN,
                "INDEX changelogs_by_user (user_id=? AND rowid>?)",
            ),
            (
                changelogs::LIST_OF_CHAIN,
                "c USING INDEX changelogs_by_agency (agency_id=? AND rowid>?)",
            ),
        ] {
            let plan = plan(&database, sql);
            assert!(plan[0].ends_with(index), "{sql}\n{plan:#?}");
            let sorted_or_scanned =
                |step: &String| step.starts_with("USE TEMP B-TREE") || step.starts_with("SCAN e");
            assert!(!plan.iter().any(sorted_or_scanned), "{sql}\n{plan:#?}");
        }
    }

    /// A press looks up one event, a transfer one user, and each request the user of its token. No cost may grow with
    /// the number of rows.
    #[test]
    fn events_and_users_are_found_by_their_ids() {
        for (sql, step) in [
            (
                events::FIND_APPROVED_BY_IDS,
                "e USING INTEGER PRIMARY KEY (rowid=?)",
            ),
            (users::COLLEAGUES, "u USING INTEGER PRIMARY KEY (rowid=?)"),
            (users::WITH_AGENCIES, "u USING INTEGER PRIMARY KEY (rowid=?)"),
        ] {
            let plan = plan(&database(), sql);
            assert!(plan.iter().any(|found| found.contains(step)), "{plan:#?}");
        }
    }
}
