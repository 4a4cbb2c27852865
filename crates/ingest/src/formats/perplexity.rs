//! Perplexity: threads of questions and answers.
//!
//! The service has no documented export of its own; what people hold are its replies (`entries`, with the answer
//! in a `markdown_block`) as exporters keep them, and the exporters' own `conversations` with `metadata`.

use std::collections::HashMap;

use athenaeum_core::{BlockKind, Conversation, Message, Provider, Role};

use crate::{
    content,
    context::Context,
    draft::{self, Notes},
    format::{Fit, Format, Shape, has_keys},
    node::Node,
    records::Records,
    sample::Sample,
};

pub(crate) const FORMAT: Format = Format {
    provider: Some(Provider::PERPLEXITY),
    name: "Perplexity threads",
    shape: Shape::Log { recognise, parse },
};

fn recognise(sample: &Sample<'_>) -> Fit {
    let entry = |record: &serde_json::Value| record.get("query_str").is_some();
    let turn = |record: &serde_json::Value| has_keys(record, &["query", "answer"]);
    let inside =
        |record: &serde_json::Value, key: &str| record.get(key).and_then(|list| list.get(0)).cloned();
    let fits = |record: &serde_json::Value| {
        entry(record)
            || inside(record, "entries").is_some_and(|first| entry(&first))
            || (record.get("metadata").is_some()
                && inside(record, "conversations").is_some_and(|first| turn(&first)))
    };
    Fit::strong(sample.records.iter().any(fits))
}

fn parse(context: &mut Context<'_>, records: &mut Records<'_>) {
    let mut loose: Vec<Vec<String>> = Vec::new();
    let mut by_thread: HashMap<String, usize> = HashMap::new();
    while let Some(record) = records.next(context) {
        let node = match Node::parse(record.text) {
            Ok(node) => node,
            Err(error) => {
                context.skipped(error.to_string());
                continue;
            }
        };
        let list = [node.get("entries"), node.get("conversations")].into_iter().find(|list| list.is_array());
        if let Some(list) = list {
            let mut notes = Notes::default();
            let conversation = conversation(list.items(), &node, node.raw().to_owned(), &mut notes);
            draft::emit_all(context, vec![conversation], notes);
            continue;
        }
        let thread = draft::first_id(&node, &["context_uuid", "thread_url_slug"]);
        let known = thread.as_ref().and_then(|thread| by_thread.get(thread)).copied();
        match known {
            Some(index) => loose[index].push(record.text.to_owned()),
            None => {
                by_thread.extend(thread.map(|thread| (thread, loose.len())));
                loose.push(vec![record.text.to_owned()]);
            }
        }
    }
    for texts in loose {
        let mut notes = Notes::default();
        let nodes = draft::parse_all(&texts, &mut notes);
        let conversation =
            conversation(&nodes, &Node::null(), format!("[{}]", texts.join(",\n")), &mut notes);
        draft::emit_all(context, vec![conversation], notes);
    }
}

