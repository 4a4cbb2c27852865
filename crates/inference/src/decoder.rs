//! One decoder for every architecture of the table: tokens in, logits out.
//!
//! [`Decoder::load`] checks the configuration and finds the weights; [`Decoder::forward`] computes a batch of tokens
//! that may belong to different sequences, each at any position of its own, and leaves their keys and values in the
//! [`Cache`]. What a token gives never depends on what else is in the batch, bit for bit: that is what makes a text
//! the same whoever else is served, and speculation exact.

pub mod architecture;
mod attention;
mod config;
mod cost;
mod feed_forward;
mod layer;
mod rope;

pub use config::{Config, Error as ConfigError, Experts};
pub(crate) use config::{Described, Fields};
pub use cost::Cost;
#[cfg(feature = "candle")]
pub(crate) use feed_forward::{FeedForward, Gated};
pub(crate) use layer::{Layer, Linear};
pub(crate) use rope::{Angles, Turns};
pub use rope::{Rope, Scaling};

use athenaeum_kernels::{Matrix, Pool};

use self::architecture::Norm;
use crate::{
    cache::{self, Cache, PAGE, Page},
    model::Model,
    weights::{self, Access, Weights},
};

/// A decoder, ready to compute.
#[derive(Debug)]
pub struct Decoder {
    config: Config,
    pub(crate) embeddings: Matrix,
    pub(crate) layers: Vec<Layer>,
    pub(crate) output_norm: Vec<f32>,
    /// Where it is not the embeddings themselves.
    pub(crate) output: Option<Linear>,
    pub(crate) turns: Turns,
    pub(crate) turns_in_window: Option<Turns>,
}

/// One token of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Which token.
    pub token: u32,
    /// Where it stands in its sequence, from 0. Earlier tokens of the sequence are in the cache, or before it in the
    /// same batch.
    pub position: u32,
    /// To which of the batch's sequences it belongs.
    pub sequence: usize,
    /// What is wanted of it.
    pub want: Want,
}

/// Numbers that a row stands for where it is no token of the vocabulary, such as a row of a picture.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// Which row of the batch; its token is not looked up.
    pub row: usize,
    /// As many as the width, as they go into the first layer.
    pub numbers: &'a [f32],
    /// Up to where it sees: its own position and one, or the end of a picture it is part of. What it sees is in the cache, or
    /// in the same batch.
    pub sees_until: u32,
}

/// Tokens from here on stand for rows that are given, and for nothing in any vocabulary: what they are made of decides
/// their number, so that two beginnings with the same numbers are the same.
pub const GIVEN: u32 = 1 << 31;

/// What is wanted of a token besides its keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Nothing.
    Nothing,
    /// What may follow it.
    Logits,
    /// What it stands for: the last layer's output, normalised.
    Hidden,
}

/// Buffers of a forward pass, kept from one to the next so that nothing is allocated in the steady state.
#[derive(Debug, Default)]
pub struct Work {
    stream: Vec<f32>,
    normed: Vec<f32>,
    queries: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    attended: Vec<f32>,
    part: Vec<f32>,
    feed_forward: feed_forward::Work,
    angles: Vec<Angles>,
    angles_in_window: Vec<Angles>,
    /// By row, the position up to which it sees.
    sees_until: Vec<u32>,
    /// Those of the batch's rows of which something is wanted.
    wanted_rows: Vec<Row>,
    wanted: Vec<f32>,
    logits: Vec<f32>,
    hidden: Vec<f32>,
}

/// Tokens that are computed together, and the pages of their sequences.
struct Batch<'a> {
    rows: &'a [Row],
    sequences: &'a [&'a [Page]],
}

/// Which rotation a layer's heads get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turning {
    /// That of the model.
    Usual,
    /// That of layers with a window, where it differs.
    InWindow,
}

/// What a forward pass gives.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// The vocabulary's numbers for each row that wants them, in the batch's order.
    pub logits: &'a [f32],
    /// The width's numbers for each row that wants them, in the batch's order.
    pub hidden: &'a [f32],
}

