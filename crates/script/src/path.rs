//! Paths into values, as jq writes the simplest of its filters: `.items[0].name`, `.items[].name`, `.[-1]`, `.[2:4]`, `."a key"?`.
//!
//! A path walks Lua's own tables and copies none of them. What it finds goes straight to whoever takes it, one value after the
//! other, so that nothing grows outside of Lua's count; and it can be stopped between two values.

use mlua::Value;

use crate::{json, options::kind};

/// A path that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    step: Step,
    /// `?`: where the step cannot be taken, nothing is found, and nothing is wrong.
    may_fail: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// `.name`, `."name"`, `["name"]`: what stands under a key.
    Key(String),
    /// `[0]`, `[-1]`: a place of a list, counted from 0, or from its end.
    Place(i64),
    /// `[2:4]`, `[2:]`, `[:-1]`: a part of a list, as a list.
    Slice(Option<i64>, Option<i64>),
    /// `[]`: all that stands in a list or an object.
    Each,
}

/// Why a walk ended early.
pub(crate) enum Stopped {
    /// A step cannot be taken.
    Said(String),
    /// Whoever takes the values wants no more, or Lua has no more memory.
    Lua(mlua::Error),
}

impl From<mlua::Error> for Stopped {
    fn from(error: mlua::Error) -> Self {
        Self::Lua(error)
    }
}

impl Path {
    /// Reads a path; says at which character it is none.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut reader = Reader { chars: text.chars().collect(), at: 0 };
        let mut parts = Vec::new();
        loop {
            reader.pipe(&mut parts)?;
            if !reader.take('|') {
                break;
            }
        }
        match reader.peek() {
            None => Ok(Self(parts)),
            Some(other) => Err(reader.wrong(&format!("'{other}' is no step"))),
        }
    }

    /// Whether it may find several values, or none.
    pub(crate) fn finds_many(&self) -> bool {
        self.0.iter().any(|part| part.step == Step::Each)
    }

    /// Walks through a value.
    pub(crate) fn walk(&self, walk: &mut Walk<'_>, value: &Value) -> Result<(), Stopped> {
        walk.on(&self.0, value)
    }
}

/// A walk along a path.
pub(crate) struct Walk<'w> {
    pub(crate) lua: &'w mlua::Lua,
    /// Asked between two values whether to go on.
    pub(crate) look: &'w dyn Fn() -> mlua::Result<()>,
    /// Takes what is found.
    pub(crate) take: &'w mut dyn FnMut(Value) -> mlua::Result<()>,
}

impl Walk<'_> {
    fn on(&mut self, parts: &[Part], value: &Value) -> Result<(), Stopped> {
        let Some((Part { step, may_fail }, rest)) = parts.split_first() else {
            return Ok((self.take)(value.clone())?);
        };
        let wrong = |why: String| if *may_fail { Ok(()) } else { Err(Stopped::Said(why)) };
        // Nothing stands in nothing.
        if matches!(value, Value::Nil) && *step != Step::Each {
            return self.on(rest, &Value::Nil);
        }
        let Value::Table(table) = value else {
            let hint =
                if matches!(value, Value::String(_)) { "; JSON.parse makes a table of a text" } else { "" };
            return wrong(format!("{} stands where {} looks{hint}", kind(value), step.shown()));
        };
        let count = table.raw_len();
        let is_list = count > 0 || json::is_list(table);
        match step {
            Step::Key(name) => match table.raw_get(name.as_str())? {
                Value::Nil if is_list => wrong(format!("a list stands where {} looks", step.shown())),
                found => self.on(rest, &found),
            },
            Step::Place(_) | Step::Slice(..) if !is_list && !table.is_empty() => {
                wrong(format!("an object stands where {} looks", step.shown()))
            }
            Step::Place(place) => {
                let found = match within(*place, count) {
                    Some(place) => table.raw_get(place + 1)?,
                    None => Value::Nil,
                };
                self.on(rest, &found)
            }
            Step::Slice(from, to) => {
                let slice = self.lua.create_table()?;
                for place in from.map_or(0, |at| bound(at, count))..to.map_or(count, |at| bound(at, count)) {
                    slice.raw_push(table.raw_get::<Value>(place + 1)?)?;
                }
                if slice.raw_len() == 0 {
                    json::mark_list(self.lua, &slice)?;
                }
                self.on(rest, &Value::Table(slice))
            }
            Step::Each if is_list => {
                for place in 1..=count {
                    (self.look)()?;
                    self.on(rest, &table.raw_get(place)?)?;
                }
                Ok(())
            }
            Step::Each => {
                // Lua has no order of keys; here it is that of their bytes.
                let mut keys = Vec::new();
                for pair in table.pairs::<Value, Value>() {
                    if let (Value::String(key), _) = pair? {
                        keys.push(key);
                    }
                }
                keys.sort_by_cached_key(|key| key.as_bytes().to_vec());
                for key in keys {
                    (self.look)()?;
                    self.on(rest, &table.raw_get(key)?)?;
                }
                Ok(())
            }
        }
    }
}

