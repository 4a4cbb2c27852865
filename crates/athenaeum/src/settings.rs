//! Settings are data: defaults, file, environment and flags in layers that stay apart, so that each value can
//! say where it came from.

use std::{
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use athenaeum_inference::pull;
use figment::{
    Figment,
    providers::{Format, Toml},
    value::Value,
};
use serde::{Deserialize, Serialize};

mod graph;
mod perhaps;
mod places;
mod remotes;

pub use graph::Graph;
pub use places::Places;
pub use remotes::{RemoteModel, RemoteModels, Spoken};

/// Everything that can be set, all of it in [`Settings::DEFAULTS`] with its meaning.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The folder that holds the archive; empty for the platform's own.
    pub data: PathBuf,
    /// Filter of what is written to stderr, a level, or levels by part.
    pub log: String,
    /// A file to write that to instead; empty for stderr.
    pub log_file: PathBuf,
    /// The archive.
    pub archive: Archive,
    /// The server.
    pub server: Server,
    /// Imports.
    pub import: Import,
    /// Documents.
    pub library: Library,
    /// How pages are made.
    pub pages: Pages,
    /// How things are remembered.
    pub memory: Memory,
    /// What scripts may use.
    pub script: Script,
    /// Where models are.
    pub models: Models,
    /// What of the machine to use, where that is not to be proposed.
    pub hardware: athenaeum_hardware::Overrides,
    /// What the server takes and answers at most.
    pub limits: athenaeum_api::Settings,
}

/// What of two lists counts when they are fused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fusion {
    /// How far their scores stand out.
    Deviations,
    /// The places of the hits.
    Ranks,
}

/// What is remembered, and what of it is found.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Hundredths of surprise from which on something is remembered that nobody asked to remember. 0 to 100.
    pub surprise_percent: u64,
    /// Days without use after which a memory counts half as much in a search. 0: it counts the same for ever.
    pub half_life_days: u64,
    /// Days without use after which a memory may grow cold. 1 to 36500.
    pub cold_after_days: u64,
    /// The newest so many never grow cold. 0 to 1000000.
    pub kept_hot: u64,
}

/// What a script may use of this machine.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Mebibytes that Lua may hold. 1 to 65536.
    pub memory_mib: u64,
    /// Seconds that it may run. 1 to 86400.
    pub seconds: u64,
}

/// How the archive uses this machine.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Searches and reads at once; more wait for their turn. 1 to 64.
    pub readers_max: u32,
    /// Mebibytes of page cache of each reader. 1 to 4096.
    pub reader_cache_mib: u64,
    /// Mebibytes of page cache of the one writer. 1 to 16384.
    pub writer_cache_mib: u64,
    /// Mebibytes of the file that readers may map into memory. 0 to 2047, which is the most that SQLite maps.
    pub mmap_mib: u64,
    /// Seconds that a writer waits for another one. 1 to 3600.
    pub busy_seconds: u64,
    /// Keeps conversations that programs have with the models of this server.
    pub keep_api_chats: bool,
}

/// How the server answers.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where it listens; other than a loopback address where there is a key.
    pub addr: SocketAddr,
    /// Where it answers gRPC, on the same terms; `None` is written as `off` or as nothing.
    #[serde(with = "perhaps")]
    pub grpc_addr: Option<SocketAddr>,
    /// Keys beside those of `athenaeum keys`: `NAME:SECRET`, or secrets alone, apart by commas, spaces or line ends.
    pub api_keys: Secret,
    /// A file with such keys; empty for none.
    pub api_keys_file: PathBuf,
    /// Other sites whose pages may use the API: origins, `localhost` for all pages of this machine, `*` for all.
    pub allowed_origins: Vec<String>,
    /// Seconds that requests under way are given when it is stopped. 0 to 3600.
    pub shutdown_seconds: u64,
    /// Connections open at once; further ones wait until one is free. 1 to 65536.
    pub connections_max: usize,
    /// Seconds within which a request's head must have come, counted from the opening of the connection or from
    /// the answer before: so long is an idle connection kept. 1 to 3600.
    pub header_seconds: u64,
}

/// How sources are read.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// Seconds that an external parser may take.
    pub parser_seconds: u64,
    /// Mebibytes that an external parser may write.
    pub parser_output_mib: u64,
}

