//! What every parser needs between a record and a [`Conversation`]: notes on what was odd, roles by any name,
//! and turns put in order, whether they come as a list or as a tree.

use std::collections::HashMap;

use athenaeum_core::{Conversation, Message, Role, Severity, Timestamp};

pub(crate) use crate::context::derived_id;
use crate::{context::Context, format::Reject, node::Node, records::Records};

/// Notices kept for one record.
const NOTICES_MAX: usize = 100;

/// What was odd about a record. The same reason is noted once per record, however often it occurs.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    list: Vec<(Severity, String, String)>,
    record: String,
    start: usize,
}

impl Notes {
    /// Says which record the notes to come are about: an id, a title, a line.
    pub(crate) fn about(&mut self, record: impl Into<String>) {
        self.record = record.into();
        self.start = self.list.len();
    }

    /// Notes that something was kept without being understood.
    pub(crate) fn notice(&mut self, reason: impl Into<String>) {
        self.push(Severity::Notice, reason.into());
    }

    /// Notes that a record was left out.
    pub(crate) fn skipped(&mut self, reason: impl Into<String>) {
        self.push(Severity::Skipped, reason.into());
    }

    fn push(&mut self, severity: Severity, reason: String) {
        let so_far = &self.list[self.start..];
        // A record that is odd in a hundred ways is described well enough; what was lost is always told.
        let full = severity == Severity::Notice && so_far.len() >= NOTICES_MAX;
        if !full && (severity != Severity::Notice || so_far.iter().all(|(_, _, known)| *known != reason)) {
            self.list.push((severity, self.record.clone(), reason));
        }
    }

    /// Passes the notes on.
    pub(crate) fn report(self, context: &mut Context<'_>) {
        let mut about = String::new();
        for (severity, record, reason) in self.list {
            if !record.is_empty() && record != about {
                context.begin_record(record.clone());
                about = record;
            }
            match severity {
                Severity::Notice => context.notice(reason),
                Severity::Skipped | Severity::Broken => context.skipped(reason),
            }
        }
    }

    /// What was noted, in order.
    #[cfg(test)]
    pub(crate) fn reasons(&self) -> Vec<&str> {
        self.list.iter().map(|(_, _, reason)| reason.as_str()).collect()
    }
}

/// Reads `text` as one record and hands on the conversation that `read` makes of it.
pub(crate) fn emit_record(
    context: &mut Context<'_>,
    text: &str,
    read: impl FnOnce(&Node<'_>, &mut Notes) -> Conversation,
) -> Result<(), Reject> {
    let node = Node::parse(text).map_err(|error| Reject::new(error.to_string()))?;
    if !node.is_object() {
        return Err(Reject::new("not an object"));
    }
    let mut notes = Notes::default();
    let conversation = read(&node, &mut notes);
    emit_all(context, vec![conversation], notes);
    Ok(())
}

/// Hands conversations on, and what was odd about them.
pub(crate) fn emit_all(context: &mut Context<'_>, conversations: Vec<Conversation>, notes: Notes) {
    if let [only] = conversations.as_slice()
        && !only.external_id.is_empty()
        && !notes.list.is_empty()
    {
        context.begin_record(only.external_id.clone());
    }
    notes.report(context);
    for conversation in conversations {
        context.emit(conversation);
    }
}

/// Reads every record of a log; a record that is no JSON object is reported and passed over.
pub(crate) fn each(
    context: &mut Context<'_>,
    records: &mut Records<'_>,
    notes: &mut Notes,
    mut take: impl FnMut(&Node<'_>, &mut Notes),
) {
    while let Some(record) = records.next(context) {
        let reason = match Node::parse(record.text) {
            Ok(node) if node.is_object() => {
                take(&node, notes);
                continue;
            }
            Ok(_) => "not an object".to_owned(),
            Err(error) => error.to_string(),
        };
        context.skipped(reason);
    }
}

/// Reads texts that were records; those that are no JSON are noted and left out.
pub(crate) fn parse_all<'a>(texts: &'a [String], notes: &mut Notes) -> Vec<Node<'a>> {
    let mut nodes = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        match Node::parse(text) {
            Ok(node) => nodes.push(node),
            Err(error) => notes.skipped(format!("message {}: {error}", index + 1)),
        }
    }
    nodes
}

