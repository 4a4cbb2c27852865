//! Codex: rollout logs (`session_meta`, `response_item`, `event_msg`), the plain items of older versions, and the
//! events of `codex exec --json`.
//!
//! Each item of the model's transcript is a message: what was said, thoughts, a call, its output. Events repeat
//! the items for display; they are read only where a log has no items.

use std::collections::HashMap;

use athenaeum_core::{Block, BlockKind, Conversation, Message, Provider, Role, Timestamp};

use crate::{
    content,
    context::Context,
    draft::{self, Notes},
    format::{Fit, Format, Shape, has_keys},
    node::Node,
    records::Records,
    sample::Sample,
};

pub(crate) const FORMAT: Format =
    Format { provider: Some(Provider::CODEX), name: "Codex log", shape: Shape::Log { recognise, parse } };

fn recognise(sample: &Sample<'_>) -> Fit {
    let kind = |record: &serde_json::Value| {
        record.get("type").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    };
    let fits = |record: &serde_json::Value| match kind(record).as_str() {
        "session_meta" | "response_item" | "event_msg" | "turn_context" => record.get("payload").is_some(),
        "thread.started" => record.get("thread_id").is_some(),
        "item.completed" => record.get("item").is_some(),
        _ => false,
    };
    let first = sample.first();
    let old = has_keys(first, &["id", "timestamp"])
        && first.get("type").is_none()
        && sample
            .records
            .iter()
            .skip(1)
            .any(|record| kind(record) == "message" && record.get("content").is_some());
    let oldest = first.get("session").is_some_and(|session| has_keys(session, &["id", "timestamp"]))
        && first.get("items").is_some();
    Fit::strong(sample.records.iter().any(fits) || old || oldest)
}

fn parse(context: &mut Context<'_>, records: &mut Records<'_>) {
    let mut log = Log::default();
    let mut notes = Notes::default();
    draft::each(context, records, &mut notes, |node, notes| log.line(node, notes));
    let conversation = log.finish(context.file_stem());
    draft::emit_all(context, vec![conversation], notes);
}

/// One log: one conversation.
#[derive(Default)]
pub(crate) struct Log {
    id: Option<String>,
    began: Option<Timestamp>,
    instructions: Option<String>,
    model: Option<String>,
    title: Option<String>,
    items: Vec<Message>,
    /// Tools' names by the ids of their calls.
    tools: HashMap<String, String>,
    events: Vec<Message>,
    raw: String,
}

impl Log {
    /// Takes one line.
    pub(crate) fn line(&mut self, node: &Node<'_>, notes: &mut Notes) {
        self.raw.push_str(node.raw());
        self.raw.push('\n');
        let time = node.get("timestamp").time();
        let payload = node.get("payload");
        let kind = node.get("type").str().unwrap_or_default();
        match kind {
            "session_meta" => self.meta(payload),
            "turn_context" => self.model = payload.get("model").text().or(self.model.take()),
            "response_item" => self.item(payload, time, notes),
            "event_msg" => self.event(payload, time),
            "compacted" => {
                let mut message = Message::new(Role::System, Vec::new());
                content::add(&mut message, payload.get("message"), notes);
                message.created_at = time;
                message.hidden = true;
                if !message.blocks.is_empty() {
                    self.items.push(message);
                }
            }
            "thread.started" => self.id = self.id.take().or_else(|| node.get("thread_id").id()),
            "item.completed" => self.exec_item(node.get("item"), notes),
            "turn.completed" => {
                if let Some(last) =
                    self.items.iter_mut().rev().find(|message| message.role == Role::Assistant)
                {
                    last.tokens = node.get("usage").get("output_tokens").int();
                }
            }
            "turn.failed" | "error" => {
                let text = node.get("error").get("message").text().or_else(|| node.get("message").text());
                let mut message = Message::new(Role::System, Vec::new());
                content::add_text(&mut message, BlockKind::Text, &text.unwrap_or_default());
                if !message.blocks.is_empty() {
                    self.items.push(message);
                }
            }
            "turn.started" | "item.started" | "item.updated" | "ghost_snapshot" | "world_state" => {}
            "" if node.has("record_type") => {}
            "" if node.has("session") || node.has("items") => {
                self.meta(node.get("session"));
                for item in node.get("items").items() {
                    self.item(item, item.get("timestamp").time(), notes);
                }
            }
            "" => self.meta(node),
            _ => self.item(node, time, notes),
        }
    }

