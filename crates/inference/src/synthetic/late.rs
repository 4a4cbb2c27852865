//! A small model of late interaction: an encoder of BERT's kind and a matrix behind it, in the layouts that there are.

use std::{fs, io, path::Path};

use serde_json::{Map, Value as Json, json};

use super::random::Random;
use crate::model::safetensors::{self, Dtype, Numbers};

/// How checkpoints are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// As those of Stanford's ColBERT: the matrix beside the encoder, `artifact.metadata`, and marks that BERT has.
    Stanford,
    /// As those of PyLate: the matrix in a folder of its own, marks that were added, and masks that are looked at.
    PyLate,
}

/// Tokens of the longest text.
pub const TOKENS_MAX: usize = 48;
const WIDTH: u64 = 32;
const HEADS: u64 = 4;
const LAYERS: u64 = 2;
const FEED_FORWARD: u64 = 64;
const OUT: u64 = 16;

/// Words with tokens of their own; all others are spelled.
const WORDS: [&str; 24] = [
    "the", "a", "of", "in", "and", "is", "what", "moon", "tide", "sea", "stone", "bread", "oven", "cat",
    "sun", "train", "late", "rest", "long", "how", "sleep", "water", "wind", "night",
];

/// Writes such a model; both layouts hold the same numbers.
///
/// # Errors
///
/// If files cannot be written.
pub fn write(layout: Layout, into: &Path) -> io::Result<()> {
    let put = |name: &str, json: &Json| fs::write(into.join(name), serde_json::to_vec_pretty(json)?);
    let names = vocabulary(layout);
    fs::create_dir_all(into)?;
    let architecture = if layout == Layout::Stanford { "HF_ColBERT" } else { "BertModel" };
    put(
        "config.json",
        &json!({
            "model_type": "bert", "architectures": [architecture], "layer_norm_eps": 1e-12, "hidden_act": "gelu",
            "vocab_size": names.len(), "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
            "intermediate_size": FEED_FORWARD, "max_position_embeddings": TOKENS_MAX, "type_vocab_size": 2,
            "pad_token_id": 0, "torch_dtype": "float32",
        }),
    )?;
    put("tokenizer.json", &tokenizer(&names))?;
    put(
        "tokenizer_config.json",
        &json!({
            "tokenizer_class": "BertTokenizer", "do_lower_case": true, "cls_token": "[CLS]", "sep_token": "[SEP]",
            "pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]",
        }),
    )?;
    let linear = ("linear.weight".to_owned(), vec![OUT, WIDTH], numbers("linear.weight", OUT * WIDTH));
    match layout {
        Layout::Stanford => {
            let mut tensors = encoder("bert.", names.len() as u64);
            tensors.push(linear);
            save(&tensors, &into.join("model.safetensors"))?;
            put(
                "artifact.metadata",
                &json!({
                    "query_token_id": "[unused0]", "doc_token_id": "[unused1]", "query_maxlen": 24, "doc_maxlen": 40,
                    "mask_punctuation": true, "attend_to_mask_tokens": false, "similarity": "cosine", "dim": OUT,
                }),
            )
        }
        Layout::PyLate => {
            save(&encoder("", names.len() as u64), &into.join("model.safetensors"))?;
            fs::create_dir_all(into.join("1_Dense"))?;
            save(&[linear], &into.join("1_Dense/model.safetensors"))?;
            put(
                "1_Dense/config.json",
                &json!({
                    "in_features": WIDTH, "out_features": OUT, "bias": false,
                    "activation_function": "torch.nn.modules.linear.Identity",
                }),
            )?;
            put(
                "modules.json",
                &json!([
                    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                    {"idx": 1, "name": "1", "path": "1_Dense", "type": "pylate.models.Dense.Dense"},
                ]),
            )?;
            put("sentence_bert_config.json", &json!({"max_seq_length": 39, "do_lower_case": false}))?;
            put(
                "config_sentence_transformers.json",
                &json!({
                    "prompts": {}, "default_prompt_name": null, "similarity_fn_name": "MaxSim", "query_prefix": "[Q] ",
                    "document_prefix": "[D] ", "query_length": 16, "document_length": 40,
                    "attend_to_expansion_tokens": true, "do_query_expansion": true, "skiplist_words": [".", ","],
                }),
            )
        }
    }
}

/// A name, a shape and what is in it.
type Tensor = (String, Vec<u64>, Vec<f32>);