/// Where documents are.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Library {
    /// Folders that are watched: what comes, changes and goes there does so in the library.
    pub folders: Vec<PathBuf>,
    /// Seconds between two looks through a folder of which the system may not tell everything. 1 to 86400.
    pub look_every_seconds: u64,
    /// The model that makes vectors: a name of `models list`, or a path. Empty: the one within the program.
    pub embedder: String,
    /// Whether the server makes vectors of conversations, too.
    pub embed_conversations: bool,
    /// What of the lists by word and by meaning counts when they are fused.
    pub fusion: Fusion,
    /// How much the list by word counts. 0 to 1000.
    pub text_weight: u64,
    /// How much the list by meaning counts. 0 to 1000.
    pub meaning_weight: u64,
    /// How often a document's title counts as said in each of its chunks. 1 to 8.
    pub title_weight: u8,
    /// How often a chunk's headings count as said. 1 to 8.
    pub heading_weight: u8,
    /// The model that reads the best hits and orders them anew: a name of `models list`, or a path. Empty: none.
    pub reranker: String,
    /// How many of the best it reads. 2 to 200.
    pub rerank_top: u64,
    /// Milliseconds that it may take. 1 to 60000.
    pub rerank_ms: u64,
    /// Which vectors get a graph.
    pub graph: Graph,
}

/// How pages are made.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pages {
    /// Name of the time zone in which moments are told (`Europe/Berlin`); empty for the machine's own.
    pub time_zone: String,
    /// Messages on one page of a conversation. 1 to 10000.
    pub messages_per_page: usize,
}

/// Where models are.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    /// The model of `chat` and `complete` where none is named: a name of `models list`, a part of one, or a path. Empty:
    /// the only one there is.
    pub default: String,
    /// Folders to look for models in, besides `models` in the data folder.
    pub folders: Vec<PathBuf>,
    /// Whether to look where Ollama, LM Studio and Hugging Face's libraries keep theirs.
    pub other_programs: bool,
    /// Other names that clients may use, and the models that they stand for.
    pub aliases: BTreeMap<String, String>,
    /// Models that other engines have, by the names that they have here.
    pub remote: RemoteModels,
    /// Minutes that a model of the server stays in memory after its last use. 0: for ever.
    pub keep_minutes: u64,
    /// Tokens of prompt and answer together. 0: what the model was made for, up to 8192.
    pub context_tokens: usize,
    /// Answers that a model of the server writes at once. 1 to 1024.
    pub slots: usize,
    /// Requests to a model of the server that may wait for their turn; one more is told to come back later.
    pub waiting_max: usize,
    /// Memory for keys and values of each model of the server, in mebibytes. One answer of `context_tokens` always has
    /// room.
    pub cache_mib: usize,
    /// Mebibytes in the data folder for the beginnings of prompts that the server has read, so that they need not be read
    /// again after a restart. 0: none.
    pub kept_mib: u64,
    /// Whether the server loads no more models, and then refuses requests, when the machine is short of memory.
    pub memory_guard: bool,
    /// Where `models pull` finds Hugging Face's hub; empty for the usual place, or the one that HF_ENDPOINT names.
    pub hub: String,
    /// What says to the hub who asks; empty for none, or the one in HF_TOKEN.
    pub hub_token: Secret,
    /// Where `models pull` finds Ollama's registry.
    pub ollama_registry: String,
    /// A proxy to reach them by; empty for none, or the one that HTTPS_PROXY or ALL_PROXY names.
    pub proxy: Secret,
}

/// A text that is never shown: a token, or an address with a password in it.
#[derive(Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Secret(String);

/// The layers as they were read, lowest first, and what follows from them.
#[derive(Debug, Clone)]
pub struct Layered {
    /// What follows from the layers.
    pub settings: Settings,
    layers: Vec<(Origin, Figment)>,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// The settings file.
    File(PathBuf),
    /// An environment variable; its name follows from the setting's.
    Environment,
    /// The command line.
    Flag,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value does not fit its setting, or no setting has that name.
    #[error(
        "the settings cannot be used: {0}; `athenaeum config show --origin` tells where values come from"
    )]
    Invalid(Box<figment::Error>),
    /// A number is outside of what its setting takes.
    #[error(
        "the setting {name} is {value}, but takes {} to {}; `athenaeum config show --origin` tells where values come \
         from",
        .accepted.start(),
        .accepted.end()
    )]
    OutOfRange {
        /// The setting.
        name: &'static str,
        /// What was given.
        value: u64,
        /// What can be given.
        accepted: RangeInclusive<u64>,
    },
    /// The named file does not exist.
    #[error("there is no settings file {}; `athenaeum config init` writes one", .0.display())]
    NoFile(PathBuf),
    /// An address cannot be used as one.
    #[error("the setting {name} is no address that begins with http:// or https://")]
    Address {
        /// The setting.
        name: &'static str,
    },
    /// A model on another engine cannot be asked as it is set.
    #[error("the setting models.remote cannot be used")]
    Remote(#[source] athenaeum_providers::Error),
    /// The file with the key of a model on another engine cannot be read.
    #[error("the key of models.remote.{name} cannot be read from {}", path.display())]
    KeyFile {
        /// The model.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::sync::Arc<std::io::Error>,
    },
    /// Neither the system nor the settings say where to keep data.
    #[error("no data folder is known: give one with --data or ATHENAEUM_DATA")]
    NoDataFolder,
}