/// Finds who speaks, whatever the source calls them. An unknown name is taken for a model and noted.
pub(crate) fn role(name: &str, notes: &mut Notes) -> Role {
    let lower = name.trim().to_ascii_lowercase();
    match lower.as_str() {
        "user" | "human" | "prompter" | "customer" | "you" | "me" | "person" | "request" => Role::User,
        "assistant"
        | "model"
        | "ai"
        | "gpt"
        | "bot"
        | "chatgpt"
        | "bing"
        | "bard"
        | "gemini"
        | "claude"
        | "grok"
        | "copilot"
        | "agent"
        | "llm"
        | "response"
        | "chatbot"
        | "observation_assistant" => Role::Assistant,
        "system" | "developer" | "instructions" => Role::System,
        "tool" | "function" | "function_response" | "tool_result" | "toolresult" | "observation"
        | "ipython" | "environment" => Role::Tool,
        _ => {
            notes.notice(format!("unknown role '{}'; taken as assistant", clip(name)));
            Role::Assistant
        }
    }
}

/// Shortens foreign text for a report.
pub(crate) fn clip(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A message with its place in the source's tree.
#[derive(Debug)]
pub(crate) struct Turn {
    /// The name by which children call it.
    pub(crate) key: Option<String>,
    /// The name of the message before it.
    pub(crate) parent: Option<String>,
    /// Its text and the rest; `parent` and `off_branch` are filled in here.
    pub(crate) message: Message,
}

impl Turn {
    pub(crate) fn new(key: Option<String>, parent: Option<String>, message: Message) -> Self {
        Self { key, parent, message }
    }
}

/// Chains messages in the order they have: each one answers the one before.
pub(crate) fn linear(mut messages: Vec<Message>) -> Vec<Message> {
    for (index, message) in messages.iter_mut().enumerate() {
        message.parent = index.checked_sub(1).and_then(|before| u32::try_from(before).ok());
        message.off_branch = false;
    }
    messages
}

/// Puts a tree in order: parents before children, siblings in source order, everything off the path that ends in
/// `leaf` flagged. Without a leaf, or with one that is not there, the path ends in the newest message.
///
/// A parent that is not in the source is replaced by the turn before it in source order; a doubled key keeps both
/// messages, children going to the first.
pub(crate) fn tree(turns: Vec<Turn>, leaf: Option<&str>, notes: &mut Notes) -> Vec<Message> {
    let mut by_key: HashMap<&str, usize> = HashMap::with_capacity(turns.len());
    for (index, turn) in turns.iter().enumerate() {
        if let Some(key) = turn.key.as_deref() {
            if by_key.contains_key(key) {
                notes.notice(format!("two messages have the id '{}'; both were kept", clip(key)));
            } else {
                by_key.insert(key, index);
            }
        }
    }
    let mut parents: Vec<Option<usize>> = Vec::with_capacity(turns.len());
    for (index, turn) in turns.iter().enumerate() {
        let parent = match turn.parent.as_deref().map(|key| by_key.get(key).copied()) {
            None => None,
            Some(Some(parent)) if parent != index => Some(parent),
            Some(_) => {
                if index > 0 {
                    notes.notice(
                        "a message names a parent that is not there; it was put after the one before it",
                    );
                }
                index.checked_sub(1)
            }
        };
        parents.push(parent);
    }
    cut_circles(&mut parents, notes);
    let wanted = leaf.and_then(|key| by_key.get(key).copied());
    if wanted.is_none() && leaf.is_some() && !turns.is_empty() {
        notes.notice("the current message is not there; the newest one was taken instead");
    }
    drop(by_key);
    let leaf = wanted.or_else(|| newest_leaf(&turns, &parents));
    arrange(turns, &parents, leaf)
}

/// Makes every turn that is its own ancestor a first message.
fn cut_circles(parents: &mut [Option<usize>], notes: &mut Notes) {
    // 0: not seen, 1: on the way up from the current start, 2: known to reach a first message.
    let mut seen = vec![0_u8; parents.len()];
    for start in 0..parents.len() {
        let mut path = Vec::new();
        let mut at = Some(start);
        while let Some(index) = at {
            match seen[index] {
                0 => {
                    seen[index] = 1;
                    path.push(index);
                    at = parents[index];
                }
                1 => {
                    // The circle closes here: the earliest of it in source order becomes its first message.
                    let from = path.iter().position(|&other| other == index).unwrap_or(0);
                    if let Some(&first) = path[from..].iter().min() {
                        parents[first] = None;
                    }
                    notes.notice("messages answer each other in a circle; it was cut");
                    break;
                }
                _ => break,
            }
        }
        for index in path {
            seen[index] = 2;
        }
    }
}

fn newest_leaf(turns: &[Turn], parents: &[Option<usize>]) -> Option<usize> {
    let mut inner = vec![false; turns.len()];
    for parent in parents.iter().flatten() {
        inner[*parent] = true;
    }
    let leaves = (0..turns.len()).filter(|&index| !inner[index]);
    leaves.max_by_key(|&index| (turns[index].message.created_at, index))
}

fn arrange(turns: Vec<Turn>, parents: &[Option<usize>], leaf: Option<usize>) -> Vec<Message> {
    let mut current = vec![false; turns.len()];
    let mut at = leaf;
    while let Some(index) = at {
        current[index] = true;
        at = parents[index];
    }
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); turns.len()];
    let mut open: Vec<usize> = Vec::new();
    for (index, parent) in parents.iter().enumerate() {
        match parent {
            Some(parent) => children[*parent].push(index),
            None => open.push(index),
        }
    }
    open.reverse();
    let mut slots: Vec<Option<Message>> = turns.into_iter().map(|turn| Some(turn.message)).collect();
    let mut place = vec![None; slots.len()];
    let mut messages = Vec::with_capacity(slots.len());
    while let Some(index) = open.pop() {
        open.extend(children[index].iter().rev());
        let Some(mut message) = slots[index].take() else { continue };
        message.parent = parents[index].and_then(|parent| place[parent]);
        message.off_branch = !current[index];
        place[index] = u32::try_from(messages.len()).ok();
        messages.push(message);
    }
    messages
}

