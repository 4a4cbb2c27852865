//! `POST /completion`, and what `/infill` has in common with it.

mod object;
mod settings;
mod stream;

use std::{sync::LazyLock, time::Duration};

use athenaeum_inference::{
    constraint::Grammar,
    sampling::{Sampling, Step},
    tokenizer::Special,
};
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde_json::Value;

pub(crate) use object::Completion;

use super::prompt::{self, Prompts};
use crate::{
    Api,
    contract::{self, Contract},
    json::fresh,
    parameters::{Parameter, Read, Takes, body},
    problem::Problem,
    sampling::{self, SAMPLING},
    serving::{Ask, Input, Loaded, Truncation},
    stream::{FrameKind, respond},
};

/// What a request may say.
pub(super) static PARAMETERS: LazyLock<Vec<Parameter>> =
    LazyLock::new(|| [&[PROMPT], ANSWER, SAMPLING].concat());

const PROMPT: Parameter = Parameter::required(
    "prompt",
    prompt::TAKES,
    "What to go on from: text, tokens, a list of both, an object with prompt_string, or a list of these.",
);

const ANY_TEXT: Takes = Takes::Text(usize::MAX);

/// All but the prompt and how tokens are chosen.
pub(super) const ANSWER: &[Parameter] = &[
    Parameter::new("model", Takes::Text(512), "The model; the usual one where nothing is said."),
    Parameter::new(
        "n_predict",
        Takes::Integer(-2, 1 << 30),
        "Tokens of the answer at most; below 0 for what the context leaves.",
    ),
    Parameter::new("max_tokens", Takes::Integer(-1, 1 << 30), "The same, under OpenAI's name."),
    Parameter::new("n_cmpl", Takes::Integer(1, 128), "How many answers to each prompt."),
    Parameter::new("n", Takes::Integer(1, 128), "The same, under OpenAI's name."),
    Parameter::new(
        "stop",
        Takes::Either(&[Takes::Text(1024), Takes::List(&Takes::Text(1024), 64)]),
        "The answer ends before the first of these.",
    ),
    Parameter::new("stream", Takes::Bool, "Sends the answer as it comes, as server-sent events."),
    Parameter::new("n_probs", Takes::Integer(0, 1000), "Tells so many of the likeliest tokens beside each."),
    Parameter::new("logprobs", Takes::Integer(0, 1000), "The same, under OpenAI's name."),
    Parameter::new(
        "post_sampling_probs",
        Takes::Bool,
        "Tells probabilities of what was drawn from, when the sampling had done its part.",
    ),
    Parameter::new(
        "samplers",
        Takes::Either(&[Takes::List(&Takes::Text(32), 32), Takes::Text(32)]),
        "The steps of the sampling and their order, by name or by letter.",
    ),
    Parameter::new("min_keep", Takes::Integer(0, 1 << 30), "How many tokens the steps leave at least."),
    Parameter::new("grammar", ANY_TEXT, "A grammar (GBNF) that the answer keeps to."),
    Parameter::new(
        "json_schema",
        Takes::Either(&[Takes::Map(&Takes::Any), Takes::Bool]),
        "A JSON schema that the answer keeps to.",
    ),
    Parameter::new(
        "t_max_predict_ms",
        Takes::Integer(0, 1 << 40),
        "Milliseconds that the answer may take, from the request on; 0 for what this server gives.",
    ),
    Parameter::new("return_tokens", Takes::Bool, "Tells the answer's tokens, too."),
    Parameter::new("return_progress", Takes::Bool, "Tells how far the prompt is read, where streamed."),
    Parameter::new("timings_per_token", Takes::Bool, "Tells the timings with each token, where streamed."),
    Parameter::new(
        "response_fields",
        Takes::List(&Takes::Text(128), 64),
        "Only these fields of the answer; a field within another one by both names with / between.",
    ),
    Parameter::new(
        "truncation",
        Takes::OneOf(&["disabled", "auto"]),
        "Leaves out the oldest part of a prompt that is too long, and says so; otherwise it is refused.",
    ),
    Parameter::new("priority", Takes::Integer(-1000, 1000), "Higher goes first among waiting requests."),
    Parameter::only(
        "cache_prompt",
        Takes::Bool,
        &["true"],
        "beginnings that were read before are always reused; the answer is the same",
    ),
    Parameter::only("id_slot", Takes::Integer(-1, 1 << 30), &["-1"], "the scheduler finds a place by itself"),
    Parameter::only("n_keep", Takes::Integer(-1, 1 << 30), &["0"], "contexts are not shifted"),
    Parameter::only("n_discard", Takes::Integer(0, 1 << 30), &["0"], "contexts are not shifted"),
    Parameter::only("n_cache_reuse", Takes::Integer(0, 1 << 30), &["0"], "only beginnings are reused"),
    Parameter::only(
        "n_indent",
        Takes::Integer(0, 1 << 30),
        &["0"],
        "lines are not looked at by their indentation",
    ),
    Parameter::only("lora", Takes::List(&Takes::Any, 64), &["[]"], "there are no adapters"),
    Parameter::only(
        "image_data",
        Takes::List(&Takes::Any, 64),
        &["[]"],
        "prompts are text only here; /v1/chat/completions takes pictures",
    ),
    Parameter::only("backend_sampling", Takes::Bool, &["false"], "tokens are drawn in one place"),
    Parameter::only("adaptive_target", Takes::Number(-1.0, 1.0), &["-1", "-1.0"], "there is no such step"),
    Parameter::without_effect("adaptive_decay", Takes::Number(0.0, 1.0), "there is no such step"),
    Parameter::without_effect("verbose", Takes::Bool, "the answer tells all there is"),
];