// === impl Settings ===

impl Settings {
    /// Every setting with its default and its meaning, as TOML to read.
    pub const DEFAULTS: &'static str = include_str!("settings/defaults.toml");

    /// Lays `file`, the environment and `flags` over the defaults.
    ///
    /// `variable` looks up an environment variable; `flags` are pairs of a setting's name (`server.addr`) and
    /// its value. A `file` that does not exist counts as empty unless `file_required`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for unknown names and values that do not fit, with the place that they stand at;
    /// [`Error::OutOfRange`] for numbers that make no sense.
    pub fn layered(
        file: Option<&Path>,
        file_required: bool,
        variable: impl Fn(&str) -> Option<String>,
        flags: &[(&str, String)],
    ) -> Result<Layered, Error> {
        let mut layers = vec![(Origin::Default, Figment::from(Toml::string(Self::DEFAULTS)))];
        if let Some(file) = file {
            if file.is_file() {
                layers.push((Origin::File(file.to_owned()), Figment::from(Toml::file_exact(file))));
            } else if file_required {
                return Err(Error::NoFile(file.to_owned()));
            }
        }
        let variables = Self::names().into_iter().filter_map(|name| {
            let value = variable(&variable_name(&name)).filter(|value| !value.is_empty())?;
            Some((name, value))
        });
        layers.push((Origin::Environment, from_pairs(variables)));
        let flags = flags.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        layers.push((Origin::Flag, from_pairs(flags)));
        let all = layers.iter().fold(Figment::new(), |all, (_, layer)| all.merge(layer));
        let settings: Self = all.extract().map_err(|error| Error::Invalid(Box::new(error)))?;
        settings.check_ranges()?;
        Ok(Layered { settings, layers })
    }

    fn check_ranges(&self) -> Result<(), Error> {
        let Self { archive, server, library, pages, memory, script, models, hardware, .. } = self;
        for (name, value, accepted) in [
            ("archive.readers_max", archive.readers_max.into(), 1..=64),
            ("archive.reader_cache_mib", archive.reader_cache_mib, 1..=4_096),
            ("archive.writer_cache_mib", archive.writer_cache_mib, 1..=16_384),
            ("archive.mmap_mib", archive.mmap_mib, 0..=2_047),
            ("archive.busy_seconds", archive.busy_seconds, 1..=3_600),
            ("server.shutdown_seconds", server.shutdown_seconds, 0..=3_600),
            ("server.connections_max", server.connections_max as u64, 1..=65_536),
            ("server.header_seconds", server.header_seconds, 1..=3_600),
            ("library.look_every_seconds", library.look_every_seconds, 1..=86_400),
            ("pages.messages_per_page", pages.messages_per_page as u64, 1..=10_000),
            ("library.text_weight", library.text_weight, 0..=1_000),
            ("library.meaning_weight", library.meaning_weight, 0..=1_000),
            ("library.title_weight", library.title_weight.into(), 1..=8),
            ("library.heading_weight", library.heading_weight.into(), 1..=8),
            ("library.rerank_top", library.rerank_top, 2..=200),
            ("library.rerank_ms", library.rerank_ms, 1..=60_000),
            ("memory.surprise_percent", memory.surprise_percent, 0..=100),
            ("memory.half_life_days", memory.half_life_days, 0..=36_500),
            ("memory.cold_after_days", memory.cold_after_days, 1..=36_500),
            ("memory.kept_hot", memory.kept_hot, 0..=1_000_000),
            ("script.memory_mib", script.memory_mib, 1..=65_536),
            ("script.seconds", script.seconds, 1..=86_400),
            ("models.slots", models.slots as u64, 1..=1_024),
            ("models.waiting_max", models.waiting_max as u64, 0..=65_536),
            ("hardware.threads", hardware.threads.into(), 0..=1_024),
            ("hardware.memory_budget_mib", hardware.memory_budget_mib, 0..=16_777_216),
        ]
        .into_iter()
        .chain(library.graph.ranges())
        {
            if !accepted.contains(&value) {
                return Err(Error::OutOfRange { name, value, accepted });
            }
        }
        for model in models.remote.values() {
            for (name, value, accepted) in [
                ("models.remote.*.silence_seconds", model.silence_seconds, 1..=3_600),
                ("models.remote.*.attempts", model.attempts.into(), 1..=10),
            ] {
                if !accepted.contains(&value) {
                    return Err(Error::OutOfRange { name, value, accepted });
                }
            }
        }
        Ok(())
    }

