//! Small encoders of random weights in the real structure of each family, written as either kind of file.
//!
//! Everything follows from a recipe's name, on every machine, so that golden values can be kept for models that are not
//! kept themselves. Numbers are whole ones times powers of two, which F16 and BF16 hold exactly as well.

use std::{fs, io, path::Path};

use athenaeum_inference::model::{
    gguf::{TensorType, Writer},
    safetensors::{self, Dtype},
};
use serde_json::{Value as Json, json};

/// One model's structure.
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    /// `general.architecture` in GGUF; empty where llama.cpp has no such thing.
    pub(crate) gguf: &'static str,
    /// `config.json`, less the sizes that all have; null where transformers has no such thing.
    config: fn() -> Json,
    outside: &'static [Row],
    layer: &'static [Row],
    /// What the names of a checkpoint's layers begin with, and what all names do.
    stack: &'static str,
    prefix: &'static str,
    layers: usize,
    head: &'static [Row],
}

/// A tensor: its names, rows and columns; and whether it has a bias. No columns: a norm.
type Row = (&'static str, &'static str, usize, usize, bool);

pub(crate) const TOKENS: usize = 96;
pub(crate) const LONGEST: usize = 48;
const W: usize = 64;
const F: usize = 128;
const HEADS: usize = 4;
const WINDOW: u32 = 8;

