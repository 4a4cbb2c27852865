//! Templates as Ollama keeps them: the part of Go's `text/template` that they are written in.
//!
//! Conversations are given to them as Ollama does: neighbours of one role joined, system messages told twice (as
//! messages and as `.System`), and templates that know only one `.Prompt` run once for each exchange.

mod parse;
mod run;

use parse::Node;
use run::{Run, Value};

use super::{Conversation, Error, Json, Limits, Message};

/// A template that has been read.
#[derive(Debug, Clone)]
pub(super) struct Program {
    nodes: Vec<Node>,
    /// It goes through `.Messages` itself.
    messages: bool,
}

impl Program {
    pub(super) fn parse(source: &str) -> Result<Self, Error> {
        let mut nodes = parse::nodes(source)?;
        let messages = parse::mentions(&nodes, "Messages");
        if !messages && !parse::mentions(&nodes, "Response") {
            nodes.push(Node::response());
        }
        Ok(Self { nodes, messages })
    }

    pub(super) fn render(&self, conversation: &Conversation, limits: Limits) -> Result<String, Error> {
        let messages = joined(&conversation.messages);
        let system: Vec<String> =
            messages.iter().filter(|turn| turn.role == "system").map(|turn| turn.text.clone()).collect();
        let mut run = Run::new(limits, conversation.now);
        if self.messages {
            let values = Value::list(messages.iter().map(Turn::value));
            let data = [("System", Value::from(system.join("\n\n"))), ("Messages", values)];
            run.all(&self.nodes, &shared(conversation, data))?;
            return Ok(run.finish());
        }
        let exchange = |[system, prompt, response]: &[String; 3]| {
            let texts = [("System", system), ("Prompt", prompt), ("Response", response)];
            shared(conversation, texts.map(|(name, text)| (name, Value::from(text.clone()))))
        };
        let mut said: [String; 3] = Default::default();
        for turn in &messages {
            let (place, over) = match turn.role.as_str() {
                "system" => (0, !said[1].is_empty() || !said[2].is_empty()),
                "user" => (1, !said[2].is_empty()),
                "assistant" => (2, false),
                _ => continue,
            };
            if over {
                run.all(&self.nodes, &exchange(&said))?;
                said = Default::default();
            }
            said[place].clone_from(&turn.text);
        }
        if said[2].is_empty() {
            run.all(&parse::before_response(&self.nodes), &exchange(&said))?;
        } else {
            run.all(&self.nodes, &exchange(&said))?;
        }
        Ok(run.finish())
    }
}

struct Turn {
    role: String,
    text: String,
    message: Message,
}

impl Turn {
    /// The fields by which templates know a message.
    fn value(&self) -> Value {
        let text = |field: &str| {
            let value = self.message.field(field);
            Value::from(value.and_then(|value| Some(value.as_str()?.to_owned())).unwrap_or_default())
        };
        let calls = self.message.field("tool_calls");
        let calls = calls.into_iter().flat_map(|calls| calls.elements().collect::<Vec<_>>());
        Value::map([
            ("Role", Value::from(self.role.clone())),
            ("Content", Value::from(self.text.clone())),
            ("Thinking", text("reasoning_content")),
            ("ToolName", text("name")),
            ("ToolCallID", text("tool_call_id")),
            ("ToolCalls", Value::list(calls.enumerate().map(|(index, call)| called(index, &call)))),
        ])
    }
}

/// Messages with neighbours of one role as one, as long as they are only text.
fn joined(messages: &[Message]) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for message in messages {
        let text = message.text().unwrap_or_default();
        let turn = Turn { role: message.role(), text, message: message.clone() };
        let plain = |turn: &Turn| turn.role != "tool" && turn.message.field("tool_calls").is_none();
        match turns.last_mut() {
            Some(last) if last.role == turn.role && plain(last) && plain(&turn) => {
                last.text = format!("{}\n\n{}", last.text, turn.text);
            }
            _ => turns.push(turn),
        }
    }
    turns
}

fn called(index: usize, call: &Json) -> Value {
    let function = call.field("function").unwrap_or_else(|| call.clone());
    let arguments = function.field("arguments").unwrap_or_else(Json::null);
    let arguments = match arguments.as_str() {
        Some(text) => Json::parse(text).unwrap_or(arguments),
        None => arguments,
    };
    let name = function.field("name").and_then(|name| Some(name.as_str()?.to_owned())).unwrap_or_default();
    let id = call.field("id").and_then(|id| Some(id.as_str()?.to_owned())).unwrap_or_default();
    let function = Value::map([
        ("Index", Value::Int(index as i64)),
        ("Name", Value::from(name)),
        ("Arguments", Value::of(&arguments, false)),
    ]);
    Value::map([("ID", Value::from(id)), ("Function", function)])
}

/// What every template can ask for, beside `data`.
fn shared<const N: usize>(conversation: &Conversation, data: [(&str, Value); N]) -> Value {
    let think = conversation.variables.get("enable_thinking");
    let tools = Value::list(conversation.tools.iter().map(|tool| Value::of(tool, true)));
    let mut fields = vec![
        ("Tools".to_owned(), tools),
        ("Think".to_owned(), Value::Bool(think.is_some_and(|think| think.to_string() == "true"))),
        ("IsThinkSet".to_owned(), Value::Bool(think.is_some())),
        ("ThinkLevel".to_owned(), Value::from(String::new())),
        ("Suffix".to_owned(), Value::from(String::new())),
        ("Response".to_owned(), Value::from(String::new())),
    ];
    fields.retain(|(name, _)| data.iter().all(|(given, _)| given != name));
    fields.extend(data.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Value::Map(std::rc::Rc::new(fields))
}
