use std::ops::Range;

use athenaeum_kernels::{Matrix, Pool};

use super::{ROWS, architecture::Norm, config::Config, feed_forward::FeedForward};
use crate::weights::{Error, Weights};

/// The weights of one layer. What an architecture does not have is `None`.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) attention_norm: Option<Vec<f32>>,
    pub(crate) queries: Linear,
    pub(crate) keys: Linear,
    pub(crate) values: Linear,
    pub(crate) query_norm: Option<Vec<f32>>,
    pub(crate) key_norm: Option<Vec<f32>>,
    pub(crate) attention_output: Linear,
    pub(crate) after_attention_norm: Option<Vec<f32>>,
    pub(crate) feed_forward_norm: Option<Vec<f32>>,
    pub(crate) feed_forward: FeedForward,
    pub(crate) after_feed_forward_norm: Option<Vec<f32>>,
}

/// A matrix, and what is added to its products.
#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) matrix: Matrix,
    pub(crate) bias: Option<Vec<f32>>,
}

impl Layer {
    pub(super) fn load(weights: &Weights, config: &Config, index: usize) -> Result<Self, Error> {
        let name = |part: &str| format!("blk.{index}.{part}");
        let before = |part: &str| {
            let norm = || norm_before(weights, config, &name(part));
            config.architecture.norm_before.then(norm).transpose()
        };
        let after = |part: &str| {
            let asked = config.architecture.norm == Norm::Rms && weights.has(&name(part));
            asked.then(|| norm(weights, config, &name(part), config.width)).transpose()
        };
        let [queries, keys, values] = attention_inputs(weights, config, &name)?;
        Ok(Self {
            attention_norm: before("attn_norm.weight")?,
            queries,
            keys,
            values,
            query_norm: head_norm(weights, config, &name("attn_q_norm.weight"), config.query_width())?,
            key_norm: head_norm(weights, config, &name("attn_k_norm.weight"), config.kv_width())?,
            attention_output: Linear::load(
                weights,
                &name("attn_output"),
                config.width,
                config.query_width(),
            )?,
            after_attention_norm: after("post_attention_norm.weight")?,
            feed_forward_norm: before("ffn_norm.weight")?,
            feed_forward: FeedForward::load(weights, config, &name)?,
            after_feed_forward_norm: after("post_ffw_norm.weight")?,
        })
    }
}

/// Finds the matrices of queries, keys and values, one under the other in some files.
fn attention_inputs(
    weights: &Weights,
    config: &Config,
    name: &dyn Fn(&str) -> String,
) -> Result<[Linear; 3], Error> {
    let rows = [config.query_width(), config.kv_width(), config.kv_width()];
    if weights.has(&name("attn_qkv.weight")) {
        let all: usize = rows.iter().sum();
        let mut end = 0;
        let [queries, keys, values] = rows.map(|rows| {
            end += rows;
            Linear::load_part(weights, &name("attn_qkv"), all, config.width, end - rows..end)
        });
        return Ok([queries?, keys?, values?]);
    }
    let [queries, keys, values] = [("attn_q", rows[0]), ("attn_k", rows[1]), ("attn_v", rows[2])]
        .map(|(part, rows)| Linear::load(weights, &name(part), rows, config.width));
    Ok([queries?, keys?, values?])
}

/// Loads the weights of a norm before a part, or behind the last layer; ones where the architecture's have none.
pub(super) fn norm_before(weights: &Weights, config: &Config, name: &str) -> Result<Vec<f32>, Error> {
    match config.architecture.norm {
        Norm::Rms => norm(weights, config, name, config.width),
        Norm::Plain => Ok(vec![1.0; config.width]),
    }
}

/// Loads the weights of a norm.
fn norm(weights: &Weights, config: &Config, name: &str, len: usize) -> Result<Vec<f32>, Error> {
    let mut norm = weights.vector(name, len)?;
    if config.architecture.norm_less_one && weights.is_hugging_face() {
        norm.iter_mut().for_each(|weight| *weight += 1.0);
    }
    Ok(norm)
}

/// Loads the weights of a norm over each head, or over all heads of a token, if there are any.
fn head_norm(weights: &Weights, config: &Config, name: &str, all: usize) -> Result<Option<Vec<f32>>, Error> {
    let Some(shape) = weights.shape(name) else { return Ok(None) };
    let len = if shape == [all] { all } else { config.head_size };
    norm(weights, config, name, len).map(Some)
}

// === impl Linear ===

impl Linear {
    /// Finds `{name}.weight`, and `{name}.bias` where there is one.
    pub(crate) fn load(weights: &Weights, name: &str, rows: usize, columns: usize) -> Result<Self, Error> {
        Self::load_part(weights, name, rows, columns, 0..rows)
    }

    /// The same for some of the rows.
    pub(crate) fn load_part(
        weights: &Weights,
        name: &str,
        rows: usize,
        columns: usize,
        part: Range<usize>,
    ) -> Result<Self, Error> {
        let matrix = weights.matrix_part(&format!("{name}.weight"), rows, columns, part.clone())?;
        let bias = weights.vector_if_present(&format!("{name}.bias"), rows)?;
        Ok(Self { matrix, bias: bias.map(|bias| bias[part].to_vec()) })
    }

    /// How many numbers it takes.
    pub(crate) fn columns(&self) -> usize {
        self.matrix.cols()
    }

    /// Computes the products of each row of `inputs`.
    pub(crate) fn apply(&self, pool: &Pool, inputs: &[f32], outputs: &mut [f32]) {
        match self.bias {
            Some(_) => self.apply_then(pool, inputs, outputs, |_| {}),
            None => self.matrix.multiply(pool, inputs, outputs),
        }
    }

    /// Computes the products of several with the same `inputs`.
    pub(crate) fn apply_each<const N: usize>(
        linears: [&Self; N],
        pool: &Pool,
        inputs: &[f32],
        mut outputs: [&mut [f32]; N],
    ) {
        let matrices = linears.map(|linear| &linear.matrix);
        Matrix::multiply_each(matrices, pool, inputs, outputs.each_mut().map(|outputs| &mut **outputs));
        for (linear, outputs) in linears.into_iter().zip(outputs) {
            if linear.bias.is_some() {
                linear.finish(pool, outputs, |_| {});
            }
        }
    }

    /// As [`Linear::apply`], and lets each of the results go through `then`, some rows at a time.
    pub(crate) fn apply_then(
        &self,
        pool: &Pool,
        inputs: &[f32],
        outputs: &mut [f32],
        then: impl Fn(&mut [f32]) + Sync,
    ) {
        self.matrix.multiply(pool, inputs, outputs);
        self.finish(pool, outputs, then);
    }

    /// Adds to products what is to be added.
    fn finish(&self, pool: &Pool, outputs: &mut [f32], then: impl Fn(&mut [f32]) + Sync) {
        pool.for_chunks_mut(outputs, ROWS * self.matrix.rows().max(1), |_, outputs| {
            if let Some(bias) = &self.bias {
                athenaeum_kernels::add_to_rows(outputs, bias);
            }
            then(outputs);
        });
    }
}

impl From<Matrix> for Linear {
    fn from(matrix: Matrix) -> Self {
        Self { matrix, bias: None }
    }
}
