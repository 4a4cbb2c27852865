//! A prompt from any conversation by any template, with what had to be changed for it.

use super::{Capabilities, Conversation, Error, Json, Message, Template};
use crate::reply::Format;

/// What a model is to read.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// The text.
    pub text: String,
    /// What was changed because the template has no place for it.
    pub changes: Vec<Change>,
    /// How the model has been told to write; what its reply is to be read by.
    pub format: Format,
}

/// Something a template has no place for, and what was done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// System messages were put before what the user says next.
    SystemMerged,
    /// Tools were described in a system message.
    ToolsDescribed,
    /// Calls of tools were written as text.
    CallsWritten,
    /// What tools gave back was written as if the user said it.
    ResultsWritten,
    /// Parts of text were joined.
    PartsJoined,
    /// Parts that are no text (images, sound) were left out.
    PartsLeftOut,
    /// What the model thought earlier was left out.
    ReasoningLeftOut,
    /// Several turns of one speaker became one.
    TurnsMerged,
}

impl Change {
    /// One sentence for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SystemMerged => {
                "the model knows no system messages: they were put before what the user says"
            }
            Self::ToolsDescribed => "the model's template knows no tools: they were described in words",
            Self::CallsWritten => "the model's template knows no calls of tools: they were written as text",
            Self::ResultsWritten => {
                "the model's template knows no results of tools: they were written as text"
            }
            Self::PartsJoined => "the model's template knows no content in parts: their text was joined",
            Self::PartsLeftOut => "the model reads text only: other content was left out",
            Self::ReasoningLeftOut => "the model's template shows no earlier reasoning: it was left out",
            Self::TurnsMerged => "the model wants user and assistant to take turns: neighbours were joined",
        }
    }
}

impl Template {
    /// What the template has a place for; found out once, by a dozen small renderings.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        *self.capabilities.get_or_init(|| Capabilities::of(self))
    }

    /// Fills in the template with the conversation, changed where the template would otherwise lose something.
    ///
    /// # Errors
    /// Those of [`Template::render`].
    pub fn prompt(&self, conversation: &Conversation) -> Result<Prompt, Error> {
        let capabilities = self.capabilities();
        let mut changed = Changed { conversation: conversation.clone(), changes: Vec::new() };
        let own = Format::of(self.source());
        let mut format = own;
        changed.parts(capabilities);
        changed.reasoning(capabilities);
        if !conversation.tools.is_empty() && !capabilities.tools {
            // The words below teach this way of writing calls.
            format = Format::described(own);
            changed.describe_tools();
        }
        changed.calls(capabilities);
        changed.results(capabilities);
        if !capabilities.system {
            changed.merge_system();
        }
        if !capabilities.repeated_turns {
            changed.merge_turns();
        }
        if !capabilities.text_content && capabilities.part_content {
            let messages = std::mem::take(&mut changed.conversation.messages);
            changed.conversation.messages = messages.into_iter().map(Message::in_parts).collect();
        }
        let mut text = self.render(&changed.conversation)?;
        if changed.conversation.wants_no_reasoning() {
            text.push_str(&self.no_reasoning(own, &text, &changed.conversation));
        }
        Ok(Prompt { text, changes: changed.changes, format })
    }

    /// What has to follow a prompt so that the model answers at once. Templates that begin the model's thoughts, or do
    /// not heed `enable_thinking`, leave it to us to end them (as llama.cpp does).
    fn no_reasoning(&self, format: Format, text: &str, conversation: &Conversation) -> String {
        let Some((open, close)) = format.reasoning() else { return String::new() };
        if text.trim_end().ends_with(open) {
            return close.to_owned();
        }
        let heeds =
            self.render(&conversation.clone().with(ENABLE_THINKING, true)).is_ok_and(|other| other != text);
        if heeds { String::new() } else { format!("{open}{close}") }
    }
}

/// The variable that most templates of models that think have.
const ENABLE_THINKING: &str = "enable_thinking";

impl Conversation {
    fn wants_no_reasoning(&self) -> bool {
        let off = self.variables.get(ENABLE_THINKING).is_some_and(|value| *value == Json::from(false));
        off && self.add_generation_prompt && !self.continue_final_message
    }
}

struct Changed {
    conversation: Conversation,
    changes: Vec<Change>,
}