    /// Returns how models are fetched. `variable` looks up an environment variable; those that Hugging Face's programs
    /// and most others heed are heeded where the settings say nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Address`] for what is no address.
    pub fn pull(&self, variable: impl Fn(&str) -> Option<String>) -> Result<pull::Settings, Error> {
        let models = &self.models;
        let first = |set: &str, names: &[&str]| first(set, names, &variable);
        let hub = first(&models.hub, &["HF_ENDPOINT"]).unwrap_or_else(|| pull::Settings::HUB.to_owned());
        let address = |name, text: &str| {
            let url = text.parse().ok().filter(pull::is_base);
            url.ok_or(Error::Address { name })
        };
        let proxy = first(&models.proxy.0, &PROXIES);
        let proxy =
            proxy.map(|proxy| pull::Proxy::new(&proxy).ok_or(Error::Address { name: "models.proxy" }));
        Ok(pull::Settings {
            hub_token: first(&models.hub_token.0, &["HF_TOKEN"]).and_then(|token| pull::Token::new(&token)),
            proxy: proxy.transpose()?,
            ..pull::Settings::new(
                address("models.hub", &hub)?,
                address("models.ollama_registry", &models.ollama_registry)?,
            )
        })
    }

    /// Lists the names of all settings, sorted: `data`, `import.parser_seconds`, ….
    pub fn names() -> Vec<String> {
        let mut names = Vec::new();
        let defaults = Figment::from(Toml::string(Self::DEFAULTS)).extract::<BTreeMap<String, Value>>();
        for (name, value) in defaults.unwrap_or_default() {
            match value.as_dict() {
                Some(table) => names.extend(table.keys().map(|key| format!("{name}.{key}"))),
                None => names.push(name),
            }
        }
        names
    }
}

/// Variables that name a proxy for secure connections, as most programs heed them.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Returns what is set, or else what the first of these environment variables says that says anything.
fn first(set: &str, names: &[&str], variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let known = std::iter::once(Some(set.to_owned())).chain(names.iter().map(|name| variable(name)));
    known.flatten().map(|value| value.trim().to_owned()).find(|value| !value.is_empty())
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: PathBuf::new(),
            log: "warn".to_owned(),
            log_file: PathBuf::new(),
            archive: Archive {
                readers_max: 8,
                reader_cache_mib: 2,
                writer_cache_mib: 32,
                mmap_mib: 256,
                busy_seconds: 60,
                keep_api_chats: false,
            },
            server: Server {
                addr: SocketAddr::from(([127, 0, 0, 1], 7878)),
                grpc_addr: Some(SocketAddr::from(([127, 0, 0, 1], 7879))),
                api_keys: Secret::default(),
                api_keys_file: PathBuf::new(),
                allowed_origins: Vec::new(),
                shutdown_seconds: 10,
                connections_max: 512,
                header_seconds: 10,
            },
            import: Import { parser_seconds: 3_600, parser_output_mib: 16_384 },
            library: Library {
                folders: Vec::new(),
                look_every_seconds: 60,
                embedder: String::new(),
                embed_conversations: true,
                fusion: Fusion::Deviations,
                text_weight: 100,
                meaning_weight: 100,
                title_weight: 1,
                heading_weight: 1,
                reranker: String::new(),
                rerank_top: 30,
                rerank_ms: 3_000,
                graph: Graph::DEFAULT,
            },
            pages: Pages { time_zone: String::new(), messages_per_page: 250 },
            memory: Memory { surprise_percent: 70, half_life_days: 0, cold_after_days: 30, kept_hot: 1_000 },
            script: Script { memory_mib: 50, seconds: 300 },
            models: Models {
                default: String::new(),
                folders: Vec::new(),
                other_programs: true,
                aliases: BTreeMap::new(),
                remote: RemoteModels::new(),
                keep_minutes: 30,
                context_tokens: 0,
                slots: 16,
                waiting_max: 64,
                cache_mib: 512,
                kept_mib: 0,
                memory_guard: true,
                hub: String::new(),
                hub_token: Secret::default(),
                ollama_registry: pull::Settings::OLLAMA_REGISTRY.to_owned(),
                proxy: Secret::default(),
            },
            hardware: athenaeum_hardware::Overrides::default(),
            limits: athenaeum_api::Settings::default(),
        }
    }
}

