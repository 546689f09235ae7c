//! The dispatcher: on each message of `mayday.tick` it calls the services, which then retry their outboxes.
//!
//! It has no database, and no user waits for it, so a lost tick does no harm: the next one comes within two seconds.

use std::time::Duration;

use http::Method;
use service::clock::{self, Millis};
use service::outbound::{Ask, ask};
use service::{log, settings};

/// Ticks are handled one after the other, so a service that hangs delays the next tick of all by this much.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The variables with a service's origin and key, and the path to call.
type Tick = (&'static str, &'static str, &'static str);

const TICKS: [Tick; 2] = [
    ("participant_url", "participant_key", "/participant/internal/tick"),
    ("messenger_url", "messenger_key", "/messenger/internal/tick"),
];

/// The organizer service only removes what is old, so a minute is often enough.
const TICK_OF_A_MINUTE: Tick = ("organizer_url", "organizer_key", "/organizer/api/tick");

#[expect(unsafe_code, reason = "the SDK generates the function that the host calls")]
mod entry {
    #[spin_sdk::redis_component]
    fn entry(_message: Vec<u8>) -> anyhow::Result<()> {
        super::tick_all();
        Ok(())
    }
}

/// A failed tick of one service does not prevent the ticks of the others.
fn tick_all() {
    log::begin("dispatcher", None);
    let due_now = begins_minute(clock::now()).then_some(TICK_OF_A_MINUTE);
    for service in TICKS.into_iter().chain(due_now) {
        match tick(service) {
            // A service that is down would fill the log.
            Err(error) if begins_minute(clock::now()) => service::warn!("tick: {error:#}"),
            Ok(()) | Err(_) => {}
        }
    }
}

/// Whether it is one of the first two seconds of a minute. Ticks come every second or two, and an instance remembers
/// nothing: so it does something once or twice a minute.
fn begins_minute(now: Millis) -> bool {
    now % 60_000 < 2_000
}

fn tick((origin, key, path): Tick) -> anyhow::Result<()> {
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
