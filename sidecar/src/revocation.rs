//! Who may not be here any more: after a sign-out, a change of password or of role, the end of an account or of an agency's approval,
//! the user's sockets end. The messenger tells whom something may concern; their connections ask again who they are.

use std::time::Duration;

use relay_protocol::RevocationCursor;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::hub::Hub;
use crate::messenger::Messenger;

/// How often the messenger is asked. Sockets are to end within a second.
const EVERY: Duration = Duration::from_millis(400);

/// How long it may take to answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Looks again and again for what has been revoked. Runs until dropped. While the messenger cannot be asked sockets stay as they are.
pub(crate) async fn watch(messenger: &Messenger, hub: &Hub) {
    let mut cursor = RevocationCursor::default();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_out = false;
    loop {
        ticks.tick().await;
        let asked = messenger
            .revoked_since(cursor, Instant::now() + CALL_TIMEOUT)
            .await;
        match &asked {
            Ok(_) if is_out => info!("it is known again who is signed out"),
            Err(error) if !is_out => warn!(%error, "it is not known who is signed out: {error}"),
            _ => {}
        }
        is_out = asked.is_err();
        if let Ok(revocations) = asked {
            cursor = revocations.next;
            hub.doubt(&revocations);
        }
    }
}
