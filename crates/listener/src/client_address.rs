use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};

/// Where a request comes from, for the log: the last address in `header`, which the nearest proxy has written
/// (`service::throttle`). The peer's address, if there is no such header or no address in it.
pub fn client_address(header: Option<&HeaderName>, request: &HeaderMap, peer: SocketAddr) -> String {
    let reported = header
        .and_then(|header| request.get_all(header).iter().next_back())
        .and_then(|value| value.to_str().ok())
        .and_then(|value| parse(value.rsplit(',').next()?.trim()));
    match reported {
        Some(address) => address.to_string(),
        None => peer.to_string(),
    }
}

/// Some proxies add the port.
fn parse(text: &str) -> Option<IpAddr> {
    let address = text.parse::<SocketAddr>().map(|address| address.ip());
    address.or_else(|_| text.parse()).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

    fn found(header: Option<&HeaderName>, lines: &[&'static str]) -> String {
        let mut request = HeaderMap::new();
        for line in lines {
            request.append(FORWARDED_FOR, HeaderValue::from_static(line));
        }
        client_address(header, &request, SocketAddr::from(([127, 0, 0, 1], 4321)))
    }

    #[test]
    fn the_nearest_proxy_says_where_a_request_comes_from() {
        for (lines, expected) in [
            (&["192.0.2.7"][..], "192.0.2.7"),
            (&["203.0.113.9, 192.0.2.7"], "192.0.2.7"),
            (&["203.0.113.9", "192.0.2.7"], "192.0.2.7"),
            (&["192.0.2.7:5000"], "192.0.2.7"),
            (&["2001:db8::7"], "2001:db8::7"),
            (&["[2001:db8::7]:5000"], "2001:db8::7"),
        ] {
            assert_eq!(found(Some(&FORWARDED_FOR), lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_peer_is_the_client_where_no_address_is_reported() {
        for lines in [
            &[][..],
            &[""],
            &["unknown"],
            &["192.0.2.7, somebody"],
            &["192.0.2.7", "somebody"],
        ] {
            assert_eq!(found(Some(&FORWARDED_FOR), lines), "127.0.0.1:4321", "{lines:?}");
        }
        assert_eq!(found(None, &["192.0.2.7"]), "127.0.0.1:4321");
    }
}
