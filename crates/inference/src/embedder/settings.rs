use std::path::Path;

use serde_json::Value as Json;

use super::{Error, LoadError, UsePrompt};
use crate::{
    encoder::Pooling,
    model::{Files, Model, gguf, json},
};

/// What the files of a model say about how it embeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How the vectors of a text's tokens become one. Where files do not say: their average with encoders, the last one
    /// with decoders.
    pub pooling: Pooling,
    /// Whether vectors get the length 1. GGUF files do not say, and are taken to say yes.
    pub normalises: bool,
    /// Tokens of the longest text, with those that begin and end it; may be less than the model could take.
    pub tokens_max: usize,
    /// What the model was trained to see before texts, by what the texts are for, in the order of these names.
    pub prompts: Vec<Prompt>,
    /// Which of [`Settings::prompts`] is put before texts where nothing else is said.
    pub usual_prompt: Option<String>,
    /// Whether the tokens of a prompt count for the vector.
    pub pools_prompt: bool,
    /// Whether texts are written in small letters first.
    pub lowers_case: bool,
}

/// A prompt and its name, such as `query`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the type says it")]
pub struct Prompt {
    pub name: String,
    pub text: String,
}

const BYTES_MAX: u64 = 1 << 20;

impl Settings {
    pub(super) fn of(model: &Model, tokens_max: usize, is_encoder: bool) -> Result<Self, LoadError> {
        let fallback = if is_encoder { Pooling::Mean } else { Pooling::Last };
        let settings = Self {
            pooling: fallback,
            normalises: true,
            tokens_max,
            prompts: Vec::new(),
            usual_prompt: None,
            pools_prompt: true,
            lowers_case: false,
        };
        match &model.files {
            Files::Gguf(files) => settings.with_gguf(files.metadata()),
            Files::Safetensors(folder) => {
                let beside = folder.shards.first().and_then(|(path, _)| path.parent());
                settings.with_folder(beside.unwrap_or(Path::new("")))
            }
        }
    }

    /// Returns the text of a prompt.
    pub(super) fn prompt<'a>(&'a self, prompt: &'a UsePrompt) -> Result<&'a str, Error> {
        let named = |name: &str| self.prompts.iter().find(|prompt| prompt.name == name);
        match prompt {
            UsePrompt::None => Ok(""),
            UsePrompt::Text(text) => Ok(text),
            UsePrompt::Usual => {
                let usual = self.usual_prompt.as_deref().and_then(named);
                Ok(usual.map_or("", |prompt| &prompt.text))
            }
            UsePrompt::Named(name) => named(name).map(|prompt| prompt.text.as_str()).ok_or_else(|| {
                let names: Vec<&str> = self.prompts.iter().map(|prompt| prompt.name.as_str()).collect();
                let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                Error::UnknownPrompt { name: name.clone(), known }
            }),
        }
    }

    fn with_gguf(mut self, metadata: &gguf::Metadata) -> Result<Self, LoadError> {
        let architecture = metadata.get("general.architecture").and_then(gguf::Value::as_text);
        let key = format!("{}.pooling_type", architecture.unwrap_or_default());
        // `llama_pooling_type` in llama.h.
        match metadata.get(&key).and_then(gguf::Value::as_u64) {
            None | Some(0) => {}
            Some(1) => self.pooling = Pooling::Mean,
            Some(2) => self.pooling = Pooling::First,
            Some(3) => self.pooling = Pooling::Last,
            Some(4) => {
                let why = "the model scores pairs of texts and makes no vectors; use it to rerank";
                return Err(LoadError::OtherPurpose(why));
            }
            Some(other) => return Err(unsupported(format!("pooling of the kind {other}"))),
        }
        Ok(self)
    }

