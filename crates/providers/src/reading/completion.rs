//! The pieces of llama.cpp's `/completion`.

use serde_json::Value;

use super::{
    Fault, Out,
    ending::{Ending, count},
    text_of,
};
use crate::Reason;

#[derive(Debug, Default)]
pub(super) struct Completion {
    ending: Ending,
}

impl Completion {
    pub(super) fn piece(&mut self, piece: &Value, out: &mut Out) -> Result<(), Fault> {
        out.text(text_of(piece, "content"));
        if piece.get("stop") != Some(&Value::Bool(true)) {
            return Ok(());
        }
        let word = Some(text_of(piece, "stopping_word")).filter(|word| !word.is_empty());
        match text_of(piece, "stop_type") {
            "eos" => self.ending.because(Reason::Ended, None),
            "word" => self.ending.because(Reason::Ended, word),
            "limit" => self.ending.because(Reason::Length, None),
            other => return Err(Fault::NotUnderstood(format!("it ended because of {other:?}"))),
        }
        // `tokens_cached` counts what is in the cache when all is over; what was there before stands in the timings.
        let cached = piece.get("timings").and_then(|timings| count(timings, "cache_n"));
        self.ending.counts(count(piece, "tokens_evaluated"), cached, count(piece, "tokens_predicted"));
        out.end(self.ending.end()?);
        Ok(())
    }
}
