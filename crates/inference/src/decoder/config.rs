mod checkpoint;

use std::borrow::Cow;

use serde_json::Value as Json;

use super::{
    architecture::{self, Architecture, EmbeddingScale, Window},
    rope::{Rope, Scaling},
};
use crate::model::{Files, Model, gguf};

/// The numbers of one model, checked for sense.
#[derive(Debug, Clone)]
pub struct Config {
    /// What its family does.
    pub architecture: &'static Architecture,
    /// Whether they come from a `config.json`.
    pub is_checkpoint: bool,
    /// Blocks that a token passes through.
    pub layers: usize,
    /// Numbers that stand for a token between blocks.
    pub width: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values; divides `heads`.
    pub kv_heads: usize,
    /// Numbers in a head.
    pub head_size: usize,
    /// Tokens that it knows.
    pub vocabulary: usize,
    /// Tokens that it was made for at once.
    pub context_tokens: usize,
    /// Numbers inside of the feed-forward part.
    pub feed_forward: usize,
    /// Added under the norms' root.
    pub norm_epsilon: f32,
    /// How positions turn heads.
    pub rope: Rope,
    /// The same, for layers with a window, where it differs.
    pub rope_in_window: Option<Rope>,
    /// Tokens that limited layers see, the current one included.
    pub window: Option<usize>,
    /// Which layers are limited to the window, by layer.
    pub limited: Vec<bool>,
    /// What the products of queries and keys are multiplied with.
    pub attention_scale: f32,
    /// Limits those products softly: c · tanh(x / c).
    pub attention_softcap: Option<f32>,
    /// Limits logits softly.
    pub logit_softcap: Option<f32>,
    /// What embeddings are multiplied with.
    pub embedding_scale: f32,
    /// What each part's result is multiplied with before it is added.
    pub residual_scale: f32,
    /// What logits are multiplied with.
    pub logit_scale: f32,
    /// Limits queries, keys and values to ±this.
    pub clamp_qkv: Option<f32>,
    /// Where a feed-forward part is made of experts.
    pub experts: Option<Experts>,
}

/// How a feed-forward part is made of experts.
#[derive(Debug, Clone, PartialEq)]
pub struct Experts {
    /// How many there are.
    pub count: usize,
    /// How many work on one token.
    pub used: usize,
    /// Numbers inside of one.
    pub size: usize,
    /// Numbers inside of the one that works on every token, or 0.
    pub shared_size: usize,
    /// Whether the weights of those that work add up to one.
    pub normalised: bool,
}

/// Why a model's configuration is not computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum Error {
    #[error("the architecture {name:?} is not computed; known are {}", known())]
    Architecture { name: String },
    #[error("the file does not say of which architecture it is; it may be a vocabulary or an adapter only")]
    NoArchitecture,
    #[error("a safetensors file on its own does not say how to compute; name its folder, with config.json")]
    NoConfig,
    #[error(
        "the configuration lacks {key:?}; download the model again, or convert it with a current converter"
    )]
    Missing { key: &'static str },
    #[error("the configuration's {key:?} is {found}, which makes no sense here; {why}")]
    Senseless { key: &'static str, found: String, why: &'static str },
    #[error("the configuration asks for {what}, which is not computed")]
    Unsupported { what: String },
}

fn known() -> String {
    architecture::ALL.iter().map(|architecture| architecture.name).collect::<Vec<_>>().join(", ")
}

/// More than any model has, and little enough that products of three stay far from overflow.
const SIZE_MAX: u64 = 1 << 20;

/// What a model says of itself, before it is known whether that can be computed.
pub(crate) struct Described<'a> {
    /// Its architecture, by the name that its kind of file has for it.
    pub(crate) name: Cow<'a, str>,
    pub(crate) fields: Fields<'a>,
    /// Tokens of its vocabulary, where the file holds that.
    pub(crate) tokens: Option<u64>,
}

/// Where numbers are looked up: `{architecture}.key` in GGUF, or the names of a `config.json`.
pub(crate) enum Fields<'a> {
    Gguf { metadata: &'a gguf::Metadata, prefix: Cow<'a, str> },
    Json(&'a Json),
}

