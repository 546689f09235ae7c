//! What clients of the contract have missed while other sidecars could not be heard. They know no `resync`, so it is asked for them; a frame that
//! was shown all the same is known by its place.

use std::time::Duration;

use relay_protocol::Listeners;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::backoff::Backoff;
use crate::commands::Spread;
use crate::hub::Hub;
use crate::messenger::Messenger;
use crate::relay::Relay;

/// For so many users it is asked at once.
const TOGETHER: usize = 20;

/// How long the messenger may take to answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Asks whenever something may have been missed. Runs until dropped.
pub(crate) async fn follow(messenger: &Messenger, hub: &Hub, relay: &Relay) {
    loop {
        hub.missed().await;
        let mut listeners = hub.listeners();
        while !listeners.is_empty() {
            let rest = listeners.split_off(listeners.len().min(TOGETHER));
            ask(messenger, hub, relay, Listeners { listeners }).await;
            listeners = rest;
        }
    }
}

/// Shows what these users have missed, as soon as the messenger can say.
async fn ask(messenger: &Messenger, hub: &Hub, relay: &Relay, listeners: Listeners) {
    let mut backoff = Backoff::new();
    loop {
        match messenger.missed(&listeners, Instant::now() + CALL_TIMEOUT).await {
            Ok(missed) => {
                let spread = Spread::new(hub, relay, None);
                for delivery in &missed.deliveries {
                    spread.show(delivery);
                }
                return;
            }
            Err(error) if error.is_passing() => sleep(backoff.next_delay()).await,
            Err(error) => return warn!(%error, "it is not known what clients have missed: {error}"),
        }
    }
}
