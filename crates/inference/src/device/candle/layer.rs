use std::{borrow::Cow, sync::Arc};

use athenaeum_kernels::{Format, quantize};
use candle_core::{
    D, DType, Device, Module as _, Result, Tensor,
    quantized::{GgmlDType, QMatMul, QStorage, QTensor},
};

use crate::decoder::{
    self, Config, FeedForward, Gated, Linear,
    architecture::{self, Gate},
};

/// The weights of one layer, on a device.
pub(super) struct Layer {
    pub(super) attention_norm: Norm,
    pub(super) queries: Matrix,
    pub(super) keys: Matrix,
    pub(super) values: Matrix,
    pub(super) query_norm: Option<Norm>,
    pub(super) key_norm: Option<Norm>,
    pub(super) attention_output: Matrix,
    pub(super) after_attention_norm: Option<Norm>,
    pub(super) feed_forward_norm: Norm,
    pub(super) feed_forward: Dense,
    pub(super) after_feed_forward_norm: Option<Norm>,
}

/// Products, and what is added to them.
pub(super) struct Matrix {
    product: Product,
    bias: Option<Tensor>,
}

enum Product {
    Packed(QMatMul),
    /// `[rows][columns]`, of floats.
    Plain(Tensor),
}

/// Divides by the root of the mean square, or what else the architecture does in that place.
pub(super) enum Norm {
    Rms { weights: Tensor, epsilon: f64 },
    Plain { epsilon: f64 },
    None,
}

/// down( act(gate · x) * (up · x) ).
pub(super) struct Dense {
    gate: Matrix,
    up: Matrix,
    down: Matrix,
}

impl Layer {
    pub(super) fn bring(config: &Config, layer: &decoder::Layer, at: &Device) -> Result<Self> {
        let FeedForward::Dense(gated) = &layer.feed_forward else {
            candle_core::bail!("experts are not computed here")
        };
        let norm = |weights: &Option<Vec<f32>>| Norm::bring(config, weights.as_deref(), at);
        let if_present =
            |weights: &Option<Vec<f32>>| weights.as_deref().map(|all| Norm::rms(config, all, at)).transpose();
        Ok(Self {
            attention_norm: norm(&layer.attention_norm)?,
            queries: Matrix::of_linear(&layer.queries, at)?,
            keys: Matrix::of_linear(&layer.keys, at)?,
            values: Matrix::of_linear(&layer.values, at)?,
            query_norm: if_present(&layer.query_norm)?,
            key_norm: if_present(&layer.key_norm)?,
            attention_output: Matrix::of_linear(&layer.attention_output, at)?,
            after_attention_norm: if_present(&layer.after_attention_norm)?,
            feed_forward_norm: norm(&layer.feed_forward_norm)?,
            feed_forward: Dense::bring(gated, at)?,
            after_feed_forward_norm: if_present(&layer.after_feed_forward_norm)?,
        })
    }
}

impl Dense {
    fn bring(gated: &Gated, at: &Device) -> Result<Self> {
        let Gated { gate, up, down, .. } = gated;
        let [gate, up, down] = [gate, up, down].map(|linear| Matrix::of_linear(linear, at));
        Ok(Self { gate: gate?, up: up?, down: down? })
    }

    pub(super) fn apply(&self, kind: Gate, inputs: &Tensor) -> Result<Tensor> {
        let (gate, up) = (self.gate.apply(inputs)?, self.up.apply(inputs)?);
        let gate = match kind {
            Gate::Silu => gate.silu()?,
            Gate::GeluTanh => gate.gelu()?,
        };
        self.down.apply(&(gate * up)?)
    }
}

// === impl Matrix ===

impl Matrix {
    pub(super) fn of_linear(linear: &Linear, at: &Device) -> Result<Self> {
        let bias = linear.bias.as_deref().map(|bias| Tensor::new(bias, at)).transpose()?;
        Ok(Self { bias, ..Self::of(&linear.matrix, at)? })
    }

    pub(super) fn of(matrix: &athenaeum_kernels::Matrix, at: &Device) -> Result<Self> {
        let product = match packed(matrix.format()) {
            Some(dtype) => {
                let mut room = Vec::new();
                let storage = QStorage::from_data(aligned(matrix.bytes(), &mut room), at, dtype)?;
                let tensor = QTensor::new(storage, (matrix.rows(), matrix.cols()))?;
                Product::Packed(QMatMul::QTensor(Arc::new(tensor)))
            }
            None => Product::Plain(plain(matrix, at)?),
        };
        Ok(Self { product, bias: None })
    }

