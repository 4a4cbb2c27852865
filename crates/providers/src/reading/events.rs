//! Lines as server-sent events (HTML Living Standard, 9.2.6), of which only the data count.

use super::{Fault, lines};

/// An event as its lines come.
#[derive(Debug, Default)]
pub(super) struct Events {
    data: Option<Vec<u8>>,
    begun: bool,
}

impl Events {
    /// Takes a line, and returns the data of the event that it ends.
    pub(super) fn line(&mut self, line: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let line = match std::mem::replace(&mut self.begun, true) {
            true => line,
            false => line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line),
        };
        if line.is_empty() {
            return Ok(self.data.take());
        }
        let (field, value) = match line.iter().position(|&byte| byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => self.more(value)?,
            // Older servers of llama.cpp write their errors so.
            b"error" => self.data = Some([br#"{"error":"#, value, b"}"].concat()),
            _ => {}
        }
        Ok(None)
    }

    fn more(&mut self, value: &[u8]) -> Result<(), Fault> {
        let Some(data) = &mut self.data else {
            self.data = Some(value.to_vec());
            return Ok(());
        };
        lines::within(data.len() + 1 + value.len())?;
        data.push(b'\n');
        data.extend_from_slice(value);
        Ok(())
    }
}
