//! Our model's Hugging Face folder as a GGUF file: the same weights and the same vocabulary, named and laid out as
//! llama.cpp's own converter does (`convert_hf_to_gguf.py`).

use std::{fs, path::Path};

use anyhow::{Context, bail};
use athenaeum_inference::model::{
    gguf::{TensorType, Writer},
    safetensors::{self, Dtype},
};
use serde::Deserialize;

/// Returns the bytes of the GGUF file.
pub(super) fn of(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let config: Config = json(folder, "config.json")?;
    let tokenizer: Tokenizer = json(folder, "tokenizer.json")?;
    let tokenizer_config: TokenizerConfig = json(folder, "tokenizer_config.json")?;
    let weights = read(folder, "model.safetensors")?;
    let mut writer = Writer::new()
        .set("general.architecture", "llama")
        .set("general.name", "Athenaeum Tiny")
        .set("general.description", "Recites a few poems; made for tests. See examples/models/README.md.")
        .set("general.license", "MIT OR Apache-2.0")
        // Matrices in 16 bits (LLAMA_FTYPE_MOSTLY_F16).
        .set("general.file_type", 1_u32)
        .set("llama.context_length", config.max_position_embeddings)
        .set("llama.embedding_length", config.hidden_size)
        .set("llama.block_count", config.num_hidden_layers)
        .set("llama.feed_forward_length", config.intermediate_size)
        .set("llama.attention.head_count", config.num_attention_heads)
        .set("llama.attention.head_count_kv", config.num_key_value_heads)
        .set("llama.attention.layer_norm_rms_epsilon", config.rms_norm_eps)
        .set("llama.rope.freq_base", config.rope_theta)
        .set("llama.rope.dimension_count", config.head_dim)
        .set("llama.vocab_size", config.vocab_size);
    let (tokens, kinds) = tokenizer.tokens(config.vocab_size as usize)?;
    writer = writer
        .set("tokenizer.ggml.model", "gpt2")
        .set("tokenizer.ggml.pre", "gpt-2")
        .set("tokenizer.ggml.tokens", tokens)
        .set("tokenizer.ggml.token_type", kinds)
        .set("tokenizer.ggml.merges", tokenizer.model.merges)
        .set("tokenizer.ggml.bos_token_id", config.bos_token_id)
        .set("tokenizer.ggml.eos_token_id", config.eos_token_id)
        .set("tokenizer.ggml.padding_token_id", config.pad_token_id)
        .set("tokenizer.ggml.add_bos_token", false)
        .set("tokenizer.chat_template", tokenizer_config.chat_template);
    for tensor in safetensors::File::from_bytes(&weights)?.tensors {
        let tensor_type = match tensor.dtype {
            Dtype::F16 => TensorType::F16,
            Dtype::F32 => TensorType::F32,
            other => bail!("{} is stored as {other}, which is not foreseen", tensor.name),
        };
        let mut bytes = weights[tensor.offset as usize..(tensor.offset + tensor.bytes) as usize].to_vec();
        if tensor.name.ends_with("q_proj.weight") || tensor.name.ends_with("k_proj.weight") {
            let row_bytes = bytes.len() / tensor.shape[0] as usize;
            bytes = interleaved(&bytes, config.head_dim as usize, row_bytes);
        }
        let dims: Vec<u64> = tensor.shape.iter().rev().copied().collect();
        writer = writer.tensor(name(&tensor.name)?, tensor_type, &dims, bytes);
    }
    let mut file = Vec::new();
    writer.write(&mut file)?;
    Ok(file)
}

/// Orders the rows of each head for llama.cpp, which turns dimensions `2i` and `2i + 1` together where Hugging Face
/// turns `i` and `i + head_dim / 2`.
fn interleaved(matrix: &[u8], head_dim: usize, row_bytes: usize) -> Vec<u8> {
    let mut ordered = Vec::with_capacity(matrix.len());
    for head in matrix.chunks(head_dim * row_bytes) {
        let (left, right) = head.split_at(head.len() / 2);
        for (left, right) in left.chunks(row_bytes).zip(right.chunks(row_bytes)) {
            ordered.extend_from_slice(left);
            ordered.extend_from_slice(right);
        }
    }
    ordered
}