// === impl Secret ===

impl Secret {
    /// Returns the text, for whoever needs it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "Secret(empty)" } else { "Secret(hidden)" })
    }
}

// === impl Layered ===

impl Layered {
    /// Lists each setting's name, value as TOML, and where the value came from, by name.
    pub fn values(&self) -> Vec<(String, String, Origin)> {
        Settings::names()
            .into_iter()
            .filter_map(|name| {
                let found = self.layers.iter().rev().find_map(|(origin, layer)| {
                    layer.find_value(&name).ok().map(|value| (shown(&name, &value), origin.clone()))
                });
                found.map(|(value, origin)| (name, value, origin))
            })
            .collect()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => path.display().fmt(f),
            Self::Environment => f.write_str("environment"),
            Self::Flag => f.write_str("flag"),
        }
    }
}

/// Returns the environment variable of a setting: `server.addr` is `ATHENAEUM_SERVER_ADDR`.
pub fn variable_name(setting: &str) -> String {
    format!("ATHENAEUM_{}", setting.to_ascii_uppercase().replace('.', "_"))
}

fn from_pairs(pairs: impl Iterator<Item = (String, String)>) -> Figment {
    pairs.fold(Figment::new(), |layer, (name, text)| {
        // Paths, filters and secrets are text even where they look like a number or a list.
        let may_be_other = name.contains('.') && !SECRETS.contains(&name.as_str());
        match (may_be_other, text.parse::<Value>()) {
            (true, Ok(value)) => layer.merge((name, value)),
            _ => layer.merge((name, text)),
        }
    })
}

/// Settings that are [`Secret`].
const SECRETS: [&str; 3] = ["models.hub_token", "models.proxy", "server.api_keys"];

const HIDDEN: &str = "(hidden)";
/// Models, each of which may have one.
const REMOTE: &str = "models.remote";

