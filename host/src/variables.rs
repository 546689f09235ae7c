//! Application variables: `fermyon:spin/variables@2.0.0`, and where the values come from.
//!
//! Parity: Spin's `crates/expressions/src/lib.rs`, `crates/factor-variables/src/host.rs`,
//! `crates/runtime-config/src/variables.rs` and `crates/variables-env/src/lib.rs`. Spin asks its providers at every
//! call; flags, files and the environment of a process do not change, so the host asks once.

use std::{collections::HashMap, env, path::Path, sync::Arc};

use anyhow::Context as _;

use crate::{
    bindings::fermyon::spin2_0_0::variables::{Error, Host},
    manifest::Manifest,
    options::Options,
    problems::Problems,
    runtime_config::VariablesProvider,
    template::{Template, check_name},
};

/// The variables of one component.
#[derive(Clone)]
pub(crate) struct Variables {
    component: Arc<str>,
    values: Arc<HashMap<String, String>>,
}

/// Where values come from: asked by name.
type Source<'a> = Box<dyn Fn(&str) -> Option<String> + 'a>;

const DEFAULT_PREFIX: &str = "SPIN_VARIABLE";

/// The value of every variable of the manifest: from `--variable`, else the runtime configuration's providers in order,
/// else `SPIN_VARIABLE_*` or `.env`, else the default. Required ones without a value are noted together.
pub(crate) fn resolve(
    manifest: &Manifest,
    options: &Options,
    providers: &[VariablesProvider],
    problems: &mut Problems,
) -> HashMap<String, String> {
    let flags: HashMap<String, String> = options
        .variables
        .iter()
        .filter_map(|source| problems.check(source.read()))
        .flatten()
        .collect();
    let mut sources: Vec<Source<'_>> = vec![Box::new(move |name| flags.get(name).cloned())];
    for provider in providers {
        match provider {
            VariablesProvider::Static { values } => sources.push(Box::new(|name| values.get(name).cloned())),
            VariablesProvider::Env { prefix, dotenv_path } => {
                let file = dotenv_path
                    .as_deref()
                    .and_then(|path| problems.check(dotenv(path)));
                sources.push(environment(prefix.as_deref(), file.unwrap_or_default()));
            }
        }
    }
    let file = problems.check(dotenv(Path::new(".env"))).unwrap_or_default();
    sources.push(environment(None, file));

    let mut values = HashMap::new();
    let mut missing = Vec::new();
    for (name, variable) in &manifest.variables {
        let value = sources
            .iter()
            .find_map(|source| source(name))
            .or_else(|| variable.default.clone());
        match value {
            Some(value) => _ = values.insert(name.clone(), value),
            None => missing.push(name.as_str()),
        }
    }
    if !missing.is_empty() {
        problems.add(format!("no provider resolved required variable(s): {missing:?}"));
    }
    values
}

/// The variables of a component, with their templates filled in.
pub(crate) fn for_component(
    id: &str,
    templates: impl IntoIterator<Item = (String, String)>,
    values: &HashMap<String, String>,
    problems: &mut Problems,
) -> Variables {
    let mut variables = HashMap::new();
    for (name, template) in templates {
        let value = check_name(&name)
            .and_then(|()| Template::parse(&template)?.fill(values))
            .with_context(|| format!("component {id:?}: variable {name:?}"));
        variables.extend(problems.check(value).map(|value| (name, value)));
    }
    Variables {
        component: id.into(),
        values: Arc::new(variables),
    }
}

fn environment(prefix: Option<&str>, file: HashMap<String, String>) -> Source<'static> {
    let prefix = prefix.unwrap_or(DEFAULT_PREFIX).to_owned();
    Box::new(move |name| {
        let name = format!("{prefix}_{}", name.to_ascii_uppercase());
        env::var(&name).ok().or_else(|| file.get(&name).cloned())
    })
}

fn dotenv(path: &Path) -> anyhow::Result<HashMap<String, String>> {
    if !path.exists() {
        return Ok(HashMap::new());
    }
    let pairs = dotenvy::from_path_iter(path).and_then(Iterator::collect);
    pairs.with_context(|| format!("could not read {path:?}"))
}

impl Host for Variables {
    async fn get(&mut self, name: String) -> wasmtime::Result<Result<String, Error>> {
        if let Err(error) = check_name(&name) {
            return Ok(Err(Error::InvalidName(error.to_string())));
        }
        let value = self.values.get(&name).cloned();
        Ok(value.ok_or_else(|| Error::Undefined(format!("no variable for {:?}.{name:?}", self.component))))
    }
}
