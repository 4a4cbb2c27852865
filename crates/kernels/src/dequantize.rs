use crate::{
    Error, Format,
    block::{self, Block},
    float::{bf16_to_f32, f16_to_f32},
    isa::for_each_isa,
};

/// Turns packed bytes into numbers, bit for bit those of the reference (Python's `gguf`).
///
/// # Errors
/// [`Error::NotWholeBlocks`] where `out` does not hold whole blocks, [`Error::Length`] where `bytes` are not exactly the
/// bytes of that many numbers, [`Error::Unsupported`] for whole numbers (`I8` to `I64`). `out` is then as it was.
pub fn dequantize(format: Format, bytes: &[u8], out: &mut [f32]) -> Result<(), Error> {
    check(format, bytes.len(), out.len())?;
    if !format.is_supported() {
        return Err(Error::Unsupported { format, write: false });
    }
    unpack(format, bytes, out);
    Ok(())
}

/// Compares the length of bytes with a count of numbers.
pub(crate) fn check(format: Format, bytes: usize, count: usize) -> Result<(), Error> {
    let expected = format.row_bytes(count).ok_or(Error::NotWholeBlocks { format, count })?;
    if bytes != expected {
        return Err(Error::Length { format, count, expected, actual: bytes });
    }
    Ok(())
}

/// As [`dequantize`], for lengths and formats that were checked; what does not fit is left as it was.
pub(crate) fn unpack(format: Format, bytes: &[u8], out: &mut [f32]) {
    match format {
        Format::F32 => each(bytes, out, f32::from_le_bytes),
        Format::F64 => each(bytes, out, |bytes| f64::from_le_bytes(bytes) as f32),
        Format::F16 => halves(bytes, out),
        Format::BF16 => brain_halves(bytes, out),
        _ => {
            let Some(shape) = block::shape(format) else { return };
            let mut block = Block::new();
            let packed = bytes.chunks_exact(format.block_bytes());
            for (packed, out) in packed.zip(out.chunks_exact_mut(format.block_len())) {
                (shape.unpack)(packed, &mut block);
                write(&block, shape.group, shape.mins, out);
            }
        }
    }
}

fn write(block: &Block, group: usize, mins: bool, out: &mut [f32]) {
    for (index, (out, values)) in
        out.chunks_exact_mut(group).zip(block.values.chunks_exact(group)).enumerate()
    {
        let (scale, min) = (block.scales[index], block.mins[index]);
        for (out, value) in out.iter_mut().zip(values) {
            let scaled = scale * f32::from(*value);
            *out = if mins { scaled + min } else { scaled };
        }
    }
}

for_each_isa! {
    fn halves(bytes: &[u8], out: &mut [f32]) {
        each(bytes, out, |bytes| f16_to_f32(u16::from_le_bytes(bytes)));
    }
}

for_each_isa! {
    fn brain_halves(bytes: &[u8], out: &mut [f32]) {
        each(bytes, out, |bytes| bf16_to_f32(u16::from_le_bytes(bytes)));
    }
}

#[inline(always)]
fn each<const N: usize>(bytes: &[u8], out: &mut [f32], value: impl Fn([u8; N]) -> f32) {
    for (bytes, out) in bytes.as_chunks::<N>().0.iter().zip(out) {
        *out = value(*bytes);
    }
}
