//! Copilot, both of them: the chat export of GitHub Copilot in VS Code (`requests`), and the activity that
//! Microsoft's privacy page hands out as CSV (`Conversation,Time,Author,Message`).

use std::{collections::HashMap, io::Read};

use athenaeum_core::{Attachment, Block, BlockKind, Conversation, Message, Provider, Role};

use crate::{
    content,
    context::Context,
    csv::Rows,
    draft::{self, Notes},
    format::{Fit, Format, Reject, Shape, has_keys},
    node::Node,
    sample::Sample,
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::COPILOT),
    name: "GitHub Copilot chat",
    shape: Shape::Record { recognise, parse },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    let first = sample.first();
    let Some(requests) = first.get("requests").and_then(serde_json::Value::as_array) else { return Fit::No };
    let asked = requests
        .first()
        .is_some_and(|request| request.get("message").is_some() || request.get("requestId").is_some());
    Fit::strong(asked || has_keys(first, &["responderUsername"]))
}

fn parse(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    draft::emit_record(context, text, conversation)
}

/// Reads an exported chat or a stored session of VS Code.
pub(crate) fn conversation(file: &Node<'_>, notes: &mut Notes) -> Conversation {
    let requests = file.get("requests").items();
    let id = file
        .get("sessionId")
        .id()
        .or_else(|| requests.first().and_then(|request| request.get("requestId").id()));
    let mut conversation = Conversation::new(Provider::COPILOT, id.unwrap_or_default());
    conversation.title = file.first(&["customTitle", "title"]).text();
    conversation.created_at = file.get("creationDate").time();
    conversation.updated_at = file.get("lastMessageDate").time();
    conversation.user_id = file.get("requesterUsername").text();
    let mut messages = Vec::new();
    for request in requests {
        messages.push(question(request, notes));
        messages.push(answer(file, request, notes));
    }
    messages.retain(|message| !message.blocks.is_empty() || !message.attachments.is_empty());
    conversation.model = messages.iter().rev().find_map(|message| message.model.clone());
    conversation.messages = draft::linear(messages);
    conversation.raw_json = file.raw().to_owned();
    if conversation.external_id.is_empty() {
        conversation.external_id = draft::id_from_beginning(None, &conversation.messages);
    }
    draft::fill_times(&mut conversation);
    conversation
}

fn question(request: &Node<'_>, notes: &mut Notes) -> Message {
    let mut message = Message::new(Role::User, Vec::new());
    message.external_id = request.get("requestId").id();
    message.created_at = request.get("timestamp").time();
    let said = request.get("message");
    match said.get("text").str() {
        Some(text) => content::add_text(&mut message, BlockKind::Text, text),
        None => content::add(&mut message, said.first(&["parts"]), notes),
    }
    if let Some(text) = said.str() {
        content::add_text(&mut message, BlockKind::Text, text);
    }
    for variable in request.get("variableData").get("variables").items() {
        let value = variable.get("value");
        let address = value
            .get("uri")
            .get("path")
            .text()
            .or_else(|| value.get("path").text())
            .or_else(|| value.get("fsPath").text());
        if let Some(text) = value.str() {
            content::add_labelled(&mut message, BlockKind::Attachment, text, variable.get("name").str());
        }
        let media_type = variable.get("mimeType").text();
        message.attachments.push(Attachment {
            name: variable.get("name").text(),
            id: address,
            media_type,
            ..Default::default()
        });
    }
    message
}

fn answer(file: &Node<'_>, request: &Node<'_>, notes: &mut Notes) -> Message {
    let mut message = Message::new(Role::Assistant, Vec::new());
    message.external_id = request.get("responseId").id();
    message.author = file.get("responderUsername").text();
    message.model = request.get("modelId").text();
    message.created_at = request
        .get("result")
        .get("timings")
        .get("totalElapsed")
        .int()
        .and_then(|elapsed| {
            let asked = request.get("timestamp").time()?.as_micros();
            Some(athenaeum_core::Timestamp::from_micros(asked.checked_add(elapsed.checked_mul(1_000)?)?))
        })
        .or_else(|| request.get("timestamp").time());
    if request.get("isCanceled").is_true() {
        message.finish_reason = Some("canceled".to_owned());
    }
    let mut joins = false;
    for part in request.get("response").items() {
        joins = add_part(&mut message, part, joins, notes);
    }
    if let Some(text) = request.get("response").str() {
        content::add_text(&mut message, BlockKind::Text, text);
    }
    let error = request.get("result").get("errorDetails").get("message").str().unwrap_or_default();
    content::add_text(&mut message, BlockKind::Text, error);
    message
}

