mod attention;
mod layer;
mod turn;

use std::sync::Arc;

use athenaeum_kernels::Format;
use candle_core::{DType, Result, Tensor};

use self::{
    attention::Looks,
    layer::{Layer, Matrix, Norm},
    turn::Turns,
};
use super::{Device, Error};
use crate::{
    cache::{PAGE, Page},
    decoder::{Decoder, FeedForward, Output, Row, Turning, Want},
    engine::Backend,
};

/// A decoder on one of candle's devices, with the keys and values of its sequences.
///
/// What lies between matrices is 32-bit floats. Embeddings are looked up on the host: a row per token is little to send.
pub(super) struct Candle {
    decoder: Arc<Decoder>,
    at: candle_core::Device,
    name: Device,
    layers: Vec<Layer>,
    output_norm: Norm,
    output: Matrix,
    /// By layer: keys and values, each `[page][token of the page][head][head_size]`.
    cache: Vec<[Tensor; 2]>,
    pages: usize,
    logits: Vec<f32>,
    hidden: Vec<f32>,
}

impl Candle {
    pub(super) fn load(
        name: Device,
        decoder: Arc<Decoder>,
        format: Format,
        pages: usize,
    ) -> std::result::Result<Self, Error> {
        let dtype = match format {
            Format::F32 => DType::F32,
            Format::F16 => DType::F16,
            _ => return Err(Error::CacheFormat { device: name, format }),
        };
        if decoder.layers.iter().any(|layer| matches!(layer.feed_forward, FeedForward::Experts(_))) {
            return Err(Error::Experts { device: name });
        }
        let at = open(name).map_err(|error| Error::Open { device: name, source: Box::new(plain(error)) })?;
        Self::bring(name, at, decoder, dtype, pages)
            .map_err(|error| Error::Load { device: name, source: Box::new(plain(error)) })
    }

    fn bring(
        name: Device,
        at: candle_core::Device,
        decoder: Arc<Decoder>,
        dtype: DType,
        pages: usize,
    ) -> Result<Self> {
        let config = decoder.config();
        let shape = (pages, PAGE, config.kv_heads, config.head_size);
        let room = || Tensor::zeros(shape, dtype, &at);
        let output = match &decoder.output {
            Some(output) => Matrix::of_linear(output, &at)?,
            None => Matrix::of(&decoder.embeddings, &at)?,
        };
        Ok(Self {
            layers: decoder
                .layers
                .iter()
                .map(|layer| Layer::bring(config, layer, &at))
                .collect::<Result<_>>()?,
            output_norm: Norm::bring(config, Some(&decoder.output_norm), &at)?,
            output,
            cache: (0..config.layers).map(|_| Ok([room()?, room()?])).collect::<Result<_>>()?,
            pages,
            logits: Vec::new(),
            hidden: Vec::new(),
            decoder,
            at,
            name,
        })
    }

    fn compute(&mut self, rows: &[Row], sequences: &[&[Page]]) -> Result<()> {
        self.logits.clear();
        self.hidden.clear();
        if rows.is_empty() {
            return Ok(());
        }
        let looks = Looks::new(self.decoder.config(), rows, sequences, &self.at)?;
        let turns = |turns| Turns::new(turns, rows, &self.at);
        let usual = turns(&self.decoder.turns)?;
        let in_window = self.decoder.turns_in_window.as_ref().map(turns).transpose()?;
        let mut stream = self.embed(rows)?;
        for index in 0..self.layers.len() {
            let turns = self.decoder.turning(index).map(|turning| match (&in_window, turning) {
                (Some(turns), Turning::InWindow) => turns,
                _ => &usual,
            });
            stream = self.attend(index, &stream, &looks, turns)?;
            stream = self.feed_forward(index, &stream)?;
        }
        self.finish(rows, &stream)
    }

    fn embed(&self, rows: &[Row]) -> Result<Tensor> {
        let config = self.decoder.config();
        let mut stream = vec![0.0; rows.len() * config.width];
        for (row, stream) in rows.iter().zip(stream.chunks_exact_mut(config.width)) {
            self.decoder.embeddings.row(row.token as usize, stream);
        }
        scaled(Tensor::from_vec(stream, (rows.len(), config.width), &self.at)?, config.embedding_scale)
    }