    /// Returns the conversation; `stem` names it where the log does not.
    pub(crate) fn finish(self, stem: &str) -> Conversation {
        let id = self.id.unwrap_or_else(|| stem.strip_prefix("rollout-").unwrap_or(stem).to_owned());
        let mut conversation = Conversation::new(Provider::CODEX, id);
        let messages = if self.items.iter().any(|message| message.role != Role::System) {
            self.items
        } else {
            let mut all = self.items;
            all.extend(self.events);
            all
        };
        conversation.messages = draft::linear(messages);
        conversation.title = self.title;
        conversation.model = self.model;
        conversation.created_at = self.began;
        conversation.system_prompt = self.instructions;
        conversation.raw_json = self.raw;
        draft::fill_times(&mut conversation);
        conversation
    }

    /// A fork repeats the line of the session it came from after its own: the first one counts.
    fn meta(&mut self, meta: &Node<'_>) {
        if self.id.is_some() {
            return;
        }
        self.id = draft::first_id(meta, &["id", "session_id"]);
        self.began = meta.get("timestamp").time();
        self.title = meta.first(&["title", "thread_name"]).text();
        let instructions = meta.get("instructions").text();
        self.instructions = instructions.or_else(|| meta.get("base_instructions").get("text").text());
    }

    fn item(&mut self, item: &Node<'_>, time: Option<Timestamp>, notes: &mut Notes) {
        let kind = item.get("type").str().unwrap_or_default();
        let mut message = match kind {
            "message" => self.said(item, notes),
            "reasoning" => {
                let mut message = Message::new(Role::Assistant, Vec::new());
                for part in ["summary", "content"].iter().flat_map(|key| item.get(key).items()) {
                    content::add_text(
                        &mut message,
                        BlockKind::Thinking,
                        part.get("text").str().unwrap_or_default(),
                    );
                }
                if message.blocks.is_empty() {
                    // Encrypted: only the service can read it.
                    return;
                }
                message
            }
            "function_call" | "custom_tool_call" | "local_shell_call" | "tool_search_call" | "mcp_call" => {
                let mut message = Message::new(Role::Assistant, Vec::new());
                let name =
                    item.get("name").text().unwrap_or_else(|| kind.trim_end_matches("_call").to_owned());
                let arguments = content::shown_or_empty(item.first(&["arguments", "input", "action"]));
                content::add_call(&mut message, item.first(&["call_id", "id"]).id(), &name, &arguments);
                message
            }
            "web_search_call" => {
                let mut message = Message::new(Role::Assistant, Vec::new());
                content::add_call(
                    &mut message,
                    item.get("id").id(),
                    "web_search",
                    &content::shown_or_empty(item.get("action")),
                );
                message
            }
            "function_call_output"
            | "custom_tool_call_output"
            | "local_shell_call_output"
            | "tool_search_output" => {
                let output = item.first(&["output", "tools"]);
                let text = output.get("content").text().unwrap_or_else(|| content::result_text(output));
                let call = item.get("call_id").id();
                let name = call.and_then(|call| self.tools.get(&call).cloned()).unwrap_or_default();
                let mut message = Message::new(
                    Role::Tool,
                    vec![Block::new(BlockKind::ToolResult, text).labelled(name.clone())],
                );
                message.author = Some(name).filter(|name| !name.is_empty());
                message
            }
            "token_count" => {
                if let Some(last) =
                    self.items.iter_mut().rev().find(|message| message.role == Role::Assistant)
                {
                    last.tokens = item.get("output_tokens").int().or(last.tokens);
                }
                return;
            }
            "ghost_snapshot" | "compaction" | "compaction_summary" | "other" | "state" => return,
            _ => {
                let mut message = Message::new(Role::Assistant, Vec::new());
                content::add_unknown(&mut message, kind, item, notes);
                message
            }
        };
        message.external_id = message.external_id.or_else(|| item.get("id").id());
        message.created_at = item.get("timestamp").time().or(time);
        let calls = message.tool_calls.iter().filter_map(|call| Some((call.id.clone()?, call.name.clone())));
        self.tools.extend(calls);
        if message.role == Role::Assistant {
            message.model = item.get("model").text().or_else(|| self.model.clone());
        }
        self.items.push(message);
    }

