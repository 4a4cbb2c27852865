//! `POST /v1/rerank`, as Jina and Cohere have it, and as TEI does where `texts` are sent instead of `documents`.

use std::time::{Duration, Instant};

use athenaeum_inference::reranker::{Options, Score};
use axum::{
    body::Body,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    embeddings::{truncate, with_cut},
    parameters::{ANY_TEXT, MODEL, TRUNCATION},
};
use crate::{
    Api,
    contract::{self, Contract},
    json::fresh,
    parameters::{Conditions, Holds, Parameter, Read, Takes, Warning, body},
    problem::Problem,
};

/// What a request may say.
pub(crate) const PARAMETERS: &[Parameter] = &[
    MODEL,
    Parameter::required("query", ANY_TEXT, "What the documents are to answer."),
    Parameter::new(
        "documents",
        Takes::Filled(&Takes::List(&DOCUMENT, DOCUMENTS_MAX)),
        "Texts, or objects whose field `text` is one.",
    ),
    Parameter::new(
        "texts",
        Takes::Filled(&Takes::List(&ANY_TEXT, DOCUMENTS_MAX)),
        "The same; the answer is a bare list then, as text-embeddings-inference has it.",
    ),
    Parameter::new(
        "top_n",
        Takes::Integer(1, 1 << 30),
        "How many of the best are returned; all where nothing is said.",
    ),
    Parameter::new("return_documents", Takes::Bool, "Returns the documents with their scores."),
    Parameter::new("return_text", Takes::Bool, "The same for `texts`."),
    Parameter::new("raw_scores", Takes::Bool, "Returns what the model says instead of numbers from 0 to 1."),
    Parameter::new("truncate", Takes::Bool, "Cuts off the ends of documents that are too long, and says so."),
    TRUNCATION,
    Parameter::new(
        "rank_fields",
        Takes::List(&Takes::Text(256), 16),
        "The fields of objects that make their text, one a line.",
    ),
    Parameter::only(
        "truncation_direction",
        Takes::OneOf(&["right", "left", "Right", "Left"]),
        &["\"right\"", "\"Right\""],
        "the ends of documents are cut off",
    ),
    Parameter::without_effect("max_chunks_per_doc", Takes::Any, "a document is scored as a whole"),
    Parameter::without_effect("max_tokens_per_doc", Takes::Any, "documents are cut to what the model takes"),
    Parameter::without_effect("user", ANY_TEXT, "nothing is kept about a client's users"),
];

/// Documents under one of their names.
pub(super) const CONDITIONS: Conditions =
    &[&[Holds::Has("documents"), Holds::Has("texts")], &[Holds::Lacks("documents"), Holds::Lacks("texts")]];

const DOCUMENT: Takes = Takes::Either(&[ANY_TEXT, Takes::Map(&Takes::Any)]);
const DOCUMENTS_MAX: usize = 4096;

