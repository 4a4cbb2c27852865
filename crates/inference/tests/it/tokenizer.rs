//! Text and tokens, with vocabularies made here.

use std::time::{Duration, Instant};

use athenaeum_inference::{
    model::gguf::{File, Typed, Writer},
    tokenizer::{Special, TextStream, Tokenizer},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const BYTE: i32 = 6;

/// What a vocabulary file says, key by key.
#[derive(Clone)]
struct Keys(Vec<(&'static str, Typed)>);

impl Keys {
    fn new(model: &str, tokens: &[(String, f32, i32)]) -> Self {
        let texts: Vec<String> = tokens.iter().map(|token| token.0.clone()).collect();
        let scores: Vec<f32> = tokens.iter().map(|token| token.1).collect();
        let types: Vec<i32> = tokens.iter().map(|token| token.2).collect();
        Self(Vec::new())
            .with("tokenizer.ggml.model", model)
            .with("tokenizer.ggml.tokens", texts)
            .with("tokenizer.ggml.scores", scores)
            .with("tokenizer.ggml.token_type", types)
    }

    fn with(mut self, key: &'static str, value: impl Into<Typed>) -> Self {
        self.0.retain(|(known, _)| *known != key);
        self.0.push((key, value.into()));
        self
    }

    fn without(mut self, key: &str) -> Self {
        self.0.retain(|(known, _)| *known != key);
        self
    }

    fn read(&self) -> Result<Tokenizer, String> {
        let writer =
            self.0.iter().fold(Writer::new(), |writer, (key, value)| writer.set(*key, value.clone()));
        let mut bytes = Vec::new();
        writer.write(&mut bytes).unwrap();
        let file = File::from_bytes(&bytes).unwrap();
        Tokenizer::from_gguf(&file.metadata).map_err(|error| error.to_string())
    }
}

fn token(text: &str, score: f32, kind: i32) -> (String, f32, i32) {
    (text.to_owned(), score, kind)
}

/// SentencePiece's BPE with all bytes: `<unk> <s> </s>`, then 256 bytes, then these.
fn spm_with(tokens: &[&str]) -> Keys {
    let mut all = vec![token("<unk>", 0.0, UNKNOWN), token("<s>", 0.0, CONTROL), token("</s>", 0.0, CONTROL)];
    all.extend((0..=255).map(|byte| token(&format!("<0x{byte:02X}>"), 0.0, BYTE)));
    all.extend((0u16..).zip(tokens).map(|(rank, text)| token(text, -f32::from(rank), NORMAL)));
    Keys::new("llama", &all)
}

fn spm() -> Keys {
    spm_with(&["▁hello", "hello", "▁h", "el", "lo", "hel", "▁hel", "▁", "▁▁", "h", "e", "l", "o", "é", "▁w"])
}

/// The character that GPT-2 writes for a byte.
fn written(byte: u8) -> char {
    let plain = |byte: u8| matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
    let others = (0..byte).filter(|byte| !plain(*byte)).count() as u32;
    char::from_u32(if plain(byte) { byte.into() } else { 256 + others }).unwrap()
}

/// Byte-level BPE with all bytes (256 of them), what these merges make, and `<|im_end|>` and `<|x|>`.
fn bpe(pre: &str) -> Keys {
    let merges = ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "Ġ Ġ", "1 2", "12 3", "Ã ©"];
    let mut all: Vec<_> = (0..=255).map(|byte| token(&written(byte).to_string(), 0.0, NORMAL)).collect();
    all.extend(merges.iter().map(|merge| token(&merge.replace(' ', ""), 0.0, NORMAL)));
    all.push(token("<|im_end|>", 0.0, CONTROL));
    all.push(token("<|x|>", 0.0, USER_DEFINED));
    Keys::new("gpt2", &all)
        .with("tokenizer.ggml.pre", pre)
        .with("tokenizer.ggml.merges", merges.map(str::to_owned).to_vec())
}

fn wordpiece() -> Keys {
    let texts = ["[UNK]", "[CLS]", "[SEP]", "▁hello", "▁he", "llo", "▁,", "▁一", "▁uber", "s"];
    let kind = |id| if id < 3 { CONTROL } else { NORMAL };
    let all: Vec<_> = texts.iter().enumerate().map(|(id, text)| token(text, 0.0, kind(id))).collect();
    Keys::new("bert", &all)
        .with("tokenizer.ggml.unknown_token_id", 0_u32)
        .with("tokenizer.ggml.bos_token_id", 1_u32)
        .with("tokenizer.ggml.seperator_token_id", 2_u32)
}

fn unigram() -> Keys {
    let all = [
        token("<pad>", 0.0, CONTROL),
        token("</s>", 0.0, CONTROL),
        token("<unk>", 0.0, UNKNOWN),
        token("▁", -2.0, NORMAL),
        token("▁hel", -3.0, NORMAL),
        token("lo", -3.0, NORMAL),
        token("▁hello", -5.0, NORMAL),
        token("h", -6.0, NORMAL),
        token("e", -6.0, NORMAL),
        token("l", -6.0, NORMAL),
        token("o", -6.0, NORMAL),
    ];
    Keys::new("t5", &all)
        .with("tokenizer.ggml.add_space_prefix", true)
        .with("tokenizer.ggml.remove_extra_whitespaces", true)
}

fn texts(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let shown = |id: &u32| {
        let text = String::from_utf8_lossy(tokenizer.bytes(*id)).into_owned();
        if tokenizer.is_special(*id) { format!("[{text}]") } else { text }
    };
    ids.iter().map(shown).collect::<Vec<_>>().join("|")
}

/// Tokens as they contribute to the text, control tokens in brackets.
#[track_caller]
fn check(keys: &Keys, text: &str, expected: &str) {
    let tokenizer = keys.read().unwrap();
    let ids = tokenizer.encode(text, Special::Parse);
    assert_eq!(texts(&tokenizer, &ids), expected, "{text:?}");
}

#[test]
fn sentencepiece_joins_the_best_pair_first() {
    check(&spm(), "hello", " hello");
    check(&spm(), "hello  hello", " hello| | hello");
    check(&spm(), "o   o", " |o|  | |o");
    check(&spm(), "helo", " hel|o");
    check(&spm(), "</s>hello", "[</s>]| hello");
    check(&spm().with("tokenizer.ggml.add_space_prefix", false), "hello", "hello");
    check(&spm(), "", "");
    let tokenizer = spm().read().unwrap();
    assert_eq!(tokenizer.encode("ü", Special::Text), [3 + 256 + 7, 3 + 0xC3, 3 + 0xBC]);
    assert_eq!(tokenizer.decode(&tokenizer.encode("ü </s>", Special::Parse), true), "ü </s>");
}

#[test]
fn byte_level_merges_stay_within_words() {
    check(&bpe("gpt-2"), "hello world", "hello| wor|l|d");
    check(&bpe("gpt-2"), "12345", "123|4|5");
    check(&bpe("starcoder"), "123", "1|2|3");
    check(&bpe("gpt-2"), "é<|im_end|>\n", "é|[<|im_end|>]|\n");
    check(&bpe("gpt-2"), "a<|x|>", "a|<|x|>");
    let tokenizer = bpe("gpt-2").read().unwrap();
    assert_eq!(tokenizer.encode("<|im_end|>", Special::Text).len(), 10);
    assert_eq!(tokenizer.encode("<|x|>", Special::Text).len(), 1);
}

#[test]
fn whole_words_come_before_merges_where_the_model_says_so() {
    // "hell" and "o" cannot be joined, but "hello" is a token.
    let keys =
        |pre| bpe(pre).with("tokenizer.ggml.merges", ["h e", "l l", "he ll"].map(str::to_owned).to_vec());
    check(&keys("gpt-2"), "hello", "hell|o");
    check(&keys("llama-bpe"), "hello", "hello");
}

#[test]
fn wordpiece_takes_the_longest_beginning() {
    check(&wordpiece(), "Hello, hellos", " hello| ,| hello|s");
    check(&wordpiece(), "hex 一一", "[[UNK]]| 一| 一");
    check(&wordpiece(), "Übers[SEP]", " uber|s|[[SEP]]");
    let tokenizer = wordpiece().read().unwrap();
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), Some(2)));
    assert!(tokenizer.adds_bos() && tokenizer.adds_eos());
    assert_eq!(tokenizer.decode(&[1, 3, 6, 3, 9, 2], false), "hello , hellos");
}

