//! AI Studio: prompts that Google keeps in the person's Drive, as JSON files without an extension.
//!
//! `chunkedPrompt.chunks` is the conversation; each chunk is a message of its own, thoughts included, because each
//! has its own role, tokens and time. Settings stand in `runSettings`, instructions in `systemInstruction`. Older
//! files hold `history` or `contents` in the form of the API.

use athenaeum_core::{Attachment, Block, BlockKind, Conversation, Message, Provider, Role};

use crate::{
    content,
    context::Context,
    draft::{self, Notes, Turn},
    format::{Fit, Format, Reject, Shape},
    node::Node,
    sample::Sample,
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::AISTUDIO),
    name: "AI Studio prompt",
    shape: Shape::Record { recognise, parse },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    let first = sample.first();
    let old = first.get("runSettings").is_some()
        && (first.get("history").is_some() || first.get("contents").is_some());
    Fit::strong(first.get("chunkedPrompt").is_some() || old)
}

fn parse(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    let base = context.file.rsplit('/').next().unwrap_or_default().to_owned();
    draft::emit_record(context, text, |node, notes| {
        let mut conversation = conversation(node, notes);
        // In Drive the name of the file is the title that the person gave; a name with an extension is somebody
        // else's.
        if conversation.title.is_none() && !base.contains('.') {
            conversation.title = Some(base);
        }
        conversation
    })
}

/// Fields of a chunk that hold a file, and what kind of file it is where that is not said.
const FILES: &[(&str, Option<&str>)] = &[
    ("driveDocument", None),
    ("driveImage", Some("image/*")),
    ("driveAudio", Some("audio/*")),
    ("driveVideo", Some("video/*")),
    ("inlineFile", None),
    ("inlineData", None),
    ("inlineImage", Some("image/*")),
    ("inlineAudio", Some("audio/*")),
    ("inlineVideo", Some("video/*")),
    ("youtubeVideo", Some("video/*")),
    ("fileData", None),
];

/// Fields that carry no content of their own.
const SILENT: &[&str] = &[
    "id",
    "role",
    "text",
    "parts",
    "tokenCount",
    "isThought",
    "thinkingBudget",
    "thoughtSignatures",
    "thoughtSignature",
    "createTime",
    "updateTime",
    "finishReason",
    "safetyRatings",
    "isEdited",
    "isGeneratedUsingApiKey",
    "branchParent",
    "branchChildren",
    "executableCode",
    "codeExecutionResult",
    "grounding",
    "citations",
    "errorMessage",
    "model",
    "thinkingLevel",
    "thought",
    "functionCall",
    "functionResponse",
    "name",
    "parentId",
];

/// Reads a prompt file.
pub(crate) fn conversation(file: &Node<'_>, notes: &mut Notes) -> Conversation {
    let mut conversation = Conversation::new(Provider::AISTUDIO, file.get("id").id().unwrap_or_default());
    conversation.title = file.first(&["title", "displayName", "name"]).text();
    conversation.created_at = file.get("createTime").time();
    conversation.updated_at = file.get("updateTime").time();
    let settings = file.first(&["runSettings", "generationConfig"]);
    conversation.model = settings.get("model").text().or_else(|| file.get("model").text());
    conversation.temperature = settings.get("temperature").float();
    conversation.max_tokens = settings.get("maxOutputTokens").int();
    let system = file.get("systemInstruction");
    let said = content::result_text(if system.get("parts").is_array() {
        system.get("parts")
    } else {
        system.get("text")
    });
    conversation.system_prompt = system.text().or(Some(said)).filter(|text| !text.is_empty());
    let prompt = file.get("chunkedPrompt");
    let chunks =
        [prompt.get("chunks"), file.get("chunks"), file.get("history"), file.get("contents"), prompt]
            .into_iter()
            .find(|list| list.is_array());
    if let Some(chunks) = chunks {
        conversation.messages = messages(chunks, notes);
    }
    conversation.raw_json = file.raw().to_owned();
    if conversation.external_id.is_empty() {
        let (title, messages) = (conversation.title.as_deref(), &conversation.messages);
        conversation.external_id = draft::id_from_beginning(title, messages);
    }
    draft::fill_times(&mut conversation);
    conversation
}

