//! The outcome of commands.

use sidecar_api::update::Body;

use crate::frames::Reply;
use crate::store::lock_releases::Release;

/// The outcome of commands.
#[derive(Default)]
pub(crate) struct Done {
    /// One for each command, in order. The replies to questions are still missing.
    pub replies: Vec<Reply>,
    /// The update for the log.
    pub update: Body,
    /// Frames that are shown once and not stored.
    pub transient: Body,
    /// The closed chats.
    pub closed: Vec<Release>,
}
