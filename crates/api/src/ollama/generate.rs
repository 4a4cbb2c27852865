//! `POST /api/generate`.

use std::{
    sync::{Arc, LazyLock},
    time::Instant,
};

use athenaeum_inference::{
    template::{Conversation, Message},
    tokenizer::Tokenizer,
};
use axum::{body::Body, http::HeaderMap, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    asking::{self, ANSWER},
    beside::Beside,
    conversation::{self, ANY_TEXT, IMAGES, THINK},
    duration::{KEEP_ALIVE, keep_alive},
    name::answering,
    options::{self, OPTIONS},
    reply::{self, Counts, LogProb, Piece, Told, nanoseconds},
};
use crate::{
    Api,
    contract::{self, Contract},
    parameters::{Parameter, Read, Takes, Warning},
    problem::{Kind, Problem},
    serving::{Ask, Input, Pictures, Writer, infill},
};

/// What a request may say.
pub(crate) static PARAMETERS: LazyLock<Vec<Parameter>> = LazyLock::new(|| {
    let options = Parameter::new(
        "options",
        Takes::Object(OPTIONS.as_slice()),
        "How tokens are chosen, and how much room there is.",
    );
    [ANSWER, OWN, &[IMAGES, THINK, KEEP_ALIVE, options]].concat()
});

const OWN: &[Parameter] = &[
    Parameter::new("prompt", ANY_TEXT, "What is said to the model; without it, the model is loaded."),
    Parameter::new("system", ANY_TEXT, "What the model is told before."),
    Parameter::new("raw", Takes::Bool, "Hands the prompt to the model as it is, without its template."),
    Parameter::new(
        "context",
        Takes::List(&Takes::Integer(0, u32::MAX as i64), 1 << 22),
        "What an earlier answer gave under that name: the model goes on from there.",
    ),
    Parameter::new("suffix", ANY_TEXT, "What stands behind the answer, for models that fill gaps."),
    Parameter::without_effect("template", ANY_TEXT, "the model's own template is used"),
];

/// An answer, or a piece of one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ollama::Generated)]
pub(crate) struct Generated {
    model: String,
    /// When it was written, RFC 3339.
    created_at: String,
    /// What was said.
    response: String,
    /// What the model said to itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    thinking: String,
    /// Whether it is the last piece.
    done: bool,
    /// `stop`, `length`, `load` or `unload`; in the last piece, as what follows but for `logprobs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    done_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    logprobs: Vec<LogProb>,
    /// Tokens of prompt and answer, for a request that goes on from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<Vec<u32>>,
    /// Nanoseconds from the request to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_duration: Option<u64>,
    /// Not where a model was only brought into memory or let go.
    #[serde(flatten)]
    #[schema(value_type = Counts)]
    counts: Option<Counts>,
    /// What of the request was not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// Answer a prompt
///
/// As Ollama's endpoint of that name: unless `stream` is false, the answer comes a JSON object a line
/// (`application/x-ndjson`). Parameters that are unknown or have no effect are listed in `warnings`.
#[utoipa::path(
    post,
    path = "/api/generate",
    operation_id = "ollamaGenerate",
    tag = "ollama",
    responses((
        status = 200,
        description = "The answer.",
        content((Generated = "application/json"), (Generated = "application/x-ndjson")),
    )),
)]
pub(crate) async fn create(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let mut read = super::read(&api, &headers, request, &PARAMETERS).await?;
    let name = asking::model(&read)?;
    let keep_alive = keep_alive(&read)?;
    let logprobs = asking::logprobs(&read)?;
    check(&read)?;
    contract.settle(&read.warnings)?;
    if !says(&read, "prompt") && !says(&read, "suffix") {
        return asking::only_load::<Generated>(&api, contract, &mut read, keep_alive, started).await;
    }
    let model = api.models.writer(Some(&name), keep_alive).await?;
    if model.here().is_none() {
        asking::stays_elsewhere(&mut read, keep_alive);
    }
    let load = started.elapsed();
    let beside = Beside::of(model.entry()).await?;
    let mut ask = ask(&api, &mut read, &model, &beside)?;
    options::apply(&mut read, &model, &beside, &mut ask)?;
    contract.settle(&read.warnings)?;
    (ask.form, ask.logprobs) = (asking::form(&read), logprobs);
    let answer = model.ask(ask).await?;
    let told = Told {
        model: answering(answer.model.entry(), &name),
        started,
        load,
        warnings: contract::told(std::mem::take(&mut read.warnings), &answer),
        context: read.flag("raw") != Some(true),
        stream: read.flag("stream").unwrap_or(true),
    };
    reply::write::<Generated>(answer, told, contract).await
}

