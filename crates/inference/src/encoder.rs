//! Encoders: whole texts in, a vector for each of their tokens out, and scores where a model has a head for them.
//!
//! [`Encoder::load`] checks the configuration and finds the weights; [`Encoder::forward`] computes texts of different
//! lengths together, their tokens one after another without padding. What a text gives never depends on what else is in
//! the batch, bit for bit.

pub mod architecture;
pub(crate) mod attention;
mod config;
mod feed_forward;
mod head;
pub(crate) mod layer;
mod pooling;

pub use config::{Activation, Config};
pub use pooling::Pooling;

use std::ops::Range;

use athenaeum_kernels::{Matrix, Pool};

use self::{
    architecture::{Norms, Positions},
    attention::{Distances, Heads},
    head::Head,
    layer::{Layer, Norm, ROWS},
};
use crate::{
    decoder::{Angles, ConfigError, Turns, architecture::Pairs},
    model::Model,
    weights::{self, Access, Weights},
};

/// An encoder, ready to compute.
#[derive(Debug)]
pub struct Encoder {
    config: Config,
    embeddings: Matrix,
    positions: Option<Matrix>,
    kinds: Option<Matrix>,
    embedding_norm: Norm,
    layers: Vec<Layer>,
    output_norm: Option<Norm>,
    turns: Option<Turns>,
    turns_in_window: Option<Turns>,
    distances: Option<Distances>,
    head: Option<Head>,
}

/// A text, as the encoder takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input<'a> {
    /// With those that mark its beginning and its end; at least one, at most [`Config::tokens_max`].
    pub tokens: &'a [u32],
    /// From where on they belong to the second text of a pair; their count where there is only one.
    pub second_from: usize,
    /// How many of the first ones are looked at, by all of them; mostly their count. Those behind look at them, and nobody looks
    /// at those.
    pub seen: usize,
}

/// Buffers of a forward pass, kept from one to the next so that nothing is allocated in the steady state.
#[derive(Debug, Default)]
pub struct Work {
    texts: Vec<Range<usize>>,
    stream: Vec<f32>,
    normed: Vec<f32>,
    queries: Vec<f32>,
    keys: Vec<f32>,
    keys_by_number: Vec<f32>,
    values: Vec<f32>,
    attended: Vec<f32>,
    part: Vec<f32>,
    gate: Vec<f32>,
    up: Vec<f32>,
    angles: Vec<Angles>,
    angles_in_window: Vec<Angles>,
    pooled: Vec<f32>,
    scores: Vec<f32>,
}

/// Why a model cannot be loaded as an encoder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such encoder.
    #[error("the architecture {name:?} is not computed as an encoder; known are {}", known())]
    Architecture {
        /// What the file calls it.
        name: String,
    },
    /// Its configuration is not computed.
    #[error("the model cannot be computed")]
    Config(#[from] ConfigError),
    /// Its numbers cannot be used.
    #[error("the model's weights cannot be used")]
    Weights(#[from] weights::Error),
}

impl<'a> From<&'a [u32]> for Input<'a> {
    /// One text, all of whose tokens see each other.
    fn from(tokens: &'a [u32]) -> Self {
        Self { tokens, second_from: tokens.len(), seen: tokens.len() }
    }
}

fn known() -> String {
    let names = architecture::ALL.iter().map(|architecture| architecture.name);
    names
        .enumerate()
        .filter(|(index, name)| *index == 0 || *name != "bert")
        .map(|(_, name)| name)
        .collect::<Vec<_>>()
        .join(", ")
}

