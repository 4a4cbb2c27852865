use std::{convert::Infallible, sync::LazyLock};

use athenaeum_inference::{constraint::Grammar, sampling::Sampling, template::Conversation};
use axum::{
    body::{Body, Bytes},
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::Response,
};
use futures_util::stream::unfold;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tracing::Instrument as _;

use super::{
    input::{self, CONVERSATION},
    kept::Record,
    object::{Events, Growing},
    run::{Begun, Run},
};
use crate::{
    Api,
    contract::{self, Contract},
    dto::params,
    json::fresh,
    openai::conversation::allowed_calling,
    openai::{
        list::Part,
        parameters::{self, ANY_TEXT, MODEL},
    },
    parameters::{Parameter, Read, Takes, body},
    problem::{Kind, Problem},
    sampling::{self, SAMPLING},
    serving::{Ask, Calling, Choose, Input, Truncation, in_background},
    stream::{FrameKind, Frames},
};

/// What a request may say.
pub(crate) static PARAMETERS: LazyLock<Vec<Parameter>> =
    LazyLock::new(|| [CONVERSATION, ANSWER, SAMPLING].concat());

const NAME: Takes = Takes::Text(512);

const ANSWER: &[Parameter] = &[
    MODEL,
    Parameter::new("max_output_tokens", Takes::Integer(1, 1 << 30), "Tokens of the answer at most."),
    Parameter::new("text", Takes::Object(TEXT), "What the answer must look like."),
    Parameter::new("stream", Takes::Bool, "Sends the answer as it comes, as server-sent events."),
    Parameter::new(
        "background",
        Takes::Bool,
        "Answers at once with the response as it is, and goes on with it.",
    ),
    Parameter::new(
        "store",
        Takes::Bool,
        "Keeps the response, so that it can be come back to and gone on from; true where nothing is said.",
    ),
    Parameter::new("metadata", Takes::Map(&Takes::Text(512)), "Kept with the response."),
    Parameter::new(
        "top_logprobs",
        Takes::Integer(0, 20),
        "How many of the likeliest tokens are told beside each.",
    ),
    Parameter::new("include", Takes::List(&NAME, 16), "What else is told: `message.output_text.logprobs`."),
    Parameter::new(
        "truncation",
        Takes::OneOf(&["disabled", "auto"]),
        "Leaves out the oldest messages of a prompt that is too long, and says so; otherwise it is refused.",
    ),
    Parameter::only(
        "stream_options",
        Takes::Map(&Takes::Any),
        &["{\"include_obfuscation\":false}"],
        "events are not padded; put TLS in front",
    ),
    Parameter::only("service_tier", NAME, &["\"auto\"", "\"default\""], "there is one tier here"),
    Parameter::without_effect(
        "max_tool_calls",
        Takes::Integer(1, 1 << 30),
        "this server runs no tools itself",
    ),
    Parameter::without_effect("user", ANY_TEXT, "nothing is kept about a client's users"),
    Parameter::without_effect("safety_identifier", ANY_TEXT, "nothing is kept about a client's users"),
    Parameter::without_effect("prompt_cache_key", ANY_TEXT, "beginnings are recognised by their tokens"),
    Parameter::without_effect("prompt_cache_retention", NAME, "beginnings are kept while there is room"),
    Parameter::without_effect("client_metadata", Takes::Any, "nothing is kept about clients"),
];

const TEXT: &[Parameter] = &[
    Parameter::new("format", Takes::Object(FORMAT), "Text, any JSON object, or JSON of a schema."),
    Parameter::without_effect("verbosity", NAME, "templates have no place for it"),
];

const FORMAT: &[Parameter] = &[
    Parameter::required("type", Takes::OneOf(&["text", "json_object", "json_schema"]), "Which."),
    Parameter::new("name", NAME, "What the schema is called."),
    Parameter::new("description", ANY_TEXT, "What it is for."),
    Parameter::new("schema", Takes::Map(&Takes::Any), "The schema."),
    Parameter::new("strict", Takes::Bool, "Answers always keep to the schema."),
];

