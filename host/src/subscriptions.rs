//! What the Redis trigger subscribes to.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;
use redis::Client;

use crate::{manifest::Manifest, problems::Problems, template::Template};

/// What is listened to at one server.
pub(crate) struct Subscription {
    pub(crate) client: Client,
    /// The components that each channel starts.
    pub(crate) channels: BTreeMap<String, Vec<String>>,
}

/// Groups the triggers of the manifest by server and channel.
pub(crate) fn subscriptions(
    manifest: &Manifest,
    values: &HashMap<String, String>,
    problems: &mut Problems,
) -> Vec<Subscription> {
    let default = manifest
        .application
        .trigger
        .redis
        .as_ref()
        .map_or("", |redis| &redis.address);
    let mut servers: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for trigger in &manifest.trigger.redis {
        let fill = |text: &str| {
            let filled = Template::parse(text).and_then(|template| template.fill(values));
            filled.with_context(|| format!("the redis trigger of component {:?}", trigger.component))
        };
        let address = fill(trigger.address.as_deref().unwrap_or(default));
        let (address, channel) = (problems.check(address), problems.check(fill(&trigger.channel)));
        if let (Some(address), Some(channel)) = (address, channel) {
            let channels = servers.entry(address).or_default();
            channels
                .entry(channel)
                .or_default()
                .push(trigger.component.clone());
        }
    }
    let subscription = |(address, channels): (String, _)| {
        let client = Client::open(address.as_str())
            .with_context(|| format!("the redis trigger cannot use the address {address:?}"))?;
        Ok(Subscription { client, channels })
    };
    servers
        .into_iter()
        .filter_map(|server| problems.check(subscription(server)))
        .collect()
}
