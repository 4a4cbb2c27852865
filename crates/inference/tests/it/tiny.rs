//! The model of `examples/models`, in every form and format, against what llama.cpp says with it.
//!
//! Its answers are certain, so that a token is another only where something is wrong: a weight, a rotation, a mask.

use std::path::{Path, PathBuf};

use athenaeum_inference::{
    cache::{Cache, PAGE, Page},
    decoder::{Decoder, Row, Want, Work},
    kernels::{Format, Pool, dequantize, quantize},
    model::{
        self, Model,
        gguf::{File, TensorType, Typed, Writer},
    },
    reply::{self, Event},
    template::{Conversation, Template},
    tokenizer::{Special, Tokenizer},
    weights::Access,
};
use serde::Deserialize;
use serde_json::value::RawValue;

#[test]
fn both_forms_say_what_llama_cpp_says() {
    for name in ["tiny.gguf", "tiny"] {
        check(&model::open(&models().join(name)).unwrap(), Format::F32, 1);
    }
}

#[test]
fn caches_of_fewer_bits_change_nothing() {
    let model = model::open(&models().join("tiny.gguf")).unwrap();
    for format in [Format::F16, Format::Q8_0] {
        check(&model, format, 4);
    }
}

#[test]
fn weights_of_other_formats_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (format, tensor_type) in [
        (Format::F32, TensorType::F32),
        (Format::BF16, TensorType::BF16),
        (Format::Q8_0, TensorType::Q8_0),
        (Format::Q4_0, TensorType::Q4_0),
    ] {
        let path = folder.path().join(format!("{}.gguf", format.name()));
        std::fs::write(&path, stored_as(format, tensor_type)).unwrap();
        check(&model::open(&path).unwrap(), Format::F16, 3);
    }
}

#[test]
fn token_by_token_it_recites() {
    let model = model::open(&models().join("tiny.gguf")).unwrap();
    let mut run = Run::new(&model, Format::F16);
    let expected = expected();
    let case = expected.cases.iter().find(|case| case.prompt.starts_with("In the beginning")).unwrap();
    assert_eq!(case.ids.len(), 256);
    let mut next = *run.most_likely(&case.prompt_ids, 0).last().unwrap();
    for (index, &id) in case.ids.iter().enumerate() {
        assert_eq!(next, id, "token {index}");
        next = run.most_likely(&[id], case.prompt_ids.len() + index)[0];
    }
    let text = std::fs::read_to_string(models().join("text/genesis.txt")).unwrap();
    assert!(text.starts_with(&format!("{}{}", case.prompt, case.text)));
}

#[test]
fn text_becomes_the_same_tokens_and_text_again() {
    for name in ["tiny.gguf", "tiny"] {
        let tokenizer = Tokenizer::of(&model::open(&models().join(name)).unwrap()).unwrap();
        assert!(!tokenizer.adds_bos() && !tokenizer.adds_eos());
        for case in expected().cases {
            assert_eq!(tokenizer.encode(&case.prompt, Special::Parse), case.prompt_ids, "{:?}", case.prompt);
            assert_eq!(tokenizer.decode(&case.ids, true), case.text);
            let ends = case.ids.last().is_some_and(|id| tokenizer.ends_generation(*id));
            assert_eq!(ends, case.finish == "stop", "{:?}", case.prompt);
        }
    }
}

#[test]
fn conversations_become_the_same_prompts() {
    let template = template();
    let mut seen = 0;
    for case in expected().cases {
        let Some(chat) = case.chat else { continue };
        let mut conversation = Conversation::from_json(chat.get()).unwrap();
        conversation.add_generation_prompt = true;
        assert_eq!(template.render(&conversation).unwrap(), case.prompt);
        seen += 1;
    }
    assert!(seen > 10);
}

#[test]
fn its_calls_and_thoughts_are_told_from_text() {
    let template = template();
    let (mut calls, mut thoughts) = (0, 0);
    for case in expected().cases.iter().filter(|case| case.chat.is_some()) {
        let mut reply = reply::Format::of(template.source()).reply(&case.prompt, &[]);
        let mut pieces = reply.push(case.text.trim_end_matches("<|im_end|>"));
        pieces.extend(reply.finish());
        let count = |wanted: fn(&Event) -> bool| pieces.iter().filter(|piece| wanted(&piece.event)).count();
        assert_eq!(count(|event| matches!(event, Event::Malformed { .. })), 0, "{:?}", case.text);
        calls += count(|event| matches!(event, Event::ToolCallEnded { .. }));
        thoughts += usize::from(count(|event| matches!(event, Event::Reasoning(_))) > 0);
    }
    assert_eq!((calls, thoughts), (3, 2));
}

