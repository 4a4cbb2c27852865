use std::arch::aarch64::*;

use super::Path;
use crate::matrix::{sdot, to_first_cache};

pub(super) fn dotprod() -> Option<Path> {
    let has = std::arch::is_aarch64_feature_detected!("dotprod");
    has.then_some(Path { name: "neon-dotprod", products: products_dotprod })
}

pub(super) fn neon() -> Option<Path> {
    Some(Path { name: "neon", products: products_neon })
}

/// How many rows ahead memory is asked.
const AHEAD: usize = 8;

/// Sixteen products for each of four sums in turn, so that none waits for itself.
///
/// # Safety
/// Each index lies within the rows; without indexes, there are as many rows as results.
#[target_feature(enable = "neon,dotprod")]
unsafe fn products_dotprod(query: &[i8], rows: &[u8], indexes: Option<&[u32]>, out: &mut [i32]) {
    let sixteen = |sum: int32x4_t, a: int8x16_t, b: int8x16_t| sdot(sum, a, b);
    // SAFETY: the caller's promise.
    unsafe { each(query, rows, indexes, out, sixteen) };
}

/// A product of two bytes fits in 16 bits, but not always the sum of two: neighbours are added up in 32 bits at once.
///
/// # Safety
/// As [`products_dotprod`].
#[target_feature(enable = "neon")]
unsafe fn products_neon(query: &[i8], rows: &[u8], indexes: Option<&[u32]>, out: &mut [i32]) {
    let sixteen = |sum: int32x4_t, a: int8x16_t, b: int8x16_t| {
        let sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
        vpadalq_s16(sum, vmull_high_s8(a, b))
    };
    // SAFETY: the caller's promise.
    unsafe { each(query, rows, indexes, out, sixteen) };
}

/// # Safety
/// As [`products_dotprod`].
#[inline(always)]
unsafe fn each(
    query: &[i8],
    rows: &[u8],
    indexes: Option<&[u32]>,
    out: &mut [i32],
    sixteen: impl Fn(int32x4_t, int8x16_t, int8x16_t) -> int32x4_t,
) {
    let columns = query.len();
    let row_at = |position: usize| indexes.map_or(position, |indexes| indexes[position] as usize);
    for (position, out) in out.iter_mut().enumerate() {
        if let Some(&next) = indexes.and_then(|indexes| indexes.get(position + AHEAD)) {
            ask_for(rows[next as usize * columns..][..columns].as_ptr(), columns);
        }
        let row = &rows[row_at(position) * columns..][..columns];
        let ((longs, rest), (query_longs, query_rest)) = (row.as_chunks::<64>(), query.as_chunks::<64>());
        let ((shorts, rest), (query_shorts, query_rest)) =
            (rest.as_chunks::<16>(), query_rest.as_chunks::<16>());
        // SAFETY: four times 16 bytes of both, then 16 of both; the first NEON is everywhere.
        let sum = unsafe {
            let mut sums = [vdupq_n_s32(0); 4];
            for (row, query) in longs.iter().zip(query_longs) {
                for (part, sum) in sums.iter_mut().enumerate() {
                    let (row, query) = (row.as_ptr().add(16 * part), query.as_ptr().add(16 * part));
                    *sum = sixteen(*sum, vld1q_s8(row.cast()), vld1q_s8(query));
                }
            }
            for ((row, query), sum) in shorts.iter().zip(query_shorts).zip(&mut sums) {
                *sum = sixteen(*sum, vld1q_s8(row.as_ptr().cast()), vld1q_s8(query.as_ptr()));
            }
            vaddvq_s32(vaddq_s32(vaddq_s32(sums[0], sums[1]), vaddq_s32(sums[2], sums[3])))
        };
        let rest = query_rest.iter().zip(rest).map(|(a, b)| i32::from(*a) * i32::from(*b as i8));
        *out = sum + rest.sum::<i32>();
    }
}

/// Asks memory for so many bytes.
#[inline]
pub(crate) fn ask_for(row: *const u8, bytes: usize) {
    for at in (0..bytes).step_by(64) {
        to_first_cache(row.wrapping_add(at));
    }
}
