//! `allowed_outbound_hosts`: where a component may connect to.
//!
//! Parity: Spin's `crates/outbound-networking-config/src/allowed_hosts.rs`.

use std::{net::IpAddr, ops::Range};

use anyhow::{Context as _, bail};
use url::{Host, Url};

const SERVICE_CHAINING_DOMAIN: &str = "spin.internal";

/// The hosts that one component may connect to.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowedHosts(Vec<AllowedHost>);

#[derive(Clone, Debug, PartialEq)]
struct AllowedHost {
    /// None is any.
    scheme: Option<String>,
    host: HostPattern,
    /// None is any.
    ports: Option<Range<u32>>,
}

#[derive(Clone, Debug, PartialEq)]
enum HostPattern {
    Any,
    /// A suffix that begins with a dot.
    Subdomains(String),
    Itself,
    Exactly(Host),
    Network(IpAddr, u32),
}

impl AllowedHosts {
    /// Reads a component's list, its templates filled in. `http://*.spin.internal` means the components of this
    /// application.
    pub(crate) fn parse<S: AsRef<str>>(hosts: &[S], component_ids: &[String]) -> anyhow::Result<Self> {
        let mut allowed = Vec::new();
        for text in hosts {
            let host = AllowedHost::parse(text.as_ref())?;
            match &host.host {
                HostPattern::Subdomains(suffix) if suffix[1..] == *SERVICE_CHAINING_DOMAIN => {
                    allowed.extend(component_ids.iter().map(|id| AllowedHost {
                        host: HostPattern::Exactly(Host::Domain(format!("{id}{suffix}"))),
                        ..host.clone()
                    }));
                }
                _ => allowed.push(host),
            }
        }
        Ok(Self(allowed))
    }

    /// Whether an address may be used; one without a scheme is taken to have this one.
    pub(crate) fn allow(&self, address: &str, default_scheme: &str) -> bool {
        let Some(target) = Target::parse(address, default_scheme) else {
            tracing::warn!("a component tried to connect to {address:?}, which is not a URL");
            return false;
        };
        let allowed = self.0.iter().any(|host| host.allows(&target));
        if !allowed {
            tracing::warn!(
                "a component tried to connect to {}://{}, which its allowed_outbound_hosts does not grant",
                target.scheme,
                target.host
            );
        }
        allowed
    }

    /// Whether a component may call the application it is part of.
    pub(crate) fn allow_self(&self) -> bool {
        self.0.iter().any(|host| {
            matches!(host.host, HostPattern::Any | HostPattern::Itself)
                && (host.allows_scheme("http") || host.allows_scheme("https"))
        })
    }
}

impl AllowedHost {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let text = text.trim();
        let (scheme, rest) = text
            .split_once("://")
            .with_context(|| format!("{text:?} does not contain a scheme (e.g., 'http://' or '*://')"))?;
        let (host, rest) = rest.rsplit_once(':').unwrap_or((rest, ""));
        let (port, path) = rest.split_once('/').unwrap_or((rest, ""));
        anyhow::ensure!(path.is_empty(), "{text:?} has a path but is not allowed to");
        let context = || format!("{text:?} is not a valid allowed outbound host");
        Ok(Self {
            scheme: parse_scheme(scheme).with_context(context)?,
            host: HostPattern::parse(host).with_context(context)?,
            ports: parse_ports(port, scheme).with_context(context)?,
        })
    }

    fn allows(&self, target: &Target) -> bool {
        let port = target.port.or_else(|| well_known_port(&target.scheme));
        self.allows_scheme(&target.scheme)
            && self.host.allows(&target.host)
            && self
                .ports
                .as_ref()
                .is_none_or(|ports| port.is_some_and(|port| ports.contains(&u32::from(port))))
    }

    fn allows_scheme(&self, scheme: &str) -> bool {
        self.scheme.as_ref().is_none_or(|allowed| allowed == scheme)
    }
}

impl HostPattern {
    fn parse(host: &str) -> anyhow::Result<Self> {
        let host = host.trim();
        match host {
            "*" => return Ok(Self::Any),
            "self" | "self.alt" => return Ok(Self::Itself),
            _ => {}
        }
        if let Some(network) = parse_network(host) {
            return Ok(network);
        }
        let host = host.trim_end_matches('/');
        if host.contains('/') {
            bail!("must not include a path");
        }
        if let Some(domain) = host.strip_prefix("*.").filter(|domain| !domain.contains('*')) {
            return Ok(Self::Subdomains(format!(".{domain}")));
        }
        if host.contains('*') {
            bail!("wildcards are allowed only as prefixes");
        }
        Ok(Self::Exactly(Host::parse(host)?))
    }

    fn allows(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Itself, _) => false,
            (Self::Subdomains(suffix), Host::Domain(domain)) => domain.ends_with(suffix.as_str()),
            (Self::Exactly(exactly), host) => exactly == host,
            (Self::Network(network, bits), Host::Ipv4(address)) => {
                in_network(*network, *bits, (*address).into())
            }
            (Self::Network(network, bits), Host::Ipv6(address)) => {
                in_network(*network, *bits, (*address).into())
            }
            (Self::Subdomains(_) | Self::Network(..), _) => false,
        }
    }
}

/// Where a component wants to connect to.
struct Target {
    scheme: String,
    host: Host,
    port: Option<u16>,
}

