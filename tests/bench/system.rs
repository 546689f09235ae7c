//! The whole system as processes of its own, started by `cargo xtask up`, and the processor time that it uses.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process;
use std::time::Duration;

use anyhow::{Context, Result};
use mayday_tests::processes::{processor_time, processor_time_of_all, resident_bytes};
use mayday_tests::up::{Account, Layout, Up};
use rusqlite::{Connection as Database, OpenFlags};

use crate::builds::Build;
use crate::seed::{self, Agency};

/// A system of its own, which is stopped when it is dropped.
pub(crate) struct System {
    up: Up,
    /// How many sidecars clients may connect to: the first ones. The others only play updates.
    sidecars: usize,
}

impl System {
    /// Starts a build with a number of sidecars, and waits until it is ready.
    pub(crate) async fn start(build: &Build, layout: Layout, sidecars: u16) -> Result<System> {
        System::start_with_bystanders(build, layout, sidecars, 0).await
    }

    /// Starts a build with sidecars, and with further ones that no client connects to.
    pub(crate) async fn start_with_bystanders(
        build: &Build,
        layout: Layout,
        sidecars: u16,
        bystanders: u16,
    ) -> Result<System> {
        let all = usize::from(sidecars + bystanders);
        let starting = Up::start(&build.xtask, &build.checkout, layout, all, &[]);
        let up = starting
            .await
            .with_context(|| format!("in {}", build.checkout.display()))?;
        Ok(System {
            up,
            sidecars: sidecars.into(),
        })
    }

    /// Where the services are: the first host.
    pub(crate) fn address(&self) -> Result<SocketAddr> {
        address_of(self.up.origin())
    }

    /// All hosts.
    pub(crate) fn hosts(&self) -> Result<Vec<SocketAddr>> {
        match self.up.ready.hosts.as_slice() {
            // An older checkout has one, and does not list it.
            [] => Ok(vec![self.address()?]),
            hosts => hosts.iter().map(|host| address_of(host)).collect(),
        }
    }

    /// Where the sidecars are that clients may connect to.
    pub(crate) fn sidecars(&self) -> Result<Vec<SocketAddr>> {
        let address = |ws: &String| Ok(ws.strip_prefix("ws://").context("no address")?.parse()?);
        self.up.ready.ws.iter().take(self.sidecars).map(address).collect()
    }

    /// Founds an agency.
    pub(crate) async fn agency(&self) -> Result<Agency> {
        let Account { email, password } = &self.up.ready.superadmin;
        seed::agency_at(self.address()?, email, password).await
    }

    /// A service's database, for reading.
    pub(crate) fn database(&self, service: &str) -> Result<Database> {
        let path = self.up.database(service);
        Ok(Database::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)
    }

    /// The processor time of each process so far.
    pub(crate) fn processor_times(&self) -> Result<BTreeMap<&str, Duration>> {
        let pids = self.up.ready.pids.iter();
        pids.map(|(name, pid)| Ok((name.as_str(), processor_time(*pid)?)))
            .collect()
    }

    /// The processor time of everything so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let times = self.processor_times()?;
        let of = |is_part: &dyn Fn(&str) -> bool| {
            let named = times.iter().filter(|(name, _)| is_part(name));
            named.map(|(_, time)| *time).sum()
        };
        Ok(Usage {
            host: of(&|name| name.starts_with("host")),
            sidecars: of(&|name| self.is_sidecar(name)),
            bystanders: of(&|name| self.is_bystander(name)),
            stores: of(&|name| name == "redis" || name.ends_with("-db")),
            client: processor_time(process::id())?,
            machine: processor_time_of_all()?,
        })
    }

    fn is_sidecar(&self, name: &str) -> bool {
        let number = name.strip_prefix("sidecar-").map(str::parse::<usize>);
        matches!(number, Some(Ok(number)) if number <= self.sidecars)
    }

    fn is_bystander(&self, name: &str) -> bool {
        name.starts_with("sidecar") && !self.is_sidecar(name)
    }

    /// The resident memory of the sidecars that clients connect to.
    pub(crate) fn sidecars_resident_bytes(&self) -> Result<u64> {
        let pids = self.up.ready.pids.iter();
        let sidecars = pids.filter(|(name, _)| self.is_sidecar(name));
        sidecars.map(|(_, pid)| resident_bytes(*pid)).sum()
    }
}

fn address_of(origin: &str) -> Result<SocketAddr> {
    let address = origin.strip_prefix("http://");
    Ok(address.context("no address")?.parse()?)
}

/// The processor time of each part of the system, of the client, and of the whole machine.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) host: Duration,
    pub(crate) sidecars: Duration,
    pub(crate) bystanders: Duration,
    /// Redis, and database servers.
    pub(crate) stores: Duration,
    pub(crate) client: Duration,
    machine: Duration,
}

impl Usage {
    /// The difference to an earlier time.
    pub(crate) fn since(&self, earlier: &Usage) -> Usage {
        Usage {
            host: self.host.saturating_sub(earlier.host),
            sidecars: self.sidecars.saturating_sub(earlier.sidecars),
            bystanders: self.bystanders.saturating_sub(earlier.bystanders),
            stores: self.stores.saturating_sub(earlier.stores),
            client: self.client.saturating_sub(earlier.client),
            machine: self.machine.saturating_sub(earlier.machine),
        }
    }

    #[cfg(test)]
    pub(crate) fn of_host(host: Duration) -> Usage {
        let none = Duration::ZERO;
        Usage {
            host,
            sidecars: none,
            bystanders: none,
            stores: none,
            client: none,
            machine: host,
        }
    }

    /// The processor time of the host and the sidecars that clients connect to.
    pub(crate) fn servers(&self) -> Duration {
        self.host + self.sidecars
    }

    /// The processor time of everything else on the machine, which disturbs a measurement.
    pub(crate) fn others(&self) -> Duration {
        self.machine
            .saturating_sub(self.servers() + self.bystanders + self.stores + self.client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_the_machine_is_what_remains() {
        let usage = |seconds: u64| Usage {
            host: Duration::from_secs(4 * seconds),
            sidecars: Duration::from_secs(seconds),
            bystanders: Duration::from_secs(seconds),
            stores: Duration::from_secs(seconds),
            client: Duration::from_secs(seconds),
            machine: Duration::from_secs(10 * seconds),
        };
        let used = usage(3).since(&usage(1));

        assert_eq!(used.servers(), Duration::from_secs(10));
        assert_eq!(used.others(), Duration::from_secs(4));
    }
}