/// Go on from a text
///
/// As llama.cpp's server does. Parameters that are unknown or have no effect are listed in `warnings`.
#[utoipa::path(
    post,
    path = "/completion",
    operation_id = "completeAsLlamaCpp",
    tag = "llamacpp",
    responses((status = 200, description = "The answer; a list of them to a list of prompts.", body = Completion)),
)]
pub(crate) async fn create(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let mut read = body(&headers, request, api.settings.request_bytes_max, &PARAMETERS).await?;
    let prompts = prompt::prompts("prompt", read.take("prompt").unwrap_or_default())?;
    contract.settle(&read.warnings)?;
    let model = api.models.load(read.text("model"), None).await?;
    let Prompts { prompts, is_list } = prompts;
    let tokenizer = model.model.tokenizer();
    let inputs = prompts.iter().map(|prompt| Input::Tokens(prompt.tokens(tokenizer, true, Special::Parse)));
    let inputs = inputs.collect();
    answer(&api, contract, read, model, (inputs, is_list)).await
}

/// Has prompts answered; `is_list`: the answers are a list, even where there is one.
pub(super) async fn answer(
    api: &Api,
    contract: Contract,
    mut read: Read,
    model: Loaded,
    (inputs, is_list): (Vec<Input>, bool),
) -> Result<Response, Problem> {
    let tokenizer = model.model.tokenizer();
    let logit_bias = sampling::logit_bias(&read, |text| tokenizer.encode(text, Special::Text))?;
    let sampling = Sampling { logit_bias, ..sampling(api, &read)? };
    let n_probs = read.integer("n_probs").or_else(|| read.integer("logprobs")).filter(|&count| count > 0);
    let choices = read.integer("n_cmpl").or_else(|| read.integer("n")).unwrap_or(1);
    let is_list = is_list || choices > 1 || inputs.len() > 1;
    let mut inputs = inputs.into_iter();
    let first = inputs.next().ok_or_else(|| Problem::parameter("prompt", "at least one"))?;
    let mut ask = Ask {
        more: inputs.collect(),
        form: form(&read)?,
        stops: read.texts("stop"),
        tokens_max: tokens_max(api, &read),
        choices,
        logprobs: n_probs,
        logprobs_as_drawn: read.flag("post_sampling_probs").unwrap_or(false),
        progress: read.flag("return_progress").unwrap_or(false),
        ignore_ends: read.flag("ignore_eos").unwrap_or(false),
        truncation: Truncation::of(&read),
        priority: read.integer("priority").unwrap_or(0),
        sampling,
        ..api.ask(first)
    };
    if let Some(ms) = read.integer::<u64>("t_max_predict_ms").filter(|&ms| ms > 0) {
        ask.time = ask.time.min(Duration::from_millis(ms));
    }
    let told = object::Told::new(&read, &ask, &model.model);
    let mut answer = model.ask(ask).await?;
    let mut warnings = contract::told(std::mem::take(&mut read.warnings), &answer);
    contract.settle(&warnings)?;
    if read.flag("stream") == Some(true) {
        let format = stream::CompletionStream::new(told, warnings.clone());
        return Ok(contract::shown(respond(answer, FrameKind::ServerSentEvents, format), &warnings));
    }
    let whole = answer.whole().await?;
    warnings.extend(whole.late());
    let choices = whole.choices.into_iter().enumerate();
    let mut completions: Vec<Value> = choices
        .map(|(index, choice)| told.shown(&Completion::new(&answer, &told, index, choice, &warnings)))
        .collect();
    let response = match completions.pop() {
        Some(one) if !is_list && completions.is_empty() => fresh(StatusCode::OK, &one)?,
        last => {
            completions.extend(last);
            fresh(StatusCode::OK, &completions)?
        }
    };
    Ok(contract::shown(response, &warnings))
}