impl Target {
    fn parse(address: &str, default_scheme: &str) -> Option<Self> {
        let address = without_user(address);
        let url = Url::parse(&address)
            .ok()
            .filter(Url::has_host)
            .or_else(|| Url::parse(&format!("{default_scheme}://{address}")).ok())?;
        Some(Self {
            scheme: url.scheme().to_owned(),
            host: Host::parse(url.host_str()?).ok()?,
            port: url.port(),
        })
    }
}

/// The component that an address such as `http://NAME.spin.internal` names.
pub(crate) fn service_chaining_target(uri: &http::Uri) -> Option<String> {
    service_chaining_host(uri.authority()?.host())
}

/// The component that a host such as `NAME.spin.internal:80` names.
pub(crate) fn service_chaining_host(host: &str) -> Option<String> {
    let (host, _) = host.trim().rsplit_once(':').unwrap_or((host, ""));
    let (name, domain) = host.split_once('.')?;
    (domain == SERVICE_CHAINING_DOMAIN).then(|| name.to_owned())
}

/// Names and passwords play no part in what is allowed, and may hold characters a URL cannot.
fn without_user(address: &str) -> String {
    let start = address.find("://").map_or(0, |at| at + 3);
    let end = address[start..].find('/').map_or(address.len(), |at| start + at);
    match address[start..end].find('@') {
        Some(at) => format!("{}{}", &address[..start], &address[start + at + 1..]),
        None => address.to_owned(),
    }
}

fn parse_scheme(scheme: &str) -> anyhow::Result<Option<String>> {
    match scheme {
        "*" => Ok(None),
        _ if scheme.starts_with('{') => bail!("scheme lists are not supported"),
        _ if scheme.chars().all(char::is_alphabetic) => Ok(Some(scheme.to_owned())),
        _ => bail!("only alphabetic characters are allowed in the scheme"),
    }
}

fn parse_ports(port: &str, scheme: &str) -> anyhow::Result<Option<Range<u32>>> {
    let number = |text: &str| {
        text.parse::<u16>()
            .map(u32::from)
            .with_context(|| format!("port {port:?}"))
    };
    if port == "*" {
        return Ok(None);
    }
    if let Some((start, end)) = port.split_once("..") {
        return Ok(Some(number(start)?..number(end)?));
    }
    let port = match port {
        "" => well_known_port(scheme).map(u32::from).with_context(|| {
            format!(
                "no port was provided and the scheme {scheme:?} does not have a known default port number"
            )
        })?,
        _ => number(port)?,
    };
    Ok(Some(port..port + 1))
}

fn well_known_port(scheme: &str) -> Option<u16> {
    match scheme {
        "postgres" => Some(5432),
        "mysql" => Some(3306),
        "redis" => Some(6379),
        "mqtt" => Some(1883),
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// An address, or an address and a prefix length.
fn parse_network(text: &str) -> Option<HostPattern> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, bits.parse().ok()),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = if text.contains('/') { bits? } else { all };
    (bits <= all).then_some(HostPattern::Network(address, bits))
}

fn in_network(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (network.to_bits() ^ address.to_bits())
                .checked_shr(32 - bits)
                .unwrap_or(0)
                == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            (network.to_bits() ^ address.to_bits())
                .checked_shr(128 - bits)
                .unwrap_or(0)
                == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, allowed: &[&str], denied: &[&str]) {
        let hosts = AllowedHosts::parse(&[host], &["organizer".to_owned()]).unwrap();
        for address in allowed {
            assert!(hosts.allow(address, "redis"), "{host} should allow {address}");
        }
        for address in denied {
            assert!(!hosts.allow(address, "redis"), "{host} should deny {address}");
        }
    }

    #[test]
    fn scheme_host_and_port_must_all_match() {
        check(
            "http://example.com",
            &[
                "http://example.com",
                "http://example.com:80/path",
                "http://user:p%40ss@example.com",
            ],
            &[
                "https://example.com",
                "http://example.com:8080",
                "http://sub.example.com",
                "not a url",
            ],
        );
        check(
            "http://example.com:8000..8002",
            &["http://example.com:8001"],
            &["http://example.com:8002"],
        );
        check(
            "redis://127.0.0.1:*",
            &["127.0.0.1:6380", "redis://127.0.0.1"],
            &["http://127.0.0.1"],
        );
        check("*://*:*", &["tcp://[::1]:5", "https://anywhere"], &[]);
    }

    #[test]
    fn wildcards_and_networks_match_what_they_cover() {
        check(
            "https://*.example.com",
            &["https://a.b.example.com"],
            &["https://example.com"],
        );
        check(
            "tcp://10.0.0.0/8:53",
            &["tcp://10.9.8.7:53"],
            &["tcp://11.0.0.1:53", "tcp://name:53"],
        );
        check("tcp://0.0.0.0/0:53", &["tcp://11.0.0.1:53"], &[]);
    }

    #[test]
    fn chaining_wildcards_cover_the_components_of_the_application() {
        check(
            "http://*.spin.internal",
            &["http://organizer.spin.internal/x"],
            &["http://nobody.spin.internal"],
        );
    }

    #[test]
    fn malformed_hosts_are_refused() {
        for host in [
            "*",
            "example.com",
            "http://example.com/path",
            "http://a.*.com",
            "x://y",
            "{a,b}://c:1",
        ] {
            AllowedHosts::parse(&[host], &[]).unwrap_err();
        }
    }
}
