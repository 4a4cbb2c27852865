use crate::{
    Error, Format,
    block::NON_LINEAR,
    dequantize::check,
    float::{f16_from_f32, f16_to_f32},
};

/// Packs numbers so that what is read back lies as near to them as the format allows, by squared distance, each number's
/// multiplied by what `weights` has for it (all alike where they are empty). [`quantize`](crate::quantize) takes the scale
/// that the largest number asks for; this tries many, and costs a hundred times as much.
///
/// `weights` is for one row and repeated for all of them: how much a column matters, such as the mean square of what it is
/// multiplied with.
///
/// # Errors
/// As [`quantize`](crate::quantize), for formats other than `Q4_0`, `Q4_1`, `Q5_0`, `Q5_1`, `Q8_0` and `IQ4_NL`;
/// [`Error::NotWholeBlocks`] where `weights` are not whole blocks either.
pub fn quantize_nearest(
    format: Format,
    values: &[f32],
    weights: &[f32],
    out: &mut [u8],
) -> Result<(), Error> {
    check(format, out.len(), values.len())?;
    if !weights.len().is_multiple_of(BLOCK) {
        return Err(Error::NotWholeBlocks { format, count: weights.len() });
    }
    let pack: fn(&Block<'_>, &mut [u8]) = match format {
        Format::Q4_0 => q4_0,
        Format::Q4_1 => q4_1,
        Format::Q5_0 => q5_0,
        Format::Q5_1 => q5_1,
        Format::Q8_0 => q8_0,
        Format::IQ4_NL => iq4_nl,
        _ => return Err(Error::Unsupported { format, write: true }),
    };
    let mut weights = weights.as_chunks::<BLOCK>().0.iter().cycle();
    for (values, out) in values.as_chunks::<BLOCK>().0.iter().zip(out.chunks_exact_mut(format.block_bytes()))
    {
        pack(&Block { values, weights: weights.next().unwrap_or(&[1.0; BLOCK]) }, out);
    }
    Ok(())
}

const BLOCK: usize = 32;

struct Block<'a> {
    values: &'a [f32; BLOCK],
    weights: &'a [f32; BLOCK],
}

/// What a block becomes: number i is near `scale * level(picked[i]) + least`.
struct Packed {
    scale: u16,
    least: u16,
    picked: [u8; BLOCK],
}

fn q4_0(block: &Block<'_>, out: &mut [u8]) {
    let packed = scaled(block, &whole::<16>(-8));
    out[..2].copy_from_slice(&packed.scale.to_le_bytes());
    nibbles(&packed.picked, &mut out[2..]);
}

fn iq4_nl(block: &Block<'_>, out: &mut [u8]) {
    let packed = scaled(block, &NON_LINEAR.map(f32::from));
    out[..2].copy_from_slice(&packed.scale.to_le_bytes());
    nibbles(&packed.picked, &mut out[2..]);
}

fn q4_1(block: &Block<'_>, out: &mut [u8]) {
    let packed = shifted(block, 15.0);
    out[..2].copy_from_slice(&packed.scale.to_le_bytes());
    out[2..4].copy_from_slice(&packed.least.to_le_bytes());
    nibbles(&packed.picked, &mut out[4..]);
}

fn q5_0(block: &Block<'_>, out: &mut [u8]) {
    let packed = scaled(block, &whole::<32>(-16));
    out[..2].copy_from_slice(&packed.scale.to_le_bytes());
    out[2..6].copy_from_slice(&fifth_bits(&packed.picked));
    nibbles(&packed.picked, &mut out[6..]);
}

fn q5_1(block: &Block<'_>, out: &mut [u8]) {
    let packed = shifted(block, 31.0);
    out[..2].copy_from_slice(&packed.scale.to_le_bytes());
    out[2..4].copy_from_slice(&packed.least.to_le_bytes());
    out[4..8].copy_from_slice(&fifth_bits(&packed.picked));
    nibbles(&packed.picked, &mut out[8..]);
}

fn q8_0(block: &Block<'_>, out: &mut [u8]) {
    let packed = scaled(block, &whole::<255>(-127));
    out[..2].copy_from_slice(&packed.scale.to_le_bytes());
    for (out, picked) in out[2..].iter_mut().zip(packed.picked) {
        *out = picked.wrapping_sub(127);
    }
}