/// Refuses what cannot be together, or at all.
fn check(read: &Read) -> Result<(), Problem> {
    if !read.list("images").is_empty() && says(read, "suffix") {
        return Err(Problem::parameter("images", "nothing beside suffix: a gap is filled with text"));
    }
    let beside = ["system", "template", "suffix"].into_iter().find(|name| says(read, name));
    let beside = beside.or((!read.list("images").is_empty()).then_some("images"));
    let beside = beside.or((!read.list("context").is_empty()).then_some("context"));
    match beside.filter(|_| read.flag("raw") == Some(true)) {
        Some(name) => {
            Err(Problem::parameter(name, "nothing beside raw, which hands the prompt over as it is"))
        }
        None => Ok(()),
    }
}

fn says(read: &Read, name: &str) -> bool {
    read.text(name).is_some_and(|text| !text.is_empty())
}

/// Makes of prompt, system message and context what is asked.
fn ask(api: &Api, read: &mut Read, model: &Writer, beside: &Beside) -> Result<Ask, Problem> {
    let prompt = read.text("prompt").unwrap_or_default().to_owned();
    let system = read.text("system").filter(|text| !text.is_empty()).map(str::to_owned);
    if read.flag("raw") == Some(true) {
        return Ok(api.ask(Input::Text(prompt)));
    }
    let before = read.list("context").iter().filter_map(|token| token.as_u64()?.try_into().ok()).collect();
    if let Some(suffix) = read.text("suffix").filter(|text| !text.is_empty()) {
        let between = |tokenizer: &Arc<Tokenizer>| infill::between(tokenizer, &prompt, suffix);
        let tokens = model.tokenizer().and_then(between).ok_or_else(|| {
            let detail =
                format!("The model {} has not learnt to fill gaps; leave 'suffix' out.", model.name());
            Problem::new(Kind::BadRequest, detail).about("suffix")
        })?;
        if system.is_some() {
            read.warn("system", "a model that fills a gap is told nothing else");
        }
        return Ok(Ask { before, ..api.ask(Input::Tokens(tokens)) });
    }
    let talks = model.here().is_none_or(|loaded| loaded.model.template().is_some());
    let input = match talks {
        true => {
            // What an earlier answer left has been told already.
            let usual = beside.system.clone().filter(|_| read.list("context").is_empty());
            let system = system.or(usual).map(|text| Message::new("system", text));
            let mut pictures = Pictures::default();
            let content = conversation::content("images", read.list("images"), &prompt.into(), &mut pictures);
            let user = Message::new("user", conversation::json(&content)?);
            let mut conversation = Conversation::new(system.into_iter().chain([user]));
            conversation::think(read, model, &mut conversation);
            Input::talk(pictures.shown_in(conversation))
        }
        // A model that was never taught to talk goes on with what it is given.
        false if !read.list("images").is_empty() => {
            let detail = format!(
                "The model {} has no chat template, which says where pictures stand; name one that has.",
                model.name()
            );
            return Err(Problem::new(Kind::BadRequest, detail).about("images"));
        }
        false => Input::Text(system.into_iter().chain([prompt]).collect::<Vec<_>>().join("\n\n")),
    };
    Ok(Ask { before, ..api.ask(input) })
}

impl From<Piece> for Generated {
    fn from(piece: Piece) -> Self {
        let Piece { model, created_at, text, thinking, logprobs, last, .. } = piece;
        let (reason, total, counts, context, warnings) = match last {
            Some(last) => {
                (Some(last.reason), Some(nanoseconds(last.total)), last.counts, last.context, last.warnings)
            }
            None => (None, None, None, None, Vec::new()),
        };
        Self {
            model,
            created_at,
            response: text,
            thinking,
            done: reason.is_some(),
            done_reason: reason,
            logprobs,
            context,
            total_duration: total,
            counts,
            warnings,
        }
    }
}