/// Given the right tokens, the most likely next one is the right one everywhere; so greedy decoding says them all.
/// Takes each `step`th prompt.
fn check(model: &Model, cache: Format, step: usize) {
    let mut run = Run::new(model, cache);
    for case in expected().cases.into_iter().step_by(step) {
        let all = [case.prompt_ids.as_slice(), &case.ids].concat();
        let likely = run.most_likely(&all[..all.len() - 1], 0);
        assert_eq!(
            likely[case.prompt_ids.len() - 1..],
            case.ids,
            "{}: {:?}",
            model.path.display(),
            case.prompt
        );
    }
}

/// A decoder and room for one sequence.
struct Run {
    decoder: Decoder,
    cache: Cache,
    pages: Vec<Page>,
    work: Work,
    pool: Pool,
}

impl Run {
    fn new(model: &Model, format: Format) -> Self {
        let decoder = Decoder::load(model, Access::Map, CONTEXT_TOKENS).unwrap();
        let cache = Cache::new(decoder.cache_shape(format), CONTEXT_TOKENS / PAGE).unwrap();
        let pages = (0..cache.pages() as u32).map(Page).collect();
        Self { decoder, cache, pages, work: Work::default(), pool: Pool::new(1) }
    }

    /// Returns the most likely token after each of `ids`, the first of which stands at `position`.
    fn most_likely(&mut self, ids: &[u32], position: usize) -> Vec<u32> {
        let row = |(index, &token)| Row {
            token,
            position: (position + index) as u32,
            sequence: 0,
            want: Want::Logits,
        };
        let rows: Vec<Row> = ids.iter().enumerate().map(row).collect();
        let sequences = [self.pages.as_slice()];
        let output = self.decoder.forward(&rows, &sequences, &mut self.cache, &mut self.work, &self.pool);
        let highest = |logits: &[f32]| {
            let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            best.unwrap().0 as u32
        };
        output.logits.chunks_exact(output.logits.len() / rows.len()).map(highest).collect()
    }
}

/// Returns the GGUF file with all its matrices in another format.
fn stored_as(format: Format, tensor_type: TensorType) -> Vec<u8> {
    let bytes = std::fs::read(models().join("tiny.gguf")).unwrap();
    let file = File::from_bytes(&bytes).unwrap();
    let mut writer = Writer::new();
    for (key, value) in file.metadata.iter() {
        writer = writer.set(key, Typed::from(value));
    }
    for tensor in &file.tensors {
        let start = tensor.offset as usize;
        let stored = &bytes[start..start + tensor.bytes as usize];
        let (tensor_type, data) = if tensor.dims().len() == 1 {
            (tensor.tensor_type, stored.to_vec())
        } else {
            let mut numbers = vec![0.0; tensor.elements as usize];
            dequantize(Format::F16, stored, &mut numbers).unwrap();
            let mut data = vec![0; format.row_bytes(numbers.len()).unwrap()];
            quantize(format, &numbers, &mut data).unwrap();
            (tensor_type, data)
        };
        writer = writer.tensor(tensor.name.clone(), tensor_type, tensor.dims(), data);
    }
    let mut written = Vec::new();
    writer.write(&mut written).unwrap();
    written
}

fn header() -> File {
    File::from_bytes(&std::fs::read(models().join("tiny.gguf")).unwrap()).unwrap()
}

fn template() -> Template {
    let header = header();
    let source = header.metadata.get("tokenizer.chat_template").unwrap().as_text().unwrap().into_owned();
    Template::new(&source, "<|endoftext|>", "<|im_end|>").unwrap()
}

/// `examples/models` of the repository.
fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models")
}

fn expected() -> Expected {
    serde_json::from_slice(&std::fs::read(models().join("tiny.expected.json")).unwrap()).unwrap()
}

#[derive(Deserialize)]
struct Expected {
    cases: Vec<Case>,
}

/// A prompt, and what llama.cpp says after it.
#[derive(Deserialize)]
struct Case {
    prompt: String,
    prompt_ids: Vec<u32>,
    ids: Vec<u32>,
    text: String,
    finish: String,
    /// What the prompt was made of, where it was a conversation.
    chat: Option<Box<RawValue>>,
}

/// All that the model was made for.
const CONTEXT_TOKENS: usize = 1024;
