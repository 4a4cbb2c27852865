//! The tokens of a model, as a trie that forms are followed along.

use std::{collections::HashMap, sync::Arc};

use llguidance::{
    ParserFactory,
    api::ParserLimits,
    toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie},
};

use super::Error;

/// A model's tokens, ready for constraints. Cheap to clone; making one takes a tenth of a second for 150,000 tokens.
#[derive(Clone)]
pub struct Vocabulary {
    factory: Arc<ParserFactory>,
    tokens: usize,
    ends: Vec<u32>,
    /// What control tokens are called.
    controls: Arc<HashMap<u32, Vec<u8>>>,
}

/// Longer tokens are never allowed under a constraint: the trie counts their bytes in eight bits.
const TOKEN_BYTES_MAX: usize = 250;

impl Vocabulary {
    /// Of `tokens` tokens, `ends` are those that end a generation. `bytes` tells what a token contributes to the
    /// text, and nothing for control tokens: those never come under a constraint, but for the ends.
    ///
    /// # Errors
    ///
    /// [`Error::Vocabulary`] without tokens or without ends among them.
    pub fn new<'v>(
        tokens: usize,
        ends: &[u32],
        bytes: impl Fn(u32) -> Option<&'v [u8]>,
    ) -> Result<Self, Error> {
        let refused = |reason: &str| Error::Vocabulary { reason: reason.to_owned() };
        let count = u32::try_from(tokens).map_err(|_| refused("it has too many tokens"))?;
        let Some(&end) = ends.first() else { return Err(refused("it has no token that ends a text")) };
        if ends.iter().any(|&end| end >= count) {
            return Err(refused("an ending token is not among its tokens"));
        }
        let words: Vec<Vec<u8>> = (0..count)
            .map(|token| {
                let usable = |bytes: &&[u8]| bytes.len() <= TOKEN_BYTES_MAX && bytes.first() != Some(&MARK);
                match bytes(token).filter(usable) {
                    _ if ends.contains(&token) => [&[MARK], format!("<end{token}>").as_bytes()].concat(),
                    Some(bytes) => bytes.to_vec(),
                    // They come where a grammar names them, and nowhere else.
                    None => [&[MARK], format!("<control{token}>").as_bytes()].concat(),
                }
            })
            .collect();
        let trie = TokTrie::from(&TokRxInfo::new(count, end), &words).with_eos_tokens(ends);
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let slices = llguidance::earley::SlicedBiasComputer::general_slices();
        let factory = ParserFactory::new(&environment, InferenceCapabilities::default(), &slices);
        let mut factory = factory.map_err(|error| refused(&super::first_line(&error)))?;
        factory.quiet();
        *factory.limits_mut() = limits();
        Ok(Self { factory: Arc::new(factory), tokens, ends: ends.to_vec(), controls: Arc::default() })
    }

    /// Knows what control tokens are called, so that forms and what precedes them can name them.
    #[must_use]
    pub fn with_controls<'v>(self, controls: impl Iterator<Item = (u32, &'v [u8])>) -> Self {
        let controls = controls.filter(|(_, name)| !name.is_empty());
        Self { controls: Arc::new(controls.map(|(token, name)| (token, name.to_vec())).collect()), ..self }
    }

    /// What a token contributes to the text, or what it is called.
    pub(super) fn bytes(&self, token: u32) -> &[u8] {
        if let Some(name) = self.controls.get(&token) {
            return name;
        }
        let trie = self.factory.tok_env().tok_trie();
        if token as usize >= self.tokens {
            return &[];
        }
        Some(trie.token(token)).filter(|bytes| bytes.first() != Some(&MARK)).unwrap_or(&[])
    }

    /// All of them.
    pub(super) fn tokens(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.tokens).unwrap_or(u32::MAX)
    }

    /// The token that is this whole text.
    pub(super) fn token(&self, text: &str) -> Option<u32> {
        let control = self.controls.iter().find(|(_, name)| name.as_slice() == text.as_bytes());
        control.map(|(token, _)| *token).or_else(|| {
            let trie = self.factory.tok_env().tok_trie();
            trie.token_id(text.as_bytes())
        })
    }

    /// Finds the first control token that is spelled out in a text: where, how many bytes, and which; no token where it is
    /// one that ends an answer.
    pub(super) fn find_control(&self, text: &str) -> Option<(usize, usize, Option<u32>)> {
        let found = self.controls.iter().filter_map(|(token, name)| {
            let at = text.find(std::str::from_utf8(name).ok()?)?;
            Some((at, std::cmp::Reverse(name.len()), *token))
        });
        let (at, std::cmp::Reverse(length), token) = found.min()?;
        Some((at, length, Some(token).filter(|token| !self.ends.contains(token))))
    }

    /// The tokens that end a generation.
    pub(super) fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.tokens
    }

    /// Whether there are none; there always are.
    pub fn is_empty(&self) -> bool {
        self.tokens == 0
    }

    pub(super) fn factory(&self) -> &ParserFactory {
        &self.factory
    }
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vocabulary").field("tokens", &self.tokens).finish()
    }
}

/// What marks control tokens in the trie; it is in no UTF-8 text.
const MARK: u8 = TokTrie::SPECIAL_TOKEN_MARKER;

/// Steps, not seconds, so that a form is kept to or refused alike on every machine. By the library's own figures they
/// come to some 20 ms for compiling a lexer and as much for each token.
fn limits() -> ParserLimits {
    ParserLimits { verbose_errors: false, precompute_large_lexemes: true, ..ParserLimits::default() }
}