impl Encoder {
    /// Checks the configuration and finds all weights.
    ///
    /// # Errors
    ///
    /// If the architecture is not known, numbers make no sense, or a tensor is missing or of another shape.
    pub fn load(model: &Model, access: Access) -> Result<Self, Error> {
        let mut config = Config::of(model)?;
        let weights = Weights::open(model, access)?;
        let width = config.width;
        let table = |name: &str| {
            let rows = weights.shape(name).and_then(|shape| shape.first().copied());
            rows.map(|rows| weights.matrix(name, rows, width)).transpose()
        };
        let learned =
            matches!(config.architecture.positions, Positions::Learned | Positions::LearnedAndRanges);
        let positions = if learned { table("position_embd.weight")? } else { None };
        if learned {
            let name = || "position_embd.weight".to_owned();
            let rows = positions.as_ref().ok_or_else(|| weights::Error::Missing { name: name() })?.rows();
            config.tokens_max = config.tokens_max.min(rows.saturating_sub(config.first_position));
        }
        let distances = match config.architecture.positions {
            Positions::Slopes => Some(Distances::slopes(config.heads, config.tokens_max)),
            Positions::LearnedAndRanges => {
                let table = weights.matrix("position_ranges.weight", RANGES, config.heads)?;
                let mut learned = vec![0.0; RANGES * config.heads];
                learned
                    .chunks_exact_mut(config.heads)
                    .enumerate()
                    .for_each(|(range, out)| table.row(range, out));
                Some(Distances::ranges(&learned, config.heads, config.tokens_max))
            }
            Positions::Learned | Positions::Rotary { .. } => None,
        };
        let turns = |rope| Turns::new(rope, Pairs::Halves, None, config.tokens_max);
        Ok(Self {
            embeddings: weights.matrix("token_embd.weight", config.vocabulary, width)?,
            positions,
            kinds: table("token_types.weight")?,
            embedding_norm: Norm::load(&weights, (width, config.norm_epsilon), "token_embd_norm")?,
            layers: (0..config.layers)
                .map(|index| Layer::load(&weights, &config, index))
                .collect::<Result<_, _>>()?,
            output_norm: match config.architecture.norms {
                Norms::Before => Some(Norm::load(&weights, (width, config.norm_epsilon), "output_norm")?),
                Norms::Behind => None,
            },
            turns: config.ropes.as_ref().map(|(rope, _)| turns(rope)),
            turns_in_window: config.ropes.as_ref().map(|(_, rope)| turns(rope)),
            distances,
            head: Head::load(&weights, &config)?,
            config,
        })
    }

    /// Returns the numbers of the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How many scores a text gets from [`Encoder::scores`]; none where the model has no head for them.
    pub fn score_count(&self) -> Option<usize> {
        self.head.as_ref().map(Head::scores)
    }

