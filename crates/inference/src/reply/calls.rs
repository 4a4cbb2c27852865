//! Calls as JSON: `{"name": …, "arguments": {…}}`, one or a list of them.

use super::json::{Nesting, ObjectText, Step, is_object};
use crate::template::Json;

/// What became clear with a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Happened {
    Started {
        id: Option<String>,
        name: String,
    },
    /// `verbatim` where the delta is the very letter that was taken.
    Arguments {
        delta: String,
        verbatim: bool,
    },
    Ended,
}

/// One or more calls, followed letter by letter.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls {
    at: At,
    list: bool,
    /// At least one call is whole.
    any: bool,
    /// Within `{"type": "function", "function": {…}}`.
    nested: bool,
    key: String,
    name: Option<String>,
    id: Option<String>,
    /// Arguments that came before the name.
    early: String,
    /// The arguments have been told, or wait in `early`.
    argued: bool,
}

#[derive(Debug, Clone, Default)]
enum At {
    /// A list or a call.
    #[default]
    Start,
    /// A call, in a list or after a semicolon.
    Call,
    Key,
    InKey,
    Colon,
    Value,
    Text(String),
    Arguments(ObjectText),
    Other(Other),
    AfterValue,
    AfterCall,
}

/// A value that nobody asked for.
#[derive(Debug, Clone, Default)]
struct Other(Nesting);

impl Calls {
    /// Calls in a list that is open already.
    pub(super) fn list() -> Self {
        Self { at: At::Call, list: true, ..Self::default() }
    }

    /// Whether no call is being written just now.
    pub(super) fn between(&self) -> bool {
        matches!(self.at, At::AfterCall)
    }

    /// Whether the calls may be over.
    pub(super) fn ended(&self) -> bool {
        self.any && !self.list
    }

    /// Whether this letter goes on with more calls after a whole one that stands in no list.
    pub(super) fn continues(letter: char) -> bool {
        letter == ';'
    }

    pub(super) fn step(&mut self, letter: char, events: &mut Vec<Happened>) -> Step {
        let space = letter.is_whitespace();
        match std::mem::take(&mut self.at) {
            At::Start if space => self.at = At::Start,
            At::Start if letter == '[' => {
                self.list = true;
                self.at = At::Call;
            }
            At::Start | At::Call if letter == '{' => {
                self.name = None;
                self.id = None;
                self.early.clear();
                self.argued = false;
                self.nested = false;
                self.at = At::Key;
            }
            At::Call if space => self.at = At::Call,
            At::Call if letter == ']' && self.list && !self.any => return Step::Done,
            At::Key if space || letter == ',' => self.at = At::Key,
            At::Key if letter == '"' => {
                self.key.clear();
                self.at = At::InKey;
            }
            At::Key if letter == '}' => return self.closed(events),
            At::InKey if letter == '"' => self.at = At::Colon,
            At::InKey if letter == '\\' || self.key.len() > KEY_BYTES_MAX => {
                return Step::Broken("a key is none of a call's");
            }
            At::InKey => {
                self.key.push(letter);
                self.at = At::InKey;
            }
            At::Colon if space => self.at = At::Colon,
            At::Colon if letter == ':' => self.at = At::Value,
            At::Value if space => self.at = At::Value,
            At::Value => return self.value(letter, events),
            At::Text(mut text) => {
                text.push(letter);
                if letter != '"' || trailing_backslashes(&text) % 2 == 1 {
                    self.at = At::Text(text);
                    return Step::More;
                }
                let Ok(text) = serde_json::from_str::<String>(&text) else {
                    return Step::Broken("a text within a call is no JSON");
                };
                self.at = At::AfterValue;
                return self.text(text, events);
            }
            At::Arguments(mut arguments) => {
                let step = arguments.step(letter);
                if self.name.is_some() {
                    events.push(Happened::Arguments { delta: letter.to_string(), verbatim: true });
                } else {
                    self.early.push(letter);
                }
                match step {
                    Step::Done if arguments.is_sound() => self.at = At::AfterValue,
                    Step::Done => return Step::Broken("the arguments are no JSON"),
                    Step::More => self.at = At::Arguments(arguments),
                    broken @ Step::Broken(_) => return broken,
                }
            }
            At::Other(mut other) => {
                if other.ends_before(letter) {
                    self.at = At::AfterValue;
                    return self.step(letter, events);
                }
                other.0.step(letter);
                self.at = if other.done(letter) { At::AfterValue } else { At::Other(other) };
            }
            At::AfterValue if space => self.at = At::AfterValue,
            At::AfterValue if letter == ',' => self.at = At::Key,
            At::AfterValue if letter == '}' => return self.closed(events),
            At::AfterCall if space => self.at = At::AfterCall,
            At::AfterCall if letter == ',' && self.list || letter == ';' => self.at = At::Call,
            At::AfterCall if letter == ']' && self.list => return Step::Done,
            _ => return Step::Broken("it is no JSON of a call"),
        }
        Step::More
    }

