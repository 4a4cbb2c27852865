//! `POST /v1/chat/completions`.

mod object;
pub(crate) mod stored;
mod stream;

pub(crate) use object::TokenLogProb;

use std::sync::LazyLock;

use athenaeum_inference::{sampling::Sampling, template::Conversation};
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode},
    response::Response,
};

use super::{
    conversation::{self, CONVERSATION},
    form,
    parameters::{self, ANSWER},
};
use crate::{
    Api,
    contract::{self, Contract},
    json::fresh,
    llamacpp::{self, prompt::spelled},
    parameters::{Parameter, Read, Takes, Warning, body},
    problem::Problem,
    sampling::{self, SAMPLING},
    serving::{Answer, Ask, Input, Talk, Truncation},
    stream::{FrameKind, respond},
};

/// What a request may say.
pub(crate) static PARAMETERS: LazyLock<Vec<Parameter>> =
    LazyLock::new(|| [CONVERSATION, ANSWER, SAMPLING, OWN].concat());

const OWN: &[Parameter] = &[
    Parameter::new(
        "max_completion_tokens",
        Takes::Integer(-1, 1 << 30),
        "The same as max_tokens, and wins over it.",
    ),
    form::RESPONSE_FORMAT,
    Parameter::new("logprobs", Takes::Bool, "Tells how likely each token was."),
    Parameter::new("top_logprobs", Takes::Integer(0, 20), "The same for so many of the likeliest tokens."),
    Parameter::new("timings_per_token", Takes::Bool, "Tells how fast the answer comes with each part of it."),
    Parameter::new("return_progress", Takes::Bool, "Tells how far the prompt is read, where streamed."),
    Parameter::new("verbose", Takes::Bool, "Shows the prompt as the model has read it, in `__verbose`."),
    Parameter::new(
        "n_predict",
        Takes::Integer(-1, 1 << 30),
        "The same as max_tokens, under llama.cpp's name.",
    ),
    Parameter::only("id_slot", Takes::Integer(-1, 1 << 30), &["-1"], "the scheduler finds a place by itself"),
    Parameter::only(
        "reasoning_format",
        Takes::OneOf(&["none", "auto", "deepseek", "deepseek-legacy"]),
        &["\"auto\"", "\"deepseek\""],
        "reasoning is told apart",
    ),
    Parameter::only("parse_tool_calls", Takes::Bool, &["true"], "calls are told from text"),
    Parameter::only(
        "modalities",
        Takes::List(&Takes::Text(64), 8),
        &["[\"text\"]"],
        "the model writes text only",
    ),
    Parameter::new(
        "store",
        Takes::Bool,
        "Keeps the completion, so that it can be read later; only where it does not stream.",
    ),
    Parameter::new("metadata", Takes::Map(&Takes::Text(512)), "Kept with a completion that is stored."),
    Parameter::without_effect("prediction", Takes::Any, "what may follow is guessed from the prompt"),
    Parameter::without_effect("audio", Takes::Any, "the model writes text only"),
    Parameter::without_effect("web_search_options", Takes::Any, "this server searches nothing by itself"),
    Parameter::without_effect("verbosity", Takes::Text(64), "templates have no place for it"),
];

/// Answer a conversation
///
/// As OpenAI's endpoint of that name. Parameters that are unknown or have no effect are listed in `warnings`.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    operation_id = "createChatCompletion",
    tag = "openai",
    responses((status = 200, description = "The answer.", body = object::ChatCompletion)),
)]
pub(crate) async fn create(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    answer(api, contract, headers, request, |_, _| Ok(())).await
}

/// The same at llama.cpp's own address.
pub(crate) async fn create_as_llama_cpp(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    answer(api, contract, headers, request, llamacpp::take_over).await
}

/// What a request for a conversation's answer may say.
pub(crate) fn conversation_parameters() -> &'static [Parameter] {
    &PARAMETERS
}

/// Reads such a request for its conversation alone.
pub(crate) async fn read_conversation(
    api: &Api,
    headers: &HeaderMap,
    request: Body,
) -> Result<(Talk, Read), Problem> {
    let mut read = body(headers, request, api.settings.request_bytes_max, &PARAMETERS).await?;
    Ok((conversation::of(&mut read)?, read))
}

