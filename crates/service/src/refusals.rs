//! Logs refused callers and wrong passwords, with the client's address.
//!
//! Anybody can be refused as often as they like, so each of a fixed number of groups of addresses has at most one line
//! of a kind per second: no flood fills the log, and none from one address hides the refusals of others.

use std::fmt::Write as _;
use std::time::Duration;

use http::StatusCode;
use sha2::{Digest, Sha256};

use crate::database::Connection;
use crate::door::Request;
use crate::{log, notices, settings, throttle};

/// How many groups of addresses there are.
const GROUPS: u8 = 64;

/// The time from one line of a group to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// No token is shorter, and no key should be (`spin.toml`).
const SHORTEST_CREDENTIAL: usize = 32;

/// Logs that a caller was refused.
pub(crate) fn log(connection: &Connection, kind: &str, address: &str, text: impl FnOnce() -> String) {
    let group = Sha256::digest(address)[0] % GROUPS;
    // A refusal is answered even if it cannot be logged.
    let _ = notices::print(connection, &format!("refused {kind} {group}"), PAUSE, text);
}

/// Logs an answer that refuses its caller, unless the request has logged a reason already, or the caller has shown
/// nothing that could be a key or a token. A throttled caller need not have shown any: the failures were counted
/// before.
pub(crate) fn log_answer<Error>(
    request: &Request,
    status: StatusCode,
    open: fn() -> Result<Connection, Error>,
) {
    let is_attempt = status == StatusCode::TOO_MANY_REQUESTS
        || request
            .bearer()
            .is_some_and(|credential| credential.len() >= SHORTEST_CREDENTIAL);
    if log::has_warned() || !is_attempt {
        return;
    }
    let (Ok(connection), Ok(header)) = (open(), settings::text("client_address_header")) else {
        return;
    };
    let address = throttle::address(request, &header);
    let text = || {
        let (method, path) = (&request.method, shown(&request.path));
        format!("{} to {method} {path}, from {address}", status.as_u16())
    };
    log(&connection, status.as_str(), &address, text);
}

/// A path without texts that a client has made up: only what routes and ids are made of.
fn shown(path: &[String]) -> String {
    const LONGEST: usize = 40;
    let is_plain = |segment: &str| {
        segment.len() <= LONGEST
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let mut shown = String::new();
    for segment in path {
        let segment = if is_plain(segment) { segment } else { "*" };
        // Writing to a string cannot fail.
        let _ = write!(shown, "/{segment}");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_without_what_no_route_has() {
        for (path, expected) in [
            (
                "agency/chats/0123456789abcdef01234567",
                "/agency/chats/0123456789abcdef01234567",
            ),
            ("events/a word/7", "/events/*/7"),
            ("events/1111111111222222222233333333334444444444-", "/events/*"),
        ] {
            let path: Vec<String> = path.split('/').map(str::to_owned).collect();
            assert_eq!(shown(&path), expected);
        }
    }
}
