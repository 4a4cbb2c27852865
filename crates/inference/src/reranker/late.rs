//! Late interaction: query and document are computed apart, and compared token by token.
//!
//! Each token's output goes through one more matrix and gets the length 1. The score is the sum, over the query's tokens, of
//! the largest cosine with any of the document's (Khattab and Zaharia, "ColBERT", SIGIR 2020, §3.2 and §3.3; Santhanam et al.,
//! "ColBERTv2", NAACL 2022). A token of its own says which of both a text is; the query is filled up with `[MASK]`s, whose
//! outputs count as further tokens of it; punctuation in documents is computed and not compared.

mod files;

use std::sync::{Arc, OnceLock};

use athenaeum_kernels::Pool;

pub(crate) use self::files::is_late;
use self::files::{Settings, unsupported};
use super::{Pair, Reranker};
use crate::{
    decoder::Linear,
    embedder::{Error, LoadError, Norm, Truncate},
    encoder::{self, Encoder, Input},
    model::Model,
    tokenizer::{Special, Tokenizer},
    weights::Access,
};

/// What such a model has beside its encoder.
#[derive(Debug)]
pub(super) struct Late {
    linear: Linear,
    dimensions: usize,
    query_mark: Option<u32>,
    document_mark: Option<u32>,
    /// What queries are filled up with, and to how many tokens.
    filling: Option<(u32, usize)>,
    /// Whether all tokens look at those that fill up.
    sees_filling: bool,
    /// Tokens of documents that are not compared, in ascending order.
    skipped: Vec<u32>,
}

/// A query as the model takes it. It is computed once, however many documents it is compared with.
#[derive(Debug)]
pub(super) struct Query {
    tokens: Vec<u32>,
    seen: usize,
    /// By number, then by token.
    vectors: OnceLock<Vec<f32>>,
}

impl Late {
    /// Finds what a model has, if it is one of those.
    pub(super) fn load(
        model: &Model,
        encoder: &Encoder,
        tokenizer: &Tokenizer,
        access: Access,
    ) -> Result<Option<Self>, LoadError> {
        let Some(settings) = Settings::of(model)? else { return Ok(None) };
        let (linear, dimensions) = settings.linear(model, encoder.config().width, access)?;
        let mark = |name: &Option<String>| {
            let id = |name: &String| {
                tokenizer
                    .id(name)
                    .ok_or_else(|| unsupported(format!("the token {name:?}, which it does not have")))
            };
            name.as_ref().map(id).transpose()
        };
        let filling = match settings.query_tokens {
            Some(tokens) => {
                let mask =
                    tokenizer.mask().ok_or_else(|| unsupported("masks without a token for them".to_owned()));
                Some((mask?, tokens))
            }
            None => None,
        };
        let reach = encoder.config().windows.iter().flatten().min().copied().unwrap_or(usize::MAX);
        if !settings.sees_filling && filling.is_some_and(|(_, tokens)| tokens > reach) {
            return Err(unsupported("masks that see nothing of the query".to_owned()));
        }
        Ok(Some(Self {
            linear,
            dimensions,
            query_mark: mark(&settings.query_mark)?,
            document_mark: mark(&settings.document_mark)?,
            filling,
            sees_filling: settings.sees_filling,
            skipped: skipped(&settings.skipped, tokenizer),
        }))
    }

    /// Returns the query that tokens make, with those that begin and end it.
    fn query(&self, mut tokens: Vec<u32>, tokens_max: usize) -> Query {
        let seen = tokens.len();
        if let Some((mask, count)) = self.filling {
            tokens.resize(count.min(tokens_max).max(seen), mask);
        }
        let seen = if self.sees_filling { tokens.len() } else { seen };
        Query { tokens, seen, vectors: OnceLock::new() }
    }

    /// Scores documents, all of which are computed at once, in their order.
    pub(super) fn scores(
        &self,
        pairs: &[&Pair],
        encoder: &Encoder,
        work: &mut encoder::Work,
        pool: &Pool,
    ) -> Vec<f32> {
        for query in pairs.iter().filter_map(|pair| pair.query.as_ref()) {
            if query.vectors.get().is_none() {
                let input = Input { seen: query.seen, ..Input::from(&query.tokens[..]) };
                let vectors = transposed(&self.vectors(&[input], encoder, work, pool), self.dimensions);
                // Where another thread was faster, its vectors are the same.
                drop(query.vectors.set(vectors));
            }
        }
        let inputs: Vec<Input<'_>> = pairs.iter().map(|pair| Input::from(&pair.tokens[..])).collect();
        let vectors = self.vectors(&inputs, encoder, work, pool);
        let mut rest = &vectors[..];
        let score = |pair: &&Pair| {
            let (these, others) = rest.split_at(pair.tokens.len() * self.dimensions);
            rest = others;
            let query = pair.query.as_ref().and_then(|query| query.vectors.get());
            query.map_or(0.0, |query| self.sum_of_largest(query, &pair.tokens, these))
        };
        pairs.iter().map(score).collect()
    }

