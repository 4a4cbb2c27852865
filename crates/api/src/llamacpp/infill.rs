//! `POST /infill`: what stands between two texts, for editors.

use std::sync::LazyLock;

use athenaeum_inference::tokenizer::Special;
use axum::{body::Body, http::HeaderMap, response::Response};
use serde_json::Value;

use super::completion::{self, ANSWER, Completion};
use crate::{
    Api,
    contract::Contract,
    parameters::{Parameter, Takes, body},
    problem::{Kind, Problem},
    sampling::SAMPLING,
    serving::{Input, infill},
};

/// What a request may say.
pub(super) static PARAMETERS: LazyLock<Vec<Parameter>> = LazyLock::new(|| [OWN, ANSWER, SAMPLING].concat());

const ANY_TEXT: Takes = Takes::Text(usize::MAX);

const OWN: &[Parameter] = &[
    Parameter::required("input_prefix", ANY_TEXT, "What stands before the gap."),
    Parameter::required("input_suffix", ANY_TEXT, "What stands after it."),
    Parameter::new("input_extra", Takes::List(&Takes::Object(FILE), 1024), "Other files to know of."),
    Parameter::new("prompt", ANY_TEXT, "How what fills the gap begins."),
];

const FILE: &[Parameter] = &[
    Parameter::required("text", ANY_TEXT, "What is in it."),
    Parameter::new("filename", Takes::Text(4096), "What it is called."),
];

/// Fill a gap between two texts
///
/// As llama.cpp's server does, for models that have learnt to fill gaps; others are refused (400), where that server says
/// 501.
#[utoipa::path(
    post,
    path = "/infill",
    operation_id = "infill",
    tag = "llamacpp",
    responses((status = 200, description = "What fills the gap.", body = Completion)),
)]
pub(super) async fn create(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let read = body(&headers, request, api.settings.request_bytes_max, &PARAMETERS).await?;
    contract.settle(&read.warnings)?;
    let model = api.models.load(read.text("model"), None).await?;
    let tokenizer = model.model.tokenizer();
    let (prefix, suffix) = (read.text("input_prefix"), read.text("input_suffix"));
    let Some(mut tokens) = infill::between(tokenizer, prefix.unwrap_or_default(), suffix.unwrap_or_default())
    else {
        let detail = "The model has not learnt to fill gaps; choose a model for code.";
        return Err(Problem::new(Kind::BadRequest, detail).about("model"));
    };
    tokens.extend(tokenizer.encode(read.text("prompt").unwrap_or_default(), Special::Text));
    let at = usize::from(tokenizer.adds_bos() && tokens.first().copied() == tokenizer.bos());
    // Models were taught to see other files of a project apart by this token, where they have it.
    let mark = ["<|file_sep|>", "<file_sep>"].into_iter().find_map(|mark| tokenizer.id(mark));
    let mut files = Vec::new();
    for file in read.list("input_extra") {
        let text = |name: &str| file.get(name).and_then(Value::as_str).unwrap_or_default();
        files.extend(mark);
        let apart = if mark.is_some() { "" } else { "\n\n" };
        let whole = format!("{apart}{}\n{}", text("filename"), text("text"));
        files.extend(tokenizer.encode(&whole, Special::Text));
    }
    if !files.is_empty() {
        files.extend(mark);
    }
    tokens.splice(at..at, files);
    completion::answer(&api, contract, read, model, (vec![Input::Tokens(tokens)], false)).await
}