fn within(place: i64, count: usize) -> Option<usize> {
    let place =
        if place < 0 { count.checked_sub(place.unsigned_abs() as usize) } else { Some(place as usize) };
    place.filter(|place| *place < count)
}

/// Where a part of a list begins or ends: within it, whatever is asked.
fn bound(at: i64, count: usize) -> usize {
    if at < 0 { count.saturating_sub(at.unsigned_abs() as usize) } else { count.min(at as usize) }
}

impl Step {
    fn shown(&self) -> String {
        let number = |at: &Option<i64>| at.map(|at| at.to_string()).unwrap_or_default();
        match self {
            Self::Key(name) => format!("the key '{}'", name.chars().take(40).collect::<String>()),
            Self::Place(place) => format!("[{place}]"),
            Self::Slice(from, to) => format!("[{}:{}]", number(from), number(to)),
            Self::Each => "[]".to_owned(),
        }
    }
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    /// Reads what stands between two `|`: `.` alone, or steps.
    fn pipe(&mut self, parts: &mut Vec<Part>) -> Result<(), String> {
        if !self.take('.') {
            return Err(self.wrong("a path begins with '.'"));
        }
        let mut after_dot = true;
        loop {
            let step = match self.chars.get(self.at) {
                Some('[') => {
                    self.at += 1;
                    self.in_brackets()?
                }
                Some('"') if after_dot => Step::Key(self.quoted()?),
                Some(c) if after_dot && (c.is_alphabetic() || *c == '_') => Step::Key(self.name()),
                Some('.') if !after_dot => {
                    self.at += 1;
                    after_dot = true;
                    match self.chars.get(self.at) {
                        Some(c) if c.is_alphabetic() || "_\"[".contains(*c) => continue,
                        _ => return Err(self.wrong("behind '.' stands a name, or ['a name']")),
                    }
                }
                _ => return Ok(()),
            };
            after_dot = false;
            let may_fail = self.chars.get(self.at) == Some(&'?');
            self.at += usize::from(may_fail);
            if parts.len() >= STEPS_MAX {
                return Err(format!("a path may have {STEPS_MAX} steps"));
            }
            parts.push(Part { step, may_fail });
        }
    }

    fn in_brackets(&mut self) -> Result<Step, String> {
        if self.take(']') {
            return Ok(Step::Each);
        }
        let step = if self.peek() == Some('"') {
            Step::Key(self.quoted()?)
        } else {
            let from = self.number()?;
            match (from, self.take(':')) {
                (Some(place), false) => Step::Place(place),
                (None, false) => {
                    return Err(self.wrong("in brackets stands a number, a text, 2:4 or nothing"));
                }
                (from, true) => match (from, self.number()?) {
                    (None, None) => return Err(self.wrong("a part of a list begins or ends somewhere")),
                    (from, to) => Step::Slice(from, to),
                },
            }
        };
        if self.take(']') { Ok(step) } else { Err(self.wrong("']' is missing")) }
    }

    fn name(&mut self) -> String {
        let rest = &self.chars[self.at..];
        let name: String = rest.iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
        self.at += name.chars().count();
        name
    }

