//! Messages and tools of the wire as a conversation for a template.

use athenaeum_inference::template::{Conversation, Json, Message};
use serde_json::{Value, json};

use super::parameters::ANY_TEXT;
use crate::{
    parameters::{Holds, Parameter, Read, Takes},
    problem::Problem,
    serving::{Calling, Choose, Pictures, Talk},
};

const NAME: Takes = Takes::Text(256);

/// The parameters of a conversation.
pub(crate) const CONVERSATION: &[Parameter] = &[
    Parameter::required(
        "messages",
        Takes::Filled(&Takes::List(&Takes::ObjectWhere(MESSAGE, &[SPEAKS, SHOWS]), 1 << 20)),
        "The conversation so far.",
    ),
    Parameter::new("tools", Takes::List(&Takes::Object(TOOL), 512), "Tools that the model may call."),
    Parameter::new("tool_choice", TOOL_CHOICE, "Whether it calls one: none, auto, required, or which one."),
    Parameter::new("parallel_tool_calls", Takes::Bool, "Whether it may call several at once."),
    Parameter::new(
        "functions",
        Takes::List(&Takes::Object(FUNCTION), 512),
        "Tools, as clients wrote them before there was `tools`.",
    ),
    Parameter::new(
        "function_call",
        Takes::Either(&[Takes::OneOf(&["none", "auto"]), Takes::Object(CHOSEN_FUNCTION)]),
        "Whether it calls one of these: none, auto, or which one.",
    ),
    Parameter::new(
        "documents",
        Takes::List(&Takes::Map(&Takes::Any), 1024),
        "Texts to answer from, for templates that have a place for them.",
    ),
    Parameter::new(
        "chat_template_kwargs",
        Takes::Map(&Takes::Any),
        "Further variables of the model's template, such as enable_thinking.",
    ),
    Parameter::new(
        "reasoning_effort",
        Takes::OneOf(&["none", "minimal", "low", "medium", "high", "xhigh"]),
        "How much the model thinks, for templates that have a place for it.",
    ),
    Parameter::new("add_generation_prompt", Takes::Bool, "Whether the model begins a new message."),
    Parameter::new("continue_final_message", Takes::Bool, "Whether it goes on with the last one."),
];

/// Assistants may have said nothing.
const SPEAKS: &[Holds] = &[Holds::Has("content"), Holds::Has("tool_calls"), Holds::Says("role", "assistant")];

/// Pictures stand in what the user says.
pub(super) const SHOWS: &[Holds] = &[Holds::Says("role", "user"), Holds::Fits("content", &WORDS)];

const WORDS: Takes = Takes::Either(&[ANY_TEXT, Takes::List(&Takes::Object(WORD), 4096)]);

const WORD: &[Parameter] = &[Parameter::required(
    "type",
    Takes::OneOf(&["text", "input_text", "output_text", "refusal", "reasoning_text", "summary_text"]),
    "No picture.",
)];

const MESSAGE: &[Parameter] = &[
    Parameter::required(
        "role",
        Takes::OneOf(&["system", "developer", "user", "assistant", "tool", "function"]),
        "Who speaks.",
    ),
    Parameter::new(
        "content",
        Takes::Either(&[ANY_TEXT, Takes::List(&Takes::ObjectWhere(PART, &[SHOWN]), 4096)]),
        "What is said.",
    ),
    Parameter::new("name", NAME, "The speaker's name, for templates that have a place for it."),
    Parameter::new("tool_calls", Takes::List(&Takes::Object(CALL), 512), "Tools that the model called."),
    Parameter::new("function_call", Takes::Object(CALLED), "The same, as clients wrote it before."),
    Parameter::new("tool_call_id", NAME, "Which call a result answers."),
    Parameter::new("reasoning_content", ANY_TEXT, "What the model said to itself."),
    Parameter::new("reasoning", ANY_TEXT, "The same under another name."),
    Parameter::without_effect("refusal", ANY_TEXT, "templates have no place for it"),
    Parameter::without_effect("audio", Takes::Any, "the model reads text only"),
    Parameter::only("annotations", Takes::Any, &["[]"], "templates have no place for it"),
];

/// A part that is a picture has one.
const SHOWN: &[Holds] = &[
    Holds::Has("image_url"),
    Holds::Says("type", "text"),
    Holds::Says("type", "input_text"),
    Holds::Says("type", "output_text"),
    Holds::Says("type", "refusal"),
];

const PART: &[Parameter] = &[
    Parameter::required(
        "type",
        Takes::OneOf(&["text", "input_text", "output_text", "refusal", "image_url", "input_image"]),
        "The kind of part: text, or a picture, for models that see.",
    ),
    Parameter::new("text", ANY_TEXT, "The text."),
    Parameter::new(
        "image_url",
        Takes::Either(&[ANY_TEXT, Takes::Object(IMAGE)]),
        "A picture, in what the user says.",
    ),
    DETAIL,
    Parameter::new("refusal", ANY_TEXT, "The text of a refusal."),
    Parameter::without_effect("cache_control", Takes::Any, "beginnings are recognised by their tokens"),
];