/// Why a model cannot be loaded as a decoder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its configuration is not computed.
    #[error("the model cannot be computed")]
    Config(#[from] ConfigError),
    /// Its numbers cannot be used.
    #[error("the model's weights cannot be used")]
    Weights(#[from] weights::Error),
}

impl Decoder {
    /// Checks the configuration and finds all weights. `context_tokens`: how long sequences will get, which decides
    /// between the short and the long rotations of models that have both.
    ///
    /// # Errors
    ///
    /// If the architecture is not known, numbers make no sense, or a tensor is missing or of another shape.
    pub fn load(model: &Model, access: Access, context_tokens: usize) -> Result<Self, Error> {
        Self::with_config(model, Config::of(model)?, access, context_tokens)
    }

    /// The same for a model whose configuration was read before.
    ///
    /// # Errors
    ///
    /// If a tensor is missing or of another shape.
    pub fn with_config(
        model: &Model,
        config: Config,
        access: Access,
        context_tokens: usize,
    ) -> Result<Self, Error> {
        let weights = Weights::open(model, access)?;
        let output = if weights.has("output.weight") {
            Some(Linear::load(&weights, "output", config.vocabulary, config.width)?)
        } else {
            None
        };
        let output_norm = layer::norm_before(&weights, &config, "output_norm.weight")?;
        let pairs =
            if config.is_checkpoint { architecture::Pairs::Halves } else { config.architecture.pairs };
        let divisors = divisors(&weights, &config, context_tokens)?;
        let turns = |rope, divisors| Turns::new(rope, pairs, divisors, context_tokens);
        Ok(Self {
            embeddings: weights.matrix("token_embd.weight", config.vocabulary, config.width)?,
            layers: (0..config.layers)
                .map(|index| Layer::load(&weights, &config, index))
                .collect::<Result<_, _>>()?,
            output_norm,
            output,
            turns: turns(&config.rope, divisors.as_deref()),
            turns_in_window: config.rope_in_window.as_ref().map(|rope| turns(rope, None)),
            config,
        })
    }

    /// Returns the numbers of the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Returns the sizes of a cache for it.
    pub fn cache_shape(&self, format: athenaeum_kernels::Format) -> cache::Shape {
        let Config { layers, kv_heads, head_size, .. } = self.config;
        cache::Shape { layers, kv_heads, head_size, format }
    }

    /// Returns how a layer's heads are turned; some layers know no positions.
    pub(crate) fn turning(&self, layer: usize) -> Option<Turning> {
        let rope = self.config.rope_of(layer)?;
        let limited = self.config.rope_in_window.as_ref().is_some_and(|limited| std::ptr::eq(limited, rope));
        Some(if limited { Turning::InWindow } else { Turning::Usual })
    }

    /// Computes a batch. Each of `sequences` lists the pages of its tokens, in order, with room for those of the
    /// batch.
    ///
    /// # Panics
    ///
    /// If a token is not in the vocabulary, a row names a sequence that is not there, or a sequence's pages do not
    /// reach to its rows.
    pub fn forward<'a>(
        &self,
        rows: &[Row],
        sequences: &[&[Page]],
        cache: &mut Cache,
        work: &'a mut Work,
        pool: &Pool,
    ) -> Output<'a> {
        self.forward_given((rows, &[]), sequences, cache, work, pool)
    }

    /// The same where some rows are given as numbers, in the batch's order.
    ///
    /// # Panics
    ///
    /// As of [`Decoder::forward`]; or if a given row is not in the batch, or has another width than the model.
    pub fn forward_given<'a>(
        &self,
        (rows, given): (&[Row], &[Given<'_>]),
        sequences: &[&[Page]],
        cache: &mut Cache,
        work: &'a mut Work,
        pool: &Pool,
    ) -> Output<'a> {
        self.embed(rows, given, work);
        self.turn(rows, work);
        let mut wanted = std::mem::take(&mut work.wanted_rows);
        wanted.clear();
        wanted.extend(rows.iter().filter(|row| row.want != Want::Nothing));
        let mut batch = Batch { rows, sequences };
        for (index, layer) in self.layers.iter().enumerate() {
            let is_last = index + 1 == self.layers.len();
            // Queries of rows that are not wanted would be for nothing.
            let with_queries = !is_last || wanted.len() == rows.len();
            self.remember(index, &batch, with_queries, cache, work, pool);
            if is_last {
                // Of what the last layer computes, only its keys and values serve others than the rows that are wanted.
                work.keep_wanted(rows, self.config.width);
                batch.rows = &wanted;
                if wanted.is_empty() {
                    break;
                }
            }
            if !with_queries {
                resize(&mut work.queries, batch.rows.len() * self.config.query_width());
                layer.queries.apply(pool, &work.normed, &mut work.queries);
            }
            self.attend(index, layer, &batch, cache, work, pool);
            self.feed_forward(layer, work, pool);
        }
        self.finish(batch.rows, work, pool);
        work.wanted_rows = wanted;
        work.output()
    }

    fn embed(&self, rows: &[Row], given: &[Given<'_>], work: &mut Work) {
        let width = self.config.width;
        resize(&mut work.stream, rows.len() * width);
        work.sees_until.clear();
        work.sees_until.extend(rows.iter().map(|row| row.position.saturating_add(1)));
        let mut given = given.iter().peekable();
        for (index, (row, stream)) in rows.iter().zip(work.stream.chunks_exact_mut(width)).enumerate() {
            if let Some(given) = given.next_if(|given| given.row == index) {
                // What embeddings are multiplied with is for the vocabulary's alone.
                stream.copy_from_slice(given.numbers);
                work.sees_until[index] = given.sees_until;
                continue;
            }
            self.embeddings.row(row.token as usize, stream);
            scale(stream, self.config.embedding_scale);
        }
        assert!(given.next().is_none(), "given rows are in the batch, in its order");
    }

    /// Computes the angles of all rows, once for all layers.
    fn turn(&self, rows: &[Row], work: &mut Work) {
        let kinds = [
            (Some(&self.turns), &mut work.angles),
            (self.turns_in_window.as_ref(), &mut work.angles_in_window),
        ];
        for (turns, angles) in kinds {
            let Some(turns) = turns else { continue };
            // Never fewer than before, or the next larger batch would ask for memory.
            angles.resize_with(angles.len().max(rows.len()), Angles::default);
            rows.iter().zip(angles).for_each(|(row, out)| turns.angles(row.position, out));
        }
    }

    /// Computes the keys and values of all rows and keeps them, and perhaps their queries as well.
    fn remember(
        &self,
        index: usize,
        batch: &Batch<'_>,
        with_queries: bool,
        cache: &mut Cache,
        work: &mut Work,
        pool: &Pool,
    ) {
        let (layer, width, count) = (&self.layers[index], self.config.kv_width(), batch.rows.len());
        self.normalise(layer.attention_norm.as_deref(), &work.stream, &mut work.normed, pool);
        for numbers in [&mut work.keys, &mut work.values] {
            resize(numbers, count * width);
        }
        let Work { normed, queries, keys, values, .. } = &mut *work;
        if with_queries {
            resize(queries, count * self.config.query_width());
            let linears = [&layer.queries, &layer.keys, &layer.values];
            Linear::apply_each(linears, pool, normed, [queries, keys, values]);
        } else {
            Linear::apply_each([&layer.keys, &layer.values], pool, normed, [keys, values]);
        }
        self.clamp(&mut work.values);
        let angles = self.angles(index, &work.angles, &work.angles_in_window);
        self.place(&mut work.keys, width, layer.key_norm.as_deref(), angles, pool);
        let kv = work.keys.chunks_exact(width).zip(work.values.chunks_exact(width));
        for (row, (keys, values)) in batch.rows.iter().zip(kv) {
            let position = row.position as usize;
            let page = batch.sequences[row.sequence][position / PAGE];
            cache.store(index, (page, position % PAGE), keys, values);
        }
    }

    /// Lets rows whose queries are computed look at what is kept.
    fn attend(
        &self,
        index: usize,
        layer: &Layer,
        batch: &Batch<'_>,
        cache: &Cache,
        work: &mut Work,
        pool: &Pool,
    ) {
        let config = &self.config;
        let (width, count) = (config.query_width(), batch.rows.len());
        let angles = self.angles(index, &work.angles, &work.angles_in_window);
        self.place(&mut work.queries, width, layer.query_norm.as_deref(), angles, pool);
        resize(&mut work.attended, count * width);
        let Batch { rows, sequences } = *batch;
        let view = attention::View { cache, layer: index, rows, sees_until: &work.sees_until, sequences };
        attention::attend(config, &view, &work.queries, &mut work.attended, pool);
        resize(&mut work.part, count * config.width);
        layer.attention_output.apply(pool, &work.attended, &mut work.part);
        self.add(layer.after_attention_norm.as_deref(), work, pool);
    }

    /// Bounds queries or keys, normalises their heads and turns them to their places; of each row `width` numbers.
    fn place(
        &self,
        numbers: &mut [f32],
        width: usize,
        norm: Option<&[f32]>,
        angles: Option<(&Turns, &[Angles])>,
        pool: &Pool,
    ) {
        let config = &self.config;
        pool.for_chunks_mut(numbers, ROWS * width, |index, numbers| {
            self.clamp(numbers);
            normalise_heads(norm, numbers, config.norm_epsilon);
            let Some((turns, angles)) = angles else { return };
            for (heads, angles) in numbers.chunks_exact_mut(width).zip(&angles[index * ROWS..]) {
                turns.turn(heads, config.head_size, angles);
            }
        });
    }

    fn clamp(&self, numbers: &mut [f32]) {
        let Some(limit) = self.config.clamp_qkv else { return };
        numbers.iter_mut().for_each(|number| *number = number.clamp(-limit, limit));
    }

    /// Returns the angles of a layer's rows, where it knows positions.
    fn angles<'a>(
        &'a self,
        layer: usize,
        usual: &'a [Angles],
        in_window: &'a [Angles],
    ) -> Option<(&'a Turns, &'a [Angles])> {
        Some(match (&self.turns_in_window, self.turning(layer)?) {
            (Some(turns), Turning::InWindow) => (turns, in_window),
            _ => (&self.turns, usual),
        })
    }

    fn feed_forward(&self, layer: &Layer, work: &mut Work, pool: &Pool) {
        self.normalise(layer.feed_forward_norm.as_deref(), &work.stream, &mut work.normed, pool);
        resize(&mut work.part, work.stream.len());
        let gate = self.config.architecture.gate;
        layer.feed_forward.apply(gate, &work.normed, &mut work.part, &mut work.feed_forward, pool);
        self.add(layer.after_feed_forward_norm.as_deref(), work, pool);
    }

    /// Adds a part's result to the stream, normalised first where the layer asks for it.
    fn add(&self, norm: Option<&[f32]>, work: &mut Work, pool: &Pool) {
        if norm.is_some() {
            resize(&mut work.normed, work.part.len());
            std::mem::swap(&mut work.normed, &mut work.part);
            self.normalise(norm, &work.normed, &mut work.part, pool);
        }
        let (factor, some) = (self.config.residual_scale, ROWS * self.config.width);
        let Work { stream, part, .. } = work;
        pool.for_chunks_mut(stream, some, |index, stream| {
            let part = &part[index * some..];
            stream.iter_mut().zip(part).for_each(|(sum, part)| *sum += part * factor);
        });
    }

    fn finish(&self, rows: &[Row], work: &mut Work, pool: &Pool) {
        let width = self.config.width;
        work.logits.clear();
        work.hidden.clear();
        for want in [Want::Logits, Want::Hidden] {
            let wanted = rows.iter().zip(work.stream.chunks_exact(width)).filter(|(row, _)| row.want == want);
            work.wanted.clear();
            wanted.for_each(|(_, numbers)| work.wanted.extend_from_slice(numbers));
            if work.wanted.is_empty() {
                continue;
            }
            if want == Want::Hidden {
                self.normalise(Some(&self.output_norm), &work.wanted, &mut work.hidden, pool);
                continue;
            }
            self.normalise(Some(&self.output_norm), &work.wanted, &mut work.normed, pool);
            resize(&mut work.logits, work.wanted.len() / width * self.config.vocabulary);
            match &self.output {
                Some(output) => output.apply(pool, &work.normed, &mut work.logits),
                None => self.embeddings.multiply(pool, &work.normed, &mut work.logits),
            }
            scale(&mut work.logits, self.config.logit_scale);
            if let Some(limit) = self.config.logit_softcap {
                work.logits.iter_mut().for_each(|logit| *logit = limit * (*logit / limit).tanh());
            }
        }
    }

    /// Normalises each row of `input`, or copies it where the architecture has no norm in that place.
    fn normalise(&self, weights: Option<&[f32]>, input: &[f32], out: &mut Vec<f32>, pool: &Pool) {
        let (width, epsilon) = (self.config.width, self.config.norm_epsilon);
        resize(out, input.len());
        pool.for_chunks_mut(out, ROWS * width, |index, out| {
            let input = &input[index * ROWS * width..][..out.len()];
            for (input, out) in input.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                match (self.config.architecture.norm, weights) {
                    (Norm::Rms, Some(weights)) => athenaeum_kernels::rms_norm(input, weights, epsilon, out),
                    (Norm::Plain, Some(weights)) => {
                        athenaeum_kernels::layer_norm(input, weights, None, epsilon, out);
                    }
                    (_, None) => out.copy_from_slice(input),
                }
            }
        });
    }
}

