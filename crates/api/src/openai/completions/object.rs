use athenaeum_inference::tokenizer::TextStream;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{finish, usage::Usage},
    Wanted,
    logprobs::CompletionLogProbs,
};
use crate::{
    clock,
    parameters::Warning,
    serving::{self, Answer, Whole},
};

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::Completion)]
pub(crate) struct Completion {
    id: String,
    object: &'static str,
    /// When it was asked for, in seconds since 1970.
    created: u64,
    /// Who answers.
    model: String,
    choices: Vec<CompletionChoice>,
    usage: Usage,
    /// What of the request was not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// One of the answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::CompletionChoice)]
pub(crate) struct CompletionChoice {
    index: usize,
    text: String,
    logprobs: Option<CompletionLogProbs>,
    /// `stop` or `length`.
    finish_reason: &'static str,
}

impl Completion {
    pub(super) fn new(
        answer: &Answer,
        wanted: &Wanted,
        echoes: &[String],
        whole: &Whole,
        warnings: Vec<Warning>,
    ) -> Self {
        let ended = whole.choices.iter().filter_map(|choice| choice.ended.as_ref());
        let generated = ended.map(|ended| ended.end.generated_tokens).sum();
        let usage = Usage::new(answer.prompt_tokens, answer.cached_tokens, generated, 0);
        let mut choices = Vec::new();
        for (of, group) in whole.choices.chunks(wanted.best_of).enumerate() {
            let mut best: Vec<&serving::Choice> = group.iter().collect();
            if wanted.best_of > wanted.answers {
                best.sort_by(|a, b| likelihood(b).total_cmp(&likelihood(a)));
                best.truncate(wanted.answers);
            }
            let echo = echoes.get(of).map_or("", String::as_str);
            for choice in best {
                let logprobs = wanted.logprobs.zip(answer.model.tokenizer()).map(|(top, tokenizer)| {
                    let mut logprobs = CompletionLogProbs::default();
                    if wanted.echo
                        && let Some(first) = group.first()
                    {
                        let tokens = answer.prompt(of * wanted.best_of);
                        logprobs.push_prompt(tokenizer, tokens, &first.prompt_logprobs, echo);
                    }
                    let (mut text, begins) = (TextStream::continuing(), echo.chars().count());
                    let letters = choice.text.chars().count();
                    let mut written = 0;
                    for (token, likely) in choice.tokens.iter().zip(&choice.logprobs) {
                        logprobs.push(tokenizer, *token, Some(likely), begins + written.min(letters));
                        written += text.push(tokenizer, *token).chars().count();
                    }
                    if top == 0 { logprobs.without_top() } else { logprobs }
                });
                choices.push(CompletionChoice {
                    index: choices.len(),
                    text: [echo, choice.text.as_str()].concat(),
                    logprobs,
                    finish_reason: choice.ended.as_ref().map_or("stop", finish::reason),
                });
            }
        }
        Self {
            id: id(),
            object: "text_completion",
            created: clock::seconds(),
            model: answer.model.name().to_owned(),
            choices,
            usage,
            warnings,
        }
    }
}

/// How likely an answer's tokens were on average.
fn likelihood(choice: &serving::Choice) -> f64 {
    let all: f64 = choice.logprobs.iter().map(|logprobs| f64::from(logprobs.chosen.logprob)).sum();
    all / choice.logprobs.len().max(1) as f64
}

/// A name for an answer.
pub(super) fn id() -> String {
    format!("cmpl-{}", uuid::Uuid::new_v4().simple())
}
