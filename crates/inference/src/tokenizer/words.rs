//! Tokens of one word after another.

use super::{
    bpe::Bpe, merge::Symbol, spm::Spm, unigram::Unigram, vocabulary::Vocabulary, wordpiece::WordPiece,
};

/// How tokens are made of a word.
pub(super) enum Engine {
    Bpe(Box<Bpe>),
    Spm(Spm),
    Unigram(Unigram),
    WordPiece(WordPiece),
    /// A word is a token, or is unknown.
    Whole {
        unknown: Option<u32>,
    },
}

/// The tokens of a text so far, and what is needed to find more.
pub(super) struct Words<'a> {
    vocabulary: &'a Vocabulary,
    engine: &'a Engine,
    /// Words are cut before a `▁` that follows something else, which no token does.
    cuts_at_space: bool,
    out: Vec<u32>,
    symbols: Vec<Symbol>,
    /// Words that were met, by their hash; empty for short texts.
    met: Vec<Met>,
}

/// A word that was met, and where its tokens are.
#[derive(Clone, Copy, Default)]
struct Met {
    word: [u8; WORD_BYTES],
    /// 0 for none.
    len: u8,
    count: u8,
    start: u32,
}

/// Longer words are rarely met again.
const WORD_BYTES: usize = 22;
const MET: usize = 1 << 13;
/// Shorter texts are done before the memory for the words is cleared.
const LONG: usize = 2_000;
const SPACE: &str = "▁";

impl<'a> Words<'a> {
    pub(super) fn new(vocabulary: &'a Vocabulary, engine: &'a Engine, text_bytes: usize) -> Self {
        let met = if text_bytes < LONG { Vec::new() } else { vec![Met::default(); MET] };
        let cuts_at_space = match engine {
            Engine::Bpe(bpe) => bpe.cuts_at_space,
            Engine::Spm(_) | Engine::Unigram(_) => vocabulary.spaces_begin_tokens,
            _ => false,
        };
        let out = Vec::with_capacity(text_bytes / 3);
        Self { vocabulary, engine, cuts_at_space, out, symbols: Vec::new(), met }
    }

    pub(super) fn token(&mut self, id: u32) {
        self.out.push(id);
    }

    /// Appends the tokens of a word, which may be a whole text.
    pub(super) fn word(&mut self, word: &str) {
        if !self.cuts_at_space {
            return self.one(word);
        }
        let mut start = 0;
        for (at, _) in word.match_indices(SPACE) {
            // A row of them stays together: it may be a token.
            if at > start && !word[..at].ends_with(SPACE) {
                self.one(&word[start..at]);
                start = at;
            }
        }
        self.one(&word[start..]);
    }

    pub(super) fn finish(self) -> Vec<u32> {
        self.out
    }

    fn one(&mut self, word: &str) {
        if self.met.is_empty() || word.len() > WORD_BYTES || word.is_empty() {
            return self.make(word);
        }
        let bytes = word.as_bytes();
        let slot = xxhash_rust::xxh3::xxh3_64(bytes) as usize % MET;
        let met = self.met[slot];
        if usize::from(met.len) == bytes.len() && met.word[..bytes.len()] == *bytes {
            let start = met.start as usize;
            self.out.extend_from_within(start..start + usize::from(met.count));
            return;
        }
        let start = self.out.len();
        self.make(word);
        if let (Ok(start), Ok(count)) = (u32::try_from(start), u8::try_from(self.out.len() - start)) {
            let mut met = Met { len: bytes.len() as u8, count, start, ..Met::default() };
            met.word[..bytes.len()].copy_from_slice(bytes);
            self.met[slot] = met;
        }
    }

    fn make(&mut self, word: &str) {
        match self.engine {
            Engine::Bpe(bpe) => bpe.word(self.vocabulary, word, &mut self.symbols, &mut self.out),
            Engine::Spm(spm) => spm.word(self.vocabulary, word, &mut self.symbols, &mut self.out),
            Engine::Unigram(unigram) => unigram.word(self.vocabulary, word, &mut self.out),
            Engine::WordPiece(pieces) => pieces.word(self.vocabulary, word, &mut self.out),
            Engine::Whole { unknown } => {
                self.out.extend(self.vocabulary.find_plain(word.as_bytes()).or(*unknown));
            }
        }
    }
}