    /// Computes texts and returns the vectors of all their tokens, one text after the other.
    ///
    /// # Panics
    ///
    /// If a text is empty or too long, a token is not in the vocabulary, or one sees nothing: where layers see so many tokens
    /// only, no more than that are not seen.
    pub fn forward<'a>(&self, texts: &[Input<'_>], work: &'a mut Work, pool: &Pool) -> &'a [f32] {
        self.embed(texts, work, pool);
        if work.texts.is_empty() {
            return &[];
        }
        self.turn(work);
        for (layer, window) in self.layers.iter().zip(&self.config.windows) {
            self.attend(layer, *window, work, pool);
            self.feed_forward(layer, work, pool);
        }
        if let Some(norm) = &self.output_norm {
            norm.apply(pool, &work.stream, &mut work.normed);
            std::mem::swap(&mut work.stream, &mut work.normed);
        }
        &work.stream
    }

    /// Computes texts and returns the head's scores for each, one text after the other; nothing without a head.
    ///
    /// # Panics
    ///
    /// As [`Encoder::forward`].
    pub fn scores<'a>(&self, texts: &[Input<'_>], work: &'a mut Work, pool: &Pool) -> &'a [f32] {
        let Some(head) = &self.head else { return &[] };
        let width = self.config.width;
        self.forward(texts, work, pool);
        resize(&mut work.pooled, texts.len() * width);
        let pooling = if head.averages { Pooling::Mean } else { Pooling::First };
        let mut at = 0;
        for (text, pooled) in texts.iter().zip(work.pooled.chunks_exact_mut(width)) {
            let end = at + text.tokens.len();
            pooling.apply(&work.stream[at * width..end * width], pooled);
            at = end;
        }
        head.apply(pool, &mut work.pooled, &mut work.scores);
        &work.scores
    }

    fn embed(&self, texts: &[Input<'_>], work: &mut Work, pool: &Pool) {
        let width = self.config.width;
        work.texts.clear();
        for text in texts {
            let count = text.tokens.len();
            assert!((1..=self.config.tokens_max).contains(&count), "a text of {count} tokens");
            let unseen = count.saturating_sub(text.seen);
            let reach = self.config.windows.iter().flatten().min();
            let sees = (1..=count).contains(&text.seen) && reach.is_none_or(|reach| unseen <= *reach);
            assert!(sees, "of {count} tokens, {} are seen", text.seen);
            let start = work.texts.len();
            work.texts.extend(std::iter::repeat_n(start..start + text.seen, count));
        }
        let rows = work.texts.len();
        for buffer in [&mut work.stream, &mut work.normed, &mut work.part] {
            resize(buffer, rows * width);
        }
        let places =
            texts.iter().flat_map(|text| text.tokens.iter().enumerate().map(move |place| (text, place)));
        // `part` is free until the first layer.
        for ((text, (place, token)), sum) in places.zip(work.part.chunks_exact_mut(width)) {
            let added = &mut work.stream[..width];
            self.embeddings.row(*token as usize, sum);
            if let Some(positions) = &self.positions {
                positions.row(self.config.first_position + place, added);
                add(sum, added);
            }
            if let Some(kinds) = &self.kinds {
                let second = usize::from(place >= text.second_from);
                kinds.row(second.min(kinds.rows() - 1), added);
                add(sum, added);
            }
        }
        self.embedding_norm.apply(pool, &work.part, &mut work.stream);
    }

    /// Computes the angles of all rows, once for all layers.
    fn turn(&self, work: &mut Work) {
        let kinds = [(&self.turns, &mut work.angles), (&self.turns_in_window, &mut work.angles_in_window)];
        for (turns, angles) in kinds {
            let Some(turns) = turns else { continue };
            angles.resize_with(work.texts.len(), Angles::default);
            for (row, (text, out)) in work.texts.iter().zip(angles).enumerate() {
                turns.angles(u32::try_from(row - text.start).unwrap_or(u32::MAX), out);
            }
        }
    }

    fn attend(&self, layer: &Layer, window: Option<usize>, work: &mut Work, pool: &Pool) {
        let width = self.config.width;
        let numbers = work.stream.len();
        let input = match &layer.attention_norm {
            Some(norm) => {
                norm.apply(pool, &work.stream, &mut work.normed);
                &work.normed
            }
            None => &work.stream,
        };
        for (linear, norm, out) in [
            (&layer.queries, &layer.query_norm, &mut work.queries),
            (&layer.keys, &layer.key_norm, &mut work.keys),
            (&layer.values, &None, &mut work.values),
        ] {
            resize(out, numbers);
            linear.apply(pool, input, out);
            if let Some(norm) = norm {
                norm.apply(pool, out, &mut work.part);
                out.copy_from_slice(&work.part);
            }
        }
        let (turns, angles) = match window {
            Some(_) => (&self.turns_in_window, &work.angles_in_window),
            None => (&self.turns, &work.angles),
        };
        if let Some(turns) = turns {
            for numbers in [&mut work.queries, &mut work.keys] {
                pool.for_chunks_mut(numbers, ROWS * width, |index, rows| {
                    for (heads, angles) in rows.chunks_exact_mut(width).zip(&angles[index * ROWS..]) {
                        turns.turn(heads, self.config.head_size(), angles);
                    }
                });
            }
        }
        resize(&mut work.keys_by_number, numbers);
        attention::transpose(pool, &work.keys, width, &mut work.keys_by_number);
        resize(&mut work.attended, numbers);
        let view = attention::View {
            texts: &work.texts,
            queries: &work.queries,
            keys: &work.keys_by_number,
            values: &work.values,
            window,
            distances: self.distances.as_ref(),
        };
        let heads = Heads { count: self.config.heads, width };
        attention::attend(heads, &view, &mut work.attended, pool);
        layer.attention_output.apply(pool, &work.attended, &mut work.part);
        finish_part(layer.after_attention_norm.as_ref(), width, work, pool);
    }

    fn feed_forward(&self, layer: &Layer, work: &mut Work, pool: &Pool) {
        let input = match &layer.feed_forward_norm {
            Some(norm) => {
                norm.apply(pool, &work.stream, &mut work.normed);
                &work.normed
            }
            None => &work.stream,
        };
        layer.feed_forward.apply(pool, input, &mut work.part, (&mut work.gate, &mut work.up));
        finish_part(layer.after_feed_forward_norm.as_ref(), self.config.width, work, pool);
    }
}

/// Ranges of distances that have numbers of their own.
const RANGES: usize = 32;

/// Adds a part's result to the stream, and normalises the sum where the layer asks for it.
fn finish_part(norm: Option<&Norm>, width: usize, work: &mut Work, pool: &Pool) {
    let part = &work.part;
    pool.for_chunks_mut(&mut work.stream, ROWS * width, |index, stream| {
        let part = &part[index * ROWS * width..][..stream.len()];
        match norm {
            Some(norm) => norm.add(stream, part),
            None => add(stream, part),
        }
    });
}

fn add(sum: &mut [f32], numbers: &[f32]) {
    sum.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
}

/// Sets the length; what is in the buffer is about to be overwritten.
fn resize(buffer: &mut Vec<f32>, len: usize) {
    buffer.resize(len, 0.0);
}