pub(crate) const ALL: &[Recipe] = &[
    Recipe {
        name: "bert",
        gguf: "bert",
        config: || json!({"model_type": "bert", "architectures": ["BertModel"], "layer_norm_eps": 1e-12}),
        outside: BERT,
        layer: BERT_LAYER,
        stack: "encoder.layer",
        prefix: "",
        layers: 2,
        head: &[],
    },
    Recipe {
        name: "bert-scores",
        gguf: "",
        config: || {
            json!({"model_type": "bert", "architectures": ["BertForSequenceClassification"], "num_labels": 1,
            "id2label": {"0": "LABEL_0"}, "layer_norm_eps": 1e-12})
        },
        outside: BERT,
        layer: BERT_LAYER,
        stack: "encoder.layer",
        prefix: "bert.",
        layers: 2,
        head: &[("cls", "bert.pooler.dense", W, W, true), ("cls.output", "classifier", 1, W, true)],
    },
    Recipe {
        name: "xlm-roberta-scores",
        gguf: "bert",
        config: || {
            json!({"model_type": "xlm-roberta", "architectures": ["XLMRobertaForSequenceClassification"],
            "num_labels": 1, "id2label": {"0": "LABEL_0"}, "layer_norm_eps": 1e-5, "pad_token_id": 1,
            "max_position_embeddings": LONGEST + 2, "type_vocab_size": 1})
        },
        outside: &[
            ("token_embd", "embeddings.word_embeddings", TOKENS, W, false),
            ("position_embd", "embeddings.position_embeddings", LONGEST + 2, W, false),
            ("token_types", "embeddings.token_type_embeddings", 1, W, false),
            ("token_embd_norm", "embeddings.LayerNorm", W, 0, true),
        ],
        layer: BERT_LAYER,
        stack: "encoder.layer",
        prefix: "roberta.",
        layers: 2,
        head: &[("cls", "classifier.dense", W, W, true), ("cls.output", "classifier.out_proj", 1, W, true)],
    },
    Recipe {
        name: "distilbert",
        gguf: "",
        config: || {
            json!({"model_type": "distilbert", "architectures": ["DistilBertModel"], "n_layers": 2, "dim": W,
            "n_heads": HEADS, "hidden_dim": F, "activation": "gelu"})
        },
        outside: &[
            ("token_embd", "embeddings.word_embeddings", TOKENS, W, false),
            ("position_embd", "embeddings.position_embeddings", LONGEST, W, false),
            ("token_embd_norm", "embeddings.LayerNorm", W, 0, true),
        ],
        layer: &[
            ("attn_q", "attention.q_lin", W, W, true),
            ("attn_k", "attention.k_lin", W, W, true),
            ("attn_v", "attention.v_lin", W, W, true),
            ("attn_output", "attention.out_lin", W, W, true),
            ("attn_output_norm", "sa_layer_norm", W, 0, true),
            ("ffn_up", "ffn.lin1", F, W, true),
            ("ffn_down", "ffn.lin2", W, F, true),
            ("layer_output_norm", "output_layer_norm", W, 0, true),
        ],
        stack: "transformer.layer",
        prefix: "",
        layers: 2,
        head: &[],
    },
    Recipe {
        name: "mpnet",
        gguf: "",
        config: || {
            json!({"model_type": "mpnet", "architectures": ["MPNetModel"], "layer_norm_eps": 1e-5,
            "pad_token_id": 1, "max_position_embeddings": LONGEST + 2, "relative_attention_num_buckets": 32})
        },
        outside: &[
            ("token_embd", "embeddings.word_embeddings", TOKENS, W, false),
            ("position_embd", "embeddings.position_embeddings", LONGEST + 2, W, false),
            ("token_embd_norm", "embeddings.LayerNorm", W, 0, true),
            ("position_ranges", "encoder.relative_attention_bias", 32, HEADS, false),
        ],
        layer: &[
            ("attn_q", "attention.attn.q", W, W, true),
            ("attn_k", "attention.attn.k", W, W, true),
            ("attn_v", "attention.attn.v", W, W, true),
            ("attn_output", "attention.attn.o", W, W, true),
            ("attn_output_norm", "attention.LayerNorm", W, 0, true),
            ("ffn_up", "intermediate.dense", F, W, true),
            ("ffn_down", "output.dense", W, F, true),
            ("layer_output_norm", "output.LayerNorm", W, 0, true),
        ],
        stack: "encoder.layer",
        prefix: "",
        layers: 2,
        head: &[],
    },
    Recipe {
        name: "nomic-bert",
        gguf: "nomic-bert",
        config: || {
            json!({"model_type": "nomic_bert", "architectures": ["NomicBertModel"], "layer_norm_eps": 1e-12,
            "hidden_act": "silu", "rope_parameters": {"rope_type": "default", "rope_theta": 1000.0}})
        },
        outside: &[
            ("token_embd", "embeddings.word_embeddings", TOKENS, W, false),
            ("token_types", "embeddings.token_type_embeddings", 2, W, false),
            ("token_embd_norm", "emb_ln", W, 0, true),
        ],
        layer: &[
            ("attn_qkv", "attn.Wqkv", 3 * W, W, false),
            ("attn_output", "attn.out_proj", W, W, false),
            ("attn_output_norm", "norm1", W, 0, true),
            ("ffn_up", "mlp.fc11", F, W, false),
            ("ffn_gate", "mlp.fc12", F, W, false),
            ("ffn_down", "mlp.fc2", W, F, false),
            ("layer_output_norm", "norm2", W, 0, true),
        ],
        stack: "encoder.layers",
        prefix: "",
        layers: 2,
        head: &[],
    },
    Recipe {
        name: "gte",
        gguf: "",
        config: || {
            json!({"model_type": "gte", "architectures": ["GteModel"], "layer_norm_eps": 1e-12,
            "type_vocab_size": 1, "rope_parameters": {"rope_type": "default", "rope_theta": 160_000.0}})
        },
        outside: &[
            ("token_embd", "embeddings.word_embeddings", TOKENS, W, false),
            ("token_types", "embeddings.token_type_embeddings", 1, W, false),
            ("token_embd_norm", "embeddings.LayerNorm", W, 0, true),
        ],
        layer: &[
            ("attn_qkv", "attention.qkv_proj", 3 * W, W, true),
            ("attn_output", "attention.o_proj", W, W, true),
            ("attn_output_norm", "attn_ln", W, 0, true),
            ("ffn_up", "mlp.up_gate_proj", 2 * F, W, false),
            ("ffn_down", "mlp.down_proj", W, F, true),
            ("layer_output_norm", "mlp_ln", W, 0, true),
        ],
        stack: "encoder.layer",
        prefix: "new.",
        layers: 2,
        head: &[],
    },
    Recipe {
        name: "jina-bert-v2",
        gguf: "jina-bert-v2",
        config: || Json::Null,
        outside: &[
            ("token_embd", "", TOKENS, W, false),
            ("token_types", "", 2, W, false),
            ("token_embd_norm", "", W, 0, true),
        ],
        layer: &[
            ("attn_q", "", W, W, true),
            ("attn_k", "", W, W, true),
            ("attn_v", "", W, W, true),
            ("attn_q_norm", "", W, 0, true),
            ("attn_k_norm", "", W, 0, true),
            ("attn_output", "", W, W, true),
            ("attn_output_norm", "", W, 0, true),
            ("ffn_gate", "", F, W, false),
            ("ffn_up", "", F, W, false),
            ("ffn_down", "", W, F, true),
            ("layer_output_norm", "", W, 0, true),
        ],
        stack: "",
        prefix: "",
        layers: 2,
        head: &[],
    },
    Recipe {
        name: "modern-bert-scores",
        gguf: "modern-bert",
        config: || {
            json!({"model_type": "modernbert", "architectures": ["ModernBertForSequenceClassification"],
            "num_labels": 1, "id2label": {"0": "LABEL_0"}, "norm_eps": 1e-5, "classifier_pooling": "mean",
            "global_attn_every_n_layers": 3, "local_attention": WINDOW, "global_rope_theta": 160_000.0,
            "local_rope_theta": 10_000.0})
        },
        outside: &[
            ("token_embd", "embeddings.tok_embeddings", TOKENS, W, false),
            ("token_embd_norm", "embeddings.norm", W, 0, false),
            ("output_norm", "final_norm", W, 0, false),
        ],
        layer: &[
            ("attn_norm", "attn_norm", W, 0, false),
            ("attn_qkv", "attn.Wqkv", 3 * W, W, false),
            ("attn_output", "attn.Wo", W, W, false),
            ("ffn_norm", "mlp_norm", W, 0, false),
            ("ffn_up", "mlp.Wi", 2 * F, W, false),
            ("ffn_down", "mlp.Wo", W, F, false),
        ],
        stack: "layers",
        prefix: "model.",
        layers: 4,
        head: &[
            ("cls", "head.dense", W, W, false),
            ("cls.norm", "head.norm", W, 0, false),
            ("cls.output", "classifier", 1, W, true),
        ],
    },
];

