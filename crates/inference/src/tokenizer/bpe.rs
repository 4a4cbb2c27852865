//! Byte pair encoding: characters, or bytes, joined as a list of merges says.

use std::collections::HashMap;

use super::{
    byte_level,
    merge::{NONE, Symbol, merge},
    vocabulary::{Index, Kind, Seeded, Texts, Vocabulary, space_begins},
};

/// The merges of a model, and what becomes of that which they do not reach.
pub(super) struct Bpe {
    /// By the numbers of the left and the right symbol: rank, and number of both together.
    merges: HashMap<u64, (u32, u32), Seeded>,
    /// Texts that merges speak of but that are no tokens; numbered on from the tokens.
    others: Texts,
    others_by_text: Index,
    /// For bytes as GPT-2 writes them: the symbol of each.
    bytes: Option<Box<[u32; 256]>>,
    /// Words that are tokens, written as bytes; where merges are not asked about such.
    whole: Option<(Texts, Vec<u32>, Index)>,
    /// Words can be cut before a `▁` that follows anything else: no symbol has one there.
    pub(super) cuts_at_space: bool,
    settings: Settings,
}

/// What kinds of BPE differ in.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    /// Text is joined from the bytes of its UTF-8, written in GPT-2's alphabet.
    pub(super) byte_level: bool,
    /// A word that is a token is that token, however its bytes would be joined.
    pub(super) ignore_merges: bool,
    /// A word of line feeds that is a token is that token.
    pub(super) line_feeds: bool,
    /// A character that is no symbol becomes `<0x0A>` and so on.
    pub(super) byte_fallback: bool,
    /// What else it becomes; nothing where there is none.
    pub(super) unknown: Option<u32>,
    /// Several such in a row become one.
    pub(super) fuse_unknown: bool,
    /// Before characters that do not begin a word.
    pub(super) prefix: String,
    /// After the character that ends a word.
    pub(super) suffix: String,
}

/// A merge speaks of a symbol that there is not.
pub(super) struct UnknownSymbol(pub(super) String);