const IMAGE: &[Parameter] = &[Parameter::required("url", ANY_TEXT, IMAGE_URL), DETAIL];

/// What is to be said of where a picture is.
pub(super) const IMAGE_URL: &str =
    "The picture itself as data:image/png;base64,…; nothing is fetched from other addresses.";

pub(super) const DETAIL: Parameter = Parameter::only(
    "detail",
    Takes::OneOf(&["auto", "low", "high", "original"]),
    &["\"auto\""],
    "every picture is looked at in the one size that the model's encoder takes",
);

const CALL: &[Parameter] = &[
    Parameter::new("id", NAME, "What its result refers to."),
    Parameter::new("type", Takes::OneOf(&["function"]), "The kind of tool."),
    Parameter::required("function", Takes::Object(CALLED), "What is called."),
    Parameter::only("index", Takes::Integer(0, 1 << 20), &[], "calls count in the order they stand in"),
];

const CALLED: &[Parameter] = &[
    Parameter::required("name", NAME, "The tool's name."),
    Parameter::new(
        "arguments",
        Takes::Either(&[ANY_TEXT, Takes::Map(&Takes::Any)]),
        "A JSON object, as text.",
    ),
];

/// A tool.
const TOOL: &[Parameter] = &[
    Parameter::required(
        "type",
        Takes::OneOf(&["function"]),
        "The kind of tool; this server runs none itself.",
    ),
    Parameter::required("function", Takes::Object(FUNCTION), "What can be called."),
];

const FUNCTION: &[Parameter] = &[
    Parameter::required("name", NAME, "Its name."),
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
    Parameter::new("function", Takes::Object(CHOSEN_FUNCTION), "Which."),
    Parameter::new("allowed_tools", Takes::Object(ALLOWED), "The tools among which it may choose."),
];

const ALLOWED: &[Parameter] = &[
    Parameter::required("mode", Takes::OneOf(&["auto", "required"]), "Whether it must call one of them."),
    Parameter::required("tools", Takes::List(&Takes::Object(ALLOWED_TOOL), 512), "Which."),
];

const ALLOWED_TOOL: &[Parameter] = &[
    Parameter::required("type", Takes::OneOf(&["function"]), "The kind of tool."),
    Parameter::required("function", Takes::Object(CHOSEN_FUNCTION), "Which."),
];

const CHOSEN_FUNCTION: &[Parameter] = &[Parameter::required("name", NAME, "Its name.")];

/// Makes the conversation of a body that was read against [`CONVERSATION`].
pub(crate) fn of(read: &mut Read) -> Result<Talk, Problem> {
    if read.list("messages").is_empty() {
        return Err(Problem::parameter("messages", "a list with at least one message"));
    }
    let (mut messages, mut pictures) = (Vec::new(), Pictures::default());
    for (index, message) in read.list("messages").iter().enumerate() {
        messages.push(self::message(index, message.clone(), &mut pictures)?);
    }
    let mut conversation = Conversation::new(messages);
    if let Some(goes_on) = read.flag("continue_final_message") {
        conversation.continue_final_message = goes_on;
        conversation.add_generation_prompt = !goes_on;
    }
    if let Some(begins) = read.flag("add_generation_prompt") {
        if begins && conversation.continue_final_message {
            let accepts = "false where continue_final_message is true: the model goes on, or begins anew";
            return Err(Problem::parameter("add_generation_prompt", accepts));
        }
        conversation.add_generation_prompt = begins;
    }
    let none = Some("none");
    if read.text("tool_choice") != none && read.text("function_call") != none {
        let functions = read.list("functions").iter();
        let functions = functions.map(|function| json!({ "type": "function", "function": function }));
        let tools = read.list("tools").iter().cloned().chain(functions);
        conversation.tools = tools.map(|tool| json(&tool)).collect::<Result<_, _>>()?;
    }
    conversation.documents = read.list("documents").iter().map(json).collect::<Result<_, _>>()?;
    if let Some(effort) = read.text("reasoning_effort") {
        conversation.variables.insert("reasoning_effort".to_owned(), Json::from(effort));
        if effort == "none" {
            conversation.variables.insert("enable_thinking".to_owned(), json(&Value::Bool(false))?);
        }
    }
    let variables =
        read.value("chat_template_kwargs").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in variables {
        conversation.variables.insert(name, json(&value)?);
    }
    Ok(pictures.shown_in(conversation))
}