const BERT: &[Row] = &[
    ("token_embd", "embeddings.word_embeddings", TOKENS, W, false),
    ("position_embd", "embeddings.position_embeddings", LONGEST, W, false),
    ("token_types", "embeddings.token_type_embeddings", 2, W, false),
    ("token_embd_norm", "embeddings.LayerNorm", W, 0, true),
];

const BERT_LAYER: &[Row] = &[
    ("attn_q", "attention.self.query", W, W, true),
    ("attn_k", "attention.self.key", W, W, true),
    ("attn_v", "attention.self.value", W, W, true),
    ("attn_output", "attention.output.dense", W, W, true),
    ("attn_output_norm", "attention.output.LayerNorm", W, 0, true),
    ("ffn_up", "intermediate.dense", F, W, true),
    ("ffn_down", "output.dense", W, F, true),
    ("layer_output_norm", "output.LayerNorm", W, 0, true),
];

/// Texts of several lengths, as token numbers; the first tokens are those of a tokenizer's own.
pub(crate) fn texts() -> Vec<Vec<u32>> {
    let token =
        |length: usize, index: usize| 5 + ((index * index * 7 + index * 31 + length) % (TOKENS - 5)) as u32;
    let text = |length: usize| {
        let inner = (1..length.saturating_sub(1)).map(move |index| token(length, index));
        std::iter::once(2).chain(inner).chain((length > 1).then_some(3)).collect()
    };
    [1, 5, 17, LONGEST].into_iter().map(text).collect()
}

impl Recipe {
    pub(crate) fn has_checkpoint(&self) -> bool {
        !(self.config)().is_null()
    }

    pub(crate) fn has_head(&self) -> bool {
        !self.head.is_empty()
    }

    /// Whether the model's tokenizer begins texts with `<s>` and parts pairs with two tokens.
    fn doubled(&self) -> bool {
        ["xlm-roberta-scores", "mpnet"].contains(&self.name)
    }

