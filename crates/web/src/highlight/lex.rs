//! One pass over the code, from left to right, each byte looked at a bounded number of times.

use super::{
    Class, Language,
    language::{Grammar, Quote, Words},
};

/// Cuts `code` into stretches of one class. Joined together they are `code` again, byte for byte.
///
/// Linear in the length of the code.
pub(crate) fn spans<'c>(language: &Language, code: &'c str) -> Vec<(Class, &'c str)> {
    let mut lexer = Lexer { code, at: 0, plain_from: 0, spans: Vec::new() };
    match &language.grammar {
        Grammar::Words(words) => lexer.words(words),
        Grammar::Markup => lexer.markup(),
        Grammar::Diff => lexer.diff(),
    }
    lexer.flush(code.len());
    lexer.spans
}

struct Lexer<'c> {
    code: &'c str,
    at: usize,
    plain_from: usize,
    spans: Vec<(Class, &'c str)>,
}

impl<'c> Lexer<'c> {
    fn rest(&self) -> &'c str {
        &self.code[self.at..]
    }

    /// Takes everything up to `end` as `class`.
    fn take(&mut self, class: Class, end: usize) {
        self.flush(self.at);
        if end > self.at {
            self.spans.push((class, &self.code[self.at..end]));
        }
        self.at = end;
        self.plain_from = end;
    }

    fn flush(&mut self, end: usize) {
        if end > self.plain_from {
            self.spans.push((Class::Plain, &self.code[self.plain_from..end]));
            self.plain_from = end;
        }
    }

    fn line_end(&self) -> usize {
        self.rest().find('\n').map_or(self.code.len(), |length| self.at + length)
    }

    fn step(&mut self) {
        self.at += self.rest().chars().next().map_or(1, char::len_utf8);
    }

    // === Languages of words ===

    fn words(&mut self, words: &Words) {
        while let Some(first) = self.rest().chars().next() {
            if self.comment(words) || self.string(words) {
                continue;
            }
            if first.is_ascii_digit() {
                let end = self.at + number_length(self.rest());
                self.take(Class::Number, end);
            } else if words.meta.contains(first) {
                self.meta(first, words);
            } else if first.is_alphabetic() || first == '_' {
                self.word(words);
            } else {
                self.at += first.len_utf8();
            }
        }
    }

    fn comment(&mut self, words: &Words) -> bool {
        for (open, close) in words.block_comments {
            if self.rest().starts_with(open) {
                let end = self.closing(open.len(), close);
                self.take(Class::Comment, end);
                return true;
            }
        }
        let comment = words.line_comments.iter().any(|mark| self.rest().starts_with(mark));
        // `#` and `%` begin a comment only after a space: `$#`, `a#b` and `{{#if}}` do not.
        let glued = self.code[..self.at].bytes().next_back().is_some_and(|byte| !byte.is_ascii_whitespace());
        let shy = self.rest().starts_with(['#', '%']);
        if comment && !(shy && glued) && !(words.meta.contains('#') && self.rest().starts_with('#')) {
            let end = self.line_end();
            self.take(Class::Comment, end);
            return true;
        }
        false
    }

    /// Returns the end of what opened here. What never closes goes on to the end of the code, which also keeps
    /// the pass linear: no opening is searched for twice.
    fn closing(&self, open_length: usize, close: &str) -> usize {
        let from = self.at + open_length;
        self.code[from..].find(close).map_or(self.code.len(), |length| from + length + close.len())
    }

    fn string(&mut self, words: &Words) -> bool {
        let Some(quote) = words.strings.iter().find(|quote| self.rest().starts_with(quote.open)) else {
            return false;
        };
        let end = string_end(self.code, self.at + quote.open.len(), quote);
        self.take(Class::Text, end);
        true
    }

    fn meta(&mut self, first: char, words: &Words) {
        let after = self.at + first.len_utf8();
        // Deeper indentation is not looked through, so that a line of nothing but marks stays linear.
        let indent =
            self.code[..self.at].bytes().rev().take(64).take_while(|byte| b" \t".contains(byte)).count();
        let before = &self.code[..self.at - indent];
        let begins_line = before.is_empty() || before.ends_with('\n');
        let end = if first == '#' && begins_line {
            // A preprocessor line or an attribute: to the end of the word or of the bracket.
            match self.code[after..].chars().next() {
                Some('[' | '!') => self.line_end().min(after + attribute_length(&self.code[after..])),
                _ => after + word_length(&self.code[after..], words),
            }
        } else {
            after + word_length(&self.code[after..], words)
        };
        if end > after {
            self.take(Class::Meta, end);
        } else {
            self.at = after;
        }
    }

    fn word(&mut self, words: &Words) {
        let end = self.at + word_length(self.rest(), words).max(1);
        let word = &self.code[self.at..end];
        let followed_by_call = self.code[end..].starts_with('(');
        if listed(words.keywords, word, words.ignore_case) {
            self.take(Class::Keyword, end);
        } else if listed(words.types, word, words.ignore_case) {
            self.take(Class::Type, end);
        } else if followed_by_call {
            self.take(Class::Call, end);
        } else if words.capitals_are_types && word.starts_with(char::is_uppercase) {
            self.take(Class::Type, end);
        } else {
            self.at = end;
        }
    }

    // === Markup ===

    fn markup(&mut self) {
        while !self.rest().is_empty() {
            if self.rest().starts_with("<!--") {
                let end = self.closing(4, "-->");
                self.take(Class::Comment, end);
            } else if self.rest().starts_with('<') {
                self.tag();
            } else if self.rest().starts_with('&') {
                let length = self.rest().bytes().take(12).position(|byte| byte == b';');
                match length {
                    Some(length) => self.take(Class::Number, self.at + length + 1),
                    None => self.step(),
                }
            } else {
                self.step();
            }
        }
    }

    fn tag(&mut self) {
        let name = |char: char| char.is_alphanumeric() || "-_:.".contains(char);
        let begin = self.rest().find(|char| !"</?!".contains(char)).unwrap_or(self.rest().len());
        let length = self.rest()[begin..].find(|char| !name(char)).unwrap_or(self.rest().len() - begin);
        if length == 0 {
            self.at += begin;
            return;
        }
        self.take(Class::Keyword, self.at + begin + length);
        while let Some(next) = self.rest().chars().next() {
            match next {
                '>' => return self.take(Class::Keyword, self.at + 1),
                '<' => return,
                '"' | '\'' => {
                    let quote = if next == '"' {
                        Quote { many_lines: true, escapes: false, ..DOUBLE }
                    } else {
                        SINGLE
                    };
                    let end = string_end(self.code, self.at + 1, &quote);
                    self.take(Class::Text, end);
                }
                _ if name(next) => {
                    let length = self.rest().find(|char| !name(char)).unwrap_or(self.rest().len());
                    self.take(Class::Type, self.at + length);
                }
                _ => self.at += next.len_utf8(),
            }
        }
    }

    // === Differences ===

    fn diff(&mut self) {
        while !self.rest().is_empty() {
            let end = (self.line_end() + 1).min(self.code.len());
            let rest = self.rest();
            if rest.starts_with("+++")
                || rest.starts_with("---")
                || rest.starts_with("diff ")
                || rest.starts_with("index ")
            {
                self.take(Class::Comment, end);
            } else if rest.starts_with('+') {
                self.take(Class::Added, end);
            } else if rest.starts_with('-') {
                self.take(Class::Removed, end);
            } else if rest.starts_with("@@") {
                self.take(Class::Meta, end);
            } else {
                self.at = end;
            }
        }
    }
}

