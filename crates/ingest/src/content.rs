//! Message content in the shapes that most programs share: a text, or a list of typed parts.
//!
//! OpenAI's, Anthropic's and Google's APIs define the part types; chat programs store them as they are. A type
//! that is in none of them is kept as [`BlockKind::Unknown`] and noted.

use athenaeum_core::{Attachment, Block, BlockKind, Message, ToolCall};

use crate::{
    draft::{Notes, clip},
    node::Node,
};

/// Adds `content` to `message`: a string, one part, or a list of both.
pub(crate) fn add(message: &mut Message, content: &Node<'_>, notes: &mut Notes) {
    if let Some(text) = content.str() {
        add_text(message, BlockKind::Text, text);
    } else if content.is_array() {
        for item in content.items() {
            match item.str() {
                Some(text) => add_text(message, BlockKind::Text, text),
                None => add_part(message, item, notes),
            }
        }
    } else if content.is_object() {
        add_part(message, content, notes);
    } else if !content.is_null() {
        add_text(message, BlockKind::Text, content.raw());
    }
}

/// Adds a block unless its text is empty.
pub(crate) fn add_text(message: &mut Message, kind: BlockKind, text: &str) {
    if !text.is_empty() {
        message.blocks.push(Block::new(kind, text));
    }
}

/// Adds a labelled block unless its text is empty.
pub(crate) fn add_labelled(message: &mut Message, kind: BlockKind, text: &str, label: Option<&str>) {
    if !text.is_empty() {
        message.blocks.push(Block::new(kind, text).labelled(label.unwrap_or_default()));
    }
}

/// Adds a call to a tool: its arguments as a block that is searched, and the call itself.
pub(crate) fn add_call(message: &mut Message, id: Option<String>, name: &str, arguments: &str) {
    message.blocks.push(Block::new(BlockKind::ToolUse, arguments).labelled(name));
    message.tool_calls.push(ToolCall { id, name: name.to_owned(), arguments: arguments.to_owned() });
}

/// Keeps what this version has no name for, whole, and says so.
pub(crate) fn add_unknown(message: &mut Message, kind: &str, node: &Node<'_>, notes: &mut Notes) {
    let kind = if kind.is_empty() { "untyped" } else { kind };
    notes.notice(format!("unknown block type '{}'; kept as JSON", clip(kind)));
    message.blocks.push(Block::new(BlockKind::Unknown, node.raw()).labelled(kind));
}

/// Adds OpenAI's `tool_calls` list (`[{id, function: {name, arguments}}]`) and its older `function_call`.
pub(crate) fn add_openai_calls(message: &mut Message, owner: &Node<'_>) {
    for call in owner.get("tool_calls").items() {
        let function = if call.get("function").is_object() { call.get("function") } else { call };
        let name = function.first(&["name", "tool_name", "type"]).shown();
        let arguments = function.first(&["arguments", "args", "input"]);
        add_call(message, call.first(&["id", "call_id"]).id(), &name, &shown_or_empty(arguments));
    }
    let call = owner.get("function_call");
    if call.is_object() {
        add_call(message, None, &shown_or_empty(call.get("name")), &shown_or_empty(call.get("arguments")));
    }
}

/// Adds Google's `functionCall` and `functionResponse` of a part, where it has them.
pub(crate) fn add_google_call(message: &mut Message, part: &Node<'_>) {
    let call = part.get("functionCall");
    if call.is_object() {
        let called = call.get("name").str().unwrap_or_default();
        add_call(message, call.get("id").id(), called, &shown_or_empty(call.get("args")));
    }
    let result = part.get("functionResponse");
    if result.is_object() {
        let text = shown_or_empty(result.get("response"));
        add_labelled(message, BlockKind::ToolResult, &text, result.get("name").str());
    }
}

/// Returns a value as text; nothing for null.
pub(crate) fn shown_or_empty(node: &Node<'_>) -> String {
    if node.is_null() { String::new() } else { node.shown() }
}

/// Returns the readable text of a tool's result: a string, text parts joined by line ends, else the JSON.
pub(crate) fn result_text(content: &Node<'_>) -> String {
    if let Some(text) = content.str() {
        return text.to_owned();
    }
    let text_of =
        |item: &Node<'_>| item.str().map(str::to_owned).or_else(|| item.get("text").str().map(str::to_owned));
    let texts: Vec<Option<String>> = content.items().iter().map(text_of).collect();
    if !texts.is_empty() && texts.iter().all(Option::is_some) {
        return texts.into_iter().flatten().collect::<Vec<_>>().join("\n");
    }
    shown_or_empty(content)
}

