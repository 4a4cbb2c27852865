//! OpenAssistant: trees of ranked answers, one tree a line (`prompt` with `replies`), or one message a line.
//!
//! The first message is the prompter's; of several answers the best ranked is the current branch.

use std::collections::HashMap;

use athenaeum_core::{Conversation, Message, Provider};

use crate::{
    content,
    context::Context,
    draft::{self, Notes, Turn},
    format::{Fit, Format, Shape, has_keys},
    node::Node,
    records::Records,
    sample::Sample,
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::OPENASSISTANT),
    name: "OpenAssistant",
    shape: Shape::Log { recognise, parse },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    let fits = |record: &serde_json::Value| {
        let message = record.get("prompt").filter(|prompt| prompt.is_object()).unwrap_or(record);
        has_keys(message, &["message_id", "text", "role"])
    };
    Fit::strong(sample.records.iter().any(fits))
}

fn parse(context: &mut Context<'_>, records: &mut Records<'_>) {
    let mut loose = Loose::default();
    while let Some(record) = records.next(context) {
        let mut notes = Notes::default();
        let read = Node::parse(record.text).map(|node| line(&node, &mut loose, &mut notes));
        match read {
            Ok(found) => draft::emit_all(context, found.into_iter().collect(), notes),
            Err(error) => context.skipped(error.to_string()),
        }
    }
    let mut notes = Notes::default();
    let conversations = loose.finish(&mut notes);
    draft::emit_all(context, conversations, notes);
}

/// Messages that came one by one, by the id of their tree.
#[derive(Default)]
pub(crate) struct Loose {
    trees: Vec<(String, Vec<Ranked>, String)>,
    by_id: HashMap<String, usize>,
}

/// Reads one line: a tree gives a conversation at once, a single message is kept for [`Loose::finish`].
pub(crate) fn line(node: &Node<'_>, loose: &mut Loose, notes: &mut Notes) -> Option<Conversation> {
    let prompt = node.get("prompt");
    if prompt.is_object() {
        let id = draft::first_id(node, &["message_tree_id", "id"]).or_else(|| prompt.get("message_id").id());
        let mut turns = Vec::new();
        collect(prompt, &mut turns, notes);
        return Some(conversation(id.unwrap_or_default(), turns, node.raw().to_owned(), notes));
    }
    if node.get("replies").is_array() {
        let id = draft::first_id(node, &["message_tree_id", "message_id"]);
        let mut turns = Vec::new();
        collect(node, &mut turns, notes);
        return Some(conversation(id.unwrap_or_default(), turns, node.raw().to_owned(), notes));
    }
    loose.add(node, notes);
    None
}

impl Loose {
    fn add(&mut self, node: &Node<'_>, notes: &mut Notes) {
        let parent = node.get("parent_id").id();
        let named = draft::first_id(node, &["message_tree_id", "tree_id"]);
        let of_parent = parent.as_ref().and_then(|parent| self.by_id.get(parent)).copied();
        let key = draft::first_id(node, &["message_id", "id"]);
        let tree = named
            .or_else(|| of_parent.map(|index| self.trees[index].0.clone()))
            .or_else(|| key.clone())
            .unwrap_or_default();
        let index = match self.by_id.get(&tree) {
            Some(&index) => index,
            None => {
                self.trees.push((tree.clone(), Vec::new(), String::new()));
                self.by_id.insert(tree, self.trees.len() - 1);
                self.trees.len() - 1
            }
        };
        if let Some(key) = &key {
            self.by_id.entry(key.clone()).or_insert(index);
        }
        let (_, turns, raw) = &mut self.trees[index];
        turns.push(Ranked::new(node, key, parent, notes));
        raw.push_str(node.raw());
        raw.push('\n');
    }

    /// Returns the conversations that the single messages make, in the order of their first message.
    pub(crate) fn finish(self, notes: &mut Notes) -> Vec<Conversation> {
        let make = |(id, turns, raw)| conversation(id, turns, raw, notes);
        self.trees.into_iter().map(make).collect()
    }
}

/// A message and its place among its siblings, 0 the best.
struct Ranked {
    turn: Turn,
    rank: i64,
}

impl Ranked {
    fn new(node: &Node<'_>, key: Option<String>, parent: Option<String>, notes: &mut Notes) -> Self {
        let rank = node.get("rank").int().unwrap_or(i64::MAX);
        Self { turn: Turn::new(key, parent, message(node, notes)), rank }
    }
}

fn collect(prompt: &Node<'_>, turns: &mut Vec<Ranked>, notes: &mut Notes) {
    let mut open: Vec<(&Node<'_>, Option<String>)> = vec![(prompt, None)];
    while let Some((node, parent)) = open.pop() {
        let key = node.get("message_id").id().unwrap_or_else(|| format!("\u{0}{}", turns.len()));
        for reply in node.get("replies").items().iter().rev() {
            open.push((reply, Some(key.clone())));
        }
        turns.push(Ranked::new(node, Some(key), parent, notes));
    }
}

fn conversation(id: String, turns: Vec<Ranked>, raw: String, notes: &mut Notes) -> Conversation {
    let mut conversation = Conversation::new(Provider::OPENASSISTANT, id);
    let leaf = best_leaf(&turns);
    let turns = turns.into_iter().map(|ranked| ranked.turn).collect();
    conversation.messages = draft::tree(turns, leaf.as_deref(), notes);
    conversation.raw_json = raw;
    if conversation.external_id.is_empty() {
        conversation.external_id = draft::id_from_beginning(None, &conversation.messages);
    }
    draft::fill_times(&mut conversation);
    conversation
}

/// Follows the best ranked reply from the first message to the last.
fn best_leaf(turns: &[Ranked]) -> Option<String> {
    let mut replies: HashMap<&str, &Ranked> = HashMap::new();
    for ranked in turns {
        let Some(parent) = ranked.turn.parent.as_deref() else { continue };
        let best = replies.entry(parent).or_insert(ranked);
        if ranked.rank < best.rank {
            *best = ranked;
        }
    }
    let mut at = turns.first()?.turn.key.as_deref()?;
    for _ in 0..turns.len() {
        let Some(best) = replies.get(at).and_then(|ranked| ranked.turn.key.as_deref()) else { break };
        at = best;
    }
    Some(at.to_owned())
}

fn message(node: &Node<'_>, notes: &mut Notes) -> Message {
    let role = draft::role(node.get("role").str().unwrap_or("assistant"), notes);
    let mut message = Message::new(role, Vec::new());
    message.external_id = draft::first_id(node, &["message_id", "id"]);
    message.created_at = node.first(&["created_date", "created_at"]).time();
    message.model = node.get("model_name").text();
    content::add(&mut message, node.get("text"), notes);
    message
}