    /// Computes the products of each row of `inputs`.
    pub(super) fn apply(&self, inputs: &Tensor) -> Result<Tensor> {
        let products = match &self.product {
            Product::Packed(matrix) => matrix.forward(&inputs.contiguous()?)?,
            Product::Plain(matrix) => {
                inputs.to_dtype(matrix.dtype())?.matmul(&matrix.t()?)?.to_dtype(DType::F32)?
            }
        };
        self.bias.as_ref().map_or(Ok(products.clone()), |bias| products.broadcast_add(bias))
    }
}

/// The formats that candle multiplies without unpacking them first.
fn packed(format: Format) -> Option<GgmlDType> {
    Some(match format {
        Format::Q4_0 => GgmlDType::Q4_0,
        Format::Q4_1 => GgmlDType::Q4_1,
        Format::Q5_0 => GgmlDType::Q5_0,
        Format::Q5_1 => GgmlDType::Q5_1,
        Format::Q8_0 => GgmlDType::Q8_0,
        Format::Q2_K => GgmlDType::Q2K,
        Format::Q3_K => GgmlDType::Q3K,
        Format::Q4_K => GgmlDType::Q4K,
        Format::Q5_K => GgmlDType::Q5K,
        Format::Q6_K => GgmlDType::Q6K,
        _ => return None,
    })
}

/// Returns the bytes at an address that candle's blocks may lie at; files may lay tensors anywhere. Where they have to
/// be moved for that, they are put into `room`.
fn aligned<'a>(bytes: &'a [u8], room: &'a mut Vec<u8>) -> Cow<'a, [u8]> {
    const ALIGNMENT: usize = 8;
    if bytes.as_ptr().align_offset(ALIGNMENT) == 0 {
        return Cow::Borrowed(bytes);
    }
    room.resize(bytes.len() + ALIGNMENT, 0);
    let start = room.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
    room[start..start + bytes.len()].copy_from_slice(bytes);
    Cow::Borrowed(&room[start..start + bytes.len()])
}

/// Brings floats as they are, and everything else as 16-bit floats.
fn plain(matrix: &athenaeum_kernels::Matrix, at: &Device) -> Result<Tensor> {
    let shape = [matrix.rows(), matrix.cols()];
    match matrix.format() {
        Format::F32 => Tensor::from_raw_buffer(matrix.bytes(), DType::F32, &shape, at),
        Format::F16 => Tensor::from_raw_buffer(matrix.bytes(), DType::F16, &shape, at),
        // Candle's processor does not multiply them.
        Format::BF16 if at.is_cpu() => {
            Tensor::from_raw_buffer(matrix.bytes(), DType::BF16, &shape, at)?.to_dtype(DType::F32)
        }
        Format::BF16 => Tensor::from_raw_buffer(matrix.bytes(), DType::BF16, &shape, at),
        _ => {
            let mut row = vec![0.0; matrix.cols()];
            let mut bytes = vec![0; 2 * matrix.rows() * matrix.cols()];
            for (index, bytes) in bytes.chunks_exact_mut((2 * matrix.cols()).max(1)).enumerate() {
                matrix.row(index, &mut row);
                quantize(Format::F16, &row, bytes).map_err(candle_core::Error::wrap)?;
            }
            Tensor::from_raw_buffer(&bytes, DType::F16, &shape, at)
        }
    }
}

// === impl Norm ===

impl Norm {
    /// The norm before a part, or behind the last layer.
    pub(super) fn bring(config: &Config, weights: Option<&[f32]>, at: &Device) -> Result<Self> {
        match (config.architecture.norm, weights) {
            (architecture::Norm::Rms, Some(weights)) => Self::rms(config, weights, at),
            (_, None) => Ok(Self::None),
            (architecture::Norm::Plain, Some(_)) => {
                Ok(Self::Plain { epsilon: f64::from(config.norm_epsilon) })
            }
        }
    }

    pub(super) fn rms(config: &Config, weights: &[f32], at: &Device) -> Result<Self> {
        Ok(Self::Rms { weights: Tensor::new(weights, at)?, epsilon: f64::from(config.norm_epsilon) })
    }

    /// How many numbers it takes, where that is known.
    pub(super) fn len(&self) -> Result<usize> {
        match self {
            Self::Rms { weights, .. } => weights.dim(0),
            Self::Plain { .. } | Self::None => candle_core::bail!("a norm of any length"),
        }
    }

    /// Normalises each row.
    pub(super) fn apply(&self, input: &Tensor) -> Result<Tensor> {
        let divided = |input: &Tensor, epsilon: f64| {
            let mean = input.sqr()?.mean_keepdim(D::Minus1)?;
            input.broadcast_div(&mean.affine(1.0, epsilon)?.sqrt()?)
        };
        match self {
            Self::Rms { weights, epsilon } => divided(input, *epsilon)?.broadcast_mul(weights),
            Self::Plain { epsilon } => {
                divided(&input.broadcast_sub(&input.mean_keepdim(D::Minus1)?)?, *epsilon)
            }
            Self::None => Ok(input.clone()),
        }
    }
}