    /// Reads a text in quotes, with the escapes of JSON.
    fn quoted(&mut self) -> Result<String, String> {
        let _ = self.peek();
        let begins = self.at;
        let mut escaped = false;
        for at in begins + 1..self.chars.len() {
            match self.chars[at] {
                '"' if !escaped => {
                    let text: String = self.chars[begins..=at].iter().collect();
                    let read = serde_json::from_str(&text);
                    let read = read.map_err(|_| self.wrong("this is no text as JSON writes it"))?;
                    self.at = at + 1;
                    return Ok(read);
                }
                c => escaped = c == '\\' && !escaped,
            }
        }
        Err(self.wrong("the text has no end"))
    }

    fn number(&mut self) -> Result<Option<i64>, String> {
        let minus = self.take('-');
        let _ = self.peek();
        let digits: String = self.chars[self.at..].iter().take_while(|c| c.is_ascii_digit()).collect();
        if digits.is_empty() {
            return if minus { Err(self.wrong("behind '-' stands a number")) } else { Ok(None) };
        }
        if digits.len() > 15 {
            return Err(self.wrong("no list is so long"));
        }
        self.at += digits.len();
        let number = digits.bytes().fold(0, |number: i64, digit| number * 10 + i64::from(digit - b'0'));
        Ok(Some(if minus { -number } else { number }))
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Passes over spaces, and returns what stands behind.
    fn peek(&mut self) -> Option<char> {
        while self.chars.get(self.at).is_some_and(char::is_ascii_whitespace) {
            self.at += 1;
        }
        self.chars.get(self.at).copied()
    }

    fn wrong(&self, why: &str) -> String {
        format!("at character {}: {why}", self.at + 1)
    }
}

/// Each may be one of a table in another one, so that a path is walked by recursion.
const STEPS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_read_as_jq_reads_them() {
        let steps =
            |text: &str| Path::read(text).unwrap().0.into_iter().map(|part| part.step).collect::<Vec<_>>();
        let key = |name: &str| Step::Key(name.into());
        assert_eq!(steps("."), []);
        assert_eq!(steps(".a.b_2"), [key("a"), key("b_2")]);
        assert_eq!(steps(".a[0][-1]"), [key("a"), Step::Place(0), Step::Place(-1)]);
        assert_eq!(steps(" .[\"a b\"].\"c\\\"\" | .é "), [key("a b"), key("c\""), key("é")]);
        assert_eq!(
            steps(".[ 1 : ][:-2][1:2].[3]"),
            [
                Step::Slice(Some(1), None),
                Step::Slice(None, Some(-2)),
                Step::Slice(Some(1), Some(2)),
                Step::Place(3),
            ]
        );
        assert_eq!(steps(".a[].b"), [key("a"), Step::Each, key("b")]);
        let may: Vec<bool> = Path::read(".a?[0].b?").unwrap().0.iter().map(|part| part.may_fail).collect();
        assert_eq!(may, [true, false, true]);
    }

    #[test]
    fn what_is_no_path_says_where() {
        for (text, why) in [
            ("", "at character 1: a path begins with '.'"),
            ("a", "at character 1: a path begins with '.'"),
            (".a b", "at character 4: 'b' is no step"),
            (".a.", "at character 4: behind '.' stands a name"),
            ("..", "at character 2: '.' is no step"),
            (".[", "at character 3: in brackets stands"),
            (".[0", "at character 4: ']' is missing"),
            (".[:]", "begins or ends somewhere"),
            (".[\"a]", "the text has no end"),
            (".[-]", "behind '-' stands a number"),
            (".[9999999999999999]", "no list is so long"),
            (".a | select(.b)", "a path begins with '.'"),
            (".a |", "a path begins with '.'"),
        ] {
            let told = Path::read(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
        assert!(Path::read(&".a".repeat(64)).is_ok());
        assert!(Path::read(&".a".repeat(65)).unwrap_err().contains("64 steps"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[.\\[\\]a\"\\\\0-9:?| -]{0,24}|\\PC{0,12}") {
            let _ = Path::read(&text);
        }
    }
}
