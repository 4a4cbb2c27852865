use std::arch::x86_64::*;

use super::{Path, plain};

pub(crate) fn avx512() -> Option<Path> {
    let has = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vpopcntdq")
        && is_x86_feature_detected!("popcnt");
    has.then_some(Path { name: "avx512", count: count_avx512 })
}

/// Machines with AVX2 count bits word by word: for codes of a few dozen bytes nothing with shuffles is faster.
pub(crate) fn popcnt() -> Option<Path> {
    let has = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("popcnt");
    has.then_some(Path { name: "popcnt", count: count_popcnt })
}

#[target_feature(enable = "avx2,popcnt")]
fn count_popcnt(query: &[u8], codes: &[u8], out: &mut [u16]) {
    plain(query, codes, out);
}

/// Eight codes at once, so that their counts are added up together.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vpopcntdq,popcnt")]
fn count_avx512(query: &[u8], codes: &[u8], out: &mut [u16]) {
    let bytes = query.len();
    let (eights, rest) = out.as_chunks_mut::<8>();
    let split = eights.len() * 8 * bytes;
    for (out, codes) in eights.iter_mut().zip(codes[..split].chunks_exact(8 * bytes)) {
        let mut counts = [_mm512_setzero_si512(); 8];
        for at in (0..bytes).step_by(64) {
            let mask = !0_u64 >> (64 - (bytes - at).min(64));
            // SAFETY: the mask lets no byte be read behind the query, nor behind the last code.
            unsafe {
                let query = _mm512_maskz_loadu_epi8(mask, query.as_ptr().add(at).cast());
                for (row, count) in counts.iter_mut().enumerate() {
                    let code = _mm512_maskz_loadu_epi8(mask, codes.as_ptr().add(row * bytes + at).cast());
                    *count = _mm512_add_epi64(*count, _mm512_popcnt_epi64(_mm512_xor_si512(query, code)));
                }
            }
        }
        // SAFETY: room for eight numbers of 16 bits.
        unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), add_up(&counts)) };
    }
    plain(query, &codes[split..], rest);
}

/// Adds the eight words of each of eight rows: pairs of rows side by side, then all rows in 16 bits of each word.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(crate) fn add_up(rows: &[__m512i; 8]) -> __m128i {
    let pair =
        |a: __m512i, b: __m512i| _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    let (p01, p23) = (pair(rows[0], rows[1]), pair(rows[2], rows[3]));
    let (p45, p67) = (pair(rows[4], rows[5]), pair(rows[6], rows[7]));
    let low = _mm512_or_si512(p01, _mm512_slli_epi64::<16>(p23));
    let high = _mm512_or_si512(p45, _mm512_slli_epi64::<16>(p67));
    let all = _mm512_or_si512(low, _mm512_slli_epi64::<32>(high));
    let half = _mm256_add_epi16(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64::<1>(all));
    let sums = _mm_add_epi16(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half));
    // Now in the order 0 2 4 6, 1 3 5 7.
    let order = _mm_set_epi8(15, 14, 7, 6, 13, 12, 5, 4, 11, 10, 3, 2, 9, 8, 1, 0);
    _mm_shuffle_epi8(sums, order)
}