impl<'a> Described<'a> {
    pub(crate) fn of(model: &'a Model) -> Result<Self, Error> {
        match &model.files {
            Files::Gguf(files) => {
                let metadata = files.metadata();
                let name = metadata.get("general.architecture").and_then(gguf::Value::as_text);
                let name = name.ok_or(Error::NoArchitecture)?;
                let tokens = metadata.get("tokenizer.ggml.tokens").and_then(gguf::Value::as_array);
                let fields = Fields::Gguf { metadata, prefix: name.clone() };
                Ok(Self { name, fields, tokens: tokens.map(gguf::Array::len) })
            }
            Files::Safetensors(folder) => {
                let config = folder.config.as_ref().ok_or(Error::NoConfig)?;
                // Models that also see keep what they are as a language model one level deeper.
                let text = config.get("text_config").filter(|text| text.get("hidden_size").is_some());
                let config = text.unwrap_or(config);
                let name = config.get("model_type").and_then(Json::as_str).ok_or(Error::NoArchitecture)?;
                Ok(Self { name: name.into(), fields: Fields::Json(config), tokens: None })
            }
        }
    }
}

impl Config {
    /// Reads the numbers of a decoder.
    ///
    /// # Errors
    ///
    /// If the architecture is not in the table, or numbers are missing or make no sense.
    pub fn of(model: &Model) -> Result<Self, Error> {
        let Described { name, fields, tokens } = Described::of(model)?;
        let unknown = || Error::Architecture { name: name.clone().into_owned() };
        match fields {
            Fields::Gguf { .. } => read(architecture::of_gguf(&name).ok_or_else(unknown)?, &fields, tokens),
            Fields::Json(config) => {
                let architecture = architecture::of_model_type(&name).ok_or_else(unknown)?;
                let config = checkpoint::classic(config, architecture.defaults);
                read(architecture, &Fields::Json(&config), tokens)
            }
        }
    }

    /// Numbers of all heads of keys, or of values, of one token in one layer.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_size
    }

    /// Numbers of all heads of queries of one token.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_size
    }

    /// How far back a layer sees, where that is limited.
    pub fn window_of(&self, layer: usize) -> Option<usize> {
        self.window.filter(|_| self.is_limited(layer))
    }

    /// How positions turn the heads of a layer; none where a layer knows no positions.
    pub fn rope_of(&self, layer: usize) -> Option<&Rope> {
        if self.architecture.unturned_every.is_some_and(|every| (layer + 1).is_multiple_of(every)) {
            return None;
        }
        Some(self.rope_in_window.as_ref().filter(|_| self.is_limited(layer)).unwrap_or(&self.rope))
    }

    fn is_limited(&self, layer: usize) -> bool {
        self.limited.get(layer).copied().unwrap_or(false)
    }
}

