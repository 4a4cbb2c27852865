//! What distinguishes the decoders of the field, as data. A new one is a row here and a row in the golden test.
//!
//! Whatever the files tell by themselves is not in the table: biases, norms of queries and keys, norms behind a part,
//! fused matrices, tied embeddings and experts are there when their tensors are.
//!
//! Sources: llama.cpp's `src/llama-model.cpp` and the `modeling_*.py` of transformers, per architecture.

/// How one family computes.
#[derive(Debug, PartialEq)]
pub struct Architecture {
    /// `general.architecture` in GGUF files.
    pub name: &'static str,
    /// `model_type` in `config.json`.
    pub model_types: &'static [&'static str],
    /// How activations are normalised.
    pub norm: Norm,
    /// Checkpoints of Hugging Face hold the norms' weights less one; GGUF files hold them whole.
    pub norm_less_one: bool,
    /// Whether there are norms before attention and feed-forward part.
    pub norm_before: bool,
    /// Which numbers of a head are turned together in GGUF files; in Hugging Face's they are always halves apart.
    pub pairs: Pairs,
    /// Every n-th layer knows no positions.
    pub unturned_every: Option<usize>,
    /// Which layers see no further back than the window.
    pub window: Window,
    /// What the gate of the feed-forward part goes through.
    pub gate: Gate,
    /// What embeddings are multiplied with.
    pub embedding_scale: EmbeddingScale,
    /// Whether the weights of the experts that were chosen add up to one.
    pub experts_normalised: bool,
    /// What transformers takes for granted where a `config.json` leaves it out.
    pub defaults: &'static [(&'static str, f64)],
}

/// How activations are normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// By the root of the mean square, times weights.
    Rms,
    /// By mean and deviation, without weights.
    Plain,
}

/// Which numbers of a head a rotation turns together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// The first with the second, the third with the fourth.
    Neighbours,
    /// The first of the first half with the first of the second half.
    Halves,
}

/// Which layers see no further back than the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// None; but for checkpoints that ask for it (`use_sliding_window`).
    Never,
    /// All, if checkpoints of Hugging Face say how far; llama.cpp does not look at it.
    AllInCheckpoints,
    /// All but every n-th, unless the files say which.
    AllButEvery(usize),
}

/// What the gate of the feed-forward part goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// x · σ(x).
    Silu,
    /// GELU, approximated by tanh.
    GeluTanh,
}

/// What embeddings are multiplied with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmbeddingScale {
    /// What the files say, or one.
    Given,
    /// The root of their width.
    RootOfWidth,
}

/// The most common choices; rows name what differs.
const COMMON: Architecture = Architecture {
    name: "",
    model_types: &[],
    norm: Norm::Rms,
    norm_less_one: false,
    norm_before: true,
    pairs: Pairs::Halves,
    unturned_every: None,
    window: Window::Never,
    gate: Gate::Silu,
    embedding_scale: EmbeddingScale::Given,
    experts_normalised: true,
    defaults: &[("rms_norm_eps", 1e-6)],
};

const QWEN3: &[(&str, f64)] = &[("rms_norm_eps", 1e-6), ("head_dim", 128.0)];

/// Every decoder that is computed.
pub const ALL: &[Architecture] = &[
    // Mistral, Mixtral and SmolLM are converted to `llama` as well.
    Architecture { name: "llama", model_types: &["llama"], pairs: Pairs::Neighbours, ..COMMON },
    Architecture {
        name: "mistral",
        model_types: &["mistral", "mixtral"],
        pairs: Pairs::Neighbours,
        window: Window::AllInCheckpoints,
        ..COMMON
    },
    Architecture { name: "qwen2", model_types: &["qwen2"], ..COMMON },
    Architecture { name: "qwen2moe", model_types: &["qwen2_moe"], experts_normalised: false, ..COMMON },
    Architecture { name: "qwen3", model_types: &["qwen3"], defaults: QWEN3, ..COMMON },
    Architecture { name: "qwen3moe", model_types: &["qwen3_moe"], defaults: QWEN3, ..COMMON },
    Architecture {
        name: "gemma",
        model_types: &["gemma"],
        defaults: &[("rms_norm_eps", 1e-6), ("head_dim", 256.0)],
        norm_less_one: true,
        gate: Gate::GeluTanh,
        embedding_scale: EmbeddingScale::RootOfWidth,
        ..COMMON
    },
    Architecture {
        name: "gemma2",
        model_types: &["gemma2"],
        norm_less_one: true,
        gate: Gate::GeluTanh,
        embedding_scale: EmbeddingScale::RootOfWidth,
        window: Window::AllButEvery(2),
        defaults: &[
            ("rms_norm_eps", 1e-6),
            ("num_attention_heads", 8.0),
            ("num_key_value_heads", 4.0),
            ("head_dim", 256.0),
            ("query_pre_attn_scalar", 256.0),
            ("sliding_window", 4096.0),
            ("attn_logit_softcapping", 50.0),
            ("final_logit_softcapping", 30.0),
        ],
        ..COMMON
    },
    Architecture {
        name: "gemma3",
        model_types: &["gemma3_text", "gemma3"],
        norm_less_one: true,
        gate: Gate::GeluTanh,
        embedding_scale: EmbeddingScale::RootOfWidth,
        window: Window::AllButEvery(6),
        defaults: &[
            ("rms_norm_eps", 1e-6),
            ("num_attention_heads", 8.0),
            ("num_key_value_heads", 4.0),
            ("head_dim", 256.0),
            ("query_pre_attn_scalar", 256.0),
            ("sliding_window", 4096.0),
            ("vocab_size", 262_208.0),
            ("max_position_embeddings", 131_072.0),
            ("rope_theta", 1_000_000.0),
        ],
        ..COMMON
    },
    Architecture {
        name: "phi3",
        model_types: &["phi3"],
        window: Window::AllInCheckpoints,
        defaults: &[("rms_norm_eps", 1e-5)],
        ..COMMON
    },
    Architecture {
        name: "smollm3",
        model_types: &["smollm3"],
        pairs: Pairs::Neighbours,
        unturned_every: Some(4),
        defaults: &[("rms_norm_eps", 1e-6), ("rope_theta", 2_000_000.0)],
        ..COMMON
    },
    Architecture { name: "granite", model_types: &["granite"], pairs: Pairs::Neighbours, ..COMMON },
    Architecture {
        name: "granitemoe",
        model_types: &["granitemoe", "granitemoeshared"],
        pairs: Pairs::Neighbours,
        ..COMMON
    },
    Architecture {
        name: "olmo",
        model_types: &["olmo"],
        norm: Norm::Plain,
        pairs: Pairs::Neighbours,
        ..COMMON
    },
    // OLMo 3 is converted to `olmo2` as well; only it has a window.
    Architecture {
        name: "olmo2",
        model_types: &["olmo2", "olmo3"],
        norm_before: false,
        window: Window::AllButEvery(4),
        defaults: &[("rms_norm_eps", 1e-5)],
        ..COMMON
    },
    Architecture {
        name: "olmoe",
        model_types: &["olmoe"],
        experts_normalised: false,
        defaults: &[("rms_norm_eps", 1e-5)],
        ..COMMON
    },
];

/// Finds the row of a GGUF file's `general.architecture`.
pub fn of_gguf(name: &str) -> Option<&'static Architecture> {
    ALL.iter().find(|architecture| architecture.name == name)
}

/// Finds the row of a `config.json`'s `model_type`.
pub fn of_model_type(model_type: &str) -> Option<&'static Architecture> {
    ALL.iter().find(|architecture| architecture.model_types.contains(&model_type))
}