#[test]
fn unigram_takes_the_likeliest_way() {
    check(&unigram(), "hello", " hello");
    check(&unigram(), " hello  lo ", " hello| |lo");
    check(&unigram(), "helxx", " hel|[<unk>]");
    check(&unigram(), "hello</s>", " hello|[</s>]");
    assert!(unigram().read().unwrap().adds_eos());
}

#[test]
fn what_ends_an_answer_is_known_by_number_or_by_text() {
    let tokenizer = bpe("qwen2").with("tokenizer.ggml.eos_token_id", 3_u32).read().unwrap();
    let end = tokenizer.id("<|im_end|>").unwrap();
    assert_eq!(tokenizer.generation_ends(), [3, end]);
    assert!(!tokenizer.ends_generation(4) && !tokenizer.adds_bos());
    let harmony = |more: &str| {
        let all = ["<|end|>", "<|call|>", more].map(|text| token(text, 0.0, NORMAL));
        let keys = Keys::new("gpt2", &all).with("tokenizer.ggml.merges", Vec::<String>::new());
        let tokenizer = keys.with("tokenizer.ggml.pre", "gpt-4o").read().unwrap();
        assert!(tokenizer.is_special(1));
        tokenizer.generation_ends().to_vec()
    };
    assert_eq!(harmony("<|return|>"), [1, 2]);
    assert_eq!(harmony("other"), [0, 1]);
}

