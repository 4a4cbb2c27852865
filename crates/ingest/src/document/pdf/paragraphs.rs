//! Runs in reading order as text: lines that were broken for the page's sake are joined, hyphens of such breaks go.

use super::words::Run;

/// A line of the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Paragraph {
    pub(super) text: String,
    pub(super) size: f64,
    /// Of the page.
    pub(super) lines: usize,
    /// There is room above it.
    pub(super) apart: bool,
}

struct Open {
    paragraph: Paragraph,
    u0: f64,
    /// How far its longest line goes.
    most: f64,
    /// Of its last line.
    last: Line,
}

#[derive(Debug, Clone)]
struct Line {
    text: String,
    u0: f64,
    u1: f64,
    v: f64,
    size: f64,
    begins: bool,
    /// There are wide gaps in it: a row of a table.
    gaps: bool,
}

pub(super) fn paragraphs(runs: Vec<(Run, bool)>) -> Vec<Paragraph> {
    let lines = lines(runs);
    let mut done: Vec<Paragraph> = Vec::new();
    let mut open: Option<Open> = None;
    for line in lines {
        if let Some(open) = &mut open
            && open.goes_on(&line)
        {
            open.join(line);
            continue;
        }
        let drop = open.as_ref().map(|open| line.v - open.last.v);
        let apart = drop.is_none_or(|drop| !(0.0..1.7 * line.size).contains(&drop));
        done.extend(open.take().map(|open| open.paragraph));
        open = Some(Open {
            paragraph: Paragraph { text: line.text.clone(), size: line.size, lines: 1, apart },
            u0: line.u0,
            most: line.u1,
            last: line,
        });
    }
    done.extend(open.map(|open| open.paragraph));
    done
}

/// Joins the runs of a row.
fn lines(runs: Vec<(Run, bool)>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (run, begins) in runs {
        match lines.last_mut() {
            Some(line) if !begins && (run.v - line.v).abs() <= 0.4 * run.size.min(line.size) => {
                line.gaps = true;
                line.text.push(' ');
                line.text.push_str(&run.text);
                (line.u0, line.u1) = (line.u0.min(run.u0), line.u1.max(run.u1));
            }
            _ => {
                lines.push(Line {
                    text: run.text,
                    u0: run.u0,
                    u1: run.u1,
                    v: run.v,
                    size: run.size,
                    begins,
                    gaps: false,
                });
            }
        }
    }
    lines
}

impl Open {
    /// Whether a line is the next of the same paragraph: close beneath, of the same size, and the last one had no room for
    /// its first word.
    fn goes_on(&self, line: &Line) -> bool {
        let size = self.last.size.max(line.size);
        let drop = line.v - self.last.v;
        let alike =
            (self.last.size - line.size).abs() < 0.15 * size && (0.3 * size..1.75 * size).contains(&drop);
        let aligned = line.u0 < self.u0 + 3.0 * size && line.u0 > self.u0 - 5.0 * size;
        let first_word = line.text.split_whitespace().next().map_or(0, |word| word.chars().count());
        let room = self.most.max(line.u1) - self.last.u1;
        let full = room < (0.6 * first_word as f64 + 2.5) * size;
        let hyphen = hyphenated(&self.paragraph.text);
        let prose = !self.last.gaps && !line.gaps;
        prose
            && alike
            && aligned
            && (full || hyphen)
            && (!line.begins || hyphen || drop < 1.5 * size)
            && !begins_item(&line.text)
    }

    fn join(&mut self, line: Line) {
        let text = &mut self.paragraph.text;
        let small = line.text.chars().next().is_some_and(char::is_lowercase);
        if hyphenated(text) {
            if small || text.ends_with('\u{AD}') {
                text.pop();
            }
        } else if !(ends_dense(text) && line.text.chars().next().is_some_and(is_dense)) {
            text.push(' ');
        }
        text.push_str(&line.text);
        self.paragraph.lines += 1;
        self.most = self.most.max(line.u1);
        if self.paragraph.lines == 2 {
            self.u0 = self.u0.min(line.u0);
        }
        self.last = line;
    }
}

/// Whether a word goes on after the end of the line.
fn hyphenated(text: &str) -> bool {
    let mut letters = text.chars().rev();
    matches!(letters.next(), Some('-' | '\u{AD}' | '‐')) && letters.next().is_some_and(char::is_alphanumeric)
}

fn ends_dense(text: &str) -> bool {
    text.chars().next_back().is_some_and(is_dense)
}

fn is_dense(letter: char) -> bool {
    matches!(letter, '\u{2E80}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FFEF}')
}

/// `•`, `–`, `1.`, `(a)`: an item of a list.
fn begins_item(text: &str) -> bool {
    let first = text.split_whitespace().next().unwrap_or_default();
    let bullet = matches!(first, "•" | "·" | "▪" | "■" | "●" | "○" | "◦" | "–" | "-" | "*" | "►" | "✓");
    let core = first.trim_start_matches('(');
    let numbered = first.len() > 1
        && core.len() <= 4
        && core.ends_with(['.', ')'])
        && (core[..core.len() - 1].bytes().all(|byte| byte.is_ascii_digit())
            || (core.len() == 2 && core.ends_with(')')));
    bullet || numbered
}