const DOUBLE: Quote = Quote { open: "\"", close: "\"", escapes: true, many_lines: false };
const SINGLE: Quote = Quote { open: "'", close: "'", escapes: false, many_lines: true };

/// Returns where the string that opened before `from` ends: after its closing mark, or where it may not go on.
fn string_end(code: &str, from: usize, quote: &Quote) -> usize {
    let bytes = code.as_bytes();
    let close = quote.close.as_bytes();
    let mut at = from;
    while at < bytes.len() {
        if quote.escapes && bytes[at] == b'\\' {
            let escaped = code[at + 1..].chars().next().map_or(0, char::len_utf8);
            at += 1 + escaped;
        } else if bytes[at..].starts_with(close) {
            return at + close.len();
        } else if bytes[at] == b'\n' && !quote.many_lines {
            return at;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut length = 0;
    while let Some(&byte) = bytes.get(length) {
        let next_is_digit = bytes.get(length + 1).is_some_and(u8::is_ascii_digit);
        let inside = match byte {
            b'.' => next_is_digit,
            b'-' | b'+' => {
                next_is_digit && matches!(bytes[length - 1], b'e' | b'E') && !text.starts_with("0x")
            }
            _ => byte.is_ascii_alphanumeric() || byte == b'_',
        };
        if !inside {
            break;
        }
        length += 1;
    }
    length
}

fn word_length(text: &str, words: &Words) -> usize {
    let inside = |char: char| char.is_alphanumeric() || char == '_' || words.word_extra.contains(char);
    text.find(|char| !inside(char)).unwrap_or(text.len())
}

/// Length of `[derive(Debug)]` or `![…]`: to the bracket that closes the first, on this line.
fn attribute_length(text: &str) -> usize {
    let mut depth = 0_u32;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth += 1,
            b']' if depth <= 1 => return at + 1,
            b']' => depth -= 1,
            b'\n' => return at,
            _ => {}
        }
    }
    text.len()
}