    fn said(&self, item: &Node<'_>, notes: &mut Notes) -> Message {
        let role = draft::role(item.get("role").str().unwrap_or("assistant"), notes);
        let mut message = Message::new(role, Vec::new());
        content::add(&mut message, item.get("content"), notes);
        message.finish_reason = item.first(&["end_turn", "phase"]).text();
        // What the program tells the model in the person's name.
        let told = [
            "<environment_context>",
            "<user_instructions>",
            "# AGENTS.md instructions",
            "<permissions instructions>",
            "<turn_aborted>",
        ];
        let start = message.blocks.first().map(|block| block.text.trim_start()).unwrap_or_default();
        message.hidden = role == Role::System || told.iter().any(|mark| start.starts_with(mark));
        message
    }

    fn event(&mut self, event: &Node<'_>, time: Option<Timestamp>) {
        let (role, kind, text) = match event.get("type").str().unwrap_or_default() {
            "user_message" => (Role::User, BlockKind::Text, event.get("message")),
            "agent_message" => (Role::Assistant, BlockKind::Text, event.get("message")),
            "agent_reasoning" => (Role::Assistant, BlockKind::Thinking, event.get("text")),
            "thread_name_updated" => {
                self.title = event.get("thread_name").text().or(self.title.take());
                return;
            }
            _ => return,
        };
        let Some(text) = text.text() else { return };
        let mut message = Message::new(role, vec![Block::new(kind, text)]);
        message.created_at = time;
        self.events.push(message);
    }

    fn exec_item(&mut self, item: &Node<'_>, notes: &mut Notes) {
        let kind = item.first(&["type", "item_type"]).str().unwrap_or_default();
        let mut message = Message::new(Role::Assistant, Vec::new());
        let text = item.get("text").str().unwrap_or_default();
        let id = item.get("id").id();
        match kind {
            "agent_message" | "assistant_message" => content::add_text(&mut message, BlockKind::Text, text),
            "user_message" => {
                message.role = Role::User;
                content::add_text(&mut message, BlockKind::Text, text);
            }
            "reasoning" => content::add_text(&mut message, BlockKind::Thinking, text),
            "command_execution" => {
                content::add_call(
                    &mut message,
                    id.clone(),
                    "shell",
                    &content::shown_or_empty(item.get("command")),
                );
                let output = item.get("aggregated_output").str().unwrap_or_default();
                content::add_labelled(&mut message, BlockKind::ToolResult, output, Some("shell"));
            }
            "file_change" => {
                content::add_call(
                    &mut message,
                    id.clone(),
                    "file_change",
                    &content::shown_or_empty(item.get("changes")),
                );
            }
            "mcp_tool_call" | "collab_tool_call" => {
                let name = item.get("tool").text().unwrap_or_default();
                content::add_call(
                    &mut message,
                    id.clone(),
                    &name,
                    &content::shown_or_empty(item.get("arguments")),
                );
                let result = content::result_text(item.first(&["result", "error"]));
                content::add_labelled(&mut message, BlockKind::ToolResult, &result, Some(&name));
            }
            "web_search" => {
                content::add_call(
                    &mut message,
                    id.clone(),
                    "web_search",
                    &content::shown_or_empty(item.get("query")),
                );
            }
            "todo_list" => {
                let line = |step: &Node<'_>| {
                    let mark = if step.get("completed").is_true() { 'x' } else { ' ' };
                    format!("- [{mark}] {}", content::shown_or_empty(step.get("text")))
                };
                let list: Vec<String> = item.get("items").items().iter().map(line).collect();
                content::add_text(&mut message, BlockKind::Text, &list.join("\n"));
            }
            "error" => {
                message.role = Role::System;
                content::add_text(
                    &mut message,
                    BlockKind::Text,
                    item.get("message").str().unwrap_or_default(),
                );
            }
            _ => content::add_unknown(&mut message, kind, item, notes),
        }
        message.external_id = id;
        self.items.push(message);
    }
}