fn read(
    architecture: &'static Architecture,
    fields: &Fields<'_>,
    tokens: Option<u64>,
) -> Result<Config, Error> {
    let layers = fields.size("block_count", &["num_hidden_layers"])?;
    let width = fields.size("embedding_length", &["hidden_size"])?;
    let heads = fields.size("attention.head_count", &["num_attention_heads"])?;
    let kv_heads = fields.size_or("attention.head_count_kv", &["num_key_value_heads"], heads)?;
    let head_size = match fields.optional_size("attention.key_length", &["head_dim"])? {
        Some(size) => size,
        None => width / heads,
    };
    let value_size = fields.size_or("attention.value_length", &[], head_size)?;
    if !heads.is_multiple_of(kv_heads) {
        let why = "heads of keys must divide the heads";
        return Err(Error::Senseless { key: "attention.head_count_kv", found: kv_heads.to_string(), why });
    }
    if value_size != head_size || head_size == 0 || !head_size.is_multiple_of(2) {
        let why = "heads of keys and values must have the same even size";
        return Err(Error::Senseless { key: "attention.key_length", found: head_size.to_string(), why });
    }
    let vocabulary = match tokens {
        Some(tokens) => size_of("tokenizer.ggml.tokens", tokens as f64)?,
        None => fields.size("vocab_size", &["vocab_size"])?,
    };
    let context_tokens = fields.size("context_length", &["max_position_embeddings"])?;
    let experts = experts(architecture, fields)?;
    let feed_forward = match fields.optional_size("feed_forward_length", &["intermediate_size"])? {
        Some(size) => size,
        None => experts.as_ref().map_or(0, |experts| experts.size),
    };
    let norm_epsilon = fields
        .number("attention.layer_norm_rms_epsilon", &["rms_norm_eps"])
        .or_else(|| fields.number("attention.layer_norm_epsilon", &["layer_norm_eps"]))
        .unwrap_or(1e-5) as f32;
    let (rope, rope_in_window) = ropes(architecture, fields, head_size, context_tokens)?;
    let window = fields.optional_size("attention.sliding_window", &["sliding_window"])?;
    let limited = limited(architecture, fields, layers);
    let positive =
        |key, names: &[&str]| fields.number(key, names).map(|number| number as f32).filter(|n| *n > 0.0);
    Ok(Config {
        architecture,
        is_checkpoint: matches!(fields, Fields::Json(_)),
        layers,
        width,
        heads,
        kv_heads,
        head_size,
        vocabulary,
        context_tokens,
        feed_forward,
        norm_epsilon,
        rope,
        rope_in_window,
        limited: limited.into_iter().map(|limited| limited && window.is_some()).collect(),
        window,
        attention_scale: attention_scale(architecture, fields, layers, width / heads, head_size),
        attention_softcap: positive("attn_logit_softcapping", &["attn_logit_softcapping"]),
        logit_softcap: positive("final_logit_softcapping", &["final_logit_softcapping"]),
        embedding_scale: match architecture.embedding_scale {
            EmbeddingScale::RootOfWidth => (width as f32).sqrt(),
            EmbeddingScale::Given => positive("embedding_scale", &["embedding_multiplier"]).unwrap_or(1.0),
        },
        residual_scale: positive("residual_scale", &["residual_multiplier"]).unwrap_or(1.0),
        logit_scale: positive("logit_scale", &["logits_scaling"]).map_or(1.0, f32::recip),
        clamp_qkv: positive("attention.clamp_kqv", &["clip_qkv"]),
        experts,
    })
}

/// Says of each layer whether it sees no further back than the window, if there is one.
fn limited(architecture: &Architecture, fields: &Fields<'_>, layers: usize) -> Vec<bool> {
    let all_but_every = |count: usize| (0..layers).map(|layer| layer % count < count - 1).collect();
    let pattern = fields.number("attention.sliding_window_pattern", &["sliding_window_pattern"]);
    let pattern =
        pattern.filter(|count| (1.0..=layers as f64 + 1.0).contains(count)).map(|count| count as usize);
    match (architecture.window, fields) {
        (Window::Never | Window::AllInCheckpoints, Fields::Gguf { .. }) => vec![false; layers],
        (Window::AllButEvery(count), Fields::Gguf { metadata, prefix }) => {
            let key = format!("{prefix}.attention.sliding_window_pattern");
            match metadata.get(&key).and_then(gguf::Value::as_array) {
                Some(array) => (0..layers as u64)
                    .map(|layer| match array.get(layer) {
                        Some(gguf::Value::Bool(limited)) => limited,
                        other => other.as_ref().and_then(of_value).is_some_and(|number| number != 0.0),
                    })
                    .collect(),
                None => all_but_every(pattern.unwrap_or(count)),
            }
        }
        (window, Fields::Json(config)) => {
            let asked = config.get("use_sliding_window").and_then(Json::as_bool);
            if asked == Some(false) || (window == Window::Never && asked.is_none()) {
                return vec![false; layers];
            }
            if let Some(types) = config.get("layer_types").and_then(Json::as_array) {
                return (0..layers)
                    .map(|layer| types.get(layer).and_then(Json::as_str) == Some("sliding_attention"))
                    .collect();
            }
            match window {
                Window::AllButEvery(count) => all_but_every(pattern.unwrap_or(count)),
                Window::AllInCheckpoints => vec![true; layers],
                // Qwen's: the layers from so many on.
                Window::Never => {
                    let first = fields.number("", &["max_window_layers"]).unwrap_or(28.0);
                    (0..layers).map(|layer| layer as f64 >= first).collect()
                }
            }
        }
    }
}

fn attention_scale(
    architecture: &Architecture,
    fields: &Fields<'_>,
    layers: usize,
    even_size: usize,
    head_size: usize,
) -> f32 {
    if let Some(scale) = fields.number("attention.scale", &["attention_multiplier"]) {
        return scale as f32;
    }
    if let Some(size) = fields.number("", &["query_pre_attn_scalar"]) {
        return (size as f32).sqrt().recip();
    }
    // The largest of either generation divide by the width per head, which is not the head's size; their GGUF files
    // do not say so.
    let by_width = matches!((architecture.name, layers), ("gemma2", 46) | ("gemma3", 62));
    ((if by_width { even_size } else { head_size }) as f32).sqrt().recip()
}