#[test]
fn some_control_tokens_take_white_space_with_them() {
    check(&spm(), "</s> \n hello", "[</s>]|  |\n| hello");
    check(&spm().with("general.name", "Phi-3 mini"), "</s> \n hello", "[</s>]| hello");
}

#[test]
fn tokens_become_whole_characters() {
    let tokenizer = bpe("gpt-2").read().unwrap();
    let mut stream = TextStream::new();
    let ids = tokenizer.encode("a🦙<|im_end|>b", Special::Parse);
    let pieces: Vec<String> = ids.iter().map(|id| stream.push(&tokenizer, *id)).collect();
    assert_eq!(pieces, ["a", "", "", "", "🦙", "", "b"]);
    assert_eq!(stream.push(&tokenizer, 0xF0), "");
    assert_eq!((stream.finish().as_str(), stream.finish().as_str()), ("\u{FFFD}", ""));
    let mut stream = TextStream::new().with_specials();
    assert_eq!(ids.iter().map(|id| stream.push(&tokenizer, *id)).collect::<String>(), "a🦙<|im_end|>b");
    let tokenizer = spm().read().unwrap();
    let hello = tokenizer.encode("hello", Special::Text)[0];
    assert_eq!(TextStream::new().push(&tokenizer, hello), "hello");
    assert_eq!(TextStream::continuing().push(&tokenizer, hello), " hello");
}

