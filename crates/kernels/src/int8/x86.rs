use std::arch::x86_64::*;

use super::Path;

pub(super) fn avx512() -> Option<Path> {
    let has = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni");
    has.then_some(Path { name: "avx512", products: products_avx512 })
}

pub(super) fn avx2() -> Option<Path> {
    is_x86_feature_detected!("avx2").then_some(Path { name: "avx2", products: products_avx2 })
}

/// How many rows ahead memory is asked.
const AHEAD: usize = 8;

/// The instruction multiplies bytes without a sign by bytes with one: the rows' bytes are moved up by 128, and 128 times the
/// query's sum is taken off again.
///
/// # Safety
/// Each index lies within the rows; without indexes, there are as many rows as results.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn products_avx512(query: &[i8], rows: &[u8], indexes: Option<&[u32]>, out: &mut [i32]) {
    let columns = query.len();
    let moved = 128 * query.iter().map(|value| i32::from(*value)).sum::<i32>();
    let flip = _mm512_set1_epi8(i8::MIN);
    let row_at = |position: usize| indexes.map_or(position, |indexes| indexes[position] as usize);
    for (position, out) in out.iter_mut().enumerate() {
        if let Some(&next) = indexes.and_then(|indexes| indexes.get(position + AHEAD)) {
            // SAFETY: the caller's promise; and nothing is read.
            unsafe { ask_for(rows.as_ptr().add(next as usize * columns), columns) };
        }
        let (mut even, mut odd) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        // SAFETY: the row lies within the rows, and the mask lets no byte be read behind it.
        unsafe {
            let row = rows.as_ptr().add(row_at(position) * columns);
            let mut at = 0;
            while at + 128 <= columns {
                let a = _mm512_xor_si512(_mm512_loadu_si512(row.add(at).cast()), flip);
                even = _mm512_dpbusd_epi32(even, a, _mm512_loadu_si512(query.as_ptr().add(at).cast()));
                let b = _mm512_xor_si512(_mm512_loadu_si512(row.add(at + 64).cast()), flip);
                odd = _mm512_dpbusd_epi32(odd, b, _mm512_loadu_si512(query.as_ptr().add(at + 64).cast()));
                at += 128;
            }
            while at < columns {
                let mask = !0_u64 >> (64 - (columns - at).min(64));
                let a = _mm512_xor_si512(_mm512_maskz_loadu_epi8(mask, row.add(at).cast()), flip);
                let query = _mm512_maskz_loadu_epi8(mask, query.as_ptr().add(at).cast());
                even = _mm512_dpbusd_epi32(even, a, query);
                at += 64;
            }
        }
        *out = _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd)).wrapping_sub(moved);
    }
}

/// # Safety
/// As [`products_avx512`].
#[target_feature(enable = "avx2")]
unsafe fn products_avx2(query: &[i8], rows: &[u8], indexes: Option<&[u32]>, out: &mut [i32]) {
    let columns = query.len();
    let whole = columns / 32 * 32;
    let row_at = |position: usize| indexes.map_or(position, |indexes| indexes[position] as usize);
    for (position, out) in out.iter_mut().enumerate() {
        if let Some(&next) = indexes.and_then(|indexes| indexes.get(position + AHEAD)) {
            // SAFETY: the caller's promise; and nothing is read.
            unsafe { ask_for(rows.as_ptr().add(next as usize * columns), columns) };
        }
        let row = &rows[row_at(position) * columns..][..columns];
        let (mut even, mut odd) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        for at in (0..whole).step_by(32) {
            // SAFETY: 32 bytes of both.
            unsafe {
                let wide = |from: *const i8| _mm256_cvtepi8_epi16(_mm_loadu_si128(from.cast()));
                let (row, query) = (row.as_ptr().add(at).cast::<i8>(), query.as_ptr().add(at));
                even = _mm256_add_epi32(even, _mm256_madd_epi16(wide(row), wide(query)));
                odd = _mm256_add_epi32(odd, _mm256_madd_epi16(wide(row.add(16)), wide(query.add(16))));
            }
        }
        let eight = _mm256_add_epi32(even, odd);
        let four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256::<1>(eight));
        let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
        let one = _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two)));
        let rest = query[whole..].iter().zip(&row[whole..]);
        *out = one + rest.map(|(a, b)| i32::from(*a) * i32::from(*b as i8)).sum::<i32>();
    }
}

/// # Safety
/// So many bytes belong to one allocation.
#[inline]
#[target_feature(enable = "sse")]
pub(crate) unsafe fn ask_for(row: *const u8, bytes: usize) {
    for at in (0..bytes).step_by(64) {
        // SAFETY: within the row; asking reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(row.add(at).cast()) };
    }
}
