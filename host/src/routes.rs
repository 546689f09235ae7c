//! Which component answers a path, and what the match tells it.
//!
//! Parity: Spin's `crates/routes/src/lib.rs`, on the same matching crate.

use std::{borrow::Cow, fmt, sync::Arc};

use anyhow::anyhow;
use serde::Deserialize;

/// Paths that the host itself answers, as Spin does.
pub(crate) const WELL_KNOWN_PREFIX: &str = "/.well-known/spin/";

/// The path of the host's metrics, which Spin does not have.
pub(crate) const METRICS_PATH: &str = "/.well-known/mayday/metrics";

/// The `route` of an HTTP trigger.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Route {
    /// A pattern: `/exact`, `/with/:segment`, `/below/...`.
    Public(String),
    /// Reachable by service chaining only.
    Private { private: bool },
}

/// The routes of an application.
#[derive(Debug)]
pub(crate) struct Router(routefinder::Router<Arc<Handler>>);

#[derive(Debug)]
struct Handler {
    component: String,
    /// As the manifest has it.
    raw: String,
    /// With its leading slash, without a trailing one.
    based: String,
}

/// The route that matched a request.
#[derive(Clone, Debug)]
pub(crate) struct RouteMatch {
    handler: Arc<Handler>,
    /// What `/...` stands for in this request.
    pub(crate) trailing_wildcard: String,
    /// What each `:segment` stands for in this request.
    pub(crate) segments: Vec<(String, String)>,
}

impl Router {
    /// Builds the router; of two equal routes the later one counts, as in Spin.
    pub(crate) fn new<'a>(routes: impl IntoIterator<Item = (&'a str, &'a Route)>) -> anyhow::Result<Self> {
        let mut by_route: indexmap::IndexMap<&str, &str> = indexmap::IndexMap::new();
        for (component, route) in routes {
            match route {
                Route::Public(raw) => {
                    if let Some(unused) = by_route.insert(raw, component) {
                        tracing::error!("the route {raw} of {unused} is a duplicate and will never be used");
                    }
                }
                Route::Private { private: true } => {}
                Route::Private { private: false } => {
                    return Err(anyhow!(
                        "route must be a string pattern or '{{ private = true }}': \
                         {component:?} has {{ private = false }}"
                    ));
                }
            }
        }
        let mut router = routefinder::Router::new();
        for (raw, component) in by_route {
            let based = based(raw);
            if based.starts_with(WELL_KNOWN_PREFIX) || based == METRICS_PATH {
                tracing::error!("{based} is handled by the host and will never be reached");
            }
            let pattern = match based.strip_suffix("/...") {
                Some(prefix) => format!("{prefix}/*"),
                None => based.clone(),
            };
            let handler = Arc::new(Handler {
                component: component.into(),
                raw: raw.into(),
                based,
            });
            router
                .add(pattern, handler)
                .map_err(|error| anyhow!("the route {raw} of component {component:?}: {error}"))?;
        }
        Ok(Self(router))
    }

    /// The best match: exact segments before `:segments`, those before `/...`.
    pub(crate) fn route(&self, path: &str) -> Option<RouteMatch> {
        let found = self.0.best_match(path)?;
        let captures = found.captures();
        let segments = captures
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        // Spin has always given trailing slashes to the component; the matching crate drops them.
        let trailing_wildcard = match captures.wildcard() {
            None => String::new(),
            Some(rest) => match (rest.is_empty(), path.ends_with('/')) {
                (true, false) => String::new(),
                (true, true) => "/".to_owned(),
                (false, false) => format!("/{rest}"),
                (false, true) => format!("/{rest}/"),
            },
        };
        Some(RouteMatch {
            handler: found.handler().clone(),
            trailing_wildcard,
            segments,
        })
    }

    /// The routes and their components, as Spin prints them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PrintedRoute<'_>, &str)> {
        self.0
            .iter()
            .map(|(_, handler)| (PrintedRoute(&handler.based), handler.component.as_str()))
    }
}

impl RouteMatch {
    /// What a chained request sees: as if it had come in on `/...`.
    pub(crate) fn chained(component: &str, path: &str) -> Self {
        let handler = Handler {
            component: component.into(),
            raw: "/...".into(),
            based: "/...".into(),
        };
        Self {
            handler: Arc::new(handler),
            trailing_wildcard: path.into(),
            segments: Vec::new(),
        }
    }

    pub(crate) fn component(&self) -> &str {
        &self.handler.component
    }

    pub(crate) fn based_route(&self) -> &str {
        &self.handler.based
    }

    pub(crate) fn raw_route(&self) -> &str {
        &self.handler.raw
    }

    pub(crate) fn raw_route_or_prefix(&self) -> &str {
        self.handler.raw.strip_suffix("/...").unwrap_or(&self.handler.raw)
    }
}

/// A route as Spin prints it.
pub(crate) struct PrintedRoute<'a>(&'a str);

impl fmt::Display for PrintedRoute<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.strip_suffix("/...").or_else(|| self.0.strip_suffix("/*")) {
            Some(prefix) => write!(formatter, "{prefix} (wildcard)"),
            None => formatter.write_str(self.0),
        }
    }
}

fn based(raw: &str) -> String {
    let absolute: Cow<'_, str> = if raw.starts_with('/') {
        raw.into()
    } else {
        format!("/{raw}").into()
    };
    absolute.strip_suffix('/').unwrap_or(&absolute).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(routes: &[&str]) -> Router {
        let routes: Vec<_> = routes
            .iter()
            .map(|route| Route::Public((*route).to_owned()))
            .collect();
        let ids: Vec<_> = (0..routes.len()).map(|index| index.to_string()).collect();
        Router::new(ids.iter().map(String::as_str).zip(&routes)).unwrap()
    }

    #[test]
    fn the_most_specific_route_wins() {
        let router = router(&["/...", "/a/...", "/a/:b", "/a/b"]);
        for (path, component) in [
            ("/", "0"),
            ("/x/y", "0"),
            ("/a/b/c", "1"),
            ("/a/x", "2"),
            ("/a/b", "3"),
        ] {
            assert_eq!(router.route(path).unwrap().component(), component, "{path}");
        }
    }

    #[test]
    fn the_trailing_wildcard_keeps_slashes() {
        let router = router(&["/a/..."]);
        for (path, rest) in [("/a", ""), ("/a/", "/"), ("/a/b", "/b"), ("/a/b/", "/b/")] {
            assert_eq!(router.route(path).unwrap().trailing_wildcard, rest, "{path}");
        }
        assert!(router.route("/b").is_none());
    }
}
