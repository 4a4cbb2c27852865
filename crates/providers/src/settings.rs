use std::time::Duration;

use athenaeum_outbound::{Proxy, Token};

/// A model on another engine, and how it is asked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What it is called here.
    pub name: String,
    /// Where the engine answers: `http://127.0.0.1:8000`, with or without the `/v1` or `/api` that its wire begins with. A
    /// path that names another version (`/paas/v4`, `/v1beta/openai`) is taken as it is.
    pub url: String,
    /// What the engine speaks.
    pub wire: Wire,
    /// What the engine calls the model.
    pub model: String,
    /// What says to the engine who asks.
    pub key: Option<Token>,
    /// Tokens of prompt and answer together, where that is known.
    pub context_tokens: Option<usize>,
    /// Whether it takes pictures: for lists of models. Pictures are sent all the same.
    pub vision: bool,
    /// How long connecting may take.
    pub connect: Duration,
    /// How long the engine may say nothing: before it answers, and between two pieces of an answer.
    pub silence: Duration,
    /// How often a request is sent at most, until an engine takes it. At least 1.
    pub attempts: u32,
    /// How long to wait before the second attempt; twice as long before each further one, at most 10 s. An engine that says
    /// how long it wants to be left alone is left alone so long, at most 30 s.
    pub retry_wait: Duration,
    /// What connections to other machines go through.
    pub proxy: Option<Proxy>,
}

/// What an engine speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// OpenAI's API and no more than that: vendors, gateways.
    OpenAi,
    /// The same with vLLM's further parameters.
    Vllm,
    /// llama.cpp's server: OpenAI's conversations with its own parameters, and `/completion` for texts.
    LlamaCpp,
    /// Ollama's own, under `/api`.
    Ollama,
}

impl Settings {
    /// A model with everything else as usual: 5 s to connect, 120 s of silence, 3 attempts, the second after 250 ms.
    #[must_use]
    pub fn new(name: &str, url: &str, wire: Wire) -> Self {
        Self {
            name: name.to_owned(),
            url: url.to_owned(),
            wire,
            model: name.to_owned(),
            key: None,
            context_tokens: None,
            vision: false,
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(120),
            attempts: 3,
            retry_wait: Duration::from_millis(250),
            proxy: None,
        }
    }
}

impl Wire {
    /// Returns what settings call it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Vllm => "vllm",
            Self::LlamaCpp => "llama.cpp",
            Self::Ollama => "ollama",
        }
    }
}
