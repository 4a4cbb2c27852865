//! SentencePiece's BPE: neighbours are joined when what they make is a token, the one of the best score first.

use super::{
    bpe::byte_token,
    merge::{NONE, Symbol, merge},
    vocabulary::{Kind, Vocabulary},
};

/// The order in which tokens are made.
pub(super) struct Spm {
    /// By token, the place of its score: 0 is the best; [`NONE`] is not made at all.
    ranks: Vec<u32>,
    unknown: Option<u32>,
}

impl Spm {
    /// `scores`: of each token, higher is better, none of them NaN.
    pub(super) fn new(vocabulary: &Vocabulary, scores: &[f32], unknown: Option<u32>) -> Self {
        let mut order: Vec<f32> = scores.to_vec();
        order.sort_unstable_by(|a, b| b.total_cmp(a));
        order.dedup();
        let rank = |score: f32| order.partition_point(|other| *other > score) as u32;
        let ranks = vocabulary.ids().map(|id| match vocabulary.kind(id) {
            // Text that is not parsed for control tokens never becomes one.
            Kind::Control => NONE,
            _ => rank(scores.get(id as usize).copied().unwrap_or(0.0)),
        });
        Self { ranks: ranks.collect(), unknown }
    }

    /// Appends the tokens of a text in which spaces are `▁`.
    pub(super) fn word(
        &self,
        vocabulary: &Vocabulary,
        word: &str,
        symbols: &mut Vec<Symbol>,
        out: &mut Vec<u32>,
    ) {
        let text = |symbol: &Symbol| &word.as_bytes()[symbol.start as usize..][..symbol.len as usize];
        symbols.clear();
        symbols.extend(word.char_indices().map(|(start, character)| Symbol {
            start: start as u32,
            len: character.len_utf8() as u32,
            id: NONE,
        }));
        merge(symbols, |left, right| {
            let both = Symbol { start: left.start, len: left.len + right.len, id: NONE };
            if both.len as usize > vocabulary.text_bytes_max {
                return None;
            }
            let id = vocabulary.find(text(&both))?;
            let rank = *self.ranks.get(id as usize)?;
            (rank != NONE).then_some((rank, id))
        });
        for symbol in symbols.iter() {
            let id = if symbol.id == NONE { vocabulary.find_plain(text(symbol)) } else { Some(symbol.id) };
            match id {
                Some(id) => out.push(id),
                None => self.no_token(vocabulary, text(symbol), out),
            }
        }
    }

    /// Appends the bytes of a character that has no token, or what stands for the unknown, once in a row.
    fn no_token(&self, vocabulary: &Vocabulary, text: &[u8], out: &mut Vec<u32>) {
        for byte in text {
            match (byte_token(vocabulary, *byte), self.unknown) {
                (Some(id), _) => out.push(id),
                (None, Some(unknown)) => {
                    out.push(unknown);
                    return;
                }
                (None, None) => {}
            }
        }
    }
}
