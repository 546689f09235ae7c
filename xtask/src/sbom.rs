//! `cargo xtask sbom`: the bills of materials of what is shipped, in CycloneDX 1.5. One is of the components, the host
//! and the sidecar, the other of the pages.
//!
//! Cargo knows what each program is built of, so this only writes it down: `cargo tree` chooses packages by program,
//! target and feature, `cargo metadata` describes them, and the lock file has their hashes. npm writes its own bill.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use chrono::{SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::build::{COMPONENTS, HOST, SIDECAR};
use crate::command::{cargo, root};
use crate::tools::{WASM_TARGET, ensure_node};

/// The targets of native programs: machines, and the sidecar's image.
const NATIVE_TARGETS: [&str; 3] = [
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
];

/// Writes both bills, and returns where they are.
pub(crate) fn write() -> Result<[PathBuf; 2]> {
    let directory = root().join("target/sbom");
    fs::create_dir_all(&directory).with_context(|| format!("could not make {}", directory.display()))?;
    let bills = [
        ("mayday.cdx.json", bill_of_programs()?),
        ("mayday-web.cdx.json", bill_of_pages()?),
    ];
    let mut paths = [PathBuf::new(), PathBuf::new()];
    for ((name, bill), path) in bills.into_iter().zip(&mut paths) {
        *path = directory.join(name);
        fs::write(&path, serde_json::to_vec_pretty(&bill)?)
            .with_context(|| format!("could not write {}", path.display()))?;
        let count = bill["components"].as_array().map_or(0, Vec::len);
        println!("{}: {count} packages", path.display());
    }
    Ok(paths)
}

/// npm's bill of what the pages are made of.
fn bill_of_pages() -> Result<Value> {
    ensure_node()?;
    let mut npm = Command::new("npm");
    npm.args([
        "sbom",
        "--sbom-format=cyclonedx",
        "--omit=dev",
        "--package-lock-only",
    ]);
    let bill =
        output(npm.current_dir(root().join("web"))).context("npm sbom, which came with npm 10, failed")?;
    serde_json::from_slice(&bill).context("npm sbom writes no JSON")
}

/// A package by name and version. No two of the lock file have both.
type Key = (String, String);

fn bill_of_programs() -> Result<Value> {
    let locked: Lock = toml::from_str(&fs::read_to_string(root().join("Cargo.lock"))?)
        .context("Cargo.lock is not as expected")?;
    let hashes: BTreeMap<Key, String> = locked
        .package
        .into_iter()
        .filter_map(|package| Some(((package.name, package.version), package.checksum?)))
        .collect();
    let metadata: Metadata = serde_json::from_slice(&output(cargo().args([
        "metadata",
        "--locked",
        "--format-version=1",
    ]))?)
    .context("cargo metadata is not as expected")?;
    let shipped = packages("normal,no-proc-macro")?;
    let used = packages("normal,build")?;
    let mut by_id: BTreeMap<String, (Key, String)> = BTreeMap::new();
    let mut components = Vec::new();
    for package in metadata.packages {
        let key = (package.name.clone(), package.version.clone());
        if used.contains(&key) {
            let component = component(&package, hashes.get(&key), shipped.contains(&key));
            by_id.insert(package.id, (key, reference(&component)));
            components.push(component);
        }
    }
    if let Some((name, version)) = used
        .iter()
        .find(|key| !by_id.values().any(|(known, _)| known == *key))
    {
        bail!("cargo metadata does not have {name} {version}, which a program is built of");
    }
    let dependencies: Vec<Value> = metadata
        .resolve
        .nodes
        .into_iter()
        .filter_map(|node| {
            let (_, from) = by_id.get(&node.id)?;
            let on: BTreeSet<&str> = (node.deps.iter())
                .filter(|edge| {
                    edge.dep_kinds
                        .iter()
                        .any(|found| found.kind.as_deref() != Some("dev"))
                })
                .filter_map(|edge| by_id.get(&edge.pkg))
                .map(|(_, reference)| reference.as_str())
                .collect();
            Some(json!({"ref": from, "dependsOn": on}))
        })
        .collect();
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
            "component": {
                "type": "application",
                "bom-ref": "mayday",
                "name": "mayday",
                "version": env!("CARGO_PKG_VERSION"),
                "licenses": [{"expression": "MIT"}],
            },
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

/// A package in the words of CycloneDX. One that only builds is excluded from what runs.
fn component(package: &Package, hash: Option<&String>, is_shipped: bool) -> Value {
    let Package { name, version, .. } = package;
    let is_ours = package.source.is_none();
    let is_program = is_ours && programs().any(|program| program == name);
    let mut component = json!({
        "type": if is_program { "application" } else { "library" },
        "name": name,
        "version": version,
        "scope": if is_shipped { "required" } else { "excluded" },
    });
    if is_ours {
        component["bom-ref"] = json!(format!("mayday/{name}@{version}"));
    } else {
        // Of names and versions of crates, only the plus sign of build metadata has to be encoded.
        let purl = format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"));
        component["bom-ref"] = json!(purl);
        component["purl"] = json!(purl);
    }
    if let Some(hash) = hash {
        component["hashes"] = json!([{"alg": "SHA-256", "content": hash}]);
    }
    if let Some(licence) = &package.license {
        // Crates of old write a slash for OR.
        let parts: Vec<&str> = licence.split('/').map(str::trim).collect();
        component["licenses"] = json!([{"expression": parts.join(" OR ")}]);
    }
    if let Some(repository) = &package.repository {
        component["externalReferences"] = json!([{"type": "vcs", "url": repository}]);
    }
    component
}

fn reference(component: &Value) -> String {
    component["bom-ref"].as_str().unwrap_or_default().to_owned()
}

fn programs() -> impl Iterator<Item = &'static str> {
    COMPONENTS.into_iter().chain([HOST, SIDECAR])
}