fn name(name: &str) -> anyhow::Result<String> {
    let Some(in_layer) = name.strip_prefix("model.layers.") else {
        return Ok(match name {
            "model.embed_tokens.weight" => "token_embd.weight".to_owned(),
            "model.norm.weight" => "output_norm.weight".to_owned(),
            other => bail!("{other} has no name in GGUF"),
        });
    };
    let (layer, part) = in_layer.split_once('.').with_context(|| format!("{name} is of no layer"))?;
    let part = match part {
        "input_layernorm.weight" => "attn_norm",
        "self_attn.q_proj.weight" => "attn_q",
        "self_attn.k_proj.weight" => "attn_k",
        "self_attn.v_proj.weight" => "attn_v",
        "self_attn.o_proj.weight" => "attn_output",
        "post_attention_layernorm.weight" => "ffn_norm",
        "mlp.gate_proj.weight" => "ffn_gate",
        "mlp.up_proj.weight" => "ffn_up",
        "mlp.down_proj.weight" => "ffn_down",
        other => bail!("{other} has no name in GGUF"),
    };
    Ok(format!("blk.{layer}.{part}.weight"))
}

#[derive(Deserialize)]
struct Config {
    vocab_size: u32,
    hidden_size: u32,
    intermediate_size: u32,
    num_hidden_layers: u32,
    num_attention_heads: u32,
    num_key_value_heads: u32,
    head_dim: u32,
    max_position_embeddings: u32,
    rms_norm_eps: f32,
    rope_theta: f32,
    bos_token_id: u32,
    eos_token_id: u32,
    pad_token_id: u32,
}

#[derive(Deserialize)]
struct Tokenizer {
    added_tokens: Vec<Added>,
    model: Bpe,
}

#[derive(Deserialize)]
struct Added {
    id: usize,
    content: String,
    special: bool,
}

#[derive(Deserialize)]
struct Bpe {
    vocab: std::collections::HashMap<String, usize>,
    merges: Vec<String>,
}

#[derive(Deserialize)]
struct TokenizerConfig {
    chat_template: String,
}

// What kind of token it is, in `tokenizer.ggml.token_type` (`llama_token_type` of llama.cpp).
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

impl Tokenizer {
    /// Returns the tokens and their kinds, by number.
    fn tokens(&self, count: usize) -> anyhow::Result<(Vec<String>, Vec<i32>)> {
        let mut tokens = vec![None; count];
        let plain = self.model.vocab.iter().map(|(text, id)| (*id, text, NORMAL));
        let added = self
            .added_tokens
            .iter()
            .map(|added| (added.id, &added.content, if added.special { CONTROL } else { USER_DEFINED }));
        for (id, text, kind) in plain.chain(added) {
            let place = tokens.get_mut(id).with_context(|| format!("there is no place for token {id}"))?;
            *place = Some((text.clone(), kind));
        }
        let all: Option<Vec<(String, i32)>> = tokens.into_iter().collect();
        Ok(all.context("some number has no token")?.into_iter().unzip())
    }
}

fn json<T: for<'de> Deserialize<'de>>(folder: &Path, name: &str) -> anyhow::Result<T> {
    serde_json::from_slice(&read(folder, name)?).with_context(|| format!("{name} is not as expected"))
}

fn read(folder: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    let path = folder.join(name);
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_head_are_paired() {
        // Two heads of four rows, one byte each.
        assert_eq!(interleaved(&[0, 1, 2, 3, 10, 11, 12, 13], 4, 1), [0, 2, 1, 3, 10, 12, 11, 13]);
    }

    #[test]
    fn names_are_those_of_gguf() {
        assert_eq!(name("model.layers.2.self_attn.o_proj.weight").unwrap(), "blk.2.attn_output.weight");
        assert!(name("lm_head.weight").is_err());
    }
}
