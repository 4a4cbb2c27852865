use serde::Serialize;
use utoipa::ToSchema;

/// Tokens that an answer took.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[schema(as = openai::Usage)]
pub(crate) struct Usage {
    /// Tokens of the prompt.
    pub(crate) prompt_tokens: usize,
    /// Tokens of all answers, those that end them included.
    pub(crate) completion_tokens: usize,
    /// Both together.
    pub(crate) total_tokens: usize,
    pub(crate) prompt_tokens_details: PromptDetails,
    pub(crate) completion_tokens_details: CompletionDetails,
}

/// Of the prompt's tokens.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[schema(as = openai::PromptDetails)]
pub(crate) struct PromptDetails {
    /// Those whose keys and values were in the cache.
    pub(crate) cached_tokens: usize,
}

/// Of the answers' tokens.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[schema(as = openai::CompletionDetails)]
pub(crate) struct CompletionDetails {
    /// Those that the model said to itself.
    pub(crate) reasoning_tokens: usize,
}

impl Usage {
    /// Counts.
    pub(crate) fn new(prompt: usize, cached: usize, generated: usize, reasoning: usize) -> Self {
        Self {
            prompt_tokens: prompt,
            completion_tokens: generated,
            total_tokens: prompt + generated,
            prompt_tokens_details: PromptDetails { cached_tokens: cached },
            completion_tokens_details: CompletionDetails { reasoning_tokens: reasoning },
        }
    }
}