fn whole<const N: usize>(first: i16) -> [f32; N] {
    std::array::from_fn(|index| f32::from(first + index as i16))
}

fn nibbles(picked: &[u8; BLOCK], out: &mut [u8]) {
    for (index, out) in out.iter_mut().enumerate() {
        *out = picked[index] & 15 | (picked[16 + index] & 15) << 4;
    }
}

fn fifth_bits(picked: &[u8; BLOCK]) -> [u8; 4] {
    let bit = |(index, picked): (usize, &u8)| u32::from(picked >> 4 & 1) << index;
    picked.iter().enumerate().map(bit).fold(0, |bits, bit| bits | bit).to_le_bytes()
}

/// Finds the scale for levels around zero, in ascending order. Candidates let the largest number meet either end, or lie
/// somewhat off it; of each the best scale for what was picked with it counts.
fn scaled(block: &Block<'_>, levels: &[f32]) -> Packed {
    let most =
        block.values.iter().fold(0.0_f32, |most, value| if value.abs() > most.abs() { *value } else { most });
    let mut best = (f32::INFINITY, Packed { scale: 0, least: 0, picked: [zero(levels); BLOCK] });
    let (Some(first), Some(last)) = (levels.first(), levels.last()) else { return best.1 };
    if !most.is_finite() || most == 0.0 {
        return best.1;
    }
    for step in -20..=20 {
        for end in [first, last] {
            let scale = most / (end * (1.0 + step as f32 * 0.02));
            let picked = pick(block, scale, levels);
            let (mut along, mut square) = (0.0, 0.0);
            for ((value, weight), picked) in block.values.iter().zip(block.weights).zip(picked) {
                let level = levels[usize::from(picked)];
                along += weight * value * level;
                square += weight * level * level;
            }
            let scale = f16_from_f32(if square > 0.0 { along / square } else { scale });
            let picked = pick(block, f16_to_f32(scale), levels);
            let apart = apart(block, |index| f16_to_f32(scale) * levels[usize::from(picked[index])]);
            if apart < best.0 {
                best = (apart, Packed { scale, least: 0, picked });
            }
        }
    }
    best.1
}

fn pick(block: &Block<'_>, scale: f32, levels: &[f32]) -> [u8; BLOCK] {
    let inverse = if scale == 0.0 { 0.0 } else { scale.recip() };
    block.values.map(|value| {
        let value = value * inverse;
        let above = levels.partition_point(|level| *level < value).min(levels.len() - 1);
        let below = above.saturating_sub(1);
        (if value - levels[below] < levels[above] - value { below } else { above }) as u8
    })
}

/// Which level is nearest to nothing.
fn zero(levels: &[f32]) -> u8 {
    let nearest = levels.iter().enumerate().min_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs()));
    nearest.map_or(0, |(index, _)| index as u8)
}

/// Finds scale and least number for the levels 0 to `top`. Candidates let somewhat less than all numbers lie between the
/// ends; what was picked decides the best line through it.
fn shifted(block: &Block<'_>, top: f32) -> Packed {
    let (low, high) = block
        .values
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
    let mut best = (f32::INFINITY, Packed { scale: 0, least: f16_from_f32(low), picked: [0; BLOCK] });
    if !low.is_finite() || !high.is_finite() || low == high {
        return best.1;
    }
    let range = high - low;
    for cut_low in 0..=6 {
        for cut_high in 0..=6 {
            let least = low + range * cut_low as f32 * 0.02;
            let (mut scale, mut least) = ((range * (1.0 - 0.02 * (cut_low + cut_high) as f32)) / top, least);
            for _ in 0..2 {
                (scale, least) = line(block, &levels(block, scale, least, top)).unwrap_or((scale, least));
            }
            let (scale, least) = (f16_from_f32(scale), f16_from_f32(least));
            let picked = levels(block, f16_to_f32(scale), f16_to_f32(least), top);
            let apart =
                apart(block, |index| f16_to_f32(scale) * f32::from(picked[index]) + f16_to_f32(least));
            if apart < best.0 {
                best = (apart, Packed { scale, least, picked });
            }
        }
    }
    best.1
}

