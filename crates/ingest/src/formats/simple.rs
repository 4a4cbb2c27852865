//! The plain shape that many exporters agree on without having agreed: an object with an id, a title and a list
//! of messages, each with a role and a text.
//!
//! Field names differ (`messages`, `turns`, `exchanges`; `role`, `sender`, `author`), so every known one is
//! tried. Formats with names of their own have modules of their own and come here for what is left.

use athenaeum_core::{BlockKind, Conversation, Message, Provider, Role};

use crate::{
    content,
    context::Context,
    draft::{self, Notes, Turn},
    format::{Fit, Format, Reject, Shape},
    node::Node,
    sample::{Layout, Sample},
};

/// Providers whose name in a file, an id or a model tells them apart in the plain shape.
macro_rules! providers {
    ($($module:ident = $provider:ident, $title:literal, $name:literal;)*) => {
        $(pub(crate) mod $module {
            use super::{Context, Fit, Format, Provider, Reject, Sample, Shape, any, draft, named};

            /// Where the provider's name tells.
            pub(crate) const NAMED: Format = Format {
                provider: Some(Provider::$provider),
                name: $title,
                shape: Shape::Record { recognise, parse },
            };

            /// Where the person tells; after all formats that know their files by more.
            pub(crate) const ANY: Format = Format {
                provider: Some(Provider::$provider),
                name: $title,
                shape: Shape::Record { recognise: any, parse },
            };

            fn recognise(sample: &Sample<'_>) -> Fit {
                named(sample, $name)
            }

            fn parse(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
                draft::emit_record(context, text, |node, notes| super::conversation(node, Provider::$provider, notes))
            }
        })*
    };
}

providers! {
    gemini = GEMINI, "Gemini conversations", "gemini";
    grok = GROK, "Grok conversations", "grok";
    deepseek = DEEPSEEK, "DeepSeek conversations", "deepseek";
    cursor = CURSOR, "Cursor conversations", "cursor";
    zed = ZED, "Zed conversations", "zed";
    perplexity = PERPLEXITY, "Perplexity conversations", "perplexity";
    copilot = COPILOT, "Copilot conversations", "copilot";
}

/// Tells whether a record has the plain shape.
fn plain(record: &serde_json::Value) -> bool {
    let list = LISTS.iter().find_map(|key| record.get(key).filter(|list| list.is_array()));
    let Some(first) = list.and_then(|list| list.get(0)) else { return false };
    let has = |keys: &[&str]| keys.iter().any(|key| first.get(key).is_some());
    (has(&["role", "sender", "author", "from", "type"]) && has(TEXTS)) || (has(QUESTIONS) && has(ANSWERS))
}

fn any(sample: &Sample<'_>) -> Fit {
    if sample.records.iter().any(plain) { Fit::Told } else { Fit::No }
}

fn named(sample: &Sample<'_>, name: &str) -> Fit {
    let says = |value: Option<&serde_json::Value>| {
        value.and_then(serde_json::Value::as_str).is_some_and(|text| text.to_ascii_lowercase().contains(name))
    };
    let record = |record: &serde_json::Value| {
        let keys = ["id", "provider", "source", "model", "conversation_id"];
        let message = LISTS.iter().find_map(|key| record.get(key)?.as_array());
        let mut said = message.into_iter().flatten();
        keys.iter().any(|key| says(record.get(key)))
            || said.any(|message| {
                says(message.get("model")) || says(message.get("role")) || says(message.get("sender"))
            })
    };
    // Only Google's models are called just that.
    let model = |record: &serde_json::Value| {
        let list = LISTS.iter().find_map(|key| record.get(key)?.as_array());
        name == "gemini"
            && list
                .into_iter()
                .flatten()
                .any(|message| message.get("role").and_then(serde_json::Value::as_str) == Some("model"))
    };
    let container =
        matches!(sample.layout, Layout::Container(key) if name == "zed" && key == "workspace_conversations");
    let told = sample.name_has(name)
        || container
        || sample.records.iter().any(|value| record(value) || model(value));
    Fit::weak(told && sample.records.iter().any(plain))
}

const LISTS: &[&str] =
    &["messages", "turns", "exchanges", "interactions", "chat_messages", "history", "transcript", "entries"];
const TIMES: &[&str] = &[
    "timestamp",
    "created_at",
    "create_time",
    "createdAt",
    "createTime",
    "inserted_at",
    "time",
    "date",
    "created",
];
const UPDATES: &[&str] = &[
    "updated_at",
    "update_time",
    "updatedAt",
    "updateTime",
    "modify_time",
    "lastUpdated",
    "last_updated",
    "updated",
    "modified_at",
    "ended_at",
];
const TEXTS: &[&str] = &["content", "text", "message", "parts", "value", "body"];
const QUESTIONS: &[&str] = &["prompt", "question", "query", "input", "user_message", "user"];
const ANSWERS: &[&str] =
    &["response", "answer", "completion", "output", "assistant_message", "assistant", "reply"];

