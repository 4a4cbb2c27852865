//! Patterns of JSON schemas, which are JavaScript's (ECMA-262, with the `u` flag), as the library's expressions.
//!
//! The two look alike and differ where nobody looks: what `.`, `\s` and `$` match, what `[[:alpha:]]` and `\A` are.
//! So a pattern is read as JavaScript has it and written anew in terms that both read alike; what has no such terms
//! (looking around, back references, word boundaries) is refused.

/// How deep groups may lie within each other.
const DEPTH_MAX: usize = 50;
/// The most that a counted repetition may count to.
const COUNT_MAX: u32 = 10_000;

/// The expression, or why there is none.
pub(super) fn translated(pattern: &str) -> Result<String, String> {
    let mut reader = Reader { rest: pattern.chars().collect(), at: 0, written: String::new() };
    reader.alternatives(0)?;
    match reader.peek() {
        None => Ok(reader.written),
        Some(c) => Err(format!("an unexpected `{c}`")),
    }
}

struct Reader {
    rest: Vec<char>,
    at: usize,
    written: String,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    fn take(&mut self, expected: &str) -> bool {
        let there = expected.chars().enumerate().all(|(i, c)| self.rest.get(self.at + i) == Some(&c));
        if there {
            self.at += expected.chars().count();
        }
        there
    }

