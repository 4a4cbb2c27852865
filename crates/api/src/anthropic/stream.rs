use athenaeum_inference::reply::Event;
use serde_json::{Value, json};

use super::object::{Message, Usage, stop};
use crate::{
    contract,
    dialect::Dialect,
    parameters::Warning,
    serving::{Answer, Call, Ended, Said},
    stream::{Frames, StreamFormat},
};

/// Writes an answer as Anthropic's events: the message begins, its blocks one after the other, the message ends.
pub(super) struct MessageStream {
    warnings: Vec<Warning>,
    block: Option<Kind>,
    /// Blocks so far.
    blocks: usize,
    failed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Thinking,
    Text,
    ToolUse,
}

impl MessageStream {
    pub(super) fn new(warnings: Vec<Warning>) -> Self {
        Self { warnings, block: None, blocks: 0, failed: false }
    }

    /// Opens a block, after the one before is closed.
    fn open(&mut self, kind: Kind, block: &Value, out: &mut Frames) {
        self.close_block(out);
        let start = json!({ "type": "content_block_start", "index": self.blocks, "content_block": block });
        out.push_named(Some("content_block_start"), &start);
        self.block = Some(kind);
    }

    fn close_block(&mut self, out: &mut Frames) {
        let Some(kind) = self.block.take() else { return };
        if kind == Kind::Thinking {
            self.delta(&json!({ "type": "signature_delta", "signature": "" }), out);
        }
        let stop = json!({ "type": "content_block_stop", "index": self.blocks });
        out.push_named(Some("content_block_stop"), &stop);
        self.blocks += 1;
    }

    fn delta(&self, delta: &Value, out: &mut Frames) {
        let event = json!({ "type": "content_block_delta", "index": self.blocks, "delta": delta });
        out.push_named(Some("content_block_delta"), &event);
    }

    fn hear(&mut self, event: Event, out: &mut Frames) {
        match event {
            Event::Text(text) | Event::Malformed { text, .. } => {
                if self.block != Some(Kind::Text) {
                    self.open(Kind::Text, &json!({ "type": "text", "text": "" }), out);
                }
                self.delta(&json!({ "type": "text_delta", "text": text }), out);
            }
            Event::Reasoning(text) => {
                if self.block != Some(Kind::Thinking) {
                    self.open(
                        Kind::Thinking,
                        &json!({ "type": "thinking", "thinking": "", "signature": "" }),
                        out,
                    );
                }
                self.delta(&json!({ "type": "thinking_delta", "thinking": text }), out);
            }
            Event::ToolCallStarted { id, name, .. } => {
                let Call { id, name, .. } = Call::new(id, &name);
                self.open(
                    Kind::ToolUse,
                    &json!({ "type": "tool_use", "id": id, "name": name, "input": {} }),
                    out,
                );
            }
            Event::ToolCallArguments { delta, .. } => {
                self.delta(&json!({ "type": "input_json_delta", "partial_json": delta }), out);
            }
            Event::ToolCallEnded { .. } => self.close_block(out),
            _ => {}
        }
    }

    fn ended(&mut self, answer: &Answer, mut ended: Ended, out: &mut Frames) {
        std::mem::take(&mut ended.events).into_iter().for_each(|event| self.hear(event, out));
        if let Err(problem) = ended.check() {
            self.failed = true;
            out.push_named(Some("error"), &Dialect::Anthropic.failure_object(&problem, None));
            return;
        }
        if self.blocks == 0 && self.block.is_none() {
            self.open(Kind::Text, &json!({ "type": "text", "text": "" }), out);
        }
        self.close_block(out);
        self.warnings.extend(contract::late(&ended));
        let (reason, sequence) = stop(&ended);
        let usage = Usage::new(answer.prompt_tokens, answer.cached_tokens, ended.end.generated_tokens);
        let mut last = json!({
            "type": "message_delta", "delta": { "stop_reason": reason, "stop_sequence": sequence }, "usage": usage,
        });
        if !self.warnings.is_empty() {
            last["warnings"] = json!(self.warnings);
        }
        out.push_named(Some("message_delta"), &last);
    }
}

impl StreamFormat for MessageStream {
    /// Nothing yet: how much of the prompt was in the cache stands in the first event.
    fn open(&mut self, _: &Answer, _: &mut Frames) {}

    fn write(&mut self, answer: &Answer, _: usize, said: Said, out: &mut Frames) {
        match said {
            Said::Progress { .. } => {}
            Said::Begun { .. } => {
                let start = json!({ "type": "message_start", "message": Message::begun(answer) });
                out.push_named(Some("message_start"), &start);
                out.push_named(Some("ping"), &json!({ "type": "ping" }));
            }
            Said::Token { events, .. } => events.into_iter().for_each(|event| self.hear(event, out)),
            Said::Ended(ended) => self.ended(answer, ended, out),
        }
    }

    fn close(&mut self, _: &Answer, out: &mut Frames) {
        if !self.failed {
            out.push_named(Some("message_stop"), &json!({ "type": "message_stop" }));
        }
    }
}
