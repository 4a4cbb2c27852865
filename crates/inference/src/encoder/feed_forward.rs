use athenaeum_kernels::Pool;

use super::{
    config::{Activation, Config},
    layer::ROWS,
    resize,
};
use crate::{
    decoder::Linear,
    weights::{Error, Weights},
};

/// down( act(gate · x) * (up · x) ), or down( act(up · x) ) where there is no gate.
#[derive(Debug)]
pub(super) struct FeedForward {
    gate: Option<Linear>,
    up: Linear,
    down: Linear,
    size: usize,
    activation: Activation,
}

impl FeedForward {
    pub(super) fn load(
        weights: &Weights,
        config: &Config,
        name: &dyn Fn(&str) -> String,
    ) -> Result<Self, Error> {
        let (size, width) = (config.feed_forward, config.width);
        let rows = weights.shape(&name("ffn_up.weight")).and_then(|shape| shape.first().copied());
        let (gate, up) = if rows == Some(2 * size) {
            let half = |first: bool| {
                let at = if first { 0 } else { size };
                Linear::load_part(weights, &name("ffn_up"), 2 * size, width, at..at + size)
            };
            let gate_first = config.architecture.gate_first;
            (Some(half(gate_first)?), half(!gate_first)?)
        } else {
            let has_gate = weights.has(&name("ffn_gate.weight"));
            let gate = has_gate.then(|| Linear::load(weights, &name("ffn_gate"), size, width)).transpose()?;
            (gate, Linear::load(weights, &name("ffn_up"), size, width)?)
        };
        let down = Linear::load(weights, &name("ffn_down"), width, size)?;
        Ok(Self { gate, up, down, size, activation: config.activation })
    }

    /// Computes each row of `inputs`.
    pub(super) fn apply(
        &self,
        pool: &Pool,
        inputs: &[f32],
        outputs: &mut [f32],
        (gated, up): (&mut Vec<f32>, &mut Vec<f32>),
    ) {
        let numbers = inputs.len() / self.up.columns() * self.size;
        resize(up, numbers);
        let Some(gate) = &self.gate else {
            self.up.apply_then(pool, inputs, up, |up| self.activation.apply(up));
            self.down.apply(pool, up, outputs);
            return;
        };
        self.up.apply(pool, inputs, up);
        resize(gated, numbers);
        gate.apply_then(pool, inputs, gated, |gated| self.activation.apply(gated));
        pool.for_chunks_mut(gated, ROWS * self.size, |index, gated| {
            let up = &up[index * ROWS * self.size..][..gated.len()];
            gated.iter_mut().zip(up).for_each(|(gate, up)| *gate *= up);
        });
        self.down.apply(pool, gated, outputs);
    }
}
