//! Pages of lists.

/// A part of a list.
pub(crate) struct Page {
    /// The id of the row before the page, in the list's order.
    pub cursor: Option<i64>,
    /// How many rows at most.
    pub limit: i64,
}

impl Page {
    /// The first rows.
    pub(crate) fn first(limit: usize) -> Page {
        Page {
            cursor: None,
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
        }
    }

    /// In a list by ascending id, the page's rows have greater ids than this. Ids are positive. Those of the canary are
    /// not, and no cursor leads to them.
    pub(super) fn after(&self) -> i64 {
        self.cursor.unwrap_or_default().max(0)
    }

    /// In a list by descending id, the page's rows have smaller ids than this.
    pub(super) fn before(&self) -> i64 {
        self.cursor.unwrap_or(i64::MAX)
    }
}