fn experts(architecture: &Architecture, fields: &Fields<'_>) -> Result<Option<Experts>, Error> {
    let count = fields.optional_size("expert_count", &["num_local_experts", "num_experts"])?;
    let Some(count) = count else { return Ok(None) };
    let used = fields.size("expert_used_count", &["num_experts_per_tok"])?;
    if used > count {
        let why = "more experts would work than there are";
        return Err(Error::Senseless { key: "expert_used_count", found: used.to_string(), why });
    }
    let size = match fields.optional_size("expert_feed_forward_length", &["moe_intermediate_size"])? {
        Some(size) => size,
        None => fields.size("feed_forward_length", &["intermediate_size"])?,
    };
    let shared = fields.optional_size(
        "expert_shared_feed_forward_length",
        &["shared_expert_intermediate_size", "shared_intermediate_size"],
    )?;
    let normalised = match fields {
        Fields::Json(config) => config.get("norm_topk_prob").and_then(Json::as_bool),
        Fields::Gguf { .. } => None,
    };
    let normalised = normalised.unwrap_or(architecture.experts_normalised);
    Ok(Some(Experts { count, used, size, shared_size: shared.unwrap_or(0), normalised }))
}

fn ropes(
    architecture: &Architecture,
    fields: &Fields<'_>,
    head_size: usize,
    context_tokens: usize,
) -> Result<(Rope, Option<Rope>), Error> {
    let base = fields.number("rope.freq_base", &["rope_theta"]).unwrap_or(10_000.0);
    let partial = fields.number("", &["partial_rotary_factor"]).unwrap_or(1.0);
    let turned = (head_size as f64 * partial) as usize;
    let turned = fields.size_or("rope.dimension_count", &[], turned)?;
    if turned > head_size || !turned.is_multiple_of(2) || !(base.is_finite() && base > 0.0) {
        let why = "a rotation turns an even part of a head, by a positive base";
        return Err(Error::Senseless { key: "rope.dimension_count", found: turned.to_string(), why });
    }
    let scaling = scaling(fields, context_tokens)?;
    let rope = Rope { base, turned, scaling };
    // Layers with a window need not be stretched; and Gemma's turn faster.
    let local = match architecture.window {
        Window::AllButEvery(_) => Some(if architecture.name == "gemma3" { 10_000.0 } else { base }),
        Window::Never | Window::AllInCheckpoints => None,
    };
    let local = local.map(|local| Rope {
        base: fields.number("rope.freq_base_swa", &["rope_local_base_freq"]).unwrap_or(local),
        turned,
        scaling: Scaling::None,
    });
    Ok((rope, local))
}