#[test]
fn what_does_not_fit_together_is_refused_with_a_reason() {
    let refused = |keys: Keys, reason: &str| {
        let error = keys.read().unwrap_err();
        assert!(error.contains(reason), "{error:?} says nothing of {reason:?}");
    };
    refused(spm().without("tokenizer.ggml.model"), "tokenizer.ggml.model is missing");
    refused(spm().without("tokenizer.ggml.tokens"), "tokenizer.ggml.tokens is missing");
    refused(spm().with("tokenizer.ggml.model", 1_u32), "not a text");
    refused(spm().with("tokenizer.ggml.tokens", vec![1_u32]), "not a list of texts");
    refused(spm().with("tokenizer.ggml.tokens", Vec::<String>::new()), "empty");
    refused(spm().with("tokenizer.ggml.scores", vec![0.0_f32; 5]), "5 values for 274 tokens");
    refused(spm().with("tokenizer.ggml.scores", vec![f32::NAN; 300]), "score of token 0");
    refused(spm().with("tokenizer.ggml.token_type", vec![1_i32; 5]), "5 values");
    refused(spm().with("tokenizer.ggml.bos_token_id", "one"), "bos_token_id is not the number");
    refused(spm().with("tokenizer.ggml.add_bos_token", 1_u32), "not true or false");
    for kind in ["rwkv", "plamo2", "none", "hybriddna", "else"] {
        refused(spm().with("tokenizer.ggml.model", kind), kind);
    }
    refused(bpe("unheard-of"), "\"unheard-of\"");
    refused(bpe("gpt-2").without("tokenizer.ggml.merges"), "tokenizer.ggml.merges is missing");
    refused(bpe("gpt-2").with("tokenizer.ggml.merges", vec!["ab".to_owned()]), "\"ab\"");
    refused(Keys::new("llama", &[token("a", 0.0, NORMAL), token("a", 0.0, NORMAL)]), "twice");
    let no_bytes = [token("a", 0.0, NORMAL)];
    refused(Keys::new("bert", &no_bytes), "no token for text");
    refused(Keys::new("t5", &no_bytes), "no token for text");
    refused(unigram().with("tokenizer.ggml.precompiled_charsmap", vec![9_u8; 9]), "damaged");
}

#[test]
fn numbers_beyond_the_last_token_are_as_good_as_none() {
    let tokenizer = bpe("gpt-2").with("tokenizer.ggml.eos_token_id", 4_000_000_000_u32).read().unwrap();
    assert_eq!(tokenizer.eos(), None);
    assert_eq!(
        (tokenizer.bytes(4_000_000_000), tokenizer.decode(&[u32::MAX], true)),
        (&b""[..], String::new())
    );
    assert!(!tokenizer.is_special(u32::MAX) && !tokenizer.ends_generation(u32::MAX));
    let assumed = bpe("default").without("tokenizer.ggml.pre").read().unwrap();
    assert_eq!(assumed.notes().len(), 1);
}

/// 32 KiB of one thing, for each kind of tokenizer. Unoptimised, each takes a fraction of a second; anything that grows with the square of the length would take minutes.
#[test]
fn no_text_takes_for_ever() {
    let mut all = vec![spm(), wordpiece(), unigram()];
    all.extend(
        ["gpt-2", "llama-bpe", "gpt-4o", "deepseek-llm", "deepseek-v3", "tiny_aya", "superbpe"].map(bpe),
    );
    all.push(bpe("gemma4").with("tokenizer.ggml.model", "gemma4"));
    let started = Instant::now();
    for keys in all {
        let tokenizer = keys.read().unwrap();
        for unit in ["h", " ", "▁", "🦙", "\u{301}", "1", "\n", "A", "he", "'"] {
            let mut text = unit.repeat((1 << 15) / unit.len());
            text.push('!');
            assert!(!tokenizer.encode(&text, Special::Parse).is_empty());
        }
    }
    assert!(started.elapsed() < Duration::from_secs(120), "{:?}", started.elapsed());
}

fn json(pre_tokenizer: &Value, model: &Value) -> Value {
    json!({
        "version": "1.0",
        "added_tokens": [{"id": 0, "content": "<s>", "special": true}, {"id": 9, "content": "<tool>", "special": false}],
        "normalizer": null,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        },
        "decoder": {"type": "ByteLevel"},
        "model": model,
    })
}