/// Returns the list of messages under whatever name it has; null where there is none.
pub(crate) fn list<'n, 'a>(node: &'n Node<'a>) -> &'n Node<'a> {
    LISTS.iter().map(|key| node.get(key)).find(|list| list.is_array()).unwrap_or(Node::missing())
}

/// Reads a conversation of `provider` in the plain shape.
pub(crate) fn conversation(node: &Node<'_>, provider: Provider, notes: &mut Notes) -> Conversation {
    let inner = node.get("conversation");
    let either =
        |keys: &[&str]| if inner.first(keys).is_null() { node.first(keys) } else { inner.first(keys) };
    let id = draft::first_id(
        node,
        &["id", "conversation_id", "thread_id", "session_id", "uuid", "_id", "sessionId"],
    )
    .or_else(|| draft::first_id(inner, &["id", "conversation_id", "uuid"]));
    let mut conversation = Conversation::new(provider, id.unwrap_or_default());
    conversation.title = either(&["title", "name", "subject", "topic"]).text();
    conversation.created_at =
        either(TIMES).time().or_else(|| node.first(&["started_at", "start_time"]).time());
    conversation.updated_at = either(UPDATES).time();
    let settings = node.first(&["settings", "params", "parameters"]);
    conversation.model =
        node.first(&["model", "model_slug", "default_model"]).text().or_else(|| settings.get("model").text());
    conversation.temperature =
        node.get("temperature").float().or_else(|| settings.get("temperature").float());
    conversation.max_tokens =
        node.get("max_tokens").int().or_else(|| settings.first(&["max_tokens", "max_output_tokens"]).int());
    conversation.system_prompt = node
        .first(&["system_prompt", "system", "systemPrompt"])
        .text()
        .or_else(|| settings.first(&["system_prompt", "system_instruction"]).text());
    conversation.user_id = node.first(&["user_id", "userId", "user"]).id();
    let messages = if list(node).is_null() { list(inner) } else { list(node) };
    conversation.messages = turns(messages, notes);
    if conversation.external_id.is_empty() {
        conversation.external_id =
            draft::id_from_beginning(conversation.title.as_deref(), &conversation.messages);
    }
    conversation.raw_json = node.raw().to_owned();
    draft::fill_times(&mut conversation);
    conversation
}

/// Reads a list of messages: as a tree where they name their parents, else in order. An entry with a question and
/// an answer gives two messages.
pub(crate) fn turns(list: &Node<'_>, notes: &mut Notes) -> Vec<Message> {
    let mut turns = Vec::new();
    let mut branching = false;
    for item in list.items() {
        if let Some((question, answer)) = pair(item) {
            for (role, text) in [(Role::User, question), (Role::Assistant, answer)] {
                let mut message = Message::new(role, Vec::new());
                content::add(&mut message, text, notes);
                fill(&mut message, item);
                if role == Role::User {
                    message.model = None;
                }
                turns.push(Turn::new(None, None, message));
            }
            continue;
        }
        if !item.is_object() && item.str().is_none() {
            if !item.is_null() {
                notes.notice("a message is neither an object nor a text; it is only in the raw JSON");
            }
            continue;
        }
        let parent = draft::first_id(item, &["parent_id", "parentId", "parent", "parent_message_id"]);
        branching |= parent.is_some();
        let message = message(item, notes);
        turns.push(Turn::new(message.external_id.clone(), parent, message));
    }
    match branching {
        true => draft::tree(turns, None, notes),
        false => draft::linear(turns.into_iter().map(|turn| turn.message).collect()),
    }
}

/// Reads one message.
pub(crate) fn message(node: &Node<'_>, notes: &mut Notes) -> Message {
    let author = node.get("author");
    let speaker = [
        node.get("role"),
        node.get("sender"),
        author.get("role"),
        author,
        node.get("from"),
        node.get("speaker"),
        node.get("type"),
    ]
    .into_iter()
    .find_map(|node| node.str().filter(|name| !name.is_empty()));
    let role = match speaker {
        Some(name) => draft::role(name, notes),
        None if node.get("is_user").bool().is_some() || node.get("isUser").bool().is_some() => {
            let person = node.get("is_user").is_true() || node.get("isUser").is_true();
            if person { Role::User } else { Role::Assistant }
        }
        None => {
            notes.notice("a message says nobody as its speaker; taken as assistant");
            Role::Assistant
        }
    };
    let mut message = Message::new(role, Vec::new());
    message.author = node.get("name").text().or_else(|| author.get("name").text());
    let thought = node.first(&["reasoning_content", "reasoning", "thinking", "thoughts", "thought"]);
    if let Some(text) = thought.str() {
        content::add_text(&mut message, BlockKind::Thinking, text);
    }
    let body = if node.is_object() { node.first(TEXTS) } else { node };
    let said = message.blocks.len();
    match body.get("parts") {
        parts if parts.is_array() => content::add(&mut message, parts, notes),
        _ => content::add(&mut message, body, notes),
    }
    if role == Role::Tool {
        for block in &mut message.blocks[said..] {
            if block.kind == BlockKind::Text {
                block.kind = BlockKind::ToolResult;
                block.label = message.author.clone();
            }
        }
    }
    add_code(&mut message, node);
    content::add_openai_calls(&mut message, node);
    for key in ["attachments", "files", "images"] {
        for file in node.get(key).items() {
            match file.str() {
                Some(name) => message.attachments.push(file_named(name)),
                None => content::add_file(&mut message, file),
            }
        }
    }
    fill(&mut message, node);
    message
}

