//! The stems of words seen lately.

use super::porter;

/// How a stem is made from its word.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stem {
    /// Bytes of the word that stay.
    pub(super) keep: u8,
    tail_bytes: u8,
    tail: [u8; TAIL_BYTES_MAX],
}

impl Stem {
    /// What comes after the bytes that stay: `i` for `happy`, `e` for `filing`. ASCII, mostly empty.
    pub(super) fn tail(&self) -> &[u8] {
        &self.tail[..usize::from(self.tail_bytes)]
    }
}

/// A direct-mapped cache: a word's hash names its only place, a newcomer takes it over.
///
/// 8,192 places of 24 bytes (192 KiB): the words that make nine tenths of running text, in a size that stays in the
/// second-level cache of the processor.
#[derive(Debug, Clone)]
pub(super) struct Stems {
    slots: Box<[Slot]>,
    word: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    key: Key,
    stem: Stem,
}

/// Up to 16 bytes of a folded ASCII word as two little-endian numbers, zero beyond its end. Zero: no word.
type Key = [u64; 2];

impl Stems {
    /// Longest word that is kept, in bytes.
    pub(super) const WORD_BYTES_MAX: usize = 16;

    pub(super) fn new() -> Self {
        Self { slots: vec![Slot::default(); SLOTS].into_boxed_slice(), word: Vec::new() }
    }

    /// Finds the stem of the ASCII word of `length` bytes, 3 to 16, that begins at `start`. Letters of either
    /// case; the stem is that of the word in lower case.
    #[inline]
    pub(super) fn find(&mut self, bytes: &[u8], start: usize, length: usize) -> Stem {
        let key = key(bytes, start, length);
        let slot = place(key);
        let held = &self.slots[slot];
        if held.key == key {
            return held.stem;
        }
        self.learn(key, slot, length)
    }

    #[cold]
    fn learn(&mut self, key: Key, slot: usize, length: usize) -> Stem {
        let bytes = (u128::from(key[1]) << 64 | u128::from(key[0])).to_le_bytes();
        let folded = &bytes[..length];
        self.word.clear();
        self.word.extend_from_slice(folded);
        porter::stem(&mut self.word);
        let keep = folded.iter().zip(&self.word).take_while(|(a, b)| a == b).count();
        let mut stem =
            Stem { keep: keep as u8, tail_bytes: (self.word.len() - keep) as u8, ..Stem::default() };
        stem.tail[..self.word.len() - keep].copy_from_slice(&self.word[keep..]);
        self.slots[slot] = Slot { key, stem };
        stem
    }
}

const SLOTS: usize = 8192;

/// No rule of the stemmer leaves a longer ending that the word did not have: `e` and `i` are the only letters
/// it adds. The rest is for safety.
const TAIL_BYTES_MAX: usize = 6;

#[inline]
fn key(bytes: &[u8], start: usize, length: usize) -> Key {
    let low_case = 0x2020_2020_2020_2020_2020_2020_2020_2020_u128;
    let word = match bytes[start..].first_chunk::<16>() {
        Some(chunk) => u128::from_le_bytes(*chunk),
        None => {
            let mut chunk = [0; 16];
            chunk[..length].copy_from_slice(&bytes[start..start + length]);
            u128::from_le_bytes(chunk)
        }
    };
    // In ASCII, lower-case letters and digits have this bit already; upper-case letters gain it.
    let folded = (word | low_case) & (u128::MAX >> (128 - 8 * length));
    [folded as u64, (folded >> 64) as u64]
}

#[inline]
fn place(key: Key) -> usize {
    // Multiplicative hashing with two odd constants near 2^64 / φ; the upper bits are the good ones.
    let mixed = (key[0] ^ key[1].rotate_left(23)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> (64 - SLOTS.trailing_zeros())) as usize
}
