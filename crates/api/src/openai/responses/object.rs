//! The response as it grows, and the events that tell of it.

use athenaeum_inference::{engine::Reason, reply::Event};
use serde_json::{Value, json};

use super::input::id;
use crate::{
    clock,
    openai::chat::TokenLogProb,
    parameters::{Read, Warning},
    problem::Problem,
    serving::{Answer, Call, Ended, Writer},
};

/// A response that is being made.
pub(super) struct Growing {
    /// The object, but for its output.
    response: Value,
    output: Vec<Value>,
    open: Option<Open>,
    sequence: u64,
}

/// The item that is being written.
struct Open {
    item: Value,
    kind: Kind,
    text: String,
    logprobs: Vec<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reasoning,
    Message,
    Call,
}

/// Events that are ready to be sent.
pub(super) type Events = Vec<Value>;

impl Growing {
    /// Begins the response to a request.
    pub(super) fn new(read: &Read, model: &str, warnings: &[Warning]) -> Self {
        let or = |name: &str, usual: Value| read.value(name).cloned().unwrap_or(usual);
        let mut response = json!({
            "id": id("resp"), "object": "response", "created_at": clock::seconds(), "status": "in_progress",
            "background": or("background", false.into()), "completed_at": null, "error": null,
            "incomplete_details": null, "instructions": or("instructions", Value::Null),
            "max_output_tokens": or("max_output_tokens", Value::Null), "max_tool_calls": null, "model": model,
            "output": [], "parallel_tool_calls": or("parallel_tool_calls", true.into()),
            "previous_response_id": or("previous_response_id", Value::Null),
            "reasoning": { "effort": read.object("reasoning").value("effort"), "summary": null },
            "service_tier": "default", "store": or("store", true.into()),
            "temperature": or("temperature", 0.8.into()),
            "text": { "format": read.object("text").value("format").cloned().unwrap_or_else(|| json!({ "type": "text" })) },
            "tool_choice": or("tool_choice", "auto".into()), "tools": or("tools", json!([])),
            "top_logprobs": or("top_logprobs", 0.into()), "top_p": or("top_p", 0.95.into()),
            "truncation": or("truncation", "disabled".into()), "usage": null, "user": or("user", Value::Null),
            "metadata": or("metadata", json!({})),
        });
        if !warnings.is_empty() {
            response["warnings"] = json!(warnings);
        }
        Self { response, output: Vec::new(), open: None, sequence: 0 }
    }

    pub(super) fn id(&self) -> &str {
        self.response["id"].as_str().unwrap_or_default()
    }

    /// The whole object as it is now.
    pub(super) fn object(&self) -> Value {
        let mut response = self.response.clone();
        response["output"] = self.output.clone().into();
        response
    }

    /// The response begins.
    pub(super) fn begin(&mut self, out: &mut Events) {
        for kind in ["response.created", "response.in_progress"] {
            let event = json!({ "type": kind, "response": self.object() });
            self.push(event, out);
        }
    }

    /// The model did something; `logprobs` are those of the tokens since the last text.
    pub(super) fn hear(&mut self, event: Event, logprobs: &mut Vec<Value>, out: &mut Events) {
        match event {
            Event::Text(text) | Event::Malformed { text, .. } => {
                self.open(Kind::Message, || json!({ "role": "assistant", "content": [] }), out);
                let logprobs = std::mem::take(logprobs);
                self.delta("response.output_text.delta", &text, Some(&logprobs), out);
                if let Some(open) = &mut self.open {
                    open.logprobs.extend(logprobs);
                }
            }
            Event::Reasoning(text) => {
                self.open(Kind::Reasoning, || json!({ "summary": [], "content": [] }), out);
                logprobs.clear();
                self.delta("response.reasoning_text.delta", &text, None, out);
            }
            Event::ToolCallStarted { id, name, .. } => {
                self.close(out);
                let Call { id, name, .. } = Call::new(id, &name);
                self.open(Kind::Call, || json!({ "call_id": id, "name": name, "arguments": "" }), out);
            }
            Event::ToolCallArguments { delta, .. } => {
                logprobs.clear();
                self.delta("response.function_call_arguments.delta", &delta, None, out);
            }
            Event::ToolCallEnded { .. } => self.close(out),
            _ => {}
        }
    }

    /// The answer is over.
    pub(super) fn end(&mut self, answer: &Answer, ended: &Ended) {
        let incomplete = match &ended.end.reason {
            Reason::Length | Reason::Deadline => Some("max_output_tokens"),
            _ => None,
        };
        let generated = ended.end.generated_tokens;
        self.response["usage"] = json!({
            "input_tokens": answer.prompt_tokens,
            "input_tokens_details": { "cached_tokens": answer.cached_tokens },
            "output_tokens": generated,
            "output_tokens_details": { "reasoning_tokens": ended.reasoning_tokens },
            "total_tokens": answer.prompt_tokens + generated,
        });
        match incomplete {
            Some(reason) => {
                self.response["incomplete_details"] = json!({ "reason": reason });
                self.response["status"] = "incomplete".into();
            }
            None => {
                self.response["completed_at"] = clock::seconds().into();
                self.response["status"] = "completed".into();
            }
        }
    }

