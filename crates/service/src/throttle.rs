//! Throttles guesses at passwords: after too many failures further attempts have to wait.
//!
//! Failures are counted in windows of 15 minutes, which begin with the first failure; refused attempts do not extend
//! them. Ten failures of one account from one address close that pair only, so that guesses from elsewhere do not lock
//! the owner out. A hundred failures of one account close it at addresses where it has not signed in before. Where no
//! crowds are expected, a hundred failures from one address close it for accounts that have not signed in there before.
//!
//! Counts are in a key-value store without an increment, so some failures at the same instant go uncounted. Therefore
//! counts are checked before a password is verified, which takes a while, and again after. Guests, sign-ups and new
//! agencies are counted by address, so that nobody fills the database with accounts. Counts live in a fixed number
//! of slots, so that no flood fills the store. Slots are assigned by a keyed hash, so that nobody can aim at another's.

use std::cell::Cell;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use spin_sdk::key_value::{self, Store};

use crate::clock::Millis;
use crate::database::Connection;
use crate::door::Request;
use crate::notices;

const WINDOW: Millis = 15 * 60 * 1000;

/// Failures of one account from one address.
const MOST_OF_A_PAIR: u32 = 10;

/// Failures of one account, or from one address, which may be a whole venue's.
const MOST_IN_ALL: u32 = 100;

/// New accounts and agencies. Each is counted once, by the address that it comes from.
#[derive(Clone, Copy, Debug)]
pub enum Newcomers {
    Guests,
    SignUps,
    Agencies,
}

impl Newcomers {
    /// What they are called.
    pub fn name(self) -> &'static str {
        match self {
            Newcomers::Guests => "guests",
            Newcomers::SignUps => "sign-ups",
            Newcomers::Agencies => "agencies",
        }
    }

    /// How many come from one address in a window. A whole venue may be behind one, and each of its phones makes one
    /// guest. A sign-up costs a hash, so one client that signs people up one after the other never gets so far
    /// (contract 6.3: no limit applies to the load test).
    fn most(self) -> u32 {
        match self {
            Newcomers::Guests => 10_000,
            Newcomers::SignUps => 50_000,
            Newcomers::Agencies => 1_000,
        }
    }
}

/// How long an account stays known at an address, and how old that must be for a sign-in to renew it.
const ACQUAINTANCE: Millis = 90 * 24 * 60 * 60 * 1000;
const REFRESH: Millis = 24 * 60 * 60 * 1000;

/// The label of the store in the manifest.
const LABEL: &str = "throttle";

/// An attempt to sign in that is not throttled.
pub struct Attempt<'a> {
    counts: Counts<'a>,
    pair: String,
    account: String,
    address: String,
    acquaintance: String,
    /// Distinguishes accounts that share the slot `acquaintance`.
    of: String,
    crowds: Crowds,
}

/// Whether many people who do not know each other sign in from one address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Crowds {
    /// An address that fails at many accounts is guessing.
    Unexpected,
    /// A venue's network is one address, and newcomers must not wait because others mistype.
    Expected,
}

/// An attempt that was refused; it may be made after this many seconds.
#[derive(Debug, PartialEq)]
pub struct Throttled {
    pub retry_after: i64,
}

