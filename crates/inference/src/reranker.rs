//! A query and documents in, how well each of them answers it out.
//!
//! A [`Reranker`] looks at query and document together, which tells more than comparing two vectors and costs a pass through
//! the model for each pair. Three kinds are computed: encoders with a head that makes one score; decoders of the Qwen3
//! family, which are asked and say yes or no; and encoders of ColBERT's kind, in whose scores every token of the query looks for
//! its like in the document (`late`). What one kind's scores say is not comparable with another's.

mod late;

use std::{sync::Arc, time::Instant};

use athenaeum_kernels::Pool;

pub(crate) use self::late::is_late;
use self::late::{Late, Query};
use crate::{
    decoder::Want,
    embedder::{Asked, Backbone, Error, Frame, LoadError, Truncate, backbone},
    encoder::Input,
    model::Model,
    tokenizer::{Special, Tokenizer},
    weights::Access,
};

/// A model that scores pairs of texts.
#[derive(Debug)]
pub struct Reranker {
    backbone: Backbone,
    tokenizer: Tokenizer,
    frame: Frame,
    kind: Kind,
    tokens_max: usize,
}

/// How a score is made.
#[derive(Debug)]
enum Kind {
    /// By the encoder's head.
    Head,
    /// By a decoder's answers yes and no.
    Answers(u32, u32),
    /// Token by token.
    Late(Box<Late>),
}

/// How well a document answers a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// What the model says; only the order means something. Of late interaction, from minus to plus the number of the query's
    /// tokens.
    pub logit: f32,
    /// The same from 0 to 1: σ(logit); of late interaction, (1 + the average cosine) / 2.
    pub relevance: f32,
    /// Tokens that were computed; of late interaction, those of the document, for the query is computed once for all.
    pub tokens: usize,
    /// Tokens of the document that were not, because it was too long.
    pub cut_tokens: usize,
}

/// How documents are to be scored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    /// What to do with documents that are too long.
    pub truncate: Truncate,
    /// Whose they are, where several ask at once: see [`Batched`](crate::batched::Batched).
    pub owner: u64,
    /// When nobody wants the answer any more, there.
    pub deadline: Option<Instant>,
}

/// A query and a document, as the model takes them.
#[derive(Debug, Clone)]
pub struct Pair {
    tokens: Vec<u32>,
    second_from: usize,
    cut: usize,
    /// Where it is computed apart.
    query: Option<Arc<Query>>,
}

/// What Qwen3's rerankers are asked, as their model cards have it: marks of the chat, then text that is tokenized as a whole,
/// so that what people wrote joins what stands before it, and marks again.
const SYSTEM: &str = "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct \
provided. Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n";
const ASK: &str =
    "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n<Query>: ";
const DOCUMENT: &str = "\n<Document>: ";
const ANSWER: &str = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";

impl Reranker {
    /// Loads weights and tokenizer.
    ///
    /// # Errors
    ///
    /// A [`LoadError`]; also for models that make vectors only, or several scores for a pair.
    pub fn load(model: &Model, access: Access) -> Result<Self, LoadError> {
        let backbone = Backbone::load(model, access)?;
        let tokenizer = Tokenizer::of(model).map_err(LoadError::Tokenizer)?;
        let frame = Frame::of(&tokenizer, backbone.vocabulary())?;
        let kind = match &backbone {
            Backbone::Encoder(encoder) => {
                match (Late::load(model, &encoder.model, &tokenizer, access)?, encoder.model.score_count()) {
                    (Some(late), _) => Kind::Late(Box::new(late)),
                    (None, Some(1 | 2)) => Kind::Head,
                    (None, Some(count)) => {
                        return Err(LoadError::Unsupported { what: format!("{count} scores for a pair") });
                    }
                    (None, None) => {
                        return Err(LoadError::OtherPurpose(
                            "the model makes vectors of texts and no scores of pairs; use it to embed",
                        ));
                    }
                }
            }
            Backbone::Decoder(decoder) => {
                let is_known = decoder.model.config().architecture.name == "qwen3";
                let answers = tokenizer.id("yes").zip(tokenizer.id("no")).filter(|_| is_known);
                let (yes, no) = answers.ok_or(LoadError::OtherPurpose(
                    "of decoders, only those of the Qwen3 family are known to rerank",
                ))?;
                Kind::Answers(yes, no)
            }
        };
        let tokens_max = backbone.tokens_max();
        Ok(Self { backbone, tokenizer, frame, kind, tokens_max })
    }

    /// Tokens that query and document have room in, together with what is added to them.
    pub fn tokens_max(&self) -> usize {
        self.tokens_max
    }

    /// Takes no more tokens at once than this, even if the model could.
    pub fn limit_tokens(&mut self, tokens_max: usize) {
        self.tokens_max = self.tokens_max.min(tokens_max);
    }

    /// Returns what turns text into the model's tokens.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Scores each document, in their order. The ends of documents that are too long are cut off, where that is not
    /// refused; queries never are.
    ///
    /// # Errors
    ///
    /// If the query leaves no room, or a document is too long and nothing may be cut off.
    pub fn scores(
        &self,
        query: &str,
        documents: &[&str],
        truncate: Truncate,
        pool: &Pool,
    ) -> Result<Vec<Score>, Error> {
        let pairs = self.prepare(query, documents, truncate)?;
        Ok(self.compute(&pairs.iter().collect::<Vec<_>>(), pool))
    }

