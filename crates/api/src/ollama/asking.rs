//! What chat and generate have in common.

use std::time::{Duration, Instant};

use athenaeum_inference::constraint::Grammar;
use axum::{http::StatusCode, response::Response};
use serde::Serialize;
use serde_json::Value;

use super::{
    conversation::ANY_TEXT,
    name::answering,
    reply::{Last, Piece},
};
use crate::{
    Api, clock,
    contract::Contract,
    json::fresh,
    parameters::{Conditions, Holds, Parameter, Read, Takes},
    problem::Problem,
    serving::in_background,
};

/// The model that is asked.
pub(super) const MODEL: Parameter =
    Parameter::required("model", Takes::Filled(&Takes::Text(512)), "The model, as /api/tags lists it.");

/// The same where it has an older name as well.
pub(super) const NAME: [Parameter; 2] = [
    Parameter::new("model", Takes::Text(512), "The model, as /api/tags lists it."),
    Parameter::new("name", Takes::Text(512), "The same, as older clients write it."),
];

pub(super) const STREAM: Parameter = Parameter::new(
    "stream",
    Takes::Bool,
    "Sends the answer as it comes, a JSON object a line; so it does unless told not to.",
);

/// Under one of these names.
pub(super) const NAMED: Conditions = &[&[Holds::Has("model"), Holds::Has("name")]];

/// How the answer looks, and what else is told of it.
pub(super) const ANSWER: &[Parameter] = &[
    MODEL,
    STREAM,
    Parameter::new(
        "format",
        Takes::Either(&[Takes::OneOf(&["", "json"]), Takes::Map(&Takes::Any)]),
        "What the answer must look like: any JSON object, or JSON of a schema.",
    ),
    Parameter::new("logprobs", Takes::Bool, "Tells how likely each token was."),
    Parameter::new("top_logprobs", Takes::Integer(0, 20), "The same for so many of the likeliest tokens."),
    Parameter::new(
        "truncate",
        Takes::Bool,
        "Leaves out the oldest part of a prompt that is too long, and says so; otherwise it is refused.",
    ),
    Parameter::only("shift", Takes::Bool, &["false"], "an answer ends where the context does"),
    Parameter::only("_debug_render_only", Takes::Bool, &["false"], "prompts are not shown"),
    Parameter::without_effect("user", ANY_TEXT, "nothing is kept about a client's users"),
];

/// Returns the model that is named.
pub(super) fn model(read: &Read) -> Result<String, Problem> {
    let name = read.text("model").or_else(|| read.text("name")).unwrap_or_default().trim();
    match name.is_empty() {
        true => Err(Problem::missing_parameter("model", "a model's name, as /api/tags lists it")),
        false => Ok(name.to_owned()),
    }
}

/// Returns what the answer must look like.
pub(super) fn form(read: &Read) -> Option<Grammar> {
    match read.value("format")? {
        Value::String(name) => (name == "json").then_some(Grammar::JsonObject),
        schema => Some(Grammar::JsonSchema(schema.clone())),
    }
}

/// Returns how many of the likeliest tokens are told beside each, where any are.
pub(super) fn logprobs(read: &Read) -> Result<Option<usize>, Problem> {
    let top = read.integer::<usize>("top_logprobs");
    match (read.flag("logprobs").unwrap_or(false), top) {
        (true, top) => Ok(Some(top.unwrap_or(0))),
        (false, None | Some(0)) => Ok(None),
        (false, Some(_)) => Err(Problem::parameter("top_logprobs", "0 unless logprobs is true")),
    }
}

/// Brings a model into memory, or lets it go where it is to stay no time, and says so as an answer without words.
pub(super) async fn only_load<L: From<Piece> + Serialize>(
    api: &Api,
    contract: Contract,
    read: &mut Read,
    keep_alive: Option<Option<Duration>>,
    started: Instant,
) -> Result<Response, Problem> {
    let name = model(read)?;
    let leaves = keep_alive == Some(Some(Duration::ZERO));
    let elsewhere = api.models.elsewhere(Some(&name)).await?.is_some();
    let entry = if elsewhere {
        stays_elsewhere(read, keep_alive);
        None
    } else if leaves {
        let (entry, models) = (api.models.find(Some(&name)).await?, api.models.clone());
        let path = entry.path.clone();
        in_background(move || models.residents().unload(&path)).await?;
        Some(entry)
    } else {
        Some(api.models.load(Some(&name), keep_alive).await?.entry)
    };
    let reason = if leaves { "unload" } else { "load" };
    let last = Last { reason, warnings: read.warnings.clone(), ..Last::default() };
    let piece = Piece {
        model: answering(entry.as_ref(), &name),
        created_at: clock::moment(),
        last: Some(Last { total: started.elapsed(), ..last }),
        ..Piece::default()
    };
    contract.warned(fresh(StatusCode::OK, &L::from(piece))?, &read.warnings)
}

/// Tells whoever says how long a model stays in memory that it is in that of another engine.
pub(super) fn stays_elsewhere(read: &mut Read, keep_alive: Option<Option<Duration>>) {
    if keep_alive.is_some() {
        read.warn("keep_alive", "the model runs on another engine, which keeps it as it likes");
    }
}
