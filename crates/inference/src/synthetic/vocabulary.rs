use serde_json::{Map, Value as Json, json};

use crate::model::gguf::Writer;

/// How many tokens the vocabulary has.
pub const TOKENS: usize = 384;
/// The token that begins a text.
pub const BOS: u32 = 1;
/// The token that ends a text.
pub const EOS: u32 = 2;

/// Pairs that become one token, the first of them first.
const MERGES: [(&str, &str); 30] = [
    ("▁", "t"),
    ("h", "e"),
    ("i", "n"),
    ("▁", "a"),
    ("e", "r"),
    ("o", "n"),
    ("r", "e"),
    ("▁", "s"),
    ("a", "t"),
    ("▁", "w"),
    ("o", "r"),
    ("n", "d"),
    ("▁", "c"),
    ("e", "n"),
    ("i", "t"),
    ("▁", "o"),
    ("i", "s"),
    ("a", "r"),
    ("e", "s"),
    ("o", "u"),
    ("▁t", "he"),
    ("in", "g"),
    ("▁a", "nd"),
    ("▁", "b"),
    ("▁", "f"),
    ("▁", "m"),
    ("▁", "p"),
    ("▁o", "f"),
    ("e", "d"),
    ("▁", "l"),
];

/// Sets the keys of a SentencePiece vocabulary with bytes to fall back to.
pub(super) fn keys(writer: Writer<'_>) -> Writer<'_> {
    let tokens = tokens();
    let (texts, scores): (Vec<String>, Vec<f32>) = tokens.iter().cloned().unzip();
    // 1 is a plain token, 2 the unknown one, 3 one that steers, 6 a byte.
    let types: Vec<i32> = (0..tokens.len())
        .map(|id| match id {
            0 => 2,
            1 | 2 => 3,
            3..259 => 6,
            _ => 1,
        })
        .collect();
    writer
        .set("tokenizer.ggml.model", "llama")
        .set("tokenizer.ggml.pre", "default")
        .set("tokenizer.ggml.tokens", texts)
        .set("tokenizer.ggml.scores", scores)
        .set("tokenizer.ggml.token_type", types)
        .set("tokenizer.ggml.bos_token_id", BOS)
        .set("tokenizer.ggml.eos_token_id", EOS)
        .set("tokenizer.ggml.unknown_token_id", 0_u32)
        .set("tokenizer.ggml.add_bos_token", true)
        .set("tokenizer.ggml.add_eos_token", false)
}

/// Returns the same vocabulary as a `tokenizer.json`, as those of Llama 2 are.
pub(super) fn tokenizer_json() -> Json {
    let tokens = tokens();
    let vocabulary: Map<String, Json> =
        tokens.iter().enumerate().map(|(id, (text, _))| (text.clone(), id.into())).collect();
    let special = |id: usize| {
        json!({
            "id": id, "content": tokens[id].0, "special": true, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false
        })
    };
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [special(0), special(1), special(2)],
        "normalizer": { "type": "Sequence", "normalizers": [
            { "type": "Prepend", "prepend": "▁" },
            { "type": "Replace", "pattern": { "String": " " }, "content": "▁" },
        ] },
        "pre_tokenizer": null,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{ "SpecialToken": { "id": "<s>", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
            "pair": [
                { "SpecialToken": { "id": "<s>", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } },
                { "SpecialToken": { "id": "<s>", "type_id": 1 } }, { "Sequence": { "id": "B", "type_id": 1 } },
            ],
            "special_tokens": { "<s>": { "id": "<s>", "ids": [BOS], "tokens": ["<s>"] } },
        },
        "decoder": { "type": "Sequence", "decoders": [
            { "type": "Replace", "pattern": { "String": "▁" }, "content": " " },
            { "type": "ByteFallback" },
            { "type": "Fuse" },
            { "type": "Strip", "content": " ", "start": 1, "stop": 0 },
        ] },
        "model": {
            "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": vocabulary,
            "merges": MERGES.iter().map(|(a, b)| format!("{a} {b}")).collect::<Vec<_>>(),
        },
    })
}

/// Returns the same with names for tokens that no text needs, the first bytes: the answers of a reranker, and the marks of
/// its chat.
pub(super) fn tokenizer_json_of_reranker() -> Json {
    let mut json = tokenizer_json();
    let (answers, marks) = (["yes", "no"], ["<|im_start|>", "<|im_end|>", "<think>", "</think>"]);
    if let Some(vocabulary) = json["model"]["vocab"].as_object_mut() {
        for (byte, name) in answers.iter().chain(&marks).enumerate() {
            vocabulary.shift_remove(&format!("<0x{byte:02X}>"));
            vocabulary.insert((*name).to_owned(), (byte + 3).into());
        }
    }
    if let Some(added) = json["added_tokens"].as_array_mut() {
        for (id, name) in (3 + answers.len()..).zip(marks) {
            added.push(json!({
                "id": id, "content": name, "special": true, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false
            }));
        }
    }
    json["post_processor"] = Json::Null;
    json
}

pub(super) fn tokenizer_config() -> Json {
    json!({
        "tokenizer_class": "LlamaTokenizer", "add_bos_token": true, "add_eos_token": false, "bos_token": "<s>",
        "eos_token": "</s>", "unk_token": "<unk>", "legacy": true, "clean_up_tokenization_spaces": false,
    })
}

/// Lists texts with their scores.
fn tokens() -> Vec<(String, f32)> {
    let mut tokens = vec![("<unk>".to_owned(), 0.0), ("<s>".to_owned(), 0.0), ("</s>".to_owned(), 0.0)];
    tokens.extend((0..=255_u8).map(|byte| (format!("<0x{byte:02X}>"), 0.0)));
    tokens.push(("▁".to_owned(), -1000.0));
    tokens.extend(('!'..='~').map(|letter| (letter.to_string(), -1000.0 - f32::from(letter as u8))));
    tokens.extend(MERGES.iter().enumerate().map(|(rank, (a, b))| (format!("{a}{b}"), -(rank as f32))));
    debug_assert_eq!(tokens.len(), TOKENS);
    tokens
}
