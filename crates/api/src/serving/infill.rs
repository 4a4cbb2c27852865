//! Prompts for what stands between two texts.

use athenaeum_inference::tokenizer::{Special, Tokenizer};

/// What marks a text before a gap, the one after it, and the gap, in vocabularies of models that were trained to fill
/// one: Qwen 2.5 Coder and others; StarCoder and SmolLM; DeepSeek Coder; Code Llama; CodeGemma has the first ones.
const MARKS: [[&str; 3]; 4] = [
    ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
    ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
    ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
    ["▁<PRE>", "▁<SUF>", "▁<MID>"],
];

/// Makes the tokens after which a model writes what stands between two texts; `None` for models that have not learnt
/// to. In both texts, control tokens that are spelled out are text.
pub(crate) fn between(tokenizer: &Tokenizer, prefix: &str, suffix: &str) -> Option<Vec<u32>> {
    let of = |marks: [&str; 3]| {
        let [begin, hole, end] = marks.map(|mark| tokenizer.id(mark));
        Some([begin?, hole?, end?])
    };
    let [begin, hole, end] = MARKS.into_iter().find_map(of)?;
    let encode = |text: &str| tokenizer.encode(text, Special::Text);
    let first = tokenizer.bos().filter(|_| tokenizer.adds_bos());
    let tokens = first.into_iter().chain([begin]).chain(encode(prefix));
    Some(tokens.chain([hole]).chain(encode(suffix)).chain([end]).collect())
}
