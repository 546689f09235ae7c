//! What is left in a database.

use std::path::Path;

/// The columns of a service's database in which a text is found.
pub(crate) fn mentions(database: &Path, text: &str) -> Vec<String> {
    let database = rusqlite::Connection::open(database).expect("a database");
    let columns = "SELECT t.name, c.name FROM pragma_table_list t, pragma_table_info(t.name) c
                   WHERE t.type = 'table' AND t.schema = 'main'";
    let mut statement = database.prepare(columns).expect(columns);
    let columns = statement
        .query_map((), |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .expect("columns");
    assert!(columns.len() > 20, "{columns:?}");
    let is_found = |(table, column): &(String, String)| {
        let question = format!("SELECT count(*) FROM {table} WHERE instr({column}, ?1)");
        let found: i64 = database
            .query_row(&question, [text], |row| row.get(0))
            .expect("a number");
        found > 0
    };
    let found = columns.into_iter().filter(is_found);
    found.map(|(table, column)| format!("{table}.{column}")).collect()
}