    /// Reads what sentence-transformers keeps beside the weights.
    fn with_folder(mut self, folder: &Path) -> Result<Self, LoadError> {
        if let Some(modules) = file(folder, "modules.json")? {
            self.normalises = false;
            for module in modules.as_array().into_iter().flatten() {
                self.take_module(folder, module)?;
            }
        }
        if let Some(own) = file(folder, "sentence_bert_config.json")? {
            let most = own.get("max_seq_length").and_then(Json::as_u64);
            let most = most.map(|most| usize::try_from(most).unwrap_or(usize::MAX)).filter(|most| *most > 2);
            self.tokens_max = most.map_or(self.tokens_max, |most| most.min(self.tokens_max));
            self.lowers_case = own.get("do_lower_case").and_then(Json::as_bool).unwrap_or(false);
        }
        if let Some(own) = file(folder, "config_sentence_transformers.json")? {
            let prompts = own.get("prompts").and_then(Json::as_object).into_iter().flatten();
            let prompt = |(name, text): (&String, &Json)| {
                Some(Prompt { name: name.clone(), text: text.as_str()?.to_owned() })
            };
            self.prompts = prompts.filter_map(prompt).collect();
            self.prompts.sort_by(|a, b| a.name.cmp(&b.name));
            let usual = own.get("default_prompt_name").and_then(Json::as_str);
            self.usual_prompt = usual.map(str::to_owned);
        }
        Ok(self)
    }

    fn take_module(&mut self, folder: &Path, module: &Json) -> Result<(), LoadError> {
        let text = |name: &str| module.get(name).and_then(Json::as_str).unwrap_or_default();
        let kind = text("type").rsplit('.').next().unwrap_or_default();
        match kind {
            "Transformer" => {}
            "Normalize" => self.normalises = true,
            "Pooling" => {
                let path = text("path");
                // Names of folders beside, and nothing that leads elsewhere.
                if path.is_empty() || path.contains(['/', '\\', ':']) || path.starts_with('.') {
                    return Err(unsupported(format!("pooling as described in {path:?}")));
                }
                let config = file(&folder.join(path), "config.json")?.unwrap_or_default();
                self.pooling = pooling(&config)?;
                self.pools_prompt = config.get("include_prompt").and_then(Json::as_bool).unwrap_or(true);
            }
            other => return Err(unsupported(format!("the module {other:?} of sentence-transformers"))),
        }
        Ok(())
    }
}

/// Reads a pooling module's configuration: a truth for each way, or the name of one.
fn pooling(config: &Json) -> Result<Pooling, LoadError> {
    const WAYS: &[(&str, &str, Pooling)] = &[
        ("pooling_mode_cls_token", "cls", Pooling::First),
        ("pooling_mode_mean_tokens", "mean", Pooling::Mean),
        ("pooling_mode_max_tokens", "max", Pooling::Max),
        ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", Pooling::MeanOfRoot),
        ("pooling_mode_weightedmean_tokens", "weightedmean", Pooling::WeightedMean),
        ("pooling_mode_lasttoken", "lasttoken", Pooling::Last),
    ];
    if let Some(name) = config.get("pooling_mode").and_then(Json::as_str) {
        let way = WAYS.iter().find(|(_, short, _)| *short == name);
        return way.map(|way| way.2).ok_or_else(|| unsupported(format!("pooling by {name:?}")));
    }
    let is_set = |name: &str| config.get(name).and_then(Json::as_bool) == Some(true);
    let set: Vec<Pooling> = WAYS.iter().filter(|(name, ..)| is_set(name)).map(|way| way.2).collect();
    match set.as_slice() {
        [] => Ok(Pooling::Mean),
        [one] => Ok(*one),
        _ => Err(unsupported("several ways of pooling side by side".to_owned())),
    }
}

fn file(folder: &Path, name: &str) -> Result<Option<Json>, LoadError> {
    json::read(&folder.join(name), BYTES_MAX)
        .map_err(|source| LoadError::File { file: name.to_owned(), source })
}

fn unsupported(what: String) -> LoadError {
    LoadError::Unsupported { what }
}
