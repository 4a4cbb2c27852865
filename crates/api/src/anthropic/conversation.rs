//! Messages, system prompt and tools of the wire as a conversation for a template.

use athenaeum_inference::template::{Conversation, Json, Message};
use serde_json::{Value, json};

use crate::{
    parameters::{Parameter, Read, Takes},
    problem::Problem,
    serving::{Pictures, Talk},
};

const ANY_TEXT: Takes = Takes::Text(usize::MAX);
const NAME: Takes = Takes::Text(256);

/// The parameters of a conversation.
pub(super) const CONVERSATION: &[Parameter] = &[
    Parameter::required(
        "messages",
        Takes::Filled(&Takes::List(&Takes::Object(MESSAGE), 1 << 20)),
        "The conversation so far.",
    ),
    Parameter::new("system", TEXT_OR_BLOCKS, "What the model is told before all."),
    Parameter::new("tools", Takes::List(&Takes::Object(TOOL), 512), "Tools that the model may call."),
    Parameter::new("tool_choice", Takes::Object(TOOL_CHOICE), "Whether it calls one."),
    Parameter::new(
        "thinking",
        Takes::Object(THINKING),
        "Whether the model thinks first, for templates that leave the choice.",
    ),
    Parameter::new(
        "chat_template_kwargs",
        Takes::Map(&Takes::Any),
        "Further variables of the model's template.",
    ),
];

const MESSAGE: &[Parameter] = &[
    Parameter::required("role", Takes::OneOf(&["user", "assistant", "system"]), "Who speaks."),
    Parameter::required("content", TEXT_OR_BLOCKS, "What is said."),
];

const TEXT_OR_BLOCKS: Takes = Takes::Either(&[ANY_TEXT, Takes::List(&Takes::Object(BLOCK), 4096)]);

/// The fields of all kinds of block; which ones a kind needs is looked at when it is read.
const BLOCK: &[Parameter] = &[
    Parameter::required("type", Takes::OneOf(KINDS), "The kind of block."),
    Parameter::new("text", ANY_TEXT, "The text."),
    Parameter::new("id", NAME, "What the result of a call refers to."),
    Parameter::new("name", NAME, "The tool that is called."),
    Parameter::new("input", Takes::Map(&Takes::Any), "What it is called with."),
    Parameter::new("tool_use_id", NAME, "Which call a result answers."),
    Parameter::new(
        "content",
        Takes::Either(&[ANY_TEXT, Takes::List(&Takes::Map(&Takes::Any), 4096)]),
        "What a tool gave back, or a text that was found.",
    ),
    Parameter::new("is_error", Takes::Bool, "Whether the tool failed."),
    Parameter::new("thinking", ANY_TEXT, "What the model said to itself."),
    Parameter::new("signature", ANY_TEXT, "Accepted as it comes: nothing here is signed."),
    Parameter::new(
        "source",
        Takes::Any,
        "A picture in base64, for models that see, or a document's text; nothing is fetched from addresses.",
    ),
    Parameter::new("title", ANY_TEXT, "A document's title."),
    Parameter::new("context", ANY_TEXT, "What is to be known of a document."),
    Parameter::without_effect("data", Takes::Any, "thinking that was made unreadable is left out"),
    Parameter::without_effect("cache_control", Takes::Any, "beginnings are recognised by their tokens"),
    Parameter::without_effect("citations", Takes::Any, "answers are not cited here"),
    Parameter::without_effect("caller", Takes::Any, "calls are made by the client"),
];

const KINDS: &[&str] = &[
    "text",
    "image",
    "tool_use",
    "tool_result",
    "thinking",
    "redacted_thinking",
    "document",
    "search_result",
];