/// Adds one part; text that only a reference interrupted is put together again. Returns whether the next text
/// joins this one.
fn add_part(message: &mut Message, part: &Node<'_>, joins: bool, notes: &mut Notes) -> bool {
    let text = |node: &Node<'_>| {
        node.str().map(str::to_owned).or_else(|| node.get("value").str().map(str::to_owned))
    };
    match part.get("kind").str() {
        None | Some("markdownContent" | "markdownVuln") => {
            let said = text(part.get("content")).or_else(|| text(part)).unwrap_or_default();
            match message.blocks.last_mut() {
                Some(last) if joins && last.kind == BlockKind::Text => last.text.push_str(&said),
                _ => content::add_text(message, BlockKind::Text, &said),
            }
            true
        }
        Some("inlineReference") => {
            let reference = part.get("inlineReference");
            let path = reference
                .get("path")
                .text()
                .or_else(|| reference.get("location").get("uri").get("path").text());
            let name = part.get("name").text().or_else(|| reference.get("name").text());
            let name =
                name.or_else(|| path.as_deref().and_then(|path| path.rsplit('/').next()).map(str::to_owned));
            let name = format!("`{}`", name.unwrap_or_default());
            match message.blocks.last_mut() {
                Some(last) if joins && last.kind == BlockKind::Text => last.text.push_str(&name),
                _ => content::add_text(message, BlockKind::Text, &name),
            }
            true
        }
        Some("thinking") => {
            content::add_text(message, BlockKind::Thinking, &content::result_text(part.get("value")));
            false
        }
        Some("toolInvocation" | "toolInvocationSerialized") => {
            let name = part.get("toolId").text().unwrap_or_default();
            let said = part.first(&["pastTenseMessage", "invocationMessage"]);
            let shown = text(said).unwrap_or_default();
            let details = part.first(&["resultDetails", "toolSpecificData"]);
            let input = details.first(&["input", "command", "commandLine"]);
            let arguments = if input.is_null() { shown.clone() } else { input.shown() };
            content::add_call(message, part.get("toolCallId").id(), &name, &arguments);
            let output = details.get("output");
            let output = match output.items().first() {
                Some(_) => output.items().iter().filter_map(&text).collect::<Vec<_>>().join("\n"),
                None => content::shown_or_empty(output),
            };
            content::add_labelled(message, BlockKind::ToolResult, &output, Some(&name));
            false
        }
        Some("textEditGroup") => {
            let path = part.get("uri").get("path").text().unwrap_or_default();
            let edits = part.get("edits").items().iter().flat_map(Node::items);
            let texts: Vec<&str> = edits.filter_map(|edit| edit.get("text").str()).collect();
            content::add_labelled(message, BlockKind::Code, &texts.concat(), Some(&path));
            false
        }
        Some("progressMessage" | "progressTaskSerialized" | "warning" | "confirmation") => {
            let said = part.first(&["content", "message", "title"]);
            content::add_text(message, BlockKind::Text, &text(said).unwrap_or_default());
            false
        }
        // Marks for the editor's display.
        Some(
            "codeblockUri"
            | "undoStop"
            | "prepareToolInvocation"
            | "mcpServersStarting"
            | "command"
            | "treeData"
            | "codeCitation"
            | "reference"
            | "usedContext"
            | "clearToPreviousToolInvocation"
            | "elicitation"
            | "extensions"
            | "pullRequest"
            | "multiDiffData"
            | "progressTask"
            | "notebookEditGroup",
        ) => joins,
        Some(kind) => {
            content::add_unknown(message, kind, part, notes);
            false
        }
    }
}

