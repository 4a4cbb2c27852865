//! Making a prompt that fits the context.

use athenaeum_inference::{local::LocalModel, template::Conversation};
use serde::Serialize;

use super::{Input, Truncation, ask::Prompt};
use crate::problem::Problem;

/// What was left out of a prompt that was too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Cut {
    /// Messages that were left out, the oldest first; system messages stay.
    pub(crate) messages: usize,
    /// Tokens that were left out.
    pub(crate) tokens: usize,
}

impl Cut {
    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self { messages: self.messages + other.messages, tokens: self.tokens + other.tokens }
    }
}

/// Tokens that are left for an answer when a prompt is cut and the request does not say how many it wants.
const ANSWER_TOKENS: usize = 512;

/// Makes the tokens that a model reads.
pub(super) fn prompt(
    model: &LocalModel,
    input: Input,
    truncation: Truncation,
    tokens_max: Option<usize>,
) -> Result<Prompt, Problem> {
    let context_tokens = model.engine().settings().context_tokens;
    let room = context_tokens - tokens_max.unwrap_or(ANSWER_TOKENS).clamp(1, context_tokens / 2);
    let tokens = match input {
        Input::Conversation(conversation) => return from_messages(model, *conversation, truncation, room),
        Input::Text(text) => model.completion_prompt(&text),
        Input::Tokens(tokens) => tokens,
    };
    let too_many = if tokens.len() >= context_tokens { tokens.len() - room } else { 0 };
    if too_many == 0 || truncation == Truncation::Refuse {
        return Ok(Prompt { tokens, changes: Vec::new(), reply: None, cut: None });
    }
    // What begins every text stays.
    let begins =
        usize::from(tokens.first().copied() == model.tokenizer().bos() && model.tokenizer().adds_bos());
    let kept: Vec<u32> = tokens[..begins].iter().chain(&tokens[begins + too_many..]).copied().collect();
    let cut = Some(Cut { messages: 0, tokens: too_many });
    Ok(Prompt { tokens: kept, changes: Vec::new(), reply: None, cut })
}

fn from_messages(
    model: &LocalModel,
    mut conversation: Conversation,
    truncation: Truncation,
    room: usize,
) -> Result<Prompt, Problem> {
    let context_tokens = model.engine().settings().context_tokens;
    let whole = model.chat_prompt(&conversation)?;
    let tokens = whole.tokens.len();
    let mut prompt =
        Prompt { tokens: whole.tokens, changes: whole.changes, reply: Some(whole.reply), cut: None };
    if tokens < context_tokens || truncation == Truncation::Refuse {
        return Ok(prompt);
    }
    let mut messages = 0;
    while prompt.tokens.len() > room {
        let oldest = conversation.messages.iter().position(|message| message.role() != "system");
        let last = conversation.messages.len().saturating_sub(1);
        // The last message is what there is to answer.
        let Some(oldest) = oldest.filter(|&oldest| oldest < last) else { break };
        // A result without the call that it answers means nothing to a template.
        let turns = conversation.messages[oldest + 1..last]
            .iter()
            .take_while(|message| message.role() == "tool")
            .count();
        conversation.messages.drain(oldest..=oldest + turns);
        messages += 1 + turns;
        let shorter = model.chat_prompt(&conversation)?;
        prompt = Prompt {
            tokens: shorter.tokens,
            changes: shorter.changes,
            reply: Some(shorter.reply),
            cut: None,
        };
    }
    prompt.cut = Some(Cut { messages, tokens: tokens.saturating_sub(prompt.tokens.len()) });
    Ok(prompt)
}
