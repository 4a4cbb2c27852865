use std::{fmt, fs, path::Path, str::FromStr};

use anyhow::{Context, bail, ensure};
use athenaeum_inference::{
    encoder::Config,
    kernels::{Format, quantize, quantize_nearest},
    model::{
        self,
        gguf::{TensorType, Writer},
    },
    weights::{Access, Weights},
};

/// What fits into a program.
pub(super) const BYTES_MAX: usize = 16_000_000;

/// Tokens of the longest text that the published model takes (`sentence_bert_config.json`).
pub(super) const TOKENS_MAX: usize = 256;

/// How the numbers of matrices are packed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mix {
    /// The table of tokens, half of all numbers.
    table: Format,
    layers: Format,
    /// Values and what attention gave.
    better: Format,
}

impl Mix {
    /// Chosen by measurement: docs/decisions/0240.
    pub(super) const CHOSEN: &str = "IQ4_NL:Q5_1:Q8_0";
}

impl FromStr for Mix {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let format = |name: &str| {
            Format::all()
                .find(|format| format.name().eq_ignore_ascii_case(name))
                .with_context(|| format!("{name}: no such format"))
        };
        let [table, layers, better] = text.split(':').map(format).collect::<Result<Vec<_>, _>>()?[..] else {
            bail!("{text:?} is not TABLE:LAYERS:BETTER");
        };
        Ok(Self { table, layers, better })
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.table.name(), self.layers.name(), self.better.name())
    }
}

/// Returns the model in `folder` as the bytes of a GGUF file, named and laid out as llama.cpp's converter does.
pub(super) fn gguf(folder: &Path, mix: Mix) -> anyhow::Result<Vec<u8>> {
    let model = model::open(folder)?;
    let config = Config::of(&model)?;
    ensure!(config.architecture.name == "bert", "{} is not BERT", folder.display());
    let weights = Weights::open(&model, Access::Read)?;
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut writer = Writer::new()
        .set("general.architecture", "bert")
        .set("general.name", "all-MiniLM-L6-v2")
        .set("general.description", format!("Packed as {mix} by cargo xtask embedder."))
        .set("general.license", "Apache-2.0")
        .set("general.source.url", "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2")
        .set("bert.context_length", count(TOKENS_MAX))
        .set("bert.embedding_length", count(config.width))
        .set("bert.block_count", count(config.layers))
        .set("bert.feed_forward_length", count(config.feed_forward))
        .set("bert.attention.head_count", count(config.heads))
        .set("bert.attention.layer_norm_epsilon", config.norm_epsilon)
        .set("bert.attention.causal", false)
        // Their average (LLAMA_POOLING_TYPE_MEAN).
        .set("bert.pooling_type", 1_u32);
    let (tokens, kinds) = vocabulary(folder)?;
    ensure!(tokens.len() == config.vocabulary, "vocab.txt has {} tokens", tokens.len());
    writer = writer
        .set("tokenizer.ggml.model", "bert")
        .set("tokenizer.ggml.pre", "jina-v2-en")
        .set("tokenizer.ggml.tokens", tokens)
        .set("tokenizer.ggml.token_type", kinds)
        .set("tokenizer.ggml.token_type_count", 2_u32)
        .set("tokenizer.ggml.padding_token_id", 0_u32)
        .set("tokenizer.ggml.unknown_token_id", 100_u32)
        .set("tokenizer.ggml.cls_token_id", 101_u32)
        .set("tokenizer.ggml.bos_token_id", 101_u32)
        .set("tokenizer.ggml.seperator_token_id", 102_u32)
        .set("tokenizer.ggml.eos_token_id", 102_u32)
        .set("tokenizer.ggml.mask_token_id", 103_u32);
    for name in names(config.layers) {
        let shape = weights.shape(&name).with_context(|| format!("{name} is missing"))?.to_vec();
        let (format, rows, columns) = match shape[..] {
            [columns] => (Format::F32, 1, columns),
            [_, columns] if name == "position_embd.weight" => (Format::Q8_0, TOKENS_MAX, columns),
            [rows, columns] => (mix.of(&name), rows, columns),
            _ => bail!("{name} has the shape {shape:?}"),
        };
        let numbers = match shape[..] {
            [columns] => weights.vector(&name, columns)?,
            _ => {
                let matrix = weights.matrix(&name, shape[0], columns)?;
                let mut numbers = vec![0.0; rows * columns];
                numbers.chunks_exact_mut(columns).enumerate().for_each(|(row, out)| matrix.row(row, out));
                numbers
            }
        };
        let dims: Vec<u64> = [columns, rows].iter().take(shape.len()).map(|dim| *dim as u64).collect();
        let tensor_type = TensorType::from_number(format.ggml()).context("a format without a number")?;
        let packed = pack(format, &numbers, &matters(&weights, &name, config.width)?)?;
        writer = writer.tensor(name, tensor_type, &dims, packed);
    }
    let mut file = Vec::new();
    writer.write(&mut file)?;
    Ok(file)
}

