//! What the field `options` may say: how tokens are chosen, and how much room there is.

use std::sync::LazyLock;

use athenaeum_inference::sampling::Sampling;
use serde_json::Value;

use super::beside::Beside;

use crate::{
    parameters::{Parameter, Read, Takes},
    problem::Problem,
    sampling::{self, SAMPLING},
    serving::{Ask, Truncation, Writer},
};

/// What they may say.
pub(super) static OPTIONS: LazyLock<Vec<Parameter>> = LazyLock::new(|| [SAMPLING, OWN].concat());

const LOADING: &str = "how models are loaded is a setting of the server";
const GONE: &str = "Ollama has dropped it as well";

const OWN: &[Parameter] = &[
    Parameter::new(
        "num_ctx",
        Takes::Integer(1, 1 << 30),
        "Tokens of prompt and answer together at most. The server's own limit stays.",
    ),
    Parameter::new(
        "num_predict",
        Takes::Integer(-2, 1 << 30),
        "Tokens of the answer at most; what the context leaves for anything below 1.",
    ),
    Parameter::new(
        "stop",
        Takes::Either(&[Takes::Text(1024), Takes::List(&Takes::Text(1024), 64)]),
        "The answer ends before the first of these.",
    ),
    Parameter::new(
        "draft_num_predict",
        Takes::Integer(0, 64),
        "Tokens that are guessed at once; the text stays the same.",
    ),
    Parameter::without_effect(
        "num_keep",
        Takes::Integer(-1, 1 << 30),
        "the beginning of a prompt is never shifted out: one that is too long is refused, or loses its oldest messages",
    ),
    Parameter::without_effect("num_batch", Takes::Integer(0, 1 << 30), LOADING),
    Parameter::without_effect("num_gpu", Takes::Integer(-1, 1 << 30), LOADING),
    Parameter::without_effect("main_gpu", Takes::Integer(-1, 1 << 30), LOADING),
    Parameter::without_effect("num_thread", Takes::Integer(-1, 1 << 30), LOADING),
    Parameter::without_effect("use_mmap", Takes::Bool, LOADING),
    Parameter::without_effect("use_mlock", Takes::Bool, LOADING),
    Parameter::without_effect("numa", Takes::Bool, LOADING),
    Parameter::without_effect("low_vram", Takes::Bool, LOADING),
    Parameter::without_effect("f16_kv", Takes::Bool, LOADING),
    Parameter::without_effect("vocab_only", Takes::Bool, LOADING),
    Parameter::without_effect("rope_frequency_base", Takes::Number(0.0, f64::MAX), "it is the model's own"),
    Parameter::without_effect("rope_frequency_scale", Takes::Number(0.0, f64::MAX), "it is the model's own"),
    Parameter::only("penalize_newline", Takes::Bool, &["true"], GONE),
    Parameter::only("tfs_z", Takes::Number(0.0, 100.0), &["1", "1.0"], GONE),
];

/// Ollama's defaults, where they differ from llama.cpp's.
fn defaults() -> Sampling {
    Sampling { top_p: 0.9, min_p: 0.0, ..Sampling::default() }
}

/// Fills in what the options of a request ask for, and those that came with the model where it does not say. What cannot be done
/// becomes a warning of the request.
pub(super) fn apply(read: &mut Read, model: &Writer, beside: &Beside, ask: &mut Ask) -> Result<(), Problem> {
    let mut options = beside.options.clone();
    let asked = read.value("options").and_then(Value::as_object).cloned().unwrap_or_default();
    options.extend(asked.into_iter().filter(|(_, value)| !value.is_null()));
    let options = Read::of_object(options, &OPTIONS)?;
    ask.sampling = model.sampling(&options, defaults())?;
    ask.chosen = sampling::chosen(&options);
    ask.stops = options.texts("stop").into_iter().filter(|stop| !stop.is_empty()).collect();
    ask.tokens_max =
        options.integer::<i64>("num_predict").filter(|&max| max > 0).and_then(|max| max.try_into().ok());
    ask.guesses = options.integer("draft_num_predict");
    ask.ignore_ends = options.flag("ignore_eos").unwrap_or(false);
    ask.context_tokens = options.integer("num_ctx");
    let context_tokens = model.here().and(model.context_tokens()).unwrap_or(usize::MAX);
    if let Some(asked) = ask.context_tokens.filter(|&asked| asked > context_tokens) {
        let reason = format!(
            "{asked} tokens were asked for, and the model is loaded with a context of {context_tokens}"
        );
        read.warn("options.num_ctx", reason);
    }
    // Ollama cuts unless it is told not to; here nobody loses a message without having asked for it.
    if read.flag("truncate") == Some(true) {
        ask.truncation = Truncation::Oldest;
    }
    Ok(())
}
