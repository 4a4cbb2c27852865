//! What is known of each kind of projector: one row a kind.

use super::resize::{Filter, Fit};

/// A way of making a decoder's rows of what an encoder saw, and of putting pictures into its text.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// What files call it in `clip.projector_type`.
    pub name: &'static str,
    /// What comes after the encoder.
    pub joint: Joint,
    /// How a picture becomes a square.
    pub fit: Fit,
    /// How it gets the square's size.
    pub filter: Filter,
    /// What a template writes where a picture stands.
    pub marker: &'static str,
    /// What the model's text has before a picture's rows, in place of the marker.
    pub before: &'static str,
    /// What it has behind them.
    pub behind: &'static str,
    /// The token that the model was taught with in place of each row. Text around it is cut into tokens as if it stood there.
    pub slot: &'static str,
    /// Whether all rows of a picture see one another, as the tokens of a text do not.
    pub sees_itself: bool,
}

/// What comes between an encoder and a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    /// Two matrices with GELU between them, for each patch.
    TwoLayers,
    /// Patches that lie in one square become one longer row, and that goes through a matrix.
    Shuffle,
    /// Patches that lie in one square become their mean, and that is normalised and goes through a matrix.
    Average,
}

/// Every kind that is computed.
pub const ALL: &[Kind] = &[
    // LLaVA 1.5 (Liu et al. 2023): pictures are padded to a square in the colour of the mean, as in its own evaluation.
    Kind {
        name: "mlp",
        joint: Joint::TwoLayers,
        fit: Fit::Pad,
        filter: Filter::Cubic,
        marker: "<image>",
        before: "",
        behind: "",
        slot: "<image>",
        sees_itself: false,
    },
    // Idefics3 and SmolVLM; transformers' `processing_idefics3.py`, the case without tiles.
    Kind {
        name: "idefics3",
        joint: Joint::Shuffle,
        fit: Fit::Squeeze,
        filter: Filter::Lanczos,
        marker: "<image>",
        before: "<fake_token_around_image><global-img>",
        behind: "<fake_token_around_image>",
        slot: "<image>",
        sees_itself: false,
    },
    // Gemma 3; transformers' `processing_gemma3.py`, the case without crops.
    Kind {
        name: "gemma3",
        joint: Joint::Average,
        fit: Fit::Squeeze,
        filter: Filter::Linear,
        marker: "<start_of_image>",
        before: "\n\n<start_of_image>",
        behind: "<end_of_image>\n\n",
        slot: "<image_soft_token>",
        sees_itself: true,
    },
];

/// Finds a kind by its name in files.
pub fn find(name: &str) -> Option<&'static Kind> {
    ALL.iter().find(|kind| kind.name == name)
}