fn small_bpe() -> Value {
    json!({
        "type": "BPE",
        "vocab": {"<s>": 0, "h": 1, "e": 2, "he": 3, "Ġ": 4, "l": 5, "o": 6, "Ġhe": 7},
        "merges": ["h e", ["Ġ", "he"]],
    })
}

#[test]
fn a_tokenizer_json_says_the_same_in_other_words() {
    let file = json(&json!({"type": "ByteLevel", "add_prefix_space": false}), &small_bpe());
    let config = json!({"eos_token": {"content": "<tool>"}, "pad_token": "<s>", "add_eos_token": false});
    let tokenizer = Tokenizer::from_json(file.to_string().as_bytes(), Some(&config)).unwrap();
    assert_eq!(tokenizer.encode("<s>he he<tool>", Special::Parse), [0, 3, 7, 9]);
    assert_eq!(tokenizer.encode("<s>", Special::Text), Vec::<u32>::new(), "no token for any of these");
    assert_eq!(tokenizer.decode(&[0, 3, 7, 9], true), "<s>he he<tool>");
    assert_eq!((tokenizer.bos(), tokenizer.eos(), tokenizer.pad()), (Some(0), Some(9), Some(0)));
    assert!(tokenizer.adds_bos() && !tokenizer.adds_eos() && tokenizer.ends_generation(9));
    assert_eq!(
        (tokenizer.len(), tokenizer.id("<tool>"), tokenizer.bytes(8)),
        (10, Some(9), &b"[EMPTY_8]"[..])
    );
}

/// A file of 300 bytes that gave one token the number 1,541,541 took about a second.
#[test]
fn numbers_without_tokens_are_bounded_by_the_tokens_there_are() {
    let with_last = |last: u32| {
        let mut file = json(&json!({"type": "ByteLevel", "add_prefix_space": false}), &small_bpe());
        file["added_tokens"][1]["id"] = last.into();
        Tokenizer::from_json(file.to_string().as_bytes(), None)
    };
    // Ten are named: eight by the model, two beside it.
    let most = (1 << 19) + 3 * 10 - 1;
    let tokenizer = with_last(most).unwrap();
    assert_eq!((tokenizer.len(), tokenizer.id("<tool>")), (most as usize + 1, Some(most)));
    assert_eq!(
        with_last(most + 1).unwrap_err().to_string(),
        "the vocabulary names 10 tokens and gives one the number 524318; nearly all numbers before it would be of no token, so convert the model again"
    );
}

#[test]
fn parts_of_a_tokenizer_json_that_are_not_known_are_named() {
    let refused = |file: Value, reason: &str| {
        let error = Tokenizer::from_json(file.to_string().as_bytes(), None).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let told = format!("{error}: {source}");
        assert!(told.contains(reason), "{told:?} says nothing of {reason:?}");
    };
    refused(json!({}), "missing field");
    refused(
        json(&json!({"type": "Unheard"}), &small_bpe()),
        "a pre-tokenizer that is not supported: Unheard",
    );
    refused(json(&Value::Null, &json!({"type": "Unheard", "vocab": {"a": 1}})), "Unheard");
    refused(json(&Value::Null, &json!({"type": "BPE", "vocab": {"a": 1}, "merges": ["a b"]})), "\"b\"");
    refused(
        json(&Value::Null, &json!({"type": "BPE", "vocab": {"a": 1}, "merges": ["ab"]})),
        "not two texts",
    );
    refused(
        json(&Value::Null, &json!({"type": "BPE", "vocab": {"a": 4_294_967_295_u32}, "merges": []})),
        "tokens, more than",
    );
    let split = json!({"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated"});
    refused(json(&split, &small_bpe()), "a group has no end");
    let mut nested = json!({"type": "Digits"});
    for _ in 0..30 {
        nested = json!({"type": "Sequence", "pretokenizers": [nested]});
    }
    refused(json(&nested, &small_bpe()), "a sequence");
}

