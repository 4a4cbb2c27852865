//! The Llama architecture, as far as learning needs it: every position of a row at once, no cache.

use std::sync::Arc;

use candle_core::{D, Device, Result, Tensor, Var};
use serde::Serialize;

use crate::{
    causal::CausalSoftmax,
    quantize::{Format, rounded},
    random::Random,
};

/// The sizes of the model, named as in `config.json`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Shape {
    pub(crate) vocab_size: usize,
    pub(crate) hidden_size: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) num_hidden_layers: usize,
    pub(crate) num_attention_heads: usize,
    pub(crate) num_key_value_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) max_position_embeddings: usize,
    pub(crate) rms_norm_eps: f64,
    pub(crate) rope_theta: f64,
}

/// All weights, under their Hugging Face names, in the order of the layers. Matrices are `[outputs, inputs]`.
pub(crate) struct Llama {
    pub(crate) shape: Shape,
    pub(crate) weights: Vec<(String, Var)>,
    /// `[positions, head_dim / 2]`.
    cos: Tensor,
    sin: Tensor,
}

/// The weights as one pass uses them: as they are, or rounded.
struct Used<'a> {
    names: &'a [(String, Var)],
    tensors: Vec<Tensor>,
}

impl Llama {
    /// Begins with random weights.
    pub(crate) fn new(shape: Shape, random: &mut Random) -> Result<Self> {
        let device = Device::Cpu;
        let mut weights = Vec::new();
        let hidden = shape.hidden_size;
        let keys = shape.num_key_value_heads * shape.head_dim;
        let queries = shape.num_attention_heads * shape.head_dim;
        let mut matrix = |name: String, rows: usize, columns: usize, deviation: f32| -> Result<()> {
            let numbers: Vec<f32> = (0..rows * columns).map(|_| deviation * random.normal()).collect();
            weights.push((name, Var::from_vec(numbers, (rows, columns), &device)?));
            Ok(())
        };
        matrix("model.embed_tokens.weight".into(), shape.vocab_size, hidden, 0.05)?;
        let inward = (hidden as f32).powf(-0.5);
        // What adds to the residual stream begins smaller, the more often it is added to (GPT-2).
        let outward = (2.0 * shape.num_hidden_layers as f32).powf(-0.5);
        for layer in 0..shape.num_hidden_layers {
            let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
            matrix(name("self_attn.q_proj"), queries, hidden, inward)?;
            matrix(name("self_attn.k_proj"), keys, hidden, inward)?;
            matrix(name("self_attn.v_proj"), keys, hidden, inward)?;
            matrix(name("self_attn.o_proj"), hidden, queries, inward * outward)?;
            matrix(name("mlp.gate_proj"), shape.intermediate_size, hidden, inward)?;
            matrix(name("mlp.up_proj"), shape.intermediate_size, hidden, inward)?;
            matrix(name("mlp.down_proj"), hidden, shape.intermediate_size, inward * outward)?;
        }
        let norms = (0..shape.num_hidden_layers).flat_map(|layer| {
            ["input_layernorm", "post_attention_layernorm"]
                .map(|part| format!("model.layers.{layer}.{part}.weight"))
        });
        for name in norms.chain(["model.norm.weight".to_owned()]) {
            weights.push((name, Var::from_vec(vec![1.0_f32; hidden], hidden, &device)?));
        }
        let (cos, sin) = rotations(&shape)?;
        Ok(Self { shape, weights, cos, sin })
    }

    /// Returns what comes out of the last norm, `[rows × positions, hidden]`, and the embedding that turns it into
    /// logits. `starts` tells for each token of each row the position at which its text begins: nothing before it is
    /// seen. Matrices are rounded to `format`, and the gradients are those of the weights as they are.
    pub(crate) fn forward(
        &self,
        ids: &Tensor,
        starts: &Arc<[usize]>,
        format: Format,
    ) -> Result<(Tensor, Tensor)> {
        let used = self.used(format)?;
        let (rows, positions) = ids.dims2()?;
        let embedding = used.tensor("model.embed_tokens.weight")?;
        let mut stream = embedding.index_select(&ids.flatten_all()?, 0)?;
        for layer in 0..self.shape.num_hidden_layers {
            let weight = |part: &str| used.tensor(&format!("model.layers.{layer}.{part}.weight"));
            let normed = self.norm(&stream, weight("input_layernorm")?)?;
            let query = self.heads(&linear(&normed, weight("self_attn.q_proj")?)?, rows, positions)?;
            let key = self.heads(&linear(&normed, weight("self_attn.k_proj")?)?, rows, positions)?;
            let value = self.heads(&linear(&normed, weight("self_attn.v_proj")?)?, rows, positions)?;
            let mixed = self.attend(&self.rotate(&query)?, &self.rotate(&key)?, &value, starts)?;
            stream = (stream + linear(&mixed, weight("self_attn.o_proj")?)?)?;
            let normed = self.norm(&stream, weight("post_attention_layernorm")?)?;
            let gate = linear(&normed, weight("mlp.gate_proj")?)?.silu()?;
            let gated = (gate * linear(&normed, weight("mlp.up_proj")?)?)?;
            stream = (stream + linear(&gated, weight("mlp.down_proj")?)?)?;
        }
        let normed = self.norm(&stream, used.tensor("model.norm.weight")?)?;
        Ok((normed, embedding.clone()))
    }