impl Changed {
    fn note(&mut self, change: Change) {
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    fn parts(&mut self, capabilities: Capabilities) {
        for index in 0..self.conversation.messages.len() {
            let message = &self.conversation.messages[index];
            let Some(content) = message.field("content").filter(|content| content.as_str().is_none()) else {
                continue;
            };
            if capabilities.part_content {
                continue;
            }
            let whole = content.elements().all(|part| part.field("text").is_some());
            let message = message.clone().with("content", message.text().unwrap_or_default());
            self.conversation.messages[index] = message;
            self.note(Change::PartsJoined);
            if !whole {
                self.note(Change::PartsLeftOut);
            }
        }
    }

    fn reasoning(&mut self, capabilities: Capabilities) {
        let any = |message: &Message| message.field("reasoning_content").is_some();
        if !capabilities.reasoning && self.conversation.messages.iter().any(any) {
            self.note(Change::ReasoningLeftOut);
        }
    }

    fn describe_tools(&mut self) {
        let tools = std::mem::take(&mut self.conversation.tools);
        let lines: Vec<String> = tools.iter().map(Json::to_string).collect();
        let words = format!(
            "You can call tools. Each line describes one, its arguments as a JSON schema:\n{}\n\nTo call one, write \
             nothing but this, once for each call:\n<tool_call>\n{{\"name\": \"the tool's name\", \"arguments\": \
             {{the arguments as JSON}}}}\n</tool_call>\nYou will be given what it returns in <tool_response> tags.",
            lines.join("\n")
        );
        let first = self.conversation.messages.first().filter(|message| message.role() == "system");
        match first.cloned() {
            Some(system) => {
                let text = format!("{}\n\n{words}", system.text().unwrap_or_default());
                self.conversation.messages[0] = system.with("content", text);
            }
            None => self.conversation.messages.insert(0, Message::new("system", words)),
        }
        self.note(Change::ToolsDescribed);
    }

    fn calls(&mut self, capabilities: Capabilities) {
        // A template that was not told of tools in its own way does not speak of their calls in its own way either.
        let described = self.changes.contains(&Change::ToolsDescribed);
        for index in 0..self.conversation.messages.len() {
            let message = self.conversation.messages[index].clone();
            let Some(calls) = message.field("tool_calls").filter(|calls| calls.elements().next().is_some())
            else {
                continue;
            };
            if !capabilities.tool_calls || described {
                let written: Vec<String> = calls.elements().map(|call| written(&call)).collect();
                let text = message.text().filter(|text| !text.is_empty());
                let text: Vec<String> = text.into_iter().chain(written).collect();
                self.conversation.messages[index] =
                    message.without("tool_calls").with("content", text.join("\n"));
                self.note(Change::CallsWritten);
                continue;
            }
            let calls = calls.elements().map(|call| with_arguments(&call, capabilities.object_arguments));
            let mut message = message.with("tool_calls", Json::array(calls));
            if !capabilities.null_content && message.field("content").is_none() {
                message = message.with("content", "");
            }
            self.conversation.messages[index] = message;
        }
    }

    fn results(&mut self, capabilities: Capabilities) {
        let described = self.changes.contains(&Change::ToolsDescribed);
        if capabilities.tool_results && !described {
            return;
        }
        for index in 0..self.conversation.messages.len() {
            let message = &self.conversation.messages[index];
            if message.role() != "tool" {
                continue;
            }
            let text = message.text().unwrap_or_default();
            let text = format!("<tool_response>\n{text}\n</tool_response>");
            self.conversation.messages[index] = Message::new("user", text);
            self.note(Change::ResultsWritten);
        }
    }

    fn merge_system(&mut self) {
        let mut merged: Vec<Message> = Vec::new();
        let mut waiting: Vec<String> = Vec::new();
        for message in std::mem::take(&mut self.conversation.messages) {
            if message.role() == "system" {
                waiting.extend(message.text());
                self.note(Change::SystemMerged);
            } else if message.role() == "user" && !waiting.is_empty() {
                let system = Json::from(std::mem::take(&mut waiting).join("\n"));
                let content = joined(Some(system), message.field("content"), "\n");
                merged.push(message.with("content", content));
            } else {
                merged.push(message);
            }
        }
        if !waiting.is_empty() {
            merged.push(Message::new("user", waiting.join("\n")));
        }
        self.conversation.messages = merged;
    }

    fn merge_turns(&mut self) {
        let mut merged: Vec<Message> = Vec::new();
        for message in std::mem::take(&mut self.conversation.messages) {
            let plain = |message: &Message| {
                message.field("tool_calls").is_none()
                    && matches!(message.role().as_str(), "user" | "assistant")
            };
            match merged.last_mut() {
                Some(last) if last.role() == message.role() && plain(last) && plain(&message) => {
                    let content = joined(last.field("content"), message.field("content"), "\n\n");
                    *last = last.clone().with("content", content);
                    self.note(Change::TurnsMerged);
                }
                _ => merged.push(message),
            }
        }
        self.conversation.messages = merged;
    }
}

/// One content after the other: text, where both are nothing else.
fn joined(first: Option<Json>, second: Option<Json>, between: &str) -> Json {
    let contents: Vec<Json> = first.into_iter().chain(second).collect();
    let shows = |content: &Json| content.elements().any(|part| part.field("text").is_none());
    if !contents.iter().any(shows) {
        let texts = contents.into_iter().filter_map(|content| Message::new("user", content).text());
        return Json::from(texts.collect::<Vec<_>>().join(between));
    }
    let text = |text: Json| Json::object([("type", Json::from("text")), ("text", text)]);
    let mut parts = Vec::new();
    for content in contents {
        if !parts.is_empty() {
            parts.push(text(Json::from(between)));
        }
        match content.as_str() {
            Some(_) => parts.push(text(content)),
            None => parts.extend(content.elements()),
        }
    }
    Json::array(parts)
}

fn function(call: &Json) -> Json {
    call.field("function").unwrap_or_else(|| call.clone())
}

/// A call as models write it that were told how.
fn written(call: &Json) -> String {
    let function = function(call);
    let arguments = parsed(function.field("arguments"));
    let name = function.field("name").unwrap_or_else(|| Json::from(""));
    let call = Json::object([("name", name), ("arguments", arguments)]);
    format!("<tool_call>\n{call}\n</tool_call>")
}

/// The same call with its arguments as an object, or as text.
fn with_arguments(call: &Json, objects: bool) -> Json {
    let function = function(call);
    let arguments = function.field("arguments").unwrap_or_else(|| Json::from("{}"));
    let arguments = match (objects, arguments.as_str().is_some()) {
        (true, true) => parsed(Some(arguments)),
        (false, false) => Json::from(arguments.to_string()),
        _ => arguments,
    };
    let function = function.entries().filter(|(key, _)| key != "arguments");
    let function = Json::object(function.chain([("arguments".to_owned(), arguments)]));
    if call.field("function").is_none() {
        return function;
    }
    let call = call.entries().map(|(key, value)| match key.as_str() {
        "function" => (key, function.clone()),
        _ => (key, value),
    });
    Json::object(call)
}

/// Arguments as an object, even where they came as text; text that holds none stays text.
fn parsed(arguments: Option<Json>) -> Json {
    let Some(arguments) = arguments else { return Json::object([] as [(&str, Json); 0]) };
    match arguments.as_str() {
        Some("") => Json::object([] as [(&str, Json); 0]),
        Some(text) => Json::parse(text).ok().filter(|json| json.as_str().is_none()).unwrap_or(arguments),
        None => arguments,
    }
}

#[cfg(test)]
mod no_reasoning {
    use super::*;

    /// `thinks` is what the prompt of a model ends with that may think, `not` that of one that may not.
    fn check(template: &str, thinks: &str, not: &str) {
        let template = Template::new(template, "", "").expect("sound");
        let of = |thinking: bool| {
            let conversation = Conversation::new([Message::new("user", "Hi")]);
            template.prompt(&conversation.with(ENABLE_THINKING, thinking)).expect("a prompt").text
        };
        assert_eq!(of(true), format!("Hi|{thinks}"));
        assert_eq!(of(false), format!("Hi|{not}"));
    }

    #[test]
    fn thoughts_are_ended_where_the_template_leaves_them_open_or_does_not_heed_the_wish() {
        let said = "{{ messages[0].content.split('</think>')[-1] }}|";
        check(&format!("{said}{{{{ '<think>\\n' }}}}"), "<think>\n", "<think>\n</think>");
        check(said, "", "<think></think>");
        let heeds = format!("{said}{{% if not enable_thinking %}}<think>\n\n</think>\n\n{{% endif %}}");
        check(&heeds, "", "<think>\n\n</think>\n\n");
        check("{{ messages[0].content }}|", "", "");
    }
}
