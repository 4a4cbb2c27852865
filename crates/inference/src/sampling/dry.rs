//! "Don't repeat yourself": a penalty for the token that would go on with a repetition, growing with its length.
//!
//! p-e-w 2024, <https://github.com/oobabooga/text-generation-webui/pull/5677>; the details, sequence breakers of
//! several tokens among them, are those of llama.cpp.

use std::sync::Arc;

use super::{Sampling, candidates::Candidates};

/// Sequence breakers as tokens: the ways in which a text such as `"\n"` lies in the vocabulary. Cheap to clone; made
/// once for a model and a list of texts, as it looks through the whole vocabulary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breakers {
    /// The first token of a sequence and those after it, ascending.
    sequences: Arc<[(u32, Box<[u32]>)]>,
}

/// The most tokens of a breaker after its first, so that looking for them stays linear.
const TAIL_MAX: usize = 20;

impl Breakers {
    /// Every token that holds one of the texts breaks sequences; so does every token that ends in the beginning of
    /// one, followed by the tokens of the rest. `bytes` tells what a token contributes to the text; `encode` makes
    /// tokens of text, special ones not looked for.
    pub fn new<'v>(
        texts: &[String],
        vocabulary: usize,
        bytes: impl Fn(u32) -> &'v [u8],
        encode: impl Fn(&str) -> Vec<u32>,
    ) -> Self {
        let mut sequences = Vec::new();
        for text in texts.iter().filter(|text| !text.is_empty()) {
            // Rests of one text are asked for over and over: by every token that ends alike.
            let mut rests: Vec<Option<Box<[u32]>>> = vec![None; text.len()];
            for token in 0..u32::try_from(vocabulary).unwrap_or(u32::MAX) {
                let word = bytes(token);
                if memmem(word, text.as_bytes()) {
                    sequences.push((token, Box::default()));
                    continue;
                }
                // A rest that begins within a character cannot be encoded, and never follows.
                let begun = (1..text.len()).filter(|&at| text.is_char_boundary(at));
                for at in begun.filter(|&at| word.ends_with(&text.as_bytes()[..at])) {
                    let tokens = || encode(&text[at..]).into_iter().take(TAIL_MAX).collect();
                    sequences.push((token, rests[at].get_or_insert_with(tokens).clone()));
                }
            }
        }
        Self::from_tokens(sequences)
    }

    /// The sequences as they are: each token and what has to follow it.
    pub fn from_tokens(mut sequences: Vec<(u32, Box<[u32]>)>) -> Self {
        sequences.sort_unstable();
        sequences.dedup();
        Self { sequences: sequences.into() }
    }

    /// What has to follow this token, in each sequence that begins with it.
    fn after(&self, token: u32) -> impl Iterator<Item = &[u32]> {
        let from = self.sequences.partition_point(|sequence| sequence.0 < token);
        self.sequences[from..].iter().take_while(move |sequence| sequence.0 == token).map(|s| &*s.1)
    }

    /// Whether the token is a breaker all by itself.
    fn single(&self, token: u32) -> bool {
        self.after(token).any(<[u32]>::is_empty)
    }

    /// How many of the last tokens come after the last breaker.
    fn since(&self, seen: &[u32]) -> usize {
        for back in 0..seen.len() {
            let at = seen.len() - 1 - back;
            let longest =
                self.after(seen[at]).filter(|rest| seen[at + 1..].starts_with(rest)).map(<[u32]>::len);
            if let Some(longest) = longest.max() {
                return back - longest;
            }
        }
        seen.len()
    }
}

/// Room that is kept from one token to the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Dry {
    repeated: Vec<u32>,
    penalised: Vec<(u32, u32)>,
}

impl Dry {
    pub(super) fn on(sampling: &Sampling) -> bool {
        sampling.dry_multiplier != 0.0 && sampling.dry_last_n != 0
    }

    /// `seen` are the tokens of the window, oldest first.
    pub(super) fn apply(
        &mut self,
        sampling: &Sampling,
        breakers: &Breakers,
        seen: &[u32],
        candidates: &mut Candidates<'_>,
    ) {
        let allowed = sampling.dry_allowed_length;
        if !Self::on(sampling) || seen.len() <= allowed as usize {
            return;
        }
        let limit = u32::try_from(breakers.since(seen)).unwrap_or(u32::MAX);
        if limit < allowed {
            return;
        }
        self.find(seen, limit, allowed);
        self.penalised.retain(|&(token, _)| !breakers.single(token));
        // The power would be infinite beyond this, and an infinite penalty a ban.
        let longest =
            if sampling.dry_base > 1.000_001 { f32::MAX.ln() / sampling.dry_base.ln() } else { f32::MAX };
        candidates.penalise(&self.penalised, |logit, length| {
            let grown = sampling.dry_base.powf(((length - allowed) as f32).min(longest.floor()));
            logit - (sampling.dry_multiplier * grown).min(f32::MAX)
        });
    }

