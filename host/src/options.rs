//! What a person may ask for: the flags of `spin up` that the host knows, and limits of its own.

use std::{collections::HashMap, fs, path::PathBuf, str::FromStr, time::Duration};

use anyhow::{Context as _, bail};

/// How to load an application.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// The manifest, or the directory that holds a `spin.toml`.
    #[arg(short = 'f', long, value_name = "FILE|DIR", default_value = "spin.toml")]
    pub from: PathBuf,

    /// Run only this component; repeatable.
    #[arg(short = 'c', long = "component-id", value_name = "ID")]
    pub components: Vec<String>,

    /// Where databases, stores and other settings of this machine are.
    #[arg(long, env = "RUNTIME_CONFIG_FILE", value_name = "FILE")]
    pub runtime_config_file: Option<PathBuf>,

    /// Where logs, the default database and the default store live [default: `.spin` beside the manifest].
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,

    /// A variable as `name=value`, `name=@file`, `@file.json` or `@file.toml`; repeatable.
    #[arg(long = "variable", value_name = "NAME=VALUE")]
    pub variables: Vec<VariableSource>,

    /// An environment variable for every component, as `name=value`; repeatable.
    #[arg(short = 'e', long = "env", value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub env: Vec<(String, String)>,

    /// Keep what components print in their log files only.
    #[arg(short, long)]
    pub quiet: bool,

    /// What the log on stderr looks like, of the host and, unless it is quiet, of components.
    #[arg(long, value_enum, env = "MAYDAY_LOG", default_value_t, value_name = "FORMAT")]
    pub log: telemetry::Format,

    /// Compile every component again.
    #[arg(long, env = "DISABLE_WASMTIME_CACHE")]
    pub disable_cache: bool,

    /// How many bytes of memory one request may use.
    #[arg(long, value_name = "BYTES")]
    pub max_instance_memory: Option<usize>,

    /// How many seconds one request may take.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_seconds)]
    pub request_timeout: Duration,

    /// How many requests from outside may run at once, half of them of any component and half divided among the
    /// components; more wait for a second, four times as many at most, and are then answered 503.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_REQUESTS)]
    pub max_requests: usize,

    /// How far the clock of components is ahead of this machine's: tests run hosts whose clocks differ.
    #[arg(
        long,
        value_name = "MS",
        hide = true,
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub clock_offset_ms: i64,
}

const DEFAULT_MAX_REQUESTS: usize = 200;

impl Options {
    /// The defaults, for this manifest.
    pub fn new(from: impl Into<PathBuf>) -> Self {
        Self {
            from: from.into(),
            components: Vec::new(),
            runtime_config_file: None,
            state_dir: None,
            variables: Vec::new(),
            env: Vec::new(),
            quiet: false,
            log: telemetry::Format::Text,
            disable_cache: false,
            max_instance_memory: None,
            request_timeout: Duration::from_secs(30),
            max_requests: DEFAULT_MAX_REQUESTS,
            clock_offset_ms: 0,
        }
    }

    /// Adds a variable.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables
            .push(VariableSource::Value(name.into(), value.into()));
        self
    }
}

/// Where `--variable` takes values from.
///
/// Parity: Spin's `crates/variables-static/src/source.rs`.
#[derive(Clone, Debug, PartialEq)]
pub enum VariableSource {
    /// A name and its value.
    Value(String, String),
    /// A name and the file whose content is the value.
    Content(String, PathBuf),
    /// A JSON file of names and values.
    Json(PathBuf),
    /// A TOML file of names and values.
    Toml(PathBuf),
}

impl VariableSource {
    pub(crate) fn read(&self) -> anyhow::Result<HashMap<String, String>> {
        let read =
            |path: &PathBuf| fs::read_to_string(path).with_context(|| format!("could not read {path:?}"));
        Ok(match self {
            Self::Value(name, value) => HashMap::from([(name.clone(), value.clone())]),
            Self::Content(name, path) => HashMap::from([(name.clone(), read(path)?)]),
            Self::Json(path) => {
                serde_json::from_str(&read(path)?).with_context(|| format!("{path:?} is not valid JSON"))?
            }
            Self::Toml(path) => {
                toml::from_str(&read(path)?).with_context(|| format!("{path:?} is not valid TOML"))?
            }
        })
    }
}

impl FromStr for VariableSource {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        if let Some(path) = text.strip_prefix('@').map(PathBuf::from) {
            return match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => Ok(Self::Json(path)),
                Some("toml") => Ok(Self::Toml(path)),
                _ => bail!("variable files must end in .json or .toml"),
            };
        }
        let (name, value) = text
            .split_once('=')
            .context("variables must be in the form 'name=value' or '@file'")?;
        Ok(match value.strip_prefix('@') {
            Some(path) => Self::Content(name.into(), path.into()),
            None => Self::Value(name.into(), value.into()),
        })
    }
}

fn parse_pair(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').context("must be in the form 'name=value'")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn parse_seconds(text: &str) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(text.parse()?).context("must be a number of seconds")
}
