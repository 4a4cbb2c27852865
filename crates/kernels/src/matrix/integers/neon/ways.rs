//! How four neighbours of four lanes are multiplied and added up, where no instruction does it for matrices.

use std::arch::{aarch64::*, asm};

/// A way to multiply.
pub(super) trait Way {
    /// The sums of four lanes, in as many parts as the way has them.
    type Sums: Copy;

    /// Sums of nothing.
    ///
    /// # Safety
    /// As [`Way::add`].
    unsafe fn none() -> Self::Sums;

    /// Adds the products of two steps.
    ///
    /// # Safety
    /// The machine has the way's instructions.
    unsafe fn add(sums: Self::Sums, values: [int8x16_t; 2], inputs: [int8x16_t; 2]) -> Self::Sums;

    /// The sums in one part.
    ///
    /// # Safety
    /// As [`Way::add`].
    unsafe fn total(sums: Self::Sums) -> int32x4_t;
}

/// With dot products: an instruction for each step.
pub(super) struct Sdot;

impl Way for Sdot {
    type Sums = int32x4_t;

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn none() -> int32x4_t {
        vdupq_n_s32(0)
    }

    #[inline]
    #[target_feature(enable = "neon,dotprod")]
    unsafe fn add(sums: int32x4_t, values: [int8x16_t; 2], inputs: [int8x16_t; 2]) -> int32x4_t {
        sdot(sdot(sums, values[0], inputs[0]), values[1], inputs[1])
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn total(sums: int32x4_t) -> int32x4_t {
        sums
    }
}

/// Adds to each sum four products of bytes. What the library calls `vdotq_s32` is not stable in Rust 1.95 (issue 117224).
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(crate) fn sdot(sums: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
    let mut sums = sums;
    // SAFETY: arithmetic on registers, of an extension that the function is compiled for.
    unsafe {
        asm!(
            "sdot {sums:v}.4s, {a:v}.16b, {b:v}.16b",
            sums = inout(vreg) sums,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sums
}

/// With what the first NEON has: for two steps two products each of the lower and of the upper half, which go into 16 bits, and a
/// pairwise sum for each half. 128 × 127 × 2 is less than 2¹⁵; inputs of −128 come from numbers that are none alone, and what
/// they give is none in the end.
pub(super) struct Smull;

impl Way for Smull {
    /// Of two lanes each two parts beside each other.
    type Sums = [int32x4_t; 2];

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn none() -> [int32x4_t; 2] {
        [vdupq_n_s32(0); 2]
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn add(sums: [int32x4_t; 2], values: [int8x16_t; 2], inputs: [int8x16_t; 2]) -> [int32x4_t; 2] {
        let lower = vmull_s8(vget_low_s8(values[0]), vget_low_s8(inputs[0]));
        let lower = vmlal_s8(lower, vget_low_s8(values[1]), vget_low_s8(inputs[1]));
        let upper = vmull_high_s8(values[0], inputs[0]);
        let upper = vmlal_high_s8(upper, values[1], inputs[1]);
        [vpadalq_s16(sums[0], lower), vpadalq_s16(sums[1], upper)]
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn total([lower, upper]: [int32x4_t; 2]) -> int32x4_t {
        vpaddq_s32(lower, upper)
    }
}
