use std::io::{self, Read};

/// Reads a text file's bytes as UTF-8: a byte order mark is taken off and UTF-16, with or without one, is
/// converted. Bytes that are not UTF-8 pass as they are.
pub(crate) struct Decoded<R> {
    source: R,
    encoding: Option<Encoding>,
    /// Bytes ready to be handed out.
    ready: Vec<u8>,
    handed: usize,
    /// An odd byte or a first half of a pair that waits for the next read.
    rest: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16 { big_endian: bool },
}

impl<R: Read> Decoded<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, encoding: None, ready: Vec::new(), handed: 0, rest: Vec::new() }
    }

    /// Reads the first bytes and decides; at most three bytes are a mark and go.
    fn begin(&mut self) -> io::Result<()> {
        let mut first = [0; 4];
        let mut filled = 0;
        while filled < first.len() {
            match self.source.read(&mut first[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let (encoding, mark) = match &first[..filled] {
            [0xEF, 0xBB, 0xBF, ..] => (Encoding::Utf8, 3),
            [0xFF, 0xFE, ..] => (Encoding::Utf16 { big_endian: false }, 2),
            [0xFE, 0xFF, ..] => (Encoding::Utf16 { big_endian: true }, 2),
            [b'[' | b'{' | b'<', 0, second, 0] if *second != 0 => (Encoding::Utf16 { big_endian: false }, 0),
            [0, b'[' | b'{' | b'<', 0, second] if *second != 0 => (Encoding::Utf16 { big_endian: true }, 0),
            _ => (Encoding::Utf8, 0),
        };
        self.encoding = Some(encoding);
        match encoding {
            Encoding::Utf8 => self.ready.extend_from_slice(&first[mark..filled]),
            Encoding::Utf16 { .. } => self.rest.extend_from_slice(&first[mark..filled]),
        }
        Ok(())
    }

    /// Converts the next stretch of UTF-16; leaves `ready` empty at the end of the source.
    fn convert(&mut self, big_endian: bool) -> io::Result<()> {
        self.ready.clear();
        self.handed = 0;
        while self.ready.is_empty() {
            let before = self.rest.len();
            self.rest.resize(before + 16 * 1024, 0);
            let count = self.source.read(&mut self.rest[before..]);
            self.rest.truncate(before + *count.as_ref().unwrap_or(&0));
            let ended = count? == 0;
            if ended && self.rest.is_empty() {
                return Ok(());
            }
            let mut whole = self.rest.len() & !1;
            let unit = |pair: &[u8]| match big_endian {
                true => u16::from_be_bytes([pair[0], pair[1]]),
                false => u16::from_le_bytes([pair[0], pair[1]]),
            };
            if !ended && whole >= 2 && (0xD800..0xDC00).contains(&unit(&self.rest[whole - 2..whole])) {
                whole -= 2;
            }
            let mut buffer = [0; 4];
            for character in char::decode_utf16(self.rest[..whole].chunks_exact(2).map(unit)) {
                let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
                self.ready.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            }
            self.rest.drain(..whole);
            if ended {
                self.rest.clear();
                return Ok(());
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.encoding.is_none() {
            self.begin()?;
        }
        if self.handed == self.ready.len() {
            match self.encoding {
                Some(Encoding::Utf16 { big_endian }) => self.convert(big_endian)?,
                _ => return self.source.read(out),
            }
        }
        let waiting = &self.ready[self.handed..];
        let count = waiting.len().min(out.len());
        out[..count].copy_from_slice(&waiting[..count]);
        self.handed += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &str) {
        let mut text = String::new();
        Decoded::new(bytes).read_to_string(&mut text).unwrap();
        assert_eq!(text, expected);
    }

    #[test]
    fn marks_and_wide_characters() {
        let text = "[\"né 🌍\"]";
        check(text.as_bytes(), text);
        check(&[b"\xEF\xBB\xBF", text.as_bytes()].concat(), text);
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        check(&[b"\xFF\xFE", &little[..]].concat(), text);
        check(&[b"\xFE\xFF", &big[..]].concat(), text);
        check(&little, text);
        check(&big, text);
        check(b"", "");
        check(b"\xFF\xFE[", "");
    }

    #[test]
    fn pairs_split_between_reads_stay_whole() {
        let text = "🌍".repeat(20_000);
        let bytes: Vec<u8> =
            [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        check(&bytes, &text);
    }
}
