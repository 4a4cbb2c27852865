//! The series that llama.cpp's server has at `/metrics`.

use std::{fmt::Write as _, sync::atomic::Ordering::Relaxed};

use crate::serving::Counts;

/// Writes them in the Prometheus text format. Rates are since the last who asked.
pub(crate) fn series(counts: &Counts) -> String {
    let ((prompt_seconds, written_seconds), (prompt_rate, written_rate)) = (counts.seconds(), counts.rates());
    #[expect(clippy::cast_precision_loss, reason = "Prometheus counts in this precision")]
    let number = |count: u64| count as f64;
    let counters = [
        (
            "prompt_tokens_total",
            "Tokens of prompts that were computed.",
            number(counts.prompt_tokens.load(Relaxed)),
        ),
        (
            "prompt_tokens_cached_total",
            "Tokens of prompts that were in the cache.",
            number(counts.cached_tokens.load(Relaxed)),
        ),
        ("prompt_seconds_total", "Seconds from requests to their first tokens.", prompt_seconds),
        ("tokens_predicted_total", "Tokens that were written.", number(counts.written_tokens.load(Relaxed))),
        ("tokens_predicted_seconds_total", "Seconds from first tokens to last ones.", written_seconds),
        (
            "n_decode_total",
            "Steps of all answers: one for the prompt, one for each token after the first.",
            number(counts.steps.load(Relaxed)),
        ),
        (
            "n_tokens_max",
            "Tokens of the longest prompt with its answer.",
            number(counts.tokens_max.load(Relaxed)),
        ),
        ("spec_decode_num_draft_tokens_total", "Tokens that were guessed for these addresses.", 0.0),
        ("spec_decode_num_accepted_tokens_total", "Tokens of these that came true.", 0.0),
        ("spec_decode_num_drafts_total", "How often tokens were guessed.", 0.0),
    ];
    let gauges = [
        ("prompt_tokens_seconds", "Tokens of prompts a second, since this was last asked.", prompt_rate),
        ("predicted_tokens_seconds", "Tokens written a second, since this was last asked.", written_rate),
        ("requests_processing", "Answers under way.", number(counts.under_way())),
        ("requests_deferred", "Those of them whose prompt is not read yet.", number(counts.unread())),
        ("n_busy_slots_per_decode", "Answers under way at a step, on average.", counts.under_way_at_steps()),
    ];
    let mut text = String::new();
    let counters = counters.into_iter().map(|row| ("counter", row));
    for (kind, (name, about, value)) in counters.chain(gauges.into_iter().map(|row| ("gauge", row))) {
        // Writing to memory does not fail.
        let _ = writeln!(
            text,
            "# HELP llamacpp:{name} {about}\n# TYPE llamacpp:{name} {kind}\nllamacpp:{name} {value}"
        );
    }
    text
}
