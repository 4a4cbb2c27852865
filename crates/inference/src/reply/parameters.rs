//! Calls in tags: `<function=name><parameter=key>value</parameter></function>`, and as GLM writes them.

use super::{
    calls::Happened,
    json::{Step, is_object},
};
use crate::template::Json;

/// One call, followed letter by letter.
#[derive(Debug, Clone)]
pub(super) struct Parameters {
    at: At,
    text: String,
    name: String,
    key: String,
    any: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// `<function=` is to come.
    Function,
    /// The name up to `>`.
    Name,
    /// The name up to space or `<`.
    BareName,
    /// A parameter, or the end.
    Body,
    /// The key up to `>`.
    Key,
    /// The key up to `</arg_key>`.
    ArgKey,
    /// `<arg_value>` is to come.
    ArgOpen,
    /// The value up to `</parameter>`.
    Value,
    /// The value up to `</arg_value>`.
    ArgValue,
    /// JSON up to `</function>`.
    Json,
}

impl Parameters {
    /// Begins before `<function=`.
    pub(super) fn tagged() -> Self {
        Self::at(At::Function)
    }

    /// Begins after `<function=`.
    pub(super) fn function() -> Self {
        Self::at(At::Name)
    }

    /// Begins with the name.
    pub(super) fn named() -> Self {
        Self::at(At::BareName)
    }

    fn at(at: At) -> Self {
        Self { at, text: String::new(), name: String::new(), key: String::new(), any: false }
    }

    pub(super) fn step(
        &mut self,
        letter: char,
        tools: &[(String, Json)],
        events: &mut Vec<Happened>,
    ) -> Step {
        self.text.push(letter);
        match self.at {
            At::Function => self.expect(&[("<function=", At::Name), ("<function name=\"", At::Name)]),
            At::Name => match self.up_to(">") {
                Some(name) => self.named_so(name.trim_end_matches('"'), events),
                None => self.not_too_long("the name of a tool does not end"),
            },
            At::BareName => match letter {
                '<' => {
                    let name = self.text[..self.text.len() - 1].to_owned();
                    let step = self.named_so(&name, events);
                    self.text.push('<');
                    step
                }
                '\n' => match self.up_to("\n") {
                    Some(name) => self.named_so(&name, events),
                    None => Step::More,
                },
                _ => self.not_too_long("the name of a tool does not end"),
            },
            At::Body if self.text.trim_start() == "{" && !self.any => {
                self.at = At::Json;
                self.text = "{".to_owned();
                Step::More
            }
            At::Body => {
                let ends = ["</function>", "</tool_call>"];
                if ends.contains(&self.text.trim_start()) {
                    let delta = if self.any { "}" } else { "{}" };
                    events.push(Happened::Arguments { delta: delta.to_owned(), verbatim: false });
                    return Step::Done;
                }
                let opens =
                    [("<parameter=", At::Key), ("<parameter name=\"", At::Key), ("<arg_key>", At::ArgKey)];
                if ends.iter().any(|end| end.starts_with(self.text.trim_start())) {
                    return Step::More;
                }
                self.expect(&opens)
            }
            At::Key => match self.up_to(">") {
                Some(key) => self.key_is(key.trim_end_matches('"'), At::Value),
                None => self.not_too_long("the name of a parameter does not end"),
            },
            At::ArgKey => match self.up_to("</arg_key>") {
                Some(key) => self.key_is(&key, At::ArgOpen),
                None => self.not_too_long("the name of a parameter does not end"),
            },
            At::ArgOpen => self.expect(&[("<arg_value>", At::ArgValue)]),
            At::Value | At::ArgValue => {
                let end = if self.at == At::Value { "</parameter>" } else { "</arg_value>" };
                if self.text.ends_with(end) && self.is_within_json(tools) {
                    return Step::More;
                }
                if let Some(value) = self.up_to(end) {
                    let before = if self.any { ", " } else { "{" };
                    let value = self.valued(&value, tools);
                    let delta = format!("{before}{}: {value}", Json::from(self.key.as_str()));
                    events.push(Happened::Arguments { delta, verbatim: false });
                    self.any = true;
                    self.at = At::Body;
                }
                Step::More
            }
            At::Json => match self.up_to("</function>") {
                Some(arguments) if is_object(&arguments) => {
                    let delta = arguments.trim().to_owned();
                    events.push(Happened::Arguments { delta, verbatim: false });
                    Step::Done
                }
                Some(_) => Step::Broken("the arguments are no JSON"),
                None => Step::More,
            },
        }
    }

    /// The text before `end`, once that has come.
    fn up_to(&mut self, end: &str) -> Option<String> {
        let text = self.text.strip_suffix(end)?.to_owned();
        self.text.clear();
        Some(text)
    }

    /// Space, then one of these.
    fn expect(&mut self, next: &[(&str, At)]) -> Step {
        let text = self.text.trim_start();
        if let Some((_, at)) = next.iter().find(|(tag, _)| *tag == text) {
            self.at = *at;
            self.text.clear();
            return Step::More;
        }
        if next.iter().any(|(tag, _)| tag.starts_with(text)) {
            Step::More
        } else {
            Step::Broken("a tag of a call is missing")
        }
    }

    fn named_so(&mut self, name: &str, events: &mut Vec<Happened>) -> Step {
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Step::Broken("the name of a tool is none");
        }
        name.clone_into(&mut self.name);
        self.text.clear();
        self.at = At::Body;
        events.push(Happened::Started { id: None, name: name.to_owned() });
        Step::More
    }

    fn key_is(&mut self, key: &str, next: At) -> Step {
        key.trim().clone_into(&mut self.key);
        self.at = next;
        Step::More
    }

    fn not_too_long(&self, reason: &'static str) -> Step {
        if self.text.len() > super::NAME_BYTES_MAX { Step::Broken(reason) } else { Step::More }
    }

    /// Whether the tool's schema asks for text.
    fn is_text(&self, tools: &[(String, Json)]) -> bool {
        let schema = tools.iter().find(|(name, _)| *name == self.name).map(|(_, schema)| schema);
        let kind = schema.and_then(|schema| schema.field("properties")?.field(&self.key)?.field("type"));
        kind.as_ref().and_then(Json::as_str) == Some("string")
    }

    /// Whether the value is an object or a list, and a text within it goes on: tags are part of that.
    fn is_within_json(&self, tools: &[(String, Json)]) -> bool {
        if !self.text.trim_start().starts_with(['{', '[']) || self.is_text(tools) {
            return false;
        }
        let (mut within, mut escaped) = (false, false);
        for letter in self.text.chars() {
            match letter {
                _ if escaped => escaped = false,
                '\\' if within => escaped = true,
                '"' => within = !within,
                _ => {}
            }
        }
        within
    }

    /// A value as JSON: text where the tool's schema asks for text, else what it reads as.
    fn valued(&self, value: &str, tools: &[(String, Json)]) -> String {
        let value = value.strip_prefix('\n').unwrap_or(value);
        let value = value.strip_suffix('\n').unwrap_or(value);
        let text = self.is_text(tools);
        let json = (!text).then(|| serde_json::from_str::<serde_json::Value>(value.trim()).ok()).flatten();
        match json {
            // As it stands there, for the order of its keys.
            Some(_) => value.trim().to_owned(),
            None => match value.trim() {
                "True" if !text => "true".to_owned(),
                "False" if !text => "false".to_owned(),
                "None" if !text => "null".to_owned(),
                _ => Json::from(value).to_string(),
            },
        }
    }
}
