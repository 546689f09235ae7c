//! What happens without anybody here having asked: who comes and goes in the queues, chats given to who waited for one, chats taken from
//! who was gone. Every sidecar asks the messenger for itself, several times in a second, and says by it which organizers are here.

use std::time::Duration;

use relay_protocol::{Beat, News};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::commands::Spread;
use crate::hub::Hub;
use crate::messenger::Messenger;
use crate::metrics::Metrics;
use crate::queues::Queues;
use crate::relay::Relay;

/// How often the messenger is asked. News is to be shown within a second, and whoever waits for a request gets it by this.
const EVERY: Duration = Duration::from_millis(250);

/// How often it is said who is here, if nobody comes or goes.
const ATTENDANCE_EVERY: Duration = Duration::from_secs(1);

/// How long the messenger may take to answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// The same for the last word.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// Asks again and again. Runs until dropped.
pub(crate) async fn follow(
    sidecar: &str,
    messenger: &Messenger,
    hub: &Hub,
    relay: &Relay,
    queues: &Queues,
    metrics: &Metrics,
) {
    let mut beat = Beat {
        sidecar: sidecar.to_owned(),
        organizers: None,
        cursor: None,
        leaves: false,
    };
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told_at = None;
    let mut is_out = false;
    loop {
        let changed = tokio::select! {
            _ = ticks.tick() => false,
            () = hub.attendance_changed() => true,
        };
        let now = Instant::now();
        let is_due = told_at.is_none_or(|told_at| now >= told_at + ATTENDANCE_EVERY);
        beat.organizers = (changed || is_due).then(|| hub.organizers());
        let heard = messenger.beat(&beat, now + CALL_TIMEOUT).await;
        match &heard {
            Ok(_) if is_out => info!("news is heard again"),
            Err(error) if !is_out => warn!(%error, "no news is heard: {error}"),
            _ => {}
        }
        is_out = heard.is_err();
        match heard {
            Ok(news) => {
                metrics.news_heard.inc();
                if beat.organizers.is_some() {
                    told_at = Some(now);
                }
                if beat.cursor.is_some_and(|cursor| news.next < cursor) {
                    warn!("the messenger's database has been brought back from an older copy");
                    hub.forget_beginnings();
                }
                beat.cursor = Some(news.next);
                show(news, hub, relay, queues);
            }
            // Whoever came or went meanwhile is still to be told.
            Err(_) => told_at = None,
        }
    }
}

/// Says that this sidecar ends and has kept nothing to itself.
pub(crate) async fn leave(sidecar: &str, messenger: &Messenger) {
    let beat = Beat {
        sidecar: sidecar.to_owned(),
        organizers: Some(Vec::new()),
        cursor: None,
        leaves: true,
    };
    // Unsaid it costs the others' clients a look at what they know already.
    if let Err(error) = messenger.beat(&beat, Instant::now() + FAREWELL_TIMEOUT).await {
        warn!(%error, "it is not known that this sidecar ends: {error}");
    }
}

fn show(news: News, hub: &Hub, relay: &Relay, queues: &Queues) {
    if !news.complete {
        queues.keep_only(&news.queues, hub);
        hub.resync();
    }
    // The others will read it too, but whoever is shown a new chat here may answer before they do, and the answer must not come there
    // first. What has a place in a chat is shown once however often it comes.
    let mut spread = Spread::new(hub, relay, None);
    for delivery in &news.deliveries {
        spread.show(delivery);
        if delivery.place.is_some() {
            spread.pass(delivery);
        }
    }
    spread.publish();
    for queue in news.queues {
        queues.update(queue, hub);
    }
}
