//! Answers read without an engine, for tests and for the fuzz target.

use crate::{Event, Wire, body::Kind, reading::Reading};

/// Reads what an engine sent, in these pieces. `texts`: it was asked to go on from a text. An error stands for what makes
/// an answer of no use; one of these or an [`Event::End`] comes last.
#[must_use]
pub fn read(wire: Wire, texts: bool, pieces: &[&[u8]]) -> Vec<Result<Event, String>> {
    let mut reading = Reading::new(match (wire, texts) {
        (Wire::Ollama, false) => Kind::OllamaChat,
        (Wire::Ollama, true) => Kind::OllamaGenerate,
        (Wire::LlamaCpp, true) => Kind::Completion,
        (_, true) => Kind::Texts,
        (_, false) => Kind::Chat,
    });
    pieces.iter().for_each(|piece| reading.push(piece));
    reading.finish();
    std::iter::from_fn(|| reading.next()).map(|event| event.map_err(|fault| format!("{fault:?}"))).collect()
}
