//! Claude Code and its relatives: `~/.claude/projects/*/<session>.jsonl`, one line an event.
//!
//! Lines of type `user`, `assistant` and `system` are messages, chained by `parentUuid`; `summary` names the
//! session; the rest is the program's own bookkeeping and stays in the raw lines. Side chains (other agents at work
//! inside the session) are off the branch; the log of one agent alone is a conversation of its own.

use std::collections::HashMap;

use athenaeum_core::{BlockKind, Conversation, Message, Provider, Role};

use crate::{
    content,
    context::Context,
    draft::{self, Notes, Turn},
    format::{Fit, Format, Shape},
    node::Node,
    records::Records,
    sample::Sample,
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::CLAUDE_CODE),
    name: "Claude Code log",
    shape: Shape::Log { recognise, parse },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    let fits = |record: &serde_json::Value| {
        let session = record.get("sessionId").or_else(|| record.get("session_id")).is_some();
        let said = record.get("message").is_some_and(serde_json::Value::is_object)
            || ["uuid", "summary"].into_iter().any(|key| record.get(key).is_some());
        let kind = record.get("type").and_then(serde_json::Value::as_str);
        (session && said && kind.is_some()) || (kind == Some("summary") && record.get("leafUuid").is_some())
    };
    Fit::strong(sample.records.iter().any(fits))
}

fn parse(context: &mut Context<'_>, records: &mut Records<'_>) {
    let mut log = Log::default();
    let mut notes = Notes::default();
    draft::each(context, records, &mut notes, |node, notes| log.line(node, notes));
    let conversations = log.finish(&mut notes);
    draft::emit_all(context, conversations, notes);
}

/// Lines that say nothing that was said.
const BOOKKEEPING: &[&str] = &[
    "file-history-snapshot",
    "queue-operation",
    "progress",
    "last-prompt",
    "custom-title",
    "agent-name",
    "ai-title",
    "tag",
    "mode",
    "permission-mode",
    "pr-link",
    "summary",
    "result",
    "attachment",
    "worktree-state",
    "saved_hook_context",
    "stream_event",
    "control_request",
    "control_response",
    "rate_limit_event",
    "agent-setting",
    "agent-color",
    "content-replacement",
    "attribution-snapshot",
    "speculation-accept",
    "marble-origami-commit",
];

/// The sessions of one log, in the order of their first line.
#[derive(Default)]
pub(crate) struct Log {
    sessions: Vec<Session>,
    by_id: HashMap<String, usize>,
    /// Titles and other lines that name no session, before the first that does.
    early: String,
    early_title: Option<String>,
}

struct Session {
    id: String,
    turns: Vec<Turn>,
    seen: HashMap<String, usize>,
    title: Option<String>,
    agent: Option<String>,
    side_only: bool,
    user: Option<String>,
    raw: String,
}

impl Log {
    /// Takes one line.
    pub(crate) fn line(&mut self, node: &Node<'_>, notes: &mut Notes) {
        let kind = node.get("type").str().unwrap_or_default();
        let title = match kind {
            "summary" => node.get("summary").text(),
            "custom-title" => node.get("customTitle").text(),
            "ai-title" => node.first(&["aiTitle", "title"]).text(),
            _ => None,
        };
        let Some(id) = draft::first_id(node, &["sessionId", "session_id"])
            .or_else(|| self.sessions.last().map(|last| last.id.clone()))
        else {
            self.early_title = title.or(self.early_title.take());
            self.early.push_str(node.raw());
            self.early.push('\n');
            return;
        };
        let session = self.session(id, node.get("parentUuid").str());
        session.raw.push_str(node.raw());
        session.raw.push('\n');
        if let Some(title) = title {
            // A title that a person gave outlasts a summary.
            if kind == "custom-title" || session.title.is_none() || kind == "summary" {
                session.title = Some(title);
            }
        }
        session.add(kind, node, notes);
    }

    /// Finds the session of a line. A new id whose first line answers a line of a session before it is that session
    /// resumed: the program copies the history into the new log, and the log goes by the new id.
    fn session(&mut self, id: String, parent: Option<&str>) -> &mut Session {
        let resumed = || {
            let parent = parent?;
            let recent = (0..self.sessions.len()).rev().take(64);
            recent.into_iter().find(|&index| self.sessions[index].seen.contains_key(parent))
        };
        let index = match self.by_id.get(&id).copied().or_else(resumed) {
            Some(index) => {
                if self.by_id.insert(id.clone(), index).is_none() {
                    self.sessions[index].id = id;
                }
                index
            }
            None => {
                self.by_id.insert(id.clone(), self.sessions.len());
                self.sessions.push(Session {
                    id,
                    turns: Vec::new(),
                    seen: HashMap::new(),
                    title: self.early_title.take(),
                    agent: None,
                    side_only: true,
                    user: None,
                    raw: std::mem::take(&mut self.early),
                });
                self.sessions.len() - 1
            }
        };
        &mut self.sessions[index]
    }

    /// Returns the sessions as conversations; one without messages too.
    pub(crate) fn finish(self, notes: &mut Notes) -> Vec<Conversation> {
        self.sessions.into_iter().map(|session| session.finish(notes)).collect()
    }
}

