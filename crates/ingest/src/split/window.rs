use std::io::{self, Read};

/// How much is read at once.
const CHUNK: usize = 256 * 1024;
/// A buffer that grew beyond this for one large value is given back afterwards.
const KEPT: usize = 4 << 20;

/// A stretch of the source held in memory: grows at its end, is given up at its beginning.
pub(crate) struct Window<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes of the source before `start`.
    offset: u64,
    ended: bool,
    error: Option<io::Error>,
}

impl<R: Read> Window<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, buffer: Vec::new(), start: 0, end: 0, offset: 0, ended: false, error: None }
    }

    /// What is held.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The place of the first held byte in the source.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Gives up the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }

    /// Reads on; `false` at the end of the source or when it cannot be read further (see [`Window::error`]).
    pub(crate) fn more(&mut self) -> bool {
        if self.ended {
            return false;
        }
        self.make_room();
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.ended = true;
                    self.error = Some(error);
                }
            }
            return !self.ended;
        }
    }

    /// Returns the first byte that `skip` does not hold for, having given up those before it.
    pub(crate) fn first_not(&mut self, skip: impl Fn(u8) -> bool) -> Option<u8> {
        loop {
            let found = self.bytes().iter().position(|byte| !skip(*byte));
            self.consume(found.unwrap_or(self.end - self.start));
            if found.is_some() {
                return self.bytes().first().copied();
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// Takes the error that ended the source early.
    pub(crate) fn error(&mut self) -> Option<io::Error> {
        self.error.take()
    }

    fn make_room(&mut self) {
        let held = self.end - self.start;
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.start = 0;
            self.end = held;
        }
        if self.buffer.len() > KEPT && held < KEPT / 4 {
            self.buffer.truncate(KEPT);
            self.buffer.shrink_to_fit();
        }
        if self.buffer.len() - held < CHUNK {
            let size = (self.buffer.len() * 2).max(held + CHUNK);
            self.buffer.resize(size, 0);
        }
    }
}
