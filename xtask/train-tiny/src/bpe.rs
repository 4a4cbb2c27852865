//! A byte-level BPE vocabulary, cut by GPT-2's expression: learnt here, and small.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context;
use fancy_regex::Regex;

/// Ends a text that is no talk; also stands where a beginning or padding is asked for.
pub(crate) const END_OF_TEXT: &str = "<|endoftext|>";
pub(crate) const TURN_START: &str = "<|im_start|>";
pub(crate) const TURN_END: &str = "<|im_end|>";

/// Tokens that stand for themselves, and whether they are markup that no text contains. They come last in the
/// vocabulary, in this order.
pub(crate) const ADDED: [(&str, bool); 7] = [
    (END_OF_TEXT, true),
    (TURN_START, true),
    (TURN_END, true),
    ("<think>", false),
    ("</think>", false),
    ("<tool_call>", false),
    ("</tool_call>", false),
];

/// How GPT-2 cuts text into pieces that are never merged across (`encoder.py` of openai/gpt-2).
const PIECES: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

/// A vocabulary: 256 bytes, what merges make of them, and [`ADDED`].
pub(crate) struct Bpe {
    pieces: Regex,
    /// The tokens' bytes, without those of [`ADDED`].
    tokens: Vec<Vec<u8>>,
    /// Pairs of tokens in the order in which they are merged; the result of the first is token 256.
    merges: Vec<(u32, u32)>,
    ranks: HashMap<(u32, u32), u32>,
}

impl Bpe {
    /// Learns a vocabulary of `size` tokens: merges, again and again, the pair that is seen most often; of several,
    /// the one with the lowest numbers.
    pub(crate) fn learn(texts: &[String], size: usize) -> anyhow::Result<Self> {
        let mut bpe = Self::bytes()?;
        let mut counts: BTreeMap<Vec<u32>, usize> = BTreeMap::new();
        for text in texts {
            for part in bpe.parts(text) {
                let Part::Text(plain) = part else { continue };
                for piece in bpe.pieces.find_iter(plain) {
                    *counts.entry(bytes_as_tokens(piece?.as_str())).or_default() += 1;
                }
            }
        }
        let mut words: Vec<(Vec<u32>, usize)> = counts.into_iter().collect();
        while bpe.len() < size {
            let mut pairs: BTreeMap<(u32, u32), usize> = BTreeMap::new();
            for (word, count) in &words {
                for pair in word.windows(2) {
                    *pairs.entry((pair[0], pair[1])).or_default() += count;
                }
            }
            let best = pairs.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
            let (&pair, _) = best.context("the texts are too short for a vocabulary of this size")?;
            let merged = bpe.add(pair);
            for (word, _) in &mut words {
                merge(word, pair, merged);
            }
        }
        Ok(bpe)
    }

    /// Takes up the vocabulary whose merges were written by [`Bpe::written_merges`].
    pub(crate) fn from_merges(merges: &[String]) -> anyhow::Result<Self> {
        let mut bpe = Self::bytes()?;
        let mut numbers: HashMap<String, u32> =
            bpe.tokens.iter().enumerate().map(|(id, token)| (written(token), id as u32)).collect();
        for merge in merges {
            let parts = merge.split_once(' ');
            let pair = parts.and_then(|(left, right)| Some((*numbers.get(left)?, *numbers.get(right)?)));
            let merged = bpe.add(pair.with_context(|| format!("the merge {merge:?} is of no known tokens"))?);
            numbers.insert(written(&bpe.tokens[merged as usize]), merged);
        }
        Ok(bpe)
    }