impl Session {
    fn add(&mut self, kind: &str, node: &Node<'_>, notes: &mut Notes) {
        let inner = node.get("message");
        let message = match kind {
            "user" | "assistant" | "message" => read_message(kind, node, notes),
            "summary" | "system" if inner.is_object() || node.get("content").text().is_some() => {
                let mut message = Message::new(Role::System, Vec::new());
                let body = if inner.is_object() { inner.get("content") } else { node.get("content") };
                content::add(&mut message, body, notes);
                message.hidden = node.get("isMeta").is_true();
                message
            }
            "system" => return,
            kind if BOOKKEEPING.contains(&kind) => return,
            kind if inner.is_object() && !inner.get("role").is_null() => {
                notes.notice(format!("unknown line type '{}'; read as a message", draft::clip(kind)));
                read_message(kind, node, notes)
            }
            kind => {
                notes.notice(format!(
                    "unknown line type '{}'; it is only in the raw lines",
                    draft::clip(kind)
                ));
                return;
            }
        };
        let side = node.get("isSidechain").is_true();
        self.side_only &= side;
        self.agent = self.agent.take().or_else(|| node.get("agentId").id());
        self.user = self.user.take().or_else(|| node.get("userId").id());
        self.push(message, node);
    }

    fn push(&mut self, mut message: Message, node: &Node<'_>) {
        message.external_id = node.get("uuid").id();
        message.created_at = node.first(&["timestamp", "_audit_timestamp"]).time();
        message.hidden |= node.get("isMeta").is_true() || node.get("isCompactSummary").is_true();
        message.off_branch = node.get("isSidechain").is_true();
        let parent = node.get("parentUuid").id().or_else(|| node.get("logicalParentUuid").id());
        let key = message.external_id.clone();
        if let Some(&before) = key.as_ref().and_then(|key| self.seen.get(key)) {
            // A resumed session writes its history again. Where the texts differ both are kept, and the tree
            // says so.
            if self.turns[before].message.blocks == message.blocks {
                return;
            }
        } else if let Some(key) = &key {
            self.seen.insert(key.clone(), self.turns.len());
        }
        self.turns.push(Turn::new(key, parent, message));
    }

    fn finish(mut self, notes: &mut Notes) -> Conversation {
        notes.about(self.id.clone());
        let id = match (&self.agent, self.side_only) {
            (Some(agent), true) => format!("{}/{agent}", self.id),
            _ => self.id.clone(),
        };
        let mut conversation = Conversation::new(Provider::CLAUDE_CODE, id);
        conversation.title = self.title.take();
        conversation.user_id = self.user.take();
        conversation.model = self.turns.iter().rev().find_map(|turn| turn.message.model.clone());
        conversation.messages = arrange(self.turns, self.side_only, notes);
        conversation.raw_json = self.raw;
        draft::fill_times(&mut conversation);
        conversation
    }
}

/// Chains the main line, keeping branches that were rewound; side chains stay where they were called from, off the
/// branch.
fn arrange(mut turns: Vec<Turn>, side_only: bool, notes: &mut Notes) -> Vec<Message> {
    let chained = turns.iter().any(|turn| turn.parent.is_some());
    let side: Vec<bool> = turns.iter().map(|turn| turn.message.off_branch && !side_only).collect();
    let known: HashMap<String, usize> =
        turns.iter().enumerate().rev().filter_map(|(index, turn)| Some((turn.key.clone()?, index))).collect();
    for index in 0..turns.len() {
        turns[index].key.get_or_insert_with(|| format!("\u{0}{index}"));
        let there = turns[index].parent.as_ref().is_some_and(|parent| known.contains_key(parent));
        // Lines that are not messages may stand between; history before a compaction may be in another file; and
        // simple logs chain nothing. Then the line before is the one that was answered.
        if !there && (turns[index].parent.is_some() || !chained) {
            turns[index].parent = index.checked_sub(1).and_then(|before| turns[before].key.clone());
        }
    }
    let last = (0..turns.len()).rev().find(|&index| !side[index]).and_then(|index| turns[index].key.clone());
    draft::tree(turns, last.as_deref(), notes)
}

fn read_message(kind: &str, node: &Node<'_>, notes: &mut Notes) -> Message {
    let inner = node.get("message");
    let body = if inner.is_object() { inner } else { node };
    let name = body.get("role").str().unwrap_or(kind);
    let mut message = Message::new(draft::role(name, notes), Vec::new());
    content::add(&mut message, body.get("content"), notes);
    let only_results =
        !message.blocks.is_empty() && message.blocks.iter().all(|block| block.kind == BlockKind::ToolResult);
    let results =
        body.get("content").items().iter().any(|part| part.get("type").str() == Some("tool_result"));
    if message.role == Role::User && (only_results || (results && message.blocks.is_empty())) {
        message.role = Role::Tool;
    }
    // `<synthetic>` marks what the program itself wrote in the model's place.
    message.model = body.get("model").text();
    message.tokens = body.get("usage").get("output_tokens").int();
    message.finish_reason = body.get("stop_reason").text();
    message
}