fn any_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("hello".to_owned()),
        Just(" ".to_owned()),
        Just("</s>".to_owned()),
        Just("<|im_end|>".to_owned()),
        Just("▁".to_owned()),
        "[a-z0-9 ,\n]{0,8}",
        any::<String>(),
    ];
    vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn text_comes_back_from_its_tokens(text in any_text()) {
        for keys in [bpe("gpt-2"), bpe("llama-bpe"), bpe("deepseek-v3"), bpe("deepseek-llm"), bpe("superbpe")] {
            let tokenizer = keys.read().unwrap();
            for special in [Special::Parse, Special::Text] {
                let ids = tokenizer.encode(&text, special);
                prop_assert_eq!(&tokenizer.decode(&ids, true), &text);
                prop_assert!(special == Special::Parse || ids.iter().all(|id| !tokenizer.is_special(*id)));
            }
        }
        // What is written as a space comes back as one.
        let tokenizer = spm().read().unwrap();
        let ids = tokenizer.encode(&text, Special::Text);
        prop_assert_eq!(tokenizer.decode(&ids, true), text.replace('▁', " "));
        prop_assert!(ids.iter().all(|id| !tokenizer.is_special(*id)));
        let ids = tokenizer.encode(&text, Special::Parse);
        prop_assert_eq!(tokenizer.decode(&ids, true), text.replace('▁', " "));
    }

    #[test]
    fn a_stream_tells_what_decode_tells(ids in vec(0u32..300, 0..40), specials: bool) {
        for keys in [bpe("gpt-2"), spm(), unigram()] {
            let tokenizer = keys.read().unwrap();
            let mut stream = if specials { TextStream::new().with_specials() } else { TextStream::new() };
            let mut text: String = ids.iter().map(|id| stream.push(&tokenizer, *id)).collect();
            text += &stream.finish();
            prop_assert_eq!(text, tokenizer.decode(&ids, specials));
        }
    }

    #[test]
    fn any_vocabulary_is_read_or_refused(
        model in prop_oneof![Just("llama"), Just("gpt2"), Just("bert"), Just("t5"), Just("gemma4")],
        pre in prop_oneof![Just("gpt-2"), Just("llama-bpe"), Just("gemma4"), Just("default"), Just("whitespace")],
        tokens in vec(prop_oneof!["[a-c▁]{0,3}", "<0x[0-9A-F]{1,2}>", any::<String>()], 0..20),
        scores in vec(any::<f32>(), 0..24),
        types in vec(-1..8i32, 0..24),
        merges in vec("[a-c▁]{0,2} ?[a-c]{0,2}", 0..10),
        role in any::<u32>(),
        charsmap in vec(any::<u8>(), 0..64),
        text in any_text(),
    ) {
        let mut keys = Keys(Vec::new())
            .with("tokenizer.ggml.model", model)
            .with("tokenizer.ggml.pre", pre)
            .with("tokenizer.ggml.tokens", tokens)
            .with("tokenizer.ggml.scores", scores)
            .with("tokenizer.ggml.merges", merges)
            .with("tokenizer.ggml.unknown_token_id", role % 8)
            .with("tokenizer.ggml.eos_token_id", role);
        if role % 3 == 0 {
            keys = keys.with("tokenizer.ggml.token_type", types);
        }
        if role % 5 == 0 {
            keys = keys.with("tokenizer.ggml.precompiled_charsmap", charsmap);
        }
        if let Ok(tokenizer) = keys.read() {
            for special in [Special::Parse, Special::Text] {
                let ids = tokenizer.encode(&text, special);
                prop_assert!(ids.iter().all(|id| (*id as usize) < tokenizer.len()));
                tokenizer.decode(&ids, true);
            }
        }
    }
}
