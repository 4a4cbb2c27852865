//! Hermes: session files (`{session_id, messages}`) and its telemetry (`atof_version`), one event a line.
//!
//! Telemetry tells a call of the model as a start, which holds what was asked, and an end, which holds what was
//! answered; tools likewise. Marks and agents' scopes are bookkeeping and stay in the raw lines.

use std::collections::HashMap;

use athenaeum_core::{Block, BlockKind, Conversation, Message, Provider, Role};

use super::simple;
use crate::{
    content,
    context::Context,
    draft::{self, Notes},
    format::{Fit, Format, Reject, Shape, has_keys},
    node::Node,
    records::Records,
    sample::Sample,
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::HERMES),
    name: "Hermes telemetry",
    shape: Shape::Log { recognise, parse },
};

/// Sessions that Hermes keeps as files.
pub(crate) const SESSION: Format = Format {
    provider: Some(Provider::HERMES),
    name: "Hermes session",
    shape: Shape::Record { recognise: recognise_session, parse: parse_session },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    Fit::strong(sample.records.iter().any(|record| record.get("atof_version").is_some()))
}

fn recognise_session(sample: &Sample<'_>) -> Fit {
    let first = sample.first();
    Fit::strong(
        has_keys(first, &["session_id", "messages"])
            && (first.get("session_start").is_some() || first.get("platform").is_some()),
    )
}

fn parse_session(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    draft::emit_record(context, text, session)
}

fn parse(context: &mut Context<'_>, records: &mut Records<'_>) {
    let mut log = Log::default();
    let mut notes = Notes::default();
    draft::each(context, records, &mut notes, |node, notes| log.line(node, notes));
    draft::emit_all(context, log.finish(), notes);
}

/// Reads a session file.
pub(crate) fn session(file: &Node<'_>, notes: &mut Notes) -> Conversation {
    let mut conversation = simple::conversation(file, Provider::HERMES, notes);
    if let Some(id) = file.get("session_id").id() {
        conversation.external_id = id;
    }
    conversation.created_at = file.get("session_start").time().or(conversation.created_at);
    conversation
}

/// The sessions of one telemetry log.
#[derive(Default)]
pub(crate) struct Log {
    sessions: Vec<Session>,
    by_id: HashMap<String, usize>,
}

struct Session {
    id: String,
    model: Option<String>,
    messages: Vec<Message>,
    raw: String,
}

impl Log {
    /// Takes one event.
    pub(crate) fn line(&mut self, node: &Node<'_>, notes: &mut Notes) {
        let metadata = node.get("metadata");
        let id = draft::first_id(metadata, &["session_id", "task_id"])
            .or_else(|| self.sessions.last().map(|last| last.id.clone()))
            .unwrap_or_default();
        let index = *self.by_id.entry(id.clone()).or_insert(self.sessions.len());
        if index == self.sessions.len() {
            self.sessions.push(Session { id, model: None, messages: Vec::new(), raw: String::new() });
        }
        let session = &mut self.sessions[index];
        session.raw.push_str(node.raw());
        session.raw.push('\n');
        session.model = metadata.get("model").text().or(session.model.take());
        if let Some(mut message) = message(node, notes) {
            let phase = node.get("scope_category").str().unwrap_or_default();
            message.external_id = node.get("uuid").id().map(|id| format!("{id}/{phase}"));
            message.created_at = node.get("timestamp").time();
            session.messages.push(message);
        }
    }

    /// Returns the sessions as conversations.
    pub(crate) fn finish(self) -> Vec<Conversation> {
        let make = |session: Session| {
            let mut conversation = Conversation::new(Provider::HERMES, session.id);
            conversation.model = session.model;
            conversation.messages = draft::linear(session.messages);
            conversation.raw_json = session.raw;
            draft::fill_times(&mut conversation);
            conversation
        };
        self.sessions.into_iter().map(make).collect()
    }
}

fn message(node: &Node<'_>, notes: &mut Notes) -> Option<Message> {
    let data = node.get("data");
    let metadata = node.get("metadata");
    let name = node.get("name").str().unwrap_or_default();
    if node.get("kind").str() != Some("scope") || data.is_empty() {
        return None;
    }
    let mut message = match (node.get("category").str()?, node.get("scope_category").str()?) {
        ("llm", "start") => {
            let asked = data.first(&["content", "prompt", "messages", "input"]);
            let mut message = Message::new(Role::User, Vec::new());
            match asked.is_array() {
                true => asked
                    .items()
                    .last()
                    .into_iter()
                    .for_each(|last| content::add(&mut message, last.first(&["content", "text"]), notes)),
                false => content::add(&mut message, asked, notes),
            }
            message
        }
        ("llm", "end") => {
            let mut message = Message::new(Role::Assistant, Vec::new());
            let said = data.first(&["assistant_message", "content", "output", "error"]);
            let inner = said.get("content");
            content::add(&mut message, if inner.is_null() { said } else { inner }, notes);
            content::add_openai_calls(&mut message, said);
            message.model = metadata.get("model").text();
            message.finish_reason = data.has("error").then(|| "error".to_owned());
            message
        }
        ("tool", "start") => {
            let mut message = Message::new(Role::Assistant, Vec::new());
            content::add_call(&mut message, metadata.get("tool_call_id").id(), name, data.raw());
            message
        }
        ("tool", "end") => {
            let output = data.first(&["stdout", "output", "result", "content", "error"]);
            let text = if output.is_null() { data.raw().to_owned() } else { content::result_text(output) };
            let mut message =
                Message::new(Role::Tool, vec![Block::new(BlockKind::ToolResult, text).labelled(name)]);
            message.author = Some(name.to_owned()).filter(|name| !name.is_empty());
            message
        }
        _ => return None,
    };
    message.hidden = false;
    (!message.blocks.is_empty()).then_some(message)
}
