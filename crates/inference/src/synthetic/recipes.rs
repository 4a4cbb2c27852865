//! The models, as data. Sizes are small; what sets one architecture apart from another is as in real ones.

use serde_json::{Value as Json, json};

use super::{BOS, EOS, TOKENS};
use crate::model::gguf::Writer;

/// One model's structure.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names that configurations use")]
pub struct Recipe {
    pub name: &'static str,
    /// `general.architecture` in GGUF.
    pub architecture: &'static str,
    /// `model_type` and `architectures` in `config.json`.
    pub model_type: &'static str,
    pub class: &'static str,
    pub layers: usize,
    pub width: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_size: usize,
    pub feed_forward: usize,
    /// Whether logits come from the embeddings.
    pub tied: bool,
    /// Whether GGUF files have the rows of queries' and keys' heads in another order than checkpoints.
    pub reordered: bool,
    /// Whether checkpoints hold the weights of norms less one.
    pub norm_less_one: bool,
    pub norms: Norms,
    pub head_norm: HeadNorm,
    pub qkv_bias: bool,
    /// Whether queries, keys and values are one matrix, and gate and up another.
    pub fused: bool,
    pub experts: Option<Experts>,
    pub rope_base: f32,
    /// Tokens that layers with a window see.
    pub window: Option<u32>,
    /// What logits are divided by, and embeddings multiplied with.
    pub logits_scaling: f64,
    pub embedding_scale: f64,
    pub rope_scaling: Scaling,
    /// The part of a head that is turned.
    pub turned: f64,
    /// Further keys of the GGUF file, less the architecture, and of `config.json`.
    pub keys: &'static [(&'static str, Number)],
    pub config: &'static [(&'static str, Number)],
}

/// Where norms stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norms {
    /// Before attention and before the feed-forward part.
    Before,
    /// Before both and behind both.
    Around,
    /// Behind both.
    Behind,
    /// Before both, and without weights.
    Plain,
}

/// Whether queries and keys are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadNorm {
    /// They are not.
    None,
    /// Each head on its own.
    PerHead,
    /// All heads together.
    AllHeads,
}

/// A feed-forward part of experts, and the names that checkpoints give to its matrices.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Experts {
    pub count: usize,
    pub used: usize,
    pub size: usize,
    pub shared_size: usize,
    pub router: &'static str,
    pub gate: &'static str,
    pub up: &'static str,
    pub down: &'static str,
    /// What `config.json` calls their count.
    pub count_key: &'static str,
    /// Whether the shared one is open to every token, and named as Granite's.
    pub shared_open: bool,
}