impl Mix {
    fn of(self, name: &str) -> Format {
        match name.rsplit('.').nth(1).unwrap_or_default() {
            "token_embd" => self.table,
            "token_types" => Format::F32,
            "attn_v" | "attn_output" => self.better,
            _ => self.layers,
        }
    }
}

/// Returns how much the columns of a matrix matter, where that can be told without looking at texts; empty: all alike.
///
/// What comes out of a norm has about the mean square γ² + β² in each column. The table's errors are multiplied with γ on
/// their way through the norm behind it.
fn matters(weights: &Weights, name: &str, width: usize) -> anyhow::Result<Vec<f32>> {
    let of = |norm: &str, with_bias: bool| -> anyhow::Result<Vec<f32>> {
        let gamma = weights.vector(&format!("{norm}.weight"), width)?;
        let beta = weights.vector(&format!("{norm}.bias"), width)?;
        let bias = if with_bias { 1.0 } else { 0.0 };
        Ok(gamma.iter().zip(beta).map(|(gamma, beta)| gamma * gamma + bias * beta * beta).collect())
    };
    if name == "token_embd.weight" {
        return of("token_embd_norm", false);
    }
    let mut parts = name.split('.');
    let (Some("blk"), Some(layer), Some(part), Some("weight")) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Ok(Vec::new());
    };
    match (part, layer.parse::<usize>()?) {
        ("attn_q" | "attn_k" | "attn_v", 0) => of("token_embd_norm", true),
        ("attn_q" | "attn_k" | "attn_v", layer) => of(&format!("blk.{}.layer_output_norm", layer - 1), true),
        ("ffn_up", layer) => of(&format!("blk.{layer}.attn_output_norm"), true),
        _ => Ok(Vec::new()),
    }
}

fn pack(format: Format, numbers: &[f32], matters: &[f32]) -> anyhow::Result<Vec<u8>> {
    let bytes = format.row_bytes(numbers.len()).context("rows are not whole blocks")?;
    let mut packed = vec![0; bytes];
    match format {
        Format::F32 | Format::F16 => quantize(format, numbers, &mut packed)?,
        _ => quantize_nearest(format, numbers, matters, &mut packed)?,
    }
    Ok(packed)
}

/// Lists the tensors by the names that GGUF has for them, in its order.
fn names(layers: usize) -> Vec<String> {
    let both = |stem: String| [format!("{stem}.weight"), format!("{stem}.bias")];
    let mut names =
        ["token_embd.weight", "position_embd.weight", "token_types.weight"].map(str::to_owned).to_vec();
    names.extend(both("token_embd_norm".to_owned()));
    for layer in 0..layers {
        for part in [
            "attn_q",
            "attn_k",
            "attn_v",
            "attn_output",
            "attn_output_norm",
            "ffn_up",
            "ffn_down",
            "layer_output_norm",
        ] {
            names.extend(both(format!("blk.{layer}.{part}")));
        }
    }
    names
}

// What kind of token it is (`llama_token_type` of llama.cpp).
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;

/// Returns the tokens and their kinds: those that begin a word with `▁`, those that go on in one as they are.
fn vocabulary(folder: &Path) -> anyhow::Result<(Vec<String>, Vec<i32>)> {
    let path = folder.join("vocab.txt");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let token = |line: &str| match line.strip_prefix("##") {
        Some(rest) => (rest.to_owned(), NORMAL),
        None if line.starts_with('[') && line.ends_with(']') && line.len() > 2 => (line.to_owned(), CONTROL),
        None => (format!("▁{line}"), NORMAL),
    };
    Ok(text.lines().map(token).unzip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_read_and_told() {
        let mix: Mix = "q4_0:Q5_1:Q8_0".parse().unwrap();
        assert_eq!(mix.to_string(), "Q4_0:Q5_1:Q8_0");
        assert_eq!(mix.of("token_embd.weight"), Format::Q4_0);
        assert_eq!(mix.of("blk.3.attn_v.weight"), Format::Q8_0);
        assert_eq!(mix.of("blk.3.ffn_down.weight"), Format::Q5_1);
        assert!("Q4_0:Q5_1".parse::<Mix>().is_err() && "Q4_0:Q5_1:best".parse::<Mix>().is_err());
        assert!(Mix::CHOSEN.parse::<Mix>().is_ok());
    }
}
