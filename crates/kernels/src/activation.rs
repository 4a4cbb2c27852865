#[cfg(target_arch = "x86_64")]
mod avx512;

use crate::{
    isa::{Isa, for_each_isa},
    vector::{LANES, halved},
};

/// Which form of GELU: the two differ in the fourth digit, and a model is trained with one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gelu {
    /// Half `x` times one plus the hyperbolic tangent of √(2/π) (x + 0.044715 x³).
    Tanh,
    /// `x` times the normal distribution's integral up to `x`.
    Erf,
}

for_each_isa! {
    /// Turns `gate` into its SiLU (x divided by 1 + e⁻ˣ) times `up`.
    ///
    /// # Panics
    /// Where the two differ in length.
    pub fn silu_gate(gate: &mut [f32], up: &[f32]) {
        assert_eq!(gate.len(), up.len(), "a gate is as long as what it lets through");
        for (gate, up) in gate.iter_mut().zip(up) {
            *gate = silu_of(*gate) * up;
        }
    }
}

/// Turns `gate` into its GELU times `up`.
///
/// # Panics
/// Where the two differ in length.
pub fn gelu_gate(kind: Gelu, gate: &mut [f32], up: &[f32]) {
    assert_eq!(gate.len(), up.len(), "a gate is as long as what it lets through");
    gelu(kind, gate);
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate *= up;
    }
}

for_each_isa! {
    /// Turns numbers into their SiLU: x divided by 1 + e⁻ˣ.
    pub fn silu(x: &mut [f32]) {
        for x in x {
            *x = silu_of(*x);
        }
    }
}

for_each_isa! {
    /// Turns numbers into their GELU, within a millionth of it.
    pub fn gelu(kind: Gelu, x: &mut [f32]) {
        // Loops and no closures: compilers leave closures of this size apart, without the vectors that are meant.
        match kind {
            Gelu::Tanh => {
                for x in x {
                    *x = gelu_tanh_of(*x);
                }
            }
            Gelu::Erf => {
                for x in x {
                    *x = gelu_erf_of(*x);
                }
            }
        }
    }
}

for_each_isa! {
    /// Turns numbers into shares of 1, in proportion to their powers of e. Numbers that are all −∞ become 0.
    pub fn softmax(x: &mut [f32]) {
        let most = largest(x);
        if most == f32::NEG_INFINITY {
            x.iter_mut().for_each(|x| *x = if x.is_nan() { f32::NAN } else { 0.0 });
            return;
        }
        exp_of_differences(x, most);
        let share = 1.0 / crate::norm::total(x, |x| x);
        for x in x {
            *x *= share;
        }
    }
}

/// The same for each row of `len` numbers.
///
/// # Panics
/// Where they are not whole rows.
pub fn softmax_rows(x: &mut [f32], len: usize) {
    if x.is_empty() {
        return;
    }
    assert!(len > 0 && x.len().is_multiple_of(len), "rows of {len} numbers");
    let done = match Isa::best() {
        // SAFETY: the instruction set was found on this machine.
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => unsafe { avx512::softmax_rows(x, len) },
        _ => 0,
    };
    x[done * len..].chunks_exact_mut(len).for_each(softmax);
}

/// Turns numbers into e to the power of what they are more than `most`.
#[inline(always)]
pub(crate) fn exp_of_differences(x: &mut [f32], most: f32) {
    let (whole, rest) = x.as_chunks_mut::<LANES>();
    for x in whole {
        for x in x {
            *x = exp(*x - most);
        }
    }
    if rest.is_empty() {
        return;
    }
    // Rows of short texts are hardly more than such a rest.
    let mut padded = [0.0; LANES];
    padded[..rest.len()].copy_from_slice(rest);
    for x in &mut padded {
        *x = exp(*x - most);
    }
    rest.copy_from_slice(&padded[..rest.len()]);
}

