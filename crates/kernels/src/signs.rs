#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::OnceLock;

use crate::isa;

/// Makes a code of one bit a dimension: bit i, counted from the lowest of the first byte, is set where `values[i]` is greater
/// than `center[i]`, a byte that stands for -128 to 127, times `factor`. The same with every set of instructions.
///
/// # Panics
/// Where the two differ in length, or `out` has not as many bytes as the bits need.
pub fn signs(values: &[f32], center: &[u8], factor: f32, out: &mut [u8]) {
    assert!(values.len() == center.len(), "{} values, a center of {}", values.len(), center.len());
    assert!(out.len() == values.len().div_ceil(8), "{} bytes for {} bits", out.len(), values.len());
    static BEST: OnceLock<Path> = OnceLock::new();
    let path = BEST.get_or_init(|| {
        paths().find(|path| isa::allows(path.name)).unwrap_or(Path { name: "plain", signs: plain })
    });
    // SAFETY: the path was found to run on this machine, and the shapes hold.
    unsafe { (path.signs)(values, center, factor, out) }
}

/// One way to compare.
#[derive(Clone, Copy)]
struct Path {
    name: &'static str,
    /// Wants the shapes of [`signs`], and the instructions it is made of.
    signs: unsafe fn(&[f32], &[u8], f32, &mut [u8]),
}

/// Lists those that this machine can go, the fastest first.
fn paths() -> impl Iterator<Item = Path> {
    #[cfg(target_arch = "x86_64")]
    let special = [x86::avx512(), x86::avx2()];
    #[cfg(target_arch = "aarch64")]
    let special = [neon::neon()];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let special = [None];
    special.into_iter().flatten().chain([Path { name: "plain", signs: plain }])
}

fn plain(values: &[f32], center: &[u8], factor: f32, out: &mut [u8]) {
    for ((values, center), out) in values.chunks(8).zip(center.chunks(8)).zip(out) {
        *out = 0;
        for (bit, (value, center)) in values.iter().zip(center).enumerate() {
            *out |= u8::from(*value > f32::from(*center as i8) * factor) << bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(values: &[f32], center: &[u8], factor: f32) {
        let bytes = values.len().div_ceil(8);
        let mut expected = vec![0; bytes];
        for (index, (value, center)) in values.iter().zip(center).enumerate() {
            if *value > f32::from(*center as i8) * factor {
                expected[index / 8] |= 1 << (index % 8);
            }
        }
        for path in paths() {
            let mut out = vec![0xff; bytes];
            // SAFETY: the machine can go it, and the shapes hold.
            unsafe { (path.signs)(values, center, factor, &mut out) };
            assert_eq!(out, expected, "{} of {}", path.name, values.len());
        }
        let mut out = vec![0xff; bytes];
        signs(values, center, factor, &mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn what_is_no_number_is_not_greater() {
        check(&[f32::NAN, 0.0, f32::INFINITY, -0.0], &[0; 4], 1.0);
        check(&[f32::NAN; 20], &[3; 20], f32::NAN);
        check(&[], &[], 1.0);
    }

    #[test]
    fn a_wrong_shape_is_refused() {
        let asked = std::panic::catch_unwind(|| {
            signs(&[0.0; 9], &[0; 9], 1.0, &mut [0]);
        });
        assert!(asked.is_err());
    }

    proptest! {
        #[test]
        fn every_path_compares_alike(
            (values, center) in (0_usize..300).prop_flat_map(|n| {
                (proptest::collection::vec(-1.0_f32..1.0, n), proptest::collection::vec(any::<u8>(), n))
            }),
            factor in 0.0_f32..0.02,
        ) {
            check(&values, &center, factor);
        }
    }
}
