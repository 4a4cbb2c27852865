use std::collections::{HashMap, HashSet};

use athenaeum_archive::{Archive, Error, ErrorKind, Filters};
use athenaeum_core::{BlockKind, Conversation, ConversationId, Message, Role};
use athenaeum_tenancy::Scope;
use xxhash_rust::xxh3::Xxh3;

use super::provider;

/// All that was said up to a message and with it, as a number. What does not belong to it: thoughts, instructions, ids,
/// times, and blanks around a text, for clients send back what they like of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Said(u128);

impl Said {
    /// The same and then this message.
    pub(super) fn and(self, message: &Message) -> Self {
        let mut hash = Xxh3::new();
        let mut add = |text: &str| {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        add(&self.name());
        add(message.role.as_str());
        add(text(message).trim());
        for call in &message.tool_calls {
            add(&call.name);
            add(&canonical(&call.arguments));
        }
        Self(hash.digest128())
    }

    /// Of each message, by its parents.
    pub(super) fn all(messages: &[Message]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::with_capacity(messages.len());
        for (message, parent) in messages.iter().zip(parents(messages)) {
            let before = parent.and_then(|parent| all.get(parent)).copied().unwrap_or_default();
            let is_ours = message.external_id.as_ref().is_some_and(|id| id.starts_with(PREFIX));
            let is_said = is_ours || !message.hidden && message.role != Role::System;
            all.push(if is_said { before.and(message) } else { before });
        }
        all
    }

    /// What it is called in the archive.
    pub(super) fn name(self) -> String {
        format!("{PREFIX}{:032x}", self.0)
    }
}

const PREFIX: &str = "api-";

/// What was said, without thoughts, and without calls, which stand beside it.
pub(super) fn text(message: &Message) -> String {
    let of_it = |kind| !matches!(kind, BlockKind::Thinking | BlockKind::ToolUse);
    let blocks = message.blocks.iter().filter(|block| of_it(block.kind));
    let texts: Vec<&str> = blocks.map(|block| block.text.as_str()).collect();
    texts.join("\n\n")
}

/// Arguments as every client writes them.
fn canonical(arguments: &str) -> String {
    serde_json::from_str(arguments)
        .map_or_else(|_| arguments.to_owned(), |json: serde_json::Value| json.to_string())
}

/// Which message stands before each. Where the source tells of none, they follow one another.
fn parents(messages: &[Message]) -> impl Iterator<Item = Option<usize>> {
    let is_told = messages.iter().any(|message| message.parent.is_some());
    messages.iter().enumerate().map(move |(index, message)| match message.parent {
        Some(parent) => Some(parent as usize),
        None if is_told => None,
        None => index.checked_sub(1),
    })
}

/// The names that a conversation with these messages has where it is kept: one for each first answer.
fn names(messages: &[Message]) -> Vec<String> {
    let mut answered: Vec<bool> = Vec::with_capacity(messages.len());
    let mut names = Vec::new();
    for ((message, parent), said) in messages.iter().zip(parents(messages)).zip(Said::all(messages)) {
        let before = parent.and_then(|parent| answered.get(parent)).copied().unwrap_or_default();
        let answers = message.role == Role::Assistant && !message.hidden;
        if answers && !before {
            names.push(said.name());
        }
        answered.push(before || answers);
    }
    names
}

/// Conversations that were kept as they were held, and come again with the export of the program that held them: the
/// export tells more, and takes their place.
#[derive(Debug, Default)]
pub(crate) struct Twins {
    kept: HashMap<String, ConversationId>,
    found: Vec<(ConversationId, HashSet<Said>)>,
}

impl Twins {
    /// Looks for what is kept; there is nothing to compare with anywhere else.
    pub(crate) async fn of(archive: &Archive, scope: &Scope) -> Result<Self, Error> {
        let mut twins = Self::default();
        let filters = Filters { providers: provider().into_iter().collect(), ..Filters::default() };
        let mut after = None;
        loop {
            let page = archive.conversations(scope, &filters, after.as_ref(), 200).await?;
            let named = page.items.into_iter().map(|summary| (summary.external_id, summary.id));
            twins.kept.extend(named.filter(|(name, _)| name.starts_with(PREFIX)));
            after = page.next;
            if after.is_none() {
                return Ok(twins);
            }
        }
    }

    /// Compares an imported conversation with what is kept.
    pub(crate) fn compare(&mut self, conversation: &Conversation) {
        if self.kept.is_empty() || Some(&conversation.provider) == provider().as_ref() {
            return;
        }
        let names = names(&conversation.messages);
        let found = names.iter().filter_map(|name| self.kept.get(name)).copied();
        let found: Vec<_> =
            found.map(|id| (id, Said::all(&conversation.messages).into_iter().collect())).collect();
        self.found.extend(found);
    }

    /// Removes what is kept of conversations that were imported with all of it, and says how many.
    pub(crate) async fn replace(self, archive: &Archive, scope: &Scope) -> Result<u64, Error> {
        let mut replaced = 0;
        for (id, imported) in self.found {
            let kept = match archive.conversation(scope, id).await {
                Ok(kept) => kept,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let messages: Vec<Message> = kept.messages.into_iter().map(|stored| stored.message).collect();
            if Said::all(&messages).iter().all(|said| imported.contains(said)) {
                archive.delete(scope, id).await?;
                replaced += 1;
            }
        }
        Ok(replaced)
    }
}
