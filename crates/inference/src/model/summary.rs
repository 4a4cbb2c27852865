use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    Files, Folder, Model,
    gguf::{self, Metadata, file_type_name},
};

/// What one wants to know of a model before loading it. What its files do not tell is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The model's own name.
    pub name: Option<String>,
    /// How it is stored.
    pub format: Format,
    /// What decides how it computes: `llama`, `Qwen3ForCausalLM`.
    pub architecture: Option<String>,
    /// Numbers in all tensors.
    pub parameters: u64,
    /// Number of tensors.
    pub tensors: u64,
    /// How most numbers are stored: `Q4_K_M`, `BF16`.
    pub quantization: Option<String>,
    /// Tokens that it was made for at once.
    pub context_tokens: Option<u64>,
    /// Numbers that stand for a token inside.
    pub embedding_size: Option<u64>,
    /// Blocks that a token passes through.
    pub layers: Option<u64>,
    /// Attention heads; where layers differ, the most.
    pub heads: Option<u64>,
    /// Heads of keys and values, which several attention heads may share.
    pub kv_heads: Option<u64>,
    /// Tokens that it knows.
    pub vocabulary: Option<u64>,
    /// How text becomes tokens: `gpt2 (qwen2)`, `BPE`.
    pub tokenizer: Option<String>,
    /// How a conversation becomes text, in Jinja.
    pub chat_template: Option<String>,
    /// Under which terms it comes.
    pub licence: Option<String>,
    /// Files that it consists of.
    pub files: u64,
    /// Bytes that they take.
    pub bytes: u64,
}

/// How a model is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// llama.cpp's format.
    Gguf,
    /// Hugging Face's format.
    Safetensors,
}

impl Format {
    /// Returns the name that people know.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gguf => "GGUF",
            Self::Safetensors => "safetensors",
        }
    }
}

pub(super) fn of(model: &Model) -> Summary {
    let tensors = model.tensors();
    let parameters = tensors.iter().fold(0_u64, |sum, tensor| sum.saturating_add(tensor.elements));
    let mut by_type: BTreeMap<&str, u64> = BTreeMap::new();
    // Norms and biases stay in full precision in every model.
    for tensor in tensors.iter().filter(|tensor| tensor.shape.len() > 1) {
        let elements = by_type.entry(&tensor.tensor_type).or_default();
        *elements = elements.saturating_add(tensor.elements);
    }
    let most = by_type.iter().max_by_key(|(_, elements)| **elements).map(|(name, _)| (*name).to_owned());
    let most = most.or_else(|| tensors.first().map(|tensor| tensor.tensor_type.clone()));
    let counted = (parameters, tensors.len() as u64, most);
    match &model.files {
        Files::Gguf(files) => of_gguf(files, counted),
        Files::Safetensors(folder) => of_folder(folder, counted),
    }
}

/// Parameters, tensors, and the type of most numbers.
type Counted = (u64, u64, Option<String>);

fn of_gguf(model: &gguf::Model, (parameters, tensors, most): Counted) -> Summary {
    let metadata = model.metadata();
    let text = |key: &str| metadata.get(key).and_then(gguf::Value::as_text).map(std::borrow::Cow::into_owned);
    let architecture = text("general.architecture");
    let key = |name: &str| format!("{}.{name}", architecture.as_deref().unwrap_or_default());
    let number = |name: &str| metadata.get(&key(name)).and_then(most_of);
    let file_type = metadata.get("general.file_type").and_then(gguf::Value::as_u64).and_then(file_type_name);
    let tokens = metadata.get("tokenizer.ggml.tokens").and_then(gguf::Value::as_array).map(gguf::Array::len);
    let tokenizer = text("tokenizer.ggml.model").map(|kind| match text("tokenizer.ggml.pre") {
        Some(pre) => format!("{kind} ({pre})"),
        None => kind,
    });
    Summary {
        name: text("general.name"),
        format: Format::Gguf,
        parameters,
        tensors,
        // A vocabulary on its own has a file type as well.
        quantization: if tensors == 0 { None } else { file_type.map(str::to_owned).or(most) },
        context_tokens: number("context_length"),
        embedding_size: number("embedding_length"),
        layers: number("block_count"),
        heads: number("attention.head_count"),
        kv_heads: number("attention.head_count_kv"),
        vocabulary: tokens.or_else(|| number("vocab_size")),
        tokenizer,
        chat_template: text("tokenizer.chat_template"),
        licence: licence(metadata),
        files: model.parts.len() as u64,
        bytes: model.parts.iter().fold(0, |sum, part| part.file.bytes.saturating_add(sum)),
        architecture,
    }
}

fn licence(metadata: &Metadata) -> Option<String> {
    let keys = ["general.license.name", "general.license"];
    keys.iter().find_map(|key| metadata.get(key)?.as_text().map(std::borrow::Cow::into_owned))
}

/// Returns a number, or the largest of one per layer.
fn most_of(value: &gguf::Value) -> Option<u64> {
    match value {
        gguf::Value::Array(array) => (0..array.len()).filter_map(|index| array.get(index)?.as_u64()).max(),
        other => other.as_u64(),
    }
}

fn of_folder(folder: &Folder, (parameters, tensors, most): Counted) -> Summary {
    let config = folder.config.as_ref();
    // Models that also see keep what they are as a language model one level deeper.
    let text_config = config.and_then(|config| config.get("text_config"));
    let get = |name: &str| {
        config.and_then(|config| config.get(name)).or_else(|| text_config.and_then(|config| config.get(name)))
    };
    let number = |names: &[&str]| names.iter().find_map(|name| get(name)?.as_u64());
    let text = |name: &str| get(name).and_then(Json::as_str).map(str::to_owned);
    let first = get("architectures").and_then(|names| names.get(0)).and_then(Json::as_str);
    let method = get("quantization_config").and_then(|how| how.get("quant_method")).and_then(Json::as_str);
    Summary {
        name: text("_name_or_path").filter(|name| !name.is_empty()),
        format: Format::Safetensors,
        architecture: first.map(str::to_owned).or_else(|| text("model_type")),
        parameters,
        tensors,
        quantization: method.map(str::to_owned).or(most),
        context_tokens: number(&["max_position_embeddings", "n_positions", "n_ctx"]),
        embedding_size: number(&["hidden_size", "n_embd", "d_model"]),
        layers: number(&["num_hidden_layers", "n_layer", "num_layers"]),
        heads: number(&["num_attention_heads", "n_head"]),
        kv_heads: number(&["num_key_value_heads"]),
        vocabulary: number(&["vocab_size"]),
        tokenizer: folder.tokenizer.clone(),
        chat_template: folder.chat_template.clone(),
        licence: text("license"),
        files: folder.shards.len() as u64,
        bytes: folder.shards.iter().fold(0, |sum, (_, file)| file.bytes.saturating_add(sum)),
    }
}
