//! JSON as foreign programs write it: order, duplicate keys and exact source text kept.
//!
//! `serde_json::Value` sorts keys, drops duplicates and refuses half a surrogate pair. Exports contain all
//! three, and the archive keeps arguments and unknown blocks to the letter, so records are read into [`Node`]s
//! that know the bytes they came from.

use std::borrow::Cow;

use athenaeum_core::Timestamp;

/// Deepest nesting that is read. Real exports stay below 40.
const DEPTH_MAX: u32 = 200;

/// One JSON value and the text that it was read from.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    raw: &'a str,
    value: Value<'a>,
}

#[derive(Debug, Clone)]
enum Value<'a> {
    Null,
    Bool(bool),
    Number,
    String(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// Why a text is not JSON, and at which byte of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at byte {at}: {what}")]
pub(crate) struct Invalid {
    /// Bytes from the start of the text.
    pub(crate) at: usize,
    what: &'static str,
}

static MISSING: Node<'static> = Node { raw: "null", value: Value::Null };

impl<'a> Node<'a> {
    /// Reads exactly one JSON value; a byte order mark and white space around it are allowed.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Invalid> {
        let mut reader = Reader { text, at: 0 };
        if text.starts_with('\u{feff}') {
            reader.at = '\u{feff}'.len_utf8();
        }
        let node = reader.node(0)?;
        reader.space();
        match reader.at == text.len() {
            true => Ok(node),
            false => Err(reader.invalid("more text after the value")),
        }
    }

    /// A value that holds nothing.
    pub(crate) fn null() -> Self {
        MISSING.clone()
    }

    /// The null that stands for everything that is not there.
    pub(crate) fn missing<'n>() -> &'n Self {
        &MISSING
    }

    /// Returns the source text of this value, byte for byte.
    pub(crate) fn raw(&self) -> &'a str {
        self.raw
    }

    /// Returns the field `key`, the last one where it is doubled; a null where there is none.
    pub(crate) fn get(&self, key: &str) -> &Node<'a> {
        self.fields().iter().rev().find(|(name, _)| name == key).map_or(&MISSING, |(_, node)| node)
    }

    /// Returns the first of `keys` whose field is there and not null.
    pub(crate) fn first(&self, keys: &[&str]) -> &Node<'a> {
        keys.iter().map(|key| self.get(key)).find(|node| !node.is_null()).unwrap_or(&MISSING)
    }

    /// Returns element `index`; a null where there is none.
    pub(crate) fn at(&self, index: usize) -> &Node<'a> {
        self.items().get(index).unwrap_or(&MISSING)
    }

    /// Tells whether the field is there, null or not.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.fields().iter().any(|(name, _)| name == key)
    }

    /// Returns the elements of an array; nothing for every other value.
    pub(crate) fn items(&self) -> &[Node<'a>] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// Returns the fields of an object in source order, doubled keys included; nothing for every other value.
    pub(crate) fn fields(&self) -> &[(Cow<'a, str>, Node<'a>)] {
        match &self.value {
            Value::Object(fields) => fields,
            _ => &[],
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    pub(crate) fn is_array(&self) -> bool {
        matches!(self.value, Value::Array(_))
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    /// Tells whether there is nothing in it: null, `""`, `[]` or `{}`.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::Bool(_) | Value::Number => false,
        }
    }

    pub(crate) fn str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns a string that is not empty.
    pub(crate) fn text(&self) -> Option<String> {
        self.str().filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Returns an id: a non-empty string or a number as written; also the value inside `{"$oid": …}`.
    pub(crate) fn id(&self) -> Option<String> {
        match &self.value {
            Value::String(text) if !text.is_empty() => Some(text.clone().into_owned()),
            Value::Number => Some(self.raw.to_owned()),
            Value::Object(_) => self.get("$oid").text(),
            _ => None,
        }
    }

    pub(crate) fn bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// Tells whether it is `true`; everything else is not.
    pub(crate) fn is_true(&self) -> bool {
        self.bool() == Some(true)
    }

    /// Returns a finite number, also one written as a string.
    pub(crate) fn float(&self) -> Option<f64> {
        let text = match &self.value {
            Value::Number => self.raw,
            Value::String(text) => text.trim(),
            _ => return None,
        };
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// Returns a whole number, also one written as a string; `None` where it does not fit.
    pub(crate) fn int(&self) -> Option<i64> {
        let text = match &self.value {
            Value::Number => self.raw,
            Value::String(text) => text.trim(),
            _ => return None,
        };
        let whole = |number: &f64| number.fract() == 0.0 && number.abs() < 9e15;
        text.parse().ok().or_else(|| text.parse().ok().filter(whole).map(|number: f64| number as i64))
    }

    /// Returns a moment in any of the forms that exports use: RFC 3339, a number of seconds to nanoseconds, or
    /// MongoDB's `{"$date": …}` with a text, a number or `{"$numberLong": …}`.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        match &self.value {
            Value::String(text) => text.parse().ok(),
            Value::Number => self.float().and_then(Timestamp::from_number),
            Value::Object(_) if self.has("$date") => self.get("$date").time(),
            Value::Object(_) if self.has("$numberLong") => {
                self.get("$numberLong").int()?.checked_mul(1_000).map(Timestamp::from_micros)
            }
            _ => None,
        }
    }

    /// Returns what a reader should see of it: a string's text, everything else as its JSON.
    pub(crate) fn shown(&self) -> String {
        self.str().map_or_else(|| self.raw.to_owned(), str::to_owned)
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn invalid(&self, what: &'static str) -> Invalid {
        Invalid { at: self.at, what }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn node(&mut self, depth: u32) -> Result<Node<'a>, Invalid> {
        self.space();
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            // Python writes these for missing numbers.
            Some(b'N') => self.word("NaN", Value::Null)?,
            Some(b'I') => self.word("Infinity", Value::Null)?,
            Some(b'-') if self.text[self.at..].starts_with("-Infinity") => {
                self.word("-Infinity", Value::Null)?
            }
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => return Err(self.invalid("no value starts like this")),
            None => return Err(self.invalid("the text ends before the value")),
        };
        Ok(Node { raw: &self.text[start..self.at], value })
    }

    fn word(&mut self, word: &'static str, value: Value<'a>) -> Result<Value<'a>, Invalid> {
        match self.text[self.at..].starts_with(word) {
            true => {
                self.at += word.len();
                Ok(value)
            }
            false => Err(self.invalid("no such word")),
        }
    }

    fn number(&mut self) -> Result<Value<'a>, Invalid> {
        let start = self.at;
        self.eat(b'-');
        while matches!(self.peek(), Some(b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
            self.at += 1;
        }
        match self.text[start..self.at].parse::<f64>() {
            Ok(_) => Ok(Value::Number),
            Err(_) => Err(Invalid { at: start, what: "not a number" }),
        }
    }

    fn array(&mut self, depth: u32) -> Result<Value<'a>, Invalid> {
        if depth >= DEPTH_MAX {
            return Err(self.invalid("nested too deep"));
        }
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.eat(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.node(depth + 1)?);
            self.space();
            if self.eat(b']') {
                return Ok(Value::Array(items));
            }
            if !self.eat(b',') {
                return Err(self.invalid("expected , or ]"));
            }
        }
    }

    fn object(&mut self, depth: u32) -> Result<Value<'a>, Invalid> {
        if depth >= DEPTH_MAX {
            return Err(self.invalid("nested too deep"));
        }
        self.at += 1;
        let mut fields = Vec::new();
        self.space();
        if self.eat(b'}') {
            return Ok(Value::Object(fields));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.invalid("expected a key"));
            }
            let key = self.string()?;
            self.space();
            if !self.eat(b':') {
                return Err(self.invalid("expected :"));
            }
            fields.push((key, self.node(depth + 1)?));
            self.space();
            if self.eat(b'}') {
                return Ok(Value::Object(fields));
            }
            if !self.eat(b',') {
                return Err(self.invalid("expected , or }"));
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Invalid> {
        let open = self.at;
        self.at += 1;
        let start = self.at;
        let mut owned: Option<String> = None;
        let mut copied = start;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let Some(offset) = memchr::memchr2(b'"', b'\\', rest) else {
                return Err(Invalid { at: open, what: "a string without end" });
            };
            self.at += offset;
            if rest[offset] == b'"' {
                let tail = &self.text[copied..self.at];
                self.at += 1;
                return Ok(match owned {
                    None => Cow::Borrowed(tail),
                    Some(mut text) => {
                        text.push_str(tail);
                        Cow::Owned(text)
                    }
                });
            }
            let text = owned.get_or_insert_default();
            text.push_str(&self.text[copied..self.at]);
            self.at += 1;
            let escaped = self.escape()?;
            text.push(escaped);
            copied = self.at;
        }
    }

    fn escape(&mut self) -> Result<char, Invalid> {
        let Some(byte) = self.peek() else { return Err(self.invalid("a string without end")) };
        self.at += 1;
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode()?,
            _ => {
                self.at -= 1;
                return Err(self.invalid("no such escape"));
            }
        })
    }

    /// Reads what follows `\u`. Half a surrogate pair, which JavaScript programs write, becomes U+FFFD.
    fn unicode(&mut self) -> Result<char, Invalid> {
        let high = self.hex()?;
        if !(0xd800..0xdc00).contains(&high) {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.at;
        if self.text.as_bytes()[self.at..].starts_with(b"\\u") {
            self.at += 2;
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self) -> Result<u32, Invalid> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).unwrap_or(b"");
        let valid = digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit);
        let Some(code) = valid.then(|| std::str::from_utf8(digits).ok()).flatten() else {
            return Err(self.invalid("\\u without four digits"));
        };
        self.at += 4;
        u32::from_str_radix(code, 16).map_err(|_| self.invalid("\\u without four digits"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_order_doubles_and_text() {
        let node = Node::parse("\u{feff} {\"b\": 1.0, \"a\" : [ \"x\\n\" ,null], \"b\": {\"$oid\":\"7\"}} ")
            .unwrap();
        let keys: Vec<_> = node.fields().iter().map(|(key, _)| key.as_ref()).collect();
        assert_eq!(keys, ["b", "a", "b"]);
        assert_eq!(node.get("b").id().as_deref(), Some("7"));
        assert_eq!(node.get("a").raw(), "[ \"x\\n\" ,null]");
        assert_eq!(node.get("a").at(0).str(), Some("x\n"));
        assert!(node.get("no").at(3).get("thing").is_null());
    }

    #[test]
    fn surrogates_whole_and_halved() {
        let text = r#""\ud83d\ude00 \ud83d \ude00 \ud83dA""#;
        assert_eq!(Node::parse(text).unwrap().str(), Some("😀 \u{fffd} \u{fffd} \u{fffd}A"));
    }

    #[test]
    fn times_of_many_kinds() {
        let node = Node::parse(
            r#"["2024-05-17T08:30:00Z", 1715934600, 1715934600000, {"$date":{"$numberLong":"1715934600000"}}, {"$date":"2024-05-17T08:30:00Z"}]"#,
        )
        .unwrap();
        for item in node.items() {
            assert_eq!(item.time().unwrap().as_micros(), 1_715_934_600_000_000, "{}", item.raw());
        }
    }

    #[test]
    fn depth_is_bounded() {
        assert!(Node::parse(&"[".repeat(100_000)).is_err());
        assert!(Node::parse(&format!("{}{}", "[".repeat(199), "]".repeat(199))).is_ok());
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json(text in r#"[\[\]{}:,"\\a-cu0-9etrufalsn .-]{0,40}"#) {
            let ours = Node::parse(&text);
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                prop_assert!(ours.is_ok(), "{text}");
            }
        }

        #[test]
        fn never_panics(text in ".{0,60}") {
            let _ = Node::parse(&text);
        }
    }
}
