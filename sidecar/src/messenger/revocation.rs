//! Watches for revoked credentials: after a sign-out, a change of password or of role, the end of an account or of an
//! agency's approval, the user's sockets end within a second.

use std::time::Duration;

use sidecar_api::RevocationCursor;
use telemetry::Span;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::messenger::client::Messenger;
use crate::outage::Outage;
use crate::player::Player;

/// How often the sidecar asks the messenger. Sockets have to end within a second.
const EVERY: Duration = Duration::from_millis(400);

/// Time limit for an answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Re-authenticates connections whose credentials may have been revoked. Runs until dropped. While the messenger does
/// not answer, connections stay as they are. While nobody is connected, the sidecar does not ask.
pub(crate) async fn watch(messenger: &Messenger, player: &Player) {
    let mut cursor = RevocationCursor::default();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut outage = Outage::new("watching for revoked credentials");
    loop {
        ticks.tick().await;
        // The first answer sets the cursor.
        if player.is_empty() && cursor != RevocationCursor::default() {
            continue;
        }
        let deadline = Instant::now() + CALL_TIMEOUT;
        let span = Span::of_work();
        let trace = span.context();
        let answered = messenger.revoked_since(cursor, deadline, trace).await;
        span.end(|| "watch for revocations", answered.is_ok().then_some(200));
        match answered {
            Ok(revocations) => {
                outage.ended();
                cursor = revocations.next;
                player.reauthenticate(&revocations);
            }
            Err(error) => sleep(outage.failed(&error, Some(trace))).await,
        }
    }
}
