//! Messages and tools of this format as a conversation for a template.

use athenaeum_inference::template::{Conversation, Json, Message, Template};
use serde_json::{Map, Value, json};

use crate::{
    parameters::{Parameter, Read, Takes},
    problem::Problem,
    serving::{Pictures, Talk, Writer},
};

pub(super) const ANY_TEXT: Takes = Takes::Text(usize::MAX);
const NAME: Takes = Takes::Text(256);

pub(super) const IMAGES: Parameter = Parameter::new(
    "images",
    Takes::List(&ANY_TEXT, 1024),
    "Pictures in base64, for models that see; nothing is fetched from addresses.",
);

pub(super) const THINK: Parameter = Parameter::new(
    "think",
    Takes::Either(&[Takes::Bool, Takes::OneOf(&["low", "medium", "high", "max"])]),
    "Whether the model thinks before it answers, or how much, for templates that have a place for it.",
);

pub(super) const MESSAGES: Parameter = Parameter::new(
    "messages",
    Takes::List(&Takes::Object(MESSAGE), 1 << 20),
    "The conversation so far; without any, the model is loaded.",
);

pub(super) const TOOLS: Parameter =
    Parameter::new("tools", Takes::List(&Takes::Object(TOOL), 512), "Tools that the model may call.");

const MESSAGE: &[Parameter] = &[
    Parameter::required("role", Takes::OneOf(&["system", "user", "assistant", "tool"]), "Who speaks."),
    Parameter::new("content", ANY_TEXT, "What is said."),
    Parameter::new("thinking", ANY_TEXT, "What the model said to itself."),
    IMAGES,
    Parameter::new("tool_calls", Takes::List(&Takes::Object(CALL), 512), "Tools that the model called."),
    Parameter::new("tool_name", NAME, "Which tool a result is of."),
    Parameter::new("name", NAME, "The same, or the speaker's name."),
    Parameter::new("tool_call_id", NAME, "Which call a result answers."),
];

const CALL: &[Parameter] = &[
    Parameter::new("id", NAME, "What its result refers to."),
    Parameter::new("type", Takes::OneOf(&["function"]), "The kind of tool."),
    Parameter::required("function", Takes::Object(CALLED), "What is called."),
];

const CALLED: &[Parameter] = &[
    Parameter::required("name", NAME, "The tool's name."),
    Parameter::new("arguments", Takes::Map(&Takes::Any), "What it is called with."),
    Parameter::new("index", Takes::Integer(0, 1 << 20), "Calls count in the order they stand in."),
    Parameter::without_effect("description", ANY_TEXT, "a call says no more than its name and arguments"),
];

const TOOL: &[Parameter] = &[
    Parameter::new("type", Takes::OneOf(&["function"]), "The kind of tool; this server runs none itself."),
    Parameter::required("function", Takes::Object(FUNCTION), "What can be called."),
    Parameter::without_effect("items", Takes::Any, "it means nothing outside of `parameters`"),
];

const FUNCTION: &[Parameter] = &[
    Parameter::required("name", NAME, "Its name."),
    Parameter::new("description", ANY_TEXT, "What it does, for the model."),
    Parameter::new("parameters", Takes::Map(&Takes::Any), "Its arguments as a JSON schema."),
    Parameter::new("strict", Takes::Bool, "Handed to the template."),
];

/// Makes the conversation of a body that was read against [`MESSAGES`] and [`TOOLS`].
pub(super) fn of(read: &Read) -> Result<Talk, Problem> {
    let mut pictures = Pictures::default();
    let messages = read.list("messages").iter().enumerate();
    let messages: Vec<Message> =
        messages.map(|(index, said)| message(index, said, &mut pictures)).collect::<Result<_, _>>()?;
    // Ollama goes on with what the model began to say.
    let goes_on =
        messages.last().is_some_and(|last| last.role() == "assistant" && last.field("tool_calls").is_none());
    let mut conversation = Conversation::new(messages);
    conversation.continue_final_message = goes_on;
    conversation.add_generation_prompt = !goes_on;
    conversation.tools = read.list("tools").iter().map(tool).collect::<Result<_, _>>()?;
    Ok(pictures.shown_in(conversation))
}

