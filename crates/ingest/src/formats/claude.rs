//! Claude's export: `conversations.json` with `chat_messages`, the same as the web application's interface gives
//! it, and the sessions of Claude Design.
//!
//! Newer exports tell each message's parent, so that edited and regenerated messages are branches: the one that
//! ends in `current_leaf_message_uuid`, else in the newest message, is the conversation. Older ones are a list.
//!
//! A message has its text twice, as `content` blocks and flattened in `text`. The blocks count; `text` is kept
//! beside them only where it says something that they do not.

mod content;
mod projects;
mod wire;

use athenaeum_core::{Conversation, Message, Provider, Role};
use rustc_hash::FxHashMap;

pub(crate) use self::projects::PROJECTS;
use self::{
    content::{Raw, body},
    wire::{Chat, ChatMessage},
};
use crate::{
    branches::{cut_circles, newest_leaf, order},
    context::{Context, derived_id},
    format::{Fit, Format, Reject, Shape, has_keys},
    sample::Sample,
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::CLAUDE),
    name: "Claude export",
    shape: Shape::Record { recognise, parse },
};

/// The parent of a first message.
const NO_MESSAGE: &str = "00000000-0000-4000-8000-000000000000";

fn recognise(sample: &Sample<'_>) -> Fit {
    sample.records.iter().map(fit).max().unwrap_or(Fit::No)
}

fn fit(record: &serde_json::Value) -> Fit {
    let design = record.pointer("/messages/0/content/authorAccountUuid").is_some();
    // A tree with a current node is ChatGPT's, whatever list a tool has put beside it.
    let tree = record.get("mapping").is_some() && record.get("current_node").is_some();
    Fit::strong(
        (record.get("chat_messages").is_some_and(serde_json::Value::is_array) && !tree)
            || (design && has_keys(record, &["uuid"])),
    )
}

fn parse(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    let chat: Chat<'_> = serde_json::from_str(text)?;
    let id = chat.uuid.filled_ref().or(chat.conversation_id.filled_ref()).or(chat.id.filled_ref());
    let id = id.unwrap_or_default().to_owned();
    if !id.is_empty() {
        context.begin_record(id.clone());
    }
    let Some(messages) = chat.chat_messages.or(chat.messages) else {
        return Err(Reject::new("a conversation without 'chat_messages'"));
    };
    let mut conversation = Conversation::new(Provider::CLAUDE, id);
    conversation.title = chat.name.filled().or_else(|| chat.title.filled());
    conversation.model = chat.model.filled();
    conversation.created_at = chat.created_at.0;
    conversation.updated_at = chat.updated_at.0;
    conversation.user_id = chat.account.0.and_then(|account| account.uuid.filled());
    if let Some(settings) = chat.settings.0 {
        conversation.system_prompt = settings.system_prompt.filled();
        conversation.temperature = settings.temperature;
        conversation.max_tokens = settings.max_tokens.0;
        conversation.model = conversation.model.or_else(|| settings.model.filled());
    }
    let plan = Plan::new(&messages.0, chat.current_leaf_message_uuid.as_str(), context);
    let mut raw = Raw::new(text);
    let mut sources: Vec<Option<ChatMessage<'_>>> = messages.0.into_iter().map(|message| message.0).collect();
    let mut places: Vec<Option<u32>> = vec![None; sources.len()];
    for (index, off_branch) in plan.steps {
        let above = plan.parents[index].and_then(|parent| places[parent]);
        let Some(source) = sources[index].take() else {
            context.skipped(format!("message {} is no object", index + 1));
            places[index] = above;
            continue;
        };
        places[index] = u32::try_from(conversation.messages.len()).ok();
        let mut message = message(context, source, index, &mut raw);
        message.parent = above;
        message.off_branch = off_branch;
        conversation.messages.push(message);
    }
    if conversation.external_id.is_empty() {
        let first = conversation.messages.first().map(Message::content).unwrap_or_default();
        let begun = conversation.created_at.map(|time| time.to_string()).unwrap_or_default();
        let title = conversation.title.as_deref().unwrap_or_default();
        conversation.external_id = derived_id(&[title, &begun, &first]);
    }
    text.clone_into(&mut conversation.raw_json);
    context.emit(conversation);
    Ok(())
}

fn message(
    context: &mut Context<'_>,
    mut source: ChatMessage<'_>,
    index: usize,
    raw: &mut Raw<'_>,
) -> Message {
    let role = role(context, &source);
    let body = body(context, &mut source, index, raw);
    let mut message = Message::new(role, body.blocks);
    message.external_id = source.uuid.filled().or_else(|| source.id.filled());
    message.author = body.author;
    message.model = source.model.filled();
    message.created_at = source.created_at.0.or(source.timestamp.0).or(body.written);
    message.finish_reason = source.stop_reason.filled();
    message.tool_calls = body.tool_calls;
    message.attachments = body.attachments;
    message
}

fn role(context: &mut Context<'_>, source: &ChatMessage<'_>) -> Role {
    match source.sender.filled_ref().or(source.role.filled_ref()).unwrap_or_default() {
        "human" | "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        "tool" => Role::Tool,
        other => {
            let shown: String = other.chars().take(40).collect();
            context.notice(format!("the sender '{}' is not known; kept as a tool's", shown.escape_debug()));
            Role::Tool
        }
    }
}

/// In which order the messages are told, and what each follows.
struct Plan {
    /// Index and whether it is off the current branch.
    steps: Vec<(usize, bool)>,
    parents: Vec<Option<usize>>,
}

impl Plan {
    fn new(
        messages: &[crate::lenient::Object<ChatMessage<'_>>],
        leaf: &str,
        context: &mut Context<'_>,
    ) -> Self {
        let parent_of = |index: usize| {
            messages[index].0.as_ref().and_then(|message| message.parent_message_uuid.filled_ref())
        };
        if (0..messages.len()).all(|index| parent_of(index).is_none()) {
            let parents = (0..messages.len()).map(|index| index.checked_sub(1)).collect();
            return Self { steps: (0..messages.len()).map(|index| (index, false)).collect(), parents };
        }
        let mut ids = FxHashMap::default();
        for (index, message) in messages.iter().enumerate() {
            ids.extend(message.0.as_ref().and_then(|message| Some((message.uuid.filled_ref()?, index))));
        }
        let mut parents = vec![None; messages.len()];
        for (index, parent) in parents.iter_mut().enumerate() {
            *parent = match parent_of(index) {
                None => index.checked_sub(1),
                Some(NO_MESSAGE) => None,
                Some(uuid) => ids.get(uuid).copied().filter(|parent| *parent != index),
            };
            if parent.is_none() && parent_of(index).is_some_and(|uuid| uuid != NO_MESSAGE && index > 0) {
                context.notice("the message before a message is missing");
            }
        }
        if cut_circles(&mut parents) {
            context.notice("messages follow each other in a circle");
        }
        let written =
            |index: usize| Some(messages[index].0.as_ref().and_then(|message| message.created_at.0));
        let current = ids.get(leaf).copied().or_else(|| {
            if !leaf.is_empty() {
                context.notice("the current message is not in the conversation; the newest branch is shown");
            }
            newest_leaf(&parents, written)
        });
        let steps = order(&parents, current).into_iter().map(|step| (step.node, step.off_branch)).collect();
        Self { steps, parents }
    }
}
