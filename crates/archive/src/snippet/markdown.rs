//! Markdown's signs: what stands in a message and is not read in it.
//!
//! Not a parser of Markdown: a passage begins and ends anywhere, so each line is looked at by itself, and what is
//! in doubt stays as typed. Text within fences and backticks is left alone.

use std::ops::Range;

/// A part of a text that is not read as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sign {
    /// In the text, in bytes; not empty.
    pub(super) range: Range<usize>,
    /// What is read in its place; white space folds.
    pub(super) instead: &'static str,
    /// Words of it that are read after all where they are what was looked for: the address of a link, the language
    /// of a fence.
    words: Option<Words>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Words {
    range: Range<usize>,
    before: &'static str,
    after: &'static str,
}

/// Stands before the cells of a table.
const CELL: &str = " · ";

/// Stands before the points of a list.
const POINT: &str = " • ";

/// Tells whether `c` only sets apart what is on either side of it.
pub(super) fn sets_apart(c: char) -> bool {
    matches!(c, '·' | '•')
}

/// Returns the signs in `region`, ascending and disjoint. Linear in the text up to the end of the region, which
/// is read further only from its beginning on.
pub(super) fn signs(text: &str, region: Range<usize>) -> Vec<Sign> {
    let mut fence = None;
    let (before, within) = text[..region.end].split_at(region.start);
    let partial = before.rfind('\n').map_or(0, |index| index + 1);
    for line in before[..partial].split_inclusive('\n') {
        let (_, content) = unquoted(line);
        fence = after_line(fence, &line[content..]).0;
    }
    let mut line = Line { text, signs: Vec::new(), is_cut: false };
    let mut at = region.start;
    for part in within.split_inclusive('\n') {
        let range = at..at + part.trim_end_matches(['\n', '\r']).len();
        at += part.len();
        line.is_cut = range.end == region.end && region.end < text.len();
        if range.start == partial || range.start > region.start {
            fence = line.block(range, fence);
        } else if fence.is_none() {
            line.inline(range, false);
        }
    }
    let mut signs = line.signs;
    signs.sort_unstable_by_key(|sign| (sign.range.start, sign.range.end));
    signs.dedup_by(|later, earlier| later.range.start < earlier.range.end);
    signs
}

/// Lets the words of signs be read that `marks` (ascending) stand on.
pub(super) fn uncover(signs: Vec<Sign>, marks: &[Range<usize>]) -> Vec<Sign> {
    let mut kept = Vec::with_capacity(signs.len());
    for sign in signs {
        let Sign { range, instead, words } = sign;
        match words {
            Some(words) if meets(&words.range, marks) => {
                kept.push(Sign { range: range.start..words.range.start, instead: words.before, words: None });
                kept.push(Sign { range: words.range.end..range.end, instead: words.after, words: None });
            }
            words => kept.push(Sign { range, instead, words }),
        }
    }
    kept.retain(|sign| !sign.range.is_empty());
    kept
}

fn meets(range: &Range<usize>, marks: &[Range<usize>]) -> bool {
    let after = marks.partition_point(|mark| mark.end <= range.start);
    marks.get(after).is_some_and(|mark| mark.start < range.end)
}

/// An open fence: its sign and how often it stands.
type Fence = Option<(u8, usize)>;

/// Returns what is open after a line without its quote marks, and whether the line is a fence.
fn after_line(open: Fence, line: &str) -> (Fence, bool) {
    let line = line.trim();
    let Some(&sign @ (b'`' | b'~')) = line.as_bytes().first() else { return (open, false) };
    let count = line.bytes().take_while(|&byte| byte == sign).count();
    let rest = &line[count..];
    match open {
        Some((opened, least)) if opened == sign && count >= least && rest.is_empty() => (None, true),
        None if count >= 3 && !rest.contains('`') => (Some((sign, count)), true),
        open => (open, false),
    }
}

/// Returns how many marks of a quotation begin the line, and where it goes on.
fn unquoted(line: &str) -> (usize, usize) {
    let mut quotes = 0;
    for (index, c) in line.char_indices() {
        match c {
            '>' => quotes += 1,
            ' ' | '\t' => {}
            _ => return (quotes, index),
        }
    }
    (quotes, line.len())
}

/// Collects the signs of lines.
struct Line<'t> {
    text: &'t str,
    signs: Vec<Sign>,
    /// The line goes on beyond the region.
    is_cut: bool,
}