/// Reads a thread: its entries and what stands around them (`metadata`, `thread_metadata`; null where nothing).
pub(crate) fn conversation(
    entries: &[Node<'_>],
    about: &Node<'_>,
    raw: String,
    notes: &mut Notes,
) -> Conversation {
    let first = entries.first();
    let of_first = |key: &str| first.and_then(|entry| entry.get(key).id());
    let about = about.first(&["metadata", "thread_metadata"]);
    let id = about
        .get("thread_id")
        .id()
        .or_else(|| of_first("context_uuid"))
        .or_else(|| of_first("thread_url_slug"));
    let id = id.or_else(|| of_first("backend_uuid")).or_else(|| of_first("uuid")).unwrap_or_default();
    let mut conversation = Conversation::new(Provider::PERPLEXITY, id);
    conversation.title = about.first(&["thread_title", "title"]).text().or_else(|| of_first("thread_title"));
    conversation.created_at = about.first(&["thread_created_at", "created_at"]).time();
    conversation.updated_at = about.first(&["thread_updated_at", "updated_at"]).time();
    conversation.user_id = of_first("author_id").or_else(|| of_first("author_username"));
    let mut turns: Vec<[Option<Message>; 2]> = entries.iter().map(|entry| turn(entry, notes)).collect();
    turns.sort_by_key(|turn| turn.iter().flatten().find_map(|message| message.created_at));
    conversation.messages = draft::linear(turns.into_iter().flatten().flatten().collect());
    conversation.raw_json = raw;
    draft::fill_times(&mut conversation);
    conversation
}

fn turn(entry: &Node<'_>, notes: &mut Notes) -> [Option<Message>; 2] {
    let id = draft::first_id(entry, &["uuid", "backend_uuid", "id"]);
    let time = entry
        .first(&[
            "entry_created_datetime",
            "timestamp",
            "created_at",
            "entry_updated_datetime",
            "updated_datetime",
        ])
        .time();
    let mut question = Message::new(Role::User, Vec::new());
    content::add(&mut question, entry.first(&["query_str", "query"]), notes);
    for file in entry.get("attachments").items() {
        match file.str() {
            Some(address) => question.attachments.push(athenaeum_core::Attachment {
                name: address.rsplit('/').next().map(str::to_owned),
                id: Some(address.to_owned()),
                ..Default::default()
            }),
            None => content::add_file(&mut question, file),
        }
    }
    let mut answer = Message::new(Role::Assistant, Vec::new());
    answer.model = entry.first(&["display_model", "user_selected_model", "model"]).text();
    answer.finish_reason = entry.get("status").text();
    content::add(&mut answer, entry.get("answer"), notes);
    for block in entry.get("blocks").items() {
        add_block(&mut answer, block);
    }
    if answer.blocks.is_empty() {
        add_old_text(&mut answer, entry.get("text").str().unwrap_or_default());
    }
    for source in entry.first(&["sources", "web_results", "citations"]).items() {
        add_source(&mut answer, source);
    }
    question.created_at = time;
    answer.created_at = entry.first(&["entry_updated_datetime", "updated_datetime"]).time().or(time);
    question.external_id = id.as_ref().map(|id| format!("{id}/question"));
    answer.external_id = id.map(|id| format!("{id}/answer"));
    let said =
        |message: Message| (!message.blocks.is_empty() || !message.attachments.is_empty()).then_some(message);
    [said(question), said(answer)]
}

/// Of the many views of one answer the text and its sources are kept as blocks; all of them are in the raw JSON.
fn add_block(message: &mut Message, block: &Node<'_>) {
    let markdown = block.get("markdown_block");
    let whole = markdown.get("answer").text().or_else(|| {
        let pieces: Vec<&str> = markdown.get("chunks").items().iter().filter_map(Node::str).collect();
        (!pieces.is_empty()).then(|| pieces.concat())
    });
    if let Some(text) = whole {
        // `ask_text` and its numbered copies carry the same answer.
        if !message.blocks.iter().any(|known| known.text == text) {
            content::add_text(message, BlockKind::Text, &text);
        }
    }
    for result in block.get("web_result_block").get("web_results").items() {
        add_source(message, result);
    }
    for goal in block.get("plan_block").get("goals").items() {
        content::add_text(message, BlockKind::Thinking, goal.get("description").str().unwrap_or_default());
    }
}

/// Before blocks there was a JSON text: the answer, or steps of which the last holds it.
fn add_old_text(message: &mut Message, text: &str) {
    let Ok(node) = Node::parse(text) else {
        return content::add_text(message, BlockKind::Text, text);
    };
    let step = node.items().iter().rev().find(|step| step.get("step_type").str() == Some("FINAL"));
    let answer = step.map_or_else(|| node.get("answer"), |step| step.get("content").get("answer"));
    match answer.str() {
        // The answer of a last step is JSON once more.
        Some(inner) => match Node::parse(inner).ok().and_then(|inner| inner.get("answer").text()) {
            Some(inner) => content::add_text(message, BlockKind::Text, &inner),
            None => content::add_text(message, BlockKind::Text, inner),
        },
        None => content::add_text(message, BlockKind::Text, text),
    }
}

fn add_source(message: &mut Message, source: &Node<'_>) {
    let label = source.first(&["title", "name", "url"]).text().or_else(|| source.text()).unwrap_or_default();
    let lines = ["snippet", "url"].into_iter().filter_map(|key| source.get(key).text());
    let text = lines.collect::<Vec<_>>().join("\n");
    let text = if text.is_empty() { label.clone() } else { text };
    content::add_labelled(message, BlockKind::Quote, &text, Some(&label));
}