/// `change` is what becomes of conversations at this address.
async fn answer(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
    change: fn(&Api, &mut Conversation) -> Result<(), Problem>,
) -> Result<Response, Problem> {
    let (mut conversation, mut read) = read_conversation(&api, &headers, request).await?;
    // Other engines have usual values of their own.
    if api.models.elsewhere(read.text("model")).await?.is_none() {
        change(&api, &mut conversation)?;
    }
    let store = store(&api, &mut read);
    let (mut answer, mut warnings) = begin(&api, contract, &mut read, conversation).await?;
    // Whoever asks in the words of before is answered in them.
    let legacy = read.has("functions") && !read.has("tools");
    if read.flag("verbose") == Some(true) && answer.model.here().is_none() {
        let reason = "the model runs on another engine, which makes its own prompts";
        warnings.push(Warning { parameter: "verbose".to_owned(), reason: reason.to_owned() });
    }
    let verbose = read.flag("verbose").unwrap_or(false) || api.llama_server.verbose;
    let prompt = answer.model.tokenizer().filter(|_| verbose);
    let prompt = prompt.map(|tokenizer| spelled(tokenizer, answer.prompt(0)));
    if read.flag("stream") == Some(true) {
        let timings = read.flag("timings_per_token").unwrap_or(false);
        let usage = read.object("stream_options").flag("include_usage").unwrap_or(false);
        let format = stream::ChatStream::new(&answer, (usage, timings), (legacy, prompt), warnings.clone());
        return Ok(contract::shown(respond(answer, FrameKind::ServerSentEvents, format), &warnings));
    }
    let whole = answer.whole().await?;
    warnings.extend(whole.late());
    let completion = object::ChatCompletion::new(&answer, whole, (legacy, prompt), warnings.clone());
    if store {
        stored::keep(&api, &read, &serde_json::to_value(&completion).unwrap_or_default()).await?;
    }
    Ok(contract::shown(fresh(StatusCode::OK, &completion)?, &warnings))
}

/// Begins the answer to a conversation and what else was read against [`PARAMETERS`], and tells what of it is not done.
pub(crate) async fn begin(
    api: &Api,
    contract: Contract,
    read: &mut Read,
    conversation: Talk,
) -> Result<(Answer, Vec<Warning>), Problem> {
    let calling = conversation::calling(read, &conversation)?;
    let form = form::of(read)?;
    let logprobs = logprobs(read)?;
    contract.settle(&read.warnings)?;

    let model = api.models.writer(read.text("model"), None).await?;
    let ask = Ask {
        sampling: model.sampling(read, Sampling::default())?,
        chosen: sampling::chosen(read),
        form,
        calling,
        stops: read.texts("stop"),
        tokens_max: parameters::tokens_max(read, &["max_completion_tokens", "max_tokens", "n_predict"]),
        choices: read.integer("n").unwrap_or(1),
        logprobs,
        progress: read.flag("return_progress").unwrap_or(false),
        ignore_ends: read.flag("ignore_eos").unwrap_or(false),
        truncation: Truncation::of(read),
        priority: read.integer("priority").unwrap_or(0),
        ..api.ask(Input::talk(conversation))
    };
    let answer = model.ask(ask).await?;
    let warnings = contract::told(std::mem::take(&mut read.warnings), &answer);
    contract.settle(&warnings)?;
    Ok((answer, warnings))
}

/// Whether the completion is kept.
pub(crate) fn store(api: &Api, read: &mut Read) -> bool {
    let wanted = read.flag("store") == Some(true);
    match (api.state.is_some(), read.flag("stream") == Some(true)) {
        (true, false) => return wanted,
        _ if !wanted => {}
        (false, _) => read.warn("store", "this server keeps nothing"),
        (true, true) => read.warn("store", "completions that stream are not kept; /v1/responses keeps them"),
    }
    if read.has("metadata") {
        read.warn("metadata", "it is kept only with a completion that is stored");
    }
    false
}

/// How many of the likeliest tokens are told beside each, where any are.
fn logprobs(read: &Read) -> Result<Option<usize>, Problem> {
    let top = read.integer::<usize>("top_logprobs");
    match (read.flag("logprobs").unwrap_or(false), top) {
        (true, top) => Ok(Some(top.unwrap_or(0))),
        (false, None | Some(0)) => Ok(None),
        (false, Some(_)) => Err(Problem::parameter("top_logprobs", "0 unless logprobs is true")),
    }
}