impl<'a> Attempt<'a> {
    /// Begins an attempt at an account from an address, unless it is throttled. `None` when the store cannot be used:
    /// then nothing is throttled, since signing in matters more.
    pub fn begin(
        connection: &'a Connection,
        secret: &str,
        account: &str,
        address: &str,
        crowds: Crowds,
        now: Millis,
    ) -> Result<Option<Attempt<'a>>, Throttled> {
        let Some(counts) = Counts::open(connection) else {
            return Ok(None);
        };
        let (acquaintance, of) = slot(secret, "acquaintance", &[account, address]);
        let attempt = Attempt {
            counts,
            pair: slot(secret, "pair", &[account, address]).0,
            account: slot(secret, "account", &[account]).0,
            address: slot(secret, "address", &[address]).0,
            acquaintance,
            of,
            crowds,
        };
        attempt.recheck(now)?;
        Ok(Some(attempt))
    }

    fn recheck(&self, now: Millis) -> Result<(), Throttled> {
        self.check(&self.pair, MOST_OF_A_PAIR, now)?;
        if !self.is_acquainted(now, ACQUAINTANCE) {
            self.check(&self.account, MOST_IN_ALL, now)?;
            if self.crowds == Crowds::Unexpected {
                self.check(&self.address, MOST_IN_ALL, now)?;
            }
        }
        Ok(())
    }

    fn check(&self, key: &str, most: u32, now: Millis) -> Result<(), Throttled> {
        match self.counts.count(key).wait(most, now) {
            Some(retry_after) => Err(Throttled { retry_after }),
            None => Ok(()),
        }
    }

    /// Counts a wrong password. Checks the counts again first: concurrent attempts must not learn more than consecutive
    /// ones.
    pub fn failed(&self, now: Millis) -> Result<(), Throttled> {
        self.recheck(now)?;
        for key in [&self.pair, &self.account, &self.address] {
            self.counts.write(key, &self.counts.count(key).one_more(now));
        }
        Ok(())
    }

    /// Accepts a right password, unless other attempts have closed the account or address meanwhile.
    pub fn succeeded(&self, now: Millis) -> Result<(), Throttled> {
        self.recheck(now)?;
        if self.counts.count(&self.pair).failures > 0 {
            self.counts.write(&self.pair, &Count::default());
        }
        if !self.is_acquainted(now, REFRESH) {
            self.counts.write(
                &self.acquaintance,
                &Acquaintance {
                    since: now,
                    of: self.of.clone(),
                },
            );
        }
        Ok(())
    }

    fn is_acquainted(&self, now: Millis, age: Millis) -> bool {
        self.counts
            .read::<Acquaintance>(&self.acquaintance)
            .is_some_and(|known| known.of == self.of && (known.since..known.since + age).contains(&now))
    }
}

/// Counts a newcomer from an address, unless too many have come from there lately.
pub fn admit(
    connection: &Connection,
    newcomers: Newcomers,
    secret: &str,
    address: &str,
    now: Millis,
) -> Result<(), Throttled> {
    let Some(counts) = Counts::open(connection) else {
        return Ok(());
    };
    let (key, _) = slot(secret, newcomers.name(), &[address]);
    let count = counts.count(&key);
    if let Some(retry_after) = count.wait(newcomers.most(), now) {
        return Err(Throttled { retry_after });
    }
    counts.write(&key, &count.one_more(now));
    Ok(())
}

/// The store of the counts.
struct Counts<'a> {
    connection: &'a Connection,
    store: Store,
    /// Whether it could not be read. Each try may take seconds, so there is no other.
    is_out_of_reach: Cell<bool>,
}

impl<'a> Counts<'a> {
    /// `None` when it is out of reach.
    fn open(connection: &'a Connection) -> Option<Counts<'a>> {
        match Store::open(LABEL) {
            Ok(store) => Some(Counts {
                connection,
                store,
                is_out_of_reach: Cell::new(false),
            }),
            Err(error) => {
                out_of_reach(connection, &error);
                None
            }
        }
    }

    fn count(&self, key: &str) -> Count {
        self.read(key).unwrap_or_default()
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, key: &str) -> Option<T> {
        if self.is_out_of_reach.get() {
            return None;
        }
        let value = self.store.get(key).unwrap_or_else(|error| {
            self.is_out_of_reach.set(true);
            out_of_reach(self.connection, &error);
            None
        });
        value.and_then(|value| serde_json::from_slice(&value).ok())
    }

    /// A failure to write is not remembered: a full store takes no new key, but counts on with those that it has.
    fn write(&self, key: &str, value: &impl Serialize) {
        if self.is_out_of_reach.get() {
            return;
        }
        // Numbers always have a JSON form.
        let value = serde_json::to_vec(value).unwrap_or_default();
        if let Err(error) = self.store.set(key, &value) {
            out_of_reach(self.connection, &error);
        }
    }
}

/// Prints a notice that guesses are not counted. Neither that nor a notice that cannot be stored may keep people out.
fn out_of_reach(connection: &Connection, error: &key_value::Error) {
    let text = || format!("sign-in is not throttled, its store cannot be used: {error}");
    let _ = notices::print(connection, "no throttle", notices::MINUTE, text);
}

/// An account has signed in from an address. Others may share the slot, so this names the account.
#[derive(Deserialize, Serialize)]
struct Acquaintance {
    since: Millis,
    of: String,
}

/// Failures since the first of them, or newcomers.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
struct Count {
    since: Millis,
    failures: u32,
}

impl Count {
    fn is_over(self, now: Millis) -> bool {
        // A clock that was set back must not make a window longer.
        !(self.since..self.since + WINDOW).contains(&now)
    }

