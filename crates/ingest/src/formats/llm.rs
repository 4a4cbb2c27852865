//! Simon Willison's `llm`: its database `logs.db`, and what `llm logs --json` prints.
//!
//! A response is a prompt and its answer; responses of one conversation belong together, one without a
//! conversation stands alone. Tables that came later (attachments, fragments, tools) are read where they are.

use std::{collections::HashMap, path::Path};

use athenaeum_core::{Attachment, BlockKind, Conversation, Message, Provider, Role};

use crate::{
    content,
    context::Context,
    draft::{self, Notes},
    format::{Fit, Format, Reject, Shape, has_keys},
    node::Node,
    records::Records,
    sample::Sample,
    sqlite::{Database, Query},
};

pub(crate) const DATABASE: Format = Format {
    provider: Some(Provider::LLM),
    name: "llm database",
    shape: Shape::Sqlite { recognise: recognise_database, parse: parse_database },
};

pub(crate) const LOGS: Format =
    Format { provider: Some(Provider::LLM), name: "llm logs", shape: Shape::Log { recognise, parse } };

fn recognise_database(tables: &[String]) -> Fit {
    let has = |name: &str| tables.iter().any(|table| table == name);
    Fit::strong(has("responses") && has("conversations"))
        .max(Fit::weak(has("responses") || has("logs") || has("log")))
}

fn recognise(sample: &Sample<'_>) -> Fit {
    let fits =
        |record: &serde_json::Value| has_keys(record, &["prompt", "response", "model", "conversation_id"]);
    Fit::strong(sample.records.iter().any(fits))
}

/// What belongs to a response, the tables it needs, and how it is found.
const BESIDE: &[(&str, &[&str], &str)] = &[
    (
        "attachments",
        &["prompt_attachments", "attachments"],
        "SELECT a.id, a.type, a.path, a.url, length(a.content) AS size FROM prompt_attachments AS p JOIN attachments AS a ON a.id = p.attachment_id WHERE p.response_id = ?1 ORDER BY p.\"order\"",
    ),
    (
        "prompt_fragments",
        &["prompt_fragments", "fragments"],
        "SELECT f.hash, f.source, f.content FROM prompt_fragments AS p JOIN fragments AS f ON f.id = p.fragment_id WHERE p.response_id = ?1 ORDER BY p.\"order\"",
    ),
    (
        "system_fragments",
        &["system_fragments", "fragments"],
        "SELECT f.hash, f.source, f.content FROM system_fragments AS p JOIN fragments AS f ON f.id = p.fragment_id WHERE p.response_id = ?1 ORDER BY p.\"order\"",
    ),
    ("tool_calls", &["tool_calls"], "SELECT * FROM tool_calls WHERE response_id = ?1 ORDER BY id"),
    ("tool_results", &["tool_results"], "SELECT * FROM tool_results WHERE response_id = ?1 ORDER BY id"),
];

fn parse_database(context: &mut Context<'_>, path: &Path) -> Result<(), Reject> {
    let database = Database::open(path, context.options.record_bytes_max)?;
    let columns = database.columns("responses")?;
    let has = |name: &str| columns.iter().any(|column| column == name);
    if !["prompt", "response", "model"].iter().all(|wanted| has(wanted)) {
        return Err(Reject::new("its table 'responses' has no columns 'model', 'prompt' and 'response'"));
    }
    let mut beside = Vec::new();
    for (name, tables, sql) in BESIDE {
        let mut there = true;
        for table in *tables {
            there &= !database.columns(table)?.is_empty();
        }
        if there {
            beside.push((*name, *sql));
        }
    }
    let named =
        has("conversation_id") && database.columns("conversations")?.iter().any(|column| column == "name");
    let order = if has("datetime_utc") { "datetime_utc" } else { "rowid" };
    // The group's key: its conversation, or the response itself.
    let key = if has("conversation_id") { "coalesce(conversation_id, '')" } else { "''" };
    let groups = format!(
        "SELECT {key} AS conversation, id FROM responses GROUP BY CASE {key} WHEN '' THEN id ELSE {key} END ORDER BY min(rowid)"
    );
    database.each(Query::new(groups), &mut |row| {
        context.begin_record("");
        let read = group(&database, &row.json, &beside, named, order)
            .and_then(|json| draft::emit_record(context, &json, conversation));
        if let Err(Reject(reason)) = read {
            context.skipped(reason);
        }
        !context.cancelled()
    })
}

/// Puts a conversation together: `{"conversation": row, "responses": [row + what is beside it]}`.
fn group(
    database: &Database,
    row: &str,
    beside: &[(&str, &str)],
    named: bool,
    order: &str,
) -> Result<String, Reject> {
    let invalid = |error: crate::node::Invalid| Reject::new(error.to_string());
    let row = Node::parse(row).map_err(invalid)?;
    let of_conversation = row.get("conversation").id();
    let mut about = "null".to_owned();
    let rows = match &of_conversation {
        Some(id) => {
            if named
                && let Some(found) = database
                    .all(Query::new("SELECT * FROM conversations WHERE id = ?1").bind(id.clone()))?
                    .pop()
            {
                about = found.json;
            }
            database.all(
                Query::new(format!(
                    "SELECT * FROM responses WHERE conversation_id = ?1 ORDER BY {order}, rowid"
                ))
                .bind(id.clone()),
            )?
        }
        None => {
            let id = row.get("id").id().unwrap_or_default();
            database.all(Query::new("SELECT * FROM responses WHERE CAST(id AS TEXT) = ?1").bind(id))?
        }
    };
    let mut responses = Vec::new();
    for response in rows {
        let id = Node::parse(&response.json).map_err(invalid)?.get("id").id().unwrap_or_default();
        let mut json = response.json;
        for (name, sql) in beside {
            let found = database.all(Query::new(*sql).bind(id.clone()))?;
            if !found.is_empty() {
                let found: Vec<String> = found.into_iter().map(|row| row.json).collect();
                json.pop();
                json.push_str(&format!(",\"{name}\":[{}]}}", found.join(",")));
            }
        }
        responses.push(json);
    }
    Ok(format!("{{\"conversation\":{about},\"responses\":[{}]}}", responses.join(",")))
}

