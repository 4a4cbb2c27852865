//! Cuts a JSON file into its records without holding the file.

mod container;
mod layout;
mod scan;
mod window;

use std::io::{self, Read};

use memchr::{memchr, memmem};
use serde_json::Value;

pub(crate) use self::container::Probe;
use self::{scan::Scan, window::Window};
use crate::sample::{Layout, glance};

/// The first stretch of a top-level object in which an array of records is looked for; doubled as needed.
const LOOKAHEAD: usize = 1 << 20;
/// Places tried when the next record is looked for behind a damaged one.
const CANDIDATES_MAX: usize = 10_000;

/// Cuts JSON into records: the elements of the top-level array or of an array inside the top-level object, lines,
/// or values one after the other. See [`Layout`].
pub(crate) struct Splitter<R> {
    window: Window<R>,
    state: State,
    /// Open objects around the elements: 0 for a top-level array.
    around: u32,
    layout: Layout,
    head: Value,
    values: u64,
    limits: Limits,
    /// Length of the piece handed out last; given up at the next call.
    handed: usize,
    /// How the first record begins, through its first key: how others will begin too.
    opening: Vec<u8>,
}

/// See the fields of the same names of [`crate::Options`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) record_bytes_max: usize,
    pub(crate) depth_max: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Elements,
    /// Behind an array of records, inside of the object around it.
    Members,
    Values,
    Lines,
    Ended,
}

/// What comes next in the file.
#[derive(Debug)]
pub(crate) enum Piece<'a> {
    Record { bytes: &'a [u8], offset: u64 },
    Fault { fault: Fault, offset: u64 },
}

/// Why a stretch of the file holds no record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("a record of {bytes} bytes is larger than the limit; raise the limit to read it")]
    TooLarge { bytes: u64 },
    #[error("brackets are nested {depth} deep")]
    TooDeep { depth: u32 },
    #[error("the file ends inside a record; the download may be incomplete")]
    Truncated,
    #[error("{bytes} bytes are damaged: a bracket or a quote is missing")]
    Unbalanced { bytes: u64 },
    #[error("the list of records is not closed; the download may be incomplete")]
    Unclosed,
    #[error("text that is not JSON: {0:?}")]
    Garbage(String),
    #[error("the file cannot be read further: {0}")]
    Read(io::Error),
}

enum Step {
    Record(usize),
    Fault(Fault, u64),
    Again,
    End,
}

impl<R: Read> Splitter<R> {
    /// Reads as far as needed to see how the records are laid out. `probe` tells whether a value under a key of
    /// the top-level object is a record.
    pub(crate) fn new(source: R, limits: Limits, probe: Probe<'_>) -> Self {
        let mut splitter = Self {
            window: Window::new(source),
            state: State::Values,
            around: 0,
            layout: Layout::Single,
            head: Value::Null,
            values: 0,
            limits,
            handed: 0,
            opening: Vec::new(),
        };
        match splitter.window.first_not(is_space) {
            Some(b'[') => {
                splitter.window.consume(1);
                splitter.state = State::Elements;
                splitter.layout = Layout::Array;
            }
            Some(b'{') if splitter.first_line_is_whole() => splitter.begin_lines(),
            Some(b'{') => splitter.look_inside(probe),
            _ => {}
        }
        splitter
    }

    /// How the records are laid out, as far as seen.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The members before the array of records; `null` where there is no object around it.
    pub(crate) fn head(&self) -> &Value {
        &self.head
    }

