//! `POST /v1/messages`, and the counting of its tokens.

use std::sync::LazyLock;

use athenaeum_inference::{constraint::Grammar, sampling::Sampling, template::Conversation};
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode},
    response::Response,
};

use super::{
    conversation::{self, CONVERSATION},
    object,
    stream::MessageStream,
};
use crate::{
    Api,
    contract::{self, Contract},
    json::fresh,
    parameters::{Parameter, Read, Takes, body},
    problem::Problem,
    sampling::{self, SAMPLING},
    serving::{Ask, Calling, Choose, Input, Truncation, in_background},
    stream::{FrameKind, respond},
};

/// What a request may say.
pub(crate) static PARAMETERS: LazyLock<Vec<Parameter>> =
    LazyLock::new(|| [CONVERSATION, ANSWER, SAMPLING].concat());

/// What may be said when tokens are counted: the same, with nothing that only an answer needs. The usual model counts where
/// none is named.
pub(crate) static COUNTED: LazyLock<Vec<Parameter>> = LazyLock::new(|| {
    let rows = PARAMETERS.iter().map(|row| match row.name {
        "model" | "max_tokens" => Parameter::new(row.name, row.takes, row.about),
        _ => *row,
    });
    rows.collect()
});

const NAME: Takes = Takes::Text(512);

const ANSWER: &[Parameter] = &[
    Parameter::required("model", NAME, "The model, as /v1/models lists it."),
    Parameter::required("max_tokens", Takes::Integer(1, 1 << 30), "Tokens of the answer at most."),
    Parameter::new(
        "stop_sequences",
        Takes::List(&Takes::Text(1024), 64),
        "The answer ends before the first of these.",
    ),
    Parameter::new("stream", Takes::Bool, "Sends the answer as it comes, as server-sent events."),
    Parameter::new("output_config", Takes::Object(OUTPUT), "What the answer must look like."),
    Parameter::new("output_format", Takes::Object(FORMAT), "The same, where earlier clients write it."),
    Parameter::new(
        "truncation",
        Takes::OneOf(&["disabled", "auto"]),
        "Leaves out the oldest messages of a prompt that is too long, and says so; otherwise it is refused.",
    ),
    Parameter::without_effect("metadata", Takes::Map(&Takes::Any), "nothing is kept about a client's users"),
    Parameter::only("service_tier", NAME, &["\"auto\"", "\"standard_only\""], "there is one tier here"),
    Parameter::without_effect("container", Takes::Any, "this server runs no code"),
    Parameter::without_effect("context_management", Takes::Any, "the client decides what the model reads"),
    Parameter::without_effect("mcp_servers", Takes::Any, "the client calls tools, not this server"),
    Parameter::without_effect("inference_geo", NAME, "everything is computed on this machine"),
    Parameter::without_effect("speed", NAME, "there is one speed here"),
    Parameter::without_effect("cache_control", Takes::Any, "beginnings are recognised by their tokens"),
];

const OUTPUT: &[Parameter] = &[
    Parameter::new("format", Takes::Object(FORMAT), "JSON of a schema."),
    Parameter::without_effect("effort", NAME, "templates have no place for it"),
    Parameter::without_effect("task_budget", Takes::Any, "the client decides when it has enough"),
];

const FORMAT: &[Parameter] = &[
    Parameter::required("type", Takes::OneOf(&["json_schema"]), "JSON of a schema."),
    Parameter::required("schema", Takes::Map(&Takes::Any), "The schema."),
];

/// Answer a conversation
///
/// As Anthropic's endpoint of that name. Parameters that are unknown or have no effect are listed in `warnings`.
#[utoipa::path(
    post,
    path = "/v1/messages",
    operation_id = "createMessage",
    tag = "anthropic",
    responses((status = 200, description = "The answer.", body = object::Message)),
)]
pub(crate) async fn create(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let mut read = body(&headers, request, api.settings.request_bytes_max, &PARAMETERS).await?;
    let conversation = conversation::of(&mut read)?;
    let calling = calling(&read, &conversation)?;
    contract.settle(&read.warnings)?;

    let model = api.models.writer(read.text("model"), None).await?;
    let ask = Ask {
        sampling: model.sampling(&read, Sampling::default())?,
        chosen: sampling::chosen(&read),
        form: form(&read),
        calling,
        stops: read.texts("stop_sequences"),
        tokens_max: read.integer("max_tokens"),
        ignore_ends: read.flag("ignore_eos").unwrap_or(false),
        truncation: Truncation::of(&read),
        ..api.ask(Input::talk(conversation))
    };
    let mut answer = model.ask(ask).await?;
    let mut warnings = contract::told(std::mem::take(&mut read.warnings), &answer);
    contract.settle(&warnings)?;
    if read.flag("stream") == Some(true) {
        let format = MessageStream::new(warnings.clone());
        return Ok(contract::shown(respond(answer, FrameKind::ServerSentEvents, format), &warnings));
    }
    let whole = answer.whole().await?;
    warnings.extend(whole.late());
    let message = object::Message::new(&answer, whole, warnings.clone());
    Ok(contract::shown(fresh(StatusCode::OK, &message)?, &warnings))
}

/// What is to be done with the tools.
fn calling(read: &Read, conversation: &Conversation) -> Result<Calling, Problem> {
    let wanted = read.object("tool_choice");
    let choice = match (wanted.text("type"), wanted.text("name")) {
        (Some("any"), _) => Choose::Any,
        (Some("tool"), Some(name)) => Choose::Named(name.to_owned()),
        (Some("tool"), None) => {
            return Err(Problem::missing_parameter("tool_choice.name", "the name of one of the tools"));
        }
        _ => Choose::Freely,
    };
    let once = wanted.flag("disable_parallel_tool_use") == Some(true);
    Calling::of(choice, once, &conversation.tools, "tool_choice")
}

/// Count the tokens of a conversation
///
/// Nothing is answered; the model is loaded, because its own tokenizer and template count.
#[utoipa::path(
    post,
    path = "/v1/messages/count_tokens",
    operation_id = "countMessageTokens",
    tag = "anthropic",
    responses((status = 200, description = "How many there are.", body = object::Count)),
)]
pub(crate) async fn count(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let mut read = body(&headers, request, api.settings.request_bytes_max, &COUNTED).await?;
    let conversation = conversation::of(&mut read)?;
    contract.settle(&read.warnings)?;
    let model = api.models.load(read.text("model"), None).await?;
    let limits = api.pictures();
    let prompt = in_background(move || {
        let conversation = conversation.read(&model.model, limits)?;
        Ok::<_, Problem>(model.model.chat_prompt(&conversation)?)
    });
    let prompt = prompt.await??;
    let count = object::Count { input_tokens: prompt.tokens.len() };
    contract.warned(fresh(StatusCode::OK, &count)?, &read.warnings)
}

fn form(read: &Read) -> Option<Grammar> {
    let output = read.object("output_config").object("format");
    let schema = output.value("schema").cloned();
    schema.or_else(|| read.object("output_format").value("schema").cloned()).map(Grammar::JsonSchema)
}
