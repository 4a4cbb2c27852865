//! What goes to stdout: text for people, or one JSON object per line for programs.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use serde::Serialize;

/// Stdout, with or without colour, for people or for programs.
pub(crate) struct Output {
    /// Programs read it: one JSON object per line and nothing else.
    pub(crate) json: bool,
    colour: bool,
    out: BufWriter<StdoutLock<'static>>,
}

/// How a piece of text stands out where colour is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Strong,
    Faint,
    Match,
    Good,
    Bad,
}

impl Output {
    /// Colour is shown on a terminal unless `NO_COLOR` is set (<https://no-color.org>) or the terminal is dumb.
    pub(crate) fn new(json: bool) -> Self {
        let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
        let capable = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let colour = !json && io::stdout().is_terminal() && unset("NO_COLOR") && capable;
        Self { json, colour, out: BufWriter::new(io::stdout().lock()) }
    }

    /// Writes a line of text.
    pub(crate) fn line(&mut self, text: impl std::fmt::Display) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// Writes text as it stands.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())
    }

    /// Writes bytes as they stand.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    /// Writes one JSON object on a line of its own.
    pub(crate) fn object(&mut self, object: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, object)?;
        self.out.write_all(b"\n")
    }

    /// Writes what is still held back.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Returns `text` dressed in `style`, or as it is where no colour is shown.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match style {
            Style::Strong => "1",
            Style::Faint => "2",
            Style::Match => "1;33",
            Style::Good => "32",
            Style::Bad => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Returns `text` with the ranges of bytes in `marks` standing out. Ranges that do not fit are passed over.
    pub(crate) fn mark(&self, text: &str, marks: &[std::ops::Range<usize>], rest: Option<Style>) -> String {
        let plain = |part: &str| match rest {
            Some(style) => self.paint(style, &tame(part)),
            None => tame(part),
        };
        let mut marked = String::with_capacity(text.len() + marks.len() * 10);
        let mut done = 0;
        for mark in marks {
            let Some((before, hit)) = text.get(done..mark.start).zip(text.get(mark.clone())) else {
                continue;
            };
            marked += &plain(before);
            marked += &self.paint(Style::Match, &tame(hit));
            done = mark.end;
        }
        marked + &plain(text.get(done..).unwrap_or_default())
    }
}

/// Takes the power over the terminal from foreign text: control characters other than line ends and tabs
/// become visible.
pub(crate) fn tame(text: &str) -> String {
    let dangerous = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(dangerous) {
        return text.to_owned();
    }
    text.chars().filter(|c| *c != '\r').map(|c| if dangerous(c) { '\u{fffd}' } else { c }).collect()
}

/// Returns `text` on one line, cut after `max` characters.
pub(crate) fn one_line(text: &str, max: usize) -> String {
    let mut line: String = tame(text).split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = line.char_indices().nth(max) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

/// Returns a number with its thousands set apart: `1,048,576`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Returns `1 conversation`, `2 conversations`.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// Returns a size as people say it: `12.4 MB`.
pub(crate) fn bytes(size: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut amount = size as f64;
    let mut unit = 0;
    while amount >= 1000.0 && unit + 1 < units.len() {
        amount /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{size} B") } else { format!("{amount:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"].map(str::to_owned)
        );
        assert_eq!((counted(1, "message"), counted(2, "message")), ("1 message".into(), "2 messages".into()));
        assert_eq!([999, 12_400_000].map(bytes), ["999 B".to_owned(), "12.4 MB".to_owned()]);
    }

    #[test]
    fn foreign_text_has_no_power_over_the_terminal() {
        assert_eq!(tame("a\x1b[2Jb\r\n\tc\u{9b}"), "a\u{fffd}[2Jb\n\tc\u{fffd}");
        assert_eq!(one_line("  a\n\n b  c", 4), "a b …");
    }

    #[test]
    fn marks_that_do_not_fit_are_passed_over() {
        let output = Output { json: false, colour: true, out: BufWriter::new(io::stdout().lock()) };
        assert_eq!(output.mark("größe", &[2..4, 1..99], None), "gr\u{1b}[1;33mö\u{1b}[0mße");
        assert_eq!(output.mark("größe", std::slice::from_ref(&(3..4)), None), "größe");
    }
}
