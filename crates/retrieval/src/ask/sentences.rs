//! A text taken apart into sentences.

use std::ops::Range;

/// Returns where the sentences of a text stand, in order: from letter to full stop, without the space between them. A line
/// that is empty or begins a list ends a sentence, too.
pub(super) fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut begins = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let after = at + c.len_utf8();
        let ends = match c {
            '。' | '！' | '？' => true,
            '.' | '!' | '?' | '…' => {
                // Closing quotes, brackets and citations belong to the sentence.
                let rest = &text[after..];
                let closed = rest.trim_start_matches(['"', '\'', '”', '’', ')', ']', '»']);
                let closed = past_citations(closed);
                closed.is_empty()
                    || closed.starts_with(char::is_whitespace) && !is_short(&text[begins..at], c, closed)
            }
            '\n' => begins_anew(&text[after..]),
            _ => false,
        };
        if !ends {
            continue;
        }
        let mut end = after;
        if c != '\n' {
            let rest = &text[after..];
            let closed = rest.trim_start_matches(['"', '\'', '”', '’', ')', ']', '»']);
            end += rest.len() - past_citations(closed).len();
            while chars.next_if(|(next, _)| *next < end).is_some() {}
        }
        push(text, begins..end, &mut found);
        begins = end;
    }
    push(text, begins..text.len(), &mut found);
    found
}

/// Passes over `[1]`, `[2, 3]` and the space before them.
fn past_citations(mut text: &str) -> &str {
    loop {
        let inner = text.trim_start_matches(' ');
        let Some(rest) = inner.strip_prefix('[') else { return text };
        let Some((numbers, rest)) = rest.split_once(']') else { return text };
        if numbers.is_empty() || !numbers.chars().all(|c| c.is_ascii_digit() || c == ',' || c == ' ') {
            return text;
        }
        text = rest;
    }
}

/// A full stop behind a single letter, a number or a known short form ends no sentence where it goes on in lower case or
/// with a number.
fn is_short(before: &str, stop: char, after: &str) -> bool {
    if stop != '.' {
        return false;
    }
    let word = before.rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    let next = after.trim_start().chars().next();
    let goes_on = next.is_some_and(|c| c.is_lowercase() || c.is_ascii_digit());
    let letters = word.chars().count();
    // A number in front of a list's item.
    if before.trim().chars().all(|c| c.is_ascii_digit()) {
        return true;
    }
    let initial = letters == 1 && word.chars().all(char::is_uppercase);
    initial || SHORT.contains(&word) || goes_on && (letters <= 3 || word.contains('.'))
}

fn begins_anew(rest: &str) -> bool {
    let line = rest.trim_start_matches([' ', '\t']);
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    line.starts_with(['\n', '-', '*', '•', '#', '|', '>'])
        || number.len() < line.len() && number.starts_with(['.', ')'])
}

fn push(text: &str, range: Range<usize>, found: &mut Vec<Range<usize>>) {
    let part = &text[range.clone()];
    let begins = range.start + (part.len() - part.trim_start().len());
    let ends = range.start + part.trim_end().len();
    if begins < ends && text[begins..ends].chars().any(char::is_alphanumeric) {
        found.push(begins..ends);
    }
}

const SHORT: &[&str] = &[
    "Dr", "Mr", "Mrs", "Ms", "Prof", "St", "vs", "cf", "Fig", "No", "Nr", "pp", "e.g", "i.e", "etc", "z.B",
    "bzw", "al",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = sentences(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn sentences_end_where_readers_think() {
        check("", &[]);
        check("One. Two! Three?", &["One.", "Two!", "Three?"]);
        check("It costs 3.50 a kilo. Dr. Gray said so.", &["It costs 3.50 a kilo.", "Dr. Gray said so."]);
        check("He said \"Go.\" Then left.", &["He said \"Go.\"", "Then left."]);
        check("A title\n\nThe text goes\non here.", &["A title", "The text goes\non here."]);
        check("Take:\n- flour\n- salt\n1. Mix.", &["Take:", "- flour", "- salt", "1. Mix."]);
        check("東京です。京都です。", &["東京です。", "京都です。"]);
    }

    #[test]
    fn citations_belong_to_the_sentence_before() {
        check("It rises. [1] It sinks [2]. End [1, 2].", &["It rises. [1]", "It sinks [2].", "End [1, 2]."]);
        check("See a[i]. Then b.", &["See a[i].", "Then b."]);
    }
}