/// A value of a configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the types say it")]
pub enum Number {
    Whole(u32),
    Float(f32),
    Truth(bool),
    Text(&'static str),
    Whole4([u32; 4]),
    Truths(&'static [bool]),
}

/// How positions are stretched.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the names that configurations use")]
pub enum Scaling {
    None,
    Linear { factor: f32 },
    Yarn { factor: f32 },
    Llama3 { factor: f32 },
    Long,
}

/// Tokens that the models were made for; those with stretched positions for an eighth of it before that.
const CONTEXT: u32 = 512;
const ORIGINAL: u32 = 64;

const BASE: Recipe = Recipe {
    name: "",
    architecture: "",
    model_type: "",
    class: "",
    layers: 2,
    width: 256,
    heads: 4,
    kv_heads: 2,
    head_size: 64,
    feed_forward: 512,
    tied: false,
    reordered: false,
    norm_less_one: false,
    norms: Norms::Before,
    head_norm: HeadNorm::None,
    qkv_bias: false,
    fused: false,
    experts: None,
    rope_base: 10_000.0,
    window: None,
    logits_scaling: 1.0,
    embedding_scale: 1.0,
    rope_scaling: Scaling::None,
    turned: 1.0,
    keys: &[],
    config: &[],
};

const LLAMA: Recipe = Recipe {
    name: "llama",
    architecture: "llama",
    model_type: "llama",
    class: "LlamaForCausalLM",
    reordered: true,
    ..BASE
};

const QWEN2: Recipe = Recipe {
    name: "qwen2",
    architecture: "qwen2",
    model_type: "qwen2",
    class: "Qwen2ForCausalLM",
    qkv_bias: true,
    rope_base: 1_000_000.0,
    config: &[("use_sliding_window", Number::Truth(false)), ("sliding_window", Number::Whole(32))],
    ..BASE
};

const QWEN3: Recipe = Recipe {
    name: "qwen3",
    architecture: "qwen3",
    model_type: "qwen3",
    class: "Qwen3ForCausalLM",
    head_size: 128,
    head_norm: HeadNorm::PerHead,
    rope_base: 1_000_000.0,
    config: &[("use_sliding_window", Number::Truth(false)), ("attention_bias", Number::Truth(false))],
    ..BASE
};

const GEMMA: Recipe = Recipe {
    name: "gemma",
    architecture: "gemma",
    model_type: "gemma",
    class: "GemmaForCausalLM",
    kv_heads: 1,
    head_size: 128,
    tied: true,
    norm_less_one: true,
    embedding_scale: 16.0,
    config: &[
        ("hidden_act", Number::Text("gelu_pytorch_tanh")),
        ("hidden_activation", Number::Text("gelu_pytorch_tanh")),
    ],
    ..BASE
};

const PHI3: Recipe = Recipe {
    name: "phi3",
    architecture: "phi3",
    model_type: "phi3",
    class: "Phi3ForCausalLM",
    kv_heads: 4,
    fused: true,
    config: &[
        ("partial_rotary_factor", Number::Float(1.0)),
        ("original_max_position_embeddings", Number::Whole(512)),
    ],
    ..BASE
};

const GRANITE: Recipe = Recipe {
    name: "granite",
    architecture: "granite",
    model_type: "granite",
    class: "GraniteForCausalLM",
    reordered: true,
    logits_scaling: 4.0,
    embedding_scale: 12.0,
    keys: &[
        ("logit_scale", Number::Float(4.0)),
        ("embedding_scale", Number::Float(12.0)),
        ("residual_scale", Number::Float(0.5)),
        ("attention.scale", Number::Float(0.0625)),
    ],
    config: &[
        ("logits_scaling", Number::Float(4.0)),
        ("embedding_multiplier", Number::Float(12.0)),
        ("residual_multiplier", Number::Float(0.5)),
        ("attention_multiplier", Number::Float(0.0625)),
        ("attention_bias", Number::Truth(false)),
    ],
    ..BASE
};

const OLMO2: Recipe = Recipe {
    name: "olmo2",
    architecture: "olmo2",
    model_type: "olmo2",
    class: "Olmo2ForCausalLM",
    norms: Norms::Behind,
    head_norm: HeadNorm::AllHeads,
    rope_base: 500_000.0,
    config: &[("attention_bias", Number::Truth(false))],
    ..BASE
};

const EXPERTS: Experts = Experts {
    count: 4,
    used: 2,
    size: 256,
    shared_size: 0,
    router: "mlp.gate",
    gate: "mlp.experts.@.gate_proj",
    up: "mlp.experts.@.up_proj",
    down: "mlp.experts.@.down_proj",
    count_key: "num_experts",
    shared_open: false,
};

const GRANITE_EXPERTS: Experts = Experts {
    router: "block_sparse_moe.router.layer",
    gate: "block_sparse_moe.input_linear",
    up: "block_sparse_moe.input_linear",
    down: "block_sparse_moe.output_linear",
    count_key: "num_local_experts",
    ..EXPERTS
};

const GRANITEMOE: Recipe = Recipe {
    name: "granitemoe",
    architecture: "granitemoe",
    model_type: "granitemoe",
    class: "GraniteMoeForCausalLM",
    experts: Some(GRANITE_EXPERTS),
    ..GRANITE
};

/// Every model.
pub const ALL: &[Recipe] = &[
    LLAMA,
    Recipe {
        name: "llama3",
        tied: true,
        rope_base: 500_000.0,
        rope_scaling: Scaling::Llama3 { factor: 8.0 },
        ..LLAMA
    },
    Recipe { name: "llama-linear", rope_scaling: Scaling::Linear { factor: 4.0 }, ..LLAMA },
    Recipe {
        name: "mistral",
        model_type: "mistral",
        class: "MistralForCausalLM",
        kv_heads: 1,
        head_size: 128,
        rope_base: 1_000_000.0,
        config: &[("sliding_window", Number::Whole(48))],
        ..LLAMA
    },
    Recipe {
        name: "mixtral",
        model_type: "mixtral",
        class: "MixtralForCausalLM",
        experts: Some(Experts {
            router: "block_sparse_moe.gate",
            gate: "block_sparse_moe.experts.@.w1",
            up: "block_sparse_moe.experts.@.w3",
            down: "block_sparse_moe.experts.@.w2",
            count_key: "num_local_experts",
            ..EXPERTS
        }),
        ..LLAMA
    },
    QWEN2,
    Recipe { name: "qwen2-yarn", tied: true, rope_scaling: Scaling::Yarn { factor: 4.0 }, ..QWEN2 },
    Recipe {
        name: "qwen2moe",
        architecture: "qwen2moe",
        model_type: "qwen2_moe",
        class: "Qwen2MoeForCausalLM",
        experts: Some(Experts { shared_size: 512, ..EXPERTS }),
        config: &[("norm_topk_prob", Number::Truth(false)), ("decoder_sparse_step", Number::Whole(1))],
        ..QWEN2
    },
    QWEN3,
    Recipe {
        name: "qwen3moe",
        architecture: "qwen3moe",
        model_type: "qwen3_moe",
        class: "Qwen3MoeForCausalLM",
        experts: Some(EXPERTS),
        config: &[
            ("norm_topk_prob", Number::Truth(true)),
            ("decoder_sparse_step", Number::Whole(1)),
            ("attention_bias", Number::Truth(false)),
        ],
        ..QWEN3
    },
    GEMMA,
    Recipe {
        name: "gemma2",
        architecture: "gemma2",
        model_type: "gemma2",
        class: "Gemma2ForCausalLM",
        norms: Norms::Around,
        window: Some(32),
        keys: &[
            ("attn_logit_softcapping", Number::Float(2.0)),
            ("final_logit_softcapping", Number::Float(15.0)),
        ],
        config: &[
            ("hidden_act", Number::Text("gelu_pytorch_tanh")),
            ("hidden_activation", Number::Text("gelu_pytorch_tanh")),
            ("attn_logit_softcapping", Number::Float(2.0)),
            ("final_logit_softcapping", Number::Float(15.0)),
            ("query_pre_attn_scalar", Number::Whole(128)),
        ],
        ..GEMMA
    },
    Recipe {
        name: "gemma3",
        architecture: "gemma3",
        model_type: "gemma3_text",
        class: "Gemma3ForCausalLM",
        layers: 7,
        head_size: 64,
        feed_forward: 256,
        norms: Norms::Around,
        head_norm: HeadNorm::PerHead,
        window: Some(32),
        rope_base: 1_000_000.0,
        rope_scaling: Scaling::Linear { factor: 8.0 },
        config: &[
            ("hidden_activation", Number::Text("gelu_pytorch_tanh")),
            ("query_pre_attn_scalar", Number::Whole(64)),
            ("rope_local_base_freq", Number::Float(10_000.0)),
            ("sliding_window_pattern", Number::Whole(6)),
        ],
        ..GEMMA
    },
    PHI3,
    Recipe {
        name: "phi3-long",
        rope_scaling: Scaling::Long,
        config: &[("original_max_position_embeddings", Number::Whole(ORIGINAL))],
        ..PHI3
    },
    Recipe {
        name: "phi4-mini",
        kv_heads: 2,
        tied: true,
        turned: 0.75,
        rope_scaling: Scaling::Long,
        config: &[
            ("partial_rotary_factor", Number::Float(0.75)),
            ("original_max_position_embeddings", Number::Whole(ORIGINAL)),
        ],
        ..PHI3
    },
    Recipe {
        name: "smollm3",
        architecture: "smollm3",
        model_type: "smollm3",
        class: "SmolLM3ForCausalLM",
        layers: 4,
        reordered: true,
        rope_base: 5_000_000.0,
        config: &[
            ("no_rope_layer_interval", Number::Whole(4)),
            ("no_rope_layers", Number::Whole4([1, 1, 1, 0])),
            ("use_sliding_window", Number::Truth(false)),
            ("attention_bias", Number::Truth(false)),
        ],
        ..BASE
    },
    GRANITE,
    GRANITEMOE,
    Recipe {
        name: "granitemoe-shared",
        model_type: "granitemoeshared",
        class: "GraniteMoeSharedForCausalLM",
        experts: Some(Experts { shared_size: 512, shared_open: true, ..GRANITE_EXPERTS }),
        ..GRANITEMOE
    },
    Recipe {
        name: "olmo",
        architecture: "olmo",
        model_type: "olmo",
        class: "OlmoForCausalLM",
        reordered: true,
        norms: Norms::Plain,
        keys: &[("attention.clamp_kqv", Number::Float(2.0))],
        config: &[("clip_qkv", Number::Float(2.0)), ("attention_bias", Number::Truth(false))],
        ..BASE
    },
    OLMO2,
    Recipe {
        name: "olmo3",
        model_type: "olmo3",
        class: "Olmo3ForCausalLM",
        layers: 4,
        window: Some(32),
        rope_scaling: Scaling::Yarn { factor: 8.0 },
        keys: &[("attention.sliding_window_pattern", Number::Truths(&[true, true, true, false]))],
        ..OLMO2
    },
    Recipe {
        name: "olmoe",
        architecture: "olmoe",
        model_type: "olmoe",
        class: "OlmoeForCausalLM",
        kv_heads: 4,
        head_norm: HeadNorm::AllHeads,
        experts: Some(EXPERTS),
        config: &[("norm_topk_prob", Number::Truth(false)), ("attention_bias", Number::Truth(false))],
        ..BASE
    },
];

/// Finds a model by its name.
pub fn find(name: &str) -> Option<&'static Recipe> {
    ALL.iter().find(|recipe| recipe.name == name)
}

const EPSILON: f32 = 1e-5;

/// Sets the keys of a GGUF file, but for the vocabulary's.
pub(super) fn keys(recipe: &Recipe, writer: Writer<'static>) -> Writer<'static> {
    let key = |name: &str| format!("{}.{name}", recipe.architecture);
    let inner = recipe.experts.as_ref().filter(|_| !recipe.architecture.starts_with("qwen"));
    let mut writer = writer
        .set("general.architecture", recipe.architecture)
        .set("general.name", "Synthetic")
        .set(key("context_length"), CONTEXT)
        .set(key("embedding_length"), recipe.width as u32)
        .set(key("block_count"), recipe.layers as u32)
        .set(key("feed_forward_length"), inner.map_or(recipe.feed_forward, |experts| experts.size) as u32)
        .set(key("attention.head_count"), recipe.heads as u32)
        .set(key("attention.head_count_kv"), recipe.kv_heads as u32)
        .set(key("attention.key_length"), recipe.head_size as u32)
        .set(key("attention.value_length"), recipe.head_size as u32)
        .set(key("rope.freq_base"), recipe.rope_base)
        .set(key("rope.dimension_count"), turned(recipe) as u32)
        .set(key("vocab_size"), TOKENS as u32);
    writer = match recipe.norms {
        Norms::Plain => writer.set(key("attention.layer_norm_epsilon"), EPSILON),
        _ => writer.set(key("attention.layer_norm_rms_epsilon"), EPSILON),
    };
    if let Some(experts) = &recipe.experts {
        writer = writer
            .set(key("expert_count"), experts.count as u32)
            .set(key("expert_used_count"), experts.used as u32);
        if recipe.architecture.starts_with("qwen") {
            writer = writer.set(key("expert_feed_forward_length"), experts.size as u32);
        }
        if experts.shared_size > 0 {
            writer = writer.set(key("expert_shared_feed_forward_length"), experts.shared_size as u32);
        }
    }
    if let Some(window) = recipe.window {
        writer = writer.set(key("attention.sliding_window"), window);
    }
    writer = match recipe.rope_scaling {
        // Llama 3's is a tensor.
        Scaling::None | Scaling::Llama3 { .. } => writer,
        Scaling::Linear { factor } => {
            writer.set(key("rope.scaling.type"), "linear").set(key("rope.scaling.factor"), factor)
        }
        Scaling::Yarn { factor } => writer
            .set(key("rope.scaling.type"), "yarn")
            .set(key("rope.scaling.factor"), factor)
            .set(key("rope.scaling.original_context_length"), ORIGINAL),
        Scaling::Long => writer
            .set(key("rope.scaling.attn_factor"), long_magnitude())
            .set(key("rope.scaling.original_context_length"), ORIGINAL),
    };
    recipe.keys.iter().fold(writer, |writer, (name, number)| match *number {
        Number::Whole(number) => writer.set(key(name), number),
        Number::Float(number) => writer.set(key(name), number),
        Number::Truth(truth) => writer.set(key(name), truth),
        Number::Text(text) => writer.set(key(name), text),
        Number::Whole4(numbers) => writer.set(key(name), numbers),
        Number::Truths(truths) => writer.set(key(name), truths.to_vec()),
    })
}

/// Returns the tensors that stretch positions, which only GGUF files have.
pub(super) fn factors(recipe: &Recipe) -> Vec<(&'static str, Vec<f32>)> {
    let pairs = turned(recipe) / 2;
    match recipe.rope_scaling {
        Scaling::Llama3 { factor } => {
            let step = |pair: usize| f64::from(recipe.rope_base).powf(-(pair as f64) / pairs as f64);
            let kept = |pair: usize| (f64::from(ORIGINAL) * step(pair) / std::f64::consts::TAU - 1.0) / 3.0;
            let factor = |pair: usize| {
                let kept = kept(pair).clamp(0.0, 1.0);
                1.0 / ((1.0 - kept) / f64::from(factor) + kept)
            };
            // To so many digits that all mathematical libraries agree on them.
            let rounded = |factor: f64| ((factor * 65_536.0).round() / 65_536.0) as f32;
            vec![("rope_freqs.weight", (0..pairs).map(|pair| rounded(factor(pair))).collect())]
        }
        Scaling::Long => vec![
            ("rope_factors_long.weight", long_factors(pairs)),
            ("rope_factors_short.weight", short_factors(pairs)),
        ],
        _ => Vec::new(),
    }
}

/// Returns the `config.json`.
pub(super) fn config(recipe: &Recipe) -> Json {
    let mut config = json!({
        "architectures": [recipe.class],
        "model_type": recipe.model_type,
        "hidden_size": recipe.width,
        "num_hidden_layers": recipe.layers,
        "num_attention_heads": recipe.heads,
        "num_key_value_heads": recipe.kv_heads,
        "intermediate_size": recipe.feed_forward,
        "max_position_embeddings": CONTEXT,
        "vocab_size": TOKENS,
        "rms_norm_eps": EPSILON,
        "rope_theta": recipe.rope_base,
        "rope_scaling": null,
        "tie_word_embeddings": recipe.tied,
        "hidden_act": "silu",
        "attention_dropout": 0.0,
        "bos_token_id": BOS,
        "eos_token_id": EOS,
        "pad_token_id": null,
    });
    if recipe.head_size * recipe.heads != recipe.width || recipe.norm_less_one {
        config["head_dim"] = json!(recipe.head_size);
    }
    if let Some(window) = recipe.window {
        config["sliding_window"] = json!(window);
    }
    if let Some(experts) = &recipe.experts {
        config[experts.count_key] = json!(experts.count);
        config["num_experts_per_tok"] = json!(experts.used);
        if recipe.architecture.starts_with("qwen") {
            config["moe_intermediate_size"] = json!(experts.size);
        } else {
            config["intermediate_size"] = json!(experts.size);
        }
        if experts.shared_size > 0 {
            let key = if experts.shared_open {
                "shared_intermediate_size"
            } else {
                "shared_expert_intermediate_size"
            };
            config[key] = json!(experts.shared_size);
        }
    }
    let pairs = turned(recipe) / 2;
    config["rope_scaling"] = match recipe.rope_scaling {
        Scaling::None => Json::Null,
        Scaling::Linear { factor } => json!({ "rope_type": "linear", "factor": factor }),
        Scaling::Yarn { factor } => {
            json!({ "rope_type": "yarn", "factor": factor, "original_max_position_embeddings": ORIGINAL })
        }
        Scaling::Llama3 { factor } => json!({
            "rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": ORIGINAL,
        }),
        Scaling::Long => json!({
            "type": "longrope", "long_factor": long_factors(pairs), "short_factor": short_factors(pairs),
        }),
    };
    for (name, number) in recipe.config {
        config[*name] = match *number {
            Number::Whole(number) => json!(number),
            Number::Float(number) => json!(number),
            Number::Truth(truth) => json!(truth),
            Number::Text(text) => json!(text),
            Number::Whole4(numbers) => json!(numbers),
            Number::Truths(truths) => json!(truths),
        };
    }
    config
}

/// Returns how many numbers of a head are turned.
fn turned(recipe: &Recipe) -> usize {
    (recipe.head_size as f64 * recipe.turned) as usize
}

fn long_factors(pairs: usize) -> Vec<f32> {
    (0..pairs).map(|pair| 1.0 + pair as f32 / 4.0).collect()
}

fn short_factors(pairs: usize) -> Vec<f32> {
    (0..pairs).map(|pair| 1.0 + pair as f32 / 64.0).collect()
}

/// Returns what turned numbers are multiplied with where the context is eight times the original one: √(1 + ln 8 / ln 64).
fn long_magnitude() -> f32 {
    1.224_744_9
}
