//! The outcome of commands.

use std::collections::HashSet;

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
    /// The agencies whose queue was found empty. It stays empty, because no command queues a request.
    pub nobody_waits_at: HashSet<i64>,
}

impl Done {
    /// An outcome with an empty reply for each command.
    pub(crate) fn of(commands: usize) -> Done {
        Done {
            replies: vec![None; commands],
            ..Done::default()
        }
    }
}
