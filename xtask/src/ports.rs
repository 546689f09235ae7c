//! Which ports the processes get. They are chosen here and not by the processes, so that one that is started again
//! comes back at the address everybody knows.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, bail};

const HOST_PORT: u16 = 3000;
const REDIS_PORT: u16 = 6379;

/// The ports of one machine, all on 127.0.0.1.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) hosts: Vec<u16>,
    pub(crate) sidecars: Vec<u16>,
    /// Of the canary's metrics, if there is a canary.
    pub(crate) canary: Option<u16>,
    pub(crate) redis: u16,
    /// Of the database servers, if there are any.
    pub(crate) databases: Vec<u16>,
}

/// How many ports are needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) hosts: u16,
    pub(crate) sidecars: u16,
    pub(crate) canary: bool,
    pub(crate) databases: u16,
}

impl Ports {
    /// The well-known ports: 3000 and up for the hosts, those above them for the sidecars, and the next for the metrics
    /// of the canary. One that is taken is an error, because a person has them in bookmarks and scripts. Redis and the
    /// databases are only spoken to by us: Redis moves when another one is there, and the databases are anywhere.
    pub(crate) fn well_known(counts: Counts) -> Result<Self> {
        Self::counted_from(HOST_PORT, counts, REDIS_PORT)
    }

    fn counted_from(first: u16, counts: Counts, redis: u16) -> Result<Self> {
        let after = |port: u16, count: u16| port.checked_add(count).context("there are not that many ports");
        let first_sidecar = after(first, counts.hosts)?;
        let canary = after(first_sidecar, counts.sidecars)?;
        let end = after(canary, counts.canary.into())?;
        let taken: Vec<_> = (first..end)
            .filter(|port| hold(*port).is_err())
            .map(|port| port.to_string())
            .collect();
        if !taken.is_empty() {
            let (port, is) = if taken.len() == 1 {
                ("port", "is")
            } else {
                ("ports", "are")
            };
            bail!(
                "{port} {} of 127.0.0.1 {is} taken by another program. Stop it (is another `cargo xtask up` running?), or let \
                 Mayday choose: cargo xtask up --free-ports",
                taken.join(", ")
            );
        }
        let anywhere = Self::free(Counts {
            hosts: 0,
            sidecars: 0,
            canary: false,
            ..counts
        })?;
        Ok(Self {
            hosts: (first..first_sidecar).collect(),
            sidecars: (first_sidecar..canary).collect(),
            canary: counts.canary.then_some(canary),
            redis: match hold(redis) {
                Ok(_) => redis,
                Err(_) => anywhere.redis,
            },
            databases: anywhere.databases,
        })
    }

    /// Any free ports.
    pub(crate) fn free(counts: Counts) -> Result<Self> {
        let free = |count: u16| -> Result<Vec<u16>> { (0..count).map(|_| free_port()).collect() };
        Ok(Self {
            hosts: free(counts.hosts)?,
            sidecars: free(counts.sidecars)?,
            canary: counts.canary.then(free_port).transpose()?,
            databases: free(counts.databases)?,
            redis: free_port()?,
        })
    }
}

fn free_port() -> Result<u16> {
    Ok(local_servers::free_address()?.port())
}

fn hold(port: u16) -> Result<TcpListener> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn free_ports_differ() {
        let ports = Ports::free(Counts {
            hosts: 2,
            sidecars: 3,
            canary: true,
            databases: 3,
        })
        .unwrap();

        let Ports {
            hosts,
            sidecars,
            canary,
            redis,
            databases,
        } = ports;
        assert_eq!((hosts.len(), sidecars.len(), databases.len()), (2, 3, 3));
        let all: BTreeSet<_> = [hosts, sidecars, Vec::from_iter(canary), databases, vec![redis]]
            .concat()
            .into_iter()
            .collect();
        assert_eq!(all.len(), 10);
    }

    #[test]
    fn taken_port_is_named_with_the_way_out() {
        let held = hold(0).unwrap();
        let port = held.local_addr().unwrap().port();

        // The sidecar's, then the canary's.
        for first in [port - 1, port - 2] {
            let error = Ports::counted_from(first, ONE, 0).unwrap_err().to_string();

            assert!(error.contains(&port.to_string()), "{error}");
            assert!(error.contains("--free-ports"), "{error}");
        }
    }

    #[test]
    fn redis_moves_when_its_port_is_taken() {
        let held = hold(0).unwrap();
        let taken = held.local_addr().unwrap().port();
        let host = free_port().unwrap();

        let counts = Counts {
            sidecars: 0,
            canary: false,
            ..ONE
        };
        let ports = Ports::counted_from(host, counts, taken).unwrap();

        assert_ne!(ports.redis, taken);
    }

    const ONE: Counts = Counts {
        hosts: 1,
        sidecars: 1,
        canary: true,
        databases: 0,
    };
}