fn levels(block: &Block<'_>, scale: f32, least: f32, top: f32) -> [u8; BLOCK] {
    let inverse = if scale == 0.0 { 0.0 } else { scale.recip() };
    block.values.map(|value| ((value - least) * inverse).round().clamp(0.0, top) as u8)
}

/// Returns the scale and the least number that bring what was picked nearest; `None` where all picked the same.
fn line(block: &Block<'_>, picked: &[u8; BLOCK]) -> Option<(f32, f32)> {
    let (mut total, mut x, mut y, mut xx, mut xy) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for ((value, weight), picked) in block.values.iter().zip(block.weights).zip(picked) {
        let level = f32::from(*picked);
        total += weight;
        x += weight * level;
        y += weight * value;
        xx += weight * level * level;
        xy += weight * level * value;
    }
    let determinant = total * xx - x * x;
    (determinant > 0.0).then(|| ((total * xy - x * y) / determinant, (y * xx - x * xy) / determinant))
}

fn apart(block: &Block<'_>, read_back: impl Fn(usize) -> f32) -> f32 {
    let each = block.values.iter().zip(block.weights).enumerate();
    each.map(|(index, (value, weight))| weight * (value - read_back(index)).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dequantize, quantize};

    const FORMATS: [Format; 6] =
        [Format::Q4_0, Format::Q4_1, Format::Q5_0, Format::Q5_1, Format::Q8_0, Format::IQ4_NL];

    fn numbers(seed: u32, count: usize) -> Vec<f32> {
        let mut state = seed;
        let mut unit = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..count).map(|_| (unit() + unit() + unit() + unit()) * 0.1).collect()
    }

    fn distance(format: Format, values: &[f32], packed: &[u8]) -> f32 {
        let mut back = vec![0.0; values.len()];
        dequantize(format, packed, &mut back).unwrap();
        values.iter().zip(back).map(|(a, b)| (a - b).powi(2)).sum()
    }

    fn nearest(format: Format, values: &[f32], weights: &[f32]) -> Vec<u8> {
        let mut packed = vec![0xaa; format.row_bytes(values.len()).unwrap()];
        quantize_nearest(format, values, weights, &mut packed).unwrap();
        packed
    }

    #[test]
    fn it_is_nearer_than_the_plain_way() {
        for seed in 0..8 {
            let values = numbers(seed, 320);
            let mut last = f32::INFINITY;
            for format in [Format::Q4_0, Format::IQ4_NL, Format::Q5_0, Format::Q5_1, Format::Q8_0] {
                let apart = distance(format, &values, &nearest(format, &values, &[]));
                assert!(apart < last, "{format:?} is finer than what comes before it: {apart} {last}");
                last = apart;
                let mut plain = vec![0; format.row_bytes(values.len()).unwrap()];
                if quantize(format, &values, &mut plain).is_ok() {
                    assert!(apart <= distance(format, &values, &plain), "{format:?}");
                }
            }
        }
    }

    #[test]
    fn what_matters_more_is_nearer() {
        let values = numbers(3, 32);
        let mut weights = [0.01; 32];
        weights[..4].fill(100.0);
        for format in FORMATS {
            let of = |weights: &[f32]| {
                let mut back = vec![0.0; 32];
                dequantize(format, &nearest(format, &values, weights), &mut back).unwrap();
                values[..4].iter().zip(&back).map(|(a, b)| (a - b).powi(2)).sum::<f32>()
            };
            assert!(of(&weights) <= of(&[]), "{format:?}");
        }
    }

    #[test]
    fn any_numbers_are_packed() {
        for values in
            [[0.0; 32], [7.0; 32], [-1e-30; 32], [f32::MAX; 32], [f32::NAN; 32], [f32::INFINITY; 32]]
        {
            for format in FORMATS {
                nearest(format, &values, &[]);
            }
        }
        for format in FORMATS {
            let zeros = nearest(format, &[0.0; 32], &[]);
            assert_eq!(distance(format, &[0.0; 32], &zeros), 0.0, "{format:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut out = [0; 34];
        assert!(quantize_nearest(Format::Q8_0, &[0.0; 32], &[1.0; 31], &mut out).is_err());
        assert!(quantize_nearest(Format::Q8_0, &[0.0; 31], &[], &mut out).is_err());
        assert!(quantize_nearest(Format::Q6_K, &[0.0; 256], &[], &mut [0; 210]).is_err());
    }
}
