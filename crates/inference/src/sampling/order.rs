//! The steps that a request may put in order.

/// One step between the logits and the draw. `logit_bias` and suppressed ends come before all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// `repeat_penalty`, `frequency_penalty`, `presence_penalty`.
    Penalties,
    /// `dry_*`.
    Dry,
    /// `top_n_sigma`.
    TopNSigma,
    /// `top_k`.
    TopK,
    /// `typical_p`.
    TypicalP,
    /// `top_p`.
    TopP,
    /// `min_p`.
    MinP,
    /// `xtc_*`.
    Xtc,
    /// `temperature` and `dynamic_temperature_*`.
    Temperature,
}

impl Step {
    /// llama.cpp's order.
    pub const DEFAULT_ORDER: [Self; 9] = [
        Self::Penalties,
        Self::Dry,
        Self::TopNSigma,
        Self::TopK,
        Self::TypicalP,
        Self::TopP,
        Self::MinP,
        Self::Xtc,
        Self::Temperature,
    ];

    /// The name llama.cpp gives it in `samplers`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Penalties => "penalties",
            Self::Dry => "dry",
            Self::TopNSigma => "top_n_sigma",
            Self::TopK => "top_k",
            Self::TypicalP => "typ_p",
            Self::TopP => "top_p",
            Self::MinP => "min_p",
            Self::Xtc => "xtc",
            Self::Temperature => "temperature",
        }
    }

    /// The step of a [`name`](Self::name), or of another that it goes by.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "typical_p" => Some(Self::TypicalP),
            "temp" => Some(Self::Temperature),
            _ => Self::DEFAULT_ORDER.into_iter().find(|step| step.name() == name),
        }
    }
}