    fn alternatives(&mut self, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("groups nested deeper than {DEPTH_MAX}"));
        }
        loop {
            while self.peek().is_some_and(|c| c != '|' && c != ')') {
                self.term(depth)?;
            }
            if !self.take("|") {
                return Ok(());
            }
            self.written.push('|');
        }
    }

    fn term(&mut self, depth: usize) -> Result<(), String> {
        match self.next() {
            Some(anchor @ ('^' | '$')) => {
                self.written.push(anchor);
                return match self.peek() {
                    Some('*' | '+' | '?' | '{') => Err("a repeated anchor".to_owned()),
                    _ => Ok(()),
                };
            }
            Some('(') => self.group(depth)?,
            Some('[') => self.class()?,
            Some('.') => self.written.push_str(r"[^\n\r\x{2028}\x{2029}]"),
            Some('\\') => {
                let set = self.escape(false)?;
                self.written.push_str(&set.alone());
            }
            Some(c @ ('*' | '+' | '?' | '{' | '}' | ']')) => return Err(format!("an unexpected `{c}`")),
            Some(c) => push_char(&mut self.written, c),
            None => return Ok(()),
        }
        self.quantifier()
    }

    fn group(&mut self, depth: usize) -> Result<(), String> {
        if self.peek() == Some('?') && !self.take("?:") {
            let named = self.take("?<") && !matches!(self.peek(), Some('=' | '!'));
            if !named {
                return Err("looking around, or options within the pattern".to_owned());
            }
            while self.next().ok_or("a group without an end")? != '>' {}
        }
        self.written.push_str("(?:");
        self.alternatives(depth + 1)?;
        self.written.push(')');
        if self.take(")") { Ok(()) } else { Err("a group without an end".to_owned()) }
    }

    fn quantifier(&mut self) -> Result<(), String> {
        match self.peek() {
            Some(c @ ('*' | '+' | '?')) => {
                self.at += 1;
                self.written.push(c);
            }
            Some('{') => {
                self.at += 1;
                self.counts()?;
            }
            _ => return Ok(()),
        }
        // Lazy or not, what matches as a whole is the same.
        self.take("?");
        match self.peek() {
            Some('*' | '+' | '?' | '{') => Err("a repeated repetition".to_owned()),
            _ => Ok(()),
        }
    }

    fn counts(&mut self) -> Result<(), String> {
        let least = self.number()?;
        let most = match self.take(",") {
            false => Some(least),
            true if self.peek() == Some('}') => None,
            true => Some(self.number()?),
        };
        if !self.take("}") || most.is_some_and(|most| most < least) {
            return Err("a repetition that counts nothing".to_owned());
        }
        let most = most.map_or(String::new(), |most| most.to_string());
        self.written.push_str(&format!("{{{least},{most}}}"));
        Ok(())
    }

    fn number(&mut self) -> Result<u32, String> {
        let mut digits = String::new();
        while let Some(c) = self.peek().filter(char::is_ascii_digit) {
            digits.push(c);
            self.at += 1;
        }
        match digits.parse() {
            Ok(number) if number <= COUNT_MAX => Ok(number),
            _ => Err(format!("a repetition without a number up to {COUNT_MAX}")),
        }
    }

    fn class(&mut self) -> Result<(), String> {
        let negated = self.take("^");
        if self.take("]") {
            let empty = if negated { r"(?s:.)" } else { r"[^\x{0}-\x{10FFFF}]" };
            self.written.push_str(empty);
            return Ok(());
        }
        self.written.push_str(if negated { "[^" } else { "[" });
        while !self.take("]") {
            let from = self.class_atom()?;
            let range = self.peek() == Some('-') && self.rest.get(self.at + 1).is_some_and(|c| *c != ']');
            if !range {
                self.written.push_str(&from.within());
                continue;
            }
            self.at += 1;
            let to = self.class_atom()?;
            match (from, to) {
                (Set::One(from), Set::One(to)) if from <= to => {
                    push_char(&mut self.written, from);
                    self.written.push('-');
                    push_char(&mut self.written, to);
                }
                _ => return Err("a range in brackets that is none".to_owned()),
            }
        }
        self.written.push(']');
        Ok(())
    }

    fn class_atom(&mut self) -> Result<Set, String> {
        match self.next().ok_or("brackets without an end")? {
            '\\' => self.escape(true),
            c => Ok(Set::One(c)),
        }
    }

    fn escape(&mut self, in_class: bool) -> Result<Set, String> {
        let c = self.next().ok_or("a backslash at the end")?;
        Ok(match c {
            'd' => Set::Of("0-9"),
            'D' => Set::NotOf("0-9"),
            'w' => Set::Of("0-9A-Za-z_"),
            'W' => Set::NotOf("0-9A-Za-z_"),
            's' => Set::Of(SPACES),
            'S' => Set::NotOf(SPACES),
            't' => Set::One('\t'),
            'n' => Set::One('\n'),
            'v' => Set::One('\u{b}'),
            'f' => Set::One('\u{c}'),
            'r' => Set::One('\r'),
            '0' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => Set::One('\0'),
            'b' if in_class => Set::One('\u{8}'),
            'c' => match self.next() {
                Some(c) if c.is_ascii_alphabetic() => Set::One(char::from(c as u8 & 0x1f)),
                _ => return Err(r"`\c` without a letter".to_owned()),
            },
            'x' => Set::One(self.hex(2)?),
            'u' => Set::One(self.unicode()?),
            'p' | 'P' => self.category(c == 'P')?,
            c if r"^$\.*+?()[]{}|/".contains(c) || c == '-' => Set::One(c),
            c => return Err(format!(r"`\{c}`")),
        })
    }

    fn hex(&mut self, digits: usize) -> Result<char, String> {
        let value = self.hex_value(digits)?;
        char::from_u32(value).ok_or_else(|| "half of a surrogate pair".to_owned())
    }

    fn hex_value(&mut self, digits: usize) -> Result<u32, String> {
        (0..digits).try_fold(0, |value, _| {
            let digit = self.next().and_then(|c| c.to_digit(16));
            digit.map(|digit| value * 16 + digit).ok_or_else(|| "an escape without its digits".to_owned())
        })
    }

    fn unicode(&mut self) -> Result<char, String> {
        let none = || "an escape that is no character".to_owned();
        if self.take("{") {
            let end = self.rest[self.at..].iter().position(|c| *c == '}').ok_or_else(none)?;
            let digits: String = self.rest[self.at..self.at + end].iter().collect();
            self.at += end + 1;
            let all_hex = digits.chars().all(|c| c.is_ascii_hexdigit());
            let value = u32::from_str_radix(&digits, 16).ok().filter(|_| all_hex);
            return value.and_then(char::from_u32).ok_or_else(none);
        }
        let high = self.hex_value(4)?;
        if !(0xd800..0xdc00).contains(&high) {
            return char::from_u32(high).ok_or_else(none);
        }
        let low = if self.take(r"\u") { self.hex_value(4)? } else { 0 };
        if !(0xdc00..0xe000).contains(&low) {
            return Err(none());
        }
        char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)).ok_or_else(none)
    }

    fn category(&mut self, negated: bool) -> Result<Set, String> {
        let end = self.rest[self.at..].iter().position(|c| *c == '}').filter(|_| self.peek() == Some('{'));
        let end = end.ok_or(r"`\p` without a name")?;
        let name: String = self.rest[self.at + 1..self.at + end].iter().collect();
        self.at += end + 1;
        let known = CATEGORIES.iter().find(|(short, long)| *short == name || *long == name);
        let (short, _) = known.ok_or_else(|| format!(r"the property `{name}`"))?;
        Ok(if negated { Set::NotCategory(short) } else { Set::Category(short) })
    }
}