    /// It broke off.
    pub(super) fn fail(&mut self, problem: &Problem) {
        self.response["status"] = "failed".into();
        self.response["error"] = json!({ "code": "server_error", "message": problem.detail() });
    }

    /// It was called off.
    pub(super) fn cancel(&mut self) {
        self.response["status"] = "cancelled".into();
    }

    /// The last event.
    pub(super) fn finish(&mut self, out: &mut Events) {
        let kind = match self.response["status"].as_str() {
            Some("failed") => "response.failed",
            Some("incomplete" | "cancelled") => "response.incomplete",
            _ => "response.completed",
        };
        let event = json!({ "type": kind, "response": self.object() });
        self.push(event, out);
    }

    fn open(&mut self, kind: Kind, fields: impl FnOnce() -> Value, out: &mut Events) {
        if self.open.as_ref().is_some_and(|open| open.kind == kind && kind != Kind::Call) {
            return;
        }
        self.close(out);
        let (name, mark) = match kind {
            Kind::Reasoning => ("reasoning", "rs"),
            Kind::Message => ("message", "msg"),
            Kind::Call => ("function_call", "fc"),
        };
        let mut item = json!({ "type": name, "id": id(mark), "status": "in_progress" });
        if let (Some(item), Value::Object(fields)) = (item.as_object_mut(), fields()) {
            item.extend(fields);
        }
        let at = self.output.len();
        self.push(json!({ "type": "response.output_item.added", "output_index": at, "item": item }), out);
        if let Some(part) = part(kind, "", &[]) {
            let event = json!({
                "type": "response.content_part.added", "item_id": item["id"], "output_index": at,
                "content_index": 0, "part": part,
            });
            self.push(event, out);
        }
        self.open = Some(Open { item, kind, text: String::new(), logprobs: Vec::new() });
    }

    fn delta(&mut self, kind: &str, delta: &str, logprobs: Option<&[Value]>, out: &mut Events) {
        let at = self.output.len();
        let Some(open) = &mut self.open else { return };
        open.text.push_str(delta);
        let mut event =
            json!({ "type": kind, "item_id": open.item["id"], "output_index": at, "delta": delta });
        if open.kind != Kind::Call {
            event["content_index"] = 0.into();
        }
        if let Some(logprobs) = logprobs {
            event["logprobs"] = logprobs.into();
        }
        self.push(event, out);
    }

    /// Ends the item that is being written.
    pub(super) fn close(&mut self, out: &mut Events) {
        let Some(Open { mut item, kind, text, logprobs }) = self.open.take() else { return };
        let at = self.output.len();
        let mut done = match kind {
            Kind::Call => {
                item["arguments"] = text.as_str().into();
                json!({ "type": "response.function_call_arguments.done", "name": item["name"], "arguments": text })
            }
            Kind::Message => json!({
                "type": "response.output_text.done", "content_index": 0, "text": text, "logprobs": logprobs,
            }),
            Kind::Reasoning => {
                json!({ "type": "response.reasoning_text.done", "content_index": 0, "text": text })
            }
        };
        done["item_id"] = item["id"].clone();
        done["output_index"] = at.into();
        self.push(done, out);
        if let Some(part) = part(kind, &text, &logprobs) {
            item["content"] = json!([part]);
            let event = json!({
                "type": "response.content_part.done", "item_id": item["id"], "output_index": at,
                "content_index": 0, "part": part,
            });
            self.push(event, out);
        }
        item["status"] = "completed".into();
        self.push(json!({ "type": "response.output_item.done", "output_index": at, "item": item }), out);
        self.output.push(item);
    }

    fn push(&mut self, mut event: Value, out: &mut Events) {
        event["sequence_number"] = self.sequence.into();
        self.sequence += 1;
        out.push(event);
    }
}

/// The one part of an item that has parts.
fn part(kind: Kind, text: &str, logprobs: &[Value]) -> Option<Value> {
    match kind {
        Kind::Message => {
            Some(json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": logprobs }))
        }
        Kind::Reasoning => Some(json!({ "type": "reasoning_text", "text": text })),
        Kind::Call => None,
    }
}

/// How likely a token was, on this wire.
pub(super) fn logprob(model: &Writer, logprobs: &athenaeum_inference::sampling::LogProbs) -> Value {
    serde_json::to_value(TokenLogProb::new(model, logprobs)).unwrap_or_default()
}
