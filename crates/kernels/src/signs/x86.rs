use std::arch::x86_64::*;

use super::{Path, plain};

pub(super) fn avx512() -> Option<Path> {
    is_x86_feature_detected!("avx512f").then_some(Path { name: "avx512", signs: signs_avx512 })
}

pub(super) fn avx2() -> Option<Path> {
    is_x86_feature_detected!("avx2").then_some(Path { name: "avx2", signs: signs_avx2 })
}

#[target_feature(enable = "avx512f")]
fn signs_avx512(values: &[f32], center: &[u8], factor: f32, out: &mut [u8]) {
    let (values, values_rest) = values.as_chunks::<16>();
    let (center, center_rest) = center.as_chunks::<16>();
    let (pairs, out_rest) = out.split_at_mut(2 * values.len());
    let factor_all = _mm512_set1_ps(factor);
    for ((values, center), out) in values.iter().zip(center).zip(pairs.as_chunks_mut::<2>().0) {
        // SAFETY: sixteen numbers, sixteen bytes.
        let (values, center) =
            unsafe { (_mm512_loadu_ps(values.as_ptr()), _mm_loadu_si128(center.as_ptr().cast())) };
        let center = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(center)), factor_all);
        *out = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(values, center).to_le_bytes();
    }
    plain(values_rest, center_rest, factor, out_rest);
}

#[target_feature(enable = "avx2")]
fn signs_avx2(values: &[f32], center: &[u8], factor: f32, out: &mut [u8]) {
    let (values, values_rest) = values.as_chunks::<8>();
    let (center, center_rest) = center.as_chunks::<8>();
    let (bytes, out_rest) = out.split_at_mut(values.len());
    let factor_all = _mm256_set1_ps(factor);
    for ((values, center), out) in values.iter().zip(center).zip(bytes) {
        // SAFETY: eight numbers, eight bytes.
        let (values, center) =
            unsafe { (_mm256_loadu_ps(values.as_ptr()), _mm_loadl_epi64(center.as_ptr().cast())) };
        let center = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(center)), factor_all);
        *out = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(values, center)) as u8;
    }
    plain(values_rest, center_rest, factor, out_rest);
}