fn encoder(prefix: &str, tokens: u64) -> Vec<Tensor> {
    let mut tensors: Vec<Tensor> = Vec::new();
    // Seeded without what stands before names, so that both layouts hold the same.
    let mut put = |name: String, shape: Vec<u64>, around: f32| {
        let numbers = numbers(&name, shape.iter().product()).into_iter().map(|number| around + number);
        tensors.push((format!("{prefix}{name}"), shape, numbers.collect()));
    };
    for (table, rows) in [("word", tokens), ("position", TOKENS_MAX as u64), ("token_type", 2)] {
        put(format!("embeddings.{table}_embeddings.weight"), vec![rows, WIDTH], 0.0);
    }
    put("embeddings.LayerNorm.weight".to_owned(), vec![WIDTH], 1.0);
    put("embeddings.LayerNorm.bias".to_owned(), vec![WIDTH], 0.0);
    for layer in 0..LAYERS {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        for (part, rows, columns) in [
            ("attention.self.query", WIDTH, WIDTH),
            ("attention.self.key", WIDTH, WIDTH),
            ("attention.self.value", WIDTH, WIDTH),
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", FEED_FORWARD, WIDTH),
            ("output.dense", WIDTH, FEED_FORWARD),
        ] {
            put(name(&format!("{part}.weight")), vec![rows, columns], 0.0);
            put(name(&format!("{part}.bias")), vec![rows], 0.0);
        }
        for part in ["attention.output.LayerNorm", "output.LayerNorm"] {
            put(name(&format!("{part}.weight")), vec![WIDTH], 1.0);
            put(name(&format!("{part}.bias")), vec![WIDTH], 0.0);
        }
    }
    tensors
}

/// Whole numbers of `-128..=128`, divided by 512.
fn numbers(name: &str, count: u64) -> Vec<f32> {
    let mut random = Random::named(&format!("late {name}"));
    (0..count).map(|_| random.within(128) as f32 / 512.0).collect()
}

fn save(tensors: &[Tensor], path: &Path) -> io::Result<()> {
    let bytes = |numbers: &[f32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let data: Vec<Vec<u8>> = tensors.iter().map(|(_, _, numbers)| bytes(numbers)).collect();
    let numbers: Vec<Numbers<'_>> = tensors
        .iter()
        .zip(&data)
        .map(|((name, shape, _), data)| Numbers { name, dtype: Dtype::F32, shape, data })
        .collect();
    let mut file = Vec::new();
    safetensors::write(&[("format", "pt")], &numbers, &mut file).map_err(io::Error::other)?;
    fs::write(path, file)
}

fn vocabulary(layout: Layout) -> Vec<String> {
    let own = ["[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned);
    let letters = || (b'a'..=b'z').map(char::from);
    let punctuation = (33..127_u8).filter(u8::is_ascii_punctuation).map(|byte| char::from(byte).to_string());
    let mut names: Vec<String> = own.into_iter().chain(punctuation).collect();
    names.extend(letters().filter(|letter| *letter != 'a').map(String::from));
    names.extend(letters().map(|letter| format!("##{letter}")));
    names.extend(WORDS.map(str::to_owned));
    if layout == Layout::PyLate {
        names.extend(["[Q] ", "[D] "].map(str::to_owned));
    }
    names
}

fn tokenizer(names: &[String]) -> Json {
    let added = |(id, name): (usize, &String)| {
        let is_own = name.starts_with('[') && name.len() > 1;
        let special = !name.ends_with(' ') && !name.starts_with("[unused");
        is_own.then(|| {
            json!({"id": id, "content": name, "special": special, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false})
        })
    };
    let ids: Map<String, Json> =
        names.iter().enumerate().map(|(id, name)| (name.clone(), json!(id))).collect();
    let special = |name: &str| json!({"SpecialToken": {"id": name, "type_id": 0}});
    let sequence = |name: &str| json!({"Sequence": {"id": name, "type_id": 0}});
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": names.iter().enumerate().filter_map(added).collect::<Vec<_>>(),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
            "single": [special("[CLS]"), sequence("A"), special("[SEP]")],
            "pair": [special("[CLS]"), sequence("A"), special("[SEP]"), sequence("B"), special("[SEP]")],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [4], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [5], "tokens": ["[SEP]"]},
            }},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": ids},
    })
}