const TOOL: &[Parameter] = &[
    Parameter::new("type", NAME, "`custom`: this server runs no tools itself."),
    Parameter::required("name", NAME, "Its name."),
    Parameter::new("description", ANY_TEXT, "What it does, for the model."),
    Parameter::new("input_schema", Takes::Map(&Takes::Any), "Its arguments as a JSON schema."),
    Parameter::new("strict", Takes::Bool, "Holds calls to that schema."),
    Parameter::without_effect("cache_control", Takes::Any, "beginnings are recognised by their tokens"),
    Parameter::without_effect("input_examples", Takes::Any, "templates have no place for it"),
    Parameter::without_effect("defer_loading", Takes::Any, "all tools are shown to the model"),
    Parameter::without_effect("allowed_callers", Takes::Any, "calls are made by the client"),
    Parameter::without_effect(
        "eager_input_streaming",
        Takes::Any,
        "arguments always come as they are written",
    ),
];

const TOOL_CHOICE: &[Parameter] = &[
    Parameter::required("type", Takes::OneOf(&["auto", "any", "tool", "none"]), "Whether a tool is called."),
    Parameter::new("name", NAME, "Which."),
    Parameter::new("disable_parallel_tool_use", Takes::Bool, "Whether at most one is called."),
];

const THINKING: &[Parameter] = &[
    Parameter::required(
        "type",
        Takes::OneOf(&["enabled", "disabled", "adaptive"]),
        "Whether the model thinks first.",
    ),
    Parameter::without_effect(
        "budget_tokens",
        Takes::Integer(0, 1 << 30),
        "the model thinks as long as max_tokens leaves",
    ),
    Parameter::without_effect("display", NAME, "what the model thinks is always shown"),
];

/// A line that one client puts before its system prompt, different each time. It is for whoever sends the bill, and
/// would make every prompt new from its first word on, so that nothing read before could be used again.
const BILLING: &str = "x-anthropic-billing-header:";

/// Makes the conversation of a body that was read against [`CONVERSATION`].
pub(super) fn of(read: &mut Read) -> Result<Talk, Problem> {
    let mut said = Said::default();
    if let Some(system) = read.value("system") {
        let (text, billed) = without_billing(&texts("system", system)?);
        if !text.is_empty() {
            said.messages.push(Message::new("system", text));
        }
        if billed {
            read.warn("system", "the billing line is left out: the model has no use for it");
        }
    }
    for (index, message) in read.list("messages").iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        turn(&format!("messages[{index}]"), role, &message["content"], &mut said)?;
    }
    if read.list("messages").is_empty() {
        return Err(Problem::parameter("messages", "a list with at least one message"));
    }
    let Said { messages, pictures } = said;
    let mut conversation = Conversation::new(messages);
    // The last word is the assistant's own: it goes on from there.
    if conversation.messages.last().is_some_and(|last| last.role() == "assistant") {
        conversation.continue_final_message = true;
        conversation.add_generation_prompt = false;
    }
    if read.object("tool_choice").text("type") != Some("none") {
        conversation.tools = tools(read)?;
    }
    match read.object("thinking").text("type") {
        Some("enabled") => {
            drop(conversation.variables.insert("enable_thinking".to_owned(), json(&true.into())?));
        }
        Some("disabled") => {
            drop(conversation.variables.insert("enable_thinking".to_owned(), json(&false.into())?));
        }
        _ => {}
    }
    let variables =
        read.value("chat_template_kwargs").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in variables {
        conversation.variables.insert(name, json(&value)?);
    }
    Ok(pictures.shown_in(conversation))
}

/// What was said so far.
#[derive(Default)]
struct Said {
    messages: Vec<Message>,
    pictures: Pictures,
}

