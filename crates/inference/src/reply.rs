//! What a model says, taken apart while it is said: text, reasoning, and calls of tools.
//!
//! ```
//! use athenaeum_inference::reply::{Event, Format};
//!
//! // The chat template tells how its model writes.
//! let format = Format::of("… <tool_call> … <think> … </think> …");
//! let mut reply = format.reply("<|im_start|>assistant\n", &[]);
//! let mut events = Vec::new();
//! for piece in ["<thi", "nk>\nHm.\n</think>\n\nLet me look.<tool_", "call>{\"name\": \"look\", \"arguments\": {\"at\"", ": 1}}"] {
//!     events.extend(reply.push(piece).into_iter().map(|piece| piece.event));
//! }
//! events.extend(reply.finish().into_iter().map(|piece| piece.event));
//! let said = events.iter().filter_map(|event| if let Event::Text(text) = event { Some(text.as_str()) } else { None });
//! assert_eq!(said.collect::<String>(), "Let me look.");
//! assert!(events.contains(&Event::ToolCallStarted { index: 0, id: None, name: "look".to_owned() }));
//! ```
//!
//! [`Format::of`] finds the family of formats in a template's source; [`Format::reply`] begins to read; [`Reply::push`]
//! takes text however it is cut. [`Stops`] watches for stop strings, and [`Format::calls`] gives the reverse: how
//! calls must be written, for those who hold a model to it.
//!
//! The text must hold what special tokens stand for, except that which ends the turn: most formats are made of them.
//!
//! **Invariant:** the sources of all pieces, one after the other, are the text that was pushed; and the events are
//! the same however it was cut. What looks like a call and is none comes back as text, with a word of why.

mod calls;
mod format;
mod grammar;
mod json;
mod parameters;
mod stops;

use calls::Calls;
pub use format::Format;
pub use grammar::{CallGrammar, Tags, ToolGrammar};
use json::{ObjectText, Step};
use parameters::Parameters;
pub use stops::{Passed, Stops};

use crate::template::Json;

/// What happened, and the text of the model that it accounts for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What happened.
    pub event: Event,
    /// The text it came from; empty where that was accounted for before.
    pub source: String,
}

/// What a model did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It said something to whoever asked.
    Text(String),
    /// It said something to itself.
    Reasoning(String),
    /// It began to call a tool.
    ToolCallStarted {
        /// Counts the calls of this reply, from 0.
        index: usize,
        /// As the model gave it; most give none.
        id: Option<String>,
        /// Whether there is such a tool is not looked at.
        name: String,
    },
    /// A piece of the JSON object that the tool is called with.
    ToolCallArguments {
        /// Which call.
        index: usize,
        /// All of a call's, one after the other, are one object.
        delta: String,
    },
    /// The call is whole, and its arguments are sound JSON.
    ToolCallEnded {
        /// Which call.
        index: usize,
    },
    /// What looked like a call is none.
    Malformed {
        /// The call to forget, where one had begun.
        index: Option<usize>,
        /// All that was taken for a call: to be shown as text.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A mark of the format, or space around it; nothing to show.
    Markup,
}

/// A reply that is being read.
#[derive(Debug, Clone)]
pub struct Reply {
    format: Format,
    tools: Vec<(String, Json)>,
    state: State,
    /// What may be the beginning of a mark.
    held: String,
    /// Space that belongs to the text only if text follows.
    space: String,
    /// All of the call at hand.
    raw: String,
    /// Calls so far, whole or not.
    count: usize,
    /// The call at hand has been told of.
    started: bool,
    /// Pieces wait until it is clear whether this is a call.
    tentative: Option<Vec<Piece>>,
    /// Nothing but space has come, since the beginning or since a mark.
    fresh: bool,
    /// Space is none of the text.
    swallow: bool,
    out: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum State {
    Text,
    Reasoning,
    /// Space, then the first sign of how the call is written.
    Opening(Opening),
    /// In a section of calls: space, another call, or the end.
    Section,
    /// Up to the sign between name and arguments.
    Name,
    /// The arguments of a call whose name is known.
    Arguments(ObjectText),
    Calls(Calls),
    Parameters(Parameters),
    /// Space, and whatever closes a call.
    Closing,
    /// Harmony: up to `<|message|>`.
    Header,
    /// A program, up to the end.
    Code,
}

/// What may follow the mark that opens calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// JSON with names and arguments, or tags with parameters.
    Any,
    /// A name up to a mark, or JSON.
    NameOrCalls,
    /// JSON, or a program.
    Python,
}