    /// Writes the model as a folder in Hugging Face's layout; makes the folder.
    pub(crate) fn folder(&self, into: &Path) -> io::Result<()> {
        fs::create_dir_all(into)?;
        let mut config = json!({"vocab_size": TOKENS, "hidden_size": W, "num_hidden_layers": self.layers,
            "num_attention_heads": HEADS, "intermediate_size": F, "max_position_embeddings": LONGEST, "pad_token_id": 0,
            "bos_token_id": 2, "eos_token_id": 3, "torch_dtype": "float32"});
        let own = (self.config)();
        for (name, value) in own.as_object().into_iter().flatten() {
            config[name] = value.clone();
        }
        fs::write(into.join("config.json"), serde_json::to_vec_pretty(&config)?)?;
        fs::write(into.join("tokenizer.json"), serde_json::to_vec_pretty(&tokenizer_json(self.doubled()))?)?;
        let tensors = self.tensors();
        let data: Vec<Vec<u8>> = tensors.iter().map(|tensor| bytes(&tensor.numbers)).collect();
        let numbers: Vec<safetensors::Numbers<'_>> = tensors
            .iter()
            .zip(&data)
            .map(|(tensor, data)| safetensors::Numbers {
                name: &tensor.theirs,
                dtype: Dtype::F32,
                shape: &tensor.shape,
                data,
            })
            .collect();
        let file = fs::File::create(into.join("model.safetensors"))?;
        safetensors::write(&[("format", "pt")], &numbers, file).map_err(io::Error::other)
    }

    /// Writes the model as a GGUF file.
    pub(crate) fn gguf(&self) -> io::Result<Vec<u8>> {
        let key = |name: &str| format!("{}.{name}", self.gguf);
        let config = (self.config)();
        let epsilon = ["layer_norm_eps", "norm_eps"].iter().find_map(|name| config.get(name)?.as_f64());
        let words = (5..TOKENS).map(|index| format!("\u{2581}w{index}"));
        let tokens =
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned).into_iter().chain(words);
        let types = (0..TOKENS).map(|index| if index < 5 { 3_i32 } else { 1 });
        let kinds = if self.name == "xlm-roberta-scores" { 1_u32 } else { 2 };
        let mut writer = Writer::new()
            .set("general.architecture", self.gguf)
            .set(key("block_count"), self.layers as u32)
            .set(key("context_length"), LONGEST as u32)
            .set(key("embedding_length"), W as u32)
            .set(key("feed_forward_length"), F as u32)
            .set(key("attention.head_count"), HEADS as u32)
            .set(key("attention.layer_norm_epsilon"), epsilon.unwrap_or(1e-12) as f32)
            .set(key("attention.causal"), false)
            .set("tokenizer.ggml.model", "bert")
            .set("tokenizer.ggml.pre", "default")
            .set("tokenizer.ggml.tokens", tokens.collect::<Vec<_>>())
            .set("tokenizer.ggml.token_type", types.collect::<Vec<_>>())
            .set("tokenizer.ggml.token_type_count", kinds)
            .set("tokenizer.ggml.cls_token_id", 2_u32)
            .set("tokenizer.ggml.seperator_token_id", 3_u32)
            .set("tokenizer.ggml.padding_token_id", 0_u32)
            .set("tokenizer.ggml.unknown_token_id", 1_u32);
        if self.gguf == "modern-bert" {
            writer = writer
                .set(key("attention.sliding_window"), WINDOW)
                .set(key("attention.sliding_window_pattern"), 3_u32)
                .set(key("rope.freq_base"), 160_000.0_f32)
                .set(key("rope.freq_base_swa"), 10_000.0_f32);
        }
        if self.gguf == "nomic-bert" {
            writer = writer.set(key("rope.freq_base"), 1000.0_f32);
        }
        if self.has_head() {
            writer = writer.set(key("pooling_type"), 4_u32).set(key("classifier.output_labels"), ["LABEL_0"]);
        }
        for tensor in self.tensors() {
            // Converters leave out positions that no token gets.
            let skipped =
                if tensor.ours == "position_embd.weight" { tensor.shape[0] as usize - LONGEST } else { 0 };
            let mut dims: Vec<u64> = tensor.shape.iter().rev().copied().collect();
            if let [_, rows] = dims.as_mut_slice() {
                *rows -= skipped as u64;
            }
            let numbers = &tensor.numbers[skipped * W..];
            writer = writer.tensor(tensor.ours, TensorType::F32, &dims, bytes(numbers));
        }
        let mut file = Vec::new();
        writer.write(&mut file).map_err(io::Error::other)?;
        Ok(file)
    }

    fn tensors(&self) -> Vec<Tensor> {
        let mut tensors = Vec::new();
        for row in self.outside {
            self.push(row, row.0, &format!("{}{}", self.prefix, row.1), &mut tensors);
        }
        for index in 0..self.layers {
            for row in self.layer {
                // The first layer of such models has no norm of its own.
                if row.0 == "attn_norm" && index == 0 {
                    continue;
                }
                let theirs = format!("{}{}.{index}.{}", self.prefix, self.stack, row.1);
                self.push(row, &format!("blk.{index}.{}", row.0), &theirs, &mut tensors);
            }
        }
        for row in self.head {
            self.push(row, row.0, row.1, &mut tensors);
        }
        tensors
    }

    fn push(&self, row: &Row, ours: &str, theirs: &str, to: &mut Vec<Tensor>) {
        let (.., rows, columns, has_bias) = *row;
        let seed = format!("{} {ours}", self.name);
        let is_norm = columns == 0;
        let weight = if is_norm {
            numbers(&seed, rows, 32, 7).into_iter().map(|number| 1.0 + number).collect()
        } else {
            numbers(&seed, rows * columns, 128, 9)
        };
        let shape = if is_norm { vec![rows as u64] } else { vec![rows as u64, columns as u64] };
        to.push(Tensor {
            ours: format!("{ours}.weight"),
            theirs: format!("{theirs}.weight"),
            shape,
            numbers: weight,
        });
        if has_bias {
            to.push(Tensor {
                numbers: numbers(&format!("{seed} bias"), rows, 64, 8),
                ours: format!("{ours}.bias"),
                theirs: format!("{theirs}.bias"),
                shape: vec![rows as u64],
            });
        }
    }
}

