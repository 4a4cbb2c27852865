//! What models are, in this format's words.

use std::time::SystemTime;

use athenaeum_inference::{
    catalog::{Entry, Purpose},
    model::Sha256,
};
use athenaeum_providers::Remote;
use serde::Serialize;
use utoipa::ToSchema;

/// What a model is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ollama::Details)]
pub(crate) struct Details {
    /// Always empty: models here are made of no others.
    parent_model: &'static str,
    /// `gguf` or `safetensors`.
    format: String,
    /// What decides how it computes.
    family: String,
    families: Vec<String>,
    /// As in `8.0B`.
    parameter_size: String,
    /// As in `Q4_K_M`.
    quantization_level: String,
    /// Tokens that it was made for at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u64>,
    /// Numbers that stand for a token inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_length: Option<u64>,
}

impl Details {
    pub(super) fn of(entry: &Entry) -> Self {
        let summary = &entry.summary;
        let family = summary.architecture.clone().unwrap_or_default();
        Self {
            parent_model: "",
            format: summary.format.as_str().to_lowercase(),
            families: vec![family.clone()],
            family,
            parameter_size: parameters(summary.parameters),
            quantization_level: summary.quantization.clone().unwrap_or_default(),
            context_length: summary.context_tokens,
            embedding_length: summary.embedding_size,
        }
    }
}

impl Details {
    /// Of a model on another engine, as far as the settings tell.
    pub(super) fn elsewhere(remote: &Remote) -> Self {
        Self {
            parent_model: "",
            format: String::new(),
            family: String::new(),
            families: Vec::new(),
            parameter_size: String::new(),
            quantization_level: String::new(),
            context_length: remote.settings().context_tokens.map(|tokens| tokens as u64),
            embedding_length: None,
        }
    }
}

/// Lists what a model on another engine can do: whether it calls tools or thinks, only that engine knows; clients that ask
/// for neither lose nothing.
pub(super) fn capabilities_elsewhere(remote: &Remote) -> Vec<&'static str> {
    let vision = remote.settings().vision.then_some("vision");
    ["completion", "tools"].into_iter().chain(vision).collect()
}

/// Returns a digest that changes with what the settings say of a model on another engine.
pub(super) fn digest_elsewhere(remote: &Remote) -> String {
    let settings = remote.settings();
    let described = format!("{} {} {}", settings.wire.as_str(), settings.url, settings.model);
    Sha256::of(described.as_bytes()).to_string()
}

/// Lists what a model can do, in Ollama's words.
pub(super) fn capabilities(entry: &Entry) -> Vec<&'static str> {
    let template = entry.summary.chat_template.as_deref().unwrap_or_default();
    let says = |words: &[&str]| words.iter().any(|word| template.contains(word));
    let generates = entry.purpose == Purpose::Generate;
    let can = [
        ("completion", generates),
        ("vision", entry.projector.is_some()),
        ("tools", generates && says(&["tools"])),
        ("thinking", generates && says(&["enable_thinking", "reasoning_effort", "<think>", "<|channel|>"])),
        ("embedding", entry.purpose == Purpose::Embed),
    ];
    can.into_iter().filter(|(_, can)| *can).map(|(name, _)| name).collect()
}

/// Returns a digest that changes with the model's files: of their checksums where those are known, and otherwise of what
/// the disk tells of them, because reading gigabytes to list them is out of the question.
pub(super) fn digest(entry: &Entry) -> String {
    let described = match &entry.record {
        Some(record) => {
            let sums = record.files.iter().map(|file| format!("{} {}\n", file.sha256, file.path));
            sums.collect::<String>()
        }
        None => {
            let modified = entry.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            format!("{} {} {}", entry.name, entry.summary.bytes, modified.as_nanos())
        }
    };
    Sha256::of(described.as_bytes()).to_string()
}

/// Returns when a model's files were last written, as RFC 3339.
pub(super) fn modified_at(entry: &Entry) -> String {
    jiff::Timestamp::try_from(entry.modified).unwrap_or_default().to_string()
}

/// Writes a number of parameters as people say it.
#[expect(clippy::cast_precision_loss, reason = "people say two or three digits")]
fn parameters(count: u64) -> String {
    match count as f64 {
        count if count >= 999_950_000.0 => format!("{:.1}B", count / 1e9),
        count if count >= 999_500.0 => format!("{:.2}M", count / 1e6),
        count if count >= 1_000.0 => format!("{:.0}K", count / 1e3),
        count => format!("{count}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_told_as_people_say_them() {
        let said = [0, 999, 1_000, 135_000_000, 999_960_000, 8_030_261_312].map(parameters);
        assert_eq!(said, ["0", "999", "1K", "135.00M", "1.0B", "8.0B"]);
    }
}