/// Answer, and keep the answer
///
/// As OpenAI's endpoint of that name. Parameters that are unknown or have no effect are listed in `warnings`.
#[utoipa::path(
    post,
    path = "/v1/responses",
    operation_id = "createResponse",
    tag = "openai",
    responses((status = 200, description = "The response.", body = Object)),
)]
pub(crate) async fn create(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let mut read = body(&headers, request, api.settings.request_bytes_max, &PARAMETERS).await?;
    let store = read.flag("store").unwrap_or(true);
    let background = read.flag("background").unwrap_or(false);
    if background && !(store && api.state.is_some()) {
        return Err(Problem::parameter("background", "true only where the response is kept (store)"));
    }
    if api.state.is_none() && read.flag("store") == Some(true) {
        read.warn("store", "this server keeps nothing");
    }
    let new = input::items(&read);
    let mut items = match read.text("previous_response_id") {
        Some(id) => Record::said_until(&api, id).await?,
        None => Vec::new(),
    };
    items.extend(new.iter().cloned());
    let conversation = input::conversation(&mut read, &items)?;
    let calling = calling(&read, &conversation)?;
    let logprobs = logprobs(&mut read);
    let form = form(&read)?;
    contract.settle(&read.warnings)?;

    let model = api.models.writer(read.text("model"), None).await?;
    let name = model.name().to_owned();
    let ask = Ask {
        sampling: model.sampling(&read, Sampling::default())?,
        chosen: sampling::chosen(&read),
        form,
        calling,
        tokens_max: parameters::tokens_max(&read, &["max_output_tokens"]),
        logprobs,
        ignore_ends: read.flag("ignore_eos").unwrap_or(false),
        truncation: Truncation::of(&read),
        ..api.ask(Input::talk(conversation))
    };
    let answer = model.ask(ask).await?;
    let warnings = contract::told(std::mem::take(&mut read.warnings), &answer);
    contract.settle(&warnings)?;
    let growing = Growing::new(&read, &name, &warnings);
    let (id, begun) = (growing.id().to_owned(), growing.object());
    let run = Run { api: api.clone(), growing, answer, input: new, store, background }.begin().await;
    let (events, told) = mpsc::channel(64);
    if background || read.flag("stream") == Some(true) {
        tokio::spawn(run.make(events).in_current_span());
        let mut response = streamed(told);
        if background {
            response = api.resumable.keep(&api.scope, (&id, None), response, None);
        }
        if read.flag("stream") != Some(true) {
            response = fresh(StatusCode::OK, &begun)?;
        }
        return Ok(contract::shown(response, &warnings));
    }
    let response = whole(run, events, told).await;
    if let Some(message) = response["error"]["message"].as_str() {
        return Err(Problem::new(Kind::Internal, message));
    }
    Ok(contract::shown(fresh(StatusCode::OK, &response)?, &warnings))
}

/// What is to be done with the tools.
fn calling(read: &Read, conversation: &Conversation) -> Result<Calling, Problem> {
    let once = read.flag("parallel_tool_calls") == Some(false);
    let chosen = read.value("tool_choice").filter(|chosen| chosen.is_object());
    if let Some(allowed) = chosen.filter(|chosen| chosen["type"] == "allowed_tools") {
        if !allowed["tools"].is_array() {
            return Err(Problem::missing_parameter("tool_choice.tools", "a list of tools"));
        }
        return allowed_calling(allowed, |tool| &tool["name"], once, &conversation.tools);
    }
    let named = chosen.and_then(|chosen| chosen.get("name")).and_then(Value::as_str);
    if chosen.is_some() && named.is_none() {
        return Err(Problem::missing_parameter("tool_choice.name", "a tool's name"));
    }
    let choice = match named {
        Some(name) => Choose::Named(name.to_owned()),
        None if read.text("tool_choice") == Some("required") => Choose::Any,
        None => Choose::Freely,
    };
    Calling::of(choice, once, &conversation.tools, "tool_choice")
}

/// Count a prompt's tokens
///
/// Of the same body as one that asks for a response.
#[utoipa::path(
    post,
    path = "/v1/responses/input_tokens",
    operation_id = "countResponseTokens",
    tag = "openai",
    responses((status = 200, description = "How many.", body = Object)),
)]
pub(crate) async fn count(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let mut read = body(&headers, request, api.settings.request_bytes_max, &PARAMETERS).await?;
    let mut items = match read.text("previous_response_id") {
        Some(id) => Record::said_until(&api, id).await?,
        None => Vec::new(),
    };
    items.extend(input::items(&read));
    let conversation = input::conversation(&mut read, &items)?;
    contract.settle(&read.warnings)?;
    let model = api.models.load(read.text("model"), None).await?;
    let limits = api.pictures();
    let prompt = in_background(move || {
        let conversation = conversation.read(&model.model, limits)?;
        Ok::<_, Problem>(model.model.chat_prompt(&conversation)?)
    });
    let prompt = prompt.await??;
    let mut count = json!({ "object": "response.input_tokens", "input_tokens": prompt.tokens.len() });
    if !read.warnings.is_empty() {
        count["warnings"] = json!(read.warnings);
    }
    contract.warned(fresh(StatusCode::OK, &count)?, &read.warnings)
}

/// Waits for a response; whoever hangs up meanwhile drops `told`, and it ends.
async fn whole(run: Begun, events: mpsc::Sender<Events>, mut told: mpsc::Receiver<Events>) -> Value {
    let (response, ()) = tokio::join!(run.make(events), async { while told.recv().await.is_some() {} });
    response
}