/// Reads what is to be done with the tools of a conversation.
pub(super) fn calling(read: &Read, conversation: &Conversation) -> Result<Calling, Problem> {
    let (parameter, named) = match read.value("tool_choice") {
        Some(Value::Object(chosen)) if chosen.get("type").is_some_and(|kind| kind == "allowed_tools") => {
            let missing =
                || Problem::missing_parameter("tool_choice.allowed_tools", "an object with mode and tools");
            let allowed = chosen.get("allowed_tools").filter(|of| of.is_object()).ok_or_else(missing)?;
            let once = read.flag("parallel_tool_calls") == Some(false);
            return allowed_calling(allowed, |tool| &tool["function"]["name"], once, &conversation.tools);
        }
        Some(Value::Object(chosen)) if !chosen.contains_key("function") => {
            return Err(Problem::missing_parameter("tool_choice.function", "an object with a name"));
        }
        Some(Value::Object(chosen)) => ("tool_choice", chosen.get("function").and_then(|of| of.get("name"))),
        Some(_) => ("tool_choice", None),
        None => ("function_call", read.value("function_call").and_then(|chosen| chosen.get("name"))),
    };
    let choice = match named.and_then(Value::as_str) {
        Some(name) => Choose::Named(name.to_owned()),
        None if read.text("tool_choice") == Some("required") => Choose::Any,
        None => Choose::Freely,
    };
    let once = read.flag("parallel_tool_calls") == Some(false) || read.has("functions");
    Calling::of(choice, once, &conversation.tools, parameter)
}

/// Reads which tools may be called of those that the model is told of: `{"mode": …, "tools": […]}`.
pub(crate) fn allowed_calling(
    allowed: &Value,
    name: fn(&Value) -> &Value,
    once: bool,
    tools: &[Json],
) -> Result<Calling, Problem> {
    let listed = allowed["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<String> =
        listed.iter().filter_map(|tool| name(tool).as_str().map(str::to_owned)).collect();
    let choice = if allowed["mode"] == "required" { Choose::Any } else { Choose::Freely };
    Calling::of(choice, once, tools, "tool_choice")?.among(names, tools, "tool_choice")
}

/// A message in the words that templates know.
fn message(index: usize, mut message: Value, pictures: &mut Pictures) -> Result<Message, Problem> {
    let role = match message["role"].as_str().unwrap_or_default() {
        "developer" => "system".to_owned(),
        "function" => "tool".to_owned(),
        role => role.to_owned(),
    };
    message["role"] = role.as_str().into();
    if let Some(reasoning) = message.get("reasoning").filter(|reasoning| reasoning.is_string()).cloned() {
        message["reasoning_content"] = reasoning;
    }
    if let Some(parts) = message.get_mut("content").and_then(Value::as_array_mut) {
        for (place, part) in parts.iter_mut().enumerate() {
            let at = format!("messages[{index}].content[{place}]");
            *part = match picture(&at, part, pictures)? {
                Some(_) if role != "user" => return Err(not_here(&at)),
                Some(picture) => picture,
                None => {
                    let text = part.get("text").or_else(|| part.get("refusal")).cloned();
                    json!({ "type": "text", "text": text.unwrap_or_else(|| "".into()) })
                }
            };
        }
    }
    if let Some(called) = message.get("function_call").filter(|called| called.is_object()).cloned() {
        message["tool_calls"] = json!([{ "type": "function", "function": called }]);
    }
    Ok(Message::from_json(json(&message)?)?)
}

/// Takes in the picture of a part, where it is one.
pub(super) fn picture(at: &str, part: &Value, pictures: &mut Pictures) -> Result<Option<Value>, Problem> {
    if !matches!(part["type"].as_str(), Some("image_url" | "input_image")) {
        return Ok(None);
    }
    let image = &part["image_url"];
    let (at, address) = match image.as_str() {
        Some(address) => (format!("{at}.image_url"), Some(address)),
        None if image.is_object() => (format!("{at}.image_url.url"), image["url"].as_str()),
        None => (format!("{at}.image_url"), None),
    };
    let missing = || Problem::missing_parameter(&at, "a picture, as data:image/png;base64,…");
    let address = address.ok_or_else(missing)?;
    Ok(Some(pictures.part(&at, address)))
}

/// Refuses a picture where a template has no place for one.
pub(super) fn not_here(at: &str) -> Problem {
    Problem::parameter(&format!("{at}.type"), "text here: pictures stand in what the user says")
}

fn json(value: &Value) -> Result<Json, Problem> {
    Ok(Json::parse(&value.to_string())?)
}

impl From<athenaeum_inference::template::Error> for Problem {
    fn from(error: athenaeum_inference::template::Error) -> Self {
        Self::new(crate::problem::Kind::BadRequest, crate::failure::sentence(&error)).about("messages")
    }
}
