//! The stems of words seen lately.

use std::ops::Range;

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

/// A cache of pairs: a word's hash names its only pair, a newcomer takes the first place and moves the one there
/// to the second.
#[derive(Debug, Clone)]
pub(super) struct Stems {
    pairs: Box<[Pair]>,
    /// Leaves of a hash as many upper bits as name a pair.
    shift: u32,
    word: Vec<u8>,
}

/// One line of the processor's cache.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Pair([Slot; 2]);

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    key: Key,
    stem: Stem,
    memo: u64,
}

/// Where a word stands; until the next is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pair: usize,
    second: bool,
}

/// A word to be found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Word {
    key: Key,
    pair: usize,
    start: usize,
    length: usize,
}

impl Word {
    /// Where it stands in its text.
    #[inline]
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.start + self.length
    }
}

/// Up to 16 bytes of a folded word as two little-endian numbers, zero beyond its end. Zero: no word.
type Key = [u64; 2];

impl Stems {
    /// Longest word that is kept, in bytes.
    pub(super) const WORD_BYTES_MAX: usize = 16;

    /// Makes room for 2 · 2^`bits` words, 64 bytes for each two; `bits` from 1.
    pub(super) fn new(bits: u32) -> Self {
        let pairs = vec![Pair::default(); 1 << bits].into_boxed_slice();
        Self { pairs, shift: 64 - bits, word: Vec::new() }
    }

    /// Makes the ASCII word of `length` bytes, 1 to 16, that begins at `start` ready to be found.
    #[inline]
    pub(super) fn word(&self, bytes: &[u8], start: usize, length: usize) -> Word {
        self.ready(key(bytes, start, length), start, length)
    }

    #[inline]
    fn ready(&self, key: Key, start: usize, length: usize) -> Word {
        // Multiplicative hashing with an odd constant near 2^64 / φ; the upper bits are the good ones.
        let mixed = (key[0] ^ key[1].rotate_left(23)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Word { key, pair: (mixed >> self.shift) as usize, start, length }
    }

    /// Makes a folded word that is not all ASCII ready to be found; `None` for one of more than 16 bytes. Bytes
    /// beyond ASCII keep it apart from all words that [`Stems::word`] makes.
    pub(super) fn folded_word(&self, word: &[u8]) -> Option<Word> {
        if word.len() > Self::WORD_BYTES_MAX || word.is_ascii() {
            return None;
        }
        let mut bytes = [0; 16];
        bytes[..word.len()].copy_from_slice(word);
        let bits = u128::from_le_bytes(bytes);
        Some(self.ready([bits as u64, (bits >> 64) as u64], 0, word.len()))
    }

    /// Finds a word. Letters of either case; the stem is that of the word in lower case.
    #[inline]
    pub(super) fn find(&mut self, &Word { key, pair, length, .. }: &Word) -> Place {
        let pair = pair & (self.pairs.len() - 1);
        let [first, second] = &self.pairs[pair].0;
        if first.key == key {
            return Place { pair, second: false };
        }
        if second.key == key {
            return Place { pair, second: true };
        }
        self.learn(key, pair, length);
        Place { pair, second: false }
    }

    #[inline]
    pub(super) fn stem(&self, place: Place) -> Stem {
        self.pairs[place.pair].0[usize::from(place.second)].stem
    }

    /// What was last kept with the word since it came; 0 at first.
    #[inline]
    pub(super) fn memo(&self, place: Place) -> u64 {
        self.pairs[place.pair].0[usize::from(place.second)].memo
    }

    #[inline]
    pub(super) fn keep(&mut self, place: Place, memo: u64) {
        self.pairs[place.pair].0[usize::from(place.second)].memo = memo;
    }

    #[cold]
    fn learn(&mut self, key: Key, pair: usize, length: usize) {
        let bytes = (u128::from(key[1]) << 64 | u128::from(key[0])).to_le_bytes();
        let folded = &bytes[..length];
        self.word.clear();
        self.word.extend_from_slice(folded);
        porter::stem(&mut self.word);
        let keep = folded.iter().zip(&self.word).take_while(|(a, b)| a == b).count();
        let mut stem =
            Stem { keep: keep as u8, tail_bytes: (self.word.len() - keep) as u8, ..Stem::default() };
        stem.tail[..self.word.len() - keep].copy_from_slice(&self.word[keep..]);
        let [first, second] = &mut self.pairs[pair].0;
        *second = *first;
        *first = Slot { key, stem, memo: 0 };
    }
}

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