    fn attend(&self, index: usize, stream: &Tensor, looks: &Looks, turns: Option<&Turns>) -> Result<Tensor> {
        let (config, layer) = (self.decoder.config(), &self.layers[index]);
        let count = stream.dim(0)?;
        let normed = layer.attention_norm.apply(stream)?;
        let heads = |matrix: &Matrix, heads: usize, norm: Option<&Norm>, turns: Option<&Turns>| {
            let mut numbers = matrix.apply(&normed)?;
            if let Some(limit) = config.clamp_qkv {
                numbers = numbers.clamp(-limit, limit)?;
            }
            if let Some(norm) = norm {
                numbers = norm.apply(&numbers.reshape(((), norm.len()?))?)?;
            }
            let numbers = numbers.reshape((count, heads, config.head_size))?;
            turns.map_or(Ok(numbers.clone()), |turns| turns.turn(&numbers))
        };
        let queries = heads(&layer.queries, config.heads, layer.query_norm.as_ref(), turns)?;
        let keys = heads(&layer.keys, config.kv_heads, layer.key_norm.as_ref(), turns)?;
        let values = heads(&layer.values, config.kv_heads, None, None)?;
        for (cache, numbers) in self.cache[index].iter().zip([&keys, &values]) {
            looks.store(cache, numbers)?;
        }
        let attended = looks.attend(config, index, &self.cache[index], &queries)?;
        let part = layer.attention_output.apply(&attended)?;
        add(stream, &part, layer.after_attention_norm.as_ref(), config.residual_scale)
    }

    fn feed_forward(&self, index: usize, stream: &Tensor) -> Result<Tensor> {
        let (config, layer) = (self.decoder.config(), &self.layers[index]);
        let part =
            layer.feed_forward.apply(config.architecture.gate, &layer.feed_forward_norm.apply(stream)?)?;
        add(stream, &part, layer.after_feed_forward_norm.as_ref(), config.residual_scale)
    }

    fn finish(&mut self, rows: &[Row], stream: &Tensor) -> Result<()> {
        let config = self.decoder.config();
        for want in [Want::Logits, Want::Hidden] {
            let wanted = (0..).zip(rows).filter(|(_, row)| row.want == want);
            let wanted: Vec<u32> = wanted.map(|(index, _)| index).collect();
            if wanted.is_empty() {
                continue;
            }
            let count = wanted.len();
            let wanted = stream.index_select(&Tensor::from_vec(wanted, count, &self.at)?, 0)?;
            let normed = self.output_norm.apply(&wanted)?;
            if want == Want::Hidden {
                self.hidden = normed.flatten_all()?.to_vec1()?;
                continue;
            }
            let logits = scaled(self.output.apply(&normed)?, config.logit_scale)?;
            self.logits = limited(logits, config.logit_softcap)?.flatten_all()?.to_vec1()?;
        }
        Ok(())
    }
}

impl Backend for Candle {
    fn vocabulary(&self) -> usize {
        self.decoder.config().vocabulary
    }

    fn pages(&self) -> usize {
        self.pages
    }

    fn forward(&mut self, rows: &[Row], sequences: &[&[Page]]) -> std::result::Result<Output<'_>, String> {
        self.compute(rows, sequences).map_err(|error| format!("{} fails: {}", self.name, plain(error)))?;
        Ok(Output { logits: &self.logits, hidden: &self.hidden })
    }
}

fn open(name: Device) -> Result<candle_core::Device> {
    match name {
        Device::Processor | Device::Candle => Ok(candle_core::Device::Cpu),
        Device::Cuda(number) => candle_core::Device::new_cuda(number),
        Device::Metal => candle_core::Device::new_metal(0),
    }
}

/// Takes off the backtrace that candle writes behind what it says wherever `RUST_BACKTRACE` is set.
fn plain(error: candle_core::Error) -> candle_core::Error {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => plain(*inner),
        error => error,
    }
}

/// Adds a part's result to the stream, normalised first where the layer asks for it.
fn add(stream: &Tensor, part: &Tensor, norm: Option<&Norm>, scale: f32) -> Result<Tensor> {
    let part = norm.map_or(Ok(part.clone()), |norm| norm.apply(part))?;
    stream + scaled(part, scale)?
}

fn scaled(numbers: Tensor, factor: f32) -> Result<Tensor> {
    if factor == 1.0 { Ok(numbers) } else { numbers.affine(f64::from(factor), 0.0) }
}

/// Limits numbers softly, where there is a limit.
fn limited(numbers: Tensor, limit: Option<f32>) -> Result<Tensor> {
    let Some(limit) = limit.map(f64::from) else { return Ok(numbers) };
    numbers.affine(limit.recip(), 0.0)?.tanh()?.affine(limit, 0.0)
}
