//! What must hold whatever a reader is given, or a form that output keeps to.

use std::{ops::ControlFlow, sync::LazyLock};

use athenaeum_core::Provider;
use athenaeum_inference::{
    constraint::{Constraint, Grammar, Vocabulary},
    tokenizer::{Special, TextStream, Tokenizer},
};
use athenaeum_ingest::{
    Item, Options,
    chunk::{Chunking, chunks},
    document::{self, Format},
    read_bytes,
};

/// Reads `bytes` as `provider`'s, or as whatever they look like.
pub fn read(provider: Option<Provider>, bytes: &[u8]) {
    let options = Options { provider, record_bytes_max: 1 << 20, ..Options::default() };
    let mut reported = 0;
    let summary = read_bytes("input.json", bytes, &options, &mut |item| {
        match item {
            Item::Conversation { conversation, .. } => {
                assert!(!conversation.messages.is_empty() && !conversation.external_id.is_empty());
                for (index, message) in conversation.messages.iter().enumerate() {
                    assert!(message.parent.is_none_or(|parent| (parent as usize) < index));
                }
            }
            Item::Problem(_) => reported += 1,
            Item::Progress { .. } => {}
        }
        ControlFlow::Continue(())
    });
    assert!(summary.conversations + reported > 0, "nothing found and nothing said");
}

/// Reads `bytes` as a document of `format` and cuts it.
pub fn document(format: Format, bytes: &[u8]) {
    let options = document::Options {
        format: Some(format),
        ocr: None,
        text_bytes_max: 1 << 20,
        ..document::Options::default()
    };
    let Ok(reading) = document::read_bytes("input", bytes, &options) else { return };
    let chunking = Chunking { tokens_max: 64, ..Chunking::of(reading.format) };
    let mut covered = 0;
    for chunk in chunks(&reading, &chunking, &str::len) {
        assert!(reading.text[covered.min(chunk.range.start)..chunk.range.start].trim().is_empty());
        covered = chunk.range.end;
        let bytes_of = reading.places.of(chunk.range).bytes.unwrap_or_default();
        assert!(bytes_of.end <= bytes.len() as u64);
    }
    assert!(reading.text[covered..].trim().is_empty());
}

/// Follows a form where `choices` lead, byte by byte, and returns the text if it comes to an end.
pub fn written(grammar: &Grammar, choices: &[u8]) -> Option<Vec<u8>> {
    static BYTES: LazyLock<Vec<[u8; 1]>> = LazyLock::new(|| (0..=255).map(|byte| [byte]).collect());
    static VOCABULARY: LazyLock<Option<Vocabulary>> = LazyLock::new(|| {
        Vocabulary::new(257, &[256], |token| BYTES.get(token as usize).map(|byte| &byte[..])).ok()
    });
    let mut constraint = Constraint::new(VOCABULARY.as_ref()?, grammar).ok()?;
    let mut text = Vec::new();
    for choice in choices.iter().cycle().take(200) {
        let mut logits = vec![0f32; 257];
        constraint.apply(&mut logits).ok()?;
        let allowed: Vec<u32> = (0..257).filter(|token| logits[*token as usize] == 0.0).collect();
        let token = *allowed.get(usize::from(*choice) % allowed.len().max(1))?;
        constraint.accept(token).unwrap_or_else(|error| panic!("{error}, and it was allowed"));
        if token == 256 {
            return Some(text);
        }
        text.push(token as u8);
    }
    None
}

/// Makes tokens of `text` and text of these.
pub fn tokens(tokenizer: &Tokenizer, text: &str) {
    for special in [Special::Parse, Special::Text] {
        let ids = tokenizer.encode(text, special);
        assert!(ids.iter().all(|id| (*id as usize) < tokenizer.len()));
        let mut stream = TextStream::new().with_specials();
        let mut streamed: String = ids.iter().map(|id| stream.push(tokenizer, *id)).collect();
        streamed += &stream.finish();
        assert_eq!(streamed, tokenizer.decode(&ids, true));
    }
}