fn parse(context: &mut Context<'_>, records: &mut Records<'_>) {
    let mut groups: Vec<Vec<String>> = Vec::new();
    let mut by_id: HashMap<String, usize> = HashMap::new();
    while let Some(record) = records.next(context) {
        let id = match Node::parse(record.text) {
            Ok(node) => node.get("conversation_id").id(),
            Err(error) => {
                context.skipped(error.to_string());
                continue;
            }
        };
        let text = record.text.to_owned();
        match id.as_ref().and_then(|id| by_id.get(id)).copied() {
            Some(index) => groups[index].push(text),
            None => {
                by_id.extend(id.map(|id| (id, groups.len())));
                groups.push(vec![text]);
            }
        }
    }
    for texts in groups {
        let json = format!("{{\"conversation\":null,\"responses\":[{}]}}", texts.join(","));
        if let Err(Reject(reason)) = draft::emit_record(context, &json, conversation) {
            context.skipped(reason);
        }
    }
}

/// Reads `{conversation, responses}`.
pub(crate) fn conversation(record: &Node<'_>, notes: &mut Notes) -> Conversation {
    let about = record.get("conversation");
    let responses = record.get("responses").items();
    let of_first = |keys: &[&str]| responses.iter().find_map(|response| response.first(keys).id());
    let id = about.get("id").id().or_else(|| of_first(&["conversation_id"])).or_else(|| of_first(&["id"]));
    let mut conversation = Conversation::new(Provider::LLM, id.unwrap_or_default());
    conversation.title = about.get("name").text().or_else(|| of_first(&["conversation_name"]));
    conversation.model = about.get("model").text().or_else(|| of_first(&["conversation_model", "model"]));
    conversation.system_prompt = of_first(&["system"]);
    let options = responses
        .iter()
        .map(|response| response.first(&["options_json", "options"]))
        .find(|options| options.is_object());
    if let Some(options) = options {
        conversation.temperature = options.get("temperature").float();
        conversation.max_tokens = options.first(&["max_tokens", "max_output_tokens"]).int();
    }
    let mut responses: Vec<&Node<'_>> = responses.iter().collect();
    // `llm logs --json` prints the newest first or last, as asked.
    responses.sort_by_key(|response| response.get("datetime_utc").time());
    let mut messages = Vec::new();
    for response in responses {
        messages.extend(question(response, notes));
        messages.push(answer(response, notes));
    }
    conversation.messages = draft::linear(messages);
    conversation.raw_json = record.raw().to_owned();
    draft::fill_times(&mut conversation);
    conversation
}

fn question(response: &Node<'_>, notes: &mut Notes) -> Vec<Message> {
    let mut messages = Vec::new();
    let time = response.get("datetime_utc").time();
    for result in response.get("tool_results").items() {
        let mut message = Message::new(Role::Tool, Vec::new());
        message.author = result.get("name").text();
        let text = content::result_text(result.get("output"));
        content::add_labelled(&mut message, BlockKind::ToolResult, &text, result.get("name").str());
        message.created_at = time;
        messages.push(message);
    }
    let mut message = Message::new(Role::User, Vec::new());
    for fragment in
        response.get("prompt_fragments").items().iter().chain(response.get("system_fragments").items())
    {
        let label = fragment.first(&["source", "hash"]).id();
        let text = content::shown_or_empty(fragment.get("content"));
        content::add_labelled(&mut message, BlockKind::Attachment, &text, label.as_deref());
    }
    content::add(&mut message, response.get("prompt"), notes);
    for file in response.get("attachments").items() {
        message.attachments.push(Attachment {
            name: file.first(&["path", "url"]).text(),
            id: file.get("id").id(),
            media_type: file.get("type").text(),
            size: file.first(&["size", "content_length"]).int().and_then(|size| u64::try_from(size).ok()),
            path: None,
        });
    }
    message.created_at = time;
    message.tokens = response.get("input_tokens").int();
    message.external_id = response.get("id").id().map(|id| format!("{id}/prompt"));
    if !message.blocks.is_empty() || !message.attachments.is_empty() || messages.is_empty() {
        messages.push(message);
    }
    messages
}

fn answer(response: &Node<'_>, notes: &mut Notes) -> Message {
    let mut message = Message::new(Role::Assistant, Vec::new());
    content::add_text(&mut message, BlockKind::Thinking, response.get("reasoning").str().unwrap_or_default());
    match response.get("response") {
        // A JSON answer was nested for the raw text; to the reader it is what it was.
        json if json.is_object() || json.is_array() => {
            content::add_text(&mut message, BlockKind::Text, json.raw());
        }
        text => content::add(&mut message, text, notes),
    }
    for call in response.get("tool_calls").items() {
        let name = call.get("name").text().unwrap_or_default();
        content::add_call(
            &mut message,
            call.get("tool_call_id").id(),
            &name,
            &content::shown_or_empty(call.get("arguments")),
        );
    }
    message.model = response.first(&["resolved_model", "model"]).text();
    message.tokens = response.get("output_tokens").int();
    message.created_at = response.get("datetime_utc").time();
    message.external_id = response.get("id").id().map(|id| format!("{id}/response"));
    message
}
