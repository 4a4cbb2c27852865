/// Puts `text` between fences that are longer than any run of backticks in it.
pub(super) fn fenced(text: &str, language: &str, out: &mut String) {
    let fence = "`".repeat(longest_run(text).max(2) + 1);
    let language: String =
        language.chars().take_while(|c| c.is_alphanumeric() || "+-#._".contains(*c)).take(40).collect();
    out.push_str(&fence);
    out.push_str(&language);
    out.push('\n');
    out.push_str(text);
    if !text.ends_with('\n') && !text.is_empty() {
        out.push('\n');
    }
    out.push_str(&fence);
    out.push('\n');
}

/// Returns the fence that closes the code block which `text` leaves open, as CommonMark §4.5 reads it: up to
/// three spaces, three or more backticks or tildes, closed by at least as many of the same.
pub(super) fn left_open(text: &str) -> Option<String> {
    let mut open: Option<(char, usize)> = None;
    for line in text.lines() {
        let body = line.trim_start_matches(' ');
        let indent = line.len() - body.len();
        let Some(mark) = body.chars().next().filter(|mark| matches!(mark, '`' | '~')) else { continue };
        let length = body.chars().take_while(|&c| c == mark).count();
        let info = &body[length..];
        if indent > 3 || length < 3 {
            continue;
        }
        open = match open {
            None if mark == '`' && info.contains('`') => None,
            None => Some((mark, length)),
            Some((by, least)) if by == mark && length >= least && info.trim().is_empty() => None,
            still => still,
        };
    }
    open.map(|(mark, length)| mark.to_string().repeat(length))
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_outgrows_what_it_holds() {
        let check = |text: &str, expected: &str| {
            let mut out = String::new();
            fenced(text, "rust,ignore", &mut out);
            assert_eq!(out, expected);
        };
        check("a", "```rust\na\n```\n");
        check("a ```` b\n", "`````rust\na ```` b\n`````\n");
        check("", "```rust\n```\n");
    }

    #[test]
    fn an_open_fence_is_seen() {
        assert_eq!(left_open("text\n```py\nprint()"), Some("```".into()));
        assert_eq!(left_open("~~~~\n```\n~~~"), Some("~~~~".into()));
        assert_eq!(left_open("```\ncode\n```\nafter"), None);
        assert_eq!(left_open("inline ``` is none\n    ```\n``` no`fence"), None);
    }
}
