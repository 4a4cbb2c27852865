//! A conversation as a file that people keep: Markdown to read, JSON to import again, plain text to print.
//!
//! Pure functions: what they return depends on the conversation alone.

mod fence;
mod markdown;
mod text;

use std::{fmt, str::FromStr};

use athenaeum_archive::{Conversation, StoredMessage};
use athenaeum_core::Role;

/// The forms that a conversation can be written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// Markdown with roles, times, models; thinking and tool calls folded; other branches at the end.
    #[default]
    Markdown,
    /// One line of the import format: importing it gives the same conversation.
    Json,
    /// Text without markup.
    Text,
}

impl Format {
    /// Every format, in the order of the enum.
    pub const ALL: [Self; 3] = [Self::Markdown, Self::Json, Self::Text];

    /// Returns the short name that flags and wires use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "md",
            Self::Json => "json",
            Self::Text => "text",
        }
    }

    /// Returns the ending of file names, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Markdown => "md",
            Self::Json => "jsonl",
            Self::Text => "txt",
        }
    }

    /// Returns the media type with its character set.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Json => "application/jsonl",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}

/// A text that names no [`Format`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownFormat(String);

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not a format; use md, json or text", self.0)
    }
}

impl std::error::Error for UnknownFormat {}

impl FromStr for Format {
    type Err = UnknownFormat;

    /// Reads the short name; `markdown` and `txt` are understood too.
    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "md" | "markdown" => Ok(Self::Markdown),
            "json" => Ok(Self::Json),
            "text" | "txt" => Ok(Self::Text),
            other => Err(UnknownFormat(other.chars().take(32).collect())),
        }
    }
}

/// Writes `conversation` as Markdown. Ends with a newline.
///
/// Text blocks stand as they are; a fence that one of them leaves open is closed behind it, and fences of our
/// own are longer than any run of backticks inside.
pub fn to_markdown(conversation: &Conversation) -> String {
    markdown::write(conversation)
}

/// Writes what [`to_markdown`] writes before the first message: title, facts, system prompt. Ends with a newline.
pub fn head_to_markdown(conversation: &Conversation) -> String {
    markdown::head(conversation)
}

/// Writes the message at index `at` of its conversation as [`to_markdown`] does, alone: a blank line, its heading
/// with number and speaker, and what it holds. The heading says if it stands in another branch. Ends with a newline.
pub fn message_to_markdown(at: usize, stored: &StoredMessage) -> String {
    markdown::message(at, stored)
}

/// Writes `conversation` as text without markup. Ends with a newline.
pub fn to_text(conversation: &Conversation) -> String {
    text::write(conversation)
}

/// Writes `conversation` as one line of the import format, without the line break: importing it gives the same
/// conversation. `raw_json` is the source's text for it, which the line carries along.
pub fn to_json_line(conversation: Conversation, raw_json: String) -> String {
    athenaeum_ingest::to_json_line(&athenaeum_core::Conversation {
        provider: conversation.summary.provider,
        external_id: conversation.summary.external_id,
        title: conversation.summary.title,
        model: conversation.summary.model,
        created_at: conversation.summary.created_at,
        updated_at: conversation.summary.updated_at,
        system_prompt: conversation.system_prompt,
        temperature: conversation.temperature,
        max_tokens: conversation.max_tokens,
        user_id: conversation.summary.user_id,
        messages: conversation.messages.into_iter().map(|stored| stored.message).collect(),
        raw_json,
    })
}

/// Makes a file name of 1 to 80 letters, digits, `-`, `_`, `.` out of the title and the id: safe in every
/// file system, in a header and in a shell, and different for every conversation.
pub fn file_name(conversation: &Conversation, format: Format) -> String {
    let mut stem = String::new();
    for character in conversation.summary.title.as_deref().unwrap_or_default().chars() {
        if stem.len() >= 50 {
            break;
        }
        if character.is_ascii_alphanumeric() {
            stem.push(character.to_ascii_lowercase());
        } else if !stem.is_empty() && !stem.ends_with('-') {
            stem.push('-');
        }
    }
    let id: String = conversation.summary.id.to_string().chars().rev().take(12).collect();
    let id: String = id.chars().rev().collect();
    let stem = stem.trim_end_matches('-');
    let separator = if stem.is_empty() { "conversation-" } else { "-" };
    format!("{stem}{separator}{id}.{}", format.extension())
}

/// What the writers say about a conversation before its first message: label and value.
fn facts(conversation: &Conversation) -> Vec<(&'static str, String)> {
    let summary = &conversation.summary;
    let mut facts = vec![("Provider", summary.provider.title().to_owned())];
    let mut add = |label, value: Option<String>| facts.extend(value.map(|value| (label, value)));
    add("Model", summary.model.clone());
    add("Begun", summary.created_at.map(|time| time.to_string()));
    add("Changed", summary.updated_at.map(|time| time.to_string()));
    add("User", summary.user_id.clone());
    add("Temperature", conversation.temperature.map(|number| number.to_string()));
    add("Token limit", conversation.max_tokens.map(|number| number.to_string()));
    add("Source id", Some(summary.external_id.clone()));
    facts
}

fn title(conversation: &Conversation) -> String {
    let title = conversation.summary.title.as_deref().unwrap_or("Untitled conversation");
    title.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Names a message: `Assistant (get_weather) · gpt-4o · 2024-05-17T08:30:00Z · hidden`.
fn speaker(stored: &StoredMessage) -> String {
    let message = &stored.message;
    let role = match message.role {
        Role::User => "User",
        Role::Assistant => "Assistant",
        Role::System => "System",
        Role::Tool => "Tool",
    };
    let mut line = role.to_owned();
    if let Some(author) = &message.author {
        line.push_str(&format!(" ({})", one_line(author)));
    }
    let parts = [message.model.as_deref().map(one_line), message.created_at.map(|time| time.to_string())];
    for part in parts.into_iter().flatten() {
        line.push_str(" · ");
        line.push_str(&part);
    }
    if message.hidden {
        line.push_str(" · hidden");
    }
    line
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Splits positions into the current branch and the others, both in stored order.
fn threads(conversation: &Conversation) -> (Vec<usize>, Vec<usize>) {
    (0..conversation.messages.len()).partition(|&at| !conversation.messages[at].message.off_branch)
}

#[cfg(test)]
mod tests;