    /// Computes the vectors of all tokens of some texts, `[token][number]`.
    fn vectors(
        &self,
        inputs: &[Input<'_>],
        encoder: &Encoder,
        work: &mut encoder::Work,
        pool: &Pool,
    ) -> Vec<f32> {
        let hidden = encoder.forward(inputs, work, pool);
        let mut vectors = vec![0.0; hidden.len() / self.linear.columns() * self.dimensions];
        self.linear.apply(pool, hidden, &mut vectors);
        vectors.chunks_exact_mut(self.dimensions).for_each(|vector| Norm::Euclidean.apply(vector));
        vectors
    }

    /// Adds up, over the tokens of a query, the largest product with any token of the document that is compared.
    fn sum_of_largest(&self, query: &[f32], tokens: &[u32], vectors: &[f32]) -> f32 {
        let count = query.len() / self.dimensions;
        let mut products = vec![0.0; tokens.len() * count];
        athenaeum_kernels::product(vectors, self.dimensions, query, count, &mut products);
        // No cosine is less.
        let mut largest = vec![-1.0_f32; count];
        for (token, products) in tokens.iter().zip(products.chunks_exact(count)) {
            if self.skipped.binary_search(token).is_err() {
                largest.iter_mut().zip(products).for_each(|(most, product)| *most = most.max(*product));
            }
        }
        largest.iter().sum()
    }
}

impl Reranker {
    /// Pairs whose texts are computed apart. A query that is longer than those the model was trained with is read whole, and
    /// not filled up; documents are read as far as the encoder goes.
    pub(super) fn apart(
        &self,
        late: &Late,
        query: &str,
        documents: &[&str],
        truncate: Truncate,
    ) -> Result<Vec<Pair>, Error> {
        let framed = |text: &[u32], mark: Option<u32>| {
            let mut tokens = self.frame.one(text);
            if let Some(mark) = mark {
                tokens.insert(usize::from(self.frame.before().is_some()), mark);
            }
            tokens
        };
        let room = |mark: Option<u32>| {
            self.tokens_max.saturating_sub(self.frame.around() + usize::from(mark.is_some()))
        };
        let text = self.tokenizer.encode(query, Special::Text);
        let tokens_max = room(late.query_mark);
        if text.len() > tokens_max {
            return Err(Error::NoRoom { what: "the query", tokens: text.len(), tokens_max });
        }
        let tokens = framed(&text, late.query_mark);
        if tokens.is_empty() {
            return Err(Error::Empty { index: 0 });
        }
        let query = Arc::new(late.query(tokens, self.tokens_max));
        let room = room(late.document_mark);
        let pair = |(index, document): (usize, &&str)| {
            let mut text = self.tokenizer.encode(document, Special::Text);
            let cut = self.cut(index, text.len(), room, text.len() + self.tokens_max - room, truncate)?;
            text.truncate(room);
            let tokens = framed(&text, late.document_mark);
            let second_from = tokens.len();
            if tokens.is_empty() {
                return Err(Error::Empty { index });
            }
            Ok(Pair { tokens, second_from, cut, query: Some(Arc::clone(&query)) })
        };
        documents.iter().enumerate().map(pair).collect()
    }
}

impl Query {
    /// How many tokens it is compared by, those that fill it up included.
    pub(super) fn tokens(&self) -> usize {
        self.tokens.len()
    }
}

/// Returns the tokens that stand for words, on their own or where they begin a text.
fn skipped(words: &[String], tokenizer: &Tokenizer) -> Vec<u32> {
    let encoded = |word: &String| match tokenizer.encode(word, Special::Text)[..] {
        [only] => Some(only),
        _ => None,
    };
    let mut tokens: Vec<u32> =
        words.iter().flat_map(|word| [tokenizer.id(word), encoded(word)]).flatten().collect();
    tokens.retain(|token| Some(*token) != tokenizer.unknown());
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

/// Lays `[row][number]` as `[number][row]`.
fn transposed(rows: &[f32], width: usize) -> Vec<f32> {
    (0..width).flat_map(|number| rows.iter().skip(number).step_by(width)).copied().collect()
}
