//! What sidecars tell each other through Redis: frames for users whose connections may be anywhere.
//!
//! Redis forgets what it passes on, and may be away. Nothing else waits for it: messages are stored by the messenger, local
//! connections are served by the hub, and what was not passed on is found in the history. One connection listens, another
//! one publishes; both come back by themselves.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use redis::AsyncConnectionConfig;
use redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use relay_protocol::{Audience, Place, User};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::frame::Frame;
use crate::hub::Hub;
use crate::metrics::{Metrics, Reason};
use crate::tick;

/// How long Redis may take to accept a connection or to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a new connection waits for its user's subscription. It goes on without, and is subscribed when Redis is back.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the listening connection is checked. One that was closed is noticed at once; this finds those that broke
/// without a word.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// At most this many channels are subscribed with one command.
const MAX_CHANNELS_PER_COMMAND: usize = 512;

/// At most this much waits to be published; the oldest goes first.
const MAX_QUEUED_BYTES: usize = 16 * 1024 * 1024;

/// At most this many publications are sent at once.
const MAX_PIPELINE: usize = 256;

/// What could not be published for so long is not news any more.
const STALE_AFTER: Duration = Duration::from_secs(5);

/// On this channel a sidecar says that it could not publish something: whoever hears it may have missed frames.
const RESYNC_CHANNEL: &str = "mayday.resync";

/// The link to the other sidecars.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Names this sidecar among the others, so that it knows its own echo.
    id: String,
    client: redis::Client,
    interests: Mutex<Interests>,
    interests_changed: Notify,
    /// Whether the channels of all users present are subscribed.
    listening: watch::Sender<Listening>,
    outgoing: Mutex<Outgoing>,
    outgoing_filled: Notify,
    publisher: Mutex<Option<MultiplexedConnection>>,
    /// Something could not be published or is not known here, and the other sidecars do not know that yet.
    withheld: AtomicBool,
    metrics: Arc<Metrics>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Listening {
    /// Not yet known: the sidecar has just started.
    Starting,
    Away,
    Yes,
}

#[derive(Debug, Default)]
struct Interests {
    users: HashMap<User, Interest>,
    /// Users who came or went since the subscriptions were last looked at.
    changed: HashSet<User>,
}

#[derive(Debug)]
struct Interest {
    connections: usize,
    subscribed: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Outgoing {
    queue: VecDeque<Outbound>,
    bytes: usize,
    closed: bool,
}

/// One user's share of a batch, as it goes to Redis.
#[derive(Debug)]
struct Outbound {
    channel: String,
    payload: String,
    made: Instant,
}

/// What is published on a user's channel.
#[derive(Debug, Deserialize, Serialize)]
struct Publication<'a> {
    /// The sidecar it comes from, or another name if a component published it.
    #[serde(borrow)]
    from: Cow<'a, str>,
    #[serde(borrow)]
    deliveries: Vec<Passed<'a>>,
}

/// A [`relay_protocol::Delivery`] whose recipient is known from the channel.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Passed<'a> {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) place: Option<Cow<'a, Place>>,
    #[serde(default)]
    pub(crate) audience: Audience,
    #[serde(borrow)]
    pub(crate) frame: &'a RawValue,
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub(crate) more: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none", default)]
    pub(crate) instead: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) again: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) revision: Option<i64>,
}

/// Why a connection to Redis ended.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("{0}")]
    Redis(#[from] redis::RedisError),
    #[error("no answer in time")]
    TimedOut,
    #[error("the connection was closed")]
    Closed,
}

impl Relay {
    pub(crate) fn new(redis_url: &str, metrics: Arc<Metrics>) -> Result<Relay, redis::RedisError> {
        Ok(Relay {
            id: Uuid::now_v7().to_string(),
            client: redis::Client::open(redis_url)?,
            interests: Mutex::default(),
            interests_changed: Notify::new(),
            listening: watch::Sender::new(Listening::Starting),
            outgoing: Mutex::default(),
            outgoing_filled: Notify::new(),
            publisher: Mutex::new(None),
            withheld: AtomicBool::new(false),
            metrics,
        })
    }

    /// What the others know this sidecar by.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// A connection of `user` wants to hear what other sidecars publish for them, until what is returned is dropped.
    pub(crate) fn want(self: &Arc<Self>, user: User) -> Wanted {
        let mut interests = self.interests.lock().expect("no panic while locked");
        let interest = interests.users.entry(user).or_insert_with(|| Interest {
            connections: 0,
            subscribed: watch::Sender::new(false),
        });
        interest.connections += 1;
        let subscribed = interest.subscribed.subscribe();
        if interest.connections == 1 {
            interests.changed.insert(user);
            self.interests_changed.notify_one();
        }
        Wanted {
            relay: Arc::clone(self),
            user,
            subscribed,
        }
    }

