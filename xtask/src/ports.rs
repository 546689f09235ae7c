//! Which ports the processes get. They are chosen here and not by the processes, so that one that is started again comes back
//! at the address everybody knows.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, bail};

const HOST_PORT: u16 = 3000;
const REDIS_PORT: u16 = 6379;

/// The ports of one machine, all on 127.0.0.1.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) host: u16,
    pub(crate) sidecars: Vec<u16>,
    pub(crate) redis: u16,
}

impl Ports {
    /// The well-known ports, 3000 for the host and those above it for the sidecars. One that is taken is an error, because a
    /// person has them in bookmarks and scripts. Redis is only spoken to by us, so it moves when another one is there.
    pub(crate) fn well_known(sidecars: u16) -> Result<Self> {
        Self::counted_from(HOST_PORT, sidecars, REDIS_PORT)
    }

    fn counted_from(host: u16, sidecars: u16, redis: u16) -> Result<Self> {
        let last = host
            .checked_add(sidecars)
            .context("there are not that many ports for sidecars")?;
        let taken: Vec<_> = (host..=last)
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
        let redis = match hold(redis) {
            Ok(_) => redis,
            Err(_) => port_of(&hold(0)?)?,
        };
        Ok(Self {
            host,
            sidecars: (host + 1..=last).collect(),
            redis,
        })
    }

    /// Any free ports. They are held until all are known, so that none is given out twice.
    pub(crate) fn free(sidecars: u16) -> Result<Self> {
        let held: Vec<_> = (0..sidecars + 2)
            .map(|_| hold(0))
            .collect::<Result<_>>()
            .context("no free ports")?;
        let mut ports = held.iter().map(port_of).collect::<Result<Vec<_>>>()?;
        let redis = ports.pop().context("no free ports")?;
        let host = ports.pop().context("no free ports")?;
        Ok(Self {
            host,
            sidecars: ports,
            redis,
        })
    }
}

fn hold(port: u16) -> Result<TcpListener> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?)
}

fn port_of(listener: &TcpListener) -> Result<u16> {
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn free_ports_differ() {
        let ports = Ports::free(3).unwrap();

        let all: BTreeSet<_> = ports.sidecars.iter().chain([&ports.host, &ports.redis]).collect();
        assert_eq!(all.len(), 5);
    }

    #[test]
    fn taken_port_is_named_with_the_way_out() {
        let held = hold(0).unwrap();
        let port = port_of(&held).unwrap();

        let error = Ports::counted_from(port - 1, 1, 0).unwrap_err().to_string();

        assert!(error.contains(&port.to_string()), "{error}");
        assert!(error.contains("--free-ports"), "{error}");
    }

    #[test]
    fn redis_moves_when_its_port_is_taken() {
        let held = hold(0).unwrap();
        let taken = port_of(&held).unwrap();
        let host = port_of(&hold(0).unwrap()).unwrap();

        let ports = Ports::counted_from(host, 0, taken).unwrap();

        assert_ne!(ports.redis, taken);
    }
}
