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
    /// None, whatever the files say.
    Never,
    /// All, if checkpoints of Hugging Face say how far; llama.cpp does not look at it.
    AllInCheckpoints,
    /// All but every n-th.
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
};

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
    Architecture { name: "qwen3", model_types: &["qwen3"], ..COMMON },
    Architecture { name: "qwen3moe", model_types: &["qwen3_moe"], ..COMMON },
    Architecture {
        name: "gemma",
        model_types: &["gemma"],
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
        ..COMMON
    },
    Architecture {
        name: "gemma3",
        model_types: &["gemma3_text", "gemma3"],
        norm_less_one: true,
        gate: Gate::GeluTanh,
        embedding_scale: EmbeddingScale::RootOfWidth,
        window: Window::AllButEvery(6),
        ..COMMON
    },
    Architecture { name: "phi3", model_types: &["phi3"], window: Window::AllInCheckpoints, ..COMMON },
    Architecture {
        name: "smollm3",
        model_types: &["smollm3"],
        pairs: Pairs::Neighbours,
        unturned_every: Some(4),
        ..COMMON
    },
    Architecture { name: "granite", model_types: &["granite"], pairs: Pairs::Neighbours, ..COMMON },
    Architecture { name: "granitemoe", model_types: &["granitemoe"], pairs: Pairs::Neighbours, ..COMMON },
    Architecture {
        name: "olmo",
        model_types: &["olmo"],
        norm: Norm::Plain,
        pairs: Pairs::Neighbours,
        ..COMMON
    },
    Architecture { name: "olmo2", model_types: &["olmo2"], norm_before: false, ..COMMON },
    Architecture { name: "olmoe", model_types: &["olmoe"], experts_normalised: false, ..COMMON },
];

/// Finds the row of a GGUF file's `general.architecture`.
pub fn of_gguf(name: &str) -> Option<&'static Architecture> {
    ALL.iter().find(|architecture| architecture.name == name)
}

/// Finds the row of a `config.json`'s `model_type`.
pub fn of_model_type(model_type: &str) -> Option<&'static Architecture> {
    ALL.iter().find(|architecture| architecture.model_types.contains(&model_type))
}

impl Window {
    /// Says whether a layer's view is limited, where the files name a window.
    pub fn limits(self, layer: usize, in_checkpoint: bool) -> bool {
        match self {
            Self::Never => false,
            Self::AllInCheckpoints => in_checkpoint,
            Self::AllButEvery(count) => layer % count < count - 1,
        }
    }
}
