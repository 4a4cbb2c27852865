//! How answers end, and what they took.

use serde_json::Value;

use super::Fault;
use crate::{End, Reason};

/// What is known of an end before it comes.
#[derive(Debug)]
pub(super) struct Ending {
    end: End,
    known: bool,
}

impl Default for Ending {
    fn default() -> Self {
        Self { end: End::new(Reason::Ended), known: false }
    }
}

impl Ending {
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    pub(super) fn because(&mut self, reason: Reason, stop: Option<&str>) {
        self.known = true;
        self.end.reason = reason;
        self.end.stop = stop.map(str::to_owned);
    }

    /// Reads why an answer ended, in the words of OpenAI and of those who write as it does.
    pub(super) fn finish_reason(&mut self, reason: &str, stop: Option<&str>) -> Result<(), Fault> {
        let reason = match reason {
            "stop" | "eos" | "eos_token" | "stop_sequence" | "end_turn" => Reason::Ended,
            "tool_calls" | "function_call" | "tool_use" => Reason::Ended,
            "length" | "max_tokens" | "model_length" => Reason::Length,
            "content_filter" | "safety" | "refusal" => Reason::Filtered,
            other => return Err(Fault::NotUnderstood(format!("it ended because of {other:?}"))),
        };
        self.because(reason, stop);
        Ok(())
    }

    /// Reads OpenAI's `usage`.
    pub(super) fn usage(&mut self, usage: &Value) {
        let detail = |of: &str, name: &str| count(usage.get(of)?, name);
        let end = &mut self.end;
        end.prompt_tokens = count(usage, "prompt_tokens").or(end.prompt_tokens);
        end.generated_tokens = count(usage, "completion_tokens").or(end.generated_tokens);
        end.cached_tokens = detail("prompt_tokens_details", "cached_tokens").or(end.cached_tokens);
        end.reasoning_tokens =
            detail("completion_tokens_details", "reasoning_tokens").or(end.reasoning_tokens);
    }

    pub(super) fn counts(&mut self, prompt: Option<usize>, cached: Option<usize>, generated: Option<usize>) {
        self.end.prompt_tokens = prompt;
        self.end.cached_tokens = cached;
        self.end.generated_tokens = generated;
    }

    pub(super) fn end(&self) -> Result<End, Fault> {
        if self.known { Ok(self.end.clone()) } else { Err(Fault::unfinished()) }
    }
}

/// Reads a count of tokens; anything else is none.
pub(super) fn count(object: &Value, name: &str) -> Option<usize> {
    object.get(name)?.as_u64()?.try_into().ok()
}
