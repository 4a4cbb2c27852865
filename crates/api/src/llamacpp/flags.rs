/// What llama.cpp's server is told when it is started, and requests to its addresses do not say.
#[derive(Debug, Clone, PartialEq)]
pub struct LlamaServer {
    /// Tokens of an answer at most where requests do not say.
    pub tokens_max: Option<usize>,
    /// How flat distributions are where requests do not say.
    pub temperature: Option<f32>,
    /// Where draws begin where requests do not say.
    pub seed: Option<u64>,
    /// Whether models may think where requests do not say: `false` ends thoughts before they begin.
    pub reasoning: Option<bool>,
    /// Shows every prompt in the answer's `__verbose`.
    pub verbose: bool,
    /// Whether `/slots` tells anything.
    pub slots: bool,
    /// What `/metrics` tells.
    pub metrics: Metrics,
    /// What `/models` says of every model.
    pub tags: Vec<String>,
}

/// What `/metrics` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Metrics {
    /// This server's series, and those that llama.cpp's has.
    #[default]
    All,
    /// Those alone that llama.cpp's has, as for programs that count lines.
    LlamaCpp,
    /// Nothing.
    Off,
}

impl Default for LlamaServer {
    fn default() -> Self {
        Self {
            tokens_max: None,
            temperature: None,
            seed: None,
            reasoning: None,
            verbose: false,
            slots: true,
            metrics: Metrics::All,
            tags: Vec::new(),
        }
    }
}
