//! Items of the wire as a conversation for a template.

use athenaeum_inference::template::{Conversation, Json, Message};
use serde_json::{Value, json};

use crate::{
    openai::{
        conversation::{DETAIL, IMAGE_URL, SHOWS, not_here, picture},
        parameters::ANY_TEXT,
    },
    parameters::{Holds, Parameter, Read, Takes},
    problem::Problem,
    serving::{Pictures, Talk},
};

const NAME: Takes = Takes::Text(256);

/// The parameters of a conversation.
pub(super) const CONVERSATION: &[Parameter] = &[
    Parameter::required(
        "input",
        Takes::Either(&[ANY_TEXT, Takes::List(&Takes::ObjectWhere(ITEM, &[SHOWS]), 1 << 20)]),
        "What is said, or items: messages, calls of tools, and what they gave back.",
    ),
    Parameter::new(
        "instructions",
        ANY_TEXT,
        "What the model is told before all; not carried over to later responses.",
    ),
    Parameter::new("previous_response_id", NAME, "The response that this one goes on from."),
    Parameter::new("tools", Takes::List(&Takes::Object(TOOL), 512), "Tools that the model may call."),
    Parameter::new("tool_choice", TOOL_CHOICE, "Whether it calls one: none, auto, required, or which one."),
    Parameter::new("parallel_tool_calls", Takes::Bool, "Whether it may call several at once."),
    Parameter::new("reasoning", Takes::Object(REASONING), "How much the model thinks."),
    Parameter::new(
        "chat_template_kwargs",
        Takes::Map(&Takes::Any),
        "Further variables of the model's template.",
    ),
];

/// The fields of all kinds of item; which ones a kind needs is looked at when it is read.
const ITEM: &[Parameter] = &[
    Parameter::new("type", Takes::OneOf(KINDS), "The kind of item."),
    Parameter::new("id", NAME, "Its id."),
    Parameter::new("status", NAME, "How far it is."),
    Parameter::new("role", Takes::OneOf(&["system", "developer", "user", "assistant"]), "Who speaks."),
    Parameter::new(
        "content",
        Takes::Either(&[ANY_TEXT, Takes::List(&Takes::ObjectWhere(PART, &[SHOWN]), 4096)]),
        "What is said.",
    ),
    Parameter::new("call_id", NAME, "Which call a result answers."),
    Parameter::new("name", NAME, "The tool that is called."),
    Parameter::new("arguments", ANY_TEXT, "What it is called with: a JSON object, as text."),
    Parameter::new(
        "output",
        Takes::Either(&[ANY_TEXT, Takes::List(&Takes::ObjectWhere(PART, &[SHOWN]), 4096)]),
        "What the tool gave back.",
    ),
    Parameter::new(
        "summary",
        Takes::List(&Takes::ObjectWhere(PART, &[SHOWN]), 4096),
        "What the model said to itself, in short.",
    ),
    Parameter::without_effect("encrypted_content", ANY_TEXT, "what was made unreadable is left out"),
    Parameter::without_effect("phase", NAME, "templates have no place for it"),
];

const KINDS: &[&str] = &["message", "function_call", "function_call_output", "reasoning"];

/// A part that is a picture has one.
const SHOWN: &[Holds] = &[
    Holds::Has("image_url"),
    Holds::Says("type", "input_text"),
    Holds::Says("type", "output_text"),
    Holds::Says("type", "text"),
    Holds::Says("type", "refusal"),
    Holds::Says("type", "reasoning_text"),
    Holds::Says("type", "summary_text"),
];

const PART: &[Parameter] = &[
    Parameter::required(
        "type",
        Takes::OneOf(&[
            "input_text",
            "output_text",
            "text",
            "refusal",
            "reasoning_text",
            "summary_text",
            "input_image",
        ]),
        "The kind of part: text, or a picture, for models that see.",
    ),
    Parameter::new("image_url", ANY_TEXT, IMAGE_URL),
    DETAIL,
    Parameter::only(
        "file_id",
        Takes::Any,
        &[],
        "this server keeps no files; send the picture itself as image_url",
    ),
    Parameter::new("text", ANY_TEXT, "The text."),
    Parameter::new("refusal", ANY_TEXT, "The text of a refusal."),
    Parameter::only("annotations", Takes::Any, &["[]"], "templates have no place for it"),
    Parameter::only("logprobs", Takes::Any, &["[]"], "templates have no place for it"),
];