/// Fills what a source leaves out but its messages tell: first and last time.
pub(crate) fn fill_times(conversation: &mut Conversation) {
    let times = || conversation.messages.iter().filter_map(|message| message.created_at);
    let (first, last): (Option<Timestamp>, Option<Timestamp>) = (times().min(), times().max());
    conversation.created_at = conversation.created_at.or(first);
    conversation.updated_at = conversation.updated_at.or(last);
}

/// Makes an id from the beginning of a conversation, so that it stays the same while the conversation grows: the
/// first two messages' roles and texts, and the first time.
pub(crate) fn id_from_beginning(title: Option<&str>, messages: &[Message]) -> String {
    let mut parts: Vec<String> = vec![title.unwrap_or_default().to_owned()];
    for message in messages.iter().take(2) {
        parts.push(message.role.as_str().to_owned());
        parts.push(message.content());
        parts.push(message.created_at.map(|time| time.to_string()).unwrap_or_default());
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    derived_id(&parts)
}

/// Reads the id under the first of `keys` that holds one.
pub(crate) fn first_id(node: &Node<'_>, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| node.get(key).id())
}

#[cfg(test)]
mod tests {
    use athenaeum_core::Block;
    use proptest::prelude::*;

    use super::*;

    fn turn(key: &str, parent: Option<&str>) -> Turn {
        let message = Message::new(Role::User, vec![Block::text(key)]);
        Turn::new(Some(key.to_owned()), parent.map(str::to_owned), message)
    }

    fn shown(messages: &[Message]) -> String {
        let one = |message: &Message| {
            let parent = message.parent.map_or("-".to_owned(), |parent| messages[parent as usize].content());
            format!("{}<{}{}", message.content(), parent, if message.off_branch { "*" } else { "" })
        };
        messages.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_tree_is_walked_from_its_leaf() {
        let turns =
            || vec![turn("c", Some("a")), turn("a", None), turn("b", Some("a")), turn("d", Some("c"))];
        let mut notes = Notes::default();
        assert_eq!(shown(&tree(turns(), Some("b"), &mut notes)), "a<- c<a* d<c* b<a");
        assert_eq!(shown(&tree(turns(), None, &mut notes)), "a<- c<a d<c b<a*");
        assert_eq!(notes.reasons().len(), 0);
    }

    #[test]
    fn circles_doubles_and_orphans_lose_nothing() {
        let mut notes = Notes::default();
        let turns =
            vec![turn("a", Some("b")), turn("b", Some("a")), turn("b", Some("a")), turn("x", Some("gone"))];
        let messages = tree(turns, None, &mut notes);
        assert_eq!(messages.len(), 4);
        assert_eq!(notes.reasons().len(), 3);
    }

    proptest! {
        #[test]
        fn any_graph_keeps_every_message(edges in prop::collection::vec((0_u8..12, prop::option::of(0_u8..14)), 0..12)) {
            let turns: Vec<Turn> = edges
                .iter()
                .map(|(key, parent)| turn(&key.to_string(), parent.map(|p| p.to_string()).as_deref()))
                .collect();
            let count = turns.len();
            let messages = tree(turns, Some("3"), &mut Notes::default());
            prop_assert_eq!(messages.len(), count);
            for (index, message) in messages.iter().enumerate() {
                prop_assert!(message.parent.is_none_or(|parent| (parent as usize) < index));
            }
        }
    }
}