    /// The vocabulary before anything was merged.
    fn bytes() -> anyhow::Result<Self> {
        Ok(Self {
            pieces: Regex::new(PIECES)?,
            tokens: (0..256).map(|position| vec![BYTE_ORDER.byte(position)]).collect(),
            merges: Vec::new(),
            ranks: HashMap::new(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len() + ADDED.len()
    }

    /// Returns the number of one of [`ADDED`].
    pub(crate) fn added(&self, text: &str) -> u32 {
        let position = ADDED.iter().position(|(added, _)| *added == text);
        (self.tokens.len() + position.unwrap_or(0)) as u32
    }

    /// Cuts text into tokens; what reads like one of [`ADDED`] is that one.
    pub(crate) fn encode(&self, text: &str) -> anyhow::Result<Vec<u32>> {
        let mut ids = Vec::new();
        for part in self.parts(text) {
            match part {
                Part::Added(added) => ids.push(self.added(added)),
                Part::Text(plain) => {
                    for piece in self.pieces.find_iter(plain) {
                        ids.extend(self.encode_piece(piece?.as_str()));
                    }
                }
            }
        }
        Ok(ids)
    }

    /// Returns the tokens as the files write them: a letter for each byte.
    pub(crate) fn written_tokens(&self) -> Vec<String> {
        let plain = self.tokens.iter().map(|token| written(token));
        plain.chain(ADDED.iter().map(|(text, _)| (*text).to_owned())).collect()
    }

    /// Returns the merges as the files write them: two tokens with a space between.
    pub(crate) fn written_merges(&self) -> Vec<String> {
        let token = |id: u32| written(&self.tokens[id as usize]);
        self.merges.iter().map(|&(left, right)| format!("{} {}", token(left), token(right))).collect()
    }

    fn add(&mut self, pair: (u32, u32)) -> u32 {
        let merged = self.tokens.len() as u32;
        let bytes =
            [self.tokens[pair.0 as usize].as_slice(), self.tokens[pair.1 as usize].as_slice()].concat();
        self.tokens.push(bytes);
        self.merges.push(pair);
        self.ranks.insert(pair, merged);
        merged
    }

    fn encode_piece(&self, piece: &str) -> Vec<u32> {
        let mut word = bytes_as_tokens(piece);
        loop {
            let ranked = word.windows(2).filter_map(|pair| {
                let pair = (pair[0], pair[1]);
                Some((*self.ranks.get(&pair)?, pair))
            });
            let Some((merged, pair)) = ranked.min() else { return word };
            merge(&mut word, pair, merged);
        }
    }

    fn parts<'a>(&self, mut text: &'a str) -> Vec<Part<'a>> {
        let mut parts = Vec::new();
        loop {
            let found = ADDED.iter().filter_map(|(added, _)| Some((text.find(added)?, *added)));
            let Some((start, added)) = found.min_by_key(|(start, _)| *start) else {
                parts.push(Part::Text(text));
                return parts;
            };
            parts.push(Part::Text(&text[..start]));
            parts.push(Part::Added(added));
            text = &text[start + added.len()..];
        }
    }
}

enum Part<'a> {
    Text(&'a str),
    Added(&'static str),
}

fn merge(word: &mut Vec<u32>, pair: (u32, u32), merged: u32) {
    let mut start = 0;
    while start + 1 < word.len() {
        if (word[start], word[start + 1]) == pair {
            word[start] = merged;
            word.remove(start + 1);
        }
        start += 1;
    }
}

fn bytes_as_tokens(text: &str) -> Vec<u32> {
    text.bytes().map(|byte| BYTE_ORDER.position(byte)).collect()
}

fn written(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| BYTE_ORDER.letter(byte)).collect()
}

/// GPT-2's letters for bytes: those that print stand for themselves, the others for U+0100 and up
/// (`bytes_to_unicode` of openai/gpt-2); tokens are numbered in the order of the letters.
struct ByteOrder;

const BYTE_ORDER: ByteOrder = ByteOrder;

impl ByteOrder {
    fn prints(byte: u8) -> bool {
        matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
    }

    fn letter(&self, byte: u8) -> char {
        if Self::prints(byte) {
            return char::from(byte);
        }
        let before = (0..byte).filter(|&byte| !Self::prints(byte)).count() as u32;
        char::from_u32(256 + before).unwrap_or_default()
    }

    fn position(&self, byte: u8) -> u32 {
        let printing = (0..byte).filter(|&byte| Self::prints(byte)).count();
        let of_all = (0..=255).filter(|&byte| Self::prints(byte)).count();
        let position = if Self::prints(byte) { printing } else { of_all + usize::from(byte) - printing };
        position as u32
    }

    fn byte(&self, position: u32) -> u8 {
        (0..=255).find(|&byte| self.position(byte) == position).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bpe: &Bpe, ids: &[u32]) -> String {
        let mut bytes = Vec::new();
        for &id in ids {
            match bpe.tokens.get(id as usize) {
                Some(token) => bytes.extend_from_slice(token),
                None => bytes.extend_from_slice(ADDED[id as usize - bpe.tokens.len()].0.as_bytes()),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn what_is_cut_can_be_joined_again() {
        let text = "Shall I compare thee to a summer's day?\n\n  Ich weiß nicht 🙂";
        let bpe = Bpe::learn(&[text.repeat(3)], 280).unwrap();
        assert_eq!(bpe.len(), 280);
        let talk = format!("{TURN_START}{text}{TURN_END}");
        let ids = bpe.encode(&talk).unwrap();
        assert!(ids.len() < talk.len());
        assert_eq!(ids[0], bpe.added(TURN_START));
        assert_eq!(decode(&bpe, &ids), talk);
        let again = Bpe::from_merges(&bpe.written_merges()).unwrap();
        assert_eq!(again.encode(&talk).unwrap(), ids);
        assert_eq!(bpe.written_merges().len() + 256 + ADDED.len(), bpe.written_tokens().len());
    }

    #[test]
    fn bytes_have_the_letters_of_gpt2() {
        assert_eq!(written(b"a b\n\xc3\x9f"), "a\u{120}b\u{10a}\u{c3}\u{141}");
        assert_eq!(BYTE_ORDER.position(b'!'), 0);
        assert_eq!(BYTE_ORDER.position(0), 188);
    }
}