/// The activity file of Microsoft's privacy page.
pub(crate) const ACTIVITY: Format = Format {
    provider: Some(Provider::COPILOT),
    name: "Copilot activity",
    shape: Shape::Text { recognise: recognise_activity, parse: parse_activity },
};

const COLUMNS: [&str; 4] = ["conversation", "time", "author", "message"];

fn recognise_activity(head: &str) -> Fit {
    let line = head.trim_start_matches('\u{feff}').lines().next().unwrap_or_default();
    let names: Vec<String> =
        line.split(',').map(|name| name.trim().trim_matches('"').to_ascii_lowercase()).collect();
    Fit::strong(COLUMNS.iter().all(|column| names.iter().any(|name| name == column)))
}

fn parse_activity(context: &mut Context<'_>, source: &mut dyn Read) -> Result<(), Reject> {
    let mut rows = Rows::new(source, context.options.record_bytes_max);
    let header = rows.next_row()?.unwrap_or_default();
    let place = |column: &str| {
        header.iter().position(|name| name.trim_start_matches('\u{feff}').trim().eq_ignore_ascii_case(column))
    };
    let Some(places) = COLUMNS.iter().map(|column| place(column)).collect::<Option<Vec<usize>>>() else {
        return Err(Reject::new("the columns Conversation, Time, Author and Message are not all there"));
    };
    let mut activity = Activity::default();
    let mut notes = Notes::default();
    let mut number = 1_u64;
    while let Some(row) = rows.next_row()? {
        number += 1;
        let cells: Vec<&str> =
            places.iter().filter_map(|place| row.get(*place).map(String::as_str)).collect();
        match cells.as_slice() {
            [title, time, author, text] => activity.row([title, time, author, text], &mut notes),
            _ if row.iter().all(String::is_empty) => {}
            _ => notes.skipped(format!("row {number} has {} columns of {}", row.len(), header.len())),
        }
    }
    draft::emit_all(context, activity.finish(), notes);
    Ok(())
}

/// Conversations gathered from the rows of the activity file, which are told apart by their titles alone.
#[derive(Default)]
pub(crate) struct Activity {
    chats: Vec<(String, Vec<Message>, String)>,
    by_title: HashMap<String, usize>,
}

impl Activity {
    /// Takes a row with its columns in order.
    pub(crate) fn row(&mut self, [title, time, author, text]: [&str; 4], notes: &mut Notes) {
        let mut message = Message::new(draft::role(author, notes), vec![Block::text(text)]);
        message.created_at = time.parse().ok();
        if message.created_at.is_none() && !time.is_empty() {
            notes.notice(format!("'{}' is not a time that is understood", draft::clip(time)));
        }
        let index = *self.by_title.entry(title.to_owned()).or_insert(self.chats.len());
        if index == self.chats.len() {
            self.chats.push((title.to_owned(), Vec::new(), String::new()));
        }
        let (_, messages, raw) = &mut self.chats[index];
        messages.push(message);
        let row = [title, time, author, text].map(|cell| serde_json::Value::from(cell).to_string());
        raw.push_str(if raw.is_empty() { "[" } else { ",\n" });
        raw.push_str(&format!("[{}]", row.join(",")));
    }

    /// Returns the conversations, each in the order of time.
    pub(crate) fn finish(self) -> Vec<Conversation> {
        let make = |(title, mut messages, raw): (String, Vec<Message>, String)| {
            // The file begins with the newest row.
            let newest_first = messages.first().map(|message| message.created_at)
                > messages.last().map(|message| message.created_at);
            if newest_first {
                messages.reverse();
            }
            messages.sort_by_key(|message| message.created_at);
            let id = draft::id_from_beginning(Some(&title), &messages);
            let mut conversation = Conversation::new(Provider::COPILOT, id);
            conversation.title = Some(title).filter(|title| !title.is_empty());
            conversation.messages = draft::linear(messages);
            conversation.raw_json = raw + "]";
            draft::fill_times(&mut conversation);
            conversation
        };
        self.chats.into_iter().map(make).collect()
    }
}
