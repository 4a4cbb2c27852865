//! What is left of weights when they are stored in fewer bits.

use candle_core::{
    DType, Result, Tensor,
    quantized::{GgmlDType, QTensor},
};

/// How matrices are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    F32,
    F16,
    Q8_0,
    Q4_0,
}

pub(crate) const FORMATS: [Format; 4] = [Format::F32, Format::F16, Format::Q8_0, Format::Q4_0];

/// Returns the numbers as they are read back from `format`.
pub(crate) fn rounded(weight: &Tensor, format: Format) -> Result<Tensor> {
    let blocks = |dtype| QTensor::quantize(&weight.detach(), dtype)?.dequantize(weight.device());
    match format {
        Format::F32 => Ok(weight.detach()),
        Format::F16 => weight.detach().to_dtype(DType::F16)?.to_dtype(DType::F32),
        Format::Q8_0 => blocks(GgmlDType::Q8_0),
        Format::Q4_0 => blocks(GgmlDType::Q4_0),
    }
}
