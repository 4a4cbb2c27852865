use athenaeum_kernels::Gelu;
use serde_json::Value as Json;

use super::{
    Error,
    architecture::{self, Architecture, HeadAverages, Positions},
};
use crate::{
    decoder::{ConfigError, Described, Fields, Rope, Scaling},
    model::Model,
};

/// The numbers of one encoder, checked for sense.
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
    /// Heads of attention; divides `width`.
    pub heads: usize,
    /// Tokens that it knows.
    pub vocabulary: usize,
    /// Tokens of the longest text that it takes.
    pub tokens_max: usize,
    /// Row of the table of positions that the first token of a text gets.
    pub first_position: usize,
    /// Numbers inside of the feed-forward part.
    pub feed_forward: usize,
    /// What the feed-forward part goes through.
    pub activation: Activation,
    /// Added under the norms' root.
    pub norm_epsilon: f32,
    /// How positions turn heads, in layers without and with a window.
    pub ropes: Option<(Rope, Rope)>,
    /// How far layers see to either side, where that is limited.
    pub windows: Vec<Option<usize>>,
    /// Whether a classification head looks at the average of all tokens instead of the first.
    pub head_averages: bool,
}

/// What numbers go through one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// GELU. llama.cpp takes the approximation for it, which differs in the fourth digit.
    Gelu,
    /// GELU, approximated by tanh.
    GeluTanh,
    /// x · σ(x).
    Silu,
    /// Nothing below zero.
    Relu,
    /// The hyperbolic tangent.
    Tanh,
}

impl Config {
    /// Reads the numbers of an encoder.
    ///
    /// # Errors
    ///
    /// If the architecture is not in the table, or numbers are missing or make no sense.
    pub fn of(model: &Model) -> Result<Self, Error> {
        let Described { name, fields, tokens } = Described::of(model)?;
        let architecture = match &fields {
            Fields::Gguf { .. } => architecture::of_gguf(&name),
            Fields::Json(config) => match config.get("position_embedding_type").and_then(Json::as_str) {
                None | Some("absolute" | "rope") => architecture::of_model_type(&name),
                Some("alibi") => architecture::of_gguf("jina-bert-v2"),
                Some(other) => return Err(unsupported(format!("positions of the kind {other:?}"))),
            },
        };
        let architecture =
            architecture.ok_or_else(|| Error::Architecture { name: name.clone().into_owned() })?;
        read(architecture, &fields, tokens)
    }

    /// Numbers in a head.
    pub fn head_size(&self) -> usize {
        self.width / self.heads
    }
}

fn read(
    architecture: &'static Architecture,
    fields: &Fields<'_>,
    tokens: Option<u64>,
) -> Result<Config, Error> {
    let layers = fields.size("block_count", &["num_hidden_layers", "n_layers", "n_layer"])?;
    let width = fields.size("embedding_length", &["hidden_size", "dim", "n_embd"])?;
    let heads = fields.size("attention.head_count", &["num_attention_heads", "n_heads", "n_head"])?;
    if !width.is_multiple_of(heads) {
        let (key, why) = ("attention.head_count", "heads share the width evenly");
        return Err(ConfigError::Senseless { key, found: heads.to_string(), why }.into());
    }
    let vocabulary = match tokens {
        Some(tokens) => usize::try_from(tokens).unwrap_or(usize::MAX),
        None => fields.size("vocab_size", &["vocab_size"])?,
    };
    let positions = fields.size("context_length", &["max_position_embeddings", "n_positions"])?;
    // Made for fewer tokens than its rotation could turn.
    let trained = fields.optional_size("", &["max_trained_positions"])?.unwrap_or(positions);
    let first_position = first_position(architecture, fields)?;
    let tokens_max = positions.min(trained).saturating_sub(first_position);
    if tokens_max == 0 {
        let (key, why) = ("context_length", "there must be room for a token");
        return Err(ConfigError::Senseless { key, found: positions.to_string(), why }.into());
    }
    let is_checkpoint = matches!(fields, Fields::Json(_));
    let head_averages = match text(fields, "classifier_pooling", "classifier_pooling").as_deref() {
        Some(how) => how == "mean",
        None => match fields.number("classifier.pooling_type", &[]) {
            Some(how) => how == 1.0,
            None => architecture.head_averages == HeadAverages::InGguf && !is_checkpoint,
        },
    };
    Ok(Config {
        architecture,
        is_checkpoint,
        layers,
        width,
        heads,
        vocabulary,
        tokens_max,
        first_position,
        feed_forward: fields.size("feed_forward_length", &["intermediate_size", "hidden_dim", "n_inner"])?,
        activation: activation(architecture, fields)?,
        norm_epsilon: fields
            .number("attention.layer_norm_epsilon", &["layer_norm_eps", "norm_eps", "layer_norm_epsilon"])
            .unwrap_or(1e-12) as f32,
        ropes: ropes(architecture, fields, width / heads)?,
        windows: windows(fields, layers)?,
        head_averages,
    })
}

