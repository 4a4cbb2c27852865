//! Grok: `prod-grok-backend.json` of the account export, a conversation beside the list of its responses.
//!
//! Times are text or MongoDB's `{"$date": {"$numberLong": "…"}}`; responses name their parents in newer exports.

use athenaeum_core::{Attachment, BlockKind, Conversation, Message, Provider};

use crate::{
    content,
    context::Context,
    draft::{self, Notes, Turn},
    format::{Fit, Format, Reject, Shape, has_keys},
    node::Node,
    sample::Sample,
};

pub(crate) const FORMAT: Format =
    Format { provider: Some(Provider::GROK), name: "Grok export", shape: Shape::Record { recognise, parse } };

fn recognise(sample: &Sample<'_>) -> Fit {
    let first = sample.first();
    Fit::strong(
        first.get("conversation").is_some_and(serde_json::Value::is_object)
            && has_keys(first, &["responses"]),
    )
}

fn parse(context: &mut Context<'_>, text: &str) -> Result<(), Reject> {
    draft::emit_record(context, text, conversation)
}

/// Reads `{conversation, responses: [{response}]}`.
pub(crate) fn conversation(record: &Node<'_>, notes: &mut Notes) -> Conversation {
    let about = record.get("conversation");
    let id = draft::first_id(about, &["id", "conversation_id", "_id"]);
    let mut conversation = Conversation::new(Provider::GROK, id.unwrap_or_default());
    conversation.title = about.get("title").text();
    conversation.created_at = about.get("create_time").time();
    conversation.updated_at = about.get("modify_time").time();
    conversation.user_id = draft::first_id(about, &["user_id", "x_user_id", "anon_user_id"]);
    let mut turns = Vec::new();
    for item in record.get("responses").items() {
        let response = if item.get("response").is_object() { item.get("response") } else { item };
        if !response.is_object() {
            notes.notice("a response is not an object; it is only in the raw JSON");
            continue;
        }
        let key = draft::first_id(response, &["_id", "response_id", "id"]);
        let parent = response.first(&["parent_response_id", "thread_parent_id"]).id();
        turns.push(Turn::new(key, parent, message(response, notes)));
    }
    let branching = turns.iter().any(|turn| turn.parent.is_some());
    conversation.messages = match branching {
        true => draft::tree(turns, about.get("leaf_response_id").id().as_deref(), notes),
        false => draft::linear(turns.into_iter().map(|turn| turn.message).collect()),
    };
    conversation.raw_json = record.raw().to_owned();
    if conversation.external_id.is_empty() {
        let (title, messages) = (conversation.title.as_deref(), &conversation.messages);
        conversation.external_id = draft::id_from_beginning(title, messages);
    }
    draft::fill_times(&mut conversation);
    conversation
}

fn message(response: &Node<'_>, notes: &mut Notes) -> Message {
    let role = draft::role(response.get("sender").str().unwrap_or("assistant"), notes);
    let mut message = Message::new(role, Vec::new());
    message.external_id = draft::first_id(response, &["_id", "response_id", "id"]);
    message.created_at = response.get("create_time").time();
    let asked = response.get("metadata").first(&["requestModelDetails", "request_metadata"]);
    message.model = response.get("model").text().or_else(|| asked.first(&["modelId", "model"]).text());
    message.hidden = response.get("is_control").is_true();
    message.finish_reason = response
        .get("error")
        .text()
        .or_else(|| response.get("partial").is_true().then(|| "partial".to_owned()));
    content::add_text(&mut message, BlockKind::Thinking, &thoughts(response));
    content::add(&mut message, response.first(&["message", "query"]), notes);
    for source in response.get("cited_web_search_results").items() {
        let title = source.first(&["title", "url"]).str();
        content::add_labelled(&mut message, BlockKind::Quote, &quoted(source), title);
    }
    for key in ["file_attachments", "image_attachments", "generated_image_urls", "card_attachments_json"] {
        for item in response.get(key).items() {
            message.attachments.push(attachment(item, key));
        }
    }
    message
}

/// The trace where there is one, else the texts of the steps.
fn thoughts(response: &Node<'_>) -> String {
    if let Some(trace) = response.get("thinking_trace").str().filter(|trace| !trace.is_empty()) {
        return trace.to_owned();
    }
    let mut texts = Vec::new();
    for step in response.get("steps").items() {
        let text = step.get("text");
        match text.str() {
            Some(text) => texts.push(text.to_owned()),
            None => texts.extend(text.items().iter().filter_map(|line| line.str().map(str::to_owned))),
        }
    }
    texts.retain(|text| !text.is_empty());
    texts.join("\n")
}

fn quoted(source: &Node<'_>) -> String {
    let lines = ["preview", "snippet", "url"].into_iter().filter_map(|key| source.get(key).text());
    lines.collect::<Vec<_>>().join("\n")
}

fn attachment(item: &Node<'_>, key: &str) -> Attachment {
    let media_type = key.contains("image").then(|| "image/*".to_owned());
    let Some(text) = item.str() else {
        let id = draft::first_id(item, &["id", "file_id", "fileId", "url", "image_url"]);
        let name = item.first(&["file_name", "fileName", "name", "title"]).text();
        let mime = item.first(&["mime_type", "mimeType", "file_mime_type"]).text();
        return Attachment { name, id, media_type: mime.or(media_type), ..Default::default() };
    };
    // A card is JSON inside a string.
    match Node::parse(text).ok().filter(Node::is_object) {
        Some(card) => Attachment {
            name: card.get("image").get("title").text(),
            id: card.get("image").get("link").text().or_else(|| card.first(&["url", "id"]).text()),
            media_type: card.get("image").is_object().then(|| "image/*".to_owned()),
            ..Default::default()
        },
        None => Attachment { id: Some(text.to_owned()), media_type, ..Default::default() },
    }
}
