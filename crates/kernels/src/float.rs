//! Numbers of 16 bits.

/// Returns the value of an IEEE half, exactly; a NaN keeps its payload and becomes a quiet one.
#[inline]
pub fn f16_to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let rest = u32::from(half & 0x7fff);
    // With the exponent's bits in place the value is too small by 2^112 (bias 127 against 15), subnormals included.
    let finite = (f32::from_bits(rest << 13) * f32::from_bits(0x7780_0000)).to_bits();
    let quiet = if rest > 0x7c00 { 0x0040_0000 } else { 0 };
    let other = 0x7f80_0000 | quiet | ((rest & 0x3ff) << 13);
    f32::from_bits(sign | if rest >= 0x7c00 { other } else { finite })
}

/// Returns the nearest IEEE half, ties to even; too large becomes infinite.
#[inline]
pub fn f16_from_f32(value: f32) -> u16 {
    // All of it for every value, so that compilers make vectors of it.
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    let odd = (magnitude >> 13) & 1;
    let usual = ((magnitude + 0xfff + odd) >> 13).wrapping_sub(112 << 10) as u16;
    // Below 2^-14 halves are subnormal: multiples of 2^-24. Adding 0.5, whose last bit is worth 2^-24, rounds to one.
    let small = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0x3f00_0000) as u16;
    let nan = 0x7e00 | ((magnitude >> 13) & 0x3ff) as u16;
    let finite = if magnitude < 0x3880_0000 { small } else { usual };
    // 65520 and above round to infinity.
    let number = if magnitude >= 0x477f_f000 { 0x7c00 } else { finite };
    sign | if magnitude > 0x7f80_0000 { nan } else { number }
}

/// Returns the value of a bfloat16, exactly.
#[inline]
pub fn bf16_to_f32(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

/// Returns the nearest bfloat16, ties to even; a NaN stays one.
#[inline]
pub fn bf16_from_f32(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return ((bits >> 16) | 0x40) as u16;
    }
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_survives_the_way_there_and_back() {
        for half in 0..=u16::MAX {
            let value = f16_to_f32(half);
            if value.is_nan() {
                assert!(f16_to_f32(f16_from_f32(value)).is_nan());
            } else {
                assert_eq!(f16_from_f32(value), half, "{half:#06x} is {value:e}");
            }
            let value = bf16_to_f32(half);
            if value.is_nan() {
                assert!(bf16_to_f32(bf16_from_f32(value)).is_nan());
            } else {
                assert_eq!(bf16_from_f32(value), half, "{half:#06x} is {value:e}");
            }
        }
    }

    #[test]
    fn halves_are_those_of_the_standard() {
        for (half, value) in [
            (0x0001, 2f32.powi(-24)),
            (0x03ff, 1023.0 * 2f32.powi(-24)),
            (0x0400, 2f32.powi(-14)),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(f16_to_f32(half), value);
        }
        // Between two halves: to the nearer one, from the middle to the even one.
        for (value, half) in [
            (1.0 + 2f32.powi(-11), 0x3c00),
            (1.0 + 3.0 * 2f32.powi(-11), 0x3c02),
            (1.0 + 2f32.powi(-11) + 2f32.powi(-20), 0x3c01),
            (2f32.powi(-25), 0x0000),
            (3.0 * 2f32.powi(-25), 0x0002),
            (65519.9, 0x7bff),
            (65520.0, 0x7c00),
            (-1e-30, 0x8000),
        ] {
            assert_eq!(f16_from_f32(value), half, "{value:e}");
        }
    }
}