    /// Publishes what a batch showed to `user`, for their connections to other sidecars.
    pub(crate) fn pass_on(&self, user: User, deliveries: Vec<Passed<'_>>) {
        let publication = Publication {
            from: self.id.as_str().into(),
            deliveries,
        };
        let payload = serde_json::to_string(&publication).expect("frames are JSON");
        let mut outgoing = self.outgoing.lock().expect("no panic while locked");
        outgoing.bytes += payload.len();
        outgoing.queue.push_back(Outbound {
            channel: user.channel(),
            payload,
            made: Instant::now(),
        });
        while outgoing.bytes > MAX_QUEUED_BYTES && outgoing.queue.len() > 1 {
            outgoing.pop();
            self.metrics.dropped(Reason::publication_withheld).inc();
            self.withheld.store(true, Ordering::Relaxed);
            debug!("a publication was dropped: Redis does not take them fast enough");
        }
        drop(outgoing);
        self.outgoing_filled.notify_one();
    }

    /// Nothing more is to be published: [`Relay::publish`] returns when it has sent what waits.
    pub(crate) fn close(&self) {
        self.outgoing.lock().expect("no panic while locked").closed = true;
        self.outgoing_filled.notify_one();
    }

    /// Whether Redis answers and other sidecars can be heard.
    pub(crate) async fn is_ready(&self) -> bool {
        let publisher = self.publisher.lock().expect("no panic while locked").clone();
        let Some(mut publisher) = publisher else {
            return false;
        };
        *self.listening.borrow() == Listening::Yes
            && redis::cmd("PING").query_async::<()>(&mut publisher).await.is_ok()
    }

    /// Hears what other sidecars publish and gives it to the hub. Runs until dropped.
    pub(crate) async fn listen(&self, hub: &Hub) {
        let mut backoff = Backoff::new();
        loop {
            let lost = match self.listen_until_lost(hub).await {
                Ok(never) => match never {},
                Err(lost) => lost,
            };
            hub.set_relayed(false);
            let before = self.listening.send_replace(Listening::Away);
            if before != Listening::Away {
                warn!(error = %lost, "other sidecars cannot be heard: {lost}");
            }
            if before == Listening::Yes {
                backoff = Backoff::new();
            }
            self.forget_subscriptions();
            sleep(backoff.next_delay()).await;
        }
    }

    async fn listen_until_lost(&self, hub: &Hub) -> Result<std::convert::Infallible, Lost> {
        let (sink, stream) = answered(self.client.get_async_pubsub()).await?.split();
        // Messages are taken while subscriptions change, for the library keeps what is not taken without bound.
        tokio::select! {
            lost = self.keep_subscribed(sink, hub) => lost,
            () = self.hear(stream, hub) => Err(Lost::Closed),
        }
    }

