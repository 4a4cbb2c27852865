//! Rotary positions: pairs of a head's numbers are turned by angles that grow with the position.
//! Su et al., "RoFormer" (2021); scalings as in llama.cpp's `rope_yarn` and transformers' `modeling_rope_utils.py`.

use std::f64::consts::TAU;

use super::architecture::Pairs;

/// How positions turn heads, as the configuration has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// The i-th of n pairs turns by `base^(-i/n)` per position.
    pub base: f64,
    /// Numbers of a head that take part, from its start; even.
    pub turned: usize,
    /// How it is stretched to contexts beyond those of the training.
    pub scaling: Scaling,
}

/// How a rotation is stretched.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names that configurations use")]
pub enum Scaling {
    /// Not at all.
    None,
    /// Positions are divided.
    Linear { factor: f64 },
    /// Slow pairs are divided, fast ones not. Peng et al., "YaRN" (2023).
    Yarn { factor: f64, original: f64, attention: f64 },
    /// Slow pairs are divided, fast ones not, as Llama 3.1 does it; GGUF files hold the outcome as a tensor.
    Llama3 { factor: f64, low: f64, high: f64, original: f64 },
    /// Each pair has a divisor of its own, one set for short contexts and one for long ones.
    Long { short: Vec<f64>, long: Vec<f64>, original: f64, attention: f64 },
}

/// The rotation of one kind of layer, ready to be applied.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Turns {
    /// Radians per position, by pair.
    steps: Vec<f64>,
    /// What turned numbers are multiplied with.
    magnitude: f32,
    pairs: Pairs,
}

impl Turns {
    /// `divisors`: what the file says each pair's step is divided by, or nothing.
    pub(crate) fn new(rope: &Rope, pairs: Pairs, divisors: Option<&[f32]>, context_tokens: usize) -> Self {
        let count = rope.turned / 2;
        let mut magnitude = 1.0;
        let plain = |pair: usize| rope.base.powf(-(pair as f64) / count as f64);
        let step = |pair: usize| match &rope.scaling {
            Scaling::None => plain(pair),
            Scaling::Linear { factor } => plain(pair) / factor,
            Scaling::Yarn { factor, original, .. } => {
                let divided = slowness(pair, rope, *original);
                plain(pair) * (1.0 - divided) + plain(pair) / factor * divided
            }
            Scaling::Llama3 { factor, low, high, original } => {
                let wavelength = TAU / plain(pair);
                // 0 where waves are longer than original / low, 1 where they are shorter than original / high.
                let kept = ((original / wavelength - low) / (high - low)).clamp(0.0, 1.0);
                plain(pair) * kept + plain(pair) / factor * (1.0 - kept)
            }
            Scaling::Long { short, long, original, .. } => {
                let divisors = if context_tokens as f64 > *original { long } else { short };
                plain(pair) / divisors.get(pair).copied().unwrap_or(1.0)
            }
        };
        if let Scaling::Yarn { attention, .. } | Scaling::Long { attention, .. } = rope.scaling {
            magnitude = attention;
        }
        let divisor =
            |pair: usize| divisors.and_then(|divisors| divisors.get(pair)).map_or(1.0, |&d| f64::from(d));
        let steps = (0..count).map(|pair| step(pair) / divisor(pair)).collect();
        Self { steps, magnitude: magnitude as f32, pairs }
    }

    /// Computes the angles of a position.
    pub(crate) fn angles(&self, position: u32, out: &mut Angles) {
        out.cos.clear();
        out.sin.clear();
        for step in &self.steps {
            let (sin, cos) = (step * f64::from(position)).sin_cos();
            out.cos.push(cos as f32 * self.magnitude);
            out.sin.push(sin as f32 * self.magnitude);
        }
    }

    /// Which numbers are turned together.
    #[cfg(feature = "candle")]
    pub(crate) fn pairs(&self) -> Pairs {
        self.pairs
    }

    /// Turns the heads of one token, each `head_size` numbers long.
    pub(crate) fn turn(&self, heads: &mut [f32], head_size: usize, angles: &Angles) {
        for head in heads.chunks_exact_mut(head_size) {
            let turned = &mut head[..2 * self.steps.len()];
            match self.pairs {
                Pairs::Neighbours => athenaeum_kernels::rotate_pairs(turned, &angles.cos, &angles.sin),
                Pairs::Halves => athenaeum_kernels::rotate_halves(turned, &angles.cos, &angles.sin),
            }
        }
    }
}

/// Cosines and sines of a position, one of each per pair.
#[derive(Debug, Default)]
pub(crate) struct Angles {
    pub(crate) cos: Vec<f32>,
    pub(crate) sin: Vec<f32>,
}

/// Returns 1 for pairs so slow that YaRN divides them, 0 for those that it leaves, and between the two a slope: from
/// the pair that turns 32 times within the original context to the one that turns once.
fn slowness(pair: usize, rope: &Rope, original: f64) -> f64 {
    let last = rope.turned as f64 - 1.0;
    let turning = |times: f64| rope.turned as f64 * (original / (times * TAU)).ln() / (2.0 * rope.base.ln());
    let (low, high) = (turning(32.0).floor().max(0.0), turning(1.0).ceil().min(last));
    ((pair as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0)
}
