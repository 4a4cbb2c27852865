//! Conversations that a browser extension captured from a provider's page: `session` with its `turns`.

use athenaeum_core::{Conversation, Provider};

use super::simple;
use crate::{
    context::Context,
    draft::{self, Notes, Turn},
    format::{Fit, Format, Reject, Shape},
    node::Node,
    sample::Sample,
};

/// `None` because each capture names its provider.
pub(crate) const FORMAT: Format =
    Format { provider: None, name: "Browser capture", shape: Shape::Record { recognise, parse } };

fn recognise(sample: &Sample<'_>) -> Fit {
    let fits = |record: &serde_json::Value| {
        record
            .get("session")
            .is_some_and(|session| session.get("turns").is_some() && session.get("provider").is_some())
    };
    Fit::strong(sample.records.iter().any(fits))
}

fn parse(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    draft::emit_record(context, text, conversation)
}

/// Reads `{session: {provider, provider_session_id, turns}}`.
fn conversation(record: &Node<'_>, notes: &mut Notes) -> Conversation {
    let session = record.get("session");
    let name = session.get("provider").str().unwrap_or_default();
    let provider = match name {
        "claude-ai" => Provider::CLAUDE,
        name => name.parse().unwrap_or_else(|_| {
            notes.notice(format!("'{}' cannot name a provider; taken as chatgpt", draft::clip(name)));
            Provider::CHATGPT
        }),
    };
    let mut conversation = simple::conversation(session, provider, notes);
    if let Some(id) = session.get("provider_session_id").id() {
        conversation.external_id = id;
    }
    let mut turns = Vec::new();
    for node in session.get("turns").items().iter().filter(|node| node.is_object()) {
        let mut message = simple::message(node, notes);
        message.external_id = node.get("provider_turn_id").id().or(message.external_id);
        turns.push(Turn::new(message.external_id.clone(), node.get("parent_turn_id").id(), message));
    }
    let leaf = session.get("provider_meta").get("current_leaf_message_uuid").id();
    conversation.messages = match turns.iter().any(|turn| turn.parent.is_some()) {
        true => draft::tree(turns, leaf.as_deref(), notes),
        false => draft::linear(turns.into_iter().map(|turn| turn.message).collect()),
    };
    conversation.raw_json = record.raw().to_owned();
    conversation
}
