//! Where words begin and end, found 64 bytes at a time.

/// A word of ASCII letters and digits, or the beginning of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) end: usize,
    /// A character outside ASCII follows, or stands at `start` itself.
    pub(super) is_wide: bool,
}

/// Finds runs, each from where the last one was dealt with.
///
/// A byte at a time, the processor would guess wrong at the end of every word. So a block of 64 bytes becomes two
/// masks of 64 bits first: where letters and digits are, and where anything outside ASCII is.
#[derive(Debug)]
pub(super) struct Runs<'a> {
    bytes: &'a [u8],
    /// Number of the block that the masks tell of.
    block: usize,
    words: u64,
    wide: u64,
}

impl<'a> Runs<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut runs = Self { bytes, block: 0, words: 0, wide: 0 };
        runs.load(0);
        runs
    }

    /// Returns the first run that begins at `from` or later.
    #[inline]
    pub(super) fn next(&mut self, from: usize) -> Option<Run> {
        let start = self.find(from, |runs| runs.words | runs.wide)?;
        let end = self.find(start, |runs| !runs.words).unwrap_or(self.bytes.len());
        let is_wide = end / BLOCK == self.block && self.wide >> (end % BLOCK) & 1 == 1;
        Some(Run { start, end, is_wide })
    }

    /// Returns the first place from `from` on that `mask` has.
    #[inline]
    fn find(&mut self, from: usize, mask: impl Fn(&Self) -> u64) -> Option<usize> {
        let mut block = from / BLOCK;
        let mut below = from % BLOCK;
        loop {
            if block != self.block {
                if block * BLOCK >= self.bytes.len() {
                    return None;
                }
                self.load(block);
            }
            let found = mask(self) >> below << below;
            if found != 0 {
                let at = block * BLOCK + found.trailing_zeros() as usize;
                return (at < self.bytes.len()).then_some(at);
            }
            block += 1;
            below = 0;
        }
    }

    /// Makes the masks of a block; beyond the text they are empty.
    #[inline]
    fn load(&mut self, block: usize) {
        self.block = block;
        let rest = self.bytes.get(block * BLOCK..).unwrap_or_default();
        (self.words, self.wide) = match rest.first_chunk::<BLOCK>() {
            Some(whole) => masks(whole),
            None => {
                let mut padded = [0; BLOCK];
                padded[..rest.len()].copy_from_slice(rest);
                masks(&padded)
            }
        };
    }
}

const BLOCK: usize = 64;

/// Returns a bit for each letter or digit, and one for each byte outside ASCII.
#[inline]
fn masks(block: &[u8; BLOCK]) -> (u64, u64) {
    let (mut words, mut wide) = (0, 0);
    for (eighth, bytes) in block.as_chunks::<8>().0.iter().enumerate() {
        let bytes = u64::from_le_bytes(*bytes);
        words |= gather(letters_and_digits(bytes)) << (8 * eighth);
        wide |= gather(bytes & HIGH) << (8 * eighth);
    }
    (words, wide)
}

/// Sets the high bit of each of eight bytes that is an ASCII letter or digit, and no other bit.
///
/// To a byte below 128, adding 128 - x sets the high bit where the byte is x or more, and never carries into the
/// next one.
#[inline]
fn letters_and_digits(bytes: u64) -> u64 {
    let at_least = |bytes: u64, least: u8| bytes + EACH * u64::from(0x80 - least);
    let ascii = bytes & !HIGH;
    let lower = ascii | (EACH * 0x20);
    let letters = at_least(lower, b'a') & !at_least(lower, b'z' + 1);
    let digits = at_least(ascii, b'0') & !at_least(ascii, b'9' + 1);
    (letters | digits) & !bytes & HIGH
}

/// Gathers the high bits of eight bytes in the lowest eight bits: each factor moves one of them to its place.
#[inline]
fn gather(high_bits: u64) -> u64 {
    (high_bits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

const EACH: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Run, Runs, gather, letters_and_digits};

    #[test]
    fn every_byte_is_what_it_is() {
        for byte in 0..=255_u8 {
            for place in 0..8 {
                let mut bytes = [b'-'; 8];
                bytes[place] = byte;
                let found = gather(letters_and_digits(u64::from_le_bytes(bytes)));
                assert_eq!(found, u64::from(byte.is_ascii_alphanumeric()) << place, "{byte:#x} at {place}");
            }
        }
    }

    /// A byte at a time.
    fn plain(bytes: &[u8], from: usize) -> Option<Run> {
        let starts = |byte: &u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
        let start = from + bytes.get(from..)?.iter().position(starts)?;
        let length = bytes[start..].iter().position(|byte| !byte.is_ascii_alphanumeric());
        let end = length.map_or(bytes.len(), |length| start + length);
        Some(Run { start, end, is_wide: bytes.get(end).is_some_and(|byte| !byte.is_ascii()) })
    }

    proptest! {
        #[test]
        fn runs_are_those_of_a_plain_search(
            text in "([a-zA-Z0-9]{0,9}| {0,9}|[.,_@`{/:-]{1,3}|[é漢🦉]|[a-z]{60,130}){0,60}",
            steps in proptest::collection::vec(0_usize..3, 1..40),
        ) {
            let mut runs = Runs::new(text.as_bytes());
            let mut from = 0;
            for step in steps.iter().cycle() {
                let found = runs.next(from);
                prop_assert_eq!(found, plain(text.as_bytes(), from));
                let Some(run) = found else { break };
                from = run.end.max(run.start + 1) + step;
            }
        }
    }
}
