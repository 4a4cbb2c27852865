//! The model as Hugging Face lays it out: five files in a folder.

use std::{fs, path::Path};

use anyhow::Context;
use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};

use crate::{
    bpe::{ADDED, Bpe, END_OF_TEXT, TURN_END},
    llama::Llama,
};

/// Writes `config.json`, `model.safetensors`, `tokenizer.json`, `tokenizer_config.json` and `generation_config.json`.
pub(crate) fn write(folder: &Path, llama: &Llama, bpe: &Bpe) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    put(folder, "config.json", &pretty(&config(llama, bpe)?)?)?;
    put(folder, "generation_config.json", &pretty(&generation_config(bpe))?)?;
    put(folder, "tokenizer.json", &pretty(&tokenizer(bpe))?)?;
    put(folder, "tokenizer_config.json", &pretty(&tokenizer_config())?)?;
    put(folder, "model.safetensors", &safetensors(llama)?)
}

/// Returns the vocabulary of the model in the folder.
pub(crate) fn vocabulary(folder: &Path) -> anyhow::Result<Bpe> {
    let path = folder.join("tokenizer.json");
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let tokenizer: Value = serde_json::from_slice(&bytes)?;
    Bpe::from_merges(&serde_json::from_value::<Vec<String>>(tokenizer["model"]["merges"].clone())?)
}

/// Gives `llama` the weights of the model in the folder.
pub(crate) fn read_weights(folder: &Path, llama: &Llama) -> anyhow::Result<()> {
    let weights = candle_core::safetensors::load(folder.join("model.safetensors"), &Device::Cpu)?;
    for (name, weight) in &llama.weights {
        let stored = weights.get(name).with_context(|| format!("the model has no {name}"))?;
        weight.set(&stored.to_dtype(DType::F32)?)?;
    }
    Ok(())
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = folder.join(name);
    fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn pretty(value: &Value) -> anyhow::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}

fn config(llama: &Llama, bpe: &Bpe) -> anyhow::Result<Value> {
    let mut config = serde_json::to_value(&llama.shape)?;
    let more = json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "tie_word_embeddings": true,
        "attention_bias": false,
        "mlp_bias": false,
        "bos_token_id": bpe.added(END_OF_TEXT),
        "eos_token_id": bpe.added(TURN_END),
        "pad_token_id": bpe.added(END_OF_TEXT),
        "torch_dtype": "float16",
    });
    if let (Value::Object(config), Value::Object(more)) = (&mut config, more) {
        config.extend(more);
    }
    Ok(config)
}

fn generation_config(bpe: &Bpe) -> Value {
    json!({
        "bos_token_id": bpe.added(END_OF_TEXT),
        "eos_token_id": [bpe.added(TURN_END), bpe.added(END_OF_TEXT)],
        "pad_token_id": bpe.added(END_OF_TEXT),
        "do_sample": false,
    })
}

fn tokenizer(bpe: &Bpe) -> Value {
    let added: Vec<Value> =
        ADDED.iter().map(|&(text, is_special)| added_token(bpe.added(text), text, is_special)).collect();
    let tokens = bpe.written_tokens();
    let plain = &tokens[..tokens.len() - ADDED.len()];
    let vocab: serde_json::Map<String, Value> =
        plain.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect();
    let bytes =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": bytes,
        "post_processor": null,
        "decoder": bytes,
        "model": {
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": null,
            "end_of_word_suffix": null,
            "fuse_unk": false,
            "byte_fallback": false,
            "ignore_merges": false,
            "vocab": vocab,
            "merges": bpe.written_merges(),
        },
    })
}

fn added_token(id: u32, text: &str, is_special: bool) -> Value {
    json!({
        "id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": is_special,
    })
}

fn tokenizer_config() -> Value {
    json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": TURN_END,
        "pad_token": END_OF_TEXT,
        "add_bos_token": false,
        "add_prefix_space": false,
        "clean_up_tokenization_spaces": false,
        "chat_template": include_str!("chat_template.jinja"),
    })
}

/// Matrices in 16 bits, norms in 32; a header, then all numbers in the order of the weights.
fn safetensors(llama: &Llama) -> anyhow::Result<Vec<u8>> {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".to_owned(), json!({"format": "pt"}));
    let mut data = Vec::new();
    for (name, weight) in &llama.weights {
        let (dtype, bytes) = stored(weight.as_tensor())?;
        let offsets = [data.len(), data.len() + bytes.len()];
        header.insert(name.clone(), json!({"dtype": dtype, "shape": weight.dims(), "data_offsets": offsets}));
        data.extend(bytes);
    }
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok([&(header.len() as u64).to_le_bytes()[..], &header, &data].concat())
}

fn stored(weight: &Tensor) -> anyhow::Result<(&'static str, Vec<u8>)> {
    let flat = weight.flatten_all()?;
    if weight.rank() == 1 {
        return Ok(("F32", flat.to_vec1::<f32>()?.iter().flat_map(|number| number.to_le_bytes()).collect()));
    }
    let mut bytes = Vec::new();
    flat.to_dtype(DType::F16)?.write_bytes(&mut bytes)?;
    Ok(("F16", bytes))
}
