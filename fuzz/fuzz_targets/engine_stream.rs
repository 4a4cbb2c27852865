//! Any bytes, cut anywhere, as the answer of an engine: it ends once, and says the same as uncut.
#![no_main]

use athenaeum_providers::{Event, Wire, testing::read};

libfuzzer_sys::fuzz_target!(|input: (u8, u8, &[u8])| {
    let (wire, length, bytes) = input;
    let wires = [
        (Wire::Vllm, false),
        (Wire::OpenAi, true),
        (Wire::LlamaCpp, true),
        (Wire::Ollama, false),
        (Wire::Ollama, true),
    ];
    let (wire, texts) = wires[usize::from(wire) % wires.len()];
    let pieces: Vec<&[u8]> = bytes.chunks(usize::from(length) + 1).collect();
    let events = read(wire, texts, &pieces);
    assert_eq!(events, read(wire, texts, &[bytes]));
    let ends = events.iter().filter(|event| matches!(event, Ok(Event::End(_)) | Err(_)));
    assert_eq!(ends.count(), 1);
});
