//! Formats of 32 numbers a block: sixteen blocks at once, in the order of the row.

use std::arch::x86_64::*;

use super::{Packed, Parts, halves, transposed_runs};

pub(super) struct Q4_0;

impl Packed<8> for Q4_0 {
    const BYTES: usize = 16 * 18;
    const MINS: bool = false;

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

pub(super) struct Q4_1;

impl Packed<8> for Q4_1 {
    const BYTES: usize = 16 * 20;
    const MINS: bool = true;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
    unsafe fn parts(packed: *const u8) -> Parts<8> {
        // SAFETY: the caller's promise; the last run ends with the last block.
        unsafe {
            let (scales, mins) = two_halves(words_of(packed, 20));
            Parts { values: from_halves(transposed_runs(packed.add(4), 20)), scales, mins }
        }
    }
}

pub(super) struct Q5_0;

impl Packed<8> for Q5_0 {
    const BYTES: usize = 16 * 22;
    const MINS: bool = false;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
    unsafe fn parts(packed: *const u8) -> Parts<8> {
        // SAFETY: the caller's promise; the last run ends with the last block.
        unsafe {
            let mut values = from_halves(transposed_runs(packed.add(6), 22));
            add_fifth_bits(words_of(packed.add(2), 22), &mut values);
            Parts { values, scales: scales_of(packed, 22), mins: _mm512_setzero_ps() }
        }
    }
}

pub(super) struct Q5_1;

impl Packed<8> for Q5_1 {
    const BYTES: usize = 16 * 24;
    const MINS: bool = true;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
    unsafe fn parts(packed: *const u8) -> Parts<8> {
        // SAFETY: the caller's promise; the last run ends with the last block.
        unsafe {
            let mut values = from_halves(transposed_runs(packed.add(8), 24));
            add_fifth_bits(words_of(packed.add(4), 24), &mut values);
            let (scales, mins) = two_halves(words_of(packed, 24));
            Parts { values, scales, mins }
        }
    }
}

#[expect(non_camel_case_types, reason = "as in `Format`")]
pub(super) struct IQ4_NL;

impl Packed<8> for IQ4_NL {
    const BYTES: usize = 16 * 18;
    const MINS: bool = false;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
    unsafe fn parts(packed: *const u8) -> Parts<8> {
        // SAFETY: the caller's promise; the last run ends with the last block.
        unsafe {
            let values = looked_up(from_halves(transposed_runs(packed.add(2), 18)), NON_LINEAR);
            Parts { values, scales: scales_of_18(packed), mins: _mm512_setzero_ps() }
        }
    }
}

pub(super) struct MXFP4;

impl Packed<8> for MXFP4 {
    const BYTES: usize = 16 * 17;
    const MINS: bool = false;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,f16c,fma")]
    unsafe fn parts(packed: *const u8) -> Parts<8> {
        // SAFETY: the caller's promise; the last run ends with the last block.
        unsafe {
            let values = looked_up(from_halves(transposed_runs(packed.add(1), 17)), E2M1);
            let mut exponents = [0_u32; 16];
            for (index, exponent) in exponents.iter_mut().enumerate() {
                *exponent = u32::from(*packed.add(17 * index));
            }
            let exponents = _mm512_loadu_si512(exponents.as_ptr().cast());
            // As `block::small::half_of_e8m0`: the lowest two are subnormal.
            let normal = _mm512_slli_epi32::<23>(_mm512_sub_epi32(exponents, _mm512_set1_epi32(1)));
            let subnormal = _mm512_sllv_epi32(_mm512_set1_epi32(0x0020_0000), exponents);
            let low = _mm512_cmplt_epu32_mask(exponents, _mm512_set1_epi32(2));
            let scales = _mm512_castsi512_ps(_mm512_mask_mov_epi32(normal, low, subnormal));
            Parts { values, scales, mins: _mm512_setzero_ps() }
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

/// `block::codebooks`' non-linear values, plus 127.
pub(super) const NON_LINEAR: [u8; 16] =
    [0, 23, 44, 62, 78, 92, 105, 117, 128, 140, 152, 165, 180, 196, 216, 240];

/// `block::small`'s values of E2M1, plus 12.
const E2M1: [u8; 16] = [12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0];

/// Replaces numbers below 16 by those of a table.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn looked_up(mut values: [__m512i; 8], table: [u8; 16]) -> [__m512i; 8] {
    // SAFETY: 16 bytes.
    let table = _mm512_broadcast_i32x4(unsafe { _mm_loadu_si128(table.as_ptr().cast()) });
    for values in &mut values {
        *values = _mm512_shuffle_epi8(table, *values);
    }
    values
}

/// Sixteen words of 32 bits, `stride` bytes apart.
///
/// # Safety
/// 15 times `stride` plus 4 bytes can be read.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn words_of(packed: *const u8, stride: usize) -> __m512i {
    let mut words = [0_i32; 16];
    for (index, word) in words.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *word = unsafe { packed.add(index * stride).cast::<i32>().read_unaligned() };
    }
    // SAFETY: 64 bytes.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// The lower and the upper half of each word, as numbers.
#[inline]
#[target_feature(enable = "avx512f,f16c")]
fn two_halves(words: __m512i) -> (__m512, __m512) {
    let (low, high) = (_mm512_cvtepi32_epi16(words), _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(words)));
    (_mm512_cvtph_ps(low), _mm512_cvtph_ps(high))
}

/// Gives every value its fifth bit: bit i of a block's word is number i's.
#[inline]
#[target_feature(enable = "avx512f")]
fn add_fifth_bits(mut bits: __m512i, values: &mut [__m512i; 8]) {
    for values in values {
        // Four bits become the fifth bits of four bytes: the factors shift each to its place, the rest is cut off.
        let four = _mm512_and_si512(bits, _mm512_set1_epi32(15));
        let spread = _mm512_mullo_epi32(four, _mm512_set1_epi32(1 << 4 | 1 << 11 | 1 << 18 | 1 << 25));
        *values = _mm512_or_si512(*values, _mm512_and_si512(spread, _mm512_set1_epi32(0x1010_1010)));
        bits = _mm512_srli_epi32::<4>(bits);
    }
}
