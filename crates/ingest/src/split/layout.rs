use std::io::Read;

use memchr::memchr;

use super::{
    LOOKAHEAD, Splitter, State,
    container::{self, Found, Probe, find},
    is_space,
};
use crate::sample::Layout;

/// Finding out how the records of a file lie.
impl<R: Read> Splitter<R> {
    /// Tells whether the element at hand, the first of an array, is a record.
    pub(super) fn array_holds_records(&mut self, key: String, probe: Probe<'_>) -> bool {
        let layout = Layout::Container(key);
        let mut wanted = LOOKAHEAD;
        loop {
            while self.window.bytes().len() < wanted && self.window.more() {}
            let held = self.window.bytes();
            match container::array_holds_records(held, &layout, &self.head, probe) {
                Some(holds) => return holds,
                None if held.len() < wanted || wanted > self.limits.record_bytes_max => return false,
                None => wanted *= 2,
            }
        }
    }

    /// Looks for an array of records inside the top-level object, as far into it as needed.
    pub(super) fn look_inside(&mut self, probe: Probe<'_>) {
        let mut wanted = LOOKAHEAD;
        loop {
            while self.window.bytes().len() < wanted && self.window.more() {}
            let held = self.window.bytes();
            match find(held, probe) {
                Found::At { key, place, around, head } => {
                    self.window.consume(place + 1);
                    self.around = around;
                    self.head = head;
                    self.layout = Layout::Container(key);
                    self.state = State::Elements;
                    return;
                }
                Found::Nothing => return,
                Found::NotYet if held.len() < wanted || wanted > self.limits.record_bytes_max => return,
                Found::NotYet => wanted *= 2,
            }
        }
    }

    /// Tells whether the first line is a whole value and the next one begins another.
    pub(super) fn first_line_is_whole(&mut self) -> bool {
        let mut looked = 0;
        let first = loop {
            let held = self.window.bytes();
            match memchr(b'\n', &held[looked..]) {
                Some(found) => break looked + found,
                None if held.len() > LOOKAHEAD => return false,
                None => looked = held.len(),
            }
            if !self.window.more() {
                return false;
            }
        };
        while self.window.bytes().len() < first + 64 && self.window.more() {}
        let (line, rest) = self.window.bytes().split_at(first);
        let line = line.trim_ascii_end();
        let unfinished = matches!(line.last(), Some(b'{' | b'[' | b',' | b':') | None);
        !unfinished && rest.trim_ascii_start().starts_with(b"{")
    }

    pub(super) fn begin_lines(&mut self) {
        self.state = State::Lines;
        self.layout = Layout::Lines;
    }

    /// Tells whether the first `length` bytes fill a line and the file goes on behind it.
    pub(super) fn stands_on_a_line(&mut self, length: usize) -> bool {
        while self.window.bytes().len() < length + 16 && self.window.more() {}
        let (value, rest) = self.window.bytes().split_at(length);
        let gap = rest.iter().take_while(|byte| is_space(**byte)).count();
        rest[..gap].contains(&b'\n') && memchr(b'\n', value).is_none()
    }
}
