//! What happens without anybody here having asked: who comes and goes in the queues, chats given to who waited for one, chats taken from
//! who was gone. Every sidecar asks the messenger for itself, several times in a second, and says by it which organizers are here.

use std::time::Duration;

use relay_protocol::{Beat, News};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{info, warn};
use uuid::Uuid;

use crate::frame::Frame;
use crate::hub::Hub;
use crate::messenger::Messenger;
use crate::metrics::Metrics;
use crate::queues::Queues;

/// How often the messenger is asked. News is to be shown within a second, and whoever waits for a request gets it by this.
const EVERY: Duration = Duration::from_millis(250);

/// How often it is said who is here, if nobody comes or goes.
const ATTENDANCE_EVERY: Duration = Duration::from_secs(1);

/// How long the messenger may take to answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Asks again and again. Runs until dropped.
pub(crate) async fn follow(messenger: &Messenger, hub: &Hub, queues: &Queues, metrics: &Metrics) {
    let mut beat = Beat {
        sidecar: Uuid::now_v7().to_string(),
        organizers: None,
        cursor: None,
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
                beat.cursor = Some(news.next);
                show(news, hub, queues);
            }
            // Whoever came or went meanwhile is still to be told.
            Err(_) => told_at = None,
        }
    }
}

fn show(news: News, hub: &Hub, queues: &Queues) {
    if !news.complete {
        queues.keep_only(&news.queues, hub);
        hub.resync();
    }
    for delivery in news.deliveries {
        let frame = Frame::new(&delivery.frame, delivery.more.as_deref(), delivery.audience);
        for user in delivery.to {
            hub.deliver(user, delivery.place.as_ref(), frame.clone(), delivery.again);
        }
    }
    for queue in news.queues {
        queues.update(queue, hub);
    }
}