fn add_part(message: &mut Message, part: &Node<'_>, notes: &mut Notes) {
    let kind = part.get("type").str().unwrap_or_default();
    let name = part.first(&["name", "tool_name", "toolName"]).str().unwrap_or_default();
    match kind {
        "text" | "input_text" | "output_text" | "markdown" | "summary_text" => {
            add_text(message, BlockKind::Text, &text_of(part));
        }
        "refusal" => add_text(message, BlockKind::Text, &part.first(&["refusal", "text"]).shown()),
        "thinking" | "reasoning" | "think" | "reasoning_text" | "thought" | "reasoning_content" => {
            add_text(message, BlockKind::Thinking, &thought_of(part));
        }
        // Anthropic's reasoning that only its servers can read; there is no text in it.
        "redacted_thinking" => {}
        "tool_use" | "server_tool_use" | "mcp_tool_use" | "tool-call" | "function_call" | "toolCall" => {
            let arguments = part.first(&["input", "arguments", "args"]);
            let id = part.first(&["id", "call_id", "toolCallId", "tool_call_id"]).id();
            add_call(message, id, name, &shown_or_empty(arguments));
        }
        "tool_result"
        | "tool-result"
        | "mcp_tool_result"
        | "function_call_output"
        | "web_search_tool_result"
        | "web_fetch_tool_result"
        | "code_execution_tool_result"
        | "bash_code_execution_tool_result"
        | "text_editor_code_execution_tool_result" => add_result(message, part, name),
        // Jan keeps a call and its output in one part.
        "tool_call" if part.has("tool_name") => {
            let arguments = shown_or_empty(part.first(&["input", "arguments"]));
            add_call(message, part.first(&["tool_call_id", "id"]).id(), name, &arguments);
            add_labelled(message, BlockKind::ToolResult, &result_text(part.get("output")), Some(name));
        }
        "tool_call" if part.get("tool_call").is_object() => {
            add_librechat_call(message, part.get("tool_call"));
        }
        "image"
        | "image_url"
        | "input_image"
        | "image_file"
        | "image_asset_pointer"
        | "file"
        | "input_file"
        | "document"
        | "audio"
        | "input_audio"
        | "video"
        | "video_url"
        | "media"
        | "container_upload" => {
            add_file(message, part);
        }
        "code" => {
            let language = part.get("language").str();
            add_labelled(
                message,
                BlockKind::Code,
                &part.first(&["code", "text", "content"]).shown(),
                language,
            );
        }
        "error" => add_text(message, BlockKind::Text, &part.first(&["error", "message", "text"]).shown()),
        "" if part.get("text").str().is_some() => add_text(message, BlockKind::Text, &text_of(part)),
        "" if part.get("inline_data").is_object() || part.get("inlineData").is_object() => {
            add_file(message, part.first(&["inline_data", "inlineData"]));
        }
        "" if part.get("file_data").is_object() || part.get("fileData").is_object() => {
            add_file(message, part.first(&["file_data", "fileData"]));
        }
        "" if part.get("functionCall").is_object() || part.get("functionResponse").is_object() => {
            add_google_call(message, part);
        }
        _ if part.is_empty() => {}
        _ => add_unknown(message, kind, part, notes),
    }
}

fn text_of(part: &Node<'_>) -> String {
    let text = part.first(&["text", "content", "value"]);
    match text.get("value").str() {
        Some(value) => value.to_owned(),
        None => shown_or_empty(text),
    }
}

fn thought_of(part: &Node<'_>) -> String {
    let thought = part.first(&["thinking", "reasoning", "think", "text", "content", "summary"]);
    match thought.get("value").str() {
        Some(value) => value.to_owned(),
        None if thought.is_array() => result_text(thought),
        None => shown_or_empty(thought),
    }
}

fn add_result(message: &mut Message, part: &Node<'_>, name: &str) {
    let content = part.first(&["content", "output", "result", "response"]);
    let mut text = Vec::new();
    if content.is_array() {
        for item in content.items() {
            match item.get("type").str().unwrap_or_default() {
                "image" | "document" | "file" => add_file(message, item),
                _ => text.push(item.get("text").str().map_or_else(|| item.shown(), str::to_owned)),
            }
        }
    } else {
        text.push(shown_or_empty(content));
    }
    add_labelled(message, BlockKind::ToolResult, &text.join("\n"), Some(name));
}