impl Bpe {
    /// `merges`: left and right, best first. Those that would make a control token are left out.
    ///
    /// With `strict`, left, right and both together must be tokens, and of equal merges the last counts; without, the
    /// first.
    pub(super) fn new<'a>(
        vocabulary: &Vocabulary,
        merges: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        settings: Settings,
        strict: bool,
    ) -> Result<Self, UnknownSymbol> {
        let count = merges.size_hint().0;
        let mut bpe = Self {
            merges: HashMap::with_capacity_and_hasher(count, Seeded::default()),
            others: Texts::default(),
            others_by_text: Index::with_room_for(if strict { 0 } else { count * 3 }),
            bytes: None,
            whole: None,
            cuts_at_space: false,
            settings,
        };
        let mut joined = Vec::new();
        for (rank, (left, right)) in merges.enumerate() {
            joined.clear();
            joined.extend_from_slice(left);
            // The prefix of what does not begin a word falls away when something comes before it.
            joined.extend_from_slice(right.strip_prefix(bpe.settings.prefix.as_bytes()).unwrap_or(right));
            let mut ids = [0; 3];
            for (id, text) in ids.iter_mut().zip([left, right, &joined]) {
                *id = match bpe.symbol(vocabulary, text) {
                    Some(id) => id,
                    None if strict => return Err(UnknownSymbol(String::from_utf8_lossy(text).into_owned())),
                    None => bpe.add(vocabulary, text),
                };
            }
            let [left, right, both] = ids;
            if vocabulary.kind(both) == Kind::Control && (both as usize) < vocabulary.len() {
                continue;
            }
            let value = (rank as u32, both);
            if strict {
                bpe.merges.insert(key(left, right), value);
            } else {
                bpe.merges.entry(key(left, right)).or_insert(value);
            }
        }
        let plain = bpe.settings.prefix.is_empty() && bpe.settings.suffix.is_empty();
        bpe.cuts_at_space = plain
            && !(bpe.settings.byte_level || bpe.settings.ignore_merges)
            && vocabulary.spaces_begin_tokens
            // Otherwise it might be part of a row of unknown characters, which is one token.
            && vocabulary.find_plain("▁".as_bytes()).is_some()
            && (0..bpe.others.len() as u32).all(|index| space_begins(bpe.others.get(index)));
        if bpe.settings.byte_level {
            let mut bytes = Box::new([NONE; 256]);
            for (byte, symbol) in (0..=255).zip(bytes.iter_mut()) {
                let text = byte_level::character(byte).to_string();
                *symbol = bpe.symbol(vocabulary, text.as_bytes()).unwrap_or(NONE);
            }
            bpe.bytes = Some(bytes);
            if bpe.settings.ignore_merges {
                bpe.whole = Some(whole(vocabulary));
            }
        }
        Ok(bpe)
    }

    /// Appends the tokens of a word.
    pub(super) fn word(
        &self,
        vocabulary: &Vocabulary,
        word: &str,
        symbols: &mut Vec<Symbol>,
        out: &mut Vec<u32>,
    ) {
        if let Some(id) = self.whole(vocabulary, word) {
            out.push(id);
            return;
        }
        symbols.clear();
        match &self.bytes {
            Some(bytes) => symbols.extend(word.bytes().zip(0..).map(|(byte, start)| Symbol {
                start,
                len: 1,
                id: bytes[usize::from(byte)],
            })),
            None => self.characters(vocabulary, word, symbols),
        }
        merge(symbols, |left, right| self.merges.get(&key(left.id, right.id)).copied());
        let count = vocabulary.len();
        for symbol in symbols {
            if (symbol.id as usize) < count {
                out.push(symbol.id);
            } else {
                let text = &word.as_bytes()[symbol.start as usize..][..symbol.len as usize];
                self.no_token(vocabulary, text, out);
            }
        }
    }

    fn whole(&self, vocabulary: &Vocabulary, word: &str) -> Option<u32> {
        if self.settings.line_feeds && word.bytes().all(|byte| byte == b'\n') {
            return vocabulary.find_plain(word.as_bytes());
        }
        match &self.whole {
            Some((texts, ids, index)) => ids.get(index.find(texts, word.as_bytes())? as usize).copied(),
            None if self.settings.ignore_merges => vocabulary.find_plain(word.as_bytes()),
            None => None,
        }
    }

    /// Splits a word into characters with their symbols.
    fn characters(&self, vocabulary: &Vocabulary, word: &str, symbols: &mut Vec<Symbol>) {
        let Settings { prefix, suffix, byte_fallback, unknown, fuse_unknown, .. } = &self.settings;
        let mut affixed = String::new();
        for (start, character) in word.char_indices() {
            let len = character.len_utf8();
            let text = &word[start..start + len];
            let symbol = |id| Symbol { start: start as u32, len: len as u32, id };
            let first = start > 0 && !prefix.is_empty();
            let last = start + len == word.len() && !suffix.is_empty();
            let text = if first || last {
                affixed.clear();
                affixed.push_str(if first { prefix } else { "" });
                affixed.push_str(text);
                affixed.push_str(if last { suffix } else { "" });
                &affixed
            } else {
                text
            };
            if let Some(id) = self.symbol(vocabulary, text.as_bytes()) {
                symbols.push(symbol(id));
            } else if *byte_fallback && text.bytes().all(|byte| byte_token(vocabulary, byte).is_some()) {
                symbols.push(symbol(NONE));
            } else if let Some(unknown) = unknown {
                match symbols.last_mut() {
                    Some(last) if *fuse_unknown && last.id == *unknown => last.len += len as u32,
                    _ => symbols.push(symbol(*unknown)),
                }
            }
        }
    }

    /// Appends what stands for text that is no token.
    fn no_token(&self, vocabulary: &Vocabulary, text: &[u8], out: &mut Vec<u32>) {
        for byte in text {
            let id = match &self.bytes {
                Some(bytes) => Some(bytes[usize::from(*byte)]).filter(|id| (*id as usize) < vocabulary.len()),
                None => byte_token(vocabulary, *byte),
            };
            out.extend(id.or(self.settings.unknown));
        }
    }

    fn symbol(&self, vocabulary: &Vocabulary, text: &[u8]) -> Option<u32> {
        vocabulary.find_plain(text).or_else(|| {
            let index = self.others_by_text.find(&self.others, text)?;
            Some(vocabulary.len() as u32 + index)
        })
    }

    fn add(&mut self, vocabulary: &Vocabulary, text: &[u8]) -> u32 {
        self.others.push(text);
        let index = self.others.len() as u32 - 1;
        self.others_by_text.insert(&self.others, index);
        vocabulary.len() as u32 + index
    }
}

/// Returns the token of a byte, `<0x0A>`.
pub(super) fn byte_token(vocabulary: &Vocabulary, byte: u8) -> Option<u32> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
    vocabulary.find(&[b'<', b'0', b'x', high, low, b'>'])
}

fn key(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

/// Returns the tokens that are text, by their bytes.
fn whole(vocabulary: &Vocabulary) -> (Texts, Vec<u32>, Index) {
    let (mut texts, mut ids) = (Texts::default(), Vec::new());
    let mut index = Index::with_room_for(vocabulary.len());
    for id in vocabulary.ids().filter(|id| vocabulary.kind(*id) != Kind::Control) {
        let text = std::str::from_utf8(vocabulary.text(id)).unwrap_or_default();
        if text.is_empty() || !text.chars().all(|character| byte_level::byte(character).is_some()) {
            continue;
        }
        let bytes: Vec<u8> = text.chars().filter_map(byte_level::byte).collect();
        texts.push(&bytes);
        index.insert(&texts, ids.len() as u32);
        ids.push(id);
    }
    (texts, ids, index)
}
