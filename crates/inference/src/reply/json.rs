//! JSON that is still being written.

use serde::de::IgnoredAny;

/// What a letter came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    More,
    Done,
    Broken(&'static str),
}

/// The text of one object, followed to its closing brace.
#[derive(Debug, Clone, Default)]
pub(super) struct ObjectText {
    text: String,
    nesting: Nesting,
}

/// Where in JSON a letter stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Nesting {
    /// Objects and lists that are open.
    pub(super) depth: usize,
    /// Within a text.
    pub(super) quoted: bool,
    /// Behind a `\` in a text.
    pub(super) escaped: bool,
}

impl Nesting {
    pub(super) fn step(&mut self, letter: char) {
        match letter {
            _ if self.escaped => self.escaped = false,
            '\\' if self.quoted => self.escaped = true,
            '"' => self.quoted = !self.quoted,
            _ if self.quoted => {}
            '{' | '[' => self.depth += 1,
            '}' | ']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

impl ObjectText {
    pub(super) fn step(&mut self, letter: char) -> Step {
        if self.text.is_empty() && letter.is_whitespace() {
            return Step::More;
        }
        if self.text.is_empty() && letter != '{' {
            return Step::Broken("the arguments are no object");
        }
        self.text.push(letter);
        self.nesting.step(letter);
        if self.nesting.depth == 0 { Step::Done } else { Step::More }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn is_sound(&self) -> bool {
        is_object(&self.text)
    }
}

/// Whether this is one JSON object.
pub(super) fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}
