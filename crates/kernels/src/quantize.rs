use crate::{
    Error, Format,
    dequantize::check,
    float::{bf16_from_f32, f16_from_f32},
    isa::for_each_isa,
};

/// Packs numbers, bit for bit as the reference does (Python's `gguf`).
///
/// # Errors
/// [`Error::NotWholeBlocks`] where `values` do not fill blocks, [`Error::Length`] where `out` has not exactly the bytes
/// that they take, [`Error::Unsupported`] for formats other than `F32`, `F16`, `BF16`, `Q8_0` and `Q4_0`. `out` is then
/// as it was.
pub fn quantize(format: Format, values: &[f32], out: &mut [u8]) -> Result<(), Error> {
    check(format, out.len(), values.len())?;
    match format {
        Format::F32 => each(values, out, f32::to_le_bytes),
        Format::F16 => halves(values, out),
        Format::BF16 => each(values, out, |value| bf16_from_f32(value).to_le_bytes()),
        Format::Q8_0 => blocks(values, out, q8_0),
        Format::Q4_0 => blocks(values, out, q4_0),
        _ => return Err(Error::Unsupported { format, write: true }),
    }
    Ok(())
}

for_each_isa! {
    fn halves(values: &[f32], out: &mut [u8]) {
        each(values, out, |value| f16_from_f32(value).to_le_bytes());
    }
}

#[inline(always)]
fn each<const N: usize>(values: &[f32], out: &mut [u8], bytes: impl Fn(f32) -> [u8; N]) {
    for (out, value) in out.as_chunks_mut::<N>().0.iter_mut().zip(values) {
        *out = bytes(*value);
    }
}

fn blocks<const N: usize>(values: &[f32], out: &mut [u8], pack: impl Fn(&[f32; 32], &mut [u8; N])) {
    for (values, out) in values.as_chunks::<32>().0.iter().zip(out.as_chunks_mut::<N>().0) {
        pack(values, out);
    }
}

/// The largest magnitude becomes 127; halves round away from zero.
fn q8_0(values: &[f32; 32], out: &mut [u8; 34]) {
    let scale = values.iter().fold(0.0_f32, |most, value| most.max(value.abs())) / 127.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    out[..2].copy_from_slice(&f16_from_f32(scale).to_le_bytes());
    for (out, value) in out[2..].iter_mut().zip(values) {
        *out = ((value * inverse).round() as i8).cast_unsigned();
    }
}

/// The number of the largest magnitude becomes −8, whatever its sign.
fn q4_0(values: &[f32; 32], out: &mut [u8; 18]) {
    let most =
        values.iter().fold(0.0_f32, |most, value| if value.abs() > most.abs() { *value } else { most });
    let scale = most / -8.0;
    let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
    out[..2].copy_from_slice(&f16_from_f32(scale).to_le_bytes());
    let nibble = |value: f32| ((value * inverse + 8.5) as u8).min(15);
    for (index, out) in out[2..].iter_mut().enumerate() {
        *out = nibble(values[index]) | nibble(values[16 + index]) << 4;
    }
}
