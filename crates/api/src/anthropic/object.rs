use athenaeum_inference::engine::Reason;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    parameters::Warning,
    serving::{Answer, Call, Ended, Whole},
};

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = anthropic::Message)]
pub(crate) struct Message {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) role: &'static str,
    pub(super) model: String,
    pub(super) content: Vec<Block>,
    /// `end_turn`, `max_tokens`, `stop_sequence` or `tool_use`; `null` while it is being given.
    pub(super) stop_reason: Option<&'static str>,
    pub(super) stop_sequence: Option<String>,
    pub(super) usage: Usage,
    /// What of the request was not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<Warning>,
}

/// A part of an answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = anthropic::Block)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Block {
    /// What the model said to itself.
    Thinking { thinking: String, signature: String },
    /// What it said to whoever asked.
    Text { text: String },
    /// A tool that it calls.
    ToolUse { id: String, name: String, input: Value },
}

/// Tokens that an answer took.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[schema(as = anthropic::Usage)]
pub(crate) struct Usage {
    /// Tokens of the prompt that had to be read.
    pub(super) input_tokens: usize,
    /// Always 0: what is kept for later is not counted apart.
    pub(super) cache_creation_input_tokens: usize,
    /// Tokens of the prompt that were in the cache.
    pub(super) cache_read_input_tokens: usize,
    pub(super) output_tokens: usize,
}

/// How many tokens a request's prompt has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = anthropic::Count)]
pub(crate) struct Count {
    pub(super) input_tokens: usize,
}

impl Message {
    pub(super) fn new(answer: &Answer, whole: Whole, warnings: Vec<Warning>) -> Self {
        let choice = whole.choices.into_iter().next().unwrap_or_default();
        let mut content = Vec::new();
        if !choice.reasoning.is_empty() {
            content.push(Block::Thinking { thinking: choice.reasoning, signature: String::new() });
        }
        if !choice.text.is_empty() || choice.calls.is_empty() {
            content.push(Block::Text { text: choice.text });
        }
        content.extend(choice.calls.into_iter().map(|Call { id, name, arguments }| {
            // The reader of replies tells only of calls whose arguments are sound.
            let input = serde_json::from_str(&arguments).unwrap_or(Value::String(arguments));
            Block::ToolUse { id, name, input }
        }));
        let (stop_reason, stop_sequence) = choice.ended.as_ref().map_or((None, None), stop);
        let generated = choice.ended.map_or(0, |ended| ended.end.generated_tokens);
        let usage = Usage::new(answer.prompt_tokens, answer.cached_tokens, generated);
        Self { content, stop_reason, stop_sequence, usage, warnings, ..Self::begun(answer) }
    }

    /// An answer of which nothing has been said yet.
    pub(super) fn begun(answer: &Answer) -> Self {
        Self {
            id: format!("msg_{}", uuid::Uuid::new_v4().simple()),
            kind: "message",
            role: "assistant",
            model: answer.model.name().to_owned(),
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            usage: Usage::new(answer.prompt_tokens, answer.cached_tokens, 0),
            warnings: Vec::new(),
        }
    }
}

impl Usage {
    pub(super) fn new(prompt: usize, cached: usize, generated: usize) -> Self {
        Self {
            input_tokens: prompt.saturating_sub(cached),
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: cached,
            output_tokens: generated,
        }
    }
}

/// Why an answer ended, in Anthropic's words, and the stop sequence that ended it.
pub(super) fn stop(ended: &Ended) -> (Option<&'static str>, Option<String>) {
    match &ended.end.reason {
        _ if ended.called => (Some("tool_use"), None),
        Reason::Stop(stop) => (Some("stop_sequence"), Some(stop.clone())),
        Reason::Length | Reason::Deadline => (Some("max_tokens"), None),
        _ => (Some("end_turn"), None),
    }
}