/// What is said, behind the pictures that it is said of.
pub(super) fn content(at: &str, images: &[Value], text: &Value, pictures: &mut Pictures) -> Value {
    let shown = images
        .iter()
        .enumerate()
        .filter_map(|(index, image)| Some(pictures.part(format!("{at}[{index}]"), image.as_str()?)));
    let mut parts: Vec<Value> = shown.collect();
    if parts.is_empty() {
        return text.clone();
    }
    parts.push(json!({ "type": "text", "text": text }));
    parts.into()
}

/// Sets how much the model thinks, and warns where its template has no place for that.
pub(super) fn think(read: &mut Read, model: &Writer, conversation: &mut Conversation) {
    let Some(think) = read.value("think").cloned() else { return };
    let level = think.as_str().map(str::to_owned);
    let thinks = level.is_some() || think == Value::Bool(true);
    conversation.variables.insert("enable_thinking".to_owned(), Json::from(thinks));
    conversation.variables.insert("thinking".to_owned(), Json::from(thinks));
    if let Some(level) = &level {
        conversation.variables.insert("reasoning_effort".to_owned(), Json::from(level.as_str()));
    }
    // Another engine says itself where it has no place for it.
    let Some(loaded) = model.here() else { return };
    let source = loaded.model.template().map(Template::source).unwrap_or_default();
    let knows = |name: &str| source.contains(name);
    let reason = match level {
        _ if !["enable_thinking", "thinking", "reasoning_effort"].into_iter().any(knows) => {
            "the model's template has no place for it"
        }
        Some(_) if !knows("reasoning_effort") => {
            "the model's template knows no levels: it thinks, or does not"
        }
        None if !knows("enable_thinking") && !knows("thinking") => {
            "the model's template knows levels only: low, medium, high"
        }
        _ => return,
    };
    read.warn("think", reason);
}

/// A message in the words that templates know.
fn message(index: usize, said: &Value, pictures: &mut Pictures) -> Result<Message, Problem> {
    let field = |name: &str| said.get(name).filter(|value| !value.is_null());
    let at = format!("messages[{index}].images");
    let images = field("images").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !images.is_empty() && said["role"] != "user" {
        return Err(Problem::parameter(&at, "nothing here: pictures stand in what the user says"));
    }
    let text = field("content").cloned().unwrap_or_else(|| "".into());
    let content = content(&at, images, &text, pictures);
    let mut message = Map::new();
    let mut put = |name: &str, value: Option<&Value>| {
        value.map(|value| message.insert(name.to_owned(), value.clone()));
    };
    put("role", field("role"));
    put("content", Some(&content));
    put("reasoning_content", field("thinking").filter(|text| **text != ""));
    put("name", field("tool_name").or(field("name")));
    put("tool_call_id", field("tool_call_id"));
    let calls = field("tool_calls").and_then(Value::as_array).filter(|calls| !calls.is_empty());
    let calls = calls.map(|calls| calls.iter().map(call).collect::<Value>());
    put("tool_calls", calls.as_ref());
    Ok(Message::from_json(json(&Value::Object(message))?)?)
}

fn call(call: &Value) -> Value {
    let function = call.get("function").unwrap_or(&Value::Null);
    let arguments = function.get("arguments").filter(|arguments| !arguments.is_null()).cloned();
    let mut whole = json!({
        "type": "function",
        "function": { "name": function["name"], "arguments": arguments.unwrap_or_else(|| json!({})) },
    });
    if let Some(id) = call.get("id").filter(|id| !id.is_null()) {
        whole["id"] = id.clone();
    }
    whole
}

fn tool(tool: &Value) -> Result<Json, Problem> {
    let mut tool = tool.clone();
    tool["type"] = "function".into();
    json(&tool)
}

pub(super) fn json(value: &Value) -> Result<Json, Problem> {
    Ok(Json::parse(&value.to_string())?)
}
