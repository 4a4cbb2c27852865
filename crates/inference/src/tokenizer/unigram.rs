//! SentencePiece's Unigram: of all ways to cut a text into tokens, the most likely one.

use super::{
    bpe::byte_token,
    trie::Trie,
    vocabulary::{Kind, Vocabulary},
};

/// The logarithms of how likely tokens are.
pub(super) struct Unigram {
    tokens: Trie,
    scores: Vec<f64>,
    /// What a character costs that no token has.
    unknown_score: f64,
    unknown: Option<u32>,
    /// Such a character becomes the tokens of its bytes.
    byte_fallback: bool,
}

/// The best way to a place in the text.
#[derive(Clone, Copy)]
struct Best {
    score: f64,
    /// Where its last token begins.
    from: u32,
    /// Its last token, or [`NONE`] for what has no token.
    id: u32,
}

/// That much less likely than the least likely token.
const UNKNOWN_PENALTY: f64 = 10.0;
const NONE: u32 = u32::MAX;

impl Unigram {
    /// `scores`: of each token, none of them NaN.
    pub(super) fn new(
        vocabulary: &Vocabulary,
        mut scores: Vec<f64>,
        unknown: Option<u32>,
        byte_fallback: bool,
    ) -> Self {
        let is = |id: u32, kinds: &[Kind]| kinds.contains(&vocabulary.kind(id)) && Some(id) != unknown;
        let score = |id: u32| scores.get(id as usize).copied().unwrap_or(0.0);
        let least =
            vocabulary.ids().filter(|id| is(*id, &[Kind::Normal])).map(score).fold(f64::MAX, f64::min);
        let used = vocabulary.ids().filter(|id| is(*id, &[Kind::Normal, Kind::UserDefined, Kind::Unused]));
        let tokens = Trie::new(used.map(|id| (vocabulary.text(id), id)).collect());
        for (id, score) in (0..).zip(scores.iter_mut()) {
            if vocabulary.kind(id) == Kind::UserDefined {
                *score = 0.0;
            }
        }
        let unknown_score = if least == f64::MAX { 0.0 } else { least } - UNKNOWN_PENALTY;
        Self { tokens, scores, unknown_score, unknown, byte_fallback }
    }

    /// Appends the tokens of a text in which spaces are `▁`.
    pub(super) fn word(&self, vocabulary: &Vocabulary, word: &str, out: &mut Vec<u32>) {
        let start = Best { score: f64::NEG_INFINITY, from: 0, id: NONE };
        let mut best = vec![start; word.len() + 1];
        best[0].score = 0.0;
        for (at, character) in word.char_indices() {
            let here = best[at].score;
            let mut better = |end: usize, score: f64, id: u32| {
                if score > best[end].score {
                    best[end] = Best { score, from: at as u32, id };
                }
            };
            let mut whole_character = false;
            self.tokens.prefixes(&word.as_bytes()[at..], |len, id| {
                whole_character |= len == character.len_utf8();
                let score = self.scores.get(id as usize).copied().unwrap_or(0.0);
                better(at + len, here + score, id);
            });
            if !whole_character {
                better(at + character.len_utf8(), here + self.unknown_score, NONE);
            }
        }
        self.trace_back(vocabulary, word, &best, out);
    }

    fn trace_back(&self, vocabulary: &Vocabulary, word: &str, best: &[Best], out: &mut Vec<u32>) {
        let first = out.len();
        let mut end = word.len();
        let mut after_unknown = false;
        while end > 0 {
            let Best { from, id, .. } = best[end];
            let from = from as usize;
            if id != NONE {
                out.push(id);
            } else if !self.bytes(vocabulary, &word.as_bytes()[from..end], out) && !after_unknown {
                out.extend(self.unknown);
            }
            after_unknown = id == NONE;
            end = from;
        }
        out[first..].reverse();
    }

    /// Appends the tokens of bytes, last first, if there is one for each.
    fn bytes(&self, vocabulary: &Vocabulary, bytes: &[u8], out: &mut Vec<u32>) -> bool {
        let before = out.len();
        if self.byte_fallback {
            out.extend(bytes.iter().rev().filter_map(|byte| byte_token(vocabulary, *byte)));
        }
        if out.len() - before == bytes.len() {
            return true;
        }
        out.truncate(before);
        false
    }
}
