//! What a template has a place for, found out by trying.

use super::{Conversation, Json, Message, Template};

/// What a template shows to its model. What it has no place for is lost, unless the conversation is changed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// System messages.
    pub system: bool,
    /// Descriptions of tools.
    pub tools: bool,
    /// Calls of tools by the model.
    pub tool_calls: bool,
    /// The arguments of calls are wanted as objects rather than as text that holds JSON.
    pub object_arguments: bool,
    /// What tools gave back.
    pub tool_results: bool,
    /// What the model thought before its last answer.
    pub reasoning: bool,
    /// Content that is plain text. Nearly all; a few know only parts.
    pub text_content: bool,
    /// Content in parts.
    pub part_content: bool,
    /// An assistant's `null` in place of content.
    pub null_content: bool,
    /// Two turns of one speaker in a row.
    pub repeated_turns: bool,
}

impl Capabilities {
    /// Renders a dozen small conversations and looks for what was put into them.
    pub(super) fn of(template: &Template) -> Self {
        let shows = |messages: Vec<Message>, tools: Vec<Json>, needles: &[&str]| {
            let conversation = Conversation { tools, now: Some(PROBED_AT), ..Conversation::new(messages) };
            let text = template.render(&conversation);
            text.is_ok_and(|text| needles.iter().all(|needle| text.contains(needle)))
        };
        let user = || Message::new("user", USER);
        let parts =
            || Json::array([Json::object([("type", Json::from("text")), ("text", Json::from(USER))])]);
        let text_content = shows(vec![user()], vec![], &[USER]);
        let part_content = {
            let conversation = Conversation::new([Message::new("user", parts())]);
            let text = template.render(&Conversation { now: Some(PROBED_AT), ..conversation });
            text.is_ok_and(|text| {
                text.contains(USER) && !text.contains("'type'") && !text.contains("\"type\"")
            })
        };
        // Templates that know only parts are asked in parts.
        let said = |role: &str, text: &str| match text_content || !part_content {
            true => Message::new(role, text),
            false => Message::new(role, text).in_parts(),
        };
        let ask = || said("user", USER);
        let call = |arguments: Json, content: Json| {
            let function = Json::object([("name", Json::from(TOOL)), ("arguments", arguments)]);
            let call = Json::object([
                ("id", Json::from(CALL)),
                ("type", Json::from("function")),
                ("function", function),
            ]);
            Message::new("assistant", content).with("tool_calls", Json::array([call]))
        };
        let object = || Json::object([(KEY, Json::from(VALUE))]);
        let as_text = || Json::from(object().to_string());
        let result = || said("tool", RESULT).with("tool_call_id", CALL).with("name", TOOL);
        let empty = || Json::from("");

        // A template that prints arguments as they are prints objects as Python does, which is no JSON.
        let as_python = format!("'{KEY}'");
        let objects = {
            let messages = vec![ask(), call(object(), empty()), result()];
            let conversation =
                Conversation { tools: vec![tool()], now: Some(PROBED_AT), ..Conversation::new(messages) };
            let text = template.render(&conversation);
            text.is_ok_and(|text| {
                [TOOL, KEY, VALUE].iter().all(|needle| text.contains(needle)) && !text.contains(&as_python)
            })
        };
        let texts = shows(
            vec![ask(), call(as_text(), empty()), result()],
            vec![tool()],
            &[TOOL, &object().to_string()],
        );
        let arguments = || if objects { object() } else { as_text() };
        let answered = || said("assistant", "Answered.");
        Self {
            system: shows(vec![said("system", SYSTEM), ask()], vec![], &[SYSTEM]),
            tools: shows(vec![ask()], vec![tool()], &[TOOL]),
            tool_calls: objects || texts,
            object_arguments: objects,
            tool_results: shows(vec![ask(), call(arguments(), empty()), result()], vec![tool()], &[RESULT]),
            reasoning: shows(
                vec![
                    ask(),
                    call(arguments(), Json::from("Answered.")).with("reasoning_content", THOUGHT),
                    result(),
                ],
                vec![tool()],
                &[THOUGHT],
            ) || shows(
                vec![ask(), answered().with("reasoning_content", THOUGHT)],
                vec![],
                &[THOUGHT],
            ),
            text_content,
            part_content,
            null_content: shows(
                vec![ask(), call(arguments(), Json::null()), result()],
                vec![tool()],
                &[TOOL],
            ),
            repeated_turns: shows(vec![ask(), said("user", SYSTEM)], vec![], &[USER, SYSTEM]),
        }
    }
}

fn tool() -> Json {
    let parameters = Json::object([
        ("type", Json::from("object")),
        (
            "properties",
            Json::object([(
                "at",
                Json::object([("type", Json::from("string")), ("description", Json::from("Where."))]),
            )]),
        ),
        ("required", Json::array([Json::from("at")])),
    ]);
    let function = Json::object([
        ("name", Json::from(TOOL)),
        ("description", Json::from("Looks.")),
        ("parameters", parameters),
    ]);
    Json::object([("type", Json::from("function")), ("function", function)])
}

// Words that no template has of its own.
const USER: &str = "Quxuser";
const SYSTEM: &str = "Quxsystem";
const TOOL: &str = "quxtool";
const KEY: &str = "quxkey";
const VALUE: &str = "quxvalue";
const RESULT: &str = "quxresult";
const THOUGHT: &str = "Quxthought";
/// Mistral's templates want nine letters.
const CALL: &str = "quxcall01";
const PROBED_AT: jiff::civil::DateTime = jiff::civil::datetime(2026, 1, 1, 0, 0, 0, 0);