    /// The first letter of a key's value.
    fn value(&mut self, letter: char, events: &mut Vec<Happened>) -> Step {
        match self.key.as_str() {
            "function" if letter == '{' && !self.nested => {
                self.nested = true;
                self.at = At::Key;
            }
            "name" | "tool_name" | "function" | "id" | "tool_call_id" if letter == '"' => {
                self.at = At::Text("\"".to_owned());
            }
            "arguments" | "parameters" | "args" if letter == '"' => self.at = At::Text("\"".to_owned()),
            "arguments" | "parameters" | "args" if letter == '{' && !self.argued => {
                self.argued = true;
                self.told(events);
                self.at = At::Arguments(ObjectText::default());
                return self.step(letter, events);
            }
            "name" | "tool_name" => return Step::Broken("the name of a tool is no text"),
            _ => {
                let mut other = Other::default();
                other.0.step(letter);
                self.at = if other.done(letter) { At::AfterValue } else { At::Other(other) };
            }
        }
        Step::More
    }

    fn text(&mut self, text: String, events: &mut Vec<Happened>) -> Step {
        match self.key.as_str() {
            "id" | "tool_call_id" => self.id = Some(text),
            "name" | "tool_name" | "function" if self.name.is_none() => {
                if text.is_empty() {
                    return Step::Broken("the name of a tool is none");
                }
                self.name = Some(text);
                if self.argued {
                    self.told(events);
                }
            }
            "arguments" | "parameters" | "args" if !self.argued => {
                if !is_object(&text) {
                    return Step::Broken("the arguments are no object");
                }
                self.argued = true;
                self.early = text;
                self.told(events);
            }
            _ => {}
        }
        Step::More
    }

    /// Tells of the call once its name is known, and of what was known of it before.
    fn told(&mut self, events: &mut Vec<Happened>) {
        let Some(name) = &self.name else { return };
        events.push(Happened::Started { id: self.id.clone(), name: name.clone() });
        if !self.early.is_empty() {
            events.push(Happened::Arguments { delta: std::mem::take(&mut self.early), verbatim: false });
        }
    }

    fn closed(&mut self, events: &mut Vec<Happened>) -> Step {
        if std::mem::take(&mut self.nested) {
            self.at = At::AfterValue;
            return Step::More;
        }
        if self.name.is_none() {
            return Step::Broken("a call has no name");
        }
        if !self.argued {
            self.told(events);
            events.push(Happened::Arguments { delta: "{}".to_owned(), verbatim: false });
        }
        events.push(Happened::Ended);
        self.any = true;
        self.at = At::AfterCall;
        Step::More
    }
}

impl Other {
    /// Numbers and words end where something else begins.
    fn ends_before(&self, letter: char) -> bool {
        self.0.depth == 0 && !self.0.quoted && !self.0.escaped && matches!(letter, ',' | '}' | ']')
    }

    fn done(&self, letter: char) -> bool {
        self.0.depth == 0 && !self.0.quoted && matches!(letter, '}' | ']' | '"')
    }
}

/// `tool.call(key="value", other=1)`, as Llama 3 calls the tools it was taught.
pub(super) fn dotted(code: &str) -> Option<(String, String)> {
    let (name, rest) = code.split_once(".call(")?;
    let inside = rest.trim_end().strip_suffix(')')?;
    let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_');
    let mut arguments = Vec::new();
    let mut rest = inside.trim();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let mut values = serde_json::Deserializer::from_str(after).into_iter::<serde_json::Value>();
        let value = values.next()?.ok()?;
        rest = after.get(values.byte_offset()..)?.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        arguments.push((key.trim().to_owned(), Json::from(value)));
    }
    let sound = word(name) && arguments.iter().all(|(key, _)| word(key));
    sound.then(|| (name.to_owned(), Json::object(arguments).to_string()))
}

/// Of a text that ends in a quote.
fn trailing_backslashes(text: &str) -> usize {
    let before = &text[..text.len() - 1];
    before.len() - before.trim_end_matches('\\').len()
}

/// No key of a call is longer.
const KEY_BYTES_MAX: usize = 64;