/// Adds what one message says: results of tools are turns of their own to templates.
fn turn(at: &str, role: &str, content: &Value, said: &mut Said) -> Result<(), Problem> {
    let Said { messages, pictures } = said;
    let Some(blocks) = content.as_array() else {
        messages.push(Message::new(role, content.as_str().unwrap_or_default()));
        return Ok(());
    };
    let (mut parts, mut thought, mut calls): (Vec<Value>, Vec<String>, Vec<Value>) = Default::default();
    for (index, block) in blocks.iter().enumerate() {
        let at = format!("{at}.content[{index}]");
        let field = |name: &str| block[name].as_str().map(str::to_owned);
        let needed = |name: &str| {
            field(name).ok_or_else(|| Problem::missing_parameter(&format!("{at}.{name}"), "text"))
        };
        match block["type"].as_str().unwrap_or_default() {
            "thinking" => thought.push(needed("thinking")?),
            "redacted_thinking" => {}
            "tool_use" => {
                let arguments = block.get("input").cloned().unwrap_or_else(|| json!({}));
                calls.push(json!({
                    "id": needed("id")?, "type": "function",
                    "function": { "name": needed("name")?, "arguments": arguments },
                }));
            }
            "tool_result" => {
                let at = format!("{at}.content");
                let (shown, told) = apart(block.get("content").unwrap_or(&Value::Null));
                // Templates have no place for pictures in results: the user shows them.
                for (place, image) in shown {
                    parts.push(picture(&format!("{at}[{place}]"), image, pictures)?);
                }
                let said = texts(&at, &told)?.join("\n");
                let failed =
                    block["is_error"].as_bool().unwrap_or(false) && !said.to_lowercase().contains("error");
                let said = if failed { format!("Error: {said}") } else { said };
                messages.push(Message::new("tool", said).with("tool_call_id", needed("tool_use_id")?));
            }
            "image" if role == "user" => parts.push(picture(&at, block, pictures)?),
            _ => parts.push(json!({ "type": "text", "text": text(&at, block)? })),
        }
    }
    if parts.is_empty() && thought.is_empty() && calls.is_empty() {
        return Ok(());
    }
    let mut message = Message::new(role, content_of(parts)?);
    if !thought.is_empty() {
        message = message.with("reasoning_content", thought.join("\n"));
    }
    if !calls.is_empty() {
        message = message.with("tool_calls", json(&calls.into())?);
    }
    messages.push(message);
    Ok(())
}

/// Text, unless there are pictures in it.
fn content_of(parts: Vec<Value>) -> Result<Json, Problem> {
    if parts.iter().any(|part| part["type"] == "image") {
        return json(&parts.into());
    }
    let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
    Ok(texts.join("\n").into())
}

/// Takes in the picture of a block.
fn picture(at: &str, block: &Value, pictures: &mut Pictures) -> Result<Value, Problem> {
    let source = &block["source"];
    let (name, data) = match source["type"].as_str() {
        Some("base64") => ("data", source["data"].as_str()),
        // Refused with what to do instead, when it is read.
        Some("url") => ("url", source["url"].as_str()),
        _ => {
            let accepts = "a source of type \"base64\", with media_type and data";
            return Err(Problem::parameter(&format!("{at}.source"), accepts));
        }
    };
    let at = format!("{at}.source.{name}");
    let data = data.ok_or_else(|| Problem::missing_parameter(&at, "a picture in base64"))?;
    let data = match (name, source["media_type"].as_str()) {
        ("data", Some(kind)) => format!("data:{kind};base64,{data}"),
        _ => data.to_owned(),
    };
    Ok(pictures.part(at, data))
}

/// Pictures of a result with their places, and what else it has.
fn apart(content: &Value) -> (Vec<(usize, &Value)>, Value) {
    let Some(blocks) = content.as_array() else { return (Vec::new(), content.clone()) };
    let is_image = |block: &Value| block["type"] == "image";
    let shown = blocks.iter().enumerate().filter(|(_, block)| is_image(block)).collect();
    (shown, blocks.iter().filter(|block| !is_image(block)).cloned().collect())
}

/// The texts of blocks that can be nothing else.
fn texts(at: &str, content: &Value) -> Result<Vec<String>, Problem> {
    match content {
        Value::Array(blocks) => {
            blocks.iter().enumerate().map(|(index, block)| text(&format!("{at}[{index}]"), block)).collect()
        }
        text => Ok(vec![text.as_str().unwrap_or_default().to_owned()]),
    }
}