/// Rows that a thread takes at once where the work on one is small.
const ROWS: usize = 8;

impl Work {
    /// Lets go of the rows of which nothing is wanted, once their keys and values are kept.
    fn keep_wanted(&mut self, rows: &[Row], width: usize) {
        let mut count = 0;
        for (from, _) in rows.iter().enumerate().filter(|(_, row)| row.want != Want::Nothing) {
            for numbers in [&mut self.stream, &mut self.normed] {
                numbers.copy_within(from * width..(from + 1) * width, count * width);
            }
            for angles in [&mut self.angles, &mut self.angles_in_window] {
                if from < angles.len() {
                    angles.swap(from, count);
                }
            }
            self.sees_until.swap(from, count);
            count += 1;
        }
        for numbers in [&mut self.stream, &mut self.normed] {
            numbers.truncate(count * width);
        }
    }

    fn output(&self) -> Output<'_> {
        Output { logits: &self.logits, hidden: &self.hidden }
    }
}

/// Returns what the file says that each pair's step is divided by.
fn divisors(
    weights: &Weights,
    config: &Config,
    context_tokens: usize,
) -> Result<Option<Vec<f32>>, weights::Error> {
    let pairs = config.rope.turned / 2;
    if let Scaling::Long { short, original, .. } = &config.rope.scaling
        && short.is_empty()
    {
        let long = context_tokens as f64 > *original;
        let name = if long { "rope_factors_long.weight" } else { "rope_factors_short.weight" };
        return weights.vector_if_present(name, pairs);
    }
    weights.vector_if_present("rope_freqs.weight", pairs)
}

/// Normalises queries or keys, each head on its own or all heads of a token together, as the weights' length says.
fn normalise_heads(weights: Option<&[f32]>, numbers: &mut [f32], epsilon: f32) {
    let Some(weights) = weights else { return };
    for numbers in numbers.chunks_exact_mut(weights.len()) {
        athenaeum_kernels::rms_norm_in_place(numbers, weights, epsilon);
    }
}

fn scale(numbers: &mut [f32], factor: f32) {
    if factor != 1.0 {
        numbers.iter_mut().for_each(|number| *number *= factor);
    }
}

/// Sets the length; what is in the buffer is about to be overwritten.
fn resize(buffer: &mut Vec<f32>, len: usize) {
    buffer.resize(len, 0.0);
}