/// What an escape or a character in brackets stands for.
enum Set {
    One(char),
    Of(&'static str),
    NotOf(&'static str),
    Category(&'static str),
    NotCategory(&'static str),
}

impl Set {
    fn alone(&self) -> String {
        match self {
            Self::Of(_) => format!("[{}]", self.within()),
            _ => self.within(),
        }
    }

    fn within(&self) -> String {
        match self {
            Self::One(c) => {
                let mut written = String::new();
                push_char(&mut written, *c);
                written
            }
            Self::Of(set) => (*set).to_owned(),
            Self::NotOf(set) => format!("[^{set}]"),
            Self::Category(name) => format!(r"\p{{{name}}}"),
            Self::NotCategory(name) => format!(r"\P{{{name}}}"),
        }
    }
}

/// Whitespace and line ends of ECMA-262, §12.2 and §12.3.
const SPACES: &str =
    r"\t\n\x{B}\x{C}\r\x{20}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}";

/// General categories (ECMA-262, table 69), by their short and long names.
const CATEGORIES: [(&str, &str); 30] = [
    ("L", "Letter"),
    ("Lu", "Uppercase_Letter"),
    ("Ll", "Lowercase_Letter"),
    ("Lt", "Titlecase_Letter"),
    ("Lm", "Modifier_Letter"),
    ("Lo", "Other_Letter"),
    ("M", "Mark"),
    ("Mn", "Nonspacing_Mark"),
    ("Mc", "Spacing_Mark"),
    ("Me", "Enclosing_Mark"),
    ("N", "Number"),
    ("Nd", "Decimal_Number"),
    ("Nl", "Letter_Number"),
    ("No", "Other_Number"),
    ("P", "Punctuation"),
    ("Pc", "Connector_Punctuation"),
    ("Pd", "Dash_Punctuation"),
    ("Ps", "Open_Punctuation"),
    ("Pe", "Close_Punctuation"),
    ("Pi", "Initial_Punctuation"),
    ("Pf", "Final_Punctuation"),
    ("Po", "Other_Punctuation"),
    ("S", "Symbol"),
    ("Sm", "Math_Symbol"),
    ("Sc", "Currency_Symbol"),
    ("Sk", "Modifier_Symbol"),
    ("So", "Other_Symbol"),
    ("Z", "Separator"),
    ("Zs", "Space_Separator"),
    ("Nd", "digit"),
];

/// Letters and digits stand for themselves everywhere; all others are written as numbers.
fn push_char(written: &mut String, c: char) {
    if c.is_ascii_alphanumeric() {
        written.push(c);
    } else {
        written.push_str(&format!(r"\x{{{:X}}}", u32::from(c)));
    }
}