fn shown(name: &str, value: &Value) -> String {
    match value.as_str() {
        Some(text) if !text.is_empty() && SECRETS.contains(&name) => format!("{HIDDEN:?}"),
        _ if name == REMOTE => show(&remotes::without_keys(value, HIDDEN)),
        _ => show(value),
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::String(_, text) => format!("{text:?}"),
        Value::Num(_, number) => match (number.to_u128(), number.to_i128()) {
            (Some(number), _) => number.to_string(),
            (None, Some(number)) => number.to_string(),
            (None, None) => number.to_f64().unwrap_or_default().to_string(),
        },
        Value::Bool(_, truth) => truth.to_string(),
        Value::Dict(_, values) => {
            let pairs = values.iter().map(|(name, value)| format!("{name:?} = {}", show(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Array(_, values) => format!("[{}]", values.iter().map(show).collect::<Vec<_>>().join(", ")),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layered(
        file: Option<&Path>,
        variables: &[(&str, &str)],
        flags: &[(&str, String)],
    ) -> Result<Layered, Error> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::layered(file, false, variable, flags)
    }

    fn origin(layered: &Layered, name: &str) -> String {
        let values = layered.values();
        let (_, value, origin) = values.iter().find(|(known, ..)| known == name).unwrap();
        format!("{value} ({origin})")
    }

    #[test]
    fn the_readable_defaults_are_the_defaults() {
        assert_eq!(layered(None, &[], &[]).unwrap().settings, Settings::default());
    }

    #[test]
    fn flags_win_over_variables_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, "log = 'info'\n[server]\naddr = '127.0.0.1:1'\nshutdown_seconds = 3\n")
            .unwrap();
        let variables = [("ATHENAEUM_SERVER_ADDR", "127.0.0.1:2"), ("ATHENAEUM_DATA", "1234")];
        let flags = [("server.addr", "127.0.0.1:3".to_owned())];
        let layered = layered(Some(&file), &variables, &flags).unwrap();
        assert_eq!(layered.settings.server.addr.port(), 3);
        assert_eq!(origin(&layered, "server.addr"), "\"127.0.0.1:3\" (flag)");
        assert_eq!(origin(&layered, "data"), "\"1234\" (environment)");
        assert_eq!(origin(&layered, "log"), format!("\"info\" ({})", file.display()));
        assert_eq!(origin(&layered, "server.shutdown_seconds"), format!("3 ({})", file.display()));
        assert_eq!(origin(&layered, "import.parser_seconds"), "3600 (default)");
    }

    #[test]
    fn secrets_are_not_shown() {
        let layered = layered(None, &[("ATHENAEUM_MODELS_HUB_TOKEN", "1234")], &[]).unwrap();
        assert_eq!(origin(&layered, "models.hub_token"), "\"(hidden)\" (environment)");
        assert_eq!(origin(&layered, "models.proxy"), "\"\" (default)");
        let pull = layered.settings.pull(|_| None).unwrap();
        assert!(pull.hub_token.is_some());
        for debug in [format!("{:?}", layered.settings), format!("{pull:?}")] {
            assert!(!debug.contains("1234"), "{debug}");
        }
    }

    #[test]
    fn keys_are_read_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        std::fs::write(&file, "# of the container\nphone:0123456789abcdeg\n").unwrap();
        let variables = [
            ("ATHENAEUM_SERVER_API_KEYS", "0123456789abcdef"),
            ("ATHENAEUM_SERVER_API_KEYS_FILE", file.to_str().unwrap()),
        ];
        let layered = layered(None, &variables, &[]).unwrap();
        assert_eq!(origin(&layered, "server.api_keys"), "\"(hidden)\" (environment)");
        let keys = crate::given_keys(&layered.settings).unwrap();
        assert_eq!(
            keys.iter().map(athenaeum_tenancy::GivenKey::name).collect::<Vec<_>>(),
            ["settings-1", "phone"]
        );
        assert!(!format!("{:?}{keys:?}", layered.settings).contains("0123456789"));
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(crate::given_keys(&layered.settings), Err(crate::Error::KeysFile { .. })));
    }

    #[test]
    fn what_other_programs_heed_is_heeded_where_nothing_is_set() {
        let variable = |name: &str| match name {
            "HF_ENDPOINT" => Some("https://mirror.example/hf".to_owned()),
            "HF_TOKEN" => Some("hf_x\n".to_owned()),
            "ALL_PROXY" => Some("http://proxy.example:3128".to_owned()),
            _ => None,
        };
        let mut settings = Settings::default();
        let pull = settings.pull(variable).unwrap();
        assert_eq!(pull.hub.as_str(), "https://mirror.example/hf");
        assert_eq!((pull.hub_token, pull.proxy.is_some()), (pull::Token::new("hf_x"), true));
        settings.models.hub = "https://other.example".to_owned();
        assert_eq!(settings.pull(variable).unwrap().hub.host_str(), Some("other.example"));
        assert!(settings.pull(|_| None).unwrap().proxy.is_none());
        for wrong in ["ftp://x", "huggingface.co", "data:x", "http://user:password@x"] {
            settings.models.hub = wrong.to_owned();
            assert!(matches!(settings.pull(variable), Err(Error::Address { name: "models.hub" })), "{wrong}");
        }
    }

    #[test]
    fn models_have_other_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, "[models.aliases]\n'gpt-4o' = 'qwen3'\n").unwrap();
        let of_file = layered(Some(&file), &[], &[]).unwrap();
        assert_eq!(of_file.settings.models.aliases["gpt-4o"], "qwen3");
        assert!(origin(&of_file, "models.aliases").starts_with("{\"gpt-4o\" = \"qwen3\"}"));
        let variable = ("ATHENAEUM_MODELS_ALIASES", "{a = 'b'}");
        assert_eq!(layered(None, &[variable], &[]).unwrap().settings.models.aliases["a"], "b");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, "[server]\nadr = '127.0.0.1:1'\n").unwrap();
        let error = layered(Some(&file), &[], &[]).unwrap_err().to_string();
        assert!(error.contains("adr") && error.contains("config.toml"), "{error}");
        let error = layered(None, &[("ATHENAEUM_SERVER_ADDR", "nowhere")], &[]).unwrap_err().to_string();
        assert!(error.contains("server.addr"), "{error}");
        let absent = folder.path().join("absent.toml");
        assert!(matches!(Settings::layered(Some(&absent), true, |_| None, &[]), Err(Error::NoFile(_))));
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused() {
        let check = |variable: &str, value: &str, accepted: bool| {
            let layered = layered(None, &[(variable, value)], &[]);
            assert_eq!(layered.is_ok(), accepted, "{variable}={value}: {layered:?}");
        };
        check("ATHENAEUM_ARCHIVE_READERS_MAX", "64", true);
        check("ATHENAEUM_ARCHIVE_READERS_MAX", "0", false);
        check("ATHENAEUM_ARCHIVE_READERS_MAX", "-1", false);
        check("ATHENAEUM_ARCHIVE_MMAP_MIB", "0", true);
        check("ATHENAEUM_ARCHIVE_MMAP_MIB", "999999999999", false);
        check("ATHENAEUM_SERVER_CONNECTIONS_MAX", "0", false);
        check("ATHENAEUM_SERVER_HEADER_SECONDS", "0", false);
        check("ATHENAEUM_PAGES_MESSAGES_PER_PAGE", "18446744073709551615", false);
        check("ATHENAEUM_HARDWARE_THREADS", "1024", true);
        check("ATHENAEUM_HARDWARE_THREADS", "1025", false);
        check("ATHENAEUM_HARDWARE_MEMORY_BUDGET_MIB", "99999999", false);
        let error =
            layered(None, &[("ATHENAEUM_ARCHIVE_BUSY_SECONDS", "9999")], &[]).unwrap_err().to_string();
        assert!(error.contains("archive.busy_seconds is 9999, but takes 1 to 3600"), "{error}");
    }

    #[test]
    fn wishes_about_the_machine_are_read_or_refused_by_name() {
        let check = |name: &str, value: &str, expected: Result<&str, &str>| {
            let variable = variable_name(name);
            match (layered(None, &[(&variable, value)], &[]), expected) {
                (Ok(layered), Ok(expected)) => assert_eq!(origin(&layered, name), expected),
                (Err(error), Err(expected)) => {
                    let error = error.to_string();
                    assert!(error.contains(name) && error.contains(expected), "{error}");
                }
                (found, _) => panic!("{name} = {value}: {found:?}"),
            }
        };
        check("hardware.device", "cuda:1", Ok("\"cuda:1\" (environment)"));
        check("hardware.device", "auto", Ok("\"auto\" (environment)"));
        check("hardware.kernel", "avx512-vnni", Ok("\"avx512-vnni\" (environment)"));
        check("hardware.threads", "6", Ok("6 (environment)"));
        check("hardware.device", "gpu", Err("'gpu' is none of auto, cpu, cuda"));
        check("hardware.kernel", "mmx", Err("'mmx' is none of auto, scalar"));
        check("hardware.threads", "many", Err("u32"));
        check("hardware.threads", "-1", Err("u32"));
        check("hardware.threads", "5000", Err("takes 0 to 1024"));
    }

    #[test]
    fn grpc_has_an_address_or_is_off() {
        let check = |value: &str, expected: Option<&str>| {
            let layered = layered(None, &[("ATHENAEUM_SERVER_GRPC_ADDR", value)], &[]).unwrap();
            let expected = expected.map(|addr| addr.parse().unwrap());
            assert_eq!(layered.settings.server.grpc_addr, expected, "{value:?}");
        };
        check("0.0.0.0:50051", Some("0.0.0.0:50051"));
        check("[::1]:1", Some("[::1]:1"));
        check("off", None);
        check("", Some("127.0.0.1:7879"));
        let flag = |value: &str| layered(None, &[], &[("server.grpc_addr", value.to_owned())]);
        assert_eq!(flag("").unwrap().settings.server.grpc_addr, None);
        let error = flag("localhost:1").unwrap_err().to_string();
        assert!(error.contains("grpc_addr") && error.contains("127.0.0.1:7879, or off"), "{error}");
    }

    #[test]
    fn every_setting_has_a_variable() {
        assert!(Settings::names().contains(&"server.addr".to_owned()));
        assert_eq!(variable_name("server.addr"), "ATHENAEUM_SERVER_ADDR");
    }
}
