//! SentencePiece's table of what characters become before anything else is done with them.
//!
//! ```text
//! bytes of the array u32 | array of u32 | replacements, each ended by a zero byte
//! ```
//!
//! The array is a trie in darts-clone's form: the children of a node lie at `offset ^ byte` of it. Of each unit, bits
//! 0 to 7 are the byte that leads to it, bit 8 says that a text ends there, bits 10 to 30 are the offset, shifted by
//! another eight places if bit 9 is set. A unit with bit 31 holds in the others where the replacement begins.

/// What replaces what.
pub(super) struct Charsmap {
    units: Vec<u32>,
    replacements: String,
}

impl std::fmt::Debug for Charsmap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Charsmap").field("units", &self.units.len()).finish_non_exhaustive()
    }
}

impl Charsmap {
    /// `None` for what is no such table.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let (len, rest) = bytes.split_first_chunk()?;
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        let units = rest.get(..len)?.chunks_exact(4);
        let replacements = String::from_utf8(rest.get(len..)?.to_vec()).ok()?;
        let units = units.map(|unit| unit.try_into().map_or(0, u32::from_le_bytes)).collect();
        Some(Self { units, replacements })
    }

    /// Replaces, from left to right, the longest of what the table has.
    pub(super) fn apply(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len() + text.len() / 8);
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let len = match self.longest(rest) {
                Some((len, replacement)) => {
                    out.push_str(replacement);
                    len
                }
                None => {
                    out.push(character);
                    character.len_utf8()
                }
            };
            rest = &rest[len..];
        }
        out
    }

    /// Returns the bytes of the longest text of the table that `text` begins with, and what replaces it.
    fn longest(&self, text: &str) -> Option<(usize, &str)> {
        let mut found = None;
        let mut node = offset(*self.units.first()?);
        for (index, byte) in text.bytes().enumerate() {
            node ^= u32::from(byte);
            let unit = *self.units.get(node as usize)?;
            if byte == 0 || unit & (1 << 31 | 0xFF) != u32::from(byte) {
                break;
            }
            node ^= offset(unit);
            if unit >> 8 & 1 == 1 && text.is_char_boundary(index + 1) {
                let value = self.units.get(node as usize)? & !(1 << 31);
                let (replacement, _) = self.replacements.get(value as usize..)?.split_once('\0')?;
                found = Some((index + 1, replacement));
            }
        }
        found
    }
}

fn offset(unit: u32) -> u32 {
    (unit >> 10) << ((unit & 1 << 9) >> 6)
}
