//! How one sees that a process is ready to serve.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::redis::RedisUrl;

const TIMEOUT: Duration = Duration::from_secs(2);

/// A question that only a ready process answers well.
#[derive(Clone, Debug)]
pub(crate) enum Probe {
    /// A GET of this URL is answered 200.
    Http(String),
    /// Redis answers.
    Redis(RedisUrl),
    /// Somebody listens to this channel. A Redis trigger has nothing else to be asked by.
    Subscriber { redis: RedisUrl, channel: &'static str },
}

impl Probe {
    /// Asks once; the error says what is lacking.
    pub(crate) async fn ask(&self) -> Result<()> {
        let probe = self.clone();
        tokio::task::spawn_blocking(move || probe.ask_blocking()).await?
    }

    fn ask_blocking(&self) -> Result<()> {
        match self {
            Probe::Http(url) => ask_http(url),
            Probe::Redis(redis) => redis
                .ping()
                .with_context(|| format!("no answer from {}", redis.as_str())),
            Probe::Subscriber { redis, channel } => match redis.has_subscriber(channel)? {
                true => Ok(()),
                false => bail!("nobody is subscribed to {channel}"),
            },
        }
    }
}

fn ask_http(url: &str) -> Result<()> {
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        // Somebody's proxy has no business between processes of one machine.
        .proxy(None)
        .build()
        .new_agent();
    let status = agent
        .get(url)
        .call()
        .with_context(|| format!("no answer from {url}"))?
        .status();
    if status != 200 {
        bail!("{url} answers {status}");
    }
    Ok(())
}
