use athenaeum_kernels::Pool;

use super::{architecture::Norms, config::Config, feed_forward::FeedForward};
use crate::{
    decoder::Linear,
    weights::{Error, Weights},
};

/// The weights of one layer.
#[derive(Debug)]
pub(super) struct Layer {
    /// None where layers normalise behind their parts, and in the first layer of some that do it before.
    pub(super) attention_norm: Option<Norm>,
    pub(super) queries: Linear,
    pub(super) keys: Linear,
    pub(super) values: Linear,
    /// Over all heads together.
    pub(super) query_norm: Option<Norm>,
    pub(super) key_norm: Option<Norm>,
    pub(super) attention_output: Linear,
    pub(super) after_attention_norm: Option<Norm>,
    pub(super) feed_forward_norm: Option<Norm>,
    pub(super) feed_forward: FeedForward,
    pub(super) after_feed_forward_norm: Option<Norm>,
}

/// Takes away the mean, divides by the deviation, times weights, plus a bias.
#[derive(Debug)]
pub(crate) struct Norm {
    weights: Vec<f32>,
    bias: Option<Vec<f32>>,
    epsilon: f32,
}

impl Layer {
    pub(super) fn load(weights: &Weights, config: &Config, index: usize) -> Result<Self, Error> {
        let name = |part: &str| format!("blk.{index}.{part}");
        let norm = |part: &str| Norm::load(weights, (config.width, config.norm_epsilon), &name(part));
        let behind = config.architecture.norms == Norms::Behind;
        let norm_behind = |part: &str| behind.then(|| norm(part)).transpose();
        let norm_before = |part: &str| (!behind).then(|| norm(part)).transpose();
        let norm_if = |there: bool, part: &str| there.then(|| norm(part)).transpose();
        let [queries, keys, values] = attention_inputs(weights, config, &name)?;
        let first_norm = !behind && (index > 0 || weights.has(&name("attn_norm.weight")));
        Ok(Self {
            attention_norm: norm_if(first_norm, "attn_norm")?,
            queries,
            keys,
            values,
            query_norm: norm_if(weights.has(&name("attn_q_norm.weight")), "attn_q_norm")?,
            key_norm: norm_if(weights.has(&name("attn_k_norm.weight")), "attn_k_norm")?,
            attention_output: Linear::load(weights, &name("attn_output"), config.width, config.width)?,
            after_attention_norm: norm_behind("attn_output_norm")?,
            feed_forward_norm: norm_before("ffn_norm")?,
            feed_forward: FeedForward::load(weights, config, &name)?,
            after_feed_forward_norm: norm_behind("layer_output_norm")?,
        })
    }
}

/// Finds the matrices of queries, keys and values, one under the other in some files.
fn attention_inputs(
    weights: &Weights,
    config: &Config,
    name: &dyn Fn(&str) -> String,
) -> Result<[Linear; 3], Error> {
    let width = config.width;
    let [queries, keys, values] = if weights.has(&name("attn_qkv.weight")) {
        [0, width, 2 * width]
            .map(|at| Linear::load_part(weights, &name("attn_qkv"), 3 * width, width, at..at + width))
    } else {
        ["attn_q", "attn_k", "attn_v"].map(|part| Linear::load(weights, &name(part), width, width))
    };
    Ok([queries?, keys?, values?])
}

// === impl Norm ===

impl Norm {
    /// Finds `{name}.weight`, and `{name}.bias` where there is one.
    pub(crate) fn load(weights: &Weights, (width, epsilon): (usize, f32), name: &str) -> Result<Self, Error> {
        Ok(Self {
            weights: weights.vector(&format!("{name}.weight"), width)?,
            bias: weights.vector_if_present(&format!("{name}.bias"), width)?,
            epsilon,
        })
    }

    /// Normalises each row of `input`.
    pub(crate) fn apply(&self, pool: &Pool, input: &[f32], out: &mut [f32]) {
        let width = self.weights.len();
        pool.for_chunks_mut(out, ROWS * width, |index, out| {
            let input = &input[index * ROWS * width..][..out.len()];
            for (input, out) in input.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                athenaeum_kernels::layer_norm(input, &self.weights, self.bias.as_deref(), self.epsilon, out);
            }
        });
    }

    /// Adds `others` to `rows` and normalises each sum, in place.
    pub(super) fn add(&self, rows: &mut [f32], others: &[f32]) {
        let width = self.weights.len();
        for (row, other) in rows.chunks_exact_mut(width).zip(others.chunks_exact(width)) {
            athenaeum_kernels::add_layer_norm(row, other, &self.weights, self.bias.as_deref(), self.epsilon);
        }
    }
}

/// Rows that a thread takes at once where the work on one is small.
pub(crate) const ROWS: usize = 8;
