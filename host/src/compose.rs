//! Dependencies: components that satisfy imports of another, joined to it when the application is loaded.
//!
//! Parity: Spin's `crates/compose/src/lib.rs` and `crates/serde/src/dependencies.rs`. Where Spin 4 wraps a dependency
//! that inherits no configuration into an adapter that denies everything, which in 3.6 lets newer interfaces pass, the
//! host refuses one that would need it.

use std::{fmt, str::FromStr};

use anyhow::{Context as _, bail, ensure};
use indexmap::IndexMap;
use semver::Version;
use wac_graph::{
    CompositionGraph, NodeId,
    types::{Package, SubtypeChecker, WorldId},
};

/// What Spin's deny-all adapter would stand in for.
const DENIED: [&str; 6] = [
    "fermyon:spin/",
    "spin:",
    "wasi:cli/environment",
    "wasi:filesystem/preopens",
    "wasi:http/outgoing-handler",
    "wasi:sockets/",
];

/// The name of a dependency in the manifest: which imports it is for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DependencyName {
    /// A plain import, `name`.
    Plain(String),
    /// `namespace:package`, with `/interface` and `@version` or without.
    Package {
        package: String,
        interface: Option<String>,
        version: Option<Version>,
    },
}

/// One dependency and its code.
pub(crate) struct Dependency {
    pub(crate) name: DependencyName,
    pub(crate) code: Vec<u8>,
    /// The export that satisfies the import; the one of the import's name if none is given.
    pub(crate) export: Option<String>,
    /// Whether it may use what the dependent may.
    pub(crate) inherit: bool,
}

/// Joins a component and its dependencies into one component with the exports of the first.
pub(crate) fn compose(id: &str, code: Vec<u8>, dependencies: Vec<Dependency>) -> anyhow::Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let (world, instance) = instantiate(&mut graph, id, code)?;
    let mut satisfied: IndexMap<String, DependencyName> = IndexMap::new();
    for dependency in dependencies {
        let imports = matching_imports(&graph, world, &dependency.name);
        ensure!(
            !imports.is_empty(),
            "dependency '{}' doesn't match any imports of component '{id}'",
            dependency.name
        );
        for import in &imports {
            if let Some(other) = satisfied.insert(import.clone(), dependency.name.clone()) {
                bail!(
                    "component '{id}' has dependency conflicts: import '{import}' satisfied by \
                     dependencies: '{other}, {}'",
                    dependency.name
                );
            }
        }
        satisfy(&mut graph, (world, instance), dependency, &imports)?;
    }
    for export in graph.types()[world].exports.keys().cloned().collect::<Vec<_>>() {
        let node = graph.alias_instance_export(instance, &export)?;
        graph.export(node, &export)?;
    }
    graph
        .encode(Default::default())
        .context("failed to encode composition graph")
}

fn instantiate(graph: &mut CompositionGraph, name: &str, code: Vec<u8>) -> anyhow::Result<(WorldId, NodeId)> {
    let package = Package::from_bytes(name, None, code, graph.types_mut())?;
    let world = package.ty();
    let package = graph.register_package(package)?;
    Ok((world, graph.instantiate(package)))
}

fn matching_imports(graph: &CompositionGraph, world: WorldId, name: &DependencyName) -> Vec<String> {
    graph.types()[world]
        .imports
        .keys()
        .filter(|import| name.matches(import))
        .cloned()
        .collect()
}