/// The text of a block.
fn text(at: &str, block: &Value) -> Result<String, Problem> {
    let missing = |name: &str| Problem::missing_parameter(&format!("{at}.{name}"), "text");
    match block["type"].as_str().unwrap_or_default() {
        "text" => Ok(block["text"].as_str().ok_or_else(|| missing("text"))?.to_owned()),
        "document" => {
            let source = &block["source"];
            let body = match source["type"].as_str().unwrap_or_default() {
                "text" => source["data"].as_str().ok_or_else(|| missing("source.data"))?.to_owned(),
                "content" => texts(&format!("{at}.source.content"), &source["content"])?.join("\n"),
                _ => {
                    let accepts = "a source of type \"text\" or \"content\": the model reads text only";
                    return Err(Problem::parameter(&format!("{at}.source"), accepts));
                }
            };
            Ok(titled(block, body))
        }
        "search_result" => Ok(titled(block, texts(&format!("{at}.content"), &block["content"])?.join("\n"))),
        _ => {
            let accepts = "a block of type \"text\" here: the model reads text only";
            Err(Problem::parameter(&format!("{at}.type"), accepts))
        }
    }
}

/// A document under its title.
fn titled(block: &Value, body: String) -> String {
    let above = ["title", "context"].iter().filter_map(|name| block[*name].as_str());
    above.map(str::to_owned).chain([body]).collect::<Vec<_>>().join("\n\n")
}

fn without_billing(texts: &[String]) -> (String, bool) {
    let kept: Vec<&str> =
        texts.iter().map(String::as_str).filter(|text| !text.trim_start().starts_with(BILLING)).collect();
    (kept.join("\n"), kept.len() < texts.len())
}

fn tools(read: &mut Read) -> Result<Vec<Json>, Problem> {
    let mut tools = Vec::new();
    let mut foreign = Vec::new();
    for (index, tool) in read.list("tools").iter().enumerate() {
        if tool["type"].as_str().is_some_and(|kind| kind != "custom") {
            foreign.push(index);
            continue;
        }
        let schema = tool.get("input_schema").cloned().unwrap_or_else(|| json!({ "type": "object" }));
        let mut function = json!({ "name": tool["name"], "parameters": schema });
        if let Some(about) = tool["description"].as_str() {
            function["description"] = about.into();
        }
        tools.push(json(&json!({ "type": "function", "function": function }))?);
    }
    for index in foreign {
        read.warn(&format!("tools[{index}]"), "it is left out: this server runs no tools itself");
    }
    Ok(tools)
}

fn json(value: &Value) -> Result<Json, Problem> {
    Ok(Json::parse(&value.to_string())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_the_turns_that_templates_know() {
        let body = json!({
            "system": [
                { "type": "text", "text": "x-anthropic-billing-header: cc_version=1; cch=ab12c;" },
                { "type": "text", "text": "Be brief.", "cache_control": { "type": "ephemeral" } },
            ],
            "messages": [
                { "role": "user", "content": "Weather?" },
                { "role": "assistant", "content": [
                    { "type": "thinking", "thinking": "I look.", "signature": "" },
                    { "type": "tool_use", "id": "t1", "name": "look", "input": { "at": "Rome" } },
                ] },
                { "role": "user", "content": [
                    { "type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": [{ "type": "text", "text": "rain" }] },
                    { "type": "text", "text": "And now?" },
                ] },
            ],
            "tools": [
                { "name": "look", "input_schema": { "type": "object" } },
                { "type": "bash_20250124", "name": "bash" },
            ],
        });
        let mut read = Read::of(body.to_string().as_bytes(), CONVERSATION).unwrap();
        let conversation = of(&mut read).unwrap();
        let roles: Vec<String> = conversation.messages.iter().map(Message::role).collect();
        assert_eq!(roles, ["system", "user", "assistant", "tool", "user"]);
        let said: Vec<String> =
            conversation.messages.iter().map(|message| message.text().unwrap_or_default()).collect();
        assert_eq!(said, ["Be brief.", "Weather?", "", "Error: rain", "And now?"]);
        assert_eq!(conversation.tools.len(), 1);
        let told: Vec<&str> = read.warnings.iter().map(|warning| warning.parameter.as_str()).collect();
        assert_eq!(told, ["system[1].cache_control", "system", "tools[1]"]);
    }
}