    async fn keep_subscribed(
        &self,
        mut sink: PubSubSink,
        hub: &Hub,
    ) -> Result<std::convert::Infallible, Lost> {
        let mut subscribed = HashSet::new();
        answered(sink.subscribe(RESYNC_CHANNEL)).await?;
        self.update_subscriptions(&mut sink, &mut subscribed).await?;
        hub.set_relayed(true);
        let before = self.listening.send_replace(Listening::Yes);
        info!("other sidecars can be heard");
        // What was published meanwhile is lost here, and in the history.
        if before == Listening::Away {
            hub.resync();
        }
        let mut check = interval(CHECK_EVERY);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.interests_changed.notified() => {
                    self.update_subscriptions(&mut sink, &mut subscribed).await?;
                }
                _ = check.tick() => answered(sink.ping::<redis::Value>()).await.map(drop)?,
            }
        }
    }

    /// Brings the subscriptions in line with who is here.
    async fn update_subscriptions(
        &self,
        sink: &mut PubSubSink,
        subscribed: &mut HashSet<User>,
    ) -> Result<(), Lost> {
        let (here, gone): (Vec<User>, Vec<User>) = {
            let mut interests = self.interests.lock().expect("no panic while locked");
            let Interests { users, changed } = &mut *interests;
            changed.drain().partition(|user| users.contains_key(user))
        };
        let new: Vec<User> = here
            .iter()
            .copied()
            .filter(|user| !subscribed.contains(user))
            .collect();
        for users in new.chunks(MAX_CHANNELS_PER_COMMAND) {
            answered(sink.subscribe(channels(users))).await?;
            subscribed.extend(users);
        }
        self.confirm(&here);
        let gone: Vec<User> = gone.into_iter().filter(|user| subscribed.remove(user)).collect();
        for users in gone.chunks(MAX_CHANNELS_PER_COMMAND) {
            answered(sink.unsubscribe(channels(users))).await?;
        }
        Ok(())
    }

    fn confirm(&self, users: &[User]) {
        let interests = self.interests.lock().expect("no panic while locked");
        for interest in users.iter().filter_map(|user| interests.users.get(user)) {
            interest.subscribed.send_replace(true);
        }
    }

    /// With the connection all subscriptions are gone; the next connection makes them again.
    fn forget_subscriptions(&self) {
        let mut interests = self.interests.lock().expect("no panic while locked");
        let Interests { users, changed } = &mut *interests;
        changed.clear();
        for (user, interest) in users {
            interest.subscribed.send_replace(false);
            changed.insert(*user);
        }
    }

    async fn hear(&self, mut stream: PubSubStream, hub: &Hub) {
        while let Some(message) = stream.next().await {
            let channel = message.get_channel_name();
            if channel == RESYNC_CHANNEL {
                if message.get_payload_bytes() != self.id.as_bytes() {
                    hub.resync();
                }
                continue;
            }
            let (Some(user), payload) = (User::of_channel(channel), message.get_payload_bytes()) else {
                continue;
            };
            match serde_json::from_slice::<Publication<'_>>(payload) {
                Ok(publication) => self.show(hub, user, &publication),
                Err(error) => {
                    warn!(channel, %error, "a publication on {channel} was not understood: {error}")
                }
            }
        }
    }

    fn show(&self, hub: &Hub, user: User, publication: &Publication<'_>) {
        if publication.from == self.id {
            return;
        }
        self.metrics.publications_heard.inc();
        for passed in &publication.deliveries {
            let frame = Frame::new(
                passed.frame,
                passed.more,
                passed.instead,
                passed.audience,
                passed.revision,
            );
            hub.deliver(user, passed.place.as_deref(), frame, passed.again);
        }
    }

    /// Something may have happened that nobody was shown, here or elsewhere.
    pub(crate) fn tell_all_to_resync(&self) {
        self.withheld.store(true, Ordering::Relaxed);
    }

    /// Publishes what [`Relay::pass_on`] was given, and the tick when it is this sidecar's turn. Runs until
    /// [`Relay::close`].
    pub(crate) async fn publish(&self) {
        let mut backoff = Backoff::new();
        let mut unsent = Vec::new();
        loop {
            let ended = self.publish_until_lost(&mut unsent, &mut backoff).await;
            self.publisher.lock().expect("no panic while locked").take();
            match ended {
                Ok(()) => return,
                Err(lost) => debug!(error = %lost, "nothing can be published: {lost}"),
            }
            sleep(backoff.next_delay()).await;
        }
    }

    async fn publish_until_lost(
        &self,
        unsent: &mut Vec<Outbound>,
        backoff: &mut Backoff,
    ) -> Result<(), Lost> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let mut connection =
            answered(self.client.get_multiplexed_async_connection_with_config(&config)).await?;
        *self.publisher.lock().expect("no panic while locked") = Some(connection.clone());
        *backoff = Backoff::new();
        let mut ticks = interval(tick::EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // What was under way when a connection broke may have arrived; whoever hears it twice knows it by its position.
            self.send(&mut connection, unsent).await?;
            tokio::select! {
                more = self.next_outgoing(unsent) => if !more {
                    return Ok(tick::release(&mut connection, &self.id).await?);
                },
                _ = ticks.tick() => tick::publish(&mut connection, &self.id).await?,
            }
        }
    }

    /// Sends all of `unsent` at once, and that something else was not, if so. `unsent` is empty afterwards, unless the connection was lost.
    async fn send(
        &self,
        connection: &mut MultiplexedConnection,
        unsent: &mut Vec<Outbound>,
    ) -> Result<(), Lost> {
        let before = unsent.len();
        unsent.retain(|outbound| outbound.made.elapsed() < STALE_AFTER);
        let stale = before - unsent.len();
        self.metrics
            .dropped(Reason::publication_withheld)
            .inc_by(stale as u64);
        let withheld = self.withheld.swap(false, Ordering::Relaxed) || stale > 0;
        if unsent.is_empty() && !withheld {
            return Ok(());
        }
        let mut pipeline = redis::pipe();
        for outbound in &*unsent {
            pipeline.publish(&outbound.channel, &outbound.payload).ignore();
        }
        if withheld {
            pipeline.publish(RESYNC_CHANNEL, &self.id).ignore();
        }
        if let Err(error) = pipeline.query_async::<()>(connection).await {
            self.withheld.fetch_or(withheld, Ordering::Relaxed);
            return Err(error.into());
        }
        self.metrics.publications_sent.inc_by(unsent.len() as u64);
        unsent.clear();
        Ok(())
    }

    /// Moves what waits into `unsent`. Returns false when there will be nothing more.
    async fn next_outgoing(&self, unsent: &mut Vec<Outbound>) -> bool {
        loop {
            {
                let mut outgoing = self.outgoing.lock().expect("no panic while locked");
                while unsent.len() < MAX_PIPELINE
                    && let Some(outbound) = outgoing.pop()
                {
                    unsent.push(outbound);
                }
                if !unsent.is_empty() {
                    return true;
                }
                if outgoing.closed {
                    return false;
                }
            }
            self.outgoing_filled.notified().await;
        }
    }
}

