#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

use crate::{hamming::differ, isa};

/// Rows whose products with a query are estimated from one bit a dimension, after A. Gao and C. Long, "RaBitQ" (2024): of row and
/// query a common center is taken off; what is left of each has a length and, for each dimension, a sign.
#[derive(Debug, Clone, Copy)]
pub struct Estimates<'a> {
    /// The signs of what is left of the query.
    pub code: &'a [u8],
    /// Those of the rows, as many bytes each, one behind the other.
    pub codes: &'a [u8],
    /// For each row, little-endian `f32`: the length of what is left of it, and what is added in the end.
    pub factors: &'a [[u8; 8]],
    /// The length of what is left of the query.
    pub length: f32,
    /// What is added for all rows.
    pub base: f32,
}

impl Estimates<'_> {
    /// Adds to `found` the estimate and index of each row whose estimate is greater than `floor`, in the order of the rows. With
    /// the share u of bits that are alike less those that differ, the cosine of the angle is taken for sin(uπ/2), to 0.0002.
    /// The same bits with every set of instructions.
    ///
    /// # Panics
    /// Where there are not as many codes as factors, or codes are empty or longer than 8,191 bytes.
    pub fn above(&self, floor: f32, found: &mut Vec<(f32, u32)>) {
        let bytes = self.code.len();
        assert!((1..=CODE_BYTES_MAX).contains(&bytes), "a code of {bytes} bytes, 1 to {CODE_BYTES_MAX}");
        assert!(
            bytes.checked_mul(self.factors.len()) == Some(self.codes.len()),
            "{} codes of {bytes} bytes, not {} bytes",
            self.factors.len(),
            self.codes.len()
        );
        static BEST: OnceLock<Path> = OnceLock::new();
        let path = BEST.get_or_init(|| {
            paths().find(|path| isa::allows(path.name)).unwrap_or(Path { name: "plain", above: plain })
        });
        // SAFETY: the path was found to run on this machine, and the shapes hold.
        unsafe { (path.above)(self, floor, found) }
    }

    /// Of how many bits a code's share is told.
    fn per_bit(&self) -> f32 {
        2.0 / (8 * self.code.len()) as f32
    }
}

const CODE_BYTES_MAX: usize = 8_191;

/// Sine of half a turn times u, for u from -1 to 1: u (A + B u² + C u⁴), fitted so that it is 1 at 1.
const A: f32 = 1.570_321_2;
const B: f32 = -0.642_113_6;
const C: f32 = 0.071_792_4;

/// One way to estimate.
#[derive(Clone, Copy)]
struct Path {
    name: &'static str,
    /// Wants the shapes of [`Estimates::above`], and the instructions it is made of.
    above: unsafe fn(&Estimates<'_>, f32, &mut Vec<(f32, u32)>),
}

/// Lists those that this machine can go, the fastest first.
fn paths() -> impl Iterator<Item = Path> {
    #[cfg(target_arch = "x86_64")]
    let special = [x86::avx512(), x86::popcnt()];
    #[cfg(target_arch = "aarch64")]
    let special = [neon::neon()];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let special = [None];
    special.into_iter().flatten().chain([Path { name: "plain", above: plain }])
}

fn plain(estimates: &Estimates<'_>, floor: f32, found: &mut Vec<(f32, u32)>) {
    some(estimates, floor, found, differ);
}

/// Those that are found by the count of bits in which two codes differ.
#[inline(always)]
fn some(
    estimates: &Estimates<'_>,
    floor: f32,
    found: &mut Vec<(f32, u32)>,
    differ: impl Fn(&[u8], &[u8]) -> u32,
) {
    let Estimates { code, codes, factors, length, base } = *estimates;
    let per_bit = estimates.per_bit();
    for (row, factor) in factors.iter().enumerate() {
        let count = differ(code, &codes[row * code.len()..][..code.len()]);
        let [a, b, c, d, e, f, g, h] = *factor;
        let (spread, tilt) = (f32::from_le_bytes([a, b, c, d]), f32::from_le_bytes([e, f, g, h]));
        let u = 1.0 - count as f32 * per_bit;
        let square = u * u;
        let cosine = u * (A + square * (B + square * C));
        let rank = spread * length * cosine + (tilt + base);
        if rank > floor {
            found.push((rank, row as u32));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(estimates: &Estimates<'_>, floor: f32) {
        let mut expected = Vec::new();
        for (row, code) in estimates.codes.chunks_exact(estimates.code.len()).enumerate() {
            let mut differ = [0];
            crate::hamming(estimates.code, code, &mut differ);
            let u = 1.0 - f32::from(differ[0]) * (2.0 / (8 * code.len()) as f32);
            let number = |at: usize| f32::from_le_bytes(*estimates.factors[row][at..].first_chunk().unwrap());
            let cosine = f64::from(u * (A + u * u * (B + u * u * C)));
            assert!(
                (cosine - (std::f64::consts::FRAC_PI_2 * f64::from(u)).sin()).abs() < 2e-4,
                "{u} {cosine}"
            );
            let rank = number(0) * estimates.length * cosine as f32 + (number(4) + estimates.base);
            if rank > floor {
                expected.push((rank, row as u32));
            }
        }
        for path in paths() {
            let mut found = Vec::new();
            // SAFETY: the machine can go it, and the shapes hold.
            unsafe { (path.above)(estimates, floor, &mut found) };
            let bits = |found: &[(f32, u32)]| {
                found.iter().map(|(rank, row)| (rank.to_bits(), *row)).collect::<Vec<_>>()
            };
            assert_eq!(bits(&found), bits(&expected), "{} of {} bytes", path.name, estimates.code.len());
        }
    }

    proptest! {
        #[test]
        fn every_path_estimates_alike(
            (code, codes, factors) in (1_usize..150, 0_usize..40).prop_flat_map(|(bytes, rows)| {
                (
                    proptest::collection::vec(any::<u8>(), bytes),
                    proptest::collection::vec(any::<u8>(), bytes * rows),
                    proptest::collection::vec((0.0_f32..2.0, -1.0_f32..1.0), rows),
                )
            }),
            (length, base, floor) in (0.0_f32..2.0, -1.0_f32..1.0, prop_oneof![-1.0_f32..1.0, Just(f32::NEG_INFINITY)]),
        ) {
            let entry = |(a, b): (f32, f32)| {
                let mut entry = [0; 8];
                entry[..4].copy_from_slice(&a.to_le_bytes());
                entry[4..].copy_from_slice(&b.to_le_bytes());
                entry
            };
            let factors: Vec<[u8; 8]> = factors.into_iter().map(entry).collect();
            check(&Estimates { code: &code, codes: &codes, factors: &factors, length, base }, floor);
        }
    }

    #[test]
    fn what_is_no_number_is_not_above() {
        let nan = [f32::NAN.to_le_bytes(), f32::NAN.to_le_bytes()].concat();
        let factors = vec![*nan.first_chunk::<8>().unwrap(); 9];
        check(&Estimates { code: &[1; 6], codes: &[2; 54], factors: &factors, length: 1.0, base: 0.0 }, -1.0);
    }

    #[test]
    fn a_wrong_shape_is_refused() {
        let asked = std::panic::catch_unwind(|| {
            let estimates =
                Estimates { code: &[0; 3], codes: &[0; 7], factors: &[[0; 8]], length: 1.0, base: 0.0 };
            estimates.above(0.0, &mut Vec::new());
        });
        assert!(asked.is_err());
    }
}
