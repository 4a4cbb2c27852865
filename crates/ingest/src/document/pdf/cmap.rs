//! CMaps: from codes to characters (`ToUnicode`) and from codes to glyphs (`Encoding` of composite fonts).

use std::collections::HashMap;

use super::tokens::{Operand, Token, Tokens};

/// More entries than all of Unicode are not taken.
const ENTRIES_MAX: usize = 300_000;

/// A CMap that was read from a stream.
#[derive(Debug, Default, Clone)]
pub(super) struct CMap {
    /// How many bytes a code has, and between which it lies.
    pub(super) spaces: Vec<(usize, u32, u32)>,
    characters: HashMap<u32, String>,
    /// First and last code, and the characters of the first.
    ranges: Vec<(u32, u32, Vec<u16>)>,
    cids: HashMap<u32, u32>,
    cid_ranges: Vec<(u32, u32, u32)>,
    pub(super) vertical: bool,
    /// The name of another CMap that this one builds on.
    pub(super) base: Option<Vec<u8>>,
}

impl CMap {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut map = Self::default();
        let mut operands: Vec<Operand> = Vec::new();
        for token in Tokens::new(bytes) {
            let operator = match token {
                Token::Operand(operand) => {
                    if operands.len() < ENTRIES_MAX {
                        operands.push(operand);
                    }
                    continue;
                }
                Token::Operator(operator) => operator,
            };
            match operator {
                b"endcodespacerange" => map.code_spaces(&operands),
                b"endbfchar" => operands.chunks_exact(2).for_each(|pair| map.character(&pair[0], &pair[1])),
                b"endbfrange" => {
                    operands.chunks_exact(3).for_each(|row| map.range(&row[0], &row[1], &row[2]));
                }
                b"endcidchar" => operands.chunks_exact(2).for_each(|pair| {
                    if let (Some(code), Some(cid)) = (code(&pair[0]), pair[1].number()) {
                        map.cids.insert(code, cid as u32);
                    }
                }),
                b"endcidrange" => operands.chunks_exact(3).for_each(|row| {
                    if let (Some(first), Some(last), Some(cid)) =
                        (code(&row[0]), code(&row[1]), row[2].number())
                    {
                        map.cid_ranges.push((first, last, cid as u32));
                    }
                }),
                b"usecmap" => map.base = operands.last().and_then(Operand::name).map(<[u8]>::to_vec),
                b"def" => {
                    if let [.., Operand::Name(name), Operand::Number(value)] = operands.as_slice()
                        && name == b"WMode"
                    {
                        map.vertical = *value == 1.0;
                    }
                }
                _ => {}
            }
            operands.clear();
            if map.characters.len() + map.ranges.len() + map.cids.len() + map.cid_ranges.len() > ENTRIES_MAX {
                break;
            }
        }
        map.ranges.sort_by_key(|(first, ..)| *first);
        map.cid_ranges.sort_by_key(|(first, ..)| *first);
        map
    }

    /// Each code is the character of its number.
    pub(super) fn identity() -> Self {
        Self { ranges: vec![(0, 0xFFFF, vec![0])], ..Self::default() }
    }

    fn code_spaces(&mut self, operands: &[Operand]) {
        for pair in operands.chunks_exact(2) {
            if let (Some(text), Some(first), Some(last)) = (pair[0].text(), code(&pair[0]), code(&pair[1]))
                && (1..=4).contains(&text.len())
            {
                self.spaces.push((text.len(), first, last));
            }
        }
    }

    fn character(&mut self, from: &Operand, to: &Operand) {
        let Some(from) = code(from) else { return };
        if let Some(bytes) = to.text() {
            self.characters.insert(from, utf16(bytes));
        } else if let Some(name) = to.name() {
            self.characters.insert(from, super::glyphs::text_of(name).unwrap_or_default());
        }
    }

    fn range(&mut self, first: &Operand, last: &Operand, to: &Operand) {
        let (Some(first), Some(last)) = (code(first), code(last)) else { return };
        if let Some(bytes) = to.text() {
            self.ranges.push((first, last, units(bytes)));
        }
        for (code, item) in (first..=last).zip(to.array()) {
            if let Some(bytes) = item.text() {
                self.characters.insert(code, utf16(bytes));
            }
        }
    }

    /// The characters of a code; `None` where the map says nothing.
    pub(super) fn text(&self, code: u32) -> Option<String> {
        if let Some(text) = self.characters.get(&code) {
            return Some(text.clone());
        }
        let after = self.ranges.partition_point(|(first, ..)| *first <= code);
        // Ranges of careless programs overlap; the nearest that reaches so far is meant.
        let near = self.ranges[..after].iter().rev().take(8).find(|(_, last, _)| code <= *last)?;
        let (first, _, units) = near;
        let mut units = units.clone();
        let shift = code - first;
        match units.last_mut() {
            Some(last) if shift < 0x1_0000 => *last = last.wrapping_add(shift as u16),
            _ => return None,
        }
        Some(String::from_utf16_lossy(&units))
    }

    /// The glyph of a code; `None` where the map says nothing.
    pub(super) fn cid(&self, code: u32) -> Option<u32> {
        if let Some(cid) = self.cids.get(&code) {
            return Some(*cid);
        }
        let after = self.cid_ranges.partition_point(|(first, ..)| *first <= code);
        let (first, _, cid) =
            self.cid_ranges[..after].iter().rev().take(8).find(|(_, last, _)| code <= *last)?;
        Some(cid.saturating_add(code - first))
    }

    pub(super) fn has_text(&self) -> bool {
        !self.characters.is_empty() || !self.ranges.is_empty()
    }

    pub(super) fn has_cids(&self) -> bool {
        !self.cids.is_empty() || !self.cid_ranges.is_empty()
    }
}

fn code(operand: &Operand) -> Option<u32> {
    let bytes = operand.text()?;
    (bytes.len() <= 4).then(|| bytes.iter().fold(0, |code, byte| code << 8 | u32::from(*byte)))
}

fn units(bytes: &[u8]) -> Vec<u16> {
    match bytes {
        [one] => vec![u16::from(*one)],
        _ => bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect(),
    }
}

fn utf16(bytes: &[u8]) -> String {
    let units = units(bytes);
    String::from_utf16_lossy(units.strip_prefix(&[0xFEFF]).unwrap_or(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_ranges_and_lists() {
        let map = CMap::read(
            b"/CMapName /X def /WMode 1 def 1 begincodespacerange <00> <FF> endcodespacerange\n\
              2 beginbfchar <01> <00660069> <02> <D83CDF0D> endbfchar\n\
              2 beginbfrange <10> <12> <0041> <20> <21> [<0061> <00620063>] endbfrange\n\
              1 begincidrange <8140> <817e> 633 endcidrange",
        );
        let texts: Vec<_> = [1, 2, 0x11, 0x21, 0x13].into_iter().map(|code| map.text(code)).collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(texts, [some("fi"), some("🌍"), some("B"), some("bc"), None]);
        assert_eq!((map.cid(0x8141), map.cid(0x8200), map.vertical), (Some(634), None, true));
        assert_eq!(map.spaces, [(1, 0, 255)]);
    }
}