fn first_position(architecture: &Architecture, fields: &Fields<'_>) -> Result<usize, Error> {
    if !architecture.positions_behind_padding || matches!(fields, Fields::Gguf { .. }) {
        return Ok(0);
    }
    let padding = fields.number("", &["pad_token_id"]).unwrap_or(1.0);
    if (0.0..=1e6).contains(&padding) {
        return Ok(padding as usize + 1);
    }
    let why = "positions are counted from it";
    Err(ConfigError::Senseless { key: "pad_token_id", found: padding.to_string(), why }.into())
}

fn activation(architecture: &Architecture, fields: &Fields<'_>) -> Result<Activation, Error> {
    let names = ["hidden_act", "hidden_activation", "activation", "activation_function"];
    let named = names.iter().find_map(|name| text(fields, "hidden_act", name));
    let Some(named) = named else { return Ok(architecture.activation) };
    Activation::named(&named).ok_or_else(|| unsupported(format!("the activation {named:?}")))
}

fn ropes(
    architecture: &Architecture,
    fields: &Fields<'_>,
    head_size: usize,
) -> Result<Option<(Rope, Rope)>, Error> {
    let Positions::Rotary { base, base_in_window } = architecture.positions else { return Ok(None) };
    if !head_size.is_multiple_of(2) {
        let (key, why) = ("attention.head_count", "heads that are turned have an even size");
        return Err(ConfigError::Senseless { key, found: head_size.to_string(), why }.into());
    }
    let scaling = text(fields, "rope.scaling.type", "/rope_scaling/type");
    let scaling = scaling.or_else(|| text(fields, "", "/rope_scaling/rope_type"));
    if let Some(scaling) = scaling.filter(|kind| kind != "none" && kind != "default") {
        return Err(unsupported(format!("positions scaled by {scaling:?}")));
    }
    let within = |kind: &str| match fields {
        Fields::Json(config) => config.pointer(&format!("/rope_parameters/{kind}/rope_theta"))?.as_f64(),
        Fields::Gguf { .. } => None,
    };
    let rope = |base: f64| -> Result<Rope, Error> {
        if base.is_finite() && base > 0.0 {
            return Ok(Rope { base, turned: head_size, scaling: Scaling::None });
        }
        let (key, why) = ("rope.freq_base", "it is above zero");
        Err(ConfigError::Senseless { key, found: base.to_string(), why }.into())
    };
    let names = ["global_rope_theta", "rope_theta", "rotary_emb_base"];
    let base = within("full_attention").or_else(|| fields.number("rope.freq_base", &names)).unwrap_or(base);
    let local = within("sliding_attention")
        .or_else(|| fields.number("rope.freq_base_swa", &["local_rope_theta"]))
        .unwrap_or(base_in_window);
    Ok(Some((rope(base)?, rope(local)?)))
}

/// Reads how far each layer sees.
fn windows(fields: &Fields<'_>, layers: usize) -> Result<Vec<Option<usize>>, Error> {
    let window = fields.optional_size("attention.sliding_window", &["local_attention"])?;
    let every = fields
        .optional_size("attention.sliding_window_pattern", &["global_attn_every_n_layers"])?
        .unwrap_or(3);
    let types = match fields {
        Fields::Json(config) => config.get("layer_types").and_then(Json::as_array),
        Fields::Gguf { .. } => None,
    };
    let is_limited = |layer: usize| match types.and_then(|types| types.get(layer)).and_then(Json::as_str) {
        Some(kind) => kind == "sliding_attention",
        None => !layer.is_multiple_of(every),
    };
    // Files name the width of the whole window.
    Ok((0..layers).map(|layer| window.filter(|_| is_limited(layer)).map(|window| window / 2)).collect())
}

/// Returns a text by its key in GGUF, or by its name or pointer in JSON.
fn text(fields: &Fields<'_>, key: &str, name: &str) -> Option<String> {
    match fields {
        Fields::Gguf { metadata, prefix } => {
            metadata.get(&format!("{prefix}.{key}"))?.as_text().map(std::borrow::Cow::into_owned)
        }
        Fields::Json(config) => {
            let value = if name.starts_with('/') { config.pointer(name) } else { config.get(name) };
            value?.as_str().map(str::to_owned)
        }
    }
}

fn unsupported(what: String) -> Error {
    ConfigError::Unsupported { what }.into()
}

// === impl Activation ===

impl Activation {
    /// Finds it by the name that configurations use.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "gelu" | "gelu_python" | "geglu" => Self::Gelu,
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" | "gelu_accurate" => Self::GeluTanh,
            "silu" | "swish" | "swiglu" => Self::Silu,
            "relu" => Self::Relu,
            "tanh" => Self::Tanh,
            _ => return None,
        })
    }

    /// Lets numbers go through.
    pub(super) fn apply(self, numbers: &mut [f32]) {
        match self {
            Self::Gelu => athenaeum_kernels::gelu(Gelu::Erf, numbers),
            Self::GeluTanh => athenaeum_kernels::gelu(Gelu::Tanh, numbers),
            Self::Silu => athenaeum_kernels::silu(numbers),
            Self::Relu => numbers.iter_mut().for_each(|number| *number = number.max(0.0)),
            Self::Tanh => numbers.iter_mut().for_each(|number| *number = number.tanh()),
        }
    }
}
