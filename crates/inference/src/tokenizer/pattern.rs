//! The regular expressions that cut text into words, in bounded time.
//!
//! What pre-tokenizers are written in: alternatives, classes with Unicode properties, greedy, lazy and possessive
//! repetition, looking ahead and one character back. No captures, no references back.
//!
//! It goes back and tries again as the engines do that these expressions were written for, so that the first
//! alternative that fits wins, not the longest. What it does not do is to go back for ever: there are
//! [`STEPS_PER_BYTE`] steps for each byte of a text, and what is left of it when they are used up is one word. The
//! expressions of models that are known need three or four, whatever the text.

mod class;
mod parse;
mod program;

pub(super) use class::Class;
use program::{Exhausted, Program};

/// A regular expression.
#[derive(Debug)]
pub(super) struct Pattern(Program);

/// Why an expression is not understood.
#[derive(Debug, thiserror::Error)]
#[error("{what} in the regular expression {source_text:?} (byte {at})")]
pub struct Error {
    what: &'static str,
    source_text: String,
    at: usize,
}

const STEPS_PER_BYTE: u64 = 256;
/// So that short texts may need more for each byte.
const STEPS_LEAST: u64 = 100_000;

impl Pattern {
    pub(super) fn new(source: &str) -> Result<Self, Error> {
        let failed = |(what, at): (&'static str, usize)| Error {
            what,
            source_text: source.chars().take(200).collect(),
            at,
        };
        let parsed = parse::parse(source).map_err(failed)?;
        Program::new(parsed).map(Self).map_err(|what| failed((what, 0)))
    }

    /// Cuts a text into what fits (`true`) and what lies between (`false`), all of it and in order, nothing empty.
    pub(super) fn split<'text>(&self, text: &'text str, piece: &mut dyn FnMut(&'text str, bool)) {
        let mut steps = (text.len() as u64).saturating_mul(STEPS_PER_BYTE).max(STEPS_LEAST);
        let mut stack = Vec::new();
        let (mut at, mut told) = (0, 0);
        while at < text.len() {
            match self.0.run(text, at, &mut steps, &mut stack) {
                Ok(Some(end)) => {
                    if told < at {
                        piece(&text[told..at], false);
                    }
                    if at < end {
                        piece(&text[at..end], true);
                    }
                    told = end.max(at);
                    at = if end > at { end } else { next(text, at) };
                }
                Ok(None) => at = self.0.next_start(text, at),
                Err(Exhausted) => break,
            }
        }
        if told < text.len() {
            piece(&text[told..], false);
        }
    }
}

/// Returns where the character after the one at `at` begins.
fn next(text: &str, at: usize) -> usize {
    at + text[at..].chars().next().map_or(1, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What fits stands in brackets.
    fn check(pattern: &str, text: &str, expected: &str) {
        let mut found = String::new();
        Pattern::new(pattern).unwrap().split(text, &mut |piece, fits| {
            found += &if fits { format!("[{piece}]") } else { piece.to_owned() };
        });
        assert_eq!(found, expected, "{pattern}");
    }

    #[test]
    fn classes_and_alternatives() {
        check("a|ab", "abab", "[a]b[a]b");
        check("[a-c]+", "xabcx", "x[abc]x");
        check(r"\p{L}+|\p{N}{1,3}", "añ1234", "[añ][123][4]");
        check(r"[^\s\p{L}]", "a 1", "a [1]");
        check(r"[\p{L}&&[^a-z]]+", "aÄBc", "a[ÄB]c");
        check(r"(?i:'s|'LL)|(?i)x", "'S'll'sX", "['S]['ll]['s][X]");
        check(r"\x{41}|\.|é", "A.é", "[A][.][é]");
        check(".", "a\n", "[a]\n");
        check("", "ab", "ab");
    }

    #[test]
    fn repetition() {
        check("a*b", "aaab", "[aaab]");
        check("a+?", "aa", "[a][a]");
        check("a{2}", "aaaaa", "[aa][aa]a");
        check("a{2,}", "aaaaa", "[aaaaa]");
        check("a{1,2}a", "aaaa", "[aaa]a");
        check("a?+a", "a", "a");
        check("a++b", "aab", "[aab]");
        check("(?:ab){1,2}c?", "ababab", "[abab][ab]");
        check("(?:ab)*c", "ababc", "[ababc]");
        check("(?>a+)a", "aaa", "aaa");
        check("(?:a|b)+?c", "abc", "[abc]");
        check("(?:ab|a)(?:bc|c)", "abc", "[abc]");
    }

    #[test]
    fn looking_around() {
        check(r"\s+(?!\S)|\s+", "a   b  ", "a[  ][ ]b[  ]");
        check(r"a(?=b)", "abac", "[a]bac");
        check(r"(?<!a)b|(?<=c)d", "abbcd", "ab[b]c[d]");
        check(r"\bx", "x ax", "[x] ax");
        check(r"^a|a$", "aaa", "[a]a[a]");
        check(r"\d{1,3}(?=(?:\d{3})*\b)", "36½ 1234. 12a", "36½ [1][234]. 12a");
        check(r"(?=(\d{3})+(?!\d))", "1234567", "1234567");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (pattern, what) in [
            ("(a", "a group has no end"),
            ("a)", "a parenthesis closes nothing"),
            ("[a", "a class has no end"),
            ("*", "nothing is repeated"),
            (r"\p{Unheard}", "a class is not known"),
            (r"(a)\1", "a class is not known"),
            ("(?:a*)*", "what may be empty is repeated without end"),
            ("(?m)a", "a flag is not supported"),
            ("a{2000}", "a repetition is too long"),
            ("a{2,1}", "a repetition is too long"),
            ("(?<=ab)c", "more than one character is looked back at"),
        ] {
            let error = Pattern::new(pattern).unwrap_err();
            assert_eq!(error.what, what, "{pattern}");
        }
        assert!(Pattern::new(&"(".repeat(100_000)).is_err());
        assert!(Pattern::new("(?:(?:ab){999}){999}").is_err());
    }

    #[test]
    fn nothing_takes_for_ever() {
        let evil = "a".repeat(20_000) + "!";
        for pattern in ["(?:a|a)+b", "(?:a+)+b", "a*a*a*b", "(?=a*b)a"] {
            let mut bytes = 0;
            Pattern::new(pattern).unwrap().split(&evil, &mut |piece, _| bytes += piece.len());
            assert_eq!(bytes, evil.len(), "{pattern}");
        }
    }
}
