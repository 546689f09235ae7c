//! What a browser may do with a page, in headers.

use http::Uri;
use service::door::{Answer, Request};
use service::settings;

use crate::error::Error;

/// For what loads nothing: refusals, data, and files that are parts of pages.
const LOADS_NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// For the service worker, which fetches the files that it keeps. A worker has the policy of its own file, and not that
/// of the page.
pub(crate) const SERVICE_WORKER: &str = "default-src 'none'; connect-src 'self'; base-uri 'none'; \
                                         form-action 'none'; frame-ancestors 'none'";

/// Pages may ask where somebody is. They have no use for the rest.
const PERMISSIONS: &str = "geolocation=(self), accelerometer=(), camera=(), display-capture=(), gyroscope=(), \
                           magnetometer=(), microphone=(), midi=(), payment=(), usb=()";

/// The policy of a page: it loads what comes from here, tiles from the tile server, and talks to the APIs and the
/// sockets. `scripts` and `styles` are the sources of those that are inline.
pub(crate) fn of_page(request: &Request, scripts: &[&str], styles: &[&str]) -> Result<String, Error> {
    let variable = |name: &str| {
        let address = settings::text(name)?;
        let origin = origin(&address);
        if origin.is_none() && !address.is_empty() {
            service::warn!(
                "variable {name} is not the address of a server, so the pages may not use it: {address}"
            );
        }
        Ok::<_, Error>(origin)
    };
    let sockets = variable("websocket_url")?.or_else(|| own_sockets(request));
    Ok(page_policy(
        scripts,
        styles,
        &variable("tile_url")?.unwrap_or_default(),
        &sockets.unwrap_or_default(),
    ))
}

/// The sockets of the page's own host. New browsers count them as 'self', older ones have to be told.
fn own_sockets(request: &Request) -> Option<String> {
    let scheme = if request.is_https() { "wss" } else { "ws" };
    let page = origin(request.last_header("spin-full-url")?)?;
    let (_, host) = page.split_once("://")?;
    Some(format!("{scheme}://{host}"))
}

fn page_policy(scripts: &[&str], styles: &[&str], tiles: &str, sockets: &str) -> String {
    let sources = |own: &str, more: &[&str]| {
        let more = more.iter().filter(|source| !source.is_empty()).copied();
        [own].into_iter().chain(more).collect::<Vec<_>>().join(" ")
    };
    format!(
        "default-src 'none'; script-src {}; style-src {}; img-src {}; connect-src {}; manifest-src 'self'; \
         worker-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        sources("'self'", scripts),
        sources("'self'", styles),
        sources("'self' data:", &[tiles]),
        sources("'self'", &[sockets]),
    )
}

/// The origin of an address of a server.
fn origin(address: &str) -> Option<String> {
    let address: Uri = address.parse().ok()?;
    let (scheme, host) = (address.scheme_str()?, address.host()?);
    let port = address.port().map_or(String::new(), |port| format!(":{port}"));
    // What ends a source must not be in one.
    let is_safe = |c: char| c.is_ascii_alphanumeric() || ".-[]:".contains(c);
    host.chars()
        .all(is_safe)
        .then(|| format!("{scheme}://{host}{port}"))
}

/// The headers of every answer. One without a policy of its own may load nothing.
pub(crate) fn guard(answer: Answer) -> Answer {
    answer
        .with_default("content-security-policy", LOADS_NOTHING)
        .with("x-content-type-options", "nosniff")
        // Which page it is, is nobody's business. Tile servers want to know the site.
        .with("referrer-policy", "strict-origin-when-cross-origin")
        .with("permissions-policy", PERMISSIONS)
        .with("cross-origin-opener-policy", "same-origin")
        .with("cross-origin-resource-policy", "same-origin")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_gives_its_origin_to_the_policy() {
        for (address, expected) in [
            ("wss://ws.example.org/connect", "wss://ws.example.org"),
            ("ws://127.0.0.1:3001/connect", "ws://127.0.0.1:3001"),
            (
                "https://tile.example.org/{z}/{x}/{y}.png",
                "https://tile.example.org",
            ),
            ("https://[::1]:8080/", "https://[::1]:8080"),
        ] {
            assert_eq!(origin(address).as_deref(), Some(expected), "{address}");
        }
        for address in ["", "/connect", "https://a;script-src https://b/", "https://a;b/"] {
            assert_eq!(origin(address), None, "{address}");
        }
    }

    #[test]
    fn a_page_may_run_its_own_inline_scripts_only() {
        let scripts = ["'sha256-s1='", "'sha256-s2='"];
        assert_eq!(
            page_policy(&scripts, &[], "https://tile.example.org", ""),
            "default-src 'none'; script-src 'self' 'sha256-s1=' 'sha256-s2='; style-src 'self'; \
             img-src 'self' data: https://tile.example.org; connect-src 'self'; manifest-src 'self'; \
             worker-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        );
    }
}