fn file_named(name: &str) -> athenaeum_core::Attachment {
    let media_type = content::data_media_type(name);
    let name = media_type.is_none().then(|| name.to_owned());
    athenaeum_core::Attachment { name, media_type, ..Default::default() }
}

/// An editor's message may carry a piece of code beside its text, and the file it is about.
fn add_code(message: &mut Message, node: &Node<'_>) {
    if let Some(code) = node.get("code").str() {
        content::add_labelled(message, BlockKind::Code, code, node.get("language").str());
    }
    let context = node.get("context");
    if let Some(file) = context.get("file").text() {
        message.attachments.push(athenaeum_core::Attachment { name: Some(file), ..Default::default() });
    }
}

fn fill(message: &mut Message, node: &Node<'_>) {
    let metadata = node.first(&["metadata", "meta"]);
    message.external_id = draft::first_id(node, &["id", "uuid", "message_id", "messageId", "_id"]);
    message.created_at = node.first(TIMES).time();
    message.model = node
        .first(&["model", "model_slug", "modelId", "model_id"])
        .text()
        .or_else(|| metadata.get("model").text());
    message.tokens = node.first(&["tokens", "token_count", "tokenCount", "num_tokens"]).int();
    message.finish_reason = node.first(&["finish_reason", "finishReason", "stop_reason"]).text();
    message.hidden = node.first(&["hidden", "is_hidden"]).is_true();
}

fn pair<'n, 'a>(item: &'n Node<'a>) -> Option<(&'n Node<'a>, &'n Node<'a>)> {
    if ["role", "sender", "author", "from", "speaker"].iter().any(|key| item.has(key)) {
        return None;
    }
    let (question, answer) = (item.first(QUESTIONS), item.first(ANSWERS));
    (!question.is_null() && !answer.is_null()).then_some((question, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expected: &str) {
        let mut notes = Notes::default();
        let conversation = conversation(&Node::parse(json).unwrap(), Provider::GROK, &mut notes);
        let one = |message: &Message| format!("{}: {}", message.role.as_str(), message.content());
        let mut shown =
            vec![format!("{}/{}", conversation.external_id, conversation.title.as_deref().unwrap_or("-"))];
        shown.extend(conversation.messages.iter().map(one));
        shown.extend(notes.reasons().iter().map(|reason| format!("!{reason}")));
        assert_eq!(shown.join(" | "), expected, "{json}");
    }

    #[test]
    fn names_of_all_kinds() {
        check(
            r#"{"thread_id":7,"subject":"S","exchanges":[{"sender":"human","text":"a"},{"type":"assistant","message":"b"}]}"#,
            "7/S | user: a | assistant: b",
        );
        check(
            r#"{"id":"x","turns":[{"author":{"role":"user"},"content":{"parts":["a",{"text":"b"}]}}]}"#,
            "x/- | user: a\n\nb",
        );
        check(r#"{"id":"x","messages":[{"prompt":"a","response":"b"}]}"#, "x/- | user: a | assistant: b");
        check(
            r#"{"id":"x","messages":[{"role":"critic","content":"a"},{"content":"b"}]}"#,
            "x/- | assistant: a | assistant: b | !unknown role 'critic'; taken as assistant | !a message says nobody as its speaker; taken as assistant",
        );
    }

    #[test]
    fn an_id_is_made_from_the_beginning() {
        let read = |json: &str| {
            conversation(&Node::parse(json).unwrap(), Provider::GROK, &mut Notes::default()).external_id
        };
        let short =
            read(r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#);
        let long = read(
            r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}]}"#,
        );
        let other =
            read(r#"{"messages":[{"role":"user","content":"z"},{"role":"assistant","content":"b"}]}"#);
        assert_eq!(short, long);
        assert_ne!(short, other);
    }
}
