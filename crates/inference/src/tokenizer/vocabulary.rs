//! Tokens by number and by text.

use std::hash::{BuildHasher, Hasher, RandomState};

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The tokens of a model: the text of each as its file has it, what it is, and which one a text is.
pub(super) struct Vocabulary {
    texts: Texts,
    kinds: Vec<Kind>,
    by_text: Index,
    /// Bytes of the longest text.
    pub(super) text_bytes_max: usize,
    /// No token but control tokens has a `▁` after anything else, so that text can be cut there.
    pub(super) spaces_begin_tokens: bool,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    /// Stands for what has no token.
    Unknown,
    /// Steers the model; never what somebody wrote, unless text is parsed for it.
    Control,
    /// Text that is a token wherever it stands.
    UserDefined,
    Unused,
    /// A byte of a character that has no token: `<0x0A>`.
    Byte,
}

/// Texts, one after another in one piece of memory.
#[derive(Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

/// Finds the number of a text. It holds numbers only; the texts lie elsewhere.
///
/// Files of strangers must not be able to make every text fall into one place, hence the seed.
pub(super) struct Index {
    slots: Vec<u32>,
    seed: u64,
}

/// Hashes numbers, with a seed like [`Index`].
#[derive(Clone, Copy)]
pub(super) struct Seeded([u64; 2]);

pub(super) struct SeededHasher {
    seed: [u64; 2],
    hash: u64,
}

const FREE: u32 = u32::MAX;
const SPACE: &[u8] = "▁".as_bytes();

// === impl Vocabulary ===

impl Vocabulary {
    /// Returns the vocabulary of these texts, or the numbers of two that are the same.
    pub(super) fn new(texts: Texts, kinds: Vec<Kind>) -> Result<Self, (u32, u32)> {
        debug_assert_eq!(texts.len(), kinds.len());
        let mut by_text = Index::with_room_for(texts.len());
        let mut text_bytes_max = 0;
        let mut spaces_begin_tokens = true;
        for id in 0..texts.len() as u32 {
            text_bytes_max = text_bytes_max.max(texts.get(id).len());
            spaces_begin_tokens &=
                kinds.get(id as usize) == Some(&Kind::Control) || space_begins(texts.get(id));
            if let Some(first) = by_text.insert(&texts, id) {
                return Err((first, id));
            }
        }
        Ok(Self { texts, kinds, by_text, text_bytes_max, spaces_begin_tokens })
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// Returns the text of a token; empty beyond the last.
    pub(super) fn text(&self, id: u32) -> &[u8] {
        self.texts.get(id)
    }

    /// Returns what a token is; beyond the last, unused.
    pub(super) fn kind(&self, id: u32) -> Kind {
        self.kinds.get(id as usize).copied().unwrap_or(Kind::Unused)
    }

    pub(super) fn set_kind(&mut self, id: u32, kind: Kind) {
        if let Some(place) = self.kinds.get_mut(id as usize) {
            *place = kind;
        }
    }

    pub(super) fn find(&self, text: &[u8]) -> Option<u32> {
        self.by_text.find(&self.texts, text)
    }

    /// Returns the token of this text if it may come of text that is not parsed for control tokens.
    pub(super) fn find_plain(&self, text: &[u8]) -> Option<u32> {
        self.find(text).filter(|id| self.kind(*id) != Kind::Control)
    }

    pub(super) fn ids(&self) -> std::ops::Range<u32> {
        0..self.texts.len() as u32
    }
}

/// Whether each `▁` of a text is at its beginning, or after others that are.
pub(super) fn space_begins(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(after) = rest.strip_prefix(SPACE) {
        rest = after;
    }
    !rest.windows(SPACE.len()).any(|window| window == SPACE)
}

// === impl Texts ===

impl Texts {
    pub(super) fn push(&mut self, text: &[u8]) {
        self.extend(text);
        self.end();
    }

    /// Appends to the text that [`Texts::end`] will end.
    pub(super) fn extend(&mut self, part: &[u8]) {
        self.bytes.extend_from_slice(part);
    }

    pub(super) fn end(&mut self) {
        // Vocabularies are limited to less than 4 GiB where they are read.
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, index: u32) -> &[u8] {
        let index = index as usize;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(index).copied().unwrap_or(start);
        self.bytes.get(start as usize..end as usize).unwrap_or_default()
    }
}

// === impl Index ===

impl Index {
    pub(super) fn with_room_for(count: usize) -> Self {
        let slots = vec![FREE; (count * 2).next_power_of_two().max(8)];
        Self { slots, seed: RandomState::new().hash_one(0) }
    }

    /// Adds the text numbered `index`; if it is there already, returns its number instead.
    pub(super) fn insert(&mut self, texts: &Texts, index: u32) -> Option<u32> {
        let text = texts.get(index);
        let mut slot = self.first_slot(text);
        loop {
            match self.slots.get_mut(slot) {
                Some(place) if *place == FREE => {
                    *place = index;
                    return None;
                }
                Some(place) if texts.get(*place) == text => return Some(*place),
                _ => slot = (slot + 1) & (self.slots.len() - 1),
            }
        }
    }

    pub(super) fn find(&self, texts: &Texts, text: &[u8]) -> Option<u32> {
        let mut slot = self.first_slot(text);
        loop {
            match *self.slots.get(slot)? {
                FREE => return None,
                index if texts.get(index) == text => return Some(index),
                _ => slot = (slot + 1) & (self.slots.len() - 1),
            }
        }
    }

    fn first_slot(&self, text: &[u8]) -> usize {
        xxh3_64_with_seed(text, self.seed) as usize & (self.slots.len() - 1)
    }
}

// === impl Seeded ===

impl Default for Seeded {
    fn default() -> Self {
        let random = RandomState::new();
        Self([random.hash_one(0), random.hash_one(1) | 1])
    }
}

impl BuildHasher for Seeded {
    type Hasher = SeededHasher;

    fn build_hasher(&self) -> SeededHasher {
        SeededHasher { seed: self.0, hash: 0 }
    }
}

impl Hasher for SeededHasher {
    fn write_u64(&mut self, number: u64) {
        let product = u128::from(number ^ self.hash ^ self.seed[0]) * u128::from(self.seed[1]);
        self.hash = (product ^ (product >> 64)) as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_again_and_doubles_told() {
        let of = |texts: &[&str]| {
            let mut all = Texts::default();
            texts.iter().for_each(|text| all.push(text.as_bytes()));
            Vocabulary::new(all, vec![Kind::Normal; texts.len()])
        };
        let vocabulary = of(&["a", "", "bc"]).map_err(|_| ()).unwrap();
        assert_eq!(vocabulary.find(b"bc"), Some(2));
        assert_eq!(vocabulary.find(b""), Some(1));
        assert_eq!(vocabulary.find(b"b"), None);
        assert_eq!((vocabulary.text(2), vocabulary.text(3)), (&b"bc"[..], &b""[..]));
        assert_eq!(of(&["a", "b", "a"]).err(), Some((0, 2)));
    }
}
