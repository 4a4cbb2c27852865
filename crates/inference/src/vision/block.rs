use std::ops::Range;

use athenaeum_kernels::{Gelu, Pool};

use super::config::{Activation, Config};
use crate::{
    decoder::Linear,
    encoder::{
        attention::{self, Heads, View},
        layer::Norm,
    },
    weights::{Error, Weights},
};

/// One block of the encoder: attention of every patch to all, then a feed-forward part, each normalised before it.
#[derive(Debug)]
pub(super) struct Block {
    attention_norm: Norm,
    queries: Linear,
    keys: Linear,
    values: Linear,
    attention_output: Linear,
    feed_forward_norm: Norm,
    up: Linear,
    down: Linear,
}

/// Buffers, kept from one block to the next: `[patch][number]` unless said otherwise.
#[derive(Debug, Default)]
pub(super) struct Work {
    normed: Vec<f32>,
    queries: Vec<f32>,
    keys: Vec<f32>,
    /// By number, then by patch.
    keys_by_number: Vec<f32>,
    values: Vec<f32>,
    attended: Vec<f32>,
    part: Vec<f32>,
    inner: Vec<f32>,
    texts: Vec<Range<usize>>,
}

impl Block {
    pub(super) fn load(weights: &Weights, config: &Config, index: usize) -> Result<Self, Error> {
        let name = |part: &str| format!("v.blk.{index}.{part}");
        let width = config.width;
        let norm = |part: &str| Norm::load(weights, (width, config.norm_epsilon), &name(part));
        let linear = |part: &str, rows, columns| Linear::load(weights, &name(part), rows, columns);
        let [queries, keys, values] = if weights.has(&name("attn_qkv.weight")) {
            [0, width, 2 * width]
                .map(|at| Linear::load_part(weights, &name("attn_qkv"), 3 * width, width, at..at + width))
        } else {
            ["attn_q", "attn_k", "attn_v"].map(|part| linear(part, width, width))
        };
        // Converters once called the two matrices by each other's names; the one that takes a patch is the first.
        let shape = |part: &str| weights.shape(&name(part)).unwrap_or_default();
        let swapped = shape("ffn_down.weight").last() == Some(&width);
        let (up, down) = if swapped { ("ffn_down", "ffn_up") } else { ("ffn_up", "ffn_down") };
        let inner = shape(&format!("{up}.weight")).first().copied().unwrap_or(0).min(INNER_MAX);
        Ok(Self {
            attention_norm: norm("ln1")?,
            queries: queries?,
            keys: keys?,
            values: values?,
            attention_output: linear("attn_out", width, width)?,
            feed_forward_norm: norm("ln2")?,
            up: linear(up, inner, width)?,
            down: linear(down, width, inner)?,
        })
    }

    /// Computes all patches of a picture, in place.
    pub(super) fn apply(&self, config: &Config, stream: &mut [f32], work: &mut Work, pool: &Pool) {
        let (width, count) = (config.width, stream.len() / config.width);
        let Work { normed, queries, keys, keys_by_number, values, attended, part, inner, texts } = work;
        for buffer in [
            &mut *normed,
            &mut *queries,
            &mut *keys,
            &mut *keys_by_number,
            &mut *values,
            &mut *attended,
            &mut *part,
        ] {
            buffer.resize(stream.len(), 0.0);
        }
        self.attention_norm.apply(pool, stream, normed);
        self.queries.apply(pool, normed, queries);
        self.keys.apply(pool, normed, keys);
        self.values.apply(pool, normed, values);
        attention::transpose(pool, keys, width, keys_by_number);
        texts.clear();
        texts.extend(std::iter::repeat_n(0..count, count));
        let view = View { texts, queries, keys: keys_by_number, values, window: None, distances: None };
        attention::attend(Heads { count: config.heads, width }, &view, attended, pool);
        self.attention_output.apply(pool, attended, part);
        add(stream, part);
        self.feed_forward_norm.apply(pool, stream, normed);
        inner.resize(count * self.up.matrix.rows(), 0.0);
        self.up.apply_then(pool, normed, inner, |numbers| config.activation.apply(numbers));
        self.down.apply(pool, inner, part);
        add(stream, part);
    }
}

/// Numbers inside of a feed-forward part at most, so that a small file asks for no more than a small multiple of itself.
pub(super) const INNER_MAX: usize = 1 << 15;

impl Activation {
    fn apply(self, numbers: &mut [f32]) {
        match self {
            Self::Gelu => athenaeum_kernels::gelu(Gelu::Tanh, numbers),
            Self::Silu => athenaeum_kernels::silu(numbers),
            Self::QuickGelu => {
                const SLOPE: f32 = 1.702;
                numbers.iter_mut().for_each(|number| *number *= SLOPE);
                athenaeum_kernels::silu(numbers);
                numbers.iter_mut().for_each(|number| *number /= SLOPE);
            }
        }
    }
}

fn add(sum: &mut [f32], numbers: &[f32]) {
    sum.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
}