    fn used(&self, format: Format) -> Result<Used<'_>> {
        let tensors = self.weights.iter().map(|(_, weight)| {
            let weight = weight.as_tensor();
            if format == Format::F32 || weight.rank() == 1 {
                return Ok(weight.clone());
            }
            weight + (rounded(weight, format)? - weight)?.detach()
        });
        Ok(Used { names: &self.weights, tensors: tensors.collect::<Result<_>>()? })
    }

    fn norm(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
        let scaled = x.broadcast_div(&(mean + self.shape.rms_norm_eps)?.sqrt()?)?;
        scaled.broadcast_mul(weight)
    }

    /// `[rows × positions, heads × head_dim]` → `[rows, heads, positions, head_dim]`.
    fn heads(&self, x: &Tensor, rows: usize, positions: usize) -> Result<Tensor> {
        let heads = x.dim(1)? / self.shape.head_dim;
        x.reshape((rows, positions, heads, self.shape.head_dim))?.transpose(1, 2)?.contiguous()
    }

    /// Turns the pair of dimensions `i` and `i + head_dim / 2` by the angle of the position (Hugging Face's layout).
    fn rotate(&self, x: &Tensor) -> Result<Tensor> {
        let (positions, half) = (x.dim(2)?, self.shape.head_dim / 2);
        let (cos, sin) = (self.cos.narrow(0, 0, positions)?, self.sin.narrow(0, 0, positions)?);
        let (left, right) = (x.narrow(3, 0, half)?, x.narrow(3, half, half)?);
        let turned_left = (left.broadcast_mul(&cos)? - right.broadcast_mul(&sin)?)?;
        let turned_right = (right.broadcast_mul(&cos)? + left.broadcast_mul(&sin)?)?;
        Tensor::cat(&[turned_left, turned_right], 3)
    }

    fn attend(&self, query: &Tensor, key: &Tensor, value: &Tensor, starts: &Arc<[usize]>) -> Result<Tensor> {
        let (rows, heads, positions, width) = query.dims4()?;
        let groups = heads / key.dim(1)?;
        let repeated = |x: &Tensor| {
            let shared = (rows, heads / groups, groups, positions, width);
            x.unsqueeze(2)?.broadcast_as(shared)?.reshape((rows, heads, positions, width))
        };
        let scores = query.matmul(&repeated(key)?.t()?)?;
        let scale = (width as f32).powf(-0.5);
        let shares = scores.apply_op1(CausalSoftmax { scale, starts: starts.clone() })?;
        let mixed = shares.matmul(&repeated(value)?)?;
        mixed.transpose(1, 2)?.reshape((rows * positions, heads * width))
    }
}

impl Used<'_> {
    fn tensor(&self, name: &str) -> Result<&Tensor> {
        let position = self.names.iter().position(|(known, _)| known == name);
        position
            .map(|position| &self.tensors[position])
            .ok_or_else(|| candle_core::Error::Msg(format!("there is no weight {name}")))
    }
}

fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    x.matmul(&weight.t()?)
}

fn rotations(shape: &Shape) -> Result<(Tensor, Tensor)> {
    let half = shape.head_dim / 2;
    let mut angles = Vec::with_capacity(shape.max_position_embeddings * half);
    for position in 0..shape.max_position_embeddings {
        for index in 0..half {
            let frequency = shape.rope_theta.powf(-(index as f64) / half as f64);
            angles.push((position as f64 * frequency) as f32);
        }
    }
    let angles = Tensor::from_vec(angles, (shape.max_position_embeddings, half), &Device::Cpu)?;
    Ok((angles.cos()?, angles.sin()?))
}
