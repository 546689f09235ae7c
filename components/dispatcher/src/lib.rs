//! The dispatcher: on each message of `mayday.tick` it knocks on the services' doors, which then try their outboxes again.
//!
//! It has no database and nothing that a user waits for goes through it, so a lost tick does no harm: the next one comes
//! within a second.

use std::time::Duration;

use http::Method;
use service::outbound::{Ask, ask};
use service::settings;

/// Ticks are handled one after the other, so one service that hangs delays the next tick of all by this.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Where the services are, which key opens them, and where to knock.
const DOORS: [(&str, &str, &str); 2] = [
    ("participant_url", "participant_key", "/participant/internal/tick"),
    ("messenger_url", "messenger_key", "/messenger/internal/tick"),
];

#[expect(unsafe_code, reason = "the SDK generates the function that the host calls")]
mod entry {
    #[spin_sdk::redis_component]
    fn entry(_message: Vec<u8>) -> anyhow::Result<()> {
        super::knock_everywhere();
        Ok(())
    }
}

/// One service that does not answer keeps no other from its tick.
fn knock_everywhere() {
    for (origin, key, path) in DOORS {
        if let Err(error) = knock(origin, key, path) {
            eprintln!("tick: {error:#}");
        }
    }
}

fn knock(origin: &'static str, key: &'static str, path: &str) -> anyhow::Result<()> {
    let (origin, key) = (settings::text(origin)?, settings::text(key)?);
    let ask_tick = Ask {
        method: Method::POST,
        origin: &origin,
        path,
        key: &key,
        body: Some(Vec::new()),
        timeout: TIMEOUT,
    };
    let answer = ask(&ask_tick)?;
    anyhow::ensure!(
        (200..300).contains(&answer.status),
        "{origin}{path} answered {}",
        answer.status
    );
    Ok(())
}