    /// Fills `penalised`: tokens that followed earlier occurrences of the last tokens, each with the longest.
    fn find(&mut self, seen: &[u32], limit: u32, allowed: u32) {
        suffixes(seen, limit, &mut self.repeated);
        self.penalised.clear();
        // The occurrence `back` tokens before the end was followed by the token one nearer.
        let follow = self.repeated.iter().enumerate().skip(1).filter(|(_, length)| **length >= allowed);
        self.penalised.extend(follow.map(|(back, &length)| (seen[seen.len() - back], length)));
        self.penalised.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        self.penalised.dedup_by_key(|penalised| penalised.0);
    }
}

/// For each distance from the end, how many tokens ending there equal the last ones of all, at most `limit`: the
/// Z-function (Gusfield 1997, §1.3) of the sequence read backwards, in linear time.
fn suffixes(seen: &[u32], limit: u32, lengths: &mut Vec<u32>) {
    let at = |back: usize| seen[seen.len() - 1 - back];
    lengths.clear();
    lengths.resize(seen.len(), 0);
    // The stretch known to match: from `left` to before `right`.
    let (mut left, mut right) = (0, 0);
    for start in 1..seen.len() {
        let mut length = 0;
        if start < right {
            length = (right - start).min(lengths[start - left] as usize);
        }
        while start + length < seen.len() && at(length) == at(start + length) {
            length += 1;
        }
        if start + length > right {
            (left, right) = (start, start + length);
        }
        lengths[start] = length as u32;
    }
    lengths.iter_mut().for_each(|length| *length = (*length).min(limit));
}

fn memmem(word: &[u8], text: &[u8]) -> bool {
    word.windows(text.len()).any(|window| window == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By looking at every place, as the definition says.
    fn naive(seen: &[u32], limit: u32) -> Vec<u32> {
        let same = |back: usize| {
            (0..seen.len() - back)
                .take_while(|i| seen[seen.len() - 1 - i] == seen[seen.len() - 1 - back - i])
                .count()
        };
        (0..seen.len()).map(|back| if back == 0 { 0 } else { (same(back) as u32).min(limit) }).collect()
    }

    proptest::proptest! {
        #[test]
        fn suffixes_are_what_one_finds_by_looking(
            seen in proptest::collection::vec(0u32..3, 0..60), limit in 0u32..20,
        ) {
            let mut lengths = Vec::new();
            suffixes(&seen, limit, &mut lengths);
            proptest::prop_assert_eq!(lengths, naive(&seen, limit));
        }
    }

    /// The example in llama.cpp's source: after `a b c c b c y a b c` come c (3), b (1), y (2).
    #[test]
    fn what_would_go_on_with_a_repetition() {
        let (a, b, c, y) = (0, 1, 2, 3);
        let mut dry = Dry::default();
        dry.find(&[a, b, c, c, b, c, y, a, b, c], u32::MAX, 1);
        assert_eq!(dry.penalised, [(b, 1), (c, 3), (y, 2)]);
    }

    #[test]
    fn breakers_are_found_in_the_vocabulary() {
        let words: [&[u8]; 7] = [b"x", b"a:", b"\n", b"ab", b"end", b"a", b"b"];
        let letters = |text: &str| text.bytes().map(|b| if b == b'a' { 5 } else { 6 }).collect();
        let of = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            Breakers::new(&texts, words.len(), |token| words[token as usize], letters)
        };
        assert_eq!(*of(&[":", "\n", ""]).sequences, [(1, Box::default()), (2, Box::default())]);
        // "ab" as one token, or "a" at the end of one and then "b".
        assert_eq!(*of(&["ab"]).sequences, [(3, Box::default()), (5, [6].into())]);
        let breakers = of(&["ab"]);
        assert!(breakers.single(3) && !breakers.single(5) && !breakers.single(0));
        assert_eq!(breakers.since(&[0, 5, 6, 4, 0]), 2);
        assert_eq!(breakers.since(&[0, 3]), 0);
        assert_eq!(breakers.since(&[0, 5, 0]), 3);
    }
}
