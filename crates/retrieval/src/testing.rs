//! For tests: a model that makes vectors of a few words ([`FourMeanings`]).

use athenaeum_core::{Embed, Embedded, Embedding, EmbeddingModel, TextKind};

/// Knows four meanings by their words, and nothing else: dogs, cats, bread and tea. Its vectors have five dimensions, one for each
/// meaning and one that is never zero.
pub struct FourMeanings(EmbeddingModel);

impl FourMeanings {
    const WORDS: [&[&str]; 4] = [
        &["dog", "puppy", "hound", "barks"],
        &["cat", "kitten", "purrs"],
        &["bread", "dough", "loaf"],
        &["tea", "infusion", "brew"],
    ];

    /// Makes one; all of them are the same model, `four-meanings`.
    #[expect(clippy::new_without_default, reason = "a model has no usual form")]
    pub fn new() -> Self {
        let name = "four-meanings".to_owned();
        Self(EmbeddingModel { name, fingerprint: 4, dimensions: 5, tokens_max: 64 })
    }
}

impl Embed for FourMeanings {
    fn model(&self) -> &EmbeddingModel {
        &self.0
    }

    fn tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn embed<'a>(&'a self, texts: &'a [String], _: TextKind) -> Embedding<'a> {
        let vector = |text: &String| {
            let text = text.to_lowercase();
            let count = |words: &&[&str]| words.iter().filter(|word| text.contains(*word)).count() as f32;
            let mut vector: Vec<f32> = Self::WORDS.iter().map(count).collect();
            vector.push(0.1);
            Embedded { vector, cut_tokens: 0 }
        };
        Box::pin(async move { Ok(texts.iter().map(vector).collect()) })
    }
}
