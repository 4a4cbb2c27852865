//! Bytes cut anywhere, as lines.

use super::Fault;

/// Lines without their ends, which are LF or CR LF.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come.
    held: Vec<u8>,
}

impl Lines {
    /// Takes bytes, and hands out the lines that they end.
    pub(super) fn push(
        &mut self,
        mut bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            if self.held.is_empty() {
                within(line.len())?;
                take(without_end(line))?;
                continue;
            }
            within(self.held.len() + line.len())?;
            self.held.extend_from_slice(line);
            let line = std::mem::take(&mut self.held);
            take(without_end(&line))?;
        }
        within(self.held.len() + bytes.len())?;
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    /// Returns what no line's end came for.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        let rest = std::mem::take(&mut self.held);
        without_end(&rest).to_vec()
    }
}

/// Bytes that one piece of an answer may have.
pub(super) const BYTES_MAX: usize = 4 << 20;

pub(super) fn within(bytes: usize) -> Result<(), Fault> {
    match bytes <= BYTES_MAX {
        true => Ok(()),
        false => Err(Fault::NotUnderstood(format!("a piece of it is longer than {BYTES_MAX} bytes"))),
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
