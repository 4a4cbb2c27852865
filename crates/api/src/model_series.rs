//! Series of the models in memory, in the Prometheus text format. They are read off the engines when somebody asks; a
//! model that has gone takes its series with it.

use std::fmt::Write as _;

use athenaeum_inference::engine::Stats;

use crate::Api;

/// Name, kind, meaning, and where the number stands.
type Series = (&'static str, &'static str, &'static str, fn(&Stats) -> u64);

const SERIES: [Series; 9] = [
    ("athenaeum_model_running", "gauge", "Answers that are being given.", |stats| stats.running as u64),
    ("athenaeum_model_waiting", "gauge", "Requests that wait for their turn.", |stats| stats.waiting as u64),
    ("athenaeum_model_cache_pages", "gauge", "Pages for keys and values.", |stats| stats.pages as u64),
    ("athenaeum_model_cache_pages_in_use", "gauge", "Those that answers under way hold.", |stats| {
        stats.pages_in_use as u64
    }),
    ("athenaeum_model_prompt_tokens_total", "counter", "Tokens of prompts that were computed.", |stats| {
        stats.prompt_tokens
    }),
    ("athenaeum_model_cached_tokens_total", "counter", "Tokens of prompts that the cache spared.", |stats| {
        stats.cached_tokens
    }),
    ("athenaeum_model_generated_tokens_total", "counter", "Tokens of answers.", |stats| {
        stats.generated_tokens
    }),
    ("athenaeum_model_guessed_tokens_total", "counter", "Guessed tokens that came true.", |stats| {
        stats.guessed_tokens
    }),
    (
        "athenaeum_model_preemptions_total",
        "counter",
        "Answers that gave up their pages for others.",
        |stats| stats.preemptions,
    ),
];

/// Adds them to `text`. Nothing is looked for where no model was asked for yet.
pub(crate) fn write(api: &Api, text: &mut String) {
    let Some(residents) = api.models.residents_if_made() else { return };
    let models: Vec<(String, Stats)> = residents
        .list()
        .into_iter()
        .filter_map(|model| {
            let name = model.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            Some((name, model.engine?))
        })
        .collect();
    if models.is_empty() {
        return;
    }
    for (name, kind, meaning, value) in SERIES {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "# HELP {name} {meaning}\n# TYPE {name} {kind}");
        for (model, stats) in &models {
            let model = model.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = writeln!(text, "{name}{{model=\"{model}\"}} {}", value(stats));
        }
    }
}
