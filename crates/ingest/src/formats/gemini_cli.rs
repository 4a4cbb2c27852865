//! Gemini CLI: `session-*.json`, the same as lines with `$set` updates, and saved checkpoints (a bare list of
//! `{role, parts}`).

use std::collections::HashMap;

use athenaeum_core::{BlockKind, Conversation, Message, Provider, Role};

use crate::{
    content,
    context::Context,
    draft::{self, Notes},
    format::{Fit, Format, Shape, has_keys},
    node::Node,
    records::Records,
    sample::{Layout, Sample},
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::GEMINI_CLI),
    name: "Gemini CLI session",
    shape: Shape::Log { recognise, parse },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    let first = sample.first();
    let session = first.get("sessionId").is_some()
        && ["projectHash", "startTime"].into_iter().any(|key| first.get(key).is_some());
    let kind = |key: &str, name: &str| {
        sample.records.iter().any(|record| record.get(key).and_then(serde_json::Value::as_str) == Some(name))
    };
    let line = *sample.layout == Layout::Lines && kind("type", "gemini");
    let checkpoint = *sample.layout == Layout::Array
        && !sample.records.is_empty()
        && sample.records.iter().all(|record| has_keys(record, &["role", "parts"]));
    Fit::strong(session || line || checkpoint)
}

fn parse(context: &mut Context<'_>, records: &mut Records<'_>) {
    let mut log = Log::default();
    let mut notes = Notes::default();
    draft::each(context, records, &mut notes, |node, notes| log.line(node, notes));
    let conversation = log.finish(context.file_stem());
    draft::emit_all(context, vec![conversation], notes);
}

/// A session or checkpoint that comes line by line or item by item.
#[derive(Default)]
pub(crate) struct Log {
    id: Option<String>,
    title: Option<String>,
    times: [Option<athenaeum_core::Timestamp>; 2],
    messages: Vec<Message>,
    by_id: HashMap<String, usize>,
    lines: u64,
    raw: String,
}

impl Log {
    /// Takes a header, an update, or a message.
    pub(crate) fn line(&mut self, node: &Node<'_>, notes: &mut Notes) {
        if self.lines > 0 {
            self.raw.push('\n');
        }
        self.lines += 1;
        self.raw.push_str(node.raw());
        let update = node.get("$set");
        let about = if update.is_object() { update } else { node };
        self.id = self.id.take().or_else(|| about.get("sessionId").id());
        if about.has("startTime") || about.has("lastUpdated") || about.has("messages") {
            self.times[0] = about.get("startTime").time().or(self.times[0]);
            self.times[1] = about.get("lastUpdated").time().or(self.times[1]);
            self.title = about.get("summary").text().or(self.title.take());
            for message in about.get("messages").items() {
                self.add(message, notes);
            }
        } else if node.has("type") || node.has("role") {
            self.add(node, notes);
        }
    }

    /// Returns the conversation; `stem` names it where nothing else does.
    pub(crate) fn finish(self, stem: &str) -> Conversation {
        let id = self.id.unwrap_or_else(|| match stem {
            "" => draft::id_from_beginning(None, &self.messages),
            stem => stem.to_owned(),
        });
        let mut conversation = Conversation::new(Provider::GEMINI_CLI, id);
        conversation.title = self.title;
        [conversation.created_at, conversation.updated_at] = self.times;
        conversation.model = self.messages.iter().rev().find_map(|message| message.model.clone());
        conversation.messages = draft::linear(self.messages);
        conversation.raw_json = self.raw;
        draft::fill_times(&mut conversation);
        conversation
    }

    /// A message that came before under the same id is replaced: the program writes it again as it grows.
    fn add(&mut self, node: &Node<'_>, notes: &mut Notes) {
        let message = message(node, notes);
        match message.external_id.as_ref().and_then(|id| self.by_id.get(id)) {
            Some(&index) => self.messages[index] = message,
            None => {
                if let Some(id) = &message.external_id {
                    self.by_id.insert(id.clone(), self.messages.len());
                }
                self.messages.push(message);
            }
        }
    }
}

fn message(node: &Node<'_>, notes: &mut Notes) -> Message {
    let kind = node.first(&["type", "role"]).str().unwrap_or_default();
    let role = match kind {
        "info" | "error" | "warning" => Role::System,
        name => draft::role(name, notes),
    };
    let mut message = Message::new(role, Vec::new());
    message.external_id = node.get("id").id();
    message.created_at = node.get("timestamp").time();
    message.model = node.get("model").text();
    message.tokens = node.get("tokens").get("output").int();
    for thought in node.get("thoughts").items() {
        let lines = ["subject", "description"].into_iter().filter_map(|key| thought.get(key).text());
        content::add_text(&mut message, BlockKind::Thinking, &lines.collect::<Vec<_>>().join("\n"));
    }
    let body = node.first(&["content", "parts"]);
    for part in body.items() {
        match (part.get("thought").is_true(), part.get("text").str()) {
            (true, Some(text)) => content::add_text(&mut message, BlockKind::Thinking, text),
            _ => content::add(&mut message, part, notes),
        }
    }
    if !body.is_array() {
        content::add(&mut message, body, notes);
    }
    for call in node.get("toolCalls").items() {
        let name = call.first(&["name", "displayName"]).text().unwrap_or_default();
        content::add_call(
            &mut message,
            call.get("id").id(),
            &name,
            &content::shown_or_empty(call.get("args")),
        );
        let result = call.first(&["result", "resultDisplay"]);
        let outputs: Vec<String> = result
            .items()
            .iter()
            .map(|part| {
                let response = part.get("functionResponse").get("response");
                content::shown_or_empty(if response.is_null() {
                    part
                } else {
                    response.first(&["output", "error"])
                })
            })
            .collect();
        let text = if outputs.is_empty() { content::result_text(result) } else { outputs.join("\n") };
        content::add_labelled(&mut message, BlockKind::ToolResult, &text, Some(&name));
    }
    if role == Role::User
        && !message.blocks.is_empty()
        && message.blocks.iter().all(|block| block.kind == BlockKind::ToolResult)
    {
        message.role = Role::Tool;
    }
    message
}
