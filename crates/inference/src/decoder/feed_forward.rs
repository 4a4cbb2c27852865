use athenaeum_kernels::{Gelu, Matrix, Pool};

use super::{ROWS, architecture::Gate, config::Config, config::Experts, layer::Linear, resize};
use crate::weights::{Error, Weights};

/// The feed-forward part of a layer.
#[derive(Debug)]
pub(crate) enum FeedForward {
    Dense(Box<Gated>),
    Experts(Box<Mixture>),
}

/// down( act(gate · x) * (up · x) ).
#[derive(Debug)]
pub(crate) struct Gated {
    pub(crate) gate: Linear,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
    size: usize,
}

/// Experts, of which a router chooses a few for each token.
#[derive(Debug)]
pub(crate) struct Mixture {
    router: Linear,
    experts: Vec<Gated>,
    /// Works on every token, as much as its own gate says.
    shared: Option<(Gated, Option<Vec<f32>>)>,
    config: Experts,
}

/// Buffers.
#[derive(Debug, Default)]
pub(super) struct Work {
    gate: Vec<f32>,
    up: Vec<f32>,
    scores: Vec<f32>,
    /// Row and weight of each token that an expert works on, by expert.
    chosen: Vec<Vec<(usize, f32)>>,
    inputs: Vec<f32>,
    outputs: Vec<f32>,
}

impl FeedForward {
    pub(super) fn load(
        weights: &Weights,
        config: &Config,
        name: &dyn Fn(&str) -> String,
    ) -> Result<Self, Error> {
        // Some models have layers of either kind.
        match &config.experts {
            Some(experts) if weights.has(&name("ffn_gate_inp.weight")) => {
                Mixture::load(weights, config, experts, name).map(|mixture| Self::Experts(Box::new(mixture)))
            }
            _ => Gated::load(weights, config, name).map(|gated| Self::Dense(Box::new(gated))),
        }
    }

    /// Computes each row of `inputs`.
    pub(super) fn apply(
        &self,
        gate: Gate,
        inputs: &[f32],
        outputs: &mut [f32],
        work: &mut Work,
        pool: &Pool,
    ) {
        match self {
            Self::Dense(gated) => gated.apply(gate, inputs, outputs, (&mut work.gate, &mut work.up), pool),
            Self::Experts(mixture) => mixture.apply(gate, inputs, outputs, work, pool),
        }
    }
}

impl Gated {
    fn load(weights: &Weights, config: &Config, name: &dyn Fn(&str) -> String) -> Result<Self, Error> {
        let (size, width) = (config.feed_forward, config.width);
        // Phi's files call the two matrices together "up".
        let up = name("ffn_up.weight");
        let together = weights.shape(&up).is_some_and(|shape| shape.first() == Some(&(2 * size)));
        let fused = if together { name("ffn_up") } else { name("ffn_gate_up") };
        let [gate, up] = if together || weights.has(&name("ffn_gate_up.weight")) {
            [
                Linear::load_part(weights, &fused, 2 * size, width, 0..size)?,
                Linear::load_part(weights, &fused, 2 * size, width, size..2 * size)?,
            ]
        } else {
            [
                Linear::load(weights, &name("ffn_gate"), size, width)?,
                Linear::load(weights, &name("ffn_up"), size, width)?,
            ]
        };
        Ok(Self { gate, up, down: Linear::load(weights, &name("ffn_down"), width, size)?, size })
    }

    pub(super) fn matrices(&self) -> impl Iterator<Item = &Matrix> {
        [&self.gate, &self.up, &self.down].into_iter().map(|linear| &linear.matrix)
    }

    fn apply(
        &self,
        kind: Gate,
        inputs: &[f32],
        outputs: &mut [f32],
        (gate, up): (&mut Vec<f32>, &mut Vec<f32>),
        pool: &Pool,
    ) {
        let rows = inputs.len() / self.gate.columns();
        resize(gate, rows * self.size);
        resize(up, rows * self.size);
        Linear::apply_each([&self.gate, &self.up], pool, inputs, [gate, up]);
        let some = ROWS * self.size;
        pool.for_chunks_mut(gate, some, |index, gate| {
            let up = &up[index * some..][..gate.len()];
            match kind {
                Gate::Silu => athenaeum_kernels::silu_gate(gate, up),
                Gate::GeluTanh => athenaeum_kernels::gelu_gate(Gelu::Tanh, gate, up),
            }
        });
        self.down.apply(pool, gate, outputs);
    }
}

impl Mixture {
    fn load(
        weights: &Weights,
        config: &Config,
        experts: &Experts,
        name: &dyn Fn(&str) -> String,
    ) -> Result<Self, Error> {
        let (width, size, count) = (config.width, experts.size, experts.count);
        let fused = name("ffn_gate_up_exps.weight");
        let (gates, ups) = if weights.has(&fused) {
            let both = (count, 2 * size, width);
            (weights.matrices(&fused, both, &(0..size))?, weights.matrices(&fused, both, &(size..2 * size))?)
        } else {
            let (shape, all) = ((count, size, width), 0..size);
            let gates = weights.matrices(&name("ffn_gate_exps.weight"), shape, &all)?;
            (gates, weights.matrices(&name("ffn_up_exps.weight"), shape, &all)?)
        };
        let downs = weights.matrices(&name("ffn_down_exps.weight"), (count, width, size), &(0..width))?;
        let gated = |((gate, up), down): ((Matrix, Matrix), Matrix)| Gated {
            gate: gate.into(),
            up: up.into(),
            down: down.into(),
            size,
        };
        Ok(Self {
            router: Linear::load(weights, &name("ffn_gate_inp"), count, width)?,
            experts: gates.into_iter().zip(ups).zip(downs).map(gated).collect(),
            shared: shared(weights, config, experts, name)?,
            config: experts.clone(),
        })
    }