fn listed(list: &str, word: &str, ignore_case: bool) -> bool {
    // Lists are a few hundred bytes and words short: a scan beats a table that would have to be built.
    list.split(' ').any(|entry| if ignore_case { entry.eq_ignore_ascii_case(word) } else { entry == word })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::highlight::find;

    fn check(language: &str, code: &str, expected: &str) {
        let language = find(language).unwrap();
        let mut out = String::new();
        for (class, text) in spans(language, code) {
            match class.name() {
                Some(name) => out.push_str(&format!("{}({text})", &name[1..])),
                None => out.push_str(text),
            }
        }
        assert_eq!(out, expected);
    }

    #[test]
    fn rust() {
        check(
            "rust",
            "fn main() { let x: u8 = 0x1f; } // end",
            "k(fn) f(main)() { k(let) x: t(u8) = n(0x1f); } c(// end)",
        );
        check("rust", "let r = r#\"a \"b\" c\"#;", "k(let) r = s(r#\"a \"b\" c\"#);");
        check("rust", "#[derive(Debug)]\nstruct A<'a>;", "m(#[derive(Debug)])\nk(struct) t(A)<'a>;");
        check("rust", "for i in 0..10 {}", "k(for) i k(in) n(0)..n(10) {}");
        check("rust", "/* never closed\nfn", "c(/* never closed\nfn)");
    }

    #[test]
    fn others() {
        check(
            "python",
            "def f(x): # hi\n  return \"\"\"a\nb\"\"\"",
            "k(def) f(f)(x): c(# hi)\n  k(return) s(\"\"\"a\nb\"\"\")",
        );
        check("python", "@cache\nx = 'it\\'s'", "m(@cache)\nx = s('it\\'s')");
        check("sql", "SELECT 'a' FROM t -- x", "k(SELECT) s('a') k(FROM) t c(-- x)");
        check("bash", "echo \"$HOME\" # $#\nls $1", "k(echo) s(\"$HOME\") c(# $#)\nls m($1)");
        check("json", "{\"a\": [1, true]}", "{s(\"a\"): [n(1), k(true)]}");
        check("c", "#include <a.h>\nint x;", "m(#include) <a.h>\nt(int) x;");
        check("html", "<a href=\"x\">&amp; b</a>", "k(<a) t(href)=s(\"x\")k(>)n(&amp;) bk(</a)k(>)");
        check("diff", "@@ 1\n-a\n+b\n c", "m(@@ 1\n)r(-a\n)a(+b\n) c");
        check("javascript", "const s = `a\n${b}`;", "k(const) s = s(`a\n${b}`);");
    }

    /// Unclosed openings must not make each opening search to the end again.
    #[test]
    fn a_megabyte_of_openings_is_read_in_one_pass() {
        for (language, opening) in [
            ("haskell", "{- "),
            ("html", "<!-"),
            ("html", "<a '"),
            ("lua", "[["),
            ("c", "/*"),
            ("rust", "#[["),
        ] {
            let code = opening.repeat(1_000_000 / opening.len());
            let started = std::time::Instant::now();
            let total: usize = spans(find(language).unwrap(), &code).iter().map(|(_, text)| text.len()).sum();
            assert_eq!(total, code.len());
            assert!(started.elapsed().as_secs() < 5, "{language} took {:?}", started.elapsed());
        }
    }

    proptest! {
        #[test]
        fn text_is_never_changed(code in "(?s)([a-zA-Z0-9_]|[\"'`#/*<>{}\\[\\]()@$%&;:!?.+\\\\ \n\t-]|é|漢|🙂){0,200}", pick in 0_usize..200) {
            let names = ["rust", "python", "js", "ruby", "php", "lua", "sql", "bash", "json", "yaml", "toml", "css", "html", "diff", "c", "cpp", "haskell", "latex", "batch", "nix"];
            let language = find(names[pick % names.len()]).unwrap();
            let joined: String = spans(language, &code).iter().map(|(_, text)| *text).collect();
            prop_assert_eq!(joined, code);
        }
    }
}
