//! What distinguishes the encoders of the field, as data. A new one is a row here and a row in the golden test.
//!
//! Whatever the files tell by themselves is not in the table: biases, gates of feed-forward parts, fused matrices,
//! kinds of text and classification heads are there when their tensors are.
//!
//! Sources: llama.cpp's `src/models/bert.cpp` and `modern-bert.cpp`, and the `modeling_*.py` of transformers.

use super::config::Activation;

/// How one family computes.
#[derive(Debug, PartialEq)]
pub struct Architecture {
    /// `general.architecture` in GGUF files; several families are converted to `bert`.
    pub name: &'static str,
    /// `model_type` in `config.json`.
    pub model_types: &'static [&'static str],
    /// Where layers normalise.
    pub norms: Norms,
    /// How a token knows where it stands.
    pub positions: Positions,
    /// Checkpoints of Hugging Face count positions from behind the padding token's number; GGUF files from 0.
    pub positions_behind_padding: bool,
    /// What feed-forward parts go through, where files do not say.
    pub activation: Activation,
    /// Of a gate and what it lets through in one matrix, the gate is the first.
    pub gate_first: bool,
    /// Between the classification head's two matrices.
    pub head_activation: Activation,
    /// Classification heads average all tokens, where files do not say; otherwise they look at the first.
    pub head_averages: HeadAverages,
}

/// Where layers normalise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norms {
    /// What a part gave, added to what went into it.
    Behind,
    /// What goes into a part; and the last layer's result.
    Before,
}

/// How a token knows where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Positions {
    /// A vector for each position is added to the token's.
    Learned,
    /// Heads are turned, by this base where files do not say.
    Rotary {
        /// See [`crate::decoder::Rope::base`].
        base: f64,
        /// The base in layers with a window.
        base_in_window: f64,
    },
    /// Far tokens count less, evenly. Press et al., "Train short, test long" (2021).
    Slopes,
    /// Learned vectors, and far tokens count as learned for ranges of distances. Raffel et al., "T5" (2019).
    LearnedAndRanges,
}

/// Whether classification heads look at all tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadAverages {
    /// No.
    Never,
    /// In GGUF files that do not say, as llama.cpp reads them; not in checkpoints that do not say.
    InGguf,
}

/// The most common choices; rows name what differs.
const COMMON: Architecture = Architecture {
    name: "bert",
    model_types: &[],
    norms: Norms::Behind,
    positions: Positions::Learned,
    positions_behind_padding: false,
    activation: Activation::Gelu,
    gate_first: true,
    head_activation: Activation::Tanh,
    head_averages: HeadAverages::Never,
};

/// Every encoder that is computed.
pub const ALL: &[Architecture] = &[
    Architecture { model_types: &["bert"], ..COMMON },
    Architecture {
        model_types: &["roberta", "xlm-roberta", "camembert"],
        positions_behind_padding: true,
        ..COMMON
    },
    Architecture { model_types: &["distilbert"], head_activation: Activation::Relu, ..COMMON },
    Architecture {
        name: "mpnet",
        model_types: &["mpnet"],
        positions: Positions::LearnedAndRanges,
        positions_behind_padding: true,
        ..COMMON
    },
    Architecture {
        name: "nomic-bert",
        model_types: &["nomic_bert"],
        positions: Positions::Rotary { base: 1000.0, base_in_window: 1000.0 },
        activation: Activation::Silu,
        ..COMMON
    },
    Architecture {
        name: "gte",
        model_types: &["gte", "new"],
        positions: Positions::Rotary { base: 160_000.0, base_in_window: 160_000.0 },
        gate_first: false,
        ..COMMON
    },
    Architecture { name: "jina-bert-v2", positions: Positions::Slopes, ..COMMON },
    Architecture {
        name: "modern-bert",
        model_types: &["modernbert"],
        norms: Norms::Before,
        positions: Positions::Rotary { base: 160_000.0, base_in_window: 10_000.0 },
        head_activation: Activation::Gelu,
        head_averages: HeadAverages::InGguf,
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