    /// Each with how many of so many like it work on a token.
    pub(super) fn matrices(&self) -> impl Iterator<Item = (&Matrix, (usize, usize))> {
        let share = (self.config.used, self.experts.len());
        let experts = self.experts.iter().flat_map(Gated::matrices).map(move |matrix| (matrix, share));
        let shared = self.shared.iter().flat_map(|(shared, _)| shared.matrices());
        experts.chain(shared.chain([&self.router.matrix]).map(|matrix| (matrix, (1, 1))))
    }

    fn apply(&self, gate: Gate, inputs: &[f32], outputs: &mut [f32], work: &mut Work, pool: &Pool) {
        let (count, width) = (self.experts.len(), self.router.columns());
        let rows = inputs.len() / width;
        resize(&mut work.scores, rows * count);
        self.router.apply(pool, inputs, &mut work.scores);
        self.choose(&mut work.scores, &mut work.chosen);
        outputs.fill(0.0);
        // Expert by expert in a fixed order, so that a row's sum does not depend on the other rows.
        for (expert, chosen) in self.experts.iter().zip(&work.chosen) {
            if chosen.is_empty() {
                continue;
            }
            work.inputs.clear();
            chosen
                .iter()
                .for_each(|&(row, _)| work.inputs.extend_from_slice(&inputs[row * width..(row + 1) * width]));
            resize(&mut work.outputs, chosen.len() * width);
            expert.apply(gate, &work.inputs, &mut work.outputs, (&mut work.gate, &mut work.up), pool);
            for (&(row, weight), part) in chosen.iter().zip(work.outputs.chunks_exact(width)) {
                let sum = &mut outputs[row * width..(row + 1) * width];
                sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += weight * part);
            }
        }
        if let Some((shared, opening)) = &self.shared {
            resize(&mut work.outputs, rows * width);
            shared.apply(gate, inputs, &mut work.outputs, (&mut work.gate, &mut work.up), pool);
            for ((input, part), sum) in inputs
                .chunks_exact(width)
                .zip(work.outputs.chunks_exact(width))
                .zip(outputs.chunks_exact_mut(width))
            {
                let weight = opening.as_ref().map_or(1.0, |opening| sigmoid(dot(opening, input)));
                sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += weight * part);
            }
        }
    }

    /// Turns scores into shares, and gives each row to the experts with the largest.
    fn choose(&self, scores: &mut [f32], chosen: &mut Vec<Vec<(usize, f32)>>) {
        let count = self.experts.len();
        chosen.resize_with(count, Vec::new);
        chosen.iter_mut().for_each(Vec::clear);
        let mut order: Vec<usize> = Vec::with_capacity(count);
        for (row, scores) in scores.chunks_exact_mut(count).enumerate() {
            athenaeum_kernels::softmax(scores);
            order.clear();
            order.extend(0..count);
            // Of equals the first, as a stable sort has it.
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            order.truncate(self.config.used);
            let sum: f32 = order.iter().map(|&expert| scores[expert]).sum();
            let whole = if self.config.normalised { sum } else { 1.0 };
            order.iter().for_each(|&expert| chosen[expert].push((row, scores[expert] / whole)));
        }
    }
}

type Shared = Option<(Gated, Option<Vec<f32>>)>;

fn shared(
    weights: &Weights,
    config: &Config,
    experts: &Experts,
    name: &dyn Fn(&str) -> String,
) -> Result<Shared, Error> {
    let (width, fused) = (config.width, weights.has(&name("ffn_gate_up_shexp.weight")));
    if !fused && !weights.has(&name("ffn_up_shexp.weight")) {
        return Ok(None);
    }
    let down = name("ffn_down_shexp.weight");
    // Older files do not say how large it is.
    let size = weights.shape(&down).and_then(|shape| shape.last().copied());
    let size = if experts.shared_size > 0 { experts.shared_size } else { size.unwrap_or(0) };
    let part = |part: &str, rows: usize, range| Linear::load_part(weights, &name(part), rows, width, range);
    let [gate, up] = if fused {
        [0..size, size..2 * size].map(|range| part("ffn_gate_up_shexp", 2 * size, range))
    } else {
        ["ffn_gate_shexp", "ffn_up_shexp"].map(|name| part(name, size, 0..size))
    };
    let down = Linear::load(weights, &name("ffn_down_shexp"), width, size)?;
    let gated = Gated { gate: gate?, up: up?, down, size };
    Ok(Some((gated, weights.vector_if_present(&name("ffn_gate_inp_shexp.weight"), width)?)))
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sigmoid(x: f32) -> f32 {
    (1.0 + (-x).exp()).recip()
}
