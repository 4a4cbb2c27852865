//! The tokens of a model, as a trie that forms are followed along.

use std::sync::Arc;

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
                    None => Vec::new(),
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
        Ok(Self { factory: Arc::new(factory), tokens })
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
