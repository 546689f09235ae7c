//! `spin.toml`, version 2: what the host reads of it, and what it refuses.
//!
//! Unknown keys are kept in `rest` fields so that all of them can be named in one message.
//!
//! Parity: Spin's `crates/manifest/src/schema/v2.rs` and `crates/loader/src/local.rs`.

use std::{fs, path::Path};

use anyhow::Context as _;
use indexmap::IndexMap;
use serde::Deserialize;

use crate::{compose::DependencyName, problems::Problems, routes::Route, template};

/// A manifest that holds nothing the host cannot do.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    spin_manifest_version: toml::Value,
    pub(crate) application: Application,
    #[serde(default)]
    pub(crate) variables: IndexMap<String, Variable>,
    #[serde(default)]
    pub(crate) trigger: Triggers,
    #[serde(default, rename = "component")]
    pub(crate) components: IndexMap<String, Component>,
    #[serde(flatten)]
    rest: toml::Table,
}

/// `[application]`.
#[derive(Debug, Deserialize)]
pub(crate) struct Application {
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    #[serde(default)]
    pub(crate) trigger: TriggerDefaults,
    #[serde(flatten)]
    rest: toml::Table,
}

/// `[application.trigger.*]`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct TriggerDefaults {
    pub(crate) redis: Option<RedisDefaults>,
    #[serde(flatten)]
    rest: toml::Table,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RedisDefaults {
    pub(crate) address: String,
    #[serde(flatten)]
    rest: toml::Table,
}

/// One of `[variables]`.
#[derive(Debug, Deserialize)]
pub(crate) struct Variable {
    pub(crate) default: Option<String>,
    #[serde(default)]
    required: bool,
    #[serde(flatten)]
    rest: toml::Table,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Triggers {
    #[serde(default)]
    pub(crate) http: Vec<HttpTrigger>,
    #[serde(default)]
    pub(crate) redis: Vec<RedisTrigger>,
    #[serde(flatten)]
    rest: toml::Table,
}

/// `[[trigger.http]]`.
#[derive(Debug, Deserialize)]
pub(crate) struct HttpTrigger {
    pub(crate) component: String,
    pub(crate) route: Route,
    executor: Option<toml::Table>,
    #[serde(flatten)]
    rest: toml::Table,
}

/// `[[trigger.redis]]`.
#[derive(Debug, Deserialize)]
pub(crate) struct RedisTrigger {
    pub(crate) component: String,
    pub(crate) channel: String,
    pub(crate) address: Option<String>,
    #[serde(flatten)]
    rest: toml::Table,
}

/// `[component.ID]`.
#[derive(Debug, Deserialize)]
pub(crate) struct Component {
    pub(crate) source: toml::Value,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) variables: IndexMap<String, String>,
    #[serde(default)]
    pub(crate) environment: IndexMap<String, String>,
    #[serde(default)]
    pub(crate) allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    pub(crate) key_value_stores: Vec<String>,
    #[serde(default)]
    pub(crate) sqlite_databases: Vec<String>,
    #[serde(default)]
    pub(crate) dependencies_inherit_configuration: bool,
    #[serde(default)]
    pub(crate) dependencies: IndexMap<String, toml::Value>,
    #[serde(flatten)]
    rest: toml::Table,
}

/// What satisfies an import of a component.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dependency {
    pub(crate) path: String,
    pub(crate) export: Option<String>,
}

