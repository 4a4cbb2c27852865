//! `/tokenize` and `/detokenize`.

use athenaeum_inference::tokenizer::Special;
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::prompt;
use crate::{
    Api,
    contract::Contract,
    json::fresh,
    parameters::{Parameter, Takes, Warning, body},
    problem::{Kind, Problem},
};

const MODEL: Parameter =
    Parameter::new("model", Takes::Text(512), "The model; the usual one where nothing is said.");

/// What a request to `/tokenize` may say.
pub(super) static TOKENIZE: &[Parameter] = &[
    MODEL,
    Parameter::required("content", CONTENT, "Text, or a list of texts and tokens."),
    Parameter::new("add_special", Takes::Bool, "Puts before it what the model was taught to see first."),
    Parameter::new(
        "parse_special",
        Takes::Bool,
        "Control tokens that are spelled out are those tokens; true where nothing is said.",
    ),
    Parameter::new("with_pieces", Takes::Bool, "Tells what each token stands for, too."),
];

/// Nothing has no tokens.
const CONTENT: Takes = Takes::Either(&[prompt::TAKES, Takes::List(&prompt::TAKES, 0)]);

/// What a request to `/detokenize` may say.
pub(super) static DETOKENIZE: &[Parameter] =
    &[MODEL, Parameter::required("tokens", Takes::List(&Takes::Integer(0, 0xFFFF_FFFF), 1 << 24), "Tokens.")];

/// Tokens of a text.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = llamacpp::Tokens)]
pub(super) struct Tokens {
    tokens: Vec<Token>,
    /// What of the request was not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = llamacpp::Token)]
#[serde(untagged)]
enum Token {
    /// Its number.
    Bare(u32),
    /// The same with what it stands for.
    With { id: u32, piece: Piece },
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = llamacpp::Piece)]
#[serde(untagged)]
enum Piece {
    Text(String),
    /// Of which not all are whole characters.
    Bytes(Vec<u8>),
}

/// Text of tokens.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = llamacpp::Text)]
pub(super) struct Text {
    content: String,
    /// What of the request was not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// Turn a text into tokens
#[utoipa::path(
    post,
    path = "/tokenize",
    operation_id = "tokenize",
    tag = "llamacpp",
    responses((status = 200, description = "The tokens.", body = Tokens)),
)]
pub(super) async fn tokenize(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let mut read = body(&headers, request, api.settings.request_bytes_max, TOKENIZE).await?;
    let content = read.take("content").unwrap_or_default();
    let is_empty = content.as_array().is_some_and(Vec::is_empty);
    let prompts = if is_empty { Vec::new() } else { prompt::prompts("content", content)?.prompts };
    contract.settle(&read.warnings)?;
    let model = api.models.load(read.text("model"), None).await?;
    let tokenizer = model.model.tokenizer();
    let begins = read.flag("add_special").unwrap_or(false);
    let special = if read.flag("parse_special").unwrap_or(true) { Special::Parse } else { Special::Text };
    let tokens = prompts.iter().enumerate();
    let tokens = tokens.flat_map(|(at, prompt)| prompt.tokens(tokenizer, begins && at == 0, special));
    let with_pieces = read.flag("with_pieces").unwrap_or(false);
    let token = |id| match std::str::from_utf8(tokenizer.bytes(id)) {
        _ if !with_pieces => Token::Bare(id),
        Ok(text) => Token::With { id, piece: Piece::Text(text.to_owned()) },
        Err(_) => Token::With { id, piece: Piece::Bytes(tokenizer.bytes(id).to_vec()) },
    };
    let tokens = Tokens { tokens: tokens.map(token).collect(), warnings: read.warnings.clone() };
    contract.warned(fresh(StatusCode::OK, &tokens)?, &read.warnings)
}

/// Turn tokens into text
///
/// What is no UTF-8 is shown as U+FFFD.
#[utoipa::path(
    post,
    path = "/detokenize",
    operation_id = "detokenize",
    tag = "llamacpp",
    responses((status = 200, description = "The text.", body = Text)),
)]
pub(super) async fn detokenize(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let read = body(&headers, request, api.settings.request_bytes_max, DETOKENIZE).await?;
    contract.settle(&read.warnings)?;
    let model = api.models.load(read.text("model"), None).await?;
    let tokenizer = model.model.tokenizer();
    let id = |token: &serde_json::Value| {
        let token = token.as_f64().map_or(u32::MAX, |token| token as u32);
        if (token as usize) < tokenizer.len() {
            return Ok(token);
        }
        let detail = format!("The model has {} tokens, and {token} is not among them.", tokenizer.len());
        Err(Problem::new(Kind::BadRequest, detail).about("tokens"))
    };
    let tokens: Vec<u32> = read.list("tokens").iter().map(id).collect::<Result<_, _>>()?;
    let text = Text { content: tokenizer.decode(&tokens, true), warnings: read.warnings.clone() };
    contract.warned(fresh(StatusCode::OK, &text)?, &read.warnings)
}
