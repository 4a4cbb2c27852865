//! Making a prompt that fits the context.

use athenaeum_inference::{local::LocalModel, template::Conversation};
use serde::Serialize;

use super::{Input, Limits, Truncation, ask::Prompt, calling::Conversing};
use crate::problem::Problem;

/// What there is room for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Tokens of prompt and answer together.
    pub(super) context_tokens: usize,
    /// Tokens of the answer, where the request says so.
    pub(super) tokens_max: Option<usize>,
    /// What is done with a prompt that does not fit.
    pub(super) truncation: Truncation,
    /// How much of pictures is taken.
    pub(super) pictures: Limits,
}

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

impl Room {
    /// Makes the tokens that a model reads: those `before`, and those of the input.
    pub(super) fn prompt(self, model: &LocalModel, input: Input, before: &[u32]) -> Result<Prompt, Problem> {
        let mut prompt = match input {
            // What an earlier answer left is cut by tokens, as a text is.
            Input::Conversation(talk) if before.is_empty() => {
                return self.messages(model, talk.read(model, self.pictures)?);
            }
            Input::Conversation(talk) => whole(model, &talk.read(model, self.pictures)?)?,
            Input::Text(text) => Prompt::of(model.completion_prompt(&text)),
            Input::Tokens(tokens) => Prompt::of(tokens),
        };
        if !before.is_empty() {
            let begins = begins(model, &prompt.tokens);
            prompt.tokens = before.iter().copied().chain(prompt.tokens.drain(begins..)).collect();
            prompt.seats.iter_mut().for_each(|seat| seat.at = seat.at + before.len() - begins);
        }
        let tokens = &prompt.tokens;
        let too_many = if tokens.len() >= self.context_tokens { tokens.len() - self.for_prompt() } else { 0 };
        if too_many > 0 && self.truncation == Truncation::Oldest {
            // What begins every text stays.
            let begins = begins(model, tokens);
            // A picture goes whole.
            let end = begins + too_many;
            let within = prompt.seats.iter().find(|seat| seat.at < end && end < seat.at + seat.count);
            let end = within.map_or(end, |seat| seat.at + seat.count);
            let rest = tokens.get(end..).unwrap_or_default();
            prompt.tokens = tokens[..begins].iter().chain(rest).copied().collect();
            prompt.seats.retain(|seat| seat.at >= end);
            prompt.seats.iter_mut().for_each(|seat| seat.at -= end - begins);
            prompt.cut = Some(Cut { messages: 0, tokens: end - begins });
        }
        Ok(prompt)
    }

    /// Says how many tokens an answer can have.
    ///
    /// # Errors
    ///
    /// If the prompt leaves none.
    pub(super) fn left(self, prompt_tokens: usize) -> Result<usize, Problem> {
        let left = self.context_tokens.saturating_sub(prompt_tokens);
        if left > 0 {
            return Ok(left);
        }
        let context_tokens = self.context_tokens;
        let detail = format!(
            "The prompt has {prompt_tokens} tokens, and the request asks for a context of {context_tokens}; shorten the \
             one, or enlarge the other."
        );
        Err(Problem::context_length(prompt_tokens, context_tokens, detail))
    }

    fn messages(self, model: &LocalModel, mut conversation: Conversation) -> Result<Prompt, Problem> {
        let mut prompt = whole(model, &conversation)?;
        let tokens = prompt.tokens.len();
        if tokens < self.context_tokens || self.truncation == Truncation::Refuse {
            return Ok(prompt);
        }
        let mut messages = 0;
        while prompt.tokens.len() > self.for_prompt() {
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
            prompt = whole(model, &conversation)?;
        }
        prompt.cut = Some(Cut { messages, tokens: tokens.saturating_sub(prompt.tokens.len()) });
        Ok(prompt)
    }

    /// Tokens that a prompt may have that is cut.
    fn for_prompt(self) -> usize {
        let least = (self.context_tokens / 2).max(1);
        self.context_tokens - self.tokens_max.unwrap_or(ANSWER_TOKENS).clamp(1, least)
    }
}

fn whole(model: &LocalModel, conversation: &Conversation) -> Result<Prompt, Problem> {
    let whole = model.chat_prompt(conversation)?;
    let conversing = Conversing { format: whole.format, lead: whole.lead, tools: conversation.tools.clone() };
    Ok(Prompt {
        seats: whole.pictures,
        changes: whole.changes,
        reply: Some(whole.reply),
        conversing: Some(conversing),
        ..Prompt::of(whole.tokens)
    })
}

/// Tokens that every text of the model begins with.
fn begins(model: &LocalModel, tokens: &[u32]) -> usize {
    let bos = model.tokenizer().bos().filter(|_| model.tokenizer().adds_bos());
    usize::from(bos.is_some() && tokens.first().copied() == bos)
}