fn messages(chunks: &Node<'_>, notes: &mut Notes) -> Vec<Message> {
    let mut turns: Vec<Turn> = Vec::new();
    let mut branching = false;
    for node in chunks.items() {
        if !node.is_object() {
            notes.notice("a chunk is not an object; it is only in the raw JSON");
            continue;
        }
        let parent = branch_parent(node.get("branchParent")).or_else(|| node.get("parentId").id());
        branching |= parent.is_some();
        turns.push(Turn::new(node.get("id").id(), parent, chunk(node, notes)));
    }
    if !branching {
        return draft::linear(turns.into_iter().map(|turn| turn.message).collect());
    }
    // A chunk that names no parent follows the one before it.
    for index in 1..turns.len() {
        if turns[index].parent.is_none() {
            let before = turns[index - 1].key.get_or_insert_with(|| format!("\u{0}{}", index - 1)).clone();
            turns[index].parent = Some(before);
        }
    }
    draft::tree(turns, None, notes)
}

/// A branch's parent is another prompt, not a chunk of this one, unless it says a chunk's id outright.
fn branch_parent(node: &Node<'_>) -> Option<String> {
    node.text().or_else(|| node.first(&["chunkId", "messageId"]).id())
}

fn chunk(node: &Node<'_>, notes: &mut Notes) -> Message {
    let role = match node.get("role").str() {
        Some(name) => draft::role(name, notes),
        None => {
            notes.notice("a chunk has no role; taken as the model's");
            Role::Assistant
        }
    };
    let mut message = Message::new(role, Vec::new());
    message.external_id = node.get("id").id();
    message.created_at = node.get("createTime").time();
    message.tokens = node.get("tokenCount").int();
    message.finish_reason = node.get("finishReason").text();
    message.model = node.get("model").text();
    let thought = node.get("isThought").is_true() || node.get("thought").is_true();
    match node.get("text").str().filter(|text| !text.is_empty()) {
        // `parts` repeats the text in pieces.
        Some(text) => {
            content::add_text(
                &mut message,
                if thought { BlockKind::Thinking } else { BlockKind::Text },
                text,
            );
        }
        None => parts(&mut message, node.get("parts"), thought, notes),
    }
    add_code(&mut message, node);
    content::add_google_call(&mut message, node);
    for (key, media_type) in FILES {
        let file = node.get(key);
        if file.is_object() {
            message.attachments.push(attachment(file, *media_type));
        }
    }
    content::add_text(&mut message, BlockKind::Text, node.get("errorMessage").str().unwrap_or_default());
    for (key, value) in node.fields() {
        let known = SILENT.contains(&key.as_ref()) || FILES.iter().any(|(file, _)| file == key);
        if !known && (value.is_object() || value.is_array()) && !value.is_empty() {
            content::add_unknown(&mut message, key, value, notes);
        }
    }
    message
}

fn parts(message: &mut Message, parts: &Node<'_>, thought: bool, notes: &mut Notes) {
    for part in parts.items() {
        let thought = thought || part.get("thought").is_true();
        match part.get("text").str().or_else(|| part.str()) {
            Some(text) if thought => content::add_text(message, BlockKind::Thinking, text),
            Some(text) => content::add_text(message, BlockKind::Text, text),
            None if part.get("executableCode").is_object() || part.get("codeExecutionResult").is_object() => {
                add_code(message, part);
            }
            None => content::add(message, part, notes),
        }
    }
}

fn add_code(message: &mut Message, node: &Node<'_>) {
    let code = node.get("executableCode");
    if let Some(text) = code.get("code").str() {
        let language = code.get("language").str().unwrap_or_default().to_ascii_lowercase();
        content::add_labelled(message, BlockKind::Code, text, Some(&language));
    }
    let result = node.get("codeExecutionResult");
    if result.is_object() {
        let output = result.get("output").str().unwrap_or_default();
        message.blocks.push(Block::new(BlockKind::ToolResult, output).labelled("code_execution"));
    }
}

fn attachment(file: &Node<'_>, media_type: Option<&str>) -> Attachment {
    Attachment {
        name: file.first(&["name", "displayName", "fileName"]).text(),
        id: file.first(&["id", "fileUri", "uri"]).id(),
        media_type: file.get("mimeType").text().or_else(|| media_type.map(str::to_owned)),
        size: file.first(&["sizeBytes", "size"]).int().and_then(|size| u64::try_from(size).ok()),
        path: None,
    }
}