fn satisfy(
    graph: &mut CompositionGraph,
    (world, instance): (WorldId, NodeId),
    dependency: Dependency,
    imports: &[String],
) -> anyhow::Result<()> {
    let Dependency {
        name,
        code,
        export,
        inherit,
    } = dependency;
    let package = match &name {
        DependencyName::Plain(plain) => plain.clone(),
        DependencyName::Package { package, .. } => package.clone(),
    };
    let (provider_world, provider) =
        instantiate(graph, &package, code).with_context(|| format!("dependency '{name}'"))?;
    if !inherit {
        deny(graph, provider_world, &name)?;
    }
    for import in imports {
        let export = export.as_ref().unwrap_or(import);
        let types = graph.types();
        let provided = *types[provider_world].exports.get(export).with_context(|| {
            format!("dependency '{name}' doesn't export '{export}' to satisfy import '{import}'")
        })?;
        let wanted = types[world].imports[import];
        SubtypeChecker::new(&mut Default::default())
            .is_subtype(provided, types, wanted, types)
            .with_context(|| {
                format!(
                    "dependency '{name}' exports '{export}' which is not compatible with import '{import}'"
                )
            })?;
        let node = graph.alias_instance_export(provider, export)?;
        graph.set_instantiation_argument(instance, import, node)?;
    }
    Ok(())
}

fn deny(graph: &CompositionGraph, world: WorldId, name: &DependencyName) -> anyhow::Result<()> {
    let imports = graph.types()[world].imports.keys();
    let denied: Vec<_> = imports
        .filter(|import| DENIED.iter().any(|denied| import.starts_with(denied)))
        .collect();
    ensure!(
        denied.is_empty(),
        "dependency '{name}' imports {denied:?}, which this host cannot deny to it: \
         set dependencies_inherit_configuration = true"
    );
    Ok(())
}

impl DependencyName {
    /// Whether the dependency is for every interface of a package.
    pub(crate) fn is_whole_package(&self) -> bool {
        matches!(self, Self::Package { interface: None, .. })
    }

    fn matches(&self, import: &str) -> bool {
        match self {
            Self::Plain(name) => name == import,
            Self::Package {
                package,
                interface,
                version,
            } => {
                let Ok(Self::Package {
                    package: p,
                    interface: i,
                    version: v,
                }) = import.parse()
                else {
                    return false;
                };
                *package == p
                    && (interface.is_none() || *interface == i)
                    && (version.is_none() || *version == v)
            }
        }
    }
}

impl FromStr for DependencyName {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if !text.contains([':', '/']) {
            return Ok(Self::Plain(text.to_owned()));
        }
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => {
                let version = version
                    .parse()
                    .with_context(|| format!("the version of {text:?}"))?;
                (name, Some(version))
            }
            None => (text, None),
        };
        let (package, interface) = match name.split_once('/') {
            Some((package, interface)) => (package, Some(interface.to_owned())),
            None => (name, None),
        };
        ensure!(
            package.contains(':'),
            "{text:?} is not a package name such as 'namespace:package'"
        );
        Ok(Self::Package {
            package: package.to_owned(),
            interface,
            version,
        })
    }
}

impl fmt::Display for DependencyName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(name) => formatter.write_str(name),
            Self::Package {
                package,
                interface,
                version,
            } => {
                formatter.write_str(package)?;
                if let Some(interface) = interface {
                    write!(formatter, "/{interface}")?;
                }
                if let Some(version) = version {
                    write!(formatter, "@{version}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_imports_as_in_spin() {
        for (name, import, expected) in [
            ("foo:bar/baz@0.1.0", "foo:bar/baz@0.1.0", true),
            ("foo:bar/baz", "foo:bar/baz@0.1.0", true),
            ("foo:bar", "foo:bar/baz@0.1.0", true),
            ("foo:bar@0.1.0", "foo:bar/baz@0.1.0", true),
            ("foo-bar", "foo-bar", true),
            ("foo:bar/baz@0.1.0", "foo:bar/baz", false),
            ("foo:bar/baz", "foo:bar/bub", false),
            ("foo:bar@0.1.0", "foo:bar/baz@0.2.0", false),
            ("foo:bar", "foo:bub/bib", false),
            ("foo:bar/baz", "foo-bar", false),
        ] {
            assert_eq!(
                name.parse::<DependencyName>().unwrap().matches(import),
                expected,
                "{name} {import}"
            );
        }
    }
}