    /// Returns the next piece; `None` at the end.
    pub(crate) fn next(&mut self, probe: Probe<'_>) -> Option<Piece<'_>> {
        self.window.consume(std::mem::take(&mut self.handed));
        loop {
            let step = match self.state {
                State::Elements => self.element(probe),
                State::Members => self.member(probe),
                State::Values => self.value(),
                State::Lines => self.line(),
                State::Ended => Step::End,
            };
            match step {
                Step::Again => {}
                Step::Record(length) => {
                    self.handed = length;
                    let offset = self.window.offset();
                    return Some(Piece::Record { bytes: &self.window.bytes()[..length], offset });
                }
                Step::Fault(fault, offset) => return Some(Piece::Fault { fault, offset }),
                Step::End => {
                    self.state = State::Ended;
                    let fault = Fault::Read(self.window.error()?);
                    return Some(Piece::Fault { fault, offset: self.window.offset() });
                }
            }
        }
    }

    /// The record handed out last; empty after anything else.
    pub(crate) fn handed(&self) -> &[u8] {
        &self.window.bytes()[..self.handed]
    }

    fn element(&mut self, probe: Probe<'_>) -> Step {
        match self.window.first_not(|byte| is_space(byte) || byte == b',') {
            None => self.ended_early(Fault::Unclosed),
            Some(b']') => {
                self.window.consume(1);
                self.state = if self.around > 0 { State::Members } else { State::Values };
                self.values += 1;
                Step::Again
            }
            Some(byte) if begins_value(byte) => {
                let offset = self.window.offset();
                let step = self.scan();
                if let Step::Record(length) = step
                    && self.opening.is_empty()
                {
                    self.opening = opening(&self.window.bytes()[..length]);
                }
                let swallowed = match step {
                    Step::Record(length) => !self.is_balanced(length),
                    Step::Fault(Fault::Truncated, _) => true,
                    _ => false,
                };
                // An unclosed bracket or quote swallows what follows; the next record is looked for.
                if swallowed && self.find_next(probe) {
                    self.state = State::Elements;
                    return Step::Fault(Fault::Unbalanced { bytes: self.window.offset() - offset }, offset);
                }
                step
            }
            Some(_) => {
                let offset = self.window.offset();
                while self.window.bytes().len() < LOOKAHEAD && self.window.more() {}
                if self.find_next(probe) {
                    return Step::Fault(Fault::Unbalanced { bytes: self.window.offset() - offset }, offset);
                }
                self.garbage(|byte| byte != b'{' && byte != b']')
            }
        }
    }

    /// Tells whether the value of this length ends with the bracket that it began with.
    fn is_balanced(&self, length: usize) -> bool {
        let value = &self.window.bytes()[..length];
        match value.first() {
            Some(b'{') => value.last() == Some(&b'}'),
            Some(b'[') => value.last() == Some(&b']'),
            _ => true,
        }
    }

    /// Goes on to the next place among the held bytes where a record begins as the first one did and is one.
    fn find_next(&mut self, probe: Probe<'_>) -> bool {
        if self.opening.is_empty() {
            return false;
        }
        let held = self.window.bytes();
        let candidates =
            memmem::find_iter(held.get(1..).unwrap_or_default(), &self.opening).take(CANDIDATES_MAX);
        let is_record = |place: &usize| {
            let rest = &held[*place..];
            let Some(length) = Scan::default().advance(rest) else { return false };
            probe(&self.layout, &self.head, &glance(&String::from_utf8_lossy(&rest[..length])))
        };
        let found = candidates.map(|place| place + 1).find(is_record);
        if let Some(place) = found {
            self.window.consume(place);
        }
        found.is_some()
    }

    /// Passes over the members behind an array of records, until another such array.
    fn member(&mut self, probe: Probe<'_>) -> Step {
        match self.window.first_not(|byte| is_space(byte) || byte == b',') {
            None => self.ended_early(Fault::Unclosed),
            Some(b'}') => {
                self.window.consume(1);
                self.around -= 1;
                if self.around == 0 {
                    self.state = State::Values;
                }
                Step::Again
            }
            Some(b'"') => {
                let Step::Record(length) = self.scan() else { return self.ended_early(Fault::Truncated) };
                let key = serde_json::from_slice(&self.window.bytes()[..length]).unwrap_or_default();
                self.window.consume(length);
                match self.window.first_not(|byte| is_space(byte) || byte == b':') {
                    Some(b'[') if self.array_holds_records(key, probe) => {
                        self.window.consume(1);
                        self.state = State::Elements;
                        Step::Again
                    }
                    Some(byte) if begins_value(byte) => self.pass_over(),
                    _ => self.garbage(|byte| byte != b',' && byte != b'}'),
                }
            }
            Some(_) => self.garbage(|byte| byte != b'"' && byte != b'}'),
        }
    }

    fn value(&mut self) -> Step {
        match self.window.first_not(|byte| is_space(byte) || byte == b',' || byte == 0x1E) {
            None => Step::End,
            Some(b'[') if self.values > 0 => {
                self.window.consume(1);
                self.around = 0;
                self.state = State::Elements;
                Step::Again
            }
            Some(byte) if begins_value(byte) => {
                let step = self.scan();
                self.values += 1;
                if self.values > 1 {
                    self.layout = Layout::Lines;
                }
                if let Step::Record(length) = step
                    && self.values == 1
                    && self.stands_on_a_line(length)
                {
                    self.state = State::Lines;
                }
                step
            }
            Some(_) => self.garbage(|byte| byte != b'\n'),
        }
    }

    fn line(&mut self) -> Step {
        if self.window.first_not(|byte| is_space(byte) || byte == b',' || byte == 0x1E).is_none() {
            return Step::End;
        }
        let mut seen = 0;
        loop {
            let held = self.window.bytes();
            if let Some(found) = memchr(b'\n', &held[seen..]) {
                return Step::Record(trimmed(&held[..seen + found]));
            }
            seen = held.len();
            if seen > self.limits.record_bytes_max {
                return self.pass_over_line();
            }
            if !self.window.more() {
                let Some(error) = self.window.error() else {
                    return Step::Record(trimmed(self.window.bytes()));
                };
                return self.ended_early(Fault::Read(error));
            }
        }
    }

    /// Finds the end of the value that begins here.
    fn scan(&mut self) -> Step {
        let mut scan = Scan::default();
        let mut seen = 0;
        loop {
            let held = self.window.bytes();
            if let Some(end) = scan.advance(&held[seen..]) {
                return self.bounded(&scan, seen + end);
            }
            seen = held.len();
            if seen > self.limits.record_bytes_max || scan.deepest() > self.limits.depth_max {
                return self.discard(scan);
            }
            if !self.window.more() {
                return if scan.in_bare() { Step::Record(seen) } else { self.ended_early(Fault::Truncated) };
            }
        }
    }

    fn bounded(&mut self, scan: &Scan, length: usize) -> Step {
        let offset = self.window.offset();
        if scan.deepest() > self.limits.depth_max {
            self.window.consume(length);
            return Step::Fault(Fault::TooDeep { depth: scan.deepest() }, offset);
        }
        if length == 0 {
            self.window.consume(1);
            return Step::Again;
        }
        Step::Record(length)
    }

    /// Follows a value that is too large or too deep to its end without holding it.
    fn discard(&mut self, mut scan: Scan) -> Step {
        let offset = self.window.offset();
        self.window.consume(self.window.bytes().len());
        while self.window.more() {
            let ended = scan.advance(self.window.bytes());
            self.window.consume(ended.unwrap_or(self.window.bytes().len()));
            if ended.is_some() {
                break;
            }
        }
        let fault = match scan.deepest() > self.limits.depth_max {
            true => Fault::TooDeep { depth: scan.deepest() },
            false => Fault::TooLarge { bytes: self.window.offset() - offset },
        };
        Step::Fault(fault, offset)
    }

    fn pass_over(&mut self) -> Step {
        let mut scan = Scan::default();
        loop {
            let ended = scan.advance(self.window.bytes());
            self.window.consume(ended.unwrap_or(self.window.bytes().len()));
            if ended.is_some() {
                return Step::Again;
            }
            if !self.window.more() {
                return self.ended_early(Fault::Truncated);
            }
        }
    }

    fn pass_over_line(&mut self) -> Step {
        let offset = self.window.offset();
        let _ = self.window.first_not(|byte| byte != b'\n');
        Step::Fault(Fault::TooLarge { bytes: self.window.offset() - offset }, offset)
    }

    fn garbage(&mut self, skip: impl Fn(u8) -> bool) -> Step {
        let offset = self.window.offset();
        let held = self.window.bytes();
        let shown = String::from_utf8_lossy(&held[..held.len().min(32)]).into_owned();
        self.window.consume(1);
        let _ = self.window.first_not(skip);
        Step::Fault(Fault::Garbage(shown), offset)
    }

    fn ended_early(&mut self, fault: Fault) -> Step {
        self.state = State::Ended;
        let fault = self.window.error().map_or(fault, Fault::Read);
        Step::Fault(fault, self.window.offset())
    }
}

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn begins_value(byte: u8) -> bool {
    matches!(byte, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n')
}

/// The bytes of a record through the end of its first key; none where it does not begin with one.
fn opening(record: &[u8]) -> Vec<u8> {
    let Some(key) = memchr(b'"', record) else { return Vec::new() };
    let plain = record[..key].first() == Some(&b'{') && record[1..key].iter().all(|byte| is_space(*byte));
    let end = memchr(b'"', &record[key + 1..]).filter(|length| plain && *length < 100);
    end.map(|length| record[..key + length + 2].to_vec()).unwrap_or_default()
}

/// Length of the line without the spaces and the comma at its end; not 0, since it begins with neither.
fn trimmed(line: &[u8]) -> usize {
    // Form feeds are no space in JSON: trimmed away, a line of them would be an empty record, again and again.
    let spaces = line.iter().rev().take_while(|byte| is_space(**byte)).count();
    let line = &line[..line.len() - spaces];
    line.strip_suffix(b",").unwrap_or(line).len().max(1)
}

#[cfg(test)]
mod tests;
