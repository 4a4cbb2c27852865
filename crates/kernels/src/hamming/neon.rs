use std::arch::aarch64::*;

use super::Path;

pub(super) fn neon() -> Option<Path> {
    Some(Path { name: "neon", count: count_neon })
}

#[target_feature(enable = "neon")]
fn count_neon(query: &[u8], codes: &[u8], out: &mut [u16]) {
    for (out, code) in out.iter_mut().zip(codes.chunks_exact(query.len())) {
        *out = differ(query, code) as u16;
    }
}

/// Counts the bits in which two codes of one length differ: the bits of sixteen bytes in one instruction, added up in bytes,
/// which have room for those of 31 times sixteen.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn differ(a: &[u8], b: &[u8]) -> u32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut count = 0;
    for (a, b) in a.chunks(31).zip(b.chunks(31)) {
        let mut counts = vdupq_n_u8(0);
        for (a, b) in a.iter().zip(b) {
            // SAFETY: 16 bytes of both.
            let (a, b) = unsafe { (vld1q_u8(a.as_ptr()), vld1q_u8(b.as_ptr())) };
            counts = vaddq_u8(counts, vcntq_u8(veorq_u8(a, b)));
        }
        count += u32::from(vaddlvq_u8(counts));
    }
    count + super::differ(a_rest, b_rest)
}