fn tokens_max(api: &Api, read: &Read) -> Option<usize> {
    let asked = read.integer::<i64>("n_predict").or_else(|| read.integer("max_tokens"));
    asked.and_then(|asked| usize::try_from(asked).ok()).or(api.llama_server.tokens_max)
}

fn sampling(api: &Api, read: &Read) -> Result<Sampling, Problem> {
    let usual = Sampling::default();
    let temperature = api.llama_server.temperature.unwrap_or(usual.temperature);
    let mut sampling = sampling::of(read, Sampling { temperature, ..usual })?;
    if let Some(seed) = api.llama_server.seed.filter(|_| !read.has("seed")) {
        sampling.seed = seed;
    }
    if let Some(keep) = read.integer("min_keep") {
        sampling.min_keep = keep;
    }
    if let Some(steps) = steps(read)? {
        sampling.order = steps;
    }
    Ok(sampling)
}

/// Reads the steps of the sampling, by name, or all in one text by the letters that llama.cpp has for them.
fn steps(read: &Read) -> Result<Option<Vec<Step>>, Problem> {
    const LETTERS: [(char, Step); 9] = [
        ('e', Step::Penalties),
        ('d', Step::Dry),
        ('s', Step::TopNSigma),
        ('k', Step::TopK),
        ('y', Step::TypicalP),
        ('p', Step::TopP),
        ('m', Step::MinP),
        ('x', Step::Xtc),
        ('t', Step::Temperature),
    ];
    let by_letter = |letter: char| LETTERS.iter().find(|(known, _)| *known == letter).map(|(_, step)| *step);
    let steps: Option<Vec<Step>> = match read.value("samplers") {
        None => return Ok(None),
        Some(Value::String(letters)) => letters.chars().map(by_letter).collect(),
        Some(_) => read.texts("samplers").iter().map(|name| Step::from_name(name)).collect(),
    };
    let names = || Step::DEFAULT_ORDER.map(Step::name).join(", ");
    steps.map(Some).ok_or_else(|| {
        Problem::parameter("samplers", format!("a list of {}, or a text of edskypmxt", names()))
    })
}

fn form(read: &Read) -> Result<Option<Grammar>, Problem> {
    let grammar = read.text("grammar").filter(|grammar| !grammar.is_empty());
    match (grammar, read.value("json_schema")) {
        (Some(_), Some(_)) => Err(Problem::parameter("json_schema", "nothing beside grammar")),
        (Some(grammar), None) => Ok(Some(Grammar::Gbnf(grammar.to_owned()))),
        (None, schema) => Ok(schema.cloned().map(Grammar::JsonSchema)),
    }
}
