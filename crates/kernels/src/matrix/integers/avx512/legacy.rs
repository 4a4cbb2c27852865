//! Formats of 32 numbers a block: sixteen blocks at once, in the order of the row.

use std::arch::x86_64::*;

use super::{Packed, Parts, halves, transposed_runs};

pub(super) struct Q4_0;

impl Packed<8> for Q4_0 {
    const BYTES: usize = 16 * 18;
    const MINS: bool = false;
    const OFFSET: i32 = 8;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
    unsafe fn parts(packed: *const u8) -> Parts<8> {
        // SAFETY: the caller's promise; the last run ends with the last block.
        unsafe {
            let values = from_halves(transposed_runs(packed.add(2), 18));
            Parts { values, scales: scales_of_18(packed), mins: _mm512_setzero_ps() }
        }
    }
}

pub(super) struct Q8_0;

impl Packed<8> for Q8_0 {
    const BYTES: usize = 16 * 34;
    const MINS: bool = false;
    const OFFSET: i32 = 128;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
    unsafe fn parts(packed: *const u8) -> Parts<8> {
        // SAFETY: the caller's promise; the last run ends with the last block.
        unsafe {
            let [a, b, c, d] = transposed_runs(packed.add(2), 34);
            let [e, f, g, h] = transposed_runs(packed.add(18), 34);
            let mut values = [a, b, c, d, e, f, g, h];
            for values in &mut values {
                *values = _mm512_xor_si512(*values, _mm512_set1_epi8(-128));
            }
            Parts { values, scales: scales_of(packed, 34), mins: _mm512_setzero_ps() }
        }
    }
}

/// Four vectors of halves: the low ones are the first half of each block, the high ones the second.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn from_halves([a, b, c, d]: [__m512i; 4]) -> [__m512i; 8] {
    let (a, b, c, d) = (halves(a), halves(b), halves(c), halves(d));
    [a.0, b.0, c.0, d.0, a.1, b.1, c.1, d.1]
}

/// The halves at the beginnings of sixteen blocks of 18 bytes: every ninth word of 288 bytes.
///
/// # Safety
/// 288 bytes can be read.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,f16c")]
unsafe fn scales_of_18(packed: *const u8) -> __m512 {
    // SAFETY: four times 64 bytes, and the last block's beginning at 270, are within 288.
    unsafe {
        // Words 0, 9, 18, 27 | 36, 45, 54, 63 of the first two; 72, 81, 90 | 99, 108, 117, 126 of the last two, less 64.
        const FIRST: [i16; 32] = words(0, [0, 9, 18, 27, 36, 45, 54, 63]);
        const SECOND: [i16; 32] = words(8, [8, 17, 26, 35, 44, 53, 62, 0]);
        let [a, b, c, d] = [
            _mm512_loadu_si512(packed.cast()),
            _mm512_loadu_si512(packed.add(64).cast()),
            _mm512_loadu_si512(packed.add(128).cast()),
            _mm512_loadu_si512(packed.add(192).cast()),
        ];
        let first = _mm512_permutex2var_epi16(a, _mm512_loadu_si512(FIRST.as_ptr().cast()), b);
        let second = _mm512_permutex2var_epi16(c, _mm512_loadu_si512(SECOND.as_ptr().cast()), d);
        let both = _mm256_blend_epi32::<0xf0>(_mm512_castsi512_si256(first), _mm512_castsi512_si256(second));
        let last = packed.add(15 * 18).cast::<i16>().read_unaligned();
        _mm512_cvtph_ps(_mm256_insert_epi16::<15>(both, last))
    }
}

/// The halves at the beginnings of sixteen blocks.
///
/// # Safety
/// 15 times `stride` plus 2 bytes can be read.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,f16c")]
unsafe fn scales_of(packed: *const u8, stride: usize) -> __m512 {
    let mut halves = [0_i16; 16];
    for (index, half) in halves.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *half = unsafe { packed.add(index * stride).cast::<i16>().read_unaligned() };
    }
    // SAFETY: 32 bytes.
    _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(halves.as_ptr().cast()) })
}

/// Indexes of eight words, from a place on.
const fn words(from: usize, eight: [i16; 8]) -> [i16; 32] {
    let mut all = [0; 32];
    let mut index = 0;
    while index < 8 {
        all[from + index] = eight[index];
        index += 1;
    }
    all
}