    /// How many seconds to wait, if there are at least `most` failures.
    fn wait(self, most: u32, now: Millis) -> Option<i64> {
        let closed = self.failures >= most && !self.is_over(now);
        closed.then(|| (self.since + WINDOW - now).div_euclid(1000) + 1)
    }

    fn one_more(self, now: Millis) -> Count {
        if self.is_over(now) {
            Count {
                since: now,
                failures: 1,
            }
        } else {
            Count {
                failures: self.failures.saturating_add(1),
                ..self
            }
        }
    }
}

/// One of 65,536 keys of a kind, and a text that distinguishes the parts that share the key.
fn slot(secret: &str, kind: &str, parts: &[&str]) -> (String, String) {
    let mut digest = Sha256::new();
    for part in [&[secret, kind], parts].concat() {
        digest.update(part);
        digest.update([0]);
    }
    let digest = digest.finalize();
    let digest = format!("{digest:x}");
    let (place, rest) = digest.split_at(4);
    (format!("sign-in.{kind}.{place}"), rest.to_owned())
}

/// The address a request comes from, by the header that the variable `client_address_header` names: Spin's own, or one
/// that a proxy adds. The last address of a list counts, because the nearest proxy has added it.
pub fn address(request: &Request, header: &str) -> String {
    let header = request.last_header(header).unwrap_or_default();
    let last = header.rsplit(',').next().unwrap_or_default().trim();
    let address = last
        .parse::<SocketAddr>()
        .map(|address| address.ip())
        .or_else(|_| last.parse::<IpAddr>());
    match address {
        Ok(address) => network(address).to_string(),
        Err(_) => last.to_owned(),
    }
}

/// An IPv6 address counts as its /64, which belongs to one customer.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.into(),
            None => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_closes_at_the_limit_and_opens_when_it_is_over() {
        let start = 1_000_000;
        let mut count = Count::default();
        for failure in 0..10 {
            assert_eq!(count.wait(10, start + failure), None, "after {failure} failures");
            count = count.one_more(start + failure);
        }
        assert_eq!(count.wait(10, start + 10), Some(900));
        assert_eq!(count.wait(10, start + WINDOW - 1), Some(1));
        assert_eq!(count.wait(10, start + WINDOW), None);
        assert_eq!(
            count.one_more(start + WINDOW),
            Count {
                since: start + WINDOW,
                failures: 1
            }
        );
    }

    #[test]
    fn a_clock_that_is_set_back_lets_people_in() {
        let count = Count {
            since: 1_000_000,
            failures: 10,
        };
        assert_eq!(count.wait(10, 999_999), None);
    }

    #[test]
    fn slots_are_told_apart_by_kind_and_parts() {
        let slots = [
            slot("secret", "pair", &["ab", "c"]),
            slot("secret", "pair", &["a", "bc"]),
            slot("secret", "account", &["ab", "c"]),
            slot("other secret", "pair", &["ab", "c"]),
        ];
        for (number, one) in slots.iter().enumerate() {
            assert!(!slots[number + 1..].contains(one), "{slots:?}");
        }
        assert_eq!(slots[0], slot("secret", "pair", &["ab", "c"]));
    }

    #[test]
    fn an_ipv6_address_stands_for_its_network() {
        let network = |address: &str| network(address.parse().unwrap()).to_string();
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
