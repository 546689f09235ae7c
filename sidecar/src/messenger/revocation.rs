//! Watches for revoked credentials: after a sign-out, a change of password or of role, the end of an account or of an
//! agency's approval, the user's sockets end within a second.

use std::time::Duration;

use sidecar_api::Realm;
use telemetry::Span;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::messenger::client::Messenger;
use crate::outage::Outage;
use crate::player::Player;

/// How often the sidecar asks the messenger. Sockets have to end within a second.
const EVERY: Duration = Duration::from_millis(400);

/// Time limit for an answer. The messenger waits 2 s for the service that it asks.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Re-authenticates connections whose credentials may have been revoked in a realm. Runs until dropped. While the
/// realm's service or the messenger does not answer, connections stay as they are. Each realm is watched apart, so that
/// a slow service does not delay the other.
///
/// While nobody is connected, the sidecar does not ask, except for the first cursor. Users who connect before it is
/// known are all authenticated again when it comes, and wait if their service is down just then.
pub(crate) async fn watch(realm: Realm, messenger: &Messenger, player: &Player) {
    let mut cursor = None;
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut outage = Outage::new(match realm {
        Realm::Organizer => "watching for revoked credentials of organizers",
        Realm::Participant => "watching for revoked credentials of participants",
    });
    loop {
        ticks.tick().await;
        if player.is_empty() && cursor.is_some() {
            continue;
        }
        let deadline = Instant::now() + CALL_TIMEOUT;
        let span = Span::of_work();
        let trace = span.context();
        let answered = messenger.revoked_since(realm, cursor, deadline, trace).await;
        span.end(|| "watch for revocations", answered.is_ok().then_some(200));
        let reason = match answered {
            Ok(revocations) if revocations.unavailable.contains(&realm) => {
                "the service that issues them does not answer".to_owned()
            }
            Ok(mut revocations) => {
                outage.ended();
                cursor = *revocations.next.of(realm);
                // A messenger of the release before answers about both realms.
                revocations.unknown.retain(|unknown| *unknown == realm);
                player.reauthenticate(&revocations);
                continue;
            }
            Err(error) => error.to_string(),
        };
        sleep(outage.failed(&reason, Some(trace))).await;
    }
}
