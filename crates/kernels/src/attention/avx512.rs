//! Eight rows at once, so that finding the largest and adding up takes a third of the instructions, and no row waits for
//! another.

use std::arch::x86_64::*;

use crate::{
    activation::exp,
    vector::{eight_folded, eight_sums},
};

/// The length of rows that are done here: a page of the decoder's cache.
pub(super) const LEN: usize = 32;

/// As [`super::add`], for rows of [`LEN`]; returns how many it did. It stops before eight of which one has seen nothing yet.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
pub(super) fn add(
    scores: &mut [f32],
    scale: f32,
    largest: &mut [f32],
    sums: &mut [f32],
    shrinks: &mut [f32],
) -> usize {
    let rows = scores.as_chunks_mut::<LEN>().0.as_chunks_mut::<8>().0.iter_mut();
    let kept = largest.as_chunks_mut::<8>().0.iter_mut();
    let kept = kept.zip(sums.as_chunks_mut::<8>().0).zip(shrinks.as_chunks_mut::<8>().0);
    let mut done = 0;
    for (rows, ((largest, sums), shrinks)) in rows.zip(kept) {
        let scale = _mm512_set1_ps(scale);
        let mut two = [[_mm512_setzero_ps(); 2]; 8];
        let mut most = [_mm512_set1_ps(f32::NEG_INFINITY); 8];
        for ((row, two), most) in rows.iter().zip(&mut two).zip(&mut most) {
            for (half, numbers) in two.iter_mut().enumerate() {
                // SAFETY: twice sixteen numbers.
                *numbers = unsafe { _mm512_mul_ps(_mm512_loadu_ps(row.as_ptr().add(16 * half)), scale) };
                // Where one of two is no number, the second is taken: what is none does not count.
                *most = _mm512_max_ps(*numbers, *most);
            }
        }
        // SAFETY: eight numbers.
        let before = unsafe { _mm256_loadu_ps(largest.as_ptr()) };
        let most = _mm256_max_ps(eight_folded(&most, |a, b| _mm512_max_ps(a, b)), before);
        if _mm256_cmp_ps_mask::<_CMP_EQ_OQ>(most, _mm256_set1_ps(f32::NEG_INFINITY)) != 0 {
            return done;
        }
        let before = *largest;
        // SAFETY: eight numbers.
        unsafe { _mm256_storeu_ps(largest.as_mut_ptr(), most) };
        let mut lanes = [_mm512_setzero_ps(); 8];
        for (((row, two), most), lanes) in rows.iter_mut().zip(two).zip(&*largest).zip(&mut lanes) {
            for (half, numbers) in two.into_iter().enumerate() {
                let mut powers = [0.0_f32; 16];
                // SAFETY: sixteen numbers.
                unsafe { _mm512_storeu_ps(powers.as_mut_ptr(), numbers) };
                for power in &mut powers {
                    *power = exp(*power - most);
                }
                row[16 * half..][..16].copy_from_slice(&powers);
                // SAFETY: sixteen numbers.
                *lanes = unsafe { _mm512_add_ps(*lanes, _mm512_loadu_ps(powers.as_ptr())) };
            }
        }
        for (shrink, (before, most)) in shrinks.iter_mut().zip(before.iter().zip(&*largest)) {
            *shrink = if before == most { 1.0 } else { exp(before - most) };
        }
        for ((sum, shrink), more) in sums.iter_mut().zip(&*shrinks).zip(eight_sums(&lanes)) {
            *sum = *sum * shrink + more;
        }
        done += 8;
    }
    done
}
