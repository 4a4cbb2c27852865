//! OpenAI's pieces: of conversations (`delta`) and of texts (`text`).

use serde_json::Value;

use super::{Fault, Out, calls::Calls, ending::Ending, text_of};

#[derive(Debug, Default)]
pub(super) struct Chat {
    calls: Calls,
    ending: Ending,
}

impl Chat {
    pub(super) fn piece(&mut self, piece: &Value, out: &mut Out) -> Result<(), Fault> {
        if let Some(usage) = piece.get("usage") {
            self.ending.usage(usage);
        }
        let choices = piece.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for choice in choices {
            // One answer was asked for.
            if choice.get("index").and_then(Value::as_u64).unwrap_or(0) == 0 {
                self.choice(choice, out)?;
            }
        }
        Ok(())
    }

    pub(super) fn end(&mut self, out: &mut Out) -> Result<(), Fault> {
        let end = self.ending.end()?;
        self.calls.end(out)?;
        out.end(end);
        Ok(())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.ending.is_known()
    }

    fn choice(&mut self, choice: &Value, out: &mut Out) -> Result<(), Fault> {
        out.text(text_of(choice, "text"));
        // An answer that comes whole has a message in its place.
        let delta = choice.get("delta").or(choice.get("message")).unwrap_or(&Value::Null);
        // Both names are in use, and some engines send both.
        let thought = ["reasoning_content", "reasoning"].iter().map(|name| text_of(delta, name));
        out.reasoning(thought.into_iter().find(|text| !text.is_empty()).unwrap_or_default());
        said(delta.get("content").unwrap_or(&Value::Null), out)?;
        out.text(text_of(delta, "refusal"));
        for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            self.calls.piece(call, out)?;
        }
        match text_of(choice, "finish_reason") {
            "" => Ok(()),
            // So vLLM and some gateways end what they could not go on with.
            reason @ ("abort" | "error" | "insufficient_system_resource") => {
                Err(Fault::Failed { status: 500, said: format!("it ended because of {reason:?}").into() })
            }
            reason => self.ending.finish_reason(reason, choice.get("stop_reason").and_then(Value::as_str)),
        }
    }
}

/// Text, or parts of it, as Mistral's models that think send them.
fn said(content: &Value, out: &mut Out) -> Result<(), Fault> {
    match content {
        Value::Null => {}
        Value::String(text) => out.text(text),
        Value::Array(parts) => {
            for part in parts {
                out.text(text_of(part, "text"));
                for thought in part.get("thinking").and_then(Value::as_array).into_iter().flatten() {
                    out.reasoning(text_of(thought, "text"));
                }
            }
        }
        _ => return Err(Fault::NotUnderstood("what it says is neither text nor parts".to_owned())),
    }
    Ok(())
}