fn scaling(fields: &Fields<'_>, context_tokens: usize) -> Result<Scaling, Error> {
    let (kind, within) = match fields {
        Fields::Gguf { metadata, prefix } => {
            let kind = metadata.get(&format!("{prefix}.rope.scaling.type")).and_then(gguf::Value::as_text);
            (kind.map(Cow::into_owned), None)
        }
        Fields::Json(config) => {
            let scaling = config.get("rope_scaling");
            let kind = scaling.and_then(|scaling| scaling.get("rope_type").or_else(|| scaling.get("type")));
            (kind.and_then(Json::as_str).map(str::to_owned), scaling)
        }
    };
    let get = |key: &str, name: &str| match fields {
        Fields::Gguf { .. } => fields.number(key, &[]),
        Fields::Json(_) => within?.get(name)?.as_f64(),
    };
    let factor = get("rope.scaling.factor", "factor");
    let original = get("rope.scaling.original_context_length", "original_max_position_embeddings")
        .or_else(|| fields.number("", &["original_max_position_embeddings"]))
        .unwrap_or(context_tokens as f64);
    match kind.as_deref() {
        // Converters do not name the kind of Phi's, whose divisors are tensors; its magnitude tells it.
        None if get("rope.scaling.attn_factor", "").is_some() => Ok(Scaling::Long {
            short: Vec::new(),
            long: Vec::new(),
            original,
            attention: get("rope.scaling.attn_factor", "").unwrap_or(1.0),
        }),
        None | Some("none" | "default") => Ok(Scaling::None),
        Some("linear") => Ok(Scaling::Linear { factor: factor.unwrap_or(1.0) }),
        Some("yarn") => {
            let factor = factor.unwrap_or(1.0);
            let usual = 0.1 * factor.ln() + 1.0;
            // GGUF's factor comes on top of the usual one, that of checkpoints instead of it.
            let attention = match fields {
                Fields::Gguf { .. } => get("rope.scaling.attn_factor", "").unwrap_or(1.0) * usual,
                Fields::Json(_) => get("", "attention_factor").unwrap_or(usual),
            };
            Ok(Scaling::Yarn { factor, original, attention })
        }
        Some("llama3") => Ok(Scaling::Llama3 {
            factor: factor.unwrap_or(8.0),
            low: get("", "low_freq_factor").unwrap_or(1.0),
            high: get("", "high_freq_factor").unwrap_or(4.0),
            original,
        }),
        Some("longrope" | "su") => {
            let extension = (context_tokens as f64 / original).max(1.0);
            let usual = (1.0 + extension.ln() / original.ln()).sqrt();
            let attention = get("rope.scaling.attn_factor", "attention_factor");
            let (short, long) = (fields.numbers("short_factor"), fields.numbers("long_factor"));
            Ok(Scaling::Long { short, long, original, attention: attention.unwrap_or(usual) })
        }
        Some(other) => Err(Error::Unsupported { what: format!("positions scaled by {other:?}") }),
    }
}

// === impl Fields ===

impl Fields<'_> {
    /// Returns a number by its key in GGUF or its names in JSON; an empty key stands only in JSON.
    pub(crate) fn number(&self, key: &str, names: &[&str]) -> Option<f64> {
        match self {
            Self::Gguf { metadata, prefix } => metadata
                .get(&format!("{prefix}.{key}"))
                .and_then(of_value)
                .filter(|number| number.is_finite()),
            Self::Json(config) => names.iter().find_map(|name| config.get(name)?.as_f64()),
        }
    }

    /// Returns the factors of a long rope, which GGUF files keep as tensors instead.
    fn numbers(&self, name: &str) -> Vec<f64> {
        let Self::Json(config) = self else { return Vec::new() };
        let scaling = config.get("rope_scaling");
        let numbers = scaling.and_then(|scaling| scaling.get(name)).and_then(Json::as_array);
        numbers.into_iter().flatten().filter_map(Json::as_f64).collect()
    }

    pub(crate) fn optional_size(
        &self,
        key: &'static str,
        names: &[&'static str],
    ) -> Result<Option<usize>, Error> {
        let number = self.number(key, names).filter(|number| *number != 0.0);
        number.map(|number| size_of(self.name(key, names), number)).transpose()
    }

    /// Returns what the file calls a number.
    fn name(&self, key: &'static str, names: &[&'static str]) -> &'static str {
        match self {
            Self::Gguf { .. } => key,
            Self::Json(_) => names.first().copied().unwrap_or(key),
        }
    }

    pub(crate) fn size(&self, key: &'static str, names: &[&'static str]) -> Result<usize, Error> {
        self.optional_size(key, names)?.ok_or(Error::Missing { key: self.name(key, names) })
    }

    pub(crate) fn size_or(
        &self,
        key: &'static str,
        names: &[&'static str],
        default: usize,
    ) -> Result<usize, Error> {
        Ok(self.optional_size(key, names)?.unwrap_or(default))
    }
}

/// Returns a number, or the first of one per layer.
fn of_value(value: &gguf::Value) -> Option<f64> {
    match value {
        gguf::Value::Unsigned(number) => Some(*number as f64),
        gguf::Value::Signed(number) => Some(*number as f64),
        gguf::Value::Float(number) => Some(*number),
        gguf::Value::Array(array) => array.get(0).as_ref().and_then(of_value),
        _ => None,
    }
}

fn size_of(key: &'static str, number: f64) -> Result<usize, Error> {
    if number >= 1.0 && number <= (SIZE_MAX * 64) as f64 && number.fract() == 0.0 {
        return Ok(number as usize);
    }
    Err(Error::Senseless { key, found: number.to_string(), why: "a size is a whole number above zero" })
}
