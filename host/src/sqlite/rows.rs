//! The rows of a result.

use crate::bindings::spin::sqlite::sqlite::{Error, QueryResult, RowResult, Value};

/// How much of a result the host holds in memory for a component.
pub(crate) const MAX_RESULT_BYTES: usize = 128 << 20;

/// The rows of a result, as many as the host holds for a component.
#[derive(Default)]
pub(super) struct Rows {
    rows: Vec<RowResult>,
    bytes: usize,
}

impl Rows {
    pub(super) fn push(&mut self, values: Vec<Value>) -> Result<(), Error> {
        self.bytes += values.iter().map(size).sum::<usize>();
        if self.bytes > MAX_RESULT_BYTES {
            return Err(Error::Io(format!(
                "query result exceeds limit of {MAX_RESULT_BYTES} bytes"
            )));
        }
        self.rows.push(RowResult { values });
        Ok(())
    }

    pub(super) fn under(self, columns: Vec<String>) -> QueryResult {
        QueryResult {
            columns,
            rows: self.rows,
        }
    }
}

fn size(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Text(text) => text.len(),
            Value::Blob(blob) => blob.len(),
            Value::Null | Value::Integer(_) | Value::Real(_) => 0,
        }
}
