//! The lines of Ollama's `/api/chat` and `/api/generate`.

use serde_json::Value;

use super::{
    Fault, Out,
    calls::Calls,
    ending::{Ending, count},
    text_of,
};
use crate::Reason;

#[derive(Debug, Default)]
pub(super) struct Ollama {
    calls: Calls,
    ending: Ending,
}

impl Ollama {
    pub(super) fn piece(&mut self, piece: &Value, out: &mut Out) -> Result<(), Fault> {
        out.reasoning(text_of(piece, "thinking"));
        out.text(text_of(piece, "response"));
        if let Some(message) = piece.get("message") {
            out.reasoning(text_of(message, "thinking"));
            out.text(text_of(message, "content"));
            for call in message.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
                self.calls.whole(call, out)?;
            }
        }
        if piece.get("done") != Some(&Value::Bool(true)) {
            return Ok(());
        }
        match text_of(piece, "done_reason") {
            // Old ones do not say.
            "stop" | "" => self.ending.because(Reason::Ended, None),
            "length" => self.ending.because(Reason::Length, None),
            other => return Err(Fault::NotUnderstood(format!("it ended because of {other:?}"))),
        }
        self.ending.counts(count(piece, "prompt_eval_count"), None, count(piece, "eval_count"));
        self.calls.end(out)?;
        out.end(self.ending.end()?);
        Ok(())
    }
}
