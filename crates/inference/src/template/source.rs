//! What is done to a template's text before it is parsed.

use super::Error;

/// The text with `{% generation %}` (which only marks what a model said, for training) as a plain block, in
/// the same place, and with Unix ends of lines.
///
/// # Errors
/// [`Error::TooMuch`] for single tags and chains of `elif` that no author writes: parsers recurse on them.
pub(super) fn prepared(source: &str) -> Result<String, Error> {
    // As Jinja does, whatever the machine was that the template was written on.
    let source = &source.replace("\r\n", "\n").replace('\r', "\n");
    let mut text = source.as_bytes().to_vec();
    let mut at = 0;
    let mut branches = 0;
    while let Some(tag) = next_tag(source, at) {
        let inside = &source[tag.start + 2..tag.end];
        let parts = parts(inside);
        if parts > PARTS_MAX {
            return Err(Error::TooMuch { what: "names and signs in one tag", limit: PARTS_MAX as u64 });
        }
        if tag.kind == Kind::Block {
            let word_at =
                tag.start + 2 + inside.len() - inside.trim_start_matches(['-', '+']).trim_start().len();
            let word = source[word_at..].split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next();
            match word.unwrap_or_default() {
                "generation" => text[word_at..word_at + 10].copy_from_slice(b"with      "),
                "endgeneration" => text[word_at..word_at + 13].copy_from_slice(b"endwith      "),
                "elif" => {
                    branches += 1;
                    if branches > BRANCHES_MAX {
                        return Err(Error::TooMuch { what: "branches", limit: BRANCHES_MAX as u64 });
                    }
                }
                "raw" => {
                    at = end_of_raw(source, tag.end);
                    continue;
                }
                _ => {}
            }
        }
        at = tag.end;
    }
    // Only ASCII was replaced by ASCII.
    String::from_utf8(text).map_err(|_| Error::Syntax { line: 1, reason: "not text".to_owned() })
}

struct Tag {
    kind: Kind,
    start: usize,
    /// Where what is inside ends: at the closing sign, or at the end of a text that has none.
    end: usize,
}

#[derive(PartialEq)]
enum Kind {
    Block,
    Other,
}

fn next_tag(source: &str, from: usize) -> Option<Tag> {
    let bytes = source.as_bytes();
    let mut at = from;
    loop {
        at += source.get(at..)?.find('{')?;
        match bytes.get(at + 1)? {
            b'#' => at = source[at + 2..].find("#}").map(|end| at + 2 + end + 2)?,
            b'%' => return Some(Tag { kind: Kind::Block, start: at, end: end_of_tag(source, at + 2, "%}") }),
            b'{' => return Some(Tag { kind: Kind::Other, start: at, end: end_of_tag(source, at + 2, "}}") }),
            _ => at += 1,
        }
    }
}

/// Where the closing sign stands, which may also stand in quotes without closing anything.
fn end_of_tag(source: &str, from: usize, close: &str) -> usize {
    let bytes = source.as_bytes();
    let mut at = from;
    let mut depth = 0_usize;
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'"' | b'\'') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += 1 + usize::from(bytes[at] == b'\\');
                }
            }
            _ if depth == 0 && bytes[at..].starts_with(close.as_bytes()) => return at,
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b'%' if bytes.get(at + 1) == Some(&b'}') => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn end_of_raw(source: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(open) = source[at..].find("{%") {
        let inside = &source[at + open + 2..];
        at += open + 2;
        if inside.trim_start_matches(['-', '+']).trim_start().starts_with("endraw") {
            return at;
        }
    }
    source.len()
}

/// Names, numbers, texts and signs, more or less.
fn parts(inside: &str) -> usize {
    let mut count = 0;
    let mut quote = None;
    let mut in_word = false;
    let mut escaped = false;
    for byte in inside.bytes() {
        if let Some(open) = quote {
            if escaped {
                escaped = false;
            } else if byte == b'\\' {
                escaped = true;
            } else if byte == open {
                quote = None;
            }
            continue;
        }
        let word = byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
        if word {
            count += usize::from(!in_word);
        } else if !byte.is_ascii_whitespace() {
            count += 1;
            if matches!(byte, b'"' | b'\'') {
                quote = Some(byte);
            }
        }
        in_word = word;
    }
    count
}

/// A hundred times what the longest tag of any known template has.
const PARTS_MAX: usize = 4_000;
/// Ten times what any known template has.
const BRANCHES_MAX: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_for_training_become_plain_blocks() {
        let check = |source: &str, expected: &str| assert_eq!(prepared(source).unwrap(), expected);
        check("{% generation %}a{% endgeneration %}", "{% with       %}a{% endwith       %}");
        check("{%- generation -%}a{%+endgeneration+%}", "{%- with       -%}a{%+endwith      +%}");
        check("{{ '{% generation %}' }}", "{{ '{% generation %}' }}");
        check("{# {% generation %} #}", "{# {% generation %} #}");
        check("{% raw %}{% generation %}{% endraw %}", "{% raw %}{% generation %}{% endraw %}");
        check("{% generations %}", "{% generations %}");
    }

    #[test]
    fn tags_that_recurse_too_deeply_are_refused() {
        let check = |source: &str| assert!(matches!(prepared(source), Err(Error::TooMuch { .. })));
        check(&format!("{{{{ x{} }}}}", "|e".repeat(4_000)));
        check(&format!("{{% if x %}}{}{{% endif %}}", "{% elif x %}".repeat(501)));
    }
}
