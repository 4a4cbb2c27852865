//! Models that other engines have.

use std::{collections::BTreeMap, io::Read as _, path::PathBuf, time::Duration};

use athenaeum_providers::{Proxy, Remote, RemoteEmbedder, Settings as Asked, Token, Wire};
use figment::value::Value;
use serde::{Deserialize, Serialize};

use super::{Error, PROXIES, Secret, Settings, first};

/// The models that other engines have, by the names that they have here.
pub type RemoteModels = BTreeMap<String, RemoteModel>;

/// A model that another engine has.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteModel {
    /// Where the engine answers.
    pub url: String,
    /// What it speaks.
    pub wire: Spoken,
    /// What the engine calls the model; empty where that is its name here.
    #[serde(default)]
    pub model: String,
    /// What says to the engine who asks; empty for nothing.
    #[serde(default)]
    pub key: Secret,
    /// A file with that; empty for none.
    #[serde(default)]
    pub key_file: PathBuf,
    /// Tokens of prompt and answer together; 0 where that is not known.
    #[serde(default)]
    pub context_tokens: usize,
    /// Whether it takes pictures.
    #[serde(default)]
    pub vision: bool,
    /// Numbers of a vector, of a model that makes vectors; 0 for one that writes.
    #[serde(default)]
    pub dimensions: usize,
    /// Whether the engine is asked for vectors of so many numbers, because it could make others; where nothing is said, whoever
    /// offers OpenAI's API is.
    #[serde(default)]
    pub ask_dimensions: Option<bool>,
    /// Seconds that the engine may say nothing. 1 to 3600.
    #[serde(default = "silence_usual")]
    pub silence_seconds: u64,
    /// How often a request is sent at most until the engine takes it. 1 to 10.
    #[serde(default = "attempts_usual")]
    pub attempts: u32,
}

/// What an engine speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum Spoken {
    /// OpenAI's API and no more than that.
    #[serde(rename = "openai")]
    OpenAi,
    /// The same with vLLM's further parameters.
    #[serde(rename = "vllm")]
    Vllm,
    /// That of llama.cpp's server.
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
    /// Ollama's own.
    #[serde(rename = "ollama")]
    Ollama,
}

impl From<Spoken> for Wire {
    fn from(spoken: Spoken) -> Self {
        match spoken {
            Spoken::OpenAi => Self::OpenAi,
            Spoken::Vllm => Self::Vllm,
            Spoken::LlamaCpp => Self::LlamaCpp,
            Spoken::Ollama => Self::Ollama,
        }
    }
}