/// The packages that are reached from what is shipped over these kinds of edges.
fn packages(edges: &str) -> Result<BTreeSet<Key>> {
    let mut found = packages_of(&COMPONENTS, WASM_TARGET, edges)?;
    for target in NATIVE_TARGETS {
        found.append(&mut packages_of(&[HOST, SIDECAR], target, edges)?);
    }
    Ok(found)
}

fn packages_of(roots: &[&str], target: &str, edges: &str) -> Result<BTreeSet<Key>> {
    let mut tree = cargo();
    tree.args(["tree", "--locked", "--prefix=none", "--format={p}"]);
    tree.args(["--edges", edges, "--target", target]);
    tree.args(roots.iter().flat_map(|package| ["--package", package]));
    let lines = String::from_utf8(output(&mut tree)?).context("cargo tree writes no text")?;
    // Roots are set apart by empty lines.
    lines.lines().filter(|line| !line.is_empty()).map(key).collect()
}

/// Of `serde v1.0.228 (*)`, the name and the version.
fn key(line: &str) -> Result<Key> {
    let mut words = line.split_whitespace();
    let (name, version) = (words.next(), words.next().and_then(|word| word.strip_prefix('v')));
    match (name, version) {
        (Some(name), Some(version)) => Ok((name.to_owned(), version.to_owned())),
        _ => bail!("cargo tree writes what nobody can read: {line}"),
    }
}

fn output(command: &mut Command) -> Result<Vec<u8>> {
    let program = command.get_program().display().to_string();
    let output = command
        .output()
        .with_context(|| format!("could not run {program}"))?;
    if !output.status.success() {
        bail!(
            "{program} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output.stdout)
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<LockedPackage>,
}

#[derive(Deserialize)]
struct LockedPackage {
    name: String,
    version: String,
    checksum: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
    /// The packages of the workspace have none.
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Deserialize)]
struct EdgeKind {
    /// None for what is linked.
    kind: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(bill: &Value, scope: &str) -> BTreeSet<Key> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let components = bill["components"].as_array().unwrap();
        components
            .iter()
            .filter(|component| component["scope"] == scope)
            .map(|component| (text(&component["name"]), text(&component["version"])))
            .collect()
    }

    #[test]
    fn every_package_of_the_lock_file_that_is_shipped_is_named_with_its_hash() {
        let bill = bill_of_programs().unwrap();
        let required = names(&bill, "required");

        for (root, target) in COMPONENTS
            .map(|component| (component, WASM_TARGET))
            .into_iter()
            .chain([HOST, SIDECAR].map(|program| (program, NATIVE_TARGETS[0])))
        {
            let linked = packages_of(&[root], target, "normal,no-proc-macro").unwrap();
            let missing: Vec<_> = linked.difference(&required).collect();
            assert!(missing.is_empty(), "{root}: {missing:?}");
        }
        // One of each: the sandbox, the host, the sidecar, all.
        for name in ["spin-sdk", "wasmtime", "axum", "serde_json"] {
            assert!(required.iter().any(|(required, _)| required == name), "{name}");
        }
        // What only tests or chores use is nowhere, and what only builds does not run.
        let excluded = names(&bill, "excluded");
        for name in ["proptest", "mayday-tests", "xtask"] {
            let mut all = required.iter().chain(&excluded);
            assert!(!all.any(|(found, _)| found == name), "{name}");
        }
        assert!(excluded.iter().any(|(name, _)| name == "serde_derive"));

        let lock: Lock = toml::from_str(&fs::read_to_string(root().join("Cargo.lock")).unwrap()).unwrap();
        let hashes: BTreeMap<Key, Option<String>> = (lock.package.into_iter())
            .map(|package| ((package.name, package.version), package.checksum))
            .collect();
        for component in bill["components"].as_array().unwrap() {
            let text = |name: &str| component[name].as_str().unwrap().to_owned();
            let locked = &hashes[&(text("name"), text("version"))];
            assert_eq!(component["hashes"][0]["content"].as_str(), locked.as_deref());
        }
    }

    #[test]
    fn a_bill_names_each_package_once_and_depends_on_nothing_else() {
        let bill = bill_of_programs().unwrap();
        assert_eq!(
            (bill["bomFormat"].as_str(), bill["specVersion"].as_str()),
            (Some("CycloneDX"), Some("1.5"))
        );
        let components = bill["components"].as_array().unwrap();
        let references: BTreeSet<String> = components.iter().map(reference).collect();
        assert_eq!(references.len(), components.len());
        for component in components {
            assert!(component["licenses"][0]["expression"].is_string(), "{component}");
            let is_ours = reference(component).starts_with("mayday/");
            assert_eq!(component["purl"].is_null(), is_ours, "{component}");
        }
        let dependencies = bill["dependencies"].as_array().unwrap();
        assert_eq!(dependencies.len(), components.len());
        for dependency in dependencies {
            let on = dependency["dependsOn"].as_array().unwrap();
            let mut mentioned = on.iter().chain([&dependency["ref"]]);
            assert!(
                mentioned.all(|each| references.contains(each.as_str().unwrap())),
                "{dependency}"
            );
        }
    }

    #[test]
    fn lines_of_cargo_tree_are_read() {
        let expected = ("serde".to_owned(), "1.0.228".to_owned());
        for line in [
            "serde v1.0.228",
            "serde v1.0.228 (*)",
            "serde v1.0.228 (proc-macro)",
        ] {
            assert_eq!(key(line).unwrap(), expected);
        }
        assert!(key("[build-dependencies]").is_err());
    }
}