const TOOL: &[Parameter] = &[
    Parameter::required("type", NAME, "`function`: this server runs no tools itself."),
    Parameter::new("name", NAME, "Its name."),
    Parameter::new("description", ANY_TEXT, "What it does, for the model."),
    Parameter::new("parameters", Takes::Map(&Takes::Any), "Its arguments as a JSON schema."),
    Parameter::new("strict", Takes::Bool, "Holds calls to that schema."),
];

const TOOL_CHOICE: Takes =
    Takes::Either(&[Takes::OneOf(&["none", "auto", "required"]), Takes::Object(CHOSEN)]);

const CHOSEN: &[Parameter] = &[
    Parameter::required(
        "type",
        Takes::OneOf(&["function", "allowed_tools"]),
        "The kind of tool, or of choice.",
    ),
    Parameter::new("name", NAME, "The tool's name."),
    Parameter::new(
        "mode",
        Takes::OneOf(&["auto", "required"]),
        "Whether one of the allowed tools must be called.",
    ),
    Parameter::new("tools", Takes::List(&Takes::Object(ALLOWED_TOOL), 512), "The tools that may be called."),
];

const ALLOWED_TOOL: &[Parameter] = &[
    Parameter::required("type", Takes::OneOf(&["function"]), "The kind of tool."),
    Parameter::required("name", NAME, "Its name."),
];

const REASONING: &[Parameter] = &[
    Parameter::new(
        "effort",
        Takes::OneOf(&["none", "minimal", "low", "medium", "high", "xhigh"]),
        "How much, for templates that have a place for it.",
    ),
    Parameter::without_effect("summary", NAME, "what the model thinks is shown whole"),
    Parameter::without_effect("generate_summary", NAME, "what the model thinks is shown whole"),
];

/// The items that a request brings, each with an id.
pub(super) fn items(read: &Read) -> Vec<Value> {
    let items = match read.value("input") {
        Some(Value::String(text)) => vec![json!({ "role": "user", "content": text })],
        _ => read.list("input").to_vec(),
    };
    items.into_iter().map(with_id).collect()
}

fn with_id(mut item: Value) -> Value {
    let kind = item["type"].as_str().unwrap_or("message").to_owned();
    let mark = match kind.as_str() {
        "function_call" => "fc",
        "function_call_output" => "fco",
        "reasoning" => "rs",
        _ => "msg",
    };
    if item["id"].as_str().is_none_or(str::is_empty) {
        item["id"] = id(mark).into();
    }
    if kind == "message" && item["content"].is_string() {
        let part = if item["role"] == "assistant" { "output_text" } else { "input_text" };
        item["content"] = json!([{ "type": part, "text": item["content"] }]);
    }
    item["type"] = kind.into();
    item
}

/// A name for an item or a response.
pub(super) fn id(mark: &str) -> String {
    format!("{mark}_{}", uuid::Uuid::now_v7().simple())
}

/// Makes the conversation of all items so far, and the rest of a body that was read against [`CONVERSATION`].
pub(super) fn conversation(read: &mut Read, items: &[Value]) -> Result<Talk, Problem> {
    let mut turns = Turns::default();
    if let Some(instructions) = read.text("instructions").filter(|text| !text.is_empty()) {
        turns.messages.push(Message::new("system", instructions));
    }
    for (index, item) in items.iter().enumerate() {
        turns.add(&format!("input[{index}]"), item)?;
    }
    turns.flush()?;
    let pictures = turns.pictures;
    let mut conversation = Conversation::new(turns.messages);
    if conversation.messages.is_empty() {
        return Err(Problem::parameter("input", "at least one message"));
    }
    if read.text("tool_choice") != Some("none") {
        conversation.tools = tools(read)?;
    }
    if let Some(effort) = read.object("reasoning").text("effort").map(str::to_owned) {
        conversation.variables.insert("reasoning_effort".to_owned(), Json::from(effort.as_str()));
        if effort == "none" {
            conversation.variables.insert("enable_thinking".to_owned(), json_of(&false.into())?);
        }
    }
    let variables =
        read.value("chat_template_kwargs").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in variables {
        conversation.variables.insert(name, json_of(&value)?);
    }
    Ok(pictures.shown_in(conversation))
}

/// Items one after the other: what the model thought and called stands before what it said, in one turn.
#[derive(Default)]
struct Turns {
    messages: Vec<Message>,
    pictures: Pictures,
    thought: Vec<String>,
    calls: Vec<Value>,
}

