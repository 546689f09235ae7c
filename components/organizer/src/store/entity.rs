//! What all entities have in common.

use serde::Serialize;

/// An entity with an id.
pub(crate) trait Identified {
    fn id(&self) -> i64;
}

/// An entity whose changes are recorded.
pub(crate) trait Recorded: Identified + Serialize + Sized {
    const CLASS: &'static str;

    /// The agency that it belongs to.
    fn agency_id(&self) -> Option<i64>;

    /// The entity without personal data; `None` if it is not about a person.
    fn blanked(&self) -> Option<Self> {
        None
    }
}
