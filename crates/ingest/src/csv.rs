//! Rows of a CSV file (RFC 4180): cells may be quoted, hold commas, line breaks and doubled quotes.

use std::io::{BufRead, BufReader, Read};

use crate::format::Reject;

/// Reads one row at a time; memory is bounded by the longest row.
pub(crate) struct Rows<'r> {
    source: BufReader<&'r mut dyn Read>,
    bytes_max: usize,
    separator: char,
    read: usize,
}

impl<'r> Rows<'r> {
    /// Rows longer than `bytes_max` end the reading with an error.
    pub(crate) fn new(source: &'r mut dyn Read, bytes_max: usize) -> Self {
        Self { source: BufReader::with_capacity(64 << 10, source), bytes_max, separator: ',', read: 0 }
    }

    /// Cells stand between these instead of commas.
    pub(crate) fn separated_by(self, separator: char) -> Self {
        Self { separator, ..self }
    }

    /// How many bytes the rows had that were returned.
    pub(crate) fn read_so_far(&self) -> usize {
        self.read
    }

    /// Returns the next row's cells; `None` at the end.
    pub(crate) fn next_row(&mut self) -> Result<Option<Vec<String>>, Reject> {
        let mut bytes = Vec::new();
        loop {
            let before = bytes.len();
            let room = self.bytes_max.saturating_sub(before) as u64;
            let read = (&mut self.source).take(room).read_until(b'\n', &mut bytes);
            let read =
                read.map_err(|error| Reject::new(format!("the file cannot be read further: {error}")))?;
            if read == 0 && room == 0 {
                return Err(Reject::new(format!(
                    "a row is longer than {} bytes; is a quote missing?",
                    self.bytes_max
                )));
            }
            let quotes = memchr::memchr_iter(b'"', &bytes).count();
            if read == 0 || (quotes.is_multiple_of(2) && bytes.ends_with(b"\n")) {
                break;
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        self.read += bytes.len();
        let text = String::from_utf8_lossy(&bytes);
        Ok(Some(cells(text.trim_end_matches(['\r', '\n']), self.separator)))
    }
}

fn cells(row: &str, separator: char) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut characters = row.chars().peekable();
    while let Some(character) = characters.next() {
        let Some(cell) = cells.last_mut() else { break };
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                cell.push('"');
            }
            '"' if quoted || cell.trim().is_empty() => {
                if !quoted {
                    cell.clear();
                }
                quoted = !quoted;
            }
            other if other == separator && !quoted => cells.push(String::new()),
            other => cell.push(other),
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_all_kinds() {
        let mut text = "a,\"b, \"\"c\"\"\nd\",\r\n\n\"\",é\"e".as_bytes();
        let mut rows = Rows::new(&mut text, 1_000);
        assert_eq!(rows.next_row().unwrap().unwrap(), ["a", "b, \"c\"\nd", ""]);
        assert_eq!(rows.next_row().unwrap().unwrap(), [""]);
        assert_eq!(rows.next_row().unwrap().unwrap(), ["", "é\"e"]);
        assert_eq!(rows.next_row().unwrap(), None);
    }

    #[test]
    fn a_quote_without_end_is_bounded() {
        let long = format!("\"{}", "x\n".repeat(1_000));
        let mut text = long.as_bytes();
        assert!(Rows::new(&mut text, 100).next_row().is_err());
    }
}
