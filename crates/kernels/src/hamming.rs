#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86;

use std::sync::OnceLock;

use crate::isa;

/// Counts, for each of some codes of one bit a dimension, the bits in which it differs from `query`. The codes lie one
/// behind the other and are as long as the query, at most 8,191 bytes; `out` has room for one count a code.
///
/// # Panics
/// Where `codes` are not `out.len()` codes of the query's length, or the query is longer than that.
pub fn hamming(query: &[u8], codes: &[u8], out: &mut [u16]) {
    assert!(query.len() <= CODE_BYTES_MAX, "a code of {} bytes, at most {CODE_BYTES_MAX}", query.len());
    assert!(
        query.len().checked_mul(out.len()) == Some(codes.len()),
        "{} codes of {} bytes, not {} bytes",
        out.len(),
        query.len(),
        codes.len()
    );
    if query.is_empty() {
        out.fill(0);
        return;
    }
    static BEST: OnceLock<Path> = OnceLock::new();
    let path = BEST.get_or_init(|| {
        paths().find(|path| isa::allows(path.name)).unwrap_or(Path { name: "plain", count: plain })
    });
    // SAFETY: the path was found to run on this machine, and the shapes hold.
    unsafe { (path.count)(query, codes, out) }
}

/// So that counts fit in 16 bits.
const CODE_BYTES_MAX: usize = 8_191;

/// One way to count.
#[derive(Clone, Copy)]
pub(crate) struct Path {
    name: &'static str,
    /// Wants codes that are not empty, as many as there is room for in the output; and the instructions it is made of.
    count: unsafe fn(&[u8], &[u8], &mut [u16]),
}

/// Lists those that this machine can go, the fastest first.
fn paths() -> impl Iterator<Item = Path> {
    #[cfg(target_arch = "x86_64")]
    let special = [x86::avx512(), x86::popcnt()];
    #[cfg(target_arch = "aarch64")]
    let special = [neon::neon()];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let special = [None];
    special.into_iter().flatten().chain([Path { name: "plain", count: plain }])
}

#[inline(always)]
fn plain(query: &[u8], codes: &[u8], out: &mut [u16]) {
    for (out, code) in out.iter_mut().zip(codes.chunks_exact(query.len())) {
        *out = differ(query, code) as u16;
    }
}

/// Counts the bits in which two codes of one length differ, word by word.
#[inline(always)]
pub(crate) fn differ(a: &[u8], b: &[u8]) -> u32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut count = 0;
    for (a, b) in a.iter().zip(b) {
        count += (u64::from_ne_bytes(*a) ^ u64::from_ne_bytes(*b)).count_ones();
    }
    for (a, b) in a_rest.iter().zip(b_rest) {
        count += (a ^ b).count_ones();
    }
    count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, bit by bit.
    fn reference(query: &[u8], code: &[u8]) -> u16 {
        let bit = |bytes: &[u8], at: usize| bytes[at / 8] >> (at % 8) & 1;
        (0..8 * query.len()).filter(|at| bit(query, *at) != bit(code, *at)).count() as u16
    }

    fn check(query: &[u8], codes: &[u8]) {
        let expected: Vec<u16> = codes.chunks_exact(query.len()).map(|code| reference(query, code)).collect();
        for path in paths() {
            let mut out = vec![u16::MAX; expected.len()];
            // SAFETY: the machine can go it, and the shapes hold.
            unsafe { (path.count)(query, codes, &mut out) };
            assert_eq!(out, expected, "{} of {} bytes", path.name, query.len());
        }
        let mut out = vec![0; expected.len()];
        hamming(query, codes, &mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn the_longest_codes_do_not_overflow() {
        check(&[0; CODE_BYTES_MAX], &[0xff; 9 * CODE_BYTES_MAX]);
        hamming(&[], &[], &mut []);
    }

    #[test]
    fn a_wrong_shape_is_refused() {
        let asked = std::panic::catch_unwind(|| {
            hamming(&[0; 3], &[0; 7], &mut [0; 2]);
        });
        assert!(asked.is_err());
    }

    proptest! {
        #[test]
        fn every_path_counts_what_differs(
            (query, codes) in (1_usize..150, 0_usize..40).prop_flat_map(|(bytes, rows)| {
                (proptest::collection::vec(any::<u8>(), bytes), proptest::collection::vec(any::<u8>(), bytes * rows))
            })
        ) {
            check(&query, &codes);
        }
    }
}