    /// Turns a query and each of the documents into what the model takes, in their order.
    ///
    /// # Errors
    ///
    /// As of [`Reranker::scores`].
    pub fn prepare(&self, query: &str, documents: &[&str], truncate: Truncate) -> Result<Vec<Pair>, Error> {
        match &self.kind {
            Kind::Head => self.framed(query, documents, truncate),
            Kind::Answers(..) => self.asked(query, documents, truncate),
            Kind::Late(late) => self.apart(late, query, documents, truncate),
        }
    }

    /// Pairs for encoders, which take two texts.
    fn framed(&self, query: &str, documents: &[&str], truncate: Truncate) -> Result<Vec<Pair>, Error> {
        let query = self.tokenizer.encode(query, Special::Text);
        let room = self.tokens_max().saturating_sub(self.frame.around_pair());
        let Some(room) = room.checked_sub(query.len()).filter(|room| *room > 0) else {
            let (what, tokens) = ("the query", query.len());
            return Err(Error::NoRoom { what, tokens, tokens_max: room });
        };
        let pair = |(index, document): (usize, &&str)| {
            let mut document = self.tokenizer.encode(document, Special::Text);
            let tokens = document.len() + query.len() + self.frame.around_pair();
            let cut = self.cut(index, document.len(), room, tokens, truncate)?;
            document.truncate(room);
            let (tokens, second_from) = self.frame.pair(&query, &document);
            Ok(Pair { tokens, second_from, cut, query: None })
        };
        documents.iter().enumerate().map(pair).collect()
    }

    /// Pairs for decoders, which take a question.
    fn asked(&self, query: &str, documents: &[&str], truncate: Truncate) -> Result<Vec<Pair>, Error> {
        let [before, after] = [SYSTEM, ANSWER].map(|text| self.tokenizer.encode(text, Special::Parse));
        let around = before.len() + after.len();
        let room = self.tokens_max().saturating_sub(around);
        let question = format!("{ASK}{query}{DOCUMENT}");
        let least = self.tokenizer.encode(&question, Special::Text).len();
        if least >= room {
            return Err(Error::NoRoom { what: "the query", tokens: least, tokens_max: room });
        }
        let pair = |(index, document): (usize, &&str)| {
            let mut text = self.tokenizer.encode(&format!("{question}{document}"), Special::Text);
            let cut = self.cut(index, text.len(), room, text.len() + around, truncate)?;
            text.truncate(room);
            Ok(Pair { tokens: [&before[..], &text, &after].concat(), second_from: 0, cut, query: None })
        };
        documents.iter().enumerate().map(pair).collect()
    }

    /// Returns how many of a document's last tokens are left out, where that is allowed. `tokens` is what all of it takes.
    fn cut(
        &self,
        index: usize,
        len: usize,
        room: usize,
        tokens: usize,
        truncate: Truncate,
    ) -> Result<usize, Error> {
        let cut = len.saturating_sub(room);
        if cut > 0 && truncate == Truncate::Refuse {
            return Err(Error::TooLong { index, tokens, tokens_max: self.tokens_max() });
        }
        Ok(cut)
    }

    /// Scores pairs that [`Reranker::prepare`] made, in their order.
    pub fn compute(&self, pairs: &[&Pair], pool: &Pool) -> Vec<Score> {
        let score = |(pair, logit): (&&Pair, f32)| Score {
            logit,
            relevance: match &pair.query {
                Some(query) => ((1.0 + logit / query.tokens() as f32) / 2.0).clamp(0.0, 1.0),
                None => (1.0 + (-logit).exp()).recip(),
            },
            tokens: pair.tokens.len(),
            cut_tokens: pair.cut,
        };
        pairs.iter().zip(self.logits(pairs, pool)).map(score).collect()
    }

    /// Returns the tokens that a pair takes room for.
    pub(crate) fn room(&self, pair: &Pair) -> usize {
        self.backbone.room(pair.tokens.len())
    }

    fn logits(&self, pairs: &[&Pair], pool: &Pool) -> Vec<f32> {
        let mut logits = Vec::with_capacity(pairs.len());
        for these in backbone::groups(pairs, |pair| self.room(pair)) {
            match (&self.backbone, &self.kind) {
                (Backbone::Encoder(encoder), Kind::Late(late)) => encoder.with_work(|encoder, work| {
                    logits.extend(late.scores(these, encoder, work, pool));
                }),
                (Backbone::Encoder(encoder), _) => encoder.with_work(|encoder, work| {
                    let inputs: Vec<Input<'_>> = these
                        .iter()
                        .map(|pair| Input { second_from: pair.second_from, ..Input::from(&pair.tokens[..]) })
                        .collect();
                    let scores = encoder.scores(&inputs, work, pool);
                    // Of two, the second stands for "relevant".
                    match encoder.score_count() {
                        Some(2) => logits.extend(scores.chunks_exact(2).map(|both| both[1] - both[0])),
                        _ => logits.extend_from_slice(scores),
                    }
                }),
                (Backbone::Decoder(decoder), Kind::Answers(yes, no)) => decoder.with_work(|decoder, work| {
                    let asked: Vec<Asked<'_>> =
                        these.iter().map(|pair| Asked { tokens: &pair.tokens, last_alone: true }).collect();
                    backbone::forward(decoder, &asked, Want::Logits, work, pool, &mut |output| {
                        let of_vocabulary = output.logits.chunks_exact(decoder.config().vocabulary);
                        // e^yes / (e^yes + e^no) is σ(yes - no).
                        logits.extend(of_vocabulary.map(|row| row[*yes as usize] - row[*no as usize]));
                    });
                }),
                (Backbone::Decoder(_), _) => {}
            }
        }
        logits
    }
}

impl Pair {
    /// How many tokens are computed.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }
}
