use super::LoadError;
use crate::tokenizer::Tokenizer;

/// The tokens that begin and end a text, and stand between the two of a pair.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    before: Option<u32>,
    after: Option<u32>,
    /// Models of the RoBERTa family end the first text and begin the second, with the same token.
    doubled: bool,
}

impl Frame {
    /// Takes what the tokenizer adds to texts; it must have no token that the model does not know.
    pub(crate) fn of(tokenizer: &Tokenizer, vocabulary: usize) -> Result<Self, LoadError> {
        if tokenizer.len() > vocabulary {
            let what = format!("a tokenizer of {} tokens for {vocabulary} vectors", tokenizer.len());
            return Err(LoadError::Unsupported { what });
        }
        let before = tokenizer.bos().filter(|_| tokenizer.adds_bos());
        let after = tokenizer.eos().filter(|_| tokenizer.adds_eos());
        let doubled = before.is_some_and(|id| tokenizer.bytes(id) == b"<s>");
        Ok(Self { before, after, doubled })
    }

    pub(crate) fn before(&self) -> Option<u32> {
        self.before
    }

    /// How many tokens are added to one text.
    pub(crate) fn around(&self) -> usize {
        usize::from(self.before.is_some()) + usize::from(self.after.is_some())
    }

    /// How many tokens are added to a pair of texts.
    pub(crate) fn around_pair(&self) -> usize {
        self.around() + usize::from(self.after.is_some()) * if self.doubled { 2 } else { 1 }
    }

    pub(crate) fn one(&self, text: &[u32]) -> Vec<u32> {
        self.before.iter().chain(text).chain(&self.after).copied().collect()
    }

    /// Returns the tokens of a pair, and where its second part begins.
    pub(crate) fn pair(&self, first: &[u32], second: &[u32]) -> (Vec<u32>, usize) {
        let mut tokens = self.one(first);
        tokens.extend(self.after.filter(|_| self.doubled));
        let second_from = tokens.len();
        tokens.extend(second);
        tokens.extend(self.after);
        (tokens, second_from)
    }
}
