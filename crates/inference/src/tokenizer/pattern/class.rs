//! Sets of characters.

use regex_syntax::{
    ParserBuilder,
    hir::{Class as HirClass, ClassUnicode, ClassUnicodeRange, HirKind},
};

/// A set of characters: one bit for each of the first 128, for the others a page of 256 bits each, most of which are
/// shared.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::tokenizer) struct Class {
    pub(super) ascii: u128,
    pages: Vec<u16>,
    bits: Vec<[u64; 4]>,
}

/// Of the numbers that are no decimal digits, Oniguruma counts those of Latin-1 (`src/unicode.c`) as parts of words.
const WORD: &str = r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}²³¹¼½¾";
const PAGES: usize = 0x11_0000 / 256;

impl Class {
    /// Parses a class as the `regex` crate writes them: `[^\s\p{L}]`, `\p{N}`, `\n`, `a`. `\w` is what
    /// Oniguruma has for it.
    pub(in crate::tokenizer) fn parse(source: &str, any_case: bool) -> Option<Self> {
        let source = with_words(source);
        let hir =
            ParserBuilder::new().case_insensitive(any_case).nest_limit(20).build().parse(&source).ok()?;
        match hir.into_kind() {
            HirKind::Class(HirClass::Unicode(class)) => Some(Self::new(&class)),
            HirKind::Literal(literal) => {
                let mut characters = std::str::from_utf8(&literal.0).ok()?.chars();
                let only = characters.next().filter(|_| characters.next().is_none())?;
                Some(Self::new(&ClassUnicode::new([ClassUnicodeRange::new(only, only)])))
            }
            _ => None,
        }
    }

    fn new(class: &ClassUnicode) -> Self {
        let mut made = Self { ascii: 0, pages: vec![0; PAGES], bits: vec![[0; 4], [u64::MAX; 4]] };
        for range in class.ranges() {
            let (start, end) = (u32::from(range.start()), u32::from(range.end()));
            for page in start / 256..=end / 256 {
                made.add(page as usize, start.max(page * 256) % 256, end.min(page * 256 + 255) % 256);
            }
        }
        let low = made.bits[usize::from(made.pages[0])];
        made.ascii = u128::from(low[0]) | u128::from(low[1]) << 64;
        made
    }

    fn add(&mut self, page: usize, first: u32, last: u32) {
        if (first, last) == (0, 255) {
            self.pages[page] = 1;
            return;
        }
        if self.pages[page] == 0 {
            self.pages[page] = self.bits.len() as u16;
            self.bits.push([0; 4]);
        }
        let bits = &mut self.bits[usize::from(self.pages[page])];
        (first..=last).for_each(|bit| bits[bit as usize / 64] |= 1 << (bit % 64));
    }

    pub(in crate::tokenizer) fn contains(&self, character: char) -> bool {
        let number = u32::from(character) as usize;
        if number < 128 {
            return self.ascii >> number & 1 == 1;
        }
        let bits = &self.bits[usize::from(self.pages[number / 256])];
        bits[number % 256 / 64] >> (number % 64) & 1 == 1
    }
}

fn with_words(source: &str) -> String {
    let mut all = String::with_capacity(source.len());
    let mut characters = source.chars();
    while let Some(character) = characters.next() {
        match (character, if character == '\\' { characters.next() } else { None }) {
            ('\\', Some('w')) => all += &format!("[{WORD}]"),
            ('\\', Some('W')) => all += &format!("[^{WORD}]"),
            (character, escaped) => all.extend([Some(character), escaped].into_iter().flatten()),
        }
    }
    all
}
