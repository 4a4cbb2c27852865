//! Exponentials of a whole vocabulary, the same on every machine.

/// e to the power of `x`, for `x ≤ 0`; below −87 it is 0. Within two units in the last place of the true value.
///
/// Only additions and products in a fixed order and no table, so that compilers turn loops of it into vector code
/// and every processor gives the same bits, which the system's `expf` does not promise.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // Adding 1.5 × 2²³ leaves the rounded number in the low bits of the mantissa.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts, the first exact in few bits (Cody and Waite 1980, as in Cephes' expf).
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = if x > -87.0 { x } else { -87.0 };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = clamped - whole * LN2_HIGH - whole * LN2_LOW;
    // Cephes' polynomial on ±½ ln 2.
    let mut p = 1.987_569_1e-4;
    p = p * rest + 1.398_199_9e-3;
    p = p * rest + 8.333_452e-3;
    p = p * rest + 4.166_579_6e-2;
    p = p * rest + 1.666_666_5e-1;
    p = p * rest + 0.5;
    let fraction = p * rest * rest + rest + 1.0;
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    if x > -87.0 { fraction * scale } else { 0.0 }
}

/// How many values are summed in single precision before they join a double.
pub(super) const BLOCK: usize = 1024;

/// Fills `weights` with e^(value − highest), in order, and returns their sum.
pub(super) fn weigh(values: impl ExactSizeIterator<Item = f32>, highest: f32, weights: &mut Vec<f32>) -> f64 {
    weights.clear();
    weights.extend(values.map(|value| exp(value - highest)));
    weights.chunks(BLOCK).map(sum).sum()
}

/// The sum of e^(value − highest).
pub(super) fn partition(values: &[f32], highest: f32) -> f64 {
    values.chunks(BLOCK).map(|block| lanes(block, |value| exp(value - highest))).sum()
}

/// Sums of e^(value − highest) and of the same times (value − highest): what an entropy needs.
pub(super) fn partition_and_moment(values: &[f32], highest: f32) -> (f64, f64) {
    let moment = |value: f32| {
        let difference = value - highest;
        // −∞ weighs nothing, and 0 × −∞ would be no number.
        if difference > -87.0 { exp(difference) * difference } else { 0.0 }
    };
    (partition(values, highest), values.chunks(BLOCK).map(|block| lanes(block, moment)).sum())
}

/// The sum of at most [`BLOCK`] weights.
pub(super) fn sum(weights: &[f32]) -> f64 {
    lanes(weights, |weight| weight)
}

fn lanes(block: &[f32], of: impl Fn(f32) -> f32) -> f64 {
    let mut sums = [0f32; 16];
    let whole = block.chunks_exact(16);
    let rest = whole.remainder();
    for chunk in whole {
        sums.iter_mut().zip(chunk).for_each(|(sum, &value)| *sum += of(value));
    }
    sums.iter_mut().zip(rest).for_each(|(sum, &value)| *sum += of(value));
    sums.iter().map(|&sum| f64::from(sum)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_exponential() {
        let mut worst = 0f64;
        for step in 0..870_000 {
            let x = -(step as f32) / 10_000.0;
            let truth = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) - truth).abs() / truth);
        }
        assert!(worst < 2.0 * f64::from(f32::EPSILON), "{worst:e}");
        assert_eq!((exp(0.0), exp(-88.0), exp(f32::NEG_INFINITY)), (1.0, 0.0, 0.0));
    }

    #[test]
    fn sums_are_sums() {
        let values: Vec<f32> = (0..5_000).map(|i| -(i as f32) / 500.0).collect();
        let truth: f64 = values.iter().map(|&v| f64::from(v).exp()).sum();
        let mut weights = Vec::new();
        assert!((partition(&values, 0.0) / truth - 1.0).abs() < 1e-6);
        assert!((weigh(values.iter().copied(), 0.0, &mut weights) / truth - 1.0).abs() < 1e-6);
        let moment: f64 = values.iter().map(|&v| f64::from(v).exp() * f64::from(v)).sum();
        assert!((partition_and_moment(&values, 0.0).1 / moment - 1.0).abs() < 1e-6);
    }
}
