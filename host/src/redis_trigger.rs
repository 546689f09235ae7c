//! The Redis trigger: a component is started by each message of a channel.
//!
//! Parity: Spin's `crates/trigger-redis/src/lib.rs`. One message at a time per server, no retry, no reconnect: when a
//! connection ends the trigger ends, and the process with it.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use futures_util::{
    StreamExt as _,
    future::{join_all, select_all},
};
use redis::Msg;
use telemetry::Span;
use tokio::time::timeout;
use trace_context::TraceContext;
use tracing::Instrument as _;

use crate::{
    app::{App, Inner},
    http_trigger::request_span,
    subscriptions::Subscription,
};

impl App {
    /// Handles messages until a connection ends, which is an error. Without Redis triggers it never returns.
    pub async fn listen(&self) -> anyhow::Result<()> {
        let listeners: Vec<_> = self
            .0
            .subscriptions
            .iter()
            .map(|subscription| Box::pin(listen(self.0.clone(), subscription)))
            .collect();
        match listeners.is_empty() {
            true => std::future::pending().await,
            false => select_all(listeners).await.0,
        }
    }
}

async fn listen(app: Arc<Inner>, subscription: &Subscription) -> anyhow::Result<()> {
    let server = subscription.client.get_connection_info().addr().to_string();
    let mut pubsub = subscription
        .client
        .get_async_pubsub()
        .await
        .with_context(|| format!("Redis trigger failed to connect to {server}"))?;
    for channel in subscription.channels.keys() {
        pubsub.subscribe(channel).await.with_context(|| {
            format!("Redis trigger failed to subscribe to channel {channel:?} on {server}")
        })?;
    }
    let mut channels = format!("Active Channels on {server}:\n");
    for (channel, components) in &subscription.channels {
        channels.push_str(&format!("\t{server}/{channel}: [{}]\n", components.join(",")));
    }
    log_writer::stdout().print(channels);
    let mut messages = pubsub.on_message();
    while let Some(message) = messages.next().await {
        handle(&app, subscription, &message).await;
    }
    Err(anyhow!("disconnected from {server}"))
}

/// Starts every component of the channel and waits for all. A failure is logged and the message is gone.
async fn handle(app: &Arc<Inner>, subscription: &Subscription, message: &Msg) {
    let components = subscription
        .channels
        .get(message.get_channel_name())
        .map_or(&[][..], Vec::as_slice);
    join_all(components.iter().map(async |id| {
        let span = Span::of_work();
        let trace = span.context();
        let handled = async {
            let outcome = run(app, id, message.get_payload_bytes(), trace).await;
            if let Err(error) = &outcome {
                tracing::error!("Component {id} handler failed: {error:?}");
            }
            outcome.ok()
        };
        let outcome = handled.instrument(request_span(trace)).await;
        span.end(|| format!("message to {id}"), outcome.map(|()| 200));
    }))
    .await;
}

async fn run(app: &Arc<Inner>, id: &str, payload: &[u8], trace: TraceContext) -> anyhow::Result<()> {
    let component = app.component(id).context("unknown component")?;
    let pre = component.redis.as_ref().context("not a Redis handler")?;
    // A message waits for room: it holds none that another waits for.
    let permit = app.admitted.take(id).await.context("there is no room")?;
    // As in Spin, an instance that a Redis message started cannot use service chaining.
    let mut store = app.store(component, None, permit, trace);
    let call = async {
        let handler = pre.instantiate_async(&mut store).await?;
        let exports = handler.fermyon_spin_inbound_redis();
        exports.call_handle_message(&mut store, &payload.to_vec()).await
    };
    timeout(app.request_timeout, call)
        .await
        .context("took too long")?
        .map_err(|error| anyhow!("{error:?}"))?
        .map_err(|error| anyhow!("Redis handler returned an error: {error:?}"))
}
