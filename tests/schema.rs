//! The schemas of the services' databases, and the schema that the next release may give them.

use std::fs;
use std::io;

use rusqlite::{Connection, Params, Result, Row};

use crate::programs::workspace;

/// A table, an index, a view or a trigger.
#[derive(PartialEq)]
pub struct Object {
    pub kind: String,
    pub name: String,
    /// The table, or the view of a trigger, that it belongs to.
    pub table: String,
    pub sql: String,
}

impl Object {
    /// Whether it is an index that refuses rows.
    pub fn is_unique(&self) -> bool {
        // SQLite writes the beginning of a definition itself.
        self.sql.starts_with("CREATE UNIQUE INDEX")
    }
}

/// A column of a table or view.
#[derive(PartialEq)]
pub struct Column {
    pub name: String,
    pub declared: String,
    pub is_required: bool,
    pub default: Option<String>,
    /// Its place in the primary key, from 1.
    pub key: i64,
}

/// All rows of a question.
pub fn rows<T>(
    database: &Connection,
    sql: &str,
    parameters: impl Params,
    read: impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = database.prepare(sql)?;
    let rows = statement.query_map(parameters, read)?;
    rows.collect()
}

/// All objects but those that SQLite makes by itself.
pub fn objects(database: &Connection) -> Result<Vec<Object>> {
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema
               WHERE sql IS NOT NULL AND substr(name, 1, 7) <> 'sqlite_' ORDER BY type, name";
    rows(database, sql, (), |row| {
        Ok(Object {
            kind: row.get(0)?,
            name: row.get(1)?,
            table: row.get(2)?,
            sql: row.get(3)?,
        })
    })
}

/// The columns of a table or view; none if it does not exist.
pub fn columns(database: &Connection, table: &str) -> Result<Vec<Column>> {
    let sql = "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_xinfo(?1) ORDER BY cid";
    rows(database, sql, [table], |row| {
        Ok(Column {
            name: row.get(0)?,
            declared: row.get(1)?,
            is_required: row.get(2)?,
            default: row.get(3)?,
            key: row.get(4)?,
        })
    })
}

/// The version of a database's schema.
pub fn version(database: &Connection) -> Result<i64> {
    database.query_row("PRAGMA user_version", (), |row| row.get(0))
}

/// The migrations of a service, oldest first.
pub fn migrations(service: &str) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(workspace().join("migrations").join(service))?;
    let files = entries.map(|entry| Ok(entry?.path()));
    let mut files = files.collect::<io::Result<Vec<_>>>()?;
    files.sort();
    files.iter().map(fs::read_to_string).collect()
}

/// A migration that does whatever the rule permits (docs/operations.md, "What a migration may do"). It is one
/// transaction, as a service's migration is.
pub fn next_migration(database: &Connection) -> Result<String> {
    let objects = objects(database)?;
    let mut migration = "create table next_log (said text not null);\n".to_owned();
    for object in &objects {
        let Object { kind, name, sql, .. } = object;
        match kind.as_str() {
            "table" => migration += &add_to_table(database, name)?,
            "view" => {
                // Its triggers go with it.
                let triggers = objects
                    .iter()
                    .filter(|other| other.kind == "trigger" && other.table == *name);
                let triggers: String = triggers.map(|trigger| format!("{};\n", trigger.sql)).collect();
                let names: Vec<_> = columns(database, name)?
                    .into_iter()
                    .map(|column| column.name)
                    .collect();
                // A libSQL server stores the statement in its own spelling.
                let columns_end = sql.to_ascii_lowercase().find(") as").expect("a view");
                let question = &sql[columns_end + ") as".len()..];
                migration += &format!(
                    "drop view {name};
                     create view {name} ({}, next_text) as select *, null from ({question});
                     {triggers}",
                    names.join(", ")
                );
            }
            "index" if !object.is_unique() => migration += &format!("drop index {name};\n"),
            _ => {}
        }
    }
    let version = version(database)? + 1;
    Ok(format!(
        "begin immediate;\n{migration}pragma user_version = {version};\ncommit;\n"
    ))
}

/// Columns, an index and a trigger, and a table whose rows belong to the rows of this one.
fn add_to_table(database: &Connection, table: &str) -> Result<String> {
    let columns = columns(database, table)?;
    let keys: Vec<_> = columns.iter().filter(|column| column.key > 0).collect();
    let (child, row) = match keys.as_slice() {
        [Column { name, .. }] => (
            format!("create table next_of_{table} (parent references {table} ({name}) on delete cascade);"),
            format!("insert into next_of_{table} (parent) values (new.{name});"),
        ),
        _ => (String::new(), String::new()),
    };
    Ok(format!(
        "alter table {table} add column next_text text;
         alter table {table} add column next_flag integer not null default 0 check (next_flag in (0, 1));
         create unique index next_texts_of_{table} on {table} (next_text);
         {child}
         create trigger next_note_of_{table} after insert on {table} begin
             insert into next_log (said) values ('{table}');
             {row}
         end;\n"
    ))
}
