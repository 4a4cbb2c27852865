use athenaeum_kernels::Pool;

use super::{
    config::{Activation, Config},
    layer::Norm,
    resize,
};
use crate::{
    decoder::Linear,
    weights::{Error, Weights},
};

/// What makes scores of a text: one matrix, or two with an activation and perhaps a norm between them.
#[derive(Debug)]
pub(super) struct Head {
    dense: Option<Linear>,
    activation: Activation,
    norm: Option<Norm>,
    output: Linear,
    scores: usize,
    pub(super) averages: bool,
}

impl Head {
    /// Finds the head, if the files hold one.
    pub(super) fn load(weights: &Weights, config: &Config) -> Result<Option<Self>, Error> {
        let width = config.width;
        let rows = |name: &str| weights.shape(name).and_then(|shape| shape.first().copied());
        // Some files hold the one matrix under the first one's name.
        let (dense, output, scores) = match (rows("cls.weight"), rows("cls.output.weight")) {
            (dense, Some(scores)) => (dense.is_some(), "cls.output", scores),
            (Some(scores), None) if scores != width => (false, "cls", scores),
            _ => return Ok(None),
        };
        let norm = weights
            .has("cls.norm.weight")
            .then(|| Norm::load(weights, (config.width, config.norm_epsilon), "cls.norm"));
        Ok(Some(Self {
            dense: dense.then(|| Linear::load(weights, "cls", width, width)).transpose()?,
            activation: config.architecture.head_activation,
            norm: norm.transpose()?,
            output: Linear::load(weights, output, scores, width)?,
            scores,
            averages: config.head_averages,
        }))
    }

    /// How many scores a text gets.
    pub(super) fn scores(&self) -> usize {
        self.scores
    }

    /// Computes the scores of each row of `pooled`, which is overwritten.
    pub(super) fn apply(&self, pool: &Pool, pooled: &mut Vec<f32>, out: &mut Vec<f32>) {
        let rows = pooled.len() / self.output.columns();
        if let Some(dense) = &self.dense {
            resize(out, pooled.len());
            dense.apply(pool, pooled, out);
            self.activation.apply(out);
            match &self.norm {
                Some(norm) => norm.apply(pool, out, pooled),
                None => std::mem::swap(out, pooled),
            }
        }
        resize(out, rows * self.scores);
        self.output.apply(pool, pooled, out);
    }
}
