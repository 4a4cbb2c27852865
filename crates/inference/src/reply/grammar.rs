//! How calls must be written, for those who hold a model to it.

use super::{Format, format::Family};
use crate::template::Json;

/// What may follow once a model has begun to call.
#[derive(Debug, Clone, PartialEq)]
pub struct CallGrammar {
    /// The text after which the model is held to one of `tools`; empty where a call begins the reply.
    pub trigger: &'static str,
    /// One of these is written whole.
    pub tools: Vec<ToolGrammar>,
    /// What stands between two calls, where there may be several.
    pub between: Option<&'static str>,
    /// What ends the calls.
    pub end: &'static str,
}

/// `begin`, then a JSON value of the schema, or what it is made of between tags, then `end`.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolGrammar {
    /// The tool's name.
    pub name: String,
    /// Up to the first letter of the arguments.
    pub begin: String,
    /// The JSON schema of the arguments, as the tool came with it.
    pub arguments: Json,
    /// From the last letter of the arguments on.
    pub end: &'static str,
    /// How each of the arguments is written by itself, where they are no JSON.
    pub tags: Option<Tags>,
}

/// `open`, an argument's name, `named`, its value, `close`. A text stands there as it is, all else as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tags {
    /// Before the name.
    pub open: &'static str,
    /// Between name and value.
    pub named: &'static str,
    /// Space behind a value.
    pub space: &'static str,
    /// What ends a value, the first time that it comes.
    pub close: &'static str,
    /// What follows.
    pub after: &'static str,
}

impl Format {
    /// How calls of these tools are written; `None` where there is no way.
    #[must_use]
    pub fn calls(self, tools: &[Json]) -> Option<CallGrammar> {
        let named = |name: &str| format!("{{\"name\": {}, \"arguments\": ", Json::from(name));
        let grammar = |trigger, between, end, begin: &dyn Fn(&str) -> String, after: &'static str| {
            let tool = |tool: &Json| {
                let function = tool.field("function").unwrap_or_else(|| tool.clone());
                let name = function.field("name")?.as_str()?.to_owned();
                let arguments = function.field("parameters");
                let arguments = arguments.unwrap_or_else(|| Json::object([("type", Json::from("object"))]));
                Some(ToolGrammar { begin: begin(&name), name, arguments, end: after, tags: None })
            };
            let tools: Vec<ToolGrammar> = tools.iter().filter_map(tool).collect();
            (!tools.is_empty()).then_some(CallGrammar { trigger, tools, between, end })
        };
        match self.family() {
            Family::Hermes => grammar(
                "<tool_call>",
                Some("\n<tool_call>"),
                "",
                &|name| format!("\n{}", named(name)),
                "}\n</tool_call>",
            ),
            Family::Llama => {
                let begin = |name: &str| format!("{{\"name\": {}, \"parameters\": ", Json::from(name));
                grammar("", None, "", &begin, "}")
            }
            Family::Mistral => {
                grammar("[TOOL_CALLS]", Some(", "), "]", &|name| format!("[{}", named(name)), "}").map(
                    |mut list| {
                        // Only the first call opens the list.
                        list.tools.iter_mut().for_each(|tool| tool.begin.replace_range(..1, ""));
                        CallGrammar { trigger: "[TOOL_CALLS][", ..list }
                    },
                )
            }
            Family::List => grammar("<|tool_call|>[", Some(", "), "]", &named, "}"),
            Family::DeepSeek => grammar(
                "<｜tool▁calls▁begin｜>",
                Some("\n"),
                "<｜tool▁calls▁end｜>",
                &|name| format!("<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}{}", super::FENCE),
                "\n```<｜tool▁call▁end｜>",
            ),
            Family::Kimi => grammar(
                "<|tool_calls_section_begin|>",
                Some(""),
                "<|tool_calls_section_end|>",
                &|name| format!("<|tool_call_begin|>functions.{name}:0<|tool_call_argument_begin|>"),
                "<|tool_call_end|>",
            ),
            Family::Harmony => grammar(
                "<|channel|>commentary to=functions.",
                None,
                "",
                &|name| format!("{name} <|constrain|>json<|message|>"),
                "<|call|>",
            ),
            Family::Tags => grammar(
                "<tool_call>",
                Some("\n<tool_call>"),
                "",
                &|name| format!("\n<function={name}>\n"),
                "</function>\n</tool_call>",
            )
            .and_then(|calls| between_tags(calls, FUNCTION)),
            Family::Glm => {
                let begin = |name: &str| format!("{name}\n");
                let calls = grammar("<tool_call>", Some("\n<tool_call>"), "", &begin, "</tool_call>");
                calls.and_then(|calls| between_tags(calls, PAIRS))
            }
            Family::Plain => None,
        }
    }
}

/// The same with arguments between tags; `None` where a tool has a name that cannot stand there.
fn between_tags(mut calls: CallGrammar, tags: Tags) -> Option<CallGrammar> {
    let is_odd = |name: &str| name.contains(|letter: char| letter.is_whitespace() || "<>\"".contains(letter));
    if calls.tools.iter().any(|tool| tool.name.is_empty() || is_odd(&tool.name)) {
        return None;
    }
    calls.tools.iter_mut().for_each(|tool| tool.tags = Some(tags));
    Some(calls)
}

const FUNCTION: Tags =
    Tags { open: "<parameter=", named: ">\n", space: "\n", close: "</parameter>", after: "\n" };

const PAIRS: Tags = Tags {
    open: "<arg_key>",
    named: "</arg_key>\n<arg_value>",
    space: "",
    close: "</arg_value>",
    after: "\n",
};
