use std::collections::BTreeMap;

use athenaeum_inference::{
    sampling::{LogProbs, Ranked},
    tokenizer::{TextStream, Tokenizer},
};
use serde::Serialize;
use utoipa::ToSchema;

/// How likely the tokens of a text were.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(as = openai::CompletionLogProbs)]
pub(crate) struct CompletionLogProbs {
    /// Their texts. What is no UTF-8 by itself is written `bytes:\xe2\x80`.
    tokens: Vec<String>,
    /// Natural logarithms of their probabilities; `null` for the first token of a prompt.
    token_logprobs: Vec<Option<f32>>,
    /// The likeliest in their places, and those that were taken.
    top_logprobs: Option<Vec<Option<BTreeMap<String, f32>>>>,
    /// Where they begin in the text, in characters.
    text_offset: Vec<usize>,
}

impl CompletionLogProbs {
    /// Adds a token that begins at an offset.
    pub(super) fn push(
        &mut self,
        tokenizer: &Tokenizer,
        token: u32,
        logprobs: Option<&LogProbs>,
        offset: usize,
    ) {
        self.tokens.push(token_text(tokenizer, token));
        self.token_logprobs.push(logprobs.map(|logprobs| finite(&logprobs.chosen)));
        self.text_offset.push(offset);
        let top = logprobs.map(|logprobs| {
            let mut top = BTreeMap::new();
            for ranked in std::iter::once(&logprobs.chosen).chain(&logprobs.top) {
                top.entry(token_text(tokenizer, ranked.token)).or_insert_with(|| finite(ranked));
            }
            top
        });
        self.top_logprobs.get_or_insert_default().push(top);
    }

    /// Adds the tokens of a prompt that is written as `echo`.
    pub(super) fn push_prompt(
        &mut self,
        tokenizer: &Tokenizer,
        tokens: &[u32],
        logprobs: &[LogProbs],
        echo: &str,
    ) {
        let letters = echo.chars().count();
        let mut text = TextStream::new().with_specials();
        // What was put before a text stands nowhere in it.
        let first = tokens.first().map(|first| token_text(tokenizer, *first));
        let unseen = first
            .is_some_and(|first| tokens.first().copied() == tokenizer.bos() && !echo.starts_with(&first));
        let mut offset = 0;
        for (index, &token) in tokens.iter().enumerate() {
            let likely = index.checked_sub(1).and_then(|before| logprobs.get(before));
            self.push(tokenizer, token, likely, offset.min(letters));
            if index > 0 || !unseen {
                offset += text.push(tokenizer, token).chars().count();
            }
        }
    }

    /// Leaves out the likeliest ones.
    pub(super) fn without_top(mut self) -> Self {
        self.top_logprobs = None;
        self
    }

    /// Says whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }
}

/// JSON has no −∞.
fn finite(ranked: &Ranked) -> f32 {
    ranked.logprob.max(-9999.0)
}

fn token_text(tokenizer: &Tokenizer, token: u32) -> String {
    let bytes = tokenizer.bytes(token);
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().fold("bytes:".to_owned(), |text, byte| format!("{text}\\x{byte:02x}")),
    }
}