/// Documents by how well they answer, the best first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::Rerank)]
pub(crate) struct Rerank {
    id: String,
    object: &'static str,
    /// Who scored them.
    model: String,
    results: Vec<Ranked>,
    usage: RerankUsage,
    /// What of the request was not done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Warning>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::RankedDocument)]
struct Ranked {
    /// Which, from 0, as they were sent.
    index: usize,
    /// From 0 to 1, or what the model says.
    relevance_score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Value>,
}

/// Tokens that were computed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = openai::RerankUsage)]
struct RerankUsage {
    prompt_tokens: usize,
    total_tokens: usize,
}

/// Rank documents by how well they answer
///
/// As Jina's and Cohere's endpoints of that name. With `texts` instead of `documents` the answer is a bare list, as
/// text-embeddings-inference has it. Parameters that are unknown or have no effect are listed in `warnings`.
#[utoipa::path(
    post,
    path = "/v1/rerank",
    operation_id = "rerank",
    tag = "openai",
    responses((status = 200, description = "The documents, the best first.", body = Rerank)),
)]
pub(crate) async fn create(
    api: Api,
    contract: Contract,
    headers: HeaderMap,
    request: Body,
) -> Result<Response, Problem> {
    let mut read = body(&headers, request, api.settings.request_bytes_max, PARAMETERS).await?;
    let plain = read.has("texts");
    let documents = documents(&mut read)?;
    contract.settle(&read.warnings)?;

    let loaded = api.models.reranker(read.text("model"), None).await?;
    let cuts = read.flag("truncate") == Some(true);
    let options = Options {
        truncate: if cuts { Default::default() } else { truncate(&read) },
        owner: api.owner(),
        deadline: Instant::now().checked_add(Duration::from_secs(api.settings.answer_seconds.max(1))),
    };
    let query = read.text("query").unwrap_or_default().to_owned();
    let texts = documents.iter().map(|document| document.text.clone()).collect();
    let scores = loaded.model.rerank(query, texts, options).await?;
    let warnings = with_cut(std::mem::take(&mut read.warnings), scores.iter().map(|score| score.cut_tokens));
    contract.settle(&warnings)?;

    let tokens = scores.iter().map(|score| score.tokens).sum();
    let raw = read.flag("raw_scores") == Some(true);
    let mut ranked: Vec<(usize, f32)> = scores.iter().map(|score| score_of(score, raw)).enumerate().collect();
    ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    ranked.truncate(read.integer("top_n").unwrap_or(usize::MAX));
    let response = if plain {
        let shows = read.flag("return_text") == Some(true);
        let result = |(index, score): (usize, f32)| {
            let text = documents.get(index).filter(|_| shows).map(|document| document.text.as_str());
            TextScore { index, score, text: text.map(str::to_owned) }
        };
        fresh(StatusCode::OK, &ranked.into_iter().map(result).collect::<Vec<_>>())?
    } else {
        let shows = read.flag("return_documents") == Some(true);
        let result = |(index, relevance_score)| Ranked {
            index,
            relevance_score,
            document: documents.get(index).filter(|_| shows).map(|document| document.sent.clone()),
        };
        let rerank = Rerank {
            id: format!("rerank-{}", uuid::Uuid::new_v4().simple()),
            object: "list",
            model: loaded.entry.name.clone(),
            results: ranked.into_iter().map(result).collect(),
            usage: RerankUsage { prompt_tokens: tokens, total_tokens: tokens },
            warnings: warnings.clone(),
        };
        fresh(StatusCode::OK, &rerank)?
    };
    Ok(contract::shown(response, &warnings))
}

/// A text's score, as text-embeddings-inference tells it.
#[derive(Debug, Serialize)]
struct TextScore {
    index: usize,
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// A document as the model reads it, and as it goes back.
#[derive(Debug)]
struct Document {
    text: String,
    sent: Value,
}

fn score_of(score: &Score, raw: bool) -> f32 {
    if raw { score.logit } else { score.relevance }
}

fn documents(read: &mut Read) -> Result<Vec<Document>, Problem> {
    let name = match (read.has("documents"), read.has("texts")) {
        (true, true) => return Err(Problem::parameter("texts", "nothing beside documents")),
        (false, false) => return Err(Problem::missing_parameter("documents", "a list of texts")),
        (documents, _) => {
            if documents {
                "documents"
            } else {
                "texts"
            }
        }
    };
    let list = match read.take(name) {
        Some(Value::Array(list)) if !list.is_empty() => list,
        _ => return Err(Problem::parameter(name, "a list with at least one text")),
    };
    let fields = read.texts("rank_fields");
    let document = |(index, value): (usize, Value)| match value {
        Value::String(text) => Ok(Document { sent: json!({ "text": text }), text }),
        object => {
            let texts = |names: &[String]| {
                let of = |name: &String| object.get(name).and_then(Value::as_str);
                let texts: Vec<&str> = names.iter().filter_map(of).collect();
                (!texts.is_empty()).then(|| texts.join("\n"))
            };
            let text = if fields.is_empty() { texts(&["text".to_owned()]) } else { texts(&fields) };
            let at = format!("{name}[{index}]");
            let text =
                text.ok_or_else(|| Problem::parameter(&at, "text, or an object with a field `text`"))?;
            Ok(Document { text, sent: object })
        }
    };
    list.into_iter().enumerate().map(document).collect()
}