impl Settings {
    /// Returns those who ask the models that other engines have and that write. Nothing is sent. `variable` looks up an environment variable:
    /// where the settings name no proxy, those that most programs heed are heeded, for engines that are asked securely.
    ///
    /// # Errors
    ///
    /// [`Error::Remote`] for an address that is none, and [`Error::KeyFile`] for a file that cannot be read.
    pub fn remotes(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Vec<Remote>, Error> {
        let proxy = proxy(&self.models.proxy, variable)?;
        let writers = self.models.remote.iter().filter(|(_, model)| model.dimensions == 0);
        writers.map(|(name, model)| remote(name, model, proxy.as_ref())).collect()
    }

    /// The same for the one that is called so; `None` where none is.
    ///
    /// # Errors
    ///
    /// As [`Settings::remotes`].
    pub fn remote(
        &self,
        name: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Remote>, Error> {
        let Some(model) = self.models.remote.get(name).filter(|model| model.dimensions == 0) else {
            return Ok(None);
        };
        remote(name, model, proxy(&self.models.proxy, variable)?.as_ref()).map(Some)
    }

    /// Returns the model of another engine that makes vectors and is called so; `None` where the settings name none. Nothing is
    /// sent. A proxy is used where the setting `models.proxy` names one; variables are not looked at.
    ///
    /// # Errors
    ///
    /// As [`Settings::remotes`].
    pub fn remote_embedder(&self, name: &str) -> Result<Option<RemoteEmbedder>, Error> {
        let Some(model) = self.models.remote.get(name).filter(|model| model.dimensions > 0) else {
            return Ok(None);
        };
        let proxy = proxy(&self.models.proxy, |_| None)?;
        let asks = model.ask_dimensions.unwrap_or(model.wire == Spoken::OpenAi);
        let tokens_max = if model.context_tokens > 0 { model.context_tokens } else { TOKENS_USUAL };
        let remote = remote(name, model, proxy.as_ref())?;
        Ok(Some(RemoteEmbedder::new(remote, model.dimensions, tokens_max, asks)))
    }
}

fn remote(name: &str, model: &RemoteModel, proxy: Option<&Proxy>) -> Result<Remote, Error> {
    let asked = Asked {
        model: if model.model.is_empty() { name.to_owned() } else { model.model.clone() },
        key: key(name, model)?,
        context_tokens: Some(model.context_tokens).filter(|&tokens| tokens > 0),
        vision: model.vision,
        silence: Duration::from_secs(model.silence_seconds),
        attempts: model.attempts,
        proxy: proxy.cloned().filter(|_| model.url.trim().starts_with("https:")),
        ..Asked::new(name, &model.url, model.wire.into())
    };
    Remote::new(asked).map_err(Error::Remote)
}

fn proxy(settled: &Secret, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Proxy>, Error> {
    let proxy = first(settled.expose(), &PROXIES, variable);
    proxy.map(|proxy| Proxy::new(&proxy).ok_or(Error::Address { name: "models.proxy" })).transpose()
}

/// Tokens that models for vectors read at most, where the settings do not say; what OpenAI's do.
const TOKENS_USUAL: usize = 8191;
/// Longer files hold no key.
const KEY_BYTES_MAX: u64 = 64 << 10;

fn silence_usual() -> u64 {
    120
}

fn attempts_usual() -> u32 {
    3
}

fn key(name: &str, model: &RemoteModel) -> Result<Option<Token>, Error> {
    if model.key_file.as_os_str().is_empty() {
        return Ok(Token::new(model.key.expose()));
    }
    let mut text = String::new();
    let read = std::fs::File::open(&model.key_file)
        .and_then(|file| file.take(KEY_BYTES_MAX).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(Token::new(&text)),
        Err(source) => {
            Err(Error::KeyFile { name: name.to_owned(), path: model.key_file.clone(), source: source.into() })
        }
    }
}

/// The same, with `shown` in place of every key.
pub(super) fn without_keys(models: &Value, shown: &str) -> Value {
    let Value::Dict(tag, models) = models else { return models.clone() };
    let of = |(name, value): (&String, &Value)| {
        let mut value = value.clone();
        if let Value::Dict(_, fields) = &mut value
            && let Some(Value::String(_, key)) = fields.get_mut("key")
            && !key.is_empty()
        {
            shown.clone_into(key);
        }
        (name.clone(), value)
    };
    Value::Dict(*tag, models.iter().map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: &str = "[models.remote.far]\nurl = 'http://127.0.0.1:8000'\nwire = 'vllm'\n";

    fn settings(more: &str) -> Result<Settings, Error> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, format!("{FAR}{more}")).unwrap();
        Settings::layered(Some(&file), true, |_| None, &[]).map(|layered| {
            let shown = layered.values().into_iter().find(|(name, ..)| name == "models.remote").unwrap().1;
            assert!(!shown.contains("sesame"), "{shown}");
            layered.settings
        })
    }

    #[test]
    fn a_model_of_another_engine_needs_an_address_and_a_wire() {
        let settings = settings("").unwrap();
        let remote = settings.remotes(|_| None).unwrap().remove(0);
        let asked = remote.settings();
        assert_eq!((asked.name.as_str(), asked.model.as_str(), asked.wire), ("far", "far", Wire::Vllm));
        assert_eq!((asked.attempts, asked.silence), (3, Duration::from_secs(120)));
        assert!(asked.key.is_none() && asked.context_tokens.is_none() && !asked.vision);
        let mut other = settings.clone();
        other.models.remote.get_mut("far").unwrap().url = "ftp://x".to_owned();
        assert!(matches!(other.remotes(|_| None), Err(Error::Remote(_))));
    }

    #[test]
    fn its_key_is_read_and_never_shown() {
        let settings = settings("model = 'm'\nkey = 'open sesame'\nattempts = 1\n").unwrap();
        let remote = settings.remotes(|_| None).unwrap().remove(0);
        assert_eq!(remote.settings().key, Token::new("open sesame"));
        assert!(!format!("{settings:?} {remote:?}").contains("sesame"));
        let mut of_file = settings;
        of_file.models.remote.get_mut("far").unwrap().key_file = "/nowhere/at/all".into();
        assert!(matches!(of_file.remotes(|_| None), Err(Error::KeyFile { .. })));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in
            ["attempts = 0", "attempts = 11", "silence_seconds = 0", "wire2 = 1", "context_tokens = -1"]
        {
            assert!(settings(wrong).is_err(), "{wrong}");
        }
    }
}
