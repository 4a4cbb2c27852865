//! Formulas between `\(`…`\)` and `\[`…`\]`, as models write them, in the dollar form that the parser reads.

use std::borrow::Cow;

/// Returns `source` with TeX's bracket delimiters replaced by dollars. Code, fenced or between backticks, and
/// brackets that do not close within their paragraph stay as they are.
pub(super) fn with_dollars(source: &str) -> Cow<'_, str> {
    if !source.contains("\\(") && !source.contains("\\[") {
        return Cow::Borrowed(source);
    }
    let mut out = String::with_capacity(source.len());
    let mut fence: Option<&str> = None;
    let mut paragraph = String::new();
    for line in source.split_inclusive('\n') {
        let trimmed = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| trimmed.starts_with(mark));
        let closes = fence.is_some() && fence == mark;
        if mark.is_some() && (fence.is_none() || closes) {
            replace(&mut out, &paragraph);
            paragraph.clear();
            fence = if closes { None } else { mark };
            out.push_str(line);
        } else if fence.is_some() {
            out.push_str(line);
        } else {
            paragraph.push_str(line);
            if trimmed.is_empty() {
                replace(&mut out, &paragraph);
                paragraph.clear();
            }
        }
    }
    replace(&mut out, &paragraph);
    Cow::Owned(out)
}

/// Replaces the delimiters of one paragraph.
fn replace(out: &mut String, paragraph: &str) {
    let mut rest = paragraph;
    let (mut inline_left, mut display_left, mut code_left) = (true, true, true);
    while let Some(at) = rest.find(['\\', '`']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (length, formula) = if rest.starts_with('`') {
            (code_length(rest, &mut code_left), None)
        } else if rest.starts_with("\\(") && inline_left {
            delimited(rest, "\\)", "$", &mut inline_left)
        } else if rest.starts_with("\\[") && display_left {
            delimited(rest, "\\]", "$$", &mut display_left)
        } else {
            (1 + rest[1..].chars().next().map_or(0, char::len_utf8), None)
        };
        match formula {
            Some(formula) => out.push_str(&formula),
            None => out.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    out.push_str(rest);
}

/// Returns how much to take and, where the delimiter closes, the formula in its new delimiters.
fn delimited(rest: &str, close: &str, dollars: &str, left: &mut bool) -> (usize, Option<String>) {
    let Some(length) = rest[2..].find(close) else {
        *left = false;
        return (2, None);
    };
    let formula = rest[2..2 + length].trim();
    if formula.is_empty() || formula.contains('$') {
        return (2, None);
    }
    (length + 4, Some(format!("{dollars}{formula}{dollars}")))
}

fn code_length(rest: &str, left: &mut bool) -> usize {
    let ticks = rest.len() - rest.trim_start_matches('`').len();
    if !*left {
        return ticks;
    }
    match rest[ticks..].find(&rest[..ticks]) {
        Some(length) => ticks + length + ticks,
        None => {
            *left = false;
            ticks
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, expected: &str) {
        assert_eq!(with_dollars(source), expected);
    }

    #[test]
    fn brackets_become_dollars_outside_code() {
        check("so \\( a+b \\) is", "so $a+b$ is");
        check("\\[\nx = 1\n\\]\n", "$$x = 1$$\n");
        check("`\\(a\\)` and \\(b\\)", "`\\(a\\)` and $b$");
        check("```\n\\(a\\)\n```\n\\(b\\)", "```\n\\(a\\)\n```\n$b$");
        check("an open \\( one\n\nand \\) here", "an open \\( one\n\nand \\) here");
        check("\\(cost $5\\)", "\\(cost $5\\)");
        check("trailing \\", "trailing \\");
        check("\\漢 \\(", "\\漢 \\(");
    }
}
