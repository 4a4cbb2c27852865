//! Cuts a query into its signs and words. Total: every text has a reading.

use std::borrow::Cow;

/// One sign or word of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lexeme<'t> {
    /// `(`, `-(`, `title:(`.
    Open { minus: bool, title: bool },
    /// `)`.
    Close,
    /// `AND`, `&`, `&&`.
    And,
    /// `OR`, `|`, `||`.
    Or,
    /// `NOT`.
    Not,
    /// Anything between two spaces that is nothing else.
    Word { text: &'t str, minus: bool },
    /// `"…"`; `closed` where the second quotation mark is there.
    Quoted { text: &'t str, minus: bool, closed: bool },
    /// `name:value`, where the name is one of [`FIELDS`], in lower case; `source` is all of it.
    Field { name: &'static str, value: &'t str, quoted: bool, minus: bool, source: &'t str },
}

/// The names that may stand before a colon, and what each is called from here on.
const FIELDS: [(&str, &str); 14] = [
    ("provider", "provider"),
    ("model", "model"),
    ("role", "role"),
    ("user", "user"),
    ("title", "title"),
    ("intitle", "title"),
    ("after", "after"),
    ("since", "after"),
    ("before", "before"),
    ("until", "before"),
    ("date", "date"),
    ("on", "date"),
    ("has", "has"),
    ("with", "has"),
];

/// Reads one lexeme after another.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'t> {
    rest: &'t str,
    /// Parentheses open: a `)` at the end of a word closes one.
    pub(super) open: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text, open: 0 }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next().map(plain)
    }

    fn skip(&mut self) {
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }

    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    /// Reads up to the next quotation mark or the end; the opening mark is already read.
    fn quoted(&mut self) -> (&'t str, bool) {
        match self.rest.find(|c| plain(c) == '"') {
            Some(end) => {
                let text = self.take(end);
                self.skip();
                (text, true)
            }
            None => (self.take(self.rest.len()), false),
        }
    }

    /// Reads up to a space, or to a `)` that has no partner in the word while a parenthesis is open outside.
    fn word(&mut self) -> &'t str {
        let mut inner = 0;
        let ends = |(_, c): &(usize, char)| match plain(*c) {
            '(' => {
                inner += 1;
                false
            }
            ')' if inner > 0 => {
                inner -= 1;
                false
            }
            ')' => self.open > 0,
            c => c.is_whitespace(),
        };
        let end = self.rest.char_indices().find(ends).map_or(self.rest.len(), |(end, _)| end);
        self.take(end)
    }

    /// Reads `name:` where the name is a field's and something follows.
    fn field(&mut self) -> Option<&'static str> {
        let (end, colon) = self.rest.char_indices().find(|(_, c)| !c.is_ascii_alphabetic())?;
        let rest = &self.rest[end + colon.len_utf8()..];
        let follows = rest.chars().next().is_some_and(|c| !c.is_whitespace() && plain(c) != ')');
        let known = FIELDS.iter().find(|(written, _)| written.eq_ignore_ascii_case(&self.rest[..end]))?;
        if plain(colon) != ':' || !follows {
            return None;
        }
        self.rest = rest;
        Some(known.1)
    }

    /// Reads a `-` or `+` that belongs to what follows it.
    fn sign(&mut self) -> bool {
        let mut chars = self.rest.chars().map(plain);
        let (Some(sign @ ('-' | '+')), Some(next)) = (chars.next(), chars.next()) else { return false };
        // `--verbose` is what people paste from a terminal, not an exclusion.
        if next.is_whitespace() || next == sign || next == ')' {
            return false;
        }
        self.skip();
        sign == '-'
    }
}

impl<'t> Iterator for Lexer<'t> {
    type Item = Lexeme<'t>;

    fn next(&mut self) -> Option<Lexeme<'t>> {
        self.rest = self.rest.trim_start();
        let before = self.rest;
        let minus = self.sign();
        let lexeme = match self.peek()? {
            '(' => {
                self.skip();
                Lexeme::Open { minus, title: false }
            }
            ')' => {
                self.skip();
                Lexeme::Close
            }
            '"' => {
                self.skip();
                let (text, closed) = self.quoted();
                Lexeme::Quoted { text, minus, closed }
            }
            _ => match self.field() {
                Some("title") if self.peek() == Some('(') => {
                    self.skip();
                    Lexeme::Open { minus, title: true }
                }
                Some(name) => {
                    let quoted = self.peek() == Some('"');
                    let value = if quoted {
                        self.skip();
                        self.quoted().0
                    } else {
                        self.word()
                    };
                    let source = &before[..before.len() - self.rest.len()];
                    Lexeme::Field { name, value, quoted, minus, source }
                }
                None => match self.word() {
                    "AND" | "&" | "&&" => Lexeme::And,
                    "OR" | "|" | "||" => Lexeme::Or,
                    "NOT" => Lexeme::Not,
                    text => Lexeme::Word { text, minus },
                },
            },
        };
        Some(lexeme)
    }
}

/// What people paste or type with an input method, as the sign it stands for.
pub(super) fn plain(c: char) -> char {
    match c {
        '“' | '”' | '„' | '‟' | '«' | '»' | '「' | '」' | '『' | '』' | '＂' => '"',
        '（' => '(',
        '）' => ')',
        '：' => ':',
        '＊' => '*',
        '－' | '−' => '-',
        '＋' => '+',
        '｜' => '|',
        c => c,
    }
}

/// Writes each sign of `text` as [`plain`] has it, without its quotation marks.
pub(super) fn unquoted(text: &str) -> Cow<'_, str> {
    if text.contains(|c| plain(c) == '"') {
        Cow::Owned(text.replace(|c| plain(c) == '"', " "))
    } else {
        Cow::Borrowed(text)
    }
}