impl Manifest {
    /// Reads the file, keeps only the components asked for (all if none is), and notes whatever the host cannot do.
    pub(crate) fn load(path: &Path, only: &[String], problems: &mut Problems) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("could not read {path:?}"))?;
        let mut manifest: Self =
            toml::from_str(&text).with_context(|| format!("{path:?} is not a version 2 manifest"))?;
        if !only.is_empty() {
            manifest.keep(only, problems);
        }
        manifest.check(problems);
        Ok(manifest)
    }

    /// The component's dependencies by name; those that cannot be had are noted.
    pub(crate) fn dependencies(
        &self,
        id: &str,
        problems: &mut Problems,
    ) -> Vec<(DependencyName, Dependency)> {
        let read = |(name, value): (&String, &toml::Value)| {
            let dependency: Dependency = value.clone().try_into().with_context(|| {
                format!("component {id:?}: dependency {name:?}: only {{ path, export }} is supported")
            })?;
            let parsed: DependencyName = name.parse().with_context(|| format!("component {id:?}"))?;
            anyhow::ensure!(
                dependency.export.is_none() || !parsed.is_whole_package(),
                "component {id:?}: an export cannot satisfy the package dependency {name:?}"
            );
            Ok((parsed, dependency))
        };
        self.components[id]
            .dependencies
            .iter()
            .filter_map(|entry| problems.check(read(entry)))
            .collect()
    }

    /// Keeps only these components and what starts them. As in Spin all variables stay, so a required one is required
    /// even when only components that do not use it are run (`crates/app/src/lib.rs`, `retain_components`).
    fn keep(&mut self, only: &[String], problems: &mut Problems) {
        for id in only.iter().filter(|id| !self.components.contains_key(*id)) {
            problems.add(format!("Specified component {id:?} not found in application"));
        }
        self.components.retain(|id, _| only.contains(id));
        self.trigger
            .http
            .retain(|trigger| only.contains(&trigger.component));
        self.trigger
            .redis
            .retain(|trigger| only.contains(&trigger.component));
        self.check_chaining(only, problems);
    }

    /// A component that calls others in the same process needs them there. Templates are not looked into, as in Spin
    /// (`crates/factor-outbound-networking/src/allowed_hosts.rs`, `validate_service_chaining_for_components`).
    fn check_chaining(&self, only: &[String], problems: &mut Problems) {
        for (id, component) in &self.components {
            for host in &component.allowed_outbound_hosts {
                let target = host
                    .parse()
                    .ok()
                    .and_then(|uri| crate::allowed_hosts::service_chaining_target(&uri));
                match target {
                    Some(target) if target == "*" => problems.add(format!(
                        "Selected component {id:?} cannot use wildcard service chaining ({host:?})"
                    )),
                    Some(target) if !only.contains(&target) => problems.add(format!(
                        "Selected component {id:?} cannot use service chaining to unselected component ({host:?})"
                    )),
                    _ => {}
                }
            }
        }
    }

    fn check(&self, problems: &mut Problems) {
        if self.spin_manifest_version.as_integer() != Some(2) {
            problems.add("spin_manifest_version must be 2");
        }
        refuse("the manifest", &self.rest, &[], problems);
        // What describes or builds an application has no effect on how it runs.
        refuse(
            "[application]",
            &self.application.rest,
            &["description", "authors", "targets", "tool"],
            problems,
        );
        refuse(
            "[application.trigger]",
            &self.application.trigger.rest,
            &["http"],
            problems,
        );
        if let Some(redis) = &self.application.trigger.redis {
            refuse("[application.trigger.redis]", &redis.rest, &[], problems);
        }
        for (name, variable) in &self.variables {
            variable.check(name, problems);
        }
        for kind in self.trigger.rest.keys() {
            problems.add(format!("the trigger type {kind:?} is not supported"));
        }
        self.check_triggers(problems);
        for (id, component) in &self.components {
            component.check(id, problems);
        }
    }

    fn check_triggers(&self, problems: &mut Problems) {
        if self.trigger.http.is_empty() && self.trigger.redis.is_empty() {
            problems.add("there is no trigger to serve");
        }
        for trigger in &self.trigger.http {
            refuse("[[trigger.http]]", &trigger.rest, &["id"], problems);
            let executor = trigger
                .executor
                .as_ref()
                .and_then(|table| table.get("type"))
                .and_then(toml::Value::as_str);
            if trigger.executor.is_some() && !matches!(executor, Some("http" | "spin")) {
                problems.add(format!(
                    "[[trigger.http]] of {:?}: only the http executor",
                    trigger.component
                ));
            }
        }
        for trigger in &self.trigger.redis {
            refuse("[[trigger.redis]]", &trigger.rest, &["id"], problems);
        }
        let http = self.trigger.http.iter().map(|trigger| &trigger.component);
        for id in http.chain(self.trigger.redis.iter().map(|trigger| &trigger.component)) {
            if !self.components.contains_key(id) {
                problems.add(format!(
                    "a trigger names the component {id:?}, which is not defined"
                ));
            }
        }
    }
}

impl Variable {
    fn check(&self, name: &str, problems: &mut Problems) {
        if let Err(error) = template::check_name(name) {
            problems.add(format!("invalid variable name: {error}"));
        }
        if self.required == self.default.is_some() {
            problems.add(format!(
                "variable {name:?} must have either 'required' or 'default'"
            ));
        }
        refuse("[variables]", &self.rest, &["secret", "description"], problems);
    }
}

impl Component {
    /// The path of the component's code, as the manifest has it.
    pub(crate) fn source_path(&self, id: &str) -> anyhow::Result<&str> {
        self.source
            .as_str()
            .with_context(|| format!("component {id:?}: only a path is supported as `source`"))
    }

    fn check(&self, id: &str, problems: &mut Problems) {
        if !is_label(id, '-') {
            problems.add(format!("component {id:?}: the name must be in kebab-case"));
        }
        for label in self.key_value_stores.iter().chain(&self.sqlite_databases) {
            if !is_label(label, '-') && !is_label(label, '_') {
                problems.add(format!(
                    "component {id:?}: {label:?} must be in kebab-case or snake_case"
                ));
            }
        }
        let is_empty = |key: &&str| {
            self.rest
                .get(*key)
                .and_then(toml::Value::as_array)
                .is_some_and(|list| list.is_empty())
        };
        // An empty list asks for nothing.
        let mut ignored = vec!["build", "targets", "tool"];
        ignored.extend(
            ["files", "exclude_files", "ai_models", "allowed_http_hosts"]
                .iter()
                .filter(|k| is_empty(k)),
        );
        refuse(&format!("[component.{id}]"), &self.rest, &ignored, problems);
    }
}

/// Notes every key that is neither read nor ignored.
fn refuse(place: &str, rest: &toml::Table, ignored: &[&str], problems: &mut Problems) {
    for key in rest.keys().filter(|key| !ignored.contains(&key.as_str())) {
        problems.add(format!("{place}: the key {key:?} is not supported"));
    }
}

/// Words of letters and digits, each beginning with a letter and in one case.
fn is_label(text: &str, separator: char) -> bool {
    text.split(separator).all(|word| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric())
            && !(word.contains(|c: char| c.is_ascii_lowercase())
                && word.contains(|c: char| c.is_ascii_uppercase()))
    })
}
