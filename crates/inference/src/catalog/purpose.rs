use serde::Serialize;

use crate::{
    decoder, encoder,
    model::{Files, Model, gguf},
    reranker::is_late,
};

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// It goes on with texts.
    Generate,
    /// It makes vectors of texts.
    Embed,
    /// It scores how well a text answers another.
    Rerank,
}

impl Purpose {
    /// Returns its name: `generate`, `embed`, `rerank`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Embed => "embed",
            Self::Rerank => "rerank",
        }
    }
}

/// Tells from a model's files what it is for, and whether it is a decoder.
///
/// # Errors
///
/// The reason why it is not computed at all.
pub(super) fn of(model: &Model) -> Result<(Purpose, bool), decoder::ConfigError> {
    // Rerankers of the Qwen3 family may be decoders like any other, and only called so.
    let is_family = |config: &decoder::Config| config.architecture.name == "qwen3";
    let mut asked = false;
    let encodes = match encoder::Config::of(model) {
        Ok(_) => true,
        Err(encoder::Error::Architecture { .. }) => false,
        // What decoders are told about it is not what is wrong with it.
        Err(encoder::Error::Config(error)) => return Err(error),
        Err(_) => false,
    };
    if !encodes {
        asked = is_family(&decoder::Config::of(model)?) && is_called(model, "reranker");
    }
    let purpose = match (asked || scores(model), encodes || makes_vectors(model)) {
        (true, _) => Purpose::Rerank,
        (false, true) => Purpose::Embed,
        (false, false) => Purpose::Generate,
    };
    Ok((purpose, !encodes))
}

/// Whether it has what makes scores.
fn scores(model: &Model) -> bool {
    match &model.files {
        Files::Gguf(files) => {
            let has_head = || files.tensors().any(|tensor| tensor.name.starts_with("cls."));
            pooling(files.metadata()) == Some(RANK) || has_head()
        }
        Files::Safetensors(folder) => {
            let names = folder.config.as_ref().and_then(|config| config.get("architectures"));
            let first = names.and_then(|names| names.get(0)).and_then(serde_json::Value::as_str);
            first.is_some_and(|name| name.ends_with("ForSequenceClassification")) || is_late(model)
        }
    }
}

/// Whether a decoder was made for vectors.
fn makes_vectors(model: &Model) -> bool {
    match &model.files {
        Files::Gguf(files) => pooling(files.metadata()).is_some_and(|kind| kind != 0),
        Files::Safetensors(_) => model.path.join("modules.json").is_file(),
    }
}

/// `llama_pooling_type` in llama.h.
const RANK: u64 = 4;

fn pooling(metadata: &gguf::Metadata) -> Option<u64> {
    let architecture = metadata.get("general.architecture").and_then(gguf::Value::as_text)?;
    metadata.get(&format!("{architecture}.pooling_type"))?.as_u64()
}

/// Whether the file or folder is called so, or what it lies in: `models--org--name/snapshots/revision`.
fn is_called(model: &Model, part: &str) -> bool {
    let parts = model.path.components().rev().take(3);
    let mut names = parts.map(|name| name.as_os_str().to_string_lossy().to_lowercase());
    names.any(|name| name.contains(part))
}