/// What a mark means where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Reason,
    EndReason,
    Open(Opening),
    /// A list of calls has been opened.
    List,
    /// `<function=`: the name follows.
    Function,
    Section,
    Header,
    Skip,
}

impl Reply {
    fn new(format: Format, open: bool, tools: &[Json]) -> Self {
        let tool = |tool: &Json| {
            let function = tool.field("function").unwrap_or_else(|| tool.clone());
            let name = function.field("name")?.as_str()?.to_owned();
            Some((
                name,
                function.field("parameters").unwrap_or_else(|| Json::object([] as [(&str, Json); 0])),
            ))
        };
        Self {
            format,
            tools: tools.iter().filter_map(tool).collect(),
            state: if open { State::Reasoning } else { State::Text },
            held: String::new(),
            space: String::new(),
            raw: String::new(),
            count: 0,
            started: false,
            tentative: None,
            fresh: true,
            swallow: false,
            out: Vec::new(),
        }
    }

    /// Reads on. What a piece of text means may become clear only with a later one, or with [`Self::finish`].
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        text.chars().for_each(|letter| self.step(letter));
        merged(std::mem::take(&mut self.out))
    }

    /// Nothing more comes. Afterwards the reply is as if new, but for its calls' numbers.
    pub fn finish(&mut self) -> Vec<Piece> {
        let held = std::mem::take(&mut self.held);
        match std::mem::replace(&mut self.state, State::Text) {
            State::Text | State::Closing if held.is_empty() => {}
            State::Text | State::Closing => self.say(&held),
            State::Section if held.trim().is_empty() => {}
            State::Reasoning => self.think(&held),
            State::Calls(calls) if calls.between() && self.tentative.is_none() => {}
            State::Code => self.program(),
            State::Header => {
                let text = std::mem::take(&mut self.raw);
                self.emit(Event::Malformed { index: None, text, reason: "it ends before its message" }, "");
            }
            _ => self.broken("it ends within a call"),
        }
        let space = std::mem::take(&mut self.space);
        self.markup(&space);
        merged(std::mem::take(&mut self.out))
    }

    fn step(&mut self, letter: char) {
        match std::mem::replace(&mut self.state, State::Text) {
            State::Text => self.text(letter),
            State::Reasoning => {
                self.state = State::Reasoning;
                self.marked(letter, &self.format.reasoning_marks());
            }
            State::Opening(opening) => self.opening(opening, letter),
            State::Section => self.section(letter),
            State::Name => self.name(letter),
            State::Arguments(arguments) => self.arguments(arguments, letter),
            State::Calls(calls) => self.calls(calls, letter),
            State::Parameters(parameters) => self.parameters(parameters, letter),
            State::Closing => self.closing(letter),
            State::Header => self.header(letter),
            State::Code => {
                self.raw.push(letter);
                self.markup(letter.encode_utf8(&mut [0; 4]));
                self.state = State::Code;
            }
        }
    }

    fn text(&mut self, letter: char) {
        if self.held.is_empty() && letter.is_whitespace() && (self.fresh || !self.space.is_empty()) {
            return if self.swallow {
                self.markup(letter.encode_utf8(&mut [0; 4]));
            } else {
                self.space.push(letter);
            };
        }
        if self.fresh && letter == '{' && self.format.bare_json() && !self.tools.is_empty() {
            self.fresh = false;
            self.tentative = Some(Vec::new());
            self.begin(State::Calls(Calls::default()), "");
            self.raw = std::mem::take(&mut self.space);
            let space = self.raw.clone();
            self.markup(&space);
            return self.step(letter);
        }
        self.marked(letter, &self.format.text_marks());
    }

    /// Takes a letter that may belong to one of these marks.
    fn marked(&mut self, letter: char, marks: &[(&'static str, Mark)]) {
        self.held.push(letter);
        while !self.held.is_empty() {
            if let Some((text, mark)) = marks.iter().find(|(text, _)| *text == self.held) {
                self.held.clear();
                return self.mark(text, *mark);
            }
            if marks.iter().any(|(text, _)| text.starts_with(&self.held)) {
                return;
            }
            let first = self.held.remove(0).to_string();
            if matches!(self.state, State::Reasoning) { self.think(&first) } else { self.say(&first) }
        }
    }

    fn mark(&mut self, text: &'static str, mark: Mark) {
        let space = std::mem::take(&mut self.space);
        self.markup(&space);
        self.markup(text);
        self.fresh = true;
        self.swallow = true;
        match mark {
            Mark::Reason => self.state = State::Reasoning,
            Mark::EndReason | Mark::Skip => self.state = State::Text,
            Mark::List => self.begin(State::Calls(Calls::list()), text),
            Mark::Open(opening) => self.begin(State::Opening(opening), text),
            Mark::Function => self.begin(State::Parameters(Parameters::function()), text),
            Mark::Section => self.begin(State::Section, text),
            Mark::Header => self.begin(State::Header, text),
        }
    }

    fn begin(&mut self, state: State, raw: &str) {
        self.state = state;
        raw.clone_into(&mut self.raw);
        self.started = false;
    }

    fn opening(&mut self, opening: Opening, letter: char) {
        if letter.is_whitespace() {
            self.state = State::Opening(opening);
            return self.take(letter);
        }
        match (opening, letter) {
            (_, '[' | '{') => {
                self.state = State::Calls(Calls::default());
                self.step(letter);
            }
            (Opening::Any, _) => {
                let parameters = if self.format.names_first() && letter != '<' {
                    Parameters::named()
                } else {
                    Parameters::tagged()
                };
                self.state = State::Parameters(parameters);
                self.step(letter);
            }
            (Opening::NameOrCalls, _) => {
                self.state = State::Name;
                self.step(letter);
            }
            (Opening::Python, _) => {
                self.state = State::Code;
                self.step(letter);
            }
        }
    }

    /// `<begin>name<separator>`, where a section holds calls of that form.
    fn section(&mut self, letter: char) {
        let Some(section) = self.format.section() else { return self.say(letter.encode_utf8(&mut [0; 4])) };
        self.take(letter);
        self.held.push(letter);
        self.state = State::Section;
        let held = self.held.trim_start();
        if held == section.begin {
            self.held.clear();
            self.state = State::Name;
        } else if held == section.end {
            self.held.clear();
            self.state = State::Text;
            self.fresh = true;
            self.swallow = false;
            self.raw.clear();
        } else if !section.begin.starts_with(held) && !section.end.starts_with(held) {
            self.held.clear();
            self.broken("a section of calls holds something else");
        }
    }

    fn name(&mut self, letter: char) {
        self.take(letter);
        self.held.push(letter);
        self.state = State::Name;
        let Some(separator) = self.format.separators().into_iter().find(|sign| self.held.ends_with(sign))
        else {
            if self.held.len() > NAME_BYTES_MAX {
                self.held.clear();
                self.broken("a name of a tool does not end");
            }
            return;
        };
        let before = self.held[..self.held.len() - separator.len()].to_owned();
        if before.trim() == "function" && separator != FENCE {
            self.held.clear(); // DeepSeek R1 and V3 say of what kind the tool is, and fence the arguments.
            return;
        }
        self.held.clear();
        let (name, id) = match before.split_once("[CALL_ID]") {
            Some((name, id)) => (name, Some(id.trim().to_owned())),
            None => (before.as_str(), None),
        };
        let name = name.trim().trim_start_matches("functions.");
        let (name, id) = match name.rsplit_once(':') {
            Some((name, number)) if number.chars().all(|digit| digit.is_ascii_digit()) => {
                (name, Some(before.trim().to_owned()))
            }
            _ => (name, id),
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return self.broken("the name of a tool is none");
        }
        let name = name.to_owned();
        self.start(id, name);
        self.state = State::Arguments(ObjectText::default());
    }

    fn arguments(&mut self, mut arguments: ObjectText, letter: char) {
        self.raw.push(letter);
        let text = letter.to_string();
        match arguments.step(letter) {
            Step::More if arguments.is_empty() => self.markup(&text),
            Step::More => self.argue(text),
            Step::Done if arguments.is_sound() => {
                self.argue(text);
                return self.end(State::Closing);
            }
            Step::Done => {
                self.markup(&text);
                return self.broken("the arguments are no JSON");
            }
            Step::Broken(reason) => {
                self.markup(&text);
                return self.broken(reason);
            }
        }
        self.state = State::Arguments(arguments);
    }

    fn calls(&mut self, mut calls: Calls, letter: char) {
        let fresh = calls.between();
        if fresh && calls.ended() && !Calls::continues(letter) {
            self.state = State::Closing;
            return self.step(letter);
        }
        self.raw.push(letter);
        let index = self.count;
        let mut events = Vec::new();
        let step = calls.step(letter, &mut events);
        let mut source = letter.to_string();
        for event in events {
            match event {
                calls::Happened::Started { id, name } => {
                    let known = self.tools.iter().any(|(tool, _)| *tool == name);
                    if self.tentative.is_some() && !known {
                        return self.broken("it is no call");
                    }
                    if let Some(waiting) = self.tentative.take() {
                        self.out.extend(waiting);
                    }
                    self.start(id, name);
                }
                calls::Happened::Arguments { delta, verbatim } => {
                    let from = if verbatim { std::mem::take(&mut source) } else { String::new() };
                    self.emit(Event::ToolCallArguments { index, delta }, &from);
                }
                calls::Happened::Ended => {
                    self.markup(&std::mem::take(&mut source));
                    self.state = State::Text;
                    self.end(State::Text);
                }
            }
        }
        self.markup(&source);
        match step {
            Step::Broken(reason) => self.broken(reason),
            Step::Done => self.state = State::Closing,
            Step::More => self.state = State::Calls(calls),
        }
    }

    fn parameters(&mut self, mut parameters: Parameters, letter: char) {
        self.take(letter);
        let mut events = Vec::new();
        let step = parameters.step(letter, &self.tools, &mut events);
        for event in events {
            match event {
                calls::Happened::Started { id, name } => self.start(id, name),
                calls::Happened::Arguments { delta, .. } => self.argue_unsourced(delta),
                calls::Happened::Ended => {}
            }
        }
        match step {
            Step::More => self.state = State::Parameters(parameters),
            Step::Done => self.end(State::Closing),
            Step::Broken(reason) => self.broken(reason),
        }
    }

    /// After a call: space and what closes calls is markup; another call may follow; anything else is text.
    fn closing(&mut self, letter: char) {
        self.state = State::Closing;
        if self.held.is_empty() && letter.is_whitespace() {
            self.space.push(letter);
            return;
        }
        self.held.push(letter);
        let closers = self.format.closers();
        if closers.contains(&self.held.as_str()) {
            let text = std::mem::take(&mut self.space) + &std::mem::take(&mut self.held);
            self.markup(&text);
            if self.format.section().is_some_and(|section| text.ends_with(section.call_end)) {
                self.raw.clear();
                self.state = State::Section;
            }
            return;
        }
        if closers.iter().any(|closer| closer.starts_with(&self.held)) {
            return;
        }
        self.state = State::Text;
        self.fresh = true;
        self.swallow = false;
        let held = std::mem::take(&mut self.held);
        held.chars().for_each(|letter| self.step(letter));
    }

    /// `<|channel|>analysis<|message|>`, `assistant to=functions.x<|channel|>commentary json<|message|>`, …
    fn header(&mut self, letter: char) {
        self.take(letter);
        self.state = State::Header;
        let Some(header) = self.raw.strip_suffix("<|message|>") else {
            if self.raw.len() > HEADER_BYTES_MAX {
                self.broken("a message has no beginning");
            }
            return;
        };
        let recipient = header.split("to=").nth(1).map(|rest| {
            rest.split(|c: char| c.is_whitespace() || c == '<').next().unwrap_or_default().to_owned()
        });
        let channel = header.split("<|channel|>").nth(1).unwrap_or_default().trim();
        if let Some(name) = recipient.filter(|name| !name.is_empty() && name != "user" && name != "assistant")
        {
            let name = name.trim_start_matches("functions.").to_owned();
            self.start(None, name);
            self.state = State::Arguments(ObjectText::default());
        } else {
            self.state = if channel.starts_with("analysis") { State::Reasoning } else { State::Text };
            self.fresh = true;
            self.swallow = false;
            self.raw.clear();
        }
    }

    /// What followed `<|python_tag|>` and was no JSON: `tool.call(key="value")`, or a program for the tool that runs it.
    fn program(&mut self) {
        let code = self.raw.strip_prefix("<|python_tag|>").unwrap_or(&self.raw).trim().to_owned();
        let call = calls::dotted(&code).or_else(|| {
            let runs = |name: &&str| self.tools.iter().any(|(tool, _)| tool == name);
            let name = ["python", "ipython", "code_interpreter"].into_iter().find(runs)?;
            let arguments = Json::object([("code", Json::from(code.as_str()))]);
            Some((name.to_owned(), arguments.to_string()))
        });
        let Some((name, arguments)) = call else {
            return self.broken("there is no tool that runs programs");
        };
        self.start(None, name);
        self.argue_unsourced(arguments);
        self.end(State::Text);
    }

    fn start(&mut self, id: Option<String>, name: String) {
        self.started = true;
        self.emit(Event::ToolCallStarted { index: self.count, id, name }, "");
    }

    fn argue(&mut self, delta: String) {
        let source = delta.clone();
        self.emit(Event::ToolCallArguments { index: self.count, delta }, &source);
    }

    fn argue_unsourced(&mut self, delta: String) {
        self.emit(Event::ToolCallArguments { index: self.count, delta }, "");
    }

    fn end(&mut self, next: State) {
        self.emit(Event::ToolCallEnded { index: self.count }, "");
        self.count += 1;
        self.started = false;
        self.raw.clear();
        self.state = next;
    }

    /// What was taken for a call becomes text again.
    fn broken(&mut self, reason: &'static str) {
        let text = std::mem::take(&mut self.raw);
        self.held.clear();
        self.state = State::Text;
        self.fresh = false;
        if self.tentative.take().is_some() {
            // Nobody was told that it may be a call.
            return self.say(&text);
        }
        let index = std::mem::take(&mut self.started).then_some(self.count);
        self.count += usize::from(index.is_some());
        self.emit(Event::Malformed { index, text, reason }, "");
    }

    fn say(&mut self, text: &str) {
        let text = std::mem::take(&mut self.space) + text;
        self.fresh &= text.is_empty();
        self.swallow &= text.is_empty();
        if !text.is_empty() {
            self.emit(Event::Text(text.clone()), &text);
        }
    }

    /// Space before the first thought and after the last is none of it.
    fn think(&mut self, text: &str) {
        if text.chars().all(char::is_whitespace) {
            if self.fresh {
                self.markup(text);
            } else {
                self.space += text;
            }
            return;
        }
        self.fresh = false;
        let text = std::mem::take(&mut self.space) + text;
        self.emit(Event::Reasoning(text.clone()), &text);
    }

    fn take(&mut self, letter: char) {
        self.raw.push(letter);
        self.markup(letter.encode_utf8(&mut [0; 4]));
    }

    fn markup(&mut self, source: &str) {
        if !source.is_empty() {
            self.emit(Event::Markup, source);
        }
    }

    fn emit(&mut self, event: Event, source: &str) {
        let piece = Piece { event, source: source.to_owned() };
        self.tentative.as_mut().unwrap_or(&mut self.out).push(piece);
    }
}

/// The same with neighbours of one kind as one.
fn merged(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut merged: Vec<Piece> = Vec::new();
    for piece in pieces {
        let joined = match (merged.last_mut().map(|last| &mut last.event), &piece.event) {
            (Some(Event::Text(text)), Event::Text(more))
            | (Some(Event::Reasoning(text)), Event::Reasoning(more)) => {
                text.push_str(more);
                true
            }
            (
                Some(Event::ToolCallArguments { index, delta }),
                Event::ToolCallArguments { index: same, delta: more },
            ) if index == same => {
                delta.push_str(more);
                true
            }
            (Some(Event::Markup), Event::Markup) => true,
            _ => false,
        };
        match merged.last_mut().filter(|_| joined) {
            Some(last) => last.source.push_str(&piece.source),
            None => merged.push(piece),
        }
    }
    merged
}

/// What DeepSeek puts between name and arguments.
const FENCE: &str = "\n```json\n";
/// No tool has a longer name.
const NAME_BYTES_MAX: usize = 256;
/// No message has a longer header.
const HEADER_BYTES_MAX: usize = 512;