fn streamed(told: mpsc::Receiver<Events>) -> Response {
    let body = unfold(told, |mut told| async move {
        let events = told.recv().await?;
        let mut frames = Frames::new(FrameKind::ServerSentEvents);
        events.iter().for_each(|event| frames.push_named(event["type"].as_str(), event));
        Some((Ok::<Bytes, Infallible>(frames.into_bytes()), told))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Read a response
///
/// With `stream=true` its events, those after the number `starting_after` where that is given, while it is being made in
/// the background and for a minute afterwards.
#[utoipa::path(
    get,
    path = "/v1/responses/{response_id}",
    operation_id = "retrieveResponse",
    tag = "openai",
    params(
        ("response_id" = String, Path, description = "Its id."),
        ("stream" = Option<bool>, Query, description = "Whether to follow it."),
        ("starting_after" = Option<u64>, Query, description = "The last event that was seen."),
    ),
    responses((status = 200, description = "The response.", body = Object)),
)]
pub(crate) async fn one(
    api: Api,
    contract: Contract,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let known = ["stream", "starting_after", "include", "include[]", "include_obfuscation"];
    let (params, warnings) = contract.params(&uri, &known)?;
    let record = Record::find(&api, &id).await?;
    if params.flag("stream")? {
        let after = params
            .one("starting_after")?
            .map(|_| params.number("starting_after", 0..=1 << 40, 0))
            .transpose()?;
        return api.resumable.go_on(&api.scope, &id, after.map_or(0, |after| after + 1));
    }
    contract.warned(fresh(StatusCode::OK, &record.response)?, &warnings)
}

/// Delete a response
#[utoipa::path(
    delete,
    path = "/v1/responses/{response_id}",
    operation_id = "deleteResponse",
    tag = "openai",
    params(("response_id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "It is gone.", body = Object)),
)]
pub(crate) async fn remove(api: Api, Path(id): Path<String>) -> Result<Response, Problem> {
    api.running.cancel(&api, &id);
    Record::remove(&api, &id).await?;
    fresh(StatusCode::OK, &json!({ "id": id, "object": "response", "deleted": true }))
}

/// Call a response off
///
/// Ends one that is being made in the background; one that is over stays as it is.
#[utoipa::path(
    post,
    path = "/v1/responses/{response_id}/cancel",
    operation_id = "cancelResponse",
    tag = "openai",
    params(("response_id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "The response.", body = Object)),
)]
pub(crate) async fn cancel(api: Api, Path(id): Path<String>) -> Result<Response, Problem> {
    let mut record = Record::find(&api, &id).await?;
    if record.response["background"] != true {
        let detail = "Only responses that are made in the background can be called off; close the connection of others.";
        return Err(Problem::new(Kind::BadRequest, detail));
    }
    if api.running.cancel(&api, &id) {
        record.response["status"] = "cancelled".into();
    }
    fresh(StatusCode::OK, &record.response)
}

/// List what a response was asked
///
/// The newest first where nothing is said.
#[utoipa::path(
    get,
    path = "/v1/responses/{response_id}/input_items",
    operation_id = "listInputItems",
    tag = "openai",
    params(
        ("response_id" = String, Path, description = "Its id."),
        params::ListPart,
    ),
    responses((status = 200, description = "The items.", body = Object)),
)]
pub(crate) async fn items(
    api: Api,
    contract: Contract,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Problem> {
    let known = ["limit", "order", "after", "include", "include[]"];
    let (params, warnings) = contract.params(&uri, &known)?;
    let part = Part::of(&params)?;
    let items = Record::find(&api, &id).await?.input;
    contract.warned(fresh(StatusCode::OK, &part.take(items, true))?, &warnings)
}

/// How many of the likeliest tokens are told beside each, where any are.
fn logprobs(read: &mut Read) -> Option<usize> {
    let mut wanted = read.integer::<usize>("top_logprobs").filter(|&top| top > 0);
    let others: Vec<String> = read.texts("include");
    for other in others {
        match other.as_str() {
            "message.output_text.logprobs" => wanted = wanted.or(Some(0)),
            "reasoning.encrypted_content" => {
                read.warn("include", "reasoning.encrypted_content: what the model thinks comes readable");
            }
            other => read.warn("include", format!("{other}: nothing of the kind is made here")),
        }
    }
    wanted
}

fn form(read: &Read) -> Result<Option<Grammar>, Problem> {
    let format = read.object("text").object("format");
    Ok(match format.text("type") {
        None | Some("text") => None,
        Some("json_object") => Some(Grammar::JsonObject),
        Some(_) => {
            let missing = || Problem::missing_parameter("text.format.schema", "a JSON schema");
            Some(Grammar::JsonSchema(format.value("schema").cloned().ok_or_else(missing)?))
        }
    })
}