/// Words `w5`, `w6` … behind the tokens of a tokenizer's own, of which the third begins a text and the fourth ends it.
fn vocabulary(doubled: bool) -> Vec<String> {
    let own = if doubled {
        ["<pad>", "[UNK]", "<s>", "</s>", "<mask>"]
    } else {
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    };
    own.map(str::to_owned).into_iter().chain((5..TOKENS).map(|index| format!("w{index}"))).collect()
}

fn tokenizer_json(doubled: bool) -> Json {
    let vocabulary = vocabulary(doubled);
    let (before, after) = (&vocabulary[2], &vocabulary[3]);
    let special = |token: &str| json!({"SpecialToken": {"id": token, "type_id": 0}});
    let sequence = |name: &str| json!({"Sequence": {"id": name, "type_id": 0}});
    let single = vec![special(before), sequence("A"), special(after)];
    let mut pair = single.clone();
    pair.extend(doubled.then(|| special(after)));
    pair.extend([sequence("B"), special(after)]);
    let own = |id: usize| {
        json!({"id": id, "content": vocabulary[id], "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": false, "special": true})
    };
    let ids: serde_json::Map<String, Json> =
        vocabulary.iter().enumerate().map(|(id, token)| (token.clone(), json!(id))).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": (0..5).map(own).collect::<Vec<_>>(),
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": {
            before.as_str(): {"id": before, "ids": [2], "tokens": [before]},
            after.as_str(): {"id": after, "ids": [3], "tokens": [after]},
        }},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": ids},
    })
}

struct Tensor {
    ours: String,
    theirs: String,
    shape: Vec<u64>,
    numbers: Vec<f32>,
}

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Whole numbers of `-limit..=limit`, divided by two to the power of `bits` (Steele, Lea and Flood, "Fast splittable
/// pseudorandom number generators", 2014: SplitMix64, seeded by FNV-1a).
fn numbers(seed: &str, count: usize, limit: i64, bits: i32) -> Vec<f32> {
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut state = seed.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let scale = (-f64::from(bits)).exp2();
    (0..count).map(|_| ((next() % (2 * limit as u64 + 1)) as i64 - limit) as f32 * scale as f32).collect()
}