/// LibreChat keeps a call and its output in one part.
fn add_librechat_call(message: &mut Message, call: &Node<'_>) {
    let inner =
        [call.get("function"), call.get("code_interpreter")].into_iter().find(|node| node.is_object());
    let function = inner.unwrap_or(call);
    let name = function.get("name").text().or_else(|| call.get("type").text()).unwrap_or_default();
    let arguments = shown_or_empty(function.first(&["args", "arguments", "input"]));
    add_call(message, call.get("id").id(), &name, &arguments);
    let output = function.first(&["output", "outputs"]);
    add_labelled(message, BlockKind::ToolResult, &result_text(output), Some(&name));
}

/// Adds a file or image by whatever names the part gives it; its bytes stay in the raw JSON.
pub(crate) fn add_file(message: &mut Message, part: &Node<'_>) {
    let source = ["source", "file", "image_url", "input_audio", "image_file", "image"]
        .into_iter()
        .map(|key| part.get(key))
        .find(|node| node.is_object())
        .unwrap_or(part);
    let either = |keys: &[&str]| part.first(keys).text().or_else(|| source.first(keys).text());
    let pointer = either(&[
        "file_id",
        "id",
        "url",
        "uri",
        "fileUri",
        "file_uri",
        "image_url",
        "image",
        "asset_pointer",
    ]);
    let pointer = pointer.filter(|text| !text.starts_with("data:"));
    let data = part.first(&["url", "image_url", "image"]).str().or_else(|| source.get("url").str());
    let media_type = either(&["media_type", "mime_type", "mimeType", "mediaType", "mime", "content_type"])
        .or_else(|| data.and_then(data_media_type));
    let size = part.first(&["size", "size_bytes", "sizeBytes", "bytes"]).int();
    message.attachments.push(Attachment {
        name: either(&["name", "filename", "file_name", "fileName", "title"]),
        id: pointer,
        media_type,
        size: size.and_then(|size| u64::try_from(size).ok()),
        path: None,
    });
}

/// Reads the media type of a `data:` address.
pub(crate) fn data_media_type(address: &str) -> Option<String> {
    let kind = address.strip_prefix("data:")?.split([';', ',']).next()?;
    (!kind.is_empty()).then(|| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use athenaeum_core::Role;

    use super::*;

    fn check(json: &str, expected: &str) {
        let mut message = Message::new(Role::Assistant, Vec::new());
        let mut notes = Notes::default();
        add(&mut message, &Node::parse(json).unwrap(), &mut notes);
        let one = |block: &Block| {
            format!("{}:{}:{}", block.kind.as_str(), block.label.as_deref().unwrap_or(""), block.text)
        };
        let mut shown: Vec<String> = message.blocks.iter().map(one).collect();
        shown.extend(
            message
                .attachments
                .iter()
                .map(|file| format!("@{:?}/{:?}/{:?}", file.name, file.id, file.media_type)),
        );
        shown.extend(notes.reasons().iter().map(|reason| format!("!{reason}")));
        assert_eq!(shown.join(" | "), expected, "{json}");
    }

    #[test]
    fn parts_of_the_three_apis() {
        check(r#""hi""#, "text::hi");
        check(r#"["hi", {"type":"text","text":{"value":"ho"}}]"#, "text::hi | text::ho");
        check(
            r#"[{"type":"thinking","thinking":"hm"},{"type":"redacted_thinking","data":"x"}]"#,
            "thinking::hm",
        );
        check(
            r#"[{"type":"tool_use","id":"1","name":"ls","input":{"b":1,"a":2}}]"#,
            r#"tool_use:ls:{"b":1,"a":2}"#,
        );
        check(
            r#"[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]}]"#,
            "tool_result::x\ny",
        );
        check(
            r#"[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]"#,
            r#"@None/None/Some("image/png")"#,
        );
        check(
            r#"[{"type":"reasoning","text":{"value":"hm"}},{"type":"tool_call","tool_name":"t","input":{"a":1},"output":"o"}]"#,
            r#"thinking::hm | tool_use:t:{"a":1} | tool_result:t:o"#,
        );
        check(r#"{"functionCall":{"name":"f","args":{}}}"#, "tool_use:f:{}");
        check(
            r#"[{"type":"hologram","x":1}]"#,
            r#"unknown:hologram:{"type":"hologram","x":1} | !unknown block type 'hologram'; kept as JSON"#,
        );
    }
}