impl Line<'_> {
    /// Takes a whole line, with what is open before it; returns what is open after it.
    fn block(&mut self, line: Range<usize>, open: Fence) -> Fence {
        let text = self.text;
        let (quotes, offset) = unquoted(&text[line.clone()]);
        let (fence, is_fence) = after_line(open, &text[line.start + offset..line.end]);
        if open.is_some() && !is_fence {
            return fence;
        }
        if quotes > 0 {
            self.sign(line.start..line.start + offset, "");
        }
        let start = line.start + offset;
        let content = text[start..line.end].trim_end();
        let end = start + content.len();
        if is_fence {
            let words = content.trim_start_matches(['`', '~']).trim_start();
            let words = Words { range: end - words.len()..end, before: " ", after: " " };
            self.signs.push(Sign { range: start..end, instead: " ", words: Some(words) });
        } else if is_rule(content) || is_rule_of_table(content) {
            self.sign(start..end, " ");
        } else {
            let is_table = content.len() > 1 && content.starts_with('|') && content.ends_with('|');
            let begin = self.beginning(start..end);
            self.inline(begin..end, is_table);
        }
        fence
    }

    /// Takes what says that a line is a heading or a point of a list; returns where its text begins.
    fn beginning(&mut self, line: Range<usize>) -> usize {
        let content = &self.text[line.clone()];
        let hashes = content.bytes().take_while(|&byte| byte == b'#').count();
        let (length, instead) = match content.as_bytes() {
            _ if (1..=6).contains(&hashes) => (hashes, " "),
            [b'-' | b'*' | b'+', ..] => (1, POINT),
            _ => return line.start,
        };
        let after = &content[length..];
        let spaces = after.len() - after.trim_start_matches([' ', '\t']).len();
        if spaces == 0 {
            return line.start;
        }
        self.sign(line.start..line.start + length, instead);
        line.start + length + spaces
    }

    /// Takes the signs within a line: emphasis, code, links, escapes, and the bars of a table.
    fn inline(&mut self, line: Range<usize>, is_table: bool) {
        let bytes = self.text.as_bytes();
        let mut open: Vec<(u8, Range<usize>)> = Vec::new();
        let mut brackets = Vec::new();
        let mut without_end = 0;
        let mut no_code = [false; CODE_RUN_MAX + 1];
        let mut at = line.start;
        while let Some(offset) = bytes[at..line.end].iter().position(|byte| SIGNS.contains(byte)) {
            at += offset;
            let byte = bytes[at];
            let mut run = at..at + 1;
            while run.end < line.end && bytes[run.end] == byte {
                run.end += 1;
            }
            at += 1;
            match byte {
                b'\\' if line.contains(&at) && b"*_#`~|[]".contains(&bytes[at]) => {
                    self.sign(at - 1..at, "");
                    at += 1;
                }
                b'`' => {
                    at = run.end;
                    if run.len() <= CODE_RUN_MAX && !no_code[run.len()] {
                        match self.code_end(run.end..line.end, run.len()) {
                            Some(end) => {
                                at = end.end;
                                self.sign(run, "");
                                self.sign(end, "");
                            }
                            None => no_code[run.len()] = true,
                        }
                    }
                }
                b'*' | b'_' | b'~' => {
                    at = run.end;
                    self.emphasis(byte, run, &line, &mut open);
                }
                b'[' if brackets.len() < OPEN_MAX => brackets.push(at - 1),
                b']' => {
                    let Some(begin) = brackets.pop() else { continue };
                    if !line.contains(&at) || bytes[at] != b'(' || without_end > WITHOUT_END_MAX {
                        continue;
                    }
                    let Some(end) = self.address_end(at + 1..line.end) else {
                        without_end += 1;
                        continue;
                    };
                    let is_image = begin > line.start && bytes[begin - 1] == b'!';
                    self.sign(begin - usize::from(is_image)..begin + 1, "");
                    let after = if end < line.end { ")" } else { "" };
                    let words = Words { range: at + 1..end, before: " (", after };
                    let range = at - 1..(end + 1).min(line.end);
                    self.signs.push(Sign { range, instead: "", words: Some(words) });
                    at = (end + 1).min(line.end);
                }
                b'|' if is_table => self.sign(at - 1..at, CELL),
                b'<' => {
                    let tag = self.text.get(at..line.end.min(at + 5)).unwrap_or_default();
                    let length = ["br>", "br/>", "br />"].iter().find(|br| tag.starts_with(**br));
                    if let Some(length) = length.map(|br| br.len()) {
                        let range = at - 1..at + length;
                        let words = Words { range: range.clone(), before: "", after: "" };
                        self.signs.push(Sign { range, instead: " ", words: Some(words) });
                        at += length;
                    }
                }
                _ => {}
            }
        }
    }

    /// Finds the run of exactly `count` backticks that ends a piece of code.
    fn code_end(&self, rest: Range<usize>, count: usize) -> Option<Range<usize>> {
        let mut at = rest.start;
        loop {
            at += self.text[at..rest.end].find('`')?;
            let run = self.text[at..rest.end].bytes().take_while(|&byte| byte == b'`').count();
            if run == count {
                return Some(at..at + run);
            }
            at += run;
        }
    }

    /// Finds the parenthesis that ends the address of a link; the end of the region where that cuts it off.
    fn address_end(&self, rest: Range<usize>) -> Option<usize> {
        let mut depth = 0_usize;
        let mut end = None;
        for (offset, byte) in self.text[rest.clone()].bytes().enumerate() {
            match byte {
                b'(' => depth += 1,
                b')' if depth == 0 => {
                    end = Some(rest.start + offset);
                    break;
                }
                b')' => depth -= 1,
                _ => {}
            }
        }
        let end = end.or(self.is_cut.then_some(rest.end))?;
        let address = self.text[rest.start..end].trim();
        let title = address.split_once(char::is_whitespace).map_or("", |(_, title)| title.trim_start());
        let is_address = title.is_empty() || title.starts_with(['"', '\'', '(']) || address.starts_with('<');
        is_address.then_some(end)
    }

    fn emphasis(
        &mut self,
        sign: u8,
        run: Range<usize>,
        line: &Range<usize>,
        open: &mut Vec<(u8, Range<usize>)>,
    ) {
        let counts = if sign == b'~' { 2..=2 } else { 1..=3 };
        if !counts.contains(&run.len()) {
            return;
        }
        let text = self.text;
        let before = text[line.start..run.start].chars().next_back().unwrap_or(' ');
        let after = text[run.end..line.end].chars().next().unwrap_or(' ');
        // Part of a word, a power or a path: `snake_case`, `2**3`, `src/*/`.
        let is_letter = |c: char| if sign == b'_' { c.is_alphanumeric() } else { c.is_ascii_alphanumeric() };
        if (is_letter(before) && is_letter(after)) || before == '/' {
            return;
        }
        if !before.is_whitespace()
            && let Some(index) =
                open.iter().rposition(|(known, begin)| *known == sign && begin.len() == run.len())
        {
            let (_, begin) = open[index].clone();
            open.truncate(index);
            // `__init__` is a name.
            let inner = &text.as_bytes()[begin.end..run.start];
            let is_name = sign == b'_' && run.len() == 2 && inner.iter().all(u8::is_ascii_alphanumeric);
            if !is_name && !inner.is_empty() {
                self.sign(begin, "");
                self.sign(run, "");
            }
        } else if !after.is_whitespace() && open.len() < OPEN_MAX {
            open.push((sign, run));
        }
    }

    fn sign(&mut self, range: Range<usize>, instead: &'static str) {
        self.signs.push(Sign { range, instead, words: None });
    }
}

/// `---`, `* * *`, or the line under a heading.
fn is_rule(line: &str) -> bool {
    let Some(first) = line.chars().next() else { return false };
    matches!(first, '-' | '*' | '_' | '=')
        && line.chars().all(|c| c == first || c == ' ')
        && line.chars().filter(|&c| c == first).count() >= 3
}

/// `|---|:-:|`
fn is_rule_of_table(line: &str) -> bool {
    line.contains('|') && line.contains('-') && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '))
}

/// What signs within a line begin with.
const SIGNS: &[u8; 9] = b"\\`*_~[]|<";

/// Emphasis and links within each other.
const OPEN_MAX: usize = 16;

/// Backticks that begin a piece of code within a line.
const CODE_RUN_MAX: usize = 3;

/// Links of a line whose address has no end, beyond which none is looked for.
const WITHOUT_END_MAX: usize = 8;