impl Turns {
    fn add(&mut self, at: &str, item: &Value) -> Result<(), Problem> {
        let needed = |name: &str| {
            let text = item[name].as_str();
            text.ok_or_else(|| Problem::missing_parameter(&format!("{at}.{name}"), "text"))
        };
        match item["type"].as_str().unwrap_or("message") {
            "reasoning" => {
                self.flush()?;
                let parts = if item["content"].is_array() { &item["content"] } else { &item["summary"] };
                self.thought.push(text(parts));
            }
            "function_call" => {
                let arguments = item["arguments"].as_str().unwrap_or("{}");
                let function = json!({ "name": needed("name")?, "arguments": arguments });
                self.calls
                    .push(json!({ "id": needed("call_id")?, "type": "function", "function": function }));
            }
            "function_call_output" => {
                self.flush()?;
                if let Some(place) = shows(&item["output"]) {
                    return Err(not_here(&format!("{at}.output[{place}]")));
                }
                let result = Message::new("tool", text(&item["output"]));
                self.messages.push(result.with("tool_call_id", needed("call_id")?));
            }
            _ => {
                let role = match needed("role")? {
                    "developer" => "system",
                    role => role,
                };
                if role != "assistant" || !self.calls.is_empty() {
                    self.flush()?;
                }
                let content = match shows(&item["content"]) {
                    Some(place) if role != "user" => return Err(not_here(&format!("{at}.content[{place}]"))),
                    Some(_) => self.parts(at, &item["content"])?,
                    None => text(&item["content"]).into(),
                };
                let mut message = Message::new(role, content);
                if !self.thought.is_empty() {
                    message = message.with("reasoning_content", std::mem::take(&mut self.thought).join("\n"));
                }
                self.messages.push(message);
            }
        }
        Ok(())
    }

    /// What the user says where that shows pictures.
    fn parts(&mut self, at: &str, content: &Value) -> Result<Json, Problem> {
        let parts = content.as_array().map(Vec::as_slice).unwrap_or_default().iter().enumerate();
        let parts = parts.map(|(place, part)| {
            let picture = picture(&format!("{at}.content[{place}]"), part, &mut self.pictures)?;
            Ok(picture.unwrap_or_else(|| json!({ "type": "text", "text": text(&json!([part])) })))
        });
        json_of(&Value::Array(parts.collect::<Result<_, Problem>>()?))
    }

    /// Puts down what was called and thought.
    fn flush(&mut self) -> Result<(), Problem> {
        let thought = std::mem::take(&mut self.thought).join("\n");
        if self.calls.is_empty() {
            return Ok(());
        }
        let calls = json_of(&std::mem::take(&mut self.calls).into())?;
        // What was said just before belongs to the same turn.
        let said =
            self.messages.pop_if(|last| last.role() == "assistant" && last.field("tool_calls").is_none());
        let mut turn = said.unwrap_or_else(|| Message::new("assistant", "")).with("tool_calls", calls);
        if !thought.is_empty() {
            turn = turn.with("reasoning_content", thought);
        }
        self.messages.push(turn);
        Ok(())
    }
}

/// The place of the first picture among parts.
fn shows(content: &Value) -> Option<usize> {
    content.as_array()?.iter().position(|part| part["type"] == "input_image")
}

fn text(content: &Value) -> String {
    match content {
        Value::Array(parts) => {
            let texts =
                parts.iter().filter_map(|part| part["text"].as_str().or_else(|| part["refusal"].as_str()));
            texts.collect()
        }
        text => text.as_str().unwrap_or_default().to_owned(),
    }
}

fn tools(read: &mut Read) -> Result<Vec<Json>, Problem> {
    let (mut tools, mut foreign) = (Vec::new(), Vec::new());
    for (index, tool) in read.list("tools").iter().enumerate() {
        if tool["type"] != "function" {
            foreign.push(index);
            continue;
        }
        if !tool["name"].is_string() {
            return Err(Problem::missing_parameter(&format!("tools[{index}].name"), "text"));
        }
        let mut function = tool.clone();
        if let Some(function) = function.as_object_mut() {
            function.remove("type");
            function.retain(|_, value| !value.is_null());
        }
        tools.push(json_of(&json!({ "type": "function", "function": function }))?);
    }
    for index in foreign {
        read.warn(&format!("tools[{index}]"), "it is left out: this server runs no tools itself");
    }
    Ok(tools)
}

fn json_of(value: &Value) -> Result<Json, Problem> {
    Ok(Json::parse(&value.to_string())?)
}
