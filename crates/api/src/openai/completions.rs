//! `POST /v1/completions`.

mod logprobs;
mod object;
mod prompt;
mod stream;

use std::sync::LazyLock;

use athenaeum_inference::sampling::Sampling;
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode},
    response::Response,
};

use super::{
    form,
    parameters::{self, ANSWER, ANY_TEXT, CHOICES_MAX},
};
use crate::{
    Api,
    contract::{self, Contract},
    json::fresh,
    parameters::{Parameter, Read, Takes, body},
    problem::Problem,
    sampling::{self, SAMPLING},
    serving::{Ask, Truncation},
    stream::{FrameKind, respond},
};

/// What a request may say.
pub(crate) static PARAMETERS: LazyLock<Vec<Parameter>> = LazyLock::new(|| {
    let answer = ANSWER.iter().filter(|row| row.name != "max_tokens").copied();
    OWN.iter().copied().chain(answer).chain(SAMPLING.iter().copied()).collect()
});

const OWN: &[Parameter] = &[
    Parameter::required(
        "prompt",
        prompt::TAKES,
        "What to go on from: a text, its tokens, or a list of either. Each is answered by itself.",
    ),
    Parameter::new(
        "suffix",
        ANY_TEXT,
        "What follows after the answer, for models that have learnt to fill a gap.",
    ),
    Parameter::new(
        "max_tokens",
        Takes::Integer(-1, 1 << 30),
        "Tokens of the answer at most: 16 where nothing is said, -1 for what the context leaves, 0 to read only.",
    ),
    Parameter::new("n_predict", Takes::Integer(-1, 1 << 30), "The same, under llama.cpp's name."),
    Parameter::new("echo", Takes::Bool, "Puts the prompt before the answer, with logprobs the prompt's too."),
    Parameter::new(
        "logprobs",
        Takes::Integer(0, LOGPROBS_MAX),
        "Tells how likely each token was, and so many of the likeliest.",
    ),
    Parameter::new(
        "best_of",
        Takes::Integer(1, CHOICES_MAX),
        "Writes so many answers, and returns the n whose tokens were likeliest on average.",
    ),
    Parameter::new(
        "add_special_tokens",
        Takes::Bool,
        "Puts before a text what the model was taught to see first; true where nothing is said.",
    ),
    form::RESPONSE_FORMAT,
];

/// OpenAI's own server tells 5.
const LOGPROBS_MAX: i64 = 100;
/// As OpenAI's own server has it, and vLLM; clients that want more say so.
const TOKENS_MAX_USUAL: usize = 16;
/// Answers of one request: prompts times answers to each.
const ANSWERS_MAX: usize = 1024;

/// Go on from a text
///
/// As OpenAI's endpoint of that name. Parameters that are unknown or have no effect are listed in `warnings`.
#[utoipa::path(
    post,
    path = "/v1/completions",
    operation_id = "createCompletion",
    tag = "openai",
    responses((status = 200, description = "The answer.", body = object::Completion)),
)]
pub(crate) async fn create(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let mut read = body(&headers, request, api.settings.request_bytes_max, &PARAMETERS).await?;
    let prompts = prompt::of(&mut read)?;
    let wanted = Wanted::of(&read, prompts.len())?;
    let form = form::of(&read)?;
    contract.settle(&read.warnings)?;

    let model = api.models.writer(read.text("model"), None).await?;
    if wanted.best_of > wanted.answers && model.here().is_none() {
        let accepted =
            "as many as n for a model on another engine, which does not tell how likely answers are";
        return Err(Problem::parameter("best_of", accepted));
    }
    let (input, more) = prompt::inputs(&prompts, &read, &model)?;
    let ask = Ask {
        sampling: model.sampling(&read, Sampling::default())?,
        chosen: sampling::chosen(&read),
        form,
        more,
        stops: read.texts("stop"),
        tokens_max: match read.has("max_tokens") || read.has("n_predict") {
            true => parameters::tokens_max(&read, &["max_tokens", "n_predict"]),
            false => Some(TOKENS_MAX_USUAL),
        },
        choices: wanted.best_of,
        // The best are found by them.
        logprobs: wanted.logprobs.or((wanted.best_of > wanted.answers).then_some(0)),
        prompt_logprobs: wanted.logprobs.filter(|_| wanted.echo),
        ignore_ends: read.flag("ignore_eos").unwrap_or(false),
        truncation: Truncation::of(&read),
        priority: read.integer("priority").unwrap_or(0),
        ..api.ask(input)
    };
    let mut answer = model.ask(ask).await?;
    let mut warnings = contract::told(std::mem::take(&mut read.warnings), &answer);
    contract.settle(&warnings)?;
    let echoes = if wanted.echo { prompt::echoes(&prompts, &answer) } else { Vec::new() };
    if read.flag("stream") == Some(true) {
        let usage = read.object("stream_options").flag("include_usage").unwrap_or(false);
        let format = stream::CompletionStream::new(&answer, wanted, echoes, usage, warnings.clone());
        let response = respond(answer, FrameKind::ServerSentEvents, format);
        return Ok(contract::shown(response, &warnings));
    }
    let whole = answer.whole().await?;
    warnings.extend(whole.late());
    let completion = object::Completion::new(&answer, &wanted, &echoes, &whole, warnings.clone());
    Ok(contract::shown(fresh(StatusCode::OK, &completion)?, &warnings))
}

/// How many answers are wanted, and what is told of them.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    answers: usize,
    best_of: usize,
    echo: bool,
    logprobs: Option<usize>,
}

impl Wanted {
    fn of(read: &Read, prompts: usize) -> Result<Self, Problem> {
        let answers = read.integer("n").unwrap_or(1);
        let best_of = read.integer("best_of").unwrap_or(answers);
        let echo = read.flag("echo").unwrap_or(false);
        let logprobs = read.integer("logprobs");
        let streams = read.flag("stream") == Some(true);
        if best_of < answers {
            return Err(Problem::parameter("best_of", format!("n ({answers}) or more")));
        }
        if streams && best_of > answers {
            return Err(Problem::parameter(
                "best_of",
                "n where the answer is streamed: the best is not known yet",
            ));
        }
        if streams && echo && logprobs.is_some() && best_of > 1 {
            return Err(Problem::parameter("n", "1 where echo and logprobs are streamed"));
        }
        if prompts.saturating_mul(best_of) > ANSWERS_MAX {
            let accepts =
                format!("so many that there are at most {ANSWERS_MAX} answers to all prompts together");
            return Err(Problem::parameter(if read.has("best_of") { "best_of" } else { "n" }, accepts));
        }
        Ok(Self { answers, best_of, echo, logprobs })
    }
}
