use std::arch::aarch64::*;

use super::{Path, plain};

pub(super) fn neon() -> Option<Path> {
    Some(Path { name: "neon", signs: signs_neon })
}

/// Eight numbers make a byte: of each comparison's ones the bit in its place is kept, and the eight are added up.
#[target_feature(enable = "neon")]
fn signs_neon(values: &[f32], center: &[u8], factor: f32, out: &mut [u8]) {
    let (values, values_rest) = values.as_chunks::<8>();
    let (center, center_rest) = center.as_chunks::<8>();
    let (bytes, out_rest) = out.split_at_mut(values.len());
    // SAFETY: eight numbers.
    let places = unsafe { vld1q_u16([1, 2, 4, 8, 16, 32, 64, 128].as_ptr()) };
    for ((values, center), out) in values.iter().zip(center).zip(bytes) {
        // SAFETY: twice four numbers, eight bytes.
        let (low, high, center) = unsafe {
            let values = values.as_ptr();
            (vld1q_f32(values), vld1q_f32(values.add(4)), vmovl_s8(vld1_s8(center.as_ptr().cast())))
        };
        let center_low = vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(center))), factor);
        let center_high = vmulq_n_f32(vcvtq_f32_s32(vmovl_high_s16(center)), factor);
        let greater =
            vcombine_u16(vmovn_u32(vcgtq_f32(low, center_low)), vmovn_u32(vcgtq_f32(high, center_high)));
        *out = vaddvq_u16(vandq_u16(greater, places)) as u8;
    }
    plain(values_rest, center_rest, factor, out_rest);
}
