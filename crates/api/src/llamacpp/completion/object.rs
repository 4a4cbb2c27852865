use std::sync::Arc;

use athenaeum_inference::{
    engine::Reason,
    local::LocalModel,
    sampling::{LogProbs, Ranked},
    tokenizer::Tokenizer,
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{super::prompt::spelled, settings};
use crate::{
    parameters::{Read, Warning},
    serving::{Answer, Ask, Choice, Ended, Timings},
};

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = llamacpp::Completion)]
pub(crate) struct Completion {
    /// Which of the answers to a list of prompts.
    index: usize,
    content: String,
    /// Where they were asked for.
    tokens: Vec<u32>,
    /// Always true: it is over.
    stop: bool,
    /// Who answers.
    model: String,
    /// Tokens of the answer, one that ended it included.
    tokens_predicted: usize,
    /// Tokens of the prompt.
    tokens_evaluated: usize,
    /// With what the answer was given.
    #[schema(value_type = Object)]
    generation_settings: Value,
    /// As the model has read it.
    prompt: String,
    has_new_line: bool,
    /// The context was full.
    truncated: bool,
    /// `eos`, `word` or `limit`.
    stop_type: &'static str,
    /// Which of `stop` came.
    stopping_word: String,
    /// Tokens whose keys and values are in the cache now.
    tokens_cached: usize,
    timings: Timings,
    /// Of each token, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    completion_probabilities: Option<Vec<Value>>,
    /// What of the request was not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// What of an answer is told, and how.
#[derive(Debug)]
pub(crate) struct Told {
    settings: Value,
    fields: Vec<String>,
    tokens: bool,
    /// Probabilities are of what was drawn from.
    as_drawn: bool,
    probabilities: bool,
    pub(super) timings: bool,
    /// Who answers; this address tells of tokens.
    tokenizer: Arc<Tokenizer>,
    context_tokens: usize,
}

impl Told {
    pub(super) fn new(read: &Read, ask: &Ask, model: &LocalModel) -> Self {
        let tokenizer = Arc::clone(model.tokenizer());
        Self {
            settings: settings::settings(read, ask, tokenizer.generation_ends()),
            fields: read.texts("response_fields"),
            tokens: read.flag("return_tokens").unwrap_or(false),
            as_drawn: ask.logprobs_as_drawn,
            probabilities: ask.logprobs.is_some(),
            timings: read.flag("timings_per_token").unwrap_or(false),
            tokenizer,
            context_tokens: model.engine().settings().context_tokens,
        }
    }

    /// Leaves what was asked for of an answer.
    pub(super) fn shown(&self, completion: &Completion) -> Value {
        let whole = json!(completion);
        if self.fields.is_empty() {
            return whole;
        }
        let field = |path: &String| {
            let found = path.split('/').try_fold(&whole, |object, name| object.get(name))?;
            Some((path.clone(), found.clone()))
        };
        Value::Object(self.fields.iter().filter_map(field).collect::<Map<_, _>>())
    }

    /// Tells how likely tokens were; nothing where nobody asked.
    pub(super) fn probabilities(&self, logprobs: &[LogProbs]) -> Option<Vec<Value>> {
        let of = |ranked: &Ranked| {
            let bytes = self.tokenizer.bytes(ranked.token);
            let mut object =
                json!({ "id": ranked.token, "token": String::from_utf8_lossy(bytes), "bytes": bytes });
            if self.as_drawn {
                object["prob"] = ranked.logprob.exp().into();
            } else {
                // JSON has no −∞.
                object["logprob"] = ranked.logprob.max(-9999.0).into();
            }
            object
        };
        let token = |logprobs: &LogProbs| {
            let mut object = of(&logprobs.chosen);
            let name = if self.as_drawn { "top_probs" } else { "top_logprobs" };
            object[name] = logprobs.top.iter().map(of).collect();
            object
        };
        self.probabilities.then(|| logprobs.iter().map(token).collect())
    }
}

impl Completion {
    pub(super) fn new(
        answer: &Answer,
        told: &Told,
        index: usize,
        choice: Choice,
        warnings: &[Warning],
    ) -> Self {
        let completion_probabilities = told.probabilities(&choice.logprobs);
        let whole = Self {
            content: choice.text,
            tokens: if told.tokens { choice.tokens } else { Vec::new() },
            completion_probabilities,
            ..Self::empty(answer, told, index, warnings)
        };
        match &choice.ended {
            Some(ended) => whole.ended(told, ended),
            None => whole,
        }
    }

    /// The last frame of a stream. `rest` is what had been held back, `lines`: there was one before.
    pub(super) fn last(
        answer: &Answer,
        told: &Told,
        (index, rest, lines): (usize, String, bool),
        ended: &Ended,
        warnings: &[Warning],
    ) -> Self {
        let mut last = Self { content: rest, ..Self::empty(answer, told, index, warnings) };
        last = last.ended(told, ended);
        last.has_new_line |= lines;
        last
    }

    fn empty(answer: &Answer, told: &Told, index: usize, warnings: &[Warning]) -> Self {
        let prompt = answer.prompt(index);
        Self {
            index,
            content: String::new(),
            tokens: Vec::new(),
            stop: true,
            model: answer.model.name().to_owned(),
            tokens_predicted: 0,
            tokens_evaluated: prompt.len(),
            generation_settings: told.settings.clone(),
            prompt: spelled(&told.tokenizer, prompt),
            has_new_line: false,
            truncated: answer.cut.is_some(),
            stop_type: "none",
            stopping_word: String::new(),
            tokens_cached: prompt.len(),
            timings: Timings::new(0, Default::default(), Default::default()),
            completion_probabilities: None,
            warnings: warnings.to_vec(),
        }
    }

    fn ended(mut self, told: &Told, ended: &Ended) -> Self {
        let end = &ended.end;
        (self.stop_type, self.stopping_word) = match &end.reason {
            Reason::Ended => ("eos", String::new()),
            Reason::Stop(word) => ("word", word.clone()),
            _ => ("limit", String::new()),
        };
        self.has_new_line = self.content.contains('\n');
        self.tokens_predicted = end.generated_tokens;
        self.tokens_cached = end.prompt_tokens + end.generated_tokens;
        self.truncated |= end.reason == Reason::Length && self.tokens_cached >= told.context_tokens;
        self.timings = Timings::of(end);
        self
    }
}