/// Returns the largest number, and −∞ of none; those that are no numbers do not count.
#[inline(always)]
pub(crate) fn largest(x: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for x in whole {
        for (lane, x) in lanes.iter_mut().zip(x) {
            *lane = larger(*lane, *x);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane = larger(*lane, *x);
    }
    halved(&lanes, larger)
}

#[inline(always)]
fn silu_of(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

#[inline(always)]
fn gelu_tanh_of(x: f32) -> f32 {
    // (1 + tanh u) / 2 is 1 / (1 + exp(-2 u)); the constant is √(2/π).
    let u = 0.797_884_6 * x * (1.0 + 0.044_715 * x * x);
    x / (1.0 + exp(-2.0 * u))
}

#[inline(always)]
fn gelu_erf_of(x: f32) -> f32 {
    let half_tail = 0.5 * erfc(x.abs() * std::f32::consts::FRAC_1_SQRT_2);
    x * if x < 0.0 { half_tail } else { 1.0 - half_tail }
}

/// e to the power of `x`, within two units of the last place; below −87.3, where the result would be subnormal, 0.
///
/// `x` is n ln 2 + r with a whole n and |r| ≤ ln 2 / 2, so that the result is 2ⁿ times a short series in r. No branches and
/// only IEEE's basic operations: compilers make vectors of it, and every machine gets the same bits.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding and taking away 1.5 × 2²³ rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.clamp(-87.3, 88.72);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, so that n times the first is exact.
    let r = (clamped - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let mut series = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        series = series * r + coefficient;
    }
    // 2ⁿ in two factors, because n may be 128.
    // Whole numbers stand in the last bits of the sum; a conversion would be done one by one, for it has to look for NaN.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    let result = series * power(n >> 1) * power(n - (n >> 1));
    let result = if x < -87.3 { 0.0 } else { result };
    if x > 88.72 { f32::INFINITY } else { result }
}

/// The complementary error function of a number that is not negative, within 5 × 10⁻⁷ of itself.
///
/// It is t e^(−z²) p(t) with t = 1 / (1 + z/2); p was fitted to it by least squares on relative errors, for z up to 10.
#[inline(always)]
fn erfc(z: f32) -> f32 {
    const FIT: [f32; 8] = [
        0.296_703_23,
        -0.511_152_9,
        0.303_984_13,
        -0.043_334_838,
        0.209_218_6,
        0.241_602_06,
        0.282_559_85,
        0.282_077_16,
    ];
    let t = 1.0 / (1.0 + 0.5 * z);
    let mut series = -0.061_657_313;
    for coefficient in FIT {
        series = series * t + coefficient;
    }
    t * series * exp(-z * z)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: f32, tolerance: f64, ours: fn(f32) -> f32, exact: fn(f64) -> f64) {
        for step in -20_000..=20_000 {
            let x = step as f32 / 20_000.0 * range;
            let (ours, exact) = (f64::from(ours(x)), exact(f64::from(x)));
            assert!(
                (ours - exact).abs() <= tolerance * exact.abs().max(1e-30),
                "at {x}: {ours} instead of {exact}"
            );
        }
    }

    #[test]
    fn exp_is_within_two_units_of_the_last_place() {
        check(87.2, 2.0 * f64::from(f32::EPSILON), exp, f64::exp);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn gates_are_what_they_are_called() {
        check(80.0, 1e-6, silu_of, |x| x / (1.0 + (-x).exp()));
        check(6.0, 1e-5, gelu_tanh_of, |x| {
            x / (1.0 + (-2.0 * (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).exp())
        });
        // Values of the normal distribution's integral, from tables.
        for (x, integral) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_07),
            (-1.0, 0.158_655_253_93),
            (2.0, 0.977_249_868_05),
            (-4.0, 3.167_124_183_3e-5),
        ] {
            let (ours, exact) = (f64::from(gelu_erf_of(x)), f64::from(x) * integral);
            assert!((ours - exact).abs() <= 2e-6 * exact.abs(), "at {x}: {ours} instead of {exact}");
        }
        let (mut gate, up) = ([1.0, -2.0, 0.5], [2.0, 3.0, -1.0]);
        silu_gate(&mut gate, &up);
        assert_eq!(gate, [silu_of(1.0) * 2.0, silu_of(-2.0) * 3.0, -silu_of(0.5)]);
    }

    #[test]
    fn shares_add_up_to_one() {
        let mut x = [1.0, 2.0, f32::NEG_INFINITY, 3.0];
        softmax(&mut x);
        assert!((x.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(x[2], 0.0);
        assert!((x[3] / x[1] - std::f32::consts::E).abs() < 1e-5);
        let mut nothing = [f32::NEG_INFINITY; 3];
        softmax(&mut nothing);
        assert_eq!(nothing, [0.0; 3]);
        softmax(&mut []);
    }

    #[test]
    fn rows_together_become_what_each_becomes() {
        for len in [1, 5, 16, 26, 100, 164] {
            let mut rows: Vec<f32> = (0..11 * len).map(|index| (index as f32 * 0.7).sin() * 9.0).collect();
            rows[4 * len] = f32::NAN;
            rows[len] = f32::NEG_INFINITY;
            rows[9 * len..10 * len].fill(f32::NEG_INFINITY);
            let mut alone = rows.clone();
            alone.chunks_exact_mut(len).for_each(softmax);
            softmax_rows(&mut rows, len);
            let bits = |numbers: &[f32]| -> Vec<u32> {
                // What kind of NaN it is says nothing.
                numbers
                    .iter()
                    .map(|number| if number.is_nan() { u32::MAX } else { number.to_bits() })
                    .collect()
            };
            assert_eq!(bits(&rows), bits(&alone), "rows of {len}");
        }
        softmax_rows(&mut [], 3);
    }
}
