//! Antigravity: a conversation as its language server renders it, Markdown under headings that name the speaker.

use athenaeum_core::{Block, Conversation, Message, Provider, Role};

use crate::{
    context::Context,
    draft::{self, Notes},
    format::{Fit, Format, Reject, Shape, has_keys},
    node::Node,
    sample::Sample,
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::ANTIGRAVITY),
    name: "Antigravity conversation",
    shape: Shape::Record { recognise, parse },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    Fit::strong(has_keys(sample.first(), &["cascadeId", "markdown"]))
}

fn parse(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    draft::emit_record(context, text, conversation)
}

const SPEAKERS: &[(&str, Role)] = &[
    ("### User Input", Role::User),
    ("### Planner Response", Role::Assistant),
    ("### Notify User", Role::Assistant),
    ("### Error Message", Role::System),
    ("### Tool Result", Role::Tool),
];

/// Reads `{cascadeId, title, markdown}`.
pub(crate) fn conversation(file: &Node<'_>, notes: &mut Notes) -> Conversation {
    let mut conversation =
        Conversation::new(Provider::ANTIGRAVITY, file.get("cascadeId").id().unwrap_or_default());
    conversation.title = file.get("title").text();
    conversation.created_at = file.first(&["createdTime", "createdAt"]).time();
    conversation.updated_at = file.get("lastModifiedTime").time();
    let markdown = file.get("markdown");
    conversation.messages = match markdown.str() {
        Some(text) => draft::linear(messages(text)),
        None => super::simple::turns(super::simple::list(file), notes),
    };
    conversation.raw_json = file.raw().to_owned();
    if conversation.external_id.is_empty() {
        let (title, messages) = (conversation.title.as_deref(), &conversation.messages);
        conversation.external_id = draft::id_from_beginning(title, messages);
    }
    conversation
}

/// Cuts at the headings; what stands before the first is the program's own word.
fn messages(markdown: &str) -> Vec<Message> {
    let mut sections: Vec<(Role, String)> = vec![(Role::System, String::new())];
    let mut fenced = false;
    for line in markdown.split_inclusive('\n') {
        fenced ^= line.trim_start().starts_with("```");
        let heading = SPEAKERS.iter().find(|(heading, _)| !fenced && *heading == line.trim_end());
        match (heading, sections.last_mut()) {
            (Some((_, role)), _) => sections.push((*role, String::new())),
            (None, Some((_, text))) => text.push_str(line),
            (None, None) => {}
        }
    }
    let said = sections.into_iter().filter(|(_, text)| !text.trim().is_empty());
    said.map(|(role, text)| Message::new(role, vec![Block::text(text.trim())])).collect()
}
