use athenaeum_inference::{
    engine::Reason,
    sampling::{LogProbs, Ranked},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::{finish, usage::Usage};
use crate::{
    clock,
    parameters::Warning,
    serving::{self, Answer, Timings, Whole, Writer},
};

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::ChatCompletion)]
pub(crate) struct ChatCompletion {
    id: String,
    object: &'static str,
    /// When it was asked for, in seconds since 1970.
    created: u64,
    /// Who answers.
    model: String,
    choices: Vec<Choice>,
    usage: Usage,
    /// How long the first of the answers took.
    #[serde(skip_serializing_if = "Option::is_none")]
    timings: Option<Timings>,
    /// Where it was asked for.
    #[serde(rename = "__verbose", skip_serializing_if = "Option::is_none")]
    verbose: Option<Verbose>,
    /// What of the request was not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// What is told to whoever looks for an error.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = openai::Verbose)]
pub(crate) struct Verbose {
    /// The prompt as the model has read it.
    pub(super) prompt: String,
}

/// One of the answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::Choice)]
pub(crate) struct Choice {
    index: usize,
    message: Message,
    logprobs: Option<ChoiceLogProbs>,
    /// `stop`, `length` or `tool_calls`.
    finish_reason: &'static str,
}

/// What was said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::Message)]
pub(crate) struct Message {
    role: &'static str,
    /// To whoever asked; `null` where only tools are called.
    content: Option<String>,
    /// By the model to itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    reasoning_content: String,
    /// Always `null`: nothing here refuses in the model's place.
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<ToolCall>,
    /// The first of them, where the request has `functions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Called>,
}

/// A tool that is called.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::ToolCall)]
pub(crate) struct ToolCall {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Called,
}

/// Its name and what it is called with.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::Called)]
pub(crate) struct Called {
    name: String,
    /// A JSON object, as text.
    arguments: String,
}

/// How likely the tokens of an answer were.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::ChoiceLogProbs)]
pub(crate) struct ChoiceLogProbs {
    pub(super) content: Vec<TokenLogProb>,
    pub(super) refusal: Option<Vec<TokenLogProb>>,
}

/// How likely a token was, and the likeliest in its place.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::TokenLogProb)]
pub(crate) struct TokenLogProb {
    #[serde(flatten)]
    chosen: TopLogProb,
    top_logprobs: Vec<TopLogProb>,
}

/// A token and the natural logarithm of its probability.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::TopLogProb)]
pub(crate) struct TopLogProb {
    /// Its number in the vocabulary.
    id: u32,
    /// Its text; what is no UTF-8 by itself is replaced.
    token: String,
    /// Its text as it is.
    bytes: Vec<u8>,
    logprob: f32,
}

impl ChatCompletion {
    pub(super) fn new(
        answer: &Answer,
        whole: Whole,
        (legacy, prompt): (bool, Option<String>),
        warnings: Vec<Warning>,
    ) -> Self {
        let first = whole.choices.first().and_then(|choice| choice.ended.as_ref());
        let timings = first.map(|ended| Timings::of(&ended.end));
        let ended = whole.choices.iter().filter_map(|choice| choice.ended.as_ref());
        let (generated, reasoning) = ended.fold((0, 0), |(generated, reasoning), ended| {
            (generated + ended.end.generated_tokens, reasoning + ended.reasoning_tokens)
        });
        let usage = Usage::new(answer.prompt_tokens, answer.cached_tokens, generated, reasoning);
        let choices = whole.choices.into_iter().enumerate();
        let choices =
            choices.map(|(index, choice)| Choice::new(&answer.model, index, choice, legacy)).collect();
        Self {
            id: id(),
            object: "chat.completion",
            created: clock::seconds(),
            model: answer.model.name().to_owned(),
            choices,
            usage,
            timings,
            verbose: prompt.map(|prompt| Verbose { prompt }),
            warnings,
        }
    }
}

impl Choice {
    fn new(model: &Writer, index: usize, mut choice: serving::Choice, legacy: bool) -> Self {
        // What ends an answer is none of it.
        let ends = |token: &u32| model.ends_generation(Some(*token));
        let ended = choice.ended.as_ref().is_some_and(|ended| ended.end.reason == Reason::Ended);
        if ended && choice.tokens.last().is_some_and(ends) {
            choice.logprobs.pop();
        }
        let mut tool_calls: Vec<ToolCall> = choice.calls.into_iter().map(ToolCall::from).collect();
        let only_calls = choice.text.is_empty() && !tool_calls.is_empty();
        let mut function_call = None;
        if legacy {
            function_call = tool_calls.drain(..).next().map(|call| call.function);
        }
        Self {
            index,
            message: Message {
                role: "assistant",
                content: (!only_calls).then_some(choice.text),
                reasoning_content: choice.reasoning,
                refusal: None,
                tool_calls,
                function_call,
            },
            logprobs: (!choice.logprobs.is_empty()).then(|| ChoiceLogProbs {
                content: choice.logprobs.iter().map(|logprobs| TokenLogProb::new(model, logprobs)).collect(),
                refusal: None,
            }),
            finish_reason: choice.ended.as_ref().map_or("stop", |ended| finish::reason_for(ended, legacy)),
        }
    }
}

impl From<serving::Call> for ToolCall {
    fn from(call: serving::Call) -> Self {
        Self {
            id: call.id,
            kind: "function",
            function: Called { name: call.name, arguments: call.arguments },
        }
    }
}

impl TokenLogProb {
    pub(crate) fn new(model: &Writer, logprobs: &LogProbs) -> Self {
        let of = |ranked: &Ranked| TopLogProb::new(model, ranked);
        Self { chosen: of(&logprobs.chosen), top_logprobs: logprobs.top.iter().map(of).collect() }
    }
}

impl TopLogProb {
    fn new(model: &Writer, ranked: &Ranked) -> Self {
        let bytes = model.bytes(ranked.token).to_vec();
        let token = String::from_utf8_lossy(&bytes).into_owned();
        // JSON has no −∞.
        Self { id: ranked.token, token, bytes, logprob: ranked.logprob.max(-9999.0) }
    }
}

/// A name for an answer.
pub(super) fn id() -> String {
    format!("chatcmpl-{}", uuid::Uuid::new_v4().simple())
}