impl Outgoing {
    fn pop(&mut self) -> Option<Outbound> {
        let outbound = self.queue.pop_front()?;
        self.bytes -= outbound.payload.len();
        Some(outbound)
    }
}

/// A user's interest in their channel, for as long as one of their connections lives.
#[derive(Debug)]
pub(crate) struct Wanted {
    relay: Arc<Relay>,
    user: User,
    subscribed: watch::Receiver<bool>,
}

impl Wanted {
    /// Waits until Redis has confirmed the subscription, but not while Redis is away, and not for long.
    pub(crate) async fn subscribed(&mut self) {
        let mut listening = self.relay.listening.subscribe();
        let confirmed = async {
            tokio::select! {
                _ = self.subscribed.wait_for(|subscribed| *subscribed) => {}
                _ = listening.wait_for(|listening| *listening == Listening::Away) => {}
            }
        };
        // Later is soon enough: the subscription is made as soon as it can be.
        let _ = timeout(SUBSCRIBE_TIMEOUT, confirmed).await;
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        let mut interests = self.relay.interests.lock().expect("no panic while locked");
        let Some(interest) = interests.users.get_mut(&self.user) else {
            return;
        };
        interest.connections -= 1;
        if interest.connections == 0 {
            interests.users.remove(&self.user);
            interests.changed.insert(self.user);
            self.relay.interests_changed.notify_one();
        }
    }
}

async fn answered<T>(call: impl Future<Output = redis::RedisResult<T>>) -> Result<T, Lost> {
    match timeout(ANSWER_TIMEOUT, call).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Lost::TimedOut),
    }
}

fn channels(users: &[User]) -> Vec<String> {
    users.iter().map(|user| user.channel()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use relay_protocol::Realm;

    #[test]
    fn publications_are_as_agreed() {
        let text = r#"{"from":"me","deliveries":[{"place":{"chatId":"c\"","position":3},"audience":"everyone","frame":{"type":"user_message"},"more":{"seq":3},"again":false,"revision":8}]}"#;
        let publication: Publication<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(publication.deliveries[0].place.as_ref().unwrap().chat_id, "c\"");
        assert_eq!(serde_json::to_string(&publication).unwrap(), text);
    }

    #[test]
    fn the_oldest_publications_go_when_there_is_too_much() {
        let relay = Relay::new("redis://127.0.0.1:1", Arc::new(Metrics::new())).unwrap();
        let frame = RawValue::from_string(format!("\"{}\"", "x".repeat(MAX_QUEUED_BYTES / 4))).unwrap();
        for id in 0..5 {
            let passed = Passed {
                place: None,
                audience: Audience::Everyone,
                frame: &frame,
                more: None,
                instead: None,
                again: false,
                revision: None,
            };
            relay.pass_on(
                User {
                    realm: Realm::Organizer,
                    id,
                },
                vec![passed],
            );
        }
        let outgoing = relay.outgoing.lock().unwrap();
        let channels: Vec<_> = outgoing
            .queue
            .iter()
            .map(|outbound| outbound.channel.as_str())
            .collect();
        let expected = [
            "mayday.user.organizer.2",
            "mayday.user.organizer.3",
            "mayday.user.organizer.4",
        ];
        assert_eq!(channels, expected);
    }
}
